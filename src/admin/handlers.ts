/** All handlers, by operationId. */
import { Problem } from "../problems.ts";
import { logHandlers } from "./log.ts";
import { mappingHandlers } from "./mapping.ts";
import type { Handlers } from "./operation.ts";
import { overviewHandlers } from "./overview.ts";
import { poolHandlers } from "./pools.ts";
import { promotionHandlers } from "./promotions.ts";
import { roleHandlers } from "./roles.ts";
import { settingsHandlers } from "./settings.ts";
import { tenantHandlers } from "./tenants.ts";
import { tokenHandlers } from "./tokens.ts";
import { userHandlers } from "./users.ts";

const pending = async () => {
  throw new Problem("notImplemented", "This operation is not offered yet.");
};

export const handlers: Handlers = {
  evaluateAccess: pending,
  explainUser: pending,
  ...tenantHandlers,
  ...tokenHandlers,
  ...settingsHandlers,
  ...overviewHandlers,
  ...poolHandlers,
  ...mappingHandlers,
  ...userHandlers,
  ...roleHandlers,
  ...promotionHandlers,
  ...logHandlers,
};
