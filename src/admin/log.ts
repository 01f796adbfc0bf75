/** Tag log: what changed, and what each connection sent and was answered. */
import { readFeed } from "../db/events-feed.ts";
import { type ExchangeFilter, listExchanges } from "../db/provisioning-log.ts";
import { limits } from "../limits.ts";
import { readPage } from "./cursor.ts";
import type { Handlers } from "./operation.ts";

export const logHandlers: Handlers = {
  async listEvents({ deps, ctx, query }) {
    const after = Number(query.after ?? 0);
    const limit = Number(query.limit ?? limits.pageSizeDefault);
    const events = await readFeed(deps.db, ctx.principal.tenantId, after, limit, query.subject ?? null);
    return { body: { events, nextCursor: String(events.at(-1)?.position ?? after) } };
  },

  async listProvisioningLog(call) {
    const { db } = call.deps;
    const { tenantId } = call.ctx.principal;
    const filter = call.query as ExchangeFilter;
    const read = (before: string | null, limit: number) => listExchanges(db, tenantId, filter, before, limit);
    const { rows: entries, nextCursor } = await readPage(call, read, (entry) => entry.id);
    return { body: { entries, nextCursor } };
  },
};
