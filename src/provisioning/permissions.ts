/** The catalogue of permissions, as whoever makes a role chooses from it (ROL-5). */
import { findAuthority } from "../auth/authority.ts";
import type { TenantRules } from "../domain/access.ts";
import type { Permission } from "../domain/model.ts";
import {
  everyPermission,
  type PermissionKind,
  permissionCatalogue,
  type Reach,
  reachOf,
  withoutLimit,
} from "../domain/permissions.ts";
import type { Deps, RequestContext } from "./context.ts";

export interface PermissionView extends Omit<PermissionKind, "description"> {
  /** Null for one that the product made up. */
  readonly description: string | null;
  /** Tiers that carry it: it comes with their license then, and putting it into a role has no effect (LIC-9). */
  readonly tiers: readonly string[];
  /** How far the caller holds it: nobody puts into a role what they do not hold themselves. */
  readonly held: Reach;
}

/** What Usher knows by name, then what this tenant's roles and tiers hold besides, for the product to ask about. */
export async function listPermissions(deps: Deps, ctx: RequestContext): Promise<PermissionView[]> {
  const rules = await deps.rules.current(deps.db, ctx.principal.tenantId);
  const held = await findAuthority(deps.db, ctx.principal, deps.clock());
  const own = ownOf(rules).map((name) => ({ name, reserved: false, limitable: true, description: null }));
  return [...permissionCatalogue, ...own].map((kind) => ({
    ...kind,
    tiers: rules.tiers.filter((tier) => tier.permissions.includes(kind.name)).map((tier) => tier.key),
    held: reachOf(held, [kind.name]),
  }));
}

function ownOf({ roles, tiers }: TenantRules): Permission[] {
  const named = [...roles, ...tiers].flatMap(({ permissions }) => permissions.map(withoutLimit));
  const known = new Set([everyPermission, ...permissionCatalogue.map(({ name }) => name)]);
  return [...new Set(named)].filter((name) => !known.has(name)).toSorted();
}
