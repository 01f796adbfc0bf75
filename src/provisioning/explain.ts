/** Why this role, tier and team: the winning reason and the losing ones, in sentences for an IT admin. */

import type { UserView } from "../db/users.ts";
import { findUser } from "../db/users.ts";
import { type Candidate, roleCandidates, ruleTeams, tierCandidates } from "../domain/access.ts";
import { decideUser } from "../domain/decide.ts";
import type { Role } from "../domain/model.ts";
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
  readonly role: { readonly value: string; readonly reasons: readonly Reason[] };
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
  const { state, view } = stored;
  const circumstances = { rules, now: deps.clock(), direct: false, ...noAuthority, otherAdmin: true };
  const decision = decideUser(state, draftOfState(state), circumstances);
  if (decision.kind !== "decided") throw new Error("An explanation was refused.");
  const roleReasons = roleCandidates(state, rules).map((candidate): Reason => {
    const won = candidate.source === decision.roleSource && candidate.value.key === decision.role.key;
    return {
      ...describe(candidate, candidate.value.key),
      outcome: won ? "won" : outcomeOf(candidate, view),
      rule: "ROL-2",
    };
  });
  const [strongest] = tierCandidates(state, rules);
  const tierReasons = tierCandidates(state, rules).map((candidate): Reason => {
    const outcome = candidate === strongest || candidate.source === strongest?.source ? "won" : "lost";
    return { ...describe(candidate, candidate.value?.key ?? null), outcome, rule: "ROL-2" };
  });
  const byRule = ruleTeams(state.doc, rules);
  return {
    role: { value: view.role, reasons: roleReasons },
    tier: { value: state.tier, license: view.license, because: licenseSentence(view), reasons: tierReasons },
    status: { value: view.status, because: statusSentence(view, state.accepted) },
    teams: view.teams.map((team) => ({
      ...team,
      sources: [
        ...byRule.filter((one) => one.teamId === team.value).map((one) => one.source),
        ...state.bindings
          .filter((binding) => rules.entries.get(binding.entryKey)?.teamId === team.value)
          .map((binding) => `group:${binding.entryKey}|${binding.groupId}`),
      ],
    })),
  };
}

function describe<Value>(candidate: Candidate<Value>, value: string | null) {
  return { value, source: candidate.source, because: candidate.because };
}

/** GRD-4: an administrative claim stronger than the winner was withheld; whatever is weaker has simply lost. */
function outcomeOf(candidate: Candidate<Role>, view: UserView): "withheld" | "lost" {
  const order = ["pin", "words", "group", "rule", "default", "kept"];
  const rank = (source: string) => order.indexOf(source.split(":")[0] ?? source);
  return isAdministrative(candidate.value) && rank(candidate.source) <= rank(view.roleSource) ? "withheld" : "lost";
}

function licenseSentence({ license, status }: UserView): string {
  if (license.wanted !== null) {
    const kept = license.tier === null ? "" : ` and keeps the ${license.tier} seat meanwhile`;
    return `Waits for a ${license.wanted} seat at position ${license.position}${kept} (LIC-3, LIC-5).`;
  }
  if (license.tier !== null) return `Holds a ${license.tier} seat since ${license.since}.`;
  return status === "inactive" ? "Inactive users hold no seat (LIC-8)." : "No source asks for a license.";
}

function statusSentence(view: UserView, accepted: boolean): string {
  if (!view.doc.active) return "The client says active: false.";
  if (view.suspended) return "An Admin has stopped this person; only an Admin lifts that (USR-1).";
  if (view.status === "inactive")
    return "Outside the person's start and end dates, or the invitation has expired (USR-7).";
  return accepted ? "Active, and within the person's dates." : "Invited, and not accepted yet.";
}
