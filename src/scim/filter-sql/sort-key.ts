/** What a list is sorted by (RFC 7644 §3.4.2.3), in SQL. */
import { type RawBuilder, sql } from "kysely";
import { type AttrPath, attributeAt, type ResourceTypeName } from "../../vocabulary/attributes.ts";
import { foldCase, type Scalar } from "./compare.ts";
import { locator, scalarAt } from "./locate.ts";

export interface SortKey {
  /** Null where the attribute is unassigned. */
  readonly expression: RawBuilder<unknown>;
  /** The SQL type, with its collation: what a key that comes back as text is cast to. */
  readonly type: RawBuilder<unknown>;
  /** Never null, and a column: an index may have its order. */
  readonly assigned: boolean;
}

/**
 * Characters of a value that count for its place; values that agree so far stand in the order of their ids. So a key fits
 * into a cursor, and the cursor into a URL, however long the value is. Indexed names have a bound of their own
 * (`nameBytesMax`) and count whole.
 */
export const sortedLengthMax = 256;

const types: Readonly<Record<Scalar["kind"], RawBuilder<unknown>>> = {
  // By code point on every server, whatever its locale.
  text: sql`text collate "C"`,
  normalised: sql`text collate "C"`,
  id: sql`uuid`,
  boolean: sql`boolean`,
  number: sql`numeric`,
  instant: sql`timestamptz`,
};

/**
 * RFC 7644 §3.4.2.3: a list is sorted "by the value of the primary attribute, if any, or else the first value in the list".
 * Undefined for what has no order: a complex attribute without a value, and what the database does not know.
 */
export function sortKey(type: ResourceTypeName, tenantId: string, path: AttrPath): SortKey | undefined {
  const leaf = attributeAt(path)?.leaf;
  const target = leaf?.type === "complex" && leaf.subAttributes.has("value") ? { ...path, sub: "value" } : path;
  const source = locator(type, tenantId)(target);
  const scalar = source?.shape === "list" && source.main ? source.main(target.sub) : scalarAt(source, target);
  if (!source || !scalar) return undefined;
  const { kind, assigned = false } = scalar;
  const value = toComparable(scalar, attributeAt(target)?.leaf.caseExact ?? false);
  const ofRows = source.shape === "list" && !source.main;
  const expression = ofRows ? sql`(select ${value} from ${source.from} order by ${source.order} limit 1)` : value;
  return { expression, type: types[kind], assigned };
}

function toComparable(scalar: Scalar, caseExact: boolean): RawBuilder<unknown> {
  const { kind, value, assigned } = scalar;
  if (kind !== "text" && kind !== "normalised") return value;
  const text = kind === "text" && !caseExact ? foldCase(scalar) : value;
  return assigned ? sql`(${text} collate "C")` : sql`(left(${text}, ${sql.lit(sortedLengthMax)}) collate "C")`;
}
