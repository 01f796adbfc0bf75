/** GRD-7: whoever may remove an active Admin takes one lock per tenant, then looks in a later statement. */
import type { TenantRules } from "../domain/access.ts";
import { reservedPermissions } from "../domain/permissions.ts";
import { isFullAdmin } from "../domain/promotion.ts";
import type { Executor, Statement, Transaction } from "./database.ts";

const lock: Statement = {
  name: "admins_lock",
  text: "select pg_advisory_xact_lock(hashtextextended('usher admins ' || $1, 0))",
};

const others: Statement = {
  name: "admins_others",
  text: `select exists (
    select from users where tenant_id = $1 and administrative and role = any ($2) and status = 'active'
      and (ends_at is null or ends_at > $3) and id <> all ($4::uuid[]) and exists (
        select from role_grants g where g.tenant_id = users.tenant_id and g.user_id = users.id
          and g.role = users.role and g.source = users.role_source and g.permissions @> $5::text[])) as found`,
};

const isAdmin: Statement = {
  name: "admins_is",
  text: "select bool_or(administrative) as administrative from users where tenant_id = $1 and id = any ($2::uuid[])",
};

/** Takes the tenant's lock on its Admins; comes before every row lock. */
export async function lockAdmins(tx: Transaction, tenantId: string): Promise<void> {
  await tx.query(lock, [tenantId]);
}

/** Whether somebody active, other than these users, is Admin in the full sense. */
export async function otherAdminExists(
  executor: Executor,
  rules: TenantRules,
  except: readonly string[],
  now: Date,
): Promise<boolean> {
  const full = rules.roles.filter(isFullAdmin).map((role) => role.key);
  const [row] = await executor.query<{ found: boolean }>(others, [
    rules.tenantId,
    full,
    now.toISOString(),
    except,
    reservedPermissions,
  ]);
  return row?.found ?? false;
}

/** Whether one of the users holds an administrative role. */
export async function someAdministrative(
  executor: Executor,
  tenantId: string,
  ids: readonly string[],
): Promise<boolean> {
  const [row] = await executor.query<{ administrative: boolean | null }>(isAdmin, [tenantId, ids]);
  return row?.administrative ?? false;
}
