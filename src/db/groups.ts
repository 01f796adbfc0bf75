/** Groups and their members: rows, never arrays, so that one member costs the same in a group of any size. */
import type { Executor, Statement, Transaction } from "./database.ts";
import { nestingDepthMax } from "./users.ts";

export interface GroupRow {
  readonly id: string;
  readonly displayName: string;
  readonly displayNameNorm: string;
  readonly externalId: string | null;
  readonly deciding: boolean;
  readonly version: number;
  readonly createdAt: string;
  readonly modifiedAt: string;
  /** Keys of the mapping entries bound to the group. */
  readonly entryKeys: readonly string[];
  readonly team: { readonly value: string; readonly display: string; readonly kind: string } | null;
  /** JSON text of the members, where asked for. */
  readonly members?: string;
}

const columns = `
  g.id, g.display_name as "displayName", g.display_name_norm as "displayNameNorm", g.external_id as "externalId",
  g.deciding, g.version, g.created_at as "createdAt", g.modified_at as "modifiedAt",
  (select coalesce(json_agg(b.entry_key order by b.entry_key), '[]') from group_bindings b
    where b.tenant_id = g.tenant_id and b.group_id = g.id) as "entryKeys",
  (select json_build_object('value', t.id, 'display', t.name, 'kind', t.kind) from teams t
    where t.tenant_id = g.tenant_id and t.id = coalesce(
      (select b.team_id from group_bindings b
        where b.tenant_id = g.tenant_id and b.group_id = g.id and b.team_id is not null order by b.entry_key limit 1),
      (select o.id from teams o where o.tenant_id = g.tenant_id and o.group_id = g.id))) as team`;

// Text is put together in SQL: a hundred thousand members become one string, not as many objects. User ids are UUIDs.
const members = `
  (select '[' || concat_ws(',',
    (select string_agg('{"value":"' || m.user_id || '","type":"User"}', ',') from group_members m
      where m.tenant_id = g.tenant_id and m.group_id = g.id),
    (select string_agg('{"value":"' || c.child_id || '","type":"Group"}', ',') from group_children c
      where c.tenant_id = g.tenant_id and c.parent_id = g.id)) || ']') as members`;

const one: Statement = {
  name: "groups_one",
  text: `select ${columns} from groups g where g.tenant_id = $1 /*authorized*/ and g.id = $2`,
};
const full: Statement = {
  name: "groups_full",
  text: `select ${columns}, ${members} from groups g where g.tenant_id = $1 /*authorized*/ and g.id = $2`,
};
const many: Statement = {
  name: "groups_many",
  text: `select ${columns} from groups g where g.tenant_id = $1 and g.id = any ($2::uuid[])`,
};
const manyFull: Statement = {
  name: "groups_many_full",
  text: `select ${columns}, ${members} from groups g where g.tenant_id = $1 and g.id = any ($2::uuid[])`,
};
/** A statement for groups by another condition on `g`; values begin with the tenant's id, rows are `GroupRow`s. */
export function groupsWhere(name: string, condition: string, options: { members: boolean }): Statement {
  return {
    name,
    text: `select ${columns}${options.members ? `, ${members}` : ""} from groups g where g.tenant_id = $1 /*authorized*/ and ${condition}`,
  };
}

const lock: Statement = {
  name: "groups_lock",
  text: "select id from groups where tenant_id = $1 and id = $2 for no key update",
};

/** One group, its members only where asked for. */
export async function findGroup(
  executor: Executor,
  tenantId: string,
  id: string,
  options: { members: boolean },
): Promise<GroupRow | undefined> {
  const [row] = await executor.query<GroupRow>(options.members ? full : one, [tenantId, id]);
  return row;
}

/** Many groups in the order asked for; unknown ids are left out. */
export async function findGroups(
  executor: Executor,
  tenantId: string,
  ids: readonly string[],
  options: { members: boolean },
): Promise<GroupRow[]> {
  if (ids.length === 0) return [];
  const rows = await executor.query<GroupRow>(options.members ? manyFull : many, [tenantId, ids]);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

/** Locks one group for a change of it or of its members; false where there is none. */
export async function lockGroup(tx: Transaction, tenantId: string, id: string): Promise<boolean> {
  return (await tx.query(lock, [tenantId, id])).length > 0;
}

const lockMany: Statement = {
  name: "groups_lock_many",
  text: "select id from groups where tenant_id = $1 and id = any ($2::uuid[]) order by id for no key update",
};

/**
 * Locks the groups and all groups nested in them, so that nobody joins or leaves any of them unseen while what they
 * give changes. A locked group gets no new child either, so looking again until nothing is new finds all.
 */
export async function lockDescendants(tx: Transaction, tenantId: string, ids: readonly string[]): Promise<void> {
  const locked = new Set<string>();
  for (;;) {
    const more = (await findDescendants(tx, tenantId, ids)).filter((id) => !locked.has(id));
    if (more.length === 0) return;
    await tx.query(lockMany, [tenantId, more]);
    for (const id of more) locked.add(id);
  }
}

const mayNestText: Statement = {
  name: "nesting_possible",
  text: `select exists (select from groups where tenant_id = $1 and id = any ($2::uuid[]))
    or $3::boolean and exists (select from group_children where tenant_id = $1 and parent_id = $4) as possible`,
};

/** Whether a change that names these members, or (`whole`) concerns all of them, may be one of nesting. */
export async function mayNest(
  executor: Executor,
  tenantId: string,
  change: { readonly groupId: string; readonly named: readonly string[]; readonly whole: boolean },
): Promise<boolean> {
  const named = change.named.filter((id) => uuidPattern.test(id));
  if (named.length === 0 && !change.whole) return false;
  const values = [tenantId, named, change.whole, change.groupId];
  const [row] = await executor.query<{ possible: boolean }>(mayNestText, values);
  return row?.possible ?? false;
}

const insert: Statement = {
  name: "groups_insert",
  text: `
    with t as (select from tenants where id = $1 and rules_version = $8 for share),
    g as (insert into groups (tenant_id, id, display_name, display_name_norm, external_id, created_at, modified_at)
      select $1, $2, $3, $4, $5, $6, $6 from t returning id),
    o as (insert into teams (tenant_id, id, kind, name, name_norm, group_id, created_at)
      select $1, $7, 'team', $3, $4, g.id, $6 from g where $7::uuid is not null)
    select id from g`,
};

export interface NewGroup {
  readonly tenantId: string;
  readonly id: string;
  readonly displayName: string;
  readonly displayNameNorm: string;
  readonly externalId: string | null;
  readonly at: string;
  /** The id of the team of its own (TEAM-1); null: none. */
  readonly teamId: string | null;
  readonly rulesVersion: number;
}

/** Inserts a group and the team that it feeds by itself. False when the rules have moved. */
export async function insertGroup(executor: Executor, group: NewGroup): Promise<boolean> {
  const rows = await executor.query(insert, [
    group.tenantId,
    group.id,
    group.displayName,
    group.displayNameNorm,
    group.externalId,
    group.at,
    group.teamId,
    group.rulesVersion,
  ]);
  return rows.length > 0;
}

const rename: Statement = {
  name: "groups_rename",
  text: `
    with g as (update groups set display_name = $3, display_name_norm = $4, external_id = $5
      where tenant_id = $1 and id = $2 returning id)
    update teams set name = $3, name_norm = $4 from g where tenant_id = $1 and group_id = g.id`,
};

/** Changes name and externalId; the group's own team follows its name. */
export async function renameGroup(
  executor: Executor,
  tenantId: string,
  id: string,
  names: { displayName: string; displayNameNorm: string; externalId: string | null },
): Promise<void> {
  await executor.query(rename, [tenantId, id, names.displayName, names.displayNameNorm, names.externalId]);
}

const touch: Statement = {
  name: "groups_touch",
  text: "update groups set version = version + 1, modified_at = $3 where tenant_id = $1 and id = $2",
};

export async function touchGroup(executor: Executor, tenantId: string, id: string, at: string): Promise<void> {
  await executor.query(touch, [tenantId, id, at]);
}

const remove: Statement = { name: "groups_remove", text: "delete from groups where tenant_id = $1 and id = $2" };

export async function removeGroup(executor: Executor, tenantId: string, id: string): Promise<void> {
  await executor.query(remove, [tenantId, id]);
}

// The two hot writes. Each applies only where membership decides nothing but teams (which are joined at read) and where
// every id is understood; otherwise it changes nothing and says so, and the whole procedure takes over.
const addPlain: Statement = {
  name: "members_add_plain",
  text: `
    with i as (select distinct unnest($3::uuid[]) as id),
    k as (select u.id from i join users u on u.tenant_id = $1 and u.id = i.id),
    g as (select id, version from groups where tenant_id = $1 /*authorized*/ and id = $2 and not deciding
      and (select count(*) from i) = (select count(*) from k) for no key update),
    m as (insert into group_members (tenant_id, group_id, user_id)
      select $1, g.id, k.id from g, k on conflict do nothing returning user_id),
    a as (select jsonb_agg(user_id) as ids from m having count(*) > 0),
    u as (update groups set version = version + 1, modified_at = $4 from a where tenant_id = $1 and id = $2),
    e as (insert into events (tenant_id, at, actor, action, subject_type, subject_id, after, request_id)
      select $1, $4, $5::jsonb, 'group.members-added', 'Group', $2::text, jsonb_build_object('members', a.ids), $6 from a)
    select (g.version + (select count(*) from a))::int as version from g`,
};

const removePlain: Statement = {
  name: "members_remove_plain",
  text: `
    with g as (select id, version from groups where tenant_id = $1 /*authorized*/ and id = $2 and not deciding and not exists (
        select from group_children c where c.tenant_id = $1 and c.parent_id = $2 and c.child_id = any ($3::uuid[]))
      for no key update),
    -- By its whole key: joined to the locked row instead, PostgreSQL read all members of the group to find the one.
    m as (delete from group_members
      where tenant_id = $1 and group_id = $2 and user_id = any ($3::uuid[]) and exists (select from g)
      returning user_id),
    a as (select jsonb_agg(user_id) as ids from m having count(*) > 0),
    u as (update groups set version = version + 1, modified_at = $4 from a where tenant_id = $1 and id = $2),
    e as (insert into events (tenant_id, at, actor, action, subject_type, subject_id, before, request_id)
      select $1, $4, $5::jsonb, 'group.members-removed', 'Group', $2::text, jsonb_build_object('members', a.ids), $6 from a)
    select (g.version + (select count(*) from a))::int as version from g`,
};

export interface PlainMembers {
  readonly tenantId: string;
  readonly groupId: string;
  readonly userIds: readonly string[];
  readonly at: string;
  readonly actor: string;
  readonly requestId: string;
}

/**
 * Adds or removes members where that decides nothing else, with the event, in one statement. Returns the group's version
 * afterwards; undefined: nothing was done.
 */
export async function changeMembersPlainly(
  executor: Executor,
  kind: "add" | "remove",
  change: PlainMembers,
): Promise<number | undefined> {
  const { tenantId, groupId, userIds, at, actor, requestId } = change;
  const rows = await executor.query<{ version: number }>(kind === "add" ? addPlain : removePlain, [
    tenantId,
    groupId,
    userIds,
    at,
    actor,
    requestId,
  ]);
  return rows[0]?.version;
}

/** How ids of members are understood: as users, as groups, or not at all. */
export interface KnownMembers {
  readonly users: string[];
  readonly groups: string[];
  readonly unknown: string[];
}

const classify: Statement = {
  name: "members_classify",
  text: `
    with i as (select distinct unnest($2::uuid[]) as id)
    select
      (select array_agg(i.id order by i.id) from i join users u on u.tenant_id = $1 and u.id = i.id) as users,
      (select array_agg(i.id order by i.id) from i join groups g on g.tenant_id = $1 and g.id = i.id) as groups`,
};

export async function classifyMembers(
  executor: Executor,
  tenantId: string,
  ids: readonly string[],
): Promise<KnownMembers> {
  const wellFormed = ids.filter((id) => uuidPattern.test(id));
  const [row] = await executor.query<{ users: string[] | null; groups: string[] | null }>(classify, [
    tenantId,
    wellFormed,
  ]);
  const users = row?.users ?? [];
  const groups = row?.groups ?? [];
  const known = new Set([...users, ...groups]);
  return { users, groups, unknown: [...new Set(ids)].filter((id) => !known.has(id.toLowerCase())) };
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const memberIds: Statement = {
  name: "members_ids",
  text: "select user_id from group_members where tenant_id = $1 and group_id = $2",
};
const childIds: Statement = {
  name: "children_ids",
  text: "select child_id from group_children where tenant_id = $1 and parent_id = $2",
};

/** Every direct member; for exact sets and for conditions on members, never for single changes. */
export async function listMemberIds(executor: Executor, tenantId: string, groupId: string) {
  const users = await executor.query<{ user_id: string }>(memberIds, [tenantId, groupId]);
  const groups = await executor.query<{ child_id: string }>(childIds, [tenantId, groupId]);
  return { users: users.map((row) => row.user_id), groups: groups.map((row) => row.child_id) };
}

const present: Statement = {
  name: "members_present",
  text: "select user_id from group_members where tenant_id = $1 and group_id = $2 and user_id = any ($3::uuid[])",
};

/** Which of the users are direct members already. */
export async function findPresentMembers(
  executor: Executor,
  tenantId: string,
  groupId: string,
  ids: readonly string[],
) {
  if (ids.length === 0) return [];
  const rows = await executor.query<{ user_id: string }>(present, [tenantId, groupId, ids]);
  return rows.map((row) => row.user_id);
}

const addRows: Statement = {
  name: "members_add",
  text: `insert into group_members (tenant_id, group_id, user_id)
    select $1, $2, u.id from unnest($3::uuid[]) i (id) join users u on u.tenant_id = $1 and u.id = i.id
    on conflict do nothing`,
};
const removeRows: Statement = {
  name: "members_remove",
  text: "delete from group_members where tenant_id = $1 and group_id = $2 and user_id = any ($3::uuid[])",
};

export async function addMembers(executor: Executor, tenantId: string, groupId: string, ids: readonly string[]) {
  if (ids.length > 0) await executor.query(addRows, [tenantId, groupId, ids]);
}

export async function removeMembers(executor: Executor, tenantId: string, groupId: string, ids: readonly string[]) {
  if (ids.length > 0) await executor.query(removeRows, [tenantId, groupId, ids]);
}

const nestingLock: Statement = {
  name: "nesting_lock",
  text: "select pg_advisory_xact_lock(hashtextextended('usher nesting ' || $1, 0))",
};

/** Edits of nesting come one after the other, so that two of them cannot close a circle together (DESIGN §5). */
export async function lockNesting(tx: Transaction, tenantId: string): Promise<void> {
  await tx.query(nestingLock, [tenantId]);
}

const below = `
  with recursive below (id, depth) as (
    select unnest($2::uuid[]), 0
    union
    select c.child_id, b.depth + 1 from below b
    join group_children c on c.tenant_id = $1 and c.parent_id = b.id where b.depth < ${nestingDepthMax})`;

const descendants: Statement = { name: "groups_below", text: `${below} select distinct id from below` };

/** The groups themselves and all groups nested in them, as deep as nesting counts. */
export async function findDescendants(executor: Executor, tenantId: string, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  return (await executor.query<{ id: string }>(descendants, [tenantId, ids])).map((row) => row.id);
}

const deepMembers: Statement = {
  name: "members_below",
  text: `${below} select distinct m.user_id from below b
    join group_members m on m.tenant_id = $1 and m.group_id = b.id order by m.user_id`,
};

/** Users who are members of the groups, directly or through nesting, by id. */
export async function findDeepMembers(executor: Executor, tenantId: string, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  return (await executor.query<{ user_id: string }>(deepMembers, [tenantId, ids])).map((row) => row.user_id);
}

const closes: Statement = {
  name: "nesting_closes",
  text: `
    with recursive up (id) as (
      select $2::uuid
      union
      select c.parent_id from up join group_children c on c.tenant_id = $1 and c.child_id = up.id)
    select id from up where id = any ($3::uuid[])`,
};

/** Which of the would-be children contain the group already, at any depth: nesting them would close a circle. */
export async function findCircles(executor: Executor, tenantId: string, parentId: string, children: readonly string[]) {
  return (await executor.query<{ id: string }>(closes, [tenantId, parentId, children])).map((row) => row.id);
}

const nest: Statement = {
  name: "nesting_add",
  text: `insert into group_children (tenant_id, parent_id, child_id)
    select $1, $2, c from unnest($3::uuid[]) c on conflict do nothing`,
};
const unnest: Statement = {
  name: "nesting_remove",
  text: "delete from group_children where tenant_id = $1 and parent_id = $2 and child_id = any ($3::uuid[])",
};

export async function addChildren(executor: Executor, tenantId: string, parentId: string, ids: readonly string[]) {
  if (ids.length > 0) await executor.query(nest, [tenantId, parentId, ids]);
}

export async function removeChildren(executor: Executor, tenantId: string, parentId: string, ids: readonly string[]) {
  if (ids.length > 0) await executor.query(unnest, [tenantId, parentId, ids]);
}

const bind: Statement = {
  name: "bindings_add",
  text: `insert into group_bindings (tenant_id, group_id, entry_key, team_id)
    select $1, $2, k.entry_key, k.team_id from unnest($3::text[], $4::uuid[]) k (entry_key, team_id)
    on conflict (tenant_id, group_id, entry_key) do update set team_id = excluded.team_id
    returning entry_key`,
};

/** TEAM-2: binds entries to a group by its id. */
export async function bindEntries(
  executor: Executor,
  tenantId: string,
  groupId: string,
  entries: readonly { key: string; teamId: string | null }[],
): Promise<void> {
  if (entries.length === 0) return;
  const teams = entries.map((entry) => entry.teamId);
  await executor.query(bind, [tenantId, groupId, entries.map((entry) => entry.key), teams]);
}

const refresh: Statement = {
  name: "groups_refresh_deciding",
  text: `
    update groups g set deciding = d.deciding from (
      select x.id, exists (
        with recursive above (id, depth) as (
          select x.id, 0
          union
          select c.parent_id, a.depth + 1 from above a
          join group_children c on c.tenant_id = $1 and c.child_id = a.id where a.depth < ${nestingDepthMax})
        select from above a join group_bindings b on b.tenant_id = $1 and b.group_id = a.id
        where b.entry_key = any ($3::text[])) as deciding
      from (select distinct unnest($2::uuid[]) as id) x) d
    where g.tenant_id = $1 and g.id = d.id and g.deciding <> d.deciding`,
};

/** Works out anew which of the groups decide somebody's role or tier; `keys` are the entries that grant one. */
export async function refreshDeciding(
  executor: Executor,
  tenantId: string,
  groupIds: readonly string[],
  keys: readonly string[],
): Promise<void> {
  if (groupIds.length > 0) await executor.query(refresh, [tenantId, groupIds, keys]);
}

const behind: Statement = {
  name: "users_mark_behind",
  text: `
    with l as (
      select id from users where tenant_id = $1 and id = any ($2::uuid[]) order by id for no key update)
    update users u set decided_version = 0, revision = revision + 1 from l where u.tenant_id = $1 and u.id = l.id`,
};

/** Leaves the users' decisions to the reconcile job, which must be enqueued in the same transaction. */
export async function markBehind(executor: Executor, tenantId: string, ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await executor.query(behind, [tenantId, ids]);
}

const move: Statement = {
  name: "users_move_facts",
  text: "update users set revision = revision + 1 where tenant_id = $1 and id = any ($2::uuid[])",
};

/** Says that memberships behind the decisions of these locked users have changed, where the decisions have not. */
export async function moveFacts(executor: Executor, tenantId: string, ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await executor.query(move, [tenantId, ids]);
}
