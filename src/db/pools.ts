/** Pools: their terms, what was bought and what is free. */
import type { BillingCycle } from "../domain/billing.ts";
import type { Actor } from "../domain/model.ts";
import type { Executor, Statement, Transaction } from "./database.ts";

export interface PoolRow {
  readonly tier: string;
  readonly name: string;
  readonly rank: number;
  /** What was bought; an unlimited pool's seats beyond that are not counted here. */
  readonly purchased: number;
  readonly used: number;
  readonly waitlisted: number;
  readonly minimum: number;
  readonly unitPrice: number | null;
  readonly currency: string;
  readonly billingCycle: BillingCycle;
  readonly renewsOn: string | null;
  /** The day of the month that renewals keep to. */
  readonly renewalDay: number | null;
  readonly whenFull: "waitlist" | "refuse" | "downgrade";
  readonly drain: "auto" | "manual";
  readonly unlimited: boolean;
  /** LIC-7: what is to go at the renewal, in the order of scheduling. */
  readonly reductions: readonly ReductionRow[];
}

/** Seats that are to go at the renewal, or what is left of them. */
export interface ReductionRow {
  readonly id: string;
  readonly seats: number;
  readonly scheduledBy: Actor;
  readonly scheduledAt: string;
}

// What is used is what was bought and is not free, and the seats that an unlimited pool makes, numbered below zero. Free
// seats have an index of their own: at 100,000 seats all in use this reads none of them. Offset 0 keeps PostgreSQL from
// pulling the counts apart and counting twice.
export const poolColumns = `
  p.tier, p.name, p.rank, p.minimum, p.unit_price as "unitPrice", p.currency, p.billing_cycle as "billingCycle",
  p.renews_on as "renewsOn", p.renewal_day as "renewalDay", p.when_full as "whenFull", p.drain, p.unlimited,
  p.purchased, p.purchased - n.free + n.made as used,
  (select count(*) from waitlist w where w.tenant_id = p.tenant_id and w.tier = p.tier) as waitlisted,
  (select coalesce(json_agg(json_build_object('id', r.id, 'seats', r.seats, 'scheduledBy', r.scheduled_by,
      'scheduledAt', to_char(r.scheduled_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
      order by r.scheduled_at, r.id), '[]')
    from reductions r where r.tenant_id = p.tenant_id and r.tier = p.tier) as reductions`;

export const poolCounts = `
  cross join lateral (select
    (select count(*) from seats s where s.tenant_id = p.tenant_id and s.tier = p.tier and s.user_id is null) as free,
    (select count(*) from seats s where s.tenant_id = p.tenant_id and s.tier = p.tier and s.no < 0) as made
    offset 0) n`;

const all: Statement = {
  name: "pools_all",
  text: `select ${poolColumns} from pools p ${poolCounts} where p.tenant_id = $1 order by p.rank`,
};

const one: Statement = {
  name: "pools_one",
  text: `select ${poolColumns} from pools p ${poolCounts} where p.tenant_id = $1 and p.tier = $2`,
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
    drain = $9, unlimited = $10,
    renewal_day = case when renews_on is not distinct from $7::date then renewal_day else extract(day from $7::date) end
    where tenant_id = $1 and tier = $2`,
};

export async function updatePool(tx: Transaction, tenantId: string, tier: string, terms: PoolTerms): Promise<void> {
  const { name, nameNorm, unitPrice, billingCycle, renewsOn, whenFull, drain: drains, unlimited } = terms;
  const values = [tenantId, tier, name, nameNorm, unitPrice, billingCycle, renewsOn, whenFull, drains, unlimited];
  await tx.query(setTerms, values);
}

const setRenewal: Statement = {
  name: "pools_renewal",
  text: "update pools set renews_on = $3, renewal_day = $4 where tenant_id = $1 and tier = $2",
};

/** The day on which the pool renews next, and the day of the month that it keeps to. */
export async function moveRenewal(tx: Transaction, tenantId: string, tier: string, renewsOn: string, day: number) {
  await tx.query(setRenewal, [tenantId, tier, renewsOn, day]);
}

const due: Statement = {
  name: "pools_due",
  text: "select distinct tenant_id from pools where renews_on <= $1 order by tenant_id",
};

const dueOf: Statement = {
  name: "pools_due_of",
  text: "select tier from pools where tenant_id = $1 and renews_on <= $2 order by rank",
};

/** Tenants with a pool that renews on this day or should have before. */
export async function findDueTenants(executor: Executor, day: string): Promise<string[]> {
  return (await executor.query<{ tenant_id: string }>(due, [day])).map((row) => row.tenant_id);
}

/** The tenant's pools that renew on this day or should have before. */
export async function findDuePools(executor: Executor, tenantId: string, day: string): Promise<string[]> {
  return (await executor.query<{ tier: string }>(dueOf, [tenantId, day])).map((row) => row.tier);
}
