/**
 * A token bucket: it holds `burst` at most, gains `perSecond` as time goes by, and every piece of work takes what it
 * costs. Plain arithmetic: the time is handed in, nothing is kept here.
 */

/** What a bucket gains in a second and how much it holds. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

export interface Bucket {
  /** What is left; below zero, what is owed. */
  readonly level: number;
  /** When that was so. */
  readonly atMs: number;
}

/** What a piece of work needs: it begins where this much is left, and then takes its cost, on credit if need be. */
export interface Demand {
  readonly needed: number;
  readonly cost: number;
}

/** One request: it begins only where there is one left. */
export const oneRequest: Demand = { needed: 1, cost: 1 };

/**
 * Work of which only the beginning shows how large it is. It is let through wherever nothing is owed, and may leave a
 * debt: were it refused until all of its cost is left, a busy client's would be refused for ever.
 */
export function onCredit(cost: number): Demand {
  return { needed: 0, cost };
}

export interface BucketDecision {
  readonly allowed: boolean;
  /** The bucket as it is now, before the work. */
  readonly before: Bucket;
  /** The bucket after it; a refusal takes nothing out of it. */
  readonly after: Bucket;
  /** How long until one request is let through again; 0 where the work is. */
  readonly waitMs: number;
}

export function fullBucket({ burst }: Rate, nowMs: number): Bucket {
  return { level: burst, atMs: nowMs };
}

/**
 * In any span of time, work of the cost C that begins where N is needed is let through for at most
 * `burst + perSecond · time + (C − N)`: for single requests, for the burst and the rate alone.
 */
export function decideTake(bucket: Bucket, rate: Rate, nowMs: number, { needed, cost }: Demand): BucketDecision {
  const before = refill(bucket, rate, nowMs);
  if (before.level + rounding < needed) {
    // Whoever comes again begins with a request, and that needs one.
    const missing = Math.max(needed, 1) - before.level;
    return { allowed: false, before, after: before, waitMs: (missing / rate.perSecond) * 1_000 };
  }
  return { allowed: true, before, after: { ...before, level: before.level - cost }, waitMs: 0 };
}

/** A client that waits exactly as long as it was told must not fail by the last bit of a sum. */
const rounding = 1e-6;

/** A clock that has gone back gives nothing, and the time counts from where it is now: nobody waits until it caught up. */
function refill({ level, atMs }: Bucket, { perSecond, burst }: Rate, nowMs: number): Bucket {
  const elapsedMs = Math.max(0, nowMs - atMs);
  return { level: Math.min(burst, level + (elapsedMs / 1_000) * perSecond), atMs: nowMs };
}
