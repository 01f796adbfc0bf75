/** Whether a token stands now. Every credential that rests on a token asks here: its own text, and what was had for it. */
import { unavailable } from "../db/constraints.ts";
import type { Executor, Statement } from "../db/database.ts";
import { Problem } from "../problems.ts";
import { isActiveNow, type PersonRow } from "./authority.ts";
import type { Principal } from "./principal.ts";
import type { Secret } from "./secret.ts";
import type { TokenName, TokenText } from "./token-text.ts";

export interface StandingDeps {
  readonly db: Executor;
  readonly clock: () => Date;
}

/** How exact `lastUsedAt` is: one write a token in this time, whatever its traffic. */
const usedWithinMs = 5 * 60_000;

export interface StandingToken {
  readonly label: string;
  readonly digest: Uint8Array;
  readonly scopes: readonly string[];
  readonly role: string | null;
  readonly userId: string | null;
  readonly issuerId: string | null;
  readonly expiresAt: string | null;
  readonly lastUsedAt: string | null;
}

interface TokenRow extends StandingToken {
  readonly status: PersonRow["status"] | null;
  readonly startsAt: string | null;
  readonly endsAt: string | null;
}

/** `unknown`: no such token, or not with this secret; whoever asks does not learn which. */
export type Fallen = "unknown" | "expired" | "personInactive";

// Read for every request and never cached: a revoked token must be refused at once, in every process (LIF-1).
const find: Statement = {
  name: "token_find",
  text: `select t.label, t.digest, t.scopes, t.role, t.user_id as "userId", t.issued_by ->> 'userId' as "issuerId",
      t.expires_at as "expiresAt", t.last_used_at as "lastUsedAt",
      u.status, u.starts_at as "startsAt", u.ends_at as "endsAt"
    from tokens t left join users u on u.tenant_id = t.tenant_id and u.id = t.user_id
    where t.tenant_id = $1 and t.id = $2`,
};

const touch: Statement = {
  name: "token_touch",
  text: `update tokens set last_used_at = $3
    where tenant_id = $1 and id = $2 and (last_used_at is null or last_used_at < $4)`,
};

/**
 * The token, where it exists, `proves` says that its digest belongs to the credential, and it may be used now; its use
 * is noted. Raises `unavailable` when nobody can tell.
 */
export async function findStanding(
  deps: StandingDeps,
  name: TokenName,
  proves: (digest: Uint8Array) => boolean,
): Promise<StandingToken | Fallen> {
  const row = await findToken(deps.db, name);
  if (row === undefined || !proves(row.digest)) return "unknown";
  const now = deps.clock();
  if (row.expiresAt !== null && Date.parse(row.expiresAt) <= now.getTime()) return "expired";
  if (row.userId !== null && !isActiveNow({ ...row, status: row.status ?? "inactive" }, now)) return "personInactive";
  noteUse(deps, name, row, now);
  return row;
}

/** What is stored of a token: its ids are part of it, so that one row's digest is worth nothing in another. */
export function tokenDigest(secret: Secret, { tenantId, tokenId, secret: own }: TokenText): Buffer {
  return secret.digest("token", `${tenantId}.${tokenId}.${own}`);
}

/** Whom the token proves, for these uses. */
export function toPrincipal(
  { tenantId, tokenId }: TokenName,
  token: StandingToken,
  scopes: readonly string[],
): Principal {
  const { label, role, userId, issuerId } = token;
  return {
    tenantId,
    kind: "token",
    tokenId,
    label,
    scopes,
    role,
    userId: userId ?? issuerId,
    issuerId,
    person: userId,
  };
}

async function findToken(db: Executor, { tenantId, tokenId }: TokenName): Promise<TokenRow | undefined> {
  try {
    const [row] = await db.query<TokenRow>(find, [tenantId, tokenId]);
    return row;
  } catch (error) {
    // An outage must not look like a wrong credential: clients would stop and ask for a new one.
    throw error instanceof Problem
      ? error
      : unavailable("The credential cannot be checked right now; try again.", error);
  }
}

/** Not awaited, and its failure is nobody's concern: it is a remark, and the next request repeats it. */
function noteUse({ db }: StandingDeps, { tenantId, tokenId }: TokenName, row: TokenRow, now: Date): void {
  const before = new Date(now.getTime() - usedWithinMs);
  if (row.lastUsedAt !== null && Date.parse(row.lastUsedAt) >= before.getTime()) return;
  db.query(touch, [tenantId, tokenId, now.toISOString(), before.toISOString()]).catch(() => {});
}
