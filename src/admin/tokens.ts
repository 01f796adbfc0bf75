/** Tag tokens: credentials of connections, integrations and products. */
import { listTokens, mintToken, type NewToken, revokeToken, rotateToken } from "../provisioning/tokens.ts";
import type { Handlers } from "./operation.ts";

export const tokenHandlers: Handlers = {
  async listTokens({ deps, ctx }) {
    return { body: { tokens: await listTokens(deps, ctx) } };
  },

  async mintToken({ deps, ctx, body }) {
    return { status: 201, body: await mintToken(deps, ctx, body as NewToken) };
  },

  async rotateToken({ deps, ctx, params, body }) {
    return { body: await rotateToken(deps, ctx, params.id!, (body ?? {}) as { expiresAt?: string | null }) };
  },

  async revokeToken({ deps, ctx, params }) {
    await revokeToken(deps, ctx, params.id!);
    return {};
  },
};
