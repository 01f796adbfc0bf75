-- How seats change hands. One implementation for every door, inside the database, because each step must see what was
-- committed before it: every statement of a volatile function takes a new snapshot.
--
-- The rules of locking, which keep pools from deadlocking and wishes from missing releases:
--   * A pool's row is the lock of its queue. Joining the queue takes it exclusively; leaving the queue, releasing,
--     buying and draining take it shared, in a statement before they read the queue.
--   * Pools are locked by rank, highest first. Draining goes down the ranks, because who waits holds a lower seat at
--     most; so where a lower pool is locked before a drain, those between are locked with it.
--   * Nobody waits for a lock while holding a seat taken without the pool's lock: such claims come last, after draining.
--   * A user's seat and place are read in one statement: between two, a drain would hide both.
--   * Seats without a user are looked for with SKIP LOCKED; only under the exclusive lock with waiting, again and again
--     until none is visible, because a waiting look comes back empty when the one row it waited for was taken.
-- Seats of an unlimited pool have numbers of their own, below zero: those that were bought before stay beside them.
-- Callers hold the lock of the user's row, or have just inserted it. p_by is {actor, requestId, at}.

create function pool_counts(p_tenant uuid, p_tier text) returns jsonb language sql stable as $$
  select jsonb_build_object('tier', p_tier, 'purchased', count(*), 'used', count(user_id))
  from seats where tenant_id = p_tenant and tier = p_tier
$$;

create function log_seat(p_tenant uuid, p_user uuid, p_action text, p_before jsonb, p_after jsonb, p_rule text, p_by jsonb)
returns void language sql as $$
  insert into events (tenant_id, at, actor, action, subject_type, subject_id, before, after, rule, request_id)
  values (p_tenant, (p_by ->> 'at')::timestamptz, p_by -> 'actor', p_action, 'User', p_user::text, p_before, p_after,
          p_rule, p_by ->> 'requestId')
$$;

-- Locks pools exclusively, highest rank first: for changes of many users at once. Pools below the highest of them that
-- are not named are locked shared, because draining may reach them.
create function lock_pools(p_tenant uuid, p_tiers text[]) returns void language plpgsql as $$
declare
  v_pool record;
begin
  for v_pool in
    select tier, tier = any (p_tiers) as named from pools
    where tenant_id = p_tenant
      and rank <= (select max(rank) from pools where tenant_id = p_tenant and tier = any (p_tiers))
    order by rank desc
  loop
    if v_pool.named then
      perform 1 from pools where tenant_id = p_tenant and tier = v_pool.tier for no key update;
    else
      perform 1 from pools where tenant_id = p_tenant and tier = v_pool.tier for share;
    end if;
  end loop;
end $$;

-- Whether a free seat is visible. By the order of the index of free seats: an exists() may read the whole pool instead.
create function has_free_seat(p_tenant uuid, p_tier text) returns boolean language sql volatile as $$
  select (select no from seats where tenant_id = p_tenant and tier = p_tier and user_id is null order by no limit 1)
    is not null
$$;

-- A free seat of the tier, locked, without waiting and only where nobody queues. Null: none. Queue and seat are looked
-- at in one statement: a seat that becomes free after somebody has queued is not for us.
create function pick_seat(p_tenant uuid, p_tier text) returns bigint language plpgsql as $$
declare
  v_no bigint;
begin
  select s.no into v_no from seats s
    where s.tenant_id = p_tenant and s.tier = p_tier and s.user_id is null
      and not exists (select from waitlist w where w.tenant_id = p_tenant and w.tier = p_tier)
    order by s.no limit 1 for update of s skip locked;
  return v_no;
end $$;

-- The same with waiting, for holders of the pool's lock: null only when no free seat is visible any more.
create function await_seat(p_tenant uuid, p_tier text) returns bigint language plpgsql as $$
declare
  v_no bigint;
begin
  loop
    select no into v_no from seats
      where tenant_id = p_tenant and tier = p_tier and user_id is null
      order by no limit 1 for update;
    if v_no is not null then
      return v_no;
    end if;
    exit when not has_free_seat(p_tenant, p_tier);
  end loop;
  return null;
end $$;

-- Takes the user's seat away and returns its tier; a seat of an unlimited pool ends with its use. Does not drain.
create function vacate_seat(p_tenant uuid, p_user uuid) returns text language plpgsql as $$
declare
  v_tier text;
  v_no bigint;
begin
  select tier, no into v_tier, v_no from seats where tenant_id = p_tenant and user_id = p_user limit 1;
  if v_tier is null then
    return null;
  end if;
  if (select unlimited from pools where tenant_id = p_tenant and tier = v_tier) then
    delete from seats where tenant_id = p_tenant and tier = v_tier and no = v_no;
  else
    update seats set user_id = null, since = null where tenant_id = p_tenant and tier = v_tier and no = v_no;
  end if;
  return v_tier;
end $$;

-- LIC-4: gives free seats to the head of the queue, in its order, up to p_most; returns how many. Call it under the
-- pool's lock. Whoever held a lower seat while waiting gives it up, and that seat goes on to its own queue.
create function drain_pool(p_tenant uuid, p_tier text, p_most integer, p_by jsonb) returns integer language plpgsql as $$
declare
  v_given integer := 0;
  v_unlimited boolean;
  v_no bigint;
  v_user uuid;
  v_held text;
begin
  if not exists (select from waitlist where tenant_id = p_tenant and tier = p_tier) then
    return 0;
  end if;
  select unlimited into strict v_unlimited from pools where tenant_id = p_tenant and tier = p_tier;
  if p_most > 1 then
    -- One after the other they may hold seats of any lower pool, in no order.
    perform 1 from pools
      where tenant_id = p_tenant and rank < (select rank from pools where tenant_id = p_tenant and tier = p_tier)
      order by rank desc for share;
  end if;
  while v_given < p_most loop
    exit when not exists (select from waitlist where tenant_id = p_tenant and tier = p_tier);
    if v_unlimited then
      v_no := -nextval('tickets');
    else
      v_no := await_seat(p_tenant, p_tier);
    end if;
    exit when v_no is null;
    v_user := null;
    loop
      select user_id into v_user from waitlist
        where tenant_id = p_tenant and tier = p_tier
        order by priority desc, ticket limit 1 for update;
      exit when v_user is not null
        or not exists (select from waitlist where tenant_id = p_tenant and tier = p_tier);
    end loop;
    exit when v_user is null;
    delete from waitlist where tenant_id = p_tenant and user_id = v_user;
    select tier into v_held from seats where tenant_id = p_tenant and user_id = v_user;
    if v_held is not null then
      perform 1 from pools where tenant_id = p_tenant and tier = v_held for share;
      perform vacate_seat(p_tenant, v_user);
    end if;
    if v_unlimited then
      insert into seats (tenant_id, tier, no) values (p_tenant, p_tier, v_no);
    end if;
    update seats set user_id = v_user, since = (p_by ->> 'at')::timestamptz
      where tenant_id = p_tenant and tier = p_tier and no = v_no;
    perform log_seat(p_tenant, v_user, 'license.assigned',
      jsonb_build_object('tier', v_held, 'status', 'waitlisted', 'wanted', p_tier),
      jsonb_build_object('tier', p_tier, 'status', 'assigned'), 'LIC-4', p_by);
    if v_held is not null then
      perform drain_pool(p_tenant, v_held, 1, p_by) from pools
        where tenant_id = p_tenant and tier = v_held and drain = 'auto';
    end if;
    v_given := v_given + 1;
  end loop;
  return v_given;
end $$;

-- Takes the user's seat away and gives it to the first of its queue.
create function release_seat(p_tenant uuid, p_user uuid, p_by jsonb) returns void language plpgsql as $$
declare
  v_tier text := vacate_seat(p_tenant, p_user);
begin
  perform drain_pool(p_tenant, v_tier, 1, p_by) from pools
    where tenant_id = p_tenant and tier = v_tier and drain = 'auto';
end $$;

-- LIC-3 `downgrade`: a free seat of the next lower tier that has one. Under the locks of the higher pools.
create function pick_lower_seat(p_tenant uuid, p_rank integer, out tier text, out no bigint) language plpgsql as $$
declare
  v_pool pools%rowtype;
begin
  for v_pool in select * from pools where tenant_id = p_tenant and rank < p_rank order by rank desc loop
    tier := v_pool.tier;
    if v_pool.unlimited then
      no := -nextval('tickets');
      insert into seats (tenant_id, tier, no) values (p_tenant, tier, no);
    else
      perform 1 from pools where tenant_id = p_tenant and pools.tier = v_pool.tier for no key update;
      if not exists (select from waitlist w where w.tenant_id = p_tenant and w.tier = v_pool.tier) then
        no := await_seat(p_tenant, v_pool.tier);
      end if;
    end if;
    if no is not null then
      return;
    end if;
  end loop;
  tier := null;
end $$;

create function license_of(p_tenant uuid, p_user uuid) returns jsonb language sql stable as $$
  select jsonb_build_object(
    'tier', s.tier,
    'no', s.no,
    'status', case when s.tier is not null then 'assigned' when w.tier is not null then 'waitlisted' else 'none' end,
    'wanted', w.tier)
  from (select 1) one
  left join seats s on s.tenant_id = p_tenant and s.user_id = p_user
  left join waitlist w on w.tenant_id = p_tenant and w.user_id = p_user
$$;

-- The locks under which a seat changes: shared on the pools of the seat and the place that are given up; with p_waiting
-- exclusively on the wanted one (LIC-3: and on those below it that it may fall back to), and shared on those between.
create function lock_settling(p_tenant uuid, p_held text, p_queued text, p_due text, p_waiting boolean)
returns void language plpgsql as $$
declare
  v_due pools%rowtype;
  v_top integer;
  v_pool record;
begin
  select * into v_due from pools where tenant_id = p_tenant and tier = p_due;
  select max(rank) into v_top from pools where tenant_id = p_tenant and tier in (p_held, p_queued);
  for v_pool in
    select tier, p_waiting and (tier = p_due or v_due.when_full = 'downgrade' and rank < v_due.rank) as wanted
    from pools
    where tenant_id = p_tenant
      and (tier in (p_held, p_queued)
        or p_waiting and (tier = p_due or rank between v_due.rank and v_top
          or v_due.when_full = 'downgrade' and rank < v_due.rank))
    order by rank desc
  loop
    if v_pool.wanted then
      perform 1 from pools where tenant_id = p_tenant and tier = v_pool.tier for no key update;
    else
      perform 1 from pools where tenant_id = p_tenant and tier = v_pool.tier for share;
    end if;
  end loop;
end $$;

-- Makes the user's seat and place in the queue match the tier that is due (null: none), and returns the license.
-- LIC-3: p_may_refuse says whether a full pool may refuse (SQLSTATE US001, with the counts) instead of queueing.
-- LIC-5: while waiting for a higher tier the present seat is kept; a seat that is no longer due is given back.
create function settle_seat(p_tenant uuid, p_user uuid, p_due text, p_may_refuse boolean, p_by jsonb)
returns jsonb language plpgsql as $$
declare
  v_at timestamptz := (p_by ->> 'at')::timestamptz;
  v_held text;
  v_queued text;
  v_pool pools%rowtype;
  v_held_rank integer;
  v_no bigint;
  v_lower record;
  v_first integer := 1;
  v_release boolean := false;
begin
  select s.tier, w.tier into v_held, v_queued from (select 1) one
    left join seats s on s.tenant_id = p_tenant and s.user_id = p_user
    left join waitlist w on w.tenant_id = p_tenant and w.user_id = p_user;
  if v_queued is null and v_held is not distinct from p_due then
    return license_of(p_tenant, p_user);
  end if;
  if p_due is not null and v_queued = p_due then
    return license_of(p_tenant, p_user); -- LIC-4: the place is kept while the wish stays.
  end if;
  -- The common leaver: holds a seat and waits for none, so nobody but us moves it.
  if p_due is null and v_queued is null then
    perform 1 from pools where tenant_id = p_tenant and tier = v_held for share;
    perform release_seat(p_tenant, p_user, p_by);
    return jsonb_build_object('tier', null, 'no', null, 'status', 'none', 'wanted', null);
  end if;
  if p_due is not null then
    select * into strict v_pool from pools where tenant_id = p_tenant and tier = p_due;
  end if;

  -- The common case, a newcomer and a free seat: no lock but the seat's own.
  if v_held is null and v_queued is null and not v_pool.unlimited then
    v_no := pick_seat(p_tenant, p_due);
    if v_no is not null then
      update seats set user_id = p_user, since = v_at where tenant_id = p_tenant and tier = p_due and no = v_no;
      return jsonb_build_object('tier', p_due, 'no', v_no, 'status', 'assigned', 'wanted', null);
    end if;
  end if;

  -- First without the lock of the wanted pool; when that comes up short, once more from the start with it. Where that
  -- is to be foreseen, with it at once.
  if p_due is not null and not v_pool.unlimited and (v_held is null and v_queued is null
      or exists (select from waitlist where tenant_id = p_tenant and tier = p_due)
      or not has_free_seat(p_tenant, p_due)) then
    v_first := 2;
  end if;
  for v_try in v_first..2 loop
    begin
      perform lock_settling(p_tenant, v_held, v_queued, p_due, v_try = 2);
      if v_queued is not null then
        delete from waitlist where tenant_id = p_tenant and user_id = p_user;
        -- A drain may have served the user while the delete waited for it.
        select tier into v_held from seats where tenant_id = p_tenant and user_id = p_user;
      end if;
      v_no := null;
      if p_due is not null and v_held is distinct from p_due then
        if v_pool.unlimited then
          v_no := -nextval('tickets');
          insert into seats (tenant_id, tier, no) values (p_tenant, p_due, v_no);
        elsif v_try = 1 then
          perform release_seat(p_tenant, p_user, p_by);
          v_held := null;
          v_no := pick_seat(p_tenant, p_due);
          if v_no is null then
            raise exception 'short' using errcode = 'US000';
          end if;
        elsif not exists (select from waitlist where tenant_id = p_tenant and tier = p_due) then
          v_no := await_seat(p_tenant, p_due);
        end if;
      end if;
      exit;
    exception when sqlstate 'US000' then
      select s.tier, w.tier into v_held, v_queued from (select 1) one
        left join seats s on s.tenant_id = p_tenant and s.user_id = p_user
        left join waitlist w on w.tenant_id = p_tenant and w.user_id = p_user;
    end;
  end loop;

  if v_no is not null then
    v_release := v_held is not null;
    if v_release then
      perform vacate_seat(p_tenant, p_user);
    end if;
    update seats set user_id = p_user, since = v_at where tenant_id = p_tenant and tier = p_due and no = v_no;
  elsif p_due is null then
    v_release := v_held is not null;
    perform vacate_seat(p_tenant, p_user);
  elsif v_held is distinct from p_due then
    -- The pool is full (or others wait for it).
    select rank into v_held_rank from pools where tenant_id = p_tenant and tier = v_held;
    if v_pool.when_full = 'refuse' and p_may_refuse and coalesce(v_held_rank < v_pool.rank, true) then
      raise exception '%', pool_counts(p_tenant, p_due) using errcode = 'US001';
    end if;
    v_release := coalesce(v_held_rank > v_pool.rank, false);
    if v_release then
      perform vacate_seat(p_tenant, p_user);
    end if;
    if v_pool.when_full = 'downgrade' and (v_held is null or v_release) then
      select * into v_lower from pick_lower_seat(p_tenant, v_pool.rank);
      if v_lower.no is not null then
        update seats set user_id = p_user, since = v_at
          where tenant_id = p_tenant and tier = v_lower.tier and no = v_lower.no;
      end if;
    end if;
    insert into waitlist (tenant_id, user_id, tier, ticket, since)
      values (p_tenant, p_user, p_due, nextval('tickets'), v_at);
  end if;

  if v_release then
    perform drain_pool(p_tenant, v_held, 1, p_by) from pools
      where tenant_id = p_tenant and tier = v_held and drain = 'auto';
  end if;
  return license_of(p_tenant, p_user);
end $$;
