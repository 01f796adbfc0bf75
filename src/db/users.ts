/** Users: what a decision reads of them, what a caller sees of them, and the statements that write the decision. */
import type { Decision } from "../domain/decide.ts";
import { emailsOf } from "../domain/identity.ts";
import { activeTime } from "../domain/lifecycle.ts";
import type { Actor, Grant, Json, JsonObject, UserDoc, UserState } from "../domain/model.ts";
import { normaliseName } from "../vocabulary/names.ts";
import type { Executor, Statement } from "./database.ts";
import { noEditWaits } from "./rules.ts";

/** The license as a caller sees it. */
export interface LicenseView {
  readonly tier: string | null;
  readonly status: "assigned" | "waitlisted" | "none";
  /** The tier that is due and waited for. */
  readonly wanted: string | null;
  /** The place in the queue, from 1; computed at read. */
  readonly position: number | null;
  readonly since: string | null;
}

export interface TeamRef {
  readonly value: string;
  readonly display: string;
  readonly kind: string;
}

export interface GroupRef {
  readonly value: string;
  readonly display: string;
  readonly type: "direct" | "indirect";
}

/** A user as SCIM, API and CLI show it. `etag` covers the row and its decided role, tier and seat; not teams or position. */
export interface UserView {
  readonly id: string;
  readonly doc: UserDoc;
  readonly status: "pending" | "active" | "inactive";
  readonly role: string;
  readonly roleSource: string;
  readonly tierSource: string | null;
  readonly rolePin: string | null;
  readonly tierPinned: boolean;
  readonly tierPin: string | null;
  readonly suspended: boolean;
  readonly administrative: boolean;
  readonly license: LicenseView;
  readonly teams: readonly TeamRef[];
  readonly groups: readonly GroupRef[];
  readonly version: string;
  readonly createdAt: string;
  readonly modifiedAt: string;
}

/** What one read gives: the facts of a decision and what a caller sees. */
export interface StoredUser {
  readonly state: UserState;
  readonly view: UserView;
  /** By team: where the membership comes from (TEAM-3), as `group:…`, `rule:…` or `manual`. */
  readonly teamSources: ReadonlyMap<string, readonly string[]>;
}

interface Row {
  id: string;
  doc: UserDoc;
  suspended: boolean;
  accepted: boolean;
  invitation_expires_at: string | null;
  role_pin: string | null;
  tier_pinned: boolean;
  tier_pin: string | null;
  status: UserState["status"];
  role: string;
  role_source: string;
  administrative: boolean;
  tier: string | null;
  tier_source: string | null;
  decided_version: number;
  version: number;
  revision: number;
  created_at: string;
  modified_at: string;
  seat_tier: string | null;
  seat_no: number | null;
  seat_since: string | null;
  queue_tier: string | null;
  queue_ticket: number | null;
  queue_priority: number | null;
  queue_since: string | null;
  grants: Grant[] | null;
  /** Null for users in no group and no team. */
  reach: {
    bindings: { groupId: string; entryKey: string }[] | null;
    groups: GroupRef[] | null;
    teams: (TeamRef & { sources: string[] })[] | null;
  } | null;
  position: number | null;
}

/** Nested groups count for their members' members, this many levels up (TEAM-5). */
export const nestingDepthMax = 8;

const columns = `
  u.id, u.doc, u.suspended, u.accepted, u.invitation_expires_at, u.role_pin, u.tier_pinned, u.tier_pin,
  u.status, u.role, u.role_source, u.administrative, u.tier, u.tier_source, u.decided_version, u.version, u.revision,
  u.created_at, u.modified_at,
  s.tier as seat_tier, s.no as seat_no, s.since as seat_since,
  w.tier as queue_tier, w.ticket as queue_ticket, w.priority as queue_priority, w.since as queue_since`;

// One look into the index per user: without the limit, PostgreSQL read all 200,000 seats of a pool that it had no
// statistics of yet to find those of one page (18 ms instead of 0.3).
const joins = `
  left join lateral (
    select s.tier, s.no, s.since from seats s where s.tenant_id = u.tenant_id and s.user_id = u.id limit 1) s on true
  left join lateral (
    select w.tenant_id, w.tier, w.ticket, w.priority, w.since from waitlist w
    where w.tenant_id = u.tenant_id and w.user_id = u.id limit 1) w on true`;

const grants = `
  (select json_agg(json_build_object('role', g.role, 'source', g.source, 'permissions', g.permissions))
    from role_grants g where g.tenant_id = u.tenant_id and g.user_id = u.id) as grants`;

// Groups, teams and bound entries: migrations/0003_reach.sql. Most of it is nothing for most users of a new tenant.
const reach = `
  case when exists (select from group_members m where m.tenant_id = u.tenant_id and m.user_id = u.id)
      or exists (select from team_members m where m.tenant_id = u.tenant_id and m.user_id = u.id)
    then (select r.reach from users_reach(u.tenant_id, array[u.id]) r) end as reach`;

// For many users at once: $1 is the tenant, $2 their ids.
const reachOfMany = "left join users_reach($1, $2::uuid[]) r on r.user_id = u.id";

const position = `
  case when w.tier is not null then queue_position(u.tenant_id, w.tier, w.priority, w.ticket) end as position`;

const one: Statement = {
  name: "users_one",
  text: `select ${columns}, ${grants}, ${reach}, ${position} from users u ${joins}
    where u.tenant_id = $1 /*authorized*/ and u.id = $2`,
};

const oneByName: Statement = {
  name: "users_one_by_name",
  text: `select ${columns}, ${grants}, ${reach}, ${position} from users u ${joins}
    where u.tenant_id = $1 and u.user_name_norm = $2`,
};

const lock: Statement = {
  name: "users_lock",
  text: "select id, administrative from users where tenant_id = $1 and id = any ($2::uuid[]) order by id for no key update",
};

const facts: Statement = {
  name: "users_facts",
  text: `select ${columns}, ${grants}, r.reach from users u ${joins} ${reachOfMany}
    where u.tenant_id = $1 and u.id = any ($2::uuid[]) order by u.id`,
};

const views: Statement = {
  name: "users_views",
  text: `select ${columns}, r.reach from users u ${joins} ${reachOfMany}
    where u.tenant_id = $1 and u.id = any ($2::uuid[])`,
};

/** A statement for views by another condition on `u`, in one round trip; values begin with the tenant's id. */
export function viewsWhere(name: string, condition: string): Statement {
  return {
    name,
    text: `select ${columns}, ${reach}, ${position} from users u ${joins}
    where u.tenant_id = $1 /*authorized*/ and ${condition}`,
  };
}

/** Runs a statement of `viewsWhere`. */
export async function queryViews(
  executor: Executor,
  statement: Statement,
  values: readonly unknown[],
): Promise<UserView[]> {
  return (await executor.query<Row>(statement, values)).map(toView);
}

const positions: Statement = {
  name: "waitlist_positions",
  text: `select user_id, position from (
      select user_id, row_number() over (partition by tier order by priority desc, ticket) as position
      from waitlist where tenant_id = $1) q
    where user_id = any ($2::uuid[])`,
};

/** One user with everything, in one statement; undefined where the tenant has none of that id. */
export async function findUser(executor: Executor, tenantId: string, id: string): Promise<StoredUser | undefined> {
  const [row] = await executor.query<Row>(one, [tenantId, id]);
  return row === undefined ? undefined : toStored(row);
}

function toStored(row: Row): StoredUser {
  const teams = row.reach?.teams ?? [];
  return {
    state: toState(row),
    view: toView(row),
    teamSources: new Map(teams.map((team) => [team.value, team.sources])),
  };
}

/** The same by normalised userName. */
export async function findUserByName(
  executor: Executor,
  tenantId: string,
  userNameNorm: string,
): Promise<StoredUser | undefined> {
  const [row] = await executor.query<Row>(oneByName, [tenantId, userNameNorm]);
  return row === undefined ? undefined : toStored(row);
}

/** Locks users in the order of their ids (DESIGN §5) and returns those that exist. */
export async function lockUsers(executor: Executor, tenantId: string, ids: readonly string[]): Promise<string[]> {
  const rows = await executor.query<{ id: string }>(lock, [tenantId, ids]);
  return rows.map((row) => row.id);
}

/** The facts behind the decisions of many users, in the order of their ids. */
export async function findUserStates(
  executor: Executor,
  tenantId: string,
  ids: readonly string[],
): Promise<UserState[]> {
  if (ids.length === 0) return [];
  return (await executor.query<Row>(facts, [tenantId, ids])).map(toState);
}

/** What callers see of many users, in the order asked for; unknown ids are left out. */
export async function findUserViews(executor: Executor, tenantId: string, ids: readonly string[]): Promise<UserView[]> {
  if (ids.length === 0) return [];
  const rows = await executor.query<Row>(views, [tenantId, ids]);
  const waiting = rows.filter((row) => row.queue_tier !== null).map((row) => row.id);
  const places = new Map<string, number>();
  if (waiting.length > 0) {
    const found = await executor.query<{ user_id: string; position: number }>(positions, [tenantId, waiting]);
    for (const place of found) places.set(place.user_id, place.position);
  }
  const byId = new Map(rows.map((row) => [row.id, toView({ ...row, position: places.get(row.id) ?? null })]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

function toState(row: Row): UserState {
  return {
    id: row.id,
    doc: row.doc,
    suspended: row.suspended,
    accepted: row.accepted,
    invitationExpiresAt: row.invitation_expires_at,
    rolePin: row.role_pin,
    tierPin: row.tier_pinned ? { pinned: true, value: row.tier_pin } : { pinned: false },
    status: row.status,
    role: row.role,
    roleSource: row.role_source,
    administrative: row.administrative,
    tier: row.tier,
    tierSource: row.tier_source,
    decidedVersion: row.decided_version,
    version: row.version,
    revision: row.revision,
    createdAt: row.created_at,
    modifiedAt: row.modified_at,
    bindings: row.reach?.bindings ?? [],
    grants: row.grants ?? [],
    seat:
      row.seat_tier === null
        ? null
        : { tier: row.seat_tier, no: row.seat_no as number, since: row.seat_since as string },
    waiting:
      row.queue_tier === null
        ? null
        : {
            tier: row.queue_tier,
            ticket: row.queue_ticket as number,
            priority: row.queue_priority as number,
            since: row.queue_since as string,
          },
  };
}

function toView(row: Row): UserView {
  const { seat_tier, queue_tier } = row;
  const since = seat_tier !== null ? row.seat_since : row.queue_since;
  return {
    id: row.id,
    doc: row.doc,
    status: row.status,
    role: row.role,
    roleSource: row.role_source,
    tierSource: row.tier_source,
    rolePin: row.role_pin,
    tierPinned: row.tier_pinned,
    tierPin: row.tier_pin,
    suspended: row.suspended,
    administrative: row.administrative,
    license: {
      tier: seat_tier,
      status: seat_tier !== null ? "assigned" : queue_tier !== null ? "waitlisted" : "none",
      wanted: queue_tier,
      position: row.position,
      since,
    },
    // TEAM-4: deactivation suspends team membership; groups stay the client's.
    teams: row.status === "active" ? (row.reach?.teams ?? []).map(toTeam) : [],
    groups: row.reach?.groups ?? [],
    version: etagOf(row.version, seat_tier, row.seat_no, queue_tier),
    createdAt: row.created_at,
    modifiedAt: since !== null && since > row.modified_at ? since : row.modified_at,
  };
}

function toTeam({ value, display, kind }: TeamRef): TeamRef {
  return { value, display, kind };
}

/** DESIGN §5: a seat can come without a write to the user's row, so the version names it too. */
export function etagOf(
  version: number,
  seatTier: string | null,
  seatNo: number | null,
  queueTier: string | null,
): string {
  const seat = seatTier === null ? "" : `.${seatTier}-${seatNo}`;
  return `W/"${version}${seat}${queueTier === null ? "" : `.q-${queueTier}`}"`;
}

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

const create: Statement = {
  name: "users_create",
  text: `
    with t as (select from tenants where id = $1 /*authorized*/ and rules_version = $2 and ${noEditWaits} for share),
    u as (
      insert into users (tenant_id, id, user_name, user_name_norm, external_id, display_name_norm, emails, doc, active,
        suspended, accepted, invitation_expires_at, starts_at, ends_at, role_pin, tier_pinned, tier_pin,
        status, role, role_source, administrative, tier, tier_source, decided_version, created_at, modified_at)
      select $1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
        $2, $25, $25 from t
      returning id, tier),
    l as (
      select u.id, case when u.tier is null then '{"tier":null,"no":null,"status":"none","wanted":null}'::jsonb
        else settle_seat($1, u.id, u.tier, $26, jsonb_build_object('actor', $27::jsonb, 'requestId', $28::text, 'at', $25::timestamptz))
        end as license from u),
    e as (
      insert into events (tenant_id, at, actor, action, subject_type, subject_id, after, request_id)
      select $1, $25, $27, 'user.created', 'User', l.id::text, $29::jsonb || jsonb_build_object('license', l.license), $28 from l)
    select license from l`,
};

const update: Statement = {
  name: "users_update",
  text: `
    with t as (select from tenants where id = $1 and rules_version = $2 and ${noEditWaits} for share),
    u as (
      update users set user_name = $4, user_name_norm = $5, external_id = $6, display_name_norm = $7, emails = $8,
        doc = $9, active = $10, suspended = $11, accepted = $12, invitation_expires_at = $13, starts_at = $14,
        ends_at = $15, role_pin = $16, tier_pinned = $17, tier_pin = $18, status = $19, role = $20, role_source = $21,
        administrative = $22, tier = $23, tier_source = $24, decided_version = $2,
        version = version + 1, revision = revision + 1, modified_at = $25
      from t where tenant_id = $1 and id = $3 and revision = $30
      returning id, tier, version, created_at),
    l as (
      select u.id, u.version, u.created_at, case when $31::boolean
        then settle_seat($1, u.id, u.tier, $26, jsonb_build_object('actor', $27::jsonb, 'requestId', $28::text, 'at', $25::timestamptz))
        end as license from u),
    e as (
      insert into events (tenant_id, at, actor, action, subject_type, subject_id, before, after, rule, request_id)
      select $1, $25, $27, $32, 'User', l.id::text, $33::jsonb,
        case when l.license is null then $29::jsonb else $29::jsonb || jsonb_build_object('license', l.license) end, $34, $28
      from l where $32 <> '')
    select license, version from l`,
};

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

/**
 * Inserts a user with the event and the seat, in one statement. Undefined when the rules have moved since the decision:
 * nothing was written, decide again. A full refusing pool and a taken name raise.
 */
export async function insertUser(executor: Executor, write: UserWrite): Promise<License | undefined> {
  const [row] = await executor.query<{ license: License }>(create, valuesOf(write));
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

/**
 * Replaces a user's row by a new decision, with the event and the seat, in one statement. Undefined when the rules or a
 * fact behind the decision have moved: nothing was written. The license is null where no seat was looked at.
 */
export async function updateUser(
  executor: Executor,
  write: UserUpdate,
): Promise<{ license: License | null; version: number } | undefined> {
  const values = [...valuesOf(write), write.revision, write.settle, write.action, json(write.before), write.rule];
  const [row] = await executor.query<{ license: License | null; version: number }>(update, values);
  return row;
}

/** $1…$29 of both statements. */
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
    textOf(doc["externalId"]),
    normalised(textOf(doc["displayName"])),
    [...new Set(emailsOf(doc).map(normaliseName))],
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
  ];
}

function textOf(value: Json | undefined): string | null {
  return typeof value === "string" ? value : null;
}

function normalised(text: string | null): string | null {
  return text === null ? null : normaliseName(text);
}

function json(value: unknown): string {
  return JSON.stringify(value);
}
