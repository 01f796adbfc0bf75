/** Promotion requests and grants: who wanted to be administrative, who allowed it, and what stands (GRD-4…6). */
import type { SignInIdentity } from "../domain/identity.ts";
import type { Actor, Grant, JsonObject } from "../domain/model.ts";
import type { Executor, Statement } from "./database.ts";

export interface WishRecord {
  readonly tenantId: string;
  readonly id: string;
  readonly kind: "role" | "identity";
  readonly userId: string | null;
  readonly userName: string;
  readonly userNameNorm: string;
  readonly role: string;
  readonly sources: readonly string[];
  readonly identity: SignInIdentity;
  readonly wish: JsonObject | null;
  readonly actor: Actor;
  readonly at: string;
}

const insertInto = `
  insert into promotions (tenant_id, id, kind, user_id, user_name, user_name_norm, role, sources, identity, wish, state,
    requested_by, requested_at, last_at)
  select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'open', jsonb_build_array($11::jsonb), $12, $12`;

const doUpdate = `do update set
    attempts = promotions.attempts + 1, last_at = excluded.last_at,
    wish = coalesce(excluded.wish, promotions.wish), identity = excluded.identity,
    sources = (select array_agg(distinct s order by s) from unnest(promotions.sources || excluded.sources) s),
    requested_by = case when promotions.requested_by @> excluded.requested_by then promotions.requested_by
      else promotions.requested_by || excluded.requested_by end
  returning id, attempts`;

const record: Statement = {
  name: "promotions_record",
  text: `${insertInto} on conflict (tenant_id, user_id, kind, role) where state = 'open' and user_id is not null ${doUpdate}`,
};

const recordByName: Statement = {
  name: "promotions_record_name",
  text: `${insertInto} on conflict (tenant_id, user_name_norm, kind, role) where state = 'open' and user_id is null ${doUpdate}`,
};

const voidOther: Statement = {
  name: "promotions_void_other",
  text: `update promotions set state = 'void', decided_at = $5, wish = told_wish(wish)
    where tenant_id = $1 and user_id = $2 and kind = $3 and role = $4 and state = 'open'
      and (identity <> $6::jsonb or kind = 'identity' and wish is distinct from $7::jsonb
        or exists (select from passwords p where p.tenant_id = promotions.tenant_id and p.user_id = promotions.user_id
          and p.set_at > promotions.requested_at))`,
};

const voidOtherByName: Statement = {
  name: "promotions_void_other_name",
  text: voidOther.text.replace("user_id = $2", "user_id is null and user_name_norm = $2"),
};

/**
 * GRD-4: one open request per user and role; a repeat counts. GRD-6: under another sign-in identity it is no repeat: the
 * open request is void and a new one stands beside it, so that nobody approves another person than the one they looked
 * at. Returns the request's id and how often it was made.
 */
export async function recordWish(executor: Executor, wish: WishRecord): Promise<{ id: string; attempts: number }> {
  const byName = wish.userId === null;
  await executor.query(byName ? voidOtherByName : voidOther, [
    wish.tenantId,
    byName ? wish.userNameNorm : wish.userId,
    wish.kind,
    wish.role,
    wish.at,
    JSON.stringify(wish.identity),
    wish.wish === null ? null : JSON.stringify(wish.wish),
  ]);
  const statement = wish.userId === null ? recordByName : record;
  const [row] = await executor.query<{ id: string; attempts: number }>(statement, [
    wish.tenantId,
    wish.id,
    wish.kind,
    wish.userId,
    wish.userName,
    wish.userNameNorm,
    wish.role,
    wish.sources,
    JSON.stringify(wish.identity),
    wish.wish === null ? null : JSON.stringify(wish.wish),
    JSON.stringify(wish.actor),
    wish.at,
  ]);
  if (row === undefined) throw new Error("A promotion request was neither inserted nor found.");
  return row;
}

const approvals: Statement = {
  name: "promotions_approvals",
  text: `select id, role, unnest(sources) as source, identity from promotions
    where tenant_id = $1 and user_name_norm = $2 and user_id is null and kind = 'role' and state = 'approved' and expires_at > $3`,
};

export interface Approval {
  readonly id: string;
  readonly role: string;
  readonly source: string;
  readonly identity: SignInIdentity;
}

/** GRD-6: approvals that wait for the next attempt to create a user of this name. */
export async function findApprovals(
  executor: Executor,
  tenantId: string,
  userNameNorm: string,
  now: string,
): Promise<Approval[]> {
  return executor.query<Approval>(approvals, [tenantId, userNameNorm, now]);
}

const use: Statement = {
  name: "promotions_use",
  text: "update promotions set state = 'used', user_id = $3 where tenant_id = $1 and id = any ($2::uuid[])",
};

/** Marks approvals as used by the user who came of them. */
export async function useApprovals(executor: Executor, tenantId: string, ids: readonly string[], userId: string) {
  if (ids.length > 0) await executor.query(use, [tenantId, ids, userId]);
}

const addGrant: Statement = {
  name: "grants_add",
  text: `insert into role_grants (tenant_id, user_id, role, source, permissions, authorized_by, granted_at)
    values ($1, $2, $3, $4, $5, $6, $7)
    on conflict (tenant_id, user_id, role, source) do update set permissions = excluded.permissions,
      authorized_by = excluded.authorized_by, granted_at = excluded.granted_at`,
};

/** GRD-5: backs a role from one source, and says by whose authority. */
export async function addGrantRow(
  executor: Executor,
  tenantId: string,
  userId: string,
  grant: Grant,
  authorizedBy: JsonObject,
  at: string,
): Promise<void> {
  const { role, source, permissions } = grant;
  await executor.query(addGrant, [tenantId, userId, role, source, permissions, JSON.stringify(authorizedBy), at]);
}

const endGrant: Statement = {
  name: "grants_end",
  text: `delete from role_grants g using unnest($3::text[], $4::text[]) as e (role, source)
    where g.tenant_id = $1 and g.user_id = $2 and g.role = e.role and g.source = e.source`,
};

/** Takes grants away whose source asks no longer. */
export async function endGrantRows(executor: Executor, tenantId: string, userId: string, grants: readonly Grant[]) {
  if (grants.length === 0) return;
  const roles = grants.map((grant) => grant.role);
  await executor.query(endGrant, [tenantId, userId, roles, grants.map((grant) => grant.source)]);
}

const voidOpen: Statement = {
  name: "promotions_void",
  text: `update promotions set state = 'void', decided_at = $3, wish = told_wish(wish)
    where tenant_id = $1 and user_id = $2 and state = 'open'`,
};

/** Requests of a user who is gone have nobody to be about. */
export async function voidWishes(executor: Executor, tenantId: string, userId: string, at: string): Promise<void> {
  await executor.query(voidOpen, [tenantId, userId, at]);
}

/** A request as the deciding transaction reads it: an open one's wish carries the hash of the password asked for. */
export interface PromotionRecord {
  readonly id: string;
  readonly kind: "role" | "identity";
  readonly userId: string | null;
  readonly userName: string;
  readonly userNameNorm: string;
  readonly role: string;
  readonly sources: readonly string[];
  readonly identity: SignInIdentity;
  readonly wish: JsonObject | null;
  readonly state: string;
  readonly requestedBy: readonly Actor[];
  readonly requestedAt: string;
}

const lockOne: Statement = {
  name: "promotions_lock",
  text: `select id, kind, user_id as "userId", user_name as "userName", user_name_norm as "userNameNorm", role, sources,
    identity, wish, state, requested_by as "requestedBy", requested_at as "requestedAt" from promotions where tenant_id = $1 and id = $2 for update`,
};

export async function lockPromotion(
  executor: Executor,
  tenantId: string,
  id: string,
): Promise<PromotionRecord | undefined> {
  return (await executor.query<PromotionRecord>(lockOne, [tenantId, id]))[0];
}

const close: Statement = {
  name: "promotions_close",
  text: `update promotions set state = $3, decided_by = $4, decided_at = $5, expires_at = $6,
    wish = told_wish(wish), user_id = coalesce(user_id, $7) where tenant_id = $1 and id = $2`,
};

export interface PromotionDecision {
  readonly state: "approved" | "declined" | "void";
  readonly by: JsonObject;
  readonly at: string;
  /** For a create still to come: until when the approval waits. */
  readonly expiresAt: string | null;
  readonly userId: string | null;
}

export async function closePromotion(executor: Executor, tenantId: string, id: string, decision: PromotionDecision) {
  const { state, by, at, expiresAt, userId } = decision;
  await executor.query(close, [tenantId, id, state, JSON.stringify(by), at, expiresAt, userId]);
}
