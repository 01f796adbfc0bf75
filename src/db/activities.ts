/** What the product tells of people's comings and goings, and who looked at what they may do. One row a person. */
import type { Actor } from "../domain/model.ts";
import type { Executor, Statement } from "./database.ts";

export interface ActivityRow {
  readonly lastSeenAt: string | null;
  readonly online: boolean;
  readonly callsHandled: number | null;
  readonly trainedAt: string | null;
}

export interface ActivityWrite {
  readonly tenantId: string;
  readonly userId: string;
  readonly at: string;
  readonly online: boolean | null;
  readonly callsHandled: number | null;
  readonly trained: boolean | null;
}

const columns = `a.last_seen_at as "lastSeenAt", a.online, a.calls_handled as "callsHandled", a.trained_at as "trainedAt"`;

const lock: Statement = {
  name: "activities_lock",
  text: `select ${columns} from activities a where a.tenant_id = $1 and a.user_id = $2 for no key update`,
};

// What arrives late does not take back what is known: each of the three has the moment that it is of.
const write: Statement = {
  name: "activities_write",
  text: `insert into activities as a (tenant_id, user_id, last_seen_at, online, told_at, calls_handled, calls_at, trained_at)
    select $1, u.id, $3, coalesce($4, false), case when $4::boolean is not null then $3::timestamptz end, $5,
      case when $5::integer is not null then $3::timestamptz end, case when $6 then $3::timestamptz end
    from users u where u.tenant_id = $1 and u.id = $2
    on conflict (tenant_id, user_id) do update set
      last_seen_at = greatest(a.last_seen_at, $3),
      online = case when $4 is not null and coalesce($3 >= a.told_at, true) then $4 else a.online end,
      told_at = case when $4 is not null then greatest(a.told_at, $3) else a.told_at end,
      calls_handled = case when $5 is not null and coalesce($3 >= a.calls_at, true) then $5 else a.calls_handled end,
      calls_at = case when $5 is not null then greatest(a.calls_at, $3) else a.calls_at end,
      trained_at = case when $6 then coalesce(a.trained_at, $3) when $6 is false then null else a.trained_at end
    returning ${columns}`,
};

/** What is known before and after; undefined where there is no such user. The two are read under the row's lock. */
export async function writeActivity(
  executor: Executor,
  activity: ActivityWrite,
): Promise<{ before: ActivityRow | undefined; after: ActivityRow } | undefined> {
  const { tenantId, userId, at, online, callsHandled, trained } = activity;
  const [before] = await executor.query<ActivityRow>(lock, [tenantId, userId]);
  const values = [tenantId, userId, at, online, callsHandled, trained];
  const [after] = await executor.query<ActivityRow>(write, values);
  return after === undefined ? undefined : { before, after };
}

const review: Statement = {
  name: "activities_review",
  text: `insert into activities (tenant_id, user_id, reviewed_at, reviewed_by) values ($1, $2, $3, $4)
    on conflict (tenant_id, user_id) do update set reviewed_at = excluded.reviewed_at, reviewed_by = excluded.reviewed_by
    where activities.reviewed_at is null or activities.reviewed_at <= excluded.reviewed_at`,
};

/** somebody has looked at what this person may do. */
export async function writeReview(executor: Executor, tenantId: string, userId: string, at: string, by: Actor) {
  await executor.query(review, [tenantId, userId, at, JSON.stringify(by)]);
}

/** What the management side shows beside an account. */
export interface UserDetails {
  readonly lastSeenAt: string | null;
  readonly online: boolean;
  readonly callsHandled: number | null;
  readonly trained: boolean;
  readonly reviewedAt: string | null;
  readonly reviewedBy: Actor | null;
  readonly invitedAt: string | null;
  readonly invitationSends: number | null;
}

interface DetailsRow extends UserDetails {
  readonly id: string;
}

const details: Statement = {
  name: "user_details",
  text: `select u.id, a.last_seen_at as "lastSeenAt", coalesce(a.online, false) as online,
      a.calls_handled as "callsHandled", a.trained_at is not null as trained, a.reviewed_at as "reviewedAt",
      a.reviewed_by as "reviewedBy", i.invited_at as "invitedAt", i.sends as "invitationSends"
    from unnest($2::uuid[]) u (id)
    left join lateral (select * from activities a where a.tenant_id = $1 and a.user_id = u.id limit 1) a on true
    left join lateral (select * from invitations i where i.tenant_id = $1 and i.user_id = u.id limit 1) i on true`,
};

/** Details by id; of everybody asked for. */
export async function findUserDetails(
  executor: Executor,
  tenantId: string,
  ids: readonly string[],
): Promise<Map<string, UserDetails>> {
  if (ids.length === 0) return new Map();
  const rows = await executor.query<DetailsRow>(details, [tenantId, ids]);
  return new Map(rows.map(({ id, ...rest }) => [id, rest]));
}
