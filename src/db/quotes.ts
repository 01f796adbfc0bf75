/** Offers: made, used once, forgotten when nobody did. */
import type { BillingCycle } from "../domain/billing.ts";
import type { Actor } from "../domain/model.ts";
import type { Executor, Statement, Transaction } from "./database.ts";

/** What some seats cost: for one of them, for all in each cycle, and in each month. */
export interface OfferedPrice {
  readonly unitPrice: number | null;
  readonly currency: string;
  readonly billingCycle: BillingCycle;
  readonly total: number | null;
  readonly monthlyCost: number | null;
}

/** What is offered, as it was shown. */
export interface Offer extends OfferedPrice {
  /** What the pool then holds, and costs. */
  readonly purchasedAfter: number;
  readonly totalAfter: number | null;
  readonly monthlyCostAfter: number | null;
  readonly minimum: number;
  readonly renewsOn: string | null;
  /** Of an upgrade: what the same seats cost until then. */
  readonly replaces: OfferedPrice | null;
  /** What is paid more each month. */
  readonly monthlyDifference: number | null;
}

export interface NewQuote {
  readonly id: string;
  readonly kind: "purchase" | "upgrade";
  readonly tier: string;
  readonly to: string | null;
  readonly seats: number;
  readonly offer: Offer;
  readonly madeBy: Actor;
  readonly madeAt: string;
  readonly expiresAt: string;
}

export interface QuoteRow extends NewQuote {
  readonly usedBy: Actor | null;
  readonly usedAt: string | null;
  readonly answer: unknown;
}

const columns = `id, kind, tier, to_tier as "to", seats, offer, made_by as "madeBy", made_at as "madeAt",
  expires_at as "expiresAt", used_by as "usedBy", used_at as "usedAt", answer`;

const insert: Statement = {
  name: "quotes_insert",
  text: `insert into quotes (tenant_id, id, kind, tier, to_tier, seats, offer, made_by, made_at, expires_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
};
const find: Statement = {
  name: "quotes_find",
  text: `select ${columns} from quotes where tenant_id = $1 and id = $2`,
};
const lock: Statement = { name: "quotes_lock", text: `${find.text} for update` };
const use: Statement = {
  name: "quotes_use",
  text: "update quotes set used_by = $3, used_at = $4, answer = $5 where tenant_id = $1 and id = $2",
};
const page: Statement = {
  name: "quotes_page",
  text: `select ${columns} from quotes where tenant_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3`,
};
const prune: Statement = {
  name: "quotes_prune",
  text: "delete from quotes where used_at is null and expires_at < $1",
};

export async function insertQuote(tx: Transaction, tenantId: string, quote: NewQuote): Promise<void> {
  const { id, kind, tier, to, seats, offer, madeBy, madeAt, expiresAt } = quote;
  const values = [
    tenantId,
    id,
    kind,
    tier,
    to,
    seats,
    JSON.stringify(offer),
    JSON.stringify(madeBy),
    madeAt,
    expiresAt,
  ];
  await tx.query(insert, values);
}

export async function findQuote(executor: Executor, tenantId: string, id: string): Promise<QuoteRow | undefined> {
  return (await executor.query<QuoteRow>(find, [tenantId, id]))[0];
}

/** The offer, locked: whoever comes with it at the same moment waits, and finds it used. */
export async function lockQuote(tx: Transaction, tenantId: string, id: string): Promise<QuoteRow | undefined> {
  return (await tx.query<QuoteRow>(lock, [tenantId, id]))[0];
}

export async function useQuote(tx: Transaction, tenantId: string, id: string, by: Actor, at: string, answer: unknown) {
  await tx.query(use, [tenantId, id, JSON.stringify(by), at, JSON.stringify(answer)]);
}

/** Offers, the latest first; those before the given one. Ids sort by the time of their making. */
export async function listQuoteRows(executor: Executor, tenantId: string, before: string | null, limit: number) {
  return await executor.query<QuoteRow>(page, [tenantId, before, limit]);
}

/** Forgets the offers of all tenants that expired before, unused. */
export async function pruneQuotes(executor: Executor, before: Date): Promise<void> {
  await executor.query(prune, [before.toISOString()]);
}
