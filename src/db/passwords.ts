/** Passwords as they are kept: a hash, when it was set and by whom. Written with the user's row (db/user-writes). */
import type { Executor, Statement } from "./database.ts";

const find: Statement = {
  name: "passwords_find",
  text: "select hash from passwords where tenant_id = $1 and user_id = $2",
};

/** The hash of a user's password; undefined where there is no password, or no such user. */
export async function findPasswordHash(
  executor: Executor,
  tenantId: string,
  userId: string,
): Promise<string | undefined> {
  return (await executor.query<{ hash: string }>(find, [tenantId, userId]))[0]?.hash;
}

const findAskedFor: Statement = {
  name: "passwords_asked_for",
  text: `select wish #>> '{password,hash}' as hash from promotions
    where tenant_id = $1 and user_id = $2 and kind = 'identity' and state = 'open'
      and wish #>> '{password,hash}' is not null`,
};

/** GRD-8: hashes of passwords that were refused to a user and wait for an Admin. */
export async function findHashesAskedFor(executor: Executor, tenantId: string, userId: string): Promise<string[]> {
  const rows = await executor.query<{ hash: string }>(findAskedFor, [tenantId, userId]);
  return rows.map(({ hash }) => hash);
}

const findSetSince: Statement = {
  name: "passwords_set_since",
  text: "select from passwords where tenant_id = $1 and user_id = $2 and set_at > $3",
};

/** GRD-6: whether somebody signs in with another password than when they were asked for. */
export async function isPasswordNewer(executor: Executor, tenantId: string, userId: string, than: string) {
  return (await executor.query(findSetSince, [tenantId, userId, than])).length > 0;
}

/**
 * Parts of a statement that writes one user (`u`), for a change of the password: `hash` is the parameter that holds the
 * hash, null to remove it; $1 is the tenant, $25 the time, $27 the actor.
 */
export function writesPassword(hash: string): string {
  return `
    p as (
      insert into passwords (tenant_id, user_id, hash, set_at, set_by) select $1, u.id, ${hash}, $25, $27 from u
      where ${hash}::text is not null
      on conflict (tenant_id, user_id) do update set hash = excluded.hash, set_at = excluded.set_at,
        set_by = excluded.set_by),
    d as (
      delete from passwords using u
      where ${hash}::text is null and passwords.tenant_id = $1 and passwords.user_id = u.id),`;
}
