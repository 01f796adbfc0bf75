/** TEAM, P-6: who may manage which team, whom an agent is visible to and why, and what keeps somebody in a team. */
import type { Permission, Status, TeamKind } from "./model.ts";

/** TEAM-4: how long the queues of somebody who was deactivated are remembered. */
export const queueMemoryDays = 90;

/** What managing a team of each kind needs. */
export const managePermission: Readonly<Record<TeamKind, Permission>> = {
  team: "teams.manage",
  workspace: "workspaces.manage",
  queue: "queues.manage",
  agent: "agents.manage",
};

/** Kinds to which an agent can be granted: who is in one sees the agent (P-6). */
export const grantableKinds: readonly TeamKind[] = ["team", "workspace"];

/** One way in which an agent reaches a person. */
export interface AgentPath {
  readonly agentId: string;
  readonly agentName: string;
  readonly archived: boolean;
  /** `user`: granted to the person; `member`: the person is its member; `team`: granted to a team of theirs. */
  readonly via: "user" | "member" | "team";
  readonly team: { readonly value: string; readonly display: string; readonly kind: TeamKind } | null;
  /** Since when it is granted; null where it is no grant. */
  readonly since: string | null;
}

export interface Visibility {
  readonly visible: boolean;
  /** One sentence for an IT admin. */
  readonly because: string;
}

/**
 * P-6: being registered is not enough. An agent is visible to an active person to whom it is granted, or who is in a team
 * or workspace to which it is; a mapping that makes people members of an agent grants it to them. An archived one is
 * visible to nobody. The paths are those of this person and this agent, through teams that are not archived.
 */
export function decideVisibility(status: Status, paths: readonly AgentPath[]): Visibility {
  if (status !== "active") return { visible: false, because: "The person is not active." };
  const [path] = paths;
  if (path === undefined) {
    const because = "The agent is granted neither to the person nor to a team or workspace of theirs.";
    return { visible: false, because };
  }
  if (path.archived) return { visible: false, because: `The agent "${path.agentName}" is archived.` };
  return { visible: true, because: describePath(path) };
}

function describePath({ agentName, via, team }: AgentPath): string {
  if (via === "user") return `The agent "${agentName}" is granted to the person.`;
  if (via === "member") return `The person is a member of the agent "${agentName}".`;
  return `The agent "${agentName}" is granted to the ${team?.kind} "${team?.display}", which the person is in.`;
}

/** What feeds a team beside people: it is not deleted, and not renamed, while there is any of it. */
export interface Feeding {
  /** The group whose own team it is (TEAM-1). */
  readonly group: string | null;
  /** Names of groups that the mapping sends here. */
  readonly groups: readonly string[];
  /** Keys of the mapping's entries that name it. */
  readonly entries: readonly string[];
  /** Names of the mapping's rules that name it. */
  readonly rules: readonly string[];
}

/** What feeds a team, in words; null: nothing does. */
export function describeFeeding({ group, groups, entries, rules }: Feeding): string | null {
  const parts = [
    ...(group === null ? [] : [`the group "${group}", whose own team it is`]),
    ...list("the group", "the groups", groups),
    ...list("the mapping's entry", "the mapping's entries", entries),
    ...list("the mapping's rule", "the mapping's rules", rules),
  ];
  return parts.length === 0 ? null : parts.join(", ");
}

const namedMax = 5;

function list(one: string, many: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const shown = names.slice(0, namedMax).map((name) => `"${name}"`);
  const more = names.length > namedMax ? ` and ${names.length - namedMax} more` : "";
  return [`${names.length === 1 ? one : many} ${shown.join(", ")}${more}`];
}
