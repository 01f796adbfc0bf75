/** ROL-2: which role and tier each source asks for, strongest source first, each with its reason. */

import { normaliseName } from "../vocabulary/names.ts";
import type { Binding, GroupEntry, MappingDocument, Pin, Role, Settings, Tier, UserDoc } from "./model.ts";
import { wishedRole, wishedTier } from "./words.ts";

export type SourceKind = "pin" | "words" | "group" | "rule" | "default" | "kept";

/** One source's claim. `source` names it for good: a grant and a promotion request refer to it. */
export interface Candidate<Value> {
  readonly value: Value;
  readonly kind: SourceKind;
  readonly source: string;
  /** One sentence for an IT admin. */
  readonly because: string;
}

/** A mapping rule whose condition has been read. */
export interface CompiledRule {
  readonly name: string;
  readonly when: string;
  readonly role: string | null;
  readonly tier: string | null;
  readonly teamId: string | null;
  readonly applies: (doc: UserDoc) => boolean;
}

/** A mapping entry with its identity (what it matches) and its team found. */
export interface CompiledEntry {
  readonly key: string;
  readonly entry: GroupEntry;
  readonly role: string | null;
  readonly tier: string | null;
  readonly teamId: string | null;
}

/** All of a tenant's facts that decisions share; one immutable value per rules version. */
export interface TenantRules {
  readonly tenantId: string;
  readonly version: number;
  readonly settings: Settings;
  readonly roles: readonly Role[];
  readonly tiers: readonly Tier[];
  readonly role: ReadonlyMap<string, Role>;
  readonly tier: ReadonlyMap<string, Tier>;
  readonly mapping: MappingDocument;
  readonly entries: ReadonlyMap<string, CompiledEntry>;
  readonly rules: readonly CompiledRule[];
  readonly verifiedDomains: readonly string[];
}

/** What of a user the sources read. */
export interface AccessFacts {
  readonly doc: UserDoc;
  readonly rolePin: string | null;
  readonly tierPin: Pin<string | null>;
  readonly bindings: readonly Binding[];
}

/** ROL-2 for roles, strongest first. The last is always the tenant's default. */
export function roleCandidates(user: AccessFacts, rules: TenantRules): Candidate<Role>[] {
  const found: Candidate<Role>[] = [];
  const pinned = user.rolePin === null ? undefined : rules.role.get(user.rolePin);
  if (pinned !== undefined) {
    found.push({ value: pinned, kind: "pin", source: "pin", because: `An Admin pinned the role "${pinned.name}".` });
  }
  const wish = wishedRole(user.doc, rules.roles, rules.mapping.defaults.role).value;
  if (wish !== null) {
    found.push({
      value: wish,
      kind: "words",
      source: "words",
      because: `The client asks for the role "${wish.name}".`,
    });
  }
  for (const { entry, binding } of boundEntries(user, rules)) {
    const role = entry.role === null ? undefined : rules.role.get(entry.role);
    if (role !== undefined) found.push(fromGroup(role, entry, binding, `the role "${role.name}"`));
  }
  sortGroups(found, (role) => role.rank);
  for (const rule of rules.rules) {
    const role = rule.role === null ? undefined : rules.role.get(rule.role);
    if (role !== undefined && rule.applies(user.doc)) found.push(fromRule(role, rule, `the role "${role.name}"`));
  }
  const fallback = rules.role.get(rules.mapping.defaults.role) ?? lowest(rules.roles);
  found.push({
    value: fallback,
    kind: "default",
    source: "default",
    because: `"${fallback.name}" is the default role.`,
  });
  return found;
}

/** ROL-2 for license tiers, strongest first; a pin to no tier counts. The last is always the tenant's default. */
export function tierCandidates(user: AccessFacts, rules: TenantRules): Candidate<Tier | null>[] {
  const found: Candidate<Tier | null>[] = [];
  if (user.tierPin.pinned) {
    const tier = user.tierPin.value === null ? null : (rules.tier.get(user.tierPin.value) ?? null);
    const what = tier === null ? "no license" : `the license tier "${tier.name}"`;
    found.push({ value: tier, kind: "pin", source: "pin", because: `An Admin pinned ${what}.` });
  }
  const wish = wishedTier(user.doc, rules.tiers).value;
  if (wish !== null) {
    found.push({
      value: wish,
      kind: "words",
      source: "words",
      because: `The client asks for the tier "${wish.name}".`,
    });
  }
  for (const { entry, binding } of boundEntries(user, rules)) {
    const tier = entry.tier === null ? undefined : rules.tier.get(entry.tier);
    if (tier !== undefined) found.push(fromGroup(tier, entry, binding, `the tier "${tier.name}"`));
  }
  sortGroups(found, (tier) => tier?.rank ?? -1);
  for (const rule of rules.rules) {
    const tier = rule.tier === null ? undefined : rules.tier.get(rule.tier);
    if (tier !== undefined && rule.applies(user.doc)) found.push(fromRule(tier, rule, `the tier "${tier.name}"`));
  }
  const key = rules.mapping.defaults.tier;
  const fallback = key === null ? null : (rules.tier.get(key) ?? null);
  const because = fallback === null ? "No license by default." : `"${fallback.name}" is the default tier.`;
  found.push({ value: fallback, kind: "default", source: "default", because });
  return found;
}

/** TEAM-3: the teams that rules give; those of groups are derived by join. Team id and the rule's source, once each. */
export function ruleTeams(doc: UserDoc, rules: TenantRules): { teamId: string; source: string }[] {
  return rules.rules
    .filter((rule) => rule.teamId !== null && rule.applies(doc))
    .map((rule) => ({ teamId: rule.teamId as string, source: `rule:${rule.name}` }));
}

/** Whether some rule gives a team at all: most tenants have none, and no member rows to keep. */
export function rulesGiveTeams(rules: TenantRules): boolean {
  return rules.rules.some((rule) => rule.teamId !== null);
}

/** The identity of a mapping entry: what it matches. Bindings and grants refer to it, so it outlives other edits. */
export function entryKey(match: GroupEntry["match"]): string {
  if (match.id !== undefined) return `id:${match.id.toLowerCase()}`;
  if (match.externalId !== undefined) return `externalId:${match.externalId}`;
  return `displayName:${normaliseName(match.displayName ?? "")}`;
}

function boundEntries(user: AccessFacts, rules: TenantRules): { entry: CompiledEntry; binding: Binding }[] {
  const bound: { entry: CompiledEntry; binding: Binding }[] = [];
  for (const binding of user.bindings) {
    const entry = rules.entries.get(binding.entryKey);
    if (entry !== undefined) bound.push({ entry, binding });
  }
  return bound;
}

function fromGroup<Value>(value: Value, entry: CompiledEntry, binding: Binding, what: string): Candidate<Value> {
  const source = `group:${entry.key}|${binding.groupId}`;
  return { value, kind: "group", source, because: `The mapping of the group (${entry.key}) gives ${what}.` };
}

function fromRule<Value>(value: Value, rule: CompiledRule, what: string): Candidate<Value> {
  return { value, kind: "rule", source: `rule:${rule.name}`, because: `The rule "${rule.name}" gives ${what}.` };
}

/** Among groups the highest rank wins; equal ranks by source, so that the order of memberships never matters. */
function sortGroups<Value>(found: Candidate<Value>[], rank: (value: Value) => number): void {
  const weight = (candidate: Candidate<Value>) => (candidate.kind === "pin" ? 0 : candidate.kind === "words" ? 1 : 2);
  found.sort(
    (a, b) =>
      weight(a) - weight(b) ||
      (a.kind === "group"
        ? rank(b.value) - rank(a.value) || (a.source < b.source ? -1 : a.source > b.source ? 1 : 0)
        : 0),
  );
}

function lowest(roles: readonly Role[]): Role {
  return roles.reduce((low, role) => (role.rank < low.rank ? role : low));
}
