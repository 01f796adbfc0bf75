/** TEAM: the pure part. Membership itself is rows: see test/provisioning/teams.test.ts. */
import { describe, expect, it } from "vitest";
import { entryKey, rulesGiveTeams, ruleTeams } from "../../src/domain/access.ts";
import { entriesMatching, grantingKeys } from "../../src/provisioning/groups.ts";
import { aDoc, someRules } from "./facts.ts";

const rules = someRules({
  teams: ["Sales", "Night"],
  groups: [
    { match: { displayName: "Sales EMEA" }, team: { name: "Sales", kind: "team" } },
    { match: { externalId: "X1" }, tier: "pro" },
    { match: { id: "0190A0B0-0000-7000-8000-000000000001" }, role: "owner" },
  ],
  rules: [
    { name: "night", when: 'title eq "Guard"', team: { name: "night", kind: "team" } },
    { name: "guards", when: 'title sw "G"', team: { name: "Sales", kind: "team" }, role: "editor" },
    { name: "roles only", when: "title pr", role: "editor" },
  ],
});
const group = (names: Partial<{ id: string; displayNameNorm: string; externalId: string | null }>) =>
  entriesMatching(rules, { id: "g", displayNameNorm: "g", externalId: null, ...names }).map((entry) => entry.key);

describe("TEAM-2: an entry's identity is what it matches", () => {
  it.each([
    [{ displayName: "Sales EMEA" }, "displayName:sales emea"],
    [{ displayName: "ＳALES emea" }, "displayName:sales emea"],
    [{ externalId: "X1" }, "externalId:X1"],
    [{ externalId: "x1" }, "externalId:x1"],
    [{ id: "0190A0B0-0000-7000-8000-000000000001" }, "id:0190a0b0-0000-7000-8000-000000000001"],
  ])("%j is %s", (match, key) => {
    expect(entryKey(match)).toBe(key);
  });

  it.each([
    ["displayName without letter case", { displayNameNorm: "sales emea" }, ["displayName:sales emea"]],
    ["externalId exactly", { externalId: "X1" }, ["externalId:X1"]],
    ["not an externalId of other letter case", { externalId: "x1" }, []],
    ["id", { id: "0190a0b0-0000-7000-8000-000000000001" }, ["id:0190a0b0-0000-7000-8000-000000000001"]],
    ["not a name that looks like an id", { displayNameNorm: "0190a0b0-0000-7000-8000-000000000001" }, []],
    ["not a name that spells a key", { displayNameNorm: "externalid:x1", externalId: "displayName:sales emea" }, []],
    ["two at once", { displayNameNorm: "sales emea", externalId: "X1" }, ["displayName:sales emea", "externalId:X1"]],
  ])("matches %s", (_name, names, keys) => {
    expect(group(names)).toEqual(keys);
  });

  it("decides something where it grants a role or a tier, not where it only feeds a team", () => {
    expect(grantingKeys(rules)).toEqual(["externalId:X1", "id:0190a0b0-0000-7000-8000-000000000001"]);
  });
});

describe("TEAM-3: teams that rules give", () => {
  it("are those of every rule that matches, each under its own source", () => {
    expect(ruleTeams(aDoc({ title: "Guard" }), rules)).toEqual([
      { teamId: "team Night", source: "rule:night" },
      { teamId: "team Sales", source: "rule:guards" },
    ]);
    expect(ruleTeams(aDoc({ title: "Gardener" }), rules)).toEqual([{ teamId: "team Sales", source: "rule:guards" }]);
    expect(ruleTeams(aDoc(), rules)).toEqual([]);
  });

  it("are none where no rule names a team", () => {
    expect([rulesGiveTeams(rules), rulesGiveTeams(someRules())]).toEqual([true, false]);
  });
});
