/** What people spent: items that count once each, and the sums beside the users' rows. */
import type { Spent } from "../domain/budget.ts";
import type { UserDoc } from "../domain/model.ts";
import type { Executor, Statement, Transaction } from "./database.ts";

export interface UsageItem {
  readonly id: string;
  readonly userId: string;
  readonly amount: number;
  readonly currency: string;
  readonly at: string;
}

const lock: Statement = {
  name: "usage_lock",
  text: `select id, doc, spent from users where tenant_id = $1 and id = any ($2::uuid[]) order by id for no key update`,
};

export interface SpendingUser {
  readonly id: string;
  readonly doc: UserDoc;
  readonly spent: Spent | null;
}

/** The users, locked in the order of their ids: whoever adds to the same sums waits. */
export async function lockSpenders(
  tx: Transaction,
  tenantId: string,
  ids: readonly string[],
): Promise<Map<string, SpendingUser>> {
  const rows = await tx.query<SpendingUser>(lock, [tenantId, ids]);
  return new Map(rows.map((row) => [row.id, row]));
}

const insert: Statement = {
  name: "usage_insert",
  text: `insert into usage_items (tenant_id, id, user_id, amount, currency, at, received_at)
    select $1, i.id, i.user_id, i.amount, i.currency, i.at, $3
    from jsonb_to_recordset($2::jsonb) as i (id text, user_id uuid, amount numeric, currency text, at timestamptz)
    order by i.id collate "C"
    on conflict (tenant_id, id) do nothing
    returning id`,
};

/** Inserts the items that are new and returns their ids; waits for whoever is about to insert the same. */
export async function insertUsageItems(
  tx: Transaction,
  tenantId: string,
  items: readonly UsageItem[],
  at: string,
): Promise<Set<string>> {
  const rows = items.map(({ userId, ...item }) => ({ ...item, user_id: userId }));
  const inserted = await tx.query<{ id: string }>(insert, [tenantId, JSON.stringify(rows), at]);
  return new Set(inserted.map(({ id }) => id));
}

const find: Statement = {
  name: "usage_find",
  text: `select id, user_id as "userId", amount, currency, at from usage_items
    where tenant_id = $1 and id = any ($2::text[])`,
};

/** The items of these ids, as they were counted. */
export async function findUsageItems(executor: Executor, tenantId: string, ids: readonly string[]) {
  const rows = await executor.query<UsageItem>(find, [tenantId, ids]);
  return new Map(rows.map((row) => [row.id, row]));
}

// In the database, because JavaScript's numbers would round a sum of cents.
const add: Statement = {
  name: "usage_add",
  text: `update users u set spent = coalesce(u.spent, '{}') || (
      select jsonb_object_agg(t.currency, coalesce(u.spent -> t.currency, '{}') || jsonb_build_object('used',
        coalesce((u.spent -> t.currency ->> 'used')::numeric, 0) + t.amount))
      from (select i.currency, sum(i.amount) as amount from usage_items i
        where i.tenant_id = $1 and i.user_id = u.id and i.id = any ($2::text[]) group by i.currency) t)
    where u.tenant_id = $1 and u.id = any ($3::uuid[])
    returning u.id, u.doc, u.spent`,
};

/** Adds these items to the sums of their users, whose rows are locked. Returns the users as they are then. */
export async function addToSpent(
  tx: Transaction,
  tenantId: string,
  itemIds: readonly string[],
  userIds: readonly string[],
): Promise<SpendingUser[]> {
  return await tx.query<SpendingUser>(add, [tenantId, itemIds, userIds]);
}

const tell: Statement = {
  name: "usage_told",
  text: `update users set spent = jsonb_set(spent, array[$3, 'told'], to_jsonb($4::numeric))
    where tenant_id = $1 and id = $2`,
};

/** Remembers that the passing of this limit was told. */
export async function markTold(tx: Transaction, tenantId: string, userId: string, currency: string, limit: number) {
  await tx.query(tell, [tenantId, userId, currency, limit]);
}

const prune: Statement = {
  name: "usage_prune",
  text: "delete from usage_items where received_at < $1",
};

/** Forgets items that nobody sends again, of all tenants; the sums stay. */
export async function pruneUsageItems(executor: Executor, before: Date): Promise<void> {
  await executor.query(prune, [before.toISOString()]);
}
