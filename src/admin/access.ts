/** Tag access: what a person may do, asked by the product (OpenID AuthZEN 1.0). */
import { type AccessRequest, evaluateAccess } from "../provisioning/access.ts";
import type { Handlers } from "./operation.ts";

export const accessHandlers: Handlers = {
  async evaluateAccess({ deps, ctx, body }) {
    return { body: await evaluateAccess(deps, ctx.principal.tenantId, body as AccessRequest) };
  },
};
