/** P-6: the agents that somebody sees. Whether they may use one is asked of access evaluation, which reads the same paths. */
import type { Executor } from "../db/database.ts";
import { findAgentPaths } from "../db/teams-grants.ts";
import { type AgentPath, decideVisibility } from "../domain/teams.ts";

export interface VisibleAgent {
  readonly value: string;
  readonly display: string;
  /** One sentence for an IT admin. */
  readonly because: string;
  /** Every way in which it reaches the person. */
  readonly paths: readonly Pick<AgentPath, "via" | "team" | "since">[];
}

/** The agents that somebody sees, by name, each with every way in which it reaches them. */
export async function findVisibleAgents(executor: Executor, tenantId: string, userId: string): Promise<VisibleAgent[]> {
  const { status, paths } = await findAgentPaths(executor, tenantId, userId);
  const byAgent = Map.groupBy(paths, (path) => path.agentId);
  return [...byAgent].flatMap(([value, own]) => {
    const { visible, because } = decideVisibility(status, own);
    const shown = own.map(({ via, team, since }) => ({ via, team, since }));
    return visible ? [{ value, display: own[0]?.agentName ?? "", because, paths: shown }] : [];
  });
}
