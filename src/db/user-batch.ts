/**
 * The statements that create many users in one transaction: rows, seats and events as `insertUser` writes them for one.
 * Call them in the order in which they stand here: names are locked before pools, pools before seats (0002_seats.sql).
 */
import type { Decision } from "../domain/decide.ts";
import { activeTime } from "../domain/lifecycle.ts";
import type { JsonObject } from "../domain/model.ts";
import { normaliseName } from "../vocabulary/names.ts";
import type { Statement, Transaction } from "./database.ts";
import { companyNormOf, displayNameNormOf, emailNormsOf, externalIdOf, searchTextOf } from "./user-columns.ts";
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
      starts_at, ends_at, status, role, role_source, administrative, tier, tier_source, company_norm, search,
      decided_version, created_at, modified_at, source)
    select $1, u.id, u.user_name, u.user_name_norm, u.external_id, u.display_name_norm, u.emails, u.doc, u.active,
      u.starts_at, u.ends_at, u.status, u.role, u.role_source, u.administrative, u.tier, u.tier_source, u.company_norm,
      u.search, $2, $3, $3, $4
    from rows from (jsonb_to_recordset($5::jsonb) as (
      id uuid, user_name text, user_name_norm text, external_id text, display_name_norm text, emails text[], doc jsonb,
      active boolean, starts_at timestamptz, ends_at timestamptz, status text, role text, role_source text,
      administrative boolean, tier text, tier_source text, company_norm text, search text)) with ordinality as u
      (id, user_name, user_name_norm, external_id, display_name_norm, emails, doc, active, starts_at, ends_at, status,
       role, role_source, administrative, tier, tier_source, company_norm, search, ordinal)
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
  { actor, at }: Cause,
  users: readonly BatchedUser[],
): Promise<Set<string>> {
  const rows = JSON.stringify(users.map(toRow));
  const values = [tenantId, rulesVersion, at, actor.door ?? "job", rows];
  const inserted = await tx.query<{ id: string }>(insert, values);
  return new Set(inserted.map(({ id }) => id));
}

// Free seats of a tier in which nobody queues, as pick_seat looks for one: the first user gets the first of them. Found
// again by their place in the table: without statistics, PostgreSQL read the whole pool for each of them.
const claim: Statement = {
  name: "users_batch_claim",
  text: `
    with free as (
      select f.at, row_number() over (order by f.no) as place
      from (
        select s.ctid as at, s.no from seats s
        where s.tenant_id = $1 and s.tier = $3 and s.user_id is null
          and not exists (select from waitlist w where w.tenant_id = $1 and w.tier = $3)
        order by s.no limit cardinality($4::uuid[]) for update of s skip locked) f)
    update seats set user_id = wanted.id, since = $2
    from free join unnest($4::uuid[]) with ordinality as wanted (id, place) using (place)
    where seats.ctid = free.at and seats.tenant_id = $1
    returning seats.no`,
};

/**
 * Gives each of the users a free seat of the tier due, without waiting for anybody. False: there are too few, or somebody
 * queues; then nobody has one, and nothing stays locked that a holder of a pool's lock may wait for.
 */
export async function claimSeats(
  tx: Transaction,
  tenantId: string,
  at: string,
  users: readonly BatchedUser[],
): Promise<boolean> {
  const byTier = Map.groupBy(users, ({ decision }) => decision.tier);
  const short = new Error("There are fewer free seats than users.");
  try {
    await tx.savepoint(async () => {
      for (const [tier, wanting] of byTier) {
        const ids = wanting.map(({ id }) => id);
        const claimed = await tx.query<{ no: number }>(claim, [tenantId, at, tier, ids]);
        if (claimed.length < ids.length) throw short;
      }
    });
    return true;
  } catch (error) {
    if (error === short) return false;
    throw error;
  }
}

const lockPools: Statement = { name: "users_batch_pools", text: "select lock_pools($1, $2)" };

/** Locks the pools of these tiers: whoever comes to them meanwhile stands behind the whole batch. */
export async function lockPoolsOf(tx: Transaction, tenantId: string, tiers: readonly string[]): Promise<void> {
  await tx.query(lockPools, [tenantId, tiers]);
}

// The sorted subquery is read row by row: seats are taken, and queues joined, in the order of the users.
const settle: Statement = {
  name: "users_batch_settle",
  text: `
    with l as materialized (
      select o.ordinal, o.id, o.after, case when o.tier is null
        then '{"tier":null,"no":null,"status":"none","wanted":null}'::jsonb
        else settle_seat($1, o.id, o.tier, $4, $2::jsonb) end as license
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

/** LIC-3: settles the seats that are not claimed yet, in order, and tells of each user. A full pool that refuses raises. */
export async function settleUsers(
  tx: Transaction,
  tenantId: string,
  cause: Cause,
  users: readonly BatchedUser[],
  mayRefuse: boolean,
): Promise<Map<string, License>> {
  const { actor, requestId, at } = cause;
  const rows = users.map(({ id, decision, after }) => ({ id, tier: decision.tier, after }));
  const values = [tenantId, JSON.stringify({ actor, requestId, at }), JSON.stringify(rows), mayRefuse];
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
    external_id: externalIdOf(doc),
    display_name_norm: displayNameNormOf(doc),
    emails: emailNormsOf(doc),
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
    company_norm: companyNormOf(doc),
    search: searchTextOf(doc),
  };
}
