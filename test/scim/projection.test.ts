/** attributes and excludedAttributes (RFC 7644 §3.9) over the characteristic `returned` (RFC 7643 §7). */
import { describe, expect, it } from "vitest";
import { project, selects, toSelection } from "../../src/scim/projection.ts";
import { ENTERPRISE_USER, GROUP, USER, USHER_USER } from "../../src/vocabulary/urns.ts";

const person = {
  schemas: [USER, ENTERPRISE_USER, USHER_USER],
  id: "1",
  userName: "u",
  name: { givenName: "G", familyName: "F" },
  emails: [{ value: "a", type: "work" }, { type: "home" }],
  meta: { resourceType: "User", version: 'W/"1"' },
  [ENTERPRISE_USER]: { department: "D", manager: { value: "M", displayName: "N" } },
  [USHER_USER]: { status: "active", license: { tier: "pro", status: "assigned" } },
};
const { schemas, id } = person;
const ofUser = (query: object) => project(person, toSelection("User", query));

describe("attributes", () => {
  it.each<[string[], object]>([
    [["userName"], { userName: "u" }],
    [["USERNAME", "nosuch"], { userName: "u" }],
    [[`${USER}:userName`], { userName: "u" }],
    [["name.givenName"], { name: { givenName: "G" } }],
    [["name.givenName", "name"], { name: person.name }],
    [["name.givenName", "Name.FamilyName"], { name: person.name }],
    [["emails.value"], { emails: [{ value: "a" }] }],
    [['emails[type eq "work"]'], { emails: person.emails }],
    [[`${ENTERPRISE_USER}:department`], { [ENTERPRISE_USER]: { department: "D" } }],
    [[`${ENTERPRISE_USER}:manager.value`], { [ENTERPRISE_USER]: { manager: { value: "M" } } }],
    [["manager"], { [ENTERPRISE_USER]: { manager: { value: "M", displayName: "N" } } }],
    [[ENTERPRISE_USER], { [ENTERPRISE_USER]: person[ENTERPRISE_USER] }],
    [
      [`${USHER_USER}:license.tier`, "meta.version"],
      { [USHER_USER]: { license: { tier: "pro" } }, meta: { version: 'W/"1"' } },
    ],
    [["nosuch"], {}],
    [["constructor", "__proto__", "name.__proto__", "password"], {}],
    [["id"], {}],
  ])("%j", (attributes, expected) => {
    expect(ofUser({ attributes })).toEqual({ schemas, id, ...expected });
  });
});

describe("excludedAttributes", () => {
  it.each<[string[], string[]]>([
    [["emails"], ["emails"]],
    [
      ["EMAILS", "Meta"],
      ["emails", "meta"],
    ],
    [[`${USER}:name`], ["name"]],
    [[ENTERPRISE_USER], [ENTERPRISE_USER]],
    [["id", "schemas"], []],
    [["nosuch", "__proto__"], []],
  ])("%j", (excludedAttributes, gone) => {
    const expected = Object.fromEntries(Object.entries(person).filter(([name]) => !gone.includes(name)));
    expect(ofUser({ excludedAttributes })).toEqual(expected);
  });

  it("takes sub-attributes out", () => {
    expect(
      ofUser({ excludedAttributes: ["name.givenName", "emails.type", `${ENTERPRISE_USER}:manager.displayName`] }),
    ).toEqual({
      ...person,
      name: { familyName: "F" },
      emails: [{ value: "a" }],
      [ENTERPRISE_USER]: { department: "D", manager: { value: "M" } },
    });
  });
});

it("without either returns what is there, but never a password", () => {
  expect(ofUser({})).toEqual(person);
  expect(ofUser({ attributes: ["", " "] })).toEqual(person);
  const selection = toSelection("User", { attributes: ["password"] });
  expect(project({ ...person, password: "x" }, selection)).toEqual({ schemas, id });
  expect(project({ ...person, password: "x" }, toSelection("User", {}))).toEqual(person);
});

it("tells beforehand whether members are wanted", () => {
  const wants = (query: object): boolean => selects(toSelection("Group", query), "members");
  expect(wants({})).toBe(true);
  expect(wants({ excludedAttributes: ["MEMBERS"] })).toBe(false);
  expect(wants({ excludedAttributes: [`${GROUP}:members`] })).toBe(false);
  expect(wants({ excludedAttributes: ["members.display"] })).toBe(true);
  expect(wants({ attributes: ["displayName"] })).toBe(false);
  expect(wants({ attributes: ["members.value"] })).toBe(true);
});
