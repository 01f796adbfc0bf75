/** Tag pools: license pools, what they cost, their seats and waitlists. */
import type { UserAccount } from "../db/users.ts";
import { getPool, listPools, type PoolChange, patchPool } from "../provisioning/pools.ts";
import { purchase, purchaseQuoted } from "../provisioning/pools-purchase.ts";
import { getQuote, listQuotes, quote } from "../provisioning/pools-quotes.ts";
import { cancelReduction, reduce } from "../provisioning/pools-reduce.ts";
import { transferSeat } from "../provisioning/pools-transfer.ts";
import { type Upgrade, upgrade } from "../provisioning/pools-upgrade.ts";
import { listWaitlist, prioritize } from "../provisioning/pools-waitlist.ts";
import { pageOf, readPage, sealCursor } from "./cursor.ts";
import type { Call, Handlers } from "./operation.ts";

export const poolHandlers: Handlers = {
  async listPools({ deps, ctx }) {
    return { body: { pools: await listPools(deps, ctx) } };
  },

  async getPool({ deps, ctx, params }) {
    return { body: await getPool(deps, ctx, params.tier!) };
  },

  async patchPool({ deps, ctx, params, body }) {
    return { body: await patchPool(deps, ctx, params.tier!, body as PoolChange) };
  },

  async quoteSeats({ deps, ctx, params, body }) {
    return { body: await quote(deps, ctx, params.tier!, body as { seats: number; to?: string }) };
  },

  async listQuotes(call) {
    const { deps, ctx } = call;
    const read = (before: string | null, limit: number) => listQuotes(deps, ctx, before, limit);
    const { rows, nextCursor } = await readPage(call, read, ({ id }) => id);
    return { body: { quotes: rows, nextCursor } };
  },

  async getQuote({ deps, ctx, params }) {
    return { body: await getQuote(deps, ctx, params.id!) };
  },

  async purchaseSeats(call) {
    const { deps, ctx, params, body } = call;
    const order = body as { seats: number } | { seats?: number; quote: string };
    if ("quote" in order) return { body: await purchaseQuoted(deps, ctx, params.tier!, order, keyOf(call)) };
    return { body: await purchase(deps, ctx, params.tier!, order.seats, keyOf(call)) };
  },

  async reduceSeats(call) {
    const { deps, ctx, params, body } = call;
    const { seats, at = "now" } = body as { seats: number; at?: "now" | "renewal" };
    return { body: await reduce(deps, ctx, params.tier!, seats, { at, ...keyOf(call) }) };
  },

  async cancelReduction({ deps, ctx, params }) {
    return { body: await cancelReduction(deps, ctx, params.tier!, params.id!) };
  },

  async upgradeSeats(call) {
    const { deps, ctx, params, body } = call;
    return { body: await upgrade(deps, ctx, params.tier!, body as Upgrade, keyOf(call)) };
  },

  async transferSeat({ deps, ctx, params, body }) {
    const { from, to } = body as { from: string; to: string };
    const moved = await transferSeat(deps, ctx, { from, to, tier: params.tier! });
    return { body: { from: toHolder(moved.from), to: toHolder(moved.to) } };
  },

  async listWaitlist(call) {
    const { deps, ctx, params } = call;
    // People move up while somebody reads: a place in the queue is what a page is about.
    const { after, limit } = pageOf<number>(call);
    const offset = after ?? 0;
    const { users, total } = await listWaitlist(deps, ctx, params.tier!, { offset, limit });
    const end = offset + users.length;
    return { body: { users, total, nextCursor: users.length === limit && end < total ? sealCursor(call, end) : null } };
  },

  async prioritizeWaiting({ deps, ctx, params, body }) {
    const { priority } = body as { priority: number };
    return { body: await prioritize(deps, ctx, params.tier!, params.id!, priority) };
  },
};

function keyOf({ header }: Call): { idempotencyKey?: string } {
  const idempotencyKey = header("idempotency-key");
  return idempotencyKey === undefined ? {} : { idempotencyKey };
}

function toHolder({ id, doc, tierPinned, tierPin, license }: UserAccount) {
  return { id, userName: doc.userName, tierPin: tierPinned ? (tierPin ?? "none") : null, license };
}
