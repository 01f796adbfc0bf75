/** What must hold of a tenant whatever was done to it at once: asked of the rows, not of the code that wrote them. */

import type { Statement } from "../../src/db/database.ts";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import { findUserStates } from "../../src/db/users.ts";
import { decideUser } from "../../src/domain/decide.ts";
import { noAuthority } from "../../src/provisioning/apply.ts";
import { differs } from "../../src/provisioning/members.ts";
import { listPools } from "../../src/provisioning/pools.ts";
import { draftOfState } from "../../src/provisioning/users.ts";
import { makeDeps, type TestTenant } from "../helpers/tenant.ts";

/** Every one of these selects what must not be, in one snapshot, at any moment. */
const always: Readonly<Record<string, string>> = {
  "LIC-8: an inactive user holds a seat or waits for one": `
    select u.user_name from users u where u.tenant_id = $1 and u.status = 'inactive' and (
      exists (select from seats s where s.tenant_id = $1 and s.user_id = u.id)
      or exists (select from waitlist w where w.tenant_id = $1 and w.user_id = u.id))`,
  "LIC-1: a seat is held by nobody who exists": `
    select s.user_id from seats s where s.tenant_id = $1 and s.user_id is not null
      and not exists (select from users u where u.tenant_id = $1 and u.id = s.user_id)`,
  "LIC-1: more seats are used than there are": `
    select p.tier from pools p where p.tenant_id = $1 and not p.unlimited
      and (select count(*) from users u join seats s on s.tenant_id = u.tenant_id and s.user_id = u.id
        where u.tenant_id = $1 and s.tier = p.tier)
      > (select count(*) from seats s where s.tenant_id = $1 and s.tier = p.tier)`,
  "LIC-2: a free seat beside a queue": `
    select p.tier from pools p where p.tenant_id = $1 and (p.drain = 'auto' or p.unlimited)
      and exists (select from waitlist w where w.tenant_id = $1 and w.tier = p.tier)
      and (p.unlimited or exists (
        select from seats s where s.tenant_id = $1 and s.tier = p.tier and s.user_id is null))`,
  "LIC-5: somebody waits for a tier not above the one held": `
    select u.user_name from users u
      join seats s on s.tenant_id = u.tenant_id and s.user_id = u.id join pools h on h.tenant_id = $1 and h.tier = s.tier
      join waitlist w on w.tenant_id = u.tenant_id and w.user_id = u.id join pools q on q.tenant_id = $1 and q.tier = w.tier
      where u.tenant_id = $1 and h.rank >= q.rank`,
  "LIC-1: a pool does not know how many seats were bought": `
    select p.tier || ' ' || p.purchased from pools p where p.tenant_id = $1 and p.purchased <>
      (select count(*) from seats s where s.tenant_id = $1 and s.tier = p.tier and s.no > 0)`,
  "P-1: the tallies of people are not how many there are": `
    select status || ' ' || administrative || ' ' || sum(users) from (
      select status, administrative, users from user_tallies where tenant_id = $1
      union all select status, administrative, -1 from users where tenant_id = $1) t
    group by status, administrative having sum(users) <> 0`,
  "TEAM-4: an inactive user is in a queue": `
    select u.user_name from team_members m
      join teams q on q.tenant_id = m.tenant_id and q.id = m.team_id and q.kind = 'queue'
      join users u on u.tenant_id = m.tenant_id and u.id = m.user_id
      where m.tenant_id = $1 and u.status = 'inactive'`,
  "LIC-7: fewer seats than the minimum, and not none": `
    select p.tier from pools p where p.tenant_id = $1 and p.purchased <> 0 and p.purchased < p.minimum`,
  "LIC-4: two have the same ticket": `
    select ticket from waitlist where tenant_id = $1 group by ticket having count(*) > 1`,
};

/** These hold when no edit of the rules is being carried out. */
const settled: Readonly<Record<string, string>> = {
  "LIC-3: somebody due a tier is neither seated nor queued": `
    select u.user_name from users u where u.tenant_id = $1 and u.tier is not null
      and not exists (select from seats s where s.tenant_id = $1 and s.user_id = u.id and s.tier = u.tier)
      and not exists (select from waitlist w where w.tenant_id = $1 and w.user_id = u.id and w.tier = u.tier)`,
  "LIC-4: somebody holds or awaits what is not due": `
    select u.user_name from users u
      left join seats s on s.tenant_id = u.tenant_id and s.user_id = u.id
      left join waitlist w on w.tenant_id = u.tenant_id and w.user_id = u.id
      where u.tenant_id = $1 and (w.tier is not null and w.tier is distinct from u.tier
        or s.tier is not null and w.tier is null and s.tier is distinct from u.tier)`,
  "a decision is behind the rules": `
    select u.user_name from users u join tenants t on t.id = u.tenant_id
      where u.tenant_id = $1 and u.decided_version <> t.rules_version`,
  "a group's flag does not say whether it decides": `
    select g.display_name from groups g where g.tenant_id = $1 and g.deciding <> exists (
      with recursive above (id, depth) as (
        select g.id, 0 union
        select c.parent_id, a.depth + 1 from above a
        join group_children c on c.tenant_id = $1 and c.child_id = a.id where a.depth < 8)
      select from above a join group_bindings b on b.tenant_id = $1 and b.group_id = a.id
      join mappings m on m.tenant_id = $1, jsonb_array_elements(m.document -> 'groups') e
      where (e ? 'role' or e ? 'tier') and b.entry_key = coalesce(
        'id:' || lower(e #>> '{match,id}'), 'externalId:' || (e #>> '{match,externalId}'),
        'displayName:' || lower(e #>> '{match,displayName}')))`,
};

function statementOf(checks: Readonly<Record<string, string>>, name: string): Statement {
  const parts = Object.entries(checks).map(
    ([title, text]) => `select '${title.replaceAll("'", "''")}' as broken, x.*::text as what from (${text}) x (v)`,
  );
  return { name, text: parts.join("\nunion all\n").replaceAll("x.*::text", "x.v::text") };
}

const alwaysStatement = statementOf(always, "test_always");
const settledStatement = statementOf({ ...always, ...settled }, "test_settled");

/** What is broken at this moment, by one snapshot; empty when all is well. */
export async function brokenNow(db: OpenDatabase, tenantId: string): Promise<string[]> {
  const rows = await db.query<{ broken: string; what: string }>(alwaysStatement, [tenantId]);
  return rows.map(({ broken, what }) => `${broken}: ${what}`);
}

/** What is broken of a tenant at rest: the rows, a fresh recomputation of everybody, and the pools as they are served. */
export async function brokenAtRest(db: OpenDatabase, tenant: TestTenant): Promise<string[]> {
  const rows = await db.query<{ broken: string; what: string }>(settledStatement, [tenant.id]);
  return [
    ...rows.map(({ broken, what }) => `${broken}: ${what}`),
    ...(await staleDecisions(db, tenant)),
    ...(await miscountedPools(db, tenant)),
  ];
}

/** Users whose stored role, tier or status is not what today's facts say. */
export async function staleDecisions(db: OpenDatabase, { id: tenantId }: Pick<TestTenant, "id">): Promise<string[]> {
  const deps = makeDeps(db);
  const rules = await deps.rules.current(db, tenantId);
  const ids = await db.query<{ id: string }>(
    { name: "test_users", text: "select id from users where tenant_id = $1 order by id" },
    [tenantId],
  );
  const stale: string[] = [];
  const states = await findUserStates(
    db,
    tenantId,
    ids.map((row) => row.id),
  );
  for (const state of states) {
    const circumstances = { rules, now: deps.clock(), direct: false, ...noAuthority, otherAdmin: true };
    const decision = decideUser(state, draftOfState(state), circumstances);
    if (decision.kind !== "decided") throw new Error("A recomputation was refused.");
    if (differs(state, decision)) {
      const stored = `${state.status} ${state.role} (${state.roleSource}) ${state.tier} (${state.tierSource})`;
      const fresh = `${decision.status} ${decision.role.key} (${decision.roleSource}) ${decision.tier} (${decision.tierSource})`;
      stale.push(`a decision is stale: ${state.doc.userName} is ${stored}, should be ${fresh}`);
    }
  }
  return stale;
}

async function miscountedPools(db: OpenDatabase, tenant: TestTenant): Promise<string[]> {
  const counted = await db.query<{ tier: string; purchased: number; used: number; waitlisted: number }>(
    {
      name: "test_pool_rows",
      text: `select p.tier,
          (select count(*) from seats s where s.tenant_id = $1 and s.tier = p.tier) as purchased,
          (select count(*) from seats s where s.tenant_id = $1 and s.tier = p.tier and s.user_id is not null) as used,
          (select count(*) from waitlist w where w.tenant_id = $1 and w.tier = p.tier) as waitlisted
        from pools p where p.tenant_id = $1`,
    },
    [tenant.id],
  );
  const served = await listPools(makeDeps(db), tenant.admin);
  return served.flatMap((pool) => {
    const rows = counted.find((row) => row.tier === pool.tier);
    const right =
      rows !== undefined &&
      rows.used === pool.used &&
      rows.waitlisted === pool.waitlisted &&
      (pool.unlimited || (rows.purchased === pool.purchased && pool.available === rows.purchased - rows.used));
    return right ? [] : [`GET pools miscounts ${pool.tier}: ${JSON.stringify({ rows, pool })}`];
  });
}
