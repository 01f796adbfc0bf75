/** Use cases of the queues for seats (LIC-4): who waits, letting somebody pass, and serving a long queue to its end. */
import { lockAuthority, requireHeld } from "../auth/authority.ts";
import { recordEvents } from "../db/events.ts";
import { lockPool } from "../db/pools.ts";
import { drainPool } from "../db/seats.ts";
import { findPlace, findUndrainedTenants, listQueue, setPriority, type WaitingRow } from "../db/waitlist.ts";
import { findTier } from "../domain/licenses.ts";
import { Problem } from "../problems.ts";
import { causeOf, eventOf, type Work } from "./apply.ts";
import type { Deps, RequestContext } from "./context.ts";
import { jobContext } from "./jobs.ts";
import { drainedAtOnceMax, isServed, requirePool } from "./pools.ts";
import { isUuid, noUser } from "./users.ts";

/** Who waits for a tier, in order. Problem: notFound. */
export async function listWaitlist(
  deps: Deps,
  ctx: RequestContext,
  tierKey: string,
  page: { offset: number; limit: number },
): Promise<{ users: WaitingRow[]; total: number }> {
  const { tenantId } = ctx.principal;
  const rules = await deps.rules.current(deps.db, tenantId);
  const tier = findTier(rules.tiers, tierKey);
  const users = await listQueue(deps.db, tenantId, tier.key, page.offset, page.limit);
  const { waitlisted } = await requirePool(deps.db, tenantId, tier.key);
  return { users, total: waitlisted };
}

/** LIC-4: an Admin lets somebody pass. Problems: notFound, forbidden. */
export async function prioritize(
  deps: Deps,
  ctx: RequestContext,
  tierKey: string,
  userId: string,
  priority: number,
): Promise<WaitingRow> {
  const { tenantId } = ctx.principal;
  if (!isUuid(userId)) throw noUser(userId);
  return await deps.db.transaction(async (tx) => {
    const rules = await deps.rules.shared(tx, tenantId);
    const now = deps.clock();
    requireHeld(await lockAuthority(tx, ctx.principal, now), ctx.principal, ["licenses.manage"]);
    const tier = findTier(rules.tiers, tierKey);
    await lockPool(tx, tenantId, tier.key);
    if (!(await setPriority(tx, tenantId, tier.key, userId, priority))) {
      throw new Problem("notFound", `This user does not wait for a "${tier.name}" seat.`);
    }
    const work: Work = { deps, ctx, tx, rules, now };
    await recordEvents(tx, [
      eventOf(work, "license.prioritized", "User", userId, { tier: tier.key, priority }, "LIC-4"),
    ]);
    return (await findPlace(tx, tenantId, tier.key, userId)) as WaitingRow;
  });
}

/** LIC-4: the rest of a large drain, in bounded transactions; new claims stand behind the queue meanwhile. */
export async function drainRest(deps: Deps, tenantId: string, signal?: AbortSignal): Promise<void> {
  const ctx = jobContext(deps, tenantId, "drain");
  const { tiers } = await deps.rules.current(deps.db, tenantId);
  for (const tier of tiers.filter(isServed)) {
    for (let given = drainedAtOnceMax; given === drainedAtOnceMax; ) {
      if (signal?.aborted) throw new Error("The drain was stopped; it goes on where it was.");
      given = await deps.db.transaction(async (tx) => {
        await lockPool(tx, tenantId, tier.key);
        return await drainPool(tx, tenantId, tier.key, drainedAtOnceMax, causeOf(ctx, deps.clock()));
      });
    }
  }
}

/** Tenants where a large drain was cut off, whatever became of its job: asked at start-up. */
export async function findUndrained(deps: Deps): Promise<string[]> {
  return await findUndrainedTenants(deps.db);
}
