/** Tag me: what a person sees and changes of themselves, with a token that acts for them. */
import { Problem } from "../problems.ts";
import type { RequestContext } from "../provisioning/context.ts";
import { changeOwnProfile } from "../provisioning/profile.ts";
import type { ProfileWords } from "../provisioning/profile-words.ts";
import { getAccount } from "../provisioning/users.ts";
import type { Handlers } from "./operation.ts";
import { showUser } from "./user-shape.ts";

export const meHandlers: Handlers = {
  async getMe(call) {
    return { body: await showUser(call, await getAccount(call.deps, call.ctx, personOf(call.ctx))) };
  },

  async changeMe(call) {
    const { deps, ctx, body } = call;
    return { body: await showUser(call, await changeOwnProfile(deps, ctx, personOf(ctx), body as ProfileWords)) };
  },
};

function personOf({ principal }: RequestContext): string {
  if (typeof principal.person === "string") return principal.person;
  throw new Problem("notFound", `The token "${principal.label}" acts for nobody: mint one with a userId.`);
}
