/** Names of background work and how it is asked for: in the transaction that makes it necessary. */

import type { Statement, Transaction } from "../db/database.ts";
import type { TenantRules } from "../domain/access.ts";
import type { Deps, RequestContext } from "./context.ts";

/** Decides everybody again whose decision is behind the rules. Names only the tenant, so that repeats are harmless. */
export const reconcileJobName = "reconcile";

/** Continues a drain that was too large for the request that bought the seats (LIC-4). */
export const drainJobName = "drain";

/** Renews the tenant's pools whose day has come (LIC-7). */
export const renewalJobName = "renewal";

/** Carries out the dates of people that have come (USR-7, LIC-8). */
export const datesJobName = "dates";

/** One action on many people (bulk-users). */
export const bulkJobName = "bulk";

/** A file of people (import). */
export const importJobName = "import";

/** Looks up the records of verified domains (USR-5). */
export const domainsJobName = "domains";

/** GRD-5: a job has nobody's authority, so it makes nobody administrative. */
export function jobContext(deps: Deps, tenantId: string, label: string): RequestContext {
  const nobody = { tokenId: null, scopes: [], role: null, userId: null };
  return { principal: { tenantId, kind: "job", label, ...nobody }, requestId: deps.newId(), door: "job" };
}

const start: Statement = {
  name: "reconciles_start",
  text: `insert into reconciles (tenant_id, rules_version, state, total, done, reason, started_at)
    values ($1, $2, 'running', (select count(*) from users where tenant_id = $1 and decided_version < $2), 0, $3, $4)
    on conflict (tenant_id) do update set rules_version = excluded.rules_version, state = 'running',
      total = excluded.total, done = 0, reason = excluded.reason, started_at = excluded.started_at, finished_at = null`,
};

/** Marks the tenant as being reconciled and enqueues the job, both in this transaction. */
export async function reconcileJob(
  deps: Deps,
  tx: Transaction,
  rules: Pick<TenantRules, "tenantId" | "version">,
  reason: string,
) {
  await tx.query(start, [rules.tenantId, rules.version, reason, deps.clock().toISOString()]);
  await deps.jobs.enqueue(tx, reconcileJobName, { tenantId: rules.tenantId });
}
