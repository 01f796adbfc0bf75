/**
 * Which users a list is of: each filter as a condition on `u`. Those on other tables come in two forms. As a set they let
 * the database begin with the members of a small group; as a question about one user they let it walk along an order and
 * stop when a page is full, which is quicker where many match.
 */
import { type RawBuilder, sql } from "kysely";
import { normaliseName } from "../vocabulary/names.ts";
import type { Database, Statement } from "./database.ts";
import { findOwnTeams } from "./own-teams.ts";
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
  /** People whose words, role, tier or seat changed at this moment or later. */
  readonly changedSince?: string | undefined;
  /** E-8: only people in a team of this person's, nobody where it is null; undefined: everybody. */
  readonly within?: string | null | undefined;
}

/** A filter whose teams and groups have been looked up: with their ids, the database knows how large they are. */
export interface ReadyFilter {
  readonly tenantId: string;
  readonly plain: UserListFilter;
  readonly team: Members | undefined;
  readonly queue: Members | undefined;
  readonly group: Members | undefined;
  readonly within: Members | undefined;
}

/** Teams whose members count, and groups whose direct members do. */
interface Members {
  readonly teams: readonly string[];
  readonly groups: readonly string[];
}

/** Looks up the teams and groups that the filter names. */
export async function readyFilter(db: Database, tenantId: string, filter: UserListFilter): Promise<ReadyFilter> {
  const { team, queue, group, within } = filter;
  return {
    tenantId,
    plain: filter,
    team: team === undefined ? undefined : await findTeamMembers(db, tenantId, team, null),
    queue: queue === undefined ? undefined : await findTeamMembers(db, tenantId, queue, "queue"),
    group: group === undefined ? undefined : await findGroups(db, tenantId, group),
    within: within ? await findOwnTeams(db, tenantId, within) : within === null ? { teams: [], groups: [] } : undefined,
  };
}

const findTeams: Statement = {
  name: "user_filter_teams",
  // TEAM-1, TEAM-3: members by hand or by rule, and those of groups (and of groups nested in them) that feed the team.
  text: `with recursive wanted as (
      select t.id, t.group_id from teams t
      where t.tenant_id = $1 and (t.name_norm = $2 or t.id::text = $2) and ($3::text is null or t.kind = $3)
        and t.archived_at is null),
    feeding (group_id, depth) as (
      select b.group_id, 0 from group_bindings b
      where b.tenant_id = $1 and b.team_id in (select id from wanted)
      union
      select w.group_id, 0 from wanted w
      where w.group_id is not null and not exists (
        select from group_bindings b
        where b.tenant_id = $1 and b.group_id = w.group_id and b.team_id is not null)
      union
      select c.child_id, f.depth + 1 from feeding f
      join group_children c on c.tenant_id = $1 and c.parent_id = f.group_id
      where f.depth < ${nestingDepthMax})
    select array(select id from wanted) as teams, array(select distinct group_id from feeding) as groups`,
};

async function findTeamMembers(db: Database, tenantId: string, team: string, kind: string | null): Promise<Members> {
  const [row] = await db.query<Members>(findTeams, [tenantId, normaliseName(team), kind]);
  return row!;
}

const findNested: Statement = {
  name: "user_filter_groups",
  text: `with recursive within (group_id, depth) as (
      select g.id, 0 from groups g where g.tenant_id = $1 and (g.display_name_norm = $2 or g.id::text = $2)
      union
      select c.child_id, w.depth + 1 from within w
      join group_children c on c.tenant_id = $1 and c.parent_id = w.group_id
      where w.depth < ${nestingDepthMax})
    select array(select distinct group_id from within) as groups`,
};

/** TEAM-4: membership of a group stays the client's, so who is out counts as well. */
async function findGroups(db: Database, tenantId: string, group: string): Promise<Members> {
  const [row] = await db.query<{ groups: string[] }>(findNested, [tenantId, normaliseName(group)]);
  return { teams: [], groups: row!.groups };
}

/** Whether everybody matches. */
export function isEmpty(filter: UserListFilter): boolean {
  return Object.values(filter).every((one) => one === undefined);
}

export type Form = "set" | "question";

/** The condition on `u`, a user of the tenant who matches all of the filter. */
export function matches({ tenantId, plain, team, queue, group, within }: ReadyFilter, form: Form): RawBuilder<boolean> {
  const found = [sql<boolean>`u.tenant_id = ${tenantId}`];
  if (plain.role !== undefined) found.push(sql`u.role = ${plain.role}`);
  if (plain.status !== undefined) found.push(sql`u.status = ${plain.status}`);
  if (plain.company !== undefined) found.push(sql`u.company_norm = ${toCompanyNorm(plain.company)}`);
  if (plain.q !== undefined) found.push(contains(plain.q));
  if (plain.tier !== undefined) {
    found.push(plain.tier === "none" ? isNone(seats(tenantId)) : isAmong(form, seats(tenantId, plain.tier)));
  }
  if (plain.license !== undefined) found.push(...hasLicense(plain.license, form, tenantId));
  // TEAM-4: who is out is in no team.
  for (const members of [team, queue, within])
    if (members !== undefined) found.push(isActive, isMember(members, form, tenantId));
  if (group !== undefined) found.push(isMember(group, form, tenantId));
  if (plain.changedSince !== undefined) found.push(hasChanged(plain.changedSince, form, tenantId));
  return sql`${sql.join(found, sql` and `)}`;
}

/** A seat can come without a write to the user's row (DESIGN §5). */
function hasChanged(since: string, form: Form, tenantId: string): RawBuilder<boolean> {
  const seated = sql`seats x where x.tenant_id = ${tenantId} and x.since >= ${since}`;
  const queued = sql`waitlist x where x.tenant_id = ${tenantId} and x.since >= ${since}`;
  if (form === "question") {
    return sql`(u.modified_at >= ${since} or ${isAmong(form, seated)} or ${isAmong(form, queued)})`;
  }
  return sql`u.id in (
    select c.id from users c where c.tenant_id = ${tenantId} and c.modified_at >= ${since}
    union select x.user_id from ${seated} union select x.user_id from ${queued})`;
}

const isActive = sql<boolean>`u.status = 'active'`;

function hasLicense(state: "assigned" | "waitlisted" | "none", form: Form, tenantId: string): RawBuilder<boolean>[] {
  if (state === "assigned") return [isAmong(form, seats(tenantId))];
  const queue = sql`waitlist x where x.tenant_id = ${tenantId}`;
  return [state === "waitlisted" ? isAmong(form, queue) : isNone(queue), isNone(seats(tenantId))];
}

function seats(tenantId: string, tier?: string): RawBuilder<unknown> {
  const ofTier = tier === undefined ? sql`` : sql` and x.tier = ${tier}`;
  return sql`seats x where x.tenant_id = ${tenantId} and x.user_id is not null${ofTier}`;
}

function isMember({ teams, groups }: Members, form: Form, tenantId: string): RawBuilder<boolean> {
  const inTeam = sql`team_members x where x.tenant_id = ${tenantId} and x.team_id = any (${[...teams]}::uuid[])`;
  const inGroup = sql`group_members x where x.tenant_id = ${tenantId} and x.group_id = any (${[...groups]}::uuid[])`;
  if (teams.length === 0) return isAmong(form, inGroup);
  if (groups.length === 0) return isAmong(form, inTeam);
  if (form === "question") return sql`(${isAmong(form, inTeam)} or ${isAmong(form, inGroup)})`;
  return sql`u.id in (select x.user_id from ${inTeam} union select x.user_id from ${inGroup})`;
}

/** Whether the user is one of the rows. With a limit, the question is asked of each user and not turned into a join. */
function isAmong(form: Form, rows: RawBuilder<unknown>): RawBuilder<boolean> {
  if (form === "set") return sql`u.id in (select x.user_id from ${rows})`;
  return sql`coalesce((select true from ${rows} and x.user_id = u.id limit 1), false)`;
}

/** Whether the user is none of the rows. */
function isNone(rows: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql`not exists (select from ${rows} and x.user_id = u.id)`;
}

/** Plain text, wherever it stands; `%` and `_` mean themselves. */
function contains(text: string): RawBuilder<boolean> {
  const part = normaliseName(text);
  return sql`(position(${part} in u.user_name_norm) > 0 or position(${part} in u.search) > 0)`;
}
