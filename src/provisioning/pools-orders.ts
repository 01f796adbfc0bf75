/**
 * The frame of everything that changes what a tenant pays: permission, then the work, and its answer kept under the key
 * or the offer that came with it, so that the same request sent again is answered and not done again (LIC-6).
 */
import { createHash } from "node:crypto";
import { lockAuthority, requireHeld } from "../auth/authority.ts";
import { claimKey, keepAnswer } from "../db/idempotency.ts";
import { lockQuote, type QuoteRow, useQuote } from "../db/quotes.ts";
import type { Permission } from "../domain/model.ts";
import { isUuid } from "../ids.ts";
import { Problem } from "../problems.ts";
import type { Work } from "./apply.ts";
import { actorOf, type Deps, type RequestContext } from "./context.ts";
import { lockPeople } from "./pools-transfer.ts";

export interface Order {
  /** Names the operation: a key used for one says nothing for another. */
  readonly operation: "purchase" | "reduce" | "upgrade";
  readonly idempotencyKey?: string | undefined;
  /** What tells one request from another under the same key. */
  readonly request: object;
  readonly permissions: readonly Permission[];
  /** Whose seats move: locked before whatever else is. */
  readonly people?: readonly string[];
}

export interface OrderWork extends Work {
  /** What the actor holds. */
  readonly held: readonly Permission[];
}

/** Does the work once for one key. Problems: forbidden, conflict (the key stands for another request). */
export async function placeOrder<Answer>(
  deps: Deps,
  ctx: RequestContext,
  { operation, idempotencyKey: key, request, permissions, people = [] }: Order,
  body: (work: OrderWork) => Promise<Answer>,
): Promise<Answer> {
  const { tenantId } = ctx.principal;
  return await deps.db.transaction(async (tx) => {
    const rules = await deps.rules.shared(tx, tenantId);
    const now = deps.clock();
    if (people.length > 0) await lockPeople(tx, tenantId, people);
    const held = await lockAuthority(tx, ctx.principal, now);
    for (const permission of permissions) requireHeld(held, ctx.principal, [permission]);
    const work: OrderWork = { deps, ctx, tx, rules, now, held };
    if (key === undefined) return await body(work);
    const digest = digestOf(request);
    const known = await claimKey(tx, tenantId, key, operation, digest, now.toISOString());
    if (known !== undefined) return recall<Answer>(known, digest);
    const answer = await body(work);
    await keepAnswer(tx, tenantId, key, operation, answer);
    return answer;
  });
}

/** The same members in another order are the same request. */
function digestOf(request: object): string {
  return createHash("sha256")
    .update(JSON.stringify(Object.entries(request).sort()))
    .digest("base64url");
}

function recall<Answer>(known: { digest: string; answer: unknown }, digest: string): Answer {
  if (known.digest === digest) return known.answer as Answer;
  throw new Problem("conflict", "This Idempotency-Key was used for another request. Use a new key for a new request.", {
    facts: { rule: "LIC-6" },
  });
}

/** What an order says that it is about; its offer must be about the same. */
export type Subject = Pick<QuoteRow, "kind" | "tier" | "to"> & { readonly seats?: number | undefined };

/**
 * Does the work once for one offer, at the price that it names; whoever comes with it again is answered the same.
 * Problems: notFound, invalidValue (the offer is for something else), stale (it has expired).
 */
export async function useOffer<Answer>(
  { ctx, tx, rules, now }: OrderWork,
  id: string,
  subject: Subject,
  body: (quote: QuoteRow) => Promise<Answer>,
): Promise<Answer> {
  const quote = isUuid(id) ? await lockQuote(tx, rules.tenantId, id) : undefined;
  if (quote === undefined) throw noQuote();
  requireSame(quote, subject);
  if (quote.usedAt !== null) return quote.answer as Answer;
  if (Date.parse(quote.expiresAt) <= now.getTime()) {
    throw new Problem("stale", `The quote expired at ${quote.expiresAt}. Ask for a new one.`, {
      facts: { attribute: "quote" },
    });
  }
  const answer = await body(quote);
  await useQuote(tx, rules.tenantId, id, actorOf(ctx), now.toISOString(), answer);
  return answer;
}

function requireSame(quote: QuoteRow, { kind, tier, to, seats = quote.seats }: Subject): void {
  if (quote.kind === kind && quote.tier === tier && quote.to === to && quote.seats === seats) return;
  const what = quote.kind === "upgrade" ? `an upgrade from ${quote.tier} to ${quote.to}` : `seats of ${quote.tier}`;
  throw new Problem("invalidValue", `The quote is for ${what}, ${quote.seats} in number. Ask for another one.`, {
    facts: { attribute: "quote" },
  });
}

export function noQuote(): Problem {
  return new Problem("notFound", "There is no quote with this id.", { facts: { attribute: "quote" } });
}
