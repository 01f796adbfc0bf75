/** Creates one user: in one statement where nothing special is asked for, else in a transaction with every lock. */
import { lockAuthority } from "../auth/authority.ts";
import { findApprovals, useApprovals } from "../db/promotions.ts";
import { insertUser } from "../db/user-writes.ts";
import { findUser, type UserAccount } from "../db/users.ts";
import type { TenantRules } from "../domain/access.ts";
import { type Decision, decideUser } from "../domain/decide.ts";
import type { Draft } from "../domain/draft.ts";
import { identityOf, sameIdentity } from "../domain/identity.ts";
import type { Permission, UserDoc } from "../domain/model.ts";
import type { Refusal } from "../domain/refusals.ts";
import { normaliseName } from "../vocabulary/names.ts";
import { applyConsequences, causeOf, decideInTransaction, noAuthority, type Work } from "./apply.ts";
import type { Deps, RequestContext } from "./context.ts";
import { explainPoolFull, summarise, toProblem } from "./outcome.ts";
import { toPasswordChange } from "./passwords.ts";
import { draftOf, type Invitation } from "./user-drafts.ts";
import { getAccount } from "./user-reads.ts";
import {
  type Addition,
  attemptsMax,
  begin,
  isPlain,
  optimisticAttemptsMax,
  overtaken,
  type Permit,
  recordRefusal,
} from "./user-steps.ts";
import { newView } from "./user-views.ts";

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
  const { invitation, password, permit, also, mayRefuse = true } = options;
  const draft = draftOf(doc, invitation, password === undefined ? undefined : await toPasswordChange(deps, password));
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const now = deps.clock();
    const rules = await deps.rules.recent(deps.db, tenantId);
    const outcome = decideUser(null, draft, { rules, now, direct: true, ...noAuthority, otherAdmin: undefined });
    const special = attempt >= optimisticAttemptsMax || permit !== undefined || also !== undefined;
    if (special || !isPlain(outcome, rules)) return await createInTransaction(deps, ctx, draft, options);
    const id = deps.newId();
    const license = await insertUser(deps.db, {
      tenantId,
      id,
      rulesVersion: rules.version,
      decision: outcome,
      cause: causeOf(ctx, now),
      mayRefuse,
      claims: claims(outcome, rules),
      after: { userName: doc.userName, ...summarise(outcome) },
    }).catch((error) => {
      throw explainPoolFull(error, rules);
    });
    if (license !== undefined) {
      if (license.status === "waitlisted" || license.wanted !== null) return await getAccount(deps, ctx, id);
      return newView(id, outcome, license, now, ctx.door);
    }
    deps.rules.forget(tenantId);
  }
  throw overtaken();
}

export interface CreateOptions {
  readonly invitation?: Invitation;
  /** Prepared text. */
  readonly password?: string;
  readonly permit?: Permit;
  readonly also?: Addition;
  /** LIC-3: false where a full pool queues even if it refuses single requests. */
  readonly mayRefuse?: boolean;
}

async function createInTransaction(
  deps: Deps,
  ctx: RequestContext,
  draft: Draft,
  options: CreateOptions,
): Promise<UserAccount> {
  const result = await deps.db.transaction(async (tx) => {
    const work = await begin(deps, ctx, tx);
    return await createWithin(work, draft, await lockAuthority(tx, ctx.principal, work.now), options);
  });
  if ("without" in result) throw toProblem(result);
  return result;
}

/**
 * The whole of a create inside the caller's transaction, with the actor's authority as it was read there (GRD-9). A
 * refusal leaves its promotion request; whatever is raised has to be rolled back.
 */
export async function createWithin(
  work: Work,
  draft: Draft,
  authority: readonly Permission[],
  { permit, also, mayRefuse = true }: Pick<CreateOptions, "permit" | "also" | "mayRefuse">,
): Promise<UserAccount | Refusal> {
  const { deps, ctx, tx, rules, now } = work;
  const { tenantId } = rules;
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
  permit?.(rules, null, outcome, authority);
  const id = deps.newId();
  const license = await insertUser(tx, {
    tenantId,
    id,
    rulesVersion: rules.version,
    decision: outcome,
    cause: causeOf(ctx, now),
    mayRefuse,
    claims: claims(outcome, rules),
    after: { userName: draft.doc.userName, ...summarise(outcome) },
  }).catch((error) => {
    throw explainPoolFull(error, rules);
  });
  if (license === undefined) throw new Error("The rules moved under a share lock.");
  await useApprovals(tx, tenantId, [...new Set(approved.map((one) => one.id))], id);
  await applyConsequences(work, null, id, outcome, {});
  await also?.(work, id, outcome);
  const stored = await findUser(tx, tenantId, id);
  if (stored === undefined) throw new Error("A user vanished inside the creating transaction.");
  return stored.view;
}

/** Whether a free seat may be taken at a glance, because nobody queues beside one (db/user-writes). */
function claims({ tier }: Decision, rules: TenantRules): boolean {
  const terms = tier === null ? undefined : rules.tier.get(tier);
  return terms !== undefined && !terms.unlimited && terms.drain === "auto";
}
