/** The rules of licenses as a reader of the rule book would play them on paper: no locks, no SQL, one thing at a time. */

export interface ModelPool {
  purchased: number;
  unlimited: boolean;
  whenFull: "waitlist" | "refuse" | "downgrade";
  drain: "auto" | "manual";
}

interface Person {
  due: string | null;
  held: string | null;
  /** What the person waits for, and since when in the order of wishes. */
  place: { tier: string; ticket: number; priority: number } | null;
}

/** LIC-3: a full pool refused, and nothing was changed. */
export class Full extends Error {}

export class SeatModel {
  readonly pools: Map<string, ModelPool>;
  readonly people = new Map<string, Person>();
  /** Tiers from the lowest to the highest. */
  readonly tiers: readonly string[];
  #ticket = 0;

  constructor(seats: Readonly<Record<string, number>>) {
    this.tiers = Object.keys(seats);
    this.pools = new Map(
      Object.entries(seats).map(([tier, purchased]) => [
        tier,
        { purchased, unlimited: false, whenFull: "waitlist", drain: "auto" },
      ]),
    );
  }

  rank(tier: string | null): number {
    return tier === null ? -1 : this.tiers.indexOf(tier);
  }

  used(tier: string): number {
    return [...this.people.values()].filter((person) => person.held === tier).length;
  }

  free(tier: string): number {
    const pool = this.pool(tier);
    return pool.unlimited ? Number.POSITIVE_INFINITY : pool.purchased - this.used(tier);
  }

  /** Who waits for the tier, first in line first. */
  queue(tier: string): string[] {
    return [...this.people]
      .filter(([, { place }]) => place?.tier === tier)
      .sort(([, a], [, b]) => {
        const [x, y] = [a.place as NonNullable<Person["place"]>, b.place as NonNullable<Person["place"]>];
        return y.priority - x.priority || x.ticket - y.ticket;
      })
      .map(([id]) => id);
  }

  /** Makes seat and place match what is due; `mayRefuse` as for a change of the user's own record. */
  settle(id: string, due: string | null, mayRefuse: boolean): void {
    const person = this.person(id);
    const full =
      due !== null && person.held !== due && person.place?.tier !== due && (this.free(due) <= 0 || this.#isQueued(due));
    const lowers = this.rank(person.held) > this.rank(due);
    if (full && mayRefuse && this.pool(due).whenFull === "refuse" && !lowers) throw new Full();
    person.due = due;
    if (due !== null && person.place?.tier === due) return; // LIC-4: the place is kept while the wish stays.
    person.place = null;
    if (person.held === due) return;
    const before = person.held;
    if (!full) person.held = due;
    else {
      // LIC-5: a lower seat is kept while waiting for a higher one; a higher one that is not due is given back.
      if (lowers) person.held = null;
      if (this.pool(due).whenFull === "downgrade" && person.held === null) person.held = this.#nextBelow(due);
      person.place = { tier: due, ticket: ++this.#ticket, priority: 0 };
    }
    if (before !== null && before !== person.held) this.#drain(before, 1);
  }

  leave(id: string): void {
    this.settle(id, null, false);
    this.people.delete(id);
  }

  buy(tier: string, seats: number): void {
    this.pool(tier).purchased += seats;
    this.#drain(tier, 200);
  }

  /** Whether so many free seats were there to be given back. */
  reduce(tier: string, seats: number): boolean {
    if (this.free(tier) < seats) return false;
    this.pool(tier).purchased -= seats;
    return true;
  }

  change(tier: string, terms: Partial<ModelPool>): void {
    Object.assign(this.pool(tier), terms);
    this.#drain(tier, 200);
  }

  prioritize(id: string, priority: number): void {
    const { place } = this.person(id);
    if (place) place.priority = priority;
  }

  /** LIC-12: what many people are due changes at once. */
  recompute(due: ReadonlyMap<string, string | null>): void {
    const ids = [...due.keys()].sort();
    const wanted = (id: string) => due.get(id) ?? null;
    for (const id of ids) {
      const person = this.person(id);
      person.due = wanted(id);
      if (person.place?.tier !== person.due) person.place = null;
    }
    const stepsDown = (id: string) => this.rank(this.person(id).held) > this.rank(wanted(id));
    for (const id of ids) if (wanted(id) === null) this.settle(id, null, false);
    for (const id of ids) if (stepsDown(id)) this.settle(id, wanted(id), false);
    for (const id of ids) this.settle(id, wanted(id), false);
  }

  /** LIC-4: frees seats to the head of the queue, down through the pools that they leave. */
  #drain(tier: string, most: number): void {
    const pool = this.pool(tier);
    if (pool.drain !== "auto" && !pool.unlimited) return; // Where there is no end of seats, nobody has to choose.
    for (let given = 0; given < most; given++) {
      const [head] = this.queue(tier);
      if (head === undefined || this.free(tier) <= 0) return;
      const person = this.person(head);
      const before = person.held;
      person.held = tier;
      person.place = null;
      if (before !== null) this.#drain(before, 1);
    }
  }

  #isQueued(tier: string): boolean {
    return this.queue(tier).length > 0;
  }

  /** LIC-3 `downgrade`: the next lower tier with a free seat that nobody waits for. */
  #nextBelow(tier: string): string | null {
    for (let rank = this.rank(tier) - 1; rank >= 0; rank--) {
      const lower = this.tiers[rank] as string;
      if (this.free(lower) > 0 && !this.#isQueued(lower)) return lower;
    }
    return null;
  }

  person(id: string): Person {
    let person = this.people.get(id);
    if (person === undefined) {
      person = { due: null, held: null, place: null };
      this.people.set(id, person);
    }
    return person;
  }

  pool(tier: string): ModelPool {
    return this.pools.get(tier) as ModelPool;
  }
}
