/** Whether a resource matches a filter: the meaning of every operator, to which the SQL of src/scim/filter-sql.ts is held. */
import { type Attribute, type AttrPath, attributeAt, isExtension } from "../attributes.ts";
import { parseInstant } from "../instants.ts";
import { isObject, member } from "../json.ts";
import { isStorable, normaliseName } from "../names.ts";
import type { Comparison, Filter, Literal, Operator } from "./ast.ts";

/**
 * RFC 7644 §3.4.2.2. A list matches where one of its elements does; `ne` is that an element differs, and for a single
 * attribute that it is not equal, assigned or not. `eq null` is the absence of a value (RFC 7643 §2.5). An unknown attribute
 * matches nothing. `resource` has canonical names, extensions under their URN.
 */
export function matches(filter: Filter, resource: unknown): boolean {
  return evaluate(filter, (path) => valuesOf(path, resource));
}

/** Whether one element of a multi-valued attribute matches the filter of a value path. */
export function elementMatches(filter: Filter, element: unknown): boolean {
  return evaluate(filter, (path) => [path.sub === undefined ? element : member(element, path.sub)]);
}

/** The values at a path: one for a single attribute, assigned or not; one an element for a list. */
type Read = (path: AttrPath) => readonly unknown[];

function evaluate(filter: Filter, read: Read): boolean {
  if ("and" in filter) return filter.and.every((term) => evaluate(term, read));
  if ("or" in filter) return filter.or.some((term) => evaluate(term, read));
  if ("not" in filter) return !evaluate(filter.not, read);
  if ("present" in filter) return attributeAt(filter.present) !== undefined && read(filter.present).some(isPresent);
  if ("compare" in filter) return compare(filter.compare, read);
  const { attribute, filter: inner } = filter.valuePath;
  return (
    attributeAt(attribute) !== undefined && read(attribute).some((one) => one != null && elementMatches(inner, one))
  );
}

function valuesOf(path: AttrPath, resource: unknown): readonly unknown[] {
  const container = isExtension(path.schema) ? member(resource, path.schema) : resource;
  const value = member(container, path.attribute);
  if (attributeAt(path)?.attribute.multiValued !== true) {
    return [path.sub === undefined ? value : member(value, path.sub)];
  }
  const elements = Array.isArray(value) ? value : [];
  return path.sub === undefined ? elements : elements.map((element) => member(element, path.sub as string));
}

/** RFC 7644 §3.4.2.2 `pr`: "a non-empty or non-null value"; a complex one holds a value somewhere. */
function isPresent(value: unknown): boolean {
  if (value === undefined || value === null || value === "") return false;
  if (Array.isArray(value)) return value.some(isPresent);
  return isObject(value) ? Object.values(value).some(isPresent) : true;
}

function compare({ path, op, value }: Comparison, read: Read): boolean {
  const leaf = attributeAt(path)?.leaf;
  if (!leaf) return false;
  const values = read(path);
  if (value === null) return op === "eq" ? !values.some(isPresent) : op === "ne" ? values.some(isPresent) : false;
  if (op === "ne") return values.some((stored) => !holds(leaf, "eq", stored, value));
  return values.some((stored) => holds(leaf, op, stored, value));
}

function holds(leaf: Attribute, op: Operator, stored: unknown, literal: Literal): boolean {
  if (stored === undefined || stored === null) return false;
  switch (leaf.type) {
    case "boolean":
      return op === "eq" && stored === literal;
    case "decimal":
    case "integer":
      return typeof stored === "number" && typeof literal === "number" && ordered(op, stored - literal);
    case "dateTime":
      return typeof stored === "string" && typeof literal === "string" && holdsInTime(op, stored, literal);
    case "complex":
      return false;
    default:
      return typeof stored === "string" && typeof literal === "string" && holdsInText(leaf, op, stored, literal);
  }
}

function holdsInTime(op: Operator, stored: string, literal: string): boolean {
  const [left, right] = [parseInstant(stored), parseInstant(literal)];
  if (left === undefined || right === undefined) return false;
  return ordered(op, left < right ? -1 : left > right ? 1 : 0);
}

function holdsInText(leaf: Attribute, op: Operator, stored: string, literal: string): boolean {
  if (!isStorable(literal)) return false;
  const [left, right] = leaf.caseExact ? [stored, literal] : [normaliseName(stored), normaliseName(literal)];
  if (op === "co") return left.includes(right);
  if (op === "sw") return left.startsWith(right);
  if (op === "ew") return left.endsWith(right);
  return ordered(op, compareText(left, right));
}

function ordered(op: Operator, order: number): boolean {
  switch (op) {
    case "eq":
      return order === 0;
    case "gt":
      return order > 0;
    case "ge":
      return order >= 0;
    case "lt":
      return order < 0;
    case "le":
      return order <= 0;
    default:
      return false;
  }
}

/** By code point, as PostgreSQL compares under the collation "C"; JavaScript's own order is by UTF-16 unit. */
function compareText(left: string, right: string): number {
  const shared = Math.min(left.length, right.length);
  let at = 0;
  while (at < shared && left.charCodeAt(at) === right.charCodeAt(at)) at += 1;
  if (at === shared) return left.length - right.length;
  const [a, b] = [left.charCodeAt(at), right.charCodeAt(at)];
  const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff;
  return isSurrogate(a) === isSurrogate(b) ? a - b : isSurrogate(a) ? 1 : -1;
}
