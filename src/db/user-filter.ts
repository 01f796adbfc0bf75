/** Which users a list is of: each filter as a condition on `u`. */
import { sql } from "kysely";
import { normaliseName } from "../vocabulary/names.ts";
import type { Database } from "./database.ts";
import { isInTeamsOf } from "./own-teams.ts";
import { toCompanyNorm } from "./user-columns.ts";
import { nestingDepthMax } from "./users.ts";

export interface UserListFilter {
  /** Key of the role in effect. */
  readonly role?: string | undefined;
  /** Key of the tier whose seat is held; `none`: no seat. */
  readonly tier?: string | undefined;
  /** What the license of a user says of itself. */
  readonly license?: "assigned" | "waitlisted" | "none" | undefined;
  readonly status?: "pending" | "active" | "inactive" | undefined;
  /** Id or name of a team of any kind. */
  readonly team?: string | undefined;
  /** Id or name of a queue. */
  readonly queue?: string | undefined;
  /** Id or name of a group as the client has it; whoever is in a group nested in it counts. */
  readonly group?: string | undefined;
  readonly company?: string | undefined;
  /** A part of a name or an e-mail address. */
  readonly q?: string | undefined;
  /** E-8: only people in a team of this person's, nobody where it is null; undefined: everybody. */
  readonly within?: string | null | undefined;
}

/** Users of the tenant who match all of the filter. */
export function matchingUsers(db: Database, tenantId: string, filter: UserListFilter) {
  let query = db.build.selectFrom("users as u").where("u.tenant_id", "=", tenantId);
  if (filter.role !== undefined) query = query.where("u.role", "=", filter.role);
  if (filter.status !== undefined) query = query.where("u.status", "=", filter.status);
  if (filter.company !== undefined) query = query.where("u.company_norm", "=", toCompanyNorm(filter.company));
  if (filter.tier !== undefined) query = query.where(holdsSeat(filter.tier));
  if (filter.license !== undefined) query = query.where(hasLicense(filter.license));
  if (filter.team !== undefined) query = query.where(isInTeam(tenantId, filter.team, null));
  if (filter.queue !== undefined) query = query.where(isInTeam(tenantId, filter.queue, "queue"));
  if (filter.group !== undefined) query = query.where(isInGroup(tenantId, filter.group));
  if (filter.q !== undefined) query = query.where(contains(filter.q));
  if (filter.within !== undefined) query = query.where(isInTeamsOf(tenantId, filter.within));
  return query;
}

const seated = sql<boolean>`exists (select from seats s where s.tenant_id = u.tenant_id and s.user_id = u.id)`;
const waiting = sql<boolean>`exists (select from waitlist w where w.tenant_id = u.tenant_id and w.user_id = u.id)`;

function holdsSeat(tier: string) {
  if (tier === "none") return sql<boolean>`not ${seated}`;
  return sql<boolean>`exists (
    select from seats s where s.tenant_id = u.tenant_id and s.user_id = u.id and s.tier = ${tier})`;
}

function hasLicense(state: "assigned" | "waitlisted" | "none") {
  if (state === "assigned") return seated;
  return state === "waitlisted"
    ? sql<boolean>`${waiting} and not ${seated}`
    : sql<boolean>`not ${waiting} and not ${seated}`;
}

/** Plain text, wherever it stands; `%` and `_` mean themselves. */
function contains(text: string) {
  const part = normaliseName(text);
  return sql<boolean>`(position(${part} in u.user_name_norm) > 0 or position(${part} in u.search) > 0)`;
}

/** Directly, or through a group nested in it. TEAM-4: membership stays the client's, so who is out counts as well. */
function isInGroup(tenantId: string, group: string) {
  const name = normaliseName(group);
  return sql<boolean>`u.id in (
    with recursive within (group_id, depth) as (
      select g.id, 0 from groups g
      where g.tenant_id = ${tenantId} and (g.display_name_norm = ${name} or g.id::text = ${name})
      union
      select c.child_id, w.depth + 1 from within w
      join group_children c on c.tenant_id = ${tenantId} and c.parent_id = w.group_id
      where w.depth < ${nestingDepthMax})
    select m.user_id from group_members m
    where m.tenant_id = ${tenantId} and m.group_id in (select group_id from within))`;
}

/** TEAM-1, TEAM-3: by hand or by rule, or through a group (or one above it) that feeds the team. Active people only. */
function isInTeam(tenantId: string, team: string, kind: "queue" | null) {
  const name = normaliseName(team);
  return sql<boolean>`u.status = 'active' and u.id in (
    with recursive wanted as (
      select t.id, t.group_id from teams t
      where t.tenant_id = ${tenantId} and (t.name_norm = ${name} or t.id::text = ${name}) and t.archived_at is null
        and (${kind}::text is null or t.kind = ${kind})),
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
