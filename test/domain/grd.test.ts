/** GRD: only an Admin makes an Admin. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { UserState } from "../../src/domain/model.ts";
import { isAdministrative, missing, reservedPermissions } from "../../src/domain/permissions.ts";
import { isFullAdmin } from "../../src/domain/promotion.ts";
import {
  aDoc,
  aDraft,
  ask,
  boundTo,
  change,
  decided,
  draftOf,
  entriesFor,
  named,
  newcomer,
  now,
  reconcile,
  refused,
  roles,
  someAuthority,
  someBindings,
  somebody,
  someDoc,
  someDraft,
  someEntries,
  someRules,
  stored,
  unbacked,
} from "./facts.ts";

const rules = someRules({
  groups: someEntries,
  rules: [{ name: "chiefs", when: 'title eq "Chief"', role: "owner" }],
});
const admin = { authority: ["*"] };
const inactive = (state: UserState) => ({ doc: { ...state.doc, active: false } });
const active = (state: UserState) => ({ doc: { ...state.doc, active: true } });
const withheldOf = (decision: ReturnType<typeof decided>) =>
  decision.withheld.map(({ candidate }) => `${candidate.value.key} by ${candidate.source}`);
const withRole = (key: string, ...permissions: string[]) =>
  roles.map((role) => (role.key === key ? { ...role, permissions } : role));

describe("GRD-1: the permissions gained must be held by the actor", () => {
  it.each([
    ["owner", ["*"], true],
    ["owner", [...reservedPermissions], true],
    ["owner", reservedPermissions.slice(1), false],
    ["owner", [], false],
    ["helpdesk", ["users.manage"], true],
    ["helpdesk", ["users.manage:own-teams"], false],
    ["helpdesk", ["tokens.manage"], false],
    ["billing", ["users.manage"], false],
    ["billing", ["tokens.manage"], true],
    ["editor", [], true],
  ])("%s by somebody who holds %j: %s", (key, authority, granted) => {
    for (const draft of [aDraft({ doc: named.text(key) }), aDraft({ doc: named.entry(key) })]) {
      const outcome = ask(rules, null, draft, { authority });
      if (granted) expect(decided(outcome).role.key).toBe(key);
      else expect(refused(outcome)).toMatchObject({ code: "promotionRefused", rule: "GRD-4" });
    }
  });

  it("needs no authority for a step down within what the same source was granted", () => {
    const before = somebody(rules, { doc: named.text("owner") });
    const { decision, state } = change(rules, before, { doc: named.text("billing") });
    expect([decision.role.key, decision.roleSource]).toEqual(["billing", "words"]);
    expect(state.grants).toEqual([{ role: "billing", source: "words", permissions: ["tokens.manage"] }]);
    // … and there is no way up again.
    expect(refused(ask(rules, state, draftOf(state, { doc: named.text("owner") }))).code).toBe("promotionRefused");
  });

  it("lets no other source inherit what one source was granted: it would outlive it", () => {
    const before = somebody(rules, { bindings: [boundTo("owner")] });
    const planted = change(rules, before, { doc: named.text("owner") });
    expect([planted.decision.role.key, planted.decision.roleSource]).toEqual([
      "owner",
      "group:externalId:owner|group owner",
    ]);
    expect(withheldOf(planted.decision)).toEqual(["owner by words"]);
    const out = change(rules, planted.state, { bindings: [] }, { direct: false });
    expect([out.decision.role.key, out.state.grants]).toEqual(["user", []]);
  });
});

describe("GRD-2: the guard judges the result, as if active and started", () => {
  it.each([
    ["role", { doc: named.text("owner") }],
    ["roles[]", { doc: named.entry("user", "owner") }],
    ["a pin", { rolePin: "owner" }],
    ["a role named while deactivated", { doc: aDoc({ active: false, roles: [{ value: "owner" }] }) }],
    ["a role named before the start date", { doc: aDoc({}, { role: "owner", startDate: "2027-01-01T00:00:00Z" }) }],
    ["a role named after the end date", { doc: aDoc({}, { role: "owner", endDate: "2025-01-01T00:00:00Z" }) }],
    ["a role named while stopped by an Admin", { suspended: true, doc: named.text("owner") }],
    ["a role named while invited", { accepted: false, doc: named.text("owner") }],
  ])("refuses %s", (_name, draft) => {
    expect(refused(ask(rules, null, aDraft(draft))).code).toBe("promotionRefused");
  });

  it.each([
    ["a membership or a nesting", { bindings: [boundTo("owner")] }, "owner by group:externalId:owner|group owner"],
    ["an attribute that begins to match a rule", { doc: aDoc({ title: "Chief" }) }, "owner by rule:chiefs"],
    ["the same, deactivated", { doc: aDoc({ title: "Chief", active: false }) }, "owner by rule:chiefs"],
    [
      "the same, not started",
      { doc: aDoc({ title: "Chief" }, { startDate: "2027-01-01T00:00:00Z" }) },
      "owner by rule:chiefs",
    ],
  ])("withholds what follows from %s", (_name, draft, request) => {
    const before = newcomer(rules);
    const { decision } = change(rules, before, draft, { direct: "doc" in draft });
    expect(decision.role.key).toBe("user");
    expect(withheldOf(decision)).toEqual([request]);
  });

  it("withholds what is planted under one catalogue when another makes it administrative", () => {
    const planted = newcomer(rules, { doc: named.entry("wizard") });
    const next = someRules({ version: 2, roles: [...roles, { ...roles[0], key: "wizard", name: "Wizard" }] });
    const { decision, state } = reconcile(next, planted);
    expect([decision.role.key, ...withheldOf(decision)]).toEqual(["user", "wizard by words"]);
    expect(decided(ask(next, state, draftOf(state, { doc: { ...state.doc, title: "x" } }))).role.key).toBe("user");
  });

  it("withholds what is planted in a group when a mapping comes by", () => {
    const before = newcomer(someRules(), { bindings: [] });
    const { decision } = change(rules, before, { bindings: [boundTo("owner")] }, { direct: false });
    expect([decision.role.key, ...withheldOf(decision)]).toEqual([
      "user",
      "owner by group:externalId:owner|group owner",
    ]);
  });

  it.each([
    ["words", { doc: named.text("owner") }],
    ["a pin", { rolePin: "owner" }],
    ["a group", { bindings: [boundTo("owner")] }],
    ["a rule", { doc: aDoc({ title: "Chief" }) }],
  ])("gives a former Admin by %s nothing back on reactivation, and asks an Admin anew", (_name, draft) => {
    const former = change(rules, somebody(rules, draft), inactive(somebody(rules, draft))).state;
    expect([former.role, former.grants, former.administrative]).toEqual(["user", [], false]);
    const { decision } = change(rules, former, active(former));
    expect([decision.status, decision.role.key, decision.withheld.length]).toEqual(["active", "user", 1]);
    const byAdmin = change(rules, former, active(former), admin);
    expect(byAdmin.decision.role.key).toBe("owner");
  });

  it("gives nothing back when an end date that has passed is moved, whether or not a job came by", () => {
    const ends = (endDate: string) => ({ doc: aDoc({}, { role: "owner", endDate }) });
    const before = somebody(rules, ends("2026-03-02T00:00:00Z"));
    const later = { now: new Date("2026-03-03T00:00:00Z") };
    const extended = change(rules, before, ends("2026-09-01T00:00:00Z"), later);
    expect([extended.decision.status, extended.decision.role.key, extended.state.grants]).toEqual([
      "active",
      "user",
      [],
    ]);
    const byJob = reconcile(rules, before, later);
    expect([byJob.decision.status, byJob.state.grants]).toEqual(["inactive", []]);
    expect(change(rules, byJob.state, ends("2026-09-01T00:00:00Z"), later).decision.role.key).toBe("user");
  });

  it("keeps what an Admin granted to somebody who has yet to start", () => {
    const draft = { doc: aDoc({}, { role: "owner", startDate: "2026-04-01T00:00:00Z" }) };
    const waiting = somebody(rules, draft);
    expect([waiting.status, waiting.grants.length]).toEqual(["inactive", 1]);
    const { decision } = reconcile(rules, waiting, { now: new Date("2026-04-02T00:00:00Z") });
    expect([decision.status, decision.role.key]).toEqual(["active", "owner"]);
  });

  it("keeps what an Admin granted by name to somebody inactive: it was judged as if they were active", () => {
    const before = newcomer(rules, { doc: aDoc({ active: false }) });
    const pinned = change(rules, before, { rolePin: "owner" }, { ...admin, asserted: new Set(["pin"]) });
    expect(pinned.state).toMatchObject({ status: "inactive", role: "owner" });
    expect(change(rules, pinned.state, { doc: aDoc({ active: false, title: "x" }) }).state.grants).toHaveLength(1);
    expect(change(rules, pinned.state, active(pinned.state)).decision.role.key).toBe("owner");
    expect(
      refused(ask(rules, before, draftOf(before, { rolePin: "owner" }), { asserted: new Set(["pin"]) })).code,
    ).toBe("promotionRefused");
  });
});

describe("GRD-4: named in the request, or following from it", () => {
  it("refuses what is named, with the user, the role and what an Admin can do, and keeps the wish", () => {
    const refusal = refused(ask(rules, newcomer(rules), aDraft({ doc: named.entry("OWNER") })));
    expect(refusal.detail).toContain("ada@example.com");
    expect(refusal.detail).toContain('"Owner"');
    expect(refusal.detail).toContain("Admin can approve");
    expect(refusal.wish).toMatchObject({ kind: "role", role: "owner", sources: ["words"] });
  });

  it("withholds what is named where the setting says so: the words are stored, the gain is not", () => {
    const lenient = someRules({ settings: { onUnauthorizedPromotion: "withhold" } });
    const { decision, state } = change(lenient, newcomer(lenient), { doc: named.text("owner") });
    expect([decision.role.key, ...withheldOf(decision)]).toEqual(["user", "owner by words"]);
    expect(state.doc).toEqual(named.text("owner"));
    expect(change(lenient, state, { doc: { ...state.doc, title: "x" } }).decision.withheld).toEqual([]);
  });

  it("gives what the other sources give, with the withheld candidate removed", () => {
    const draft = { bindings: [boundTo("owner"), boundTo("editor")] };
    const { decision } = change(rules, newcomer(rules), draft, { direct: false });
    expect([decision.role.key, ...withheldOf(decision)]).toEqual([
      "editor",
      "owner by group:externalId:owner|group owner",
    ]);
  });

  it("withholds several candidates, each as a request of its own", () => {
    const draft = { bindings: [boundTo("owner"), boundTo("helpdesk")], doc: aDoc({ title: "Chief" }) };
    const { decision } = change(rules, newcomer(rules), draft, { direct: false });
    expect(withheldOf(decision)).toEqual([
      "owner by group:externalId:owner|group owner",
      "helpdesk by group:externalId:helpdesk|group helpdesk",
      "owner by rule:chiefs",
    ]);
  });

  it("tells of a withheld claim once, and of one that was hidden by a stronger one when it comes to light", () => {
    const before = somebody(rules, { bindings: [boundTo("owner")] });
    const both = change(rules, before, { bindings: [boundTo("owner"), boundTo("helpdesk")] }, { direct: false });
    expect(both.decision.withheld).toEqual([]);
    const one = change(rules, both.state, { bindings: [boundTo("helpdesk")] }, { direct: false });
    expect([one.decision.role.key, ...withheldOf(one.decision)]).toEqual([
      "user",
      "helpdesk by group:externalId:helpdesk|group helpdesk",
    ]);
    expect(change(rules, one.state, { doc: aDoc({ title: "x" }) }).decision.withheld).toEqual([]);
  });

  it("does not judge again, as if it were named, what the stored words say already", () => {
    const planted = newcomer(someRules(), { doc: named.entry("owner") });
    const { decision } = change(rules, planted, { doc: { ...planted.doc, title: "x" } });
    expect(decision.role.key).toBe("user");
  });
});

describe("GRD-5: an administrative role is backed by a grant", () => {
  it("names user, role, source and the reserved permissions", () => {
    expect(somebody(rules, { bindings: [boundTo("helpdesk")] }).grants).toEqual([
      { role: "helpdesk", source: "group:externalId:helpdesk|group helpdesk", permissions: ["users.manage"] },
    ]);
    expect(somebody(rules, { bindings: [boundTo("editor")] }).grants).toEqual([]);
  });

  it("keeps a role withheld when it is recomputed without one", () => {
    const before = { ...somebody(rules, { bindings: [boundTo("owner")] }), grants: [] };
    expect(reconcile(rules, before).decision.role.key).toBe("user");
    expect(reconcile(rules, before, { direct: true }).decision.role.key).toBe("user");
  });

  it("does not let a grant of one source or role back another", () => {
    const before = somebody(rules, { bindings: [boundTo("owner")] });
    const moved = change(rules, before, { bindings: [boundTo("owner", "another group")] }, { direct: false });
    expect(moved.decision.role.key).toBe("user");
    const remapped = someRules({ version: 2, groups: [{ match: { externalId: "owner" }, role: "helpdesk" }] });
    expect(reconcile(remapped, before).decision.role.key).toBe("user");
  });

  it("withholds a role that an edit of the catalogue makes administrative", () => {
    const before = newcomer(rules, { doc: named.text("lead"), bindings: [boundTo("editor")] });
    const next = someRules({ version: 2, groups: someEntries, roles: withRole("lead", "users.read", "users.manage") });
    const { decision, state } = reconcile(next, before);
    expect([decision.role.key, ...withheldOf(decision)]).toEqual(["editor", "lead by words"]);
    expect(reconcile(next, state).decision.withheld).toEqual([]);
  });

  it("withholds only what an edit adds to a role that was granted: nobody loses it, nobody gains by it", () => {
    const before = somebody(rules, { doc: named.text("helpdesk") });
    const next = someRules({
      version: 2,
      groups: someEntries,
      roles: withRole("helpdesk", "users.manage", "roles.manage"),
    });
    const { decision, state } = reconcile(next, before);
    expect([decision.role.key, ...withheldOf(decision)]).toEqual(["helpdesk", "helpdesk by words"]);
    expect(state.grants).toEqual(before.grants);
    expect(unbacked(state, next)).toEqual(["roles.manage"]);
    expect(change(next, state, { doc: { ...state.doc, title: "x" } }).decision.withheld).toEqual([]);
    const other = someRules({ version: 2, roles: withRole("helpdesk", "roles.manage") });
    expect(reconcile(other, before).decision.role.key).toBe("user");
  });

  it("ends a grant with its source, and not before", () => {
    const before = somebody(rules, { bindings: [boundTo("owner")] });
    const above = change(rules, before, { doc: named.text("editor") });
    expect([above.decision.role.key, above.state.grants.length]).toEqual(["editor", 1]);
    expect(change(rules, above.state, { doc: aDoc() }).decision.role.key).toBe("owner");
    const left = change(rules, above.state, { bindings: [] }, { direct: false });
    expect(left.state.grants).toEqual([]);
  });

  it("ends a grant when its role is administrative no more: what is added again is a gain", () => {
    const before = somebody(rules, { doc: named.text("helpdesk") });
    const harmless = someRules({ version: 2, roles: withRole("helpdesk", "users.read") });
    const { state } = reconcile(harmless, before);
    expect(state).toMatchObject({ role: "helpdesk", administrative: false, grants: [] });
    expect(reconcile(someRules({ version: 3 }), state).decision.role.key).toBe("user");
  });

  it("gives a job, which names nobody, no authority over anybody", () => {
    const before = newcomer(rules, { bindings: [boundTo("owner")] });
    expect(reconcile(rules, before, { authority: [] }).decision.role.key).toBe("user");
    // Even an Admin's unrelated edit of the person does not carry a withheld claim along.
    expect(change(rules, before, { doc: aDoc({ title: "x" }) }, admin).decision.role.key).toBe("user");
  });
});

describe("GRD-6: approvals", () => {
  it("let the next create of that role from that source through, and no other", () => {
    const approved = [{ role: "owner", source: "words" }];
    const outcome = decided(ask(rules, null, aDraft({ doc: named.text("owner") }), { approved }));
    expect([outcome.role.key, outcome.newGrant?.source]).toEqual(["owner", "words"]);
    for (const other of [{ doc: named.text("helpdesk") }, { rolePin: "owner" }]) {
      expect(refused(ask(rules, null, aDraft(other), { approved })).code).toBe("promotionRefused");
    }
    const group = ask(rules, null, aDraft({ bindings: [boundTo("owner")] }), { approved, direct: false });
    expect(decided(group).role.key).toBe("user");
  });

  it("leave nothing to step down to for somebody who leaves in the same request", () => {
    const before = somebody(rules, { doc: named.text("owner") });
    const { decision, state } = change(rules, before, { doc: aDoc({ active: false }, { role: "billing" }) });
    expect([decision.dropped.length, state.role, state.grants]).toEqual([1, "user", []]);
  });

  it("end with deactivation and with an Admin's stop", () => {
    const before = somebody(rules, { doc: named.text("owner") });
    for (const out of [inactive(before), { suspended: true }]) {
      const { decision, state } = change(rules, before, out);
      expect([decision.endedGrants.length, state.grants.length]).toEqual([1, 0]);
    }
  });
});

describe("GRD-7: the last active Admin", () => {
  const last = { otherAdmin: false };
  const before = somebody(rules, { doc: named.text("owner") });

  it("is not demoted by a request of their own", () => {
    for (const draft of [
      { doc: named.text("editor") },
      { doc: aDoc() },
      { rolePin: "user" },
      { rolePin: "helpdesk" },
    ]) {
      const outcome = ask(rules, before, draftOf(before, draft), { ...last, ...admin, asserted: new Set(["pin"]) });
      expect(refused(outcome)).toMatchObject({ code: "lastAdmin", rule: "GRD-7" });
    }
    expect(ask(rules, before, draftOf(before, { rolePin: "user" }), { otherAdmin: undefined }).kind).toBe("askAdmins");
  });

  it("keeps the role where a group, a rule or the mapping takes it away, until there is another", () => {
    const member = somebody(rules, { bindings: [boundTo("owner")] });
    const { decision, state } = change(rules, member, { bindings: [] }, { direct: false, ...last });
    expect([decision.role.key, decision.kept, state.roleSource]).toEqual(["owner", true, "kept"]);
    const again = reconcile(rules, state, last);
    expect([again.decision.role.key, again.decision.newGrant, again.decision.endedGrants]).toEqual(["owner", null, []]);
    const relieved = reconcile(rules, state, { otherAdmin: true });
    expect([relieved.decision.role.key, relieved.state.grants]).toEqual(["user", []]);
  });

  it("may leave at once: deactivated, stopped, or past the end date", () => {
    for (const draft of [
      inactive(before),
      { suspended: true },
      { doc: aDoc({}, { role: "owner", endDate: "2026-01-01T00:00:00Z" }) },
    ]) {
      expect(decided(ask(rules, before, draftOf(before, draft), last)).status).toBe("inactive");
    }
  });

  it("is whoever holds every reserved permission by grant, not by a role that was widened since", () => {
    const widened = someRules({ version: 2, roles: withRole("helpdesk", "*") });
    const helper = { ...somebody(rules, { doc: named.text("helpdesk") }), decidedVersion: 2 };
    expect(isFullAdmin(widened.role.get("helpdesk")!)).toBe(true);
    expect(decided(ask(widened, helper, draftOf(helper, { doc: aDoc() }), last)).role.key).toBe("user");
  });
});

describe("GRD-8: the sign-in identity of an administrator", () => {
  const changes = [
    ["userName", { userName: "eve@example.com" }],
    ["e-mails", { emails: [{ value: "eve@example.com" }] }],
    ["externalId", { externalId: "4711" }],
  ] as const;

  it.each(changes)("%s: changes only with an Admin's authority", (_name, words) => {
    for (const key of ["owner", "helpdesk"]) {
      const before = somebody(rules, { doc: named.text(key) });
      const draft = draftOf(before, { doc: { ...before.doc, ...words } });
      const refusal = refused(ask(rules, before, draft));
      expect(refusal).toMatchObject({
        code: "identityProtected",
        rule: "GRD-8",
        wish: { kind: "identity", role: key },
      });
      expect(decided(ask(rules, before, draft, admin)).draft.doc).toMatchObject(words);
      if (key === "owner")
        expect(refused(ask(rules, before, draft, { authority: ["users.manage"] })).rule).toBe("GRD-8");
    }
  });

  it.each(changes)("%s: protected, too, of somebody who on reactivation would be one", (_name, words) => {
    for (const draft of [{ doc: named.text("owner") }, { rolePin: "owner" }, { bindings: [boundTo("owner")] }]) {
      const was = somebody(rules, draft);
      const before = change(rules, was, inactive(was)).state;
      expect(refused(ask(rules, before, draftOf(before, { doc: { ...before.doc, ...words } }))).rule).toBe("GRD-8");
      const starts = somebody(rules, { ...draft, doc: { ...was.doc, active: true } });
      expect(refused(ask(rules, starts, draftOf(starts, { doc: { ...starts.doc, ...words } }))).rule).toBe("GRD-8");
    }
  });

  it.each(changes)("%s: free for everybody else", (_name, words) => {
    for (const draft of [{}, { doc: named.text("lead") }, { bindings: [boundTo("owner")] }]) {
      const before = newcomer(rules, draft);
      expect(
        decided(ask(rules, before, draftOf(before, { doc: { ...before.doc, ...words } }))).draft.doc,
      ).toMatchObject(words);
    }
  });

  describe("a password", () => {
    const changes = [
      ["set", { hash: "$scrypt$" }],
      ["removed", { hash: null }],
    ] as const;

    it.each(changes)("%s: only with an Admin's authority", (_name, password) => {
      for (const key of ["owner", "helpdesk"]) {
        const before = somebody(rules, { doc: named.text(key) });
        const refusal = refused(ask(rules, before, draftOf(before, { password })));
        expect(refusal).toMatchObject({
          code: "identityProtected",
          rule: "GRD-8",
          wish: { kind: "identity", role: key },
        });
        expect(JSON.stringify(refusal)).not.toContain("scrypt");
        expect(decided(ask(rules, before, draftOf(before, { password }), admin)).draft.password).toEqual(password);
      }
      const was = somebody(rules, { doc: named.text("owner") });
      const out = change(rules, was, inactive(was)).state;
      expect(refused(ask(rules, out, draftOf(out, { password }))).rule).toBe("GRD-8");
    });

    it.each(changes)("%s: free for everybody else", (_name, password) => {
      for (const draft of [{}, { doc: named.text("lead") }, { bindings: [boundTo("owner")] }]) {
        const before = newcomer(rules, draft);
        expect(decided(ask(rules, before, draftOf(before, { password }))).draft.password).toEqual(password);
      }
    });

    it("of a new administrator waits for an Admin by itself, where only the role was approved", () => {
      const draft = aDraft({ doc: named.text("owner"), password: { hash: "$scrypt$" } });
      expect(refused(ask(rules, null, draft)).rule).toBe("GRD-4");
      const approved = { approved: [{ role: "owner", source: "words" }] };
      const decision = decided(ask(rules, null, draft, approved));
      expect(decision.role.key).toBe("owner");
      expect(decision.draft).not.toHaveProperty("password");
      expect(decision.dropped).toMatchObject([{ rule: "GRD-8", refused: draft, wish: { kind: "identity" } }]);
      expect(decided(ask(rules, null, draft, admin))).toMatchObject({
        draft: { password: draft.password },
        dropped: [],
      });
      const withheld = decided(ask(rules, null, draft, { direct: false }));
      expect(withheld).toMatchObject({ role: { key: "user" }, draft: { password: draft.password }, dropped: [] });
    });
  });

  it("compares names without letter case, and e-mails as a set", () => {
    const emails = [{ value: "a@example.com", primary: true }, { value: "b@example.com" }];
    const before = somebody(rules, { doc: aDoc({ emails, roles: [{ value: "owner" }] }) });
    const same = { userName: "ADA@example.com", emails: [{ value: "B@example.com" }, { value: "A@EXAMPLE.com" }] };
    expect(decided(ask(rules, before, draftOf(before, { doc: { ...before.doc, ...same } }))).role.key).toBe("owner");
  });
});

describe("GRD: whatever is asked, in whatever order", () => {
  const someChange = fc.record({
    draft: fc.record({ doc: someDoc, bindings: someBindings, suspended: fc.boolean() }, { requiredKeys: [] }),
    days: fc.integer({ min: 0, max: 40 }),
    direct: fc.boolean(),
  });
  const start = fc.tuple(someDraft, someAuthority);

  it("no role in effect holds a reserved permission that no grant backs", () => {
    fc.assert(
      fc.property(start, fc.array(fc.tuple(someChange, someAuthority), { maxLength: 6 }), ([draft, first], steps) => {
        let state = stored(null, decided(ask(rules, null, draft, { direct: false, authority: first })), rules);
        for (const [{ draft: next, days, direct }, authority] of steps) {
          const at = { now: new Date(now.getTime() + days * 86_400_000), direct, authority };
          const outcome = ask(rules, state, draftOf(state, next), at);
          if (outcome.kind === "decided") state = stored(state, outcome, rules, at.now);
          expect(unbacked(state, rules)).toEqual([]);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("without authority nobody gains a reserved permission, and no grant appears", () => {
    fc.assert(
      fc.property(start, fc.array(someChange, { maxLength: 6 }), ([draft, first], steps) => {
        let state = stored(null, decided(ask(rules, null, draft, { direct: false, authority: first })), rules);
        const ever = new Set(state.grants.map((grant) => `${grant.source} ${grant.permissions.join()}`));
        for (const { draft: next, days, direct } of steps) {
          const at = { now: new Date(now.getTime() + days * 86_400_000), direct };
          const outcome = ask(rules, state, draftOf(state, next), at);
          if (outcome.kind !== "decided") continue;
          const { newGrant } = outcome;
          if (newGrant !== null) {
            // Only a step down within the same source.
            const before = state.grants.filter((grant) => grant.source === newGrant.source);
            expect(
              missing(
                before.flatMap((grant) => grant.permissions),
                newGrant.permissions,
              ),
            ).toEqual([]);
          }
          state = stored(state, outcome, rules, at.now);
        }
        if (ever.size === 0) expect(isAdministrative(rules.role.get(state.role)!)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it("deciding again what was just decided changes nothing and asks for nothing", () => {
    fc.assert(
      fc.property(start, ([draft, authority]) => {
        const state = stored(null, decided(ask(rules, null, draft, { direct: false, authority })), rules);
        const { decision } = reconcile(rules, state);
        expect(decision).toMatchObject({ newGrant: null, endedGrants: [], withheld: [], kept: false, dropped: [] });
        expect([decision.role.key, decision.roleSource, decision.tier, decision.status]).toEqual([
          state.role,
          state.roleSource,
          state.tier,
          state.status,
        ]);
      }),
    );
  });

  it("a grant never comes without the authority that it names", () => {
    fc.assert(
      fc.property(someDraft, someAuthority, (draft, authority) => {
        const { newGrant } = decided(ask(rules, null, draft, { direct: false, authority }));
        if (newGrant !== null) expect(missing(authority, newGrant.permissions)).toEqual([]);
      }),
    );
  });
});

describe("GRD-4: entries of a mapping", () => {
  it("are told apart by what they match, so that a request names its entry and group", () => {
    const twice = someRules({ groups: entriesFor("owner") });
    const draft = { bindings: [boundTo("owner", "g1"), boundTo("owner", "g2")] };
    expect(withheldOf(change(twice, newcomer(twice), draft, { direct: false }).decision)).toEqual([
      "owner by group:externalId:owner|g1",
      "owner by group:externalId:owner|g2",
    ]);
  });
});
