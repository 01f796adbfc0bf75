/** Tag tenants: the operator's side. */
import { operator } from "../auth/principal.ts";
import {
  changeTenant,
  createTenant,
  deleteTenant,
  getTenant,
  listTenants,
  type NewTenant,
  type Recovery,
  recoverTenant,
  type TenantChange,
} from "../provisioning/tenants.ts";
import { readPage } from "./cursor.ts";
import type { Handlers } from "./operation.ts";
import { showUser } from "./user-shape.ts";

export const tenantHandlers: Handlers = {
  async listTenants(call) {
    const read = (after: string | null, limit: number) => listTenants(call.deps, after ?? "", limit);
    const { rows: tenants, nextCursor } = await readPage(call, read, (tenant) => tenant.slug);
    return { body: { tenants, nextCursor } };
  },

  async createTenant({ deps, ctx, body }) {
    const { tenant, adminToken } = await createTenant(deps, ctx, body as NewTenant);
    return { status: 201, body: { ...tenant, adminToken } };
  },

  async getTenant({ deps, params }) {
    return { body: await getTenant(deps, params.id!) };
  },

  async changeTenant({ deps, ctx, params, body }) {
    return { body: await changeTenant(deps, ctx, params.id!, body as TenantChange) };
  },

  async deleteTenant({ deps, params }) {
    await deleteTenant(deps, params.id!);
    return {};
  },

  async recoverTenant({ deps, ctx, params, body }) {
    const { user, adminToken } = await recoverTenant(deps, ctx, params.id!, (body ?? {}) as Recovery);
    const within = { deps, ctx: { ...ctx, principal: operator(params.id!) } };
    return { body: { user: user && (await showUser(within, user)), adminToken } };
  },
};
