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
import { Problem } from "../problems.ts";
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
      const page: DuePosition[] = await findDue(deps.db, tenantId, kind, look(deps), after, batchSize);
      await carryOutPage(
        deps,
        ctx,
        kind,
        page.map(({ id }) => id),
      );
      await yieldToOthers();
      after = page.length < batchSize ? null : (page.at(-1) ?? null);
    } while (after !== null);
  }
}

function look({ clock }: Deps): Look {
  const now = clock();
  return { now, ahead: new Date(now.getTime() + clocksDifferMs) };
}

/** All in one transaction; should that fail, one by one, so that nobody stays in because of somebody else. */
async function carryOutPage(deps: Deps, ctx: RequestContext, kind: DueKind, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  try {
    await deps.db.transaction((tx) => carryOut(deps, ctx, tx, kind, ids));
  } catch (error) {
    // What is wrong with the database is wrong with everybody: the job is tried again.
    if (error instanceof Problem) throw error;
    for (const id of ids) await carryOutAlone(deps, ctx, kind, id);
  }
}

async function carryOutAlone(deps: Deps, ctx: RequestContext, kind: DueKind, id: string): Promise<void> {
  try {
    await deps.db.transaction((tx) => carryOut(deps, ctx, tx, kind, [id]));
  } catch (error) {
    if (error instanceof Problem) throw error;
    const { tenantId } = ctx.principal;
    deps.log.error({ err: error, tenantId, userId: id }, "a person's date could not be carried out; it is tried again");
  }
}

/** Decides those who are due and whom nobody else has in hand, and writes what follows. */
async function carryOut(
  deps: Deps,
  ctx: RequestContext,
  tx: Transaction,
  kind: DueKind,
  ids: readonly string[],
): Promise<void> {
  const { tenantId } = ctx.principal;
  const rules = await deps.rules.shared(tx, tenantId);
  const looked = look(deps);
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
}

/** GRD-5: the clock has nobody's authority. Who would start as an administrator without a grant becomes a request. */
async function decideAnew(work: Work, state: UserState): Promise<Decision> {
  const outcome = await decideInTransaction(work, state, draftOfState(state), { direct: false, ...noAuthority });
  if (outcome.kind === "refused") throw new Error("A date was refused instead of withheld.");
  return outcome;
}
