/** Access evaluation: what a person may do right now, and why. LIC-9's part is in lic.test.ts. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type EvaluatedPerson, evaluateAccess } from "../../src/domain/evaluation.ts";
import type { UserState } from "../../src/domain/model.ts";
import { isReserved, permissionCatalogue, reservedPermissions } from "../../src/domain/permissions.ts";
import type { AgentPath } from "../../src/domain/teams.ts";
import {
  aDoc,
  change,
  named,
  newcomer,
  now,
  personOf,
  roles,
  someAuthority,
  somebody,
  someDraft,
  someEntries,
  someRules,
} from "./facts.ts";

const rules = someRules({ groups: someEntries });
const teams = [{ value: "t1", display: "Sales", kind: "team" }];

function may(
  state: UserState | undefined,
  action: string,
  resource: { type: string; id: string } | null = null,
  at = now,
) {
  return evaluateAccess(state && personOf(state, teams), { action, resource }, rules, at);
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

  const kinds = ["team", "workspace", "queue", "agent"] as const;
  it.each(kinds)("own teams: of kind %s", (kind) => {
    const lead = personOf(somebody(rules, { doc: named.text("lead") }), [{ value: "t1", display: "X", kind }]);
    const reaches = (type: string) =>
      evaluateAccess(lead, { action: "teams.manage", resource: { type, id: "t1" } }, rules, now).decision;
    // Agents are no unit of people.
    const expected = kinds.filter((type) => kind !== "agent" && (type === "team" || type === kind));
    expect(kinds.filter(reaches)).toEqual(expected);
    const teamsOf = new Map([
      ["u2", ["t1", "t9"]],
      ["u3", ["t9"]],
    ]);
    const facts = { teamsOf, paths: [] };
    const about = (id: string) => ({ action: "teams.manage", resource: { type: "user", id } });
    const met = ["u2", "u3", "u4"].filter((id) => evaluateAccess(lead, about(id), rules, now, facts).decision);
    expect(met).toEqual(kind === "agent" ? [] : ["u2"]);
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

describe("what the context lists", () => {
  const settings = fc.record({ licenseRequired: fc.boolean() });
  const seat = fc.constantFrom(null, "pro", "standard", "viewer");

  it("is what a question of that name alone is answered with yes, and no other name of the catalogue is", () => {
    fc.assert(
      fc.property(someDraft, someAuthority, settings, seat, (draft, authority, wanted, held) => {
        const facts = someRules({ groups: someEntries, settings: wanted });
        const state = change(facts, newcomer(facts), draft, { authority, direct: false }).state;
        const person = { ...personOf(state, teams), seat: held };
        const decide = (action: string) => evaluateAccess(person, { action, resource: null }, facts, now);
        const { permissions } = decide("sign-in").context;
        for (const { name } of permissionCatalogue) {
          expect([name, decide(name).decision]).toEqual([name, permissions.includes(name)]);
        }
        for (const name of permissions) expect([name, decide(name).decision]).toEqual([name, true]);
      }),
    );
  });

  it("is nothing for who may not sign in: invited, or without the license that it needs", () => {
    const strict = someRules({ settings: { licenseRequired: true } });
    const owner = { ...newcomer(strict), role: "editor" };
    for (const person of [personOf(owner), { ...personOf(owner), accepted: false }]) {
      const { decision, context } = evaluateAccess(person, { action: "content.edit", resource: null }, strict, now);
      expect([decision, context.role, context.permissions]).toEqual([false, "editor", []]);
    }
    const licensed = { ...personOf(owner), seat: "viewer" };
    expect(evaluateAccess(licensed, { action: "content.edit", resource: null }, strict, now).decision).toBe(true);
  });
});

describe("P-6: an agent needs the permission and that it is shared", () => {
  const held = { ...personOf(somebody(rules, { doc: named.text("user") })), role: "agent-user" };
  const wider = someRules({
    roles: [...roles, { key: "agent-user", name: "A", rank: 1, permissions: ["agents.use"], builtIn: false }],
  });
  const path = (agentId: string, archived = false): AgentPath => ({
    ...{ agentId, agentName: "Helper", archived, via: "user", team: null, since: null },
  });
  const use = (person: EvaluatedPerson, resource: { type: string; id: string } | null, paths: AgentPath[]) =>
    evaluateAccess(person, { action: "agents.use", resource }, wider, now, { teamsOf: new Map(), paths });

  it.each([
    ["shared", held, [path("a1")], true],
    ["not shared", held, [], false],
    ["another one shared", held, [path("a2")], false],
    ["shared and archived", held, [path("a1", true)], false],
    ["shared, without the permission", { ...held, role: "user" }, [path("a1")], false],
  ])("%s", (_name, person, paths, decision) => {
    expect(use(person, { type: "agent", id: "a1" }, paths).decision).toBe(decision);
  });

  it("and asked of no agent, is the permission alone", () => {
    expect(use(held, null, []).decision).toBe(true);
    expect(use(held, { type: "application", id: "a1" }, []).decision).toBe(true);
  });

  it("holds for who manages agents, too: managing is another permission", () => {
    const owner = personOf(somebody(wider, { doc: named.text("owner") }));
    expect(use(owner, { type: "agent", id: "a1" }, []).decision).toBe(false);
    const manage = { action: "agents.manage", resource: { type: "agent", id: "a1" } };
    expect(evaluateAccess(owner, manage, wider, now).decision).toBe(true);
  });
});

describe("GRD-5: what is reserved needs the grant behind it", () => {
  it("a role that gained a permission since gives its holder what was granted, and no more", () => {
    const state = somebody(rules, { doc: named.text("helpdesk") });
    const wider = roles.map((role) =>
      role.key === "helpdesk" ? { ...role, permissions: ["users.manage", "roles.manage"] } : role,
    );
    const next = someRules({ roles: wider });
    const ask = (action: string) => evaluateAccess(personOf(state, teams), { action, resource: null }, next, now);
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
