/**
 * A filter as a SQL condition (RFC 7644 §3.4.2.2). The tree is walked here; where an attribute lies say filter-sql/users.ts
 * and filter-sql/groups.ts, how one value is compared filter-sql/compare.ts, what lists are sorted by filter-sql/sort-key.ts.
 */
import { type RawBuilder, type SqlBool, sql } from "kysely";
import { type AttrPath, attributeAt, type ResourceTypeName } from "../vocabulary/attributes.ts";
import type { Comparison, Filter } from "../vocabulary/filter/index.ts";
import { type Condition, compareScalar, isPresent, negate, never, type Scalar } from "./filter-sql/compare.ts";
import { locator, scalarAt } from "./filter-sql/locate.ts";
import type { List, Locate, Source } from "./filter-sql/source.ts";

/**
 * The condition under which a row matches, for `where`. The query reads `users as u` or `groups as g` and bounds the tenant
 * itself; the condition bounds it in every table that it adds. Selects what `matches` selects in memory.
 */
export function filterToSql(type: ResourceTypeName, tenantId: string, filter: Filter): RawBuilder<SqlBool> {
  return compile(filter, locator(type, tenantId));
}

function compile(filter: Filter, locate: Locate): Condition {
  if ("and" in filter) return joined(filter.and, sql` and `, locate);
  if ("or" in filter) return joined(filter.or, sql` or `, locate);
  if ("not" in filter) return negate(compile(filter.not, locate));
  if ("present" in filter) return compilePresent(filter.present, locate);
  if ("compare" in filter) return compileComparison(filter.compare, locate);
  return compileValuePath(filter.valuePath.attribute, filter.valuePath.filter, locate);
}

function joined(terms: readonly Filter[], separator: RawBuilder<unknown>, locate: Locate): Condition {
  return sql<SqlBool>`(${sql.join(
    terms.map((term) => compile(term, locate)),
    separator,
  )})`;
}

function compilePresent(path: AttrPath, locate: Locate): Condition {
  const source = locate(path);
  if (source?.shape === "list" && path.sub === undefined) return some(source, source.present);
  if (source?.shape === "object" && path.sub === undefined) return source.present;
  const scalar = scalarAt(source, path);
  if (!source || !scalar) return never;
  return source.shape === "list" ? some(source, isPresent(scalar)) : isPresent(scalar);
}

function compileComparison({ path, op, value }: Comparison, locate: Locate): Condition {
  if (value === null) {
    const present = compilePresent(path, locate);
    return op === "eq" ? (attributeAt(path) ? negate(present) : never) : op === "ne" ? present : never;
  }
  const source = locate(path);
  const leaf = attributeAt(path)?.leaf;
  const scalar = scalarAt(source, path);
  if (!source || !leaf || leaf.type === "complex") return never;
  const found =
    source.shape === "list" && op === "eq" && typeof value === "string" ? lookUp(source, path, value) : undefined;
  if (found) return found;
  // What the database does not have is unassigned: it differs from everything and equals nothing.
  const equal = scalar ? compareScalar(scalar, leaf, op === "ne" ? "eq" : op, value) : never;
  const condition = op === "ne" ? negate(equal) : equal;
  return source.shape === "list" ? some(source, condition) : condition;
}

/** `attribute[filter]`: one element, or the one complex value, for which the filter holds. */
function compileValuePath(attribute: AttrPath, filter: Filter, locate: Locate): Condition {
  const list = locate(attribute);
  if (list?.shape === "object") {
    const inside = compile(filter, ({ sub }) => asSource(sub === undefined ? undefined : list.sub(sub)));
    return sql<SqlBool>`(${list.assigned ?? list.present} and ${inside})`;
  }
  if (list?.shape !== "list") return never;
  // With a single equality the brackets say nothing that the plain comparison does not.
  if ("compare" in filter && filter.compare.op === "eq" && filter.compare.value !== null) {
    return compileComparison(filter.compare, locate);
  }
  const element = some(
    list,
    compile(filter, (path) => asSource(list.sub(path.sub))),
  );
  const equalities = ("and" in filter ? filter.and : []).flatMap((term) => ("compare" in term ? [term.compare] : []));
  // An element that fits holds the value: the index on values finds the few rows whose elements are then looked at.
  const found = equalities.flatMap(({ path, op, value }) =>
    op === "eq" && typeof value === "string" ? (lookUp(list, path, value) ?? []) : [],
  );
  return sql<SqlBool>`(${sql.join([...found, element], sql` and `)})`;
}

function lookUp(list: List, path: AttrPath, value: string): Condition | undefined {
  return value.includes("\0") || !value.isWellFormed() ? never : list.find?.(path.sub, value);
}

function some(list: List, condition: Condition): Condition {
  return sql<SqlBool>`exists (select from ${list.from} where ${condition})`;
}

function asSource(scalar: Scalar | undefined): Source | undefined {
  return scalar && { shape: "single", ...scalar };
}
