/** Steps that the use cases of one user share: the transaction's beginning, a refusal's trace, when one statement is enough. */
import { isDeepStrictEqual } from "node:util";
import type { Transaction } from "../db/database.ts";
import { recordEvents } from "../db/events.ts";
import { recordWish } from "../db/promotions.ts";
import { ruleTeams, type TenantRules } from "../domain/access.ts";
import type { Decision, Outcome } from "../domain/decide.ts";
import type { Draft } from "../domain/draft.ts";
import type { Permission, UserState } from "../domain/model.ts";
import type { Refusal } from "../domain/refusals.ts";
import { Problem } from "../problems.ts";
import { eventOf, type Work } from "./apply.ts";
import type { Deps, RequestContext } from "./context.ts";
import { toWishRecord } from "./outcome.ts";

/** How often a decision that was overtaken is taken again before the caller is told to come back. */
export const attemptsMax = 12;

/** After so many the locks are taken first: of 50 PATCHes of one user at once, each would wait for 49 faster ones. */
export const optimisticAttemptsMax = 3;

/**
 * Raises what the actor's own permissions, read inside the transaction (GRD-9), do not allow. `before` is null for somebody
 * who is being created.
 */
export type Permit = (
  rules: TenantRules,
  before: UserState | null,
  decision: Decision,
  held: readonly Permission[],
) => void;

/** What else is written with a user, in the same transaction and after them. */
export type Addition = (work: Work, id: string, decision: Decision) => Promise<void>;

export async function begin(deps: Deps, ctx: RequestContext, tx: Transaction): Promise<Work> {
  return { deps, ctx, tx, rules: await deps.rules.shared(tx, ctx.principal.tenantId), now: deps.clock() };
}

/** GRD-4: a refusal leaves nothing but the request for an Admin and the event that tells of it. */
export async function recordRefusal(
  work: Work,
  before: UserState | null,
  draft: Draft,
  refusal: Refusal,
): Promise<void> {
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

export function noUser(id: string): Problem {
  return new Problem("notFound", `There is no user with the id "${id.slice(0, 100)}".`);
}

/** So many others changed the same thing meanwhile that the caller may as well come back. */
export function overtaken(): Problem {
  return new Problem("unavailable", "Too many changes of the same user at once; try again.", {
    headers: { "Retry-After": "1" },
  });
}
