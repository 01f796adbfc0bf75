/** Tag roles: the catalogue of roles. */
import { spellOut } from "../domain/permissions.ts";
import {
  changeRole,
  createRole,
  listRoles,
  type NewRole,
  type RoleChange,
  type RoleView,
  removeRole,
} from "../provisioning/roles.ts";
import type { Handlers } from "./operation.ts";

export const roleHandlers: Handlers = {
  async listRoles({ deps, ctx }) {
    const roles = await listRoles(deps, ctx);
    return { body: { roles: roles.map(toRole) } };
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

/** With `*` spelled out beside it: who looks for a permission finds it. */
function toRole(view: RoleView) {
  return { ...view, permissions: spellOut(view.permissions) };
}
