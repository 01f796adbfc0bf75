/** Tag invitations: people who are invited or added, and who accept. */
import {
  type Acceptance,
  acceptInvitation,
  type Invite,
  inviteUser,
  type Renewal,
  renewInvitation,
} from "../provisioning/invitations.ts";
import type { Call, Handlers } from "./operation.ts";
import { showUser } from "./user-shape.ts";

export const invitationHandlers: Handlers = {
  async inviteUser(call) {
    const invited = await inviteUser(call.deps, call.ctx, call.body as Invite);
    return { status: 201, body: await showInvited(call, invited) };
  },

  async resendInvitation(call) {
    const invited = await renewInvitation(call.deps, call.ctx, call.params.id!, call.body as Renewal);
    return { body: await showInvited(call, invited) };
  },

  async acceptInvitation({ deps, ctx, body }) {
    const { id, doc, status, role } = await acceptInvitation(deps, ctx, body as Acceptance);
    return { body: { id, userName: doc.userName, status, role } };
  },
};

async function showInvited(call: Call, { user, token }: Awaited<ReturnType<typeof inviteUser>>) {
  return { ...(await showUser(call, user)), invitationToken: token };
}
