-- The tables of Usher. tenant_id leads every primary, unique and foreign key, so that no row can point across tenants
-- and the schema distributes by tenant. Names that are compared without letter case are stored twice: as written, and
-- as *_norm (NFKC, lower case, computed in code: the database's own lower() depends on its locale).

create table tenants (
  id uuid primary key,
  slug text not null unique,
  name text not null,
  preset text not null,
  settings jsonb not null default '{}',
  -- Moves with every edit of mapping, catalogue, pools' terms, settings and defaults. Writes that rest on those facts
  -- repeat it as a predicate with a share lock.
  rules_version bigint not null default 1,
  created_at timestamptz not null
);

create table domains (
  tenant_id uuid not null references tenants on delete cascade,
  name text not null,
  verified_at timestamptz,
  primary key (tenant_id, name)
);

create table roles (
  tenant_id uuid not null references tenants on delete cascade,
  key text not null,
  name text not null,
  name_norm text not null,
  rank integer not null,
  permissions text[] not null,
  built_in boolean not null default false,
  primary key (tenant_id, key),
  unique (tenant_id, name_norm)
);

create table mappings (
  tenant_id uuid primary key references tenants on delete cascade,
  document jsonb not null,
  version integer not null default 1,
  saved_at timestamptz not null
);

create table tokens (
  tenant_id uuid not null references tenants on delete cascade,
  id uuid not null,
  label text not null,
  digest bytea not null,
  scopes text[] not null,
  -- The role the token acts with; null: none.
  role text,
  -- What the role held when the token was minted: what an edit of the role adds later is not the token's (GRD-5).
  granted text[] not null default '{}',
  -- The person the token acts for, whose own role bounds it; null: issued by the operator or another such token.
  user_id uuid,
  issued_by jsonb not null,
  created_at timestamptz not null,
  expires_at timestamptz,
  last_used_at timestamptz,
  primary key (tenant_id, id)
);

create table users (
  tenant_id uuid not null references tenants on delete cascade,
  id uuid not null,
  user_name text not null,
  -- Compared by code point, so that prefixes and ranges use the index whatever the database's locale.
  user_name_norm text collate "C" not null,
  external_id text,
  display_name_norm text collate "C",
  -- Every address of emails[], normalised: an address finds its users through one index.
  emails text[] not null default '{}',
  -- The client's own words (ROL-6): the resource as the client wrote it, without what Usher decides.
  doc jsonb not null,
  active boolean not null,
  -- A stop by an Admin: lifted only by an Admin (USR-1).
  suspended boolean not null default false,
  accepted boolean not null default true,
  invitation_expires_at timestamptz,
  starts_at timestamptz,
  ends_at timestamptz,
  role_pin text,
  tier_pinned boolean not null default false,
  tier_pin text,
  -- The decision: what follows from words, pins, groups, rules and defaults at decided_version.
  status text not null check (status in ('pending', 'active', 'inactive')),
  role text not null,
  role_source text not null,
  administrative boolean not null default false,
  -- The tier that is due now; null also while the status allows no seat (LIC-8).
  tier text,
  tier_source text,
  decided_version bigint not null,
  -- The version that clients see, and one that also moves when a fact behind the decision does.
  version integer not null default 1,
  revision bigint not null default 1,
  created_at timestamptz not null,
  modified_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, user_name_norm)
);
create index users_external_id on users (tenant_id, external_id) where external_id is not null;
create index users_display_name on users (tenant_id, display_name_norm) where display_name_norm is not null;
create index users_emails on users using gin (emails) with (fastupdate = off);
create index users_administrative on users (tenant_id, role) where administrative;

alter table tokens add foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade;
create index tokens_user on tokens (tenant_id, user_id) where user_id is not null;

create table groups (
  tenant_id uuid not null references tenants on delete cascade,
  id uuid not null,
  display_name text not null,
  display_name_norm text collate "C" not null,
  external_id text,
  doc jsonb not null default '{}',
  -- Whether membership here can change somebody's role or tier: through an entry bound to this group or to one above it.
  deciding boolean not null default false,
  version integer not null default 1,
  created_at timestamptz not null,
  modified_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, display_name_norm)
);
create index groups_external_id on groups (tenant_id, external_id) where external_id is not null;

create table group_members (
  tenant_id uuid not null,
  group_id uuid not null,
  user_id uuid not null,
  primary key (tenant_id, group_id, user_id),
  foreign key (tenant_id, group_id) references groups (tenant_id, id) on delete cascade,
  foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create index group_members_user on group_members (tenant_id, user_id, group_id);

create table group_children (
  tenant_id uuid not null,
  parent_id uuid not null,
  child_id uuid not null,
  primary key (tenant_id, parent_id, child_id),
  foreign key (tenant_id, parent_id) references groups (tenant_id, id) on delete cascade,
  foreign key (tenant_id, child_id) references groups (tenant_id, id) on delete cascade,
  check (parent_id <> child_id)
);
create index group_children_child on group_children (tenant_id, child_id, parent_id);

-- TEAM-2: a mapping entry, named by what it matches, bound to a group by id; the binding outlives renames.
create table group_bindings (
  tenant_id uuid not null,
  group_id uuid not null,
  entry_key text not null,
  -- The team that the entry feeds, so that team membership is a join.
  team_id uuid,
  primary key (tenant_id, group_id, entry_key),
  foreign key (tenant_id, group_id) references groups (tenant_id, id) on delete cascade
);
create index group_bindings_entry on group_bindings (tenant_id, entry_key);

create table teams (
  tenant_id uuid not null references tenants on delete cascade,
  id uuid not null,
  kind text not null check (kind in ('team', 'workspace', 'agent', 'queue')),
  name text not null,
  name_norm text not null,
  -- Set for the team that an unmapped group feeds by itself (TEAM-1); such a team shares its name with nobody's consent.
  group_id uuid,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  foreign key (tenant_id, group_id) references groups (tenant_id, id) on delete cascade
);
alter table group_bindings add foreign key (tenant_id, team_id) references teams (tenant_id, id) on delete cascade;
create index group_bindings_team on group_bindings (tenant_id, team_id) where team_id is not null;
create unique index teams_name on teams (tenant_id, kind, name_norm) where group_id is null;
create unique index teams_group on teams (tenant_id, group_id) where group_id is not null;

-- Members by hand or by rule; those that come from groups are derived by join (TEAM-3).
create table team_members (
  tenant_id uuid not null,
  team_id uuid not null,
  user_id uuid not null,
  source text not null,
  primary key (tenant_id, team_id, user_id, source),
  foreign key (tenant_id, team_id) references teams (tenant_id, id) on delete cascade,
  foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create index team_members_user on team_members (tenant_id, user_id);

-- A pool is a tier and what was bought of it; what it holds is counted from its seats, never remembered (LIC-1).
create table pools (
  tenant_id uuid not null references tenants on delete cascade,
  tier text not null,
  name text not null,
  name_norm text not null,
  rank integer not null,
  permissions text[] not null default '{}',
  unlimited boolean not null default false,
  minimum integer not null default 0,
  unit_price numeric(12, 2),
  currency text not null default 'USD',
  billing_cycle text not null default 'monthly',
  renews_on date,
  when_full text not null default 'waitlist' check (when_full in ('waitlist', 'refuse', 'downgrade')),
  drain text not null default 'auto' check (drain in ('auto', 'manual')),
  primary key (tenant_id, tier),
  unique (tenant_id, name_norm),
  unique (tenant_id, rank)
);

create table seats (
  tenant_id uuid not null,
  tier text not null,
  no bigint not null,
  user_id uuid,
  since timestamptz,
  primary key (tenant_id, tier, no),
  unique (tenant_id, user_id),
  foreign key (tenant_id, tier) references pools (tenant_id, tier) on delete cascade,
  foreign key (tenant_id, user_id) references users (tenant_id, id),
  check ((user_id is null) = (since is null))
);
create index seats_free on seats (tenant_id, tier, no) where user_id is null;

create sequence tickets;
create table waitlist (
  tenant_id uuid not null,
  user_id uuid not null,
  tier text not null,
  -- LIC-4: drawn under the pool's exclusive lock, so numbers follow the order in which wishes were settled.
  ticket bigint not null,
  priority integer not null default 0,
  since timestamptz not null,
  primary key (tenant_id, user_id),
  foreign key (tenant_id, tier) references pools (tenant_id, tier) on delete cascade,
  foreign key (tenant_id, user_id) references users (tenant_id, id)
);
create index waitlist_order on waitlist (tenant_id, tier, priority desc, ticket);

-- GRD-5: what backs an administrative role: who authorized it, for which source, over which reserved permissions.
create table role_grants (
  tenant_id uuid not null,
  user_id uuid not null,
  role text not null,
  source text not null,
  permissions text[] not null,
  authorized_by jsonb not null,
  granted_at timestamptz not null,
  primary key (tenant_id, user_id, role, source),
  foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);

create table promotions (
  tenant_id uuid not null references tenants on delete cascade,
  id uuid not null,
  kind text not null check (kind in ('role', 'identity')),
  -- Null for a create that was refused: the person does not exist yet and is known by name.
  user_id uuid,
  user_name text not null,
  user_name_norm text not null,
  role text not null,
  sources text[] not null,
  -- The sign-in identity at the time of the request: a change of it voids the request (GRD-6).
  identity jsonb not null,
  -- The words that were refused: an approval makes them the client's words (GRD-6).
  wish jsonb,
  state text not null check (state in ('open', 'approved', 'declined', 'used', 'void')),
  attempts integer not null default 1,
  -- Every actor who asked, so that none of them approves it.
  requested_by jsonb not null,
  requested_at timestamptz not null,
  last_at timestamptz not null,
  decided_by jsonb,
  decided_at timestamptz,
  expires_at timestamptz,
  primary key (tenant_id, id)
);
create unique index promotions_open_user on promotions (tenant_id, user_id, kind, role) where state = 'open' and user_id is not null;
create unique index promotions_open_name on promotions (tenant_id, user_name_norm, kind, role) where state = 'open' and user_id is null;
create index promotions_name on promotions (tenant_id, user_name_norm) where user_id is null;

-- LOG-1: one append-only log. LOG-2: a position is given to committed events only, by the sealer (db/events.ts).
create table events (
  tenant_id uuid not null references tenants on delete cascade,
  id bigint generated always as identity,
  position bigint,
  at timestamptz not null,
  actor jsonb not null,
  action text not null,
  subject_type text not null,
  subject_id text not null,
  before jsonb,
  after jsonb,
  rule text,
  request_id text not null,
  primary key (tenant_id, id)
);
create unique index events_position on events (tenant_id, position) where position is not null;
create index events_unsealed on events (tenant_id, id) where position is null;
create index events_subject on events (tenant_id, subject_id, id);

create table feeds (
  tenant_id uuid primary key references tenants on delete cascade,
  last_position bigint not null default 0
);

-- What each connection sent and was answered, for the IT admin; written in batches, secrets redacted, pruned by age.
create table provisioning_log (
  tenant_id uuid not null references tenants on delete cascade,
  id uuid not null,
  at timestamptz not null,
  token_id uuid,
  connection text,
  request_id text not null,
  method text not null,
  path text not null,
  status integer not null,
  duration_ms real not null,
  request jsonb,
  answer jsonb,
  decision jsonb,
  primary key (tenant_id, id)
);

create table reconciles (
  tenant_id uuid primary key references tenants on delete cascade,
  rules_version bigint not null,
  state text not null check (state in ('running', 'done')),
  total integer not null default 0,
  done integer not null default 0,
  reason text not null,
  started_at timestamptz not null,
  finished_at timestamptz
);

create table idempotency_keys (
  tenant_id uuid not null references tenants on delete cascade,
  key text not null,
  operation text not null,
  request_digest text not null,
  answer jsonb,
  created_at timestamptz not null,
  primary key (tenant_id, operation, key)
);
