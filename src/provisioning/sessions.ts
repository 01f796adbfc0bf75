/**
 * Sessions and passwords. Usher keeps no sessions: it says from when on a person's sessions count (access evaluation's
 * `sessionsNotBefore`), and tells the product what to do by an event.
 */
import { lockAuthority, requireHeld } from "../auth/authority.ts";
import { recordEvents } from "../db/events.ts";
import { endSessionsBefore } from "../db/sessions.ts";
import { findUserStates, lockUsers, type UserAccount } from "../db/users.ts";
import { primaryEmail } from "../domain/identity.ts";
import type { JsonObject, Permission, UserState } from "../domain/model.ts";
import { isUuid } from "../ids.ts";
import { Problem } from "../problems.ts";
import { toOpaqueString } from "../vocabulary/opaque-string.ts";
import { eventOf, type Work } from "./apply.ts";
import type { Deps, Principal, RequestContext } from "./context.ts";
import { alterUser } from "./user-change.ts";
import { draftOfState } from "./user-drafts.ts";
import { getAccount } from "./user-reads.ts";
import { begin, noUser } from "./user-steps.ts";

/** signs a person out everywhere. Problems: forbidden, notFound. */
export async function signOut(deps: Deps, ctx: RequestContext, id: string): Promise<UserAccount> {
  return await withLockedUser(deps, ctx, id, (work, state) => signOutLocked(work, [state]));
}

/**
 * asks the product to mail the person a link for another password, and ends their sessions where somebody else
 * asks: whoever asks for themselves may still have the old one. Problems: forbidden, conflict (out), notFound.
 */
export async function requestPasswordReset(deps: Deps, ctx: RequestContext, id: string): Promise<UserAccount> {
  return await withLockedUser(deps, ctx, id, (work, state) => requestResetLocked(work, [state]));
}

/** The same for many, inside the caller's transaction, which holds the locks of their rows and has judged who may. */
export async function signOutLocked(work: Work, states: readonly UserState[]): Promise<void> {
  const sessionsNotBefore = await endSessions(work, states);
  await tell(work, "user.signed-out", states, () => ({ sessionsNotBefore }));
}

/** Likewise. Problem: conflict for somebody who is out, and could not sign in with another password either. */
export async function requestResetLocked(work: Work, states: readonly UserState[]): Promise<void> {
  for (const { doc, status } of states) {
    if (status !== "inactive") continue;
    throw new Problem("conflict", `${doc.userName} is deactivated: reactivate the user, then reset the password.`, {
      facts: { rule: "USR-1" },
    });
  }
  const { person } = work.ctx.principal;
  const isOwn = ({ id }: UserState) => id === person;
  const others = states.filter((state) => !isOwn(state));
  const sessionsNotBefore = await endSessions(work, others);
  await tell(work, "user.password-reset-requested", states, (state) =>
    isOwn(state) ? mailOf(state.doc) : { ...mailOf(state.doc), sessionsNotBefore },
  );
}

/**
 * C-6: sets a password, which ends the sessions that began with the one before. The person's own token needs
 * `profile.manage`, anybody else `users.manage`; an administrator's password an Admin's authority besides (GRD-8).
 * Problems: invalidValue, forbidden, identityProtected, notFound, unavailable.
 */
export async function setPassword(deps: Deps, ctx: RequestContext, id: string, password: string): Promise<UserAccount> {
  return await alterUser(deps, ctx, id, draftOfState, {
    asserted: new Set(),
    password: toOpaqueString(password, "password"),
    // Whoever sets the password that there was wants the sessions to end as well.
    force: true,
    require: async (_work, state, held) => requireFor(ctx.principal, state.id, held),
    async also({ tx, rules, now }, userId) {
      await endSessionsBefore(tx, rules.tenantId, [userId], now.toISOString());
    },
  });
}

/** People see to themselves with `profile.manage`; for others it takes `users.manage`. */
function requireFor(principal: Principal, id: string, held: readonly Permission[]): void {
  const own = principal.person !== null && principal.person === id;
  requireHeld(held, principal, own ? ["profile.manage", "users.manage"] : ["users.manage"]);
}

async function withLockedUser(
  deps: Deps,
  ctx: RequestContext,
  id: string,
  body: (work: Work, state: UserState) => Promise<void>,
): Promise<UserAccount> {
  const { principal } = ctx;
  const { tenantId } = principal;
  if (!isUuid(id)) throw noUser(id);
  await deps.db.transaction(async (tx) => {
    const work = await begin(deps, ctx, tx);
    const locked = await lockUsers(tx, tenantId, [id]);
    const [state] = await findUserStates(tx, tenantId, locked);
    if (state === undefined) throw noUser(id);
    requireFor(principal, state.id, await lockAuthority(tx, principal, work.now));
    await body(work, state);
  });
  return await getAccount(deps, ctx, id);
}

/** Returns the moment before which they began. */
async function endSessions({ tx, rules, now }: Work, states: readonly UserState[]): Promise<string> {
  const at = now.toISOString();
  const ids = states.map(({ id }) => id);
  if (ids.length > 0) await endSessionsBefore(tx, rules.tenantId, ids, at);
  return at;
}

async function tell(
  work: Work,
  action: string,
  states: readonly UserState[],
  after: (state: UserState) => JsonObject,
): Promise<void> {
  const events = states.map((state) => eventOf(work, action, "User", state.id, after(state)));
  await recordEvents(work.tx, events);
}

/** What a mail to the person needs. */
export function mailOf(doc: UserState["doc"]): JsonObject {
  const { displayName = null, locale = null, preferredLanguage = null } = doc;
  return { userName: doc.userName, email: primaryEmail(doc), displayName, locale, preferredLanguage };
}
