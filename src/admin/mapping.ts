/** Tag mapping: from groups and attributes to teams, roles and tiers. */
import type { MappingDocument } from "../domain/model.ts";
import { getMapping, previewMapping, reconcileProgress, saveMapping } from "../provisioning/mapping.ts";
import { requireForMapping } from "./license-permission.ts";
import type { Answer, Handlers } from "./operation.ts";

export const mappingHandlers: Handlers = {
  async getMapping({ deps, ctx }) {
    return toAnswer(await getMapping(deps, ctx));
  },

  async saveMapping(call) {
    const { deps, ctx, header } = call;
    const { confirm, ...document } = call.body as MappingDocument & { confirm?: string };
    await requireForMapping(call, document);
    const ifMatch = header("if-match");
    const options = { ...(confirm === undefined ? {} : { confirm }), ...(ifMatch === undefined ? {} : { ifMatch }) };
    return toAnswer(await saveMapping(deps, ctx, document, options));
  },

  async previewMapping({ deps, ctx, body }) {
    return { body: await previewMapping(deps, ctx, body as MappingDocument) };
  },

  async getMappingProgress({ deps, ctx }) {
    const nothing = { state: "done", total: 0, done: 0, reason: null, startedAt: null, finishedAt: null };
    return { body: (await reconcileProgress(deps, ctx)) ?? nothing };
  },
};

function toAnswer({ document, version }: { document: MappingDocument; version: number }): Answer {
  return { body: document, headers: { ETag: `W/"${version}"` } };
}
