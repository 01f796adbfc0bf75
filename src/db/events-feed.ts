/**
 * LOG-2: reading the log as a feed. An event gets its position after its transaction has committed, from the sealer, so
 * that one which commits late gets a later number and no reader that goes on from its last position skips it.
 *
 * How: whoever reads seals first. Under the lock of the tenant's feed row, in a statement after the lock, the committed
 * events without a position are numbered on in the order of their ids. Sealers follow each other, so all positions up
 * to the last one are visible together; what commits afterwards is numbered by a later sealer.
 */
import type { Actor, Json } from "../domain/model.ts";
import type { Database, Statement } from "./database.ts";

export interface FeedEvent {
  readonly position: number;
  readonly at: string;
  readonly actor: Actor;
  readonly action: string;
  readonly subject: { readonly type: string; readonly id: string };
  readonly before: Json;
  readonly after: Json;
  readonly rule: string | null;
  readonly requestId: string;
}

/** Events numbered in one transaction: a few ms of holding the feed's lock. */
const batchMax = 1000;

const waiting: Statement = {
  name: "feed_waiting",
  text: "select exists (select from events where tenant_id = $1 and position is null) as waiting",
};

const lock: Statement = {
  name: "feed_lock",
  text: "select last_position as last from feeds where tenant_id = $1 for no key update",
};

const number: Statement = {
  name: "feed_number",
  text: `with unsealed as (
      select id, row_number() over (order by id) as n
      from (select id from events where tenant_id = $1 and position is null order by id limit $2) next),
    numbered as (
      update events e set position = $3 + u.n from unsealed u where e.tenant_id = $1 and e.id = u.id returning e.position),
    counted as (select count(*) as sealed from numbered)
    update feeds f set last_position = $3 + c.sealed from counted c where f.tenant_id = $1 returning c.sealed`,
};

const read: Statement = {
  name: "feed_read",
  text: `select position, at, actor, action, json_build_object('type', subject_type, 'id', subject_id) as subject,
      before, after, rule, request_id as "requestId"
    from events
    where tenant_id = $1 and position > $2 and ($4::text is null or subject_id = $4)
    order by position limit $3`,
};

/** Events after a position, oldest first; those of one subject where an id is given. */
export async function readFeed(
  db: Database,
  tenantId: string,
  after: number,
  limit: number,
  subjectId: string | null = null,
): Promise<FeedEvent[]> {
  await sealEvents(db, tenantId);
  return await db.query<FeedEvent>(read, [tenantId, after, limit, subjectId]);
}

/** Numbers all committed events that have no position yet, in batches. Any number of sealers may run at once. */
export async function sealEvents(db: Database, tenantId: string): Promise<void> {
  const [some] = await db.query<{ waiting: boolean }>(waiting, [tenantId]);
  if (!some?.waiting) return;
  for (;;) {
    const sealed = await db.transaction(async (tx) => {
      const [feed] = await tx.query<{ last: number }>(lock, [tenantId]);
      if (feed === undefined) return 0;
      const [row] = await tx.query<{ sealed: number }>(number, [tenantId, batchMax, feed.last]);
      return row?.sealed ?? 0;
    });
    if (sealed < batchMax) return;
  }
}
