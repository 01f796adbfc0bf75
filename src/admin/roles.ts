/** Tag roles: the catalogue of roles. */
import { requireReach } from "../auth/authority.ts";
import { spellOut } from "../domain/permissions.ts";
import {
  changeRole,
  createRole,
  getRole,
  listRoles,
  type NewRole,
  type RoleChange,
  type RoleView,
  removeRole,
} from "../provisioning/roles.ts";
import type { Call, Handlers } from "./operation.ts";

export const roleHandlers: Handlers = {
  async listRoles(call) {
    const roles = await listRoles(call.deps, call.ctx);
    const show = await shower(call);
    return { body: { roles: roles.map(show) } };
  },

  async getRole(call) {
    const show = await shower(call);
    return { body: show(await getRole(call.deps, call.ctx, call.params.key!)) };
  },

  async createRole({ deps, ctx, body }) {
    return { status: 201, body: toRole(await createRole(deps, ctx, body as NewRole)) };
  },

  async changeRole({ deps, ctx, params, body }) {
    return { body: toRole(await changeRole(deps, ctx, params.key!, body as RoleChange)) };
  },

  async removeRole({ deps, ctx, params }) {
    await removeRole(deps, ctx, params.key!);
    return {};
  },
};

/** E-8: how many hold a role is a number of the whole tenant, and not for who sees the people of their teams alone. */
async function shower({ deps, ctx }: Call): Promise<(view: RoleView) => object> {
  const reach = await requireReach(deps, ctx, "roles.read", "roles.manage", "users.read");
  if (reach === null) return toRole;
  return (view) => {
    const { users: _users, ...rest } = toRole(view);
    return rest;
  };
}

/** With `*` spelled out beside it: who looks for a permission finds it. */
function toRole(view: RoleView) {
  return { ...view, permissions: spellOut(view.permissions) };
}
