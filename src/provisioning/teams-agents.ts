/** P-6: which agents somebody may use. Access evaluation asks here, and whoever shows a person's relationships. */
import type { Executor } from "../db/database.ts";
import { findAgentPaths } from "../db/teams-grants.ts";
import { type AgentPath, decideVisibility, type Visibility } from "../domain/teams.ts";
import { isUuid } from "../ids.ts";

export interface VisibleAgent {
  readonly value: string;
  readonly display: string;
  /** One sentence for an IT admin. */
  readonly because: string;
  /** Every way in which it reaches the person. */
  readonly paths: readonly Pick<AgentPath, "via" | "team" | "since">[];
}

/**
 * Whether somebody may use an agent, and why: one read, never remembered. What is no id, and an agent of another tenant,
 * is granted to nobody. The person's dates, seat and permission to use agents are the caller's to judge.
 */
export async function mayUseAgent(
  executor: Executor,
  tenantId: string,
  userId: string,
  agentId: string,
): Promise<Visibility> {
  if (!isUuid(userId) || !isUuid(agentId)) return decideVisibility("active", []);
  const { status, paths } = await findAgentPaths(executor, tenantId, userId, agentId);
  return decideVisibility(status, paths);
}

/** The agents that somebody may use, by name, each with every way in which it reaches them. */
export async function findVisibleAgents(executor: Executor, tenantId: string, userId: string): Promise<VisibleAgent[]> {
  const { status, paths } = await findAgentPaths(executor, tenantId, userId, null);
  const byAgent = Map.groupBy(paths, (path) => path.agentId);
  return [...byAgent].flatMap(([value, own]) => {
    const { visible, because } = decideVisibility(status, own);
    const shown = own.map(({ via, team, since }) => ({ via, team, since }));
    return visible ? [{ value, display: own[0]?.agentName ?? "", because, paths: shown }] : [];
  });
}
