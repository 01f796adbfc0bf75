/**
 * The OAuth 2 door: the token endpoint, the keys that its tokens are signed with, and the documents that say where these
 * and access evaluation are. Public by purpose: a client comes here to get a credential, and proves itself in the request.
 */
import express, { type Request, type RequestHandler, Router } from "express";
import type { AccessTokens } from "../auth/oauth/access-tokens.ts";
import { clientAuthenticationMethods } from "../auth/oauth/client.ts";
import { type GrantDeps, grantAccessToken, grantTypes } from "../auth/oauth/client-credentials.ts";
import { oauthProblem } from "../auth/oauth/problem.ts";
import { scopes } from "../auth/principal.ts";
import { countingFailures } from "../auth/rate-limiter.ts";
import { limits } from "../limits.ts";
import { Problem } from "../problems.ts";
import { answerAuthzenConfiguration } from "./authzen.ts";

export interface OauthDeps extends GrantDeps {
  readonly accessTokens: Pick<AccessTokens, "issue" | "keys">;
  /** USHER_PUBLIC_URL: the origin under which clients know this server. Without it, the request's own origin. */
  readonly publicUrl?: string | undefined;
}

/** The doors by the path that they are mounted at. */
export function createOauthRouters(deps: OauthDeps): Readonly<Record<"/oauth" | "/.well-known", Router>> {
  const oauth = Router();
  oauth.post(
    "/token",
    named,
    requireForm,
    express.text({ type: () => true, limit: limits.oauthBodyBytesMax }),
    answerToken(deps),
  );
  oauth.get("/jwks", named, answerKeys(deps));
  oauth.use(refuseMethods({ "/token": "POST", "/jwks": "GET, HEAD" }));
  oauth.use(() => {
    throw new Problem("notFound", "There are /oauth/token and /oauth/jwks.");
  });
  const wellKnown = Router();
  wellKnown.get("/oauth-authorization-server", named, answerMetadata(deps));
  const place = { publicUrl: deps.publicUrl, originOf: (req: Request) => originOf(deps, req) };
  wellKnown.get("/authzen-configuration", named, answerAuthzenConfiguration(place));
  wellKnown.use(refuseMethods({ "/oauth-authorization-server": "GET, HEAD", "/authzen-configuration": "GET, HEAD" }));
  return { "/oauth": oauth, "/.well-known": wellKnown };
}

function answerToken(deps: OauthDeps): RequestHandler {
  return async (req, res) => {
    refuseInAddress(req.originalUrl);
    const authorization = req.get("authorization");
    const request = { authorization, form: readForm(req.body), issuer: originOf(deps, req) };
    const grant = () => grantAccessToken(deps, request);
    const answer = await countingFailures(deps.limiter, req.socket.remoteAddress, grant);
    // RFC 6749 §5.1; Cache-Control: no-store is on every answer.
    res.set("Pragma", "no-cache").json(answer);
  };
}

function answerKeys({ accessTokens }: OauthDeps): RequestHandler {
  return async (_req, res) => {
    res.json({ keys: await accessTokens.keys.published() });
  };
}

/** RFC 8414 §2. */
function answerMetadata(deps: OauthDeps): RequestHandler {
  return (req, res) => {
    const issuer = originOf(deps, req);
    res.json({
      issuer,
      token_endpoint: `${issuer}/oauth/token`,
      jwks_uri: `${issuer}/oauth/jwks`,
      scopes_supported: scopes,
      // The member is required; there is no authorization endpoint that would take one.
      response_types_supported: ["none"],
      grant_types_supported: grantTypes,
      token_endpoint_auth_methods_supported: clientAuthenticationMethods,
    });
  };
}

/** Says which route it is, for the metrics. */
const named: RequestHandler = (req, res, next) => {
  res.locals.route = `${req.baseUrl}${req.route.path}`;
  next();
};

/** Behind the routes: what they did not take at these paths is another method. */
function refuseMethods(allowed: Readonly<Record<string, string>>): RequestHandler {
  return (req, _res, next) => {
    const path = Object.keys(allowed).find((one) => one === req.path.toLowerCase().replace(/\/$/, ""));
    if (path === undefined) return next();
    const allow = allowed[path]!;
    throw new Problem("methodNotAllowed", `This endpoint takes ${allow}.`, { headers: { Allow: allow } });
  };
}

const requireForm: RequestHandler = (req, _res, next) => {
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(req.get("content-type") ?? "")) {
    throw new Problem("unsupportedMediaType", "Send the parameters as application/x-www-form-urlencoded.");
  }
  next();
};

/** RFC 6749 §2.3.1: the credentials "MUST NOT be included in the request URI", which logs and proxies keep. */
function refuseInAddress(url: string): void {
  const query = new URLSearchParams(url.split("?")[1] ?? "");
  if (["client_id", "client_secret", "client_assertion"].some((name) => query.has(name))) {
    throw oauthProblem(
      "invalid_request",
      "Send the client's id and secret in the body or as HTTP Basic, not in the address.",
    );
  }
}

/** RFC 6749 §3.2: unknown parameters are ignored, those without a value count as absent, none may come twice. */
function readForm(body: unknown): ReadonlyMap<string, string> {
  const fields = [...new URLSearchParams(typeof body === "string" ? body : "")];
  const form = new Map(fields.filter(([, value]) => value !== ""));
  // RFC 8707 §2 lets a client name several resources.
  const names = fields.map(([name]) => name).filter((name) => name !== "resource");
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw oauthProblem("invalid_request", "A parameter is there twice.");
  return form;
}

function originOf({ publicUrl }: OauthDeps, req: Request): string {
  return publicUrl ?? `${req.protocol}://${req.get("host") ?? "localhost"}`;
}
