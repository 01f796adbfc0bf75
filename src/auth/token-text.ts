/**
 * The text of a token: `usher_<tenant>.<token>.<secret>`. It carries the tenant's id, so that even the look-up of a
 * credential has a tenant; ids and secret are base64url, which needs no escaping in a header or a form.
 */
import { randomBytes } from "node:crypto";

/** Which token, of which tenant. */
export interface TokenName {
  readonly tenantId: string;
  readonly tokenId: string;
}

export interface TokenText extends TokenName {
  /** 256 bits of chance, base64url. */
  readonly secret: string;
}

const shape = /^usher_([\w-]{22})\.([\w-]{22})\.([\w-]{43})$/;

export function newTokenSecret(): string {
  return randomBytes(32).toString("base64url");
}

export function formatToken({ tenantId, tokenId, secret }: TokenText): string {
  return `usher_${formatClientId({ tenantId, tokenId })}.${secret}`;
}

/** The parts of a token, or undefined for any other text. One token has one text: padding bits must be zero. */
export function parseToken(text: string): TokenText | undefined {
  const [, tenant = "", token = "", secret = ""] = shape.exec(text) ?? [];
  const parts = { tenantId: unpackId(tenant), tokenId: unpackId(token), secret };
  return formatToken(parts) === text && isCanonical(secret) ? parts : undefined;
}

/** The token as an OAuth client: the public part of its text, `<tenant>.<token>`. */
export function formatClientId({ tenantId, tokenId }: TokenName): string {
  return `${packId(tenantId)}.${packId(tokenId)}`;
}

/**
 * The token that a client's id and secret name. The secret is the third part of the token's text, or, because that is
 * what people have at hand, the whole text.
 */
export function parseClient(clientId: string, clientSecret: string): TokenText | undefined {
  const token = parseToken(clientSecret) ?? parseToken(`usher_${clientId}.${clientSecret}`);
  return token !== undefined && formatClientId(token) === clientId ? token : undefined;
}

function packId(id: string): string {
  return Buffer.from(id.replaceAll("-", ""), "hex").toString("base64url");
}

function unpackId(text: string): string {
  const hex = Buffer.from(text, "base64url").toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function isCanonical(secret: string): boolean {
  return Buffer.from(secret, "base64url").toString("base64url") === secret;
}
