/** Tag overview: the numbers of a tenant at a glance. */
import { countOpenPromotions } from "../db/promotions-list.ts";
import { countUserNumbers } from "../db/user-list.ts";
import { listPools } from "../provisioning/pools.ts";
import { getTenant } from "../provisioning/tenants.ts";
import type { Handlers } from "./operation.ts";

export const overviewHandlers: Handlers = {
  async getOverview({ deps, ctx }) {
    const { tenantId } = ctx.principal;
    const [users, pools, openPromotions, tenant] = await Promise.all([
      countUserNumbers(deps.db, tenantId),
      listPools(deps, ctx),
      countOpenPromotions(deps.db, tenantId),
      getTenant(deps, tenantId),
    ]);
    return { body: { users, pools, openPromotions, withoutAdmin: tenant.withoutAdmin } };
  },
};
