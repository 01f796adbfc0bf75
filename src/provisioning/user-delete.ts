/** Deletes one user. */
import { lockAuthority } from "../auth/authority.ts";
import { lockAdmins, someAdministrative } from "../db/admins.ts";
import type { Statement } from "../db/database.ts";
import { recordEvents } from "../db/events.ts";
import { voidWishes } from "../db/promotions.ts";
import { findUser, lockUsers } from "../db/users.ts";
import type { Permission, UserState } from "../domain/model.ts";
import { isUuid } from "../ids.ts";
import { causeOf, eventOf, noteLeavingAdmin, type Work } from "./apply.ts";
import type { Deps, RequestContext } from "./context.ts";
import { type Preconditions, requireCondition, requireVersion } from "./preconditions.ts";
import { begin, noUser } from "./user-steps.ts";

export interface DeleteOptions extends Preconditions {
  /** Raises what stands against the deletion; the actor's own permissions are read inside the transaction (GRD-9). */
  readonly require?: (work: Work, state: UserState, held: readonly Permission[]) => void;
}

/**
 * USR-6: deletes a user for good. The seat goes to the first in line, the history stays. An Admin may leave, even the
 * last (GRD-7). Problem: notFound.
 */
export async function deleteUser(
  deps: Deps,
  ctx: RequestContext,
  id: string,
  options: DeleteOptions = {},
): Promise<void> {
  const { tenantId } = ctx.principal;
  if (!isUuid(id)) throw noUser(id);
  await deps.db.transaction(async (tx) => {
    const work = await begin(deps, ctx, tx);
    requireCondition(options, work.rules.settings, ctx.door);
    if (await someAdministrative(tx, tenantId, [id])) await lockAdmins(tx, tenantId);
    if ((await lockUsers(tx, tenantId, [id])).length === 0) throw noUser(id);
    const stored = await findUser(tx, tenantId, id);
    if (stored === undefined) throw noUser(id);
    requireVersion(options, stored.view.version, "user");
    if (options.require !== undefined) {
      options.require(work, stored.state, await lockAuthority(tx, ctx.principal, work.now));
    }
    await removeLocked(work, stored.state);
  });
}

/** The whole of a deletion inside the caller's transaction, which holds the lock of the user's row. */
export async function removeLocked(work: Work, state: UserState): Promise<void> {
  const { ctx, tx, rules } = work;
  const { tenantId } = rules;
  const { id } = state;
  // The row goes last: who drains the queue may still have to see it.
  await tx.query(releaseAll, [tenantId, id, JSON.stringify(causeOf(ctx, work.now))]);
  if (state.administrative && state.status === "active") await noteLeavingAdmin(work, id);
  await voidWishes(tx, tenantId, id, work.now.toISOString());
  const event = eventOf(work, "user.deleted", "User", id, {});
  const before = { ...state.doc, status: state.status, effectiveRole: state.role, tier: state.tier };
  await recordEvents(tx, [{ ...event, before }]);
  await tx.query(remove, [tenantId, id]);
}

const releaseAll: Statement = {
  name: "users_release",
  text: "select settle_seat($1, $2, null, false, $3::jsonb) as license",
};

const remove: Statement = { name: "users_remove", text: "delete from users where tenant_id = $1 and id = $2" };
