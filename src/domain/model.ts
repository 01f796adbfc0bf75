/** The nouns of the rule book: plain, readonly data that the deciding functions take and give. No I/O, no clock. */

import type { BillingCycle } from "./billing.ts";

/** A JSON value as it crosses the wire. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** A permission, such as `users.manage`; with the suffix `:own-teams` it holds only for the holder's own teams. */
export type Permission = string;

export interface Role {
  readonly key: string;
  readonly name: string;
  readonly rank: number;
  readonly permissions: readonly Permission[];
  readonly builtIn: boolean;
}

export type WhenFull = "waitlist" | "refuse" | "downgrade";

/** A tier with its pool's terms. Price, cycle and renewal decide nothing: the pool's own row has them as of now. */
export interface Tier {
  readonly key: string;
  readonly name: string;
  readonly rank: number;
  readonly permissions: readonly Permission[];
  readonly unlimited: boolean;
  readonly minimum: number;
  readonly unitPrice: number | null;
  readonly currency: string;
  readonly billingCycle: BillingCycle;
  readonly renewsOn: string | null;
  readonly whenFull: WhenFull;
  readonly drain: "auto" | "manual";
}

export interface Settings {
  readonly unknownRoles: "keep" | "refuse";
  readonly onUnauthorizedPromotion: "refuse" | "withhold";
  readonly twoPersonPromotion: boolean;
  readonly licenseRequired: boolean;
  readonly emailImmutable: boolean;
  readonly requireDomain: boolean;
  readonly restrictDomains: boolean;
  /** Whether an invited person holds a seat before accepting (LIC-8). */
  readonly pendingHoldsSeat: boolean;
  readonly invitationDays: number;
  /** Whether provisioning clients change and delete only with If-Match (RFC 7644 §3.14). */
  readonly requireIfMatch: boolean;
}

export type TeamKind = "team" | "workspace" | "agent" | "queue";

export interface TeamName {
  readonly name: string;
  readonly kind: TeamKind;
}

export interface GroupMatch {
  readonly displayName?: string;
  readonly externalId?: string;
  readonly id?: string;
}

export interface GroupEntry {
  readonly match: GroupMatch;
  readonly team?: TeamName;
  readonly role?: string;
  readonly tier?: string;
}

export interface MappingRule {
  readonly name: string;
  /** A SCIM filter over what the client writes of a user. */
  readonly when: string;
  readonly role?: string;
  readonly tier?: string;
  readonly team?: TeamName;
}

/** The mapping document, as saved and as served. */
export interface MappingDocument {
  readonly groups: readonly GroupEntry[];
  readonly rules: readonly MappingRule[];
  readonly defaults: { readonly role: string; readonly tier: string | null };
  readonly autoTeams: boolean;
}

/**
 * A client's own words about a user (ROL-6): the SCIM resource as written, under canonical attribute names, without
 * `id`, `meta`, `schemas`, `groups`, `password` and everything that is read-only. Extensions lie under their URN.
 */
export type UserDoc = JsonObject & { readonly userName: string; readonly active: boolean };

export type Status = "pending" | "active" | "inactive";

export interface Seat {
  readonly tier: string;
  readonly no: number;
  readonly since: string;
}

export interface Waiting {
  readonly tier: string;
  readonly ticket: number;
  readonly priority: number;
  readonly since: string;
}

/** What backs an administrative role from one source (GRD-5). */
export interface Grant {
  readonly role: string;
  readonly source: string;
  readonly permissions: readonly Permission[];
}

/** A mapping entry that reaches a user through a group, directly or from a group nested in it. */
export interface Binding {
  readonly groupId: string;
  readonly entryKey: string;
}

export type Pin<T> = { readonly pinned: false } | { readonly pinned: true; readonly value: T };

/** Everything stored of a user that a decision reads. */
export interface UserState {
  readonly id: string;
  readonly doc: UserDoc;
  readonly suspended: boolean;
  readonly accepted: boolean;
  readonly invitationExpiresAt: string | null;
  readonly rolePin: string | null;
  readonly tierPin: Pin<string | null>;
  readonly status: Status;
  readonly role: string;
  readonly roleSource: string;
  readonly administrative: boolean;
  readonly tier: string | null;
  readonly tierSource: string | null;
  readonly decidedVersion: number;
  readonly version: number;
  readonly revision: number;
  readonly createdAt: string;
  readonly modifiedAt: string;
  /** Sessions begun before this moment are over; null: none has been ended. */
  readonly sessionsNotBefore: string | null;
  readonly bindings: readonly Binding[];
  readonly grants: readonly Grant[];
  readonly seat: Seat | null;
  readonly waiting: Waiting | null;
}

/** Who acts, as the log records it. Shares no secret. */
export interface Actor {
  readonly kind: "token" | "operator" | "job";
  readonly id: string;
  readonly label: string;
  /** The person a token acts for, where there is one. */
  readonly userId?: string;
  /** The person who issued the token, where that was one. */
  readonly issuerId?: string;
  readonly door?: "scim" | "api" | "cli" | "job";
}
