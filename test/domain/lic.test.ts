/** LIC: the pure part. Seats, queues and drains are rows: their rules are proved on the databases (test/provisioning). */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tierCandidates } from "../../src/domain/access.ts";
import { evaluateAccess } from "../../src/domain/evaluation.ts";
import { findTier, poolSeatsMax } from "../../src/domain/licenses.ts";
import { mayHoldSeat } from "../../src/domain/lifecycle.ts";
import { wishedTier } from "../../src/domain/words.ts";
import {
  aDoc,
  aDraft,
  ask,
  boundTo,
  change,
  decided,
  entriesFor,
  newcomer,
  now,
  personOf,
  refused,
  someBindings,
  someDoc,
  someEntries,
  someRules,
  tiers,
} from "./facts.ts";

const wish = (doc: Parameters<typeof wishedTier>[0]) => wishedTier(doc, tiers).value?.key ?? null;
const entitled = (...values: string[]) => aDoc({ entitlements: values.map((value) => ({ value })) });

describe("LIC-1: a pool", () => {
  it("holds at most a million seats", () => {
    expect(poolSeatsMax).toBe(1_000_000);
  });

  it("is found by its tier's key without letter case; an unknown one is not found, with the known ones named", () => {
    expect(findTier(tiers, "PRO").key).toBe("pro");
    expect(() => findTier(tiers, "gold")).toThrow(/"gold".*pro, standard, viewer/);
    expect(() => findTier(tiers, "Professional")).toThrow();
  });
});

describe("LIC-3: intent", () => {
  it("is the tier that is due, whether or not a seat is free: the decision knows nothing of seats", () => {
    const rules = someRules({ groups: entriesFor("pro") });
    expect(newcomer(rules, { bindings: [boundTo("pro")] }).tier).toBe("pro");
  });
});

describe("LIC-6: the same request twice", () => {
  it("asks for the same tier, and a profile update asks for nothing else", () => {
    const rules = someRules({ groups: someEntries });
    fc.assert(
      fc.property(someDoc, someBindings, (doc, bindings) => {
        const before = newcomer(rules, { doc, bindings });
        expect(change(rules, before, {}).decision.tier).toBe(before.tier);
        expect(change(rules, before, { doc: { ...doc, nickName: "Ada" } }).decision.tier).toBe(before.tier);
      }),
    );
  });
});

describe("LIC-8: who may hold a seat", () => {
  it.each([
    ["active", true, true],
    ["active", false, true],
    ["pending", true, true],
    ["pending", false, false],
    ["inactive", true, false],
    ["inactive", false, false],
  ] as const)("%s, with pendingHoldsSeat %s: %s", (status, setting, expected) => {
    expect(mayHoldSeat(status, setting)).toBe(expected);
  });

  it("an inactive person is due none, whatever their sources say", () => {
    const rules = someRules({ defaults: { tier: "pro" } });
    for (const draft of [
      { doc: aDoc({ active: false }, { licenseTier: "pro" }) },
      { suspended: true },
      { tierPin: { pinned: true, value: "pro" } as const, doc: aDoc({ active: false }) },
      { doc: aDoc({}, { startDate: "2027-01-01T00:00:00Z" }) },
      { accepted: false, invitationExpiresAt: "2026-01-01T00:00:00Z" },
    ]) {
      expect(newcomer(rules, draft).tier).toBeNull();
    }
    expect(newcomer(rules).tier).toBe("pro");
    expect(newcomer(rules, { accepted: false }).tier).toBe("pro");
    const strict = someRules({ defaults: { tier: "pro" }, settings: { pendingHoldsSeat: false } });
    expect(newcomer(strict, { accepted: false }).tier).toBeNull();
  });
});

describe("LIC-9: what a tier carries needs the held seat", () => {
  const seat = { tier: "standard", no: 1, since: now.toISOString() };
  const may = (action: string, held: object, settings = {}) =>
    evaluateAccess(
      personOf({ ...newcomer(someRules()), ...held }),
      { action, resource: null },
      someRules({ settings }),
      now,
    );

  it.each([
    ["conversations.use", { seat }, true, "Standard license carries it"],
    ["conversations.use", {}, false, "holds none"],
    ["calls.web-phone", { seat }, false, "Professional license, and the person holds another"],
    ["calls.web-phone", { seat: { ...seat, tier: "pro" } }, true, "Professional license carries it"],
    ["profile.manage", {}, true, 'role "User" holds it'],
    ["sign-in", {}, true, "active"],
  ])("%s with %j: %s", (action, held, decision, reason) => {
    const answer = may(action, held);
    expect(answer.decision).toBe(decision);
    expect(answer.context.reason).toContain(reason);
  });

  it("signing in is one of them under licenseRequired, and the answer says what is missing", () => {
    const settings = { licenseRequired: true };
    expect(may("sign-in", { seat }, settings).decision).toBe(true);
    expect(may("sign-in", {}, settings)).toMatchObject({
      decision: false,
      context: { reason: expect.stringContaining("has none") },
    });
    const waiting = { tier: "pro", ticket: 1, priority: 0, since: now.toISOString() };
    expect(may("sign-in", { waiting }, settings).context.reason).toContain("waits for a Professional seat");
    expect(may("profile.manage", {}, settings).decision).toBe(false);
  });

  it("a role does not give what a tier carries", () => {
    const rules = someRules();
    const state = { ...newcomer(rules), role: "owner", roleSource: "words" };
    expect(evaluateAccess(personOf(state), { action: "conversations.use", resource: null }, rules, now).decision).toBe(
      false,
    );
  });
});

describe("LIC-10: the words for a tier", () => {
  it.each([
    ["licenseTier, by key", aDoc({}, { licenseTier: "pro" }), "pro"],
    ["licenseTier, by display name in another letter case", aDoc({}, { licenseTier: "PROFESSIONAL" }), "pro"],
    [
      "licenseTier before entitlements",
      aDoc({ entitlements: [{ value: "pro" }] }, { licenseTier: "viewer" }),
      "viewer",
    ],
    ["an entitlement", entitled("standard"), "standard"],
    [
      "the primary entitlement",
      aDoc({ entitlements: [{ value: "pro" }, { value: "viewer", primary: true }] }),
      "viewer",
    ],
    ["the highest of several", entitled("viewer", "pro", "standard"), "pro"],
    ["the one that is known", entitled("gold", "viewer"), "viewer"],
    ["an entry of roles[] typed license", aDoc({ roles: [{ value: "pro", type: "license" }] }), "pro"],
    ["an entry of roles[] typed seatType", aDoc({ roles: [{ value: "Viewer", type: "SEATTYPE" }] }), "viewer"],
    [
      "entitlements before roles[]",
      aDoc({ entitlements: [{ value: "viewer" }], roles: [{ value: "pro", type: "license" }] }),
      "viewer",
    ],
    ["nothing: an entry of roles[] without that type", aDoc({ roles: [{ value: "pro" }] }), null],
    [
      "nothing: unknown entries",
      aDoc({ entitlements: [{ value: "gold" }], roles: [{ value: "gold", type: "license" }] }),
      null,
    ],
    ["nothing: an empty licenseTier", aDoc({}, { licenseTier: "" }), null],
  ])("are %s", (_name, doc, expected) => {
    expect(wish(doc)).toBe(expected);
  });

  it("refuse an unknown licenseTier, naming it and the known ones, only where the value changes", () => {
    const rules = someRules();
    const { code, detail, rule } = refused(ask(rules, null, aDraft({ doc: aDoc({}, { licenseTier: "gold" }) })));
    expect([code, rule]).toEqual(["unknownTier", "LIC-10"]);
    expect(detail).toContain('"gold"');
    for (const { key } of tiers) expect(detail).toContain(key);
    const before = newcomer(rules, { doc: aDoc({}, { licenseTier: "gold" }) });
    expect(decided(ask(rules, before, aDraft({ doc: aDoc({ title: "x" }, { licenseTier: "gold" }) }))).tier).toBeNull();
    expect(refused(ask(rules, before, aDraft({ doc: aDoc({}, { licenseTier: "golden" }) }))).code).toBe("unknownTier");
  });

  it("keep entries that match no tier without effect, and never refuse them", () => {
    const rules = someRules({ settings: { unknownRoles: "refuse" } });
    const doc = aDoc({ entitlements: [{ value: "gold" }], roles: [{ value: "gold", type: "seatType" }] });
    const { draft, tier, role } = decided(ask(rules, null, aDraft({ doc })));
    expect([draft.doc, tier, role.key]).toEqual([doc, null, "user"]);
  });
});

describe("ROL-2 for tiers", () => {
  it("a pin to no tier counts against every other source", () => {
    const rules = someRules({ groups: someEntries, defaults: { tier: "viewer" } });
    fc.assert(
      fc.property(someDoc, someBindings, (doc, bindings) => {
        const pinned = aDraft({ doc, bindings, tierPin: { pinned: true, value: null } });
        expect(tierCandidates(pinned, rules)[0]).toMatchObject({ value: null, kind: "pin" });
      }),
    );
  });
});
