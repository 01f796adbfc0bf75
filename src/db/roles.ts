/** The rows of the catalogue of roles, and what refers to them. */
import type { Role } from "../domain/model.ts";
import { normaliseName } from "../vocabulary/names.ts";
import type { Executor, Statement } from "./database.ts";

const list: Statement = {
  name: "roles_list",
  text: `select r.key, r.name, r.rank, r.permissions, r.built_in as "builtIn", coalesce(n.users, 0) as users
    from roles r left join (select role, count(*) as users from users where tenant_id = $1 group by role) n on n.role = r.key
    where r.tenant_id = $1 order by r.rank desc, r.key`,
};

/** The catalogue, highest rank first, with how many hold each role. */
export async function listRoleRows(executor: Executor, tenantId: string): Promise<(Role & { users: number })[]> {
  return await executor.query<Role & { users: number }>(list, [tenantId]);
}

const insert: Statement = {
  name: "roles_insert",
  text: "insert into roles (tenant_id, key, name, name_norm, rank, permissions) values ($1, $2, $3, $4, $5, $6)",
};

export async function insertRole(executor: Executor, tenantId: string, role: Omit<Role, "builtIn">): Promise<void> {
  const { key, name, rank, permissions } = role;
  await executor.query(insert, [tenantId, key, name, normaliseName(name), rank, permissions]);
}

const update: Statement = {
  name: "roles_update",
  text: "update roles set name = $3, name_norm = $4, rank = $5, permissions = $6 where tenant_id = $1 and key = $2",
};

export async function updateRole(executor: Executor, tenantId: string, role: Role): Promise<void> {
  const { key, name, rank, permissions } = role;
  await executor.query(update, [tenantId, key, name, normaliseName(name), rank, permissions]);
}

const remove: Statement = { name: "roles_remove", text: "delete from roles where tenant_id = $1 and key = $2" };

export async function removeRoleRow(executor: Executor, tenantId: string, key: string): Promise<void> {
  await executor.query(remove, [tenantId, key]);
}

const uses: Statement = {
  name: "roles_uses",
  text: `select
    (select count(*) from users where tenant_id = $1 and role = $2) as users,
    (select count(*) from users where tenant_id = $1 and role_pin = $2) as pins,
    (select count(*) from tokens where tenant_id = $1 and role = $2) as tokens`,
};

/** What refers to a role. */
export async function countRoleUses(executor: Executor, tenantId: string, key: string) {
  const [row] = await executor.query<{ users: number; pins: number; tokens: number }>(uses, [tenantId, key]);
  return row ?? { users: 0, pins: 0, tokens: 0 };
}
