/** Prints a filter's tree as text that parses into the same tree. */
import { type AttrPath, attributeAt, formatPath } from "../attributes.ts";
import type { Filter } from "./ast.ts";

export function printFilter(filter: Filter): string {
  return print(filter, formatPath);
}

function print(filter: Filter, name: (path: AttrPath) => string): string {
  const inner = (child: Filter): string =>
    "and" in child || "or" in child ? `(${print(child, name)})` : print(child, name);
  if ("and" in filter) return filter.and.map(inner).join(" and ");
  if ("or" in filter)
    return filter.or.map((child) => ("and" in child ? print(child, name) : inner(child))).join(" or ");
  if ("not" in filter) return `not (${print(filter.not, name)})`;
  if ("present" in filter) return `${name(filter.present)} pr`;
  if ("compare" in filter) {
    const { path, op, value } = filter.compare;
    return `${name(path)} ${op} ${JSON.stringify(value)}`;
  }
  return `${formatPath(filter.valuePath.attribute)}[${print(filter.valuePath.filter, withinBrackets)}]`;
}

/** Within brackets a path is written from its attribute on; an element without sub-attributes is its own `value`. */
function withinBrackets(path: AttrPath): string {
  return path.sub ?? (attributeAt(path) ? "value" : path.attribute);
}
