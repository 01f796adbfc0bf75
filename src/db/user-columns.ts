/** What of a user's document is stored in columns of its own, normalised in code, so that an index finds it. */
import { emailsOf } from "../domain/identity.ts";
import type { Json, JsonObject, UserDoc } from "../domain/model.ts";
import { usherExtension } from "../domain/words.ts";
import { normaliseName } from "../vocabulary/names.ts";

/** UTF-8 bytes of the text that people are searched in: it lies in an index, beside a name of up to 1,024 bytes. */
const searchBytesMax = 1_000;

/** The same for a company, which is the head of an index. */
const companyBytesMax = 500;

export function externalIdOf(doc: UserDoc): string | null {
  return textOf(doc.externalId);
}

export function displayNameNormOf(doc: UserDoc): string | null {
  const name = textOf(doc.displayName);
  return name === null ? null : normaliseName(name);
}

export function emailNormsOf(doc: UserDoc): string[] {
  return [...new Set(emailsOf(doc).map(normaliseName))];
}

/** What the list filters by; of a company that is longer than any, the beginning. */
export function companyNormOf(doc: UserDoc): string | null {
  const company = textOf(usherExtension(doc).company);
  return company === null ? null : toCompanyNorm(company);
}

/** A company as it is compared. */
export function toCompanyNorm(company: string): string {
  return withinBytes(normaliseName(company.trim()), companyBytesMax);
}

/** Every name and address but the userName, each once, a line each. */
export function searchTextOf(doc: UserDoc): string {
  const name = isObject(doc.name) ? doc.name : {};
  const parts = [name.givenName, name.familyName].map((part) => textOf(part)).filter((part) => part !== null);
  const names = [textOf(doc.displayName), parts.join(" "), textOf(name.formatted), textOf(doc.nickName)];
  const known = new Set([normaliseName(doc.userName), ""]);
  const lines: string[] = [];
  for (const text of [...names, ...emailsOf(doc)]) {
    const line = normaliseName(text ?? "");
    if (known.has(line)) continue;
    known.add(line);
    lines.push(line);
  }
  return withinBytes(lines.join("\n"), searchBytesMax);
}

function withinBytes(text: string, bytesMax: number): string {
  if (text.length * 3 <= bytesMax) return text;
  const bytes = Buffer.from(text);
  if (bytes.byteLength <= bytesMax) return text;
  // A letter that is cut in the middle is left out.
  return bytes.subarray(0, bytesMax).toString().replace(/�+$/, "");
}

function textOf(value: Json | undefined): string | null {
  return typeof value === "string" ? value : null;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
