/** Everything that a tenant's changes have left, without what differs however alike two tenants are: ids and times. */
import type { OpenDatabase } from "../../src/db/transactions.ts";

const statements: Readonly<Record<string, string>> = {
  events: `select to_jsonb(e) - '{tenant_id,id,position,at,actor,request_id}'::text[] as row from events e
    where e.tenant_id = $1 and e.action not in ('tenant.created', 'token.created') order by e.id`,
  users: `select to_jsonb(u) - '{tenant_id,created_at,modified_at,sessions_not_before}'::text[] as row from users u
    where u.tenant_id = $1 order by u.user_name_norm`,
  seats: `select jsonb_build_object('tier', s.tier, 'no', case when s.no > 0 then s.no end, 'user', s.user_id) as row from seats s
    join users u on u.tenant_id = s.tenant_id and u.id = s.user_id where s.tenant_id = $1 order by s.tier, abs(s.no)`,
  waitlist: `select to_jsonb(w) - '{tenant_id,ticket,since}'::text[] as row from waitlist w
    where w.tenant_id = $1 order by w.tier, w.priority desc, w.ticket`,
  groups: `select to_jsonb(g) - '{tenant_id,created_at,modified_at}'::text[] as row from groups g
    where g.tenant_id = $1 order by g.display_name_norm`,
  members: `select jsonb_build_object('group', g.display_name, 'user', u.user_name) as row from group_members m
    join groups g on g.tenant_id = m.tenant_id and g.id = m.group_id
    join users u on u.tenant_id = m.tenant_id and u.id = m.user_id
    where m.tenant_id = $1 order by g.display_name_norm, u.user_name_norm`,
  teams: `select jsonb_build_object('team', t.name, 'user', u.user_name, 'source', m.source) as row from team_members m
    join teams t on t.tenant_id = m.tenant_id and t.id = m.team_id
    join users u on u.tenant_id = m.tenant_id and u.id = m.user_id
    where m.tenant_id = $1 order by t.name, u.user_name_norm, m.source`,
  promotions: `select to_jsonb(p) - '{tenant_id,id,requested_by,requested_at,last_at}'::text[] as row from promotions p
    where p.tenant_id = $1 order by p.user_name_norm, p.role`,
  grants: `select to_jsonb(r) - '{tenant_id,granted_at,authorized_by}'::text[] as row from role_grants r
    join users u on u.tenant_id = r.tenant_id and u.id = r.user_id
    where r.tenant_id = $1 order by u.user_name_norm, r.role, r.source`,
  passwords: `select jsonb_build_object('user', u.user_name) as row from passwords p
    join users u on u.tenant_id = p.tenant_id and u.id = p.user_id where p.tenant_id = $1 order by u.user_name_norm`,
};

export type Snapshot = Readonly<Record<string, readonly unknown[]>>;

/** Equal for two tenants to which the same has happened in the same order. */
export async function snapshotOf(db: OpenDatabase, tenantId: string): Promise<Snapshot> {
  const found: Record<string, unknown[]> = {};
  for (const [name, text] of Object.entries(statements)) {
    const rows = await db.query<{ row: unknown }>({ name: `test_snapshot_${name}`, text }, [tenantId]);
    found[name] = rows.map(({ row }) => row);
  }
  return withoutIds(found);
}

/** Ids by the order of their appearance instead; so, too, the seats of unlimited pools, whose numbers go by one sequence. */
export function withoutIds<T>(value: T): T {
  const names = new Map<string, string>();
  const changing = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<=-|"no":)-\d+/gi;
  const text = JSON.stringify(value).replace(changing, (id) => {
    const name = names.get(id) ?? (id.length < 36 ? String(names.size) : `id ${names.size}`);
    names.set(id, name);
    return name;
  });
  return JSON.parse(text) as T;
}
