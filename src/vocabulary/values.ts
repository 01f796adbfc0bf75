/**
 * From a client's JSON to an attribute's canonical value: names in the table's spelling, types checked, nothing empty,
 * nothing the client may not write. RFC 7643 §2.3 types, §2.4 lists, §2.5 "unassigned".
 */
import { Problem } from "../problems.ts";
import type { Attribute } from "./attributes.ts";
import { parseInstant } from "./instants.ts";
import { isObject, type Json } from "./json.ts";
import { isStorable, normaliseName } from "./names.ts";

export const valueBounds = {
  /** Characters of a text; the longest that directories send are postal addresses. Beyond it 400. */
  textLengthMax: 4096,
  /** Characters of a certificate in Base64: ten times the usual. Beyond it 400. */
  binaryLengthMax: 65_536,
  /** UTF-8 bytes of a name once normalised: PostgreSQL's indexes take 2,700 bytes an entry. Beyond it 400. */
  nameBytesMax: 1024,
  /** Elements of one list; directories send a dozen. One PATCH may look at each a thousand times. Beyond it 400. */
  elementsMax: 300,
} as const;

/** Values that the database looks up through an index. */
const indexed: ReadonlySet<string> = new Set(["userName", "externalId", "displayName", "emails.value"]);

/**
 * The value to store, or undefined for unassigned: null, an empty list, an object of which nothing is left. `label` names
 * the attribute in a refusal. Raises `invalidValue` for a wrong type or size, `invalidSyntax` for a member given twice.
 */
export function toValue(attribute: Attribute, json: unknown, label: string): Json | undefined {
  if (json === null || json === undefined) return undefined;
  return attribute.multiValued ? toList(attribute, json, label) : toSingle(attribute, json, label);
}

/** The elements of a list, each canonical. A value that is not an array is taken for a list of one. */
function toList(attribute: Attribute, json: unknown, label: string): Json[] | undefined {
  const given = Array.isArray(json) ? json : [json];
  requireElements(given, label);
  const distinct = new Map<string, Json>();
  for (const one of given) {
    const element = one === null ? undefined : toSingle(attribute, one, label);
    if (element !== undefined) distinct.set(JSON.stringify(element), element);
  }
  return distinct.size === 0 ? undefined : keepOnePrimary([...distinct.values()]);
}

/** Raises `invalidValue` for a list that is longer than any client has reason to send. */
export function requireElements(list: readonly unknown[], label: string): void {
  if (list.length <= valueBounds.elementsMax) return;
  throw new Problem("invalidValue", `${label} has more than ${valueBounds.elementsMax} values.`, {
    facts: { attribute: label },
  });
}

/**
 * RFC 7643 §2.4: `primary` is true at most once. Of several the last stays, as if they had been added one after the other
 * (RFC 7644 §3.5.2.1): refusing would keep a leaver in, whose record has been wrong for years.
 */
export function keepOnePrimary(elements: readonly Json[]): Json[] {
  const last = elements.findLastIndex(isPrimary);
  return elements.map((one, i) => (i < last && isPrimary(one) ? { ...(one as object), primary: false } : one));
}

export function isPrimary(element: Json): boolean {
  return isObject(element) && element.primary === true;
}

function toSingle(attribute: Attribute, json: unknown, label: string): Json | undefined {
  switch (attribute.type) {
    case "complex":
      return toComplex(attribute, json, label);
    case "boolean":
      return toBoolean(json, label);
    case "decimal":
    case "integer":
      return toNumber(attribute, json, label);
    case "dateTime":
      return toDateTime(json, label);
    case "binary":
      return toBinary(json, label);
    default:
      return toText(json, label);
  }
}

function toComplex(attribute: Attribute, json: unknown, label: string): Json | undefined {
  const value = attribute.subAttributes.get("value");
  // Members, roles and managers arrive as bare ids; see entra-manager-string in test/fixtures/clients.
  if (!isObject(json)) {
    if (typeof json !== "string" || !value) throw wrongType(label, "an object", json);
    // Entra clears with an empty string; see entra-manager-empty-string in test/fixtures/clients.
    return json.trim() === "" ? undefined : { value: toSingle(value, json, `${label}.value`) as Json };
  }
  const result: Record<string, Json> = {};
  for (const [sub, given] of membersOf(json, attribute.subAttributes, label)) {
    if (sub.mutability === "readOnly") continue;
    const one = toValue(sub, given, `${label}.${sub.name}`);
    if (one !== undefined) result[sub.name] = one;
  }
  return Object.keys(result).length === 0 ? undefined : result;
}

/** The members of an object that name an attribute, in any letter case. Raises `invalidSyntax` where two name the same. */
export function membersOf(
  json: Readonly<Record<string, unknown>>,
  attributes: ReadonlyMap<string, Attribute>,
  label: string,
): [Attribute, unknown][] {
  const found = new Map<Attribute, unknown>();
  for (const [name, value] of Object.entries(json)) {
    const attribute = attributes.get(name.toLowerCase());
    if (!attribute) continue;
    if (found.has(attribute)) throw givenTwice(label === "" ? attribute.name : `${label}.${attribute.name}`);
    found.set(attribute, value);
  }
  return [...found];
}

/** A client that writes `userName` and `USERNAME` may not mean the one that we would pick. */
export function givenTwice(label: string): Problem {
  return new Problem("invalidSyntax", `${label} is given twice, in different letter case.`, {
    facts: { attribute: label },
  });
}

/** Entra sends booleans as text; see entra-patch-disable-legacy and entra-create-bool-strings in test/fixtures/clients. */
function toBoolean(json: unknown, label: string): boolean {
  if (typeof json === "boolean") return json;
  if (typeof json === "string" && /^(true|false)$/i.test(json.trim())) return json.trim().toLowerCase() === "true";
  throw wrongType(label, "true or false", json);
}

function toNumber(attribute: Attribute, json: unknown, label: string): number | undefined {
  if (json === "") return undefined;
  const number = typeof json === "string" && /^-?\d{1,30}(\.\d{1,30})?$/.test(json.trim()) ? Number(json) : json;
  if (typeof number !== "number") throw wrongType(label, "a number", json);
  if (attribute.type === "integer" && !Number.isInteger(number)) throw wrongType(label, "a whole number", json);
  // Beyond it JSON's numbers silently become their neighbours.
  if (!Number.isFinite(number) || Math.abs(number) > Number.MAX_SAFE_INTEGER) {
    throw invalid(label, `must lie within ±${Number.MAX_SAFE_INTEGER}`);
  }
  return number + 0;
}

/** Entra clears a value with an empty string; see entra-manager-empty-string in test/fixtures/clients. */
function toDateTime(json: unknown, label: string): string | undefined {
  if (json === "") return undefined;
  if (typeof json !== "string") throw wrongType(label, "a date such as 2026-01-31T09:00:00Z", json);
  if (parseInstant(json) === undefined) throw invalid(label, "must be a date such as 2026-01-31T09:00:00Z (ISO 8601)");
  return json;
}

function toBinary(json: unknown, label: string): string {
  if (typeof json !== "string") throw wrongType(label, "Base64 text", json);
  if (json.length > valueBounds.binaryLengthMax) throw tooLong(label, valueBounds.binaryLengthMax);
  if (!/^[\w+/=\r\n-]*$/.test(json)) throw invalid(label, "must be Base64 text (RFC 4648)");
  return json;
}

function toText(json: unknown, label: string): string {
  if (typeof json !== "string") throw wrongType(label, "text", json);
  if (json.length > valueBounds.textLengthMax) throw tooLong(label, valueBounds.textLengthMax);
  if (!isStorable(json)) throw invalid(label, "contains a character that no text has, such as NUL");
  if (indexed.has(label)) requireIndexable(json, label);
  return json;
}

/** Raises `invalidValue` for a name that is too long for an index once it is normalised, which may lengthen it. */
function requireIndexable(text: string, label: string): void {
  if (new TextEncoder().encode(normaliseName(text)).length > valueBounds.nameBytesMax)
    throw tooLong(label, valueBounds.nameBytesMax);
}

function tooLong(label: string, max: number): Problem {
  return invalid(label, `is longer than ${max} characters`);
}

function wrongType(label: string, expected: string, given: unknown): Problem {
  const kind = Array.isArray(given)
    ? "a list"
    : isObject(given)
      ? "an object"
      : given === null
        ? "null"
        : `a ${typeof given}`;
  return invalid(label, `must be ${expected}, not ${kind}`);
}

export function invalid(label: string, what: string): Problem {
  return new Problem("invalidValue", `${label} ${what}.`, { facts: { attribute: label } });
}
