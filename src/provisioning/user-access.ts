/** What the management side sets over a client's words: pins of role and tier, and the stop that only it lifts. */
import type { UserAccount } from "../db/users.ts";
import type { TenantRules } from "../domain/access.ts";
import type { Decision } from "../domain/decide.ts";
import type { Draft } from "../domain/draft.ts";
import type { Permission, Pin, UserState } from "../domain/model.ts";
import { isReserved, missing } from "../domain/permissions.ts";
import { Problem } from "../problems.ts";
import type { Deps, RequestContext } from "./context.ts";
import { alterUser } from "./user-change.ts";
import { draftOfState } from "./user-drafts.ts";

export interface AccessChange {
  /** A role's key to pin, null to unpin. */
  readonly role?: string | null;
  /** A tier's key to pin, `none` for a pin to no license, null to unpin. */
  readonly tier?: string | null;
  /** USR-1: a stop that only an Admin lifts. */
  readonly suspended?: boolean;
}

/** ROL-2: pins role or tier, unpins them, stops a person or lifts the stop. The caller's permission is checked outside. */
export async function changeAccess(
  deps: Deps,
  ctx: RequestContext,
  id: string,
  change: AccessChange,
): Promise<UserAccount> {
  requireKnown(await deps.rules.current(deps.db, ctx.principal.tenantId), change);
  const alter = (state: UserState) => withAccess(draftOfState(state), change);
  const permit = typeof change.role === "string" ? requireOwnPermissions : undefined;
  const options = { asserted: assertedBy(change), ...(permit === undefined ? {} : { force: true, permit }) };
  return await alterUser(deps, ctx, id, alter, options);
}

/** Problems: unknownRole, unknownTier. */
export function requireKnown(rules: TenantRules, { role, tier }: AccessChange): void {
  if (typeof role === "string" && !rules.role.has(role)) {
    const known = rules.roles.map((one) => one.key).join(", ");
    throw new Problem("unknownRole", `There is no role "${role}". Known roles: ${known}.`, {
      facts: { rule: "ROL-2" },
    });
  }
  if (typeof tier === "string" && tier !== "none" && !rules.tier.has(tier)) {
    const known = rules.tiers.map((one) => one.key).join(", ");
    throw new Problem("unknownTier", `There is no tier "${tier}". Known tiers: ${known}, or "none".`, {
      facts: { rule: "LIC-10" },
    });
  }
}

/** The draft with the pins and the stop that the change names. */
export function withAccess(draft: Draft, change: AccessChange): Draft {
  return {
    ...draft,
    rolePin: change.role === undefined ? draft.rolePin : change.role,
    tierPin: change.tier === undefined ? draft.tierPin : toPin(change.tier),
    suspended: change.suspended ?? draft.suspended,
  };
}

/** A role that is pinned is stated outright, also where it was pinned before (domain/promotion). */
export function assertedBy({ role }: AccessChange): ReadonlySet<string> {
  return new Set(typeof role === "string" ? ["pin"] : []);
}

/** ROL-5: persons and tokens grant only permissions that they hold themselves. Of reserved ones the guard speaks. */
export function requireOwnPermissions(
  rules: TenantRules,
  before: UserState | null,
  decision: Decision,
  held: readonly Permission[],
) {
  const had = before === null ? [] : (rules.role.get(before.role)?.permissions ?? []);
  const beyond = missing(held, missing(had, decision.role.permissions)).filter((name) => !isReserved(name));
  if (beyond.length === 0) return;
  const detail = `You cannot give "${decision.role.name}": it holds ${beyond.join(", ")}, which you do not.`;
  throw new Problem("forbidden", detail, { facts: { rule: "ROL-5", role: decision.role.key } });
}

function toPin(tier: string | null): Pin<string | null> {
  if (tier === null) return { pinned: false };
  return { pinned: true, value: tier === "none" ? null : tier };
}

/** Pins a role: what the operator does to appoint an Admin (GRD-7). */
export async function pinRole(deps: Deps, ctx: RequestContext, id: string, role: string): Promise<UserAccount> {
  return await changeAccess(deps, ctx, id, { role });
}
