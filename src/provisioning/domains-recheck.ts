/** USR-5: the records of verified domains are looked up again every day, by the clock and in any process. */
import { findDomainsToCheck, findTenantsToCheck } from "../db/domains.ts";
import type { Deps } from "./context.ts";
import { lookUp, recheckDomain } from "./domains.ts";
import { jobContext } from "./jobs.ts";

/** Questions to DNS at once. */
const batchSize = 8;

/** Tenants with a record that is to be looked up. */
export async function findTenantsWithRecords(deps: Deps): Promise<string[]> {
  return await findTenantsToCheck(deps.db, deps.clock());
}

/** Looks up the tenant's records whose day has come; each look moves the next one, so that none is looked up twice. */
export async function recheckDomains(deps: Deps, tenantId: string, signal?: AbortSignal): Promise<void> {
  const ctx = jobContext(deps, tenantId, "domains");
  const now = deps.clock();
  for (;;) {
    if (signal?.aborted) throw new Error("The look-up of domains was stopped; it goes on where it was.");
    const due = await findDomainsToCheck(deps.db, tenantId, now, batchSize);
    await Promise.all(
      due.map(async (domain) => await recheckDomain(deps, ctx, domain, await lookUp(deps, domain.name))),
    );
    if (due.length < batchSize) return;
  }
}
