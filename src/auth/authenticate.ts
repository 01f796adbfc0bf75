/** Bearer authentication (RFC 6750): an Authorization header → a principal. */

import type { Executor } from "../db/database.ts";
import { Problem } from "../problems.ts";
import type { AccessTokens } from "./oauth/access-tokens.ts";
import { operator, type Principal } from "./principal.ts";
import type { RateLimiter } from "./rate-limiter.ts";
import { type Secret, sameDigest } from "./secret.ts";
import { type Fallen, findStanding, type StandingToken, tokenDigest, toPrincipal } from "./standing.ts";
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
  /** What /oauth/token issues. Where nobody issues any, none is known. */
  readonly accessTokens?: Pick<AccessTokens, "verify"> | undefined;
}

/** Whom a credential proved, and what must still be so for it to prove the same again. */
export interface Proof {
  readonly principal: Principal;
  /** Of the token behind the credential; the operator has none. */
  readonly digest?: Uint8Array;
  /** When the credential itself ends, milliseconds since 1970; the token behind it has an end of its own. */
  readonly expiresAt?: number;
}

/**
 * Who the header proves: a tenant's token or the operator. Raises `unauthorized` (401) when it proves nobody, in words
 * that do not tell an unknown tenant from an unknown token or a wrong secret; `unavailable` when nobody can tell.
 */
export async function authenticate(deps: AuthDeps, header: string | undefined): Promise<Principal> {
  return (await prove(deps, header)).principal;
}

/** The same, with what it rests on. */
export async function prove(deps: AuthDeps, header: string | undefined): Promise<Proof> {
  if (header === undefined || header.trim() === "") {
    throw unauthorized("A bearer token is required: Authorization: Bearer <token>.");
  }
  // RFC 7235 §2.1: the scheme compares without letter case.
  const credential = /^bearer +([\w.~+/-]+=*) *$/i.exec(header)?.[1];
  if (credential === undefined)
    throw unauthorized("The Authorization header must be: Bearer <token>.", "invalid_request");
  const token = parseToken(credential);
  if (token !== undefined) return await proveByToken(deps, token);
  if (deps.operatorToken?.equals(credential)) return { principal: operator() };
  return await proveByAccessToken(deps, credential);
}

async function proveByToken(deps: AuthDeps, token: TokenText): Promise<Proof> {
  const digest = tokenDigest(deps.secret, token);
  const standing = requireStanding(await findStanding(deps, token, (stored) => sameDigest(stored, digest)));
  return { principal: toPrincipal(token, standing, standing.scopes), digest };
}

/** RFC 9068. The token that it was had for must stand as it stood then: revoked, expired or rotated, it takes this along. */
async function proveByAccessToken(deps: AuthDeps, text: string): Promise<Proof> {
  const access = await deps.accessTokens?.verify(text);
  if (access === undefined) throw unknownToken();
  if (access === "expired") {
    throw unauthorized("The access token has expired. Ask /oauth/token for a new one.", "invalid_token");
  }
  const standing = requireStanding(await findStanding(deps, access, access.isHadFor));
  const scopes = access.scopes.filter((scope) => standing.scopes.includes(scope));
  const principal = toPrincipal(access, standing, scopes);
  return { principal, digest: standing.digest, expiresAt: access.expiresAt };
}

function requireStanding(found: StandingToken | Fallen): StandingToken {
  switch (found) {
    case "unknown":
      throw unknownToken();
    case "expired":
      throw unauthorized("The token has expired. Ask an administrator for a new one.", "invalid_token");
    case "personInactive":
      throw unauthorized("The person whom the token acts for is not active.", "invalid_token");
    default:
      return found;
  }
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
