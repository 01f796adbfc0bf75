/** Tokens as stored: never the secret, only its digest. */
import type { Actor } from "../domain/model.ts";
import type { Executor, Statement, Transaction } from "./database.ts";

export interface TokenRow {
  readonly id: string;
  readonly label: string;
  readonly scopes: readonly string[];
  readonly role: string | null;
  readonly userId: string | null;
  readonly issuedBy: Actor;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly lastUsedAt: string | null;
}

const columns = `id, label, scopes, role, user_id as "userId", issued_by as "issuedBy", created_at as "createdAt",
  expires_at as "expiresAt", last_used_at as "lastUsedAt"`;

const insert: Statement = {
  name: "token_insert",
  text: `insert into tokens (tenant_id, id, label, digest, scopes, role, granted, user_id, issued_by, created_at, expires_at)
    values ($1, $2, $3, $4, $5, $6, coalesce((select permissions from roles where tenant_id = $1 and key = $6), '{}'),
      $7, $8, $9, $10) returning ${columns}`,
};

const list: Statement = {
  name: "tokens_list",
  text: `select ${columns} from tokens where tenant_id = $1 order by created_at, id`,
};

const lock: Statement = {
  name: "token_lock",
  text: `select ${columns} from tokens where tenant_id = $1 and id = $2 for no key update`,
};

const changeDigest: Statement = {
  name: "token_change_digest",
  text: `update tokens set digest = $3, expires_at = $4, issued_by = $5 where tenant_id = $1 and id = $2
    returning ${columns}`,
};

const remove: Statement = {
  name: "token_remove",
  text: `delete from tokens where tenant_id = $1 and id = $2 returning ${columns}`,
};

export interface NewTokenRow {
  readonly tenantId: string;
  readonly id: string;
  readonly label: string;
  readonly digest: Uint8Array;
  readonly scopes: readonly string[];
  readonly role: string | null;
  readonly userId: string | null;
  readonly issuedBy: Actor;
  readonly createdAt: string;
  readonly expiresAt: string | null;
}

export async function insertToken(tx: Transaction, row: NewTokenRow): Promise<TokenRow> {
  const issuedBy = JSON.stringify(row.issuedBy);
  const [inserted] = await tx.query<TokenRow>(insert, [
    row.tenantId,
    row.id,
    row.label,
    row.digest,
    row.scopes,
    row.role,
    row.userId,
    issuedBy,
    row.createdAt,
    row.expiresAt,
  ]);
  return inserted!;
}

/** All tokens of a tenant, oldest first. */
export async function listTokenRows(executor: Executor, tenantId: string): Promise<TokenRow[]> {
  return await executor.query<TokenRow>(list, [tenantId]);
}

/** The token, locked for a change. */
export async function lockToken(tx: Transaction, tenantId: string, id: string): Promise<TokenRow | undefined> {
  const [row] = await tx.query<TokenRow>(lock, [tenantId, id]);
  return row;
}

export interface DigestChange {
  readonly digest: Uint8Array;
  readonly expiresAt: string | null;
  readonly issuedBy: Actor;
}

/** Puts another secret in place of the present one, which is worth nothing from then on. */
export async function updateTokenDigest(
  tx: Transaction,
  tenantId: string,
  id: string,
  { digest, expiresAt, issuedBy }: DigestChange,
): Promise<TokenRow> {
  const values = [tenantId, id, digest, expiresAt, JSON.stringify(issuedBy)];
  const [row] = await tx.query<TokenRow>(changeDigest, values);
  return row!;
}

export async function removeToken(tx: Transaction, tenantId: string, id: string): Promise<TokenRow | undefined> {
  const [row] = await tx.query<TokenRow>(remove, [tenantId, id]);
  return row;
}
