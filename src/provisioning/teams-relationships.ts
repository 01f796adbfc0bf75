/** P-3: what links one person to agents, teams, workspaces and queues, and why. */
import { listSources, type SourceRow } from "../db/teams-members.ts";
import { findUserView, type GroupRef } from "../db/users.ts";
import type { Status, TeamKind } from "../domain/model.ts";
import { isUuid } from "../ids.ts";
import type { Deps, RequestContext } from "./context.ts";
import { findVisibleAgents, type VisibleAgent } from "./teams-agents.ts";
import { type Source, toSource } from "./teams-members.ts";
import { type RememberedQueue, rememberedQueues } from "./teams-queues.ts";
import { noUser } from "./user-steps.ts";

export interface Membership {
  readonly value: string;
  readonly display: string;
  readonly sources: readonly Source[];
}

export interface Relationships {
  readonly id: string;
  readonly status: Status;
  /** TEAM-4: memberships of somebody who is not active stand and have no effect. */
  readonly suspended: boolean;
  readonly agents: readonly VisibleAgent[];
  readonly teams: readonly Membership[];
  readonly workspaces: readonly Membership[];
  readonly queues: readonly Membership[];
  readonly groups: readonly GroupRef[];
  readonly rememberedQueues: readonly RememberedQueue[];
}

/** One person's relationships, without teams that are archived. Problem: notFound. */
export async function getRelationships(deps: Deps, ctx: RequestContext, id: string): Promise<Relationships> {
  const { tenantId } = ctx.principal;
  const view = isUuid(id) ? await findUserView(deps.db, tenantId, id) : undefined;
  if (view === undefined) throw noUser(id);
  const sources = (await listSources(deps.db, tenantId, [view.id], null)).filter((row) => !row.archived);
  return {
    id: view.id,
    status: view.status,
    suspended: view.status !== "active",
    agents: await findVisibleAgents(deps.db, tenantId, view.id),
    teams: membershipsOf(sources, "team"),
    workspaces: membershipsOf(sources, "workspace"),
    queues: membershipsOf(sources, "queue"),
    groups: view.groups,
    rememberedQueues: await rememberedQueues(deps, tenantId, view.id),
  };
}

function membershipsOf(sources: readonly SourceRow[], kind: TeamKind): Membership[] {
  const byTeam = Map.groupBy(
    sources.filter((row) => row.teamKind === kind),
    (row) => row.teamId,
  );
  return [...byTeam].map(([value, rows]) => ({
    value,
    display: rows[0]?.teamName ?? "",
    sources: rows.map(toSource),
  }));
}
