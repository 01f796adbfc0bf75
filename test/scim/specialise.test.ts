/** RFC 7644 §3.4.2.1: what a filter over several types says of each of them. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { specialise } from "../../src/scim/list/specialise.ts";
import { matches, parseFilter } from "../../src/vocabulary/filter/index.ts";
import { userDoc, userFilter } from "../vocabulary/arbitraries.ts";

const both = ["User", "Group"] as const;
const forUsers = (text: string) => specialise("User", parseFilter("User", text, { alsoOf: both }));
const forGroups = (text: string) => specialise("Group", parseFilter("Group", text, { alsoOf: both }));

describe("specialise", () => {
  it("changes nothing about whom a filter selects", () => {
    fc.assert(
      fc.property(userFilter, userDoc, (filter, doc) => {
        const user = { ...doc, meta: { resourceType: "User" } };
        const left = specialise("User", filter);
        expect(typeof left === "boolean" ? left : matches(left, user)).toBe(matches(filter, user));
      }),
      { numRuns: 2_000 },
    );
  });

  it("leaves nothing of a filter that is about another type", () => {
    fc.assert(
      fc.property(userFilter, (filter) => {
        expect(specialise("Group", filter)).toBe(matches(filter, {}));
      }),
      { numRuns: 1_000 },
    );
  });

  it.each<[string, boolean, boolean]>([
    ['meta.resourceType eq "User"', true, false],
    ['not (meta.resourceType eq "User")', false, true],
    ['meta.resourceType ne "User"', false, true],
    ["meta.resourceType pr", true, true],
    ['meta.resourceType eq "user"', false, false],
    ['meta.resourceType eq "User" or meta.resourceType eq "Group"', true, true],
    ['meta.resourceType eq "User" and meta.resourceType eq "Group"', false, false],
    ["nosuch pr", false, false],
    ["not (nosuch pr)", true, true],
    ['nosuch[type eq "x"]', false, false],
  ])("decides %s without a look at any resource", (text, user, group) => {
    expect(forUsers(text)).toBe(user);
    expect(forGroups(text)).toBe(group);
  });

  it.each([
    ['meta.resourceType eq "User" and userName eq "a"', 'userName eq "a"'],
    ['meta.resourceType eq "Group" or userName eq "a"', 'userName eq "a"'],
    ['not (members pr) and not (userName eq "a")', 'not (userName eq "a")'],
    ['(members pr or userName eq "a") and title pr', 'userName eq "a" and title pr'],
    ['displayName eq "a" and externalId eq "b"', 'displayName eq "a" and externalId eq "b"'],
  ])("leaves of %s what can differ", (text, left) => {
    expect(forUsers(text)).toEqual(parseFilter("User", left));
  });

  it("takes a qualified name for the type that it names", () => {
    const named = 'urn:ietf:params:scim:schemas:core:2.0:Group:displayName eq "a"';
    expect(forUsers(named)).toBe(false);
    expect(forGroups(named)).toEqual(parseFilter("Group", 'displayName eq "a"'));
  });

  it.each(["members eq", "active gt true", "displayName[type pr]"])(
    "refuses for both what neither can read: %s",
    (text) => {
      for (const specialised of [forUsers, forGroups]) {
        expect(() => specialised(text)).toThrow(expect.objectContaining({ code: "invalidFilter" }));
      }
    },
  );
});
