/** Tag roles: the permissions that a role may hold. */
import { listPermissions } from "../provisioning/permissions.ts";
import type { Handlers } from "./operation.ts";

export const permissionHandlers: Handlers = {
  async listPermissions({ deps, ctx }) {
    return { body: { permissions: await listPermissions(deps, ctx) } };
  },
};
