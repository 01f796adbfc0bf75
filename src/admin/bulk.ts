/** Tag bulk: one action on many people, and jobs that go on after their request. */
import { findAuthority } from "../auth/authority.ts";
import { type BulkJobRow, listBulkJobs, listBulkResults } from "../db/bulk-jobs.ts";
import type { UserListFilter } from "../db/user-list.ts";
import type { Permission } from "../domain/model.ts";
import { reachOf } from "../domain/permissions.ts";
import { Problem } from "../problems.ts";
import type { BulkAction, BulkActionName } from "../provisioning/bulk-actions.ts";
import { cancelJob, getBulkJob, hasBegun } from "../provisioning/bulk-jobs.ts";
import type { PreviewMemo } from "../provisioning/bulk-preview.ts";
import {
  type BulkRequest,
  type BulkRun,
  bulkPermissionsOf,
  readRequest,
  startBulk,
} from "../provisioning/bulk-users.ts";
import { readPage } from "./cursor.ts";
import type { Answer, Handlers } from "./operation.ts";

export const bulkHandlers: Handlers = {
  async bulkUsers({ deps, ctx, body }) {
    const started = await startBulk(deps, ctx, toRequest(body as BulkBody));
    return "run" in started ? { body: toRun(started.run) } : toAccepted(started.job);
  },

  async listBulkJobs(call) {
    const { deps, ctx } = call;
    const read = (before: string | null, limit: number) => listBulkJobs(deps.db, ctx.principal.tenantId, before, limit);
    const { rows, nextCursor } = await readPage(call, read, ({ id }) => id);
    // Who may see a job is who may do what it does.
    const held = await findAuthority(deps.db, ctx.principal, deps.clock());
    const isShown = (row: BulkJobRow) => {
      const reach = reachOf(held, permissionsOf(row));
      return reach === "all" || (reach === "own-teams" && hasBegun(ctx.principal, row));
    };
    const jobs = rows.filter(isShown).map(toJob);
    return { body: { jobs, nextCursor } };
  },

  async getBulkJob({ deps, ctx, params }) {
    return { body: toJob(await getBulkJob(deps, ctx, params.id!, permissionsOf)) };
  },

  async listBulkResults(call) {
    const { deps, ctx, params, query } = call;
    const { id } = await getBulkJob(deps, ctx, params.id!, permissionsOf);
    const { tenantId } = ctx.principal;
    const read = (after: number | null, limit: number) =>
      listBulkResults(deps.db, tenantId, id, query.outcome ?? null, after ?? 0, limit);
    const { rows, nextCursor } = await readPage(call, read, ({ no }) => no);
    return { body: { results: rows.map(({ result }) => result), nextCursor } };
  },

  async cancelBulkJob({ deps, ctx, params }) {
    return { body: toJob(await cancelJob(deps, ctx, params.id!, permissionsOf)) };
  },
};

interface BulkBody {
  readonly select: { readonly ids?: readonly string[]; readonly filter?: UserListFilter };
  readonly action: BulkActionName;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly dryRun?: boolean;
}

/** What each action takes: which it needs, and which it may have. */
const parameters: Readonly<Record<BulkActionName, { needed: readonly string[]; optional?: readonly string[] }>> = {
  assignLicense: { needed: ["tier"], optional: ["from"] },
  unassignLicense: { needed: [] },
  setRole: { needed: ["role"] },
  activate: { needed: [] },
  deactivate: { needed: [] },
  delete: { needed: [] },
  addTeams: { needed: ["teams"] },
  removeTeams: { needed: ["teams"] },
  resetPassword: { needed: [] },
  signOut: { needed: [] },
  setCallAnalysis: { needed: ["enabled"] },
};

function toRequest({ select, action, params = {}, dryRun = false }: BulkBody): BulkRequest {
  const { ids, filter } = select;
  if ((ids === undefined) === (filter === undefined)) {
    throw invalid("select", "select takes either ids or a filter.");
  }
  const { needed, optional = [] } = parameters[action];
  const absent = needed.find((name) => params[name] === undefined);
  if (absent !== undefined) throw invalid(`params.${absent}`, `${action} needs params.${absent}.`);
  const strange = Object.keys(params).find((name) => !needed.includes(name) && !optional.includes(name));
  if (strange !== undefined) throw invalid(`params.${strange}`, `${action} takes no params.${strange}.`);
  return {
    select: ids === undefined ? { filter: filter ?? {} } : { ids },
    action: { action, params } as BulkAction,
    dryRun,
  };
}

function invalid(attribute: string, detail: string): Problem {
  return new Problem("invalidValue", detail, { facts: { attribute } });
}

function permissionsOf(job: BulkJobRow): readonly Permission[] {
  return job.kind === "import" ? ["users.manage"] : bulkPermissionsOf(job);
}

/** 202: the work goes on; where to look for it stands in `Location`. */
export function toAccepted(job: BulkJobRow): Answer {
  return { status: 202, body: toJob(job), headers: { Location: `/api/v1/bulk/${job.id}`, "Retry-After": "1" } };
}

const outcomesOf = {
  bulk: ["changed", "unchanged", "queued", "refused", "notFound"],
  import: ["created", "exists", "updated", "unchanged", "queued", "refused", "invalid"],
} as const;

/** Every outcome with its number, also those that came to nobody. */
export function toCounts(kind: BulkJobRow["kind"], counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(outcomesOf[kind].map((outcome) => [outcome, counts[outcome] ?? 0]));
}

function toRun({ action, dryRun, outcomes, results, memo }: BulkRun) {
  return {
    ...toWork(action),
    dryRun,
    total: results.length,
    outcomes: toCounts("bulk", outcomes),
    seats: memo && toSeats(memo),
    results,
  };
}

export function toJob(job: BulkJobRow) {
  const { id, kind, state, total, done, outcomes, memo, createdAt, startedAt, finishedAt, request } = job;
  const work = kind === "bulk" ? toWork(readRequest(job).action) : { action: null, params: null };
  const { update, ignoredColumns } = request;
  return {
    id,
    kind,
    ...work,
    import: kind === "import" ? { update, ignoredColumns } : null,
    dryRun: request.dryRun === true,
    state,
    total,
    done,
    outcomes: toCounts(kind, outcomes),
    seats: memo === null ? null : toSeats(memo as unknown as PreviewMemo),
    by: String(job.principal.label ?? ""),
    createdAt,
    startedAt,
    finishedAt,
  };
}

function toWork({ action, ...rest }: BulkAction) {
  return { action, params: "params" in rest ? rest.params : {} };
}

/** How many seats are free and how many people wait, before a dry run and as it would be after it. */
export function toSeats({ before, after }: Pick<PreviewMemo, "before" | "after">) {
  const none = { free: 0, waiting: 0 };
  return Object.keys(before).map((tier) => ({ tier, before: before[tier] ?? none, after: after[tier] ?? none }));
}
