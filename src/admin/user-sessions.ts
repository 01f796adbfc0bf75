/** Tag users: passwords and sessions. Whoever acts on themselves needs less. */
import { requirePermission } from "../auth/authority.ts";
import { requestPasswordReset, setPassword, signOut } from "../provisioning/sessions.ts";
import type { Call, Handlers } from "./operation.ts";
import { showUser } from "./user-shape.ts";

export const userSessionHandlers: Handlers = {
  async setUserPassword(call) {
    const { deps, ctx, params, body } = call;
    await requireForOthers(call);
    const { password } = body as { password: string };
    return { body: await showUser(call, await setPassword(deps, ctx, params.id!, password)) };
  },

  async resetUserPassword(call) {
    await requireForOthers(call);
    return { body: await showUser(call, await requestPasswordReset(call.deps, call.ctx, call.params.id!)) };
  },

  async signOutUser(call) {
    await requireForOthers(call);
    return { body: await showUser(call, await signOut(call.deps, call.ctx, call.params.id!)) };
  },
};

/** Before a password is hashed, or compared with what is stored: the use cases ask again in their transactions. */
async function requireForOthers({ deps, ctx, params }: Call): Promise<void> {
  if (ctx.principal.person !== params.id!.toLowerCase()) await requirePermission(deps, ctx, "users.manage");
}
