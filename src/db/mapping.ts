/** The mapping's rows: the document, the teams it names, and which entries are bound to which groups. */
import type { MappingDocument, TeamName } from "../domain/model.ts";
import { normaliseName } from "../vocabulary/names.ts";
import type { Executor, Statement, Transaction } from "./database.ts";
import { nestingDepthMax } from "./users.ts";

export interface MappingRow {
  readonly document: MappingDocument;
  readonly version: number;
  readonly savedAt: string;
}

const read: Statement = {
  name: "mapping_read",
  text: `select document, version, saved_at as "savedAt" from mappings where tenant_id = $1`,
};

export async function findMapping(executor: Executor, tenantId: string): Promise<MappingRow | undefined> {
  return (await executor.query<MappingRow>(read, [tenantId]))[0];
}

const save: Statement = {
  name: "mapping_save",
  text: "update mappings set document = $2, version = version + 1, saved_at = $3 where tenant_id = $1 returning version",
};

export async function updateMapping(executor: Executor, tenantId: string, document: MappingDocument, at: string) {
  const [row] = await executor.query<{ version: number }>(save, [tenantId, JSON.stringify(document), at]);
  return (row as { version: number }).version;
}

const addTeams: Statement = {
  name: "mapping_teams",
  text: `insert into teams (tenant_id, id, kind, name, name_norm, created_at)
    select $1, t.id, t.kind, t.name, t.name_norm, $2
    from unnest($3::uuid[], $4::text[], $5::text[], $6::text[]) as t (id, kind, name, name_norm)
    on conflict (tenant_id, kind, name_norm) where group_id is null do nothing`,
};

/** Creates the named teams that do not exist; those that do are left as they are. */
export async function ensureTeams(
  executor: Executor,
  tenantId: string,
  teams: readonly TeamName[],
  at: string,
  newId: () => string,
): Promise<void> {
  if (teams.length === 0) return;
  await executor.query(addTeams, [
    tenantId,
    at,
    teams.map(() => newId()),
    teams.map((team) => team.kind),
    teams.map((team) => team.name),
    teams.map((team) => normaliseName(team.name)),
  ]);
}

/** An entry as binding sees it: what it matches, and the team it feeds. */
export interface BindableEntry {
  readonly key: string;
  readonly by: "id" | "externalId" | "displayName";
  readonly value: string;
  readonly teamId: string | null;
}

const unbind: Statement = {
  name: "bindings_unbind",
  text: "delete from group_bindings where tenant_id = $1 and entry_key <> all ($2::text[]) returning group_id, entry_key",
};

const retarget: Statement = {
  name: "bindings_retarget",
  text: `update group_bindings b set team_id = e.team_id from unnest($2::text[], $3::uuid[]) as e (key, team_id)
    where b.tenant_id = $1 and b.entry_key = e.key and b.team_id is distinct from e.team_id`,
};

const bind: Statement = {
  name: "bindings_bind",
  text: `insert into group_bindings (tenant_id, group_id, entry_key, team_id)
    select $1, g.id, e.key, e.team_id
    from unnest($2::text[], $3::uuid[], $4::text[], $5::text[]) as e (key, team_id, by, value)
    join groups g on g.tenant_id = $1 and (
      e.by = 'displayName' and g.display_name_norm = e.value
      or e.by = 'externalId' and g.external_id = e.value
      or e.by = 'id' and g.id::text = e.value)
    on conflict do nothing returning group_id, entry_key`,
};

/** TEAM-2: makes bindings match the entries; those of an entry that stays are kept, whatever its group is called now. */
export async function rebind(tx: Transaction, tenantId: string, entries: readonly BindableEntry[]) {
  const keys = entries.map((entry) => entry.key);
  const teams = entries.map((entry) => entry.teamId);
  const unbound = await tx.query<BoundRow>(unbind, [tenantId, keys]);
  await tx.query(retarget, [tenantId, keys, teams]);
  const [by, values] = [entries.map((entry) => entry.by), entries.map((entry) => entry.value)];
  const bound = await tx.query<BoundRow>(bind, [tenantId, keys, teams, by, values]);
  return { bound, unbound };
}

interface BoundRow {
  readonly group_id: string;
  readonly entry_key: string;
}

const decidingGroups: Statement = {
  name: "groups_deciding",
  text: `select g.id from groups g where g.tenant_id = $1 and (g.deciding or exists (
    select from group_bindings b where b.tenant_id = $1 and b.group_id = g.id)) order by g.id`,
};

/** Groups that are bound or decide: whose flag an edit of the mapping may move. */
export async function listDecidingGroups(executor: Executor, tenantId: string): Promise<string[]> {
  return (await executor.query<{ id: string }>(decidingGroups, [tenantId])).map((row) => row.id);
}

const addOwnTeams: Statement = {
  name: "teams_own_add",
  text: `insert into teams (tenant_id, id, kind, name, name_norm, group_id, created_at)
    select $1, gen_random_uuid(), 'team', g.display_name, g.display_name_norm, g.id, $2 from groups g
    where g.tenant_id = $1
    on conflict (tenant_id, group_id) where group_id is not null do nothing`,
};

const dropOwnTeams: Statement = {
  name: "teams_own_drop",
  text: "delete from teams where tenant_id = $1 and group_id is not null",
};

/** TEAM-1: every group has a team of its own, or none has. */
export async function setOwnTeams(executor: Executor, tenantId: string, wanted: boolean, at: string): Promise<void> {
  if (wanted) await executor.query(addOwnTeams, [tenantId, at]);
  else await executor.query(dropOwnTeams, [tenantId]);
}

const wouldBind: Statement = {
  name: "bindings_would_bind",
  text: `
    select g.id as "groupId", e.key as "entryKey"
    from unnest($2::text[], $3::text[], $4::text[]) as e (key, by, value)
    join groups g on g.tenant_id = $1 and (
      e.by = 'displayName' and g.display_name_norm = e.value
      or e.by = 'externalId' and g.external_id = e.value
      or e.by = 'id' and g.id::text = e.value)
    union
    select b.group_id, b.entry_key from group_bindings b where b.tenant_id = $1 and b.entry_key = any ($2::text[])`,
};

export interface BindingRow {
  readonly groupId: string;
  readonly entryKey: string;
}

/** The bindings that a save of these entries would lead to; changes nothing. */
export async function previewBindings(executor: Executor, tenantId: string, entries: readonly BindableEntry[]) {
  const keys = entries.map((entry) => entry.key);
  const [by, values] = [entries.map((entry) => entry.by), entries.map((entry) => entry.value)];
  return await executor.query<BindingRow>(wouldBind, [tenantId, keys, by, values]);
}

const reachedUsers: Statement = {
  name: "members_reached",
  text: `
    with recursive below (root, id, depth) as (
      select r, r, 0 from unnest($2::uuid[]) r
      union
      select b.root, c.child_id, b.depth + 1 from below b
      join group_children c on c.tenant_id = $1 and c.parent_id = b.id where b.depth < ${nestingDepthMax})
    select distinct m.user_id as "userId", b.root as "groupId" from below b
    join group_members m on m.tenant_id = $1 and m.group_id = b.id`,
};

/** Who is a member of which of the groups, directly or through nesting. */
export async function listReached(executor: Executor, tenantId: string, groupIds: readonly string[]) {
  if (groupIds.length === 0) return [];
  return await executor.query<{ userId: string; groupId: string }>(reachedUsers, [tenantId, groupIds]);
}

const nextUsers: Statement = {
  name: "users_ids_after",
  text: "select id from users where tenant_id = $1 and ($2::uuid is null or id > $2) order by id limit $3",
};

/** Ids of the tenant's users, in order, a batch at a time. */
export async function listUserIdsAfter(executor: Executor, tenantId: string, after: string | null, limit: number) {
  return (await executor.query<{ id: string }>(nextUsers, [tenantId, after, limit])).map((row) => row.id);
}
