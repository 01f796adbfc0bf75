/** Tenants, and what each begins with. */
import type { MappingDocument, Role, Settings, Tier } from "../domain/model.ts";
import { reservedPermissions } from "../domain/permissions.ts";
import { normaliseName } from "../vocabulary/names.ts";
import type { Executor, Statement, Transaction } from "./database.ts";

export interface TenantRow {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly preset: string;
  readonly withoutAdmin: boolean;
  readonly createdAt: string;
  readonly domains: readonly { readonly name: string; readonly verifiedAt: string | null }[];
}

const columns = `t.id, t.slug, t.name, t.preset, t.created_at as "createdAt",
  not exists (
    select from users u join roles r on r.tenant_id = u.tenant_id and r.key = u.role
    where u.tenant_id = t.id and u.administrative and u.status = 'active'
      and (r.permissions @> '{*}' or r.permissions @> '{${reservedPermissions.join(",")}}')) as "withoutAdmin",
  (select coalesce(json_agg(json_build_object('name', d.name, 'verifiedAt',
      to_char(d.verified_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) order by d.name), '[]')
    from domains d where d.tenant_id = t.id) as domains`;

const find: Statement = { name: "tenant_find", text: `select ${columns} from tenants t where t.id = $1` };

const list: Statement = {
  name: "tenants_list",
  text: `select ${columns} from tenants t where t.slug > $1 order by t.slug limit $2`,
};

const insert: Statement = {
  name: "tenant_insert",
  text: `insert into tenants (id, slug, name, preset, settings, created_at) values ($1, $2, $3, $4, $5, $6)
    on conflict (slug) do nothing returning id`,
};

const insertRoles: Statement = {
  name: "tenant_insert_roles",
  text: `insert into roles (tenant_id, key, name, name_norm, rank, permissions, built_in)
    select $1, r.key, r.name, r.name_norm, r.rank, r.permissions, r.built_in
    from jsonb_to_recordset($2::jsonb) as r (
      key text, name text, name_norm text, rank integer, permissions text[], built_in boolean)`,
};

const insertPools: Statement = {
  name: "tenant_insert_pools",
  text: `insert into pools (tenant_id, tier, name, name_norm, rank, permissions, unlimited, minimum, unit_price,
      currency, billing_cycle, renews_on, renewal_day, when_full, drain)
    select $1, p.tier, p.name, p.name_norm, p.rank, p.permissions, p.unlimited, p.minimum, p.unit_price,
      p.currency, p.billing_cycle, p.renews_on, extract(day from p.renews_on), p.when_full, p.drain
    from jsonb_to_recordset($2::jsonb) as p (
      tier text, name text, name_norm text, rank integer, permissions text[], unlimited boolean, minimum integer,
      unit_price numeric, currency text, billing_cycle text, renews_on date, when_full text, drain text)`,
};

const insertMapping: Statement = {
  name: "tenant_insert_mapping",
  text: "insert into mappings (tenant_id, document, saved_at) values ($1, $2, $3)",
};

const insertFeed: Statement = { name: "tenant_insert_feed", text: "insert into feeds (tenant_id) values ($1)" };

const insertSeats: Statement = {
  name: "tenant_insert_seats",
  text: "insert into seats (tenant_id, tier, no) select $1, $2, n from generate_series(1, $3::bigint) n",
};

const rename: Statement = { name: "tenant_rename", text: "update tenants set name = $2 where id = $1" };

const removeDomains: Statement = {
  name: "tenant_remove_domains",
  text: "delete from domains where tenant_id = $1 and verified_at is not null and name <> all ($2::text[])",
};

// The operator's word stands by itself: the record of a domain that was proved by one is not looked up any more.
const verifyDomains: Statement = {
  name: "tenant_verify_domains",
  text: `insert into domains (tenant_id, name, verified_at, proof, added_at)
    select $1, name, $3, 'operator', $3 from unnest($2::text[]) name order by name
    on conflict (tenant_id, name) do update set verified_at = coalesce(domains.verified_at, excluded.verified_at),
      proof = 'operator', check_at = null, missing_since = null, lapsed_at = null`,
};

// Seats and waitlist refer to users without a cascade, so they go first.
const removeWaitlist: Statement = { name: "tenant_remove_waitlist", text: "delete from waitlist where tenant_id = $1" };
const removeSeats: Statement = { name: "tenant_remove_seats", text: "delete from seats where tenant_id = $1" };
const remove: Statement = { name: "tenant_remove", text: "delete from tenants where id = $1" };
const lock: Statement = { name: "tenant_lock", text: "select id from tenants where id = $1 for update" };

export async function findTenant(executor: Executor, id: string): Promise<TenantRow | undefined> {
  const [row] = await executor.query<TenantRow>(find, [id]);
  return row;
}

/** Tenants by slug, those after the given one. */
export async function listTenantRows(executor: Executor, afterSlug: string, limit: number): Promise<TenantRow[]> {
  return await executor.query<TenantRow>(list, [afterSlug, limit]);
}

export interface NewTenantRow {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly preset: string;
  readonly settings: Settings;
  readonly createdAt: string;
}

/** Inserts the tenant's own row; false when the slug is taken. */
export async function insertTenant(tx: Transaction, row: NewTenantRow): Promise<boolean> {
  const settings = JSON.stringify(row.settings);
  const inserted = await tx.query(insert, [row.id, row.slug, row.name, row.preset, settings, row.createdAt]);
  return inserted.length > 0;
}

export interface TenantFurniture {
  readonly roles: readonly Role[];
  readonly tiers: readonly Tier[];
  readonly mapping: MappingDocument;
  /** Seats per tier to begin with. */
  readonly seats: Readonly<Record<string, number>>;
}

/** What a new tenant needs beside its row: roles, pools with their seats, the mapping, the feed. */
export async function furnishTenant(
  tx: Transaction,
  id: string,
  at: string,
  furniture: TenantFurniture,
): Promise<void> {
  const roles = furniture.roles.map((role) => ({
    key: role.key,
    name: role.name,
    name_norm: normaliseName(role.name),
    rank: role.rank,
    permissions: role.permissions,
    built_in: role.builtIn,
  }));
  const pools = furniture.tiers.map((tier) => ({
    tier: tier.key,
    name: tier.name,
    name_norm: normaliseName(tier.name),
    rank: tier.rank,
    permissions: tier.permissions,
    unlimited: tier.unlimited,
    minimum: tier.minimum,
    unit_price: tier.unitPrice,
    currency: tier.currency,
    billing_cycle: tier.billingCycle,
    renews_on: tier.renewsOn,
    when_full: tier.whenFull,
    drain: tier.drain,
  }));
  await tx.query(insertRoles, [id, JSON.stringify(roles)]);
  await tx.query(insertPools, [id, JSON.stringify(pools)]);
  await tx.query(insertMapping, [id, JSON.stringify(furniture.mapping), at]);
  await tx.query(insertFeed, [id]);
  for (const [tier, seats] of Object.entries(furniture.seats)) {
    if (seats > 0) await tx.query(insertSeats, [id, tier, seats]);
  }
}

export async function renameTenant(tx: Transaction, id: string, name: string): Promise<void> {
  await tx.query(rename, [id, name]);
}

/** Makes exactly these domains the verified ones. Names are in lower case. */
export async function replaceDomains(tx: Transaction, id: string, names: readonly string[], at: string): Promise<void> {
  await tx.query(removeDomains, [id, names]);
  await tx.query(verifyDomains, [id, names, at]);
}

/** Deletes the tenant with everything in it; false when there is none. */
export async function removeTenant(tx: Transaction, id: string): Promise<boolean> {
  const found = await tx.query(lock, [id]);
  if (found.length === 0) return false;
  await tx.query(removeWaitlist, [id]);
  await tx.query(removeSeats, [id]);
  await tx.query(remove, [id]);
  return true;
}
