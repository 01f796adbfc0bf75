/** Users, groups, members and seats of a tenant, as rows: what the server would have written itself, much sooner. */
import type { Session } from "../../src/db/engine.ts";
import type { Group, Tenant } from "./tenant.ts";

export interface Filling {
  readonly users: number;
  readonly newcomers: number;
  readonly plain: readonly Group[];
  readonly granting: readonly Group[];
}

// Ids are UUIDv7 like the server's own, in the order of the numbers: a second apart, ending now.
const functions = `
  create or replace function pg_temp.bench_id(tenant uuid, kind text, ms bigint) returns uuid language sql as $$
    select (lpad(to_hex(ms), 12, '0') || '7' || substr(h, 1, 3) || '8' || substr(h, 4, 15))::uuid
    from md5(tenant || kind || ms) h
  $$;
  create or replace function pg_temp.bench_ms(n bigint, total bigint) returns bigint language sql as $$
    select (extract(epoch from date_trunc('second', now())) * 1000)::bigint - (total - n + 1) * 1000
  $$`;

// $2: users; $3: newcomers; $4, $5: sizes of the groups that grant, and what they are as the source of a tier.
// The tier comes from the group whose source is first, as the domain decides it.
const users = `
  insert into users (tenant_id, id, user_name, user_name_norm, external_id, display_name_norm, emails, doc, active,
    status, role, role_source, tier, tier_source, decided_version, created_at, modified_at)
  select $1, pg_temp.bench_id($1, 'user', p.ms), p.user_name, p.user_name, p.external_id, p.given || ' ' || p.family,
    array[p.user_name],
    jsonb_build_object(
      'userName', p.user_name,
      'externalId', p.external_id,
      'active', true,
      'displayName', p.given || ' ' || p.family,
      'name', jsonb_build_object('givenName', p.given, 'familyName', p.family, 'formatted', p.given || ' ' || p.family),
      'title', (array['Engineer', 'Lead Engineer', 'Account Manager', 'Analyst'])[1 + p.n % 4],
      'preferredLanguage', 'en-US',
      'emails', jsonb_build_array(jsonb_build_object('value', p.user_name, 'type', 'work', 'primary', true)),
      'phoneNumbers', jsonb_build_array(
        jsonb_build_object('value', '+1 555 ' || lpad(p.n::text, 7, '0'), 'type', 'work')),
      'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User', jsonb_build_object(
        'employeeNumber', p.n::text,
        'department', (array['Engineering', 'Sales', 'Support', 'Finance', 'Operations'])[1 + p.n % 5])),
    true, 'active', 'user', 'default', case when p.n <= $2 then 'pro' end,
    coalesce(
      (select min(g.source collate "C") from unnest($4::integer[], $5::text[]) g (size, source) where p.n <= g.size),
      'default'),
    (select rules_version from tenants where id = $1), to_timestamp(p.ms / 1000), to_timestamp(p.ms / 1000)
  from (
    select n, given, family, given || '.' || family || n || '@' || t.slug || '.example' as user_name,
      md5('external' || n)::uuid::text as external_id, pg_temp.bench_ms(n, $2::bigint + $3::bigint) as ms
    from tenants t, generate_series(1, $2::integer + $3::integer) n,
      lateral (select
        (array['ada', 'alan', 'barbara', 'edsger', 'grace', 'katherine', 'niklaus'])[1 + n % 7] as given,
        (array['lovelace', 'turing', 'liskov', 'dijkstra', 'hopper', 'johnson', 'wirth', 'hamilton'])[1 + n % 8] as family
        ) w
    where t.id = $1) p`;

// The users by number, newcomers last.
const numbered = "select id, row_number() over (order by id) as n from users where tenant_id = $1";

const seats = `
  insert into seats (tenant_id, tier, no, user_id, since)
  select $1, 'pro', n, case when n <= $2 then id end, case when n <= $2 then now() end from (${numbered}) u`;

// An ordinary group for every ten users, with the team that it feeds by itself (TEAM-1).
const teams = `
  with g as (
    insert into groups (tenant_id, id, display_name, display_name_norm, external_id, created_at, modified_at)
    select $1, pg_temp.bench_id($1, 'group', pg_temp.bench_ms(n, $2)), 'Team ' || n, 'team ' || n,
      md5('group' || n)::uuid::text, now(), now()
    from generate_series(1, $2::bigint / 10) n
    returning id, display_name, display_name_norm)
  insert into teams (tenant_id, id, kind, name, name_norm, group_id, created_at)
  select $1, gen_random_uuid(), 'team', display_name, display_name_norm, id, now() from g`;

const teamMembers = `
  insert into group_members (tenant_id, group_id, user_id)
  select $1, g.id, u.id
  from (
    select id, row_number() over (order by id) as n from groups
    where tenant_id = $1 and display_name like 'Team %') g
  join (${numbered}) u on (u.n - 1) / 10 + 1 = g.n`;

const members = `
  insert into group_members (tenant_id, group_id, user_id)
  select $1, g.id, u.id from (${numbered}) u join unnest($2::uuid[], $3::integer[]) g (id, size) on u.n <= g.size`;

const newcomers = "select id from users where tenant_id = $1 order by id desc limit $2";

// Of those who are in the largest groups only, so that everybody who is looked for is in as many.
const people = `
  select id, user_name as "userName", external_id as "externalId", emails[1] as email
  from (${numbered}) n join users u using (id)
  where u.tenant_id = $1 and n.n > $2::integer / 10 and n.n <= $2 order by md5(id::text) limit 200`;

const teamNames = `
  select display_name as name from groups where tenant_id = $1 and display_name like 'Team %'
  order by md5(id::text) limit 200`;

/** Fills the tenant: everybody in the largest group that grants holds a seat, as decided by the rules as they are. */
export async function fill(
  session: Session,
  tenantId: string,
  filling: Filling,
): Promise<Pick<Tenant, "people" | "newcomers" | "teamNames">> {
  const { plain, granting } = filling;
  await session.script(functions);
  // The server's own bound on a statement is for requests.
  await session.script("set statement_timeout = 0");
  const sources = granting.map(({ id, size }) => `group:displayName:licensed ${size}|${id}`);
  const sizes = granting.map(({ size }) => size);
  await session.query(users, [tenantId, filling.users, filling.newcomers, sizes, sources]);
  await session.query(seats, [tenantId, filling.users]);
  await session.query(teams, [tenantId, filling.users]);
  await session.query(teamMembers, [tenantId]);
  const groups = [...plain, ...granting];
  await session.query(members, [tenantId, groups.map(({ id }) => id), groups.map(({ size }) => size)]);

  const found = await session.query<Tenant["people"][number]>(people, [tenantId, filling.users]);
  const last = await session.query<{ id: string }>(newcomers, [tenantId, filling.newcomers]);
  const names = await session.query<{ name: string }>(teamNames, [tenantId]);
  return { people: found, newcomers: last.map(({ id }) => id), teamNames: names.map(({ name }) => name) };
}
