/** A dry run of an import: the same decisions line by line, written nowhere, and seats counted in memory. */
import { findAuthority } from "../auth/authority.ts";
import type { Transaction } from "../db/database.ts";
import { findApprovals } from "../db/promotions.ts";
import { findUserStates } from "../db/users.ts";
import { decideUser } from "../domain/decide.ts";
import { identityOf, sameIdentity } from "../domain/identity.ts";
import type { Permission, UserState } from "../domain/model.ts";
import { needsSeat, type Work } from "./apply.ts";
import { judge } from "./bulk-outcomes.ts";
import { decidePurely, type PreviewMemo, seatOf } from "./bulk-preview.ts";
import { SeatForecast } from "./bulk-seats.ts";
import type { Deps, RequestContext } from "./context.ts";
import { findKnown, type LineResult, readPeople, toLineResults } from "./import-apply.ts";
import { type ImportOptions, matchKnown, permitCreate, refusalOfImport, toAlteration } from "./import-decide.ts";
import type { ImportLine } from "./import-file.ts";
import { type ImportedPerson, type ImportResult, toFailure, toNewDoc, toQueuedLine, toResult } from "./import-lines.ts";
import { toProblem } from "./outcome.ts";
import { draftOf } from "./user-drafts.ts";
import { begin } from "./user-steps.ts";

/** What would become of these lines, after those of the steps before: `earlier` says what of these. */
export async function previewLines(
  deps: Deps,
  ctx: RequestContext,
  tx: Transaction,
  lines: readonly ImportLine[],
  options: ImportOptions,
  memo: PreviewMemo,
  earlier: (numbers: readonly number[]) => Promise<ReadonlyMap<number, ImportResult>>,
): Promise<{ results: LineResult[]; memo: PreviewMemo }> {
  const demoted = new Set(memo.demoted);
  const work: Work = { ...(await begin(deps, ctx, tx)), demoted };
  const { tenantId } = work.rules;
  const results = new Map<number, ImportResult>();
  const people = readPeople(lines, results);
  const authority = await findAuthority(tx, ctx.principal, work.now);
  const refused = refusalOfImport(ctx, authority);
  if (refused !== undefined) {
    for (const { line } of people) results.set(line.no, toFailure(line, refused));
    return { results: toLineResults(results), memo };
  }
  const seats = new SeatForecast(work.rules, memo.after);
  const firsts = await earlier(people.flatMap(({ line }) => line.repeats ?? []));
  const matches = matchKnown(people, await findKnown(tx, tenantId, people));
  for (const { person, known } of matches.others) {
    const detail = `The account ${known.userName} has this address.`;
    results.set(person.line.no, toResult(person, "exists", known.id, detail));
  }
  for (const person of matches.newcomers) {
    const first =
      person.line.repeats === null ? undefined : (results.get(person.line.repeats) ?? firsts.get(person.line.repeats));
    const isMade = first?.outcome === "created" || first?.outcome === "queued";
    const result = isMade
      ? toResult(person, options.update ? "updated" : "exists", null, `Line ${first.line} creates this account.`)
      : await previewCreation(work, person, authority, seats);
    results.set(person.line.no, result);
  }
  if (options.update) await previewUpdates(work, matches.existing, authority, seats, results);
  else {
    for (const { person, known } of matches.existing) results.set(person.line.no, toResult(person, "exists", known.id));
  }
  return {
    results: toLineResults(results),
    memo: { before: memo.before, after: seats.counts(), demoted: [...demoted] },
  };
}

async function previewCreation(
  work: Work,
  person: ImportedPerson,
  authority: readonly Permission[],
  seats: SeatForecast,
): Promise<ImportResult> {
  const { tx, rules, now } = work;
  const draft = draftOf(toNewDoc(person));
  const asked = { rules, now, direct: true, authority, asserted: new Set<string>(), otherAdmin: undefined };
  let outcome = decideUser(null, draft, { ...asked, approved: [] });
  if (outcome.kind === "refused" && outcome.refusal.code === "promotionRefused") {
    const approvals = await findApprovals(tx, rules.tenantId, person.nameNorm, now.toISOString());
    const approved = approvals.filter((one) => sameIdentity(one.identity, identityOf(draft.doc)));
    outcome = decideUser(null, draft, { ...asked, approved });
  }
  if (outcome.kind === "refused") return toFailure(person.line, toProblem(outcome.refusal));
  if (outcome.kind === "askAdmins") throw new Error("A newcomer is nobody's last Admin.");
  const refused = permitCreate(work, person, outcome, authority);
  if (refused !== undefined) return toFailure(person.line, refused);
  const license = seats.settle({ held: null, queued: null, due: outcome.tier });
  return license.wanted === null
    ? toResult(person, "created", null)
    : toQueuedLine(person, null, "Created", rules, { ...license, position: null });
}

async function previewUpdates(
  work: Work,
  existing: readonly { readonly person: ImportedPerson; readonly known: { readonly id: string } }[],
  authority: readonly Permission[],
  seats: SeatForecast,
  results: Map<number, ImportResult>,
): Promise<void> {
  const { tx, rules, now } = work;
  const ids = [...new Set(existing.map(({ known }) => known.id))];
  const states = new Map((await findUserStates(tx, rules.tenantId, ids)).map((state) => [state.id, state]));
  const decide = decidePurely(work);
  for (const { person, known } of existing) {
    const state = states.get(known.id) as UserState;
    const verdict = await judge(toAlteration(person, rules), state, authority, { rules, now, decide });
    if (verdict.kind === "unchanged") results.set(person.line.no, toResult(person, "unchanged", state.id));
    else if (verdict.kind === "refused") results.set(person.line.no, toFailure(person.line, verdict.problem, state.id));
    else {
      const license = needsSeat(state, verdict.decision)
        ? seats.settle({ ...seatOf(state), due: verdict.decision.tier })
        : { tier: null, wanted: null };
      const result =
        license.wanted === null
          ? toResult(person, "updated", state.id)
          : toQueuedLine(person, state.id, "Updated", rules, { ...license, position: null });
      results.set(person.line.no, result);
    }
  }
}
