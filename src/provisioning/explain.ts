/** Why this role, tier and team: the winning reason and the losing ones, in sentences for an IT admin. */

import { findUser, type UserAccount, type UserView } from "../db/users.ts";
import { type Candidate, roleCandidates, type TenantRules, tierCandidates } from "../domain/access.ts";
import { type Decision, decideUser } from "../domain/decide.ts";
import type { Role, UserState } from "../domain/model.ts";
import { isAdministrative } from "../domain/permissions.ts";
import { noAuthority } from "./apply.ts";
import type { Deps, RequestContext } from "./context.ts";
import { draftOfState, isUuid, noUser } from "./users.ts";

export interface Reason {
  readonly value: string | null;
  readonly source: string;
  readonly because: string;
  /** `won`: takes effect; `withheld`: would, but nobody with authority has allowed it; `lost`: a stronger source won. */
  readonly outcome: "won" | "withheld" | "lost";
  readonly rule: string;
}

export interface Explanation {
  /** `upToDate` is false while an edit of the rules has not reached this user yet. */
  readonly role: { readonly value: string; readonly upToDate: boolean; readonly reasons: readonly Reason[] };
  readonly tier: {
    readonly value: string | null;
    readonly license: UserView["license"];
    readonly because: string;
    readonly reasons: readonly Reason[];
  };
  readonly status: { readonly value: string; readonly because: string };
  readonly teams: readonly {
    readonly value: string;
    readonly display: string;
    readonly kind: string;
    readonly sources: readonly string[];
  }[];
}

/** Explains one user by the rules and facts of now. Problem: notFound. */
export async function explainUser(deps: Deps, ctx: RequestContext, id: string): Promise<Explanation> {
  const { tenantId } = ctx.principal;
  const rules = await deps.rules.current(deps.db, tenantId);
  const stored = isUuid(id) ? await findUser(deps.db, tenantId, id) : undefined;
  if (stored === undefined) throw noUser(id);
  const { state, view, teamSources } = stored;
  const circumstances = { rules, now: deps.clock(), direct: false, ...noAuthority, otherAdmin: true };
  const decision = decideUser(state, draftOfState(state), circumstances);
  if (decision.kind !== "decided") throw new Error("An explanation was refused.");
  const named = new Map(view.groups.map((group) => [group.value, group.display]));
  const tiers = tierCandidates(state, rules);
  return {
    role: {
      value: view.role,
      upToDate: view.role === decision.role.key,
      reasons: roleReasons(state, decision, rules, named),
    },
    tier: {
      value: state.tier,
      license: view.license,
      because: licenseSentence(view),
      reasons: tiers.map((candidate, index) => ({
        ...describe(candidate, candidate.value?.key ?? null, named),
        outcome: index === 0 ? "won" : "lost",
        rule: "ROL-2",
      })),
    },
    status: { value: view.status, because: statusSentence(view, state.accepted) },
    teams: view.teams.map((team) => ({ ...team, sources: teamSources.get(team.value) ?? [] })),
  };
}

/** The claims in their order: whatever stands before the winner was withheld (GRD-4), whatever comes after has lost. */
function roleReasons(
  state: UserState,
  decision: Decision,
  rules: TenantRules,
  named: ReadonlyMap<string, string>,
): Reason[] {
  const candidates = roleCandidates(state, rules);
  const winner = candidates.findIndex(
    (one) => one.source === decision.roleSource && one.value.key === decision.role.key,
  );
  const isWithheld = (candidate: Candidate<Role>, index: number) =>
    winner === -1 ? isAdministrative(candidate.value) : index < winner;
  const reasons = candidates.map((candidate, index): Reason => {
    const described = describe(candidate, candidate.value.key, named);
    if (index === winner) return { ...described, outcome: "won", rule: "ROL-2" };
    if (!isWithheld(candidate, index)) return { ...described, outcome: "lost", rule: "ROL-2" };
    const because = `${described.because} It is administrative, and nobody with authority has allowed it: see the promotion requests.`;
    return { ...described, because, outcome: "withheld", rule: "GRD-4" };
  });
  if (winner !== -1) return reasons;
  const because = "Nobody else is Admin of this tenant, so the role stays.";
  return [
    { value: decision.role.key, source: decision.roleSource, because, outcome: "won", rule: "GRD-7" },
    ...reasons,
  ];
}

/** A claim in one sentence; a group by its name, where the user is in it. */
function describe<Value>(candidate: Candidate<Value>, value: string | null, named: ReadonlyMap<string, string>) {
  const { source, because } = candidate;
  const group = candidate.kind === "group" ? named.get(source.slice(source.lastIndexOf("|") + 1)) : undefined;
  return {
    value,
    source,
    because: group === undefined ? because : because.replace("of the group", `of the group "${group}"`),
  };
}

function licenseSentence({ license, status }: UserView): string {
  if (license.wanted !== null) {
    const kept = license.tier === null ? "" : ` and keeps the ${license.tier} seat meanwhile`;
    return `Waits for a ${license.wanted} seat at position ${license.position}${kept} (LIC-3, LIC-5).`;
  }
  if (license.tier !== null) return `Holds a ${license.tier} seat since ${license.since}.`;
  return status === "inactive" ? "Inactive users hold no seat (LIC-8)." : "No source asks for a license.";
}

function statusSentence(view: UserAccount, accepted: boolean): string {
  if (!view.doc.active) return "The client says active: false.";
  if (view.suspended) return "An Admin has stopped this person; only an Admin lifts that (USR-1).";
  if (view.status === "inactive")
    return "Outside the person's start and end dates, or the invitation has expired (USR-7).";
  return accepted ? "Active, and within the person's dates." : "Invited, and not accepted yet.";
}
