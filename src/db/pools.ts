/** Pools and their queues: counted from rows, never remembered. */
import type { Executor, Statement, Transaction } from "./database.ts";

export interface PoolRow {
  readonly tier: string;
  readonly name: string;
  readonly rank: number;
  readonly purchased: number;
  readonly used: number;
  readonly waitlisted: number;
  readonly minimum: number;
  readonly unitPrice: number | null;
  readonly currency: string;
  readonly billingCycle: string;
  readonly renewsOn: string | null;
  readonly whenFull: "waitlist" | "refuse" | "downgrade";
  readonly drain: "auto" | "manual";
  readonly unlimited: boolean;
}

// Free seats have an index of their own, so what is used needs no look at every seat twice; offset 0 keeps PostgreSQL
// from pulling the counts apart and doing just that (11 ms against 6 at 100,000 seats).
const columns = `
  p.tier, p.name, p.rank, p.minimum, p.unit_price as "unitPrice", p.currency, p.billing_cycle as "billingCycle",
  p.renews_on as "renewsOn", p.when_full as "whenFull", p.drain, p.unlimited,
  n.purchased, n.purchased - n.free as used,
  (select count(*) from waitlist w where w.tenant_id = p.tenant_id and w.tier = p.tier) as waitlisted`;

const counted = `
  cross join lateral (select
    (select count(*) from seats s where s.tenant_id = p.tenant_id and s.tier = p.tier) as purchased,
    (select count(*) from seats s where s.tenant_id = p.tenant_id and s.tier = p.tier and s.user_id is null) as free
    offset 0) n`;

const all: Statement = {
  name: "pools_all",
  text: `select ${columns} from pools p ${counted} where p.tenant_id = $1 order by p.rank`,
};

const one: Statement = {
  name: "pools_one",
  text: `select ${columns} from pools p ${counted} where p.tenant_id = $1 and p.tier = $2`,
};

const lock: Statement = {
  name: "pools_lock_one",
  text: "select 1 from pools where tenant_id = $1 and tier = $2 for no key update",
};

export async function listPoolRows(executor: Executor, tenantId: string): Promise<PoolRow[]> {
  return await executor.query<PoolRow>(all, [tenantId]);
}

export async function findPool(executor: Executor, tenantId: string, tier: string): Promise<PoolRow | undefined> {
  return (await executor.query<PoolRow>(one, [tenantId, tier]))[0];
}

/** The pool's lock, exclusively: nobody joins or leaves the queue, releases or buys meanwhile. */
export async function lockPool(tx: Transaction, tenantId: string, tier: string): Promise<boolean> {
  return (await tx.query(lock, [tenantId, tier])).length > 0;
}

const addSeats: Statement = {
  name: "seats_add",
  text: `insert into seats (tenant_id, tier, no)
    select $1, $2, n + coalesce((select no from seats where tenant_id = $1 and tier = $2 order by no desc limit 1), 0)
    from generate_series(1, $3::bigint) n`,
};

export async function insertSeats(tx: Transaction, tenantId: string, tier: string, count: number): Promise<void> {
  await tx.query(addSeats, [tenantId, tier, count]);
}

// Under the pool's lock: a free seat that somebody is just taking is waited for, and looked at again.
const removeSeats: Statement = {
  name: "seats_remove",
  text: `with f as (
      select no from seats where tenant_id = $1 and tier = $2 and user_id is null order by no desc limit $3 for update)
    delete from seats s using f where s.tenant_id = $1 and s.tier = $2 and s.no = f.no returning s.no`,
};

/** Deletes free seats, the highest numbers first; returns how many went. */
export async function removeFreeSeats(tx: Transaction, tenantId: string, tier: string, count: number): Promise<number> {
  let removed = 0;
  while (removed < count) {
    const rows = await tx.query(removeSeats, [tenantId, tier, count - removed]);
    if (rows.length === 0) break;
    removed += rows.length;
  }
  return removed;
}

const drain: Statement = {
  name: "pools_drain",
  text: "select drain_pool($1, $2, $3, $4::jsonb) as given",
};

/** LIC-4: gives free seats to the head of the queue; returns how many. The caller holds the pool's lock. */
export async function drainPool(tx: Transaction, tenantId: string, tier: string, most: number, cause: object) {
  const [row] = await tx.query<{ given: number }>(drain, [tenantId, tier, most, JSON.stringify(cause)]);
  return row?.given ?? 0;
}

/** Terms of a pool by column. */
export interface PoolTerms {
  readonly name: string;
  readonly nameNorm: string;
  readonly unitPrice: number | null;
  readonly billingCycle: string;
  readonly renewsOn: string | null;
  readonly whenFull: string;
  readonly drain: string;
  readonly unlimited: boolean;
}

const setTerms: Statement = {
  name: "pools_terms",
  text: `update pools set name = $3, name_norm = $4, unit_price = $5, billing_cycle = $6, renews_on = $7, when_full = $8,
    drain = $9, unlimited = $10 where tenant_id = $1 and tier = $2`,
};

export async function updatePool(tx: Transaction, tenantId: string, tier: string, terms: PoolTerms): Promise<void> {
  const { name, nameNorm, unitPrice, billingCycle, renewsOn, whenFull, drain: drains, unlimited } = terms;
  const values = [tenantId, tier, name, nameNorm, unitPrice, billingCycle, renewsOn, whenFull, drains, unlimited];
  await tx.query(setTerms, values);
}

export interface WaitingRow {
  readonly id: string;
  readonly userName: string;
  readonly displayName: string | null;
  readonly position: number;
  readonly priority: number;
  readonly since: string;
}

const queue: Statement = {
  name: "waitlist_page",
  text: `select q.*, u.user_name as "userName", u.doc ->> 'displayName' as "displayName" from (
      select user_id as id, row_number() over (order by priority desc, ticket) as position, priority, since
      from waitlist where tenant_id = $1 and tier = $2 order by priority desc, ticket offset $3 limit $4) q
    join users u on u.tenant_id = $1 and u.id = q.id order by q.position`,
};

/** One page of a queue, first in line first. */
export async function listQueue(executor: Executor, tenantId: string, tier: string, offset: number, limit: number) {
  return await executor.query<WaitingRow>(queue, [tenantId, tier, offset, limit]);
}

const prioritize: Statement = {
  name: "waitlist_priority",
  text: "update waitlist set priority = $4 where tenant_id = $1 and tier = $2 and user_id = $3 returning user_id",
};

/** Moves a person in the queue; false where they do not wait for this tier. The caller holds the pool's lock. */
export async function setPriority(tx: Transaction, tenantId: string, tier: string, userId: string, priority: number) {
  return (await tx.query(prioritize, [tenantId, tier, userId, priority])).length > 0;
}

const place: Statement = {
  name: "waitlist_place",
  text: `select q.*, u.user_name as "userName", u.doc ->> 'displayName' as "displayName" from (
      select user_id as id, row_number() over (order by priority desc, ticket) as position, priority, since
      from waitlist where tenant_id = $1 and tier = $2) q
    join users u on u.tenant_id = $1 and u.id = q.id where q.id = $3`,
};

export async function findPlace(executor: Executor, tenantId: string, tier: string, userId: string) {
  return (await executor.query<WaitingRow>(place, [tenantId, tier, userId]))[0];
}

const remember: Statement = {
  name: "idempotency_remember",
  text: `insert into idempotency_keys (tenant_id, key, operation, request_digest, created_at)
    values ($1, $2, $3, $4, $5) on conflict do nothing returning key`,
};
const recall: Statement = {
  name: "idempotency_recall",
  text: "select request_digest as digest, answer from idempotency_keys where tenant_id = $1 and key = $2 and operation = $3",
};
const answer: Statement = {
  name: "idempotency_answer",
  text: "update idempotency_keys set answer = $4 where tenant_id = $1 and key = $2 and operation = $3",
};

/**
 * Claims an Idempotency-Key within the transaction that does the work: undefined when it is new, else what was asked and
 * answered with it before. A second request with the same key waits for the first.
 */
export async function claimKey(
  tx: Transaction,
  tenantId: string,
  key: string,
  operation: string,
  digest: string,
  at: string,
): Promise<{ digest: string; answer: unknown } | undefined> {
  const claimed = await tx.query(remember, [tenantId, key, operation, digest, at]);
  if (claimed.length > 0) return undefined;
  return (await tx.query<{ digest: string; answer: unknown }>(recall, [tenantId, key, operation]))[0];
}

export async function keepAnswer(tx: Transaction, tenantId: string, key: string, operation: string, body: unknown) {
  await tx.query(answer, [tenantId, key, operation, JSON.stringify(body)]);
}
