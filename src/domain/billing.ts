/** Money and renewal dates: what seats cost in a cycle and in a month, and the day on which a pool renews next. */

export type BillingCycle = "monthly" | "yearly";

/** What a pool's seats cost: for one seat and one cycle; null where no price is known. */
export interface Price {
  readonly unitPrice: number | null;
  readonly currency: string;
  readonly billingCycle: BillingCycle;
}

const monthsOf: Readonly<Record<BillingCycle, number>> = { monthly: 1, yearly: 12 };

/** What so many seats cost each cycle. Reckoned in cents: the sum of a thousand seats is not off by one. */
export function costOf({ unitPrice }: Pick<Price, "unitPrice">, seats: number): number | null {
  return unitPrice === null ? null : (Math.round(unitPrice * 100) * seats) / 100;
}

/** What so many seats cost each month, to the cent: a year's price is divided by twelve. */
export function monthlyCostOf(price: Pick<Price, "unitPrice" | "billingCycle">, seats: number): number | null {
  const cost = costOf(price, seats);
  return cost === null ? null : cents(cost / monthsOf[price.billingCycle]);
}

export interface Amount {
  readonly currency: string;
  readonly amount: number;
}

/** Sums by currency, in the order of their first appearance; what has no price adds nothing. */
export function sumByCurrency(costs: readonly { currency: string; cost: number | null }[]): Amount[] {
  const sums = new Map<string, number>();
  for (const { currency, cost } of costs) {
    if (cost !== null) sums.set(currency, cents((sums.get(currency) ?? 0) + cost));
  }
  return [...sums].map(([currency, amount]) => ({ currency, amount }));
}

/** What one amount is more than another; null where either is unknown or they are in different currencies. */
export function differenceOf(
  cost: { currency: string; cost: number | null },
  from: { currency: string; cost: number | null },
): number | null {
  if (cost.cost === null || from.cost === null || cost.currency !== from.currency) return null;
  return cents(cost.cost - from.cost);
}

/** Whether a price can be charged: it has no fractions of a cent. */
export function isChargeable(price: number): boolean {
  return Math.abs(cents(price) - price) < 1e-9;
}

/** The calendar day in UTC, as `2026-01-31`: dates of billing have no other time zone. */
export function dayOf(time: Date): string {
  return time.toISOString().slice(0, 10);
}

/** The day of the month of a date: what a pool's renewals keep to. */
export function dayOfMonth(date: string): number {
  return Number(date.slice(8));
}

/**
 * LIC-7: the first renewal after `today` of a pool that renews on `renewsOn`, in steps of its cycle. `day` is the day of
 * the month that it keeps to: the 31st is the last of a shorter month, and the 31st again after it.
 */
export function nextRenewal(renewsOn: string, cycle: BillingCycle, day: number, today: string): string {
  const step = monthsOf[cycle];
  const months = Math.max(0, monthNumber(today) - monthNumber(renewsOn));
  for (let steps = Math.max(1, Math.floor(months / step)); ; steps++) {
    const date = dateOf(monthNumber(renewsOn) + steps * step, day);
    if (date > today) return date;
  }
}

/** Months since the year 0. */
function monthNumber(date: string): number {
  return Number(date.slice(0, 4)) * 12 + Number(date.slice(5, 7)) - 1;
}

function dateOf(month: number, day: number): string {
  const year = Math.floor(month / 12);
  const first = new Date(0);
  first.setUTCFullYear(year, month % 12, 1);
  const last = new Date(first);
  last.setUTCMonth(first.getUTCMonth() + 1, 0);
  first.setUTCDate(Math.min(day, last.getUTCDate()));
  return dayOf(first);
}

function cents(amount: number): number {
  return Math.round(amount * 100) / 100;
}
