/** Bodies and paths as they may be kept: without secrets, bounded, and in a form that PostgreSQL can hold. */

/** Characters of a body that are kept; a PATCH of 100 members is a tenth of it. Beyond: its beginning. */
const bodyLengthMax = 16 * 1024;
/** Characters of a path with its query. */
const pathLengthMax = 4 * 1024;

const redacted = "[redacted]";
/** A name with one of these words anywhere in it, as in newPassword or client_secret. */
const secretName = /passw(or)?d|passphrase|secret|credential|authorization|cookie|(^|[^a-z])token|[a-z]Token|^digest$/i;
const secretWord = /passw(or)?d|passphrase|authorization|cookie|secret|token|digest|credential|bearer/i;
/** JSON.stringify writes so what jsonb refuses: NUL and halves of surrogate pairs. */
const unstorable = /\\u(0000|d[89a-f])/i;

/** A body as JSON text for a jsonb column; `null` where there is none. */
export function redact(body: unknown): string {
  if (body === undefined || body === null) return "null";
  let text = JSON.stringify(body) ?? "null";
  // Bodies of members hold neither; only the others are walked, which takes five times as long.
  if (secretWord.test(text) || unstorable.test(text)) text = JSON.stringify(withoutSecrets(body));
  if (text.length <= bodyLengthMax) return text;
  return JSON.stringify({ cut: true, length: text.length, beginning: text.slice(0, bodyLengthMax).toWellFormed() });
}

/** A path with its query, readable; the query is left out where it speaks of a secret. */
export function redactPath(path: string): string {
  const text = decode(path);
  const query = text.indexOf("?");
  const kept = query >= 0 && secretWord.test(text.slice(query)) ? `${text.slice(0, query)}?${redacted}` : text;
  return storable(kept.slice(0, pathLengthMax));
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path.replaceAll("+", " "));
  } catch {
    return path;
  }
}

function withoutSecrets(value: unknown, depth = 0): unknown {
  if (depth > 64) return redacted;
  if (typeof value === "string") return speaksOfSecret(value) ? redacted : storable(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => withoutSecrets(item, depth + 1));
  // A PATCH operation names its attribute in `path` and carries it in `value`.
  const names = Object.entries(value).find(([name]) => name.toLowerCase() === "path")?.[1];
  const isSecretOperation = typeof names === "string" && secretWord.test(names);
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => {
      // A name may lead to the secret, as `<urn>:User:password` does, or through it, as `password.value` and `password[…]`.
      const hidden =
        name.split(/[.:[]/).some((part) => secretName.test(part.trim())) ||
        (isSecretOperation && name.toLowerCase() === "value");
      return [storable(name), hidden ? redacted : withoutSecrets(item, depth + 1)];
    }),
  );
}

/** A sentence about a password, JSON within a string, a comparison or a header that carries a secret with its name. */
function speaksOfSecret(text: string): boolean {
  const first = text.search(/passw(or)?d|passphrase|secret|token|authorization/i);
  // Each of these reads the text once: whatever a client sends is looked at here, after it has had its answer.
  return (
    /(passw(or)?d|passphrase|secret|token|authorization)["']?\s{0,9}(is\s|was\s|[:=])/i.test(text) ||
    // A filter or a path that compares a secret with a literal.
    (first >= 0 && text.includes('"', first)) ||
    /\bbearer\s{1,9}\S{8}/i.test(text)
  );
}

function storable(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\ufffd");
}
