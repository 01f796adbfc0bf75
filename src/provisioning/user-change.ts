/** Changes one user: what a client writes of them, and whatever else moves the decision, each taken again where overtaken. */
import { isDeepStrictEqual } from "node:util";
import { lockAuthority } from "../auth/authority.ts";
import { lockAdmins, someAdministrative } from "../db/admins.ts";
import { findPasswordHash } from "../db/passwords.ts";
import { updateUser } from "../db/user-writes.ts";
import { findUser, findUserStates, lockUsers, type UserAccount } from "../db/users.ts";
import type { TenantRules } from "../domain/access.ts";
import { type Decision, decideUser, goesOut } from "../domain/decide.ts";
import type { Draft } from "../domain/draft.ts";
import type { Permission, UserDoc, UserState } from "../domain/model.ts";
import { isAdministrative } from "../domain/permissions.ts";
import type { Refusal } from "../domain/refusals.ts";
import { Problem } from "../problems.ts";
import { applyToUser, causeOf, decideInTransaction, needsSeat, noAuthority, type Work } from "./apply.ts";
import type { Deps, RequestContext } from "./context.ts";
import { describeChange, explainPoolFull, toProblem } from "./outcome.ts";
import { isTooBusyForPasswords, PasswordWish, type Settled } from "./passwords.ts";
import { type Preconditions, requireCondition, requireVersion } from "./preconditions.ts";
import { draftOfState, withPassword } from "./user-drafts.ts";
import { getAccount, readUser } from "./user-reads.ts";
import {
  type Addition,
  attemptsMax,
  begin,
  isPlain,
  noUser,
  optimisticAttemptsMax,
  overtaken,
  type Permit,
  recordRefusal,
} from "./user-steps.ts";
import { etagOfState, nextView } from "./user-views.ts";

const noPermissions = { permissions: [] };

export interface ChangeOptions extends Preconditions {
  /** Prepared text, or null to remove the password. Absent: it stays as it is. */
  readonly password?: string | null;
}

/**
 * Replaces the client's words about a user by what `change` makes of them; PUT and PATCH alike. `change` may run again
 * when another request was faster. A change that changes nothing writes nothing.
 */
export async function changeUser(
  deps: Deps,
  ctx: RequestContext,
  id: string,
  change: (current: UserDoc) => UserDoc,
  options: ChangeOptions = {},
): Promise<UserAccount> {
  return await alterUser(deps, ctx, id, (state) => ({ ...draftOfState(state), doc: change(state.doc) }), {
    ...options,
    asserted: new Set(),
  });
}

/** A change of one user, whatever it is of. */
export interface AlterOptions extends ChangeOptions {
  readonly asserted: ReadonlySet<string>;
  /** Decide and write even where the draft equals what is stored. */
  readonly force?: boolean;
  readonly permit?: Permit;
  /** Whose permissions decide (GRD-1); absent: the actor's. */
  readonly authority?: (state: UserState) => readonly Permission[];
  /** Before anything is decided, under the lock of the user's row: raises what stands against the change. */
  readonly require?: (work: Work, state: UserState, held: readonly Permission[]) => Promise<void>;
  readonly also?: Addition;
  /** Whether a full pool queues where it would refuse (LIC-3): whoever acts asks for no seat. */
  readonly queues?: boolean;
  /** What the event is called, and by which rule; absent: `user.changed`. */
  readonly action?: { readonly name: string; readonly rule: string };
  /** USR-9: what a leaver's request asked for and the database refused, left out of the draft. */
  readonly dropped?: readonly Refusal[];
}

/** Takes the decision again with what `alter` makes of the user, and writes it. `alter` may run several times. */
export async function alterUser(
  deps: Deps,
  ctx: RequestContext,
  id: string,
  alter: (state: UserState) => Draft,
  options: AlterOptions,
): Promise<UserAccount> {
  try {
    return await alterOrRefuse(deps, ctx, id, alter, options);
  } catch (error) {
    // USR-9: leavers must be out: under their old name where the new one is taken, and with whatever password they had
    // where there is no time for another.
    const isTaken = error instanceof Problem && error.code === "uniqueness";
    const isObstacle = isTaken || isTooBusyForPasswords(error);
    if (!isObstacle || (options.dropped ?? []).length > 1) throw error;
    const leave = (state: UserState): Draft => {
      const draft = alter(state);
      if (!goesOut(state, draft, deps.clock())) throw error;
      return isTaken ? { ...draft, doc: { ...draft.doc, userName: state.doc.userName } } : draft;
    };
    const { password, ...rest } = options;
    const kept = isTaken && password !== undefined ? { password } : {};
    const dropped = [...(options.dropped ?? []), isTaken ? takenName(error) : lateForPassword(error)];
    return await alterUser(deps, ctx, id, leave, { ...rest, ...kept, dropped });
  }
}

function takenName({ code, message, facts }: Problem): Refusal {
  return { code, rule: "USR-2", detail: message, facts, wish: null, without: (draft) => draft };
}

function lateForPassword({ code, message, facts }: Problem): Refusal {
  return { code, rule: "USR-9", detail: message, facts, wish: null, without: (draft) => draft };
}

async function alterOrRefuse(
  deps: Deps,
  ctx: RequestContext,
  id: string,
  alter: (state: UserState) => Draft,
  options: AlterOptions,
): Promise<UserAccount> {
  const { tenantId } = ctx.principal;
  const { password } = options;
  const wish = password === undefined ? undefined : new PasswordWish(deps, tenantId, id, password);
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const now = deps.clock();
    const rules = await deps.rules.recent(deps.db, tenantId);
    requireCondition(options, rules.settings, ctx.door);
    const stored = await readUser(deps, ctx, id);
    requireVersion(options, stored.view.version, "user");
    const { state } = stored;
    const altered = alter(state);
    // After the state was read: whoever sets another password meanwhile makes the write below miss its revision.
    const settled = await wish?.settle({ isProtected: isAdministrative(rules.role.get(state.role) ?? noPermissions) });
    const draft = withPassword(altered, settled?.change);
    const special = needsTransaction(options);
    if (options.force !== true && !special && isDeepStrictEqual(draft, draftOfState(state))) return stored.view;
    const outcome = decideUser(state, draft, {
      rules,
      now,
      direct: true,
      ...noAuthority,
      asserted: options.asserted,
      otherAdmin: undefined,
    });
    const late = attempt >= optimisticAttemptsMax;
    if (special || late || state.decidedVersion !== rules.version || !isPlain(outcome, rules, state)) {
      const view = await alterInTransaction(deps, ctx, id, alter, settled, options);
      if (view !== "again") return view;
      continue;
    }
    const described = describeChange(state, outcome);
    const written = await updateUser(deps.db, {
      tenantId,
      id,
      rulesVersion: rules.version,
      decision: outcome,
      cause: causeOf(ctx, now),
      mayRefuse: outcome.tier !== state.tier,
      before: described.before,
      after: described.after,
      revision: state.revision,
      settle: needsSeat(state, outcome),
      action: "user.changed",
      rule: "ROL-6",
    }).catch((error) => {
      throw explainPoolFull(error, rules);
    });
    if (written !== undefined) {
      const view = nextView(stored, outcome, written.license, written.version, now, ctx.door);
      return view ?? (await getAccount(deps, ctx, id));
    }
    deps.rules.forget(tenantId);
  }
  throw overtaken();
}

function needsTransaction({ permit, authority, require, also, action, dropped }: AlterOptions): boolean {
  return [permit, authority, require, also, action, dropped].some((one) => one !== undefined);
}

/** Whether there is nothing to write: the words are there already, and decided by today's rules. */
function isUnchanged(state: UserState, draft: Draft, rules: TenantRules, { force, dropped }: AlterOptions): boolean {
  if (force === true || dropped !== undefined || state.decidedVersion !== rules.version) return false;
  return isDeepStrictEqual(draft, draftOfState(state));
}

/** The whole of it, with every lock: where authority, requests, Admins, teams of rules or moved rules play a part. */
async function alterInTransaction(
  deps: Deps,
  ctx: RequestContext,
  id: string,
  alter: (state: UserState) => Draft,
  settled: Settled | undefined,
  options: AlterOptions,
): Promise<UserAccount | "again"> {
  const { tenantId } = ctx.principal;
  const result = await deps.db.transaction(async (tx): Promise<UserAccount | Refusal | "again"> => {
    const work = await begin(deps, ctx, tx);
    requireCondition(options, work.rules.settings, ctx.door);
    const wasAdministrative = await someAdministrative(tx, tenantId, [id]);
    if (wasAdministrative) await lockAdmins(tx, tenantId);
    if ((await lockUsers(tx, tenantId, [id])).length === 0) throw noUser(id);
    const [state] = await findUserStates(tx, tenantId, [id]);
    if (state === undefined) throw noUser(id);
    if (state.administrative && !wasAdministrative) return "again";
    requireVersion(options, etagOfState(state), "user");
    const held = await lockAuthority(tx, ctx.principal, work.now);
    await options.require?.(work, state, held);
    const authority = options.authority?.(state) ?? held;
    if (settled !== undefined && settled.stored !== (await findPasswordHash(tx, tenantId, id))) return "again";
    const draft = withPassword(alter(state), settled?.change);
    if (isUnchanged(state, draft, work.rules, options)) return (await findUser(tx, tenantId, id))?.view ?? "again";
    const outcome = await decideInTransaction(work, state, draft, {
      direct: true,
      authority,
      approved: [],
      asserted: options.asserted,
    });
    if (outcome.kind === "refused") {
      await recordRefusal(work, state, draft, outcome.refusal);
      return outcome.refusal;
    }
    options.permit?.(work.rules, state, outcome, held);
    const decision = { ...outcome, dropped: [...outcome.dropped, ...(options.dropped ?? [])] };
    const mayRefuse = options.queues !== true && asksForSeat(work, state, decision);
    await applyToUser(work, state, decision, {
      action: options.action?.name ?? "user.changed",
      rule: decision.kept ? "GRD-7" : (options.action?.rule ?? "ROL-6"),
      mayRefuse,
    }).catch((error) => {
      throw explainPoolFull(error, work.rules);
    });
    await options.also?.(work, id, decision);
    return (await findUser(tx, tenantId, id))?.view ?? "again";
  });
  if (result === "again" || !("without" in result)) return result;
  throw toProblem(result);
}

/**
 * LIC-3, LIC-6: a full pool refuses what the request itself asks for. What became due by a mapping, and is settled with a
 * profile update that happened to come first, queues.
 */
function asksForSeat({ rules, now }: Work, state: UserState, decision: Decision): boolean {
  const unasked = decideUser(state, draftOfState(state), {
    rules,
    now,
    direct: false,
    ...noAuthority,
    otherAdmin: true,
  });
  return unasked.kind !== "decided" || unasked.tier !== decision.tier;
}
