/** Carries an action out for some people in one transaction, each by their own decision: nobody's refusal is another's. */
import { lockAuthority } from "../auth/authority.ts";
import { lockAdmins, someAdministrative } from "../db/admins.ts";
import type { Transaction } from "../db/database.ts";
import { lockPoolsOf } from "../db/user-batch.ts";
import { findUserAccounts, findUserStates, lockUsers } from "../db/users.ts";
import type { Decision } from "../domain/decide.ts";
import type { Permission, UserState } from "../domain/model.ts";
import { isUuid } from "../ids.ts";
import { Problem } from "../problems.ts";
import { decideInTransaction, needsSeat, type Work } from "./apply.ts";
import { type Alteration, type BulkAction, type BulkPlan, planAction } from "./bulk-actions.ts";
import {
  type BulkResult,
  type Decide,
  explainChange,
  holdsLicense,
  judge,
  refusalOf,
  requireLicensePermission,
  toChanged,
  toNotFound,
  toOut,
  toQueued,
  toRefused,
  toUnchanged,
  withinReach,
} from "./bulk-outcomes.ts";
import { changeTeams } from "./bulk-teams.ts";
import type { Deps, RequestContext } from "./context.ts";
import { applyAll } from "./members.ts";
import { requestResetLocked, signOutLocked } from "./sessions.ts";
import { removeLocked } from "./user-delete.ts";
import { begin, recordRefusal } from "./user-steps.ts";

/**
 * Carries the action out for these people and says of each what became of them, in their order. The actor's authority is
 * read under its lock (GRD-9). LIC-3: a full pool queues, so that one person never blocks the others.
 */
export async function applyAction(
  deps: Deps,
  ctx: RequestContext,
  tx: Transaction,
  action: BulkAction,
  ids: readonly string[],
): Promise<BulkResult[]> {
  const work: Work = { ...(await begin(deps, ctx, tx)), demoted: new Set() };
  const { tenantId } = work.rules;
  const known = ids.filter(isUuid);
  if (await someAdministrative(tx, tenantId, known)) await lockAdmins(tx, tenantId);
  const states = await findUserStates(tx, tenantId, await lockUsers(tx, tenantId, known));
  const authority = await lockAuthority(tx, ctx.principal, work.now);
  const refused = refusalOf(work, authority, action);
  const results =
    refused === undefined
      ? await carryOut(
          work,
          planAction(work.rules, action),
          await withinReach(tx, work, authority, action, states),
          authority,
        )
      : states.map(({ id, doc }) => toRefused(id, doc.userName, refused));
  const byId = new Map(results.map((result) => [result.id, result]));
  return ids.map((id) => byId.get(id.toLowerCase()) ?? toNotFound(id));
}

async function carryOut(
  work: Work,
  plan: BulkPlan,
  states: readonly UserState[],
  authority: readonly Permission[],
): Promise<BulkResult[]> {
  switch (plan.kind) {
    case "alter":
      return await alterAll(work, plan, states, authority);
    case "delete":
      return await deleteAll(work, states, authority);
    case "teams":
      return await changeTeams(work, plan, states, authority);
    case "signOut":
      await signOutLocked(work, states);
      return states.map((state) => toChanged(state, null));
    case "resetPassword":
      return await resetPasswords(work, states);
  }
}

/** who is out could not sign in with another password either. */
async function resetPasswords(work: Work, states: readonly UserState[]): Promise<BulkResult[]> {
  const { in: able = [], out = [] } = Object.groupBy(states, ({ status }) => (status === "inactive" ? "out" : "in"));
  await requestResetLocked(work, able);
  return [...able.map((state) => toChanged(state, null)), ...out.map(toOut)];
}

async function deleteAll(
  work: Work,
  states: readonly UserState[],
  authority: readonly Permission[],
): Promise<BulkResult[]> {
  const results: BulkResult[] = [];
  const { tx, rules } = work;
  const tiers = states.flatMap(({ seat, waiting }) => [seat?.tier, waiting?.tier]).filter((tier) => tier !== undefined);
  await lockPoolsOf(tx, rules.tenantId, [...new Set(tiers)]);
  // LIC-12: who waits leaves the queue first, so that nobody is given a seat on the way out.
  for (const state of states.toSorted((a, b) => Number(b.waiting !== null) - Number(a.waiting !== null))) {
    try {
      if (holdsLicense(state)) requireLicensePermission(authority, state);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      results.push(toRefused(state.id, state.doc.userName, error));
      continue;
    }
    await removeLocked(work, state);
    results.push(toChanged(state, null));
  }
  return results;
}

interface Change {
  readonly state: UserState;
  readonly decision: Decision;
}

async function alterAll(
  work: Work,
  alteration: Alteration,
  states: readonly UserState[],
  authority: readonly Permission[],
): Promise<BulkResult[]> {
  const { rules, now } = work;
  const decide: Decide = (...asked) => decideInTransaction(work, ...asked);
  const changes: Change[] = [];
  const results: BulkResult[] = [];
  for (const state of states) {
    const verdict = await judge(alteration, state, authority, { rules, now, decide });
    if (verdict.kind === "changes") changes.push({ state, decision: verdict.decision });
    else if (verdict.kind === "unchanged") results.push(toUnchanged(state));
    else {
      const { problem, refusal, draft } = verdict;
      if (refusal !== undefined && draft !== undefined) await recordRefusal(work, state, draft, refusal);
      results.push(toRefused(state.id, state.doc.userName, problem));
    }
  }
  await applyAll(work, changes, "user.changed");
  return [...results, ...(await tellChanges(work, changes))];
}

/** Who waits is known when everybody's seat has been looked at. */
async function tellChanges({ tx, rules }: Work, changes: readonly Change[]): Promise<BulkResult[]> {
  const moved = changes.filter(({ state, decision }) => decision.tier !== null && needsSeat(state, decision));
  const accounts = await findUserAccounts(
    tx,
    rules.tenantId,
    moved.map(({ state }) => state.id),
  );
  const waiting = new Map(accounts.flatMap(({ id, license }) => (license.wanted === null ? [] : [[id, license]])));
  return changes.map(({ state, decision }) => {
    const license = waiting.get(state.id);
    return license === undefined
      ? toChanged(state, explainChange(state, decision, rules))
      : toQueued(state, rules, license);
  });
}
