/** A dry run of an action: the same decisions, written nowhere, and seats counted in memory. */
import { findAuthority } from "../auth/authority.ts";
import { otherAdminExists } from "../db/admins.ts";
import type { Transaction } from "../db/database.ts";
import { findUserStates } from "../db/users.ts";
import { type Decision, decideUser } from "../domain/decide.ts";
import type { Json, JsonObject, Permission, UserState } from "../domain/model.ts";
import { isUuid } from "../ids.ts";
import { Problem } from "../problems.ts";
import { needsSeat, type Work } from "./apply.ts";
import { type Alteration, type BulkAction, planAction } from "./bulk-actions.ts";
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
import { countSeats, type SeatCounts, SeatForecast } from "./bulk-seats.ts";
import { previewTeams } from "./bulk-teams.ts";
import type { Deps, RequestContext } from "./context.ts";
import { begin } from "./user-steps.ts";

/** What one step of a dry run leaves to the next. */
export interface PreviewMemo {
  /** Seats before the first step, and as they would be now. */
  readonly before: SeatCounts;
  readonly after: SeatCounts;
  /** GRD-7: Admins who would be demoted by now. */
  readonly demoted: readonly string[];
}

export async function beginPreview(tx: Transaction, tenantId: string, memo: JsonObject | null): Promise<PreviewMemo> {
  if (memo !== null) return memo as unknown as PreviewMemo;
  const seats = await countSeats(tx, tenantId);
  return { before: seats, after: seats, demoted: [] };
}

export function toMemo(memo: PreviewMemo): JsonObject {
  return { ...memo } as unknown as { [name: string]: Json };
}

/** What would become of these people, after those of the steps before. */
export async function previewAction(
  deps: Deps,
  ctx: RequestContext,
  tx: Transaction,
  action: BulkAction,
  ids: readonly string[],
  earlier: PreviewMemo,
): Promise<{ results: BulkResult[]; memo: PreviewMemo }> {
  const demoted = new Set(earlier.demoted);
  const work: Work = { ...(await begin(deps, ctx, tx)), demoted };
  const { rules, now } = work;
  const states = await findUserStates(tx, rules.tenantId, ids.filter(isUuid));
  const authority = await findAuthority(tx, ctx.principal, now);
  const seats = new SeatForecast(rules, earlier.after);
  const refused = refusalOf(work, authority, action);
  const results =
    refused === undefined
      ? await previewAll(work, action, await withinReach(tx, work, authority, action, states), authority, seats)
      : states.map(({ id, doc }) => toRefused(id, doc.userName, refused));
  const byId = new Map(results.map((result) => [result.id, result]));
  return {
    results: ids.map((id) => byId.get(id.toLowerCase()) ?? toNotFound(id)),
    memo: { before: earlier.before, after: seats.counts(), demoted: [...demoted] },
  };
}

async function previewAll(
  work: Work,
  action: BulkAction,
  states: readonly UserState[],
  authority: readonly Permission[],
  seats: SeatForecast,
): Promise<BulkResult[]> {
  const plan = planAction(work.rules, action);
  switch (plan.kind) {
    case "alter":
      return await previewAlteration(work, plan, states, authority, seats);
    case "delete":
      return states.map((state) => previewDeletion(state, authority, seats));
    case "teams":
      return await previewTeams(work, plan, states, authority);
    case "signOut":
      return states.map((state) => toChanged(state, null));
    case "resetPassword":
      return states.map((state) => (state.status === "inactive" ? toOut(state) : toChanged(state, null)));
  }
}

function previewDeletion(state: UserState, authority: readonly Permission[], seats: SeatForecast): BulkResult {
  try {
    if (holdsLicense(state)) requireLicensePermission(authority, state);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return toRefused(state.id, state.doc.userName, error);
  }
  seats.settle({ ...seatOf(state), due: null });
  return toChanged(state, null);
}

async function previewAlteration(
  work: Work,
  alteration: Alteration,
  states: readonly UserState[],
  authority: readonly Permission[],
  seats: SeatForecast,
): Promise<BulkResult[]> {
  const { rules, now } = work;
  const decide = decidePurely(work);
  const changes: { state: UserState; decision: Decision }[] = [];
  const results: BulkResult[] = [];
  for (const state of states) {
    const verdict = await judge(alteration, state, authority, { rules, now, decide });
    if (verdict.kind === "changes") changes.push({ state, decision: verdict.decision });
    else if (verdict.kind === "unchanged") results.push(toUnchanged(state));
    else results.push(toRefused(state.id, state.doc.userName, verdict.problem));
  }
  // LIC-12: who gives a seat back, or steps down, comes first, as in applyAll.
  const rank = (tier: string | null | undefined) => (tier ? (rules.tier.get(tier)?.rank ?? 0) : -1);
  const lowers = ({ state, decision }: { state: UserState; decision: Decision }) =>
    Number(rank(decision.tier) < rank(state.seat?.tier));
  for (const { state, decision } of changes.sort((a, b) => lowers(b) - lowers(a))) {
    const license = needsSeat(state, decision)
      ? seats.settle({ ...seatOf(state), due: decision.tier })
      : { tier: state.seat?.tier ?? null, wanted: null };
    results.push(
      license.wanted === null
        ? toChanged(state, explainChange(state, decision, rules))
        : toQueued(state, rules, { ...license, position: null }),
    );
  }
  return results;
}

/** Without the lock on Admins: what is only looked at needs no last word. */
export function decidePurely({ tx, rules, now, demoted = new Set() }: Work): Decide {
  return async (before, draft, circumstances) => {
    const asked = { ...circumstances, rules, now };
    const outcome = decideUser(before, draft, { ...asked, otherAdmin: undefined });
    if (outcome.kind !== "askAdmins") return outcome;
    const otherAdmin = await otherAdminExists(tx, rules, [before.id, ...demoted], now);
    const again = decideUser(before, draft, { ...asked, otherAdmin });
    if (again.kind === "askAdmins") throw new Error("The decision asked twice whether another Admin exists.");
    if (again.kind === "decided") demoted.add(before.id);
    return again;
  };
}

export function seatOf({ seat, waiting }: UserState): { held: string | null; queued: string | null } {
  return { held: seat?.tier ?? null, queued: waiting?.tier ?? null };
}
