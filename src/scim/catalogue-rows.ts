/** The rows of /Roles and /Entitlements: the tenant's roles and license tiers, as the asking credential may know them. */
import { findAuthority } from "../auth/authority.ts";
import { listPoolRows } from "../db/pools.ts";
import { listRoleRows } from "../db/roles.ts";
import { holds, isAdministrative, missing, reservedOf } from "../domain/permissions.ts";
import { contextOf, type Scope } from "./scope.ts";

/** Attributes of draft-ietf-scim-roles-entitlements-01; what does not apply or may not be seen is absent. */
export interface CatalogueRow {
  readonly [attribute: string]: string | boolean | number;
  readonly value: string;
  readonly display: string;
  readonly type: string;
  readonly primary: boolean;
  readonly supported: boolean;
  readonly limitedAssignmentsPermitted: boolean;
}

/**
 * `supported`: the draft wants to spare clients errors that can be foreseen, and giving somebody a role beyond the
 * credential's own authority is refused (ROL-5, GRD-1). So an administrative role is supported for those alone who may
 * grant it, and its `type` tells everybody why. `primary` is the role of those for whom nothing names another.
 */
export async function readRoles(scope: Scope): Promise<CatalogueRow[]> {
  const { db, tenantId, rules, authority } = await readFacts(scope);
  const mayCount = holds(authority, "users.read");
  const holders = new Map(mayCount ? (await listRoleRows(db, tenantId)).map(({ key, users }) => [key, users]) : []);
  return rules.roles.map((role) => ({
    value: role.key,
    display: role.name,
    type: isAdministrative(role) ? "administrative" : "standard",
    primary: role.key === rules.mapping.defaults.role,
    supported: missing(authority, reservedOf(role)).length === 0,
    limitedAssignmentsPermitted: false,
    ...(mayCount ? { totalAssignmentsUsed: holders.get(role.key) ?? 0 } : {}),
  }));
}

/** A tier is `supported` also while its pool is full: who asks for it then waits, or is told so by the pool's own rule (LIC-3). */
export async function readTiers(scope: Scope): Promise<CatalogueRow[]> {
  const { db, tenantId, rules, authority } = await readFacts(scope);
  const pools = holds(authority, "licenses.read") ? await listPoolRows(db, tenantId) : [];
  const pool = new Map(pools.map((row) => [row.tier, row]));
  return rules.tiers.map((tier) => {
    const counted = pool.get(tier.key);
    return {
      value: tier.key,
      display: tier.name,
      type: "license",
      primary: tier.key === rules.mapping.defaults.tier,
      supported: true,
      limitedAssignmentsPermitted: !tier.unlimited,
      ...(counted === undefined || tier.unlimited ? {} : { totalAssignmentsPermitted: counted.purchased }),
      ...(counted === undefined ? {} : { totalAssignmentsUsed: counted.used }),
    };
  });
}

async function readFacts(scope: Scope) {
  const { db, clock, rules: store } = scope.deps;
  const { principal } = contextOf(scope);
  // As of now: a role that somebody just made is there, whichever process made it.
  const rules = await store.current(db, principal.tenantId);
  const authority = await findAuthority(db, principal, clock());
  return { db, tenantId: principal.tenantId, rules, authority };
}
