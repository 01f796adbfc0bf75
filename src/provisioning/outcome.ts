/** From a decision to what is written and told: the event's before and after, the request for an Admin, the problem. */
import { isDeepStrictEqual } from "node:util";
import { asPoolFull } from "../db/constraints.ts";
import type { WishRecord } from "../db/promotions.ts";
import type { TenantRules } from "../domain/access.ts";
import type { Decision } from "../domain/decide.ts";
import type { Draft } from "../domain/draft.ts";
import { identityOf } from "../domain/identity.ts";
import type { Json, JsonObject, UserState } from "../domain/model.ts";
import type { PromotionWish, Refusal } from "../domain/refusals.ts";
import { USHER_USER, usherExtension } from "../domain/words.ts";
import { Problem } from "../problems.ts";
import { normaliseName } from "../vocabulary/names.ts";
import { actorOf, type Deps, type RequestContext } from "./context.ts";

/** What an event tells of a decision: status, role with its source, tier with its source, whether there is a password. */
export function summarise(decision: Decision): JsonObject {
  const { status, role, roleSource, tier, tierSource, draft } = decision;
  return { status, role: role.key, roleSource, tier, tierSource, ...describePassword(draft) };
}

/** That a password was set or removed; nothing of the password. */
function describePassword({ password }: Draft): JsonObject {
  return password === undefined ? {} : { password: password.hash === null ? "removed" : "set" };
}

/** LOG-1: the attributes that change, as they were and as they are, with the decision where it moves. */
export function describeChange(before: UserState, decision: Decision): { before: JsonObject; after: JsonObject } {
  const was: Record<string, Json> = {};
  const is: Record<string, Json> = {};
  const compare = (name: string, old: Json | undefined, next: Json | undefined) => {
    if (isDeepStrictEqual(old, next)) return;
    was[name] = old ?? null;
    is[name] = next ?? null;
  };
  const doc = decision.draft.doc;
  for (const name of new Set([...Object.keys(before.doc), ...Object.keys(doc)]))
    compare(name, before.doc[name], doc[name]);
  const { draft } = decision;
  compare("suspended", before.suspended, draft.suspended);
  compare("accepted", before.accepted, draft.accepted);
  compare("invitationExpiresAt", before.invitationExpiresAt, draft.invitationExpiresAt);
  compare("rolePin", before.rolePin, draft.rolePin);
  compare("tierPin", { ...before.tierPin }, { ...draft.tierPin });
  const old = before;
  const next = summarise(decision);
  compare("status", old.status, next["status"]);
  compare("effectiveRole", old.role, next["role"]);
  compare("roleSource", old.roleSource, next["roleSource"]);
  compare("tier", old.tier, next["tier"]);
  compare("tierSource", old.tierSource, next["tierSource"]);
  return { before: was, after: { ...is, ...describePassword(draft) } };
}

/** A refusal of the domain as the problem that the caller gets. */
export function toProblem(refusal: Refusal): Problem {
  return new Problem(refusal.code, refusal.detail, { facts: { rule: refusal.rule, ...refusal.facts } });
}

/** LIC-3: a full pool that refuses, with both numbers and what to do. Any other error comes back as it is. */
export function explainPoolFull(error: unknown, rules: TenantRules): unknown {
  const full = asPoolFull(error);
  if (full === undefined) return error;
  const name = rules.tier.get(full.tier)?.name ?? full.tier;
  const detail =
    `No ${name} license seat is free (${full.used} of ${full.purchased} used). Nothing was changed. ` +
    "Free a seat or buy more seats of this tier, then retry.";
  const facts = { rule: "LIC-3", pool: full.tier, purchased: full.purchased, used: full.used };
  return new Problem("poolFull", detail, { facts, cause: error });
}

/** GRD-4: the request for an Admin to decide on. For a user who does not exist yet, it goes by the name. */
export function toWishRecord(
  deps: Deps,
  ctx: RequestContext,
  before: UserState | null,
  draft: Draft,
  wish: PromotionWish,
  at: string,
): WishRecord {
  const { doc } = before ?? draft;
  return {
    tenantId: ctx.principal.tenantId,
    id: deps.newId(),
    kind: wish.kind,
    userId: before?.id ?? null,
    userName: doc.userName,
    userNameNorm: normaliseName(doc.userName),
    role: wish.role,
    sources: wish.sources,
    identity: identityOf(doc),
    wish: refusedWords(draft, wish),
    actor: actorOf(ctx),
    at,
  };
}

/** The words that an approval would make the client's: role and roles, or the sign-in identity. Null: none were refused. */
function refusedWords({ doc, rolePin, password }: Draft, { kind, sources }: PromotionWish): JsonObject | null {
  if (kind === "identity") {
    const words = { userName: doc.userName, emails: doc["emails"] ?? null, externalId: doc["externalId"] ?? null };
    return password === undefined ? words : { ...words, password: { ...password } };
  }
  if (!sources.some((source) => source === "words" || source === "pin")) return null;
  const role = usherExtension(doc)["role"];
  return { roles: doc["roles"] ?? null, [USHER_USER]: { role: role ?? null }, rolePin };
}
