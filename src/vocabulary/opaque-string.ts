/** Passwords as they are compared: the OpaqueString profile of RFC 8265 §4.2. */
import { invalid } from "./values.ts";

/** Characters of a password; passphrases have a tenth of it. Beyond it 400. */
export const passwordLengthMax = 1024;

/**
 * The text in the form that is hashed: letters composed (NFC), every kind of space the plain one, so that the same words
 * typed on another keyboard are the same password. Letter case counts. `label` names the attribute. Raises `invalidValue`
 * for nothing at all, for too much, and for control characters, which no keyboard types into a password field.
 */
export function toOpaqueString(text: string, label: string): string {
  // RFC 8265 §4.2.2: mapping of spaces, then NFC; the result has at least one character (§4.2.1).
  const prepared = text.replace(/\p{Zs}/gu, " ").normalize("NFC");
  if (prepared === "") throw invalid(label, "must not be empty");
  if ([...prepared].length > passwordLengthMax) throw invalid(label, `is longer than ${passwordLengthMax} characters`);
  // RFC 8264 §4.3: controls belong to no PRECIS string.
  if (/\p{Cc}/u.test(prepared)) throw invalid(label, "contains a control character");
  return prepared;
}
