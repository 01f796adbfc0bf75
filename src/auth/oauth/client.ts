/** How a client of the token endpoint says who it is (RFC 6749 §2.3.1): `client_secret_basic` or `client_secret_post`. */

import type { Secret } from "../secret.ts";
import { sameDigest } from "../secret.ts";
import { findStanding, type StandingDeps, type StandingToken, tokenDigest } from "../standing.ts";
import { parseClient, type TokenName } from "../token-text.ts";
import { oauthProblem } from "./problem.ts";

export const clientAuthenticationMethods = ["client_secret_basic", "client_secret_post"] as const;

export interface ClientDeps extends StandingDeps {
  /** USHER_SECRET: keys the digests of tokens. */
  readonly secret: Secret;
}

/** What a request says of its client. */
export interface ClientWords {
  /** The Authorization header. */
  readonly authorization: string | undefined;
  /** The form's fields, each once. */
  readonly form: ReadonlyMap<string, string>;
}

export interface Client extends TokenName {
  readonly token: StandingToken;
}

/**
 * The client that the request proves. Problems: invalid_request where it says so in two ways, invalid_client otherwise,
 * in words that do not tell an unknown tenant from an unknown client or a wrong secret; unavailable.
 */
export async function authenticateClient(deps: ClientDeps, words: ClientWords): Promise<Client> {
  const { id, secret } = readCredentials(words);
  const text = parseClient(id, secret);
  if (text === undefined) throw unknownClient();
  const digest = tokenDigest(deps.secret, text);
  const found = await findStanding(deps, text, (stored) => sameDigest(stored, digest));
  switch (found) {
    case "unknown":
      throw unknownClient();
    case "expired":
      throw oauthProblem("invalid_client", "The client's token has expired. Ask an administrator for a new one.");
    case "personInactive":
      throw oauthProblem("invalid_client", "The person whom the client acts for is not active.");
    default:
      return { tenantId: text.tenantId, tokenId: text.tokenId, token: found };
  }
}

interface Credentials {
  readonly id: string;
  readonly secret: string;
}

function readCredentials({ authorization, form }: ClientWords): Credentials {
  const id = form.get("client_id");
  const secret = form.get("client_secret");
  if (form.has("client_assertion") || form.has("client_assertion_type")) {
    throw oauthProblem(
      "invalid_client",
      "Clients prove themselves with client_id and client_secret, not an assertion.",
    );
  }
  if (authorization === undefined) {
    if (id !== undefined && secret !== undefined) return { id, secret };
    throw oauthProblem("invalid_client", "Send client_id and client_secret, in the form or as HTTP Basic.");
  }
  // RFC 6749 §2.3: "The client MUST NOT use more than one authentication method in each request."
  if (secret !== undefined) {
    throw oauthProblem("invalid_request", "Send the client's secret once: in the form or as HTTP Basic.");
  }
  const basic = readBasic(authorization);
  if (basic === undefined) {
    throw oauthProblem("invalid_client", "The Authorization header must be: Basic, with client_id and client_secret.");
  }
  if (id !== undefined && id !== basic.id) {
    throw oauthProblem("invalid_request", "The form and the Authorization header name different clients.");
  }
  return basic;
}

/** RFC 6749 §2.3.1: id and secret are form-encoded before they become user and password (RFC 7617). */
function readBasic(authorization: string): Credentials | undefined {
  const encoded = /^basic +([\w+/-]+=*) *$/i.exec(authorization)?.[1];
  if (encoded === undefined) return undefined;
  const [, id = "", secret = ""] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, "base64").toString("utf8")) ?? [];
  try {
    return { id: fromForm(id), secret: fromForm(secret) };
  } catch {
    return undefined;
  }
}

function fromForm(text: string): string {
  return decodeURIComponent(text.replaceAll("+", " "));
}

function unknownClient() {
  return oauthProblem(
    "invalid_client",
    "The client is not known here, or its secret is wrong. client_id and client_secret belong to one token of Usher.",
  );
}
