/** What can be done to many people at once: each action with its permission and what it makes of one person (E-6, A-5…A-9). */
import type { TenantRules } from "../domain/access.ts";
import type { Draft } from "../domain/draft.ts";
import type { Permission, UserState } from "../domain/model.ts";
import { Problem } from "../problems.ts";
import { toProfile } from "./profile-words.ts";
import { requireOwnPermissions } from "./user-access.ts";
import { draftOfState } from "./user-drafts.ts";
import type { Permit } from "./user-steps.ts";

/** One action with its parameters, as asked for and as kept with a job. */
export type BulkAction =
  | { readonly action: "assignLicense"; readonly params: { readonly tier: string; readonly from?: string } }
  | { readonly action: "unassignLicense" }
  | { readonly action: "setRole"; readonly params: { readonly role: string | null } }
  | { readonly action: "activate" }
  | { readonly action: "deactivate" }
  | { readonly action: "delete" }
  | { readonly action: "addTeams" | "removeTeams"; readonly params: { readonly teams: readonly string[] } }
  | { readonly action: "resetPassword" }
  | { readonly action: "signOut" }
  | { readonly action: "setCallAnalysis"; readonly params: { readonly enabled: boolean } };

export type BulkActionName = BulkAction["action"];

/**
 * Of which the caller, and later a job's originator, must hold one. Moving a seat needs `licenses.manage` besides (LIC-11);
 * which teams one may manage is asked of each team.
 */
export const bulkPermissions: Readonly<Record<BulkActionName, readonly Permission[]>> = {
  assignLicense: ["licenses.manage"],
  unassignLicense: ["licenses.manage"],
  setRole: ["users.manage"],
  activate: ["users.manage"],
  deactivate: ["users.manage"],
  delete: ["users.manage"],
  addTeams: ["teams.manage", "workspaces.manage"],
  removeTeams: ["teams.manage", "workspaces.manage"],
  resetPassword: ["users.manage"],
  signOut: ["users.manage"],
  setCallAnalysis: ["call-analysis.manage"],
};

/** An action that changes what is decided about somebody. */
export interface Alteration {
  readonly kind: "alter";
  readonly alter: (state: UserState) => Draft;
  /** Sources that the action states outright (domain/promotion). */
  readonly asserted: ReadonlySet<string>;
  readonly permit?: Permit;
}

/** people into teams by hand, or out of them. */
export interface TeamsPlan {
  readonly kind: "teams";
  readonly verb: "add" | "remove";
  readonly teams: readonly string[];
}

/** What an action means under the tenant's rules of this moment. */
export type BulkPlan = Alteration | TeamsPlan | { readonly kind: "delete" | "resetPassword" | "signOut" };

/** Problems: unknownRole, unknownTier. */
export function planAction(rules: TenantRules, action: BulkAction): BulkPlan {
  switch (action.action) {
    case "assignLicense":
      requireTier(rules, action.params.tier);
      return changing(() => ({ tierPin: { pinned: true, value: action.params.tier } }));
    case "unassignLicense":
      return changing(() => ({ tierPin: { pinned: true, value: null } }));
    case "setRole": {
      const { role } = action.params;
      const change = changing(() => ({ rolePin: role }));
      if (role === null) return change;
      requireRole(rules, role);
      return { ...change, asserted: new Set(["pin"]), permit: requireOwnPermissions };
    }
    case "activate":
      return changing(() => ({ suspended: false }));
    case "deactivate":
      return changing(() => ({ suspended: true }));
    case "setCallAnalysis":
      return changing(({ doc }) => ({ doc: toProfile({ callAnalysis: action.params.enabled })(doc) }));
    case "addTeams":
      return { kind: "teams", verb: "add", teams: action.params.teams };
    case "removeTeams":
      return { kind: "teams", verb: "remove", teams: action.params.teams };
    case "delete":
    case "resetPassword":
    case "signOut":
      return { kind: action.action };
  }
}

function changing(change: (state: UserState) => Partial<Draft>): Alteration {
  return { kind: "alter", asserted: new Set(), alter: (state) => ({ ...draftOfState(state), ...change(state) }) };
}

function requireRole(rules: TenantRules, role: string): void {
  if (rules.role.has(role)) return;
  const known = rules.roles.map(({ key }) => key).join(", ");
  throw new Problem("unknownRole", `There is no role "${role}". Known roles: ${known}.`, {
    facts: { rule: "ROL-2", attribute: "params.role" },
  });
}

function requireTier(rules: TenantRules, tier: string): void {
  if (rules.tier.has(tier)) return;
  const known = rules.tiers.map(({ key }) => key).join(", ");
  throw new Problem("unknownTier", `There is no tier "${tier}". Known tiers: ${known}.`, {
    facts: { rule: "LIC-10", attribute: "params.tier" },
  });
}
