/** Teams of all kinds: rows, lists with their sizes, and what feeds them. */
import { sql } from "kysely";
import type { TeamKind } from "../domain/model.ts";
import { normaliseName } from "../vocabulary/names.ts";
import type { Database, Executor, Statement, Transaction } from "./database.ts";

export interface TeamRow {
  readonly id: string;
  readonly kind: TeamKind;
  readonly name: string;
  readonly nameNorm: string;
  readonly archivedAt: string | null;
  readonly createdAt: string;
  /** The group whose own team it is (TEAM-1). */
  readonly group: { readonly value: string; readonly display: string } | null;
  /** How many groups the mapping sends here. */
  readonly boundGroups: number;
}

const columns = `
  t.id, t.kind, t.name, t.name_norm as "nameNorm", t.archived_at as "archivedAt", t.created_at as "createdAt",
  (select json_build_object('value', g.id, 'display', g.display_name) from groups g
    where g.tenant_id = t.tenant_id and g.id = t.group_id) as "group",
  (select count(distinct b.group_id) from group_bindings b
    where b.tenant_id = t.tenant_id and b.team_id = t.id) as "boundGroups"`;

const one: Statement = {
  name: "teams_one",
  text: `select ${columns} from teams t where t.tenant_id = $1 and t.id = $2`,
};

const many: Statement = {
  name: "teams_many",
  text: `select ${columns} from teams t where t.tenant_id = $1 and t.id = any ($2::uuid[])`,
};

export async function findTeam(executor: Executor, tenantId: string, id: string): Promise<TeamRow | undefined> {
  return (await executor.query<TeamRow>(one, [tenantId, id]))[0];
}

/** Teams in the order asked for; unknown ids are left out. */
export async function findTeams(executor: Executor, tenantId: string, ids: readonly string[]): Promise<TeamRow[]> {
  if (ids.length === 0) return [];
  const rows = await executor.query<TeamRow>(many, [tenantId, ids]);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

export interface TeamListFilter {
  readonly kind?: TeamKind | undefined;
  /** A part of the name. */
  readonly q?: string | undefined;
  readonly archived: "true" | "false" | "all";
  /** Only these; undefined: all. */
  readonly among?: readonly string[] | undefined;
}

export interface TeamListPosition {
  readonly name: string;
  readonly id: string;
}

/** Ids of one page, by name, with the position to go on from. */
export async function listTeamIds(
  db: Database,
  tenantId: string,
  filter: TeamListFilter,
  after: TeamListPosition | null,
  limit: number,
): Promise<TeamListPosition[]> {
  let page = db.build
    .selectFrom("teams as t")
    .where("t.tenant_id", "=", tenantId)
    .select(["t.id", "t.name_norm as name"])
    .orderBy("t.name_norm")
    .orderBy("t.id")
    .limit(limit);
  if (filter.kind !== undefined) page = page.where("t.kind", "=", filter.kind);
  if (filter.q !== undefined) {
    page = page.where(sql<boolean>`position(${normaliseName(filter.q)} in t.name_norm) > 0`);
  }
  if (filter.archived === "false") page = page.where("t.archived_at", "is", null);
  if (filter.archived === "true") page = page.where("t.archived_at", "is not", null);
  if (filter.among !== undefined) page = page.where(sql<boolean>`t.id = any (${filter.among}::uuid[])`);
  if (after !== null) page = page.where(sql<boolean>`(t.name_norm, t.id) > (${after.name}, ${after.id}::uuid)`);
  return await db.run<TeamListPosition>(page);
}

const sizes: Statement = {
  name: "teams_sizes",
  text: `select team_id as id, members from team_sizes($1, $2::uuid[])`,
};

/**
 * How many people have a source in each of the teams, suspended and archived or not. Counted at read: a group of 100,000
 * takes 8 ms, because only its index is read.
 */
export async function countMembers(
  executor: Executor,
  tenantId: string,
  ids: readonly string[],
): Promise<Map<string, number>> {
  if (ids.length === 0) return new Map();
  const rows = await executor.query<{ id: string; members: number }>(sizes, [tenantId, ids]);
  return new Map(rows.map(({ id, members }) => [id, members]));
}

const boundGroupNames: Statement = {
  name: "teams_bound_groups",
  text: `select distinct g.display_name as name from group_bindings b
    join groups g on g.tenant_id = b.tenant_id and g.id = b.group_id
    where b.tenant_id = $1 and b.team_id = $2 order by 1`,
};

/** Names of the groups that the mapping sends to the team. */
export async function listBoundGroups(executor: Executor, tenantId: string, id: string): Promise<string[]> {
  return (await executor.query<{ name: string }>(boundGroupNames, [tenantId, id])).map((row) => row.name);
}

const named: Statement = {
  name: "teams_named",
  text: `select id, group_id is not null as "isOwn" from teams
    where tenant_id = $1 and kind = $2 and name_norm = $3 order by group_id nulls first limit 1`,
};

/** A team of this kind and name; a group's own team among them, whose name the database leaves to the group. */
export async function findTeamNamed(
  executor: Executor,
  tenantId: string,
  kind: TeamKind,
  name: string,
): Promise<{ readonly id: string; readonly isOwn: boolean } | undefined> {
  const [row] = await executor.query<{ id: string; isOwn: boolean }>(named, [tenantId, kind, normaliseName(name)]);
  return row;
}

const insert: Statement = {
  name: "teams_insert",
  text: `insert into teams (tenant_id, id, kind, name, name_norm, created_at) values ($1, $2, $3, $4, $5, $6)`,
};

/** Inserts a team that no group owns. A taken name raises `uniqueness`. */
export async function insertTeam(
  executor: Executor,
  tenantId: string,
  team: { readonly id: string; readonly kind: TeamKind; readonly name: string; readonly at: string },
): Promise<void> {
  await executor.query(insert, [tenantId, team.id, team.kind, team.name, normaliseName(team.name), team.at]);
}

const update: Statement = {
  name: "teams_update",
  text: "update teams set name = $3, name_norm = $4, archived_at = $5 where tenant_id = $1 and id = $2",
};

export async function updateTeam(
  executor: Executor,
  tenantId: string,
  team: { readonly id: string; readonly name: string; readonly archivedAt: string | null },
): Promise<void> {
  await executor.query(update, [tenantId, team.id, team.name, normaliseName(team.name), team.archivedAt]);
}

const remove: Statement = { name: "teams_remove", text: "delete from teams where tenant_id = $1 and id = $2" };

/** Deletes a team with its members by hand, its grants and what is remembered of it. */
export async function removeTeam(executor: Executor, tenantId: string, id: string): Promise<void> {
  await executor.query(remove, [tenantId, id]);
}

// Who adds somebody shares the lock with others who do; whoever archives, renames or takes somebody out has it alone.
const locks = {
  share: lockOf("share"),
  change: lockOf("no key update"),
  delete: lockOf("update"),
} as const;

function lockOf(strength: string): Statement {
  return {
    name: `teams_lock_${strength.replaceAll(" ", "_")}`,
    text: `select id from teams where tenant_id = $1 and id = any ($2::uuid[]) order by id for ${strength}`,
  };
}

/** Locks teams in the order of their ids and returns those that exist. */
export async function lockTeams(
  tx: Transaction,
  tenantId: string,
  ids: readonly string[],
  purpose: keyof typeof locks,
): Promise<string[]> {
  return (await tx.query<{ id: string }>(locks[purpose], [tenantId, ids])).map((row) => row.id);
}

const release: Statement = {
  name: "teams_release",
  text: `select id, group_id as "groupId", name from release_own_teams($1, $2)`,
};

export interface ReleasedTeam {
  readonly id: string;
  readonly groupId: string;
  readonly name: string;
}

/** TEAM-3: own teams with members by hand go on without their group; of one that is about to go, or (null) of all. */
export async function releaseOwnTeams(
  tx: Transaction,
  tenantId: string,
  groupId: string | null,
): Promise<ReleasedTeam[]> {
  return await tx.query<ReleasedTeam>(release, [tenantId, groupId]);
}

const ofPerson: Statement = {
  name: "teams_of_person",
  text: `select t.value as id from users u, users_reach(u.tenant_id, array[u.id]) r,
      json_to_recordset(case json_typeof(r.reach -> 'teams') when 'array' then r.reach -> 'teams' else '[]' end) as t (value uuid)
    where u.tenant_id = $1 and u.id = $2 and u.status = 'active'`,
};

/** The teams that a person is in now: none for somebody who is not active (TEAM-4). */
export async function listTeamsOf(executor: Executor, tenantId: string, userId: string): Promise<string[]> {
  return (await executor.query<{ id: string }>(ofPerson, [tenantId, userId])).map((row) => row.id);
}
