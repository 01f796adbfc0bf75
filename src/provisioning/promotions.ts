/** GRD-6: an Admin decides on promotion requests. An approval grants one role from the recorded sources to one user. */

import { lockAuthority, requireHeld } from "../auth/authority.ts";
import { lockAdmins } from "../db/admins.ts";
import type { Statement } from "../db/database.ts";
import { recordEvents } from "../db/events.ts";
import { isPasswordNewer } from "../db/passwords.ts";
import { addGrantRow, closePromotion, lockPromotion, type PromotionRecord } from "../db/promotions.ts";
import { findPromotionRow, type PromotionRow } from "../db/promotions-list.ts";
import { findUserStates, lockUsers } from "../db/users.ts";
import { roleCandidates, type TenantRules } from "../domain/access.ts";
import type { Draft, PasswordChange } from "../domain/draft.ts";
import { identityOf, sameIdentity } from "../domain/identity.ts";
import type { Actor, Permission, UserDoc, UserState } from "../domain/model.ts";
import { missing, reservedOf } from "../domain/permissions.ts";
import { USHER_USER, usherExtension } from "../domain/words.ts";
import { Problem } from "../problems.ts";
import { applyToUser, decideInTransaction, eventOf, noAuthority, type Work } from "./apply.ts";
import { actorOf, type Deps, type RequestContext } from "./context.ts";
import { toProblem } from "./outcome.ts";
import { draftOfState, isUuid } from "./users.ts";

/** How long an approval waits for the next attempt to create the user. */
const approvalDays = 30;

/**
 * Approves a request: at once where the user exists, else for the next attempt under the same name. Problems: notFound,
 * forbidden (own request), promotionRefused (beyond the approver's own permissions), conflict (decided already, or the
 * user is not in), stale (the sign-in identity has changed since).
 */
export async function approve(deps: Deps, ctx: RequestContext, id: string): Promise<PromotionRow> {
  const { tenantId } = ctx.principal;
  const failure = await deps.db.transaction(async (tx): Promise<Problem | null> => {
    const work = await begin(deps, ctx, tx);
    const { rules, now } = work;
    await lockAdmins(tx, tenantId);
    const authority = await lockAuthority(tx, ctx.principal, now);
    requireHeld(authority, ctx.principal, ["promotions.manage"]);
    const request = await requireOpen(work, id);
    requireBeyondReproach(work, request);
    const at = now.toISOString();
    const decided = { by: { ...actorOf(ctx) }, at };
    const userId = request.userId ?? (await findUserId(work, request.userNameNorm));
    const state = userId === null ? undefined : await lockedState(work, userId);
    if (request.userId !== null && state === undefined) {
      return await voidRequest(work, request, "The user this request was about is gone.");
    }
    if (state !== undefined && (await isSomebodyElse(work, state, request))) {
      return await voidRequest(
        work,
        request,
        "The user's sign-in identity has changed since this was asked; the request is void.",
      );
    }
    const role = rules.role.get(request.role);
    if (role === undefined)
      return await voidRequest(work, request, `The role "${request.role}" does not exist any more.`);
    const beyond = missing(authority, reservedOf(role));
    if (beyond.length > 0) {
      throw new Problem(
        "promotionRefused",
        `You cannot approve "${role.name}": it holds ${beyond.join(", ")}, which you do not.`,
        {
          facts: { rule: "GRD-1", role: role.key },
        },
      );
    }
    if (state === undefined) {
      const expiresAt = new Date(now.getTime() + approvalDays * 86_400_000).toISOString();
      await closePromotion(tx, tenantId, id, { state: "approved", ...decided, expiresAt, userId: null });
    } else {
      const failed = await (request.kind === "role"
        ? grantRole(work, state, request)
        : changeIdentity(work, state, request, authority));
      if (failed !== null) return failed;
      await closePromotion(tx, tenantId, id, { state: "approved", ...decided, expiresAt: null, userId: state.id });
    }
    const after = { kind: request.kind, role: request.role, sources: [...request.sources], userName: request.userName };
    await recordEvents(tx, [eventOf(work, "promotion.approved", "Promotion", id, after, "GRD-6")]);
    return null;
  });
  if (failure !== null) throw failure;
  return await requireRow(deps, ctx, id);
}

/** Declines a request; asking again opens a new one. Problems: notFound, forbidden, conflict. */
export async function decline(deps: Deps, ctx: RequestContext, id: string): Promise<PromotionRow> {
  const { tenantId } = ctx.principal;
  await deps.db.transaction(async (tx) => {
    const work = await begin(deps, ctx, tx);
    requireHeld(await lockAuthority(tx, ctx.principal, work.now), ctx.principal, ["promotions.manage"]);
    const request = await requireOpen(work, id);
    const decided = { by: { ...actorOf(ctx) }, at: work.now.toISOString() };
    await closePromotion(tx, tenantId, id, { state: "declined", ...decided, expiresAt: null, userId: request.userId });
    const after = { kind: request.kind, role: request.role, userName: request.userName };
    await recordEvents(tx, [eventOf(work, "promotion.declined", "Promotion", id, after, "GRD-6")]);
  });
  return await requireRow(deps, ctx, id);
}

/** GRD-6: whether the user signs in otherwise than they did, or would have, when this was asked. */
async function isSomebodyElse({ tx, rules }: Work, state: UserState, request: PromotionRecord): Promise<boolean> {
  if (!sameIdentity(identityOf(state.doc), request.identity)) return true;
  return await isPasswordNewer(tx, rules.tenantId, state.id, request.requestedAt);
}

/** The role from each recorded source; what was refused of the request becomes the client's words (GRD-6). */
async function grantRole(work: Work, state: UserState, request: PromotionRecord): Promise<Problem | null> {
  const { tx, rules, ctx, now } = work;
  if (!state.doc.active || state.suspended) {
    throw new Problem("conflict", `${state.doc.userName} is deactivated: reactivate the user, then approve.`, {
      facts: { rule: "GRD-6" },
    });
  }
  const role = rules.role.get(request.role);
  if (role === undefined) throw new Error("The role was looked up a moment ago.");
  const draft = withWish(draftOfState(state), request);
  const asks = roleCandidates(draft, rules).some(
    (claim) => claim.value.key === role.key && request.sources.includes(claim.source),
  );
  // GRD-6: an approval lasts while its source asks, so one that nothing asks for would promise what it cannot do.
  if (!asks) {
    const detail = `Nothing asks for "${role.name}" for ${state.doc.userName} any more; the request is void.`;
    return await voidRequest(work, request, detail);
  }
  const grants = request.sources.map((source) => ({ role: role.key, source, permissions: reservedOf(role) }));
  for (const grant of grants)
    await addGrantRow(tx, rules.tenantId, state.id, grant, { ...actorOf(ctx) }, now.toISOString());
  const kept = state.grants.filter(
    (one) => !grants.some((grant) => grant.role === one.role && grant.source === one.source),
  );
  const outcome = await decideInTransaction(work, { ...state, grants: [...kept, ...grants] }, draft, {
    direct: false,
    ...noAuthority,
  });
  if (outcome.kind === "refused") throw toProblem(outcome.refusal);
  await applyToUser(work, { ...state, grants: [...kept, ...grants] }, outcome, {
    action: "user.promoted",
    rule: "GRD-6",
    mayRefuse: false,
  });
  return null;
}

/** GRD-8: the refused change of the sign-in identity, carried out with the approver's authority. */
async function changeIdentity(
  work: Work,
  state: UserState,
  request: PromotionRecord,
  authority: readonly Permission[],
): Promise<null> {
  const wish = request.wish ?? {};
  const doc: Record<string, unknown> = { ...state.doc, userName: wish["userName"] };
  for (const name of ["emails", "externalId"]) {
    delete doc[name];
    if (wish[name] !== null && wish[name] !== undefined) doc[name] = wish[name];
  }
  const password = wish["password"] as PasswordChange | undefined;
  const draft = { ...draftOfState(state), doc: doc as UserDoc, ...(password === undefined ? {} : { password }) };
  const outcome = await decideInTransaction(work, state, draft, { ...noAuthority, direct: true, authority });
  if (outcome.kind === "refused") throw toProblem(outcome.refusal);
  await applyToUser(work, state, outcome, { action: "user.changed", rule: "GRD-8", mayRefuse: false });
  return null;
}

function withWish(draft: Draft, request: PromotionRecord): Draft {
  const wish = request.wish ?? {};
  if (request.sources.includes("pin")) return { ...draft, rolePin: request.role };
  if (!request.sources.includes("words")) return draft;
  const doc: Record<string, unknown> = { ...draft.doc };
  const role = usherExtension(wish)["role"];
  if (typeof role === "string") doc[USHER_USER] = { ...usherExtension(draft.doc), role };
  if (Array.isArray(wish["roles"])) doc["roles"] = wish["roles"];
  return { ...draft, doc: doc as UserDoc };
}

/** Nobody approves for themselves, or what they asked for themselves through any door. */
function requireBeyondReproach({ ctx, rules }: Work, request: PromotionRecord): void {
  const { principal } = ctx;
  const persons = handsBehind(actorOf(ctx));
  if (request.userId !== null && persons.has(request.userId)) {
    throw own("Nobody approves their own promotion: another Admin has to.");
  }
  const asked = request.requestedBy.some((actor) => {
    if (actor.kind === "job") return false;
    if (actor.id === principal.tokenId) return true;
    // A connection does not count as the person who set it up, unless two persons are asked for.
    const counts = actor.door !== "scim" || rules.settings.twoPersonPromotion;
    return counts && [...handsBehind(actor)].some((hand) => persons.has(hand));
  });
  if (asked) throw own("You asked for this yourself: another Admin has to approve it.");
}

/**
 * Who acts through a token: the person it acts for and the one who issued it. Tokens without a person are all one hand,
 * that of the operator, from whose first token they descend.
 */
function handsBehind({ userId, issuerId }: Pick<Actor, "userId" | "issuerId">): ReadonlySet<string> {
  const persons = [userId, issuerId].filter((id) => id !== undefined);
  return new Set(persons.length === 0 ? ["operator"] : persons);
}

function own(detail: string): Problem {
  return new Problem("forbidden", detail, { facts: { rule: "GRD-6" } });
}

async function voidRequest(work: Work, request: PromotionRecord, detail: string): Promise<Problem> {
  const { tx, rules, ctx, now } = work;
  const decided = { by: { ...actorOf(ctx) }, at: now.toISOString() };
  await closePromotion(tx, rules.tenantId, request.id, {
    state: "void",
    ...decided,
    expiresAt: null,
    userId: request.userId,
  });
  await recordEvents(tx, [eventOf(work, "promotion.voided", "Promotion", request.id, { detail }, "GRD-6")]);
  return new Problem("stale", detail, { facts: { rule: "GRD-6" } });
}

async function requireOpen({ tx, rules }: Work, id: string): Promise<PromotionRecord> {
  const request = isUuid(id) ? await lockPromotion(tx, rules.tenantId, id) : undefined;
  if (request === undefined) throw noPromotion(id);
  if (request.state === "open") return request;
  if (request.state === "void") {
    const detail = "This request is void: the person or their sign-in identity has changed since it was made.";
    throw new Problem("stale", detail, { facts: { rule: "GRD-6" } });
  }
  throw new Problem("conflict", `This request is not open: it is ${request.state}.`, { facts: { rule: "GRD-6" } });
}

async function requireRow(deps: Deps, ctx: RequestContext, id: string): Promise<PromotionRow> {
  const row = await findPromotionRow(deps.db, ctx.principal.tenantId, id);
  if (row === undefined) throw noPromotion(id);
  return row;
}

function noPromotion(id: string): Problem {
  return new Problem("notFound", `There is no promotion request with the id "${id.slice(0, 100)}".`);
}

async function lockedState({ tx, rules }: Work, id: string): Promise<UserState | undefined> {
  const locked = await lockUsers(tx, rules.tenantId, [id]);
  return (await findUserStates(tx, rules.tenantId, locked))[0];
}

const byName: Statement = {
  name: "users_id_by_name",
  text: "select id from users where tenant_id = $1 and user_name_norm = $2",
};

async function findUserId(
  { tx, rules }: { tx: Work["tx"]; rules: TenantRules },
  nameNorm: string,
): Promise<string | null> {
  const [row] = await tx.query<{ id: string }>(byName, [rules.tenantId, nameNorm]);
  return row?.id ?? null;
}

async function begin(deps: Deps, ctx: RequestContext, tx: Work["tx"]): Promise<Work> {
  return { deps, ctx, tx, rules: await deps.rules.shared(tx, ctx.principal.tenantId), now: deps.clock() };
}
