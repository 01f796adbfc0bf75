/** Key material and comparison: what is kept of a secret is a digest, and what compares secrets takes constant time. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { inspect } from "node:util";

/** A secret text that does not show itself in logs, errors or JSON. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** HMAC-SHA-256 of the text under a key made for this purpose, so that digests of one use say nothing in another. */
  digest(purpose: string, text: string): Buffer {
    const key = createHmac("sha256", this.#text).update(purpose).digest();
    return createHmac("sha256", key).update(text).digest();
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
