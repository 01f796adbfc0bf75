/** Use cases of license pools: what there is, and its terms. Buying, giving back and moving seats are in files beside. */
import { findAuthority, lockAuthority, requireHeld } from "../auth/authority.ts";
import type { Executor } from "../db/database.ts";
import { recordEvents } from "../db/events.ts";
import { findPool, listPoolRows, lockPool, type PoolRow, updatePool } from "../db/pools.ts";
import { bumpRules } from "../db/rules.ts";
import { drainPool } from "../db/seats.ts";
import { type BillingCycle, isChargeable, monthlyCostOf } from "../domain/billing.ts";
import { findTier } from "../domain/licenses.ts";
import type { JsonObject, Permission } from "../domain/model.ts";
import { holds } from "../domain/permissions.ts";
import { Problem } from "../problems.ts";
import { normaliseName } from "../vocabulary/names.ts";
import { causeOf, eventOf, type Work } from "./apply.ts";
import type { Deps, RequestContext } from "./context.ts";
import { drainJobName, reconcileJob } from "./jobs.ts";

/** Seats given out within the request that bought them; the rest follows in a job (LIC-4). */
export const drainedAtOnceMax = 200;

/** What money is about: who buys or bills sees prices, and who only works with licenses does not. */
export const pricePermissions: readonly Permission[] = ["licenses.purchase", "billing.manage"];

/** A pool as callers see it; `purchased` and `available` are null where it is unlimited. */
export interface Pool extends Omit<PoolRow, "purchased" | "unitPrice" | "currency" | "renewalDay"> {
  readonly purchased: number | null;
  readonly available: number | null;
  /** Absent for whoever may not see prices, as the two that follow. */
  readonly unitPrice?: number | null;
  readonly currency?: string;
  /** What the bought seats cost each month; of an unlimited pool those in use. */
  readonly monthlyCost?: number | null;
}

/** A pool as somebody with these permissions may see it. */
export function toPool(row: PoolRow, held: readonly Permission[]): Pool {
  const { purchased, unitPrice, currency, renewalDay: _, ...rest } = row;
  return {
    ...rest,
    purchased: row.unlimited ? null : purchased,
    available: row.unlimited ? null : purchased - row.used,
    ...(seesPrices(held) ? { unitPrice, currency, monthlyCost: monthlyCostOfPool(row) } : {}),
  };
}

export function seesPrices(held: readonly Permission[]): boolean {
  return pricePermissions.some((permission) => holds(held, permission));
}

export function monthlyCostOfPool(row: PoolRow): number | null {
  return monthlyCostOf(row, row.unlimited ? row.used : row.purchased);
}

export async function listPools(deps: Deps, ctx: RequestContext): Promise<Pool[]> {
  const held = await findAuthority(deps.db, ctx.principal, deps.clock());
  return (await listPoolRows(deps.db, ctx.principal.tenantId)).map((row) => toPool(row, held));
}

/** One pool. Problem: notFound. */
export async function getPool(deps: Deps, ctx: RequestContext, tierKey: string): Promise<Pool> {
  const { tenantId } = ctx.principal;
  const tier = findTier((await deps.rules.current(deps.db, tenantId)).tiers, tierKey);
  const held = await findAuthority(deps.db, ctx.principal, deps.clock());
  return toPool(await requirePool(deps.db, tenantId, tier.key), held);
}

export interface PoolChange {
  readonly name?: string;
  readonly unitPrice?: number | null;
  readonly billingCycle?: BillingCycle;
  readonly renewsOn?: string | null;
  readonly whenFull?: PoolRow["whenFull"];
  readonly drain?: PoolRow["drain"];
  readonly unlimited?: boolean;
}

/** What the vendor and the customer have agreed on: changed by whoever does the billing. */
const agreed: readonly (keyof PoolChange)[] = ["unitPrice", "billingCycle", "renewsOn", "unlimited"];

/** What decisions and seats rest on: a change of these is an edit of the rules. */
const deciding: readonly (keyof PoolChange)[] = ["name", "whenFull", "drain", "unlimited"];

/** Changes a pool's terms. Problems: notFound, forbidden, invalidValue, uniqueness, conflict (limited while in use). */
export async function patchPool(deps: Deps, ctx: RequestContext, tierKey: string, change: PoolChange): Promise<Pool> {
  const { tenantId } = ctx.principal;
  requirePrice(change.unitPrice);
  return await deps.db.transaction(async (tx) => {
    const rules = await deps.rules.locked(tx, tenantId);
    const tier = findTier(rules.tiers, tierKey);
    const now = deps.clock();
    const held = await lockAuthority(tx, ctx.principal, now);
    for (const permission of neededFor(change)) requireHeld(held, ctx.principal, [permission]);
    await lockPool(tx, tenantId, tier.key);
    const before = await requirePool(tx, tenantId, tier.key);
    const terms = { ...before, ...change };
    if (before.unlimited !== terms.unlimited && before.used > 0) throw stillInUse(before);
    await updatePool(tx, tenantId, tier.key, { ...terms, nameNorm: normaliseName(terms.name) });
    const work: Work = { deps, ctx, tx, rules, now };
    const opens = !isServed(before) || (terms.unlimited && !before.unlimited);
    if (opens && isServed(terms)) await giveOut(work, tier.key);
    await recordEvents(tx, [
      { ...eventOf(work, "pool.changed", "Pool", tier.key, { ...change }), before: pick(before, change) },
    ]);
    if (deciding.some((name) => change[name] !== undefined)) {
      await bumpRules(tx, tenantId);
      await reconcileJob(deps, tx, await deps.rules.edited(tx, tenantId), "pool changed");
    }
    return toPool(await requirePool(tx, tenantId, tier.key), held);
  });
}

function neededFor(change: PoolChange): Permission[] {
  const names = Object.keys(change) as (keyof PoolChange)[];
  const billing = names.some((name) => agreed.includes(name)) ? ["billing.manage"] : [];
  const licenses = names.every((name) => agreed.includes(name)) && names.length > 0 ? [] : ["licenses.manage"];
  return [...billing, ...licenses];
}

function requirePrice(price: number | null | undefined): void {
  if (price === undefined || price === null || isChargeable(price)) return;
  throw new Problem("invalidValue", "unitPrice has at most two decimals.", { facts: { attribute: "unitPrice" } });
}

function stillInUse(pool: PoolRow): Problem {
  const detail = `"${pool.name}" has ${pool.used} seats in use: release them before changing whether it is limited.`;
  return new Problem("conflict", detail, { facts: { rule: "LIC-1", pool: pool.tier, used: pool.used } });
}

function pick(before: PoolRow, change: PoolChange): JsonObject {
  return Object.fromEntries(Object.keys(change).map((name) => [name, before[name as keyof PoolChange]]));
}

/** Whether free seats go to those who wait by themselves; where there is no end of seats, nobody has to choose. */
export function isServed({ drain, unlimited }: Pick<PoolRow, "drain" | "unlimited">): boolean {
  return drain === "auto" || unlimited;
}

/** LIC-4: seats those who wait, up to a number that a request has time for; a job goes on with the rest. */
export async function giveOut({ deps, ctx, tx, rules, now }: Work, tier: string): Promise<void> {
  const given = await drainPool(tx, rules.tenantId, tier, drainedAtOnceMax, causeOf(ctx, now));
  if (given === drainedAtOnceMax) await deps.jobs.enqueue(tx, drainJobName, { tenantId: rules.tenantId });
}

export async function requirePool(executor: Executor, tenantId: string, tier: string): Promise<PoolRow> {
  const pool = await findPool(executor, tenantId, tier);
  if (pool === undefined) throw new Problem("notFound", `There is no license tier "${tier}".`);
  return pool;
}
