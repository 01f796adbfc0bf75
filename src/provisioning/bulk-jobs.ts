/**
 * Work on many people, step by step, each step one transaction that keeps its results: whatever process dies, another
 * goes on with the first person who has none, and nobody is treated twice. Few people are treated within the request.
 */
import { setImmediate as yieldToOthers } from "node:timers/promises";
import { requireReach } from "../auth/authority.ts";
import {
  type BulkItem,
  type BulkItemResult,
  type BulkJobRow,
  cancelBulkJob,
  countUnfinishedBulkJobs,
  findBulkJob,
  findNextBulkItems,
  findNextBulkJob,
  findTenantsWithBulkJobs,
  forgetBulkInputs,
  lockBulkJob,
  pruneBulkJobs,
  saveBulkStep,
} from "../db/bulk-jobs.ts";
import type { Transaction } from "../db/database.ts";
import { recordEvents } from "../db/events.ts";
import { gatherStatistics } from "../db/statistics.ts";
import type { JsonObject, Permission } from "../domain/model.ts";
import { isUuid } from "../ids.ts";
import { limits } from "../limits.ts";
import { Problem } from "../problems.ts";
import { actorOf, type Deps, type Principal, type RequestContext } from "./context.ts";

export type BulkKind = BulkJobRow["kind"];

/** What a kind of work does with the next items of a job, in the transaction that keeps their results. */
export interface BulkStepper {
  readonly kind: BulkKind;
  /** Items of one transaction. */
  readonly stepSize: number;
  step(
    deps: Deps,
    ctx: RequestContext,
    tx: Transaction,
    job: BulkJobRow,
    items: readonly BulkItem[],
  ): Promise<{ results: BulkItemResult[]; memo?: JsonObject | null }>;
  /** In the transaction of the last step. */
  finish?(
    deps: Deps,
    ctx: RequestContext,
    tx: Transaction,
    job: BulkJobRow,
    outcomes: Readonly<Record<string, number>>,
  ): Promise<void>;
  /** What is kept of an item that failed by a fault of ours. */
  toFault(item: BulkItem, problem: Problem): BulkItemResult["result"];
}

/** Carries out the tenant's jobs of this kind, one after the other. Safe to run twice, at once and again after a crash. */
export async function workBulkJobs(
  deps: Deps,
  tenantId: string,
  stepper: BulkStepper,
  signal?: AbortSignal,
): Promise<void> {
  for (;;) {
    const id = await findNextBulkJob(deps.db, tenantId, stepper.kind);
    if (id === undefined) return;
    for (let steps = 0; ; steps++) {
      if (steps % statisticsSteps === 0) await gatherStatistics(deps.db);
      if (!(await takeStep(deps, tenantId, id, stepper))) break;
      if (signal?.aborted) throw new Error("The job was stopped; it goes on where it was.");
      await yieldToOthers();
    }
  }
}

/** Steps after which tables have grown so much that other ways through them are better. */
const statisticsSteps = 25;

/** One step of a job; false when it has ended. */
async function takeStep(deps: Deps, tenantId: string, id: string, stepper: BulkStepper): Promise<boolean> {
  try {
    return await stepWith(deps, tenantId, id, stepper, stepper.stepSize);
  } catch (error) {
    if (isOutage(error)) throw error;
    deps.log.warn({ err: error, tenantId, job: id }, "a step of a job is taken one by one");
    return await stepOneByOne(deps, tenantId, id, stepper);
  }
}

async function stepWith(deps: Deps, tenantId: string, id: string, stepper: BulkStepper, size: number) {
  return await deps.db.transaction(async (tx) => {
    const job = await lockBulkJob(tx, tenantId, id);
    if (job === undefined || !isUnfinished(job)) return false;
    const items = await findNextBulkItems(tx, tenantId, id, size);
    const { results, memo } = await stepper.step(deps, contextOf(tenantId, job), tx, job, items);
    return await keep(deps, tx, tenantId, stepper, job, results, memo);
  });
}

/** What one person's fault undid is done for the others; they themselves are told of it. */
async function stepOneByOne(deps: Deps, tenantId: string, id: string, stepper: BulkStepper): Promise<boolean> {
  for (let taken = 0; taken < stepper.stepSize; taken++) {
    try {
      if (!(await stepWith(deps, tenantId, id, stepper, 1))) return false;
    } catch (error) {
      if (isOutage(error)) throw error;
      deps.log.error({ err: error, tenantId, job: id }, "one item of a job failed; it is passed over");
      const problem = new Problem("internal", "Something went wrong on our side; nothing was changed here.");
      await deps.db.transaction(async (tx) => {
        const job = await lockBulkJob(tx, tenantId, id);
        if (job === undefined || !isUnfinished(job)) return;
        const items = await findNextBulkItems(tx, tenantId, id, 1);
        const results = items.map((item) => ({ no: item.no, result: stepper.toFault(item, problem) }));
        await keep(deps, tx, tenantId, stepper, job, results);
      });
    }
  }
  return true;
}

/** Keeps a step's results; true where there is more to do. */
async function keep(
  deps: Deps,
  tx: Transaction,
  tenantId: string,
  stepper: BulkStepper,
  job: BulkJobRow,
  results: readonly BulkItemResult[],
  memo?: JsonObject | null,
): Promise<boolean> {
  const more = results.length > 0 && job.done + results.length < job.total;
  const state = more ? "running" : "done";
  const at = deps.clock().toISOString();
  const outcomes = await saveBulkStep(tx, tenantId, job, {
    results,
    state,
    at,
    ...(memo === undefined ? {} : { memo }),
  });
  if (!more) await stepper.finish?.(deps, contextOf(tenantId, job), tx, job, outcomes);
  return more;
}

function isUnfinished({ state }: Pick<BulkJobRow, "state">): boolean {
  return state === "waiting" || state === "running";
}

/** GRD-5: a job acts with its originator's authority, which every step reads again. */
function contextOf(tenantId: string, job: BulkJobRow): RequestContext {
  const principal = { ...(job.principal as unknown as Principal), tenantId };
  return { principal, requestId: job.requestId, door: "job" };
}

function isOutage(error: unknown): boolean {
  return error instanceof Problem && error.code === "unavailable";
}

/** The principal as a job keeps it: who it is, and no secret. */
export function toKept({ tenantId: _, ...principal }: Principal): JsonObject {
  return { ...principal } as unknown as JsonObject;
}

/** Problem: tooManyRequests, where so many jobs of the tenant wait that another would come to nothing for long. */
export async function requireRoomForJob(deps: Deps, tenantId: string): Promise<void> {
  const unfinished = await countUnfinishedBulkJobs(deps.db, tenantId);
  if (unfinished < limits.bulkJobsUnfinishedMax) return;
  throw new Problem("tooManyRequests", `${unfinished} jobs of this tenant are not finished yet; wait for them.`, {
    headers: { "Retry-After": "60" },
  });
}

/**
 * Who may see a job is who may do what it does; of a permission for own teams (E-8), who began it. Problems: notFound,
 * forbidden.
 */
export async function getBulkJob(
  deps: Deps,
  ctx: RequestContext,
  id: string,
  permissionsOf: (job: BulkJobRow) => readonly Permission[],
): Promise<BulkJobRow> {
  const job = isUuid(id) ? await findBulkJob(deps.db, ctx.principal.tenantId, id) : undefined;
  if (job === undefined) throw noJob(id);
  const reach = await requireReach(deps, ctx, ...permissionsOf(job));
  if (reach !== null && !hasBegun(ctx.principal, job)) throw noJob(id);
  return job;
}

/** Whether it is this token, or this person, who began the job. */
export function hasBegun({ tokenId, person }: Principal, { principal }: Pick<BulkJobRow, "principal">): boolean {
  return principal.tokenId === tokenId || (typeof person === "string" && principal.person === person);
}

/** Ends a job between two steps: what is done stays done. A job that has ended stays as it is. Problems: notFound, forbidden. */
export async function cancelJob(
  deps: Deps,
  ctx: RequestContext,
  id: string,
  permissionsOf: (job: BulkJobRow) => readonly Permission[],
): Promise<BulkJobRow> {
  const { tenantId } = ctx.principal;
  const found = await getBulkJob(deps, ctx, id, permissionsOf);
  const at = deps.clock().toISOString();
  const cancelled = await deps.db.transaction(async (tx) => {
    const job = await cancelBulkJob(tx, tenantId, id, at);
    if (job === undefined) return undefined;
    await forgetBulkInputs(tx, tenantId, id);
    const { requestId } = ctx;
    const subject = { subjectType: "BulkJob", subjectId: id };
    const after = { kind: job.kind, done: job.done, total: job.total };
    await recordEvents(tx, [
      { tenantId, at, actor: actorOf(ctx), action: "bulk.cancelled", ...subject, after, requestId },
    ]);
    return job;
  });
  return cancelled ?? (await findBulkJob(deps.db, tenantId, id)) ?? found;
}

function noJob(id: string): Problem {
  return new Problem("notFound", `There is no job with the id "${id.slice(0, 100)}".`);
}

/** Tenants with jobs of a kind that are not finished, whatever became of their background work: asked at start-up. */
export function findUnfinished(kind: BulkKind): (deps: Deps) => Promise<string[]> {
  return (deps) => findTenantsWithBulkJobs(deps.db, kind);
}

const hourMs = 3600_000;

/** Forgets old jobs with their results, and uploads that broke off. */
export async function forgetOldJobs(deps: Deps): Promise<void> {
  const now = deps.clock().getTime();
  const ended = new Date(now - limits.bulkJobsKeptDays * 24 * hourMs);
  await pruneBulkJobs(deps.db, ended, new Date(now - hourMs));
}
