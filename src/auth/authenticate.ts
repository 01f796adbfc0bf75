/** Bearer authentication (RFC 6750): an Authorization header → a principal. */

import { unavailable } from "../db/constraints.ts";
import type { Executor, Statement } from "../db/database.ts";
import { Problem } from "../problems.ts";
import { isActiveNow, type PersonRow } from "./authority.ts";
import { operator, type Principal } from "./principal.ts";
import type { RateLimiter } from "./rate-limiter.ts";
import { type Secret, sameDigest } from "./secret.ts";
import { parseToken, type TokenText } from "./token-text.ts";

export interface AuthDeps {
  readonly db: Executor;
  readonly clock: () => Date;
  /** USHER_SECRET: keys the digests of tokens. */
  readonly secret: Secret;
  /** USHER_OPERATOR_TOKEN. */
  readonly operatorToken?: Secret | undefined;
  /** Without one nobody is limited. */
  readonly limiter?: RateLimiter | undefined;
}

/** How exact `lastUsedAt` is: one write a token in this time, whatever its traffic. */
const usedWithinMs = 5 * 60_000;

interface TokenRow {
  readonly label: string;
  readonly digest: Uint8Array;
  readonly scopes: readonly string[];
  readonly role: string | null;
  readonly userId: string | null;
  readonly issuerId: string | null;
  readonly expiresAt: string | null;
  readonly lastUsedAt: string | null;
  readonly status: PersonRow["status"] | null;
  readonly startsAt: string | null;
  readonly endsAt: string | null;
}

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
 * Who the header proves: a tenant's token or the operator. Raises `unauthorized` (401) when it proves nobody, in words
 * that do not tell an unknown tenant from an unknown token or a wrong secret; `unavailable` when nobody can tell.
 */
export async function authenticate(deps: AuthDeps, header: string | undefined): Promise<Principal> {
  if (header === undefined || header.trim() === "") {
    throw unauthorized("A bearer token is required: Authorization: Bearer <token>.");
  }
  // RFC 7235 §2.1: the scheme compares without letter case.
  const credential = /^bearer +([\w.~+/-]+=*) *$/i.exec(header)?.[1];
  if (credential === undefined)
    throw unauthorized("The Authorization header must be: Bearer <token>.", "invalid_request");
  const token = parseToken(credential);
  if (token !== undefined) return await authenticateToken(deps, token);
  if (deps.operatorToken?.equals(credential)) return operator();
  throw unknownToken();
}

async function authenticateToken(deps: AuthDeps, token: TokenText): Promise<Principal> {
  const row = await findToken(deps.db, token);
  const digest = tokenDigest(deps.secret, token);
  if (row === undefined || !sameDigest(row.digest, digest)) throw unknownToken();
  const now = deps.clock();
  if (row.expiresAt !== null && Date.parse(row.expiresAt) <= now.getTime()) {
    throw unauthorized("The token has expired. Ask an administrator for a new one.", "invalid_token");
  }
  if (row.userId !== null && !isActiveNow({ ...row, status: row.status ?? "inactive" }, now)) {
    throw unauthorized("The person whom the token acts for is not active.", "invalid_token");
  }
  noteUse(deps, token, row, now);
  return {
    tenantId: token.tenantId,
    kind: "token",
    tokenId: token.tokenId,
    label: row.label,
    scopes: row.scopes,
    role: row.role,
    userId: row.userId ?? row.issuerId,
    issuerId: row.issuerId,
    person: row.userId,
  };
}

/** What is stored of a token: its ids are part of it, so that one row's digest is worth nothing in another. */
export function tokenDigest(secret: Secret, { tenantId, tokenId, secret: own }: TokenText): Buffer {
  return secret.digest("token", `${tenantId}.${tokenId}.${own}`);
}

async function findToken(db: Executor, token: TokenText): Promise<TokenRow | undefined> {
  try {
    const [row] = await db.query<TokenRow>(find, [token.tenantId, token.tokenId]);
    return row;
  } catch (error) {
    // An outage must not look like a wrong credential: clients would stop and ask for a new one.
    throw error instanceof Problem
      ? error
      : unavailable("The credential cannot be checked right now; try again.", error);
  }
}

/** Not awaited, and its failure is nobody's concern: it is a remark, and the next request repeats it. */
function noteUse(deps: AuthDeps, token: TokenText, row: TokenRow, now: Date): void {
  const before = new Date(now.getTime() - usedWithinMs);
  if (row.lastUsedAt !== null && Date.parse(row.lastUsedAt) >= before.getTime()) return;
  deps.db.query(touch, [token.tenantId, token.tokenId, now.toISOString(), before.toISOString()]).catch(() => {});
}

function unknownToken(): Problem {
  return unauthorized(
    "The token is not valid here: it is mistyped, has been revoked, or belongs elsewhere.",
    "invalid_token",
  );
}

/** RFC 6750 §3: without a credential the challenge carries no error code. */
function unauthorized(detail: string, error?: "invalid_request" | "invalid_token"): Problem {
  const challenge = error === undefined ? 'Bearer realm="usher"' : `Bearer realm="usher", error="${error}"`;
  return new Problem("unauthorized", detail, { headers: { "WWW-Authenticate": challenge } });
}
