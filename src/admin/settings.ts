/** Tag settings: how strict the tenant's rules are. */
import type { Settings } from "../domain/model.ts";
import { changeSettings, getSettings } from "../provisioning/settings.ts";
import { requireForSeats } from "./license-permission.ts";
import type { Handlers } from "./operation.ts";

export const settingsHandlers: Handlers = {
  async getSettings({ deps, ctx }) {
    return { body: await getSettings(deps, ctx) };
  },

  async changeSettings(call) {
    const change = call.body as Partial<Settings>;
    if (change.pendingHoldsSeat !== undefined) await requireForSeats(call);
    return { body: await changeSettings(call.deps, call.ctx, change) };
  },
};
