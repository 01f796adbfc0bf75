/** Tag usage: what the product tells of people, and reviews of what they may do. */
import { type Activity, recordActivity, reviewUser } from "../provisioning/activity.ts";
import { recordUsage, type UsageEntry } from "../provisioning/usage.ts";
import type { Handlers } from "./operation.ts";
import { showUser } from "./user-shape.ts";

export const usageHandlers: Handlers = {
  async recordActivity({ deps, ctx, params, body }) {
    const { lastSeenAt, online } = await recordActivity(deps, ctx, params.id!, body as Activity);
    return { body: { lastSeenAt, online } };
  },

  async recordUsage({ deps, ctx, body }) {
    const { items } = body as { items: readonly UsageEntry[] };
    return { body: { items: await recordUsage(deps, ctx, items) } };
  },

  async reviewUser(call) {
    return { body: await showUser(call, await reviewUser(call.deps, call.ctx, call.params.id!)) };
  },
};
