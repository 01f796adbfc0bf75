/** E-8: permissions that are limited to the own teams of the person whom a token acts for. */
import type { OwnTeams } from "../auth/authority.ts";
import type { Executor } from "../db/database.ts";
import { shareTeam } from "../db/own-teams.ts";
import { isUuid } from "../ids.ts";
import { noUser } from "./user-steps.ts";

/**
 * Passes where the user is among those whom the permission reaches. Anybody else looks like nobody at all (`notFound`):
 * who may not see a person does not learn that they exist. Deciding transactions pass their own executor.
 */
export async function requireWithin(
  executor: Executor,
  tenantId: string,
  reach: OwnTeams | null,
  userId: string,
): Promise<void> {
  if (reach === null) return;
  if (reach.of === null || !isUuid(userId)) throw noUser(userId);
  if (!(await shareTeam(executor, tenantId, reach.of, userId))) throw noUser(userId);
}
