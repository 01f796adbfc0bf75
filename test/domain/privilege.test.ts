/** who holds a role above what their sources or their use call for, as a plain function. */
import { describe, expect, it } from "vitest";
import type { Grant } from "../../src/domain/model.ts";
import { findExcess, isElevated, type PrivilegeFacts } from "../../src/domain/privilege.ts";
import { aDoc, boundTo, entriesFor, roles, someRules } from "./facts.ts";

const rules = someRules({ groups: entriesFor("editor", "lead", "owner") });
const grant = (role: string, source: string): Grant => ({ role, source, permissions: ["users.manage"] });
const person = (change: Partial<PrivilegeFacts["state"]>): PrivilegeFacts["state"] => ({
  doc: aDoc(),
  rolePin: null,
  tierPin: { pinned: false },
  bindings: [],
  role: "user",
  roleSource: "default",
  grants: [],
  ...change,
});
const codes = (change: Partial<PrivilegeFacts["state"]>, unseenDays: number | null = null) =>
  findExcess({ state: person(change), unseenDays }, rules).reasons.map((reason) => reason.code);
const pinned = (role: string) => ({ role, rolePin: role, roleSource: "pin" });

describe("Q-12: a pinned role", () => {
  it("is above what the sources give", () => {
    const found = findExcess(
      { state: person({ ...pinned("lead"), bindings: [boundTo("editor")] }), unseenDays: null },
      rules,
    );
    expect(found).toEqual({
      sourcedRole: "editor",
      reasons: [
        {
          code: "pinnedAbove",
          because: 'An Admin pinned "Team Lead"; groups, rules and the client\'s words give "Editor".',
        },
      ],
    });
  });

  it.each([
    ["what the sources give as well", { ...pinned("editor"), bindings: [boundTo("editor")] }],
    ["below what the sources give", { ...pinned("user"), bindings: [boundTo("editor")] }],
    ["the default", pinned("user")],
    ["pinned, but not in effect", { role: "user", rolePin: "owner", roleSource: "default" }],
  ])("is nothing to tell where it is %s", (_name, change) => {
    expect(codes(change)).toEqual([]);
  });

  it("counts no administrative source that nobody has allowed (GRD-5)", () => {
    const bindings = [boundTo("owner")];
    expect(codes({ ...pinned("helpdesk"), bindings })).toEqual(["pinnedAbove"]);
    const grants = [grant("owner", "group:externalId:owner|group owner")];
    expect(codes({ ...pinned("helpdesk"), bindings, grants })).toEqual([]);
  });
});

describe("Q-12: other roles", () => {
  it("kept because nobody else is Admin (GRD-7)", () => {
    expect(codes({ role: "owner", roleSource: "kept" })).toEqual(["kept"]);
  });

  it("above the default one and not seen for long", () => {
    expect(codes({ role: "editor", bindings: [boundTo("editor")] }, 90)).toEqual(["unused"]);
    expect(codes({ role: "user" }, 90)).toEqual([]);
    const owner = findExcess({ state: person({ role: "owner" }), unseenDays: 30 }, rules);
    expect(owner.reasons[0]?.because).toBe('"Owner" is administrative, and the person has not been seen for 30 days.');
  });

  it("several at once", () => {
    expect(codes(pinned("lead"), 90)).toEqual(["pinnedAbove", "unused"]);
  });

  it("of nobody's catalogue any more says nothing", () => {
    expect(codes({ role: "gone", roleSource: "pin" }, 90)).toEqual([]);
  });

  it("is elevated where it is administrative or above the default", () => {
    expect(roles.filter((role) => isElevated(role, rules)).map((role) => role.key)).toEqual([
      "owner",
      "helpdesk",
      "billing",
      "lead",
      "editor",
    ]);
  });
});
