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
