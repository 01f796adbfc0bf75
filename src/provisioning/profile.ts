/**
 * Changes a person as the management side does: their profile, pins, and the stop, in one decision. What each field needs
 * is asked of the actor inside the transaction (GRD-9), and so is the license permission where a seat moves (LIC-11).
 */
import { reachWithin, requireHeld } from "../auth/authority.ts";
import type { UserAccount } from "../db/users.ts";
import { tierCandidates } from "../domain/access.ts";
import type { Decision } from "../domain/decide.ts";
import type { Permission, UserState } from "../domain/model.ts";
import { needsSeat, type Work } from "./apply.ts";
import type { Deps, Principal, RequestContext } from "./context.ts";
import { requireWithin } from "./own-teams.ts";
import { type ProfileWords, toProfile } from "./profile-words.ts";
import { type AccessChange, assertedBy, requireKnown, requireOwnPermissions, withAccess } from "./user-access.ts";
import { alterUser } from "./user-change.ts";
import { deleteUser } from "./user-delete.ts";
import { draftOfState } from "./user-drafts.ts";

/** Everything that can be changed of a person at once; what is absent stays. */
export interface PersonChange extends AccessChange, ProfileWords {}

/** What each field needs. Of the fields that are not listed: `users.manage`. */
const permissions: Readonly<Partial<Record<keyof PersonChange, Permission>>> = {
  tier: "licenses.manage",
  callAnalysis: "call-analysis.manage",
  budget: "budgets.manage",
};

/** Fields that people change of themselves with `profile.manage`. */
export const ownFields = [
  "givenName",
  "familyName",
  "displayName",
  "phone",
  "phoneCountry",
] as const satisfies readonly (keyof PersonChange)[];

/** The permissions that a change needs, all of them. */
export function permissionsFor(change: PersonChange): Permission[] {
  const fields = (Object.keys(change) as (keyof PersonChange)[]).filter((field) => change[field] !== undefined);
  return [...new Set(fields.map((field) => permissions[field] ?? "users.manage"))];
}

/**
 * Changes a person. Problems: invalidValue, unknownRole, unknownTier, forbidden, promotionRefused, identityProtected,
 * lastAdmin, poolFull, domainRequired, mutability, uniqueness, notFound.
 */
export async function changePerson(
  deps: Deps,
  ctx: RequestContext,
  id: string,
  change: PersonChange,
): Promise<UserAccount> {
  const { principal } = ctx;
  requireKnown(await deps.rules.current(deps.db, principal.tenantId), change);
  const write = toProfile(change);
  const needed = permissionsFor(change);
  return await alterUser(
    deps,
    ctx,
    id,
    (state) => withAccess({ ...draftOfState(state), doc: write(state.doc) }, change),
    {
      asserted: assertedBy(change),
      force: typeof change.role === "string",
      require: (work, state, held) => requireAll(work, state, held, needed),
      permit(rules, before, decision, held) {
        if (typeof change.role === "string") requireOwnPermissions(rules, before, decision, held);
        requireForSeat(principal, before, decision, held);
      },
    },
  );
}

/** Deletes a person for good (USR-6). Problems: forbidden, notFound. */
export async function deletePerson(deps: Deps, ctx: RequestContext, id: string): Promise<void> {
  const { principal } = ctx;
  await deleteUser(deps, ctx, id, {
    require({ rules }, state, held) {
      requireHeld(held, principal, ["users.manage"]);
      const isDue = tierCandidates(state, rules)[0]?.value !== null;
      if (state.seat !== null || state.waiting !== null || isDue) requireHeld(held, principal, ["licenses.manage"]);
    },
  });
}

/** What a person changes of themselves: the fields of `ownFields`. Problems: as `changePerson`. */
export async function changeOwnProfile(
  deps: Deps,
  ctx: RequestContext,
  id: string,
  words: Pick<ProfileWords, (typeof ownFields)[number]>,
): Promise<UserAccount> {
  const write = toProfile(words);
  return await alterUser(deps, ctx, id, (state) => ({ ...draftOfState(state), doc: write(state.doc) }), {
    asserted: new Set(),
    require: async (_work, _state, held) => requireHeld(held, ctx.principal, ["profile.manage"]),
    permit: (_rules, before, decision, held) => requireForSeat(ctx.principal, before, decision, held),
  });
}

/** LIC-11: whoever causes a seat to be taken or freed, by whatever path, needs the license permission. */
export function requireForSeat(
  principal: Principal,
  before: UserState | null,
  decision: Decision,
  held: readonly Permission[],
): void {
  const moves = before === null ? decision.tier !== null : needsSeat(before, decision);
  if (moves) requireHeld(held, principal, ["licenses.manage"]);
}

/** Every permission needed; one that is limited to own teams (E-8) does for the people of these teams. */
async function requireAll(
  work: Work,
  state: UserState,
  held: readonly Permission[],
  needed: readonly Permission[],
): Promise<void> {
  for (const permission of needed) {
    const reach = reachWithin(held, work.ctx.principal, [permission]);
    await requireWithin(work.tx, work.rules.tenantId, reach, state.id);
  }
}
