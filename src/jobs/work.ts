/** What runs in the background and when: queues with their work, what a crash left behind, and what is due by the clock. */
import { pruneKeys } from "../db/idempotency.ts";
import { pruneExchanges } from "../db/provisioning-log.ts";
import { pruneQuotes } from "../db/quotes.ts";
import { limits } from "../limits.ts";
import type { Logger } from "../log.ts";
import type { Deps } from "../provisioning/context.ts";
import { drainJobName, reconcileJobName, renewalJobName } from "../provisioning/jobs.ts";
import { findRenewals, renewPools } from "../provisioning/pools-renewal.ts";
import { drainRest, findUndrained } from "../provisioning/pools-waitlist.ts";
import { findUnreconciled, reconcile } from "../provisioning/reconcile.ts";
import { listTenants } from "../provisioning/tenants.ts";
import type { JobRunner } from "./boss.ts";

export const queues = [reconcileJobName, drainJobName, renewalJobName] as const;

/** Begins to work. Returns what ends the clockwork; jobs themselves end with the runner. */
export async function startWork(jobs: JobRunner, deps: Deps, log: Logger): Promise<() => void> {
  await jobs.work(reconcileJobName, ({ tenantId }, signal) => reconcile(deps, tenantId, signal));
  await jobs.work(drainJobName, ({ tenantId }, signal) => drainRest(deps, tenantId, signal));
  await jobs.work(renewalJobName, ({ tenantId }, signal) => renewPools(deps, tenantId, signal));
  // Whatever became of the jobs: no save is ever left unreconciled, and no seat free beside a queue.
  const left = [
    { name: reconcileJobName, tenants: await findUnreconciled(deps) },
    { name: drainJobName, tenants: await findUndrained(deps) },
  ];
  for (const { name, tenants } of left) await enqueue(jobs, deps, name, tenants);
  const clockwork = [
    every(limits.dueWorkMs, () => enqueueDue(jobs, deps), log, "what is due by the clock could not be looked up"),
    every(pruneEveryMs, () => prune(deps), log, "what is old could not be removed"),
  ];
  return () => clockwork.forEach(clearInterval);
}

const pruneEveryMs = 3600_000;

function every(intervalMs: number, work: () => Promise<void>, log: Logger, failure: string): NodeJS.Timeout {
  const timer = setInterval(() => {
    work().catch((error: unknown) => log.warn({ err: error }, failure));
  }, intervalMs);
  return timer.unref();
}

/** Every process looks; of a tenant's jobs of one kind that wait, one is left. */
async function enqueueDue(jobs: JobRunner, deps: Deps): Promise<void> {
  await enqueue(jobs, deps, renewalJobName, await findRenewals(deps));
}

async function enqueue(jobs: JobRunner, deps: Deps, name: string, tenants: readonly string[]): Promise<void> {
  for (const tenantId of tenants) await deps.db.transaction((tx) => jobs.enqueue(tx, name, { tenantId }));
}

async function prune(deps: Deps): Promise<void> {
  await pruneLogs(deps);
  await pruneQuotes(deps.db, daysAgo(deps, limits.quotesKeptDays));
  await pruneKeys(deps.db, daysAgo(deps, limits.idempotencyKeysKeptDays));
}

function daysAgo(deps: Deps, days: number): Date {
  return new Date(deps.clock().getTime() - days * 24 * 3600_000);
}

async function pruneLogs(deps: Deps): Promise<void> {
  const before = daysAgo(deps, limits.provisioningLogDays);
  let slug = "";
  for (;;) {
    const tenants = await listTenants(deps, slug, limits.pageSizeMax);
    for (const { id } of tenants) await pruneExchanges(deps.db, id, before);
    if (tenants.length < limits.pageSizeMax) return;
    slug = tenants.at(-1)!.slug;
  }
}
