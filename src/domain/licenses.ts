/** LIC: what holds of tiers and pools whatever the door. */
import { Problem } from "../problems.ts";
import { normaliseName } from "../vocabulary/names.ts";
import type { Tier } from "./model.ts";

/** LIC-1: what a pool holds at most. */
export const poolSeatsMax = 1_000_000;

/** A tier by its key, without letter case. Problem: notFound, naming the known ones. */
export function findTier(tiers: readonly Tier[], key: string): Tier {
  const wanted = normaliseName(key);
  const tier = tiers.find((one) => normaliseName(one.key) === wanted);
  if (tier !== undefined) return tier;
  const known = tiers.map((one) => one.key).join(", ");
  throw new Problem("notFound", `There is no license tier "${key.slice(0, 100)}". Known tiers: ${known}.`);
}

/** A pool's numbers, as the rules about them read them. */
export interface PoolNumbers {
  readonly tier: string;
  readonly name: string;
  readonly purchased: number;
  readonly used: number;
  readonly minimum: number;
  readonly unlimited: boolean;
}

/** LIC-1, LIC-7: whether so many seats may be added. Problems: conflict, belowMinimum. */
export function requirePurchasable(pool: PoolNumbers, seats: number): void {
  requireLimited(pool);
  const after = pool.purchased + seats;
  if (after > poolSeatsMax) {
    throw new Problem("conflict", `A pool holds at most ${poolSeatsMax} seats; this would make ${after}.`, {
      facts: { ...factsOf(pool), rule: "LIC-1" },
    });
  }
  if (after < pool.minimum) {
    const detail = `"${pool.name}" is sold from ${pool.minimum} seats on; this would make ${after}.`;
    throw new Problem("belowMinimum", detail, { facts: { ...factsOf(pool), minimum: pool.minimum } });
  }
}

/**
 * LIC-7: whether so many seats may go now, besides `moving` ones that go with their holders.
 * Problems: conflict, belowUsed, belowMinimum, each with both numbers.
 */
export function requireReducible(pool: PoolNumbers, seats: number, moving = 0): void {
  requireLimited(pool);
  if (seats > pool.purchased - pool.used) throw belowUsed(pool, seats);
  const left = pool.purchased - seats - moving;
  if (left !== 0 && left < pool.minimum) {
    const detail = `"${pool.name}" holds no seats or at least ${pool.minimum}; ${left} of ${pool.purchased} would remain.`;
    throw new Problem("belowMinimum", detail, { facts: { ...factsOf(pool), minimum: pool.minimum } });
  }
}

/** LIC-7: of `going` seats that are to go at the renewal, what the pool is left with. Nobody is evicted. */
export function seatsAfterRenewal(pool: Pick<PoolNumbers, "purchased" | "used" | "minimum">, going: number): number {
  const target = Math.max(0, pool.purchased - going);
  if (target === 0 && pool.used === 0) return 0;
  return Math.min(pool.purchased, Math.max(target, pool.used, pool.minimum));
}

/** LIC-7: whether a pool may begin with so many seats: with none, or with its minimum. */
export function isBelowMinimum({ minimum }: Pick<PoolNumbers, "minimum">, seats: number): boolean {
  return seats !== 0 && seats < minimum;
}

/** LIC-1: where there is no end of seats, there is nothing to buy. Problem: conflict. */
export function requireLimited(pool: PoolNumbers): void {
  if (!pool.unlimited) return;
  throw new Problem("conflict", `"${pool.name}" is unlimited: there is nothing to buy or give back.`, {
    facts: { rule: "LIC-1", pool: pool.tier },
  });
}

export function belowUsed(pool: PoolNumbers, seats: number): Problem {
  const free = pool.purchased - pool.used;
  const detail = `${pool.used} of ${pool.purchased} "${pool.name}" seats are in use: ${seats} cannot go, at most ${free} can.`;
  return new Problem("belowUsed", detail, { facts: factsOf(pool) });
}

function factsOf({ tier, purchased, used }: PoolNumbers) {
  return { rule: "LIC-7", pool: tier, purchased, used };
}
