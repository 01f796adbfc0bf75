/** USR: people, their words and their status. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { identityOf, primaryEmail, sameIdentity } from "../../src/domain/identity.ts";
import { activeTime, decideStatus, isOut } from "../../src/domain/lifecycle.ts";
import { toUserDoc } from "../../src/scim/validate.ts";
import { normaliseName } from "../../src/vocabulary/names.ts";
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
  refused,
  somebody,
  someDoc,
  someDraft,
  someRules,
} from "./facts.ts";

const mails = (...values: string[]) => ({ emails: values.map((value) => ({ value })) });

describe("USR-1: the status is the decision", () => {
  it.each([
    ["the client says so, and nothing speaks against it", {}, "active"],
    ["active: false", { doc: aDoc({ active: false }) }, "inactive"],
    ["stopped by an Admin", { suspended: true }, "inactive"],
    ["stopped by an Admin, whatever the client says", { suspended: true, doc: aDoc({ active: true }) }, "inactive"],
    ["before the start date", { doc: aDoc({}, { startDate: "2026-03-01T12:00:01Z" }) }, "inactive"],
    ["from the start date on", { doc: aDoc({}, { startDate: "2026-03-01T12:00:00Z" }) }, "active"],
    ["before the end date", { doc: aDoc({}, { endDate: "2026-03-01T12:00:01Z" }) }, "active"],
    ["from the end date on", { doc: aDoc({}, { endDate: "2026-03-01T12:00:00Z" }) }, "inactive"],
    [
      "past the end date, whatever the client says",
      { doc: aDoc({ active: true }, { endDate: "2026-01-01T00:00:00Z" }) },
      "inactive",
    ],
    ["invited", { accepted: false, invitationExpiresAt: "2026-03-02T00:00:00Z" }, "pending"],
    ["invited without end", { accepted: false }, "pending"],
    [
      "invited, and the invitation has expired",
      { accepted: false, invitationExpiresAt: "2026-03-01T00:00:00Z" },
      "inactive",
    ],
    ["invited and deactivated", { accepted: false, doc: aDoc({ active: false }) }, "inactive"],
  ] as const)("%s", (_name, facts, expected) => {
    expect(decideStatus(aDraft(facts), now)).toBe(expected);
  });

  it("an Admin's stop is not undone by the client's active: true", () => {
    const rules = someRules();
    const stopped = newcomer(rules, { suspended: true });
    for (const active of [false, true]) {
      expect(change(rules, stopped, { doc: aDoc({ active }) }).decision.status).toBe("inactive");
    }
    expect(change(rules, stopped, { suspended: false }).decision.status).toBe("active");
  });

  it("somebody who has yet to start is not out; whoever is out is inactive", () => {
    expect(isOut(aDraft({ doc: aDoc({}, { startDate: "2027-01-01T00:00:00Z" }) }), now)).toBe(false);
    fc.assert(
      fc.property(someDraft, (draft) => {
        if (isOut(draft, now)) expect(decideStatus(draft, now)).toBe("inactive");
      }),
    );
  });
});

describe("USR-2: names", () => {
  it.each([
    ["ADA@example.com", "ada@example.com"],
    ["ａｄａ@example.com", "ada@example.com"],
    ["Ada Ⅳ", "ada iv"],
    ["e\u0301va", "\u00e9va"],
  ])("%s compares as %s", (written, compared) => {
    expect(normaliseName(written)).toBe(compared);
  });

  it("that only look alike are different names", () => {
    expect(normaliseName("аda")).not.toBe(normaliseName("ada"));
    expect(normaliseName("ada ")).not.toBe(normaliseName("ada"));
  });
});

describe("USR-3, ID-1: externalId and e-mail never address anybody", () => {
  it("they are part of what somebody signs in with, compared and never looked up", () => {
    const one = identityOf(aDoc({ externalId: "1", ...mails("A@x.org", "b@x.org") }));
    expect(one).toEqual({ userName: "ada@example.com", externalId: "1", emails: ["a@x.org", "b@x.org"] });
    expect(sameIdentity(one, identityOf(aDoc({ externalId: "1", ...mails("B@x.org", "a@x.org") })))).toBe(true);
    for (const other of [
      { externalId: "01" },
      { externalId: "1", ...mails("a@x.org") },
      { userName: "eve", externalId: "1" },
    ]) {
      expect(sameIdentity(one, identityOf(aDoc({ ...mails("A@x.org", "b@x.org"), ...other })))).toBe(false);
    }
  });

  it("an unknown manager reference is the client's text", () => {
    const manager = { "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { manager: { value: "nobody" } } };
    expect(decided(ask(someRules(), null, aDraft({ doc: aDoc(manager) }))).draft.doc).toMatchObject(manager);
  });
});

describe("USR-4: emailImmutable", () => {
  const rules = someRules({ settings: { emailImmutable: true } });
  const before = newcomer(rules, { doc: aDoc(mails("ada@x.org", "second@x.org")) });
  const becomes = (words: object) =>
    ask(rules, before, draftOf(before, { doc: aDoc(words as Record<string, unknown>) }));

  it.each([
    ["another primary address", mails("eve@x.org")],
    ["another order", mails("second@x.org", "ada@x.org")],
    ["another one marked primary", { emails: [{ value: "ada@x.org" }, { value: "second@x.org", primary: true }] }],
    ["none", {}],
  ])("refuses %s", (_name, words) => {
    expect(refused(becomes(words))).toMatchObject({
      code: "mutability",
      rule: "USR-4",
      facts: { attribute: "emails" },
    });
  });

  it.each([
    ["the same in another letter case", mails("ADA@x.org", "second@x.org")],
    ["further addresses", mails("ada@x.org", "third@x.org")],
    ["a userName", { userName: "eve", ...mails("ada@x.org") }],
  ])("takes %s", (_name, words) => {
    expect(becomes(words).kind).toBe("decided");
  });

  it("takes a first address, and everything where it is off", () => {
    const without = newcomer(rules);
    expect(ask(rules, without, draftOf(without, { doc: aDoc(mails("ada@x.org")) })).kind).toBe("decided");
    expect(ask(someRules(), before, draftOf(before, { doc: aDoc(mails("eve@x.org")) })).kind).toBe("decided");
    expect(primaryEmail(aDoc({ emails: [{ value: "a" }, { value: "b", primary: true }] }))).toBe("b");
  });
});

describe("USR-5: verified domains", () => {
  it("requireDomain: nobody comes before one is verified; whoever is there stays", () => {
    const none = someRules({ settings: { requireDomain: true } });
    expect(refused(ask(none, null, aDraft()))).toMatchObject({ code: "domainRequired", rule: "USR-5" });
    const before = newcomer(none);
    expect(ask(none, before, draftOf(before, { doc: aDoc({ title: "x" }) })).kind).toBe("decided");
    const one = someRules({ settings: { requireDomain: true }, domains: ["other.org"] });
    expect(ask(one, null, aDraft()).kind).toBe("decided");
  });

  const rules = someRules({ settings: { restrictDomains: true }, domains: ["example.com"] });

  it.each([
    ["an e-mail outside", aDoc({ userName: "ada", ...mails("ada@other.org") })],
    ["a second e-mail outside", aDoc(mails("ada@example.com", "ada@other.org"))],
    ["a userName outside", aDoc({ userName: "ada@other.org", ...mails("ada@example.com") })],
    ["a subdomain", aDoc({ userName: "ada@mail.example.com" })],
    ["a name that ends alike", aDoc({ userName: "ada@badexample.com" })],
    ["the domain in the local part", aDoc({ userName: "ada@example.com@other.org" })],
    ["no address at all", aDoc({ userName: "ada" })],
  ])("restrictDomains refuses %s", (_name, doc) => {
    expect(refused(ask(rules, null, aDraft({ doc })))).toMatchObject({ code: "domainRequired", rule: "USR-5" });
  });

  it.each([
    ["a userName within", aDoc()],
    ["another letter case", aDoc({ userName: "ADA@EXAMPLE.COM" })],
    ["a name without @ beside an e-mail within", aDoc({ userName: "ada", ...mails("ada@example.com") })],
  ])("restrictDomains takes %s", (_name, doc) => {
    expect(ask(rules, null, aDraft({ doc })).kind).toBe("decided");
  });

  it("restrictDomains judges what changes: an address outside that was there may stay, not be joined by another", () => {
    const before = newcomer(rules, { doc: aDoc({ userName: "ada@old.org" }) });
    expect(ask(rules, before, draftOf(before, { doc: aDoc({ userName: "ada@old.org", title: "x" }) })).kind).toBe(
      "decided",
    );
    expect(refused(ask(rules, before, draftOf(before, { doc: aDoc({ userName: "eve@old.org" }) }))).rule).toBe("USR-5");
    expect(refused(ask(rules, before, draftOf(before, { doc: aDoc({ userName: "ada" }) }))).rule).toBe("USR-5");
  });
});

describe("USR-7: dates", () => {
  it.each([
    ["2026-03-01T13:00:00+01:00", "2026-03-01T12:00:00.000Z"],
    ["2026-03-01T12:00:00Z", "2026-03-01T12:00:00.000Z"],
  ])("%s is %s", (written, utc) => {
    expect(activeTime(aDoc({}, { startDate: written }))).toMatchObject({
      startsAt: expect.stringMatching(utc.slice(0, 19)),
    });
  });

  it("no date is no bound", () => {
    expect(activeTime(aDoc())).toEqual({ startsAt: null, endsAt: null });
  });
});

describe("USR-8: an absent active", () => {
  it("is true on POST and unchanged on PUT", () => {
    const body = { schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"], userName: "ada" };
    expect(toUserDoc(body, { active: true }).active).toBe(true);
    expect(toUserDoc(body, { active: false, id: "x" }).active).toBe(false);
    expect(toUserDoc({ ...body, active: false }, { active: true }).active).toBe(false);
    expect(toUserDoc({ ...body, active: "False" }, { active: true }).active).toBe(false);
  });
});

describe("USR-9: leavers must be out", () => {
  const rules = someRules({
    groups: entriesFor("owner"),
    settings: { unknownRoles: "refuse", emailImmutable: true, restrictDomains: true },
    domains: ["example.com"],
  });
  const before = newcomer(rules, { doc: aDoc(mails("ada@example.com")) });

  it("drops what is refused, one after the other, keeps the rest, and says what it dropped", () => {
    const doc = aDoc(
      {
        active: false,
        title: "Gone",
        userName: "eve@other.org",
        roles: [{ value: "wizard" }],
        ...mails("eve@other.org"),
      },
      { role: "owner", licenseTier: "gold", company: "Acme" },
    );
    const { decision } = change(rules, before, { doc });
    expect(decision.status).toBe("inactive");
    expect(decision.draft.doc).toEqual(
      aDoc({ active: false, title: "Gone", ...mails("ada@example.com") }, { company: "Acme" }),
    );
    expect(decision.dropped.map(({ rule }) => rule).sort()).toEqual(["GRD-4", "LIC-10", "ROL-3", "USR-4", "USR-5"]);
  });

  it("holds for an administrator, even the last, whose identity the request would change", () => {
    const chief = somebody(rules, { doc: aDoc(mails("ada@example.com")), rolePin: "owner" });
    const doc = { ...chief.doc, active: false, userName: "eve@example.com" };
    const { decision } = change(rules, chief, { doc }, { otherAdmin: false });
    expect([decision.status, decision.draft.doc.userName]).toEqual(["inactive", "ada@example.com"]);
    expect(decision.dropped.map(({ rule }) => rule)).toEqual(["GRD-8"]);
  });

  it("keeps what it dropped as it was asked for, so that an Admin decides on that", () => {
    const chief = somebody(rules, { doc: aDoc(mails("ada@example.com")), rolePin: "owner" });
    const draft = { doc: { ...chief.doc, active: false, userName: "eve@example.com" }, password: { hash: "$scrypt$" } };
    const { decision } = change(rules, chief, draft, { otherAdmin: false });
    expect(decision.draft).not.toHaveProperty("password");
    expect(decision.dropped).toMatchObject([{ rule: "GRD-8", refused: draft }]);
    const clerk = newcomer(rules, { doc: aDoc(mails("ada@example.com")) });
    const left = change(rules, clerk, { ...draft, doc: { ...clerk.doc, active: false } }).decision;
    expect([left.status, left.draft.password, left.dropped]).toEqual(["inactive", draft.password, []]);
  });

  it("holds for an Admin's stop and for an end date", () => {
    const byDate = aDoc(mails("ada@example.com"), { role: "owner", endDate: "2026-01-01T00:00:00Z" });
    for (const draft of [{ suspended: true, rolePin: "owner" }, { doc: byDate }]) {
      const { decision } = change(rules, before, draft, { asserted: new Set(["pin"]) });
      expect([decision.status, decision.dropped.length]).toEqual(["inactive", 1]);
    }
  });

  it("does not let anything else through that a rule refuses", () => {
    expect(
      refused(ask(rules, before, draftOf(before, { doc: { ...before.doc, roles: [{ value: "owner" }] } }))).rule,
    ).toBe("GRD-4");
    const out = change(rules, before, { doc: { ...before.doc, active: false } }).state;
    const again = { ...before.doc, active: false, roles: [{ value: "owner" }] };
    expect(refused(ask(rules, out, draftOf(out, { doc: again }))).rule).toBe("GRD-4");
  });

  it("never refuses a leaver, whatever else the request says", () => {
    fc.assert(
      fc.property(
        someDraft,
        someDoc,
        fc.constantFrom(...["ada@example.com", "eve@other.org", "eve"]),
        (draft, doc, userName) => {
          const state = somebody(rules, { ...draft, doc: { ...draft.doc, active: true } }, { direct: false });
          const outcome = ask(rules, state, draftOf(state, { doc: { ...doc, userName, active: false } }), {
            otherAdmin: false,
          });
          expect(decided(outcome).status).toBe("inactive");
          expect(decided(outcome).newGrant).toBeNull();
        },
      ),
    );
  });

  it("gives a leaver nothing by what it drops", () => {
    const member = newcomer(rules, { bindings: [boundTo("owner")] });
    const { decision } = change(rules, member, { doc: { ...named.text("owner"), active: false } });
    expect([decision.role.key, decision.newGrant]).toEqual(["user", null]);
  });
});
