/** The grant `client_credentials` (RFC 6749 §4.4): a token's id and secret for a short-lived access token. */
import type { RateLimiter } from "../rate-limiter.ts";
import { toPrincipal } from "../standing.ts";
import type { AccessTokens } from "./access-tokens.ts";
import { authenticateClient, type ClientDeps, type ClientWords } from "./client.ts";
import { oauthProblem } from "./problem.ts";

export const grantTypes = ["client_credentials"] as const;

export interface GrantDeps extends ClientDeps {
  /** Without one nobody is limited. */
  readonly limiter?: RateLimiter | undefined;
  readonly accessTokens: Pick<AccessTokens, "issue">;
}

export interface GrantRequest extends ClientWords {
  /** The URL of this server, as the client knows it. */
  readonly issuer: string;
}

/** RFC 6749 §5.1. */
export interface GrantAnswer {
  readonly access_token: string;
  readonly token_type: "Bearer";
  /** Seconds. */
  readonly expires_in: number;
  /** What was granted, separated by spaces. */
  readonly scope: string;
}

/**
 * Grants an access token with the scopes asked for, or with all that the token has. Problems: invalid_request,
 * unsupported_grant_type, invalid_client, invalid_scope, tooManyRequests, unavailable.
 */
export async function grantAccessToken(deps: GrantDeps, request: GrantRequest): Promise<GrantAnswer> {
  requireGrantType(request.form.get("grant_type"));
  const { token, ...name } = await authenticateClient(deps, request);
  deps.limiter?.admit(toPrincipal(name, token, token.scopes));
  const scopes = grantedScopes(token.scopes, request.form.get("scope"));
  const { digest, expiresAt: notAfter } = token;
  const issued = await deps.accessTokens.issue({ ...name, digest, scopes, notAfter, issuer: request.issuer });
  if (issued === undefined) {
    throw oauthProblem("invalid_client", "The client's token is about to expire. Ask an administrator for a new one.");
  }
  const { text, expiresIn } = issued;
  return { access_token: text, token_type: "Bearer", expires_in: expiresIn, scope: scopes.join(" ") };
}

function requireGrantType(grantType: string | undefined): void {
  if (grantType === undefined) {
    throw oauthProblem("invalid_request", "The parameter grant_type is missing: client_credentials.");
  }
  if (!grantTypes.some((known) => known === grantType)) {
    throw oauthProblem("unsupported_grant_type", `This server takes the grant type ${grantTypes.join(", ")} only.`);
  }
}

/** RFC 6749 §3.3: names separated by spaces, in any order. */
function grantedScopes(held: readonly string[], asked: string | undefined): readonly string[] {
  if (asked === undefined) return held;
  const wanted = new Set(asked.split(" ").filter((scope) => scope !== ""));
  if (wanted.size === 0) return held;
  const known = held.filter((scope) => wanted.has(scope));
  if (known.length < wanted.size) {
    throw oauthProblem(
      "invalid_scope",
      `The client's token may be used for: ${held.join(" ")}. Ask for no other scope.`,
    );
  }
  return known;
}
