/** Key material and comparison: what is kept of a secret is a digest, and what compares secrets takes constant time. */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";
import { inspect } from "node:util";

const cipher = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;

/** A secret text that does not show itself in logs, errors or JSON. */
export class Secret {
  readonly #text: string;
  readonly #keys = new Map<string, KeyObject>();

  constructor(text: string) {
    this.#text = text;
  }

  /** HMAC-SHA-256 of the text under a key made for this purpose, so that digests of one use say nothing in another. */
  digest(purpose: string, text: string): Buffer {
    return createHmac("sha256", this.#keyFor(purpose)).update(text).digest();
  }

  /**
   * The text encrypted under a key made for this purpose, as nonce, tag and ciphertext. It opens only together with the
   * same context, such as the id of the row that it is kept in.
   */
  seal(purpose: string, text: string, context: string): Buffer {
    const nonce = randomBytes(nonceBytes);
    const sealing = createCipheriv(cipher, this.#keyFor(`sealed ${purpose}`), nonce).setAAD(Buffer.from(context));
    const sealed = Buffer.concat([sealing.update(text, "utf8"), sealing.final()]);
    return Buffer.concat([nonce, sealing.getAuthTag(), sealed]);
  }

  /** What was sealed, or undefined where another secret, purpose or context sealed it, or somebody has altered it. */
  unseal(purpose: string, sealed: Uint8Array, context: string): string | undefined {
    if (sealed.byteLength < nonceBytes + tagBytes) return undefined;
    const nonce = sealed.subarray(0, nonceBytes);
    const tag = sealed.subarray(nonceBytes, nonceBytes + tagBytes);
    const key = this.#keyFor(`sealed ${purpose}`);
    const opening = createDecipheriv(cipher, key, nonce, { authTagLength: tagBytes });
    opening.setAAD(Buffer.from(context)).setAuthTag(tag);
    try {
      const text = opening.update(sealed.subarray(nonceBytes + tagBytes));
      return Buffer.concat([text, opening.final()]).toString("utf8");
    } catch {
      return undefined;
    }
  }

  /** Made once: every request has a digest, and making keys for it took a tenth of its CPU time. */
  #keyFor(purpose: string): KeyObject {
    let key = this.#keys.get(purpose);
    if (key === undefined) {
      key = createSecretKey(createHmac("sha256", this.#text).update(purpose).digest());
      this.#keys.set(purpose, key);
    }
    return key;
  }

  /** Whether the text is this secret, in a time that does not depend on where they differ or on their lengths. */
  equals(text: string): boolean {
    return timingSafeEqual(this.digest("comparison", this.#text), this.digest("comparison", text));
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }

  [inspect.custom](): string {
    return "[secret]";
  }
}

/** Whether two digests are equal, in constant time. */
export function sameDigest(one: Uint8Array, other: Uint8Array): boolean {
  return one.byteLength === other.byteLength && timingSafeEqual(one, other);
}
