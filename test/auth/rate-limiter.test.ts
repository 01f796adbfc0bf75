import { describe, expect, it } from "vitest";
import { operator, type Principal } from "../../src/auth/principal.ts";
import { networkOf, RateLimiter } from "../../src/auth/rate-limiter.ts";
import { limits } from "../../src/limits.ts";
import { Problem } from "../../src/problems.ts";

const perToken = { perSecond: 10, burst: 20 };

function aLimiter(rate = perToken) {
  const clock = { nowMs: 5_000 };
  return { clock, limiter: new RateLimiter(rate, () => clock.nowMs) };
}

function aPrincipal(tenantId: string, tokenId: string): Principal {
  return { tenantId, kind: "token", tokenId, label: tokenId, scopes: ["scim"], role: null, userId: null };
}

/** How many of so many requests pass. */
function passing(times: number, request: () => void): number {
  let passed = 0;
  for (let i = 0; i < times; i++) if (refusal(request) === undefined) passed++;
  return passed;
}

function refusal(request: () => void): Problem | undefined {
  try {
    request();
    return undefined;
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}

const unauthorized = new Problem("unauthorized", "No.");

describe("the rate limiter", () => {
  it("gives every token its own bucket", () => {
    const { limiter } = aLimiter();
    expect(passing(30, () => limiter.admit(aPrincipal("t", "a")))).toBe(20);
    expect(passing(30, () => limiter.admit(aPrincipal("t", "b")))).toBe(20);
    expect(passing(30, () => limiter.admit(aPrincipal("u", "a")))).toBe(20);
  });

  it("bounds a tenant's tokens together, and leaves other tenants alone", () => {
    const { limiter, clock } = aLimiter();
    const tokens = Array.from({ length: 10 }, (_, n) => aPrincipal("t", `token-${n}`));
    const asked = () => tokens.reduce((sum, token) => sum + passing(20, () => limiter.admit(token)), 0);
    expect(asked()).toBe(4 * perToken.burst);
    expect(refusal(() => limiter.admit(tokens[9]!))?.message).toMatch(
      /^All tokens of this tenant together may send 40 /,
    );
    expect(passing(30, () => limiter.admit(aPrincipal("u", "a")))).toBe(20);
    clock.nowMs += 500;
    expect(asked()).toBe(20);
  });

  it("takes nothing from a token for what its tenant's limit refuses", () => {
    const { limiter, clock } = aLimiter();
    for (let n = 0; n < 4; n++) passing(20, () => limiter.admit(aPrincipal("t", `other-${n}`)));
    expect(passing(100, () => limiter.admit(aPrincipal("t", "late")))).toBe(0);
    clock.nowMs += 2_000;
    expect(passing(100, () => limiter.admit(aPrincipal("t", "late")))).toBe(20);
  });

  it("counts access evaluation apart, so that a sync does not starve sign-ins", () => {
    const { limiter } = aLimiter();
    const both = aPrincipal("t", "both");
    expect(passing(30, () => limiter.admit(both))).toBe(20);
    expect(passing(30, () => limiter.admit(both, "access"))).toBe(20);
  });

  it("limits the operator as a credential of no tenant", () => {
    const { limiter } = aLimiter();
    expect(passing(30, () => limiter.admit(operator()))).toBe(20);
  });

  it("tells how long and how much, in whole seconds rounded up", () => {
    const { limiter, clock } = aLimiter();
    const token = aPrincipal("t", "a");
    passing(20, () => limiter.admit(token));
    const problem = refusal(() => limiter.admit(token));
    expect(problem).toMatchObject({
      code: "tooManyRequests",
      message:
        "This credential may send 10 requests a second, and 20 at once after a rest. Wait 1 second, then try again.",
      headers: { "Retry-After": "1" },
      facts: { perSecond: 10, burst: 20, retryAfterSeconds: 1 },
    });
    clock.nowMs += 1_000;
    expect(passing(30, () => limiter.admit(token))).toBe(10);
  });

  it("does not limit where the rate is 0, but for failed authentications", () => {
    const { limiter } = aLimiter({ perSecond: 0, burst: 1 });
    const token = aPrincipal("t", "a");
    expect(passing(1_000, () => limiter.admit(token))).toBe(1_000);
    expect(passing(10, () => limiter.charge(token, 1_000_000))).toBe(10);
    expect(passing(200, () => limiter.countFailure("192.0.2.1", unauthorized))).toBe(100);
  });

  describe("on a Bulk", () => {
    const bulk = aPrincipal("t", "bulk");

    it("lets through what exceeds the rest but not the burst, and has the next request pay", () => {
      const { limiter, clock } = aLimiter();
      passing(15, () => limiter.admit(bulk));
      limiter.admit(bulk);
      limiter.charge(bulk, 19);
      expect(refusal(() => limiter.admit(bulk))?.headers).toEqual({ "Retry-After": "2" });
      clock.nowMs += 1_000;
      expect(passing(1, () => limiter.admit(bulk))).toBe(0);
      clock.nowMs += 1_000;
      expect(passing(30, () => limiter.admit(bulk))).toBe(5);
    });

    it("refuses the second of two at once, whose operations are owed already", () => {
      const { limiter } = aLimiter();
      limiter.admit(bulk);
      limiter.admit(bulk);
      limiter.charge(bulk, 19);
      const problem = refusal(() => limiter.charge(bulk, 19));
      expect(problem).toMatchObject({ code: "tooManyRequests", headers: { "Retry-After": "1" } });
      expect(refusal(() => limiter.charge(bulk, 19))).toMatchObject({ headers: { "Retry-After": "1" } });
    });

    it("says at once that more operations than the burst never pass", () => {
      const { limiter } = aLimiter();
      limiter.admit(bulk);
      limiter.charge(bulk, 19);
      const problem = refusal(() => aLimiter().limiter.charge(bulk, 20));
      expect(problem?.code).toBe("payloadTooLarge");
      expect(problem?.message).toContain("20 operations at most");
    });

    it("charges the tenant as well, so that many tokens are no way around", () => {
      const { limiter } = aLimiter();
      const passed = Array.from({ length: 10 }, (_, n) => aPrincipal("t", `bulk-${n}`)).filter((token) => {
        return passing(1, () => limiter.admit(token)) === 1 && passing(1, () => limiter.charge(token, 19)) === 1;
      });
      expect(passed.length).toBe(4);
    });

    it("costs nothing where there is nothing extra", () => {
      const { limiter } = aLimiter();
      for (const extra of [0, -1]) expect(passing(100, () => limiter.charge(bulk, extra))).toBe(100);
      expect(passing(30, () => limiter.admit(bulk))).toBe(20);
    });
  });

  describe("on failed authentications", () => {
    it("counts them by address", () => {
      const { limiter, clock } = aLimiter();
      expect(passing(200, () => limiter.countFailure("192.0.2.1", unauthorized))).toBe(100);
      expect(passing(200, () => limiter.countFailure("192.0.2.2", unauthorized))).toBe(100);
      expect(refusal(() => limiter.countFailure("192.0.2.1", unauthorized))).toMatchObject({
        code: "tooManyRequests",
        headers: { "Retry-After": "1" },
        cause: unauthorized,
      });
      clock.nowMs += 1_000;
      expect(passing(200, () => limiter.countFailure("192.0.2.1", unauthorized))).toBe(20);
    });

    it("takes the addresses of one IPv6 network for one", () => {
      const { limiter } = aLimiter();
      let n = 0;
      expect(passing(200, () => limiter.countFailure(`2001:db8:0:7::${(n++).toString(16)}`, unauthorized))).toBe(100);
      expect(passing(200, () => limiter.countFailure("2001:db8:0:8::1", unauthorized))).toBe(100);
    });

    it.each([
      ["192.0.2.1", "192.0.2.1"],
      ["::ffff:192.0.2.1", "192.0.2.1"],
      ["::FFFF:192.0.2.1", "192.0.2.1"],
      ["::1", "0:0:0:0"],
      ["::", "0:0:0:0"],
      ["2001:DB8::1", "2001:db8:0:0"],
      ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
      ["2001:db8:1:2::", "2001:db8:1:2"],
      ["fe80::1%eth0", "fe80:0:0:0"],
      ["unknown", "unknown"],
    ])("takes %s for %s", (address, network) => {
      expect(networkOf(address)).toBe(network);
    });
  });

  it("remembers a bounded number of buckets, and forgets those longest unused", () => {
    const { limiter } = aLimiter();
    const busy = aPrincipal("t", "busy");
    passing(20, () => limiter.admit(busy));
    passing(100, () => limiter.countFailure("192.0.2.1", unauthorized));
    for (let n = 0; n < limits.rateBucketsMax - 1; n++) limiter.admit(aPrincipal(`tenant-${n}`, "x"));
    expect(passing(30, () => limiter.admit(busy))).toBe(0);
    // Asking has made it the most recent one, however often it was refused.
    for (let n = 0; n < limits.rateBucketsMax - 1; n++) limiter.admit(aPrincipal(`more-${n}`, "x"));
    expect(passing(30, () => limiter.admit(busy))).toBe(0);
    for (let n = 0; n < limits.rateBucketsMax; n++) limiter.admit(aPrincipal(`last-${n}`, "x"));
    expect(passing(30, () => limiter.admit(busy))).toBe(20);
    // What others fill does not push addresses out.
    expect(passing(1, () => limiter.countFailure("192.0.2.1", unauthorized))).toBe(0);
  });

  it("costs microseconds, not a look-up", () => {
    const { limiter, clock } = aLimiter({ perSecond: 100, burst: 1_000 });
    const tokens = Array.from({ length: 1_000 }, (_, n) => aPrincipal(`t${n}`, "x"));
    const begun = performance.now();
    for (let n = 0; n < 100_000; n++) {
      clock.nowMs += 1;
      limiter.admit(tokens[n % tokens.length]!);
    }
    expect((performance.now() - begun) / 100_000).toBeLessThan(0.1);
  });
});
