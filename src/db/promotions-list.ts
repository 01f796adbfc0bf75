/** Promotion requests as an Admin's inbox shows them. */
import type { Actor, Json } from "../domain/model.ts";
import type { Executor, Statement } from "./database.ts";

export type PromotionState = "open" | "approved" | "declined" | "used" | "void";

export interface PromotionRow {
  readonly id: string;
  readonly kind: "role" | "identity";
  readonly userId: string | null;
  readonly userName: string;
  readonly role: string;
  readonly sources: readonly string[];
  readonly wish: Json;
  readonly state: PromotionState;
  readonly attempts: number;
  readonly requestedBy: readonly Actor[];
  readonly requestedAt: string;
  readonly lastAt: string;
  readonly decidedBy: Actor | null;
  readonly decidedAt: string | null;
  readonly expiresAt: string | null;
  /** How many requests the item stands for. */
  readonly count: number;
  /** Everybody of the item, latest first, at most a hundred. */
  readonly users: readonly {
    readonly promotionId: string;
    readonly userId: string | null;
    readonly userName: string;
  }[];
}

const columns = `r.id, r.kind, r.user_id as "userId", r.user_name as "userName", r.role, r.sources, told_wish(r.wish) as wish, r.state,
  r.attempts, r.requested_by as "requestedBy", r.requested_at as "requestedAt", r.last_at as "lastAt",
  r.decided_by as "decidedBy", r.decided_at as "decidedAt", r.expires_at as "expiresAt"`;

// GRD-4: what one mapping entry, rule or default asks for many is one item. A group's source ends with the group's id.
const list: Statement = {
  name: "promotions_list",
  text: `with items as (
      select p.*, case when $3 and p.state = 'open' and p.kind = 'role' and p.sources[1] ~ '^(group|rule|default)'
        then p.role || ' ' || split_part(p.sources[1], '|', 1) else p.id::text end as item
      from promotions p where p.tenant_id = $1 and ($2::text is null or p.state = $2)),
    ranked as (
      select i.*, row_number() over (partition by item order by last_at desc, id desc) as n,
        count(*) over (partition by item) as count
      from items i)
    select ${columns}, r.count, (
        select json_agg(json_build_object('promotionId', o.id, 'userId', o.user_id, 'userName', o.user_name) order by o.n)
        from ranked o where o.item = r.item and o.n <= 100) as users
    from ranked r
    where r.n = 1 and ($4::timestamptz is null or (r.last_at, r.id) < ($4::timestamptz, $5::uuid))
    order by r.last_at desc, r.id desc limit $6`,
};

const find: Statement = {
  name: "promotions_find",
  text: `select ${columns}, 1 as count, '[]'::json as users from promotions r where r.tenant_id = $1 and r.id = $2`,
};

const countOpen: Statement = {
  name: "promotions_count_open",
  text: "select count(*) as open from promotions where tenant_id = $1 and state = 'open'",
};

export interface PromotionPosition {
  readonly lastAt: string;
  readonly id: string;
}

/** One page, latest first. `grouped` shows the open requests of one source and role as one item. */
export async function listPromotionRows(
  executor: Executor,
  tenantId: string,
  filter: { readonly state: PromotionState | null; readonly grouped: boolean },
  after: PromotionPosition | null,
  limit: number,
): Promise<PromotionRow[]> {
  const values = [tenantId, filter.state, filter.grouped, after?.lastAt ?? null, after?.id ?? null, limit];
  return await executor.query<PromotionRow>(list, values);
}

export async function findPromotionRow(
  executor: Executor,
  tenantId: string,
  id: string,
): Promise<PromotionRow | undefined> {
  const [row] = await executor.query<PromotionRow>(find, [tenantId, id]);
  return row;
}

export async function countOpenPromotions(executor: Executor, tenantId: string): Promise<number> {
  const [row] = await executor.query<{ open: number }>(countOpen, [tenantId]);
  return row?.open ?? 0;
}
