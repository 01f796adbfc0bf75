/** Elements of a multi-valued attribute: which are the same, which a filter stands for, which of them is primary. */
import { Problem } from "../../problems.ts";
import type { Attribute } from "../../vocabulary/attributes.ts";
import type { Comparison, Filter } from "../../vocabulary/filter/index.ts";
import { type Json, type JsonObject, member } from "../../vocabulary/json.ts";
import { normaliseName } from "../../vocabulary/names.ts";
import { isPrimary } from "../../vocabulary/values.ts";

export type Element = JsonObject;

/** RFC 7644 §3.5.2.1: adding what is there already changes nothing, so an element of the same value is completed instead. */
export function mergeElements(attribute: Attribute, present: readonly Element[], added: readonly Element[]): Element[] {
  const result = [...present];
  const index = new ElementIndex(attribute);
  for (const [at, element] of present.entries()) index.add(element, at);
  let primaryAt = -1;
  for (const element of added) {
    const at = index.find(element) ?? result.length;
    const merged = { ...result[at], ...element };
    result[at] = merged;
    index.add(merged, at);
    if (isPrimary(element)) primaryAt = at;
  }
  return demoteOthers(result, primaryAt);
}

/** Those of `present` that are none of `removed`. */
export function withoutElements(
  attribute: Attribute,
  present: readonly Element[],
  removed: readonly Element[],
): Element[] {
  const index = new ElementIndex(attribute);
  for (const [at, element] of removed.entries()) index.add(element, at);
  const parts = removed.filter((element) => element.value === undefined);
  return present.filter((one) => index.find(one) === undefined && !parts.some((part) => isPart(attribute, part, one)));
}

/**
 * Finds elements that are the same: equal `value`, and not of different types, for a client that removes an address repeats
 * neither its display nor always its type. In one step each: a request may hold tens of thousands.
 */
class ElementIndex {
  readonly #value: Attribute | undefined;
  readonly #positions = new Map<string, number>();

  constructor(attribute: Attribute) {
    this.#value = attribute.subAttributes.get("value");
  }

  add(element: Element, at: number): void {
    const { value, type } = this.#marks(element);
    const untyped = `untyped ${value}`;
    if (type !== undefined && this.#positions.get(untyped) === at) this.#positions.delete(untyped);
    for (const key of [`any ${value}`, type === undefined ? untyped : `${type}\0${value}`]) {
      if (!this.#positions.has(key)) this.#positions.set(key, at);
    }
  }

  find(element: Element): number | undefined {
    const { value, type } = this.#marks(element);
    if (type === undefined) return this.#positions.get(`any ${value}`);
    return this.#positions.get(`${type}\0${value}`) ?? this.#positions.get(`untyped ${value}`);
  }

  /** An element without value is only the same as one that is equal in everything. */
  #marks(element: Element): { value: string; type?: string } {
    const { value, type } = element;
    if (typeof value !== "string" || !this.#value)
      return { value: `= ${JSON.stringify(Object.entries(element).sort())}` };
    const text = `: ${this.#value.caseExact ? value : normaliseName(value)}`;
    return typeof type === "string" ? { value: text, type: normaliseName(type) } : { value: text };
  }
}

/** RFC 7643 §2.4: "The primary attribute value "true" MUST appear no more than once": a new primary demotes the old. */
export function demoteOthers(elements: readonly Element[], primaryAt: number): Element[] {
  if (primaryAt < 0) return [...elements];
  return elements.map((one, i) => (i !== primaryAt && isPrimary(one) ? { ...one, primary: false } : one));
}

/** Whether every sub-attribute of `part`, at least one, stands in `whole` as well. */
function isPart({ subAttributes }: Attribute, part: Element, whole: Element): boolean {
  const names = Object.keys(part);
  if (part.value !== undefined || names.length === 0) return false;
  return names.every((name) => isSameText(subAttributes.get(name.toLowerCase()), part[name], member(whole, name)));
}

/** Equal, or equal text without letter case where the attribute is not case-exact. */
export function isSameText(attribute: Attribute | undefined, one: unknown, other: unknown): boolean {
  if (typeof one !== "string" || typeof other !== "string" || attribute?.caseExact) return one === other;
  return normaliseName(one) === normaliseName(other);
}

/**
 * The element that a filter describes, for an add or replace that finds none (WIRE §14: Entra counts on it). Only equalities
 * say what an element holds; for any other filter the target does not exist and cannot be made. Raises `noTarget`.
 */
export function elementFrom(filter: Filter): Element {
  const terms = "and" in filter ? filter.and : [filter];
  const element: Record<string, Json> = {};
  for (const term of terms) {
    const comparison: Comparison | undefined = "compare" in term ? term.compare : undefined;
    if (comparison?.op !== "eq" || comparison.path.sub === undefined) {
      throw new Problem(
        "noTarget",
        "No element matches the filter of the path, and it does not say what a new one would hold.",
      );
    }
    if (comparison.value !== null) element[comparison.path.sub] = comparison.value;
  }
  return element;
}

/** Whether an element says nothing any more: its kind and rank are left, but not the thing itself. */
export function isHollow(attribute: Attribute, element: Element): boolean {
  const marks = attribute.subAttributes.has("value") ? ["type", "primary", "display", "$ref"] : ["type", "primary"];
  return Object.keys(element).every((name) => marks.includes(name));
}
