/**
 * Moving a seat from one person to another (LIC-4, P-10), past the queue and in one transaction.
 *
 * ROL-2 goes on to hold afterwards: whoever gave the seat is pinned to no license, else the next decision would give them
 * one again; whoever got it is pinned to its tier, unless their sources name that tier already.
 */
import { lockAuthority, requireHeld } from "../auth/authority.ts";
import { lockAdmins, someAdministrative } from "../db/admins.ts";
import type { Transaction } from "../db/database.ts";
import { moveSeat } from "../db/seats.ts";
import { lockPoolsOf } from "../db/user-batch.ts";
import { findUser, findUserStates, lockUsers, type UserAccount } from "../db/users.ts";
import type { TenantRules } from "../domain/access.ts";
import type { Decision } from "../domain/decide.ts";
import type { Draft } from "../domain/draft.ts";
import { findTier } from "../domain/licenses.ts";
import type { UserState } from "../domain/model.ts";
import { Problem } from "../problems.ts";
import { applyToUser, causeOf, decideInTransaction, noAuthority, type Work } from "./apply.ts";
import type { Deps, RequestContext } from "./context.ts";
import { differs } from "./members.ts";
import { draftOfState, isUuid, noUser } from "./users.ts";

export interface Transfer {
  readonly from: string;
  readonly to: string;
  /** The tier of the seat; whichever the giver holds when absent. */
  readonly tier?: string | undefined;
}

/**
 * Moves a seat; asked once more, when it has moved, it changes nothing. Problems: notFound, forbidden, invalidValue (to
 * oneself), conflict (no such seat, or the receiver may hold none).
 */
export async function transferSeat(
  deps: Deps,
  ctx: RequestContext,
  transfer: Transfer,
): Promise<{ from: UserAccount; to: UserAccount }> {
  const { tenantId } = ctx.principal;
  return await deps.db.transaction(async (tx) => {
    const rules = await deps.rules.shared(tx, tenantId);
    const work: Work = { deps, ctx, tx, rules, now: deps.clock() };
    await lockPeople(tx, tenantId, [transfer.from, transfer.to]);
    requireHeld(await lockAuthority(tx, ctx.principal, work.now), ctx.principal, ["licenses.manage"]);
    const { from, to } = await transferWithin(work, transfer);
    return { from: await readAccount(tx, tenantId, from), to: await readAccount(tx, tenantId, to) };
  });
}

/**
 * The same as a part of larger work, whose caller has locked both people (`lockPeople`) and knows that the actor manages
 * licenses. Returns their ids.
 */
export async function transferWithin(work: Work, transfer: Transfer): Promise<{ from: string; to: string }> {
  const { rules } = work;
  const tier = transfer.tier === undefined ? undefined : findTier(rules.tiers, transfer.tier).key;
  if (transfer.from.toLowerCase() === transfer.to.toLowerCase()) {
    throw new Problem("invalidValue", "A seat moves from one person to another.", { facts: { attribute: "to" } });
  }
  const [from, to] = (await readHolders(work, [transfer.from, transfer.to])) as [UserState, UserState];
  await moveBetween(work, from, to, tier);
  return { from: from.id, to: to.id };
}

async function readAccount(tx: Transaction, tenantId: string, id: string): Promise<UserAccount> {
  const stored = await findUser(tx, tenantId, id);
  if (stored === undefined) throw noUser(id);
  return stored.view;
}

/** Locks people before anything else, the lock on Admins first where one is among them (DESIGN §5). */
export async function lockPeople(tx: Transaction, tenantId: string, ids: readonly string[]): Promise<void> {
  const known = ids.filter(isUuid);
  if (await someAdministrative(tx, tenantId, known)) await lockAdmins(tx, tenantId);
  await lockUsers(tx, tenantId, known);
}

/**
 * Locks every pool of the tenant exclusively: what these people, locked already, hold and wait for stays as it is read
 * here. In the order of the ids. Problem: notFound.
 */
export async function readHolders({ tx, rules }: Work, ids: readonly string[]): Promise<UserState[]> {
  const known = ids.filter(isUuid).map((id) => id.toLowerCase());
  const tiers = rules.tiers.map((tier) => tier.key);
  await lockPoolsOf(tx, rules.tenantId, tiers);
  const states = new Map((await findUserStates(tx, rules.tenantId, known)).map((state) => [state.id, state]));
  return ids.map((id) => {
    const state = states.get(id.toLowerCase());
    if (state === undefined) throw noUser(id);
    return state;
  });
}

async function moveBetween(work: Work, from: UserState, to: UserState, wanted: string | undefined): Promise<void> {
  const { ctx, tx, rules, now } = work;
  const tier = from.seat?.tier;
  if (tier === undefined && isDone(from, to, wanted)) return;
  if (tier === undefined || (wanted !== undefined && wanted !== tier)) throw noSeat(rules, from, wanted);
  if (to.seat?.tier === tier) {
    throw new Problem("conflict", `${to.doc.userName} holds a seat of this tier already.`, { facts: { pool: tier } });
  }
  await pinTier(work, from, null);
  const due = await pinTier(work, to, tier);
  if (due.tier !== tier) {
    const detail = `${to.doc.userName} is ${due.status} and may hold no seat.`;
    throw new Problem("conflict", detail, { facts: { rule: "LIC-8" } });
  }
  await moveSeat(tx, rules.tenantId, from.id, to.id, causeOf(ctx, now));
}

/** LIC-6: the seat has moved already. */
function isDone(from: UserState, to: UserState, wanted: string | undefined): boolean {
  const isGiven = from.tierPin.pinned && from.tierPin.value === null;
  return isGiven && to.seat !== null && (wanted === undefined || to.seat.tier === wanted);
}

function noSeat(rules: TenantRules, { doc, seat }: UserState, wanted: string | undefined): Problem {
  const name = wanted === undefined ? "any tier" : `"${rules.tier.get(wanted)?.name}"`;
  const held = seat === null ? "none" : `one of "${rules.tier.get(seat.tier)?.name}"`;
  return new Problem("conflict", `${doc.userName} holds no seat of ${name}, but ${held}.`, {
    facts: { rule: "LIC-4", ...(wanted === undefined ? {} : { pool: wanted }) },
  });
}

/**
 * Makes a tier due to somebody whose seat moves by other means: by a pin, unless it is due to them without one. Nothing
 * is written where nothing changes. Returns the decision.
 */
export async function pinTier(work: Work, state: UserState, tier: string | null): Promise<Decision> {
  const draft = draftOfState(state);
  const unpinned = await decideAnew(work, state, draft);
  const suffices = tier !== null && unpinned.tier === tier;
  const pinned = { ...draft, tierPin: { pinned: true, value: tier } as const };
  const decision = suffices ? unpinned : await decideAnew(work, state, pinned);
  const seated = { ...state, seat: tier === null ? null : { tier, no: 0, since: "" }, waiting: null };
  if (!suffices || differs(seated, decision)) {
    await applyToUser(work, state, decision, {
      action: "user.changed",
      rule: "ROL-2",
      mayRefuse: false,
      deferSeat: true,
    });
  }
  return decision;
}

/** GRD-5: a pin of a tier gives nobody a role. */
async function decideAnew(work: Work, state: UserState, draft: Draft): Promise<Decision> {
  const outcome = await decideInTransaction(work, state, draft, { direct: false, ...noAuthority });
  if (outcome.kind === "refused")
    throw new Error("A change that is not the user's own was refused instead of withheld.");
  return outcome;
}
