/** What makes a mapping document acceptable: every name known, every condition readable, nobody granting beyond themselves. */
import { Problem, type ProblemFacts } from "../problems.ts";
import { parseFilter } from "../vocabulary/filter/index.ts";
import { normaliseName } from "../vocabulary/names.ts";
import { entryKey } from "./access.ts";
import type { GroupEntry, MappingDocument, MappingRule, Permission, Role, TeamName, Tier } from "./model.ts";
import { isAdministrative, missing } from "./permissions.ts";

/** More entries or rules than any directory maps by hand; each rule costs every decision some microseconds. */
export const entriesMax = 5_000;
export const rulesMax = 500;

/** What a mapping is checked against. */
export interface Catalogue {
  readonly roles: ReadonlyMap<string, Role>;
  readonly tiers: ReadonlyMap<string, Tier>;
  /** The mapping that is being replaced: what stays as it was is not judged again. */
  readonly stored: MappingDocument;
  /** What the saver holds: persons and tokens grant only permissions that they hold themselves (ROL-5). */
  readonly authority: readonly Permission[];
}

/**
 * Checks a mapping before it is saved. Raises the first mistake: unknownRole, unknownTier, invalidFilter with its
 * position, invalidValue, or forbidden for a role that the saver may not grant. `at` in the facts is a JSON pointer.
 */
export function requireMapping(document: MappingDocument, catalogue: Catalogue): void {
  if (document.groups.length > entriesMax) throw invalid("/groups", `A mapping has at most ${entriesMax} entries.`);
  if (document.rules.length > rulesMax) throw invalid("/rules", `A mapping has at most ${rulesMax} rules.`);
  requireDefaults(document, catalogue);
  requireGrantable(document.defaults, "/defaults", catalogue, catalogue.stored.defaults.role);
  const keys = new Map<string, number>();
  for (const [index, entry] of document.groups.entries()) {
    const at = `/groups/${index}`;
    requireMatch(entry, at);
    const key = entryKey(entry.match);
    const twin = keys.get(key);
    if (twin !== undefined)
      throw invalid(`${at}/match`, `Entry ${twin} matches the same group (${key}); join the two.`);
    keys.set(key, index);
    requireGrants(entry, at, catalogue, storedEntry(catalogue.stored, key)?.role);
    const role = entry.role === undefined ? undefined : catalogue.roles.get(entry.role);
    // TEAM-2: a name can be taken by anybody who may name a group.
    if (role !== undefined && isAdministrative(role) && entry.match.displayName !== undefined) {
      throw invalid(
        `${at}/match`,
        `"${role.name}" is administrative: an entry that grants it matches by id or externalId, never by displayName.`,
        { rule: "TEAM-2", role: role.key },
      );
    }
  }
  const names = new Set<string>();
  for (const [index, rule] of document.rules.entries()) {
    const at = `/rules/${index}`;
    const name = normaliseName(rule.name);
    if (names.has(name)) throw invalid(`${at}/name`, `Another rule is called "${rule.name}"; names tell rules apart.`);
    names.add(name);
    requireCondition(rule, at);
    // Under another condition the same role reaches other people.
    const stored = catalogue.stored.rules.find((one) => one.name === rule.name && one.when === rule.when);
    requireGrants(rule, at, catalogue, stored?.role);
  }
}

function requireDefaults({ defaults }: MappingDocument, { roles, tiers }: Catalogue): void {
  const role = roles.get(defaults.role);
  if (role === undefined) throw unknownRole(defaults.role, "/defaults/role", roles);
  if (isAdministrative(role)) {
    throw invalid("/defaults/role", `"${role.name}" is administrative and cannot be what everybody gets by default.`, {
      rule: "GRD-5",
      role: role.key,
    });
  }
  if (defaults.tier !== null && !tiers.has(defaults.tier)) throw unknownTier(defaults.tier, "/defaults/tier", tiers);
}

function requireMatch({ match }: GroupEntry, at: string): void {
  const named = [match.displayName, match.externalId, match.id].filter((value) => value !== undefined);
  if (named.length === 1 && named[0] !== "") return;
  throw invalid(`${at}/match`, "An entry matches by exactly one of displayName, externalId and id.");
}

/** RFC 7644 §3.4.2.2 filters, over attributes that a client writes: what Usher decides cannot be its own condition. */
function requireCondition(rule: MappingRule, at: string): void {
  try {
    parseFilter("User", rule.when, { unknown: "refuse", writtenByClient: true });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const detail = `The condition of the rule "${rule.name}" cannot be used: ${error.message}`;
    throw new Problem("invalidFilter", detail, { facts: { ...error.facts, at: `${at}/when` }, cause: error });
  }
}

type Granting = { readonly role?: string; readonly tier?: string; readonly team?: TeamName };

function requireGrants(item: Granting, at: string, catalogue: Catalogue, storedRole: string | undefined): void {
  const { tiers } = catalogue;
  if (item.role === undefined && item.tier === undefined && item.team === undefined) {
    throw invalid(at, "Name at least one of role, tier and team: an entry without any has no effect.");
  }
  if (item.tier !== undefined && !tiers.has(item.tier)) throw unknownTier(item.tier, `${at}/tier`, tiers);
  // TEAM-1: queues are assigned at the queue.
  if (item.team?.kind === "queue")
    throw invalid(`${at}/team/kind`, "A mapping cannot fill a queue: assign people at the queue.");
  requireGrantable(item, at, catalogue, storedRole);
}

/** ROL-5: whoever saves grants only what they hold themselves; what was there already is not judged again. */
function requireGrantable(
  item: { readonly role?: string },
  at: string,
  catalogue: Catalogue,
  storedRole?: string,
): void {
  const { roles, authority } = catalogue;
  if (item.role === undefined) return;
  const role = roles.get(item.role);
  if (role === undefined) throw unknownRole(item.role, `${at}/role`, roles);
  const beyond = storedRole === item.role ? [] : missing(authority, role.permissions);
  if (beyond.length > 0) {
    throw new Problem(
      "forbidden",
      `You cannot let a mapping grant "${role.name}": it holds ${beyond.join(", ")}, which you do not.`,
      {
        facts: { rule: "ROL-5", role: role.key, at: `${at}/role` },
      },
    );
  }
}

function storedEntry(stored: MappingDocument, key: string): GroupEntry | undefined {
  return stored.groups.find((entry) => entryKey(entry.match) === key);
}

function invalid(at: string, detail: string, facts: ProblemFacts = {}): Problem {
  return new Problem("invalidValue", detail, { facts: { ...facts, at } });
}

function unknownRole(role: string, at: string, roles: ReadonlyMap<string, Role>): Problem {
  const known = [...roles.keys()].join(", ");
  return new Problem("unknownRole", `There is no role "${role}". Known roles: ${known}.`, { facts: { at } });
}

function unknownTier(tier: string, at: string, tiers: ReadonlyMap<string, Tier>): Problem {
  const known = [...tiers.keys()].join(", ");
  return new Problem("unknownTier", `There is no license tier "${tier}". Known tiers: ${known}.`, { facts: { at } });
}
