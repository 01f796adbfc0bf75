/**
 * Lists of users for people: one page in a stable order, how many there are in all, and users by name. A page goes on
 * behind a row, not after a number of rows, so that the last costs what the first does and nobody is lost or shown twice.
 */
import { type RawBuilder, sql } from "kysely";
import { normaliseName } from "../vocabulary/names.ts";
import type { Database, Executor, Statement } from "./database.ts";
import { matchingUsers, type UserListFilter } from "./user-filter.ts";

export type { UserListFilter } from "./user-filter.ts";

export const userSorts = ["userName", "displayName", "createdAt", "modifiedAt", "lastSeen"] as const;

export interface UserOrder {
  readonly by: (typeof userSorts)[number];
  readonly descending: boolean;
}

/** Where a row stands: in which part of the list, and there by what it is sorted by. */
export interface UserListPosition {
  readonly id: string;
  readonly part: number;
  readonly key: string;
}

/** A part of a list in which everybody has what the part is sorted by: people without it come in a part of their own. */
interface Part {
  /** As text that a later page compares with; null: by id alone. */
  readonly key: RawBuilder<unknown> | null;
  readonly cast: "text" | "timestamptz";
  readonly where?: RawBuilder<boolean>;
  /** Whether `a`, what is known of their comings and goings, is joined. */
  readonly activity?: boolean;
  /** Whether the part keeps its order when the list is turned round. */
  readonly fixed?: boolean;
}

const byName: Part = { key: sql`u.user_name_norm`, cast: "text" };

/**
 * Ids are made in the order of time, so they stand for the moment of creation. Who has no display name comes behind those
 * who have, by userName; who was never seen comes before everybody seen.
 */
const parts: Readonly<Record<UserOrder["by"], readonly Part[]>> = {
  userName: [byName],
  displayName: [
    { key: sql`u.display_name_norm`, cast: "text", where: sql<boolean>`u.display_name_norm is not null` },
    { ...byName, where: sql<boolean>`u.display_name_norm is null` },
  ],
  createdAt: [{ key: null, cast: "text" }],
  modifiedAt: [{ key: sql`u.modified_at`, cast: "timestamptz" }],
  lastSeen: [
    {
      key: null,
      cast: "text",
      where: sql<boolean>`not exists (select from activities n
        where n.tenant_id = u.tenant_id and n.user_id = u.id and n.last_seen_at is not null)`,
    },
    { key: sql`a.last_seen_at`, cast: "timestamptz", activity: true },
  ],
};

const unlessSaid: UserOrder = { by: "userName", descending: false };

/** One page of ids, each with the position to go on from. */
export async function listUserIds(
  db: Database,
  tenantId: string,
  filter: UserListFilter,
  after: UserListPosition | null,
  limit: number,
  order: UserOrder = unlessSaid,
): Promise<UserListPosition[]> {
  const all = parts[order.by].map((part, index) => ({ part, index }));
  // A list by display name keeps those without one at its end, however it is turned.
  const turned = order.descending && order.by !== "displayName" ? all.toReversed() : all;
  const left = after === null ? turned : turned.slice(turned.findIndex(({ index }) => index === after.part));
  const rows: UserListPosition[] = [];
  for (const { part, index } of left) {
    if (rows.length >= limit) break;
    const from = after?.part === index ? after : null;
    const found = await readPart(db, tenantId, filter, part, from, limit - rows.length, order.descending);
    rows.push(...found.map((row) => ({ ...row, part: index })));
  }
  return rows;
}

async function readPart(
  db: Database,
  tenantId: string,
  filter: UserListFilter,
  part: Part,
  after: UserListPosition | null,
  limit: number,
  descending: boolean,
): Promise<{ id: string; key: string }[]> {
  const { key, cast } = part;
  const direction = descending ? "desc" : "asc";
  let page = matchingUsers(db, tenantId, filter);
  if (part.where !== undefined) page = page.where(part.where);
  if (part.activity) {
    page = page
      .innerJoin("activities as a", (join) =>
        join.onRef("a.tenant_id", "=", "u.tenant_id").onRef("a.user_id", "=", "u.id"),
      )
      .where("a.last_seen_at", "is not", null)
      .where("a.tenant_id", "=", tenantId) as typeof page;
  }
  // Where the key is of another table, so is the id: an index that has both then gives the order.
  const id = part.activity ? sql.ref("a.user_id") : sql.ref("u.id");
  if (after !== null) {
    const behind = descending ? sql`<` : sql`>`;
    page = page.where(
      key === null
        ? sql<boolean>`${id} ${behind} ${after.id}::uuid`
        : sql<boolean>`(${key}, ${id}) ${behind} (${after.key}::${sql.raw(cast)}, ${after.id}::uuid)`,
    );
  }
  if (key !== null) page = page.orderBy(key, direction);
  const ordered = page.orderBy(id, direction).limit(limit);
  return await db.run(ordered.select([sql<string>`u.id`.as("id"), textOf(part).as("key")]));
}

/** As the next page compares it: of a time, every digit that the database has. */
function textOf({ key, cast }: Part): RawBuilder<string> {
  if (key === null) return sql<string>`''`;
  if (cast === "text") return sql<string>`${key}`;
  return sql<string>`to_char(${key} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/** How many users match. What is kept anyway, by status, is not counted. */
export async function countUsers(db: Database, tenantId: string, filter: UserListFilter): Promise<number> {
  const { status, ...others } = filter;
  if (Object.values(others).every((one) => one === undefined)) return await sumTallies(db, tenantId, status);
  const count = matchingUsers(db, tenantId, filter).select(sql<number>`count(*)`.as("total"));
  const [row] = await db.run<{ total: number }>(count);
  return row?.total ?? 0;
}

const tallies: Statement = {
  name: "user_list_tallies",
  text: `select coalesce(sum(users), 0)::integer as total from user_tallies
    where tenant_id = $1 and ($2::text is null or status = $2)`,
};

async function sumTallies(db: Database, tenantId: string, status: string | undefined): Promise<number> {
  const [row] = await db.query<{ total: number }>(tallies, [tenantId, status ?? null]);
  return row?.total ?? 0;
}

const named: Statement = {
  name: "user_ids_by_name",
  text: `select id, user_name_norm as name from users where tenant_id = $1 and user_name_norm = any ($2::text[])`,
};

/** The ids of users of these userNames, by the name as it is compared (USR-2). */
export async function findUserIdsByName(
  executor: Executor,
  tenantId: string,
  userNames: readonly string[],
): Promise<Map<string, string>> {
  if (userNames.length === 0) return new Map();
  const names = [...new Set(userNames.map(normaliseName))];
  const rows = await executor.query<{ id: string; name: string }>(named, [tenantId, names]);
  return new Map(rows.map(({ id, name }) => [name, id]));
}

/** The id of the user of this userName, compared without letter case (USR-2). */
export async function findUserIdByName(
  executor: Executor,
  tenantId: string,
  userName: string,
): Promise<string | undefined> {
  return (await findUserIdsByName(executor, tenantId, [userName])).get(normaliseName(userName));
}
