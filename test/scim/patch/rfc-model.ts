/**
 * PATCH as RFC 7644 §3.5.2 tells it, the plainest way: one attribute of one document at a time, lists walked from their
 * beginning, nothing shared with src/. It reads the schema documents themselves and is what the interpreter is held to.
 * Where the RFC leaves room, the decisions of the README are written out again: a filtered replace keeps what it does not
 * name and creates what it describes, a remove with a value removes that value, a new primary demotes the old one.
 */
import enterprise from "../../../schemas/EnterpriseUser.json" with { type: "json" };
import core from "../../../schemas/User.json" with { type: "json" };
import usher from "../../../schemas/UsherUser.json" with { type: "json" };

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type Members = { [name: string]: Json };

export interface AttributeDoc {
  readonly name: string;
  readonly type: string;
  readonly multiValued: boolean;
  readonly required: boolean;
  readonly caseExact?: boolean;
  readonly mutability: string;
  readonly subAttributes?: readonly AttributeDoc[];
}

/** RFC 7643 §3.1: what no schema document lists. */
const plain = { multiValued: false, required: false, caseExact: true, mutability: "readOnly" };
const common: readonly AttributeDoc[] = [
  { ...plain, name: "externalId", type: "string", mutability: "readWrite" },
  { ...plain, name: "id", type: "string" },
  { ...plain, name: "meta", type: "complex", subAttributes: [{ ...plain, name: "created", type: "dateTime" }] },
];

/** The attributes by the URN of their schema; "" for the core. */
export const schemas: Readonly<Record<string, readonly AttributeDoc[]>> = {
  "": [...common, ...core.attributes],
  [enterprise.id]: enterprise.attributes,
  [usher.id]: usher.attributes,
};
export const coreUrn = core.id;

/** What a filter in brackets asks of an element. */
export type Condition =
  | { readonly sub: AttributeDoc; readonly op: "eq" | "ne" | "co" | "sw" | "ew"; readonly literal: string | boolean }
  | { readonly sub: AttributeDoc; readonly op: "pr" }
  | { readonly and: readonly Condition[] }
  | { readonly or: readonly Condition[] }
  | { readonly not: Condition };

/** The place an operation points at. */
export interface Target {
  readonly schema: string;
  readonly attribute: AttributeDoc;
  readonly condition?: Condition;
  readonly sub?: AttributeDoc;
}

export type Operation =
  | { readonly op: "add" | "replace" | "remove"; readonly target: Target; readonly value?: Json }
  | { readonly op: "add" | "replace"; readonly members: readonly { readonly target: Target; readonly value: Json }[] }
  | { readonly op: "remove"; readonly extension: string };

/** A refusal, by the word of RFC 7644 §3.12 Table 9. */
export class Refused extends Error {
  readonly scimType: string;
  constructor(scimType: string) {
    super(scimType);
    this.scimType = scimType;
  }
}

/** The document after the operation; the given one is left as it is. */
export function apply(document: Members, operation: Operation): Members {
  const doc = structuredClone(document);
  if ("extension" in operation) delete doc[operation.extension];
  else if ("members" in operation) {
    for (const { target, value } of operation.members) assign(doc, operation.op, target, value, false);
  } else assign(doc, operation.op, operation.target, operation.value, true);
  for (const urn of Object.keys(schemas)) if (isEmpty(doc[urn])) delete doc[urn];
  return doc;
}

/** `pointed`: the client named the attribute in a path, so it means it. */
function assign(
  doc: Members,
  op: "add" | "replace" | "remove",
  target: Target,
  value: Json | undefined,
  pointed: boolean,
): void {
  const { schema, attribute, sub } = target;
  const leaf = sub ?? attribute;
  if (leaf.mutability === "readOnly" || attribute.mutability === "readOnly") {
    // RFC 7644 §3.5.2: an operation on a read-only attribute is `mutability`; one that comes along in an object is ignored.
    if (pointed || attribute.name === "id") throw new Refused("mutability");
    return;
  }
  if (pointed && op !== "remove" && value === undefined) throw new Refused("invalidValue");
  if (leaf.mutability === "writeOnly") return;
  const removes = op === "remove" || value === null;
  if (removes && leaf.required) throw new Refused(pointed && op === "remove" ? "mutability" : "invalidValue");
  if (removes && leaf.name === "active") {
    if (pointed) throw new Refused(op === "remove" ? "mutability" : "invalidValue");
    return;
  }
  if (schema !== "" && doc[schema] === undefined) doc[schema] = {};
  const container = schema === "" ? doc : (doc[schema] as Members);
  const before = container[attribute.name];
  const given = value ?? undefined;
  const after = attribute.multiValued
    ? changeList((before ?? []) as Members[], target, removes ? "remove" : op, given)
    : attribute.type === "complex"
      ? changeComplex((before ?? {}) as Members, target, removes, given)
      : changeSimple(before, attribute, removes, given);
  if (isEmpty(after)) delete container[attribute.name];
  else container[attribute.name] = after as Json;
}

function changeSimple(
  before: Json | undefined,
  attribute: AttributeDoc,
  removes: boolean,
  value: Json | undefined,
): Json | undefined {
  if (!removes) return value;
  return value === undefined || sameText(attribute, before, value) ? undefined : before;
}

function changeComplex(
  before: Members,
  { attribute, sub }: Target,
  removes: boolean,
  value: Json | undefined,
): Members {
  if (!removes) return merge(attribute, before, sub === undefined ? (value as Members) : { [sub.name]: value as Json });
  if (sub !== undefined) {
    if (value !== undefined && !sameText(sub, before[sub.name], value)) return before;
    return merge(attribute, before, { [sub.name]: null });
  }
  if (value === undefined) return {};
  const covered = Object.entries(value as Members).every(([name, one]) =>
    sameText(subOf(attribute, name), before[name], one),
  );
  return covered ? {} : before;
}

/** RFC 7644 §3.5.2.3: "Sub-attributes that are not specified in the "value" parameter are left unchanged". */
function merge(attribute: AttributeDoc, before: Members, given: Members): Members {
  const after = { ...before };
  for (const [name, value] of Object.entries(given)) {
    const sub = subOf(attribute, name);
    if (sub === undefined || sub.mutability === "readOnly") continue;
    if (value === null) delete after[name];
    else after[name] = value;
    if (name === "value" && after.value !== before.value && given.$ref === undefined) delete after.$ref;
  }
  return after;
}

function changeList(
  before: Members[],
  target: Target,
  op: "add" | "replace" | "remove",
  value: Json | undefined,
): Members[] {
  const { attribute, condition, sub } = target;
  if (condition === undefined && sub === undefined) return changeWhole(before, attribute, op, value);
  const chosen = before.filter((element) => condition === undefined || fits(condition, element));
  if (chosen.length === 0) {
    if (op === "remove") return before;
    // RFC 7644 §3.5.2.3 has noTarget; Entra counts on an element as the filter describes it.
    if (condition === undefined) throw new Refused("noTarget");
    const created = changeElement(described(condition), target, value);
    return isPrimary(created) ? [...demoted(before), created] : [...before, created];
  }
  const after: Members[] = [];
  let primary: Members | undefined;
  for (const element of before) {
    if (!chosen.includes(element)) after.push(element);
    else if (op === "remove" && sub === undefined) continue;
    else if (op === "remove" && isElsewhere(sub, element[sub?.name ?? ""], value)) after.push(element);
    else {
      const next = op === "remove" ? without(element, sub?.name ?? "") : changeElement(element, target, value);
      if (isEmpty(next) || (op === "remove" && saysNothing(attribute, next))) continue;
      after.push(next);
      if (isPrimary(next)) primary = next;
    }
  }
  return primary === undefined ? after : after.map((one) => (one === primary ? one : (demoted([one])[0] as Members)));
}

/** What is not there, or is another value than the one repeated, is nothing to remove. */
function isElsewhere(sub: AttributeDoc | undefined, stored: Json | undefined, value: Json | undefined): boolean {
  return stored === undefined || (value !== undefined && !sameText(sub, stored, value));
}

function changeElement(element: Members, { attribute, sub }: Target, value: Json | undefined): Members {
  return sub === undefined ? merge(attribute, element, value as Members) : { ...element, [sub.name]: value as Json };
}

function changeWhole(
  before: Members[],
  attribute: AttributeDoc,
  op: "add" | "replace" | "remove",
  value: Json | undefined,
): Members[] {
  if (op === "remove" && value === undefined) return [];
  const given = onePrimary(distinct((Array.isArray(value) ? value : [value ?? {}]) as Members[]));
  if (op === "replace") return given;
  if (op === "remove") return before.filter((element) => !given.some((one) => isMeant(attribute, one, element)));
  let after = [...before];
  for (const element of given) {
    const at = indexOfSame(attribute, after, element);
    const next = at < 0 ? element : { ...after[at], ...element };
    after = at < 0 ? [...after, next] : after.map((one, i) => (i === at ? next : one));
  }
  const last = given.findLast(isPrimary);
  if (last === undefined) return after;
  const at = indexOfSame(attribute, after, last);
  return after.map((one, i) => (i === at ? one : (demoted([one])[0] as Members)));
}

/** RFC 7644 §3.5.2.1: what is there already is not added again: the same value, and not of another type. */
function indexOfSame(attribute: AttributeDoc, list: readonly Members[], element: Members): number {
  const value = subOf(attribute, "value");
  const type = element.type;
  if (value === undefined || element.value === undefined) {
    return list.findIndex((one) => (value === undefined || one.value === undefined) && equal(one, element));
  }
  const isSame = (one: Members) => sameText(value, one.value, element.value);
  if (type === undefined) return list.findIndex(isSame);
  const typed = list.findIndex((one) => isSame(one) && sameText(undefined, one.type, type));
  return typed >= 0 ? typed : list.findIndex((one) => isSame(one) && one.type === undefined);
}

/** Whether a value of a remove means the element: the same value, or, without one, everything that it says. */
function isMeant(attribute: AttributeDoc, given: Members, element: Members): boolean {
  const value = subOf(attribute, "value");
  if (value !== undefined && given.value !== undefined) {
    if (!sameText(value, given.value, element.value)) return false;
    return given.type === undefined || element.type === undefined || sameText(undefined, given.type, element.type);
  }
  return Object.entries(given).every(([name, one]) => sameText(subOf(attribute, name), element[name], one));
}

function fits(condition: Condition, element: Members): boolean {
  if ("and" in condition) return condition.and.every((one) => fits(one, element));
  if ("or" in condition) return condition.or.some((one) => fits(one, element));
  if ("not" in condition) return !fits(condition.not, element);
  const stored = element[condition.sub.name];
  if (condition.op === "pr") return stored !== undefined && stored !== "";
  const { sub, op, literal } = condition;
  if (op === "ne") return !fits({ sub, op: "eq", literal }, element);
  if (typeof stored !== "string" || typeof literal !== "string") return op === "eq" && stored === literal;
  const [left, right] = sub.caseExact === true ? [stored, literal] : [fold(stored), fold(literal)];
  if (op === "eq") return left === right;
  return op === "co" ? left.includes(right) : op === "sw" ? left.startsWith(right) : left.endsWith(right);
}

/** The element that equalities describe. */
function described(condition: Condition): Members {
  if ("and" in condition) return Object.assign({}, ...condition.and.map(described));
  if (!("sub" in condition) || condition.op !== "eq") throw new Refused("noTarget");
  return { [condition.sub.name]: condition.literal };
}

/** An element of which only its kind and rank are left. */
function saysNothing(attribute: AttributeDoc, element: Members): boolean {
  const hasValue = subOf(attribute, "value") !== undefined;
  const marks = hasValue ? ["type", "primary", "display", "$ref"] : ["type", "primary"];
  return Object.keys(element).every((name) => marks.includes(name));
}

const isPrimary = (element: Members) => element.primary === true;
const demoted = (list: readonly Members[]) => list.map((one) => (isPrimary(one) ? { ...one, primary: false } : one));

/** RFC 7643 §2.4: primary at most once; of several the last. */
function onePrimary(list: Members[]): Members[] {
  const last = list.findLastIndex(isPrimary);
  return list.map((one, at) => (at < last ? (demoted([one])[0] as Members) : one));
}

function distinct(list: Members[]): Members[] {
  return list.filter((one, at) => !list.slice(0, at).some((other) => JSON.stringify(other) === JSON.stringify(one)));
}

function subOf(attribute: AttributeDoc, name: string): AttributeDoc | undefined {
  return attribute.subAttributes?.find((sub) => sub.name === name);
}

function without(element: Members, name: string): Members {
  return Object.fromEntries(Object.entries(element).filter(([other]) => other !== name));
}

/** Equal; texts without letter case, unless the attribute is case-exact. */
function sameText(attribute: AttributeDoc | undefined, one: Json | undefined, other: Json | undefined): boolean {
  const folds = attribute?.caseExact !== true;
  if (typeof one === "string" && typeof other === "string" && folds) return fold(one) === fold(other);
  return one === other;
}

function equal(one: Members, other: Members): boolean {
  const sorted = (members: Members) => JSON.stringify(Object.entries(members).sort());
  return sorted(one) === sorted(other);
}

function fold(text: string): string {
  return text.normalize("NFKC").toLowerCase();
}

function isEmpty(value: unknown): boolean {
  return value === undefined || (typeof value === "object" && value !== null && Object.keys(value).length === 0);
}
