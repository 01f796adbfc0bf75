/** P-6, TEAM-1: visibility of agents, and what stands in the way of a team's end, as plain functions. */
import { describe, expect, it } from "vitest";
import { type AgentPath, decideVisibility, describeFeeding } from "../../src/domain/teams.ts";

const path = (more: Partial<AgentPath> = {}): AgentPath => ({
  agentId: "a",
  agentName: "Concierge",
  archived: false,
  via: "user",
  team: null,
  since: "2026-01-05T08:00:00.000Z",
  ...more,
});

describe("P-6: an agent is visible", () => {
  it.each([
    ["to whom it is granted", path(), /granted to the person/],
    ["to its members", path({ via: "member", since: null }), /is a member of the agent/],
    [
      "to a workspace's people",
      path({ via: "team", team: { value: "w", display: "North", kind: "workspace" } }),
      /granted to the workspace "North", which the person is in/,
    ],
  ])("%s", (_name, one, words) => {
    const { visible, because } = decideVisibility("active", [one]);
    expect([visible, because]).toEqual([true, expect.stringMatching(words)]);
  });

  it("to nobody else: being registered is not enough", () => {
    expect(decideVisibility("active", [])).toEqual({
      visible: false,
      because: "The agent is granted neither to the person nor to a team or workspace of theirs.",
    });
  });

  it("to nobody once it is archived", () => {
    const { visible, because } = decideVisibility("active", [path({ archived: true })]);
    expect([visible, because]).toEqual([false, 'The agent "Concierge" is archived.']);
  });

  it.each(["inactive", "pending"] as const)("to nobody who is %s", (status) => {
    expect(decideVisibility(status, [path()])).toEqual({ visible: false, because: "The person is not active." });
  });
});

describe("TEAM-1: what feeds a team", () => {
  const nothing = { group: null, groups: [], entries: [], rules: [] };

  it("is nothing, where only people do", () => {
    expect(describeFeeding(nothing)).toBeNull();
  });

  it("is named", () => {
    expect(describeFeeding({ ...nothing, group: "Sales" })).toBe('the group "Sales", whose own team it is');
    expect(describeFeeding({ ...nothing, groups: ["A"], entries: ["displayName:a"], rules: ["r", "s"] })).toBe(
      'the group "A", the mapping\'s entry "displayName:a", the mapping\'s rules "r", "s"',
    );
  });

  it("is named five times and then counted", () => {
    const groups = ["1", "2", "3", "4", "5", "6", "7"];
    expect(describeFeeding({ ...nothing, groups })).toBe('the groups "1", "2", "3", "4", "5" and 2 more');
  });
});
