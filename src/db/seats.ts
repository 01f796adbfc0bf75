/** Seats as rows: made, taken away, handed on. Callers hold the locks that migrations/0002_seats.sql speaks of. */
import type { Statement, Transaction } from "./database.ts";

const addSeats: Statement = {
  name: "seats_add",
  text: `insert into seats (tenant_id, tier, no)
    select $1, $2, n + greatest(0, (select no from seats where tenant_id = $1 and tier = $2 order by no desc limit 1))
    from generate_series(1, $3::bigint) n`,
};

export async function insertSeats(tx: Transaction, tenantId: string, tier: string, count: number): Promise<void> {
  await tx.query(addSeats, [tenantId, tier, count]);
}

// Under the pool's lock: a free seat that somebody is just taking is waited for, and looked at again.
const removeSeats: Statement = {
  name: "seats_remove",
  text: `with f as (
      select no from seats where tenant_id = $1 and tier = $2 and user_id is null order by no desc limit $3 for update)
    delete from seats s using f where s.tenant_id = $1 and s.tier = $2 and s.no = f.no returning s.no`,
};

/** Deletes free seats, the highest numbers first; returns how many went. */
export async function removeFreeSeats(tx: Transaction, tenantId: string, tier: string, count: number): Promise<number> {
  let removed = 0;
  while (removed < count) {
    const rows = await tx.query(removeSeats, [tenantId, tier, count - removed]);
    if (rows.length === 0) break;
    removed += rows.length;
  }
  return removed;
}

const drain: Statement = {
  name: "pools_drain",
  text: "select drain_pool($1, $2, $3, $4::jsonb) as given",
};

/** LIC-4: gives free seats to the head of the queue; returns how many. The caller holds the pool's lock. */
export async function drainPool(tx: Transaction, tenantId: string, tier: string, most: number, cause: object) {
  const [row] = await tx.query<{ given: number }>(drain, [tenantId, tier, most, JSON.stringify(cause)]);
  return row?.given ?? 0;
}

const transfer: Statement = { name: "seats_transfer", text: "select transfer_seat($1, $2, $3, $4::jsonb)" };

/** LIC-4: one person's seat becomes another's. The caller holds the locks of both users and of all pools. */
export async function moveSeat(tx: Transaction, tenantId: string, from: string, to: string, cause: object) {
  await tx.query(transfer, [tenantId, from, to, JSON.stringify(cause)]);
}

const upgrade: Statement = {
  name: "seats_upgrade",
  text: "select upgrade_held_seats($1, $2, $3, $4::uuid[], $5::jsonb) as moved",
};

/** LIC-7: these holders' seats become seats of another tier; returns how many. Locks as for `moveSeat`. */
export async function upgradeHeldSeats(
  tx: Transaction,
  tenantId: string,
  tiers: { readonly from: string; readonly to: string },
  users: readonly string[],
  cause: object,
): Promise<number> {
  const values = [tenantId, tiers.from, tiers.to, users, JSON.stringify(cause)];
  const [row] = await tx.query<{ moved: number }>(upgrade, values);
  return row?.moved ?? 0;
}
