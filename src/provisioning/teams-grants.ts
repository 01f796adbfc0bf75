/** P-6: an agent is granted to people, teams and workspaces; nobody else sees it. */
import { lockAuthority } from "../auth/authority.ts";
import { recordEvents } from "../db/events.ts";
import { findTeams, lockTeams, type TeamRow } from "../db/teams.ts";
import { type Grantee, type GrantRow, insertGrants, listGrantRows, removeGrants } from "../db/teams-grants.ts";
import { lockPeopleStill } from "../db/teams-members.ts";
import { grantableKinds } from "../domain/teams.ts";
import { Problem } from "../problems.ts";
import { eventOf, type Work } from "./apply.ts";
import { actorOf, type Deps, type RequestContext } from "./context.ts";
import { requireVisible } from "./teams.ts";
import { archived, lockManaged, readIds, requireNamed, unknownIds } from "./teams-steps.ts";
import { begin } from "./user-steps.ts";

/** To whom an agent is granted, or is not any more. Ids of people, and of teams and workspaces. */
export interface Grantees {
  readonly users: readonly string[];
  readonly teams: readonly string[];
}

export interface GrantOutcome<Outcome extends string> {
  readonly to: { readonly type: "user" | "team"; readonly value: string };
  readonly outcome: Outcome;
}

/** One page of an agent's grants, oldest first. Problems: notFound, forbidden, invalidValue where it is no agent. */
export async function listGrants(
  deps: Deps,
  ctx: RequestContext,
  agentId: string,
): Promise<(after: string | null, limit: number) => Promise<GrantRow[]>> {
  const agent = requireAgent(await requireVisible(deps, ctx, agentId));
  return (after, limit) => listGrantRows(deps.db, ctx.principal.tenantId, agent.id, after, limit);
}

/**
 * Grants an agent: to all that are named or to none. Problems: notFound, forbidden, conflict for an archived agent,
 * invalidValue where it is no agent, where an id names nobody, and for what is neither a team nor a workspace.
 */
export async function grantAgent(
  deps: Deps,
  ctx: RequestContext,
  agentId: string,
  to: Grantees,
): Promise<GrantOutcome<"granted" | "already">[]> {
  return await deps.db.transaction(async (tx) => {
    const work = await begin(deps, ctx, tx);
    const { rules, now } = work;
    const authority = await lockAuthority(tx, ctx.principal, now);
    const agent = requireAgent(await lockManaged(work, authority, agentId, "share"));
    const { users, teams } = readGrantees(to);
    if (agent.archivedAt !== null) throw archived(agent, "it is granted");
    await requireGrantable(work, teams);
    const people = await lockPeopleStill(tx, rules.tenantId, users);
    const unknown = users.filter((id) => !people.has(id));
    if (unknown.length > 0) throw unknownIds("user", "users", unknown);
    const rows = [
      ...users.map((userId) => ({ id: deps.newId(), userId, teamId: null })),
      ...teams.map((teamId) => ({ id: deps.newId(), userId: null, teamId })),
    ];
    const granted = await insertGrants(tx, rules.tenantId, agent.id, rows, {
      at: now.toISOString(),
      actor: actorOf(ctx),
    });
    await recordGrants(work, "agent.granted", agent, granted);
    const isNew = toSet(granted);
    return toOutcomes(users, teams, (id) => (isNew.has(id) ? "granted" : "already"));
  });
}

/** Takes grants back. Problems: notFound, forbidden, invalidValue where it is no agent, and for what is no id. */
export async function revokeAgent(
  deps: Deps,
  ctx: RequestContext,
  agentId: string,
  from: Grantees,
): Promise<GrantOutcome<"removed" | "absent">[]> {
  return await deps.db.transaction(async (tx) => {
    const work = await begin(deps, ctx, tx);
    const authority = await lockAuthority(tx, ctx.principal, work.now);
    const agent = requireAgent(await lockManaged(work, authority, agentId, "change"));
    const { users, teams } = readGrantees(from);
    const gone = await removeGrants(tx, work.rules.tenantId, agent.id, users, teams);
    await recordGrants(work, "agent.revoked", agent, gone);
    const isGone = toSet(gone);
    return toOutcomes(users, teams, (id) => (isGone.has(id) ? "removed" : "absent"));
  });
}

function requireAgent<Team extends Pick<TeamRow, "kind" | "name">>(team: Team): Team {
  if (team.kind === "agent") return team;
  throw new Problem("invalidValue", `"${team.name}" is a ${team.kind}: only agents are granted.`, {
    facts: { rule: "P-6", attribute: "id" },
  });
}

function readGrantees({ users, teams }: Grantees): { users: string[]; teams: string[] } {
  requireNamed("users or teams", users, teams);
  return { users: readIds("user", "users", users), teams: readIds("team or workspace", "teams", teams) };
}

/** Locks the teams, so that none of them is deleted meanwhile. */
async function requireGrantable({ tx, rules }: Work, ids: readonly string[]): Promise<void> {
  const found = await findTeams(tx, rules.tenantId, await lockTeams(tx, rules.tenantId, ids, "share"));
  const fit = new Set(found.filter((team) => grantableKinds.includes(team.kind)).map((team) => team.id));
  const unfit = ids.filter((id) => !fit.has(id));
  if (unfit.length > 0) throw unknownIds("team or workspace", "teams", unfit);
}

async function recordGrants(
  work: Work,
  action: "agent.granted" | "agent.revoked",
  agent: Pick<TeamRow, "id" | "name">,
  grantees: readonly Grantee[],
): Promise<void> {
  if (grantees.length === 0) return;
  const users = grantees.flatMap(({ userId }) => userId ?? []).toSorted();
  const teams = grantees.flatMap(({ teamId }) => teamId ?? []).toSorted();
  const told = { users, teams };
  const event = eventOf(work, action, "Team", agent.id, {
    name: agent.name,
    ...(action === "agent.granted" ? told : {}),
  });
  await recordEvents(work.tx, [action === "agent.granted" ? event : { ...event, before: told }]);
}

function toSet(grantees: readonly Grantee[]): ReadonlySet<string> {
  return new Set(grantees.flatMap(({ userId, teamId }) => userId ?? teamId ?? []));
}

function toOutcomes<Outcome extends string>(
  users: readonly string[],
  teams: readonly string[],
  outcomeOf: (id: string) => Outcome,
): GrantOutcome<Outcome>[] {
  return [
    ...users.map((value) => ({ to: { type: "user" as const, value }, outcome: outcomeOf(value) })),
    ...teams.map((value) => ({ to: { type: "team" as const, value }, outcome: outcomeOf(value) })),
  ];
}
