/**
 * Many users at once, as a Bulk or an import brings them: the same decisions, seats, events and answers as creates one by
 * one in the same order, in a few statements. DESIGN §5's locks hold: the rules first, then names, then pools by rank.
 */
import { asPoolFull, userNameTaken } from "../db/constraints.ts";
import type { Transaction } from "../db/database.ts";
import { type BatchedUser, claimSeats, insertUsers, lockPoolsOf, settleUsers } from "../db/user-batch.ts";
import { findUserAccounts, type UserAccount } from "../db/users.ts";
import type { TenantRules } from "../domain/access.ts";
import { type Decision, decideUser } from "../domain/decide.ts";
import type { UserDoc } from "../domain/model.ts";
import { Problem } from "../problems.ts";
import { causeOf, noAuthority, type Work } from "./apply.ts";
import type { Deps, RequestContext } from "./context.ts";
import { summarise } from "./outcome.ts";
import { createUser, draftOf, isPlain, newView } from "./users.ts";

/** Users of one transaction: its locks are held some 50 ms, and who waits for one of them hardly notices. */
export const creationBatchMax = 250;

/** Below it, the transaction around a batch costs more than it saves. */
const creationBatchMin = 4;

/** What became of one: the user, or what `createUser` raises. */
export type Creation = { readonly user: UserAccount } | { readonly error: unknown };

/**
 * Creates users in order. Stops after `errorsMax` errors, and at an outage, because those after it had better wait: what
 * is returned are those that were tried. Users with passwords are not for this.
 */
export async function createUsers(
  deps: Deps,
  ctx: RequestContext,
  docs: readonly UserDoc[],
  { errorsMax = Number.POSITIVE_INFINITY }: { readonly errorsMax?: number } = {},
): Promise<Creation[]> {
  const made: Creation[] = [];
  const errorsLeft = () => errorsMax - made.filter((one) => "error" in one).length;
  const ended = () => made.length >= docs.length || errorsLeft() <= 0 || isOutage(made.at(-1));
  while (!ended()) {
    const next = docs.slice(made.length, made.length + creationBatchMax);
    const plain = decidePlain(next, await deps.rules.recent(deps.db, ctx.principal.tenantId), deps.clock());
    const batch = next.slice(0, plain.decisions.length);
    const together =
      batch.length < creationBatchMin ? undefined : await createTogether(deps, ctx, batch, plain, errorsLeft());
    if (together !== undefined) {
      made.push(...together);
      continue;
    }
    for (const doc of batch.length > 0 ? batch : next.slice(0, 1)) {
      made.push(await createAlone(deps, ctx, doc));
      if (ended()) break;
    }
  }
  return made;
}

async function createAlone(deps: Deps, ctx: RequestContext, doc: UserDoc): Promise<Creation> {
  try {
    return { user: await createUser(deps, ctx, doc) };
  } catch (error) {
    return { error };
  }
}

interface Plain {
  readonly rules: TenantRules;
  readonly now: Date;
  /** Of the first of the users, up to one for whom more has to be written than a row, a seat and an event. */
  readonly decisions: readonly Decision[];
}

function decidePlain(docs: readonly UserDoc[], rules: TenantRules, now: Date): Plain {
  const decisions: Decision[] = [];
  for (const doc of docs) {
    const asked = { rules, now, direct: true, ...noAuthority, otherAdmin: undefined };
    const outcome = decideUser(null, draftOf(doc), asked);
    if (!isPlain(outcome, rules)) break;
    decisions.push(outcome);
  }
  return { rules, now, decisions };
}

/** Undoes a batch that has to be gone through one by one. */
class OneByOne extends Error {}

/** All in one transaction; undefined where nothing was written and each has to be tried for itself. */
async function createTogether(
  deps: Deps,
  ctx: RequestContext,
  docs: readonly UserDoc[],
  plain: Plain,
  errorsMax: number,
): Promise<Creation[] | undefined> {
  let written = 0;
  try {
    return await deps.db.transaction(async (tx) => {
      written = 0;
      const rules = await deps.rules.shared(tx, ctx.principal.tenantId);
      const { decisions } = rules === plain.rules ? plain : decidePlain(docs, rules, plain.now);
      const made = await createPlain({ deps, ctx, tx, rules, now: plain.now }, decisions, { mayRefuse: true });
      // Those after the last error that is accepted must not have happened.
      if (made.filter((one) => "error" in one).length >= errorsMax) throw new OneByOne();
      written = made.length;
      return made;
    });
  } catch (error) {
    // Lost while committing: whether it happened nobody can tell, so nobody is told that a name is taken by themselves.
    if (written > 0) return docs.slice(0, written).map(() => ({ error }));
    const expected = error instanceof OneByOne || error instanceof Problem || asPoolFull(error) !== undefined;
    if (!expected) deps.log.warn({ err: error, requestId: ctx.requestId }, "a batch of users is created one by one");
    return undefined;
  }
}

/**
 * Creates users of plain decisions (`isPlain`), taken by the rules that the caller's transaction holds still; a taken name
 * is an error of that one user. LIC-3: where a full pool may refuse, it raises and the transaction is lost.
 */
export async function createPlain(
  { deps, ctx, tx, rules, now }: Work,
  decisions: readonly Decision[],
  { mayRefuse }: { readonly mayRefuse: boolean },
): Promise<Creation[]> {
  const { tenantId } = rules;
  const cause = causeOf(ctx, now);
  const users: BatchedUser[] = decisions.map((decision) => {
    const after = { userName: decision.draft.doc.userName, ...summarise(decision) };
    return { id: deps.newId(), decision, after };
  });
  const inserted = await insertUsers(tx, tenantId, rules.version, cause, users);
  const newcomers = users.filter(({ id }) => inserted.has(id));
  await takeSeats(tx, rules, cause.at, newcomers);
  const licenses = await settleUsers(tx, tenantId, cause, newcomers, mayRefuse);
  const waiting = newcomers.flatMap(({ id }) => (licenses.get(id)?.wanted === null ? [] : [id]));
  const accounts = await findUserAccounts(tx, tenantId, waiting);
  const waits = new Map(accounts.map((account) => [account.id, account]));
  return users.map(({ id, decision }): Creation => {
    const license = licenses.get(id);
    if (license === undefined) return { error: userNameTaken() };
    return { user: waits.get(id) ?? newView(id, decision, license, now, ctx.door) };
  });
}

/**
 * The common case is a seat for everybody, and nobody else waits for that. Where seats are short, everybody's is settled
 * under the locks of the pools: those due and, where a full one gives a lower seat instead, all below it, so that no
 * shared lock has to become an exclusive one later.
 */
async function takeSeats(
  tx: Transaction,
  rules: TenantRules,
  at: string,
  users: readonly BatchedUser[],
): Promise<void> {
  const due = (user: BatchedUser) => (user.decision.tier === null ? undefined : rules.tier.get(user.decision.tier));
  const claiming = users.filter((user) => due(user)?.unlimited === false);
  if (claiming.length === 0 || (await claimSeats(tx, rules.tenantId, at, claiming))) return;
  const concerned = new Set<string>();
  for (const pool of new Set(claiming.map(due))) {
    if (pool === undefined) continue;
    const lower = pool.whenFull === "downgrade" ? rules.tiers.filter(({ rank }) => rank < pool.rank) : [];
    for (const { key } of [pool, ...lower]) concerned.add(key);
  }
  await lockPoolsOf(tx, rules.tenantId, [...concerned]);
}

function isOutage(creation: Creation | undefined): boolean {
  return (
    creation !== undefined &&
    "error" in creation &&
    creation.error instanceof Problem &&
    creation.error.code === "unavailable"
  );
}
