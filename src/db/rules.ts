/** The facts that decisions of a tenant share, read in one statement, and the lock that edits of them take. */
import type { MappingDocument, Role, Settings, Tier } from "../domain/model.ts";
import type { Executor, Statement } from "./database.ts";

export interface RulesRow {
  readonly version: number;
  readonly settings: Partial<Settings>;
  readonly roles: readonly Role[];
  readonly tiers: readonly Tier[];
  readonly mapping: MappingDocument;
  readonly mappingVersion: number;
  /** Teams that no group owns: a mapping refers to them by kind and name. */
  readonly teams: readonly { id: string; kind: string; nameNorm: string }[];
  readonly verifiedDomains: readonly string[];
}

const load: Statement = {
  name: "rules_load",
  text: `select t.rules_version as version, t.settings, m.document as mapping, m.version as "mappingVersion",
    (select coalesce(json_agg(json_build_object('key', r.key, 'name', r.name, 'rank', r.rank,
        'permissions', r.permissions, 'builtIn', r.built_in) order by r.rank desc, r.key), '[]')
      from roles r where r.tenant_id = t.id) as roles,
    (select coalesce(json_agg(json_build_object('key', p.tier, 'name', p.name, 'rank', p.rank,
        'permissions', p.permissions, 'unlimited', p.unlimited, 'minimum', p.minimum, 'unitPrice', p.unit_price,
        'currency', p.currency, 'billingCycle', p.billing_cycle, 'renewsOn', p.renews_on, 'whenFull', p.when_full,
        'drain', p.drain) order by p.rank desc), '[]')
      from pools p where p.tenant_id = t.id) as tiers,
    (select coalesce(json_agg(json_build_object('id', x.id, 'kind', x.kind, 'nameNorm', x.name_norm)), '[]')
      from teams x where x.tenant_id = t.id and x.group_id is null) as teams,
    (select coalesce(json_agg(d.name order by d.name), '[]')
      from domains d where d.tenant_id = t.id and d.verified_at is not null) as "verifiedDomains"
    from tenants t join mappings m on m.tenant_id = t.id where t.id = $1`,
};

const version: Statement = {
  name: "rules_version",
  text: "select rules_version as version from tenants where id = $1",
};

const gate = "hashtextextended('usher rules ' || id::text, 0)";

/**
 * A condition on the tenant's row, beside its share lock, that passes once nobody waits to edit the rules: PostgreSQL
 * gives advisory locks in the order of asking, but a row's to every new reader at once. Without it, 60 connections that
 * write all the time kept a save of the mapping waiting for 6 s, and the end of its reconciliation until they stopped.
 */
export const noEditWaits = `pg_advisory_xact_lock_shared(${gate}) is not null`;

const share: Statement = {
  name: "rules_share",
  text: `select rules_version as version from tenants where id = $1 and ${noEditWaits} for share`,
};

const lock: Statement = {
  name: "rules_lock",
  text: `select rules_version as version from tenants where id = $1 and pg_advisory_xact_lock(${gate}) is not null
    for no key update`,
};

const bump: Statement = {
  name: "rules_bump",
  text: "update tenants set rules_version = rules_version + 1 where id = $1 returning rules_version as version",
};

/** Everything at its present version; undefined where there is no such tenant. */
export async function findRules(executor: Executor, tenantId: string): Promise<RulesRow | undefined> {
  const [row] = await executor.query<RulesRow>(load, [tenantId]);
  return row;
}

/** The present version; undefined where there is no such tenant. */
export async function findRulesVersion(executor: Executor, tenantId: string): Promise<number | undefined> {
  const [row] = await executor.query<{ version: number }>(version, [tenantId]);
  return row?.version;
}

/** The present version, held still until the transaction ends: no edit of the rules commits meanwhile. */
export async function shareRules(executor: Executor, tenantId: string): Promise<number | undefined> {
  const [row] = await executor.query<{ version: number }>(share, [tenantId]);
  return row?.version;
}

/** The lock of an edit: waits for deciding writes in flight, and makes later ones decide again. */
export async function lockRules(executor: Executor, tenantId: string): Promise<number | undefined> {
  const [row] = await executor.query<{ version: number }>(lock, [tenantId]);
  return row?.version;
}

/** Moves the version: every decision taken before is behind now. */
export async function bumpRules(executor: Executor, tenantId: string): Promise<number> {
  const [row] = await executor.query<{ version: number }>(bump, [tenantId]);
  if (row === undefined) throw new Error("A tenant vanished under its lock.");
  return row.version;
}
