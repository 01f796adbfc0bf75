/** Users as they are read: what a decision needs of them, and what a caller sees. */
import type { Spent } from "../domain/budget.ts";
import type { Grant, UserDoc, UserState } from "../domain/model.ts";
import type { Executor, Statement } from "./database.ts";

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

/** A user as a client sees it. `version` covers the row and its decided role, tier and seat; not teams or position. */
export interface UserView {
  readonly id: string;
  readonly doc: UserDoc;
  readonly status: UserState["status"];
  readonly role: string;
  readonly license: LicenseView;
  readonly teams: readonly TeamRef[];
  readonly groups: readonly GroupRef[];
  /** P-2: what was spent, by currency. Read on its own, beside the version. */
  readonly spent: Spent | null;
  readonly version: string;
  readonly createdAt: string;
  readonly modifiedAt: string;
}

/** A user as the management side sees it: with what an Admin set, and where role and tier come from. */
export interface UserAccount extends UserView {
  readonly roleSource: string;
  readonly tierSource: string | null;
  readonly rolePin: string | null;
  readonly tierPinned: boolean;
  readonly tierPin: string | null;
  readonly suspended: boolean;
  readonly administrative: boolean;
  /** The door through which the person's words come; `scim` from the first time that a client writes them. */
  readonly source: "scim" | "api" | "cli" | "job";
  readonly invitationExpiresAt: string | null;
  readonly sessionsNotBefore: string | null;
}

/** What one read gives: the facts of a decision and what a caller sees. */
export interface StoredUser {
  readonly state: UserState;
  readonly view: UserAccount;
  /** By team: where the membership comes from (TEAM-3), as `group:…`, `rule:…` or `manual`. */
  readonly teamSources: ReadonlyMap<string, readonly string[]>;
}

/** What a view is made of. Few columns: each costs a read of a single user half a microsecond. */
interface ViewRow {
  id: string;
  doc: UserDoc;
  status: UserState["status"];
  role: string;
  version: number;
  created_at: string;
  modified_at: string;
  spent: Spent | null;
  seat_tier: string | null;
  seat_no: number | null;
  seat_since: string | null;
  queue_tier: string | null;
  queue_since: string | null;
  /** Null for users in no group and no team. */
  reach: {
    bindings: { groupId: string; entryKey: string }[] | null;
    groups: GroupRef[] | null;
    teams: (TeamRef & { sources: string[] })[] | null;
  } | null;
  position: number | null;
}

interface AccountRow extends ViewRow {
  suspended: boolean;
  role_pin: string | null;
  tier_pinned: boolean;
  tier_pin: string | null;
  role_source: string;
  tier_source: string | null;
  administrative: boolean;
  source: UserAccount["source"];
  accepted: boolean;
  invitation_expires_at: string | null;
  sessions_not_before: string | null;
}

interface Row extends AccountRow {
  tier: string | null;
  decided_version: number;
  revision: number;
  queue_ticket: number | null;
  queue_priority: number | null;
  grants: Grant[] | null;
}

/** Nested groups count for their members' members, this many levels up (TEAM-5). */
export const nestingDepthMax = 8;

const viewColumns = `
  u.id, u.doc, u.status, u.role, u.version, u.created_at, u.modified_at, u.spent,
  s.tier as seat_tier, s.no as seat_no, s.since as seat_since, w.tier as queue_tier, w.since as queue_since`;

const accountColumns = `${viewColumns},
  u.suspended, u.role_pin, u.tier_pinned, u.tier_pin, u.role_source, u.tier_source, u.administrative, u.source,
  u.accepted, u.invitation_expires_at, u.sessions_not_before`;

const columns = `${accountColumns},
  u.tier, u.decided_version, u.revision,
  w.ticket as queue_ticket, w.priority as queue_priority`;

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
  text: `select ${viewColumns}, r.reach from users u ${joins} ${reachOfMany}
    where u.tenant_id = $1 and u.id = any ($2::uuid[])`,
};

const accounts: Statement = {
  name: "users_accounts",
  text: `select ${accountColumns}, r.reach from users u ${joins} ${reachOfMany}
    where u.tenant_id = $1 and u.id = any ($2::uuid[])`,
};

/** A statement for views by another condition on `u`, in one round trip; values begin with the tenant's id. */
export function viewsWhere(name: string, condition: string): Statement {
  return {
    name,
    text: `select ${viewColumns}, ${reach}, ${position} from users u ${joins}
    where u.tenant_id = $1 /*authorized*/ and ${condition}`,
  };
}

/** Runs a statement of `viewsWhere`. */
export async function queryViews(
  executor: Executor,
  statement: Statement,
  values: readonly unknown[],
): Promise<UserView[]> {
  return (await executor.query<ViewRow>(statement, values)).map(toView);
}

const viewOne = viewsWhere("users_view", "u.id = $2");

/** What a client sees of one user. */
export async function findUserView(executor: Executor, tenantId: string, id: string): Promise<UserView | undefined> {
  return (await queryViews(executor, viewOne, [tenantId, id]))[0];
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
    view: toAccount(row),
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

/** What clients see of many users, in the order asked for; unknown ids are left out. */
export async function findUserViews(executor: Executor, tenantId: string, ids: readonly string[]): Promise<UserView[]> {
  return (await findMany<ViewRow>(executor, views, tenantId, ids)).map(toView);
}

/** What the management side sees of many users, in the order asked for; unknown ids are left out. */
export async function findUserAccounts(
  executor: Executor,
  tenantId: string,
  ids: readonly string[],
): Promise<UserAccount[]> {
  return (await findMany<AccountRow>(executor, accounts, tenantId, ids)).map(toAccount);
}

/** Rows in the order of the ids, with the places of those who wait. */
async function findMany<Found extends ViewRow>(
  executor: Executor,
  statement: Statement,
  tenantId: string,
  ids: readonly string[],
): Promise<Found[]> {
  if (ids.length === 0) return [];
  const rows = await executor.query<Found>(statement, [tenantId, ids]);
  const waiting = rows.filter((row) => row.queue_tier !== null).map((row) => row.id);
  const places = new Map<string, number>();
  if (waiting.length > 0) {
    const found = await executor.query<{ user_id: string; position: number }>(positions, [tenantId, waiting]);
    for (const place of found) places.set(place.user_id, place.position);
  }
  const byId = new Map(rows.map((row) => [row.id, { ...row, position: places.get(row.id) ?? null }]));
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
    sessionsNotBefore: row.sessions_not_before,
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

function toView(row: ViewRow): UserView {
  const { seat_tier, queue_tier } = row;
  const since = seat_tier !== null ? row.seat_since : row.queue_since;
  return {
    id: row.id,
    doc: row.doc,
    status: row.status,
    role: row.role,
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
    spent: row.spent,
    version: etagOf(row.version, seat_tier, row.seat_no, queue_tier),
    createdAt: row.created_at,
    modifiedAt: since !== null && since > row.modified_at ? since : row.modified_at,
  };
}

function toAccount(row: AccountRow): UserAccount {
  return {
    ...toView(row),
    roleSource: row.role_source,
    tierSource: row.tier_source,
    rolePin: row.role_pin,
    tierPinned: row.tier_pinned,
    tierPin: row.tier_pin,
    suspended: row.suspended,
    administrative: row.administrative,
    source: row.source,
    invitationExpiresAt: row.accepted ? null : row.invitation_expires_at,
    sessionsNotBefore: row.sessions_not_before,
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
