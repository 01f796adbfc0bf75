/**
 * USR-7, LIC-8: what the clock makes due is carried out: who starts comes in, who ends or does not come when invited goes
 * out, with all that follows, through the decision that every door goes through. In bounded transactions, by any process,
 * by several at once, and as well after days without any: what is due is what the rows say, not what somebody remembers.
 */
import { setImmediate as yieldToOthers } from "node:timers/promises";
import { lockAdmins, someAdministrative } from "../db/admins.ts";
import type { Transaction } from "../db/database.ts";
import {
  type DueKind,
  type DuePosition,
  dueKinds,
  findDue,
  findTenantsWithDue,
  type Look,
  lockDue,
  markDated,
} from "../db/due.ts";
import { findUserStates } from "../db/users.ts";
import type { Decision } from "../domain/decide.ts";
import type { UserState } from "../domain/model.ts";
import { decideInTransaction, noAuthority, type Work } from "./apply.ts";
import type { Deps, RequestContext } from "./context.ts";
import { jobContext } from "./jobs.ts";
import { applyAll, differs } from "./members.ts";
import { draftOfState } from "./user-drafts.ts";

/** Users of one transaction: enough to be quick, few enough that nobody waits long for a row or for a pool. */
const batchSize = 250;

/** Clocks of two servers differ by less: what one has carried out a little early the other must not undo. */
const clocksDifferMs = 3600_000;

/** What the log calls each, and the rule behind it. */
const told: Readonly<Record<DueKind, { action: string; rule: string }>> = {
  ended: { action: "user.ended", rule: "USR-7" },
  expired: { action: "user.expired", rule: "LIC-8" },
  ahead: { action: "user.redated", rule: "USR-7" },
  started: { action: "user.started", rule: "USR-7" },
};

/** Tenants in whom somebody's date has come: one look into an index, whatever there is to do. */
export async function findDueTenants(deps: Deps): Promise<string[]> {
  return await findTenantsWithDue(deps.db, look(deps));
}

/** Carries out the dates that have come in the tenant. Safe to run twice, at once and again after a crash. */
export async function carryOutDates(deps: Deps, tenantId: string, signal?: AbortSignal): Promise<void> {
  const ctx = jobContext(deps, tenantId, "dates");
  for (const kind of dueKinds) {
    let after: DuePosition | null = null;
    do {
      if (signal?.aborted) throw new Error("The dates were stopped; they go on where they were.");
      const from: DuePosition | null = after;
      after = await deps.db.transaction((tx) => carryOutBatch(deps, ctx, tx, kind, from));
      await yieldToOthers();
    } while (after !== null);
  }
}

function look({ clock }: Deps): Look {
  const now = clock();
  return { now, ahead: new Date(now.getTime() + clocksDifferMs) };
}

/** Decides the next who are due, after those before; returns where it ended, or null when there are no more. */
async function carryOutBatch(
  deps: Deps,
  ctx: RequestContext,
  tx: Transaction,
  kind: DueKind,
  after: DuePosition | null,
): Promise<DuePosition | null> {
  const { tenantId } = ctx.principal;
  const rules = await deps.rules.shared(tx, tenantId);
  const looked = look(deps);
  const due = await findDue(tx, tenantId, kind, looked, after, batchSize);
  const ids = due.map(({ id }) => id);
  if (ids.length === 0) return null;
  if (await someAdministrative(tx, tenantId, ids)) await lockAdmins(tx, tenantId);
  const states = await findUserStates(tx, tenantId, await lockDue(tx, tenantId, kind, looked, ids));
  const work: Work = { deps, ctx, tx, rules, now: looked.now, demoted: new Set() };
  const changed: { state: UserState; decision: Decision }[] = [];
  for (const state of states) {
    const decision = await decideAnew(work, state);
    if (differs(state, decision)) changed.push({ state, decision });
  }
  const { action, rule } = told[kind];
  await applyAll(work, changed, action, { rule });
  const moved = new Set(changed.map(({ state }) => state.id));
  const still = states.filter(({ id }) => !moved.has(id)).map(({ id }) => id);
  await markDated(tx, tenantId, still, looked.now);
  return due.length < batchSize ? null : (due.at(-1) ?? null);
}

/** GRD-5: the clock has nobody's authority. Who would start as an administrator without a grant becomes a request. */
async function decideAnew(work: Work, state: UserState): Promise<Decision> {
  const outcome = await decideInTransaction(work, state, draftOfState(state), { direct: false, ...noAuthority });
  if (outcome.kind === "refused") throw new Error("A date was refused instead of withheld.");
  return outcome;
}
