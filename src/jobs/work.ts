/** What runs in the background and when: queues with their work, what a crash left behind, and what is due by the clock. */
import { pruneExchanges } from "../db/provisioning-log.ts";
import { limits } from "../limits.ts";
import type { Logger } from "../log.ts";
import type { Deps } from "../provisioning/context.ts";
import { drainJobName, reconcileJobName } from "../provisioning/jobs.ts";
import { drainRest, findUndrained } from "../provisioning/pools.ts";
import { findUnreconciled, reconcile } from "../provisioning/reconcile.ts";
import { listTenants } from "../provisioning/tenants.ts";
import type { JobRunner } from "./boss.ts";

export const queues = [reconcileJobName, drainJobName] as const;

/** Begins to work. Returns what ends the clockwork; jobs themselves end with the runner. */
export async function startWork(jobs: JobRunner, deps: Deps, log: Logger): Promise<() => void> {
  await jobs.work(reconcileJobName, ({ tenantId }, signal) => reconcile(deps, tenantId, signal));
  await jobs.work(drainJobName, ({ tenantId }, signal) => drainRest(deps, tenantId, signal));
  // Whatever became of the jobs: no save is ever left unreconciled, and no seat free beside a queue.
  const left = [
    { name: reconcileJobName, tenants: await findUnreconciled(deps) },
    { name: drainJobName, tenants: await findUndrained(deps) },
  ];
  for (const { name, tenants } of left) {
    for (const tenantId of tenants) await deps.db.transaction((tx) => jobs.enqueue(tx, name, { tenantId }));
  }
  const pruning = setInterval(() => {
    pruneLogs(deps).catch((error: unknown) => log.warn({ err: error }, "old exchanges could not be removed"));
  }, pruneEveryMs);
  pruning.unref();
  return () => clearInterval(pruning);
}

const pruneEveryMs = 3600_000;

async function pruneLogs(deps: Deps): Promise<void> {
  const before = new Date(deps.clock().getTime() - limits.provisioningLogDays * 24 * 3600_000);
  let slug = "";
  for (;;) {
    const tenants = await listTenants(deps, slug, limits.pageSizeMax);
    for (const { id } of tenants) await pruneExchanges(deps.db, id, before);
    if (tenants.length < limits.pageSizeMax) return;
    slug = tenants.at(-1)!.slug;
  }
}
