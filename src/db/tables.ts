/**
 * The rows of migrations/ as Kysely sees them, one interface a table. What a connection gives back is the same on both
 * engines: a timestamp is an ISO 8601 string, a bigint and a numeric are numbers, jsonb is the parsed value. What is
 * written into jsonb is JSON text, because a plain string or array would otherwise be taken for something else.
 */
import type { ColumnType, Generated, GeneratedAlways } from "kysely";

export type Timestamp = ColumnType<string, string | Date, string | Date>;
export type Jsonb<T = unknown> = ColumnType<T, string, string>;
/** A column with a default: may be left out on insert. */
type Defaulted<C> = C extends ColumnType<infer S, infer I, infer U> ? ColumnType<S, I | undefined, U> : Generated<C>;

export interface Tables {
  tenants: TenantsTable;
  domains: DomainsTable;
  verified_domains: VerifiedDomainsTable;
  roles: RolesTable;
  mappings: MappingsTable;
  tokens: TokensTable;
  signing_keys: SigningKeysTable;
  users: UsersTable;
  passwords: PasswordsTable;
  groups: GroupsTable;
  group_members: GroupMembersTable;
  group_children: GroupChildrenTable;
  group_bindings: GroupBindingsTable;
  teams: TeamsTable;
  team_members: TeamMembersTable;
  team_grants: TeamGrantsTable;
  remembered_queues: RememberedQueuesTable;
  pools: PoolsTable;
  seats: SeatsTable;
  waitlist: WaitlistTable;
  role_grants: RoleGrantsTable;
  promotions: PromotionsTable;
  events: EventsTable;
  feeds: FeedsTable;
  provisioning_log: ProvisioningLogTable;
  reconciles: ReconcilesTable;
  idempotency_keys: IdempotencyKeysTable;
  user_tallies: UserTalliesTable;
  quotes: QuotesTable;
  reductions: ReductionsTable;
  bulk_jobs: BulkJobsTable;
  bulk_items: BulkItemsTable;
  invitations: InvitationsTable;
  activities: ActivitiesTable;
  usage_items: UsageItemsTable;
}

export interface TenantsTable {
  id: string;
  slug: string;
  name: string;
  preset: string;
  settings: Defaulted<Jsonb>;
  rules_version: Generated<number>;
  created_at: Timestamp;
}

export interface DomainsTable {
  tenant_id: string;
  name: string;
  verified_at: Timestamp | null;
  token: Generated<string>;
  proof: "dns" | "operator" | null;
  added_by: Jsonb | null;
  added_at: Timestamp;
  checked_at: Timestamp | null;
  check_at: Timestamp | null;
  missing_since: Timestamp | null;
  lapsed_at: Timestamp | null;
}

/** Written by the triggers of `domains` alone. */
export interface VerifiedDomainsTable {
  name: string;
}

export interface RolesTable {
  tenant_id: string;
  key: string;
  name: string;
  name_norm: string;
  rank: number;
  permissions: string[];
  built_in: Generated<boolean>;
}

export interface MappingsTable {
  tenant_id: string;
  document: Jsonb;
  version: Generated<number>;
  saved_at: Timestamp;
}

export interface TokensTable {
  tenant_id: string;
  id: string;
  label: string;
  digest: Uint8Array;
  scopes: string[];
  role: string | null;
  granted: Generated<string[]>;
  user_id: string | null;
  issued_by: Jsonb;
  created_at: Timestamp;
  expires_at: Timestamp | null;
  last_used_at: Timestamp | null;
}

export interface SigningKeysTable {
  kid: string;
  sealed: Uint8Array;
  created_at: Timestamp;
}

export interface UsersTable {
  tenant_id: string;
  id: string;
  user_name: string;
  user_name_norm: string;
  external_id: string | null;
  display_name_norm: string | null;
  emails: Generated<string[]>;
  doc: Jsonb;
  active: boolean;
  suspended: Generated<boolean>;
  accepted: Generated<boolean>;
  invitation_expires_at: Timestamp | null;
  starts_at: Timestamp | null;
  ends_at: Timestamp | null;
  role_pin: string | null;
  tier_pinned: Generated<boolean>;
  tier_pin: string | null;
  status: "pending" | "active" | "inactive";
  role: string;
  role_source: string;
  administrative: Generated<boolean>;
  tier: string | null;
  tier_source: string | null;
  decided_version: number;
  version: Generated<number>;
  revision: Generated<number>;
  created_at: Timestamp;
  modified_at: Timestamp;
  sessions_not_before: Timestamp | null;
  source: Generated<"scim" | "api" | "cli" | "job">;
  spent: Jsonb | null;
  company_norm: string | null;
  search: Generated<string>;
  dated_at: Timestamp | null;
  decided_until: GeneratedAlways<Timestamp | null>;
  decided_from: GeneratedAlways<Timestamp | null>;
}

export interface PasswordsTable {
  tenant_id: string;
  user_id: string;
  hash: string;
  set_at: Timestamp;
  set_by: Jsonb;
}

export interface GroupsTable {
  tenant_id: string;
  id: string;
  display_name: string;
  display_name_norm: string;
  external_id: string | null;
  doc: Defaulted<Jsonb>;
  deciding: Generated<boolean>;
  version: Generated<number>;
  created_at: Timestamp;
  modified_at: Timestamp;
}

export interface GroupMembersTable {
  tenant_id: string;
  group_id: string;
  user_id: string;
  /** Null: since before this was kept. */
  since: Defaulted<ColumnType<string | null, string | Date | null, string | Date | null>>;
}

export interface GroupChildrenTable {
  tenant_id: string;
  parent_id: string;
  child_id: string;
}

export interface GroupBindingsTable {
  tenant_id: string;
  group_id: string;
  entry_key: string;
  team_id: string | null;
}

export interface TeamsTable {
  tenant_id: string;
  id: string;
  kind: "team" | "workspace" | "agent" | "queue";
  name: string;
  name_norm: string;
  group_id: string | null;
  created_at: Timestamp;
  archived_at: Timestamp | null;
}

export interface TeamMembersTable {
  tenant_id: string;
  team_id: string;
  user_id: string;
  source: string;
  /** Null: since before this was kept. */
  since: Defaulted<ColumnType<string | null, string | Date | null, string | Date | null>>;
  added_by: Jsonb | null;
}

export interface TeamGrantsTable {
  tenant_id: string;
  id: string;
  agent_id: string;
  user_id: string | null;
  team_id: string | null;
  granted_by: Jsonb;
  granted_at: Timestamp;
}

export interface RememberedQueuesTable {
  tenant_id: string;
  user_id: string;
  team_id: string;
  since: Timestamp | null;
  left_at: Timestamp;
}

export interface PoolsTable {
  tenant_id: string;
  tier: string;
  name: string;
  name_norm: string;
  rank: number;
  permissions: Generated<string[]>;
  unlimited: Generated<boolean>;
  minimum: Generated<number>;
  unit_price: number | null;
  currency: Generated<string>;
  billing_cycle: Generated<string>;
  /** A calendar day, `2026-01-31`. */
  renews_on: string | null;
  when_full: Generated<"waitlist" | "refuse" | "downgrade">;
  drain: Generated<"auto" | "manual">;
  /** Kept by the triggers of `seats`. */
  purchased: Generated<number>;
  renewal_day: number | null;
}

export interface SeatsTable {
  tenant_id: string;
  tier: string;
  no: number;
  user_id: string | null;
  since: Timestamp | null;
}

export interface WaitlistTable {
  tenant_id: string;
  user_id: string;
  tier: string;
  ticket: number;
  priority: Generated<number>;
  since: Timestamp;
}

export interface RoleGrantsTable {
  tenant_id: string;
  user_id: string;
  role: string;
  source: string;
  permissions: string[];
  authorized_by: Jsonb;
  granted_at: Timestamp;
}

export interface PromotionsTable {
  tenant_id: string;
  id: string;
  kind: "role" | "identity";
  user_id: string | null;
  user_name: string;
  user_name_norm: string;
  role: string;
  sources: string[];
  identity: Jsonb;
  wish: Jsonb | null;
  state: "open" | "approved" | "declined" | "used" | "void";
  attempts: Generated<number>;
  requested_by: Jsonb;
  requested_at: Timestamp;
  last_at: Timestamp;
  decided_by: Jsonb | null;
  decided_at: Timestamp | null;
  expires_at: Timestamp | null;
}

export interface EventsTable {
  tenant_id: string;
  id: GeneratedAlways<number>;
  position: number | null;
  at: Timestamp;
  actor: Jsonb;
  action: string;
  subject_type: string;
  subject_id: string;
  before: Jsonb | null;
  after: Jsonb | null;
  rule: string | null;
  request_id: string;
}

export interface FeedsTable {
  tenant_id: string;
  last_position: Generated<number>;
}

export interface ProvisioningLogTable {
  tenant_id: string;
  id: string;
  at: Timestamp;
  token_id: string | null;
  connection: string | null;
  request_id: string;
  method: string;
  path: string;
  status: number;
  duration_ms: number;
  request: Jsonb | null;
  answer: Jsonb | null;
  decision: Jsonb | null;
}

export interface ReconcilesTable {
  tenant_id: string;
  rules_version: number;
  state: "running" | "done";
  total: Generated<number>;
  done: Generated<number>;
  reason: string;
  started_at: Timestamp;
  finished_at: Timestamp | null;
}

export interface IdempotencyKeysTable {
  tenant_id: string;
  key: string;
  operation: string;
  request_digest: string;
  answer: Jsonb | null;
  created_at: Timestamp;
}

/** Written by the triggers of `users` alone. */
export interface UserTalliesTable {
  tenant_id: string;
  id: GeneratedAlways<number>;
  status: UsersTable["status"];
  administrative: boolean;
  users: number;
}

export interface QuotesTable {
  tenant_id: string;
  id: string;
  kind: "purchase" | "upgrade";
  tier: string;
  to_tier: string | null;
  seats: number;
  offer: Jsonb;
  made_by: Jsonb;
  made_at: Timestamp;
  expires_at: Timestamp;
  used_by: Jsonb | null;
  used_at: Timestamp | null;
  answer: Jsonb | null;
}

export interface ReductionsTable {
  tenant_id: string;
  id: string;
  tier: string;
  seats: number;
  scheduled_by: Jsonb;
  scheduled_at: Timestamp;
}

export interface InvitationsTable {
  tenant_id: string;
  user_id: string;
  digest: Uint8Array;
  invited_by: Jsonb;
  invited_at: Timestamp;
  sends: Generated<number>;
}

export interface ActivitiesTable {
  tenant_id: string;
  user_id: string;
  last_seen_at: Timestamp | null;
  online: Generated<boolean>;
  told_at: Timestamp | null;
  calls_handled: number | null;
  calls_at: Timestamp | null;
  trained_at: Timestamp | null;
  reviewed_at: Timestamp | null;
  reviewed_by: Jsonb | null;
}

export interface UsageItemsTable {
  tenant_id: string;
  id: string;
  user_id: string;
  amount: number;
  currency: string;
  at: Timestamp;
  received_at: Timestamp;
}

export interface BulkJobsTable {
  tenant_id: string;
  id: string;
  kind: "bulk" | "import";
  state: "receiving" | "waiting" | "running" | "done" | "cancelled";
  request: Jsonb;
  principal: Jsonb;
  request_id: string;
  total: number;
  done: Generated<number>;
  outcomes: Defaulted<Jsonb>;
  memo: Jsonb | null;
  created_at: Timestamp;
  started_at: Timestamp | null;
  finished_at: Timestamp | null;
}

export interface BulkItemsTable {
  tenant_id: string;
  job_id: string;
  no: number;
  input: Jsonb | null;
  result: Jsonb | null;
}
