/** What lists are made of: users and groups, where they lie, by what they are looked up, and their texts. */
import { type RawBuilder, sql } from "kysely";
import type { Statement } from "../../db/database.ts";
import { findGroups, type GroupRow, groupsWhere } from "../../db/groups.ts";
import { findUserViews, queryViews, type UserView, viewsWhere } from "../../db/users.ts";
import { type GroupView, toGroupView } from "../../provisioning/groups.ts";
import type { ResourceTypeName } from "../../vocabulary/attributes.ts";
import { isStorable, normaliseName } from "../../vocabulary/names.ts";
import { selects, toSelection } from "../projection.ts";
import type { ScimQuery } from "../query.ts";
import { renderUser, toGroupText, toText } from "../render.ts";
import { contextOf, type Scope } from "../scope.ts";

/** Resources of one type, as this query shows them. */
export interface Kind {
  readonly type: ResourceTypeName;
  /** The table under the alias that filter-sql.ts knows, and two of its columns. */
  readonly rows: RawBuilder<unknown>;
  readonly id: RawBuilder<unknown>;
  readonly tenant: RawBuilder<unknown>;
  readonly statements: PageStatements;
  /** By the core attribute that is compared. */
  readonly lookups: ReadonlyMap<string, Lookup>;
  /** Runs the statement of a look-up: texts, in the order of their ids. */
  lookUp(scope: Scope, statement: Statement, value: string): Promise<readonly string[]>;
  /** The texts of these resources, by their ids; without those that are gone. */
  find(scope: Scope, ids: readonly string[]): Promise<ReadonlyMap<string, string>>;
}

/** For lists without filter and order. Values: the tenant; then, of a page, an offset or an id, and a number of rows. */
interface PageStatements {
  readonly page: Statement;
  readonly pageAfter: Statement;
  readonly count: Statement;
}

/** The look-ups that clients make before every write: one named statement each. */
export interface Lookup {
  readonly statement: Statement;
  /** The stored form of the client's text; undefined for a text that nothing stored can equal. */
  readonly toStored: (text: string) => string | undefined;
}

/** Rows of one look-up: of `externalId` there may be many, and many make a page like any other. */
export const lookupRowsMax = 100;

export function kindOf(type: ResourceTypeName, query: ScimQuery): Kind {
  return type === "User" ? usersFor(query) : groupsFor(query);
}

const asId = (text: string) => (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text) ? text : undefined);
const asWritten = (text: string) => (isStorable(text) ? text : undefined);
const asName = (text: string) => (isStorable(text) ? normaliseName(text) : undefined);

const toBound = (column: string) => `${column} = $2 order by 1 limit ${lookupRowsMax + 1}`;
const usersBy = (column: string) => viewsWhere(`scim_users_by_${column}`, toBound(`u.${column}`));

const users = {
  type: "User" as const,
  ...placeOf("users", "u"),
  lookups: new Map<string, Lookup>([
    ["id", { statement: usersBy("id"), toStored: asId }],
    ["userName", { statement: usersBy("user_name_norm"), toStored: asName }],
    ["externalId", { statement: usersBy("external_id"), toStored: asWritten }],
  ]),
};

function usersFor(query: ScimQuery): Kind {
  const selection = toSelection("User", query);
  const textOf = (scope: Scope) => (view: UserView) => toText(renderUser(view, scope.baseUrl), selection);
  return {
    ...users,
    async lookUp(scope, statement, value) {
      return (await queryViews(scope.deps.db, statement, [tenantOf(scope), value])).map(textOf(scope));
    },
    async find(scope, ids) {
      return byId(await findUserViews(scope.deps.db, tenantOf(scope), ids), textOf(scope));
    },
  };
}

const bareGroups = groupsWith({ members: false });
const fullGroups = groupsWith({ members: true });

/** Members are read only where they are shown. */
function groupsWith(options: { members: boolean }) {
  const what = options.members ? "scim_groups_full" : "scim_groups";
  const groupsBy = (column: string) => groupsWhere(`${what}_by_${column}`, toBound(`g.${column}`), options);
  return {
    type: "Group" as const,
    ...placeOf("groups", "g"),
    lookups: new Map<string, Lookup>([
      ["id", { statement: groupsBy("id"), toStored: asId }],
      ["displayName", { statement: groupsBy("display_name_norm"), toStored: asName }],
      ["externalId", { statement: groupsBy("external_id"), toStored: asWritten }],
    ]),
  };
}

function groupsFor(query: ScimQuery): Kind {
  const selection = toSelection("Group", query);
  const members = selects(selection, "members");
  const toViews = async (scope: Scope, rows: readonly GroupRow[]) => {
    const rules = await scope.deps.rules.recent(scope.deps.db, tenantOf(scope));
    return rows.map((row) => toGroupView(row, rules));
  };
  const textOf = (scope: Scope) => (view: GroupView) => toGroupText(view, scope.baseUrl, selection);
  return {
    ...(members ? fullGroups : bareGroups),
    async lookUp(scope, statement, value) {
      const rows = await scope.deps.db.query<GroupRow>(statement, [tenantOf(scope), value]);
      return (await toViews(scope, rows)).map(textOf(scope));
    },
    async find(scope, ids) {
      const rows = await findGroups(scope.deps.db, tenantOf(scope), ids, { members });
      return byId(await toViews(scope, rows), textOf(scope));
    },
  };
}

function placeOf(table: "users" | "groups", alias: string) {
  const page = (rest: string) => `select id from ${table} where tenant_id = $1 /*authorized*/ ${rest} limit $3`;
  return {
    rows: sql.raw(`${table} as ${alias}`),
    id: sql.raw(`${alias}.id`),
    tenant: sql.raw(`${alias}.tenant_id`),
    statements: {
      page: { name: `scim_${table}_page`, text: page("order by id offset $2") },
      pageAfter: { name: `scim_${table}_page_after`, text: page("and id > $2 order by id") },
      count: { name: `scim_${table}_count`, text: `select count(*) as total from ${table} where tenant_id = $1` },
    },
  };
}

function byId<View extends { readonly id: string }>(views: readonly View[], toText: (view: View) => string) {
  return new Map(views.map((view) => [view.id, toText(view)]));
}

function tenantOf(scope: Scope): string {
  return contextOf(scope).principal.tenantId;
}
