/** From when on a person's sessions count. */
import type { Executor, Statement } from "./database.ts";

// Only forward: of two at once the later one stays.
const end: Statement = {
  name: "sessions_end",
  text: `update users set sessions_not_before = greatest(sessions_not_before, $3)
    where tenant_id = $1 and id = any ($2::uuid[]) returning id, sessions_not_before as "sessionsNotBefore"`,
};

/** Ends the sessions of locked users that began before the moment given. No version moves: nobody's record changes. */
export async function endSessionsBefore(
  executor: Executor,
  tenantId: string,
  ids: readonly string[],
  before: string,
): Promise<{ id: string; sessionsNotBefore: string }[]> {
  return await executor.query(end, [tenantId, ids, before]);
}
