/** Access evaluation: what a person may do right now, and why. LIC-9's part is in lic.test.ts. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evaluateAccess } from "../../src/domain/evaluation.ts";
import type { UserState } from "../../src/domain/model.ts";
import { isReserved, reservedPermissions } from "../../src/domain/permissions.ts";
import { aDoc, change, named, newcomer, now, roles, somebody, someDraft, someEntries, someRules } from "./facts.ts";

const rules = someRules({ groups: someEntries });
const teams = [{ value: "t1", display: "Sales", kind: "team" }];

function may(
  state: UserState | undefined,
  action: string,
  resource: { type: string; id: string } | null = null,
  at = now,
) {
  return evaluateAccess(state && { state, teams }, { action, resource }, rules, at);
}

describe("USR-1, USR-7: who may sign in", () => {
  it.each([
    ["an active person", newcomer(rules), true, "active"],
    ["somebody unknown", undefined, false, "inactive"],
    ["a deactivated person", newcomer(rules, { doc: aDoc({ active: false }) }), false, "inactive"],
    ["somebody stopped by an Admin", newcomer(rules, { suspended: true }), false, "inactive"],
    ["somebody invited", newcomer(rules, { accepted: false }), false, "pending"],
    [
      "somebody before their start date",
      newcomer(rules, { doc: aDoc({}, { startDate: "2027-01-01T00:00:00Z" }) }),
      false,
      "inactive",
    ],
  ])("%s", (_name, state, decision, status) => {
    expect(may(state, "sign-in")).toMatchObject({ decision, context: { status } });
  });

  it("compares the dates itself, whether or not a job has come by", () => {
    const state = newcomer(rules, { doc: aDoc({}, { endDate: "2026-03-02T00:00:00Z" }) });
    expect(may(state, "sign-in").decision).toBe(true);
    expect(may(state, "sign-in", null, new Date("2026-03-02T00:00:00Z")).decision).toBe(false);
    expect(state.status).toBe("active");
  });

  it("says from when on sessions count, to whoever may have one", () => {
    const sessionsNotBefore = "2026-02-27T09:00:00.000Z";
    const state = { ...newcomer(rules), sessionsNotBefore };
    expect(may(newcomer(rules), "sign-in").context.sessionsNotBefore).toBeNull();
    expect(may(state, "sign-in").context.sessionsNotBefore).toBe(sessionsNotBefore);
    expect(may({ ...state, suspended: true }, "sign-in").context.sessionsNotBefore).toBeNull();
  });

  it("answers an unknown person exactly like an inactive one", () => {
    const inactive = newcomer(rules, { doc: aDoc({ active: false }) });
    for (const action of ["sign-in", "users.manage", "nonsense"])
      expect(may(undefined, action)).toEqual(may(inactive, action));
  });
});

describe("what a role holds", () => {
  it.each([
    ["user", "profile.manage", true],
    ["user", "content.edit", false],
    ["owner", "users.manage", true],
    ["owner", "invoices.read", true],
    ["helpdesk", "users.manage", true],
    ["helpdesk", "roles.manage", false],
    ["lead", "users.read", true],
  ])("%s, %s: %s", (key, action, decision) => {
    const state = somebody(rules, { doc: named.text(key) });
    expect(may(state, action)).toMatchObject({ decision, context: { role: key } });
  });

  it("for one's own teams only needs one of them as the resource", () => {
    const lead = somebody(rules, { doc: named.text("lead") });
    expect(may(lead, "teams.manage").decision).toBe(false);
    expect(may(lead, "teams.manage", { type: "team", id: "t1" }).decision).toBe(true);
    expect(may(lead, "teams.manage", { type: "team", id: "t2" }).decision).toBe(false);
    expect(may(lead, "teams.manage", { type: "document", id: "t1" }).decision).toBe(false);
    expect(may(lead, "teams.manage").context.reason).toContain("own teams");
  });
});

describe("GRD-5: what is reserved needs the grant behind it", () => {
  it("a role that gained a permission since gives its holder what was granted, and no more", () => {
    const state = somebody(rules, { doc: named.text("helpdesk") });
    const wider = roles.map((role) =>
      role.key === "helpdesk" ? { ...role, permissions: ["users.manage", "roles.manage"] } : role,
    );
    const next = someRules({ roles: wider });
    const ask = (action: string) => evaluateAccess({ state, teams }, { action, resource: null }, next, now);
    expect([ask("users.manage").decision, ask("roles.manage").decision]).toEqual([true, false]);
    expect(ask("x").context.permissions).not.toContain("roles.manage");
  });

  it("nobody holds a reserved permission without one, `*` included", () => {
    const state = { ...newcomer(rules), role: "owner", roleSource: "words", administrative: true };
    for (const permission of reservedPermissions) expect(may(state, permission).decision, permission).toBe(false);
    expect(may(state, "sign-in").context.permissions.filter(isReserved)).toEqual([]);
    expect(may(state, "content.edit").decision).toBe(true);
  });

  it("without authority nobody comes to hold one, however they come", () => {
    fc.assert(
      fc.property(someDraft, (draft) => {
        const { context } = may(change(rules, newcomer(rules), draft, { direct: false }).state, "sign-in");
        expect(context.permissions.filter(isReserved)).toEqual([]);
      }),
    );
  });
});
