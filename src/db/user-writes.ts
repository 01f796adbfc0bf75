/** The statements that write a decided user: the row, its event and its seat in one round trip. */
import type { Decision } from "../domain/decide.ts";
import { activeTime } from "../domain/lifecycle.ts";
import type { Actor, JsonObject } from "../domain/model.ts";
import { normaliseName } from "../vocabulary/names.ts";
import type { Executor, Statement } from "./database.ts";
import { writesPassword } from "./passwords.ts";
import { noEditWaits } from "./rules.ts";
import { companyNormOf, displayNameNormOf, emailNormsOf, externalIdOf, searchTextOf } from "./user-columns.ts";
import type { LicenseView } from "./users.ts";

/** Who caused a write and when, as the seat functions and events want it. */
export interface Cause {
  readonly actor: Actor;
  readonly requestId: string;
  readonly at: string;
}

/** What the seat functions return. */
export interface License {
  readonly tier: string | null;
  readonly no: number | null;
  readonly status: LicenseView["status"];
  readonly wanted: string | null;
}

const create: Statement = { name: "users_create", text: createText("") };
const createWithPassword: Statement = { name: "users_create_password", text: createText(writesPassword("$33")) };

/** `more` is what else is written of the user. */
function createText(more: string): string {
  return `
    with t as (select from tenants where id = $1 /*authorized*/ and rules_version = $2 and ${noEditWaits} for share),
    u as (
      insert into users (tenant_id, id, user_name, user_name_norm, external_id, display_name_norm, emails, doc, active,
        suspended, accepted, invitation_expires_at, starts_at, ends_at, role_pin, tier_pinned, tier_pin,
        status, role, role_source, administrative, tier, tier_source, decided_version, created_at, modified_at,
        company_norm, search, source)
      select $1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
        $2, $25, $25, $30, $31, coalesce($27::jsonb ->> 'door', 'job') from t
      returning id, tier),${more}
    -- The common case, a free seat and nobody before us: as pick_seat and settle_seat have it, without the calls. This
    -- statement may have waited since it looked, say for a userName: where seats are not drained by themselves, somebody
    -- may have queued beside a free one meanwhile, so there ($32) it is left to settle_seat, which looks anew.
    s as (
      update seats set user_id = u.id, since = $25 from u
      where $32::boolean and seats.tenant_id = $1 and seats.tier = $23 and seats.no = (
        select f.no from seats f where f.tenant_id = $1 and f.tier = $23 and f.user_id is null
          and not exists (select from waitlist w where w.tenant_id = $1 and w.tier = $23)
        order by f.no limit 1 for update of f skip locked)
      returning seats.no),
    l as (
      select u.id, case when u.tier is null then '{"tier":null,"no":null,"status":"none","wanted":null}'::jsonb
        when s.no is not null
          then jsonb_build_object('tier', u.tier, 'no', s.no, 'status', 'assigned', 'wanted', null)
        else settle_seat($1, u.id, u.tier, $26, jsonb_build_object('actor', $27::jsonb, 'requestId', $28::text, 'at', $25::timestamptz))
        end as license from u left join s on true),
    e as (
      insert into events (tenant_id, at, actor, action, subject_type, subject_id, after, rule, request_id)
      select $1, $25, $27, 'user.created', 'User', l.id::text,
        $9::jsonb || $29::jsonb || jsonb_build_object('license', l.license), 'ROL-2', $28 from l)
    select license from l`;
}

const update: Statement = { name: "users_update", text: updateText("") };
const updateWithPassword: Statement = { name: "users_update_password", text: updateText(writesPassword("$37")) };

function updateText(more: string): string {
  return `
    with t as (select from tenants where id = $1 and rules_version = $2 and ${noEditWaits} for share),
    u as (
      update users set user_name = $4, user_name_norm = $5, external_id = $6, display_name_norm = $7, emails = $8,
        doc = $9, active = $10, suspended = $11, accepted = $12, invitation_expires_at = $13, starts_at = $14,
        ends_at = $15, role_pin = $16, tier_pinned = $17, tier_pin = $18, status = $19, role = $20, role_source = $21,
        administrative = $22, tier = $23, tier_source = $24, decided_version = $2,
        version = version + 1, revision = revision + 1, modified_at = $25, company_norm = $30, search = $31,
        -- What a provisioning client has written once it writes again.
        source = case when $27::jsonb ->> 'door' = 'scim' then 'scim' else source end,
        -- Who goes out does not come back with an old session.
        sessions_not_before = case when $19 = 'inactive' and status <> 'inactive'
          then greatest(sessions_not_before, $25) else sessions_not_before end
      from t where tenant_id = $1 and id = $3 and revision = $32
      returning id, tier, version, created_at),${more}
    l as (
      select u.id, u.version, u.created_at, case when $33::boolean
        then settle_seat($1, u.id, u.tier, $26, jsonb_build_object('actor', $27::jsonb, 'requestId', $28::text, 'at', $25::timestamptz))
        end as license,
        -- TEAM-4: who is out is in no queue.
        case when $19 = 'inactive'
          then leave_queues($1, u.id, jsonb_build_object('actor', $27::jsonb, 'requestId', $28::text, 'at', $25::timestamptz))
        end as queues from u),
    e as (
      insert into events (tenant_id, at, actor, action, subject_type, subject_id, before, after, rule, request_id)
      select $1, $25, $27, $34, 'User', l.id::text, $35::jsonb,
        case when l.license is null then $29::jsonb else $29::jsonb || jsonb_build_object('license', l.license) end, $36, $28
      from l where $34 <> '')
    select license, version from l`;
}

/** What is written of one decided user. */
export interface UserWrite {
  readonly tenantId: string;
  readonly id: string;
  readonly rulesVersion: number;
  readonly decision: Decision;
  readonly cause: Cause;
  /** Whether a full pool may refuse the whole write (LIC-3). */
  readonly mayRefuse: boolean;
  /** What the event tells. */
  readonly after: JsonObject;
}

export interface NewUser extends UserWrite {
  /** Whether a free seat is taken at a glance: of a limited pool whose free seats go to its queue by themselves. */
  readonly claims: boolean;
}

/**
 * Inserts a user with the event and the seat, in one statement. Undefined when the rules have moved since the decision:
 * nothing was written, decide again. A full refusing pool and a taken name raise.
 */
export async function insertUser(executor: Executor, write: NewUser): Promise<License | undefined> {
  const { password } = write.decision.draft;
  const values = [...valuesOf(write), write.claims];
  const [row] = await (password === undefined
    ? executor.query<{ license: License }>(create, values)
    : executor.query<{ license: License }>(createWithPassword, [...values, password.hash]));
  return row?.license;
}

export interface UserUpdate extends UserWrite {
  readonly revision: number;
  /** Whether the seat has to be looked at: the tier that is due moved. */
  readonly settle: boolean;
  readonly action: string;
  readonly before: JsonObject;
  readonly rule: string | null;
}

export interface Written {
  readonly license: License | null;
  readonly version: number;
}

/**
 * Replaces a user's row by a new decision, with the event and the seat, in one statement. Undefined when the rules or a
 * fact behind the decision have moved: nothing was written. The license is null where no seat was looked at.
 */
export async function updateUser(executor: Executor, write: UserUpdate): Promise<Written | undefined> {
  const values = [...valuesOf(write), write.revision, write.settle, write.action, json(write.before), write.rule];
  const { password } = write.decision.draft;
  const [row] = await (password === undefined
    ? executor.query<Written>(update, values)
    : executor.query<Written>(updateWithPassword, [...values, password.hash]));
  return row;
}

/** $1…$31 of both statements. */
function valuesOf({ tenantId, id, rulesVersion, decision, cause, mayRefuse, after }: UserWrite): unknown[] {
  const { draft } = decision;
  const { doc } = draft;
  const { startsAt, endsAt } = activeTime(doc);
  return [
    tenantId,
    rulesVersion,
    id,
    doc.userName,
    normaliseName(doc.userName),
    externalIdOf(doc),
    displayNameNormOf(doc),
    emailNormsOf(doc),
    json(doc),
    doc.active,
    draft.suspended,
    draft.accepted,
    draft.invitationExpiresAt,
    startsAt,
    endsAt,
    draft.rolePin,
    draft.tierPin.pinned,
    draft.tierPin.pinned ? draft.tierPin.value : null,
    decision.status,
    decision.role.key,
    decision.roleSource,
    decision.administrative,
    decision.tier,
    decision.tierSource,
    cause.at,
    mayRefuse,
    json(cause.actor),
    cause.requestId,
    json(after),
    companyNormOf(doc),
    searchTextOf(doc),
  ];
}

function json(value: unknown): string {
  return JSON.stringify(value);
}
