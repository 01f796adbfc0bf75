/** E-mail addresses as people type them: what is no address is refused before it becomes somebody's name. */
import { invalid } from "./values.ts";

/** RFC 5321 §4.5.3.1: octets of the part before the @, and of the whole path. Beyond it 400. */
const localBytesMax = 64;
const addressBytesMax = 254;

// RFC 5322 §3.2.3 dot-atom, with the letters of every script (RFC 6531). Quoted parts and comments, which nobody's
// mailbox has, are left out.
const local = /^[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+(\.[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+)*$/u;
const label = /^[\p{L}\p{M}\p{N}]([\p{L}\p{M}\p{N}-]{0,61}[\p{L}\p{M}\p{N}])?$/u;

/** The address without spaces around it. Raises `invalidValue` naming the field and the rule that it breaks. */
export function toEmail(text: string, field: string): string {
  const address = text.trim();
  if (address === "") throw invalid(field, "must be an e-mail address, not empty");
  if (/\s/u.test(address)) throw invalid(field, "must be an e-mail address: it contains a space");
  const at = address.lastIndexOf("@");
  if (at < 0) throw invalid(field, "must be an e-mail address: it has no @");
  const [name, domain] = [address.slice(0, at), address.slice(at + 1)];
  if (bytes(name) > localBytesMax) throw invalid(field, `has more than ${localBytesMax} characters before the @`);
  if (bytes(address) > addressBytesMax) throw invalid(field, `is longer than ${addressBytesMax} characters`);
  if (!local.test(name))
    throw invalid(field, "must be an e-mail address: before the @ stands what no address has there");
  const labels = domain.split(".");
  if (labels.length < 2 || labels.some((part) => !label.test(part))) {
    throw invalid(field, "must be an e-mail address: behind the @ stands no domain such as example.com");
  }
  return address;
}

function bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}
