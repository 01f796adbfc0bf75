/** least privilege. Whether a role is above what somebody's sources or their use call for. */
import { roleCandidates, type TenantRules } from "./access.ts";
import type { Role, UserState } from "./model.ts";
import { isAdministrative } from "./permissions.ts";

export interface PrivilegeFacts {
  readonly state: Pick<UserState, "doc" | "rolePin" | "tierPin" | "bindings" | "role" | "roleSource" | "grants">;
  /** Whether the person has not been seen for as long as the report asks. */
  readonly unseenDays: number | null;
}

export interface PrivilegeReason {
  /** `pinnedAbove`: an Admin gave more than the sources do; `kept`: nobody else is Admin; `unused`: not seen. */
  readonly code: "pinnedAbove" | "kept" | "unused";
  /** One sentence for whoever reviews. */
  readonly because: string;
}

export interface PrivilegeFinding {
  /** What the person would hold without the pin. */
  readonly sourcedRole: string;
  readonly reasons: readonly PrivilegeReason[];
}

/** What speaks against the role that somebody holds; no reasons: nothing does. */
export function findExcess({ state, unseenDays }: PrivilegeFacts, rules: TenantRules): PrivilegeFinding {
  const held = rules.role.get(state.role);
  const sourced = sourcedRole(state, rules);
  const reasons: PrivilegeReason[] = [];
  if (held === undefined) return { sourcedRole: sourced.key, reasons };
  if (state.roleSource === "pin" && held.rank > sourced.rank) {
    const because = `An Admin pinned "${held.name}"; groups, rules and the client's words give "${sourced.name}".`;
    reasons.push({ code: "pinnedAbove", because });
  }
  if (state.roleSource === "kept") {
    const because = `"${held.name}" is kept because nobody else is Admin; the sources give "${sourced.name}".`;
    reasons.push({ code: "kept", because });
  }
  if (unseenDays !== null && isElevated(held, rules)) {
    const what = isAdministrative(held) ? "administrative" : "above the default role";
    const because = `"${held.name}" is ${what}, and the person has not been seen for ${unseenDays} days.`;
    reasons.push({ code: "unused", because });
  }
  return { sourcedRole: sourced.key, reasons };
}

/** Whether a role is more than what everybody gets. */
export function isElevated(role: Role, rules: TenantRules): boolean {
  const fallback = rules.role.get(rules.mapping.defaults.role);
  return isAdministrative(role) || role.rank > (fallback?.rank ?? 0);
}

/** The strongest claim without the pin that takes effect: an administrative one needs a grant of its own (GRD-5). */
function sourcedRole(state: PrivilegeFacts["state"], rules: TenantRules): Role {
  const candidates = roleCandidates({ ...state, rolePin: null }, rules);
  const granted = (role: Role, source: string) =>
    state.grants.some((grant) => grant.role === role.key && grant.source === source);
  const found = candidates.find(({ value, source }) => !isAdministrative(value) || granted(value, source));
  return (found ?? candidates.at(-1)!).value;
}
