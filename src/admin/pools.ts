/** Tag pools: license pools, their seats and waitlists. */
import {
  listPools,
  listWaitlist,
  type PoolChange,
  patchPool,
  prioritize,
  purchase,
  quote,
  reduce,
} from "../provisioning/pools.ts";
import { pageOf, sealCursor } from "./cursor.ts";
import type { Handlers } from "./operation.ts";

export const poolHandlers: Handlers = {
  async listPools({ deps, ctx }) {
    return { body: { pools: await listPools(deps, ctx) } };
  },

  async patchPool({ deps, ctx, params, body }) {
    return { body: await patchPool(deps, ctx, params.tier!, body as PoolChange) };
  },

  async quoteSeats({ deps, ctx, params, body }) {
    const { seats } = body as { seats: number };
    return { body: await quote(deps, ctx, params.tier!, seats) };
  },

  async purchaseSeats({ deps, ctx, params, body, header }) {
    const { seats } = body as { seats: number };
    const idempotencyKey = header("idempotency-key");
    const options = idempotencyKey === undefined ? {} : { idempotencyKey };
    return { body: await purchase(deps, ctx, params.tier!, seats, options) };
  },

  async reduceSeats({ deps, ctx, params, body }) {
    const { seats, at = "now" } = body as { seats: number; at?: "now" | "renewal" };
    return { body: await reduce(deps, ctx, params.tier!, seats, { at }) };
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
