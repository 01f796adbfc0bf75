/** All handlers, by operationId. */
import { Problem } from "../problems.ts";
import { logHandlers } from "./log.ts";
import type { Handlers } from "./operation.ts";
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
  getOverview: pending,
  listPools: pending,
  patchPool: pending,
  quoteSeats: pending,
  purchaseSeats: pending,
  reduceSeats: pending,
  listWaitlist: pending,
  prioritizeWaiting: pending,
  getMapping: pending,
  saveMapping: pending,
  previewMapping: pending,
  getMappingProgress: pending,
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
  ...userHandlers,
  ...logHandlers,
};
