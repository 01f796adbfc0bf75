/** The token endpoint as a client calls it, for tests. */
import { formatClientId, parseToken } from "../../src/auth/token-text.ts";
import type { TestServer } from "../helpers/server.ts";

export interface Credentials {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** The token as an OAuth client. */
export function clientOf(token: string): Credentials {
  const text = parseToken(token)!;
  return { clientId: formatClientId(text), clientSecret: text.secret };
}

export interface TokenAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what the answer should hold and fails where it does not.
  readonly body: any;
}

/** Posts the form as it is. */
export async function post(
  { origin }: Pick<TestServer, "origin">,
  form: string,
  headers: Record<string, string> = {},
  path = "/oauth/token",
): Promise<TokenAnswer> {
  const type = { "Content-Type": "application/x-www-form-urlencoded" };
  const response = await fetch(origin + path, { method: "POST", body: form, headers: { ...type, ...headers } });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: JSON.parse(text) };
}

export function formOf(fields: Record<string, string>): string {
  return new URLSearchParams({ grant_type: "client_credentials", ...fields }).toString();
}

/** `client_secret_post`. */
export function postAs(
  server: Pick<TestServer, "origin">,
  { clientId, clientSecret }: Credentials,
  fields: Record<string, string> = {},
): Promise<TokenAnswer> {
  return post(server, formOf({ client_id: clientId, client_secret: clientSecret, ...fields }));
}

export function basic(user: string, password: string): Record<string, string> {
  return { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
}

/** An access token for the token's client. */
export async function accessTokenOf(
  server: Pick<TestServer, "origin">,
  token: string,
  fields: Record<string, string> = {},
): Promise<string> {
  const { status, body, text } = await postAs(server, clientOf(token), fields);
  if (status !== 200) throw new Error(`No access token: ${status} ${text}`);
  return body.access_token;
}
