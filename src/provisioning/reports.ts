/** the reports by which an Admin looks after people: no queue, not seen, not reviewed, more role than needed. */
import {
  type HandlingRoles,
  listLongAgo,
  listNever,
  listPrivileged,
  listWithoutQueue,
  type PrivilegedRow,
  type ReportedRow,
  type ReportScope,
  type Trace,
  type TracedRow,
} from "../db/reports.ts";
import { findUserStates } from "../db/users.ts";
import type { TenantRules } from "../domain/access.ts";
import { findExcess, isElevated, type PrivilegeFinding } from "../domain/privilege.ts";
import { Problem } from "../problems.ts";
import type { Deps, RequestContext } from "./context.ts";

/** Who takes part in the calls of a queue: by their role or the tier of their seat. */
const handlesCalls = "calls.handle";

/** active people who handle calls, or who hold the role that is asked for, and are in no queue. */
export async function agentsWithoutQueue(deps: Deps, ctx: RequestContext, scope: ReportScope) {
  const { tenantId } = ctx.principal;
  const rules = await deps.rules.recent(deps.db, tenantId);
  requireRole(rules, scope.role);
  const handling = handlingOf(rules);
  return (after: { name: string; id: string } | null, limit: number) =>
    listWithoutQueue(deps.db, tenantId, scope, handling, after, limit);
}

/** Roles and tiers that name the permission. `*` is no wish to sit in a queue. */
function handlingOf({ roles, tiers }: TenantRules): HandlingRoles {
  const naming = (one: { readonly permissions: readonly string[] }) =>
    one.permissions.some((name) => name === handlesCalls || name === `${handlesCalls}:own-teams`);
  return {
    roles: roles.filter(naming).map((role) => role.key),
    tiers: tiers.filter(naming).map((tier) => tier.key),
  };
}

export interface TracePosition {
  /** Null while those without any trace are being listed. */
  readonly at: string | null;
  readonly id: string;
}

/** who has not been seen, or reviewed, since: those who never were come first, then the longest ago. */
export async function withoutTrace(deps: Deps, ctx: RequestContext, scope: ReportScope, trace: Trace, since: Date) {
  const { tenantId } = ctx.principal;
  requireRole(await deps.rules.recent(deps.db, tenantId), scope.role);
  const at = since.toISOString();
  return async (after: TracePosition | null, limit: number): Promise<(ReportedRow & Partial<TracedRow>)[]> => {
    const longAgo = (from: { at: string; id: string } | null, most: number) =>
      listLongAgo(deps.db, tenantId, scope, trace, at, from, most);
    if (after !== null && after.at !== null) return await longAgo({ at: after.at, id: after.id }, limit);
    const never = await listNever(deps.db, tenantId, scope, trace, after?.id ?? null, limit);
    return never.length < limit ? [...never, ...(await longAgo(null, limit - never.length))] : never;
  };
}

export interface PrivilegedPerson extends PrivilegedRow {
  readonly finding: PrivilegeFinding;
}

/** People looked at for one page at most: of a tenant where everybody is pinned as the sources say, a page may be short. */
const lookedAtMax = 5_000;
const batchSize = 500;

/**
 * who holds a role above what their sources or their use call for. A page may be short of its limit although there
 * are more: `last` is where the look ended, null at the end.
 */
export async function leastPrivilege(
  deps: Deps,
  ctx: RequestContext,
  scope: ReportScope,
  unseenDays: number,
  after: string | null,
  limit: number,
): Promise<{ readonly rows: readonly PrivilegedPerson[]; readonly last: string | null }> {
  const { tenantId } = ctx.principal;
  const rules = await deps.rules.recent(deps.db, tenantId);
  requireRole(rules, scope.role);
  const elevated = rules.roles.filter((role) => isElevated(role, rules)).map((role) => role.key);
  const cutoff = new Date(deps.clock().getTime() - unseenDays * 24 * 3600_000).toISOString();
  const rows: PrivilegedPerson[] = [];
  let from = after;
  for (let looked = 0; looked < lookedAtMax; looked += batchSize) {
    const batch = await listPrivileged(deps.db, tenantId, scope, elevated, cutoff, from, batchSize);
    for (const person of await judge(deps, rules, batch, unseenDays)) {
      if (rows.length === limit) return { rows, last: rows.at(-1)?.id ?? null };
      rows.push(person);
    }
    if (batch.length < batchSize) return { rows, last: null };
    from = batch.at(-1)?.id ?? null;
  }
  return { rows, last: from };
}

async function judge(
  deps: Deps,
  rules: TenantRules,
  batch: readonly PrivilegedRow[],
  unseenDays: number,
): Promise<PrivilegedPerson[]> {
  const ids = batch.map((row) => row.id);
  const states = new Map((await findUserStates(deps.db, rules.tenantId, ids)).map((state) => [state.id, state]));
  return batch.flatMap((row) => {
    const state = states.get(row.id);
    if (state === undefined) return [];
    const finding = findExcess({ state, unseenDays: row.unseen ? unseenDays : null }, rules);
    return finding.reasons.length === 0 ? [] : [{ ...row, finding }];
  });
}

function requireRole(rules: TenantRules, role: string | undefined): void {
  if (role === undefined || rules.role.has(role)) return;
  const known = [...rules.role.keys()].join(", ");
  throw new Problem("unknownRole", `There is no role "${role}". Known roles: ${known}.`);
}
