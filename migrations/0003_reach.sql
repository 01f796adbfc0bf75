-- What a user reaches through groups and teams. Functions, because a plan for all of this costs more to set up than the
-- row that most reads are about: they are called only for users who are in a group, a team or a queue.

-- Groups, those above them included, as deep as nesting counts (TEAM-5), with the entries bound to them and the teams
-- that follow: bound entries name one, an unmapped group feeds its own (TEAM-1), rules and people add others (TEAM-3).
create function user_reach(p_tenant uuid, p_user uuid) returns json language plpgsql stable as $$
declare
  v_direct uuid[];
  v_all uuid[];
begin
  select array_agg(group_id) into v_direct from group_members where tenant_id = p_tenant and user_id = p_user;
  v_all := v_direct;
  if exists (select from group_children where tenant_id = p_tenant and child_id = any (v_direct)) then
    with recursive above (group_id, depth) as (
      select unnest(v_direct), 0
      union
      select c.parent_id, a.depth + 1 from above a
      join group_children c on c.tenant_id = p_tenant and c.child_id = a.group_id
      where a.depth < 8)
    select array_agg(distinct group_id) into v_all from above;
  end if;
  return json_build_object(
    'bindings', (
      select json_agg(json_build_object('groupId', b.group_id, 'entryKey', b.entry_key) order by b.entry_key, b.group_id)
      from group_bindings b where b.tenant_id = p_tenant and b.group_id = any (v_all)),
    'groups', (
      select json_agg(json_build_object('value', g.id, 'display', g.display_name,
        'type', case when g.id = any (v_direct) then 'direct' else 'indirect' end) order by g.id)
      from groups g where g.tenant_id = p_tenant and g.id = any (v_all)),
    'teams', (
      select json_agg(json_build_object('value', t.id, 'display', t.name, 'kind', t.kind) order by t.name, t.id)
      from teams t where t.tenant_id = p_tenant and t.id in (
        select b.team_id from group_bindings b
          where b.tenant_id = p_tenant and b.group_id = any (v_all) and b.team_id is not null
        union all
        select o.id from teams o
          where o.tenant_id = p_tenant and o.group_id = any (v_all) and not exists (
            select from group_bindings b
            where b.tenant_id = p_tenant and b.group_id = o.group_id and b.team_id is not null)
        union all
        select m.team_id from team_members m where m.tenant_id = p_tenant and m.user_id = p_user)));
end $$;

-- The place in the queue, from 1 (LIC-4).
create function queue_position(p_tenant uuid, p_tier text, p_priority integer, p_ticket bigint) returns bigint
language plpgsql stable as $$
begin
  return (select count(*) from waitlist w where w.tenant_id = p_tenant and w.tier = p_tier
    and (w.priority > p_priority or w.priority = p_priority and w.ticket <= p_ticket));
end $$;
