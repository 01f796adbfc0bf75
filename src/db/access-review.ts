/** The access review: what the log and the tables know of how people came by what they have. */
import type { Actor } from "../domain/model.ts";
import type { Executor, Statement } from "./database.ts";

export interface ReviewGrant {
  readonly role: string;
  readonly source: string;
  readonly permissions: readonly string[];
  readonly authorizedBy: Actor;
  readonly grantedAt: string;
}

export interface ReviewFacts {
  readonly id: string;
  /** Since when the role in effect is held; null: the log does not say. */
  readonly roleSince: string | null;
  readonly lastChange: {
    readonly at: string;
    readonly action: string;
    readonly rule: string | null;
    readonly actor: Actor;
  } | null;
  readonly grants: readonly ReviewGrant[];
  readonly teams: readonly {
    readonly value: string;
    readonly display: string;
    readonly kind: string;
    readonly sources: readonly string[];
  }[];
  readonly lastSeenAt: string | null;
  readonly reviewedAt: string | null;
}

const iso = (column: string) => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

// By the index of events of one subject, from the latest back.
const ofUser = "from events e where e.tenant_id = $1 and e.subject_id = u.id::text and e.subject_type = 'User'";

const facts: Statement = {
  name: "access_review_facts",
  text: `select u.id,
      (select e.at ${ofUser} and (e.action = 'user.created' or e.after ? 'effectiveRole')
        order by e.id desc limit 1) as "roleSince",
      (select json_build_object('at', ${iso("e.at")}, 'action', e.action, 'rule', e.rule, 'actor', e.actor) ${ofUser}
        order by e.id desc limit 1) as "lastChange",
      coalesce((select json_agg(json_build_object('role', g.role, 'source', g.source, 'permissions', g.permissions,
          'authorizedBy', g.authorized_by, 'grantedAt', ${iso("g.granted_at")}) order by g.granted_at, g.role, g.source)
        from role_grants g where g.tenant_id = $1 and g.user_id = u.id), '[]') as grants,
      case json_typeof(r.reach -> 'teams') when 'array' then r.reach -> 'teams' else '[]' end as teams,
      a.last_seen_at as "lastSeenAt", a.reviewed_at as "reviewedAt"
    from users u
    left join users_reach($1, $2::uuid[]) r on r.user_id = u.id
    left join activities a on a.tenant_id = u.tenant_id and a.user_id = u.id
    where u.tenant_id = $1 and u.id = any ($2::uuid[])`,
};

/** What a review tells beyond the decision, by user. */
export async function findReviewFacts(
  executor: Executor,
  tenantId: string,
  ids: readonly string[],
): Promise<Map<string, ReviewFacts>> {
  if (ids.length === 0) return new Map();
  const rows = await executor.query<ReviewFacts>(facts, [tenantId, ids]);
  return new Map(rows.map((row) => [row.id, row]));
}
