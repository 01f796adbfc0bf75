/** The keys that sign access tokens, as stored: sealed, and of no use without USHER_SECRET. */
import type { Executor, Statement, Transaction } from "./database.ts";

export interface SigningKeyRow {
  readonly kid: string;
  readonly sealed: Uint8Array;
  readonly createdAt: string;
}

const list: Statement = {
  name: "signing_keys_list",
  text: `select kid, sealed, created_at as "createdAt" from signing_keys order by created_at desc, kid`,
};

const lock: Statement = {
  name: "signing_keys_lock",
  text: "select pg_advisory_xact_lock(hashtextextended('usher signing keys', 0))",
};

const insert: Statement = {
  name: "signing_key_insert",
  text: "insert into signing_keys (kid, sealed, created_at) values ($1, $2, $3)",
};

const remove: Statement = {
  name: "signing_keys_remove",
  text: "delete from signing_keys where created_at < $1",
};

/** All keys, newest first. */
export async function listSigningKeys(executor: Executor): Promise<SigningKeyRow[]> {
  return await executor.query<SigningKeyRow>(list, []);
}

/** Lets one process at a time decide whether a new key is due; the others see what it made. */
export async function lockSigningKeys(tx: Transaction): Promise<void> {
  await tx.query(lock, []);
}

export async function insertSigningKey(tx: Transaction, { kid, sealed, createdAt }: SigningKeyRow): Promise<void> {
  await tx.query(insert, [kid, sealed, createdAt]);
}

/** Forgets the keys made before this time. */
export async function removeSigningKeys(tx: Transaction, before: Date): Promise<void> {
  await tx.query(remove, [before.toISOString()]);
}
