/** Work on many people at once (migrations/0009_bulk.sql): what was asked, item by item, and what became of each. */
import type { Json, JsonObject } from "../domain/model.ts";
import type { Executor, Statement, Transaction } from "./database.ts";

export type BulkJobState = "receiving" | "waiting" | "running" | "done" | "cancelled";

export interface BulkJobRow {
  readonly id: string;
  readonly kind: "bulk" | "import";
  readonly state: BulkJobState;
  readonly request: JsonObject;
  readonly principal: JsonObject;
  readonly requestId: string;
  readonly total: number;
  readonly done: number;
  /** How many came to what. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly memo: JsonObject | null;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
}

export interface BulkItem {
  readonly no: number;
  readonly input: Json;
}

export interface BulkItemResult {
  readonly no: number;
  /** Has a member `outcome`. */
  readonly result: JsonObject & { readonly outcome: string };
}

const columns = `id, kind, state, request, principal, request_id as "requestId", total, done, outcomes, memo,
  created_at as "createdAt", started_at as "startedAt", finished_at as "finishedAt"`;

const insert: Statement = {
  name: "bulk_jobs_insert",
  text: `insert into bulk_jobs (tenant_id, id, kind, state, request, principal, request_id, total, created_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning ${columns}`,
};

export type NewBulkJob = Pick<
  BulkJobRow,
  "id" | "kind" | "state" | "request" | "principal" | "requestId" | "total" | "createdAt"
>;

export async function insertBulkJob(executor: Executor, tenantId: string, job: NewBulkJob): Promise<BulkJobRow> {
  const { id, kind, state, request, principal, requestId, total, createdAt } = job;
  const values = [tenantId, id, kind, state, json(request), json(principal), requestId, total, createdAt];
  const [row] = await executor.query<BulkJobRow>(insert, values);
  return row!;
}

const insertItems: Statement = {
  name: "bulk_items_insert",
  text: `insert into bulk_items (tenant_id, job_id, no, input)
    select $1, $2, i.no, i.input from jsonb_to_recordset($3::jsonb) as i (no integer, input jsonb)`,
};

export async function insertBulkItems(executor: Executor, tenantId: string, jobId: string, items: readonly BulkItem[]) {
  if (items.length > 0) await executor.query(insertItems, [tenantId, jobId, json(items)]);
}

const submit: Statement = {
  name: "bulk_jobs_submit",
  text: `update bulk_jobs set state = 'waiting', total = $3 where tenant_id = $1 and id = $2 and state = 'receiving'
    returning ${columns}`,
};

/** A file is there in full: from now on it may be worked on. Undefined where the job is gone. */
export async function submitBulkJob(executor: Executor, tenantId: string, id: string, total: number) {
  return (await executor.query<BulkJobRow>(submit, [tenantId, id, total]))[0];
}

const remove: Statement = { name: "bulk_jobs_remove", text: "delete from bulk_jobs where tenant_id = $1 and id = $2" };

export async function removeBulkJob(executor: Executor, tenantId: string, id: string): Promise<void> {
  await executor.query(remove, [tenantId, id]);
}

const one: Statement = {
  name: "bulk_jobs_one",
  text: `select ${columns} from bulk_jobs where tenant_id = $1 and id = $2 and state <> 'receiving'`,
};

export async function findBulkJob(executor: Executor, tenantId: string, id: string): Promise<BulkJobRow | undefined> {
  return (await executor.query<BulkJobRow>(one, [tenantId, id]))[0];
}

const page: Statement = {
  name: "bulk_jobs_page",
  text: `select ${columns} from bulk_jobs where tenant_id = $1 and ($2::uuid is null or id < $2) and state <> 'receiving'
    order by id desc limit $3`,
};

/** The latest first. */
export async function listBulkJobs(executor: Executor, tenantId: string, before: string | null, limit: number) {
  return await executor.query<BulkJobRow>(page, [tenantId, before, limit]);
}

const oldest: Statement = {
  name: "bulk_jobs_oldest",
  text: `select id from bulk_jobs where tenant_id = $1 and kind = $2 and state in ('waiting', 'running')
    order by id limit 1`,
};

/** The job of a kind that comes next in a tenant; undefined where nothing is left to do. */
export async function findNextBulkJob(executor: Executor, tenantId: string, kind: BulkJobRow["kind"]) {
  return (await executor.query<{ id: string }>(oldest, [tenantId, kind]))[0]?.id;
}

const unfinished: Statement = {
  name: "bulk_jobs_unfinished",
  text: `select count(*) as jobs from bulk_jobs where tenant_id = $1 and state in ('receiving', 'waiting', 'running')`,
};

export async function countUnfinishedBulkJobs(executor: Executor, tenantId: string): Promise<number> {
  const [row] = await executor.query<{ jobs: number }>(unfinished, [tenantId]);
  return row?.jobs ?? 0;
}

const left: Statement = {
  name: "bulk_jobs_left",
  text: "select distinct tenant_id from bulk_jobs where kind = $1 and state in ('waiting', 'running')",
};

/** Tenants with work of a kind left, whatever became of its background job: asked at start-up. */
export async function findTenantsWithBulkJobs(executor: Executor, kind: BulkJobRow["kind"]): Promise<string[]> {
  return (await executor.query<{ tenant_id: string }>(left, [kind])).map((row) => row.tenant_id);
}

const lock: Statement = {
  name: "bulk_jobs_lock",
  text: `select ${columns} from bulk_jobs where tenant_id = $1 and id = $2 for no key update`,
};

/** The job under its lock: workers and whoever cancels take turns, step by step. */
export async function lockBulkJob(tx: Transaction, tenantId: string, id: string): Promise<BulkJobRow | undefined> {
  return (await tx.query<BulkJobRow>(lock, [tenantId, id]))[0];
}

const next: Statement = {
  name: "bulk_items_next",
  text: `select no, input from bulk_items where tenant_id = $1 and job_id = $2 and result is null order by no limit $3`,
};

/** The first items without a result. */
export async function findNextBulkItems(executor: Executor, tenantId: string, jobId: string, limit: number) {
  return await executor.query<BulkItem>(next, [tenantId, jobId, limit]);
}

const saveItems: Statement = {
  name: "bulk_items_save",
  text: `update bulk_items i set result = r.result, input = null
    from jsonb_to_recordset($3::jsonb) as r (no integer, result jsonb)
    where i.tenant_id = $1 and i.job_id = $2 and i.no = r.no`,
};

const saveJob: Statement = {
  name: "bulk_jobs_save",
  text: `update bulk_jobs set state = $3, done = done + $4, outcomes = $5, memo = $6, started_at = coalesce(started_at, $7),
      finished_at = case when $3 = 'running' then null else $7::timestamptz end
    where tenant_id = $1 and id = $2`,
};

export interface BulkStep {
  readonly results: readonly BulkItemResult[];
  readonly state: BulkJobState;
  readonly memo?: JsonObject | null;
  readonly at: string;
}

/** Keeps the results of one step and how far the job is; returns how many came to what by now. Under the job's lock. */
export async function saveBulkStep(
  tx: Transaction,
  tenantId: string,
  job: BulkJobRow,
  { results, state, memo = job.memo, at }: BulkStep,
): Promise<Record<string, number>> {
  if (results.length > 0) await tx.query(saveItems, [tenantId, job.id, json(results)]);
  const outcomes = countOutcomes(
    results.map(({ result }) => result.outcome),
    job.outcomes,
  );
  const values = [tenantId, job.id, state, results.length, json(outcomes), memo === null ? null : json(memo), at];
  await tx.query(saveJob, values);
  return outcomes;
}

/** How many came to what, added to what was counted before. */
export function countOutcomes(
  outcomes: readonly string[],
  before: Readonly<Record<string, number>> = {},
): Record<string, number> {
  const counts: Record<string, number> = { ...before };
  for (const outcome of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

const cancel: Statement = {
  name: "bulk_jobs_cancel",
  text: `update bulk_jobs set state = 'cancelled', finished_at = $3
    where tenant_id = $1 and id = $2 and state in ('waiting', 'running') returning ${columns}`,
};

/** Ends a job between two steps; undefined where it has ended already. */
export async function cancelBulkJob(tx: Transaction, tenantId: string, id: string, at: string) {
  return (await tx.query<BulkJobRow>(cancel, [tenantId, id, at]))[0];
}

const forget: Statement = {
  name: "bulk_items_forget",
  text: "update bulk_items set input = null where tenant_id = $1 and job_id = $2 and result is null",
};

/** What was to be done and will not be. */
export async function forgetBulkInputs(executor: Executor, tenantId: string, jobId: string): Promise<void> {
  await executor.query(forget, [tenantId, jobId]);
}

const results: Statement = {
  name: "bulk_items_results",
  text: `select no, result from bulk_items
    where tenant_id = $1 and job_id = $2 and no > $3 and result is not null
      and ($5::text is null or result ->> 'outcome' = $5)
    order by no limit $4`,
};

/** One page of what became of people, in the order in which they were named. */
export async function listBulkResults(
  executor: Executor,
  tenantId: string,
  jobId: string,
  outcome: string | null,
  after: number,
  limit: number,
): Promise<BulkItemResult[]> {
  return await executor.query<BulkItemResult>(results, [tenantId, jobId, after, limit, outcome]);
}

const prune: Statement = {
  name: "bulk_jobs_prune",
  text: `delete from bulk_jobs where created_at < $1 and state in ('done', 'cancelled')
    or created_at < $2 and state = 'receiving'`,
};

/** Ended jobs with their results, and uploads that broke off. */
export async function pruneBulkJobs(executor: Executor, endedBefore: Date, brokenOffBefore: Date): Promise<void> {
  await executor.query(prune, [endedBefore.toISOString(), brokenOffBefore.toISOString()]);
}

const some: Statement = {
  name: "bulk_items_some",
  text: `select no, result from bulk_items
    where tenant_id = $1 and job_id = $2 and no = any ($3::integer[]) and result is not null`,
};

/** What became of some of a job's items, by their number. */
export async function findBulkResults(
  executor: Executor,
  tenantId: string,
  jobId: string,
  numbers: readonly number[],
): Promise<Map<number, JsonObject>> {
  if (numbers.length === 0) return new Map();
  const rows = await executor.query<BulkItemResult>(some, [tenantId, jobId, numbers]);
  return new Map(rows.map(({ no, result }) => [no, result]));
}

function json(value: unknown): string {
  return JSON.stringify(value);
}
