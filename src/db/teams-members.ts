/** Who is in a team and why: members by hand as rows, pages of everybody, and the sources of a membership (TEAM-3). */
import type { Actor, Json, Status, TeamKind } from "../domain/model.ts";
import type { Executor, Statement, Transaction } from "./database.ts";
import { nestingDepthMax } from "./users.ts";

/** A membership's source by hand. */
export const manualSource = "manual";

/** One reason why somebody is in a team. */
export interface SourceRow {
  readonly userId: string;
  readonly teamId: string;
  readonly teamName: string;
  readonly teamKind: TeamKind;
  readonly archived: boolean;
  readonly kind: "group" | "rule" | "manual";
  /** The group that feeds the team. */
  readonly group: { readonly value: string; readonly display: string } | null;
  /** The group that the person is in: the same, or one nested in it. */
  readonly through: { readonly value: string; readonly display: string } | null;
  /** The mapping's entry, where it is one that sends the group here. */
  readonly entry: string | null;
  readonly rule: string | null;
  /** Null: since before this was kept. */
  readonly since: string | null;
  readonly addedBy: Actor | null;
}

const sources: Statement = {
  name: "teams_sources",
  text: `
    with recursive above (user_id, direct, group_id, since, depth) as (
      select m.user_id, m.group_id, m.group_id, m.since, 0 from group_members m
        where m.tenant_id = $1 and m.user_id = any ($2::uuid[])
      union
      select a.user_id, a.direct, c.parent_id, a.since, a.depth + 1 from above a
      join group_children c on c.tenant_id = $1 and c.child_id = a.group_id
      where a.depth < ${nestingDepthMax}),
    held as (
      select distinct on (user_id, group_id) user_id, group_id, direct, since from above
      order by user_id, group_id, depth, since, direct),
    fed (user_id, team_id, kind, group_id, direct, entry, rule, since, added_by) as (
      select h.user_id, b.team_id, 'group', h.group_id, h.direct, b.entry_key, null::text, h.since, null::jsonb from held h
        join group_bindings b on b.tenant_id = $1 and b.group_id = h.group_id
        where b.team_id is not null and ($3::uuid is null or b.team_id = $3)
      union all
      select h.user_id, o.id, 'group', h.group_id, h.direct, null, null, h.since, null from held h
        join teams o on o.tenant_id = $1 and o.group_id = h.group_id and ($3::uuid is null or o.id = $3)
        where not exists (
          select from group_bindings b
          where b.tenant_id = $1 and b.group_id = h.group_id and b.team_id is not null)
      union all
      select m.user_id, m.team_id, case when m.source like 'rule:%' then 'rule' else m.source end, null, null, null,
        case when m.source like 'rule:%' then substr(m.source, 6) end, m.since, m.added_by from team_members m
        where m.tenant_id = $1 and m.user_id = any ($2::uuid[]) and ($3::uuid is null or m.team_id = $3))
    select f.user_id as "userId", t.id as "teamId", t.name as "teamName", t.kind as "teamKind",
      t.archived_at is not null as archived, f.kind, f.entry, f.rule, f.since, f.added_by as "addedBy",
      case when g.id is not null then json_build_object('value', g.id, 'display', g.display_name) end as "group",
      case when d.id is not null then json_build_object('value', d.id, 'display', d.display_name) end as through
    from fed f join teams t on t.tenant_id = $1 and t.id = f.team_id
    left join groups g on g.tenant_id = $1 and g.id = f.group_id
    left join groups d on d.tenant_id = $1 and d.id = f.direct
    order by f.user_id, t.name_norm, t.id, f.kind, g.display_name_norm, f.entry, f.rule`,
};

/** Every source of these people's memberships: of one team, or (null) of all, archived ones included. */
export async function listSources(
  executor: Executor,
  tenantId: string,
  userIds: readonly string[],
  teamId: string | null,
): Promise<SourceRow[]> {
  if (userIds.length === 0) return [];
  return await executor.query<SourceRow>(sources, [tenantId, userIds, teamId]);
}

export interface MemberRow {
  readonly id: string;
  readonly userName: string;
  readonly doc: { readonly displayName: Json | null; readonly name: Json | null };
  readonly status: Status;
}

// Each source gives its own first ones by its index, so that a page costs the same in a team of any size.
const members: Statement = {
  name: "teams_members",
  text: `
    with feeds as materialized (select distinct f.group_id as id from team_feeds($1, array[$2::uuid]) f),
    ids as materialized (
      select m.user_id from feeds f cross join lateral (
        select m.user_id from group_members m
        where m.tenant_id = $1 and m.group_id = f.id and ($3::uuid is null or m.user_id > $3)
          and ($5::text is null or exists (
            select from users u where u.tenant_id = $1 and u.id = m.user_id and u.status = $5))
        order by m.user_id limit $4) m
      union
      (select distinct m.user_id from team_members m
        where m.tenant_id = $1 and m.team_id = $2 and ($3::uuid is null or m.user_id > $3)
          and ($5::text is null or exists (
            select from users u where u.tenant_id = $1 and u.id = m.user_id and u.status = $5))
        order by m.user_id limit $4)
      order by 1 limit $4)
    select u.id, u.user_name as "userName", u.status,
      json_build_object('displayName', u.doc -> 'displayName', 'name', u.doc -> 'name') as doc
    from ids i join users u on u.tenant_id = $1 and u.id = i.user_id order by u.id`,
};

/** One page of a team's members by the time of their making, those whose membership is suspended included. */
export async function listMembers(
  executor: Executor,
  tenantId: string,
  teamId: string,
  status: Status | null,
  after: string | null,
  limit: number,
): Promise<MemberRow[]> {
  return await executor.query<MemberRow>(members, [tenantId, teamId, after, limit, status]);
}

const lockPeople: Statement = {
  name: "teams_lock_people",
  text: "select id, status from users where tenant_id = $1 and id = any ($2::uuid[]) order by id for share",
};

/** Holds people's status still, in the order of their ids (DESIGN §5); returns those that exist. */
export async function lockPeopleStill(
  tx: Transaction,
  tenantId: string,
  ids: readonly string[],
): Promise<Map<string, Status>> {
  const rows = await tx.query<{ id: string; status: Status }>(lockPeople, [tenantId, ids]);
  return new Map(rows.map(({ id, status }) => [id, status]));
}

const add: Statement = {
  name: "teams_members_add",
  text: `insert into team_members (tenant_id, team_id, user_id, source, since, added_by)
    select $1, t.id, u.id, '${manualSource}', $4, $5::jsonb from unnest($2::uuid[]) t (id), unnest($3::uuid[]) u (id)
    order by t.id, u.id on conflict do nothing returning team_id as "teamId", user_id as "userId"`,
};

/** Adds people to teams by hand; returns those who were not there by hand yet. */
export async function addManualMembers(
  tx: Transaction,
  tenantId: string,
  teamIds: readonly string[],
  userIds: readonly string[],
  by: { readonly at: string; readonly actor: Actor },
): Promise<{ teamId: string; userId: string }[]> {
  return await tx.query(add, [tenantId, teamIds, userIds, by.at, JSON.stringify(by.actor)]);
}

const take: Statement = {
  name: "teams_members_remove",
  text: `delete from team_members
    where tenant_id = $1 and team_id = $2 and user_id = any ($3::uuid[]) and source = '${manualSource}'
    returning user_id as "userId"`,
};

/** Takes away what puts people into a team by hand; returns those for whom there was such a thing. */
export async function removeManualMembers(
  tx: Transaction,
  tenantId: string,
  teamId: string,
  userIds: readonly string[],
): Promise<string[]> {
  return (await tx.query<{ userId: string }>(take, [tenantId, teamId, userIds])).map((row) => row.userId);
}

const countManual: Statement = {
  name: "teams_members_manual",
  text: "select count(*) as members from team_members where tenant_id = $1 and team_id = $2 and source = 'manual'",
};

export async function countManualMembers(executor: Executor, tenantId: string, teamId: string): Promise<number> {
  const [row] = await executor.query<{ members: number }>(countManual, [tenantId, teamId]);
  return row?.members ?? 0;
}

export interface RememberedRow {
  readonly id: string;
  readonly name: string;
  readonly archived: boolean;
  readonly since: string | null;
  readonly leftAt: string;
}

const remembered: Statement = {
  name: "queues_remembered",
  text: `select t.id, t.name, t.archived_at is not null as archived, r.since, r.left_at as "leftAt"
    from remembered_queues r join teams t on t.tenant_id = r.tenant_id and t.id = r.team_id
    where r.tenant_id = $1 and r.user_id = $2 and r.left_at > $3 order by t.name_norm, t.id`,
};

/** TEAM-4: the queues that somebody left by being deactivated after this moment. */
export async function listRemembered(
  executor: Executor,
  tenantId: string,
  userId: string,
  after: Date,
): Promise<RememberedRow[]> {
  return await executor.query<RememberedRow>(remembered, [tenantId, userId, after.toISOString()]);
}

const forget: Statement = {
  name: "queues_forget",
  text: `delete from remembered_queues
    where tenant_id = $1 and user_id = any ($2::uuid[]) and team_id = any ($3::uuid[])`,
};

/** Forgets queues that people are in again. */
export async function forgetQueues(
  tx: Transaction,
  tenantId: string,
  userIds: readonly string[],
  teamIds: readonly string[],
): Promise<void> {
  await tx.query(forget, [tenantId, userIds, teamIds]);
}

const prune: Statement = {
  name: "queues_prune",
  text: "delete from remembered_queues where left_at <= $1",
};

/** TEAM-4: forgets what was remembered before this moment, of all tenants. */
export async function pruneRemembered(executor: Executor, before: Date): Promise<void> {
  await executor.query(prune, [before.toISOString()]);
}
