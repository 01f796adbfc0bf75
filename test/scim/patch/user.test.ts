/** PATCH of a user, path form by path form (RFC 7644 §3.5.2), with the decisions where clients and the RFC differ. */
import { describe, expect, it } from "vitest";
import type { UserDoc } from "../../../src/domain/model.ts";
import { applyPatch, parsePatch } from "../../../src/scim/patch/index.ts";
import { ENTERPRISE_USER, PATCH_OP, USER, USHER_USER } from "../../../src/vocabulary/urns.ts";

const doc = (members: object = {}): UserDoc => ({ userName: "u", active: true, ...members }) as UserDoc;
const patch = (before: UserDoc, ...operations: unknown[]): UserDoc =>
  applyPatch(before, parsePatch({ schemas: [PATCH_OP], Operations: operations }), { id: "me" });
const problem = (code: string) => expect.objectContaining({ code });

const work = { value: "w@x", type: "work" };
const home = { value: "h@x", type: "home" };
const emails = { emails: [{ ...work, primary: true }, home] };

describe("add (§3.5.2.1)", () => {
  it.each<[string, object, unknown, object]>([
    ["a simple attribute", {}, { op: "add", path: "title", value: "T" }, { title: "T" }],
    ["a simple attribute that is there", { title: "S" }, { op: "add", path: "title", value: "T" }, { title: "T" }],
    [
      "a sub-attribute",
      { name: { familyName: "F" } },
      { op: "add", path: "name.givenName", value: "G" },
      { name: { familyName: "F", givenName: "G" } },
    ],
    ["a sub-attribute of nothing", {}, { op: "add", path: "name.givenName", value: "G" }, { name: { givenName: "G" } }],
    [
      "a complex attribute",
      { name: { familyName: "F" } },
      { op: "add", path: "name", value: { givenName: "G" } },
      { name: { familyName: "F", givenName: "G" } },
    ],
    ["elements", { emails: [work] }, { op: "add", path: "emails", value: [home] }, { emails: [work, home] }],
    [
      "one element without a list",
      { emails: [work] },
      { op: "add", path: "emails", value: home },
      { emails: [work, home] },
    ],
    [
      "an element that is there",
      { emails: [work] },
      { op: "add", path: "emails", value: [{ value: "W@X", type: "Work" }] },
      { emails: [{ value: "W@X", type: "Work" }] },
    ],
    [
      "to an element that is there",
      { emails: [work] },
      { op: "add", path: "emails", value: [{ value: "w@x", primary: true }] },
      { emails: [{ ...work, primary: true }] },
    ],
    [
      "an address that is there",
      { addresses: [{ country: "DE" }] },
      { op: "add", path: "addresses", value: [{ country: "DE" }, { country: "FR" }] },
      { addresses: [{ country: "DE" }, { country: "FR" }] },
    ],
    [
      "a new primary, which demotes the old",
      emails,
      { op: "add", path: "emails", value: [{ value: "n", primary: true }] },
      { emails: [{ ...work, primary: false }, home, { value: "n", primary: true }] },
    ],
    [
      "without path",
      { title: "S" },
      { op: "add", value: { nickName: "N", emails: [home] } },
      { title: "S", nickName: "N", emails: [home] },
    ],
    [
      "by filter to the element",
      { emails: [work] },
      { op: "add", path: 'emails[type eq "WORK"].display', value: "D" },
      { emails: [{ ...work, display: "D" }] },
    ],
    [
      "by filter, which creates",
      {},
      { op: "Add", path: 'emails[type eq "work"].value', value: "n@x" },
      { emails: [{ type: "work", value: "n@x" }] },
    ],
    [
      "in an extension",
      {},
      { op: "add", path: `${ENTERPRISE_USER}:department`, value: "D" },
      { [ENTERPRISE_USER]: { department: "D" } },
    ],
    [
      "a whole extension",
      { [ENTERPRISE_USER]: { costCenter: "C" } },
      { op: "add", path: ENTERPRISE_USER, value: { department: "D" } },
      { [ENTERPRISE_USER]: { costCenter: "C", department: "D" } },
    ],
    ["schemas, which follow from the data", {}, { op: "add", path: "schemas", value: [ENTERPRISE_USER] }, {}],
  ])("%s", (_, before, operation, after) => {
    expect(patch(doc(before), operation)).toEqual(doc(after));
  });
});

describe("replace (§3.5.2.3)", () => {
  it.each<[string, object, unknown, object]>([
    ["a simple attribute", { title: "S" }, { op: "replace", path: "title", value: "T" }, { title: "T" }],
    ["in any letter case", {}, { OP: "REPLACE", Path: "NAME.givenname", VALUE: "G" }, { name: { givenName: "G" } }],
    ["under the core URN", {}, { op: "replace", path: `${USER}:userName`, value: "v" }, { userName: "v" }],
    ["null, which unassigns (RFC 7643 §2.5)", { title: "S" }, { op: "replace", path: "title", value: null }, {}],
    [
      "only the named sub-attributes",
      { name: { givenName: "G", familyName: "F" } },
      { op: "Replace", path: "name", value: { familyName: "N", givenName: null } },
      { name: { familyName: "N" } },
    ],
    [
      "a list as a whole",
      emails,
      { op: "replace", path: "emails", value: [{ value: "n" }] },
      { emails: [{ value: "n" }] },
    ],
    ["a list by nothing", emails, { op: "replace", path: "emails", value: [] }, {}],
    [
      "an element, keeping what is not named",
      emails,
      { op: "replace", path: 'emails[type eq "home"]', value: { value: "n" } },
      { emails: [emails.emails[0], { ...home, value: "n" }] },
    ],
    [
      "a sub-attribute of an element",
      emails,
      { op: "replace", path: 'emails[type eq "work"].value', value: "n" },
      { emails: [{ value: "n", type: "work", primary: true }, home] },
    ],
    [
      "a sub-attribute of every element",
      emails,
      { op: "replace", path: "emails.display", value: "D" },
      {
        emails: [
          { ...work, primary: true, display: "D" },
          { ...home, display: "D" },
        ],
      },
    ],
    [
      "primary of an element, which demotes the other",
      emails,
      { op: "replace", path: 'emails[type eq "home"].primary', value: "True" },
      {
        emails: [
          { ...work, primary: false },
          { ...home, primary: true },
        ],
      },
    ],
    [
      "an absent element by creating it",
      { emails: [home] },
      { op: "Replace", path: 'phoneNumbers[type eq "mobile"].value', value: "1" },
      { emails: [home], phoneNumbers: [{ type: "mobile", value: "1" }] },
    ],
    [
      "an absent element by one with all the filter's terms",
      {},
      { op: "replace", path: 'emails[type eq "work" and primary eq true]', value: { value: "n" } },
      { emails: [{ type: "work", primary: true, value: "n" }] },
    ],
    [
      "an absent primary, which demotes none",
      { roles: [{ value: "a" }] },
      { op: "Replace", path: 'roles[primary eq "True"].value', value: "editor" },
      { roles: [{ value: "a" }, { primary: true, value: "editor" }] },
    ],
    [
      "an absent element beside others of its kind",
      { emails: [home] },
      { op: "replace", path: 'emails[value eq "zz"]', value: { type: "other" } },
      { emails: [home, { value: "zz", type: "other" }] },
    ],
    ["a text boolean", {}, { op: "Replace", path: "active", value: "False" }, { active: false }],
    ["a text boolean without path", {}, { op: "Replace", value: { active: "false" } }, { active: false }],
    [
      "dotted and URN-prefixed members",
      { name: { familyName: "F" } },
      {
        op: "replace",
        value: {
          "name.givenName": "G",
          [`${ENTERPRISE_USER}:employeeNumber`]: "7",
          [`${ENTERPRISE_USER}.division`]: "V",
        },
      },
      { name: { familyName: "F", givenName: "G" }, [ENTERPRISE_USER]: { employeeNumber: "7", division: "V" } },
    ],
    [
      "an extension's object, keeping its other members",
      { [ENTERPRISE_USER]: { division: "V" } },
      { op: "Replace", value: { [ENTERPRISE_USER]: { department: "D" }, [`${ENTERPRISE_USER}:manager`]: "M" } },
      { [ENTERPRISE_USER]: { division: "V", department: "D", manager: { value: "M" } } },
    ],
    [
      "a whole resource echoed",
      { title: "S" },
      {
        op: "replace",
        path: null,
        value: {
          schemas: [USER],
          id: "me",
          meta: { version: "x" },
          groups: [{ value: "g" }],
          title: "T",
          shoeSize: 9,
          "urn:acme:x": 1,
        },
      },
      { title: "T" },
    ],
    [
      "filtered members of an object",
      {},
      { op: "replace", value: { 'emails[type eq "work"].value': "n" } },
      { emails: [{ type: "work", value: "n" }] },
    ],
    [
      "null in an object",
      { title: "S", [USHER_USER]: { role: "r" } },
      { op: "replace", value: { title: null, [USHER_USER]: null, active: null } },
      {},
    ],
    [
      "an attribute of a schema that we do not have",
      {},
      { op: "replace", path: "urn:acme:2.0:User:costCode", value: "x" },
      {},
    ],
    ["a password, which is dropped", {}, { op: "replace", path: "password", value: "x" }, {}],
    ["the own id", {}, { op: "replace", path: "id", value: "me" }, {}],
    [
      "manager by another, whose address is not the old one's",
      { [ENTERPRISE_USER]: { manager: { value: "a", $ref: "../a" } } },
      { op: "replace", path: "manager.value", value: "b" },
      { [ENTERPRISE_USER]: { manager: { value: "b" } } },
    ],
    [
      "manager as a list",
      {},
      { op: "replace", path: "manager", value: [{ $ref: "../Users/M", value: "M" }] },
      { [ENTERPRISE_USER]: { manager: { $ref: "../Users/M", value: "M" } } },
    ],
    [
      "manager by an empty text",
      { [ENTERPRISE_USER]: { manager: { value: "a" }, department: "D" } },
      { op: "Replace", path: `${ENTERPRISE_USER}:manager`, value: "" },
      { [ENTERPRISE_USER]: { department: "D" } },
    ],
    [
      "manager's value by an empty text",
      { [ENTERPRISE_USER]: { manager: { value: "a" } } },
      { op: "Replace", path: `${ENTERPRISE_USER}:manager.value`, value: "" },
      {},
    ],
    [
      "roles packed in text",
      {},
      { op: "Add", path: "roles", value: [{ value: '{"id":"5b","value":"editor","displayName":"Editor"}' }] },
      { roles: [{ value: "editor", display: "Editor" }] },
    ],
    [
      "a role packed in text at its value",
      { roles: [{ value: "a", primary: true }] },
      { op: "Replace", path: 'roles[primary eq "True"].value', value: '{"value":"editor"}' },
      { roles: [{ value: "editor", primary: true }] },
    ],
    [
      "a role that looks packed and is not",
      {},
      { op: "add", path: "roles", value: [{ value: "{x" }] },
      { roles: [{ value: "{x" }] },
    ],
  ])("%s", (_, before, operation, after) => {
    expect(patch(doc(before), operation)).toEqual(doc(after));
  });
});

describe("remove (§3.5.2.2)", () => {
  it.each<[string, object, unknown, object]>([
    ["a simple attribute", { title: "T" }, { op: "remove", path: "title" }, {}],
    ["what is not there", {}, { op: "remove", path: "title" }, {}],
    ["a value that is repeated", { title: "Analyst" }, { op: "Remove", path: "title", value: "analyst" }, {}],
    [
      "not a value that is another",
      { title: "Boss" },
      { op: "Remove", path: "title", value: "Analyst" },
      { title: "Boss" },
    ],
    [
      "a sub-attribute",
      { name: { givenName: "G", familyName: "F" } },
      { op: "remove", path: "name.givenName" },
      { name: { familyName: "F" } },
    ],
    ["the last sub-attribute", { name: { givenName: "G" } }, { op: "remove", path: "name.givenName" }, {}],
    ["a list", emails, { op: "remove", path: "emails" }, {}],
    ["elements by filter", emails, { op: "remove", path: 'emails[type eq "work"]' }, { emails: [home] }],
    [
      "the last element by filter",
      { emails: [work] },
      { op: "remove", path: 'emails[type eq "work" and value ew "@x"]' },
      {},
    ],
    ["no element by filter", emails, { op: "remove", path: 'emails[type eq "other"]' }, emails],
    [
      "the value of an element, of which nothing is left",
      {
        phoneNumbers: [
          { value: "1", type: "mobile" },
          { value: "2", type: "work" },
        ],
      },
      { op: "Remove", path: 'phoneNumbers[type eq "mobile"].value' },
      { phoneNumbers: [{ value: "2", type: "work" }] },
    ],
    [
      "a part of an element, of which something is left",
      { addresses: [{ type: "work", country: "DE", locality: "B" }] },
      { op: "remove", path: 'addresses[type eq "work"].country' },
      { addresses: [{ type: "work", locality: "B" }] },
    ],
    [
      "a sub-attribute of every element",
      emails,
      { op: "remove", path: "emails.type" },
      { emails: [{ value: "w@x", primary: true }, { value: "h@x" }] },
    ],
    ["a sub-attribute of no element", {}, { op: "remove", path: "emails.type" }, {}],
    [
      "the elements of a list of values",
      emails,
      { op: "remove", path: "emails", value: [{ value: "H@X", display: "whatever" }] },
      { emails: [emails.emails[0]] },
    ],
    ["no element for an empty list of values", emails, { op: "remove", path: "emails", value: [] }, emails],
    [
      "an extension",
      { [ENTERPRISE_USER]: { department: "D" }, title: "T" },
      { op: "remove", path: ENTERPRISE_USER },
      { title: "T" },
    ],
    [
      "manager",
      { [ENTERPRISE_USER]: { manager: { value: "M" }, department: "D" } },
      { op: "Remove", path: `${ENTERPRISE_USER}:manager` },
      { [ENTERPRISE_USER]: { department: "D" } },
    ],
  ])("%s", (_, before, operation, after) => {
    expect(patch(doc(before), operation)).toEqual(doc(after));
  });
});

describe("refuses", () => {
  it.each<[string, unknown, string]>([
    ["a remove without path", { op: "remove" }, "noTarget"],
    ["a remove without path, with a value", { op: "Remove", value: { title: "x" } }, "noTarget"],
    ["a sub-attribute of an empty list", { op: "replace", path: "emails.value", value: "x" }, "noTarget"],
    [
      "to create what a filter does not describe",
      { op: "replace", path: 'emails[value co "x"].display', value: "x" },
      "noTarget",
    ],
    [
      "to create one of several",
      { op: "add", path: 'emails[type eq "a" or type eq "b"].value', value: "x" },
      "noTarget",
    ],
    ["an unknown attribute", { op: "replace", path: "shoeSize", value: 9 }, "invalidPath"],
    ["an unknown sub-attribute", { op: "replace", path: "name.nosuch", value: "x" }, "invalidPath"],
    ["a prototype", { op: "add", path: "__proto__.title", value: "x" }, "invalidPath"],
    ["a prototype in a filter", { op: "add", path: "emails[__proto__ eq 1].value", value: "x" }, "invalidFilter"],
    ["a malformed filter", { op: "remove", path: "emails[type" }, "invalidFilter"],
    ["a path that is no text", { op: "replace", path: ["title"], value: "x" }, "invalidPath"],
    ["an add without value", { op: "add", path: "title" }, "invalidValue"],
    ["a replace without value", { op: "replace", path: "emails" }, "invalidValue"],
    ["neither path nor value", { op: "replace" }, "invalidValue"],
    ["no path and no object", { op: "replace", value: [{ active: false }] }, "invalidValue"],
    ["a wrong type", { op: "replace", path: "name", value: "Bob" }, "invalidValue"],
    ["a wrong type of a list", { op: "add", path: "emails", value: 7 }, "invalidValue"],
    ["a blank userName", { op: "replace", path: "userName", value: " " }, "invalidValue"],
    ["a userName of null", { op: "replace", value: { userName: null } }, "invalidValue"],
    ["to remove userName", { op: "remove", path: "userName" }, "mutability"],
    ["to remove active", { op: "remove", path: "active" }, "mutability"],
    ["an active of null", { op: "replace", path: "active", value: null }, "invalidValue"],
    ["groups", { op: "add", path: "groups", value: [{ value: "g" }] }, "mutability"],
    ["groups by filter", { op: "remove", path: 'groups[value eq "g"]' }, "mutability"],
    ["meta", { op: "replace", path: "meta.created", value: "2020-01-01" }, "mutability"],
    ["another id", { op: "replace", path: "id", value: "you" }, "mutability"],
    ["another id in an object", { op: "replace", value: { id: "you", title: "x" } }, "mutability"],
    ["to remove the id", { op: "remove", path: "id" }, "mutability"],
    ["the effective role", { op: "replace", path: `${USHER_USER}:effectiveRole`, value: "admin" }, "mutability"],
    ["what is spent", { op: "replace", path: `${USHER_USER}:budget.used`, value: 0 }, "mutability"],
    ["the manager's name", { op: "replace", path: "manager.displayName", value: "x" }, "mutability"],
    ["the same member twice", { op: "replace", value: { title: "a", TITLE: "b" } }, "invalidSyntax"],
    [
      "the same member in two notations",
      { op: "replace", value: { manager: "a", [`${ENTERPRISE_USER}:manager`]: "b" } },
      "invalidSyntax",
    ],
    ["an unknown op", { op: "move", path: "title" }, "invalidSyntax"],
    ["no op", { path: "title", value: "x" }, "invalidSyntax"],
    ["op twice", { op: "add", OP: "remove", path: "title", value: "x" }, "invalidSyntax"],
    ["what is no operation", null, "invalidSyntax"],
  ])("%s", (_, operation, code) => {
    const before = Object.freeze(doc());
    expect(() => patch(before, operation)).toThrow(problem(code));
    expect(before).toEqual(doc());
    expect(({} as { title?: string }).title).toBeUndefined();
  });

  it.each<[string, unknown]>([
    ["no operations", { schemas: [PATCH_OP], Operations: [] }],
    ["Operations that are no list", { Operations: {} }],
    ["nothing", null],
    ["a list", []],
    [
      "the schema of another message",
      { schemas: ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], Operations: [{ op: "remove", path: "title" }] },
    ],
    ["Operations twice", { Operations: [{ op: "remove", path: "title" }], operations: [] }],
  ])("a message with %s", (_, body) => {
    expect(() => parsePatch(body)).toThrow(problem("invalidSyntax"));
  });

  it("more operations than a client has reason to send", () => {
    const operations = Array.from({ length: 1001 }, () => ({ op: "remove", path: "title" }));
    expect(() => patch(doc(), ...operations)).toThrow(problem("tooMany"));
  });

  it("more elements than a list holds, however they come", () => {
    const operations = Array.from({ length: 2 }, (_, i) => ({
      op: "add",
      path: "emails",
      value: Array.from({ length: 200 }, (_, j) => ({ value: `${i}-${j}` })),
    }));
    expect(() => patch(doc(), ...operations)).toThrow(problem("invalidValue"));
  });
});

describe("a message", () => {
  it("may spell its members in any letter case and leave out schemas", () => {
    expect(parsePatch({ operations: [{ Op: "Add", PATH: "title", Value: "T", name: "extra" }] })).toEqual([
      { op: "add", path: "title", value: "T" },
    ]);
  });

  it("is carried out in order: the last word stands", () => {
    expect(
      patch(
        doc(),
        { op: "Remove", path: "title" },
        { op: "Add", path: "title", value: "A" },
        { op: "Replace", path: "title", value: "B" },
      ),
    ).toEqual(doc({ title: "B" }));
  });

  it("builds one address from three operations", () => {
    const part = (sub: string, value: string) => ({ op: "Replace", path: `addresses[type eq "work"].${sub}`, value });
    expect(patch(doc(), part("country", "DE"), part("locality", "Berlin"), part("postalCode", "10115"))).toEqual(
      doc({ addresses: [{ type: "work", country: "DE", locality: "Berlin", postalCode: "10115" }] }),
    );
  });

  it("is carried out as a whole or not at all", () => {
    const before = doc({ title: "S", emails: [work] });
    const copy = structuredClone(before);
    expect(() =>
      patch(
        before,
        { op: "replace", path: "title", value: "T" },
        { op: "add", path: "emails", value: [home] },
        { op: "remove" },
      ),
    ).toThrow(problem("noTarget"));
    expect(before).toEqual(copy);
  });
});
