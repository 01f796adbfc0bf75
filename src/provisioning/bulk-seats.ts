/** What seats would become of, counted in memory: how many are free, who would queue (LIC-3, LIC-4). Nobody gets one by it. */
import type { Executor, Statement } from "../db/database.ts";
import type { TenantRules } from "../domain/access.ts";

/** Of one tier. */
export interface SeatCount {
  readonly free: number;
  readonly waiting: number;
}

export type SeatCounts = Readonly<Record<string, SeatCount>>;

const count: Statement = {
  name: "bulk_seats",
  text: `select p.tier,
      (select count(*) from seats s where s.tenant_id = p.tenant_id and s.tier = p.tier and s.user_id is null) as free,
      (select count(*) from waitlist w where w.tenant_id = p.tenant_id and w.tier = p.tier) as waiting
    from pools p where p.tenant_id = $1`,
};

/** What there is now, by tier. */
export async function countSeats(executor: Executor, tenantId: string): Promise<SeatCounts> {
  const rows = await executor.query<SeatCount & { tier: string }>(count, [tenantId]);
  return Object.fromEntries(rows.map(({ tier, free, waiting }) => [tier, { free, waiting }]));
}

export interface SeatChange {
  readonly held: string | null;
  readonly queued: string | null;
  readonly due: string | null;
}

/** Seats as they would be after each change, one after the other. */
export class SeatForecast {
  readonly #rules: TenantRules;
  readonly #counts: Map<string, { free: number; waiting: number }>;

  constructor(rules: TenantRules, counts: SeatCounts) {
    this.#rules = rules;
    this.#counts = new Map(Object.entries(counts).map(([tier, { free, waiting }]) => [tier, { free, waiting }]));
  }

  counts(): SeatCounts {
    return Object.fromEntries(this.#counts);
  }

  leaveQueue(tier: string): void {
    this.#of(tier).waiting -= 1;
  }

  /** The seat that somebody would hold, and the tier that they would wait for. As settle_seat does it (0002_seats.sql). */
  settle({ held, queued, due }: SeatChange): { tier: string | null; wanted: string | null } {
    if (queued !== null && queued === due) return { tier: held, wanted: due };
    if (queued !== null) this.leaveQueue(queued);
    if (held === due) return { tier: held, wanted: null };
    if (due === null || this.#take(due)) {
      if (held !== null) this.#release(held);
      return { tier: due, wanted: null };
    }
    this.#of(due).waiting += 1;
    const rank = (tier: string | null) => (tier === null ? -1 : (this.#rules.tier.get(tier)?.rank ?? -1));
    if (rank(held) > rank(due)) this.#release(held as string);
    else if (held !== null) return { tier: held, wanted: due };
    return { tier: this.#takeLower(due), wanted: due };
  }

  #take(tier: string): boolean {
    if (this.#rules.tier.get(tier)?.unlimited === true) return true;
    const counts = this.#of(tier);
    if (counts.waiting > 0 || counts.free === 0) return false;
    counts.free -= 1;
    return true;
  }

  /** LIC-3 `downgrade`: the next lower tier with a free seat. */
  #takeLower(due: string): string | null {
    const wanted = this.#rules.tier.get(due);
    if (wanted?.whenFull !== "downgrade") return null;
    const lower = this.#rules.tiers.filter(({ rank }) => rank < wanted.rank).sort((a, b) => b.rank - a.rank);
    return lower.find(({ key }) => this.#take(key))?.key ?? null;
  }

  /** LIC-4: to the first of the queue, else it is free. What that person held meanwhile is left out of account. */
  #release(tier: string): void {
    const terms = this.#rules.tier.get(tier);
    if (terms?.unlimited === true) return;
    const counts = this.#of(tier);
    if (counts.waiting > 0 && terms?.drain === "auto") counts.waiting -= 1;
    else counts.free += 1;
  }

  #of(tier: string): { free: number; waiting: number } {
    const counts = this.#counts.get(tier) ?? { free: 0, waiting: 0 };
    this.#counts.set(tier, counts);
    return counts;
  }
}
