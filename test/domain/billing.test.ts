/** What seats cost and when a pool renews. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type BillingCycle,
  costOf,
  dayOf,
  dayOfMonth,
  differenceOf,
  isChargeable,
  monthlyCostOf,
  nextRenewal,
  sumByCurrency,
} from "../../src/domain/billing.ts";
import {
  isBelowMinimum,
  type PoolNumbers,
  requirePurchasable,
  requireReducible,
  seatsAfterRenewal,
} from "../../src/domain/licenses.ts";
import { Problem } from "../../src/problems.ts";

describe("what seats cost", () => {
  it("is reckoned in cents", () => {
    expect(costOf({ unitPrice: 24.99 }, 3)).toBe(74.97);
    expect(costOf({ unitPrice: 0.07 }, 100)).toBe(7);
    expect(costOf({ unitPrice: 1.1 }, 3)).toBe(3.3);
    expect(costOf({ unitPrice: 0 }, 3)).toBe(0);
    expect(costOf({ unitPrice: null }, 3)).toBeNull();
  });

  it("A-3: is a twelfth of a year's price each month, to the cent", () => {
    expect(monthlyCostOf({ unitPrice: 25, billingCycle: "monthly" }, 4)).toBe(100);
    expect(monthlyCostOf({ unitPrice: 120, billingCycle: "yearly" }, 4)).toBe(40);
    expect(monthlyCostOf({ unitPrice: 100, billingCycle: "yearly" }, 1)).toBe(8.33);
    expect(monthlyCostOf({ unitPrice: null, billingCycle: "yearly" }, 1)).toBeNull();
  });

  it("of so many seats is so many times the price of one", () => {
    const cents = fc.integer({ min: 0, max: 1_000_000 });
    fc.assert(
      fc.property(cents, fc.integer({ min: 0, max: 1_000_000 }), (price, seats) => {
        const cost = costOf({ unitPrice: price / 100 }, seats) as number;
        expect(Math.round(cost * 100)).toBe(price * seats);
      }),
    );
  });

  it("sums by currency, and leaves out what has no price", () => {
    const costs = [
      { currency: "USD", cost: 0.1 },
      { currency: "EUR", cost: 5 },
      { currency: "USD", cost: 0.2 },
      { currency: "USD", cost: null },
    ];
    expect(sumByCurrency(costs)).toEqual([
      { currency: "USD", amount: 0.3 },
      { currency: "EUR", amount: 5 },
    ]);
    expect(sumByCurrency([{ currency: "USD", cost: null }])).toEqual([]);
  });

  it("A-11: differs only where both are known and in one currency", () => {
    const usd = (cost: number | null) => ({ currency: "USD", cost });
    expect(differenceOf(usd(134.97), usd(74.97))).toBe(60);
    expect(differenceOf(usd(0.3), usd(0.1))).toBe(0.2);
    expect(differenceOf(usd(1), usd(null))).toBeNull();
    expect(differenceOf(usd(1), { currency: "EUR", cost: 1 })).toBeNull();
  });

  it("has no fractions of a cent", () => {
    expect([0, 1, 24.99, 1_000_000.01].map(isChargeable)).toEqual([true, true, true, true]);
    expect([0.001, 24.999, 1.005].map(isChargeable)).toEqual([false, false, false]);
  });
});

describe("LIC-7: the next renewal", () => {
  const next = (from: string, cycle: BillingCycle, today: string, day = dayOfMonth(from)) =>
    nextRenewal(from, cycle, day, today);

  it("is a cycle later", () => {
    expect(next("2026-01-05", "monthly", "2026-01-05")).toBe("2026-02-05");
    expect(next("2026-12-05", "monthly", "2026-12-05")).toBe("2027-01-05");
    expect(next("2026-01-05", "yearly", "2026-01-05")).toBe("2027-01-05");
  });

  it("keeps to the day of the month, and takes the last where there is none", () => {
    expect(next("2026-01-31", "monthly", "2026-01-31")).toBe("2026-02-28");
    expect(next("2026-02-28", "monthly", "2026-02-28", 31)).toBe("2026-03-31");
    expect(next("2028-02-29", "yearly", "2028-02-29")).toBe("2029-02-28");
    expect(next("2031-02-28", "yearly", "2031-02-28", 29)).toBe("2032-02-29");
  });

  it("after a long standstill is the first one to come", () => {
    expect(next("2026-01-05", "monthly", "2026-05-04")).toBe("2026-05-05");
    expect(next("2026-01-05", "monthly", "2026-05-05")).toBe("2026-06-05");
    expect(next("2020-03-01", "yearly", "2026-02-28")).toBe("2026-03-01");
    expect(next("2020-03-01", "yearly", "2026-03-01")).toBe("2027-03-01");
    expect(next("0001-01-01", "monthly", "2026-03-01")).toBe("2026-04-01");
  });

  it("lies after today, and at most one cycle after it", () => {
    const date = fc.date({ min: new Date("1990-01-01"), max: new Date("2090-12-31"), noInvalidDate: true }).map(dayOf);
    fc.assert(
      fc.property(date, date, fc.constantFrom<BillingCycle>("monthly", "yearly"), (one, other, cycle) => {
        const [from, today] = one <= other ? [one, other] : [other, one];
        const date = next(from, cycle, today);
        expect(date > today).toBe(true);
        const days = (Date.parse(date) - Date.parse(today)) / 86_400_000;
        expect(days).toBeLessThanOrEqual(cycle === "monthly" ? 31 : 366);
        expect(dayOfMonth(date)).toBeLessThanOrEqual(dayOfMonth(from));
      }),
    );
  });
});

const aPool = (numbers: Partial<PoolNumbers>): PoolNumbers => ({
  tier: "contact",
  name: "Contact",
  purchased: 0,
  used: 0,
  minimum: 3,
  unlimited: false,
  ...numbers,
});

function codeOf(work: () => void): { code: string; facts: object } | null {
  try {
    work();
    return null;
  } catch (error) {
    if (error instanceof Problem) return { code: error.code, facts: error.facts };
    throw error;
  }
}

describe("LIC-7: a pool holds no seats or at least its minimum", () => {
  it("whatever is bought", () => {
    expect(codeOf(() => requirePurchasable(aPool({}), 3))).toBeNull();
    expect(codeOf(() => requirePurchasable(aPool({}), 2))).toMatchObject({
      code: "belowMinimum",
      facts: { minimum: 3 },
    });
    expect(codeOf(() => requirePurchasable(aPool({ purchased: 3 }), 1))).toBeNull();
    expect(codeOf(() => requirePurchasable(aPool({ purchased: 3 }), 999_998))?.code).toBe("conflict");
    expect(codeOf(() => requirePurchasable(aPool({ unlimited: true }), 3))?.code).toBe("conflict");
  });

  it("whatever is given back, and nobody loses a seat by it; a refusal has both numbers", () => {
    const pool = aPool({ purchased: 5, used: 1 });
    expect(codeOf(() => requireReducible(pool, 2))).toBeNull();
    expect(codeOf(() => requireReducible(pool, 3))).toMatchObject({
      code: "belowMinimum",
      facts: { purchased: 5, used: 1 },
    });
    expect(codeOf(() => requireReducible(pool, 5))).toMatchObject({
      code: "belowUsed",
      facts: { purchased: 5, used: 1 },
    });
    expect(codeOf(() => requireReducible(aPool({ purchased: 5 }), 5))).toBeNull();
    expect(codeOf(() => requireReducible(pool, 4, 1))).toBeNull();
    expect(codeOf(() => requireReducible(pool, 2, 1))?.code).toBe("belowMinimum");
  });

  it("whatever a tenant begins with", () => {
    expect([0, 1, 2, 3, 4].filter((seats) => isBelowMinimum({ minimum: 3 }, seats))).toEqual([1, 2]);
    expect([0, 1].filter((seats) => isBelowMinimum({ minimum: 0 }, seats))).toEqual([]);
  });

  it("at the renewal: as far down as use and minimum allow", () => {
    const left = (purchased: number, used: number, going: number) =>
      seatsAfterRenewal({ purchased, used, minimum: 3 }, going);
    expect(left(10, 2, 4)).toBe(6);
    expect(left(10, 7, 4)).toBe(7);
    expect(left(10, 2, 8)).toBe(3);
    expect(left(10, 0, 8)).toBe(3);
    expect(left(10, 0, 10)).toBe(0);
    expect(left(10, 1, 10)).toBe(3);
    expect(left(10, 0, 99)).toBe(0);
    expect(left(2, 1, 1)).toBe(2); // From before there was a minimum.
  });

  it("at the renewal, whatever the numbers", () => {
    const number = fc.nat(30);
    fc.assert(
      fc.property(number, number, number, number, (minimum, extra, used, going) => {
        const purchased = minimum + extra;
        const pool = { purchased, used: Math.min(used, purchased), minimum };
        const left = seatsAfterRenewal(pool, going);
        expect(left).toBeGreaterThanOrEqual(pool.used);
        expect(left).toBeGreaterThanOrEqual(purchased - going);
        expect(left).toBeLessThanOrEqual(purchased);
        expect(isBelowMinimum(pool, left)).toBe(false);
      }),
    );
  });
});
