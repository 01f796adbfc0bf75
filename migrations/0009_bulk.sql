-- Work on many people at once that outlives its request: who asked for what, how far it is, what became of each person.

create table bulk_jobs (
  tenant_id uuid not null references tenants on delete cascade,
  id uuid not null,
  kind text not null check (kind in ('bulk', 'import')),
  -- receiving: a file is still being stored, and nobody works on it yet.
  state text not null check (state in ('receiving', 'waiting', 'running', 'done', 'cancelled')),
  request jsonb not null,
  -- Who asked: the job has their authority, as it is in each of its steps (GRD-5).
  principal jsonb not null,
  request_id text not null,
  total integer not null,
  done integer not null default 0,
  -- How many came to what, as {"changed": 12, "refused": 1}.
  outcomes jsonb not null default '{}',
  -- What a dry run has to remember from one step to the next: seats that would be gone by now.
  memo jsonb,
  created_at timestamptz not null,
  started_at timestamptz,
  finished_at timestamptz,
  primary key (tenant_id, id)
);
create index bulk_jobs_unfinished on bulk_jobs (tenant_id, id) where state in ('receiving', 'waiting', 'running');
-- Whoever looks what is old looks across tenants.
create index bulk_jobs_created on bulk_jobs (created_at);

-- One person, or one line of a file. What is to be done is gone as soon as it has its result.
create table bulk_items (
  tenant_id uuid not null,
  job_id uuid not null,
  no integer not null,
  input jsonb,
  result jsonb,
  primary key (tenant_id, job_id, no),
  foreign key (tenant_id, job_id) references bulk_jobs (tenant_id, id) on delete cascade
);
create index bulk_items_waiting on bulk_items (tenant_id, job_id, no) where result is null;
