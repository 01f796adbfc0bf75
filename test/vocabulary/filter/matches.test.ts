/** What the operators mean (RFC 7644 §3.4.2.2), by table and against an oracle that knows no lists. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Filter, matches, parseFilter } from "../../../src/vocabulary/filter/index.ts";
import { ENTERPRISE_USER, USER, USHER_USER } from "../../../src/vocabulary/urns.ts";

const person = {
  schemas: [USER, ENTERPRISE_USER],
  id: "2819c223-7f76-453a-919d-413861904646",
  externalId: "Ext-1",
  userName: "BJensen",
  title: "",
  active: true,
  name: { givenName: "Barbara", familyName: "Jensen" },
  nickName: "Straße ﬁn ＡＢＣ",
  emails: [
    { value: "Work@Example.com", type: "work", primary: true },
    { value: "me@home.org", type: "home" },
    { value: "third@example.com" },
  ],
  meta: { lastModified: "2011-05-13T04:42:34.123Z" },
  [ENTERPRISE_USER]: { department: "Tour", manager: { value: "M1" } },
  [USHER_USER]: { budget: { limit: 10.5 }, callAnalysis: false, startDate: "2024-01-01T01:00:00+01:00" },
};

describe("matches", () => {
  it.each([
    'userName eq "bjensen"',
    'externalId eq "Ext-1"',
    'nickName co "FIN abc"',
    'name.givenName sw "BAR"',
    'name.familyName ew "SEN"',
    "name pr",
    'emails.value eq "WORK@example.COM"',
    'emails co "home"',
    'emails[type eq "Work" and value co "example"]',
    'emails[not (type pr)].value sw "third"',
    'emails.type ne "work"',
    'emails[type ne "work" and type ne "home"]',
    'emails[primary eq "True"]',
    "emails[type eq null]",
    'title ne "x"',
    'nosuch eq "x" or userName pr',
    'not (nosuch eq "x")',
    "title eq null",
    "roles eq null",
    "emails ne null",
    "active eq True",
    'active ne "maybe"',
    'meta.lastModified eq "2011-05-13T06:42:34.123+02:00"',
    'meta.lastModified gt "2011-05-13T04:42:34.1229999Z"',
    'meta.lastModified lt "2011-05-14"',
    `${USHER_USER}:startDate eq "2024-01-01"`,
    `${USHER_USER}:budget.limit gt 10 and ${USHER_USER}:budget.limit le 10.5`,
    `${USHER_USER}:callAnalysis eq false and ${USHER_USER}:callAnalysis pr`,
    'manager eq "m1"',
    `schemas eq "${ENTERPRISE_USER}"`,
    `schemas[value eq "${ENTERPRISE_USER}"]`,
    'userName gt "A" and userName lt "c"',
    'userName ge "bjensen" and userName le "BJENSEN"',
    'name[givenName eq "barbara"]',
  ])("%s", (text) => {
    expect(matches(parseFilter("User", text), person)).toBe(true);
    expect(matches(parseFilter("User", `not (${text})`), person)).toBe(false);
  });

  it.each([
    'externalId eq "ext-1"',
    `id eq "${person.id.toUpperCase()}"`,
    "title pr",
    "roles pr",
    'roles ne "x"',
    'emails[type eq "home" and value co "example"]',
    'emails[type eq "work" and type eq "home"]',
    'nosuch eq "x"',
    'nosuch ne "x"',
    "nosuch pr",
    "name.nosuch eq null",
    "active eq false",
    'active co "true"',
    'meta.lastModified sw "2011"',
    'meta.lastModified eq "May 13"',
    'userName eq "bjensen\\u0000"',
    "constructor.name pr",
    "name.constructor pr",
    "emails[constructor pr]",
    `${USHER_USER}:budget.limit gt "x"`,
    "manager.toString pr",
  ])("not %s", (text) => {
    expect(matches(parseFilter("User", text), person)).toBe(false);
  });

  it("nothing in what is no resource", () => {
    for (const odd of [null, undefined, 1, "x", [], { emails: "x", name: [], [ENTERPRISE_USER]: 1 }]) {
      expect(matches(parseFilter("User", 'emails.value eq "x" or name.givenName pr or manager eq "x"'), odd)).toBe(
        false,
      );
    }
  });
});

describe("agrees with a naive oracle", () => {
  const values = ["a", "A", "b", "ab", ""];
  const single = fc.record({
    path: fc.constantFrom("title", "nickName", "externalId"),
    op: fc.constantFrom("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr"),
    value: fc.constantFrom(...values),
  });
  type Tree = { term: { path: string; op: string; value: string } } | { and: Tree[] } | { or: Tree[] } | { not: Tree };
  const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
    tree: fc.oneof(
      { depthSize: "small" },
      single.map((term) => ({ term })),
      fc.array(tie("tree"), { minLength: 1, maxLength: 3 }).map((and) => ({ and })),
      fc.array(tie("tree"), { minLength: 1, maxLength: 3 }).map((or) => ({ or })),
      tie("tree").map((not) => ({ not })),
    ),
  }));

  function oracle(tree: Tree, doc: Record<string, string>): boolean {
    if ("and" in tree) return tree.and.every((one) => oracle(one, doc));
    if ("or" in tree) return tree.or.some((one) => oracle(one, doc));
    if ("not" in tree) return !oracle(tree.not, doc);
    const { path, op, value } = tree.term;
    const fold = (text: string): string => (path === "externalId" ? text : text.toLowerCase());
    const stored = doc[path] === undefined ? undefined : fold(doc[path]);
    const asked = fold(value);
    if (op === "pr") return stored !== undefined && stored !== "";
    if (op === "ne") return stored !== asked;
    if (stored === undefined) return false;
    const answers: Record<string, boolean> = {
      eq: stored === asked,
      co: stored.includes(asked),
      sw: stored.startsWith(asked),
      ew: stored.endsWith(asked),
      gt: stored > asked,
      ge: stored >= asked,
      lt: stored < asked,
      le: stored <= asked,
    };
    return answers[op] as boolean;
  }

  function print(tree: Tree): string {
    if ("and" in tree) return `(${tree.and.map(print).join(" and ")})`;
    if ("or" in tree) return `(${tree.or.map(print).join(" or ")})`;
    if ("not" in tree) return `not (${print(tree.not)})`;
    const { path, op, value } = tree.term;
    return op === "pr" ? `${path} pr` : `${path} ${op} ${JSON.stringify(value)}`;
  }

  it("from the text of the filter on", () => {
    const doc = fc.dictionary(fc.constantFrom("title", "nickName", "externalId"), fc.constantFrom(...values));
    fc.assert(
      fc.property(tree, doc, (filter, resource) => {
        expect(matches(parseFilter("User", print(filter)), resource)).toBe(oracle(filter, resource));
      }),
      { numRuns: 2000 },
    );
  });

  it("a value path holds for one element, separate conditions for any", () => {
    const element = fc.record({ type: fc.constantFrom("work", "home"), value: fc.constantFrom("x", "y") });
    const filter = (text: string): Filter => parseFilter("User", text);
    const [same, any] = [
      filter('emails[type eq "work" and value eq "x"]'),
      filter('emails.type eq "work" and emails.value eq "x"'),
    ];
    fc.assert(
      fc.property(fc.array(element, { maxLength: 3 }), (emails) => {
        const both = emails.some(({ type, value }) => type === "work" && value === "x");
        expect(matches(same, { emails })).toBe(both);
        expect(matches(any, { emails })).toBe(
          emails.some((one) => one.type === "work") && emails.some((one) => one.value === "x"),
        );
      }),
    );
  });
});
