/**
 * Pages of users and groups (RFC 7644 §3.4.2). The look-ups that clients make before every write are one named statement
 * each. Every other page is cut in SQL, as ids, before a row becomes an object; filters are compiled by filter-sql.ts.
 */
import { type RawBuilder, sql } from "kysely";
import type { Statement } from "../db/database.ts";
import { findGroups, type GroupRow, groupsWhere } from "../db/groups.ts";
import { findUserViews, queryViews, type UserView, viewsWhere } from "../db/users.ts";
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
  return await listViews(scope, userList, query);
}

/** Groups of one page, in order, with their members only where those are shown. Raises as `listUserViews`. */
export async function listGroupViews(
  scope: Scope,
  query: ScimQuery,
  options: { members: boolean },
): Promise<Page<GroupView>> {
  const page = await listViews(scope, options.members ? fullGroupList : groupList, query);
  const rules = await scope.deps.rules.recent(scope.deps.db, tenantOf(scope));
  return { ...page, views: page.views.map((row) => toGroupView(row, rules)) };
}

/** What is listed, and how it is found. */
interface List<View> {
  readonly type: ResourceTypeName;
  /** The table under the alias that filter-sql.ts knows, and two of its columns. */
  readonly rows: RawBuilder<unknown>;
  readonly id: RawBuilder<unknown>;
  readonly tenant: RawBuilder<unknown>;
  /** Ids in their order, and how many there are. */
  readonly page: Statement;
  readonly count: Statement;
  /** By the core attribute that is compared. */
  readonly lookups: ReadonlyMap<string, Lookup>;
  /** Runs the statement of a look-up. */
  lookUp(scope: Scope, statement: Statement, value: string): Promise<readonly View[]>;
  /** The resources of these ids, in their order. */
  find(scope: Scope, ids: readonly string[]): Promise<readonly View[]>;
}

interface Lookup {
  readonly statement: Statement;
  /** The stored form of the client's text; undefined for a text that nothing stored can equal. */
  readonly toStored: (text: string) => string | undefined;
}

const asId = (text: string) => (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text) ? text : undefined);
const asWritten = (text: string) => (isStorable(text) ? text : undefined);
const asName = (text: string) => (isStorable(text) ? normaliseName(text) : undefined);

/** Rows of one look-up: of `externalId` there may be many, and many make a page like any other. */
const lookupRowsMax = 100;

const toBound = (column: string) => `${column} = $2 order by 1 limit ${lookupRowsMax + 1}`;
const usersBy = (column: string) => viewsWhere(`scim_users_by_${column}`, toBound(`u.${column}`));

const userList: List<UserView> = {
  type: "User",
  ...statementsOf("users", "u"),
  lookups: new Map([
    ["id", { statement: usersBy("id"), toStored: asId }],
    ["userName", { statement: usersBy("user_name_norm"), toStored: asName }],
    ["externalId", { statement: usersBy("external_id"), toStored: asWritten }],
  ]),
  lookUp: (scope, statement, value) => queryViews(scope.deps.db, statement, [tenantOf(scope), value]),
  find: (scope, ids) => findUserViews(scope.deps.db, tenantOf(scope), ids),
};

const groupList = groupListOf({ members: false });
const fullGroupList = groupListOf({ members: true });

function groupListOf(options: { members: boolean }): List<GroupRow> {
  const what = options.members ? "scim_groups_full" : "scim_groups";
  const groupsBy = (column: string) => groupsWhere(`${what}_by_${column}`, toBound(`g.${column}`), options);
  return {
    type: "Group",
    ...statementsOf("groups", "g"),
    lookups: new Map([
      ["id", { statement: groupsBy("id"), toStored: asId }],
      ["displayName", { statement: groupsBy("display_name_norm"), toStored: asName }],
      ["externalId", { statement: groupsBy("external_id"), toStored: asWritten }],
    ]),
    lookUp: (scope, statement, value) => scope.deps.db.query<GroupRow>(statement, [tenantOf(scope), value]),
    find: (scope, ids) => findGroups(scope.deps.db, tenantOf(scope), ids, options),
  };
}

function statementsOf(table: "users" | "groups", alias: string) {
  return {
    rows: sql.raw(`${table} as ${alias}`),
    id: sql.raw(`${alias}.id`),
    tenant: sql.raw(`${alias}.tenant_id`),
    page: {
      name: `scim_${table}_page`,
      text: `select id from ${table} where tenant_id = $1 /*authorized*/ order by id offset $2 limit $3`,
    },
    count: { name: `scim_${table}_count`, text: `select count(*) as total from ${table} where tenant_id = $1` },
  };
}

async function listViews<View>(scope: Scope, list: List<View>, query: ScimQuery): Promise<Page<View>> {
  const filter = query.filter === undefined ? undefined : parseFilter(list.type, query.filter);
  const lookedUp = filter && (await lookUp(scope, list, filter, query));
  if (lookedUp) return lookedUp;
  const plain = filter === undefined && query.sortBy === undefined;
  const { ids, total } = plain ? await findPlain(scope, list, query) : await findFiltered(scope, list, filter, query);
  const views = ids.length === 0 ? [] : await list.find(scope, ids);
  return { views, total, startIndex: query.startIndex };
}

/** The page, where the filter is one of the look-ups and finds no more than a look-up is for. */
async function lookUp<View>(
  scope: Scope,
  list: List<View>,
  filter: Filter,
  query: ScimQuery,
): Promise<Page<View> | undefined> {
  if (!("compare" in filter)) return undefined;
  const { path, op, value } = filter.compare;
  const isCore = path.schema === USER || path.schema === GROUP;
  const lookup = isCore && path.sub === undefined ? list.lookups.get(path.attribute) : undefined;
  if (lookup === undefined || op !== "eq" || typeof value !== "string") return undefined;
  const { startIndex, count } = query;
  const stored = lookup.toStored(value);
  const found = stored === undefined ? [] : await list.lookUp(scope, lookup.statement, stored);
  if (found.length > 1 && (found.length > lookupRowsMax || query.sortBy !== undefined)) return undefined;
  return { views: found.slice(startIndex - 1, startIndex - 1 + count), total: found.length, startIndex };
}

interface Ids {
  readonly ids: readonly string[];
  readonly total: number;
}

/** Everything, in the order of creation: ids are UUIDv7. The last page tells the total by itself. */
async function findPlain<View>(scope: Scope, list: List<View>, query: ScimQuery): Promise<Ids> {
  const { db } = scope.deps;
  const tenantId = tenantOf(scope);
  const before = query.startIndex - 1;
  const rows = query.count === 0 ? [] : await db.query<{ id: string }>(list.page, [tenantId, before, query.count]);
  const ids = rows.map((row) => row.id);
  if (ids.length > 0 && ids.length < query.count) return { ids, total: before + ids.length };
  const total = await rememberTotal(scope, list.type, async () => {
    const [row] = await db.query<{ total: number }>(list.count, [tenantId]);
    return row?.total ?? 0;
  });
  return { ids, total };
}

/** One statement for the page and its total; where the page lies beyond the end, one more that only counts. */
async function findFiltered<View>(
  scope: Scope,
  list: List<View>,
  filter: Filter | undefined,
  query: ScimQuery,
): Promise<Ids> {
  const { db } = scope.deps;
  const tenantId = tenantOf(scope);
  const { type, rows, id, tenant } = list;
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

function tenantOf(scope: Scope): string {
  return contextOf(scope).principal.tenantId;
}
