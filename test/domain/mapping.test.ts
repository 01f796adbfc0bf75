/** The mapping document: what is acceptable, and what one person may let it grant. */
import { describe, expect, it } from "vitest";
import { entriesMax, requireMapping, rulesMax } from "../../src/domain/mapping.ts";
import type { MappingDocument } from "../../src/domain/model.ts";
import { Problem } from "../../src/problems.ts";
import { someRules } from "./facts.ts";

const { role, tier } = someRules();
const empty: MappingDocument = { groups: [], rules: [], defaults: { role: "user", tier: null }, autoTeams: true };

function check(
  change: Partial<MappingDocument>,
  { stored = {}, authority = ["*"] }: { stored?: Partial<MappingDocument>; authority?: string[] } = {},
) {
  const catalogue = { roles: role, tiers: tier, stored: { ...empty, ...stored }, authority };
  try {
    requireMapping({ ...empty, ...change }, catalogue);
    return "ok";
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return [error.code, error.facts["at"]];
  }
}

const byName = (more: object) => ({ groups: [{ match: { displayName: "Sales" }, ...more }] });
const byId = (more: object) => ({ groups: [{ match: { externalId: "x" }, ...more }] });
const when = (condition: string, more: object = { role: "editor" }) => ({
  rules: [{ name: "a", when: condition, ...more }],
});

describe("a mapping", () => {
  it.each([
    ["an entry by displayName", byName({ role: "editor", tier: "pro", team: { name: "Sales", kind: "team" } }), "ok"],
    ["an entry by externalId that grants an administrative role", byId({ role: "owner" }), "ok"],
    [
      "a rule over core and enterprise attributes",
      when('urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "Sales" and title co "Lead"'),
      "ok",
    ],
    [
      "a rule over Usher's extension",
      when('urn:ietf:params:scim:schemas:extension:usher:2.0:User:company eq "Acme"'),
      "ok",
    ],
    ["defaults", { defaults: { role: "editor", tier: "viewer" } }, "ok"],
  ])("takes %s", (_name, document, expected) => {
    expect(check(document as Partial<MappingDocument>)).toEqual(expected);
  });

  it.each([
    ["an unknown role", byName({ role: "wizard" }), ["unknownRole", "/groups/0/role"]],
    ["a display name in place of a role's key", byName({ role: "Team Lead" }), ["unknownRole", "/groups/0/role"]],
    ["an unknown tier", byName({ tier: "gold" }), ["unknownTier", "/groups/0/tier"]],
    ["an entry without effect", byName({}), ["invalidValue", "/groups/0"]],
    ["an entry that matches nothing", { groups: [{ match: {}, role: "editor" }] }, ["invalidValue", "/groups/0/match"]],
    [
      "an entry that matches an empty name",
      { groups: [{ match: { displayName: "" }, role: "editor" }] },
      ["invalidValue", "/groups/0/match"],
    ],
    [
      "an entry that matches by two",
      { groups: [{ match: { displayName: "a", id: "b" }, role: "editor" }] },
      ["invalidValue", "/groups/0/match"],
    ],
    [
      "two entries for one group",
      { groups: [...byName({ role: "editor" }).groups, { match: { displayName: "SALES" }, tier: "pro" }] },
      ["invalidValue", "/groups/1/match"],
    ],
    ["a rule whose condition cannot be read", when("title eq"), ["invalidFilter", "/rules/0/when"]],
    ["a rule over an unknown attribute", when('favourite eq "x"'), ["invalidFilter", "/rules/0/when"]],
    [
      "a rule over what Usher decides",
      when('urn:ietf:params:scim:schemas:extension:usher:2.0:User:effectiveRole eq "owner"'),
      ["invalidFilter", "/rules/0/when"],
    ],
    ["a rule over groups", when('groups.value eq "x"'), ["invalidFilter", "/rules/0/when"]],
    ["a rule that grants nothing", when("title pr", {}), ["invalidValue", "/rules/0"]],
    [
      "two rules of one name",
      { rules: [...when("title pr").rules, { name: "A", when: "title pr", role: "user" }] },
      ["invalidValue", "/rules/1/name"],
    ],
    ["an unknown default role", { defaults: { role: "wizard", tier: null } }, ["unknownRole", "/defaults/role"]],
    ["an unknown default tier", { defaults: { role: "user", tier: "gold" } }, ["unknownTier", "/defaults/tier"]],
    [
      "too many entries",
      { groups: Array(entriesMax + 1).fill(byName({ role: "editor" }).groups[0]) },
      ["invalidValue", "/groups"],
    ],
    ["too many rules", { rules: Array(rulesMax + 1).fill(when("title pr").rules[0]) }, ["invalidValue", "/rules"]],
  ])("refuses %s", (_name, document, expected) => {
    expect(check(document as Partial<MappingDocument>)).toEqual(expected);
  });

  it("TEAM-1: refuses to fill a queue", () => {
    expect(check(byName({ team: { name: "Support", kind: "queue" } }) as Partial<MappingDocument>)).toEqual([
      "invalidValue",
      "/groups/0/team/kind",
    ]);
    const rule = when("title pr", { team: { name: "Support", kind: "queue" } }) as Partial<MappingDocument>;
    expect(check(rule)).toEqual(["invalidValue", "/rules/0/team/kind"]);
  });

  it.each(["owner", "helpdesk", "billing"])("TEAM-2: refuses an entry by displayName that grants %s", (key) => {
    expect(check(byName({ role: key }))).toEqual(["invalidValue", "/groups/0/match"]);
    expect(check({ groups: [{ match: { id: "0190a0b0-0000-7000-8000-000000000001" }, role: key }] })).toBe("ok");
  });

  it("GRD-5: refuses an administrative default role", () => {
    expect(check({ defaults: { role: "helpdesk", tier: null } })).toEqual(["invalidValue", "/defaults/role"]);
  });
});

describe("ROL-5: who saves a mapping grants only what they hold", () => {
  const authority = ["mapping.manage", "content.edit", "profile.manage"];

  it.each([
    ["an entry", byId({ role: "lead" }), "/groups/0/role"],
    ["a rule", when("title pr", { role: "lead" }), "/rules/0/role"],
    ["the default", { defaults: { role: "lead", tier: null } }, "/defaults/role"],
    ["an administrative role", byId({ role: "owner" }), "/groups/0/role"],
  ])("in %s", (_name, document, at) => {
    expect(check(document as Partial<MappingDocument>, { authority })).toEqual(["forbidden", at]);
    expect(check(document as Partial<MappingDocument>)).toBe("ok");
  });

  it("and may leave what is there as it is, but not extend it to other people", () => {
    const stored = {
      ...byId({ role: "owner" }),
      ...when("title pr", { role: "lead" }),
      defaults: { role: "lead", tier: null },
    };
    expect(check({ ...stored, autoTeams: false }, { authority, stored })).toBe("ok");
    expect(
      check({ ...stored, groups: [{ match: { externalId: "y" }, role: "owner" }] }, { authority, stored }),
    ).toEqual(["forbidden", "/groups/0/role"]);
    expect(check({ ...stored, ...when("userName pr", { role: "lead" }) }, { authority, stored })).toEqual([
      "forbidden",
      "/rules/0/role",
    ]);
    expect(check({ ...stored, ...byId({ role: "helpdesk" }) }, { authority, stored })).toEqual([
      "forbidden",
      "/groups/0/role",
    ]);
  });
});
