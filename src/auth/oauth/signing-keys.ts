/**
 * The keys that sign access tokens. A key signs for `signingKeyDays` and is accepted until what it signed last has
 * expired; then the next one, made by whichever process needs it first, takes over. Deleting a key's row ends it in every
 * process within `signingKeysRememberedMs`, and what it signed as soon as a door does not remember it any more.
 */
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK_EC_Private,
} from "jose";
import { unavailable } from "../../db/constraints.ts";
import type { Database } from "../../db/database.ts";
import {
  insertSigningKey,
  listSigningKeys,
  lockSigningKeys,
  removeSigningKeys,
  type SigningKeyRow,
} from "../../db/signing-keys.ts";
import { limits } from "../../limits.ts";
import { Problem } from "../../problems.ts";
import type { Secret } from "../secret.ts";

export const signingAlgorithm = "ES256";

export interface SigningKeysDeps {
  readonly db: Database;
  readonly clock: () => Date;
  /** USHER_SECRET. */
  readonly secret: Secret;
}

/** A public key as JWKS shows it (RFC 7517). */
export interface PublishedKey {
  readonly kty: "EC";
  readonly crv: string;
  readonly x: string;
  readonly y: string;
  readonly kid: string;
  readonly alg: typeof signingAlgorithm;
  readonly use: "sig";
}

export interface SigningKey {
  readonly kid: string;
  readonly createdAt: number;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly published: PublishedKey;
}

const signsMs = limits.signingKeyDays * 86_400_000;

/** A token signed at the last moment, by a process whose clock is behind and which has not read the keys for a while. */
const acceptedMs =
  signsMs + (limits.accessTokenSeconds + limits.clockSkewSeconds) * 1000 + limits.signingKeysRememberedMs;

export class SigningKeys {
  readonly #deps: SigningKeysDeps;
  /** Newest first; only those that our secret opens. */
  #keys: readonly SigningKey[] = [];
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;
  #renewing: Promise<void> | undefined;

  constructor(deps: SigningKeysDeps) {
    this.#deps = deps;
  }

  /** The key to sign with now; makes one where none is young enough. */
  async current(): Promise<SigningKey> {
    await this.#refresh();
    if (!this.#signs(this.#keys[0])) {
      this.#renewing ??= this.#renew().finally(() => {
        this.#renewing = undefined;
      });
      await this.#renewing;
    }
    const [newest] = this.#keys;
    if (newest === undefined) throw new Error("The signing key that was just made cannot be read back.");
    return newest;
  }

  /** The accepted key of this id. An id not seen before is looked up: another process may just have made the key. */
  async find(kid: string): Promise<SigningKey | undefined> {
    await this.#refresh();
    const known = () => this.#keys.some((key) => key.kid === kid);
    // A look that is under way may have begun before the key was there.
    const underWay = this.#reading !== undefined;
    if (!known()) await this.#read();
    if (!known() && underWay) await this.#read();
    return this.#accepted().find((key) => key.kid === kid);
  }

  /** The public keys that are accepted now, newest first. */
  async published(): Promise<PublishedKey[]> {
    await this.#refresh();
    return this.#accepted().map((key) => key.published);
  }

  #accepted(): readonly SigningKey[] {
    const now = this.#deps.clock().getTime();
    return this.#keys.filter((key) => now < key.createdAt + acceptedMs);
  }

  #signs(key: { readonly createdAt: number } | undefined): boolean {
    return key !== undefined && this.#deps.clock().getTime() < key.createdAt + signsMs;
  }

  async #refresh(): Promise<void> {
    if (performance.now() - this.#readAt >= limits.signingKeysRememberedMs) await this.#read();
  }

  /** Once for all who ask at the same time. */
  async #read(): Promise<void> {
    this.#reading ??= this.#readNow().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  }

  async #readNow(): Promise<void> {
    const at = performance.now();
    const rows = await orUnavailable(listSigningKeys(this.#deps.db));
    const keys = await Promise.all(rows.map((row) => this.#toKey(row)));
    if (at < this.#readAt) return; // A later look has come back first.
    this.#keys = keys.filter((key) => key !== undefined);
    this.#readAt = at;
  }

  async #renew(): Promise<void> {
    const { db, clock, secret } = this.#deps;
    // Made before the transaction, which waits for nothing but the database.
    const jwk = await newPrivateJwk();
    const kid = await calculateJwkThumbprint(jwk);
    const made = db.transaction(async (tx) => {
      await lockSigningKeys(tx);
      const rows = await listSigningKeys(tx);
      if (rows.some((row) => this.#open(row) !== undefined && this.#signs({ createdAt: Date.parse(row.createdAt) })))
        return;
      const createdAt = clock().toISOString();
      const sealed = secret.seal("signing key", JSON.stringify(jwk), contextOf({ kid, createdAt }));
      await insertSigningKey(tx, { kid, sealed, createdAt });
      await removeSigningKeys(tx, new Date(clock().getTime() - acceptedMs));
    });
    await orUnavailable(made);
    await this.#readNow();
  }

  /** The private key in the row, or undefined where another secret sealed it or somebody has altered it. */
  #open(row: SigningKeyRow): JWK_EC_Private | undefined {
    const text = this.#deps.secret.unseal("signing key", row.sealed, contextOf(row));
    return text === undefined ? undefined : (JSON.parse(text) as JWK_EC_Private);
  }

  async #toKey(row: SigningKeyRow): Promise<SigningKey | undefined> {
    const { kid } = row;
    const known = this.#keys.find((key) => key.kid === kid);
    if (known !== undefined) return known;
    const jwk = this.#open(row);
    if (jwk === undefined) return undefined;
    const { d: _private, ...open } = jwk;
    const { crv, x, y } = open;
    return {
      kid,
      createdAt: Date.parse(row.createdAt),
      privateKey: (await importJWK(jwk, signingAlgorithm)) as CryptoKey,
      publicKey: (await importJWK(open, signingAlgorithm)) as CryptoKey,
      published: { kty: "EC", crv, x, y, kid, alg: signingAlgorithm, use: "sig" },
    };
  }
}

async function newPrivateJwk(): Promise<JWK_EC_Private> {
  const { privateKey } = await generateKeyPair(signingAlgorithm, { extractable: true });
  return (await exportJWK(privateKey)) as JWK_EC_Private;
}

/** What a sealed key is bound to: in another row, or with another age, it does not open. */
function contextOf({ kid, createdAt }: Pick<SigningKeyRow, "kid" | "createdAt">): string {
  return `${kid} ${Date.parse(createdAt)}`;
}

/** An outage must not look like a wrong credential. */
async function orUnavailable<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof Problem
      ? error
      : unavailable("The signing keys cannot be read right now; try again.", error);
  }
}
