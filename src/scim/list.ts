/**
 * Pages of users and groups (RFC 7644 §3.4.2). A page is cut in SQL, as ids, before a row becomes an object. The look-ups
 * that clients make before every write have named statements; every other filter is compiled by filter-sql.ts.
 */
import { type RawBuilder, sql } from "kysely";
import type { Statement } from "../db/database.ts";
import { findGroups } from "../db/groups.ts";
import { findUserViews, type UserView } from "../db/users.ts";
import { type GroupView, toGroupView } from "../provisioning/groups.ts";
import type { ResourceTypeName } from "../vocabulary/attributes.ts";
import { type Filter, parseFilter } from "../vocabulary/filter/index.ts";
import { isStorable, normaliseName } from "../vocabulary/names.ts";
import { GROUP, USER } from "../vocabulary/urns.ts";
import { filterToSql, orderBy } from "./filter-sql.ts";
import type { ScimQuery } from "./query.ts";
import { contextOf, type Scope } from "./scope.ts";
import { rememberTotal } from "./totals.ts";

export interface Page<View> {
  readonly views: readonly View[];
  /** How many resources match, on all pages together. */
  readonly total: number;
  readonly startIndex: number;
}

/** Users of one page, in order. Raises `invalidFilter`, and `invalidValue` for an order that does not exist. */
export async function listUserViews(scope: Scope, query: ScimQuery): Promise<Page<UserView>> {
  const { ids, total } = await findPage(scope, "User", query);
  const views = await findUserViews(scope.deps.db, tenantOf(scope), ids);
  return { views, total, startIndex: query.startIndex };
}

/** Groups of one page, in order, with their members only where those are shown. Raises as `listUserViews`. */
export async function listGroupViews(
  scope: Scope,
  query: ScimQuery,
  options: { members: boolean },
): Promise<Page<GroupView>> {
  const { db, rules } = scope.deps;
  const { ids, total } = await findPage(scope, "Group", query);
  const rows = await findGroups(db, tenantOf(scope), ids, options);
  const current = await rules.recent(db, tenantOf(scope));
  return { views: rows.map((row) => toGroupView(row, current)), total, startIndex: query.startIndex };
}

interface Ids {
  readonly ids: readonly string[];
  readonly total: number;
}

async function findPage(scope: Scope, type: ResourceTypeName, query: ScimQuery): Promise<Ids> {
  const filter = query.filter === undefined ? undefined : parseFilter(type, query.filter);
  const found = filter && asLookup(tables[type], filter);
  if (found) return await findLookedUp(scope, found.lookup, found.text, query);
  if (filter === undefined && query.sortBy === undefined) return await findUnfiltered(scope, type, query);
  return await findFiltered(scope, type, filter, query);
}

/** At most one row but for `externalId`, so no order but that of ids is kept. */
async function findLookedUp(scope: Scope, lookup: Lookup, text: string, query: ScimQuery): Promise<Ids> {
  const value = lookup.toStored(text);
  if (value === undefined) return { ids: [], total: 0 };
  const rows = await scope.deps.db.query<{ id: string }>(lookup.statement, [tenantOf(scope), value]);
  const first = query.startIndex - 1;
  return { ids: rows.slice(first, first + query.count).map((row) => row.id), total: rows.length };
}

function tenantOf(scope: Scope): string {
  return contextOf(scope).principal.tenantId;
}

interface Lookup {
  readonly statement: Statement;
  /** The stored form of the client's text; undefined for a text that nothing stored can equal. */
  readonly toStored: (text: string) => string | undefined;
}

interface Table {
  /** The table under the alias that filter-sql.ts knows, and two of its columns. */
  readonly rows: RawBuilder<unknown>;
  readonly id: RawBuilder<unknown>;
  readonly tenant: RawBuilder<unknown>;
  readonly core: string;
  readonly page: Statement;
  readonly count: Statement;
  /** By the attribute that is compared. */
  readonly lookups: ReadonlyMap<string, Lookup>;
}

const tables: Readonly<Record<ResourceTypeName, Table>> = {
  User: tableOf("users", "u", USER, [["userName", "user_name_norm"]]),
  Group: tableOf("groups", "g", GROUP, [["displayName", "display_name_norm"]]),
};

function tableOf(name: string, alias: string, core: string, names: readonly (readonly [string, string])[]): Table {
  const statement = (what: string, rest: string, columns = "id"): Statement => ({
    name: `scim_${name}_${what}`,
    text: `select ${columns} from ${name} where tenant_id = $1${rest}`,
  });
  const by = (column: string): Statement => statement(`by_${column}`, ` and ${column} = $2 order by id`);
  return {
    rows: sql.raw(`${name} as ${alias}`),
    id: sql.raw(`${alias}.id`),
    tenant: sql.raw(`${alias}.tenant_id`),
    core,
    page: statement("page", " order by id offset $2 limit $3"),
    count: statement("count", "", "count(*) as total"),
    lookups: new Map<string, Lookup>([
      [
        "id",
        {
          statement: by("id"),
          toStored: (text) => (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text) ? text : undefined),
        },
      ],
      ["externalId", { statement: by("external_id"), toStored: (text) => (isStorable(text) ? text : undefined) }],
      ...names.map(([attribute, column]): [string, Lookup] => [
        attribute,
        { statement: by(column), toStored: (text) => (isStorable(text) ? normaliseName(text) : undefined) },
      ]),
    ]),
  };
}

/** The look-up that the filter is, with the value to look for. */
function asLookup({ core, lookups }: Table, filter: Filter): { lookup: Lookup; text: string } | undefined {
  if (!("compare" in filter)) return undefined;
  const { path, op, value } = filter.compare;
  const lookup = path.schema === core && path.sub === undefined ? lookups.get(path.attribute) : undefined;
  return lookup && op === "eq" && typeof value === "string" ? { lookup, text: value } : undefined;
}

/** In the order of creation: ids are UUIDv7. */
async function findUnfiltered(scope: Scope, type: ResourceTypeName, query: ScimQuery): Promise<Ids> {
  const { db } = scope.deps;
  const tenantId = tenantOf(scope);
  const total = await rememberTotal(scope, type, async () => {
    const [row] = await db.query<{ total: number }>(tables[type].count, [tenantId]);
    return row?.total ?? 0;
  });
  if (query.count === 0 || query.startIndex > total) return { ids: [], total };
  const rows = await db.query<{ id: string }>(tables[type].page, [tenantId, query.startIndex - 1, query.count]);
  return { ids: rows.map((row) => row.id), total };
}

/** One statement for the page and its total; where the page lies beyond the end, one more that only counts. */
async function findFiltered(
  scope: Scope,
  type: ResourceTypeName,
  filter: Filter | undefined,
  query: ScimQuery,
): Promise<Ids> {
  const { db } = scope.deps;
  const tenantId = tenantOf(scope);
  const { rows, id, tenant } = tables[type];
  const condition = filter === undefined ? sql`` : sql` and ${filterToSql(type, tenantId, filter)}`;
  const matching = sql`from ${rows} where ${tenant} = ${tenantId}${condition}`;
  if (query.count > 0) {
    const keys = orderBy(type, tenantId, query.sortBy, query.sortOrder);
    const order = sql.join(keys.map(({ expression, direction }) => sql`${expression} ${sql.raw(direction)}`));
    const page = sql<{ id: string; total: number }>`select ${id} as id, count(*) over () as total ${matching}
      order by ${order} offset ${query.startIndex - 1} limit ${query.count}`;
    const found = await db.run({ compile: () => page.compile(db.build) });
    if (found[0] !== undefined) return { ids: found.map((row) => row.id), total: found[0].total };
    if (query.startIndex === 1) return { ids: [], total: 0 };
  }
  const counting = sql<{ total: number }>`select count(*) as total ${matching}`;
  const [row] = await db.run({ compile: () => counting.compile(db.build) });
  return { ids: [], total: row?.total ?? 0 };
}
