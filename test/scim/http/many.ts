/** A tenant with so many users and groups that a plan or a bound shows; as rows, because making them is not the test. */
import type { OpenDatabase } from "../../../src/db/transactions.ts";

const made = (kind: string) => `(lpad(to_hex(1700000000000 + n), 12, '0') || '7' || substr(md5('${kind}' || n), 1, 3)
  || '8' || substr(md5('${kind}' || n), 4, 15))::uuid`;

const users = `
  insert into users (tenant_id, id, user_name, user_name_norm, doc, active, status, role, role_source, decided_version,
    created_at, modified_at)
  select $1, ${made("user")}, name, name, jsonb_build_object('userName', name, 'active', true, 'title', 'T' || n % 7), true,
    'active', 'user', 'default', 1, now(), now()
  from (select n, md5(n::text) as name from generate_series(1, $2::int) n) p`;

const groups = `
  insert into groups (tenant_id, id, display_name, display_name_norm, created_at, modified_at)
  select $1, ${made("group")}, name, name, now(), now() from (select n, md5('g' || n) as name from generate_series(1, $2::int) n) p`;

/** Their ids, names and titles follow from their numbers, and no order is that of another. */
export async function makeMany(
  db: OpenDatabase,
  tenantId: string,
  count: { readonly users: number; readonly groups: number },
): Promise<void> {
  await db.query({ name: "test_many_users", text: users }, [tenantId, count.users]);
  await db.query({ name: "test_many_groups", text: groups }, [tenantId, count.groups]);
  await db.session((session) => session.script("analyze"));
}

export interface Ran {
  readonly sql: string;
  readonly values: readonly unknown[];
}

/** The database with a list of what it is asked, where a statement is its own transaction. */
export function recording(db: OpenDatabase): OpenDatabase & { readonly ran: Ran[] } {
  const ran: Ran[] = [];
  return {
    ...db,
    ran,
    query(statement, values) {
      ran.push({ sql: statement.text, values });
      return db.query(statement, values);
    },
    run(query) {
      const { sql, parameters } = query.compile();
      ran.push({ sql, values: parameters });
      return db.run(query);
    },
  };
}

/** How the database goes about a statement. */
export async function planOf(db: OpenDatabase, { sql, values }: Ran): Promise<string> {
  const rows = await db.session((session) =>
    session.query<Record<string, string>>(`explain (costs off) ${sql}`, values),
  );
  return rows.map((row) => row["QUERY PLAN"]).join("\n");
}
