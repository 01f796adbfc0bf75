/** One user's decision: from everything stored and one change, to status, role, tier and what the guard says of it. */
import { type Candidate, roleCandidates, type TenantRules, tierCandidates } from "./access.ts";
import { type Draft, restoreWords, withoutPassword } from "./draft.ts";
import { identityOf, sameIdentity } from "./identity.ts";
import { decideStatus, isOut, mayHoldSeat } from "./lifecycle.ts";
import type { Grant, Json, Permission, Role, Status, UserState } from "./model.ts";
import { isAdministrative, missing, reservedOf, reservedPermissions } from "./permissions.ts";
import { isFullAdmin, judgeRole, type Withheld } from "./promotion.ts";
import { checkWords, type Refusal } from "./refusals.ts";
import { usherExtension } from "./words.ts";

/** The circumstances of a change. */
export interface Circumstances {
  readonly rules: TenantRules;
  readonly now: Date;
  /**
   * Whether the request speaks of this user's own record, so that it can be refused. Otherwise the change reaches the
   * user through a group, a rule, a catalogue edit or a job, and whatever may not be is withheld.
   */
  readonly direct: boolean;
  /** The actor's permissions towards this user: none for those whom the actor does not name (GRD-5). */
  readonly authority: readonly Permission[];
  readonly approved: readonly { role: string; source: string }[];
  readonly asserted: ReadonlySet<string>;
  /** Whether another active Admin exists; undefined: not asked yet, because it takes a lock (GRD-7). */
  readonly otherAdmin: boolean | undefined;
}

export interface Decision {
  readonly kind: "decided";
  readonly draft: Draft;
  readonly status: Status;
  readonly role: Role;
  readonly roleSource: string;
  /** Whether the role in effect is administrative. */
  readonly administrative: boolean;
  readonly tier: string | null;
  readonly tierSource: string;
  /** Grants that no source asks for any more, or that ended with deactivation. */
  readonly endedGrants: readonly Grant[];
  readonly newGrant: Grant | null;
  /** Promotion requests to record. */
  readonly withheld: readonly Withheld[];
  /** What was refused and left out: parts of a leaver's request (USR-9), a new administrator's password (GRD-8). */
  readonly dropped: readonly Refusal[];
  /** GRD-7: the role was kept because nobody else is Admin. */
  readonly kept: boolean;
}

export type Outcome = Decision | Refused | { readonly kind: "askAdmins" };

export interface Refused {
  readonly kind: "refused";
  readonly refusal: Refusal;
}

/** Decides one user. Never mutates; the same facts give the same answer. `askAdmins`: call again knowing `otherAdmin`. */
export function decideUser(before: UserState | null, draft: Draft, circumstances: Circumstances): Outcome {
  const leaves = before !== null && goesOut(before, draft, circumstances.now);
  const dropped: Refusal[] = [];
  let current = draft;
  for (;;) {
    const outcome = decideOnce(before, current, circumstances);
    if (outcome.kind === "decided") return { ...outcome, dropped: [...dropped, ...outcome.dropped] };
    if (outcome.kind === "askAdmins") return outcome;
    if (!leaves || before === null || dropped.length > 10) return outcome;
    // USR-9: leavers must be out; what a rule refuses is left out of the request, one refusal after the other.
    dropped.push({ ...outcome.refusal, refused: current });
    current = outcome.refusal.without(current, before);
  }
}

function decideOnce(before: UserState | null, draft: Draft, circumstances: Circumstances): Outcome {
  const { rules, now, authority } = circumstances;
  if (circumstances.direct) {
    const refusal = checkWords(before, draft, rules);
    if (refusal !== null) return { kind: "refused", refusal };
  }
  const status = decideStatus(draft, now);
  const out = isOut(draft, now);
  const wasOut = before !== null && isOut(before, now);
  // USR-7: a date may have passed since the stored decision, whether or not a job has come by.
  const lapsed = wasOut && !isOut(before, new Date(before.modifiedAt));
  const wasIn = before !== null && before.status !== "inactive" && !wasOut;
  const ends = before !== null && (lapsed || (out && !wasOut));
  const grants = before === null || ends ? [] : before.grants;
  const earlier = before === null ? [] : roleCandidates(before, rules);
  const candidates = roleCandidates(draft, rules);
  const heldRole = wasIn && before.administrative ? (rules.role.get(before.role) ?? null) : null;
  const held = heldRole === null || before === null || ends ? [] : grantedTo(before);

  if (circumstances.direct && before !== null) {
    const refusal = protectIdentity(before, draft, wasIn ? heldRole : wouldBe(earlier), authority);
    if (refusal !== null) return { kind: "refused", refusal };
  }

  const verdict = judgeRole({
    candidates,
    earlier,
    inEffect: wasIn ? { role: before.role, source: before.roleSource } : null,
    reactivated: before !== null && !wasIn && status !== "inactive",
    out,
    recorded: before?.decidedVersion === rules.version,
    grants,
    heldReserved: held,
    authority,
    approved: circumstances.approved,
    asserted: circumstances.direct ? stated(before, draft, circumstances.asserted) : circumstances.asserted,
  });
  const named = verdict.withheld.find((one) => one.named);
  if (named !== undefined && circumstances.direct && rules.settings.onUnauthorizedPromotion === "refuse") {
    return { kind: "refused", refusal: refusePromotion(draft, named.candidate) };
  }

  let { winner, newGrant } = verdict;
  let kept = false;
  // GRD-7: the last active Admin cannot be demoted; leaving is another matter.
  if (
    heldRole !== null &&
    before?.status === "active" &&
    status === "active" &&
    missing(held, reservedPermissions).length === 0 &&
    !isFullAdmin(winner.value)
  ) {
    if (circumstances.otherAdmin === undefined) return { kind: "askAdmins" };
    if (!circumstances.otherAdmin) {
      if (circumstances.direct) return { kind: "refused", refusal: refuseLastAdmin(draft, heldRole, winner.value) };
      kept = true;
      winner = { value: heldRole, kind: "kept", source: "kept", because: "Nobody else is Admin of this tenant." };
      const standing = grants.some((grant) => grant.source === "kept" && grant.role === heldRole.key);
      newGrant = standing ? null : { role: heldRole.key, source: "kept", permissions: reservedOf(heldRole) };
    }
  }

  // GRD-6, GRD-8: an approved role comes at the next attempt to create the user. Directories send another password with
  // each attempt, so refusing it would refuse the user for ever: it waits for an Admin by itself.
  const password =
    before === null && draft.password !== undefined ? refuseIdentity(draft, draft, winner.value, authority) : null;

  const tier = tierCandidates(draft, rules)[0] as Candidate<{ key: string } | null>;
  const due = mayHoldSeat(status, rules.settings.pendingHoldsSeat) ? (tier.value?.key ?? null) : null;
  return {
    kind: "decided",
    draft: password === null ? draft : withoutPassword(draft),
    status,
    role: winner.value,
    roleSource: winner.source,
    administrative: isAdministrative(winner.value),
    tier: due,
    tierSource: tier.source,
    endedGrants: ends ? before.grants : endedGrants(grants, candidates, winner),
    newGrant,
    withheld: verdict.withheld.filter((one) => !one.known),
    dropped: password === null ? [] : [{ ...password, refused: draft }],
    kept,
  };
}

/** ROL-3: words that name a role anew are this request's, even where other words asked for the same role before. */
function stated(before: UserState | null, draft: Draft, asserted: ReadonlySet<string>): ReadonlySet<string> {
  if (before === null) return asserted;
  const same = (one: Json | undefined, other: Json | undefined) => JSON.stringify(one) === JSON.stringify(other);
  const isSame =
    same(usherExtension(before.doc)["role"], usherExtension(draft.doc)["role"]) &&
    same(before.doc["roles"], draft.doc["roles"]);
  return isSame ? asserted : new Set([...asserted, "words"]);
}

/** The reserved permissions that grants back in effect: what a role gained by an edit since does not count. */
function grantedTo(user: UserState): Permission[] {
  return user.grants
    .filter((grant) => grant.role === user.role && grant.source === user.roleSource)
    .flatMap((grant) => grant.permissions);
}

/** USR-9: whether the change makes a leaver of somebody, be it by the client's word, an Admin's stop or an end date. */
export function goesOut(before: UserState, draft: Draft, now: Date): boolean {
  return (before.doc.active && !draft.doc.active) || (!isOut(before, now) && isOut(draft, now));
}

/** GRD-6: a grant lasts while its source asks for an administrative role. It ends, too, when the person goes out. */
function endedGrants(
  grants: readonly Grant[],
  candidates: readonly Candidate<Role>[],
  winner: Candidate<Role>,
): Grant[] {
  const asking = [...candidates, winner].filter((one) => isAdministrative(one.value));
  return grants.filter((grant) => !asking.some((one) => one.source === grant.source && one.value.key === grant.role));
}

/** GRD-8: who may sign in as an administrator is not for others to change. */
function protectIdentity(
  before: UserState,
  draft: Draft,
  role: Role | null,
  authority: readonly Permission[],
): Refusal | null {
  const isSame = draft.password === undefined && sameIdentity(identityOf(before.doc), identityOf(draft.doc));
  return isSame || role === null ? null : refuseIdentity(before, draft, role, authority);
}

function refuseIdentity(
  user: Pick<UserState, "doc">,
  draft: Draft,
  role: Role,
  authority: readonly Permission[],
): Refusal | null {
  if (!isAdministrative(role) || missing(authority, reservedOf(role)).length === 0) return null;
  const { userName } = user.doc;
  return {
    code: "identityProtected",
    rule: "GRD-8",
    detail:
      `${userName} is an administrator, or would be on coming back ("${role.name}"): userName, e-mails, externalId and password change only ` +
      "with an Admin's authority. The change was recorded; an Admin can approve it under promotions.",
    facts: { role: role.key, attribute: "userName, emails, externalId, password" },
    wish: { kind: "identity", role: role.key, sources: ["identity"], identity: identityOf(draft.doc) },
    without: (current, stored) => ({
      ...withoutPassword(current),
      doc: restoreWords(current.doc, stored.doc, [], ["userName", "emails", "externalId"]),
    }),
  };
}

/** The role that the sources of somebody who is out ask for, should they come back. */
function wouldBe(earlier: readonly Candidate<Role>[]): Role | null {
  return earlier[0]?.value ?? null;
}

function refusePromotion(draft: Draft, candidate: Candidate<Role>): Refusal {
  const { userName } = draft.doc;
  return {
    code: "promotionRefused",
    rule: "GRD-4",
    detail:
      `${userName} was not given the role "${candidate.value.name}": it is administrative, and this credential may not grant it. ` +
      "Nothing of the request was applied. An Admin can approve the recorded promotion request, or grant the role.",
    facts: { role: candidate.value.key },
    wish: { kind: "role", role: candidate.value.key, sources: [candidate.source], identity: identityOf(draft.doc) },
    without: (current, stored) => withoutRole(current, stored),
  };
}

function refuseLastAdmin(draft: Draft, held: Role, next: Role): Refusal {
  return {
    code: "lastAdmin",
    rule: "GRD-7",
    detail:
      `${draft.doc.userName} is the last active Admin of this tenant and cannot go from "${held.name}" to "${next.name}". ` +
      "Make somebody else Admin first.",
    facts: { role: held.key },
    wish: null,
    without: (current, stored) => withoutRole(current, stored),
  };
}

function withoutRole(current: Draft, stored: UserState): Draft {
  return { ...current, rolePin: stored.rolePin, doc: restoreWords(current.doc, stored.doc, ["role"], ["roles"]) };
}
