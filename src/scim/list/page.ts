/**
 * Cutting a page in SQL, as ids, before a row becomes an object. Where nobody counts, every branch is cut by itself, so that
 * an index may end the work early; a filtered list is read whole for its total, once, and cut out of that.
 */
import { type RawBuilder, sql } from "kysely";
import type { ResourceTypeName } from "../../vocabulary/attributes.ts";
import { filterToSql } from "../filter-sql.ts";
import type { Scope } from "../scope.ts";
import { rememberTotal } from "../totals.ts";
import type { Position } from "./cursor.ts";
import { type Branch, isPlain, orderOf, type Search } from "./search.ts";

export interface Row {
  readonly type: ResourceTypeName;
  readonly id: string;
  /** What it is sorted by, as text; null where nothing is sorted, or the value is unassigned. */
  readonly key: string | null;
}

export interface Page {
  readonly rows: readonly Row[];
  /** How many resources match, on all pages together. */
  readonly total: number;
}

/** A page and the total of the list. */
export async function readPage(scope: Scope, search: Search, skip: number, limit: number): Promise<Page> {
  if (search.branches.some(({ filter }) => filter !== undefined)) {
    return await readCounted(scope, search, skip, limit);
  }
  const rows = await readRows(scope, search, { skip, limit });
  // The last page tells the total by itself.
  if (rows.length > 0 && rows.length < limit) return { rows, total: skip + rows.length };
  return { rows, total: await totalOf(scope, search) };
}

/** The rows behind a position. Their cost does not depend on how many come before. */
export async function readAfter(scope: Scope, search: Search, after: Position, limit: number): Promise<readonly Row[]> {
  return await readRows(scope, search, { after, skip: 0, limit });
}

interface Cut {
  readonly after?: Position;
  readonly skip: number;
  readonly limit: number;
}

async function readRows(scope: Scope, search: Search, cut: Cut): Promise<readonly Row[]> {
  const { after, skip, limit } = cut;
  const [first, ...others] = search.branches;
  if (first === undefined || limit === 0) return [];
  if (isPlain(search)) {
    const { page, pageAfter } = first.kind.statements;
    const values = [search.tenantId, after?.id ?? skip, limit];
    const rows = await scope.deps.db.query<{ id: string }>(after ? pageAfter : page, values);
    return rows.map(({ id }) => ({ type: first.kind.type, id, key: null }));
  }
  const order = orderOf(search, "r");
  const branches = search.branches.map((branch) => {
    // A computed key is computed once a row: `offset 0` keeps the planner from writing it out wherever it is used.
    const fence = branch.key === undefined || branch.key.assigned ? sql`` : sql` offset 0`;
    const behind = after ? sql` where ${isBehind(search, after, branch)}` : sql``;
    const rest = others.length === 0 ? sql`offset ${skip} limit ${limit}` : sql`limit ${skip + limit}`;
    return sql`(select r.type, r.id, r.key from (${matching(search, branch)}${fence}) r${behind}
      order by ${order} ${rest})`;
  });
  const all = sql.join(branches, sql` union all `);
  const rest = others.length === 0 ? sql`` : sql` offset ${skip} limit ${limit}`;
  const query = sql<Row>`select r.type, r.id, r.key::text as key from (${all}) r order by ${order}${rest}`;
  return await scope.deps.db.run({ compile: () => query.compile(scope.deps.db.build) });
}

/** One statement for the page and its total, which it tells also where the page is empty. */
async function readCounted(scope: Scope, search: Search, skip: number, limit: number): Promise<Page> {
  const all = sql.join(
    search.branches.map((branch) => matching(search, branch)),
    sql` union all `,
  );
  const query = sql<{ total: number } & (Row | { id: null })>`
    with m as materialized (${all}),
      p as (select r.type, r.id, r.key from m r order by ${orderOf(search, "r")} offset ${skip} limit ${limit})
    select c.total, r.type, r.id, r.key::text as key
    from (select count(*) as total from m) c left join p r on true order by ${orderOf(search, "r")}`;
  const found = await scope.deps.db.run({ compile: () => query.compile(scope.deps.db.build) });
  const rows = found.filter((row): row is { total: number } & Row => row.id !== null);
  return { rows, total: found[0]?.total ?? 0 };
}

/** The rows of a branch that match, with what they are sorted by. */
function matching({ tenantId, sortedAs }: Search, { kind, filter, key }: Branch): RawBuilder<unknown> {
  const { type, rows, id, tenant } = kind;
  const value = key?.expression ?? sql`null::${sortedAs ?? sql`text`}`;
  const condition = filter === undefined ? sql`` : sql` and ${filterToSql(type, tenantId, filter)}`;
  return sql`select ${sql.lit(type)} as type, ${id} as id, ${value} as key from ${rows}
    where ${tenant} = ${tenantId}${condition}`;
}

/**
 * Whether a row comes after the position. The bound on the key alone says nothing that the rest does not; it is what an
 * index can begin at.
 */
function isBehind({ sortedAs, descending }: Search, { id, key }: Position, branch: Branch): RawBuilder<unknown> {
  const laterId = sql`r.id > ${id}::uuid`;
  if (sortedAs === undefined) return laterId;
  if (key === null) return descending ? sql`(r.key is not null or ${laterId})` : sql`r.key is null and ${laterId}`;
  const bound = sql`${key}::${sortedAs}`;
  const behind = descending
    ? sql`r.key <= ${bound} and (r.key < ${bound} or ${laterId})`
    : sql`r.key >= ${bound} and (r.key > ${bound} or ${laterId})`;
  return descending || branch.key?.assigned ? behind : sql`(${behind} or r.key is null)`;
}

async function totalOf(scope: Scope, { tenantId, branches }: Search): Promise<number> {
  let sum = 0;
  for (const { kind } of branches) {
    sum += await rememberTotal(scope, kind.type, async () => {
      const [row] = await scope.deps.db.query<{ total: number }>(kind.statements.count, [tenantId]);
      return row?.total ?? 0;
    });
  }
  return sum;
}
