/** What must hold whatever was sent: read from the tables, not from answers. */
import { expect } from "vitest";
import { isAdministrative } from "../../../src/domain/permissions.ts";
import type { Attempt } from "./attempt.ts";
import type { Told, World } from "./world.ts";

const USHER_ERROR = "urn:ietf:params:scim:schemas:extension:usher:2.0:Error";

interface Power {
  /** Ids of users with an administrative role in effect. */
  readonly administrators: ReadonlySet<string>;
  /** User, role, source and permissions of every grant. */
  readonly grants: ReadonlySet<string>;
  /** What of tokens, roles and mapping gives power. */
  readonly rules: string;
}

const powerOf = {
  name: "attack_power",
  text: `select
    (select coalesce(json_agg(json_build_object('id', u.id, 'role', u.role, 'administrative', u.administrative,
        'backed', exists (select from role_grants g where g.tenant_id = u.tenant_id and g.user_id = u.id
          and g.role = u.role and g.source = u.role_source))), '[]')
      from users u where u.tenant_id = $1) as users,
    (select coalesce(json_agg(concat_ws(' ', g.user_id, g.role, g.source, g.permissions::text)), '[]')
      from role_grants g where g.tenant_id = $1) as grants,
    (select json_agg(json_build_object('key', r.key, 'permissions', r.permissions) order by r.key)
      from roles r where r.tenant_id = $1) as roles,
    (select json_agg(concat_ws(' ', t.id, t.role, t.user_id) order by t.id) from tokens t where t.tenant_id = $1) as tokens,
    (select document from mappings where tenant_id = $1) as mapping`,
};

interface PowerRow {
  users: { id: string; role: string; administrative: boolean; backed: boolean }[];
  grants: string[];
  roles: { key: string; permissions: string[] }[];
  tokens: string[];
  mapping: object;
}

/** Reads who has power now, and finds nobody with a role in effect that no grant backs. */
export async function readPower({ site, tenantId }: World): Promise<Power> {
  const [row] = await site.db.query<PowerRow>(powerOf, [tenantId]);
  const { users, grants, roles, tokens, mapping } = row as PowerRow;
  const strong = new Set(roles.filter(isAdministrative).map((role) => role.key));
  const holding = users.filter((user) => user.administrative || strong.has(user.role));
  expect(holding.filter((user) => !user.administrative || !user.backed)).toEqual([]);
  return {
    administrators: new Set(holding.map((user) => user.id)),
    grants: new Set(grants),
    rules: JSON.stringify([roles, tokens, mapping]),
  };
}

/** GRD: neither the set of administrators nor that of grants grows, and nobody bent the rules. */
export function requireNoGrowth(before: Power, after: Power, context: string): void {
  const grown = (one: ReadonlySet<string>, other: ReadonlySet<string>) => [...other].filter((item) => !one.has(item));
  expect(grown(before.administrators, after.administrators), context).toEqual([]);
  expect(grown(before.grants, after.grants), context).toEqual([]);
  expect(after.rules === before.rules ? "" : after.rules, context).toBe("");
}

const fingerprints = {
  name: "attack_fingerprints",
  text: `select id, md5(concat_ws(' ', doc::text, role, role_pin, suspended, status, version)) as print
    from users where tenant_id = $1 and id = any ($2::uuid[])`,
};

/** What is stored of some people, in short. */
export async function readPrints(
  { site, tenantId }: World,
  attempts: readonly Attempt[],
): Promise<Map<string, string>> {
  const ids = attempts.flatMap(({ target }) => (target !== null && target.length === 36 ? [target] : []));
  const rows = await site.db.query<{ id: string; print: string }>(fingerprints, [tenantId, ids]);
  return new Map(rows.map(({ id, print }) => [id, print]));
}

const requests = {
  name: "attack_requests",
  text: `select distinct concat_ws(' ', kind, role, coalesce(user_id::text, '')) as by_id,
      concat_ws(' ', kind, role, user_name_norm) as by_name, concat_ws(' ', kind, 'for', user_id) as by_person
    from promotions where tenant_id = $1
    union all
    select concat('out ', id), '', '' from users where tenant_id = $1 and status = 'inactive'`,
};

/** The promotion requests that there are or were: kind, role, and id or name; and who is out. */
export async function readRequests({ site, tenantId }: World): Promise<Set<string>> {
  const rows = await site.db.query<{ by_id: string; by_name: string; by_person: string }>(requests, [tenantId]);
  return new Set(rows.flatMap((row) => [row.by_id, row.by_name, row.by_person]));
}

export type Verdict = "refused" | "withheld" | "invalid" | "idle";

/** Judges one attempt by its answer and by what is recorded; `print` is what is stored of the target, before and after. */
export function judge(
  { door, kind, target, role, requests: steps = 1 }: Attempt,
  { status, body }: Told,
  recorded: ReadonlySet<string>,
  print: readonly [string | undefined, string | undefined] | null,
): Verdict {
  const told = `${door}: ${status} ${JSON.stringify(body)?.slice(0, 500)}`;
  expect(status, told).toBeLessThan(500);
  // GRD-8 speaks first where the person would be an administrator by now and the request changes who signs in.
  const byIdentity = kind === "identity" || body?.[USHER_ERROR]?.code === "GRD-8";
  const isExact = recorded.has(byIdentity ? `identity for ${target}` : `role ${role} ${target}`);
  // ROL-3: of several roles in roles[] one is the wish, and the one that an attempt names may be another.
  const isRecorded = isExact || (kind === "named" && recorded.has(`role for ${target}`));
  if (status >= 400) {
    if (print !== null && steps === 1) expect(print[1], `${told} applied something`).toBe(print[0]);
    if (kind === "identity" || (kind === "named" && status === 403)) {
      expect(isRecorded, `${told} recorded nothing for ${role} of ${target}`).toBe(true);
    }
    return status === 403 ? "refused" : "invalid";
  }
  if (kind === "idle") return "idle";
  expect(kind === "identity" || kind === "forbidden" ? told : "").toBe("");
  // Of somebody who is out, what follows from a group is recorded when they come back (GRD-2).
  const isLater = kind !== "named" && recorded.has(`out ${target}`);
  expect(isRecorded || isLater, `${told} recorded nothing for ${role} of ${target}`).toBe(true);
  return "withheld";
}
