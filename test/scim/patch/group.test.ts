/** PATCH of a group as changes that never need its members (RFC 7644 §3.5.2). */
import { describe, expect, it } from "vitest";
import { parsePatch, toGroupChanges } from "../../../src/scim/patch/index.ts";
import { parseFilter } from "../../../src/vocabulary/filter/index.ts";
import { GROUP, PATCH_OP, USHER_GROUP } from "../../../src/vocabulary/urns.ts";
import { quickestMs } from "../../helpers/quickest.ts";

const changes = (...operations: unknown[]) =>
  toGroupChanges(parsePatch({ schemas: [PATCH_OP], Operations: operations }), { id: "me" });
const problem = (code: string) => expect.objectContaining({ code });

describe("toGroupChanges", () => {
  it.each<[string, unknown, unknown[]]>([
    [
      "Entra's add",
      { op: "Add", path: "members", value: [{ $ref: null, value: "a" }, { value: "b" }] },
      [{ add: ["a", "b"] }],
    ],
    [
      "Entra's remove of those listed",
      { op: "Remove", path: "members", value: [{ $ref: null, value: "a" }] },
      [{ remove: ["a"] }],
    ],
    ["Entra's flagged remove", { op: "remove", path: 'members[value eq "a"]' }, [{ remove: ["a"] }]],
    ["several by filter", { op: "remove", path: 'Members[Value eq "a" or value EQ "b"]' }, [{ remove: ["a", "b"] }]],
    ["the value by filter", { op: "remove", path: 'members[value eq "a"].value' }, [{ remove: ["a"] }]],
    ["all", { op: "remove", path: "members" }, [{ clear: true }]],
    ["all, with a null value", { op: "remove", path: "members", value: null }, [{ clear: true }]],
    ["none of an empty list", { op: "remove", path: "members", value: [] }, [{ remove: [] }]],
    [
      "by another filter",
      { op: "remove", path: 'members[type eq "Group"]' },
      [{ removeWhere: parseFilter("Group", 'members.type eq "Group"') }],
    ],
    [
      "Okta's exact set",
      { op: "replace", path: "members", value: [{ value: "a", display: "A" }] },
      [{ replace: ["a"] }],
    ],
    ["an empty set", { op: "replace", path: "members", value: [] }, [{ replace: [] }]],
    ["a set of null", { op: "replace", path: "members", value: null }, [{ replace: [] }]],
    ["bare ids", { op: "add", path: "members", value: "a" }, [{ add: ["a"] }]],
    ["the same id twice", { op: "add", path: "members", value: ["a", { value: "a" }] }, [{ add: ["a"] }]],
    ["an add by filter", { op: "add", path: 'members[value eq "a"]', value: { display: "A" } }, [{ add: ["a"] }]],
    ["a rename", { op: "Replace", path: "displayName", value: "N" }, [{ set: { displayName: "N" } }]],
    [
      "a rename under the URN",
      { op: "replace", path: `${GROUP}:displayName`, value: "N" },
      [{ set: { displayName: "N" } }],
    ],
    ["Okta's rename", { op: "replace", value: { id: "me", displayName: "N" } }, [{ set: { displayName: "N" } }]],
    [
      "authentik's whole group",
      { op: "replace", path: null, value: { schemas: [GROUP], id: "me", externalId: "E", displayName: "N" } },
      [{ set: { externalId: "E" } }, { set: { displayName: "N" } }],
    ],
    [
      "only an externalId, members untouched",
      { op: "Replace", value: { externalId: "E" } },
      [{ set: { externalId: "E" } }],
    ],
    ["no externalId any more", { op: "remove", path: "externalId" }, [{ set: { externalId: null } }]],
    ["members without path", { op: "add", value: { members: [{ value: "a" }] } }, [{ add: ["a"] }]],
    [
      "members of null without path, which says nothing",
      { op: "replace", value: { members: null, displayName: "N" } },
      [{ set: { displayName: "N" } }],
    ],
    [
      "what Usher decides, carried along",
      { op: "replace", value: { displayName: "N", [USHER_GROUP]: { team: { value: "t" } }, meta: {} } },
      [{ set: { displayName: "N" } }],
    ],
    ["the own id", { op: "replace", path: "id", value: "me" }, []],
    ["another schema's attribute", { op: "replace", path: "urn:acme:Group:x", value: 1 }, []],
  ])("%s", (_, operation, expected) => {
    expect(changes(operation)).toEqual(expected);
  });

  it("keeps the order of operations", () => {
    expect(
      changes(
        { op: "add", path: "members", value: ["a"] },
        { op: "remove", path: "members" },
        { op: "add", path: "members", value: ["b"] },
      ),
    ).toEqual([{ add: ["a"] }, { clear: true }, { add: ["b"] }]);
  });

  it.each<[string, unknown, string]>([
    ["a remove without path", { op: "remove", value: { members: ["a"] } }, "noTarget"],
    ["a member without id", { op: "add", path: "members", value: [{ display: "x" }] }, "invalidValue"],
    [
      "an injected filter as a value of another type",
      { op: "remove", path: "members", value: [{ value: ["a"] }] },
      "invalidValue",
    ],
    ["an id of NUL", { op: "add", path: "members", value: ["a\0"] }, "invalidValue"],
    ["an id without end", { op: "add", path: "members", value: ["a".repeat(1000)] }, "invalidValue"],
    ["an add without value", { op: "add", path: "members" }, "invalidValue"],
    ["a member's sub-attribute", { op: "replace", path: "members.value", value: "x" }, "mutability"],
    [
      "another member in the place of one",
      { op: "replace", path: 'members[value eq "a"]', value: { value: "b" } },
      "mutability",
    ],
    [
      "an add by a filter that names nobody",
      { op: "add", path: 'members[type eq "User"]', value: { value: "b" } },
      "noTarget",
    ],
    ["to remove displayName", { op: "remove", path: "displayName" }, "mutability"],
    ["a blank displayName", { op: "replace", path: "displayName", value: " " }, "invalidValue"],
    ["a displayName of null", { op: "replace", value: { displayName: null } }, "invalidValue"],
    ["another id", { op: "replace", value: { id: "you", displayName: "N" } }, "mutability"],
    ["the grants", { op: "replace", path: `${USHER_GROUP}:grants.role`, value: "admin" }, "mutability"],
    ["meta", { op: "remove", path: "meta" }, "mutability"],
    ["an attribute of users", { op: "replace", path: "userName", value: "x" }, "invalidPath"],
    ["a prototype in the filter", { op: "remove", path: 'members[__proto__ eq "x"]' }, "invalidFilter"],
    ["a constructor in the filter", { op: "remove", path: 'members[constructor.entries eq "1"]' }, "invalidFilter"],
  ])("refuses %s", (_, operation, code) => {
    expect(() => changes(operation)).toThrow(problem(code));
  });

  it("takes what would be a filter for the id that it is", () => {
    const text = '2" or value pr or value eq "';
    expect(changes({ op: "remove", path: "members", value: [{ value: text }] })).toEqual([{ remove: [text] }]);
  });

  it("reads 100,000 members in a fraction of a second", () => {
    const value = Array.from({ length: 100_000 }, (_, i) => ({ value: `0190-${i}` }));
    const ms = quickestMs(() => expect(changes({ op: "replace", path: "members", value })).toHaveLength(1));
    expect(ms).toBeLessThan(1000);
  });
});
