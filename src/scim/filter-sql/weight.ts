/**
 * What a filter costs for each resource that it is held against. The parser bounds how large it is; here is bounded how long
 * it works: 500 comparisons with the groups of 1,000 people took half a minute.
 */
import { Problem } from "../../problems.ts";
import { type AttrPath, attributeAt } from "../../vocabulary/attributes.ts";
import type { Comparison, Filter } from "../../vocabulary/filter/index.ts";

/** Of a comparison with a value of the row. A filter of the parser's full size, 600 of them, is still taken. */
const plain = 1;
/** With the elements of a list in the row. */
const list = 10;
/** With what is read from other tables for each row: groups, members, teams and what was decided. */
const derived = 60;

const weightMax = 600;

/** Raises `invalidFilter` for a filter that works too long. */
export function requireLight(filter: Filter): void {
  if (weightOf(filter) <= weightMax) return;
  throw new Problem(
    "invalidFilter",
    `The filter takes too long: ${weightMax / derived} comparisons with groups, members or teams, or ${weightMax / list} with other lists, are the most.`,
  );
}

function weightOf(filter: Filter): number {
  if ("and" in filter) return sum(filter.and);
  if ("or" in filter) return sum(filter.or);
  if ("not" in filter) return weightOf(filter.not);
  if ("present" in filter) return weightAt(filter.present);
  if ("compare" in filter) return isIndexed(filter.compare) ? plain : weightAt(filter.compare.path);
  // Each condition in the brackets is held against each element.
  return Math.max(weightAt(filter.valuePath.attribute), sum([filter.valuePath.filter]));
}

function sum(filters: readonly Filter[]): number {
  return filters.reduce((total, filter) => total + weightOf(filter), 0);
}

const elsewhere: ReadonlySet<string> = new Set(["groups", "members", "teams", "team", "grants", "license"]);

function weightAt(path: AttrPath): number {
  if (elsewhere.has(path.attribute)) return derived;
  return attributeAt({ schema: path.schema, attribute: path.attribute })?.attribute.multiValued ? list : plain;
}

/** An address is found through an index, whoever has it. */
function isIndexed({ path, op }: Comparison): boolean {
  return path.attribute === "emails" && op === "eq";
}
