/** Tag promotions: requests to become an administrator. */
import {
  listPromotionRows,
  type PromotionPosition,
  type PromotionRow,
  type PromotionState,
} from "../db/promotions-list.ts";
import { approve, decline } from "../provisioning/promotions.ts";
import { readPage } from "./cursor.ts";
import type { Handlers } from "./operation.ts";

export const promotionHandlers: Handlers = {
  async listPromotions(call) {
    const { db } = call.deps;
    const { tenantId } = call.ctx.principal;
    const state = (call.query.state as PromotionState | undefined) ?? null;
    const filter = { state, grouped: call.query.grouped === "true" };
    const { rows, nextCursor } = await readPage<PromotionRow, PromotionPosition>(
      call,
      (after, limit) => listPromotionRows(db, tenantId, filter, after, limit),
      ({ lastAt, id }) => ({ lastAt, id }),
    );
    return { body: { promotions: rows.map((row) => (filter.grouped ? row : toOne(row))), nextCursor } };
  },

  async approvePromotion({ deps, ctx, params }) {
    return { body: toOne(await approve(deps, ctx, params.id!)) };
  },

  async declinePromotion({ deps, ctx, params }) {
    return { body: toOne(await decline(deps, ctx, params.id!)) };
  },
};

/** A request by itself; `users` and `count` belong to items that stand for many. */
function toOne({ users: _users, count: _count, ...request }: PromotionRow) {
  return request;
}
