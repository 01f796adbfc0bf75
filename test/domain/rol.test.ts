/** ROL: which role a person holds, and where it comes from. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { roleCandidates, tierCandidates } from "../../src/domain/access.ts";
import { evaluateAccess } from "../../src/domain/evaluation.ts";
import { isAdministrative } from "../../src/domain/permissions.ts";
import { checkWords } from "../../src/domain/refusals.ts";
import { findNamed, wishedRole } from "../../src/domain/words.ts";
import {
  aDoc,
  aDraft,
  ask,
  boundTo,
  change,
  decided,
  entriesFor,
  named,
  newcomer,
  now,
  personOf,
  refused,
  roles,
  someBindings,
  somebody,
  someDraft,
  someEntries,
  someRules,
} from "./facts.ts";

const wish = (doc: Parameters<typeof wishedRole>[0]) => wishedRole(doc, roles, "user").value?.key ?? null;
const roleOf = (rules: ReturnType<typeof someRules>, draft: Parameters<typeof aDraft>[0]) =>
  somebody(rules, draft).role;

describe("ROL-1: one role of the tenant's catalogue", () => {
  it("is found by key and by display name, one namespace without letter case", () => {
    expect(findNamed(roles, "owner")?.key).toBe("owner");
    expect(findNamed(roles, "OWNER")?.key).toBe("owner");
    expect(findNamed(roles, "team lead")?.key).toBe("lead");
    expect(findNamed(roles, "Ｔｅａｍ Lead")?.key).toBe("lead");
    for (const other of ["", "own", "owner ", "team-lead", "owners"])
      expect(findNamed(roles, other), other).toBeUndefined();
  });

  it("is exactly one, whatever a client and an Admin ask for", () => {
    const rules = someRules({ groups: someEntries });
    fc.assert(
      fc.property(someDraft, (draft) => {
        const decision = decided(ask(rules, null, draft, { direct: false }));
        expect(rules.role.get(decision.role.key)).toBe(decision.role);
      }),
    );
  });
});

describe("ROL-2: strongest source first", () => {
  const rules = someRules({
    groups: entriesFor("editor", "lead", "standard", "pro"),
    rules: [
      { name: "clerks", when: 'title eq "Clerk"', role: "editor", tier: "viewer" },
      { name: "also clerks", when: 'title co "Cler"', role: "lead", tier: "pro" },
    ],
    defaults: { tier: "viewer" },
  });
  const clerk = aDoc({ title: "Clerk" });

  it.each([
    ["a pin before the client's words", { rolePin: "user", doc: named.text("lead") }, "user", "pin"],
    [
      "the client's words before a group",
      { doc: named.entry("editor"), bindings: [boundTo("lead")] },
      "editor",
      "words",
    ],
    [
      "of groups the highest rank",
      { bindings: [boundTo("editor"), boundTo("lead")] },
      "lead",
      "group:externalId:lead|group lead",
    ],
    ["a group before a rule", { doc: clerk, bindings: [boundTo("lead")] }, "lead", "group:externalId:lead|group lead"],
    ["of rules the first that matches", { doc: clerk }, "editor", "rule:clerks"],
    ["the tenant's default where nothing asks", {}, "user", "default"],
    ["the default where no rule matches", { doc: aDoc({ title: "Boss" }) }, "user", "default"],
  ])("takes %s", (_name, draft, role, source) => {
    expect(somebody(rules, draft)).toMatchObject({ role, roleSource: source });
  });

  it.each([
    [
      "a pin to a tier",
      { tierPin: { pinned: true, value: "viewer" } as const, bindings: [boundTo("pro")] },
      "viewer",
      "pin",
    ],
    ["a pin to no tier", { tierPin: { pinned: true, value: null } as const, bindings: [boundTo("pro")] }, null, "pin"],
    [
      "licenseTier before a group",
      { doc: aDoc({}, { licenseTier: "standard" }), bindings: [boundTo("pro")] },
      "standard",
      "words",
    ],
    [
      "of groups the highest tier",
      { bindings: [boundTo("standard"), boundTo("pro")] },
      "pro",
      "group:externalId:pro|group pro",
    ],
    ["of rules the first that matches", { doc: clerk }, "viewer", "rule:clerks"],
    ["the default tier", {}, "viewer", "default"],
  ])("does likewise for tiers: %s", (_name, draft, tier, source) => {
    expect(somebody(rules, draft)).toMatchObject({ tier, tierSource: source });
  });

  it("ignores a binding whose entry is gone, and a rule whose role does not hold for the person", () => {
    expect(roleOf(rules, { bindings: [boundTo("owner")] })).toBe("user");
    expect(roleOf(rules, { doc: aDoc({ title: "Boss" }) })).toBe("user");
  });

  it("does not depend on the order of groups, of memberships and of entries in roles[]", () => {
    const shuffled = fc.tuple(someDraft, fc.infiniteStream(fc.double({ noNaN: true })));
    fc.assert(
      fc.property(
        shuffled,
        fc.shuffledSubarray(someEntries, { minLength: someEntries.length }),
        ([draft, order], entries) => {
          const by = <T>(list: readonly T[]) =>
            list
              .map((item) => ({ item, at: order.next().value }))
              .sort((a, b) => a.at - b.at)
              .map(({ item }) => item);
          const onlyPrimary = (list: readonly { primary?: boolean }[]) => list.map(({ primary: _, ...rest }) => rest);
          const given = onlyPrimary((draft.doc["roles"] as { primary?: boolean }[] | undefined) ?? []);
          const one = { ...draft, doc: aDoc({ ...draft.doc, roles: given }) };
          const other = { ...one, doc: aDoc({ ...one.doc, roles: by(given) }), bindings: by(one.bindings) };
          const [a, b] = [
            decided(ask(someRules({ groups: someEntries }), null, one, { direct: false, authority: ["*"] })),
            decided(ask(someRules({ groups: entries }), null, other, { direct: false, authority: ["*"] })),
          ];
          expect([b.role.key, b.roleSource, b.tier, b.tierSource]).toEqual([
            a.role.key,
            a.roleSource,
            a.tier,
            a.tierSource,
          ]);
        },
      ),
    );
  });

  it("is not moved by a weaker source", () => {
    const rules = someRules({ groups: someEntries });
    fc.assert(
      fc.property(someDraft, someBindings, (draft, more) => {
        const strongest = roleCandidates(draft, rules)[0]!;
        fc.pre(strongest.kind === "pin" || strongest.kind === "words");
        const wider = { ...draft, bindings: [...draft.bindings, ...more] };
        expect(roleCandidates(wider, rules)[0]).toEqual(strongest);
        const tier = tierCandidates(draft, rules)[0]!;
        if (tier.kind === "pin" || tier.kind === "words") expect(tierCandidates(wider, rules)[0]).toEqual(tier);
      }),
    );
  });
});

describe("ROL-3: named in the client's words", () => {
  it.each([
    ["role, by key", named.text("editor"), "editor"],
    ["role, by display name in another letter case", named.text("TEAM LEAD"), "lead"],
    ["role before roles[]", aDoc({ roles: [{ value: "owner", primary: true }] }, { role: "editor" }), "editor"],
    [
      "role that is the default: it is a wish, unlike an entry",
      aDoc({ roles: [{ value: "lead" }] }, { role: "user" }),
      "user",
    ],
    ["an entry of roles[]", named.entry("editor"), "editor"],
    ["the primary entry", aDoc({ roles: [{ value: "lead" }, { value: "editor", primary: true }] }), "editor"],
    ["the highest rank where none is primary", named.entry("editor", "lead", "user"), "lead"],
    [
      "the highest rank where the primary one names nothing",
      aDoc({ roles: [{ value: "wizard", primary: true }, { value: "editor" }] }),
      "editor",
    ],
    [
      "another where the primary one is the default",
      aDoc({ roles: [{ value: "User", primary: true }, { value: "editor" }] }),
      "editor",
    ],
    ["no wish: an entry equal to the default (Entra's stock app role)", named.entry("User"), null],
    ["no wish: nothing that is known", named.entry("wizard"), null],
    ["no wish: an empty role", aDoc({}, { role: "" }), null],
    ["no wish: words of another shape", aDoc({ roles: ["owner", { display: "owner" }, null] }), null],
  ])("means %s", (_name, doc, expected) => {
    expect(wish(doc)).toBe(expected);
  });

  it.each(["license", "seatType", "LICENSE", "seattype"])("never means an entry typed %s (LIC-10)", (type) => {
    expect(wish(aDoc({ roles: [{ value: "owner", type }] }))).toBeNull();
    expect(
      wish(
        aDoc({
          roles: [
            { value: "owner", type },
            { value: "editor", type: "app" },
          ],
        }),
      ),
    ).toBe("editor");
  });

  it("compares with the tenant's own default, not with a name", () => {
    expect(wishedRole(named.entry("User"), roles, "editor").value?.key).toBe("user");
    expect(wishedRole(named.entry("Editor"), roles, "editor").value).toBeNull();
  });

  it("between entries of one rank depends on nothing but their keys", () => {
    const twins = [...roles, { ...roles[4], key: "author", name: "Author" }];
    for (const words of [named.entry("author", "editor"), named.entry("editor", "author")]) {
      expect(wishedRole(words, twins, "user").value?.key).toBe("author");
    }
  });

  it("refuses an unknown role, naming it and the known ones, only where the value changes", () => {
    const rules = someRules();
    const { code, detail, rule } = refused(ask(rules, null, aDraft({ doc: named.text("wizard") })));
    expect([code, rule]).toEqual(["unknownRole", "ROL-3"]);
    expect(detail).toContain('"wizard"');
    for (const { key } of roles) expect(detail).toContain(key);
    const before = newcomer(rules, { doc: named.text("wizard") });
    expect(decided(ask(rules, before, aDraft({ doc: { ...named.text("wizard"), title: "x" } }))).role.key).toBe("user");
    expect(refused(ask(rules, before, aDraft({ doc: named.text("warlock") }))).code).toBe("unknownRole");
  });

  it("keeps entries that name nothing as the client's data, usable in rules", () => {
    const rules = someRules({ rules: [{ name: "wizards", when: 'roles[value eq "wizard"]', role: "editor" }] });
    const { decision } = change(rules, newcomer(rules), { doc: named.entry("wizard") });
    expect(decision.draft.doc["roles"]).toEqual([{ value: "wizard" }]);
    expect([decision.role.key, decision.roleSource]).toEqual(["editor", "rule:wizards"]);
  });

  it("refuses them under unknownRoles: refuse, those that were there before excepted", () => {
    const rules = someRules({ settings: { unknownRoles: "refuse" } });
    expect(refused(ask(rules, null, aDraft({ doc: named.entry("editor", "wizard") }))).code).toBe("unknownRole");
    expect(decided(ask(rules, null, aDraft({ doc: named.entry("editor", "User") }))).role.key).toBe("editor");
    const typed = aDoc({ roles: [{ value: "wizard", type: "license" }] });
    expect(decided(ask(rules, null, aDraft({ doc: typed }))).role.key).toBe("user");
    const before = newcomer(rules, { doc: named.entry("wizard") });
    expect(decided(ask(rules, before, aDraft({ doc: named.entry("wizard", "editor") }))).role.key).toBe("editor");
    expect(refused(ask(rules, before, aDraft({ doc: named.entry("wizard", "warlock") }))).code).toBe("unknownRole");
  });

  it("never refuses an echo", () => {
    const strict = someRules({
      settings: { unknownRoles: "refuse", emailImmutable: true, requireDomain: true, restrictDomains: true },
    });
    fc.assert(
      fc.property(someDraft, (draft) => {
        const before = newcomer(strict, draft);
        expect(checkWords(before, draft, strict)).toBeNull();
      }),
    );
  });
});

describe("ROL-4: the next access evaluation sees a role change", () => {
  it("answers by the stored decision, and remembers nothing", () => {
    const rules = someRules();
    const may = (state: ReturnType<typeof somebody>) =>
      evaluateAccess(personOf(state), { action: "content.edit", resource: null }, rules, now).decision;
    const before = newcomer(rules);
    const after = change(rules, before, { doc: named.text("editor") }).state;
    expect([may(before), may(after), may(change(rules, after, { doc: aDoc() }).state)]).toEqual([false, true, false]);
  });
});

describe("ROL-5: a connection grants every role that is not administrative", () => {
  it.each(roles.map((one) => [one.key, isAdministrative(one)] as const))(
    "%s (administrative: %s)",
    (key, administrative) => {
      const outcome = ask(someRules(), null, aDraft({ doc: named.text(key) }));
      if (administrative) expect(refused(outcome).code).toBe("promotionRefused");
      else expect(decided(outcome).role.key).toBe(key);
    },
  );
});

describe("ROL-6: what a client wrote and what Usher decided are different attributes", () => {
  it("leaves the words as they are, whatever is decided", () => {
    const rules = someRules({ groups: someEntries, settings: { onUnauthorizedPromotion: "withhold" } });
    fc.assert(
      fc.property(someDraft, (draft) => {
        expect(decided(ask(rules, null, draft, { direct: false })).draft).toEqual(draft);
      }),
    );
  });

  it("changes nothing when a client writes back what it read", () => {
    const rules = someRules({ groups: someEntries });
    fc.assert(
      fc.property(someDraft, (draft) => {
        const before = newcomer(rules, draft);
        const { decision } = change(rules, before, {});
        expect([decision.role.key, decision.tier, decision.status]).toEqual([before.role, before.tier, before.status]);
        expect(decision.withheld).toEqual([]);
      }),
    );
  });
});
