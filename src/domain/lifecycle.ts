/** USR: whether a person is in, invited or out, from the client's word, the Admin's stop and the dates. */
import { formatInstant, parseInstant } from "../vocabulary/instants.ts";
import type { Json, Status, UserDoc } from "./model.ts";
import { usherExtension } from "./words.ts";

export interface LifecycleFacts {
  readonly doc: UserDoc;
  readonly suspended: boolean;
  readonly accepted: boolean;
  readonly invitationExpiresAt: string | null;
}

/** The time in which a user is active (USR-7); null: no bound. ISO 8601 in UTC, whatever offset the client wrote. */
export function activeTime(doc: UserDoc): { startsAt: string | null; endsAt: string | null } {
  const { startDate, endDate } = usherExtension(doc);
  return { startsAt: toUtc(startDate), endsAt: toUtc(endDate) };
}

function toUtc(text: Json | undefined): string | null {
  const instant = typeof text === "string" ? parseInstant(text) : undefined;
  return instant === undefined ? null : formatInstant(instant);
}

/** What the status follows from, as it is stored: the client's `active` and dates, what an Admin and the invited said. */
export interface Presence {
  readonly active: boolean;
  readonly suspended: boolean;
  readonly accepted: boolean;
  readonly invitationExpiresAt: string | null;
  readonly startsAt: string | null;
  readonly endsAt: string | null;
}

/** USR-1: the decided status. What the client says is one condition among four. */
export function decideStatus(user: LifecycleFacts, now: Date): Status {
  return statusOf({ ...user, active: user.doc.active, ...activeTime(user.doc) }, now);
}

/** The same of what is stored. Somebody is active from the start on, and before the end (USR-7). */
export function statusOf(user: Presence, now: Date): Status {
  const { active, suspended, accepted, invitationExpiresAt, startsAt, endsAt } = user;
  const begun = startsAt === null || now.getTime() >= Date.parse(startsAt);
  if (!active || suspended || !begun || hasExpired(endsAt, now)) return "inactive";
  if (accepted) return "active";
  return hasExpired(invitationExpiresAt, now) ? "inactive" : "pending";
}

function hasExpired(expiresAt: string | null, now: Date): boolean {
  return expiresAt !== null && now.getTime() >= Date.parse(expiresAt);
}

/**
 * Whether a person is out: deactivated, stopped, past the end, or not come when invited. Somebody who has yet to start is
 * not out: the guard judges them as if they had begun (GRD-2), and what an Admin granted them stands.
 */
export function isOut(user: LifecycleFacts, now: Date): boolean {
  const { endsAt } = activeTime(user.doc);
  if (!user.doc.active || user.suspended || (endsAt !== null && now.getTime() >= Date.parse(endsAt))) return true;
  return !user.accepted && hasExpired(user.invitationExpiresAt, now);
}

/** LIC-8: inactive users hold no seat; pending ones do, unless the tenant says otherwise. */
export function mayHoldSeat(status: Status, pendingHoldsSeat: boolean): boolean {
  return status === "active" || (status === "pending" && pendingHoldsSeat);
}
