/**
 * Access tokens: what a client gets for its secret, a signed statement for an hour (RFC 9068). It says whose token it
 * was had for, and ends with that token: a hash binds the two, so that a new secret voids what was had for the old one.
 */
import { errors, type JWTPayload, type JWTVerifyOptions, jwtVerify, SignJWT } from "jose";
import { limits } from "../../limits.ts";
import { sameDigest } from "../secret.ts";
import { formatClientId, type TokenName } from "../token-text.ts";
import { SigningKeys, type SigningKeysDeps, signingAlgorithm } from "./signing-keys.ts";

export interface AccessTokensDeps extends SigningKeysDeps {
  readonly newId: () => string;
  /** USHER_PUBLIC_URL: the only issuer, where it is set. Without it, any origin under which this server is reached. */
  readonly publicUrl?: string | undefined;
}

/** What an access token is to say. */
export interface AccessGrant extends TokenName {
  /** The digest of the token that it is had for. */
  readonly digest: Uint8Array;
  readonly scopes: readonly string[];
  /** When the token itself ends; null: never. */
  readonly notAfter: string | null;
  /** The URL of this server. */
  readonly issuer: string;
}

/** What a verified access token says. */
export interface AccessToken extends TokenName {
  readonly scopes: readonly string[];
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  /** Whether it was had for the token of this digest. */
  readonly isHadFor: (digest: Uint8Array) => boolean;
}

// RFC 9068 §2.1: no other kind of JWT that we or anybody might sign is taken for an access token.
const type = "at+jwt";
const bindingBytes = 16;

export class AccessTokens {
  readonly keys: SigningKeys;
  readonly #deps: AccessTokensDeps;

  constructor(deps: AccessTokensDeps) {
    this.#deps = deps;
    this.keys = new SigningKeys(deps);
  }

  /** Signs an access token; undefined where the token behind it ends within the second. */
  async issue(grant: AccessGrant): Promise<{ readonly text: string; readonly expiresIn: number } | undefined> {
    const { clock, newId } = this.#deps;
    const issuedAt = Math.floor(clock().getTime() / 1000);
    const last = grant.notAfter === null ? Number.POSITIVE_INFINITY : Math.floor(Date.parse(grant.notAfter) / 1000);
    const expiresIn = Math.min(limits.accessTokenSeconds, last - issuedAt);
    if (expiresIn <= 0) return undefined;
    const { kid, privateKey } = await this.keys.current();
    const clientId = formatClientId(grant);
    const text = await new SignJWT({
      iss: grant.issuer,
      // RFC 9068 §3: the resources are those of this server itself.
      aud: grant.issuer,
      sub: clientId,
      client_id: clientId,
      iat: issuedAt,
      exp: issuedAt + expiresIn,
      jti: newId(),
      scope: grant.scopes.join(" "),
      tenant: grant.tenantId,
      token: grant.tokenId,
      token_hash: this.#bindingOf(grant.digest).toString("base64url"),
    })
      .setProtectedHeader({ alg: signingAlgorithm, typ: type, kid })
      .sign(privateKey);
    return { text, expiresIn };
  }

  /** What the text says, if we signed it; `expired` if we did and its time is over. Raises `unavailable`. */
  async verify(text: string): Promise<AccessToken | "expired" | undefined> {
    const { clock, publicUrl } = this.#deps;
    const now = clock();
    const options: JWTVerifyOptions = {
      algorithms: [signingAlgorithm],
      typ: type,
      currentDate: now,
      // For `iat` alone: whatever has expired is refused below, to the second.
      clockTolerance: limits.clockSkewSeconds,
      maxTokenAge: limits.accessTokenSeconds,
      requiredClaims: ["exp"],
      ...(publicUrl === undefined ? {} : { issuer: publicUrl, audience: publicUrl }),
    };
    try {
      const { payload } = await jwtVerify(text, (header) => this.#keyOf(header.kid), options);
      const access = this.#read(payload);
      return access !== undefined && access.expiresAt <= now.getTime() ? "expired" : access;
    } catch (error) {
      if (error instanceof errors.JWTExpired) return "expired";
      if (error instanceof errors.JOSEError) return undefined;
      throw error;
    }
  }

  async #keyOf(kid: string | undefined) {
    const key = kid === undefined ? undefined : await this.keys.find(kid);
    if (key === undefined) throw new errors.JWKSNoMatchingKey();
    return key.publicKey;
  }

  /** We wrote it, so its shape is ours; what is not so was signed by another version. */
  #read({ iss, aud, tenant, token, client_id, scope, exp, token_hash }: JWTPayload): AccessToken | undefined {
    if (typeof iss !== "string" || aud !== iss) return undefined;
    if (typeof tenant !== "string" || typeof token !== "string" || exp === undefined) return undefined;
    if (typeof scope !== "string" || typeof token_hash !== "string") return undefined;
    const name = { tenantId: tenant, tokenId: token };
    if (client_id !== formatClientId(name)) return undefined;
    const binding = Buffer.from(token_hash, "base64url");
    return {
      ...name,
      scopes: scope.split(" "),
      expiresAt: exp * 1000,
      isHadFor: (digest) => sameDigest(this.#bindingOf(digest), binding),
    };
  }

  #bindingOf(digest: Uint8Array): Buffer {
    const text = Buffer.from(digest).toString("base64url");
    return this.#deps.secret.digest("access token", text).subarray(0, bindingBytes);
  }
}
