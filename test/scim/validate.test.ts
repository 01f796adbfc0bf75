/** From a POST or PUT body to the canonical document (RFC 7644 §3.3, §3.5.1), and what of it is refused. */
import { describe, expect, it } from "vitest";
import { toGroupInput, toGroupReplacement, toUserDoc } from "../../src/scim/validate.ts";
import { ENTERPRISE_USER, GROUP, USER, USHER_GROUP, USHER_USER } from "../../src/vocabulary/urns.ts";
import { valueBounds } from "../../src/vocabulary/values.ts";
import { quickestMs } from "../helpers/quickest.ts";

const toDoc = (body: unknown) => toUserDoc(body, { active: true });
const withUser = (members: object) => ({ userName: "u", ...members });
const problem = (code: string, attribute?: string) =>
  expect.objectContaining(attribute === undefined ? { code } : { code, message: expect.stringContaining(attribute) });

describe("toUserDoc", () => {
  it("keeps what the client wrote, without what is the service's", () => {
    const body = {
      schemas: [USER, ENTERPRISE_USER],
      id: "2819c223",
      externalId: "E1",
      userName: "bjensen@example.com",
      name: { formatted: "Ms. Barbara J Jensen, III", familyName: "Jensen", givenName: "Barbara" },
      emails: [{ value: "bjensen@example.com", type: "work", primary: true }],
      phoneNumbers: [{ value: "+1 555 0100", type: "work" }],
      groups: [{ value: "g" }],
      roles: [],
      active: true,
      password: "t1meMa$heen",
      meta: { resourceType: "User", created: "2010-01-23T04:56:22Z" },
      [ENTERPRISE_USER]: {
        employeeNumber: "701984",
        manager: { value: "26118915", $ref: "../Users/26118915", displayName: "John" },
      },
    };
    expect(toDoc(body)).toEqual({
      externalId: "E1",
      userName: "bjensen@example.com",
      name: body.name,
      emails: body.emails,
      phoneNumbers: body.phoneNumbers,
      active: true,
      [ENTERPRISE_USER]: { employeeNumber: "701984", manager: { value: "26118915", $ref: "../Users/26118915" } },
    });
  });

  it.each<[string, object, object]>([
    [
      "letter case of names",
      { Title: "T", NAME: { GivenName: "G" }, Emails: [{ VALUE: "a", Primary: true }] },
      { title: "T", name: { givenName: "G" }, emails: [{ value: "a", primary: true }] },
    ],
    [
      "booleans as text",
      { active: "False", emails: [{ value: "a", primary: "True" }] },
      { active: false, emails: [{ value: "a", primary: true }] },
    ],
    [
      "nulls",
      {
        title: null,
        name: { givenName: null },
        emails: null,
        phoneNumbers: [null],
        [ENTERPRISE_USER]: null,
        active: null,
      },
      {},
    ],
    ["empty lists and objects", { emails: [], name: {}, roles: [{}], [USHER_USER]: {} }, {}],
    [
      "unknown attributes and schemas",
      { shoeSize: 9, name: { x: 1, givenName: "G" }, "urn:acme:User": { a: [1] }, "a.b": 1 },
      { name: { givenName: "G" } },
    ],
    [
      "an extension that schemas does not name",
      { schemas: [USER], [ENTERPRISE_USER]: { department: "D" } },
      { [ENTERPRISE_USER]: { department: "D" } },
    ],
    [
      "the extension's URN in other letter case",
      { [USHER_USER.toUpperCase()]: { ROLE: "admin" } },
      { [USHER_USER]: { role: "admin" } },
    ],
    [
      "draft schemas",
      {
        schemas: ["urn:scim:schemas:core:2.0", "urn:scim:schemas:extension:enterprise:2.0"],
        "urn:scim:schemas:extension:enterprise:2.0": { department: "D" },
      },
      { [ENTERPRISE_USER]: { department: "D" } },
    ],
    [
      "dotted and URN-prefixed names",
      { "name.givenName": "G", [`${ENTERPRISE_USER}:department`]: "D" },
      { name: { givenName: "G" }, [ENTERPRISE_USER]: { department: "D" } },
    ],
    ["a single value for a list", { emails: { value: "a" } }, { emails: [{ value: "a" }] }],
    ["bare values of a list", { roles: ["admin", "editor"] }, { roles: [{ value: "admin" }, { value: "editor" }] }],
    ["the same element twice", { emails: [{ value: "a" }, { value: "a" }] }, { emails: [{ value: "a" }] }],
    [
      "two primaries: the last stays",
      {
        emails: [
          { value: "a", primary: true },
          { value: "b", primary: true },
        ],
      },
      {
        emails: [
          { value: "a", primary: false },
          { value: "b", primary: true },
        ],
      },
    ],
    ["manager as text", { manager: "M" }, { [ENTERPRISE_USER]: { manager: { value: "M" } } }],
    [
      "manager as a list",
      { [ENTERPRISE_USER]: { manager: [{ $ref: null, value: "M" }] } },
      { [ENTERPRISE_USER]: { manager: { value: "M" } } },
    ],
    [
      "manager in other letter case",
      { [ENTERPRISE_USER]: { Manager: { Value: "M" } } },
      { [ENTERPRISE_USER]: { manager: { value: "M" } } },
    ],
    ["manager empty", { [ENTERPRISE_USER]: { manager: "" }, title: "T" }, { title: "T" }],
    ["manager's value empty", { [ENTERPRISE_USER]: { manager: { value: "" } } }, {}],
    [
      "canonical values of the client's own",
      { emails: [{ value: "a", type: "Work-2" }] },
      { emails: [{ value: "a", type: "Work-2" }] },
    ],
    [
      "numbers as text",
      { [USHER_USER]: { budget: { limit: "12.50", currency: "EUR", used: 3 } } },
      { [USHER_USER]: { budget: { limit: 12.5, currency: "EUR" } } },
    ],
    [
      "dates as they are written",
      { [USHER_USER]: { startDate: "2026-01-31", endDate: "2026-12-31T23:59:59.0000000+01:00" } },
      { [USHER_USER]: { startDate: "2026-01-31", endDate: "2026-12-31T23:59:59.0000000+01:00" } },
    ],
    [
      "a date cleared with an empty text",
      { [USHER_USER]: { startDate: "", role: "r" } },
      { [USHER_USER]: { role: "r" } },
    ],
    [
      "what Usher decides",
      { [USHER_USER]: { status: "active", effectiveRole: "admin", license: { tier: "pro" }, teams: [{ value: "t" }] } },
      {},
    ],
    [
      "roles with displayName",
      { roles: [{ value: "r", displayName: "R" }] },
      { roles: [{ value: "r", display: "R" }] },
    ],
    [
      "prototype names",
      JSON.parse(
        '{"__proto__":{"title":"x"},"constructor":{"prototype":{"title":"x"}},"name":{"__proto__":{"givenName":"x"},"constructor":"x"}}',
      ),
      {},
    ],
  ])("%s", (_, members, expected) => {
    expect(toDoc(withUser(members))).toEqual({ userName: "u", active: true, ...expected });
    expect(({} as { title?: string }).title).toBeUndefined();
  });

  it.each<[string, object, string, string]>([
    ["no userName", { title: "x" }, "invalidValue", "userName"],
    ["a userName of null", { userName: null }, "invalidValue", "userName"],
    ["a blank userName", { userName: " \t " }, "invalidValue", "userName"],
    ["a userName that is a number", { userName: 7 }, "invalidValue", "userName must be text, not a number"],
    ["a name given twice", { userName: "a", USERNAME: "b" }, "invalidSyntax", "userName"],
    [
      "a sub-attribute given twice",
      withUser({ name: { givenName: "a", GIVENNAME: "b" } }),
      "invalidSyntax",
      "name.givenName",
    ],
    [
      "a sub-attribute given in two notations",
      withUser({ "name.givenName": "a", "NAME.givenName": "b" }),
      "invalidSyntax",
      "name.givenName",
    ],
    ["schemas twice", withUser({ schemas: [USER], Schemas: [GROUP] }), "invalidSyntax", "schemas"],
    ["schemas of a group", withUser({ schemas: [GROUP] }), "invalidSyntax", "schemas"],
    ["text for a boolean", withUser({ active: "yes" }), "invalidValue", "active must be true or false"],
    ["a number for a boolean", withUser({ active: 1 }), "invalidValue", "active"],
    ["text for an object", withUser({ name: "Bob" }), "invalidValue", "name must be an object"],
    ["a list for an object", withUser({ name: [] }), "invalidValue", "name must be an object, not a list"],
    ["an object for text", withUser({ title: { a: 1 } }), "invalidValue", "title must be text, not an object"],
    ["a list for text", withUser({ title: ["a"] }), "invalidValue", "title"],
    ["an object in a list's value", withUser({ emails: [{ value: { a: 1 } }] }), "invalidValue", "emails.value"],
    ["a number in a list", withUser({ emails: [7] }), "invalidValue", "emails"],
    ["NUL", withUser({ title: "a\0" }), "invalidValue", "title"],
    ["half a surrogate pair", withUser({ name: { givenName: "\ud800" } }), "invalidValue", "name.givenName"],
    ["text without end", withUser({ title: "x".repeat(valueBounds.textLengthMax + 1) }), "invalidValue", "title"],
    ["a name that no index takes", { userName: "x".repeat(valueBounds.nameBytesMax + 1) }, "invalidValue", "userName"],
    ["a name that grows when it is normalised", { userName: "\ufdfa".repeat(100) }, "invalidValue", "userName"],
    [
      "too many values",
      withUser({ emails: Array.from({ length: valueBounds.elementsMax + 1 }, (_, i) => ({ value: `${i}` })) }),
      "invalidValue",
      "emails",
    ],
    ["no date", withUser({ [USHER_USER]: { startDate: "soon" } }), "invalidValue", "startDate"],
    ["an impossible date", withUser({ [USHER_USER]: { endDate: "2026-02-30" } }), "invalidValue", "endDate"],
    ["a number for a date", withUser({ [USHER_USER]: { endDate: 20260101 } }), "invalidValue", "endDate"],
    [
      "a number beyond JSON's exact ones",
      withUser({ [USHER_USER]: { budget: { limit: 2 ** 53 } } }),
      "invalidValue",
      "budget.limit",
    ],
    ["text for a number", withUser({ [USHER_USER]: { budget: { limit: "a lot" } } }), "invalidValue", "budget.limit"],
    [
      "a certificate that is no Base64",
      withUser({ x509Certificates: [{ value: "!!!" }] }),
      "invalidValue",
      "x509Certificates.value",
    ],
    ["text for an extension", withUser({ [USHER_USER]: "admin" }), "invalidValue", USHER_USER],
    ["a password that is no text", withUser({ password: {} }), "invalidValue", "password"],
  ])("refuses %s", (_, body, code, attribute) => {
    expect(() => toDoc(body)).toThrow(problem(code, attribute));
  });

  it.each([null, undefined, [], "x", 1, [{ userName: "x" }]])("refuses the body %j", (body) => {
    expect(() => toDoc(body)).toThrow(problem("invalidSyntax"));
  });

  it("takes an absent active for what it is told (USR-8)", () => {
    expect(toUserDoc({ userName: "u" }, { active: false }).active).toBe(false);
    expect(toUserDoc({ userName: "u", active: "TRUE" }, { active: false }).active).toBe(true);
  });

  it("ignores the own id, refuses another one (AUTH-2)", () => {
    const doc = { userName: "u", active: true };
    expect(toUserDoc({ userName: "u", id: "1" }, { active: true, id: "1" })).toEqual(doc);
    expect(toUserDoc({ userName: "u", id: "7" }, { active: true })).toEqual(doc);
    expect(() => toUserDoc({ userName: "u", ID: "2" }, { active: true, id: "1" })).toThrow(problem("mutability", "id"));
  });

  it("is the identity on what it made", () => {
    const doc = toDoc(
      withUser({ roles: ["a"], manager: "M", active: "false", [USHER_USER]: { budget: { limit: "1" } } }),
    );
    expect(toUserDoc(doc, { active: true })).toEqual(doc);
  });

  it("answers 10,000 levels of nesting in milliseconds (PAR-2)", () => {
    let deep: unknown = "x";
    for (let i = 0; i < 10_001; i += 1) deep = i % 2 ? { value: deep, __proto__x: deep } : [deep];
    const ms = quickestMs(() => {
      expect(toDoc({ userName: "u", shoeSize: deep })).toEqual({ userName: "u", active: true });
      for (const body of [
        { userName: deep },
        withUser({ emails: deep }),
        withUser({ name: deep }),
        withUser({ [USHER_USER]: { budget: deep } }),
      ]) {
        expect(() => toDoc(body)).toThrow(problem("invalidValue"));
      }
    });
    expect(ms).toBeLessThan(100);
  });
});

describe("toGroupInput", () => {
  it.each<[string, object, object]>([
    [
      "a whole group",
      {
        schemas: [GROUP],
        displayName: "G",
        externalId: "E",
        members: [{ value: "a", display: "A", type: "User", $ref: null }, { value: "b" }],
      },
      { displayName: "G", externalId: "E", members: ["a", "b"] },
    ],
    [
      "Entra's schemas",
      {
        schemas: [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
        displayName: "G",
      },
      { displayName: "G" },
    ],
    ["letter case of names", { DisplayName: "G", MEMBERS: [{ Value: "a" }] }, { displayName: "G", members: ["a"] }],
    ["bare members", { displayName: "G", members: ["a", "a", "b"] }, { displayName: "G", members: ["a", "b"] }],
    ["one member", { displayName: "G", members: { value: "a" } }, { displayName: "G", members: ["a"] }],
    ["no members", { displayName: "G", members: [] }, { displayName: "G", members: [] }],
    ["members that are null", { displayName: "G", members: null, externalId: null }, { displayName: "G" }],
    [
      "what Usher decides",
      { displayName: "G", id: "1", meta: {}, [USHER_GROUP]: { team: { value: "t" }, grants: { role: "admin" } } },
      { displayName: "G" },
    ],
  ])("%s", (_, body, expected) => {
    expect(toGroupInput(body)).toEqual(expected);
  });

  it.each<[string, unknown, string, string]>([
    ["no displayName", { members: [] }, "invalidValue", "displayName"],
    ["a blank displayName", { displayName: " " }, "invalidValue", "displayName"],
    ["a displayName that no index takes", { displayName: "x".repeat(2000) }, "invalidValue", "displayName"],
    ["members without value", { displayName: "G", members: [{ display: "x" }] }, "invalidValue", "members"],
    ["members that are numbers", { displayName: "G", members: [1] }, "invalidValue", "members"],
    [
      "a member's value given twice",
      { displayName: "G", members: [{ value: "a", VALUE: "b" }] },
      "invalidSyntax",
      "members",
    ],
    ["the schema of a user", { schemas: [USER], displayName: "G" }, "invalidSyntax", "schemas"],
    ["what is no object", [], "invalidSyntax", "Group"],
  ])("refuses %s", (_, body, code, attribute) => {
    expect(() => toGroupInput(body)).toThrow(problem(code, attribute));
  });

  it("says as a PUT what it replaces, and leaves members alone that it does not mention", () => {
    expect(toGroupReplacement({ id: "g", displayName: "G", members: [] }, { id: "g" })).toEqual([
      { set: { displayName: "G", externalId: null } },
      { replace: [] },
    ]);
    expect(toGroupReplacement({ displayName: "G", externalId: "E" })).toEqual([
      { set: { displayName: "G", externalId: "E" } },
    ]);
    expect(() => toGroupReplacement({ id: "h", displayName: "G" }, { id: "g" })).toThrow(problem("mutability", "id"));
  });
});
