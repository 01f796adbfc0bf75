/** The paths of PATCH operations (RFC 7644 §3.5.2, Figure 7). */
import { describe, expect, it } from "vitest";
import { parsePath } from "../../../src/vocabulary/filter/index.ts";
import { ENTERPRISE_USER, GROUP, USER, USHER_USER } from "../../../src/vocabulary/urns.ts";
import { quickestMs } from "../../helpers/quickest.ts";

describe("parsePath", () => {
  it.each([
    ["members", "Group", { path: { schema: GROUP, attribute: "members" } }],
    ["name.familyName", "User", { path: { schema: USER, attribute: "name", sub: "familyName" } }],
    ["NAME.FAMILYNAME", "User", { path: { schema: USER, attribute: "name", sub: "familyName" } }],
    [`${USER}:userName`, "User", { path: { schema: USER, attribute: "userName" } }],
    [`${USER}:name.givenName`, "User", { path: { schema: USER, attribute: "name", sub: "givenName" } }],
    [`${ENTERPRISE_USER}:employeeNumber`, "User", { path: { schema: ENTERPRISE_USER, attribute: "employeeNumber" } }],
    [
      `${ENTERPRISE_USER}:manager.value`,
      "User",
      { path: { schema: ENTERPRISE_USER, attribute: "manager", sub: "value" } },
    ],
    [`${ENTERPRISE_USER}.manager`, "User", { path: { schema: ENTERPRISE_USER, attribute: "manager" } }],
    [`${ENTERPRISE_USER.toLowerCase()}:Manager`, "User", { path: { schema: ENTERPRISE_USER, attribute: "manager" } }],
    ["manager", "User", { path: { schema: ENTERPRISE_USER, attribute: "manager" } }],
    ["manager.value", "User", { path: { schema: ENTERPRISE_USER, attribute: "manager", sub: "value" } }],
    [`${USHER_USER}:budget.limit`, "User", { path: { schema: USHER_USER, attribute: "budget", sub: "limit" } }],
  ] as const)("%s", (text, type, expected) => {
    expect(parsePath(type, text)).toEqual({ kind: "attribute", ...expected });
  });

  it("with a filter, and a sub-attribute after it", () => {
    const compare = { path: { schema: USER, attribute: "emails", sub: "type" }, op: "eq", value: "work" };
    const path = { schema: USER, attribute: "emails" };
    expect(parsePath("User", 'emails[type eq "work"]')).toEqual({ kind: "attribute", path, filter: { compare } });
    expect(parsePath("User", 'Emails[Type EQ "work"].Value')).toEqual({
      kind: "attribute",
      path: { ...path, sub: "value" },
      filter: { compare },
    });
    expect(parsePath("User", `${USER}:emails[type eq "work"].value`)).toEqual({
      kind: "attribute",
      path: { ...path, sub: "value" },
      filter: { compare },
    });
  });

  it("of a whole extension", () => {
    expect(parsePath("User", USHER_USER)).toEqual({ kind: "schema", schema: USHER_USER });
  });

  it("of a schema that we do not have", () => {
    expect(parsePath("User", "urn:example:params:acme:2.0:User:costCode")).toEqual({ kind: "foreign" });
  });

  it.each([
    "",
    "nosuch",
    "name.nosuch",
    "name.given.name",
    "emails.value.x",
    "constructor",
    "__proto__",
    "constructor.prototype",
    `${ENTERPRISE_USER}:__proto__`,
    `${ENTERPRISE_USER}:userName`,
    'title[value eq "x"]',
    'name[givenName eq "x"]',
    'emails.value[type eq "x"]',
    'emails[type eq "work"]value',
    'emails[type eq "work"].nosuch',
    'emails[type eq "work"].__proto__',
    'emails[type eq "work"].value.x',
    'emails[type eq "work"].value eq "x"',
    'emails[type eq "work"][type eq "home"]',
    `${USHER_USER}[x pr]`,
    "a.".repeat(32_000),
    "(".repeat(10_000),
  ])("refuses %s", (text) => {
    const refusal = expect.objectContaining({ code: "invalidPath" });
    expect(quickestMs(() => expect(() => parsePath("User", text)).toThrow(refusal))).toBeLessThan(50);
  });

  it.each([
    "emails[]",
    "emails[type",
    'emails[type eq "work"',
    "emails[__proto__ eq 1]",
    "emails[constructor.entries eq 1]",
    `emails[${"(".repeat(10_000)}`,
  ])("refuses the filter of %s", (text) => {
    expect(() => parsePath("User", text)).toThrow(expect.objectContaining({ code: "invalidFilter" }));
  });
});
