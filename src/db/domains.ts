/** Mail domains of a tenant: claims, what proves them, and when that is looked up again. */
import type { ClaimFacts } from "../domain/domains.ts";
import type { Actor } from "../domain/model.ts";
import type { Executor, Statement, Transaction } from "./database.ts";

export interface DomainRow extends ClaimFacts {
  readonly name: string;
  readonly token: string;
  /** What it was verified by; null: not yet. */
  readonly proof: "dns" | "operator" | null;
  readonly addedBy: Actor | null;
  readonly addedAt: string;
  readonly checkedAt: string | null;
}

const columns = `name, token, proof, added_by as "addedBy", added_at as "addedAt", verified_at as "verifiedAt",
  checked_at as "checkedAt", missing_since as "missingSince", lapsed_at as "lapsedAt"`;

const list: Statement = {
  name: "domains_list",
  text: `select ${columns} from domains where tenant_id = $1 and name > $2 order by name limit $3`,
};

/** Domains by name, those after the given one. */
export async function listDomainRows(
  executor: Executor,
  tenantId: string,
  after: string,
  limit: number,
): Promise<DomainRow[]> {
  return await executor.query<DomainRow>(list, [tenantId, after, limit]);
}

const find: Statement = {
  name: "domains_find",
  text: `select ${columns} from domains where tenant_id = $1 and name = $2`,
};
const lock: Statement = { name: "domains_lock", text: `${find.text} for update` };

export async function findDomain(executor: Executor, tenantId: string, name: string): Promise<DomainRow | undefined> {
  return (await executor.query<DomainRow>(find, [tenantId, name]))[0];
}

export async function lockDomain(tx: Transaction, tenantId: string, name: string): Promise<DomainRow | undefined> {
  return (await tx.query<DomainRow>(lock, [tenantId, name]))[0];
}

const count: Statement = {
  name: "domains_count",
  text: "select count(*) as domains from domains where tenant_id = $1",
};

export async function countDomains(executor: Executor, tenantId: string): Promise<number> {
  return (await executor.query<{ domains: number }>(count, [tenantId]))[0]?.domains ?? 0;
}

const insert: Statement = {
  name: "domains_insert",
  text: `insert into domains (tenant_id, name, added_by, added_at) values ($1, $2, $3, $4) returning ${columns}`,
};

/** Adds a claim. A name that the tenant has already raises. */
export async function insertDomain(
  tx: Transaction,
  tenantId: string,
  name: string,
  by: Actor,
  at: string,
): Promise<DomainRow> {
  const [row] = await tx.query<DomainRow>(insert, [tenantId, name, JSON.stringify(by), at]);
  if (row === undefined) throw new Error("A domain was neither inserted nor refused.");
  return row;
}

const verify: Statement = {
  name: "domains_verify",
  text: `update domains set verified_at = $3, proof = 'dns', checked_at = $3, check_at = $4, missing_since = null,
      lapsed_at = null
    where tenant_id = $1 and name = $2`,
};

/** Marks a claim as proved. Where another tenant has the domain, it raises. */
export async function verifyDomainRow(tx: Transaction, tenantId: string, name: string, at: string, checkAt: string) {
  await tx.query(verify, [tenantId, name, at, checkAt]);
}

const unverify: Statement = {
  name: "domains_unverify",
  text: `update domains set verified_at = null, proof = null, check_at = null, missing_since = null, lapsed_at = null
    where tenant_id = $1 and name = $2 and lapsed_at is not null returning name`,
};

/** Takes a lapsed domain from the tenant; false when it has not lapsed any more. The claim stays. */
export async function unverifyLapsed(tx: Transaction, tenantId: string, name: string): Promise<boolean> {
  return (await tx.query(unverify, [tenantId, name])).length > 0;
}

const recheck: Statement = {
  name: "domains_recheck",
  text: `update domains set checked_at = $3, check_at = $4, missing_since = $5, lapsed_at = $6
    where tenant_id = $1 and name = $2`,
};

export interface RecheckWrite {
  readonly checkAt: string | null;
  readonly missingSince: string | null;
  readonly lapsedAt: string | null;
}

/** Writes what a look at the record has come to. */
export async function writeRecheck(tx: Transaction, tenantId: string, name: string, at: string, what: RecheckWrite) {
  await tx.query(recheck, [tenantId, name, at, what.checkAt, what.missingSince, what.lapsedAt]);
}

const remove: Statement = { name: "domains_remove", text: "delete from domains where tenant_id = $1 and name = $2" };

export async function removeDomainRow(tx: Transaction, tenantId: string, name: string): Promise<void> {
  await tx.query(remove, [tenantId, name]);
}

// Across tenants: nobody is told whose it is.
const lapsed: Statement = {
  name: "domains_lapsed",
  text: `select tenant_id as "tenantId", token from domains
    where name = $1 and verified_at is not null and lapsed_at is not null and tenant_id <> $2`,
};

/** Another tenant that has the domain and whose record has been gone for long. */
export async function findLapsed(
  executor: Executor,
  name: string,
  butNot: string,
): Promise<{ tenantId: string; token: string } | undefined> {
  return (await executor.query<{ tenantId: string; token: string }>(lapsed, [name, butNot]))[0];
}

const dueTenants: Statement = {
  name: "domains_due_tenants",
  text: "select distinct tenant_id from domains where check_at <= $1",
};

const dueOf: Statement = {
  name: "domains_due",
  text: "select name, token from domains where tenant_id = $1 and check_at <= $2 order by check_at, name limit $3",
};

/** Tenants with a record that is to be looked up again. */
export async function findTenantsToCheck(executor: Executor, now: Date): Promise<string[]> {
  const rows = await executor.query<{ tenant_id: string }>(dueTenants, [now.toISOString()]);
  return rows.map((row) => row.tenant_id);
}

/** The tenant's records that are to be looked up again, longest due first. */
export async function findDomainsToCheck(
  executor: Executor,
  tenantId: string,
  now: Date,
  limit: number,
): Promise<{ name: string; token: string }[]> {
  return await executor.query<{ name: string; token: string }>(dueOf, [tenantId, now.toISOString(), limit]);
}
