/**
 * Teams of all kinds: create, rename, archive, delete, read. What feeds a team besides people is the client's and the
 * mapping's: it goes on feeding an archived team, unheard, and stands in the way of a new name and of deletion.
 */
import { lockAuthority, requireReach } from "../auth/authority.ts";
import { recordEvents } from "../db/events.ts";
import {
  countMembers,
  findTeam,
  findTeamNamed,
  findTeams,
  insertTeam,
  listBoundGroups,
  listTeamIds,
  removeTeam,
  type TeamListFilter,
  type TeamListPosition,
  type TeamRow,
  updateTeam,
} from "../db/teams.ts";
import { countGrants } from "../db/teams-grants.ts";
import { countManualMembers } from "../db/teams-members.ts";
import type { TenantRules } from "../domain/access.ts";
import type { TeamKind } from "../domain/model.ts";
import { describeFeeding } from "../domain/teams.ts";
import { isUuid } from "../ids.ts";
import { Problem } from "../problems.ts";
import { normaliseName } from "../vocabulary/names.ts";
import { eventOf, type Work } from "./apply.ts";
import type { Deps, RequestContext } from "./context.ts";
import { listOwnTeams, lockManaged, noTeam, requireManage, requireNoReturn, toLogged } from "./teams-steps.ts";
import { begin } from "./user-steps.ts";

export interface TeamView {
  readonly id: string;
  readonly kind: TeamKind;
  readonly name: string;
  /** People with a source in it, those whose membership is suspended (TEAM-4) included. */
  readonly members: number;
  readonly archivedAt: string | null;
  readonly createdAt: string;
  readonly fedBy: {
    /** The group whose own team it is (TEAM-1). */
    readonly group: { readonly value: string; readonly display: string } | null;
    /** How many groups the mapping sends here. */
    readonly groups: number;
    /** How many entries, and which rules, of the mapping name it. */
    readonly entries: number;
    readonly rules: readonly string[];
  };
}

/** E-8: the teams that the caller may see; undefined: all. Problem: forbidden. */
async function visibleTeams(deps: Deps, ctx: RequestContext): Promise<readonly string[] | undefined> {
  if ((await requireReach(deps, ctx, "teams.read")) === null) return undefined;
  return await listOwnTeams(deps.db, ctx.principal.tenantId, ctx.principal);
}

/** One page of the teams that the caller sees, by name. */
export async function listTeams(
  deps: Deps,
  ctx: RequestContext,
  filter: Omit<TeamListFilter, "among">,
): Promise<(after: TeamListPosition | null, limit: number) => Promise<TeamListPosition[]>> {
  const among = await visibleTeams(deps, ctx);
  return (after, limit) => listTeamIds(deps.db, ctx.principal.tenantId, { ...filter, among }, after, limit);
}

/** Teams as callers see them, in the order asked for. */
export async function viewTeams(deps: Deps, ctx: RequestContext, ids: readonly string[]): Promise<TeamView[]> {
  const { tenantId } = ctx.principal;
  const rules = await deps.rules.recent(deps.db, tenantId);
  const rows = await findTeams(deps.db, tenantId, ids);
  const sizes = await countMembers(deps.db, tenantId, ids);
  return rows.map((row) => toTeamView(row, sizes.get(row.id) ?? 0, rules));
}

/** One team. Problem: notFound, also for a team that the caller may not see. */
export async function getTeam(deps: Deps, ctx: RequestContext, id: string): Promise<TeamView> {
  await requireVisible(deps, ctx, id);
  const [team] = await viewTeams(deps, ctx, [id.toLowerCase()]);
  if (team === undefined) throw noTeam(id);
  return team;
}

/** The team, where there is one and the caller may see it. Problem: notFound. */
export async function requireVisible(deps: Deps, ctx: RequestContext, id: string): Promise<TeamRow> {
  const among = await visibleTeams(deps, ctx);
  const team = isUuid(id) ? await findTeam(deps.db, ctx.principal.tenantId, id) : undefined;
  if (team === undefined) throw noTeam(id);
  if (among !== undefined && !among.includes(team.id)) throw noTeam(id);
  return team;
}

export interface NewTeam {
  readonly kind: TeamKind;
  readonly name: string;
}

/** Creates a team that no group owns. Problems: forbidden, uniqueness. */
export async function createTeam(deps: Deps, ctx: RequestContext, { kind, name }: NewTeam): Promise<TeamView> {
  return await deps.db.transaction(async (tx) => {
    const work = await begin(deps, ctx, tx);
    const { rules, now } = work;
    const authority = await lockAuthority(tx, ctx.principal, now);
    await requireManage(work, authority, kind, null);
    await requireFree(work, kind, name, null);
    const id = deps.newId();
    await insertTeam(tx, rules.tenantId, { id, kind, name, at: now.toISOString() });
    await recordEvents(tx, [eventOf(work, "team.created", "Team", id, { kind, name })]);
    return toTeamView((await findTeam(tx, rules.tenantId, id)) as TeamRow, 0, rules);
  });
}

export interface TeamChange {
  readonly name?: string;
  readonly archived?: boolean;
}

/**
 * Renames a team, archives it or brings it back. Problems: notFound, forbidden, uniqueness, conflict where a group or the
 * mapping says its name.
 */
export async function changeTeam(deps: Deps, ctx: RequestContext, id: string, change: TeamChange): Promise<TeamView> {
  await deps.db.transaction(async (tx) => {
    const work = await begin(deps, ctx, tx);
    const { rules, now } = work;
    const authority = await lockAuthority(tx, ctx.principal, now);
    const team = await lockManaged(work, authority, id, "change");
    const name = change.name ?? team.name;
    const isArchived = change.archived ?? team.archivedAt !== null;
    if (name !== team.name) {
      await requireRenamable(work, team, name);
      await requireFree(work, team.kind, name, team.id);
    }
    if (!isArchived && team.archivedAt !== null) await requireNoReturn(work, authority, team);
    const archivedAt = isArchived ? (team.archivedAt ?? now.toISOString()) : null;
    if (name === team.name && archivedAt === team.archivedAt) return;
    await updateTeam(tx, rules.tenantId, { id: team.id, name, archivedAt });
    const events = [];
    if (name !== team.name) {
      const after = { kind: team.kind, name };
      events.push({ ...eventOf(work, "team.renamed", "Team", team.id, after), before: toLogged(team) });
    }
    if (archivedAt !== team.archivedAt) {
      const action = archivedAt === null ? "team.unarchived" : "team.archived";
      const feeding = await describeFeedingOf(work, team);
      const after = { kind: team.kind, name, ...(feeding === null ? {} : { stillFedBy: feeding }) };
      events.push({
        ...eventOf(work, action, "Team", team.id, after, "TEAM-3"),
        before: { archivedAt: team.archivedAt },
      });
    }
    await recordEvents(tx, events);
  });
  const [view] = await viewTeams(deps, ctx, [id.toLowerCase()]);
  if (view === undefined) throw noTeam(id);
  return view;
}

/** Deletes a team that nothing feeds, with its members by hand and its grants. Problems: notFound, forbidden, conflict. */
export async function deleteTeam(deps: Deps, ctx: RequestContext, id: string): Promise<void> {
  await deps.db.transaction(async (tx) => {
    const work = await begin(deps, ctx, tx);
    const { rules } = work;
    const authority = await lockAuthority(tx, ctx.principal, work.now);
    const team = await lockManaged(work, authority, id, "delete");
    const feeding = await describeFeedingOf(work, team);
    if (feeding !== null) {
      const detail = `The ${team.kind} "${team.name}" is fed by ${feeding}. Take it out there first, or archive it.`;
      throw new Problem("conflict", detail, { facts: { rule: "TEAM-1" } });
    }
    const members = await countManualMembers(tx, rules.tenantId, team.id);
    const grants = await countGrants(tx, rules.tenantId, team.id);
    await removeTeam(tx, rules.tenantId, team.id);
    const event = eventOf(work, "team.deleted", "Team", team.id, {});
    await recordEvents(tx, [{ ...event, before: { ...toLogged(team), members, grants } }]);
  });
}

/** Names are unique within a kind. What groups call their own teams is theirs (TEAM-1): nobody else takes such a name. */
async function requireFree({ tx, rules }: Work, kind: TeamKind, name: string, except: string | null): Promise<void> {
  const found = await findTeamNamed(tx, rules.tenantId, kind, name);
  if (found === undefined || found.id === except) return;
  const whose = found.isOwn ? ", the own team of the group of that name" : "";
  const detail = `There is a ${kind} called "${name}" already${whose}; names are compared without letter case, and an archived team keeps its name.`;
  throw new Problem("uniqueness", detail, { facts: { attribute: "name", team: found.id } });
}

/** A group's own team has the group's name, and the mapping finds a team by its name: the name is changed where it is said. */
async function requireRenamable(work: Work, team: TeamRow, name: string): Promise<void> {
  if (team.group !== null) {
    const detail = `"${team.name}" is the own team of the group of that name and follows it: the group is renamed where it comes from.`;
    throw new Problem("conflict", detail, { facts: { rule: "TEAM-1", attribute: "name" } });
  }
  if (normaliseName(name) === team.nameNorm) return;
  const named = await describeFeedingOf(work, team);
  if (named === null) return;
  const detail = `The ${team.kind} "${team.name}" is fed by ${named}, which find it by its name: change the name in the mapping.`;
  throw new Problem("conflict", detail, { facts: { rule: "TEAM-1", attribute: "name" } });
}

/** What feeds the team, in words; the rules are held still, so that no mapping begins to name it meanwhile. */
async function describeFeedingOf({ tx, rules }: Work, team: TeamRow): Promise<string | null> {
  const groups = team.boundGroups === 0 ? [] : await listBoundGroups(tx, rules.tenantId, team.id);
  const { entries, rules: conditions } = namedBy(rules, team.id);
  return describeFeeding({ group: team.group?.display ?? null, groups, entries, rules: conditions });
}

/** Entries and rules of the mapping that name the team. */
function namedBy(rules: TenantRules, teamId: string): { entries: string[]; rules: string[] } {
  return {
    entries: [...rules.entries.values()].flatMap((entry) => (entry.teamId === teamId ? [entry.key] : [])),
    rules: rules.rules.flatMap((rule) => (rule.teamId === teamId ? [rule.name] : [])),
  };
}

function toTeamView(row: TeamRow, members: number, rules: TenantRules): TeamView {
  const { id, kind, name, archivedAt, createdAt, group, boundGroups } = row;
  const named = namedBy(rules, id);
  const fedBy = { group, groups: boundGroups, entries: named.entries.length, rules: named.rules };
  return { id, kind, name, members, archivedAt, createdAt, fedBy };
}
