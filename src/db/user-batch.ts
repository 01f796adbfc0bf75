/**
 * The statements that create many users in one transaction: rows, seats and events as `insertUser` writes them for one.
 * Call them in the order in which they stand here: names are locked before pools, pools before seats (0002_seats.sql).
 */
import type { Decision } from "../domain/decide.ts";
import { emailsOf } from "../domain/identity.ts";
import { activeTime } from "../domain/lifecycle.ts";
import type { Json, JsonObject, UserDoc } from "../domain/model.ts";
import { normaliseName } from "../vocabulary/names.ts";
import type { Statement, Transaction } from "./database.ts";
import type { Cause, License } from "./user-writes.ts";

/** A newcomer: nobody has pinned, stopped or invited them, and they bring no password. */
export interface BatchedUser {
  readonly id: string;
  readonly decision: Decision;
  /** What the event tells, beside the document and the license. */
  readonly after: JsonObject;
}

// In the order of names: of two batches with the same names in another order each would else wait for the other's.
const insert: Statement = {
  name: "users_batch_insert",
  text: `
    insert into users (tenant_id, id, user_name, user_name_norm, external_id, display_name_norm, emails, doc, active,
      starts_at, ends_at, status, role, role_source, administrative, tier, tier_source, decided_version, created_at,
      modified_at)
    select $1, u.id, u.user_name, u.user_name_norm, u.external_id, u.display_name_norm, u.emails, u.doc, u.active,
      u.starts_at, u.ends_at, u.status, u.role, u.role_source, u.administrative, u.tier, u.tier_source, $2, $3, $3
    from rows from (jsonb_to_recordset($4::jsonb) as (
      id uuid, user_name text, user_name_norm text, external_id text, display_name_norm text, emails text[], doc jsonb,
      active boolean, starts_at timestamptz, ends_at timestamptz, status text, role text, role_source text,
      administrative boolean, tier text, tier_source text)) with ordinality as u
      (id, user_name, user_name_norm, external_id, display_name_norm, emails, doc, active, starts_at, ends_at, status,
       role, role_source, administrative, tier, tier_source, ordinal)
    order by u.user_name_norm collate "C", u.ordinal
    on conflict (tenant_id, user_name_norm) do nothing
    returning id`,
};

/**
 * Inserts the users whose names are free and returns their ids; of equal names the first has it. Waits for whoever is
 * about to take a name. The rules are held still by the caller.
 */
export async function insertUsers(
  tx: Transaction,
  tenantId: string,
  rulesVersion: number,
  at: string,
  users: readonly BatchedUser[],
): Promise<Set<string>> {
  const rows = JSON.stringify(users.map(toRow));
  const inserted = await tx.query<{ id: string }>(insert, [tenantId, rulesVersion, at, rows]);
  return new Set(inserted.map(({ id }) => id));
}

const lockPools: Statement = { name: "users_batch_pools", text: "select lock_pools($1, $2)" };

/** Locks the pools of these tiers: whoever comes to them meanwhile stands behind the whole batch. */
export async function lockPoolsOf(tx: Transaction, tenantId: string, tiers: readonly string[]): Promise<void> {
  if (tiers.length > 0) await tx.query(lockPools, [tenantId, tiers]);
}

// The sorted subquery is read row by row: seats are claimed, and queues joined, in the order of the operations.
const settle: Statement = {
  name: "users_batch_settle",
  text: `
    with l as materialized (
      select o.ordinal, o.id, o.after, case when o.tier is null
        then '{"tier":null,"no":null,"status":"none","wanted":null}'::jsonb
        else settle_seat($1, o.id, o.tier, true, $2::jsonb) end as license
      from (
        select u.* from rows from (jsonb_to_recordset($3::jsonb) as (id uuid, tier text, after jsonb))
          with ordinality as u (id, tier, after, ordinal)
        order by u.ordinal) o),
    e as (
      insert into events (tenant_id, at, actor, action, subject_type, subject_id, after, rule, request_id)
      select $1, ($2::jsonb ->> 'at')::timestamptz, $2::jsonb -> 'actor', 'user.created', 'User', l.id::text,
        u.doc || l.after || jsonb_build_object('license', l.license), 'ROL-2', $2::jsonb ->> 'requestId'
      from l join users u on u.tenant_id = $1 and u.id = l.id
      order by l.ordinal)
    select id, license from l`,
};

/** LIC-3: settles the seats of inserted users in their order and tells of each. A full pool that refuses raises. */
export async function settleUsers(
  tx: Transaction,
  tenantId: string,
  cause: Cause,
  users: readonly BatchedUser[],
): Promise<Map<string, License>> {
  const { actor, requestId, at } = cause;
  const rows = users.map(({ id, decision, after }) => ({ id, tier: decision.tier, after }));
  const values = [tenantId, JSON.stringify({ actor, requestId, at }), JSON.stringify(rows)];
  const settled = await tx.query<{ id: string; license: License }>(settle, values);
  return new Map(settled.map(({ id, license }) => [id, license]));
}

function toRow({ id, decision }: BatchedUser): object {
  const { doc } = decision.draft;
  const { startsAt, endsAt } = activeTime(doc);
  return {
    id,
    user_name: doc.userName,
    user_name_norm: normaliseName(doc.userName),
    external_id: textOf(doc, "externalId"),
    display_name_norm: normalised(textOf(doc, "displayName")),
    emails: [...new Set(emailsOf(doc).map(normaliseName))],
    doc,
    active: doc.active,
    starts_at: startsAt,
    ends_at: endsAt,
    status: decision.status,
    role: decision.role.key,
    role_source: decision.roleSource,
    administrative: decision.administrative,
    tier: decision.tier,
    tier_source: decision.tierSource,
  };
}

function textOf(doc: UserDoc, name: string): string | null {
  const value: Json | undefined = doc[name];
  return typeof value === "string" ? value : null;
}

function normalised(text: string | null): string | null {
  return text === null ? null : normaliseName(text);
}
