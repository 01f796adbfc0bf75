/** A filter as a tree (RFC 7644 §3.4.2.2). Paths inside a value path name their attribute again, so each stands for itself. */
import type { AttrPath } from "../attributes.ts";

export type Operator = "eq" | "ne" | "co" | "sw" | "ew" | "gt" | "ge" | "lt" | "le";
export type Literal = string | number | boolean | null;

export interface Comparison {
  readonly path: AttrPath;
  readonly op: Operator;
  readonly value: Literal;
}

export type Filter =
  | { readonly and: readonly Filter[] }
  | { readonly or: readonly Filter[] }
  | { readonly not: Filter }
  | { readonly compare: Comparison }
  | { readonly present: AttrPath }
  | { readonly valuePath: { readonly attribute: AttrPath; readonly filter: Filter } };

/** What a PATCH path points at: a whole schema, an attribute, elements chosen by a filter, or a sub-attribute of those. */
export type TargetPath =
  | { readonly kind: "schema"; readonly schema: string }
  | { readonly kind: "attribute"; readonly path: AttrPath; readonly filter?: Filter }
  /** An attribute of a schema that we do not have: as in a body, it is ignored. */
  | { readonly kind: "foreign" };

/** Every attribute that the filter reads, in order of appearance. */
export function attributesRead(filter: Filter): AttrPath[] {
  if ("and" in filter) return filter.and.flatMap(attributesRead);
  if ("or" in filter) return filter.or.flatMap(attributesRead);
  if ("not" in filter) return attributesRead(filter.not);
  if ("compare" in filter) return [filter.compare.path];
  if ("present" in filter) return [filter.present];
  return [filter.valuePath.attribute, ...attributesRead(filter.valuePath.filter)];
}
