/** What becomes, or would become, of one person: the decision without its writing, and how it is told. */
import { isDeepStrictEqual } from "node:util";
import { reachWithin } from "../auth/authority.ts";
import type { Executor } from "../db/database.ts";
import { shareTeam } from "../db/own-teams.ts";
import type { LicenseView } from "../db/users.ts";
import type { TenantRules } from "../domain/access.ts";
import { type Circumstances, type Decision, decideUser, type Outcome } from "../domain/decide.ts";
import type { Draft } from "../domain/draft.ts";
import type { Permission, UserState } from "../domain/model.ts";
import { holds } from "../domain/permissions.ts";
import type { Refusal } from "../domain/refusals.ts";
import { Problem } from "../problems.ts";
import { noAuthority, type Work } from "./apply.ts";
import { type Alteration, type BulkAction, bulkPermissions, planAction } from "./bulk-actions.ts";
import { differs } from "./members.ts";
import { toProblem } from "./outcome.ts";
import { draftOfState } from "./user-drafts.ts";

/** What became of one person. */
export interface BulkResult {
  readonly id: string;
  readonly userName: string | null;
  readonly outcome: "changed" | "unchanged" | "queued" | "refused" | "notFound";
  /** A sentence, where there is something to say. */
  readonly detail: string | null;
  /** The problem's code, where it was refused. */
  readonly code: string | null;
  /** The code of the rule book that explains it. */
  readonly rule: string | null;
}

/** One person's decision, before anything is written. */
export type Verdict =
  | { readonly kind: "unchanged" }
  | { readonly kind: "changes"; readonly decision: Decision }
  /** `draft`: what was refused, for the promotion request. */
  | { readonly kind: "refused"; readonly problem: Problem; readonly refusal?: Refusal; readonly draft?: Draft };

export type Decide = (
  state: UserState,
  draft: Draft,
  circumstances: Omit<Circumstances, "rules" | "now" | "otherAdmin">,
) => Promise<Exclude<Outcome, { kind: "askAdmins" }>>;

/** Why nobody may be treated so now: who asked may have lost the permission since, a role may be gone. */
export function refusalOf(
  { ctx, rules }: Pick<Work, "ctx" | "rules">,
  authority: readonly Permission[],
  action: BulkAction,
): Problem | undefined {
  try {
    reachWithin(authority, ctx.principal, bulkPermissions[action.action]);
    planAction(rules, action);
    return undefined;
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}

/**
 * E-8: of a permission for own teams, the people whom it reaches; the others look like nobody. For teams it is asked of
 * each team instead.
 */
export async function withinReach(
  executor: Executor,
  { ctx, rules }: Pick<Work, "ctx" | "rules">,
  authority: readonly Permission[],
  action: BulkAction,
  states: readonly UserState[],
): Promise<readonly UserState[]> {
  if (action.action === "addTeams" || action.action === "removeTeams") return states;
  const reach = reachWithin(authority, ctx.principal, bulkPermissions[action.action]);
  if (reach === null) return states;
  const reached: UserState[] = [];
  for (const state of states) {
    if (reach.of !== null && (await shareTeam(executor, rules.tenantId, reach.of, state.id))) reached.push(state);
  }
  return reached;
}

/** The decision about one person whom the actor names, and what of it their permissions do not allow. */
export async function judge(
  { alter, asserted, permit }: Pick<Alteration, "alter" | "asserted" | "permit">,
  state: UserState,
  authority: readonly Permission[],
  { rules, now, decide }: { readonly rules: TenantRules; readonly now: Date; readonly decide: Decide },
): Promise<Verdict> {
  const draft = alter(state);
  const isSame = isDeepStrictEqual(draft, draftOfState(state));
  if (isSame && asserted.size === 0) return { kind: "unchanged" };
  const outcome = await decide(state, draft, { direct: true, authority, approved: [], asserted });
  if (outcome.kind === "refused") {
    return { kind: "refused", problem: toProblem(outcome.refusal), refusal: outcome.refusal, draft };
  }
  if (isSame && !differs(state, outcome)) return { kind: "unchanged" };
  try {
    permit?.(rules, state, outcome, authority);
    if (movesSeat(state, outcome, rules, now)) requireLicensePermission(authority, state);
  } catch (error) {
    if (error instanceof Problem) return { kind: "refused", problem: error };
    throw error;
  }
  return { kind: "changes", decision: outcome };
}

/** LIC-11: whether the change itself, and no rule edited meanwhile, has a seat taken or freed. */
function movesSeat(state: UserState, decision: Decision, rules: TenantRules, now: Date): boolean {
  const asked = { rules, now, direct: false, ...noAuthority, otherAdmin: true };
  const unasked = decideUser(state, draftOfState(state), asked);
  return unasked.kind !== "decided" || unasked.tier !== decision.tier;
}

/** LIC-11: whether somebody's leaving frees a seat, or a place in a queue. */
export function holdsLicense({ seat, waiting, tier }: UserState): boolean {
  return seat !== null || waiting !== null || tier !== null;
}

export function requireLicensePermission(authority: readonly Permission[], { doc }: Pick<UserState, "doc">): void {
  if (holds(authority, "licenses.manage")) return;
  const detail = `This moves the license seat of ${doc.userName}, which needs the permission licenses.manage.`;
  throw new Problem("forbidden", detail, { facts: { rule: "LIC-11", permission: "licenses.manage" } });
}

export function toNotFound(id: string): BulkResult {
  return { id, userName: null, outcome: "notFound", detail: "Nobody has this id.", code: "notFound", rule: null };
}

export function toUnchanged(state: UserState): BulkResult {
  return { ...toChanged(state, null), outcome: "unchanged" };
}

export function toChanged({ id, doc }: Pick<UserState, "id" | "doc">, detail: string | null): BulkResult {
  return { id, userName: doc.userName, outcome: "changed", detail, code: null, rule: null };
}

export function toRefused(id: string, userName: string | null, { code, message, facts }: Problem): BulkResult {
  return { id, userName, outcome: "refused", detail: message, code, rule: facts.rule ?? null };
}

export function toOut({ id, doc }: Pick<UserState, "id" | "doc">): BulkResult {
  const detail = `${doc.userName} is deactivated: reactivate the user, then reset the password.`;
  return toRefused(id, doc.userName, new Problem("conflict", detail, { facts: { rule: "USR-1" } }));
}

/** LIC-3: who is due a seat that is not there yet. */
export function toQueued(
  { id, doc }: Pick<UserState, "id" | "doc">,
  rules: TenantRules,
  license: Pick<LicenseView, "tier" | "wanted" | "position">,
): BulkResult {
  const name = (tier: string | null) => (tier === null ? "" : (rules.tier.get(tier)?.name ?? tier));
  const place = license.position === null ? "" : ` at place ${license.position}`;
  const meanwhile = license.tier === null ? "" : ` and holds one of ${name(license.tier)} meanwhile`;
  const detail = `Waits for a seat of ${name(license.wanted)}${place}${meanwhile}.`;
  return { id, userName: doc.userName, outcome: "queued", detail, code: null, rule: "LIC-3" };
}

/** What somebody who was changed may wonder about. */
export function explainChange(state: UserState, decision: Decision, rules: TenantRules): string | null {
  const { draft, status } = decision;
  if (draft.suspended !== state.suspended && !draft.suspended && status === "inactive") {
    return draft.doc.active
      ? "No longer stopped, but still inactive: outside their dates, or the invitation has expired."
      : "No longer stopped, but still inactive: the client says so.";
  }
  const pinned = draft.tierPin.pinned ? draft.tierPin.value : null;
  if (pinned !== null && decision.tier === null) {
    return `Holds no seat while ${status}; a seat of ${rules.tier.get(pinned)?.name ?? pinned} is due on coming back.`;
  }
  if (decision.dropped.length > 0) return decision.dropped.map(({ detail }) => detail).join(" ");
  return null;
}
