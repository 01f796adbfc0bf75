/**
 * Lists of users for people: one page in a stable order, how many there are in all, and users by name. A page goes on
 * behind a row, not after a number of rows, so that the last costs what the first does and nobody is lost or shown twice.
 */
import { type RawBuilder, sql } from "kysely";
import { normaliseName } from "../vocabulary/names.ts";
import type { Database, Executor, Statement } from "./database.ts";
import { isEmpty, matches, type ReadyFilter, readyFilter, type UserListFilter } from "./user-filter.ts";

export type { UserListFilter } from "./user-filter.ts";

export interface UserOrder {
  readonly by: "userName" | "displayName" | "createdAt" | "modifiedAt" | "lastSeen";
  readonly descending: boolean;
}

/** Where a row stands: in which part of the list, and there by what it is sorted by. */
export interface UserListPosition {
  readonly id: string;
  readonly part: number;
  readonly key: string;
  /** Whether the list was found to be short, so that its next page is read as this one was. */
  readonly few: boolean;
}

export interface UserListPage {
  readonly rows: readonly UserListPosition[];
  /** How many match; known of a short list. */
  readonly total?: number;
}

/**
 * Up to so many matches, all of them are found first and then put in order; of more, an order is walked along until the
 * page is full, which takes some 2,000 steps where a twentieth of 100,000 people match.
 */
const fewMax = 5_000;

/** A part of a list in which everybody has what the part is sorted by: people without it come in a part of their own. */
interface Part {
  /** What is sorted by; null: by id alone. */
  readonly key: RawBuilder<unknown> | null;
  readonly type: "text" | "timestamptz";
  readonly where?: RawBuilder<boolean>;
  /** Whether nobody shares a key with anybody. */
  readonly unique?: boolean;
  /** Whether `a`, what is known of people's comings and goings, is joined. */
  readonly activity?: boolean;
}

const byName: Part = { key: sql`u.user_name_norm`, type: "text", unique: true };

const isSeen = sql<boolean>`exists (select from activities n
  where n.tenant_id = u.tenant_id and n.user_id = u.id and n.last_seen_at is not null)`;

/**
 * Ids are made in the order of time, so they stand for the moment of creation. Who has no display name comes behind those
 * who have, by userName; who was never seen comes before everybody seen.
 */
const parts: Readonly<Record<UserOrder["by"], readonly Part[]>> = {
  userName: [byName],
  displayName: [
    { key: sql`u.display_name_norm`, type: "text", where: sql<boolean>`u.display_name_norm is not null` },
    { ...byName, where: sql<boolean>`u.display_name_norm is null` },
  ],
  createdAt: [{ key: null, type: "text" }],
  modifiedAt: [{ key: sql`u.modified_at`, type: "timestamptz" }],
  lastSeen: [
    { key: null, type: "text", where: sql<boolean>`not ${isSeen}` },
    { key: sql`a.last_seen_at`, type: "timestamptz", activity: true },
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
  return [...(await readUserPage(db, tenantId, filter, after, limit, order)).rows];
}

/** One page, and how many match where that was found out by the way. */
export async function readUserPage(
  db: Database,
  tenantId: string,
  filter: UserListFilter,
  after: UserListPosition | null,
  limit: number,
  order: UserOrder = unlessSaid,
): Promise<UserListPage> {
  const ready = await readyFilter(db, tenantId, filter);
  const ids = (after?.few ?? !isEmpty(filter)) ? await findFew(db, ready) : undefined;
  const few = ids !== undefined;
  const rows: UserListPosition[] = [];
  for (const { part, index } of partsBehind(after, order)) {
    if (rows.length >= limit || ids?.length === 0) break;
    const cut = { after: after?.part === index ? after : null, limit: limit - rows.length, ...order };
    const found = await readPart(db, ready, part, ids, cut);
    rows.push(...found.map((row) => ({ ...row, part: index, few })));
  }
  return few ? { rows, total: ids.length } : { rows };
}

/** The parts of the list in their order, from the one in which the page before ended. */
function partsBehind(after: UserListPosition | null, { by, descending }: UserOrder) {
  const all = parts[by].map((part, index) => ({ part, index }));
  // A list by display name keeps those without one at its end, however it is turned.
  const turned = descending && by !== "displayName" ? all.toReversed() : all;
  return after === null ? turned : turned.slice(turned.findIndex(({ index }) => index === after.part));
}

interface Cut {
  readonly after: UserListPosition | null;
  readonly limit: number;
  readonly descending: boolean;
}

async function readPart(
  db: Database,
  filter: ReadyFilter,
  part: Part,
  ids: readonly string[] | undefined,
  { after, limit, descending }: Cut,
): Promise<{ id: string; key: string }[]> {
  const { key, where, activity } = part;
  // Of two tables' ids the one beside the key: an index that has both then gives the order.
  const id = activity ? sql`a.user_id` : sql`u.id`;
  const direction = descending ? sql`desc` : sql`asc`;
  const order = [...(key === null ? [] : [key]), ...(part.unique ? [] : [id])].map((one) => sql`${one} ${direction}`);
  const joined = activity
    ? sql`join activities a on a.tenant_id = u.tenant_id and a.user_id = u.id and a.last_seen_at is not null`
    : sql``;
  const conditions = [
    ids === undefined
      ? matches(filter, "question")
      : sql<boolean>`u.tenant_id = ${filter.tenantId} and u.id = any (${[...ids]}::uuid[])`,
    ...(where === undefined ? [] : [where]),
    ...(after === null ? [] : [isBehind(part, id, after, descending)]),
  ];
  const found = sql<{ id: string; key: string }>`
    select u.id, ${textOf(part)} as key from users u ${joined}
    where ${sql.join(conditions, sql` and `)} order by ${sql.join(order)} limit ${limit}`;
  return await run(db, found);
}

function isBehind(part: Part, id: RawBuilder<unknown>, after: UserListPosition, descending: boolean) {
  const behind = descending ? sql`<` : sql`>`;
  if (part.key === null) return sql<boolean>`${id} ${behind} ${after.id}::uuid`;
  const key = sql`${after.key}::${sql.raw(part.type)}`;
  if (part.unique) return sql<boolean>`${part.key} ${behind} ${key}`;
  return sql<boolean>`(${part.key}, ${id}) ${behind} (${key}, ${after.id}::uuid)`;
}

/** As the next page compares it: of a time, every digit that the database has. */
function textOf({ key, type }: Part): RawBuilder<unknown> {
  if (key === null) return sql`''`;
  return type === "text" ? key : sql`to_char(${key} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/** All who match, in no order, if they are few. */
async function findFew(db: Database, filter: ReadyFilter): Promise<string[] | undefined> {
  const found = sql<{ id: string }>`select u.id from users u where ${matches(filter, "set")} limit ${fewMax + 1}`;
  const rows = await run(db, found);
  return rows.length > fewMax ? undefined : rows.map(({ id }) => id);
}

/** How many users match. What is kept anyway, by status, is not counted. */
export async function countUsers(db: Database, tenantId: string, filter: UserListFilter): Promise<number> {
  const { status, ...others } = filter;
  if (isEmpty(others)) return await sumTallies(db, tenantId, status);
  const ready = await readyFilter(db, tenantId, filter);
  const found = sql<{ total: number }>`select count(*) as total from users u where ${matches(ready, "set")}`;
  const [row] = await run(db, found);
  return row?.total ?? 0;
}

async function run<Row>(db: Database, query: RawBuilder<Row>): Promise<Row[]> {
  return await db.run<Row>({ compile: () => query.compile(db.build) });
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
