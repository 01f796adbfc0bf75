/**
 * After an edit of the rules everybody is decided again, in the background: in bounded transactions, resumable after a
 * crash because progress is what the rows say, and with a result that no order of people changes (LIC-12).
 *
 * The first pass decides everybody whose decision is behind, and takes out of the queues who waits for what is no longer
 * due. Then seats change hands in three more: releases, steps down, and those who are due a seat and neither hold nor
 * await it; each by the time of people's making.
 */
import { setImmediate as yieldToOthers } from "node:timers/promises";
import { lockAdmins, someAdministrative } from "../db/admins.ts";
import type { Statement, Transaction } from "../db/database.ts";
import { findUserStates, lockUsers } from "../db/users.ts";
import { ruleTeams } from "../domain/access.ts";
import type { Decision } from "../domain/decide.ts";
import type { UserState } from "../domain/model.ts";
import { causeOf, decideInTransaction, noAuthority, syncRuleTeams, type Work } from "./apply.ts";
import type { Deps, RequestContext } from "./context.ts";
import { jobContext } from "./jobs.ts";
import { applyAll, differs } from "./members.ts";
import { draftOfState } from "./users.ts";

/** Users of one transaction: enough to be quick, few enough that nobody waits long for a row. */
const batchSize = 250;

export interface ReconcileProgress {
  readonly state: "running" | "done";
  readonly total: number;
  readonly done: number;
  readonly reason: string;
  readonly startedAt: string;
  readonly finishedAt: string | null;
}

/** Decides everybody of the tenant whose decision is behind. Safe to run twice, at once and again after a crash. */
export async function reconcile(deps: Deps, tenantId: string, signal?: AbortSignal): Promise<void> {
  const ctx = jobContext(deps, tenantId, "reconcile");
  for (;;) {
    await decideEverybody(deps, ctx, signal);
    for (const phase of phases) await seatEverybody(deps, ctx, phase, signal);
    if (signal?.aborted) throw new Error("The reconcile job was stopped; it goes on where it was.");
    if (await finish(deps, tenantId)) return;
  }
}

const nextBehind: Statement = {
  name: "reconcile_behind",
  text: `select id from users where tenant_id = $1 and decided_version < $2 and ($3::uuid is null or id > $3)
    order by id limit ${batchSize}`,
};

const markDecided: Statement = {
  name: "reconcile_decided",
  text: "update users set decided_version = $2 where tenant_id = $1 and id = any ($3::uuid[]) and decided_version < $2",
};

const progress: Statement = {
  name: "reconcile_progress",
  text: "update reconciles set done = least(done + $2, greatest(total, done + $2)) where tenant_id = $1",
};

async function decideEverybody(deps: Deps, ctx: RequestContext, signal?: AbortSignal): Promise<void> {
  let after: string | null = null;
  for (;;) {
    if (signal?.aborted) return;
    const last: string | null = await deps.db.transaction((tx) => decideBatch(deps, ctx, tx, after));
    if (last === null) return;
    after = last;
    await yieldToOthers();
  }
}

/** Decides the next users after `after`; returns the last of them, or null when there is none. */
async function decideBatch(
  deps: Deps,
  ctx: RequestContext,
  tx: Transaction,
  after: string | null,
): Promise<string | null> {
  const { tenantId } = ctx.principal;
  const rules = await deps.rules.shared(tx, tenantId);
  const work: Work = { deps, ctx, tx, rules, now: deps.clock(), demoted: new Set() };
  const rows = await tx.query<{ id: string }>(nextBehind, [tenantId, rules.version, after]);
  const last = rows.at(-1)?.id;
  if (last === undefined) return null;
  const ids = rows.map((row) => row.id);
  if (await someAdministrative(tx, tenantId, ids)) await lockAdmins(tx, tenantId);
  const states = await findUserStates(tx, tenantId, await lockUsers(tx, tenantId, ids));
  const changed: { state: UserState; decision: Decision }[] = [];
  for (const state of states) {
    const decision = await decideAnew(work, state);
    if (differs(state, decision)) changed.push({ state, decision });
  }
  await applyAll(work, changed, "user.reconciled", { seatsLater: true });
  await syncRuleTeams(tx, tenantId, new Map(states.map((state) => [state.id, ruleTeams(state.doc, rules)])));
  await tx.query(markDecided, [tenantId, rules.version, states.map((state) => state.id)]);
  await tx.query(progress, [tenantId, ids.length]);
  return last;
}

/** The decision by today's rules and nobody's authority. */
async function decideAnew(work: Work, state: UserState): Promise<Decision> {
  const outcome = await decideInTransaction(work, state, draftOfState(state), { direct: false, ...noAuthority });
  if (outcome.kind === "refused") throw new Error("A recomputation was refused instead of withheld.");
  return outcome;
}

/** LIC-12: in this order seats change hands. */
const phases = ["releases", "stepsDown", "claims"] as const;
type Phase = (typeof phases)[number];

const unsettled = `
  from users u
  left join seats s on s.tenant_id = u.tenant_id and s.user_id = u.id
  left join waitlist w on w.tenant_id = u.tenant_id and w.user_id = u.id
  left join pools due on due.tenant_id = u.tenant_id and due.tier = u.tier
  left join pools held on held.tenant_id = u.tenant_id and held.tier = s.tier
  where u.tenant_id = $1`;

const isDue = "u.tier is not null and s.tier is distinct from u.tier and w.tier is distinct from u.tier";

/** Who is to be looked at in each phase. */
const conditions: Readonly<Record<Phase, string>> = {
  releases: "u.tier is null and (s.tier is not null or w.tier is not null)",
  stepsDown: `${isDue} and held.rank > due.rank`,
  claims: isDue,
};

const nextOf = (phase: Phase): Statement => ({
  name: `reconcile_${phase}`,
  text: `select u.id ${unsettled} and ${conditions[phase]} and ($2::uuid is null or u.id > $2)
    order by u.id limit ${batchSize}`,
});

const stillOf = (phase: Phase): Statement => ({
  name: `reconcile_${phase}_of`,
  text: `select u.id, u.tier, s.tier as held, w.tier as queued ${unsettled} and ${conditions[phase]}
    and u.id = any ($2::uuid[]) order by u.id`,
});

const statements: Readonly<Record<Phase, { next: Statement; still: Statement }>> = {
  releases: { next: nextOf("releases"), still: stillOf("releases") },
  stepsDown: { next: nextOf("stepsDown"), still: stillOf("stepsDown") },
  claims: { next: nextOf("claims"), still: stillOf("claims") },
};

const lockPools: Statement = { name: "pools_lock", text: "select lock_pools($1, $2)" };

// The event is written in the same statement: what follows for others, such as a drain later on, has a later number.
const settle: Statement = {
  name: "seats_settle",
  text: `
    with l as (select settle_seat($1, $2, $3, false, $4::jsonb) as license),
    e as (insert into events (tenant_id, at, actor, action, subject_type, subject_id, before, after, rule, request_id)
      select $1, ($4::jsonb ->> 'at')::timestamptz, $4::jsonb -> 'actor',
        case when $3::text is null then 'license.released' when l.license ->> 'wanted' is null then 'license.assigned'
          else 'license.queued' end,
        'User', $2::text, jsonb_build_object('tier', $5::text), l.license, 'LIC-12', $4::jsonb ->> 'requestId' from l)
    select from l`,
};

async function seatEverybody(deps: Deps, ctx: RequestContext, phase: Phase, signal?: AbortSignal): Promise<void> {
  let after: string | null = null;
  for (;;) {
    if (signal?.aborted) return;
    const last: string | null = await deps.db.transaction((tx) => seatBatch(deps, ctx, tx, phase, after));
    if (last === null) return;
    after = last;
    await yieldToOthers();
  }
}

interface Unsettled {
  readonly id: string;
  readonly tier: string | null;
  readonly held: string | null;
  readonly queued: string | null;
}

/** Settles the next users of the phase; returns the last of them, or null when there is none. */
async function seatBatch(
  deps: Deps,
  ctx: RequestContext,
  tx: Transaction,
  phase: Phase,
  after: string | null,
): Promise<string | null> {
  const { tenantId } = ctx.principal;
  await deps.rules.shared(tx, tenantId);
  const rows = await tx.query<{ id: string }>(statements[phase].next, [tenantId, after]);
  const last = rows.at(-1)?.id;
  if (last === undefined) return null;
  const locked = await lockUsers(
    tx,
    tenantId,
    rows.map((row) => row.id),
  );
  const due = await tx.query<Unsettled>(statements[phase].still, [tenantId, locked]);
  const tiers = due.flatMap(({ tier, held, queued }) => [tier, held, queued]).filter((tier) => tier !== null);
  await tx.query(lockPools, [tenantId, [...new Set(tiers)]]);
  const cause = JSON.stringify(causeOf(ctx, deps.clock()));
  for (const { id, tier, held } of due) await tx.query(settle, [tenantId, id, tier, cause, held]);
  return last;
}

const isBehind: Statement = {
  name: "reconcile_is_behind",
  text: `select exists (select from users u where u.tenant_id = $1 and u.decided_version < $2)
    or exists (select ${unsettled} and (${conditions.releases} or ${conditions.claims})) as behind`,
};

const done: Statement = {
  name: "reconcile_done",
  text: "update reconciles set state = 'done', done = total, finished_at = $2 where tenant_id = $1 and state = 'running'",
};

/** Looks once more under the lock that saves take: either nobody is behind, or the work goes on. */
async function finish(deps: Deps, tenantId: string): Promise<boolean> {
  return await deps.db.transaction(async (tx) => {
    const rules = await deps.rules.locked(tx, tenantId);
    const [row] = await tx.query<{ behind: boolean }>(isBehind, [tenantId, rules.version]);
    if (row?.behind !== false) return false;
    await tx.query(done, [tenantId, deps.clock().toISOString()]);
    return true;
  });
}

const running: Statement = {
  name: "reconciles_running",
  text: "select tenant_id from reconciles where state = 'running'",
};

/** Tenants whose reconciliation was not finished, whatever became of its job: asked at start-up. */
export async function findUnreconciled(deps: Deps): Promise<string[]> {
  return (await deps.db.query<{ tenant_id: string }>(running, [])).map((row) => row.tenant_id);
}

const readProgress: Statement = {
  name: "reconciles_read",
  text: `select state, total, done, reason, started_at as "startedAt", finished_at as "finishedAt"
    from reconciles where tenant_id = $1`,
};

/** How far the last reconciliation has come; undefined where there never was one. */
export async function findProgress(deps: Deps, tenantId: string): Promise<ReconcileProgress | undefined> {
  return (await deps.db.query<ReconcileProgress>(readProgress, [tenantId]))[0];
}
