/** What an import has to know of those who are there already. */
import type { Executor, Statement, Transaction } from "./database.ts";

// Imports of a tenant take turns, batch by batch: names are unique by themselves, e-mail addresses only so.
const turn: Statement = {
  name: "import_turn",
  text: "select pg_advisory_xact_lock(hashtextextended('usher import ' || $1, 0))",
};

/** Until the transaction ends no other import creates anybody in this tenant. */
export async function takeImportTurn(tx: Transaction, tenantId: string): Promise<void> {
  await tx.query(turn, [tenantId]);
}

export interface KnownPerson {
  readonly id: string;
  readonly userName: string;
  readonly nameNorm: string;
  readonly emails: readonly string[];
}

// One look into an index for each: for 250 addresses in one condition PostgreSQL reads the whole table (300 ms of 30,000
// users; so, 2 ms). The inner select keeps the tenant's own index from being taken instead.
const known: Statement = {
  name: "import_known",
  text: `
    select u.* from unnest($2::text[]) n (name) cross join lateral (
      select id, user_name as "userName", user_name_norm as "nameNorm", emails from users
      where tenant_id = $1 and user_name_norm = n.name limit 1) u
    union
    select u.id, u.user_name, u.user_name_norm, u.emails from unnest($3::text[]) e (email) cross join lateral (
      select tenant_id, id, user_name, user_name_norm, emails from users where emails @> array[e.email] offset 0) u
    where u.tenant_id = $1`,
};

/** Everybody who has one of these names or addresses. */
export async function findKnownPeople(
  executor: Executor,
  tenantId: string,
  names: readonly string[],
  emails: readonly string[],
): Promise<KnownPerson[]> {
  return await executor.query<KnownPerson>(known, [tenantId, names, emails]);
}
