/** Idempotency-Keys: what was asked and answered with each, so that it is done once (LIC-6). */
import type { Executor, Statement, Transaction } from "./database.ts";

const remember: Statement = {
  name: "idempotency_remember",
  text: `insert into idempotency_keys (tenant_id, key, operation, request_digest, created_at)
    values ($1, $2, $3, $4, $5) on conflict do nothing returning key`,
};
const recall: Statement = {
  name: "idempotency_recall",
  text: "select request_digest as digest, answer from idempotency_keys where tenant_id = $1 and key = $2 and operation = $3",
};
const answer: Statement = {
  name: "idempotency_answer",
  text: "update idempotency_keys set answer = $4 where tenant_id = $1 and key = $2 and operation = $3",
};
const prune: Statement = {
  name: "idempotency_prune",
  text: "delete from idempotency_keys where created_at < $1",
};

/**
 * Claims an Idempotency-Key within the transaction that does the work: undefined when it is new, else what was asked and
 * answered with it before. A second request with the same key waits for the first.
 */
export async function claimKey(
  tx: Transaction,
  tenantId: string,
  key: string,
  operation: string,
  digest: string,
  at: string,
): Promise<{ digest: string; answer: unknown } | undefined> {
  const claimed = await tx.query(remember, [tenantId, key, operation, digest, at]);
  if (claimed.length > 0) return undefined;
  return (await tx.query<{ digest: string; answer: unknown }>(recall, [tenantId, key, operation]))[0];
}

export async function keepAnswer(tx: Transaction, tenantId: string, key: string, operation: string, body: unknown) {
  await tx.query(answer, [tenantId, key, operation, JSON.stringify(body)]);
}

/** Forgets the keys of all tenants from before. */
export async function pruneKeys(executor: Executor, before: Date): Promise<void> {
  await executor.query(prune, [before.toISOString()]);
}
