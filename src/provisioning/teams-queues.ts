/** TEAM-4: the queues that somebody left by being deactivated come back by an Admin's hand only. */
import { lockAuthority, requireHeld } from "../auth/authority.ts";
import { recordEvents } from "../db/events.ts";
import { lockTeams } from "../db/teams.ts";
import { listRemembered, lockPeopleStill, pruneRemembered, type RememberedRow } from "../db/teams-members.ts";
import { lockUsers } from "../db/users.ts";
import type { Json } from "../domain/model.ts";
import { managePermission, queueMemoryDays } from "../domain/teams.ts";
import { isUuid } from "../ids.ts";
import { Problem } from "../problems.ts";
import { eventOf } from "./apply.ts";
import type { Deps, RequestContext } from "./context.ts";
import { addedEvents, insertMembers } from "./teams-members.ts";
import { readIds } from "./teams-steps.ts";
import { begin, noUser } from "./user-steps.ts";

export interface RememberedQueue {
  readonly value: string;
  readonly display: string;
  /** Since when the person had been in it; null: since before this was kept. */
  readonly since: string | null;
  readonly leftAt: string;
  /** Until when it can be restored. */
  readonly until: string;
  readonly archived: boolean;
}

/** What is remembered of somebody's queues, by name. */
export async function rememberedQueues(deps: Deps, tenantId: string, userId: string): Promise<RememberedQueue[]> {
  return (await listRemembered(deps.db, tenantId, userId, rememberedSince(deps.clock()))).map(toRemembered);
}

export interface RestoredQueue extends RememberedQueue {
  /** `archived`: it takes nobody now and is remembered on. `left`: it was not asked for. */
  readonly outcome: "restored" | "archived" | "left";
}

/**
 * Assigns somebody to the queues they were in when they were deactivated: to all that are remembered, or to those that are
 * named. Problems: notFound, forbidden, conflict for somebody who is out, invalidValue for a queue that is not remembered.
 */
export async function restoreQueues(
  deps: Deps,
  ctx: RequestContext,
  userId: string,
  wanted: readonly string[] | null,
): Promise<RestoredQueue[]> {
  const { tenantId } = ctx.principal;
  if (!isUuid(userId)) throw noUser(userId);
  return await deps.db.transaction(async (tx) => {
    const work = await begin(deps, ctx, tx);
    const authority = await lockAuthority(tx, ctx.principal, work.now);
    requireHeld(authority, ctx.principal, [managePermission.queue]);
    const id = userId.toLowerCase();
    // Alone: of two who restore at once the second finds nothing left.
    await lockUsers(tx, tenantId, [id]);
    const status = (await lockPeopleStill(tx, tenantId, [id])).get(id);
    if (status === undefined) throw noUser(userId);
    if (status === "inactive") {
      throw new Problem("conflict", "This person is inactive: their queues are restored once they are back.", {
        facts: { rule: "TEAM-4" },
      });
    }
    const since = rememberedSince(work.now);
    const known = await listRemembered(tx, tenantId, id, since);
    const chosen = wanted === null ? null : requireRemembered(known, readIds("queue", "queues", wanted));
    const locked = await lockTeams(
      tx,
      tenantId,
      known.map((queue) => queue.id),
      "share",
    );
    // Looked at again under the locks: one may have been archived, deleted or restored by somebody else.
    const rows = (await listRemembered(tx, tenantId, id, since)).filter((queue) => locked.includes(queue.id));
    const outcomes = rows.map((row): RestoredQueue => {
      const isMeant = chosen === null || chosen.has(row.id);
      return { ...toRemembered(row), outcome: !isMeant ? "left" : row.archived ? "archived" : "restored" };
    });
    const queues = outcomes
      .filter((queue) => queue.outcome === "restored")
      .map(({ value, display }) => ({ id: value, name: display, kind: "queue" as const }));
    if (queues.length === 0) return outcomes;
    const added = await insertMembers(work, queues, [id]);
    const named: Json = queues.map((queue) => ({ value: queue.id, display: queue.name }));
    const restored = eventOf(work, "user.queues-restored", "User", id, { queues: named }, "TEAM-4");
    await recordEvents(tx, [restored, ...addedEvents(work, queues, added)]);
    return outcomes;
  });
}

function requireRemembered(known: readonly RememberedRow[], wanted: readonly string[]): ReadonlySet<string> {
  const unknown = wanted.filter((id) => !known.some((queue) => queue.id === id));
  if (unknown.length === 0) return new Set(wanted);
  const detail = `Not remembered of this person: ${unknown.slice(0, 10).join(", ")}. Nothing was changed.`;
  throw new Problem("invalidValue", detail, { facts: { rule: "TEAM-4", attribute: "queues" } });
}

function toRemembered({ id, name, archived, since, leftAt }: RememberedRow): RememberedQueue {
  const until = new Date(Date.parse(leftAt) + queueMemoryMs).toISOString();
  return { value: id, display: name, since, leftAt, until, archived };
}

const queueMemoryMs = queueMemoryDays * 24 * 3600_000;

function rememberedSince(now: Date): Date {
  return new Date(now.getTime() - queueMemoryMs);
}

/** Forgets what nobody can restore any more, of all tenants. */
export async function forgetOldQueues(deps: Deps): Promise<void> {
  await pruneRemembered(deps.db, rememberedSince(deps.clock()));
}
