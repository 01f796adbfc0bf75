/**
 * Imports some lines in one transaction: newcomers are created, most of them in a few statements; whoever exists is left
 * alone, or changed where an Admin says so. Each line by its own decision.
 */
import { lockAuthority } from "../auth/authority.ts";
import { lockAdmins, someAdministrative } from "../db/admins.ts";
import type { Transaction } from "../db/database.ts";
import { findKnownPeople, takeImportTurn } from "../db/import.ts";
import { findUserAccounts, findUserStates, lockUsers, type UserAccount } from "../db/users.ts";
import { type Decision, decideUser } from "../domain/decide.ts";
import type { Permission, UserState } from "../domain/model.ts";
import type { Refusal } from "../domain/refusals.ts";
import { findNamed } from "../domain/words.ts";
import { Problem } from "../problems.ts";
import { decideInTransaction, needsSeat, noAuthority, type Work } from "./apply.ts";
import { type Decide, judge } from "./bulk-outcomes.ts";
import type { Deps, RequestContext } from "./context.ts";
import { type Creation, createPlain } from "./create-users.ts";
import { type ImportOptions, matchKnown, permitCreate, refusalOfImport, toAlteration } from "./import-decide.ts";
import type { ImportLine } from "./import-file.ts";
import {
  type ImportedPerson,
  type ImportResult,
  toFailure,
  toNewDoc,
  toPerson,
  toQueuedLine,
  toResult,
} from "./import-lines.ts";
import { applyAll } from "./members.ts";
import { toProblem } from "./outcome.ts";
import { createWithin } from "./user-create.ts";
import { draftOf } from "./user-drafts.ts";
import { begin, isPlain, recordRefusal } from "./user-steps.ts";

/** A line with its result; lines that have to wait for another one are not among them. */
export interface LineResult {
  readonly no: number;
  readonly result: ImportResult;
}

/**
 * Imports these lines and says of each what became of it. A line that repeats the name of another among them is left for
 * the next step, when the other is there. The actor's authority is read under its lock (GRD-9).
 */
export async function importLines(
  deps: Deps,
  ctx: RequestContext,
  tx: Transaction,
  lines: readonly ImportLine[],
  options: ImportOptions,
): Promise<LineResult[]> {
  const { tenantId } = ctx.principal;
  await takeImportTurn(tx, tenantId);
  const work: Work = { ...(await begin(deps, ctx, tx)), demoted: new Set() };
  const results = new Map<number, ImportResult>();
  const people = readPeople(firstOfEachName(lines), results);
  const { newcomers, existing, others } = matchKnown(people, await findKnown(tx, tenantId, people));
  const states = options.update
    ? await lockExisting(
        work,
        existing.map(({ known }) => known.id),
      )
    : new Map();
  const authority = await lockAuthority(tx, ctx.principal, work.now);
  const refused = refusalOfImport(ctx, authority);
  if (refused !== undefined) {
    for (const { line } of people) results.set(line.no, toFailure(line, refused));
    return toLineResults(results);
  }
  for (const { person, known } of others) {
    const detail = `The account ${known.userName} has this address.`;
    results.set(person.line.no, toResult(person, "exists", known.id, detail));
  }
  await createAll(work, newcomers, authority, results);
  if (options.update) await updateAll(work, existing, states, authority, results);
  else for (const { person, known } of existing) results.set(person.line.no, toResult(person, "exists", known.id));
  return toLineResults(results);
}

/** Without those that repeat another line among these: it may be about to create the person. */
export function firstOfEachName(lines: readonly ImportLine[]): ImportLine[] {
  const here = new Set(lines.map(({ no }) => no));
  return lines.filter(({ repeats }) => repeats === null || !here.has(repeats));
}

/** The people whom valid lines speak of; the others have their result. */
export function readPeople(lines: readonly ImportLine[], results: Map<number, ImportResult>): ImportedPerson[] {
  return lines.flatMap((line) => {
    const person = toPerson(line);
    if (!(person instanceof Problem)) return [person];
    results.set(line.no, toFailure(line, person));
    return [];
  });
}

export async function findKnown(tx: Transaction, tenantId: string, people: readonly ImportedPerson[]) {
  const names = people.map(({ nameNorm }) => nameNorm);
  return await findKnownPeople(
    tx,
    tenantId,
    names,
    people.map(({ emailNorm }) => emailNorm),
  );
}

export function toLineResults(results: ReadonlyMap<number, ImportResult>): LineResult[] {
  return [...results].map(([no, result]) => ({ no, result })).sort((a, b) => a.no - b.no);
}

async function lockExisting({ tx, rules }: Work, ids: readonly string[]): Promise<Map<string, UserState>> {
  const { tenantId } = rules;
  if (await someAdministrative(tx, tenantId, ids)) await lockAdmins(tx, tenantId);
  const states = await findUserStates(tx, tenantId, await lockUsers(tx, tenantId, ids));
  return new Map(states.map((state) => [state.id, state]));
}

/** Plain ones together; whoever needs more than a row, a seat and an event by themselves, behind them. */
async function createAll(
  work: Work,
  people: readonly ImportedPerson[],
  authority: readonly Permission[],
  results: Map<number, ImportResult>,
): Promise<void> {
  const { rules, now } = work;
  const plain: { person: ImportedPerson; decision: Decision }[] = [];
  const special: ImportedPerson[] = [];
  for (const person of people) {
    const asked = { rules, now, direct: true, ...noAuthority, otherAdmin: undefined };
    const outcome = decideUser(null, draftOf(toNewDoc(person)), asked);
    if (!isPlain(outcome, rules)) {
      special.push(person);
      continue;
    }
    const refused = permitCreate(work, person, outcome, authority);
    if (refused === undefined) plain.push({ person, decision: outcome });
    else results.set(person.line.no, toFailure(person.line, refused));
  }
  const decisions = plain.map(({ decision }) => decision);
  const made = decisions.length === 0 ? [] : await createPlain(work, decisions, { mayRefuse: false });
  for (const [index, { person }] of plain.entries()) {
    const creation = made[index] as Creation;
    if ("user" in creation) results.set(person.line.no, toCreated(work, person, creation.user));
    else results.set(person.line.no, await toTaken(work, person));
  }
  for (const person of special) results.set(person.line.no, await createAlone(work, person, authority));
}

async function createAlone(
  work: Work,
  person: ImportedPerson,
  authority: readonly Permission[],
): Promise<ImportResult> {
  try {
    const made = await work.tx.savepoint(
      async (): Promise<UserAccount | Refusal> =>
        createWithin(work, draftOf(toNewDoc(person)), authority, {
          mayRefuse: false,
          permit(_rules, _before, decision) {
            const refused = permitCreate(work, person, decision, authority);
            if (refused !== undefined) throw refused;
          },
        }),
    );
    return "without" in made ? toFailure(person.line, toProblem(made)) : toCreated(work, person, made);
  } catch (error) {
    if (!(error instanceof Problem) || error.code === "unavailable") throw error;
    return error.code === "uniqueness" ? await toTaken(work, person) : toFailure(person.line, error);
  }
}

function toCreated({ rules }: Work, person: ImportedPerson, user: UserAccount): ImportResult {
  if (user.license.wanted !== null) return toQueuedLine(person, user.id, "Created", rules, user.license);
  const wished = person.role === null ? undefined : findNamed(rules.roles, person.role);
  if (wished === undefined || wished.key === user.role) return toResult(person, "created", user.id);
  // GRD-4 by the setting `withhold`: the person is there, and the role waits for an Admin.
  const detail = `Created without the role "${wished.name}": an Admin finds a promotion request.`;
  return { ...toResult(person, "created", user.id, detail), field: "role", rule: "GRD-4" };
}

/** Somebody else took the name while we were about to. */
async function toTaken({ tx, rules }: Work, person: ImportedPerson): Promise<ImportResult> {
  const [known] = await findKnownPeople(tx, rules.tenantId, [person.nameNorm], []);
  return toResult(person, "exists", known?.id ?? null, "Somebody else created this account at the same moment.");
}

async function updateAll(
  work: Work,
  existing: readonly { readonly person: ImportedPerson; readonly known: { readonly id: string } }[],
  states: ReadonlyMap<string, UserState>,
  authority: readonly Permission[],
  results: Map<number, ImportResult>,
): Promise<void> {
  const { tx, rules, now } = work;
  const decide: Decide = (...asked) => decideInTransaction(work, ...asked);
  const changes: { person: ImportedPerson; state: UserState; decision: Decision }[] = [];
  for (const { person, known } of existing) {
    const state = states.get(known.id);
    if (state === undefined) {
      results.set(person.line.no, toResult(person, "exists", known.id, "Was deleted at the same moment."));
      continue;
    }
    const verdict = await judge(toAlteration(person, rules), state, authority, { rules, now, decide });
    if (verdict.kind === "unchanged") results.set(person.line.no, toResult(person, "unchanged", state.id));
    else if (verdict.kind === "changes") changes.push({ person, state, decision: verdict.decision });
    else {
      const { problem, refusal, draft } = verdict;
      if (refusal !== undefined && draft !== undefined) await recordRefusal(work, state, draft, refusal);
      results.set(person.line.no, toFailure(person.line, problem, state.id));
    }
  }
  await applyAll(work, changes, "user.changed");
  const moved = changes.filter(({ state, decision }) => decision.tier !== null && needsSeat(state, decision));
  const ids = moved.map(({ state }) => state.id);
  const accounts = new Map((await findUserAccounts(tx, rules.tenantId, ids)).map((one) => [one.id, one]));
  for (const { person, state } of changes) {
    const license = accounts.get(state.id)?.license;
    const waits = license !== undefined && license.wanted !== null;
    results.set(
      person.line.no,
      waits ? toQueuedLine(person, state.id, "Updated", rules, license) : toResult(person, "updated", state.id),
    );
  }
}
