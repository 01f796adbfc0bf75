/** Use cases of giving seats back (E-2, LIC-7): now, at the renewal, and thinking better of it. */
import { recordEvents } from "../db/events.ts";
import { lockPool, type PoolRow } from "../db/pools.ts";
import { insertReduction, removeReduction } from "../db/reductions.ts";
import { removeFreeSeats } from "../db/seats.ts";
import { belowUsed, findTier, requireLimited, requireReducible } from "../domain/licenses.ts";
import { isUuid } from "../ids.ts";
import { Problem } from "../problems.ts";
import { eventOf } from "./apply.ts";
import { actorOf, type Deps, type RequestContext } from "./context.ts";
import { type Pool, requirePool, toPool } from "./pools.ts";
import { type OrderWork, placeOrder } from "./pools-orders.ts";

export interface ReduceOptions {
  /** `now` when absent. */
  readonly at?: "now" | "renewal";
  readonly idempotencyKey?: string | undefined;
}

/**
 * LIC-7: removes free seats, now or at the renewal. Nobody is evicted. Problems: notFound, forbidden, belowUsed,
 * belowMinimum, conflict (unlimited; or at the renewal of a pool that has none, or of more than there are).
 */
export async function reduce(
  deps: Deps,
  ctx: RequestContext,
  tierKey: string,
  seats: number,
  { at = "now", idempotencyKey }: ReduceOptions = {},
): Promise<Pool> {
  const request = { tier: tierKey, seats, at };
  const order = { operation: "reduce", idempotencyKey, request, permissions: ["licenses.purchase"] } as const;
  return await placeOrder(deps, ctx, order, async (work) => {
    const { tx, rules, held } = work;
    const tier = findTier(rules.tiers, tierKey);
    await lockPool(tx, rules.tenantId, tier.key);
    const before = await requirePool(tx, rules.tenantId, tier.key);
    if (at === "now") await removeNow(work, before, seats);
    else await schedule(work, before, seats);
    return toPool(await requirePool(tx, rules.tenantId, tier.key), held);
  });
}

async function removeNow(work: OrderWork, before: PoolRow, seats: number): Promise<void> {
  const { tx, rules } = work;
  requireReducible(before, seats);
  // Seats are taken without the pool's lock: somebody may just have.
  if ((await removeFreeSeats(tx, rules.tenantId, before.tier, seats)) < seats) throw belowUsed(before, seats);
  const after = { seats, purchased: before.purchased - seats };
  const event = eventOf(work, "pool.reduced", "Pool", before.tier, after, "LIC-7");
  await recordEvents(tx, [{ ...event, before: { purchased: before.purchased } }]);
}

/** How many of them can go is seen at the renewal; how many there are is seen now. */
async function schedule(work: OrderWork, before: PoolRow, seats: number): Promise<void> {
  const { deps, ctx, tx, rules, now } = work;
  requireLimited(before);
  if (before.renewsOn === null) {
    const detail = `"${before.name}" has no day of renewal. Set renewsOn, or give the seats back now.`;
    throw new Problem("conflict", detail, { facts: { rule: "LIC-7", pool: before.tier } });
  }
  const scheduled = before.reductions.reduce((sum, one) => sum + one.seats, 0);
  if (seats + scheduled > before.purchased) {
    const detail =
      `"${before.name}" has ${before.purchased} seats, of which ${scheduled} go at the renewal already: ` +
      `${seats} more cannot.`;
    const facts = { rule: "LIC-7", pool: before.tier, purchased: before.purchased, used: before.used, scheduled };
    throw new Problem("conflict", detail, { facts });
  }
  const id = deps.newId();
  await insertReduction(tx, rules.tenantId, { id, tier: before.tier, seats, by: actorOf(ctx), at: now.toISOString() });
  const after = { reduction: id, seats, renewsOn: before.renewsOn };
  await recordEvents(tx, [eventOf(work, "pool.reduction-scheduled", "Pool", before.tier, after, "LIC-7")]);
}

/** Takes a scheduled reduction, or what is left of it, off the list. Problems: notFound, forbidden. */
export async function cancelReduction(deps: Deps, ctx: RequestContext, tierKey: string, id: string): Promise<Pool> {
  const order = { operation: "reduce", request: { id }, permissions: ["licenses.purchase"] } as const;
  return await placeOrder(deps, ctx, order, async (work) => {
    const { tx, rules, held } = work;
    const tier = findTier(rules.tiers, tierKey);
    await lockPool(tx, rules.tenantId, tier.key);
    const seats = isUuid(id) ? await removeReduction(tx, rules.tenantId, tier.key, id) : undefined;
    if (seats === undefined) throw new Problem("notFound", "There is no scheduled reduction with this id.");
    const event = eventOf(work, "pool.reduction-cancelled", "Pool", tier.key, { reduction: id }, "LIC-7");
    await recordEvents(tx, [{ ...event, before: { seats } }]);
    return toPool(await requirePool(tx, rules.tenantId, tier.key), held);
  });
}
