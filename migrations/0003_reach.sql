-- What a user reaches through groups and teams. Functions, because a plan for all of this costs more to set up than the
-- row that most reads are about: they are called only for users who are in a group, a team or a queue.

-- Groups, those above them included, as deep as nesting counts (TEAM-5), with the entries bound to them and the teams
-- that follow: bound entries name one, an unmapped group feeds its own (TEAM-1), rules and people add others (TEAM-3).
-- Users in no group and no team have no row.
create function users_reach(p_tenant uuid, p_users uuid[]) returns table (user_id uuid, reach json)
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
    join teams t on t.tenant_id = p_tenant and t.id = f.team_id
    group by f.user_id)
  select user_id, json_build_object('bindings', b.items, 'groups', g.items, 'teams', t.items)
  from grouped g full join teamed t using (user_id) left join bound b using (user_id);
end $$;

-- The place in the queue, from 1 (LIC-4).
create function queue_position(p_tenant uuid, p_tier text, p_priority integer, p_ticket bigint) returns bigint
language plpgsql stable as $$
begin
  return (select count(*) from waitlist w where w.tenant_id = p_tenant and w.tier = p_tier
    and (w.priority > p_priority or w.priority = p_priority and w.ticket <= p_ticket));
end $$;
