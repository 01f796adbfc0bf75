/** RFC 7644 §3.4.2.2: what is a filter, what is none, and how much of one is too much. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { attributesRead, filterBounds, parseFilter, printFilter } from "../../../src/vocabulary/filter/index.ts";
import { ENTERPRISE_USER, USER, USHER_USER } from "../../../src/vocabulary/urns.ts";
import { quickestMs } from "../../helpers/quickest.ts";
import { userFilter } from "../arbitraries.ts";

const refusal = expect.objectContaining({ code: "invalidFilter" });

describe("reads", () => {
  // The examples of RFC 7644 §3.4.2.2, Figures 2 and following.
  it.each([
    ['userName eq "bjensen"', 'userName eq "bjensen"'],
    ['name.familyName co "O\'Malley"', 'name.familyName co "O\'Malley"'],
    ['userName sw "J"', 'userName sw "J"'],
    [`${USER}:userName sw "J"`, 'userName sw "J"'],
    ["title pr", "title pr"],
    ['meta.lastModified gt "2011-05-13T04:42:34Z"', 'meta.lastModified gt "2011-05-13T04:42:34Z"'],
    ['title pr and userType eq "Employee"', 'title pr and userType eq "Employee"'],
    ['title pr or userType eq "Intern"', 'title pr or userType eq "Intern"'],
    [`schemas eq "${ENTERPRISE_USER}"`, `schemas eq "${ENTERPRISE_USER}"`],
    [
      'userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")',
      'userType eq "Employee" and (emails.value co "example.com" or emails.value co "example.org")',
    ],
    [
      'userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")',
      'userType ne "Employee" and not (emails.value co "example.com" or emails.value co "example.org")',
    ],
    ['userType eq "Employee" and (emails.type eq "work")', 'userType eq "Employee" and emails.type eq "work"'],
    [
      'userType eq "Employee" and emails[type eq "work" and value co "@example.com"]',
      'userType eq "Employee" and emails[type eq "work" and value co "@example.com"]',
    ],
    [
      'emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]',
      'emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]',
    ],
  ])("the RFC's example %s", (text, printed) => {
    expect(printFilter(parseFilter("User", text))).toBe(printed);
  });

  it.each([
    ["letter case of names and operators", 'USERNAME EQ "a" AND Not (TITLE Pr)', 'userName eq "a" and not (title pr)'],
    [
      "nested parentheses",
      '((userName eq "a") or (title pr and (active eq true)))',
      'userName eq "a" or title pr and active eq true',
    ],
    ["and before or", "title pr or nickName pr and locale pr", "title pr or nickName pr and locale pr"],
    [
      "a value path with a sub-attribute",
      'emails[type eq "work"].value eq "x"',
      'emails[type eq "work" and value eq "x"]',
    ],
    ["brackets in a string", 'emails[value eq "a]b"]', 'emails[value eq "a]b"]'],
    ["parentheses in a string", '(displayName eq "Team (A)")', 'displayName eq "Team (A)"'],
    ["words in a string", 'not (displayName eq "cats and dogs")', 'not (displayName eq "cats and dogs")'],
    ["a boolean as text", 'active eq "True"', "active eq true"],
    ["a bare boolean in capitals", "active eq FALSE", "active eq false"],
    ["a boolean in brackets as text", 'roles[primary eq "True"]', "roles[primary eq true]"],
    ["an unquoted text", "externalId eq jyoung", 'externalId eq "jyoung"'],
    ["an unquoted number for a text", "externalId eq 0042", 'externalId eq "0042"'],
    ["a long number for a text", "externalId eq 12345678901234567890", 'externalId eq "12345678901234567890"'],
    ["a list without sub-attribute", 'emails eq "x@y"', 'emails.value eq "x@y"'],
    ["manager without URN", 'id eq "U" and manager eq "M"', `id eq "U" and ${ENTERPRISE_USER}:manager.value eq "M"`],
    ["a dot after the URN", `${ENTERPRISE_USER}.manager.value eq "M"`, `${ENTERPRISE_USER}:manager.value eq "M"`],
    ["a URN in capitals", `${ENTERPRISE_USER.toUpperCase()}:DEPARTMENT pr`, `${ENTERPRISE_USER}:department pr`],
    ["a number", `${USHER_USER}:budget.limit ge 1e3`, `${USHER_USER}:budget.limit ge 1000`],
    ["null", "title eq null", "title eq null"],
    ["a quoted null", 'title eq "null"', 'title eq "null"'],
    ["an unknown attribute", 'shoeSize gt 9 and a.b eq "c"', 'shoeSize gt 9 and a.b eq "c"'],
    ["an attribute that begins like a literal", 'nullable eq "x" or trueName pr', 'nullable eq "x" or trueName pr'],
  ])("%s", (_, text, printed) => {
    expect(printFilter(parseFilter("User", text))).toBe(printed);
  });

  it("decodes the escapes of JSON strings", () => {
    expect(parseFilter("User", 'title eq "a\\"b\\\\c\\n\\u0041"')).toMatchObject({ compare: { value: 'a"b\\c\nA' } });
  });

  it("members of groups without sub-attribute as their ids", () => {
    expect(printFilter(parseFilter("Group", 'id eq "G" and members eq "U"'))).toBe(
      'id eq "G" and members.value eq "U"',
    );
  });

  it("a password as an unknown attribute, for no answer may tell it", () => {
    expect(parseFilter("User", 'password sw "a"')).toMatchObject({ compare: { path: { schema: "" } } });
  });
});

describe("refuses", () => {
  it.each([
    "",
    " ",
    "userName",
    "RUNSCOPE123@EXAMPLE.COM",
    "userName eq",
    "userName eq and",
    'userName pr "x"',
    'userName eq "a" and',
    "and userName pr",
    "()",
    "(userName pr",
    "userName pr)",
    "emails[]",
    "emails[type pr",
    "emails]type pr[",
    "not",
    "not userName pr",
    "a..b eq 1",
    ".a eq 1",
    "a. eq 1",
    "userName eq 1 2",
    "true eq true",
    "null pr",
    '"userName" eq "a"',
    'userName eq "a',
    'userName eq "\\x"',
    'userName eq "a\\"',
    "userName np",
    "emails[emails[type pr]]",
    "userName[x pr]",
    "active gt true",
    'x509Certificates.value lt "a"',
    'emails[type eq "work"].',
    'userName eq ("a")',
    "1 eq 1",
    "<script> pr",
    "__proto__ pr",
    "emails.__proto__ pr",
    "emails[__proto__ eq 1]",
    'name.givenName[x eq "1"]',
    'userName eq "a""b"',
  ])("%s", (text) => {
    expect(() => parseFilter("User", text)).toThrow(refusal);
  });

  it("names the position, and repeats nothing that could be markup", () => {
    expect(() => parseFilter("User", 'userName eq "a" then title pr')).toThrow("at position 17");
    expect(() => parseFilter("User", 'userName <b>x</b> "a"')).toThrow(/^[^<>]*$/);
  });

  it("unknown attributes where asked to", () => {
    expect(() => parseFilter("User", 'emails[colour eq "x"]', { unknown: "refuse" })).toThrow(refusal);
    expect(() => parseFilter("User", "shoeSize pr", { unknown: "refuse" })).toThrow(
      "shoeSize is not a known attribute",
    );
  });

  it.each([
    "id pr",
    "groups pr",
    'groups[value eq "x"]',
    `${USHER_USER}:effectiveRole pr`,
    "meta.created pr",
    "manager.displayName pr",
    "schemas pr",
    `${USHER_USER}:budget.used gt 1`,
  ])("%s where only what clients write may be read", (text) => {
    expect(() => parseFilter("User", text, { writtenByClient: true })).toThrow(refusal);
  });

  it("nothing that clients write where only that may be read", () => {
    const text = `userName pr and emails[type eq "work"] and ${USHER_USER}:role pr and manager eq "x"`;
    expect(() => parseFilter("User", text, { writtenByClient: true, unknown: "refuse" })).not.toThrow();
  });
});

describe("bounds (PAR-2)", () => {
  const repeated = (text: string, times: number): string => text.repeat(times);
  it.each([
    ["100,000 characters", `userName eq "${repeated("a", 100_000)}"`],
    ["100,000 parentheses", `${repeated("(", 100_000)}userName pr${repeated(")", 100_000)}`],
    ["10,000 nested not", `${repeated("not (", 10_000)}userName pr${repeated(")", 10_000)}`],
    ["3,000 nested parentheses", `${repeated("(", 3000)}userName pr${repeated(")", 3000)}`],
    ["3,000 nested not", `${repeated("not (", 2500)}userName pr`],
    ["too many terms", repeated("a pr or ", 1500)],
    ["an unterminated string of escapes", `a eq "${repeated("\\x", 8000)}`],
    ["line breaks in an unterminated string", `a eq "${repeated("\n", 16_000)}`],
    ["dots", `${repeated("a.", 8000)} eq 1`],
    ["colons", `urn:${repeated("a:", 8000)}! eq 1`],
    ["brackets", repeated("a[b eq 1].c", 1400)],
    ["quotes", repeated('"', 16_001)],
  ])("%s are refused in milliseconds", (_, text) => {
    const ms = quickestMs(() => expect(() => parseFilter("User", text)).toThrow(refusal));
    expect(ms).toBeLessThan(50);
  });

  it("let through what lies just below them", () => {
    const nested = `${repeated("(", filterBounds.depthMax)}title pr${repeated(")", filterBounds.depthMax)}`;
    expect(printFilter(parseFilter("User", nested))).toBe("title pr");
    expect(() => parseFilter("User", `(${nested})`)).toThrow(refusal);
    const members = Array.from({ length: 256 }, (_, i) => `value eq "${i}"`).join(" or ");
    expect(() => parseFilter("Group", `members[${members}]`)).not.toThrow();
  });

  it("answer any text with a tree or a refusal, and leave no trace on other objects (PAR-1)", () => {
    const part = fc.constantFrom(
      "__proto__",
      "constructor",
      "prototype",
      "toString",
      "userName",
      " eq ",
      " pr",
      '"x"',
      "[",
      "]",
      "(",
      ")",
      ".",
      ":",
      " and ",
      " not ",
      USER,
      "\\",
      "\0",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(part, { maxLength: 12 }).map((parts) => parts.join("")),
        ),
        (text) => {
          try {
            parseFilter("User", text);
          } catch (error) {
            expect(error).toEqual(refusal);
          }
          expect(Object.keys(Object.prototype)).toEqual([]);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

it("printing and parsing is the identity", () => {
  fc.assert(
    fc.property(userFilter, (filter) => {
      expect(parseFilter("User", printFilter(filter))).toEqual(filter);
    }),
    { numRuns: 2000 },
  );
});

it("tells which attributes a filter reads", () => {
  const read = attributesRead(parseFilter("User", 'title pr and (not (active eq true) or emails[type eq "work"])'));
  expect(read.map(({ attribute, sub }) => [attribute, sub].filter(Boolean).join("."))).toEqual([
    "title",
    "active",
    "emails",
    "emails.type",
  ]);
});
