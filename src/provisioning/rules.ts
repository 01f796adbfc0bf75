/** A tenant's shared facts, compiled once per version and kept per process; every deciding write checks the version. */

import type { Executor } from "../db/database.ts";
import { findRules, findRulesVersion, lockRules, type RulesRow, shareRules } from "../db/rules.ts";
import type { CompiledEntry, CompiledRule, TenantRules } from "../domain/access.ts";
import { entryKey } from "../domain/access.ts";
import type { MappingDocument, Settings, TeamName } from "../domain/model.ts";
import { defaultSettings } from "../domain/presets.ts";
import { Problem } from "../problems.ts";
import { matches, parseFilter } from "../vocabulary/filter/index.ts";
import { normaliseName } from "../vocabulary/names.ts";

/** Rules kept in memory at most; the least recently used go first. A tenant's rules take some 10 kB. */
const tenantsKeptMax = 10_000;

/** Rules that nobody has compared with the database for so long are looked at anew, also where no write would notice. */
const recentMs = 2_000;

export interface RulesStore {
  /** The rules as last seen: possibly two seconds behind. For reads, and for writes that repeat the version as a predicate. */
  recent(executor: Executor, tenantId: string): Promise<TenantRules>;
  /** The rules as of now. */
  current(executor: Executor, tenantId: string): Promise<TenantRules>;
  /** The rules of a version that was read with something else; later ones where they have moved since. */
  at(executor: Executor, tenantId: string, version: number | undefined): Promise<TenantRules>;
  /** The rules as of now, held still until the transaction ends. */
  shared(executor: Executor, tenantId: string): Promise<TenantRules>;
  /** The rules as of now, locked for an edit. */
  locked(executor: Executor, tenantId: string): Promise<TenantRules>;
  /** The rules as the edit leaves them. Not remembered: should it roll back, the next edit gets the same version. */
  edited(executor: Executor, tenantId: string): Promise<TenantRules>;
  /** Forgets what is remembered, after a write found the version moved. */
  forget(tenantId: string): void;
}

export function createRulesStore(): RulesStore {
  const kept = new Map<string, { readonly rules: TenantRules; seenAt: number }>();

  function keep(rules: TenantRules): TenantRules {
    const known = kept.get(rules.tenantId);
    if (known !== undefined && known.rules.version > rules.version) return rules;
    kept.delete(rules.tenantId);
    kept.set(rules.tenantId, { rules, seenAt: performance.now() });
    const oldest = kept.size > tenantsKeptMax ? kept.keys().next().value : undefined;
    if (oldest !== undefined) kept.delete(oldest);
    return rules;
  }

  async function load(executor: Executor, tenantId: string): Promise<TenantRules> {
    const row = await findRules(executor, tenantId);
    if (row === undefined) throw noTenant();
    return compileRules(tenantId, row);
  }

  async function at(executor: Executor, tenantId: string, version: number | undefined): Promise<TenantRules> {
    if (version === undefined) throw noTenant();
    const known = kept.get(tenantId);
    if (known?.rules.version === version) {
      known.seenAt = performance.now();
      return known.rules;
    }
    return keep(await load(executor, tenantId));
  }

  async function current(executor: Executor, tenantId: string): Promise<TenantRules> {
    return await at(executor, tenantId, await findRulesVersion(executor, tenantId));
  }

  return {
    async recent(executor, tenantId) {
      const known = kept.get(tenantId);
      if (known === undefined) return keep(await load(executor, tenantId));
      if (performance.now() - known.seenAt < recentMs) return known.rules;
      // One request looks; the others meanwhile take what is there.
      known.seenAt = performance.now();
      return await current(executor, tenantId);
    },
    current,
    at,
    shared: async (executor, tenantId) => at(executor, tenantId, await shareRules(executor, tenantId)),
    locked: async (executor, tenantId) => at(executor, tenantId, await lockRules(executor, tenantId)),
    edited: load,
    forget: (tenantId) => kept.delete(tenantId),
  };
}

function noTenant(): Problem {
  return new Problem("notFound", "There is no such tenant.");
}

/** Rows to rules: names resolved, filters read. A stored mapping was validated when it was saved. */
export function compileRules(tenantId: string, row: RulesRow): TenantRules {
  return {
    tenantId,
    version: row.version,
    settings: { ...defaultSettings, ...row.settings } as Settings,
    roles: row.roles,
    tiers: row.tiers,
    role: new Map(row.roles.map((role) => [role.key, role])),
    tier: new Map(row.tiers.map((tier) => [tier.key, tier])),
    mapping: row.mapping,
    ...compileMapping(row.mapping, row.teams),
    verifiedDomains: row.verifiedDomains,
  };
}

/** The mapping with identities, teams found by kind and name, and filters ready to run. */
export function compileMapping(
  mapping: MappingDocument,
  teams: RulesRow["teams"],
): { entries: Map<string, CompiledEntry>; rules: CompiledRule[] } {
  const teamIds = new Map(teams.map((team) => [teamKey(team.kind, team.nameNorm), team.id]));
  const idOf = (team: TeamName | undefined) =>
    team === undefined ? null : (teamIds.get(teamKey(team.kind, normaliseName(team.name))) ?? null);
  const entries = new Map<string, CompiledEntry>();
  for (const entry of mapping.groups) {
    const key = entryKey(entry.match);
    entries.set(key, { key, entry, role: entry.role ?? null, tier: entry.tier ?? null, teamId: idOf(entry.team) });
  }
  const rules = mapping.rules.map((rule): CompiledRule => {
    const filter = parseFilter("User", rule.when);
    return {
      name: rule.name,
      when: rule.when,
      role: rule.role ?? null,
      tier: rule.tier ?? null,
      teamId: idOf(rule.team),
      applies: (doc) => matches(filter, doc),
    };
  });
  return { entries, rules };
}

function teamKey(kind: string, nameNorm: string): string {
  return `${kind} ${nameNorm}`;
}
