/** The access review under the tag reports: who has what, since when, and by which reason. */
import type { UserListPosition } from "../db/user-list.ts";
import { exportAccessReview, type ReviewQuery, type ReviewRow, reviewAccess } from "../provisioning/access-review.ts";
import { readPage } from "./cursor.ts";
import type { Handlers } from "./operation.ts";

export const accessReviewHandlers: Handlers = {
  async reviewAccess(call) {
    const read = await reviewAccess(call.deps, call.ctx, call.query as ReviewQuery);
    const { rows, nextCursor } = await readPage<ReviewRow, UserListPosition>(call, read, ({ position }) => position);
    return { body: { users: rows.map(({ person }) => person), nextCursor } };
  },

  async exportAccessReview({ deps, ctx, query }) {
    const day = deps.clock().toISOString().slice(0, 10);
    const headers = { "Content-Disposition": `attachment; filename="access-review-${day}.csv"` };
    const type = "text/csv; charset=utf-8; header=present";
    return { headers, text: { type, chunks: exportAccessReview(deps, ctx, query as ReviewQuery) } };
  },
};
