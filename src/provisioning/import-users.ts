/**
 * Imports a file of people (P-8): at once where it is short, else as a job. A long file is stored line by line while it
 * arrives, so that any process carries on; each line is forgotten as soon as it has its result.
 */
import { requirePermission } from "../auth/authority.ts";
import {
  type BulkItem,
  type BulkJobRow,
  countOutcomes,
  findBulkResults,
  insertBulkItems,
  insertBulkJob,
  removeBulkJob,
  submitBulkJob,
} from "../db/bulk-jobs.ts";
import { recordEvents } from "../db/events.ts";
import type { Json, JsonObject } from "../domain/model.ts";
import { limits } from "../limits.ts";
import { Problem } from "../problems.ts";
import { type BulkStepper, requireRoomForJob, toKept, workBulkJobs } from "./bulk-jobs.ts";
import { beginPreview, type PreviewMemo, toMemo } from "./bulk-preview.ts";
import { actorOf, type Deps, type RequestContext } from "./context.ts";
import { importLines, type LineResult } from "./import-apply.ts";
import type { ImportOptions } from "./import-decide.ts";
import { ImportFile, type ImportFileOptions, type ImportLine } from "./import-file.ts";
import { type ImportResult, toFailure } from "./import-lines.ts";
import { previewLines } from "./import-preview.ts";
import { importJobName } from "./jobs.ts";

export interface ImportRequest extends ImportOptions, ImportFileOptions {
  readonly dryRun: boolean;
}

/** An import that was answered within the request. */
export interface ImportRun {
  readonly dryRun: boolean;
  readonly update: boolean;
  /** Columns of the header that were passed over. */
  readonly ignoredColumns: readonly string[];
  readonly outcomes: Readonly<Record<string, number>>;
  readonly results: readonly ImportResult[];
  readonly memo: PreviewMemo | null;
}

/** Lines of one transaction: its locks are held some 100 ms. */
const stepSize = 250;

/** Lines that are stored together while a file arrives. */
const storedAtOnce = 1_000;

/**
 * Reads the file and imports it, or begins a job for it. Problems: forbidden, invalidSyntax, invalidValue, tooMany,
 * payloadTooLarge, unsupportedMediaType, tooManyRequests.
 */
export async function startImport(
  deps: Deps,
  ctx: RequestContext,
  bytes: AsyncIterable<Uint8Array>,
  request: ImportRequest,
): Promise<{ run: ImportRun } | { job: BulkJobRow }> {
  await requirePermission(deps, ctx, "users.manage");
  const file = new ImportFile(bytes, { charset: request.charset });
  const lines = file.lines();
  const first: ImportLine[] = [];
  while (first.length <= limits.importLinesAtOnceMax) {
    const next = await lines.next();
    if (next.done) return { run: await runAtOnce(deps, ctx, first, request, file.ignored) };
    first.push(next.value);
  }
  return { job: await storeFile(deps, ctx, request, file, first, lines) };
}

async function runAtOnce(
  deps: Deps,
  ctx: RequestContext,
  lines: readonly ImportLine[],
  { dryRun, update }: ImportRequest,
  ignoredColumns: readonly string[],
): Promise<ImportRun> {
  const { tenantId } = ctx.principal;
  const results = new Map<number, ImportResult>();
  let memo: PreviewMemo | null = null;
  let left = [...lines];
  while (left.length > 0 || (dryRun && memo === null)) {
    const some = left.slice(0, stepSize);
    if (dryRun) {
      const earlier: PreviewMemo | null = memo;
      const step: Awaited<ReturnType<typeof previewLines>> = await deps.db.transaction(async (tx) => {
        const before = earlier ?? (await beginPreview(tx, tenantId, null));
        return await previewLines(deps, ctx, tx, some, { update }, before, async () => results);
      });
      memo = step.memo;
      for (const { no, result } of step.results) results.set(no, result);
    } else {
      for (const { no, result } of await importStep(deps, ctx, some, { update })) results.set(no, result);
    }
    left = left.filter(({ no }) => !results.has(no));
  }
  const told = lines.map(({ no }) => results.get(no) as ImportResult);
  const outcomes = countOutcomes(told.map(({ outcome }) => outcome));
  if (!dryRun) await deps.db.transaction((tx) => recordEvents(tx, [importEvent(deps, ctx, outcomes)]));
  return { dryRun, update, ignoredColumns, outcomes, results: told, memo };
}

/** Line by line where one of them undoes them all. */
async function importStep(
  deps: Deps,
  ctx: RequestContext,
  lines: readonly ImportLine[],
  options: ImportOptions,
): Promise<LineResult[]> {
  const take = (some: readonly ImportLine[]) => deps.db.transaction((tx) => importLines(deps, ctx, tx, some, options));
  try {
    return await take(lines);
  } catch (error) {
    if (error instanceof Problem && error.code === "unavailable") throw error;
    deps.log.warn({ err: error, requestId: ctx.requestId }, "a step of an import is taken line by line");
    const results: LineResult[] = [];
    for (const line of lines) {
      const alone = await take([line]).catch((fault: unknown) => {
        if (fault instanceof Problem && fault.code === "unavailable") throw fault;
        deps.log.error({ err: fault, requestId: ctx.requestId, line: line.line }, "a line of an import failed");
        const problem = new Problem("internal", "Something went wrong on our side; nothing was changed by this line.");
        return [{ no: line.no, result: toFailure(line, problem) }];
      });
      results.push(...alone);
    }
    return results;
  }
}

/** Stores the file line by line and hands it to the background. What breaks off leaves nothing. */
async function storeFile(
  deps: Deps,
  ctx: RequestContext,
  { dryRun, update }: ImportRequest,
  file: ImportFile,
  first: readonly ImportLine[],
  rest: AsyncGenerator<ImportLine>,
): Promise<BulkJobRow> {
  const { tenantId } = ctx.principal;
  await requireRoomForJob(deps, tenantId);
  const job = await insertBulkJob(deps.db, tenantId, {
    id: deps.newId(),
    kind: "import",
    state: "receiving",
    request: { dryRun, update, ignoredColumns: [...file.ignored] },
    principal: toKept(ctx.principal),
    requestId: ctx.requestId,
    total: 0,
    createdAt: deps.clock().toISOString(),
  });
  try {
    let total = 0;
    let held: ImportLine[] = [...first];
    const store = async () => {
      await insertBulkItems(deps.db, tenantId, job.id, held.map(toItem));
      total += held.length;
      held = [];
    };
    for await (const line of rest) {
      held.push(line);
      if (held.length >= storedAtOnce) await store();
    }
    await store();
    const submitted = await deps.db.transaction(async (tx) => {
      const row = await submitBulkJob(tx, tenantId, job.id, total);
      await deps.jobs.enqueue(tx, importJobName, { tenantId });
      return row;
    });
    if (submitted === undefined) throw new Problem("invalidSyntax", "The file took too long to arrive. Send it again.");
    return submitted;
  } catch (error) {
    await removeBulkJob(deps.db, tenantId, job.id).catch(() => {
      // It is forgotten with other uploads that broke off.
    });
    throw error;
  }
}

function toItem({ no, ...line }: ImportLine): BulkItem {
  return { no, input: line as unknown as Json };
}

function toLine({ no, input }: BulkItem): ImportLine {
  return { no, ...(input as unknown as Omit<ImportLine, "no">) };
}

const stepper: BulkStepper = {
  kind: "import",
  stepSize,
  async step(deps, ctx, tx, job, items) {
    const { tenantId } = ctx.principal;
    const { dryRun, update } = job.request as unknown as ImportRequest;
    const lines = items.map(toLine);
    if (!dryRun) return { results: toStored(await importLines(deps, ctx, tx, lines, { update })) };
    const earlier = await beginPreview(tx, tenantId, job.memo);
    const found = (numbers: readonly number[]) => findBulkResults(tx, tenantId, job.id, numbers);
    const { results, memo } = await previewLines(deps, ctx, tx, lines, { update }, earlier, async (numbers) => {
      return (await found(numbers)) as unknown as Map<number, ImportResult>;
    });
    return { results: toStored(results), memo: toMemo(memo) };
  },
  toFault: (item, problem) => toJson(toFailure(toLine(item), problem)),
  async finish(deps, ctx, tx, job, outcomes) {
    if (job.request.dryRun !== true) await recordEvents(tx, [importEvent(deps, ctx, outcomes)]);
  },
};

function toStored(results: readonly LineResult[]) {
  return results.map(({ no, result }) => ({ no, result: toJson(result) }));
}

function toJson(result: ImportResult) {
  return { ...result } as unknown as JsonObject & { readonly outcome: string };
}

/** That a file was imported, and what came of it; each person has events of their own. */
function importEvent({ clock }: Deps, ctx: RequestContext, outcomes: Readonly<Record<string, number>>) {
  const { tenantId } = ctx.principal;
  return {
    tenantId,
    at: clock().toISOString(),
    actor: actorOf(ctx),
    action: "users.imported",
    subjectType: "Tenant",
    subjectId: tenantId,
    after: { ...outcomes },
    requestId: ctx.requestId,
  };
}

/** Carries out the tenant's imports. */
export async function runImportJobs(deps: Deps, tenantId: string, signal?: AbortSignal): Promise<void> {
  await workBulkJobs(deps, tenantId, stepper, signal);
}
