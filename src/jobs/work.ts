/** What runs in the background and when: queues with their work, what a crash left behind, and what is due by the clock. */
import { pruneKeys } from "../db/idempotency.ts";
import { pruneExchanges } from "../db/provisioning-log.ts";
import { pruneQuotes } from "../db/quotes.ts";
import { pruneUsageItems } from "../db/usage.ts";
import { limits } from "../limits.ts";
import type { Logger } from "../log.ts";
import { findUnfinished, forgetOldJobs } from "../provisioning/bulk-jobs.ts";
import { runBulkJobs } from "../provisioning/bulk-users.ts";
import type { Deps } from "../provisioning/context.ts";
import { findTenantsWithRecords, recheckDomains } from "../provisioning/domains-recheck.ts";
import { carryOutDates, findDueTenants } from "../provisioning/due.ts";
import { runImportJobs } from "../provisioning/import-users.ts";
import {
  bulkJobName,
  datesJobName,
  domainsJobName,
  drainJobName,
  importJobName,
  reconcileJobName,
  renewalJobName,
} from "../provisioning/jobs.ts";
import { findRenewals, renewPools } from "../provisioning/pools-renewal.ts";
import { drainRest, findUndrained } from "../provisioning/pools-waitlist.ts";
import { findUnreconciled, reconcile } from "../provisioning/reconcile.ts";
import { forgetOldQueues } from "../provisioning/teams-queues.ts";
import { listTenants } from "../provisioning/tenants.ts";
import type { JobRunner } from "./boss.ts";
import { type Clock, startClock, type Ticking } from "./clock.ts";

/** One kind of background work: of a tenant, by name. */
interface Work {
  readonly job: string;
  run(deps: Deps, tenantId: string, signal: AbortSignal): Promise<void>;
  /** Where a crash may have left some: tenants to ask for at the start, whatever became of their jobs. */
  findLeft?(deps: Deps): Promise<string[]>;
  /** What the clock makes due: tenants to ask for again and again. Cheap where nothing is due. */
  findDue?(deps: Deps): Promise<string[]>;
}

const works: readonly Work[] = [
  { job: reconcileJobName, run: reconcile, findLeft: findUnreconciled },
  { job: drainJobName, run: drainRest, findLeft: findUndrained },
  { job: renewalJobName, run: renewPools, findDue: findRenewals },
  { job: datesJobName, run: carryOutDates, findDue: findDueTenants },
  { job: domainsJobName, run: recheckDomains, findDue: findTenantsWithRecords },
  { job: bulkJobName, run: runBulkJobs, findLeft: findUnfinished("bulk") },
  { job: importJobName, run: runImportJobs, findLeft: findUnfinished("import") },
];

export const queues: readonly string[] = works.map(({ job }) => job);

/** Begins to work. Returns the clock; jobs themselves end with the runner. */
export async function startWork(
  jobs: JobRunner,
  deps: Deps,
  log: Logger,
  { dueWorkMs = limits.dueWorkMs }: { readonly dueWorkMs?: number | undefined } = {},
): Promise<Clock> {
  for (const { job, run } of works) await jobs.work(job, ({ tenantId }, signal) => run(deps, tenantId, signal));
  for (const { job, findLeft } of works) {
    if (findLeft !== undefined) await enqueue(jobs, deps, job, await findLeft(deps));
  }
  // Every process looks; of a tenant's jobs of one kind that wait, one is left.
  const due = works.flatMap(({ job, findDue }): Ticking[] => {
    if (findDue === undefined) return [];
    const run = async () => await enqueue(jobs, deps, job, await findDue(deps));
    return [{ what: `what is due (${job})`, everyMs: dueWorkMs, run }];
  });
  return startClock([...due, { what: "what is old", everyMs: pruneEveryMs, run: () => prune(deps) }], log);
}

const pruneEveryMs = 3600_000;

async function enqueue(jobs: JobRunner, deps: Deps, name: string, tenants: readonly string[]): Promise<void> {
  for (const tenantId of tenants) await deps.db.transaction((tx) => jobs.enqueue(tx, name, { tenantId }));
}

async function prune(deps: Deps): Promise<void> {
  await pruneLogs(deps);
  await pruneQuotes(deps.db, daysAgo(deps, limits.quotesKeptDays));
  await forgetOldJobs(deps);
  await pruneKeys(deps.db, daysAgo(deps, limits.idempotencyKeysKeptDays));
  await pruneUsageItems(deps.db, daysAgo(deps, limits.usageItemsKeptDays));
  await forgetOldQueues(deps);
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
