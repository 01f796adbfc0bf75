/** GRD-3, GRD-9: what an actor may grant, read inside the deciding transaction and held still until it ends. */
import type { TenantRules } from "../domain/access.ts";
import type { Permission } from "../domain/model.ts";
import { everyPermission, intersect } from "../domain/permissions.ts";
import type { Statement, Transaction } from "../db/database.ts";
import type { Principal } from "./context.ts";

const shareToken: Statement = {
  name: "authority_token",
  text: `select role, user_id from tokens
    where tenant_id = $1 and id = $2 and (expires_at is null or expires_at > $3) for share`,
};

const sharePerson: Statement = {
  name: "authority_person",
  text: "select role, status, administrative from users where tenant_id = $1 and id = $2 for share",
};

/**
 * The permissions that the principal acts with now: those of the token's role, bounded by the present role of the person
 * it acts for. Nothing for a token without a role, revoked or expired meanwhile, or of a person who is not active.
 */
export async function readAuthority(
  tx: Transaction,
  rules: TenantRules,
  principal: Principal,
  now: Date,
): Promise<readonly Permission[]> {
  if (principal.kind === "operator") return [everyPermission];
  if (principal.kind === "job" || principal.tokenId === null || principal.role === null) return [];
  const [token] = await tx.query<{ role: string | null; user_id: string | null }>(shareToken, [
    rules.tenantId,
    principal.tokenId,
    now.toISOString(),
  ]);
  if (token === undefined || token.role === null) return [];
  const own = rules.role.get(token.role)?.permissions ?? [];
  if (token.user_id === null) return own;
  const [person] = await tx.query<{ role: string; status: string }>(sharePerson, [rules.tenantId, token.user_id]);
  if (person === undefined || person.status !== "active") return [];
  return intersect(own, rules.role.get(person.role)?.permissions ?? []);
}
