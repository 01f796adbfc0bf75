-- Buying with an offer, giving back at the renewal, seats that move between people and tiers, and numbers that are kept.

-- What was bought, kept beside the seats so that it need not be counted: by triggers, so that no statement forgets it.
-- It says how many there are and gives nobody a seat: that is for the seats' own rows (LIC-1). Used is what is not free.
alter table pools add column purchased integer not null default 0;
-- The day of the month on which a pool renews. The 31st is the last of a shorter month, and the 31st again after it.
alter table pools add column renewal_day smallint;
update pools p set renewal_day = extract(day from p.renews_on),
  purchased = (select count(*) from seats s where s.tenant_id = p.tenant_id and s.tier = p.tier and s.no > 0);
-- Whoever looks what is due looks across tenants.
create index pools_renewals on pools (renews_on) where renews_on is not null;

-- Seats of an unlimited pool have numbers below zero and were not bought. Under the pool's lock, which buying and giving
-- back take anyway.
create function count_bought() returns trigger language plpgsql as $$
begin
  update pools p set purchased = p.purchased + case when tg_op = 'INSERT' then c.seats else -c.seats end
  from (select tenant_id, tier, count(*) as seats from changed where no > 0 group by tenant_id, tier) c
  where p.tenant_id = c.tenant_id and p.tier = c.tier;
  return null;
end $$;
create trigger seats_bought after insert on seats referencing new table as changed
  for each statement execute function count_bought();
create trigger seats_given_back after delete on seats referencing old table as changed
  for each statement execute function count_bought();

-- How many people there are of each kind: the sum of rows that every change of a user adds, so that no two writers wait
-- for each other as they would for one counter. Now and then a writer adds up what others have left.
create table user_tallies (
  tenant_id uuid not null references tenants on delete cascade,
  id bigint generated always as identity,
  status text not null,
  administrative boolean not null,
  users integer not null,
  primary key (tenant_id, id)
);
insert into user_tallies (tenant_id, status, administrative, users)
  select tenant_id, status, administrative, count(*) from users group by tenant_id, status, administrative;

-- Adds up what has gathered; whoever works on the same rows at the same moment is passed over, not waited for.
create function fold_tallies(p_tenant uuid) returns void language sql as $$
  with old as (
    delete from user_tallies t using (
      select id from user_tallies where tenant_id = p_tenant order by id limit 1000 for update skip locked) o
    where t.tenant_id = p_tenant and t.id = o.id
    returning t.status, t.administrative, t.users)
  insert into user_tallies (tenant_id, status, administrative, users)
    select p_tenant, status, administrative, sum(users) from old group by status, administrative
    having sum(users) <> 0
$$;

create function tally_users() returns trigger language plpgsql as $$
declare
  v_sign integer := case tg_op when 'INSERT' then 1 else -1 end;
begin
  -- A tenant takes its users along when it goes, and nobody counts them any more.
  if tg_op = 'DELETE' and not exists (select from tenants where id = (select tenant_id from changed limit 1)) then
    return null;
  end if;
  perform from changed offset 1 limit 1;
  if not found then
    -- Nearly always one user, who needs no adding up: that would take a create of 0.17 ms 0.04 ms more, and not 0.025.
    insert into user_tallies (tenant_id, status, administrative, users)
      select tenant_id, status, administrative, v_sign from changed;
  else
    insert into user_tallies (tenant_id, status, administrative, users)
      select tenant_id, status, administrative, v_sign * count(*) from changed
      group by tenant_id, status, administrative;
  end if;
  if random() < 1.0 / 64 then
    perform fold_tallies((select tenant_id from changed limit 1));
  end if;
  return null;
end $$;
create trigger users_tally_insert after insert on users referencing new table as changed
  for each statement execute function tally_users();
create trigger users_tally_delete after delete on users referencing old table as changed
  for each statement execute function tally_users();

create function tally_change() returns trigger language plpgsql as $$
begin
  insert into user_tallies (tenant_id, status, administrative, users)
    values (old.tenant_id, old.status, old.administrative, -1), (new.tenant_id, new.status, new.administrative, 1);
  if random() < 1.0 / 64 then
    perform fold_tallies(new.tenant_id);
  end if;
  return null;
end $$;
-- Most writes change neither: for them there is nothing to do but this comparison.
create trigger users_tally_change after update on users for each row
  when (old.status is distinct from new.status or old.administrative is distinct from new.administrative)
  execute function tally_change();

-- An offer: what so many seats cost, kept for whoever authorises it. It is used once.
create table quotes (
  tenant_id uuid not null,
  id uuid not null,
  kind text not null check (kind in ('purchase', 'upgrade')),
  tier text not null,
  -- Where an upgrade leads.
  to_tier text,
  seats integer not null check (seats > 0),
  -- The prices and terms, as they were shown.
  offer jsonb not null,
  made_by jsonb not null,
  made_at timestamptz not null,
  expires_at timestamptz not null,
  used_by jsonb,
  used_at timestamptz,
  -- What whoever used it was answered, and is answered again.
  answer jsonb,
  primary key (tenant_id, id),
  foreign key (tenant_id, tier) references pools (tenant_id, tier) on delete cascade,
  foreign key (tenant_id, to_tier) references pools (tenant_id, tier) on delete cascade,
  check ((used_at is null) = (used_by is null))
);
create index quotes_pool on quotes (tenant_id, tier);
create index quotes_to_pool on quotes (tenant_id, to_tier);
create index quotes_unused on quotes (expires_at) where used_at is null;

-- LIC-7: seats that are to go at the renewal. What cannot go then stays open for the next.
create table reductions (
  tenant_id uuid not null,
  id uuid not null,
  tier text not null,
  seats integer not null check (seats > 0),
  scheduled_by jsonb not null,
  scheduled_at timestamptz not null,
  primary key (tenant_id, id),
  foreign key (tenant_id, tier) references pools (tenant_id, tier) on delete cascade
);
create index reductions_pool on reductions (tenant_id, tier, scheduled_at, id);

create index idempotency_keys_created on idempotency_keys (created_at);

-- LIC-4: one person's seat becomes another's, past the queue. The other's own seat goes to its queue, and neither waits
-- for anything afterwards. Under the exclusive locks of all pools and the locks of both users.
create function transfer_seat(p_tenant uuid, p_from uuid, p_to uuid, p_by jsonb) returns void language plpgsql as $$
declare
  v_tier text;
  v_held text;
  v_unlimited boolean;
begin
  delete from waitlist where tenant_id = p_tenant and user_id in (p_from, p_to);
  v_held := vacate_seat(p_tenant, p_to);
  update seats set user_id = p_to, since = (p_by ->> 'at')::timestamptz
    where tenant_id = p_tenant and user_id = p_from returning tier into strict v_tier;
  perform log_seat(p_tenant, p_from, 'license.transferred', jsonb_build_object('tier', v_tier),
    jsonb_build_object('tier', null, 'status', 'none', 'wanted', null, 'to', p_to), 'LIC-4', p_by);
  perform log_seat(p_tenant, p_to, 'license.transferred', jsonb_build_object('tier', v_held),
    jsonb_build_object('tier', v_tier, 'status', 'assigned', 'wanted', null, 'from', p_from), 'LIC-4', p_by);
  perform drain_pool(p_tenant, v_held, 1, p_by) from pools
    where tenant_id = p_tenant and tier = v_held and drain = 'auto';
end $$;

-- LIC-7: the seats of these holders become seats of another tier, with their holders; returns how many did. Under the
-- exclusive locks of all pools and the locks of the users.
create function upgrade_held_seats(p_tenant uuid, p_from text, p_to text, p_users uuid[], p_by jsonb)
returns integer language plpgsql as $$
declare
  v_users uuid[];
  v_last bigint;
begin
  delete from waitlist where tenant_id = p_tenant and user_id = any (p_users);
  with gone as (
    delete from seats where tenant_id = p_tenant and tier = p_from and user_id = any (p_users) returning user_id)
  select array_agg(user_id order by user_id) into v_users from gone;
  if v_users is null then
    return 0;
  end if;
  select no into v_last from seats where tenant_id = p_tenant and tier = p_to order by no desc limit 1;
  insert into seats (tenant_id, tier, no, user_id, since)
    select p_tenant, p_to, greatest(v_last, 0) + u.n, u.id, (p_by ->> 'at')::timestamptz
    from unnest(v_users) with ordinality u (id, n);
  perform log_seat(p_tenant, u.id, 'license.upgraded', jsonb_build_object('tier', p_from),
      jsonb_build_object('tier', p_to, 'status', 'assigned', 'wanted', null), 'LIC-7', p_by)
    from unnest(v_users) u (id);
  return cardinality(v_users);
end $$;
