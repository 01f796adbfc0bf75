/** What a query asks for, understood: of each resource type what matches, in one order (RFC 7644 §3.4.2.1 to §3.4.2.3). */
import { type RawBuilder, sql } from "kysely";
import { Problem } from "../../problems.ts";
import { type AttrPath, type ResourceTypeName, resolveName } from "../../vocabulary/attributes.ts";
import { type Filter, parseFilter } from "../../vocabulary/filter/index.ts";
import { type SortKey, sortKey } from "../filter-sql/sort-key.ts";
import { requireLight } from "../filter-sql/weight.ts";
import type { ScimQuery } from "../query.ts";
import { type Kind, kindOf } from "./kinds.ts";
import { specialise } from "./specialise.ts";

export interface Search {
  readonly tenantId: string;
  /** The types of which something may match. */
  readonly branches: readonly Branch[];
  /** The SQL type of the keys; undefined: ordered by id alone, which is the order of creation. */
  readonly sortedAs: RawBuilder<unknown> | undefined;
  readonly descending: boolean;
  /** For a page by cursor, the list that it is of: equal for queries that differ in letter case and paging alone. */
  readonly place: string;
}

export interface Branch {
  readonly kind: Kind;
  /** Undefined: all of them. */
  readonly filter: Filter | undefined;
  /** Undefined where nothing is sorted, and for resources that do not have the attribute. */
  readonly key: SortKey | undefined;
}

/** Raises `invalidFilter`, and `invalidValue` for an order that does not exist. */
export function toSearch(tenantId: string, types: readonly ResourceTypeName[], query: ScimQuery): Search {
  const { filter, sortBy, sortOrder } = query;
  const filters = types.map((type) => {
    if (filter === undefined) return true;
    const parsed = parseFilter(type, filter, { alsoOf: types });
    requireLight(parsed);
    return specialise(type, parsed);
  });
  const paths = types.map((type) => (sortBy === undefined ? undefined : pathOf(type, sortBy)));
  const keys = types.map((type, i) => paths[i] && sortKey(type, tenantId, paths[i]));
  const sortedAs = keys.find((key) => key !== undefined)?.type;
  if (sortBy !== undefined && sortedAs === undefined) throw unsortable(types);
  return {
    tenantId,
    branches: types.flatMap((type, i) => {
      const matching = filters[i] ?? false;
      if (matching === false) return [];
      return { kind: kindOf(type, query), filter: matching === true ? undefined : matching, key: keys[i] };
    }),
    sortedAs,
    descending: sortOrder === "descending",
    // Trees and canonical paths, not the client's text: RFC 9865 §2 continues `userName sw J` as `username sw J`.
    place: query.cursor ? JSON.stringify([tenantId, types, filters, paths, sortOrder]) : "",
  };
}

/** Whether these are simply all resources of one type, in the order of creation. */
export function isPlain({ branches, sortedAs }: Search): boolean {
  return branches.length === 1 && branches[0]?.filter === undefined && sortedAs === undefined;
}

/** What rows are ordered by; `rows` is an alias with the columns `key` and `id`. */
export function orderOf({ sortedAs, descending }: Search, rows: string): RawBuilder<unknown> {
  // RFC 7644 §3.4.2.3: resources without the value are "last if ascending and first if descending", as in PostgreSQL.
  const [key, id] = [sql.ref(`${rows}.key`), sql.ref(`${rows}.id`)];
  return sortedAs === undefined ? id : sql`${key} ${sql.raw(descending ? "desc" : "asc")}, ${id}`;
}

function pathOf(type: ResourceTypeName, name: string): AttrPath | undefined {
  const resolved = resolveName(type, name);
  return resolved.kind === "attribute" && resolved.attribute.returned !== "never" ? resolved.path : undefined;
}

/** RFC 7644 §3.4.2.3: "If the attribute is complex, the attribute name must be a path to a sub-attribute". */
function unsortable(types: readonly ResourceTypeName[]): Problem {
  return new Problem(
    "invalidValue",
    `sortBy must name an attribute of a ${types.join(" or ")} that has an order, such as userName or name.familyName.`,
    { facts: { attribute: "sortBy" } },
  );
}
