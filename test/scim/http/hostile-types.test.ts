/**
 * Every attribute of the attribute table × every JSON value, through POST, PUT, PATCH with a path and PATCH without one. What is
 * no value of the attribute's type is 400 and names it; what is one comes back as RFC 7643 §2.3 says; and what an answer
 * holds is always of the type that /Schemas announces. The reading of the types here is written anew, from the RFC and the
 * README's tolerances, so that two minds have to agree.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { type Attribute, type ResourceTypeName, resourceType } from "../../../src/vocabulary/attributes.ts";
import { GROUP, PATCH_OP, USER } from "../../../src/vocabulary/urns.ts";
import { describeOn } from "../../helpers/database.ts";
import { laySiege, type Told } from "../../helpers/siege.ts";

/** Every kind of JSON value, and the texts that stand for other kinds. */
const values: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e300,
  "",
  " ",
  "text",
  "true",
  "12",
  "2026-01-31T09:00:00Z",
  [],
  {},
  [null],
  [1],
  ["text"],
  [true],
  [[]],
  [{}],
  [[{}]],
  { value: "text" },
  { value: 1 },
  { value: {} },
  { value: ["text"] },
  { nosuch: 1 },
  [{ value: "text" }, 1],
  [{ value: null }],
];

/** For sub-attributes, of which there are many alike, one value of each JSON type and what stands for another. */
const fewValues: readonly unknown[] = [
  null,
  true,
  1.5,
  1e300,
  "",
  "text",
  "true",
  [],
  ["text"],
  {},
  [{}],
  { value: "x" },
];

/** `clears`: the attribute is unassigned; `refuses`: 400; `takes`: kept. */
type Verdict = "takes" | "clears" | "refuses";

const isObject = (json: unknown): json is Record<string, unknown> =>
  typeof json === "object" && json !== null && !Array.isArray(json);

function judge(attribute: Attribute, json: unknown): Verdict {
  if (json === null) return "clears";
  if (!attribute.multiValued) return judgeSingle(attribute, json);
  const verdicts = (Array.isArray(json) ? json : [json]).map((one) =>
    one === null ? "clears" : judgeSingle(attribute, one),
  );
  return verdicts.includes("refuses") ? "refuses" : verdicts.includes("takes") ? "takes" : "clears";
}

function judgeSingle(attribute: Attribute, json: unknown): Verdict {
  switch (attribute.type) {
    case "boolean":
      return typeof json === "boolean" || (typeof json === "string" && /^(true|false)$/i.test(json))
        ? "takes"
        : "refuses";
    case "integer":
    case "decimal":
      if (json === "") return "clears";
      if (typeof json === "number") return Math.abs(json) <= Number.MAX_SAFE_INTEGER ? "takes" : "refuses";
      return typeof json === "string" && /^-?\d+(\.\d+)?$/.test(json) ? "takes" : "refuses";
    case "dateTime":
      return json === "" ? "clears" : typeof json === "string" && /^\d{4}-\d\d-\d\dT/.test(json) ? "takes" : "refuses";
    case "complex":
      return judgeComplex(attribute, json);
    case "binary":
      return typeof json === "string" && /^[\w+/=-]*$/.test(json) ? "takes" : "refuses";
    default:
      return typeof json === "string" ? "takes" : "refuses";
  }
}

function judgeComplex(attribute: Attribute, json: unknown): Verdict {
  const value = attribute.subAttributes.get("value");
  if (typeof json === "string")
    return value === undefined ? "refuses" : json.trim() === "" ? "clears" : judgeSingle(value, json);
  if (!isObject(json)) return "refuses";
  const verdicts = Object.entries(json).flatMap(([name, one]) => {
    const sub = attribute.subAttributes.get(name);
    return sub === undefined || sub.mutability === "readOnly" ? [] : [judge(sub, one)];
  });
  return verdicts.includes("refuses") ? "refuses" : verdicts.includes("takes") ? "takes" : "clears";
}

interface Place {
  readonly type: ResourceTypeName;
  readonly schema: string;
  readonly attribute: Attribute;
  readonly sub?: Attribute;
  /** As a client points at it. */
  readonly path: string;
}

function placesOf(type: ResourceTypeName): Place[] {
  const { core, extensions } = resourceType(type);
  return [core, ...extensions].flatMap((schema) =>
    [...schema.attributes.values()].flatMap((attribute) => {
      const path = schema === core ? attribute.name : `${schema.id}:${attribute.name}`;
      const whole: Place = { type, schema: schema.id, attribute, path };
      return [
        whole,
        ...[...attribute.subAttributes.values()].map((sub) => ({ ...whole, sub, path: `${path}.${sub.name}` })),
      ];
    }),
  );
}

/** A body that has the value at the place. */
function bodyWith({ type, schema, attribute, sub }: Place, value: unknown, name: string): Record<string, unknown> {
  const inner = sub === undefined ? value : { [sub.name]: value };
  const placed = sub !== undefined && attribute.multiValued ? [inner] : inner;
  const required = type === "User" ? { userName: name } : { displayName: name };
  if (schema === USER || schema === GROUP) return { ...required, [attribute.name]: placed };
  return { ...required, [schema]: { [attribute.name]: placed } };
}

/**
 * What is judged by more than its type: names exist, ids are the service's own, members are people, passwords are not empty;
 * `schemas` in an operation and `manager` as a list are habits of clients (see dialects/).
 */
const ruled =
  /^(id|schemas|userName|displayName|active|password|members.*|.*:(role|licenseTier|manager|manager\.value))$/;

/** Every value in an answer has the type that the attribute table announces for it. */
function requireTyped(type: ResourceTypeName, resource: Record<string, unknown>): void {
  const { core, extensions } = resourceType(type);
  const check = (attribute: Attribute, json: unknown, place: string): void => {
    if (attribute.multiValued !== Array.isArray(json)) expect.fail(`${place} is ${JSON.stringify(json)}`);
    for (const one of attribute.multiValued ? (json as unknown[]) : [json]) {
      if (attribute.type === "complex") {
        if (!isObject(one)) expect.fail(`${place} is ${JSON.stringify(one)}`);
        for (const [name, member] of Object.entries(one)) {
          const sub = attribute.subAttributes.get(name.toLowerCase());
          if (sub?.name !== name) expect.fail(`${place} has ${name}`);
          check(sub, member, `${place}.${name}`);
        }
      } else {
        const kind =
          attribute.type === "boolean" ? "boolean" : /^(decimal|integer)$/.test(attribute.type) ? "number" : "string";
        if (typeof one !== kind) expect.fail(`${place} is ${JSON.stringify(one)}`);
      }
    }
  };
  for (const [name, json] of Object.entries(resource)) {
    const extension = extensions.find(({ id }) => id === name);
    if (extension !== undefined) {
      for (const [inner, one] of Object.entries(json as object)) {
        const attribute = extension.attributes.get(inner.toLowerCase());
        if (attribute?.name !== inner) expect.fail(`${name} has ${inner}`);
        check(attribute, one, `${name}:${inner}`);
      }
      continue;
    }
    const attribute = core.attributes.get(name.toLowerCase());
    if (attribute?.name !== name) expect.fail(`the ${type} has ${name}`);
    check(attribute, json, name);
  }
}

describeOn("pglite", "wrong types everywhere", (getDb) => {
  const siege = laySiege(getDb);
  const { scim } = siege;
  const ids = { User: "", Group: "" };
  const mine = { User: { userName: "subject" }, Group: { displayName: "subject", members: [] } };
  let requests = 0;
  beforeAll(async () => {
    ids.User = (await scim("POST", "/Users", mine.User)).json.id;
    ids.Group = (await scim("POST", "/Groups", mine.Group)).json.id;
  });

  /** The value at the place, through every way in which a client can write it. */
  async function everyWay(place: Place, value: unknown): Promise<{ way: string; told: Told }[]> {
    const { type, attribute, sub, path } = place;
    const own = `/${type}s/${ids[type]}`;
    const marks = attribute.subAttributes.has("type") ? 'type eq "work"' : 'value eq "x"';
    const pointed = sub !== undefined && attribute.multiValued ? path.replace(/\.(\$?\w+)$/, `[${marks}].$1`) : path;
    const named = bodyWith(place, value, "subject");
    const operations = {
      "add with path": { op: "add", path: pointed, value },
      "replace with path": { op: "replace", path: pointed, value },
      "add without path": { op: "add", value: { [path]: value } },
      "replace without path": { op: "replace", value: named },
    };
    const told = [
      { way: "POST", told: await scim("POST", `/${type}s`, bodyWith(place, value, `made ${++requests}`)) },
      { way: "PUT", told: await scim("PUT", own, named) },
    ];
    for (const [way, operation] of Object.entries(operations)) {
      told.push({ way, told: await scim("PATCH", own, { schemas: [PATCH_OP], Operations: [operation] }) });
    }
    requests += told.length;
    for (const { told: answer } of told) {
      if (answer.status === 200 || answer.status === 201) requireTyped(type, answer.json);
    }
    return told;
  }

  describe.each(["User", "Group"] as const)("%s", (type) => {
    it.each(placesOf(type).map((place) => [place.path, place] as const))("%s", async (path, place) => {
      const leaf = place.sub ?? place.attribute;
      await scim("PUT", `/${type}s/${ids[type]}`, mine[type]);
      const isReadOnly = leaf.mutability === "readOnly" || place.attribute.mutability === "readOnly";
      for (const value of place.sub === undefined ? values : fewValues) {
        const verdict = judge(leaf, value);
        for (const { way, told } of await everyWay(place, value)) {
          const where = `${way} ${path} = ${JSON.stringify(value)}: ${told.status} ${told.text.slice(0, 300)}`;
          if (told.status >= 400)
            expect(
              ["invalidValue", "mutability", "invalidSyntax", "noTarget", "invalidPath", "uniqueness", undefined],
              where,
            ).toContain(told.json.scimType);
          if (ruled.test(path)) continue;
          if (isReadOnly) {
            // RFC 7644 §3.3, §3.5.1: ignored in a resource; §3.5.2: an operation that points at it is `mutability`.
            if (way.endsWith("with path"))
              expect(told.json.scimType, where).toMatch(/^(mutability|invalidPath|noTarget)$/);
            else expect(told.status, where).toBeLessThan(300);
          } else if (verdict === "refuses") {
            expect(told.status, where).toBe(400);
            expect(told.json.detail, where).toContain(place.attribute.name);
          } else if (told.status >= 300) {
            expect(told.json.scimType, where).toBe("noTarget");
          }
        }
      }
    });
  });

  it("every member of a PatchOp, a search and the envelope of an operation × every JSON value", async () => {
    const { User: id } = ids;
    for (const value of values) {
      const messages = [
        { Operations: value },
        { Operations: [value] },
        { schemas: value, Operations: [{ op: "replace", path: "title", value: "x" }] },
        { Operations: [{ op: value, path: "title", value: "x" }] },
        { Operations: [{ op: "replace", path: value, value: "x" }] },
        { Operations: [{ op: "remove", path: value }] },
        { Operations: [{ op: "replace", value }] },
      ];
      for (const message of messages) {
        for (const place of [`/Users/${id}`, `/Groups/${ids.Group}`]) await scim("PATCH", place, message);
      }
      const schemas = ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"];
      for (const name of [
        "filter",
        "sortBy",
        "sortOrder",
        "startIndex",
        "count",
        "attributes",
        "excludedAttributes",
        "cursor",
      ]) {
        await scim("POST", "/Users/.search", { schemas, [name]: value });
        await scim("POST", "/Groups/.search", { schemas, [name]: value });
      }
      await scim("POST", "/Users/.search", { schemas: value });
      for (const [method, path] of [
        ["POST", "/Users"],
        ["PUT", `/Users/${id}`],
        ["PATCH", `/Users/${id}`],
        ["POST", "/Groups"],
        ["POST", "/Users/.search"],
      ] as const) {
        const { status, json } = await scim(method, path, JSON.stringify(value));
        expect([method, path, value, status]).toEqual([method, path, value, 400]);
        if (!isObject(value)) expect(json.scimType).toBe("invalidSyntax");
      }
    }
  });

  it("asked more than 8,000 times", () => {
    expect(requests).toBeGreaterThan(8_000);
  });
});
