/** All handlers, by operationId. */
import { Problem } from "../problems.ts";
import { logHandlers } from "./log.ts";
import { mappingHandlers } from "./mapping.ts";
import type { Handlers } from "./operation.ts";
import { overviewHandlers } from "./overview.ts";
import { poolHandlers } from "./pools.ts";
import { tenantHandlers } from "./tenants.ts";
import { tokenHandlers } from "./tokens.ts";
import { userHandlers } from "./users.ts";

const pending = async () => {
  throw new Problem("notImplemented", "This operation is not offered yet.");
};

export const handlers: Handlers = {
  evaluateAccess: pending,
  getSettings: pending,
  changeSettings: pending,
  explainUser: pending,
  listRoles: pending,
  createRole: pending,
  changeRole: pending,
  removeRole: pending,
  listPromotions: pending,
  approvePromotion: pending,
  declinePromotion: pending,
  ...tenantHandlers,
  ...tokenHandlers,
  ...overviewHandlers,
  ...poolHandlers,
  ...mappingHandlers,
  ...userHandlers,
  ...logHandlers,
};
