/** Valid requests of every door, and random damage to them: to the JSON, to its bytes, to the target, to the headers. */
import fc from "fast-check";
import { apiDocument, operations } from "../../src/admin/api-document.ts";
import { ENTERPRISE_USER, PATCH_OP, USER, USHER_USER } from "../../src/vocabulary/urns.ts";
import type { RequestParts } from "../helpers/wire.ts";

export interface Seed {
  readonly method: string;
  readonly target: string;
  readonly body?: unknown;
}

/** What honest clients send, for resources of these ids. */
export function seedsFor({ user, group }: { user: string; group: string }): Seed[] {
  const words = {
    schemas: [USER, ENTERPRISE_USER, USHER_USER],
    userName: "fuzz@example.com",
    externalId: "4711",
    active: true,
    name: { givenName: "Ada", familyName: "Lovelace" },
    emails: [{ value: "ada@example.com", type: "work", primary: true }],
    phoneNumbers: [{ value: "+49 30 123456", type: "mobile" }],
    addresses: [{ type: "work", country: "DE", locality: "Berlin" }],
    roles: [{ value: "user", primary: true }],
    [ENTERPRISE_USER]: { department: "Sales", manager: { value: user } },
    [USHER_USER]: {
      licenseTier: "standard",
      startDate: "2026-01-31T09:00:00Z",
      budget: { limit: 12.5, currency: "EUR" },
    },
  };
  const patches = [
    { op: "replace", path: "active", value: "False" },
    { op: "Add", path: 'emails[type eq "work" and primary eq true].value', value: "x@example.com" },
    { op: "replace", value: { "name.givenName": "G", [`${ENTERPRISE_USER}:department`]: "D" } },
    { op: "remove", path: 'phoneNumbers[value ew "6" or not (type pr)]' },
  ];
  const membership = [
    { op: "add", path: "members", value: [{ value: user }] },
    { op: "remove", path: `members[value eq "${user}"]` },
    { op: "replace", path: "displayName", value: "Renamed" },
  ];
  const search = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
  const queries = [
    `filter=${encodeURIComponent('userName eq "fuzz@example.com"')}`,
    `filter=${encodeURIComponent('emails[type eq "work" and value co "@"] and not (active eq false)')}&sortBy=name.familyName&sortOrder=descending`,
    `filter=${encodeURIComponent(`meta.lastModified gt "2026-01-01T00:00:00Z" and ${USHER_USER}:license.status ne "none"`)}`,
    "startIndex=1&count=2&attributes=userName,emails.value",
    "cursor&count=1&excludedAttributes=groups",
  ];
  const scim: Seed[] = [
    ...queries.flatMap((query) =>
      ["/Users", "/Groups", "/"].map((path): Seed => ({ method: "GET", target: `/scim/v2${path}?${query}` })),
    ),
    { method: "GET", target: `/scim/v2/Users/${user}?attributes=userName` },
    { method: "GET", target: `/scim/v2/Groups/${group}` },
    { method: "POST", target: "/scim/v2/Users", body: words },
    { method: "PUT", target: `/scim/v2/Users/${user}`, body: words },
    ...patches.map(
      (one): Seed => ({
        method: "PATCH",
        target: `/scim/v2/Users/${user}`,
        body: { schemas: [PATCH_OP], Operations: [one] },
      }),
    ),
    { method: "PATCH", target: `/scim/v2/Users/${user}`, body: { schemas: [PATCH_OP], Operations: patches } },
    {
      method: "POST",
      target: "/scim/v2/Groups",
      body: { displayName: "Fuzz", externalId: "g", members: [{ value: user, type: "User" }] },
    },
    { method: "PUT", target: `/scim/v2/Groups/${group}`, body: { displayName: "Fuzz", members: [{ value: user }] } },
    { method: "PATCH", target: `/scim/v2/Groups/${group}`, body: { schemas: [PATCH_OP], Operations: membership } },
    {
      method: "POST",
      target: "/scim/v2/Users/.search",
      body: {
        schemas: [search],
        filter: 'displayName sw "A" or title pr',
        attributes: ["userName"],
        startIndex: 1,
        count: 5,
      },
    },
    {
      method: "POST",
      target: "/scim/v2/.search",
      body: { schemas: [search], filter: `id eq "${user}"`, sortBy: "id", count: 1 },
    },
    {
      method: "POST",
      target: "/scim/v2/Bulk",
      body: {
        schemas: ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        failOnErrors: 2,
        Operations: [
          {
            method: "POST",
            path: "/Users",
            bulkId: "a",
            data: { userName: "bulk-a", [ENTERPRISE_USER]: { manager: { value: "bulkId:b" } } },
          },
          { method: "POST", path: "/Users", bulkId: "b", data: { userName: "bulk-b" } },
          {
            method: "POST",
            path: "/Groups",
            bulkId: "g",
            data: { displayName: "Bulk", members: [{ value: "bulkId:a" }] },
          },
          { method: "PATCH", path: `/Users/${user}`, version: 'W/"1"', data: { Operations: patches } },
          { method: "DELETE", path: "/Groups/bulkId:g" },
        ],
      },
    },
    ...[
      "/Schemas",
      "/ResourceTypes",
      "/ServiceProviderConfig",
      "/Roles",
      "/Entitlements",
      "/Me",
      `/Schemas/${USER}`,
      "/Roles/manager",
      "/Entitlements/standard",
    ].map((path): Seed => ({ method: "GET", target: `/scim/v2${path}` })),
  ];
  const api = operations
    .filter(({ scope, method, path }) => scope !== "operator" && !(method === "delete" || /tokens\/|rotate/.test(path)))
    .map(({ path, method }): Seed => {
      const body = apiDocument.paths[path][method].requestBody?.content["application/json"]?.example;
      const target = path
        .replace("{id}", user)
        .replace("{tier}", "standard")
        .replace("{key}", "manager")
        .replace(/\{\w+\}/g, user);
      return { method: method.toUpperCase(), target, ...(body === undefined ? {} : { body }) };
    });
  return [...scim, ...api];
}

const names = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "id",
  "schemas",
  "meta",
  "op",
  "path",
  "value",
  "Operations",
  "userName",
  "members",
  "emails",
  "$ref",
  "",
  "\0",
  "urn:x:y",
];
/** Values that parsers, databases and careless code stumble over. */
const nasty: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    -0,
    -1,
    1.5,
    2 ** 53,
    1e308,
    "",
    " ",
    "x",
    "true",
    "\0",
    "\ud800",
    "%",
    "'",
    '"',
    "\\",
    "𝔘",
    "a".repeat(5000),
  ),
  fc.constantFrom<unknown>(
    [],
    {},
    [[]],
    [{}],
    [null],
    { value: null },
    { value: {} },
    "bulkId:",
    "bulkId:a",
    "../..",
    "2026-13-45T99:99:99Z",
    "0190a0b0-0000-7000-8000-0000000000ff",
  ),
  fc.constantFrom(...names),
  fc.jsonValue({ maxDepth: 3 }),
);

type Change =
  | { readonly kind: "set" | "add"; readonly value: unknown; readonly name: string }
  | { readonly kind: "remove" | "double" | "wrap" | "upper" | "nest" };
const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("set" as const), value: nasty, name: fc.constantFrom(...names) }),
  },
  fc.record({ kind: fc.constant("add" as const), value: nasty, name: fc.constantFrom(...names) }),
  fc.constantFrom<Change>(
    { kind: "remove" },
    { kind: "double" },
    { kind: "wrap" },
    { kind: "upper" },
    { kind: "nest" },
  ),
);

/** The JSON with one random place changed. */
function mutated(json: unknown, at: number, what: Change): unknown {
  const places: (readonly [Record<string, unknown>, string])[] = [];
  const copy = { root: structuredClone(json) } as Record<string, unknown>;
  const visit = (container: Record<string, unknown>): void => {
    for (const name of Object.keys(container)) {
      places.push([container, name]);
      const inner = container[name];
      if (typeof inner === "object" && inner !== null) visit(inner as Record<string, unknown>);
    }
  };
  visit(copy);
  const [container, name] = places[at % places.length] as readonly [Record<string, unknown>, string];
  switch (what.kind) {
    case "set":
      container[name] = what.value;
      break;
    case "add":
      Object.defineProperty(container, what.name, {
        value: what.value,
        enumerable: true,
        configurable: true,
        writable: true,
      });
      break;
    case "remove":
      if (Array.isArray(container)) container.splice(Number(name), 1);
      else delete container[name];
      break;
    case "double":
      container[name] = [container[name], container[name]];
      break;
    case "wrap":
      container[name] = { value: container[name] };
      break;
    case "upper":
      container[name.toUpperCase()] = container[name];
      break;
    default:
      for (let depth = 0; depth < 40; depth += 1) container[name] = [container[name]];
  }
  return copy.root;
}

/** Bytes put in place of some of the text's. */
const splice = fc.record({
  at: fc.nat(),
  cut: fc.nat({ max: 8 }),
  put: fc.oneof(
    fc.constantFrom(
      "",
      '"',
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      "\\u0000",
      "\\",
      "\0",
      "\xff",
      "1e999",
      "null",
      "%00",
      "%",
      "/",
      "..",
      "?",
      "#",
      ";",
      " ",
    ),
    fc.string({ unit: "binary", maxLength: 3 }),
  ),
});
type Splice = { readonly at: number; readonly cut: number; readonly put: string };

function spliced(bytes: Buffer, changes: readonly Splice[]): Buffer {
  return changes.reduce((now, { at, cut, put }) => {
    const place = at % (now.length + 1);
    return Buffer.concat([now.subarray(0, place), Buffer.from(put, "latin1"), now.subarray(place + cut)]);
  }, bytes);
}

const headers: fc.Arbitrary<Record<string, string>> = fc.dictionary(
  fc.constantFrom(
    "Content-Type",
    "Accept",
    "If-Match",
    "If-None-Match",
    "Content-Encoding",
    "Host",
    "X-Request-Id",
    "Expect",
    "X-HTTP-Method-Override",
    "Accept-Charset",
    "Prefer",
  ),
  fc.oneof(
    fc.constantFrom(
      "application/json",
      "application/scim+json",
      "text/plain",
      "*",
      "*/*",
      '"x"',
      'W/"1"',
      'W/"',
      "gzip",
      "identity",
      "utf-16",
      "PATCH",
      "100-continue",
      "",
      "a, b; q=0.1",
      "\x80\xff",
      "'",
      "x".repeat(2000),
    ),
    fc.string({ maxLength: 20 }).map((text) => text.replace(/[^\x20-\x7e]/g, "")),
  ),
  { maxKeys: 2 },
);

export interface Damage {
  readonly seed: number;
  readonly json: readonly (readonly [number, Change])[];
  readonly bytes: readonly Splice[];
  readonly target: readonly Splice[];
  readonly method: string | null;
  readonly headers: Record<string, string>;
}

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"];
const seldom = <T>(value: fc.Arbitrary<T>, otherwise: T) =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(otherwise) }, value);

/** Mostly to the JSON; seldom to several things at once, of which the first would hide the others. */
export const damage: fc.Arbitrary<Damage> = fc.record({
  seed: fc.nat(),
  json: fc.array(fc.tuple(fc.nat(), change), { maxLength: 3 }),
  bytes: seldom(fc.array(splice, { minLength: 1, maxLength: 2 }), []),
  target: seldom(fc.array(splice, { minLength: 1, maxLength: 2 }), []),
  method: seldom<string | null>(fc.constantFrom(...methods), null),
  headers: seldom(headers, {}),
});

/** The damaged request. The target stays free of what would end it: line breaks and blanks are put into raw bytes elsewhere. */
export function toRequest(
  seeds: readonly Seed[],
  { seed, json, bytes, target, method, headers: given }: Damage,
): RequestParts {
  const { body, ...start } = seeds[seed % seeds.length] as Seed;
  const changed = json.reduce((now, [at, what]) => mutated(now, at, what), body);
  const text = Buffer.from(body === undefined ? "" : (JSON.stringify(changed) ?? ""));
  const type = start.target.startsWith("/scim") ? "application/scim+json" : "application/json";
  const place = spliced(Buffer.from(start.target), target)
    .toString("latin1")
    .replace(/[\s\0]/g, "%20");
  return {
    method: method ?? start.method,
    target: place,
    headers: { ...(body === undefined ? {} : { "Content-Type": type }), ...given },
    ...(body === undefined ? {} : { body: spliced(text, bytes) }),
  };
}
