/** Tag overview: the numbers of a tenant at a glance. */
import { getOverview } from "../provisioning/overview.ts";
import type { Handlers } from "./operation.ts";

export const overviewHandlers: Handlers = {
  async getOverview({ deps, ctx }) {
    return { body: await getOverview(deps, ctx) };
  },
};
