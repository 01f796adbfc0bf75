/** LIC-7: seats that are to go at the renewal. Callers hold the pool's lock. */
import type { Actor } from "../domain/model.ts";
import type { Statement, Transaction } from "./database.ts";
import type { ReductionRow } from "./pools.ts";

const insert: Statement = {
  name: "reductions_insert",
  text: `insert into reductions (tenant_id, id, tier, seats, scheduled_by, scheduled_at) values ($1, $2, $3, $4, $5, $6)`,
};
const remove: Statement = {
  name: "reductions_remove",
  text: "delete from reductions where tenant_id = $1 and tier = $2 and id = $3 returning seats",
};
const shrink: Statement = {
  name: "reductions_shrink",
  text: "update reductions set seats = $4 where tenant_id = $1 and tier = $2 and id = $3",
};

export interface NewReduction {
  readonly id: string;
  readonly tier: string;
  readonly seats: number;
  readonly by: Actor;
  readonly at: string;
}

export async function insertReduction(tx: Transaction, tenantId: string, reduction: NewReduction): Promise<void> {
  const { id, tier, seats, by, at } = reduction;
  await tx.query(insert, [tenantId, id, tier, seats, JSON.stringify(by), at]);
}

/** Takes it off the list; returns its seats, undefined where it is not there. */
export async function removeReduction(
  tx: Transaction,
  tenantId: string,
  tier: string,
  id: string,
): Promise<number | undefined> {
  return (await tx.query<{ seats: number }>(remove, [tenantId, tier, id]))[0]?.seats;
}

/** Carries out so many seats of the reductions, in their order; what is left of them stays open. */
export async function settleReductions(
  tx: Transaction,
  tenantId: string,
  tier: string,
  reductions: readonly ReductionRow[],
  removed: number,
): Promise<void> {
  let rest = removed;
  for (const { id, seats } of reductions) {
    if (rest === 0) return;
    const carried = Math.min(seats, rest);
    rest -= carried;
    if (carried === seats) await tx.query(remove, [tenantId, tier, id]);
    else await tx.query(shrink, [tenantId, tier, id, seats - carried]);
  }
}
