/** P-2: takes in what people spent. Each item counts once, whoever sends it how often; nothing is added up twice or lost. */
import type { Transaction } from "../db/database.ts";
import { recordEvents } from "../db/events.ts";
import {
  addToSpent,
  findUsageItems,
  insertUsageItems,
  lockSpenders,
  markTold,
  type SpendingUser,
  type UsageItem,
} from "../db/usage.ts";
import { findUserIdsByName } from "../db/user-list.ts";
import { budgetOf, passedLimit } from "../domain/budget.ts";
import { isUuid } from "../ids.ts";
import { normaliseName } from "../vocabulary/names.ts";
import { invalid } from "../vocabulary/values.ts";
import { toPast } from "./activity.ts";
import { eventOf, type Work } from "./apply.ts";
import type { Deps, RequestContext } from "./context.ts";

/** One amount that somebody spent. */
export interface UsageEntry {
  /** The product's own id of it: sent again, it does not count again. */
  readonly id: string;
  readonly userId?: string;
  readonly userName?: string;
  readonly amount: number;
  /** ISO 4217. */
  readonly currency: string;
  readonly at: string;
}

export interface UsageOutcome {
  readonly id: string;
  /** `repeated`: it counts already. `conflict`: the id counts already, for something else. */
  readonly outcome: "added" | "repeated" | "conflict" | "unknownUser";
}

/**
 * Adds items, all that are new in one transaction, and says of each what became of it, in order. Passing a budget's limit
 * is told by an event, once for each limit. Problem: invalidValue.
 */
export async function recordUsage(
  deps: Deps,
  ctx: RequestContext,
  entries: readonly UsageEntry[],
): Promise<UsageOutcome[]> {
  requireDistinct(entries);
  const times = entries.map((entry, index) => toPast(deps, entry.at, `items[${index}].at`));
  const rules = await deps.rules.recent(deps.db, ctx.principal.tenantId);
  return await deps.db.transaction(async (tx) => {
    // No rule decides here, so none is held still: spending goes on all day, and edits of the rules must get through.
    const work: Work = { deps, ctx, tx, rules, now: deps.clock() };
    const users = await findUsers(tx, ctx.principal.tenantId, entries);
    const items = entries.map(({ id, amount, currency }, index): UsageItem | undefined => {
      const userId = users[index];
      return userId === undefined
        ? undefined
        : { id, userId, amount, currency: currency.toUpperCase(), at: times[index] as string };
    });
    return await countItems(work, entries, items);
  });
}

async function countItems(
  work: Work,
  entries: readonly UsageEntry[],
  items: readonly (UsageItem | undefined)[],
): Promise<UsageOutcome[]> {
  const { tx, rules, now } = work;
  const { tenantId } = rules;
  const wanted = items.filter((item) => item !== undefined);
  // The users first: whoever sends the same items waits here, and finds them counted.
  const spenders = await lockSpenders(tx, tenantId, [...new Set(wanted.map(({ userId }) => userId))]);
  const known = wanted.filter(({ userId }) => spenders.has(userId));
  const added = await insertUsageItems(tx, tenantId, known, now.toISOString());
  const counted = await findUsageItems(
    tx,
    tenantId,
    known.map(({ id }) => id),
  );
  const changed = new Set(known.filter(({ id }) => added.has(id)).map(({ userId }) => userId));
  for (const user of await addToSpent(tx, tenantId, [...added], [...changed])) await tellIfPassed(work, user);
  return entries.map(({ id }, index) => {
    const item = items[index];
    if (item === undefined || !spenders.has(item.userId)) return { id, outcome: "unknownUser" };
    if (added.has(id)) return { id, outcome: "added" };
    return { id, outcome: isSame(item, counted.get(id)) ? "repeated" : "conflict" };
  });
}

function isSame(one: UsageItem, other: UsageItem | undefined): boolean {
  return (
    other !== undefined &&
    one.userId === other.userId &&
    one.amount === other.amount &&
    one.currency === other.currency &&
    Date.parse(one.at) === Date.parse(other.at)
  );
}

async function tellIfPassed(work: Work, { id, doc, spent }: SpendingUser): Promise<void> {
  const budget = budgetOf(doc, spent);
  const limit = passedLimit(budget, spent);
  if (budget === null || budget.currency === null || limit === null) return;
  await markTold(work.tx, work.rules.tenantId, id, budget.currency, limit);
  const after = { userName: doc.userName, limit, used: budget.used, currency: budget.currency };
  await recordEvents(work.tx, [eventOf(work, "user.budget-exceeded", "User", id, after)]);
}

/** Their ids in the order of the items, undefined where none is named. Of whoever is named by id only the form is known. */
async function findUsers(
  tx: Transaction,
  tenantId: string,
  entries: readonly UsageEntry[],
): Promise<(string | undefined)[]> {
  const names = entries.flatMap(({ userId, userName }) => (userId === undefined && userName ? [userName] : []));
  const byName = await findUserIdsByName(tx, tenantId, names);
  return entries.map(({ userId, userName }) => {
    if (userId !== undefined) return isUuid(userId) ? userId.toLowerCase() : undefined;
    return userName === undefined ? undefined : byName.get(normaliseName(userName));
  });
}

function requireDistinct(entries: readonly UsageEntry[]): void {
  const seen = new Set<string>();
  for (const [index, { id }] of entries.entries()) {
    if (seen.has(id)) throw invalid(`items[${index}].id`, "is given twice in one request");
    seen.add(id);
  }
}
