/** ROL-3, LIC-10: what a client's own words say about role and tier. Reads the words; decides nothing. */

import { normaliseName } from "../vocabulary/names.ts";
import type { Json, JsonObject, Role, Tier, UserDoc } from "./model.ts";

export const USHER_USER = "urn:ietf:params:scim:schemas:extension:usher:2.0:User";

const EMPTY: JsonObject = {};

/** Usher's extension as the client wrote it. */
export function usherExtension(doc: JsonObject): JsonObject {
  const extension = doc[USHER_USER];
  return isObject(extension) ? extension : EMPTY;
}

/** An entry of `roles[]` or `entitlements[]`. */
interface Entry {
  readonly value: string;
  readonly type: string;
  readonly primary: boolean;
}

/** Names of one namespace (ROL-1): key and display name, compared without letter case. */
export interface Named {
  readonly key: string;
  readonly name: string;
}

/** What the words wish for, and what in them names nothing. */
export interface Wish<T> {
  readonly value: T | null;
  /** Text of `role` or `licenseTier` that names nothing: 400 where it changed. */
  readonly unknown: string | null;
  /** Entries of `roles[]` that name nothing: kept as the client's data, or 400 by setting. */
  readonly unknownEntries: readonly string[];
}

/** Finds by key or display name, without letter case. */
export function findNamed<T extends Named>(catalogue: Iterable<T>, text: string): T | undefined {
  const wanted = normaliseName(text);
  for (const item of catalogue)
    if (normaliseName(item.key) === wanted || normaliseName(item.name) === wanted) return item;
  return undefined;
}

/** ROL-3: `role`, else a matching entry of `roles[]`: the primary one, else the highest rank. */
export function wishedRole(doc: UserDoc, roles: readonly Role[], defaultRole: string): Wish<Role> {
  const text = usherExtension(doc)["role"];
  const entries = entriesOf(doc["roles"]).filter((entry) => !isLicenseType(entry.type));
  const known: { role: Role; primary: boolean }[] = [];
  const unknownEntries: string[] = [];
  for (const entry of entries) {
    const role = findNamed(roles, entry.value);
    if (role === undefined) unknownEntries.push(entry.value);
    // ROL-3: an entry equal to the default is no wish (Entra's stock app role "User").
    else if (role.key !== defaultRole) known.push({ role, primary: entry.primary });
  }
  if (typeof text === "string" && text !== "") {
    const role = findNamed(roles, text);
    return { value: role ?? null, unknown: role === undefined ? text : null, unknownEntries };
  }
  known.sort(
    (a, b) => Number(b.primary) - Number(a.primary) || b.role.rank - a.role.rank || (a.role.key < b.role.key ? -1 : 1),
  );
  return { value: known[0]?.role ?? null, unknown: null, unknownEntries };
}

/** ROL-2, LIC-10: `licenseTier`, else an entry of `entitlements[]`, else one of `roles[]` typed as a license. */
export function wishedTier(doc: UserDoc, tiers: readonly Tier[]): Wish<Tier> {
  const text = usherExtension(doc)["licenseTier"];
  if (typeof text === "string" && text !== "") {
    const tier = findNamed(tiers, text);
    return { value: tier ?? null, unknown: tier === undefined ? text : null, unknownEntries: [] };
  }
  const typed = entriesOf(doc["roles"]).filter((entry) => isLicenseType(entry.type));
  for (const entries of [entriesOf(doc["entitlements"]), typed]) {
    const known = entries
      .map((entry) => ({ tier: findNamed(tiers, entry.value), primary: entry.primary }))
      .filter((entry): entry is { tier: Tier; primary: boolean } => entry.tier !== undefined)
      .sort((a, b) => Number(b.primary) - Number(a.primary) || b.tier.rank - a.tier.rank);
    if (known[0] !== undefined) return { value: known[0].tier, unknown: null, unknownEntries: [] };
  }
  return { value: null, unknown: null, unknownEntries: [] };
}

/** LIC-10: an entry typed so is about licenses and never names a role. */
function isLicenseType(type: string): boolean {
  const folded = normaliseName(type);
  return folded === "license" || folded === "seattype";
}

function entriesOf(value: Json | undefined): Entry[] {
  if (!Array.isArray(value)) return [];
  const entries: Entry[] = [];
  for (const item of value as readonly Json[]) {
    if (!isObject(item) || typeof item["value"] !== "string") continue;
    const type = typeof item["type"] === "string" ? item["type"] : "";
    entries.push({ value: item["value"], type, primary: item["primary"] === true });
  }
  return entries;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
