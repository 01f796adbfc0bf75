-- What people are invited with, what is known of their comings and goings, and what makes their list quick.

-- Sessions begun before this moment are over: set by signing out everywhere, a password reset, and whenever a person
-- goes out, so that coming back does not bring an old session back. Only ever moves forward.
alter table users add column sessions_not_before timestamptz;

-- Who writes this person's words: a provisioning client, which will write them again, or the management side alone.
alter table users add column source text not null default 'scim' check (source in ('scim', 'api', 'cli', 'job'));

-- P-2: what was spent, by currency, as {"USD": {"used": 12.5, "told": 10}}; told is the limit whose passing was told.
-- Beside the row and not below it, because every read of a user shows it.
alter table users add column spent jsonb;

-- What the list finds people by, computed in code like every *_norm: the company, and names and addresses in one text.
alter table users add column company_norm text collate "C";
alter table users add column search text collate "C" not null default '';
update users set
  search = left(concat_ws(E'\n', display_name_norm, array_to_string(emails, E'\n')), 500),
  company_norm = lower(doc -> 'urn:ietf:params:scim:schemas:extension:usher:2.0:User' ->> 'company');

-- What the list is filtered by lies beside the name in its index: whoever looks for a part of a name, or for everybody of
-- a role, reads 15 MB of an index and not 110 MB of documents (100,000 users, two busy cores: 69 ms instead of 199).
alter table users drop constraint users_tenant_id_user_name_norm_key;
alter table users add constraint users_tenant_id_user_name_norm_key
  unique (tenant_id, user_name_norm) include (id, status, role, search);
create index users_modified on users (tenant_id, modified_at, id);
create index users_company on users (tenant_id, company_norm, user_name_norm) where company_norm is not null;

-- The secret behind an invitation: its digest, for one acceptance. When it ends is said by the user's row.
create table invitations (
  tenant_id uuid not null,
  user_id uuid not null,
  digest bytea not null,
  -- Who invited last, and how often that was.
  invited_by jsonb not null,
  invited_at timestamptz not null,
  sends integer not null default 1,
  primary key (tenant_id, user_id),
  foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);

-- Q-11: what the product tells of a person, and when somebody last looked at what they may do. Apart from users, because
-- it changes all day and nobody's decision rests on it.
create table activities (
  tenant_id uuid not null,
  user_id uuid not null,
  last_seen_at timestamptz,
  online boolean not null default false,
  -- The moment that online and calls_handled are of: what arrives late does not take back what is known.
  told_at timestamptz,
  calls_handled integer,
  calls_at timestamptz,
  trained_at timestamptz,
  reviewed_at timestamptz,
  reviewed_by jsonb,
  primary key (tenant_id, user_id),
  foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create index activities_seen on activities (tenant_id, last_seen_at, user_id) where last_seen_at is not null;
create index activities_reviewed on activities (tenant_id, reviewed_at, user_id) where reviewed_at is not null;

-- What was spent, item by item: an id counts once.
create table usage_items (
  tenant_id uuid not null,
  id text not null,
  user_id uuid not null,
  amount numeric not null,
  currency text not null,
  at timestamptz not null,
  received_at timestamptz not null,
  primary key (tenant_id, id),
  foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create index usage_items_user on usage_items (tenant_id, user_id);
-- Whoever looks what is old looks across tenants.
create index usage_items_received on usage_items (received_at);
