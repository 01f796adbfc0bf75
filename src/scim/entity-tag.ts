/** Entity tags of what has no row version of its own (RFC 9110 §8.8.3). */
import { hash } from "node:crypto";

/** A strong tag: it is the same for the same bytes alone. 160 bits of them, so that no two texts ever share one. */
export function entityTag(text: string): string {
  return `"${hash("sha256", text, "base64url").slice(0, 27)}"`;
}
