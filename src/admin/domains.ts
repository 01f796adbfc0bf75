/** Tag domains: the tenant's mail domains and their proof. */
import { domainToUnicode } from "node:url";
import type { DomainRow } from "../db/domains.ts";
import { challengeOf, stateOf } from "../domain/domains.ts";
import { addDomain, getDomain, listDomains, removeDomain, verifyDomain } from "../provisioning/domains.ts";
import { readPage } from "./cursor.ts";
import type { Handlers } from "./operation.ts";

export const domainHandlers: Handlers = {
  async listDomains(call) {
    const read = (after: string | null, limit: number) => listDomains(call.deps, call.ctx, after ?? "", limit);
    const { rows, nextCursor } = await readPage(call, read, (row: DomainRow) => row.name);
    return { body: { domains: rows.map(toDomain), nextCursor } };
  },

  async addDomain({ deps, ctx, body }) {
    return { status: 201, body: toDomain(await addDomain(deps, ctx, (body as { name: string }).name)) };
  },

  async getDomain({ deps, ctx, params }) {
    return { body: toDomain(await getDomain(deps, ctx, params.name!)) };
  },

  async removeDomain({ deps, ctx, params }) {
    await removeDomain(deps, ctx, params.name!);
    return {};
  },

  async verifyDomain({ deps, ctx, params }) {
    return { body: toDomain(await verifyDomain(deps, ctx, params.name!)) };
  },
};

/** A domain as the management API shows it: with the record to publish, which is no secret. */
function toDomain(row: DomainRow) {
  const { name, token, proof, addedBy, addedAt, verifiedAt, checkedAt, missingSince, lapsedAt } = row;
  return {
    name,
    display: domainToUnicode(name),
    state: stateOf(row),
    proof,
    record: challengeOf(name, token),
    addedBy,
    addedAt,
    verifiedAt,
    checkedAt,
    missingSince,
    lapsedAt,
  };
}
