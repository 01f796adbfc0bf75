/** Tag reports: whom an Admin should look after. */
import { type OwnTeams, requireReach } from "../auth/authority.ts";
import type { ReportedRow, ReportScope, Trace } from "../db/reports.ts";
import { displayNameOf } from "../domain/identity.ts";
import type { JsonObject } from "../domain/model.ts";
import { agentsWithoutQueue, leastPrivilege, type TracePosition, withoutTrace } from "../provisioning/reports.ts";
import { pageOf, readPage, sealCursor } from "./cursor.ts";
import type { Answer, Call, Handlers } from "./operation.ts";

export const reportHandlers: Handlers = {
  async reportAgentsWithoutQueue(call) {
    const read = await agentsWithoutQueue(call.deps, call.ctx, await scopeOf(call));
    const { rows, nextCursor } = await readPage(call, read, ({ name, id }) => ({ name, id }));
    return { body: { users: rows.map(toReported), nextCursor } };
  },

  reportNotSeen: (call) => withoutTraceSince(call, "last_seen_at"),

  reportNotReviewed: (call) => withoutTraceSince(call, "reviewed_at"),

  async reportLeastPrivilege(call) {
    const { after, limit } = pageOf<string>(call);
    const unseenDays = Number(call.query.unseenDays ?? unseenDaysDefault);
    const scope = await scopeOf(call);
    const { rows, last } = await leastPrivilege(call.deps, call.ctx, scope, unseenDays, after, limit);
    const users = rows.map((row) => ({
      ...toReported(row),
      administrative: row.administrative,
      roleSource: row.roleSource,
      ...row.finding,
    }));
    return { body: { users, nextCursor: last === null ? null : sealCursor(call, last) } };
  },
};

/** As long as a review looks back where nobody says otherwise. */
const unseenDaysDefault = 90;

/** this month, where nobody says since when. */
const monthMs = 30 * 24 * 3600_000;

async function withoutTraceSince(call: Call, trace: Trace): Promise<Answer> {
  const { since } = call.query;
  const from = since === undefined ? new Date(call.deps.clock().getTime() - monthMs) : new Date(since);
  const read = await withoutTrace(call.deps, call.ctx, await scopeOf(call), trace, from);
  const { rows, nextCursor } = await readPage(
    call,
    read,
    ({ position = null, id }): TracePosition => ({ at: position, id }),
  );
  return { body: { since: from.toISOString(), users: rows.map(toReported), nextCursor } };
}

/** E-8: a report shows the people whom its reader may see. */
async function scopeOf({ deps, ctx, query }: Call): Promise<ReportScope> {
  const reach: OwnTeams | null = await requireReach(deps, ctx, "reports.read", "users.read");
  return { role: query.role, within: reach === null ? undefined : reach.of };
}

function toReported({ id, userName, doc, status, role, createdAt, lastSeenAt, reviewedAt }: ReportedRow) {
  return {
    id,
    userName,
    displayName: displayNameOf(doc as JsonObject),
    status,
    role,
    createdAt,
    lastSeenAt,
    reviewedAt,
  };
}
