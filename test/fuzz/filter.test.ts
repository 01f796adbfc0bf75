/**
 * Filters, tried at random: printing and parsing is the identity; no text hurts the parser; and what the database selects,
 * over HTTP, is what the same filter selects in memory from the resources as they were read.
 */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ResourceTypeName, resourceType } from "../../src/vocabulary/attributes.ts";
import { type Filter, matches, parseFilter, parsePath, printFilter } from "../../src/vocabulary/filter/index.ts";
import { isObject, type Json, type JsonObject, member } from "../../src/vocabulary/json.ts";
import { ENTERPRISE_USER, USER, USHER_USER } from "../../src/vocabulary/urns.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { startServer, type TestServer, type TestTenant } from "../helpers/server.ts";
import { userDoc, words } from "../vocabulary/arbitraries.ts";
import { filterOf } from "./filters.ts";
import { fuzzTimeoutMs, runs } from "./runs.ts";

const types: readonly ResourceTypeName[] = ["User", "Group"];

const identity = runs(5_000);
describe(`a filter that is printed and parsed again is the same (${identity.numRuns} runs each)`, () => {
  it.each(types)("%s: trees over every attribute", { timeout: fuzzTimeoutMs }, (type) => {
    const filters = filterOf(type, { stock: () => [...words, 0, 1.5] });
    fc.assert(
      fc.property(filters, (filter) => {
        const printed = printFilter(filter);
        expect(parseFilter(type, printed)).toEqual(filter);
        expect(printFilter(parseFilter(type, printed))).toBe(printed);
      }),
      identity,
    );
  });

  it.each(types)("%s: in any letter case, with other blanks and more brackets", { timeout: fuzzTimeoutMs }, (type) => {
    const how = fc.record({
      upper: fc.boolean(),
      blank: fc.constantFrom(" ", "  ", "\t", "\r\n"),
      brackets: fc.nat({ max: 5 }),
    });
    fc.assert(
      fc.property(filterOf(type, { stock: () => words }), how, (filter, { upper, blank, brackets }) => {
        const printed = printFilter(filter);
        const outside = printed.split(/("(?:[^"\\]|\\.)*")/).map((part, at) => {
          if (at % 2 === 1) return part;
          const spelled = upper
            ? part.replace(/\b(?!null\b|true\b|false\b)[a-z:.\d$]+/gi, (word) =>
                /^urn:/i.test(word) ? word : word.toUpperCase(),
              )
            : part;
          return spelled.replaceAll(" ", blank);
        });
        const text = `${"(".repeat(brackets)}${outside.join("")}${")".repeat(brackets)}`;
        const whole = parseFilter(type, printed);
        // What names nothing keeps the client's text as it was.
        if (!/nosuch/i.test(printed)) expect(parseFilter(type, text)).toEqual(whole);
        else expect(() => parseFilter(type, text)).not.toThrow();
      }),
      identity,
    );
  });
});

/** Cuts, doubles, swaps or inserts at some places. */
const mutation = fc
  .array(
    fc.record({
      at: fc.nat(),
      length: fc.nat({ max: 6 }),
      put: fc.constantFrom("", "(", ")", "[", "]", '"', " ", "\\", ".", "not ", " and ", "\0", "é"),
    }),
    { maxLength: 2 },
  )
  .map(
    (changes) => (text: string) =>
      changes.reduce((now, { at, length, put }) => {
        const place = at % (now.length + 1);
        return now.slice(0, place) + put + now.slice(place + length);
      }, text),
  );

const hostile = runs(20_000);
it(`any text is a filter that prints and parses, or 400 (${hostile.numRuns} texts)`, { timeout: fuzzTimeoutMs }, () => {
  const token = fc.constantFrom(
    ...[
      "userName",
      "emails",
      "emails.value",
      "name",
      "nosuch",
      "urn:x:y",
      USHER_USER,
      `${ENTERPRISE_USER}:manager`,
      "schemas",
      "groups",
      "meta.created",
    ],
    ...[
      "eq",
      "ne",
      "co",
      "gt",
      "pr",
      "and",
      "or",
      "not",
      "EQ",
      "Pr",
      "true",
      "null",
      "12",
      "-1e3",
      "1.",
      '"x"',
      '""',
      '"\\u00e9"',
      '"\\"',
      '"',
    ],
    ...[
      "(",
      ")",
      "[",
      "]",
      ".",
      ":",
      "$",
      "__proto__",
      "constructor",
      "\0",
      "\ud800",
      "é",
      "\u2028",
      "'",
      ",",
      "=",
      "*",
    ],
  );
  const text = fc.oneof(
    { weight: 3, arbitrary: fc.array(token, { maxLength: 14 }).map((parts) => parts.join(" ")) },
    // Printed filters with a few characters changed: nearly right is what parsers get wrong.
    {
      weight: 3,
      arbitrary: fc
        .tuple(filterOf("User", { stock: () => words }), mutation)
        .map(([filter, change]) => change(printFilter(filter))),
    },
    fc.array(token, { maxLength: 10 }).map((parts) => parts.join("")),
    fc.string({ unit: "binary", maxLength: 60 }),
  );
  let read = 0;
  fc.assert(
    fc.property(fc.constantFrom(...types), text, (type, filter) => {
      for (const parse of [
        () => parseFilter(type, filter),
        () => parsePath(type, filter),
        () => parsePath(type, `emails[${filter}]`),
      ]) {
        try {
          const tree = parse();
          if (tree !== undefined && !("kind" in tree)) {
            read += 1;
            expect(parseFilter(type, printFilter(tree as Filter))).toEqual(tree);
          }
        } catch (error) {
          if (!(error instanceof Error) || error.name !== "Problem") throw error;
          expect(error).toMatchObject({ status: 400 });
        }
      }
    }),
    hostile,
  );
  expect(read).toBeGreaterThan(hostile.numRuns / 100);
});

const agreement = runs(600);
describeOnBoth(`SQL agrees with memory (${agreement.numRuns} filters for each type)`, (getDb) => {
  let server: TestServer;
  let tenant: TestTenant;
  const resources: Record<ResourceTypeName, JsonObject[]> = { User: [], Group: [] };

  beforeAll(async () => {
    server = await startServer(getDb());
    tenant = await server.tenant({ seats: { standard: 20, pro: 5 } });
    const groups = [
      { match: { displayName: "Group 1" }, role: "manager", team: { name: "Écrivains", kind: "team" } },
      { match: { externalId: "ΑΣ" }, tier: "pro" },
    ];
    await tenant.api("PUT", "/mapping", { groups, rules: [], defaults: { role: "user" } });
    const ids: string[] = [];
    for (const [at, doc] of fc.sample(userDoc, { numRuns: 90, seed: 5 }).entries()) {
      const { roles: _roles, [USHER_USER]: usher, ...rest } = doc as JsonObject & { userName: string };
      const { role: _role, ...own } = (usher ?? {}) as JsonObject;
      const tier = ["standard", "pro", undefined][at % 3];
      const more = { ...own, ...(tier === undefined ? {} : { licenseTier: tier }) };
      // userName is unique and not blank; what is before the number keeps its own characters in play.
      const body = {
        ...rest,
        userName: `${rest.userName}#${at}`,
        ...(Object.keys(more).length === 0 ? {} : { [USHER_USER]: more }),
      };
      const made = await tenant.scim<{ id: string }>("POST", "/Users", body);
      expect(made.status, JSON.stringify([body, made.body])).toBe(201);
      ids.push(made.body.id);
    }
    let inner: string[] = [];
    for (let at = 0; at < 12; at += 1) {
      const members = [...ids.filter((_, i) => i % (at + 2) === 0 && at % 4 !== 3), ...(at % 3 === 2 ? inner : [])].map(
        (value) => ({ value }),
      );
      const words = {
        displayName: at === 1 ? "Group 1" : `Gruppe ${["É", "ß", "ﬁ", "%", "ΑΣ", "b"][at % 6]} ${at}`,
        ...(at % 2 ? {} : { externalId: ["ΑΣ", "ας", "e1"][at % 3] }),
        members,
      };
      const made = await tenant.scim<{ id: string }>("POST", "/Groups", words);
      expect(made.status, JSON.stringify(made.body)).toBe(201);
      inner = [...inner, made.body.id].slice(-2);
    }
    for (const type of types) {
      const { body } = await tenant.scim<{ Resources: JsonObject[]; totalResults: number }>(
        "GET",
        `/${type}s?count=500`,
      );
      resources[type] = [...body.Resources];
      expect(resources[type].length).toBe(body.totalResults);
    }
  });
  afterAll(() => server.close());

  /** Where SQL knows less than the answer shows: URLs follow from the request, and what a mapping grants is no column. */
  const unfiltered = /^(location|\$ref|grants)$/;

  it.each(types)("%s", { timeout: fuzzTimeoutMs }, async (type) => {
    const filters = filterOf(type, {
      except: ({ path }) => unfiltered.test(path.sub ?? "") || unfiltered.test(path.attribute),
      stock: ({ path }) => resources[type].flatMap((resource) => valuesAt(resource, path)),
    });
    let telling = 0;
    await fc.assert(
      fc.asyncProperty(filters, async (filter) => {
        const text = printFilter(filter);
        const expected = resources[type]
          .filter((resource) => matches(parseFilter(type, text), resource))
          .map(({ id }) => id);
        const schemas = ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"];
        const search = { schemas, filter: text, count: 500, attributes: ["id"] };
        const { status, body } = await tenant.scim<{ Resources: { id: string }[]; totalResults: number }>(
          "POST",
          `/${type}s/.search`,
          search,
        );
        expect([text, status]).toEqual([text, 200]);
        expect([text, body.Resources.map(({ id }) => id)]).toEqual([text, expected]);
        expect(body.totalResults).toBe(expected.length);
        if (expected.length > 0 && expected.length < resources[type].length) telling += 1;
      }),
      agreement,
    );
    // Filters of which most selected all or nobody would prove little.
    expect(telling).toBeGreaterThan(agreement.numRuns / 4);
  });

  it.each(types)("%s: what SQL does not know is unassigned, and no failure", async (type) => {
    const { core, extensions } = resourceType(type);
    const places = [core, ...extensions].flatMap((schema) =>
      [...schema.attributes.values()].flatMap((attribute) => {
        const name = schema === core ? attribute.name : `${schema.id}:${attribute.name}`;
        return [name, ...[...attribute.subAttributes.keys()].map((sub) => `${name}.${sub}`)];
      }),
    );
    for (const place of places) {
      for (const test of ["pr", 'eq "x"', 'ne "x"', "eq null"]) {
        const { status } = await tenant.scim(
          "GET",
          `/${type}s?count=0&filter=${encodeURIComponent(`${place} ${test}`)}`,
        );
        expect([place, test, status]).toEqual([place, test, 200]);
      }
    }
  });
});

function valuesAt(resource: JsonObject, path: { schema: string; attribute: string; sub?: string }): unknown[] {
  const container =
    path.schema === USER || !path.schema.includes("extension") ? resource : member(resource, path.schema);
  const value = member(container, path.attribute) as Json | undefined;
  const elements = Array.isArray(value) ? value : [value];
  return elements.map((element) =>
    path.sub === undefined || !isObject(element) ? element : member(element, path.sub),
  );
}
