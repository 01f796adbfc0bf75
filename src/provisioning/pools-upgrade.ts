/**
 * Upgrading seats of one tier to a higher one (A-11, LIC-7): free seats, and the seats of people whom the caller names,
 * who move along with them. Both pools keep their minimum, and nothing is ever sold twice.
 *
 * ROL-2 goes on to hold afterwards: whoever moves along is pinned to the higher tier, unless their sources name it
 * already, else the next decision would bring them back.
 */
import { recordEvents } from "../db/events.ts";
import type { PoolRow } from "../db/pools.ts";
import type { QuoteRow } from "../db/quotes.ts";
import { insertSeats, removeFreeSeats, upgradeHeldSeats } from "../db/seats.ts";
import { lockPoolsOf } from "../db/user-batch.ts";
import { belowUsed, findTier, requirePurchasable, requireReducible } from "../domain/licenses.ts";
import type { Tier, UserState } from "../domain/model.ts";
import { Problem } from "../problems.ts";
import { causeOf, eventOf } from "./apply.ts";
import type { Deps, RequestContext } from "./context.ts";
import { giveOut, type Pool, requirePool, toPool } from "./pools.ts";
import { type OrderWork, placeOrder, useOffer } from "./pools-orders.ts";
import { beginCycle, charged, quotedBy } from "./pools-purchase.ts";
import { priceOf, requireHigher } from "./pools-quotes.ts";
import { pinTier, readHolders } from "./pools-transfer.ts";

export interface Upgrade {
  readonly to: string;
  /** How many; with an offer the number is the offer's. */
  readonly seats?: number | undefined;
  readonly quote?: string | undefined;
  /** Holders who move along; the other seats are free ones. */
  readonly users?: readonly string[] | undefined;
}

export interface Upgraded {
  readonly from: Pool;
  readonly to: Pool;
}

/**
 * Turns seats of a tier into seats of a higher one, in one transaction. Problems: notFound, forbidden, unknownTier,
 * invalidValue, belowUsed, belowMinimum, conflict (a person named holds no such seat), stale (the offer has expired).
 */
export async function upgrade(
  deps: Deps,
  ctx: RequestContext,
  tierKey: string,
  request: Upgrade,
  options: { readonly idempotencyKey?: string | undefined } = {},
): Promise<Upgraded> {
  const users = [...new Set((request.users ?? []).map((id) => id.toLowerCase()))];
  // LIC-11: who moves people's seats manages licenses, who changes what is paid for buys.
  const permissions = ["licenses.purchase", ...(users.length > 0 ? ["licenses.manage"] : [])];
  const { idempotencyKey } = options;
  const order = {
    operation: "upgrade",
    idempotencyKey,
    request: { tier: tierKey, ...request },
    permissions,
    people: users,
  } as const;
  return await placeOrder(deps, ctx, order, async (work) => {
    const { tiers } = work.rules;
    const from = findTier(tiers, tierKey);
    const to = requireHigher(tiers, from, request.to);
    if (request.quote === undefined) {
      return await upgradeSeats(work, { from, to, seats: request.seats ?? users.length, users, quote: null });
    }
    const subject = { kind: "upgrade", tier: from.key, to: to.key, seats: request.seats } as const;
    return await useOffer(work, request.quote, subject, (quote) =>
      upgradeSeats(work, { from, to, seats: quote.seats, users, quote }),
    );
  });
}

interface Step {
  readonly from: Tier;
  readonly to: Tier;
  readonly seats: number;
  readonly users: readonly string[];
  readonly quote: QuoteRow | null;
}

async function upgradeSeats(work: OrderWork, step: Step): Promise<Upgraded> {
  const { ctx, tx, rules, now, held } = work;
  const { tenantId } = rules;
  const { seats, users, quote } = step;
  const keys = { from: step.from.key, to: step.to.key };
  const free = seats - users.length;
  if (free < 0 || seats === 0) throw wrongNumber(users.length);
  if (users.length > 0) {
    const holders = await readHolders(work, users);
    requireHolders(step.from, holders);
    for (const holder of holders) await pinTier(work, holder, keys.to);
  } else {
    await lockPoolsOf(tx, tenantId, [keys.from, keys.to]);
  }
  const from = await requirePool(tx, tenantId, keys.from);
  const to = await requirePool(tx, tenantId, keys.to);
  requireReducible(from, free, users.length);
  requirePurchasable(to, seats);
  if ((await removeFreeSeats(tx, tenantId, keys.from, free)) < free) throw belowUsed(from, free);
  if (users.length > 0) await upgradeHeldSeats(tx, tenantId, keys, users, causeOf(ctx, now));
  await insertSeats(tx, tenantId, keys.to, free);
  await beginCycle(work, to);
  await recordUpgrade(work, { from, to, seats, moved: users.length, quote });
  if (to.drain === "auto" && free > 0) await giveOut(work, keys.to);
  return {
    from: toPool(await requirePool(tx, tenantId, keys.from), held),
    to: toPool(await requirePool(tx, tenantId, keys.to), held),
  };
}

async function recordUpgrade(
  work: OrderWork,
  {
    from,
    to,
    seats,
    moved,
    quote,
  }: { from: PoolRow; to: PoolRow; seats: number; moved: number; quote: QuoteRow | null },
): Promise<void> {
  const price = quote?.offer ?? { ...priceOf(to, seats), replaces: priceOf(from, seats) };
  const replaces = price.replaces === null ? null : charged(price.replaces);
  const common = { seats, moved, ...charged(price), replaces, ...quotedBy(quote) };
  const left = { to: to.tier, purchased: from.purchased - seats, ...common };
  const gained = { from: from.tier, purchased: to.purchased + seats, ...common };
  await recordEvents(work.tx, [
    { ...eventOf(work, "pool.upgraded", "Pool", from.tier, left, "LIC-7"), before: { purchased: from.purchased } },
    { ...eventOf(work, "pool.upgraded", "Pool", to.tier, gained, "LIC-7"), before: { purchased: to.purchased } },
  ]);
}

function requireHolders(tier: Tier, states: readonly UserState[]): void {
  const others = states.filter(({ seat }) => seat?.tier !== tier.key);
  if (others.length === 0) return;
  const names = others.slice(0, 5).map(({ doc }) => doc.userName);
  const detail = `Not everybody named holds a "${tier.name}" seat: ${names.join(", ")}.`;
  throw new Problem("conflict", detail, {
    facts: { rule: "LIC-7", pool: tier.key, users: others.map(({ id }) => id) },
  });
}

function wrongNumber(users: number): Problem {
  const detail = `Say how many seats to upgrade: at least one, and no fewer than the ${users} people who move along.`;
  return new Problem("invalidValue", detail, { facts: { rule: "LIC-7", attribute: "seats" } });
}
