-- Passwords apart from users: whoever reads a user, a view or a dump of that table sees no hash.
create table passwords (
  tenant_id uuid not null,
  user_id uuid not null,
  -- `$scrypt$ln=…,r=…,p=…$salt$key`: with its parameters, so that they can change.
  hash text not null,
  set_at timestamptz not null,
  set_by jsonb not null,
  primary key (tenant_id, user_id),
  foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);

-- A promotion request's wish as it may be told (GRD-8): that a password was asked for, never its hash.
create function told_wish(p_wish jsonb) returns jsonb
language sql immutable as $$
  select case when jsonb_typeof(p_wish -> 'password') = 'object' then p_wish || jsonb_build_object('password',
    case when p_wish #>> '{password,hash}' is null then 'removed' else 'set' end) else p_wish end
$$;
