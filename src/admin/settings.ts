/** Tag settings: how strict the tenant's rules are. */
import type { Settings } from "../domain/model.ts";
import { changeSettings, getSettings } from "../provisioning/settings.ts";
import type { Handlers } from "./operation.ts";

export const settingsHandlers: Handlers = {
  async getSettings({ deps, ctx }) {
    return { body: await getSettings(deps, ctx) };
  },

  async changeSettings({ deps, ctx, body }) {
    return { body: await changeSettings(deps, ctx, body as Partial<Settings>) };
  },
};
