/** Use cases of offers: what so many seats would cost, kept for whoever authorises it. */
import { lockAuthority, requireHeld } from "../auth/authority.ts";
import { recordEvents } from "../db/events.ts";
import type { PoolRow } from "../db/pools.ts";
import {
  findQuote,
  insertQuote,
  listQuoteRows,
  type NewQuote,
  type Offer,
  type OfferedPrice,
  type QuoteRow,
} from "../db/quotes.ts";
import { costOf, differenceOf, monthlyCostOf, type Price } from "../domain/billing.ts";
import { findTier, requireLimited, requirePurchasable } from "../domain/licenses.ts";
import type { Actor, Tier } from "../domain/model.ts";
import { isUuid } from "../ids.ts";
import { limits } from "../limits.ts";
import { Problem } from "../problems.ts";
import { eventOf } from "./apply.ts";
import { actorOf, type Deps, type RequestContext } from "./context.ts";
import { pricePermissions, requirePool } from "./pools.ts";
import { noQuote } from "./pools-orders.ts";

/** An offer as callers see it. */
export interface Quote extends Offer {
  readonly id: string;
  readonly kind: "purchase" | "upgrade";
  readonly tier: string;
  readonly to: string | null;
  readonly seats: number;
  readonly state: "open" | "used" | "expired";
  readonly madeBy: Actor;
  readonly madeAt: string;
  readonly expiresAt: string;
  readonly usedBy: Actor | null;
  readonly usedAt: string | null;
}

/**
 * Offers so many seats of a tier, or with `to` their upgrade to that tier, at the price of this moment.
 * Problems: notFound, forbidden, unknownTier, invalidValue, belowMinimum, conflict.
 */
export async function quote(
  deps: Deps,
  ctx: RequestContext,
  tierKey: string,
  request: { readonly seats: number; readonly to?: string | undefined },
): Promise<Quote> {
  const { tenantId } = ctx.principal;
  const { seats } = request;
  return await deps.db.transaction(async (tx) => {
    const rules = await deps.rules.shared(tx, tenantId);
    const now = deps.clock();
    requireHeld(await lockAuthority(tx, ctx.principal, now), ctx.principal, pricePermissions);
    const tier = findTier(rules.tiers, tierKey);
    const to = request.to === undefined ? null : requireHigher(rules.tiers, tier, request.to);
    const pool = await requirePool(tx, tenantId, tier.key);
    const target = to === null ? pool : await requirePool(tx, tenantId, to.key);
    if (to !== null) requireSeatsToUpgrade(pool, seats);
    requirePurchasable(target, seats);
    const row: NewQuote = {
      id: deps.newId(),
      kind: to === null ? "purchase" : "upgrade",
      tier: tier.key,
      to: to?.key ?? null,
      seats,
      offer: offerOf(target, to === null ? null : pool, seats),
      madeBy: actorOf(ctx),
      madeAt: now.toISOString(),
      expiresAt: new Date(now.getTime() + limits.quoteHours * 3600_000).toISOString(),
    };
    await insertQuote(tx, tenantId, row);
    const { unitPrice, currency, billingCycle, total, monthlyDifference } = row.offer;
    const terms = { unitPrice, currency, billingCycle, total, monthlyDifference };
    const after = { tier: row.tier, to: row.to, seats, ...terms, expiresAt: row.expiresAt };
    await recordEvents(tx, [eventOf({ deps, ctx, tx, rules, now }, "quote.made", "Quote", row.id, after)]);
    return toQuote({ ...row, usedBy: null, usedAt: null, answer: null }, now);
  });
}

/** One offer. Problem: notFound. */
export async function getQuote(deps: Deps, ctx: RequestContext, id: string): Promise<Quote> {
  const row = isUuid(id) ? await findQuote(deps.db, ctx.principal.tenantId, id) : undefined;
  if (row === undefined) throw noQuote();
  return toQuote(row, deps.clock());
}

/** Offers, the latest first: those before the given one. */
export async function listQuotes(deps: Deps, ctx: RequestContext, before: string | null, limit: number) {
  const now = deps.clock();
  return (await listQuoteRows(deps.db, ctx.principal.tenantId, before, limit)).map((row) => toQuote(row, now));
}

/** an upgrade goes up; who wants fewer of the dearer seats gives them back. Problems: unknownTier, invalidValue. */
export function requireHigher(tiers: readonly Tier[], tier: Tier, toKey: string): Tier {
  const to = tiers.find((one) => one.key === toKey);
  if (to === undefined) {
    const known = tiers.map((one) => one.key).join(", ");
    throw new Problem("unknownTier", `There is no tier "${toKey}". Known tiers: ${known}.`, {
      facts: { attribute: "to" },
    });
  }
  if (to.rank > tier.rank) return to;
  const detail = `Seats are upgraded to a higher tier; "${to.name}" does not rank above "${tier.name}".`;
  throw new Problem("invalidValue", detail, { facts: { rule: "LIC-7", attribute: "to" } });
}

/** Which of them are in use is a question of the upgrade itself: their holders may move along. */
function requireSeatsToUpgrade(pool: PoolRow, seats: number): void {
  requireLimited(pool);
  if (seats <= pool.purchased) return;
  const detail = `"${pool.name}" has ${pool.purchased} seats: ${seats} cannot be upgraded.`;
  throw new Problem("conflict", detail, { facts: { rule: "LIC-7", pool: pool.tier, purchased: pool.purchased } });
}

/** What seats of the pool cost; `from` is the pool that they are taken from. */
function offerOf(pool: PoolRow, from: PoolRow | null, seats: number): Offer {
  const price = priceOf(pool, seats);
  const replaces = from === null ? null : priceOf(from, seats);
  const purchasedAfter = pool.purchased + seats;
  const cost = { currency: price.currency, cost: price.monthlyCost };
  return {
    ...price,
    purchasedAfter,
    totalAfter: costOf(pool, purchasedAfter),
    monthlyCostAfter: monthlyCostOf(pool, purchasedAfter),
    minimum: pool.minimum,
    renewsOn: pool.renewsOn,
    replaces,
    monthlyDifference:
      replaces === null
        ? price.monthlyCost
        : differenceOf(cost, { currency: replaces.currency, cost: replaces.monthlyCost }),
  };
}

/** What so many seats cost at this price. */
export function priceOf(price: Price, seats: number): OfferedPrice {
  const { unitPrice, currency, billingCycle } = price;
  return { unitPrice, currency, billingCycle, total: costOf(price, seats), monthlyCost: monthlyCostOf(price, seats) };
}

function toQuote(row: QuoteRow, now: Date): Quote {
  const { offer, answer: _, ...rest } = row;
  const isPast = Date.parse(row.expiresAt) <= now.getTime();
  return { ...rest, ...offer, state: row.usedAt !== null ? "used" : isPast ? "expired" : "open" };
}
