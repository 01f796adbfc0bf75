-- Teams that people make, change and archive; since when somebody is in one; grants of agents; queues that leavers were in.

-- An archived team keeps its members and its history and gives nothing, whatever goes on feeding it.
alter table teams add column archived_at timestamptz;
create index teams_list on teams (tenant_id, name_norm, id);

-- Since when a membership has its source. Null: since before this was kept. No default for the rows that are there.
alter table group_members add column since timestamptz;
alter table group_members alter column since set default now();
alter table team_members add column since timestamptz;
alter table team_members alter column since set default now();
-- Who added somebody by hand.
alter table team_members add column added_by jsonb;

-- Q-12: whose role an Admin pinned.
create index users_pinned on users (tenant_id, id) where role_pin is not null;

-- P-6: an agent is granted to a person, a team or a workspace.
create table team_grants (
  tenant_id uuid not null,
  id uuid not null,
  agent_id uuid not null,
  user_id uuid,
  team_id uuid,
  granted_by jsonb not null,
  granted_at timestamptz not null,
  primary key (tenant_id, id),
  foreign key (tenant_id, agent_id) references teams (tenant_id, id) on delete cascade,
  foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade,
  foreign key (tenant_id, team_id) references teams (tenant_id, id) on delete cascade,
  check (num_nonnulls(user_id, team_id) = 1)
);
create index team_grants_agent on team_grants (tenant_id, agent_id, id);
create unique index team_grants_user on team_grants (tenant_id, user_id, agent_id);
create unique index team_grants_team on team_grants (tenant_id, team_id, agent_id);

-- TEAM-4: queues that somebody was in when they were deactivated, for 90 days.
create table remembered_queues (
  tenant_id uuid not null,
  user_id uuid not null,
  team_id uuid not null,
  -- Since when they had been in it.
  since timestamptz,
  left_at timestamptz not null,
  primary key (tenant_id, user_id, team_id),
  foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade,
  foreign key (tenant_id, team_id) references teams (tenant_id, id) on delete cascade
);
create index remembered_queues_team on remembered_queues (tenant_id, team_id);
create index remembered_queues_left on remembered_queues (left_at);

-- TEAM-4: takes somebody who is out off their queues and remembers these; returns them, or null for most people, who are
-- in none. Under the lock of the user's row. The queues are locked before the memberships, as whoever deletes a queue does.
create function leave_queues(p_tenant uuid, p_user uuid, p_by jsonb) returns jsonb language plpgsql as $$
declare
  v_at timestamptz := (p_by ->> 'at')::timestamptz;
  v_queues jsonb;
begin
  if not exists (select from team_members m where m.tenant_id = p_tenant and m.user_id = p_user) then
    return null;
  end if;
  perform 1 from teams t
    where t.tenant_id = p_tenant and t.kind = 'queue'
      and t.id in (select m.team_id from team_members m where m.tenant_id = p_tenant and m.user_id = p_user)
    order by t.id for key share;
  with gone as (
    delete from team_members m using teams t
    where m.tenant_id = p_tenant and m.user_id = p_user
      and t.tenant_id = p_tenant and t.id = m.team_id and t.kind = 'queue'
    returning m.team_id, t.name, m.since),
  queues as (select team_id, name, min(since) as since from gone group by team_id, name),
  kept as (
    insert into remembered_queues (tenant_id, user_id, team_id, since, left_at)
    select p_tenant, p_user, q.team_id, q.since, v_at from queues q
    on conflict (tenant_id, user_id, team_id) do update set since = excluded.since, left_at = excluded.left_at)
  select jsonb_agg(jsonb_build_object('value', q.team_id, 'display', q.name) order by q.name, q.team_id)
    into v_queues from queues q;
  if v_queues is not null then
    insert into events (tenant_id, at, actor, action, subject_type, subject_id, before, after, rule, request_id)
    values (p_tenant, v_at, p_by -> 'actor', 'user.queues-left', 'User', p_user::text,
      jsonb_build_object('queues', v_queues), jsonb_build_object('queues', '[]'::jsonb), 'TEAM-4', p_by ->> 'requestId');
  end if;
  return v_queues;
end $$;

-- TEAM-3: members by hand survive the end of a group. A group's own team that has some goes on as a team made by hand,
-- under another name where that one is taken. Of one group, which is about to go, or (null) of all. Returns what stays.
create function release_own_teams(p_tenant uuid, p_group uuid) returns table (id uuid, group_id uuid, name text)
language plpgsql as $$
#variable_conflict use_column
declare
  v_team teams%rowtype;
  v_number integer;
  v_suffix text;
begin
  for v_team in
    select t.* from teams t
    where t.tenant_id = p_tenant and t.group_id is not null and case when p_group is not null then t.group_id = p_group
      else exists (
        select from team_members m where m.tenant_id = p_tenant and m.team_id = t.id and m.source = 'manual') end
    order by t.id for update
  loop
    continue when not exists (
      select from team_members m where m.tenant_id = p_tenant and m.team_id = v_team.id and m.source = 'manual');
    v_number := 1;
    loop
      v_suffix := case when v_number = 1 then '' else ' (' || v_number || ')' end;
      begin
        update teams t set group_id = null, name = v_team.name || v_suffix, name_norm = v_team.name_norm || v_suffix
          where t.tenant_id = p_tenant and t.id = v_team.id;
        exit;
      exception when unique_violation then
        v_number := v_number + 1;
      end;
    end loop;
    id := v_team.id;
    group_id := v_team.group_id;
    name := v_team.name || v_suffix;
    return next;
  end loop;
end $$;

-- Groups that feed these teams, with those nested in them as deep as nesting counts (TEAM-5): bound ones, and the group
-- whose own team it is, unless the mapping sends that elsewhere (TEAM-1). `root` is the group that feeds, `group_id`
-- itself or one below it.
create function team_feeds(p_tenant uuid, p_teams uuid[])
returns table (team_id uuid, root uuid, entry_key text, group_id uuid) language plpgsql stable as $$
#variable_conflict use_column
begin
  return query
  with recursive feeding (team_id, root, entry_key, group_id, depth) as (
    select b.team_id, b.group_id, b.entry_key, b.group_id, 0 from group_bindings b
      where b.tenant_id = p_tenant and b.team_id = any (p_teams)
    union
    select t.id, t.group_id, null::text, t.group_id, 0 from teams t
      where t.tenant_id = p_tenant and t.id = any (p_teams) and t.group_id is not null and not exists (
        select from group_bindings b
        where b.tenant_id = p_tenant and b.group_id = t.group_id and b.team_id is not null)
    union
    select f.team_id, f.root, f.entry_key, c.child_id, f.depth + 1 from feeding f
      join group_children c on c.tenant_id = p_tenant and c.parent_id = f.group_id
      where f.depth < 8)
  select distinct team_id, root, entry_key, group_id from feeding;
end $$;

-- As in 0003_reach.sql, without teams that are archived.
create or replace function users_reach(p_tenant uuid, p_users uuid[]) returns table (user_id uuid, reach json)
language plpgsql stable as $$
#variable_conflict use_column
begin
  return query
  with recursive above (user_id, group_id, depth) as (
    select m.user_id, m.group_id, 0 from group_members m where m.tenant_id = p_tenant and m.user_id = any (p_users)
    union
    select a.user_id, c.parent_id, a.depth + 1 from above a
    join group_children c on c.tenant_id = p_tenant and c.child_id = a.group_id
    where a.depth < 8),
  held as (select user_id, group_id, min(depth) = 0 as direct from above group by user_id, group_id),
  bound as (
    select h.user_id, json_agg(json_build_object('groupId', b.group_id, 'entryKey', b.entry_key)
      order by b.entry_key, b.group_id) as items
    from held h join group_bindings b on b.tenant_id = p_tenant and b.group_id = h.group_id
    group by h.user_id),
  grouped as (
    select h.user_id, json_agg(json_build_object('value', g.id, 'display', g.display_name,
      'type', case when h.direct then 'direct' else 'indirect' end) order by g.id) as items
    from held h join groups g on g.tenant_id = p_tenant and g.id = h.group_id
    group by h.user_id),
  fed (user_id, team_id, source) as (
    select h.user_id, b.team_id, 'group:' || b.entry_key || '|' || b.group_id from held h
      join group_bindings b on b.tenant_id = p_tenant and b.group_id = h.group_id
      where b.team_id is not null
    union
    select h.user_id, o.id, 'group:' || o.group_id from held h
      join teams o on o.tenant_id = p_tenant and o.group_id = h.group_id
      where not exists (
        select from group_bindings b
        where b.tenant_id = p_tenant and b.group_id = h.group_id and b.team_id is not null)
    union
    select m.user_id, m.team_id, m.source from team_members m
      where m.tenant_id = p_tenant and m.user_id = any (p_users)),
  teamed as (
    select f.user_id, json_agg(json_build_object('value', t.id, 'display', t.name, 'kind', t.kind, 'sources', f.sources)
      order by t.name, t.id) as items
    from (select user_id, team_id, array_agg(source order by source) as sources from fed group by user_id, team_id) f
    join teams t on t.tenant_id = p_tenant and t.id = f.team_id and t.archived_at is null
    group by f.user_id)
  select user_id, json_build_object('bindings', b.items, 'groups', g.items, 'teams', t.items)
  from grouped g full join teamed t using (user_id) left join bound b using (user_id);
end $$;

-- P-6: every way in which an agent reaches somebody: a grant to them, being its member, or a grant to a team or workspace
-- of theirs that is not archived. Of one agent or (null) of all.
create function agent_paths(p_tenant uuid, p_user uuid, p_agent uuid)
returns table (agent_id uuid, agent_name text, archived boolean, via text, team_id uuid, team_name text, team_kind text,
  since timestamptz)
language plpgsql stable as $$
#variable_conflict use_column
declare
  v_teams json := '[]';
begin
  if exists (select from group_members m where m.tenant_id = p_tenant and m.user_id = p_user)
      or exists (select from team_members m where m.tenant_id = p_tenant and m.user_id = p_user) then
    select coalesce(r.reach -> 'teams', '[]') into v_teams from users_reach(p_tenant, array[p_user]) r;
  end if;
  return query
  with mine as materialized (
    select t.value as id, t.display, t.kind
    from json_to_recordset(case json_typeof(v_teams) when 'array' then v_teams else '[]' end)
      as t (value uuid, display text, kind text)),
  paths (agent_id, via, team_id, team_name, team_kind, since) as (
    select g.agent_id, 'user', null::uuid, null::text, null::text, g.granted_at from team_grants g
      where g.tenant_id = p_tenant and g.user_id = p_user and (p_agent is null or g.agent_id = p_agent)
    union all
    select m.id, 'member', null, null, null, null from mine m
      where m.kind = 'agent' and (p_agent is null or m.id = p_agent)
    union all
    select g.agent_id, 'team', m.id, m.display, m.kind, g.granted_at from mine m
      join team_grants g on g.tenant_id = p_tenant and g.team_id = m.id and (p_agent is null or g.agent_id = p_agent))
  select a.id, a.name, a.archived_at is not null, p.via, p.team_id, p.team_name, p.team_kind, p.since from paths p
  join teams a on a.tenant_id = p_tenant and a.id = p.agent_id
  order by a.name_norm, a.id, p.via desc, p.team_name, p.team_id;
end $$;

-- How many people have a source in each of the teams, those whose membership is suspended (TEAM-4) among them: so it comes
-- from indexes alone. People are told apart only where a team has several sources.
create function team_sizes(p_tenant uuid, p_teams uuid[]) returns table (team_id uuid, members bigint)
language plpgsql stable as $$
#variable_conflict use_column
begin
  return query
  with feeds as materialized (
    select team_id, array_agg(distinct group_id) as groups from team_feeds(p_tenant, p_teams) group by team_id),
  handed as materialized (
    select m.team_id, count(distinct m.user_id) as members from team_members m
    where m.tenant_id = p_tenant and m.team_id = any (p_teams) group by m.team_id)
  select t.id, case
    when f.groups is null then coalesce(h.members, 0)
    when h.members is null and cardinality(f.groups) = 1
    then (select count(*) from group_members m where m.tenant_id = p_tenant and m.group_id = f.groups[1])
    else (select count(*) from (
      select m.user_id from unnest(f.groups) g (id) join group_members m on m.tenant_id = p_tenant and m.group_id = g.id
      union
      select m.user_id from team_members m where m.tenant_id = p_tenant and m.team_id = t.id) i)
    end
  from unnest(p_teams) as t (id) left join feeds f on f.team_id = t.id left join handed h on h.team_id = t.id;
end $$;
