/** A tenant's numbers at a glance (P-1, E-1, A-2), as far as the caller may see them. */
import { findAuthority } from "../auth/authority.ts";
import { countOpenPromotions } from "../db/promotions-list.ts";
import { countUsersAndSeats, type UserNumbers } from "../db/user-numbers.ts";
import { type Amount, sumByCurrency } from "../domain/billing.ts";
import { holds } from "../domain/permissions.ts";
import type { Deps, RequestContext } from "./context.ts";
import { monthlyCostOfPool, type Pool, seesPrices, toPool } from "./pools.ts";
import { getTenant } from "./tenants.ts";

export interface Overview {
  readonly users: UserNumbers;
  /** Absent for whoever may not see pools. */
  readonly pools?: readonly Pool[];
  /** What all pools cost each month, by currency. Absent for whoever may not see prices. */
  readonly monthlyCosts?: readonly Amount[];
  readonly openPromotions: number;
  readonly withoutAdmin: boolean;
}

export async function getOverview(deps: Deps, ctx: RequestContext): Promise<Overview> {
  const { tenantId } = ctx.principal;
  const [held, { users, pools }, openPromotions, { withoutAdmin }] = await Promise.all([
    findAuthority(deps.db, ctx.principal, deps.clock()),
    countUsersAndSeats(deps.db, tenantId),
    countOpenPromotions(deps.db, tenantId),
    getTenant(deps, tenantId),
  ]);
  const costs = pools.map((pool) => ({ currency: pool.currency, cost: monthlyCostOfPool(pool) }));
  return {
    users,
    ...(holds(held, "licenses.read") ? { pools: pools.map((pool) => toPool(pool, held)) } : {}),
    ...(seesPrices(held) ? { monthlyCosts: sumByCurrency(costs) } : {}),
    openPromotions,
    withoutAdmin,
  };
}
