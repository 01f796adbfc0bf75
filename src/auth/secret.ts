/** Key material and comparison: what is kept of a secret is a digest, and what compares secrets takes constant time. */
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from "node:crypto";
import { inspect } from "node:util";

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
