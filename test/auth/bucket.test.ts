import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Bucket,
  type Demand,
  decideTake,
  fullBucket,
  onCredit,
  oneRequest,
  type Rate,
} from "../../src/auth/bucket.ts";

const rates = fc.record({ perSecond: fc.integer({ min: 1, max: 10_000 }), burst: fc.integer({ min: 1, max: 5_000 }) });
const pausesMs = fc.oneof(
  fc.constant(0),
  fc.double({ min: 0, max: 30, noNaN: true }),
  fc.integer({ min: 0, max: 90_000 }),
);
const slack = 1e-3;

interface Step {
  readonly atMs: number;
  readonly allowed: boolean;
  readonly waitMs: number;
  readonly cost: number;
}

/** Plays demands one after another, each so long after the one before. */
function play(rate: Rate, demands: readonly { pauseMs: number; demand: Demand }[]): Step[] {
  let bucket: Bucket = fullBucket(rate, 0);
  let atMs = 0;
  return demands.map(({ pauseMs, demand }) => {
    atMs += pauseMs;
    const { allowed, after, waitMs } = decideTake(bucket, rate, atMs, demand);
    bucket = after;
    return { atMs, allowed, waitMs, cost: demand.cost };
  });
}

/** Whether some span of time saw more than the rate, the burst and this much credit. */
function overrun(steps: readonly Step[], { perSecond, burst }: Rate, credit: number): boolean {
  return steps.some((from, index) => {
    let sum = 0;
    return steps.slice(index).some(({ allowed, cost, atMs }) => {
      if (allowed) sum += cost;
      return sum > burst + (perSecond * (atMs - from.atMs)) / 1_000 + credit + slack;
    });
  });
}

describe("a bucket", () => {
  it("lets a burst through, and then as many a second as it gains", () => {
    const rate = { perSecond: 2, burst: 3 };
    const steps = play(
      rate,
      [0, 0, 0, 0, 499, 1, 0, 500].map((pauseMs) => ({ pauseMs, demand: oneRequest })),
    );
    expect(steps.map(({ allowed }) => allowed)).toEqual([true, true, true, false, false, true, false, true]);
    expect(steps.map(({ waitMs }) => waitMs)).toEqual([0, 0, 0, 500, expect.closeTo(1), 0, 500, 0]);
  });

  it("never lets more through in any span of time than the burst and the rate", () => {
    const demands = fc.array(fc.record({ pauseMs: pausesMs, demand: fc.constant(oneRequest) }), { maxLength: 200 });
    fc.assert(fc.property(rates, demands, (rate, all) => !overrun(play(rate, all), rate, 0)));
  });

  it("never gives more credit than one piece of work is large", () => {
    const demand = fc.oneof(fc.constant(oneRequest), fc.integer({ min: 1, max: 400 }).map(onCredit));
    const demands = fc.array(fc.record({ pauseMs: pausesMs, demand }), { maxLength: 200 });
    fc.assert(fc.property(rates, demands, (rate, all) => !overrun(play(rate, all), rate, 400)));
  });

  it("takes nothing for what it refuses", () => {
    fc.assert(
      fc.property(rates, fc.integer({ min: 1, max: 50 }), (rate, refusals) => {
        let bucket: Bucket = { level: 0, atMs: 0 };
        for (let i = 0; i < refusals; i++) bucket = decideTake(bucket, rate, 0, oneRequest).after;
        expect(bucket).toEqual({ level: 0, atMs: 0 });
      }),
    );
  });

  it("lets a request through after exactly the time that it told, and not a while before", () => {
    const levels = fc.double({ min: -2_000, max: 0.999, noNaN: true });
    fc.assert(
      fc.property(rates, levels, fc.integer({ min: 0, max: 1e12 }), (rate, level, nowMs) => {
        const bucket = { level, atMs: nowMs };
        const { allowed, waitMs } = decideTake(bucket, rate, nowMs, oneRequest);
        expect(allowed).toBe(false);
        expect(decideTake(bucket, rate, nowMs + waitMs + 1, oneRequest).allowed).toBe(true);
        if (waitMs > 2) expect(decideTake(bucket, rate, nowMs + waitMs / 2, oneRequest).allowed).toBe(false);
      }),
    );
  });

  it("is full again after a long rest, and never fuller", () => {
    fc.assert(
      fc.property(rates, fc.integer({ min: -5_000, max: 5_000 }), (rate, level) => {
        const rest = { level: Math.min(level, rate.burst), atMs: 0 };
        const { before } = decideTake(rest, rate, 3600_000 * 24, oneRequest);
        expect(before.level).toBe(rate.burst);
      }),
    );
  });

  it("gains nothing from a clock that goes back, and does not wait for it to catch up", () => {
    fc.assert(
      fc.property(rates, fc.integer({ min: 1, max: 1e9 }), (rate, backMs) => {
        const empty = { level: 0, atMs: 2e9 };
        const { allowed, after } = decideTake(empty, rate, 2e9 - backMs, oneRequest);
        expect([allowed, after.level]).toEqual([false, 0]);
        expect(decideTake(after, rate, 2e9 - backMs + 1_001, oneRequest).allowed).toBe(true);
      }),
    );
  });

  it("lets work on credit begin while nothing is owed, and then none before the debt is paid", () => {
    const rate = { perSecond: 100, burst: 1_000 };
    const first = decideTake({ level: 3, atMs: 0 }, rate, 0, onCredit(900));
    expect(first).toMatchObject({ allowed: true, after: { level: -897 } });
    const second = decideTake(first.after, rate, 0, onCredit(900));
    expect(second).toMatchObject({ allowed: false, waitMs: 8_980, after: { level: -897 } });
    expect(decideTake(second.after, rate, 8_980, oneRequest)).toMatchObject({ allowed: true, after: { level: 0 } });
  });
});
