/** What happens on a pool's day of renewal (LIC-7). By the clock, in any process; a second time nothing is due. */
import { recordEvents } from "../db/events.ts";
import { findDuePools, findDueTenants, lockPool, moveRenewal, type PoolRow } from "../db/pools.ts";
import { settleReductions } from "../db/reductions.ts";
import { insertSeats, removeFreeSeats } from "../db/seats.ts";
import { dayOf, dayOfMonth, nextRenewal } from "../domain/billing.ts";
import { isBelowMinimum, seatsAfterRenewal } from "../domain/licenses.ts";
import { eventOf, type Work } from "./apply.ts";
import type { Deps } from "./context.ts";
import { jobContext } from "./jobs.ts";
import { requirePool } from "./pools.ts";

/** Tenants with a pool that is due. */
export async function findRenewals(deps: Deps): Promise<string[]> {
  return await findDueTenants(deps.db, dayOf(deps.clock()));
}

/** Renews the tenant's pools that are due, each in a transaction of its own. */
export async function renewPools(deps: Deps, tenantId: string, signal?: AbortSignal): Promise<void> {
  const ctx = jobContext(deps, tenantId, "renewal");
  for (const tier of await findDuePools(deps.db, tenantId, dayOf(deps.clock()))) {
    if (signal?.aborted) throw new Error("The renewals were stopped; they go on where they were.");
    await deps.db.transaction(async (tx) => {
      const rules = await deps.rules.shared(tx, tenantId);
      await renew({ deps, ctx, tx, rules, now: deps.clock() }, tier);
    });
  }
}

async function renew(work: Work, tier: string): Promise<void> {
  const { tx, rules, now } = work;
  const { tenantId } = rules;
  await lockPool(tx, tenantId, tier);
  const before = await requirePool(tx, tenantId, tier);
  const { renewsOn } = before;
  const today = dayOf(now);
  if (renewsOn === null || renewsOn > today) return;
  const removed = await carryOutReductions(work, before);
  const day = before.renewalDay ?? dayOfMonth(renewsOn);
  const next = nextRenewal(renewsOn, before.billingCycle, day, today);
  await moveRenewal(tx, tenantId, tier, next, day);
  const open = before.reductions.reduce((sum, { seats }) => sum + seats, -removed);
  const after = { renewsOn: next, purchased: before.purchased - removed, removed, open };
  const event = eventOf(work, "pool.renewed", "Pool", tier, after, "LIC-7");
  await recordEvents(tx, [{ ...event, before: { renewsOn, purchased: before.purchased } }]);
}

/** Removes what can go of what was scheduled, all of it taken together; returns how many seats went. */
async function carryOutReductions({ tx, rules }: Work, pool: PoolRow): Promise<number> {
  const { tenantId } = rules;
  const going = pool.reductions.reduce((sum, { seats }) => sum + seats, 0);
  if (going === 0 || pool.unlimited) return 0;
  let removed = await removeFreeSeats(tx, tenantId, pool.tier, pool.purchased - seatsAfterRenewal(pool, going));
  const left = pool.purchased - removed;
  // All were to go, and somebody has taken one meanwhile: then the minimum stays.
  if (isBelowMinimum(pool, left) && pool.purchased >= pool.minimum) {
    await insertSeats(tx, tenantId, pool.tier, pool.minimum - left);
    removed = pool.purchased - pool.minimum;
  }
  await settleReductions(tx, tenantId, pool.tier, pool.reductions, removed);
  return removed;
}
