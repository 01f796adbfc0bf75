/** Use cases of license pools: terms, buying, giving back, and the queue. */
import { createHash } from "node:crypto";
import { lockAuthority, requireHeld } from "../auth/authority.ts";

import type { Statement } from "../db/database.ts";
import { recordEvents } from "../db/events.ts";
import {
  claimKey,
  drainPool,
  findPlace,
  findPool,
  insertSeats,
  keepAnswer,
  listPoolRows,
  listQueue,
  lockPool,
  type PoolRow,
  removeFreeSeats,
  setPriority,
  updatePool,
  type WaitingRow,
} from "../db/pools.ts";
import { bumpRules } from "../db/rules.ts";
import { findTier, poolSeatsMax } from "../domain/licenses.ts";
import { Problem } from "../problems.ts";
import { normaliseName } from "../vocabulary/names.ts";
import { causeOf, eventOf, type Work } from "./apply.ts";
import type { Deps, RequestContext } from "./context.ts";
import { drainJobName, reconcileJob } from "./jobs.ts";
import { isUuid, noUser } from "./users.ts";

/** Seats given out within the request that bought them; the rest follows in a job (LIC-4). */
const drainedAtOnceMax = 200;

/** A pool as callers see it; `purchased` and `available` are null where it is unlimited. */
export interface Pool extends Omit<PoolRow, "purchased"> {
  readonly purchased: number | null;
  readonly available: number | null;
}

export function toPool(row: PoolRow): Pool {
  const { purchased, ...rest } = row;
  return {
    ...rest,
    purchased: row.unlimited ? null : purchased,
    available: row.unlimited ? null : purchased - row.used,
  };
}

export async function listPools(deps: Deps, ctx: RequestContext): Promise<Pool[]> {
  return (await listPoolRows(deps.db, ctx.principal.tenantId)).map(toPool);
}

export interface PoolChange {
  readonly name?: string;
  readonly unitPrice?: number | null;
  readonly billingCycle?: string;
  readonly renewsOn?: string | null;
  readonly whenFull?: PoolRow["whenFull"];
  readonly drain?: PoolRow["drain"];
  readonly unlimited?: boolean;
}

/** Changes a pool's terms. Problems: notFound, forbidden, uniqueness, conflict (limited while more are in use). */
export async function patchPool(deps: Deps, ctx: RequestContext, tierKey: string, change: PoolChange): Promise<Pool> {
  const { tenantId } = ctx.principal;
  return await deps.db.transaction(async (tx) => {
    const rules = await deps.rules.locked(tx, tenantId);
    const tier = findTier(rules.tiers, tierKey);
    const now = deps.clock();
    requireHeld(await lockAuthority(tx, ctx.principal, now), ctx.principal, ["licenses.manage"]);
    await lockPool(tx, tenantId, tier.key);
    const before = await requirePool(tx, tenantId, tier.key);
    const terms = { ...before, ...change };
    if (before.unlimited !== terms.unlimited && before.used > 0) {
      throw new Problem(
        "conflict",
        `"${before.name}" has ${before.used} seats in use: release them before changing whether it is limited.`,
        {
          facts: { rule: "LIC-1", pool: tier.key, used: before.used },
        },
      );
    }
    await updatePool(tx, tenantId, tier.key, { ...terms, nameNorm: normaliseName(terms.name) });
    await bumpRules(tx, tenantId);
    const work: Work = { deps, ctx, tx, rules, now };
    const opens = !isServed(before) || (terms.unlimited && !before.unlimited);
    if (opens && isServed(terms)) await giveOut(work, tier.key);
    await recordEvents(tx, [
      { ...eventOf(work, "pool.changed", "Pool", tier.key, { ...change }), before: pick(before, change) },
    ]);
    const next = await deps.rules.edited(tx, tenantId);
    await reconcileJob(deps, tx, next, "pool changed");
    return toPool(await requirePool(tx, tenantId, tier.key));
  });
}

export interface Quote {
  readonly tier: string;
  readonly seats: number;
  readonly unitPrice: number | null;
  readonly currency: string;
  readonly billingCycle: string;
  readonly total: number | null;
  readonly purchasedAfter: number;
  readonly totalAfter: number | null;
}

/** What a purchase would cost. Problems: notFound, belowMinimum, conflict. */
export async function quote(deps: Deps, ctx: RequestContext, tierKey: string, seats: number): Promise<Quote> {
  const { tenantId } = ctx.principal;
  const rules = await deps.rules.current(deps.db, tenantId);
  const tier = findTier(rules.tiers, tierKey);
  const pool = await requirePool(deps.db, tenantId, tier.key);
  requirePurchasable(pool, seats);
  const price = (count: number) => (pool.unitPrice === null ? null : Math.round(pool.unitPrice * count * 100) / 100);
  const purchasedAfter = pool.purchased + seats;
  const { unitPrice, currency, billingCycle } = pool;
  return {
    tier: tier.key,
    seats,
    unitPrice,
    currency,
    billingCycle,
    total: price(seats),
    purchasedAfter,
    totalAfter: price(purchasedAfter),
  };
}

/**
 * LIC-4: adds seats at once and seats those who wait, in order; a long queue is served on by a job. With a key the same
 * request buys once. Problems: notFound, forbidden, belowMinimum, conflict.
 */
export async function purchase(
  deps: Deps,
  ctx: RequestContext,
  tierKey: string,
  seats: number,
  options: { idempotencyKey?: string } = {},
): Promise<Pool> {
  return await once(deps, ctx, "purchase", options.idempotencyKey, { tier: tierKey, seats }, async (work) => {
    const { tx, rules } = work;
    const tier = findTier(rules.tiers, tierKey);
    await lockPool(tx, rules.tenantId, tier.key);
    const before = await requirePool(tx, rules.tenantId, tier.key);
    requirePurchasable(before, seats);
    await insertSeats(tx, rules.tenantId, tier.key, seats);
    const event = eventOf(work, "pool.purchased", "Pool", tier.key, { seats, purchased: before.purchased + seats });
    await recordEvents(tx, [{ ...event, before: { purchased: before.purchased } }]);
    if (before.drain === "auto") await giveOut(work, tier.key);
    return toPool(await requirePool(tx, rules.tenantId, tier.key));
  });
}

/** LIC-7: removes free seats. Nobody is evicted. Problems: notFound, forbidden, belowUsed, belowMinimum, notImplemented. */
export async function reduce(
  deps: Deps,
  ctx: RequestContext,
  tierKey: string,
  seats: number,
  options: { at?: "now" | "renewal" } = {},
): Promise<Pool> {
  if (options.at === "renewal") {
    throw new Problem(
      "notImplemented",
      "Reductions at renewal cannot be scheduled yet. Reduce now, or on the renewal date.",
    );
  }
  return await once(deps, ctx, "reduce", undefined, { tier: tierKey, seats }, async (work) => {
    const { tx, rules } = work;
    const tier = findTier(rules.tiers, tierKey);
    await lockPool(tx, rules.tenantId, tier.key);
    const before = await requirePool(tx, rules.tenantId, tier.key);
    if (before.unlimited) throw unlimitedPool(before);
    const left = before.purchased - seats;
    const facts = { rule: "LIC-7", pool: tier.key, purchased: before.purchased, used: before.used };
    if (left < before.used) throw belowUsed(before, seats, facts);
    if (left !== 0 && left < before.minimum) {
      throw new Problem(
        "belowMinimum",
        `"${before.name}" holds no seats or at least ${before.minimum}; ${left} would remain.`,
        {
          facts: { ...facts, minimum: before.minimum },
        },
      );
    }
    const removed = await removeFreeSeats(tx, rules.tenantId, tier.key, seats);
    if (removed < seats) throw belowUsed(before, seats, facts);
    const event = eventOf(work, "pool.reduced", "Pool", tier.key, { seats, purchased: left }, "LIC-7");
    await recordEvents(tx, [{ ...event, before: { purchased: before.purchased } }]);
    return toPool(await requirePool(tx, rules.tenantId, tier.key));
  });
}

/** Who waits for a tier, in order. Problem: notFound. */
export async function listWaitlist(
  deps: Deps,
  ctx: RequestContext,
  tierKey: string,
  page: { offset: number; limit: number },
): Promise<{ users: WaitingRow[]; total: number }> {
  const { tenantId } = ctx.principal;
  const rules = await deps.rules.current(deps.db, tenantId);
  const tier = findTier(rules.tiers, tierKey);
  const users = await listQueue(deps.db, tenantId, tier.key, page.offset, page.limit);
  const { waitlisted } = await requirePool(deps.db, tenantId, tier.key);
  return { users, total: waitlisted };
}

/** LIC-4: an Admin lets somebody pass. Problems: notFound, forbidden. */
export async function prioritize(
  deps: Deps,
  ctx: RequestContext,
  tierKey: string,
  userId: string,
  priority: number,
): Promise<WaitingRow> {
  const { tenantId } = ctx.principal;
  if (!isUuid(userId)) throw noUser(userId);
  return await deps.db.transaction(async (tx) => {
    const rules = await deps.rules.shared(tx, tenantId);
    const now = deps.clock();
    requireHeld(await lockAuthority(tx, ctx.principal, now), ctx.principal, ["licenses.manage"]);
    const tier = findTier(rules.tiers, tierKey);
    await lockPool(tx, tenantId, tier.key);
    if (!(await setPriority(tx, tenantId, tier.key, userId, priority))) {
      throw new Problem("notFound", `This user does not wait for a "${tier.name}" seat.`);
    }
    const work: Work = { deps, ctx, tx, rules, now };
    await recordEvents(tx, [
      eventOf(work, "license.prioritized", "User", userId, { tier: tier.key, priority }, "LIC-4"),
    ]);
    return (await findPlace(tx, tenantId, tier.key, userId)) as WaitingRow;
  });
}

/** LIC-4: the rest of a large drain, in bounded transactions; new claims stand behind the queue meanwhile. */
export async function drainRest(deps: Deps, tenantId: string, signal?: AbortSignal): Promise<void> {
  const principal = {
    tenantId,
    kind: "job" as const,
    tokenId: null,
    label: "drain",
    scopes: [],
    role: null,
    userId: null,
  };
  const ctx: RequestContext = { principal, requestId: deps.newId(), door: "job" };
  const { tiers } = await deps.rules.current(deps.db, tenantId);
  for (const tier of tiers.filter(isServed)) {
    for (let given = drainedAtOnceMax; given === drainedAtOnceMax; ) {
      if (signal?.aborted) throw new Error("The drain was stopped; it goes on where it was.");
      given = await deps.db.transaction(async (tx) => {
        await lockPool(tx, tenantId, tier.key);
        return await drainPool(tx, tenantId, tier.key, drainedAtOnceMax, causeOf(ctx, deps.clock()));
      });
    }
  }
}

const undrained: Statement = {
  name: "pools_undrained",
  text: `select distinct p.tenant_id from pools p
    join (select distinct tenant_id, tier from waitlist) w on w.tenant_id = p.tenant_id and w.tier = p.tier
    where p.unlimited or p.drain = 'auto' and exists (
      select from seats s where s.tenant_id = p.tenant_id and s.tier = p.tier and s.user_id is null)`,
};

/** Tenants where a large drain was cut off, whatever became of its job: asked at start-up. */
export async function findUndrained(deps: Deps): Promise<string[]> {
  return (await deps.db.query<{ tenant_id: string }>(undrained, [])).map((row) => row.tenant_id);
}

/** Whether free seats go to those who wait by themselves; where there is no end of seats, nobody has to choose. */
function isServed({ drain, unlimited }: Pick<PoolRow, "drain" | "unlimited">): boolean {
  return drain === "auto" || unlimited;
}

async function giveOut({ deps, ctx, tx, rules, now }: Work, tier: string): Promise<void> {
  const given = await drainPool(tx, rules.tenantId, tier, drainedAtOnceMax, causeOf(ctx, now));
  if (given === drainedAtOnceMax) await deps.jobs.enqueue(tx, drainJobName, { tenantId: rules.tenantId });
}

/** Buying and giving back: permission, then the work, then the answer kept under the key. */
async function once(
  deps: Deps,
  ctx: RequestContext,
  operation: string,
  key: string | undefined,
  request: object,
  body: (work: Work) => Promise<Pool>,
): Promise<Pool> {
  const { tenantId } = ctx.principal;
  return await deps.db.transaction(async (tx) => {
    const rules = await deps.rules.shared(tx, tenantId);
    const now = deps.clock();
    requireHeld(await lockAuthority(tx, ctx.principal, now), ctx.principal, ["licenses.purchase"]);
    const digest = createHash("sha256").update(JSON.stringify(request)).digest("base64url");
    if (key !== undefined) {
      const known = await claimKey(tx, tenantId, key, operation, digest, now.toISOString());
      if (known !== undefined) return recall(known, digest);
    }
    const pool = await body({ deps, ctx, tx, rules, now });
    if (key !== undefined) await keepAnswer(tx, tenantId, key, operation, pool);
    return pool;
  });
}

function recall(known: { digest: string; answer: unknown }, digest: string): Pool {
  if (known.digest === digest) return known.answer as Pool;
  throw new Problem(
    "conflict",
    "This Idempotency-Key was used for another purchase. Use a new key for a new purchase.",
  );
}

function requirePurchasable(pool: PoolRow, seats: number): void {
  if (pool.unlimited) throw unlimitedPool(pool);
  const after = pool.purchased + seats;
  const facts = { rule: "LIC-7", pool: pool.tier, purchased: pool.purchased };
  if (after > poolSeatsMax) {
    throw new Problem("conflict", `A pool holds at most ${poolSeatsMax} seats; this would make ${after}.`, {
      facts: { ...facts, rule: "LIC-1" },
    });
  }
  if (after < pool.minimum) {
    throw new Problem(
      "belowMinimum",
      `"${pool.name}" is sold from ${pool.minimum} seats on; this would make ${after}.`,
      {
        facts: { ...facts, minimum: pool.minimum },
      },
    );
  }
}

function belowUsed(pool: PoolRow, seats: number, facts: object): Problem {
  const free = pool.purchased - pool.used;
  return new Problem(
    "belowUsed",
    `${pool.used} of ${pool.purchased} "${pool.name}" seats are in use: ${seats} cannot go, at most ${free} can.`,
    {
      facts: { ...facts },
    },
  );
}

function unlimitedPool(pool: PoolRow): Problem {
  return new Problem("conflict", `"${pool.name}" is unlimited: there is nothing to buy or give back.`, {
    facts: { rule: "LIC-1", pool: pool.tier },
  });
}

async function requirePool(executor: Parameters<typeof findPool>[0], tenantId: string, tier: string): Promise<PoolRow> {
  const pool = await findPool(executor, tenantId, tier);
  if (pool === undefined) throw new Problem("notFound", `There is no license tier "${tier}".`);
  return pool;
}

function pick(before: PoolRow, change: PoolChange) {
  return Object.fromEntries(Object.keys(change).map((name) => [name, before[name as keyof PoolRow]]));
}
