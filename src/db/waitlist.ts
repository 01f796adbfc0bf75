/** Queues for seats, first in line first (LIC-4). */
import type { Executor, Statement, Transaction } from "./database.ts";

export interface WaitingRow {
  readonly id: string;
  readonly userName: string;
  readonly displayName: string | null;
  readonly position: number;
  readonly priority: number;
  readonly since: string;
}

const queue: Statement = {
  name: "waitlist_page",
  text: `select q.*, u.user_name as "userName", u.doc ->> 'displayName' as "displayName" from (
      select user_id as id, row_number() over (order by priority desc, ticket) as position, priority, since
      from waitlist where tenant_id = $1 and tier = $2 order by priority desc, ticket offset $3 limit $4) q
    join users u on u.tenant_id = $1 and u.id = q.id order by q.position`,
};

/** One page of a queue, first in line first. */
export async function listQueue(executor: Executor, tenantId: string, tier: string, offset: number, limit: number) {
  return await executor.query<WaitingRow>(queue, [tenantId, tier, offset, limit]);
}

const prioritize: Statement = {
  name: "waitlist_priority",
  text: "update waitlist set priority = $4 where tenant_id = $1 and tier = $2 and user_id = $3 returning user_id",
};

/** Moves a person in the queue; false where they do not wait for this tier. The caller holds the pool's lock. */
export async function setPriority(tx: Transaction, tenantId: string, tier: string, userId: string, priority: number) {
  return (await tx.query(prioritize, [tenantId, tier, userId, priority])).length > 0;
}

const place: Statement = {
  name: "waitlist_place",
  text: `select q.*, u.user_name as "userName", u.doc ->> 'displayName' as "displayName" from (
      select user_id as id, row_number() over (order by priority desc, ticket) as position, priority, since
      from waitlist where tenant_id = $1 and tier = $2) q
    join users u on u.tenant_id = $1 and u.id = q.id where q.id = $3`,
};

export async function findPlace(executor: Executor, tenantId: string, tier: string, userId: string) {
  return (await executor.query<WaitingRow>(place, [tenantId, tier, userId]))[0];
}

const undrained: Statement = {
  name: "pools_undrained",
  text: `select distinct p.tenant_id from pools p
    join (select distinct tenant_id, tier from waitlist) w on w.tenant_id = p.tenant_id and w.tier = p.tier
    where p.unlimited or p.drain = 'auto' and exists (
      select from seats s where s.tenant_id = p.tenant_id and s.tier = p.tier and s.user_id is null)`,
};

/** Tenants with a free seat beside a queue that should have it. */
export async function findUndrainedTenants(executor: Executor): Promise<string[]> {
  return (await executor.query<{ tenant_id: string }>(undrained, [])).map((row) => row.tenant_id);
}
