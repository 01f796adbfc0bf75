/** Use cases of one user: create, change, delete, read. SCIM, the management API and jobs all come through here. */
import { isDeepStrictEqual } from "node:util";
import { lockAuthority } from "../auth/authority.ts";
import { lockAdmins, someAdministrative } from "../db/admins.ts";
import type { Statement, Transaction } from "../db/database.ts";
import { recordEvents } from "../db/events.ts";
import { findPasswordHash } from "../db/passwords.ts";
import { findApprovals, recordWish, useApprovals, voidWishes } from "../db/promotions.ts";
import { insertUser, type License, updateUser } from "../db/user-writes.ts";
import {
  etagOf,
  findUser,
  findUserStates,
  findUserView,
  lockUsers,
  type StoredUser,
  type UserAccount,
  type UserView,
} from "../db/users.ts";
import { ruleTeams, type TenantRules } from "../domain/access.ts";
import { type Decision, decideUser, goesOut, type Outcome } from "../domain/decide.ts";
import type { Draft, PasswordChange } from "../domain/draft.ts";
import { identityOf, sameIdentity } from "../domain/identity.ts";
import type { Permission, Pin, UserDoc, UserState } from "../domain/model.ts";
import { isAdministrative, isReserved, missing } from "../domain/permissions.ts";
import type { Refusal } from "../domain/refusals.ts";
import { isUuid } from "../ids.ts";
import { Problem } from "../problems.ts";
import { normaliseName } from "../vocabulary/names.ts";
import {
  applyConsequences,
  applyToUser,
  causeOf,
  decideInTransaction,
  eventOf,
  needsSeat,
  noAuthority,
  noteLeavingAdmin,
  type Work,
} from "./apply.ts";
import type { Deps, RequestContext } from "./context.ts";
import { describeChange, explainPoolFull, summarise, toProblem, toWishRecord } from "./outcome.ts";
import { isTooBusyForPasswords, PasswordWish, type Settled, toPasswordChange } from "./passwords.ts";
import { type Preconditions, requireCondition, requireVersion } from "./preconditions.ts";

export { isUuid };

/** How often a decision that was overtaken is taken again before the caller is told to come back. */
const attemptsMax = 12;

const noPermissions = { permissions: [] };

/** After so many the locks are taken first: of 50 PATCHes of one user at once, each would wait for 49 faster ones. */
const optimisticAttemptsMax = 3;

/**
 * USR-2, LIC-3: creates a user and claims the seat that is due, in one statement where nothing special is asked for.
 * Problems: uniqueness, poolFull, promotionRefused, unknownRole, unknownTier, domainRequired, unavailable.
 */
export async function createUser(
  deps: Deps,
  ctx: RequestContext,
  doc: UserDoc,
  options: CreateOptions = {},
): Promise<UserAccount> {
  const { tenantId } = ctx.principal;
  const { invitation, password } = options;
  const draft = draftOf(doc, invitation, password === undefined ? undefined : await toPasswordChange(deps, password));
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const now = deps.clock();
    const rules = await deps.rules.recent(deps.db, tenantId);
    const outcome = decideUser(null, draft, { rules, now, direct: true, ...noAuthority, otherAdmin: undefined });
    if (attempt >= optimisticAttemptsMax || !isPlain(outcome, rules))
      return await createInTransaction(deps, ctx, draft);
    const id = deps.newId();
    const license = await insertUser(deps.db, {
      tenantId,
      id,
      rulesVersion: rules.version,
      decision: outcome,
      cause: causeOf(ctx, now),
      mayRefuse: true,
      claims: claims(outcome, rules),
      after: { userName: doc.userName, ...summarise(outcome) },
    }).catch((error) => {
      throw explainPoolFull(error, rules);
    });
    if (license !== undefined) {
      if (license.status === "waitlisted" || license.wanted !== null) return await getAccount(deps, ctx, id);
      return newView(id, outcome, license, now);
    }
    deps.rules.forget(tenantId);
  }
  throw overtaken();
}

export interface CreateOptions {
  readonly invitation?: Invitation;
  /** Prepared text. */
  readonly password?: string;
}

/** How an invited person differs from a provisioned one (USR-1). */
export interface Invitation {
  readonly accepted: false;
  readonly expiresAt: string;
}

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

export interface AccessChange {
  /** A role's key to pin, null to unpin. */
  readonly role?: string | null;
  /** A tier's key to pin, `none` for a pin to no license, null to unpin. */
  readonly tier?: string | null;
  /** USR-1: a stop that only an Admin lifts. */
  readonly suspended?: boolean;
}

/** ROL-2: pins role or tier, unpins them, stops a person or lifts the stop. The caller's permission is checked outside. */
export async function changeAccess(
  deps: Deps,
  ctx: RequestContext,
  id: string,
  change: AccessChange,
): Promise<UserAccount> {
  const rules = await deps.rules.current(deps.db, ctx.principal.tenantId);
  if (typeof change.role === "string" && !rules.role.has(change.role)) {
    const known = rules.roles.map((role) => role.key).join(", ");
    throw new Problem("unknownRole", `There is no role "${change.role}". Known roles: ${known}.`, {
      facts: { rule: "ROL-2" },
    });
  }
  if (typeof change.tier === "string" && change.tier !== "none" && !rules.tier.has(change.tier)) {
    const known = rules.tiers.map((tier) => tier.key).join(", ");
    throw new Problem("unknownTier", `There is no tier "${change.tier}". Known tiers: ${known}, or "none".`, {
      facts: { rule: "LIC-10" },
    });
  }
  const asserted = new Set<string>();
  if (typeof change.role === "string") asserted.add("pin");
  const alter = (state: UserState): Draft => {
    const draft = draftOfState(state);
    return {
      ...draft,
      rolePin: change.role === undefined ? draft.rolePin : change.role,
      tierPin: change.tier === undefined ? draft.tierPin : toPin(change.tier),
      suspended: change.suspended ?? draft.suspended,
    };
  };
  const permit = typeof change.role === "string" ? requireOwnPermissions : undefined;
  return await alterUser(deps, ctx, id, alter, { asserted, ...(permit === undefined ? {} : { force: true, permit }) });
}

/** ROL-5: persons and tokens grant only permissions that they hold themselves. Of reserved ones the guard speaks. */
function requireOwnPermissions(rules: TenantRules, before: UserState, decision: Decision, held: readonly Permission[]) {
  const had = rules.role.get(before.role)?.permissions ?? [];
  const beyond = missing(held, missing(had, decision.role.permissions)).filter((name) => !isReserved(name));
  if (beyond.length === 0) return;
  const detail = `You cannot give "${decision.role.name}": it holds ${beyond.join(", ")}, which you do not.`;
  throw new Problem("forbidden", detail, { facts: { rule: "ROL-5", role: decision.role.key } });
}

function toPin(tier: string | null): Pin<string | null> {
  if (tier === null) return { pinned: false };
  return { pinned: true, value: tier === "none" ? null : tier };
}

/** Pins a role: what the operator does to appoint an Admin (GRD-7). */
export async function pinRole(deps: Deps, ctx: RequestContext, id: string, role: string): Promise<UserAccount> {
  return await changeAccess(deps, ctx, id, { role });
}

/** One user as a client sees it. Problem: notFound. */
export async function getUser(deps: Deps, ctx: RequestContext, id: string): Promise<UserView> {
  const view = isUuid(id) ? await findUserView(deps.db, ctx.principal.tenantId, id) : undefined;
  if (view === undefined) throw noUser(id);
  return view;
}

/** One user as the management side sees it. Problem: notFound. */
export async function getAccount(deps: Deps, ctx: RequestContext, id: string): Promise<UserAccount> {
  return (await readUser(deps, ctx, id)).view;
}

async function readUser(deps: Deps, ctx: RequestContext, id: string): Promise<StoredUser> {
  const stored = isUuid(id) ? await findUser(deps.db, ctx.principal.tenantId, id) : undefined;
  if (stored === undefined) throw noUser(id);
  return stored;
}

interface AlterOptions extends ChangeOptions {
  readonly asserted: ReadonlySet<string>;
  /** Decide and write even where the draft equals what is stored. */
  readonly force?: boolean;
  /** Raises what the actor's own permissions do not allow; they are read inside the transaction (GRD-9). */
  readonly permit?: (rules: TenantRules, before: UserState, decision: Decision, held: readonly Permission[]) => void;
  /** USR-9: what a leaver's request asked for and the database refused, left out of the draft. */
  readonly dropped?: readonly Refusal[];
}

async function alterUser(
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
    if (options.force !== true && isDeepStrictEqual(draft, draftOfState(state))) return stored.view;
    const outcome = decideUser(state, draft, {
      rules,
      now,
      direct: true,
      ...noAuthority,
      asserted: options.asserted,
      otherAdmin: undefined,
    });
    const special = attempt >= optimisticAttemptsMax || options.permit !== undefined || options.dropped !== undefined;
    if (special || state.decidedVersion !== rules.version || !isPlain(outcome, rules, state)) {
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
      const view = nextView(stored, outcome, written.license, written.version, now);
      return view ?? (await getAccount(deps, ctx, id));
    }
    deps.rules.forget(tenantId);
  }
  throw overtaken();
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
    const authority = await lockAuthority(tx, ctx.principal, work.now);
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
    options.permit?.(work.rules, state, outcome, authority);
    const decision = { ...outcome, dropped: [...outcome.dropped, ...(options.dropped ?? [])] };
    const mayRefuse = asksForSeat(work, state, decision);
    await applyToUser(work, state, decision, {
      action: "user.changed",
      rule: decision.kept ? "GRD-7" : "ROL-6",
      mayRefuse,
    }).catch((error) => {
      throw explainPoolFull(error, work.rules);
    });
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

async function createInTransaction(deps: Deps, ctx: RequestContext, draft: Draft): Promise<UserAccount> {
  const { tenantId } = ctx.principal;
  const result = await deps.db.transaction(async (tx): Promise<UserAccount | Refusal> => {
    const work = await begin(deps, ctx, tx);
    const { rules, now } = work;
    const authority = await lockAuthority(tx, ctx.principal, now);
    const name = normaliseName(draft.doc.userName);
    const approvals = await findApprovals(tx, tenantId, name, now.toISOString());
    // GRD-6: another sign-in identity under the same name is another person.
    const approved = approvals.filter((one) => sameIdentity(one.identity, identityOf(draft.doc)));
    const circumstances = { direct: true, authority, approved, asserted: new Set<string>() };
    const outcome = await decideInTransaction(work, null, draft, circumstances);
    if (outcome.kind === "refused") {
      await recordRefusal(work, null, draft, outcome.refusal);
      return outcome.refusal;
    }
    const id = deps.newId();
    const license = await insertUser(tx, {
      tenantId,
      id,
      rulesVersion: rules.version,
      decision: outcome,
      cause: causeOf(ctx, now),
      mayRefuse: true,
      claims: claims(outcome, rules),
      after: { userName: draft.doc.userName, ...summarise(outcome) },
    }).catch((error) => {
      throw explainPoolFull(error, rules);
    });
    if (license === undefined) throw new Error("The rules moved under a share lock.");
    await useApprovals(tx, tenantId, [...new Set(approved.map((one) => one.id))], id);
    await applyConsequences(work, null, id, outcome, {});
    const stored = await findUser(tx, tenantId, id);
    if (stored === undefined) throw new Error("A user vanished inside the creating transaction.");
    return stored.view;
  });
  if ("without" in result) throw toProblem(result);
  return result;
}

/**
 * USR-6: deletes a user for good. The seat goes to the first in line, the history stays. An Admin may leave, even the
 * last (GRD-7). Problem: notFound.
 */
export async function deleteUser(
  deps: Deps,
  ctx: RequestContext,
  id: string,
  options: Preconditions = {},
): Promise<void> {
  const { tenantId } = ctx.principal;
  if (!isUuid(id)) throw noUser(id);
  await deps.db.transaction(async (tx) => {
    const work = await begin(deps, ctx, tx);
    requireCondition(options, work.rules.settings, ctx.door);
    if (await someAdministrative(tx, tenantId, [id])) await lockAdmins(tx, tenantId);
    if ((await lockUsers(tx, tenantId, [id])).length === 0) throw noUser(id);
    const stored = await findUser(tx, tenantId, id);
    if (stored === undefined) throw noUser(id);
    requireVersion(options, stored.view.version, "user");
    const { state } = stored;
    // The row goes last: who drains the queue may still have to see it.
    await tx.query(releaseAll, [tenantId, id, JSON.stringify(causeOf(ctx, work.now))]);
    if (state.administrative && state.status === "active") await noteLeavingAdmin(work, id);
    await voidWishes(tx, tenantId, id, work.now.toISOString());
    const event = eventOf(work, "user.deleted", "User", id, {});
    const before = { ...state.doc, status: state.status, effectiveRole: state.role, tier: state.tier };
    await recordEvents(tx, [{ ...event, before }]);
    await tx.query(remove, [tenantId, id]);
  });
}

const releaseAll: Statement = {
  name: "users_release",
  text: "select settle_seat($1, $2, null, false, $3::jsonb) as license",
};

const remove: Statement = { name: "users_remove", text: "delete from users where tenant_id = $1 and id = $2" };

async function begin(deps: Deps, ctx: RequestContext, tx: Transaction): Promise<Work> {
  return { deps, ctx, tx, rules: await deps.rules.shared(tx, ctx.principal.tenantId), now: deps.clock() };
}

/** GRD-4: a refusal leaves nothing but the request for an Admin and the event that tells of it. */
async function recordRefusal(work: Work, before: UserState | null, draft: Draft, refusal: Refusal): Promise<void> {
  if (refusal.wish === null) return;
  const { deps, ctx, tx, now } = work;
  const record = toWishRecord(deps, ctx, before, draft, refusal.wish, now.toISOString());
  const { id, attempts } = await recordWish(tx, record);
  const { kind, role, sources } = refusal.wish;
  const after = { promotion: id, kind, role, sources: [...sources], attempts, userName: record.userName };
  const [type, subject] = before === null ? ["UserName", record.userNameNorm] : ["User", before.id];
  await recordEvents(tx, [
    eventOf(work, "promotion.requested", type as string, subject as string, after, refusal.rule),
  ]);
}

/** Whether one statement carries the whole decision: no grant, no request, no Admin, no team of a rule. */
export function isPlain(outcome: Outcome, rules: TenantRules, before?: UserState): outcome is Decision {
  return (
    outcome.kind === "decided" &&
    outcome.newGrant === null &&
    outcome.endedGrants.length === 0 &&
    outcome.withheld.length === 0 &&
    outcome.dropped.length === 0 &&
    !outcome.kept &&
    isDeepStrictEqual(before === undefined ? [] : ruleTeams(before.doc, rules), ruleTeams(outcome.draft.doc, rules))
  );
}

/** Whether a free seat may be taken at a glance, because nobody queues beside one (db/user-writes). */
function claims({ tier }: Decision, rules: TenantRules): boolean {
  const terms = tier === null ? undefined : rules.tier.get(tier);
  return terms !== undefined && !terms.unlimited && terms.drain === "auto";
}

export function draftOf(doc: UserDoc, invitation?: Invitation, password?: PasswordChange): Draft {
  const draft = {
    doc,
    suspended: false,
    accepted: invitation === undefined,
    invitationExpiresAt: invitation?.expiresAt ?? null,
    rolePin: null,
    tierPin: { pinned: false } as const,
    bindings: [],
  };
  return withPassword(draft, password);
}

function withPassword(draft: Draft, password: PasswordChange | undefined): Draft {
  return password === undefined ? draft : { ...draft, password };
}

export function draftOfState(state: UserState): Draft {
  const { doc, suspended, accepted, invitationExpiresAt, rolePin, tierPin, bindings } = state;
  return { doc, suspended, accepted, invitationExpiresAt, rolePin, tierPin, bindings };
}

/** What `insertUser` has made, from what is known; for users who wait for nothing. */
export function newView(id: string, decision: Decision, license: License, now: Date): UserAccount {
  const at = now.toISOString();
  return {
    id,
    doc: decision.draft.doc,
    status: decision.status,
    role: decision.role.key,
    roleSource: decision.roleSource,
    tierSource: decision.tierSource,
    rolePin: null,
    tierPinned: false,
    tierPin: null,
    suspended: false,
    administrative: false,
    license: {
      tier: license.tier,
      status: license.status,
      wanted: null,
      position: null,
      since: license.tier === null ? null : at,
    },
    teams: [],
    groups: [],
    version: etagOf(1, license.tier, license.no, null),
    createdAt: at,
    modifiedAt: at,
  };
}

/** The user after a plain write, from what is known; undefined where teams or the place in a queue must be looked up. */
function nextView(
  { state, view }: StoredUser,
  decision: Decision,
  license: License | null,
  version: number,
  now: Date,
): UserAccount | undefined {
  if (decision.status === "active" && view.status !== "active") return undefined;
  if (license !== null && license.status !== "none") return undefined;
  const { draft } = decision;
  const noSeat = { tier: null, status: "none", wanted: null, position: null, since: null } as const;
  const seat = license === null ? state.seat : null;
  return {
    ...view,
    doc: draft.doc,
    status: decision.status,
    role: decision.role.key,
    roleSource: decision.roleSource,
    tierSource: decision.tierSource,
    rolePin: draft.rolePin,
    tierPinned: draft.tierPin.pinned,
    tierPin: draft.tierPin.pinned ? draft.tierPin.value : null,
    suspended: draft.suspended,
    administrative: decision.administrative,
    license: license === null ? view.license : noSeat,
    teams: decision.status === "active" ? view.teams : [],
    version: etagOf(
      version,
      seat?.tier ?? null,
      seat?.no ?? null,
      license === null ? (state.waiting?.tier ?? null) : null,
    ),
    modifiedAt: now.toISOString(),
  };
}

function etagOfState({ version, seat, waiting }: UserState): string {
  return etagOf(version, seat?.tier ?? null, seat?.no ?? null, waiting?.tier ?? null);
}

export function noUser(id: string): Problem {
  return new Problem("notFound", `There is no user with the id "${id.slice(0, 100)}".`);
}

/** So many others changed the same thing meanwhile that the caller may as well come back. */
export function overtaken(): Problem {
  return new Problem("unavailable", "Too many changes of the same user at once; try again.", {
    headers: { "Retry-After": "1" },
  });
}
