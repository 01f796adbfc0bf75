/** Random resources and filters that have something to do with each other: values come from one small stock. */
import fc from "fast-check";
import { type Attribute, type AttrPath, attributeAt, resourceType } from "../../src/vocabulary/attributes.ts";
import type { Filter, Operator } from "../../src/vocabulary/filter/index.ts";
import type { Json, JsonObject } from "../../src/vocabulary/json.ts";
import { ENTERPRISE_USER, USER, USHER_USER } from "../../src/vocabulary/urns.ts";

/**
 * Letter cases, wildcards of LIKE, quotes of every kind, spaces, nothing; letters beyond ASCII, some of which have forms of
 * their own at the end of a word, become two in lower case, or are the same only after NFKC.
 */
export const words = [
  "",
  "a",
  "A",
  "ab",
  "Abc",
  "b",
  "a%b",
  "a_b",
  "a\\b",
  'say "x"',
  "o'brien",
  " ",
  "é",
  "É",
  "e\u0301",
  "ΑΣ",
  "ας",
  "İ",
  "ß",
  "ẞ",
  "ﬁ",
  "FI",
  "ａ％",
  "𝔘",
  "😀a",
  "10",
  "true",
];
export const dates = [
  "2024-01-01",
  "2024-01-01T00:00:00Z",
  "2024-01-01T01:00:00+01:00",
  "2025-06-30T12:00:00.1234567Z",
];

const word = fc.constantFrom(...words);
const date = fc.constantFrom(...dates);

function single(attribute: Attribute): fc.Arbitrary<Json> {
  switch (attribute.type) {
    case "boolean":
      return fc.boolean();
    case "decimal":
    case "integer":
      return fc.constantFrom(0, 1, -1, 2.5, 1e15, 10);
    case "dateTime":
      return date;
    case "binary":
      return fc.constantFrom("", "QUJD", "abc=");
    case "complex":
      return complex(attribute.subAttributes);
    default:
      return word;
  }
}

function complex(attributes: ReadonlyMap<string, Attribute>): fc.Arbitrary<JsonObject> {
  const written = [...attributes.values()].filter(({ mutability }) => mutability === "readWrite");
  const model = Object.fromEntries(written.map((one) => [one.name, value(one)]));
  return fc.record(model, { requiredKeys: [] }).map((object) => withoutEmpty(object as JsonObject));
}

function value(attribute: Attribute): fc.Arbitrary<Json> {
  return attribute.multiValued ? fc.array(single(attribute), { maxLength: 3 }) : single(attribute);
}

/** As canonical documents are: no empty lists and objects. */
function withoutEmpty(object: JsonObject): JsonObject {
  const filled = Object.entries(object).map(([name, one]): [string, Json] => [
    name,
    Array.isArray(one) ? one.filter((element) => !isEmpty(element)) : one,
  ]);
  return Object.fromEntries(filled.filter(([, one]) => !isEmpty(one)));
}

function isEmpty(json: Json | undefined): boolean {
  return typeof json === "object" && json !== null && Object.keys(json).length === 0;
}

const some = (id: string, names: readonly string[]) => {
  const schema = [resourceType("User").core, ...resourceType("User").extensions].find((one) => one.id === id);
  return new Map(names.map((name) => [name.toLowerCase(), schema?.attributes.get(name.toLowerCase()) as Attribute]));
};

/** A user's document in canonical form. */
export const userDoc: fc.Arbitrary<JsonObject & { userName: string; active: boolean }> = fc
  .record({
    core: complex(
      some(USER, ["displayName", "title", "name", "externalId", "emails", "phoneNumbers", "roles", "addresses"]),
    ),
    enterprise: complex(some(ENTERPRISE_USER, ["department", "manager"])),
    usher: complex(some(USHER_USER, ["role", "callAnalysis", "budget", "startDate", "endDate"])),
    userName: word,
    active: fc.boolean(),
  })
  .map(({ core, enterprise, usher, userName, active }) => ({
    ...withoutEmpty({ ...core, [ENTERPRISE_USER]: enterprise, [USHER_USER]: usher }),
    userName,
    active,
  }));

const paths: AttrPath[] = [
  ...["userName", "displayName", "externalId", "title", "active", "id", "schemas"].map((attribute) => ({
    schema: USER,
    attribute,
  })),
  { schema: USER, attribute: "name", sub: "givenName" },
  { schema: USER, attribute: "meta", sub: "created" },
  { schema: USER, attribute: "meta", sub: "resourceType" },
  ...["value", "type", "primary"].map((sub) => ({ schema: USER, attribute: "emails", sub })),
  ...["value", "type"].map((sub) => ({ schema: USER, attribute: "roles", sub })),
  { schema: USER, attribute: "addresses", sub: "country" },
  { schema: ENTERPRISE_USER, attribute: "department" },
  { schema: ENTERPRISE_USER, attribute: "manager", sub: "value" },
  ...["role", "callAnalysis", "startDate", "endDate"].map((attribute) => ({ schema: USHER_USER, attribute })),
  { schema: USHER_USER, attribute: "budget", sub: "limit" },
  { schema: USHER_USER, attribute: "budget", sub: "used" },
  { schema: "", attribute: "nosuch" },
  { schema: "", attribute: "name.nosuch" },
];
const wholes: AttrPath[] = [
  { schema: USER, attribute: "name" },
  { schema: USER, attribute: "emails" },
  { schema: USER, attribute: "roles" },
  { schema: USHER_USER, attribute: "budget" },
];

const operators: readonly Operator[] = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"];

function comparison(path: AttrPath): fc.Arbitrary<Filter> {
  const leaf = attributeAt(path)?.leaf;
  const hasOrder = leaf?.type !== "boolean" && leaf?.type !== "binary";
  const op = fc.constantFrom(...operators.filter((one) => hasOrder || !["gt", "ge", "lt", "le"].includes(one)));
  return fc.record({ op, value: literal(leaf) }).map(({ op, value }) => ({ compare: { path, op, value } }));
}

/** What the parser makes of a literal for this type: the type's own, or text that is none. */
function literal(leaf: Attribute | undefined): fc.Arbitrary<string | number | boolean | null> {
  const none = fc.constantFrom(null, "x\0y", "\ud800");
  if (leaf?.type === "boolean") return fc.oneof(fc.boolean(), fc.constant("maybe"), none);
  if (leaf?.type === "decimal" || leaf?.type === "integer")
    return fc.oneof(fc.constantFrom(0, 1, 2.5, 1e21, -3), fc.constant("x"), none);
  if (leaf?.type === "dateTime") return fc.oneof(date, word, none);
  if (leaf === undefined) return fc.oneof(word, fc.boolean(), fc.integer(), none);
  return fc.oneof({ weight: 8, arbitrary: word }, { weight: 1, arbitrary: none });
}

const inner = (attribute: string, subs: readonly string[]): fc.Arbitrary<Filter> => {
  const path = { schema: USER, attribute };
  const term = fc.oneof(
    ...subs.map((sub) => comparison({ ...path, sub })),
    fc.constant<Filter>({ present: { ...path, sub: subs[0] as string } }),
  );
  return composed(term, 1).map((filter) => ({ valuePath: { attribute: path, filter } }));
};

const term: fc.Arbitrary<Filter> = fc.oneof(
  ...paths.map(comparison),
  fc.constantFrom(...paths, ...wholes).map((present): Filter => ({ present })),
  inner("emails", ["value", "type", "primary"]),
  inner("roles", ["value", "display"]),
  inner("name", ["givenName", "familyName"]),
);

function composed(leaf: fc.Arbitrary<Filter>, depth: number): fc.Arbitrary<Filter> {
  if (depth === 0) return leaf;
  const below = composed(leaf, depth - 1);
  const list = fc.array(below, { minLength: 2, maxLength: 3 });
  return fc.oneof(
    { weight: 3, arbitrary: leaf },
    list.map((and): Filter => ({ and })),
    list.map((or): Filter => ({ or })),
    below.map((not): Filter => ({ not })),
  );
}

/** A filter's tree as the parser makes them. */
export const userFilter: fc.Arbitrary<Filter> = composed(term, 3);
