/** Each of Entra's deviations beside what only looks like it. */
import { describe, expect, it } from "vitest";
import {
  renameRoleDisplay,
  unpackRoleDocument,
  unpackRoleValue,
  unwrapManager,
} from "../../../src/scim/dialects/entra.ts";
import { fromDialect } from "../../../src/scim/dialects/index.ts";
import { ENTERPRISE_USER, USER } from "../../../src/vocabulary/urns.ts";

const packed = '{"id":"5b1f","value":"editor","displayName":"Editor"}';

describe("roles", () => {
  it.each([
    [{ value: packed }, { id: "5b1f", value: "editor", displayName: "Editor" }],
    [
      { Value: packed, primary: true },
      { primary: true, id: "5b1f", value: "editor", displayName: "Editor" },
    ],
    [packed, { id: "5b1f", value: "editor", displayName: "Editor" }],
    [{ value: "editor" }, { value: "editor" }],
    [{ value: "{editor}" }, { value: "{editor}" }],
    [{ value: '{"name":"editor"}' }, { value: '{"name":"editor"}' }],
    [{ value: '{"value":7}' }, { value: '{"value":7}' }],
    [{ value: `{"value":"x","y":"${"y".repeat(5000)}"}` }, { value: `{"value":"x","y":"${"y".repeat(5000)}"}` }],
    ["editor", "editor"],
    [7, 7],
    [null, null],
  ])("%j unpacks to %j", (element, expected) => {
    expect(unpackRoleDocument(element)).toEqual(expected);
  });

  it("unpacks a value by itself", () => {
    expect(unpackRoleValue(packed)).toBe("editor");
    expect(unpackRoleValue("editor")).toBe("editor");
    expect(unpackRoleValue(true)).toBe(true);
  });

  it("takes displayName for display where there is none", () => {
    expect(renameRoleDisplay({ value: "r", displayName: "R" })).toEqual({ value: "r", display: "R" });
    expect(renameRoleDisplay({ value: "r", displayName: "R", Display: "D" })).toEqual({
      value: "r",
      displayName: "R",
      Display: "D",
    });
    expect(renameRoleDisplay("r")).toBe("r");
  });
});

it.each([
  ["m", "m"],
  [[{ $ref: "x", value: "m" }], { $ref: "x", value: "m" }],
  [[], null],
  ["", null],
  [{ value: "" }, null],
  [{ Value: "" }, null],
  [{ value: "m" }, { value: "m" }],
  [null, null],
  [
    ["a", "b"],
    ["a", "b"],
  ],
])("manager %j means %j", (value, expected) => {
  expect(unwrapManager(value)).toEqual(expected);
});

it("leaves every other attribute alone", () => {
  for (const path of [
    { schema: USER, attribute: "title" },
    { schema: USER, attribute: "emails" },
    { schema: ENTERPRISE_USER, attribute: "department" },
    { schema: USER, attribute: "roles", sub: "type" },
  ]) {
    expect(fromDialect(path, packed)).toBe(packed);
  }
});
