/** The parts of Usher's answers that the story speaks of, and the words for them. */
import type { USHER_ERROR, USHER_USER } from "../../src/vocabulary/urns.ts";

export interface ScimUser {
  readonly id: string;
  readonly userName: string;
  readonly active: boolean;
  readonly [USHER_USER]: {
    readonly status: string;
    readonly effectiveRole: string;
    readonly license: License;
    readonly teams: readonly { readonly display: string }[];
  };
}

export interface License {
  readonly tier?: string | null;
  readonly status: string;
  readonly wanted?: string | null;
  readonly position?: number | null;
}

export interface ScimGroup {
  readonly id: string;
  readonly displayName: string;
}

export interface ScimList<Resource> {
  readonly totalResults: number;
  readonly Resources: readonly Resource[];
}

export interface ScimError {
  readonly status: string;
  readonly detail: string;
  readonly [USHER_ERROR]: { readonly code: string; readonly requestId: string };
}

export interface Pool {
  readonly tier: string;
  readonly name: string;
  readonly purchased: number;
  readonly used: number;
  readonly available: number;
  readonly waitlisted: number;
  readonly whenFull: string;
}

export interface Overview {
  readonly users: Readonly<
    Record<"total" | "licensed" | "unlicensed" | "administrators" | "pending" | "active" | "inactive", number>
  >;
  readonly pools: readonly Pool[];
  readonly openPromotions: number;
}

export interface Promotion {
  readonly id: string;
  readonly userName: string;
  readonly role: string;
  readonly sources: readonly string[];
}

export interface Reason {
  readonly value: string | null;
  readonly because: string;
  readonly outcome: "won" | "withheld" | "lost";
}

export interface Explanation {
  readonly role: { readonly value: string; readonly reasons: readonly Reason[] };
  readonly tier: { readonly because: string; readonly reasons: readonly Reason[] };
  readonly status: { readonly value: string; readonly because: string };
}

export interface AccessDecision {
  readonly decision: boolean;
  readonly context: { readonly reason: string; readonly role: string | null; readonly permissions: readonly string[] };
}

/** What Usher decided about somebody, in a line. */
export function describeUser(user: ScimUser): string {
  const { status, effectiveRole, license, teams } = user["urn:ietf:params:scim:schemas:extension:usher:2.0:User"];
  const parts = [status, `role ${effectiveRole}`, describeLicense(license)];
  if (teams.length > 0) parts.push(`team ${teams.map((team) => team.display).join(" + ")}`);
  return parts.join(" · ");
}

export function describeLicense({ tier, status, wanted, position }: License): string {
  const waits = `waits for ${wanted} at position ${position}`;
  if (status === "waitlisted") return waits;
  if (status === "none") return "no license";
  return wanted ? `${tier} seat, ${waits}` : `${tier} seat`;
}

export function describePool({ purchased, used, waitlisted }: Pool): string {
  return `${used} of ${purchased} used, ${waitlisted} waiting`;
}

export function describeCount({ totalResults }: ScimList<unknown>): string {
  return totalResults === 0 ? "an empty list: nobody of that name" : `${totalResults} found`;
}
