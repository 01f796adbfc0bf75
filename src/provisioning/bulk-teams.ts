/**
 * many people into several teams by hand, or out of them (TEAM-3). Queues and agents are not among these: people are
 * assigned there. The team's own event tells of its members, and each person has one that tells of their teams.
 */
import { recordEvents } from "../db/events.ts";
import { findTeams, type TeamRow } from "../db/teams.ts";
import { listSources } from "../db/teams-members.ts";
import type { Json, Permission, UserState } from "../domain/model.ts";
import { isUuid } from "../ids.ts";
import { Problem } from "../problems.ts";
import { eventOf, type Work } from "./apply.ts";
import type { TeamsPlan } from "./bulk-actions.ts";
import { type BulkResult, toChanged, toRefused, toUnchanged } from "./bulk-outcomes.ts";
import type { Deps } from "./context.ts";
import { addToTeam, removeFromTeam } from "./teams-members.ts";
import { archived, requireManage, unknownIds } from "./teams-steps.ts";

/** What the teams of the request have come to for one person. */
interface Step {
  readonly changed: TeamRow[];
  /** Teams that they stay in, because a group or a rule keeps them there. */
  readonly kept: TeamRow[];
}

/** Carries it out for people whose rows are locked; all of the teams or none. */
export async function changeTeams(
  work: Work,
  plan: TeamsPlan,
  states: readonly UserState[],
  authority: readonly Permission[],
): Promise<BulkResult[]> {
  const { tx } = work;
  try {
    return await tx.savepoint(async () => {
      const steps = await takeSteps(work, plan, states, authority);
      await recordEvents(tx, toEvents(work, plan, steps));
      return toResults(plan, states, steps);
    });
  } catch (error) {
    if (!(error instanceof Problem) || error.code === "unavailable") throw error;
    return states.map(({ id, doc }) => toRefused(id, doc.userName, error));
  }
}

async function takeSteps(
  work: Work,
  { verb, teams }: TeamsPlan,
  states: readonly UserState[],
  authority: readonly Permission[],
): Promise<Map<string, Step>> {
  const users = states.map(({ id }) => id);
  const steps = begin(states);
  for (const team of await requireTeams(work, teams)) {
    if (verb === "add") {
      for (const { id, outcome } of await addToTeam(work, authority, team.id, users)) {
        if (outcome === "added") steps.get(id)?.changed.push(team);
      }
      continue;
    }
    for (const { id, outcome, manual } of await removeFromTeam(work, authority, team.id, users)) {
      if (manual) steps.get(id)?.changed.push(team);
      if (outcome === "kept") steps.get(id)?.kept.push(team);
    }
  }
  return steps;
}

/** What it would come to. */
export async function previewTeams(
  work: Work,
  plan: TeamsPlan,
  states: readonly UserState[],
  authority: readonly Permission[],
): Promise<BulkResult[]> {
  const steps = begin(states);
  try {
    for (const team of await requireTeams(work, plan.teams)) {
      await requireManage(work, authority, team.kind, team);
      if (plan.verb === "add" && team.archivedAt !== null) throw archived(team, "people are added");
      const users = states.map(({ id }) => id);
      const sources = await listSources(work.tx, work.rules.tenantId, users, team.id);
      const byHand = new Set(sources.flatMap(({ userId, kind }) => (kind === "manual" ? [userId] : [])));
      const otherwise = new Set(sources.flatMap(({ userId, kind }) => (kind === "manual" ? [] : [userId])));
      for (const [id, step] of steps) {
        if (byHand.has(id) === (plan.verb === "remove")) step.changed.push(team);
        if (plan.verb === "remove" && otherwise.has(id)) step.kept.push(team);
      }
    }
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return states.map(({ id, doc }) => toRefused(id, doc.userName, error));
  }
  return toResults(plan, states, steps);
}

/** Problems: invalidValue for ids that name no team, and for teams that people are assigned to elsewhere. */
export async function requireTeams(
  { tx, rules }: { readonly tx: Deps["db"] | Work["tx"]; readonly rules: Pick<Work["rules"], "tenantId"> },
  ids: readonly string[],
): Promise<TeamRow[]> {
  const known = [...new Set(ids.map((id) => id.toLowerCase()))].filter(isUuid).sort();
  const teams = await findTeams(tx, rules.tenantId, known);
  const found = new Set(teams.map(({ id }) => id));
  const unknown = ids.filter((id) => !found.has(id.toLowerCase()));
  if (unknown.length > 0) throw unknownIds("team", "params.teams", unknown);
  const elsewhere = teams.find(({ kind }) => kind === "queue" || kind === "agent");
  if (elsewhere === undefined) return teams;
  const detail = `People are assigned to the ${elsewhere.kind} "${elsewhere.name}" there, and not in bulk.`;
  throw new Problem("invalidValue", detail, { facts: { rule: "TEAM-1", attribute: "params.teams" } });
}

function begin(states: readonly UserState[]): Map<string, Step> {
  return new Map(states.map(({ id }) => [id, { changed: [], kept: [] }]));
}

function toEvents(work: Work, { verb }: TeamsPlan, steps: ReadonlyMap<string, Step>) {
  return [...steps].flatMap(([id, { changed }]) => {
    if (changed.length === 0) return [];
    const teams: Json = changed.map((team) => ({ value: team.id, display: team.name, kind: team.kind }));
    return [
      eventOf(work, "user.teams-changed", "User", id, { [verb === "add" ? "added" : "removed"]: teams }, "TEAM-3"),
    ];
  });
}

function toResults(plan: TeamsPlan, states: readonly UserState[], steps: ReadonlyMap<string, Step>): BulkResult[] {
  return states.map((state) => {
    const { changed, kept } = steps.get(state.id) as Step;
    const names = kept.map(({ name }) => `"${name}"`).join(", ");
    const detail = names === "" ? null : `Stays in ${names}, where a group or a rule keeps them.`;
    const result = changed.length === 0 ? toUnchanged(state) : toChanged(state, null);
    return plan.verb === "remove" && detail !== null ? { ...result, detail, rule: "TEAM-3" } : result;
  });
}
