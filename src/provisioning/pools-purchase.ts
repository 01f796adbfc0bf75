/** Use cases of buying seats (A-3, E-2). */
import { recordEvents } from "../db/events.ts";
import { lockPool, moveRenewal, type PoolRow } from "../db/pools.ts";
import type { OfferedPrice, QuoteRow } from "../db/quotes.ts";
import { insertSeats } from "../db/seats.ts";
import { dayOf, dayOfMonth, nextRenewal } from "../domain/billing.ts";
import { findTier, requirePurchasable } from "../domain/licenses.ts";
import type { JsonObject } from "../domain/model.ts";
import { eventOf } from "./apply.ts";
import type { Deps, RequestContext } from "./context.ts";
import { giveOut, type Pool, requirePool, toPool } from "./pools.ts";
import { type OrderWork, placeOrder, useOffer } from "./pools-orders.ts";
import { priceOf } from "./pools-quotes.ts";

interface PurchaseOptions {
  readonly idempotencyKey?: string | undefined;
}

/**
 * LIC-4: adds seats at once, at the price of the moment, and seats those who wait, in order; a long queue is served on
 * by a job. Problems: notFound, forbidden, belowMinimum, conflict.
 */
export async function purchase(
  deps: Deps,
  ctx: RequestContext,
  tierKey: string,
  seats: number,
  options: PurchaseOptions = {},
): Promise<Pool> {
  return await placeOrder(deps, ctx, orderOf({ tier: tierKey, seats }, options), async (work) => {
    const tier = findTier(work.rules.tiers, tierKey);
    return await addSeats(work, tier.key, seats, null);
  });
}

/**
 * The same for an offer, at its price, whoever made it: the event names both. `seats`, where said, must be the offer's.
 * Problems: also invalidValue (the offer is for something else), stale (it has expired).
 */
export async function purchaseQuoted(
  deps: Deps,
  ctx: RequestContext,
  tierKey: string,
  request: { readonly quote: string; readonly seats?: number | undefined },
  options: PurchaseOptions = {},
): Promise<Pool> {
  const order = orderOf({ tier: tierKey, ...request }, options);
  return await placeOrder(deps, ctx, order, async (work) => {
    const tier = findTier(work.rules.tiers, tierKey);
    const subject = { kind: "purchase", tier: tier.key, to: null, seats: request.seats } as const;
    return await useOffer(work, request.quote, subject, (offer) => addSeats(work, tier.key, offer.seats, offer));
  });
}

function orderOf(request: object, { idempotencyKey }: PurchaseOptions) {
  return { operation: "purchase", idempotencyKey, request, permissions: ["licenses.purchase"] } as const;
}

async function addSeats(work: OrderWork, tier: string, seats: number, quote: QuoteRow | null): Promise<Pool> {
  const { tx, rules, held } = work;
  await lockPool(tx, rules.tenantId, tier);
  const before = await requirePool(tx, rules.tenantId, tier);
  requirePurchasable(before, seats);
  await insertSeats(tx, rules.tenantId, tier, seats);
  const renewsOn = await beginCycle(work, before);
  const after = {
    seats,
    purchased: before.purchased + seats,
    renewsOn,
    ...charged(quote?.offer ?? priceOf(before, seats)),
  };
  const event = eventOf(work, "pool.purchased", "Pool", tier, { ...after, ...quotedBy(quote) }, "LIC-4");
  await recordEvents(tx, [{ ...event, before: { purchased: before.purchased } }]);
  if (before.drain === "auto") await giveOut(work, tier);
  return toPool(await requirePool(tx, rules.tenantId, tier), held);
}

/** LIC-7: with the first seats of a pool its billing begins, unless a day has been agreed on. Returns the day of renewal. */
export async function beginCycle({ tx, rules, now }: OrderWork, pool: PoolRow): Promise<string | null> {
  if (pool.renewsOn !== null || pool.purchased > 0) return pool.renewsOn;
  const today = dayOf(now);
  const day = dayOfMonth(today);
  const renewsOn = nextRenewal(today, pool.billingCycle, day, today);
  await moveRenewal(tx, rules.tenantId, pool.tier, renewsOn, day);
  return renewsOn;
}

/** What an event tells of the price. */
export function charged({ unitPrice, currency, billingCycle, total, monthlyCost }: OfferedPrice): JsonObject {
  return { unitPrice, currency, billingCycle, total, monthlyCost };
}

/** Who offered what the actor of the event has authorised. */
export function quotedBy(quote: QuoteRow | null): JsonObject {
  return quote === null ? {} : { quote: quote.id, quotedBy: { ...quote.madeBy }, quotedAt: quote.madeAt };
}
