/**
 * TEAM-3: members by hand, beside those whom groups and rules bring. A membership by hand gives no role and no license:
 * these follow from groups (ROL-2), never from the team that a group feeds.
 */
import { lockAuthority } from "../auth/authority.ts";
import { type EventRecord, recordEvents } from "../db/events.ts";
import type { TeamRow } from "../db/teams.ts";
import {
  addManualMembers,
  forgetQueues,
  listMembers,
  listSources,
  lockPeopleStill,
  type MemberRow,
  removeManualMembers,
  type SourceRow,
} from "../db/teams-members.ts";
import type { JsonObject, Permission, Status } from "../domain/model.ts";
import { Problem } from "../problems.ts";
import { eventOf, type Work } from "./apply.ts";
import { actorOf, type Deps, type RequestContext } from "./context.ts";
import { archived, lockManaged, readIds, requireNamed, requireNoWidening, unknownIds } from "./teams-steps.ts";
import { begin } from "./user-steps.ts";

/** Why somebody is in a team, as callers see it. */
export type Source =
  | { readonly kind: "manual"; readonly since: string | null; readonly by: JsonObject | null }
  | { readonly kind: "rule"; readonly since: string | null; readonly rule: string }
  | {
      readonly kind: "group";
      readonly since: string | null;
      readonly group: { readonly value: string; readonly display: string } | null;
      /** The group that the person is in, where it is one nested in that. */
      readonly through: { readonly value: string; readonly display: string } | null;
      /** The mapping's entry that sends the group here; null: it is the group's own team. */
      readonly entry: string | null;
    };

export interface Member extends MemberRow {
  readonly sources: readonly Source[];
}

/** One page of a team's members, each with what keeps them there. */
export async function listTeamMembers(
  deps: Deps,
  tenantId: string,
  teamId: string,
  status: Status | null,
  after: string | null,
  limit: number,
): Promise<Member[]> {
  const rows = await listMembers(deps.db, tenantId, teamId, status, after, limit);
  const ids = rows.map((row) => row.id);
  const sources = Map.groupBy(await listSources(deps.db, tenantId, ids, teamId), (row) => row.userId);
  return rows.map((row) => ({ ...row, sources: (sources.get(row.id) ?? []).map(toSource) }));
}

export function toSource({ kind, since, group, through, entry, rule, addedBy }: SourceRow): Source {
  if (kind === "group") return { kind, since, group, through: through?.value === group?.value ? null : through, entry };
  if (kind === "rule") return { kind, since, rule: rule ?? "" };
  return { kind, since, by: addedBy === null ? null : { ...addedBy } };
}

export interface AddedMember {
  readonly id: string;
  /** `already`: by hand already. */
  readonly outcome: "added" | "already";
}

/**
 * Adds people to a team by hand: all or nobody. Problems: notFound, forbidden, invalidValue for ids that name nobody,
 * conflict for an archived team, and for a queue and people who are out (TEAM-4).
 */
export async function addMembersByHand(
  deps: Deps,
  ctx: RequestContext,
  teamId: string,
  users: readonly string[],
): Promise<AddedMember[]> {
  return await deps.db.transaction(async (tx) => {
    const work = await begin(deps, ctx, tx);
    const authority = await lockAuthority(tx, ctx.principal, work.now);
    return await addToTeam(work, authority, teamId, users);
  });
}

/** The same inside a transaction that holds the rules still and has read the actor's authority. */
export async function addToTeam(
  work: Work,
  authority: readonly Permission[],
  teamId: string,
  users: readonly string[],
): Promise<AddedMember[]> {
  const { tx, rules } = work;
  const { tenantId } = rules;
  const team = await lockManaged(work, authority, teamId, "share");
  requireNamed("users", users);
  if (team.archivedAt !== null) throw archived(team, "people are added");
  const ids = readIds("user", "users", users);
  const people = await lockPeopleStill(tx, tenantId, ids);
  const unknown = ids.filter((id) => !people.has(id));
  if (unknown.length > 0) throw unknownIds("user", "users", unknown);
  if (team.kind === "queue") requireIn(team, people);
  await requireNoWidening(work, authority, team, ids);
  const added = await insertMembers(work, [team], ids);
  await recordEvents(tx, addedEvents(work, [team], added));
  const isNew = new Set(added.map((row) => row.userId));
  return ids.map((id) => ({ id, outcome: isNew.has(id) ? "added" : "already" }));
}

/** Memberships by hand of locked teams and people, with nothing else; what was remembered of queues ends with it (TEAM-4). */
export async function insertMembers(
  work: Work,
  teams: readonly Pick<TeamRow, "id" | "kind">[],
  users: readonly string[],
): Promise<{ teamId: string; userId: string }[]> {
  const { tx, ctx, rules, now } = work;
  const by = { at: now.toISOString(), actor: actorOf(ctx) };
  const ids = teams.map((team) => team.id);
  const added = await addManualMembers(tx, rules.tenantId, ids, users, by);
  const queues = teams.filter((team) => team.kind === "queue").map((team) => team.id);
  if (queues.length > 0) await forgetQueues(tx, rules.tenantId, users, queues);
  return added;
}

/** LOG-1: one event a team, with everybody who came. */
export function addedEvents(
  work: Work,
  teams: readonly Pick<TeamRow, "id" | "kind" | "name">[],
  added: readonly { teamId: string; userId: string }[],
): EventRecord[] {
  return teams.flatMap(({ id, kind, name }) => {
    const members = added.flatMap((row) => (row.teamId === id ? [row.userId] : []));
    if (members.length === 0) return [];
    return [eventOf(work, "team.members-added", "Team", id, { kind, name, members }, "TEAM-3")];
  });
}

/** TEAM-4: who is out holds no queue, so nobody is assigned to one who is. */
function requireIn(team: TeamRow, people: ReadonlyMap<string, Status>): void {
  const out = [...people].flatMap(([id, status]) => (status === "inactive" ? [id] : []));
  if (out.length === 0) return;
  const shown = out.slice(0, 10).join(", ");
  const more = out.length > 10 ? ` and ${out.length - 10} more` : "";
  const detail = `The queue "${team.name}" takes nobody who is inactive: ${shown}${more}. Nothing was changed.`;
  throw new Problem("conflict", detail, { facts: { rule: "TEAM-4", attribute: "users" } });
}

export interface RemovedMember {
  readonly id: string;
  /** `kept`: other sources keep them in the team. `absent`: they were not in it. */
  readonly outcome: "removed" | "kept" | "absent";
  /** Whether something that was there by hand is gone. */
  readonly manual: boolean;
  /** What keeps them there. */
  readonly sources: readonly Source[];
}

/**
 * Takes away what put people into a team by hand. TEAM-3: whoever a group or a rule keeps there stays, and the answer
 * says so. Problems: notFound, forbidden, invalidValue for what is no id.
 */
export async function removeMembersByHand(
  deps: Deps,
  ctx: RequestContext,
  teamId: string,
  users: readonly string[],
): Promise<RemovedMember[]> {
  return await deps.db.transaction(async (tx) => {
    const work = await begin(deps, ctx, tx);
    const authority = await lockAuthority(tx, ctx.principal, work.now);
    return await removeFromTeam(work, authority, teamId, users);
  });
}

/** The same inside a transaction that holds the rules still and has read the actor's authority. */
export async function removeFromTeam(
  work: Work,
  authority: readonly Permission[],
  teamId: string,
  users: readonly string[],
): Promise<RemovedMember[]> {
  const { tx, rules } = work;
  const team = await lockManaged(work, authority, teamId, "change");
  requireNamed("users", users);
  const ids = readIds("user", "users", users);
  const gone = new Set(await removeManualMembers(tx, rules.tenantId, team.id, ids));
  const rest = Map.groupBy(await listSources(tx, rules.tenantId, ids, team.id), (row) => row.userId);
  const result = ids.map((id): RemovedMember => {
    const sources = (rest.get(id) ?? []).map(toSource);
    const manual = gone.has(id);
    return { id, outcome: sources.length > 0 ? "kept" : manual ? "removed" : "absent", manual, sources };
  });
  if (gone.size > 0) {
    const kept = result.filter((one) => one.manual && one.outcome === "kept").map((one) => one.id);
    const { kind, name } = team;
    const event = eventOf(work, "team.members-removed", "Team", team.id, { kind, name, kept }, "TEAM-3");
    await recordEvents(tx, [{ ...event, before: { members: [...gone].toSorted() } }]);
  }
  return result;
}
