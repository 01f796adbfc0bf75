/** Finding users for people: one page of the filtered list, how many there are in all, and one by name. */
import { sql } from "kysely";
import { normaliseName } from "../vocabulary/names.ts";
import type { Database, Executor, Statement } from "./database.ts";
import { isInTeamsOf } from "./own-teams.ts";
import { nestingDepthMax } from "./users.ts";

export interface UserListFilter {
  /** Key of the role in effect. */
  readonly role?: string | undefined;
  /** Key of the tier whose seat is held; `none`: no seat. */
  readonly tier?: string | undefined;
  readonly status?: "pending" | "active" | "inactive" | undefined;
  /** Id or name of a team. */
  readonly team?: string | undefined;
  /** A part of a name or an e-mail address. */
  readonly q?: string | undefined;
  /** E-8: only people in a team of this person's, nobody where it is null; undefined: everybody. */
  readonly within?: string | null | undefined;
}

export interface UserListPosition {
  readonly name: string;
  readonly id: string;
}

/** Ids of one page, by userName, with the position to go on from. */
export async function listUserIds(
  db: Database,
  tenantId: string,
  filter: UserListFilter,
  after: UserListPosition | null,
  limit: number,
): Promise<UserListPosition[]> {
  let page = matching(db, tenantId, filter)
    .select(["u.id", "u.user_name_norm as name"])
    .orderBy("u.user_name_norm")
    .orderBy("u.id")
    .limit(limit);
  if (after !== null) {
    page = page.where(sql<boolean>`(u.user_name_norm, u.id) > (${after.name}, ${after.id}::uuid)`);
  }
  return await db.run<UserListPosition>(page);
}

/** How many users match. */
export async function countUsers(db: Database, tenantId: string, filter: UserListFilter): Promise<number> {
  const count = matching(db, tenantId, filter).select(sql<number>`count(*)`.as("total"));
  const [row] = await db.run<{ total: number }>(count);
  return row?.total ?? 0;
}

function matching(db: Database, tenantId: string, filter: UserListFilter) {
  let query = db.build.selectFrom("users as u").where("u.tenant_id", "=", tenantId);
  if (filter.role !== undefined) query = query.where("u.role", "=", filter.role);
  if (filter.status !== undefined) query = query.where("u.status", "=", filter.status);
  if (filter.tier !== undefined) query = query.where(holdsSeat(filter.tier));
  if (filter.team !== undefined) query = query.where(isInTeam(tenantId, filter.team));
  if (filter.q !== undefined) query = query.where(contains(filter.q));
  if (filter.within !== undefined) query = query.where(isInTeamsOf(tenantId, filter.within));
  return query;
}

function holdsSeat(tier: string) {
  if (tier === "none") {
    return sql<boolean>`not exists (select from seats s where s.tenant_id = u.tenant_id and s.user_id = u.id)`;
  }
  return sql<boolean>`exists (
    select from seats s where s.tenant_id = u.tenant_id and s.user_id = u.id and s.tier = ${tier})`;
}

/** Plain text, wherever it stands; `%` and `_` mean themselves. */
function contains(text: string) {
  const part = normaliseName(text);
  return sql<boolean>`(position(${part} in u.user_name_norm) > 0
    or position(${part} in coalesce(u.display_name_norm, '')) > 0
    or exists (select from unnest(u.emails) e where position(${part} in e) > 0))`;
}

/** TEAM-1, TEAM-3: by hand or by rule, or through a group (or one above it) that feeds the team. Active people only. */
function isInTeam(tenantId: string, team: string) {
  const name = normaliseName(team);
  return sql<boolean>`u.status = 'active' and u.id in (
    with recursive wanted as (
      select t.id, t.group_id from teams t
      where t.tenant_id = ${tenantId} and (t.name_norm = ${name} or t.id::text = ${name})),
    feeding (group_id, depth) as (
      select b.group_id, 0 from group_bindings b
      where b.tenant_id = ${tenantId} and b.team_id in (select id from wanted)
      union
      select w.group_id, 0 from wanted w
      where w.group_id is not null and not exists (
        select from group_bindings b
        where b.tenant_id = ${tenantId} and b.group_id = w.group_id and b.team_id is not null)
      union
      select c.child_id, f.depth + 1 from feeding f
      join group_children c on c.tenant_id = ${tenantId} and c.parent_id = f.group_id
      where f.depth < ${nestingDepthMax})
    select m.user_id from team_members m
    where m.tenant_id = ${tenantId} and m.team_id in (select id from wanted)
    union
    select m.user_id from group_members m
    where m.tenant_id = ${tenantId} and m.group_id in (select group_id from feeding))`;
}

const byName: Statement = {
  name: "user_id_by_name",
  text: "select id from users where tenant_id = $1 and user_name_norm = $2",
};

/** The id of the user of this userName, compared without letter case (USR-2). */
export async function findUserIdByName(
  executor: Executor,
  tenantId: string,
  userName: string,
): Promise<string | undefined> {
  const [row] = await executor.query<{ id: string }>(byName, [tenantId, normaliseName(userName)]);
  return row?.id;
}
