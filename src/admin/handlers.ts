/** All handlers, by operationId. */
import { accessHandlers } from "./access.ts";
import { accessReviewHandlers } from "./access-review.ts";
import { bulkHandlers } from "./bulk.ts";
import { csvHandlers } from "./csv.ts";
import { domainHandlers } from "./domains.ts";
import { invitationHandlers } from "./invitations.ts";
import { logHandlers } from "./log.ts";
import { mappingHandlers } from "./mapping.ts";
import { meHandlers } from "./me.ts";
import type { Handlers } from "./operation.ts";
import { overviewHandlers } from "./overview.ts";
import { permissionHandlers } from "./permissions.ts";
import { poolHandlers } from "./pools.ts";
import { promotionHandlers } from "./promotions.ts";
import { reportHandlers } from "./reports.ts";
import { roleHandlers } from "./roles.ts";
import { settingsHandlers } from "./settings.ts";
import { teamHandlers } from "./teams.ts";
import { tenantHandlers } from "./tenants.ts";
import { tokenHandlers } from "./tokens.ts";
import { usageHandlers } from "./usage.ts";
import { userSessionHandlers } from "./user-sessions.ts";
import { userHandlers } from "./users.ts";

export const handlers: Handlers = {
  ...accessHandlers,
  ...tenantHandlers,
  ...tokenHandlers,
  ...settingsHandlers,
  ...overviewHandlers,
  ...poolHandlers,
  ...mappingHandlers,
  ...userHandlers,
  ...userSessionHandlers,
  ...invitationHandlers,
  ...usageHandlers,
  ...meHandlers,
  ...bulkHandlers,
  ...csvHandlers,
  ...teamHandlers,
  ...reportHandlers,
  ...accessReviewHandlers,
  ...roleHandlers,
  ...permissionHandlers,
  ...promotionHandlers,
  ...domainHandlers,
  ...logHandlers,
};
