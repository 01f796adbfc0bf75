/** What a change of membership, binding or nesting means for the people it reaches. */

import { lockAdmins, someAdministrative } from "../db/admins.ts";
import type { Statement } from "../db/database.ts";
import { markBehind, moveFacts } from "../db/groups.ts";
import { findUserStates, lockUsers } from "../db/users.ts";
import type { Decision } from "../domain/decide.ts";
import type { Binding, Permission, UserState } from "../domain/model.ts";
import { applyToUser, decideInTransaction, needsSeat, type Work } from "./apply.ts";
import { reconcileJob } from "./jobs.ts";
import { draftOfState } from "./users.ts";

/** People decided inside the request; gains of more than these are left to the job (DESIGN §5). */
const decidedAtOnceMax = 1_000;

/** Users taken and decided together: bounds the memory of one step. */
const batchSize = 500;

export interface Reached {
  /** Users who may lose something: decided now, however many. */
  readonly losing: readonly string[];
  /** Users who may gain something. */
  readonly gaining: readonly string[];
  /** The users whom the request names, and for whom its actor's authority counts (GRD-5). */
  readonly named: ReadonlySet<string>;
  readonly authority: readonly Permission[];
}

/** The reached users as they were, locked; read before the change that reaches them. */
export interface Snapshot {
  readonly states: ReadonlyMap<string, UserState>;
  readonly deferred: readonly string[];
}

/** Locks those who will be decided, in the order of their ids, and reads them. The lock on Admins comes first. */
export async function snapshot(work: Work, reached: Pick<Reached, "losing" | "gaining">): Promise<Snapshot> {
  const { tx, rules } = work;
  const now = new Set(reached.losing);
  const deferred: string[] = [];
  for (const id of reached.gaining) {
    if (now.has(id)) continue;
    if (now.size < decidedAtOnceMax) now.add(id);
    else deferred.push(id);
  }
  const ids = [...now].sort();
  if (ids.length > 0 && (await someAdministrative(tx, rules.tenantId, ids))) await lockAdmins(tx, rules.tenantId);
  const states = new Map<string, UserState>();
  for (let at = 0; at < ids.length; at += batchSize) {
    const batch = await lockUsers(tx, rules.tenantId, ids.slice(at, at + batchSize));
    for (const state of await findUserStates(tx, rules.tenantId, batch)) states.set(state.id, state);
  }
  return { states, deferred };
}

/** Decides the reached users by their new bindings and writes what changed; the rest is left to the job. */
export async function decideReached(work: Work, before: Snapshot, reached: Reached): Promise<void> {
  const { tx, rules, deps } = work;
  const together: Work = { ...work, demoted: new Set() };
  const changed: { state: UserState; decision: Decision }[] = [];
  const ids = [...before.states.keys()];
  for (let at = 0; at < ids.length; at += batchSize) {
    const after = await findUserStates(tx, rules.tenantId, ids.slice(at, at + batchSize));
    for (const { id, bindings } of after) {
      const state = before.states.get(id) as UserState;
      const decision = await decideBindings(together, state, bindings, reached);
      if (differs(state, decision)) changed.push({ state, decision });
    }
  }
  const written = new Set(changed.map(({ state }) => state.id));
  // Who keeps the same decision has other facts behind it now: whoever read the old ones has to decide again.
  await moveFacts(
    tx,
    rules.tenantId,
    ids.filter((id) => !written.has(id)),
  );
  await applyAll(work, changed, "user.regrouped");
  if (before.deferred.length > 0) {
    await markBehind(tx, rules.tenantId, before.deferred);
    await reconcileJob(deps, tx, rules, "group");
  }
}

async function decideBindings(
  work: Work,
  state: UserState,
  bindings: readonly Binding[],
  reached: Reached,
): Promise<Decision> {
  const outcome = await decideInTransaction(
    work,
    state,
    { ...draftOfState(state), bindings },
    {
      direct: false,
      authority: reached.named.has(state.id) ? reached.authority : [],
      approved: [],
      asserted: new Set(),
    },
  );
  if (outcome.kind === "refused")
    throw new Error("A change that is not the user's own was refused instead of withheld.");
  return outcome;
}

/** Whether a decision says anything that is not stored. */
export function differs(state: UserState, decision: Decision): boolean {
  return (
    decision.status !== state.status ||
    decision.role.key !== state.role ||
    decision.roleSource !== state.roleSource ||
    decision.administrative !== state.administrative ||
    decision.tier !== state.tier ||
    decision.tierSource !== state.tierSource ||
    decision.newGrant !== null ||
    decision.endedGrants.length > 0 ||
    decision.withheld.length > 0 ||
    needsSeat(state, decision)
  );
}

const lockPools: Statement = { name: "pools_lock", text: "select lock_pools($1, $2)" };

const leaveQueues: Statement = {
  name: "waitlist_leave",
  text: "delete from waitlist where tenant_id = $1 and user_id = any ($2::uuid[])",
};

/**
 * Writes decisions of many. DESIGN §5: all pools concerned are locked first, highest rank first. LIC-12: whoever waits
 * for what is no longer due leaves the queue before anything is released, so that nobody is drained to a seat that is
 * not due and loses the one that is. Then come releases and steps down, then the others by the time of their making.
 */
export async function applyAll(
  work: Work,
  changed: readonly { state: UserState; decision: Decision }[],
  action: string,
  options: { seatsLater?: boolean; rule?: string } = {},
): Promise<void> {
  const { tx, rules } = work;
  const deferSeat = options.seatsLater ?? false;
  const leaving = changed.filter(({ state, decision }) => state.waiting && state.waiting.tier !== decision.tier);
  const tiers = new Set<string>(leaving.map(({ state }) => state.waiting?.tier as string));
  for (const { state, decision } of deferSeat ? [] : changed) {
    if (!needsSeat(state, decision)) continue;
    for (const tier of [state.seat?.tier, state.waiting?.tier, decision.tier]) if (tier) tiers.add(tier);
  }
  if (tiers.size > 0) await tx.query(lockPools, [rules.tenantId, [...tiers]]);
  if (leaving.length > 0) await tx.query(leaveQueues, [rules.tenantId, leaving.map(({ state }) => state.id)]);
  const rank = (tier: string | null | undefined) => (tier ? (rules.tier.get(tier)?.rank ?? 0) : -1);
  const lowers = (one: { state: UserState; decision: Decision }) =>
    rank(one.decision.tier) < rank(one.state.seat?.tier);
  const ordered = [...changed].sort(
    (a, b) => Number(lowers(b)) - Number(lowers(a)) || (a.state.id < b.state.id ? -1 : a.state.id > b.state.id ? 1 : 0),
  );
  for (const { state, decision } of ordered) {
    const rule = decision.kept ? "GRD-7" : (options.rule ?? (deferSeat ? "LIC-12" : "ROL-2"));
    await applyToUser(work, state, decision, { action, rule, mayRefuse: false, deferSeat });
  }
}
