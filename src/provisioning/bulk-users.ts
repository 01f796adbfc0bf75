/** One action on many people (E-6, A-5…A-9): who they are, at once or as a job, for real or as a dry run. */
import { requireReach } from "../auth/authority.ts";
import { type BulkItem, type BulkJobRow, countOutcomes, insertBulkItems, insertBulkJob } from "../db/bulk-jobs.ts";
import { listUserIds, type UserListFilter } from "../db/user-list.ts";
import type { Json, JsonObject, Permission } from "../domain/model.ts";
import { limits } from "../limits.ts";
import { Problem } from "../problems.ts";
import { type BulkAction, bulkPermissions, planAction } from "./bulk-actions.ts";
import { applyAction } from "./bulk-apply.ts";
import { type BulkStepper, requireRoomForJob, toKept, workBulkJobs } from "./bulk-jobs.ts";
import { type BulkResult, toRefused } from "./bulk-outcomes.ts";
import { beginPreview, type PreviewMemo, previewAction, toMemo } from "./bulk-preview.ts";
import { requireTeams } from "./bulk-teams.ts";
import { isTransfer, transferTo } from "./bulk-transfer.ts";
import type { Deps, RequestContext } from "./context.ts";
import { bulkJobName } from "./jobs.ts";

export interface BulkRequest {
  readonly select: { readonly ids: readonly string[] } | { readonly filter: UserListFilter };
  readonly action: BulkAction;
  readonly dryRun: boolean;
}

/** A run that was answered within the request. */
export interface BulkRun {
  readonly action: BulkAction;
  readonly dryRun: boolean;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly results: readonly BulkResult[];
  /** Seats before a dry run and as they would be after it. */
  readonly memo: PreviewMemo | null;
}

/** People of one transaction: its locks are held some 100 ms. */
const stepSize = 100;

/**
 * Does it at once for few people, and begins a job for more. Problems: forbidden, unknownRole, unknownTier, invalidValue,
 * tooMany, tooManyRequests.
 */
export async function startBulk(
  deps: Deps,
  ctx: RequestContext,
  request: BulkRequest,
): Promise<{ run: BulkRun } | { job: BulkJobRow }> {
  const { tenantId } = ctx.principal;
  const { action, dryRun } = request;
  await requireReach(deps, ctx, ...bulkPermissions[action.action]);
  const rules = await deps.rules.current(deps.db, tenantId);
  const plan = planAction(rules, action);
  if (plan.kind === "teams") await requireTeams({ tx: deps.db, rules }, plan.teams);
  const ids = await selectUsers(deps, ctx, request.select);
  if (isTransfer(action)) {
    return { run: toRun(action, dryRun, [await transferTo(deps, ctx, action.params, dryRun, ids)], null) };
  }
  if (ids.length <= limits.bulkUsersAtOnceMax) return { run: await runAtOnce(deps, ctx, action, dryRun, ids) };
  await requireRoomForJob(deps, tenantId);
  const job = await deps.db.transaction(async (tx) => {
    const row = await insertBulkJob(tx, tenantId, {
      id: deps.newId(),
      kind: "bulk",
      state: "waiting",
      request: { ...action, dryRun } as unknown as JsonObject,
      principal: toKept(ctx.principal),
      requestId: ctx.requestId,
      total: ids.length,
      createdAt: deps.clock().toISOString(),
    });
    await insertBulkItems(
      tx,
      tenantId,
      row.id,
      ids.map((id, index) => ({ no: index + 1, input: id })),
    );
    await deps.jobs.enqueue(tx, bulkJobName, { tenantId });
    return row;
  });
  return { job };
}

/** The ids that are named, each once; or of everybody whom the filter finds now, by userName. */
async function selectUsers(deps: Deps, ctx: RequestContext, select: BulkRequest["select"]): Promise<string[]> {
  if ("ids" in select) return [...new Set(select.ids.map((id) => id.toLowerCase()))];
  const reach = await requireReach(deps, ctx, "users.read");
  // E-8: who sees the people of their own teams finds no others.
  const filter = reach === null ? select.filter : { ...select.filter, within: reach.of };
  const max = limits.bulkUsersMax;
  const found = await listUserIds(deps.db, ctx.principal.tenantId, filter, null, max + 1);
  if (found.length > max) {
    throw new Problem(
      "tooMany",
      `The filter finds more than ${max} people. Narrow it, and go on in several requests.`,
      {
        facts: { attribute: "select.filter" },
      },
    );
  }
  return found.map(({ id }) => id);
}

async function runAtOnce(
  deps: Deps,
  ctx: RequestContext,
  action: BulkAction,
  dryRun: boolean,
  ids: readonly string[],
): Promise<BulkRun> {
  const results: BulkResult[] = [];
  let memo: PreviewMemo | null = null;
  for (let at = 0; at < ids.length || (dryRun && memo === null); at += stepSize) {
    const some = ids.slice(at, at + stepSize);
    if (dryRun) {
      const step = await previewStep(deps, ctx, action, some, memo);
      memo = step.memo;
      results.push(...step.results);
    } else results.push(...(await applyStep(deps, ctx, action, some)));
  }
  return toRun(action, dryRun, results, memo);
}

function toRun(action: BulkAction, dryRun: boolean, results: readonly BulkResult[], memo: PreviewMemo | null): BulkRun {
  return { action, dryRun, outcomes: countOutcomes(results.map(({ outcome }) => outcome)), results, memo };
}

async function previewStep(
  deps: Deps,
  ctx: RequestContext,
  action: BulkAction,
  ids: readonly string[],
  memo: PreviewMemo | null,
) {
  return await deps.db.transaction(async (tx) =>
    previewAction(deps, ctx, tx, action, ids, memo ?? (await beginPreview(tx, ctx.principal.tenantId, null))),
  );
}

/** One by one where one of them undoes them all. */
async function applyStep(deps: Deps, ctx: RequestContext, action: BulkAction, ids: readonly string[]) {
  const apply = (some: readonly string[]) => deps.db.transaction((tx) => applyAction(deps, ctx, tx, action, some));
  try {
    return await apply(ids);
  } catch (error) {
    if (error instanceof Problem && error.code === "unavailable") throw error;
    deps.log.warn({ err: error, requestId: ctx.requestId }, "a step of a bulk action is taken one by one");
    const results: BulkResult[] = [];
    for (const id of ids) {
      const alone = await apply([id]).catch((fault: unknown) => {
        if (fault instanceof Problem && fault.code === "unavailable") throw fault;
        deps.log.error({ err: fault, requestId: ctx.requestId, userId: id }, "one person of a bulk action failed");
        return [toRefused(id, null, new Problem("internal", "Something went wrong on our side; nothing was changed."))];
      });
      results.push(...alone);
    }
    return results;
  }
}

const stepper: BulkStepper = {
  kind: "bulk",
  stepSize,
  async step(deps, ctx, tx, job, items) {
    const { action, dryRun } = readRequest(job);
    const ids = items.map(({ input }) => String(input));
    if (!dryRun) return { results: number(items, await applyAction(deps, ctx, tx, action, ids)) };
    const earlier = await beginPreview(tx, ctx.principal.tenantId, job.memo);
    const { results, memo } = await previewAction(deps, ctx, tx, action, ids, earlier);
    return { results: number(items, results), memo: toMemo(memo) };
  },
  toFault: ({ input }, problem) => toStored(toRefused(String(input), null, problem)),
};

function number(items: readonly BulkItem[], results: readonly BulkResult[]) {
  return results.map((result, index) => ({ no: items[index]!.no, result: toStored(result) }));
}

function toStored(result: BulkResult) {
  return { ...result } as { readonly [name: string]: Json } & { readonly outcome: string };
}

/** What a job was asked to do. */
export function readRequest({ request }: Pick<BulkJobRow, "request">): { action: BulkAction; dryRun: boolean } {
  const { dryRun, ...action } = request as unknown as BulkAction & { dryRun: boolean };
  return { action, dryRun };
}

/** The permissions of which a job like this asks for one. */
export function bulkPermissionsOf(job: Pick<BulkJobRow, "request">): readonly Permission[] {
  return bulkPermissions[readRequest(job).action.action];
}

/** Carries out the tenant's bulk jobs. */
export async function runBulkJobs(deps: Deps, tenantId: string, signal?: AbortSignal): Promise<void> {
  await workBulkJobs(deps, tenantId, stepper, signal);
}
