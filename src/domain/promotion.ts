/**
 * GRD: only an Admin makes an Admin. The guard looks at the result: of the claims on a user's role, strongest first,
 * an administrative one takes effect only when a grant backs it, or when the actor's authority covers it here and now.
 */
import type { Candidate } from "./access.ts";
import type { Grant, Permission, Role } from "./model.ts";
import { isAdministrative, missing, reservedOf, reservedPermissions } from "./permissions.ts";

/** What the guard knows of one user's claims. */
export interface GuardFacts {
  readonly candidates: readonly Candidate<Role>[];
  /** The claims that the stored user has under today's rules; empty for a new user. */
  readonly earlier: readonly Candidate<Role>[];
  /** The claim in effect before this change; null for a new user and for somebody who was out. */
  readonly inEffect: { readonly role: string; readonly source: string } | null;
  /** GRD-2: the user comes back, so every claim is judged like a first one. */
  readonly reactivated: boolean;
  /** The user is out when the change is done: what was withheld before is asked again when they come back. */
  readonly out: boolean;
  /** Whether the stored decision was taken under today's rules, so that what it withheld has been recorded. */
  readonly recorded: boolean;
  readonly grants: readonly Grant[];
  /** Reserved permissions that the user holds by a grant, in effect, before this change. */
  readonly heldReserved: readonly Permission[];
  /** Permissions of the actor for this very user (GRD-5); empty for those whom the actor does not name. */
  readonly authority: readonly Permission[];
  /** Approvals (GRD-6) that wait for this user's next attempt: role key and source. */
  readonly approved: readonly { role: string; source: string }[];
  /** Sources that this request states outright, even where their claim is not new (an Admin pinning once more). */
  readonly asserted: ReadonlySet<string>;
}

/** What the guard says: the claim that takes effect, the grants behind it, and the claims it passed over. */
export interface Verdict {
  readonly winner: Candidate<Role>;
  /** The grant to be written for the winner, where it is not there yet. */
  readonly newGrant: Grant | null;
  /** Administrative claims without authority, stronger than the winner. */
  readonly withheld: readonly Withheld[];
}

export interface Withheld {
  readonly candidate: Candidate<Role>;
  /** Whether the request itself named the role and would gain by it, as against what follows from it (GRD-4). */
  readonly named: boolean;
  /** Whether this claim was passed over before as well: it has been recorded then. */
  readonly known: boolean;
}

/** GRD-1, GRD-4, GRD-5: picks the strongest claim that may take effect. */
export function judgeRole(facts: GuardFacts): Verdict {
  const places = new Map(facts.earlier.map((claim, place) => [identify(claim), place]));
  const withheld: Withheld[] = [];
  for (const candidate of facts.candidates) {
    if (!isAdministrative(candidate.value)) return { winner: candidate, newGrant: null, withheld };
    const backed = backedBy(facts.grants, candidate);
    if (backed === "fully") return { winner: candidate, newGrant: null, withheld };
    const place = places.get(identify(candidate));
    const isNew = place === undefined || facts.asserted.has(candidate.source);
    if (mayGrant(facts, candidate, isNew || facts.reactivated)) {
      return { winner: candidate, newGrant: grantFor(candidate), withheld };
    }
    const gains = missing(facts.heldReserved, reservedOf(candidate.value)).length > 0;
    const named = isNew && gains && (candidate.kind === "pin" || candidate.kind === "words");
    withheld.push({ candidate, named, known: !isNew && wasPassedOver(facts, places, place ?? 0) });
    // GRD-5: an edit of the catalogue takes from nobody what an Admin has granted; only what it adds is withheld.
    if (backed === "partly") return { winner: candidate, newGrant: null, withheld };
  }
  throw new Error("The default role is administrative: the catalogue must refuse that.");
}

/** How far a grant of the same role and source covers the reserved permissions that the role holds now. */
function backedBy(grants: readonly Grant[], candidate: Candidate<Role>): "fully" | "partly" | "not" {
  const wanted = reservedOf(candidate.value);
  const granted = grants
    .filter((grant) => grant.role === candidate.value.key && grant.source === candidate.source)
    .flatMap((grant) => grant.permissions);
  const rest = missing(granted, wanted).length;
  return rest === 0 ? "fully" : rest < wanted.length ? "partly" : "not";
}

function mayGrant(facts: GuardFacts, candidate: Candidate<Role>, fresh: boolean): boolean {
  // GRD-1: what is not gained needs no authority, such as a step down. GRD-6: only where an Admin has allowed this very
  // source as much; from another one the claim would outlive the source that was allowed.
  const held = facts.inEffect?.source === candidate.source ? facts.heldReserved : [];
  const gained = missing(held, reservedOf(candidate.value));
  if (fresh && missing(facts.authority, gained).length === 0) return true;
  // GRD-6: approved for a create that was refused.
  return facts.approved.some((one) => one.role === candidate.value.key && one.source === candidate.source);
}

/** Whether a claim that was there before was stronger than the one in effect, so that it has been asked for already. */
function wasPassedOver(facts: GuardFacts, places: ReadonlyMap<string, number>, place: number): boolean {
  if (facts.out) return true;
  if (facts.reactivated || !facts.recorded) return false;
  const { inEffect } = facts;
  const winner = inEffect === null ? undefined : places.get(`${inEffect.role} ${inEffect.source}`);
  return place <= (winner ?? Number.POSITIVE_INFINITY);
}

function grantFor(candidate: Candidate<Role>): Grant {
  return { role: candidate.value.key, source: candidate.source, permissions: reservedOf(candidate.value) };
}

/** A claim's identity: whether it was there before is asked by source and role. */
function identify(candidate: Candidate<Role>): string {
  return `${candidate.value.key} ${candidate.source}`;
}

/** GRD-7: an Admin in the full sense, who can repair everything: the role holds every reserved permission. */
export function isFullAdmin(role: Role): boolean {
  return missing(role.permissions, reservedPermissions).length === 0;
}
