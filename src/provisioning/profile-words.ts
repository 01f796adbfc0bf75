/**
 * What the management side writes of a person, as a client would (ROL-6): into the same document, in the same form. Where
 * a provisioning client owns the person, its next words replace these.
 */
import type { Json, JsonObject, UserDoc } from "../domain/model.ts";
import { USHER_USER, usherExtension } from "../domain/words.ts";
import { resourceType } from "../vocabulary/attributes.ts";
import { toEmail } from "../vocabulary/email.ts";
import { normaliseName } from "../vocabulary/names.ts";
import { invalid, toValue } from "../vocabulary/values.ts";
import { toPhone } from "./phone.ts";

/** What of a profile changes: null takes a value away, what is absent stays. */
export interface ProfileWords {
  readonly userName?: string;
  readonly email?: string;
  readonly externalId?: string | null;
  readonly givenName?: string | null;
  readonly familyName?: string | null;
  readonly displayName?: string | null;
  readonly phone?: string | null;
  /** ISO 3166-1, for a number that is written without its country. */
  readonly phoneCountry?: string;
  readonly company?: string | null;
  readonly callAnalysis?: boolean;
  readonly budget?: { readonly limit?: number | null; readonly currency?: string | null } | null;
  /** USR-7: the time in which the person is active. */
  readonly startDate?: string | null;
  readonly endDate?: string | null;
}

/**
 * Checks the words once and returns what they make of a document. Raises `invalidValue` naming the field and the rule that
 * it breaks.
 */
export function toProfile(words: ProfileWords): (doc: UserDoc) => UserDoc {
  const email = words.email === undefined ? undefined : toEmail(words.email, "email");
  const phone =
    typeof words.phone === "string" ? toPhone(words.phone, words.phoneCountry, "phone") : (words.phone ?? undefined);
  if (words.phoneCountry !== undefined && typeof words.phone !== "string") {
    throw invalid("phoneCountry", "says where a phone is from: name the phone as well");
  }
  const removesPhone = words.phone === null;
  return (doc) => {
    const next: Record<string, Json> = { ...doc };
    if (words.userName !== undefined) assign(next, "userName", words.userName);
    if (email !== undefined) assignEmail(next, doc, email, words.userName === undefined);
    if (words.externalId !== undefined) assign(next, "externalId", words.externalId);
    assignNames(next, doc, words);
    if (phone !== undefined || removesPhone) {
      assign(next, "phoneNumbers", withPrimary(doc.phoneNumbers, phone ?? null));
    }
    assignExtension(next, words);
    if (typeof next.userName !== "string") throw invalid("userName", "must not be empty");
    return next as UserDoc;
  };
}

const user = resourceType("User");
const usher = user.extensions.find(({ id }) => id === USHER_USER);

/** Sets an attribute of the core schema as a client's JSON would; null removes it. */
function assign(doc: Record<string, Json>, name: string, value: Json | undefined): void {
  const attribute = user.core.attributes.get(name.toLowerCase());
  if (attribute === undefined) throw new Error(`There is no attribute ${name}.`);
  const canonical = toValue(attribute, value, name);
  if (canonical === undefined) delete doc[name];
  else doc[name] = canonical;
}

/** Where the userName is the address, which is what people sign in with, it goes along. */
function assignEmail(next: Record<string, Json>, doc: UserDoc, email: string, mayRename: boolean): void {
  const before = primaryOf(doc.emails);
  const isName = before !== null && normaliseName(before) === normaliseName(doc.userName);
  assign(next, "emails", withPrimary(doc.emails, email));
  if (mayRename && isName) assign(next, "userName", email);
}

/** What is shown follows the parts of the name, where it was made of them. */
function assignNames(next: Record<string, Json>, doc: UserDoc, words: ProfileWords): void {
  const { givenName, familyName, displayName } = words;
  if (displayName !== undefined) assign(next, "displayName", displayName);
  if (givenName === undefined && familyName === undefined) return;
  const before = isObject(doc.name) ? doc.name : {};
  const name: Record<string, Json> = { ...before };
  if (givenName !== undefined) name.givenName = givenName;
  if (familyName !== undefined) name.familyName = familyName;
  const [was, is] = [wholeName(before), wholeName(name)];
  if (before.formatted === was) name.formatted = is;
  assign(next, "name", name);
  const follows = typeof doc.displayName !== "string" || doc.displayName === was;
  if (displayName === undefined && follows) assign(next, "displayName", is);
}

function wholeName({ givenName, familyName }: JsonObject): string | null {
  return [givenName, familyName].filter((part) => typeof part === "string" && part !== "").join(" ") || null;
}

function assignExtension(next: Record<string, Json>, words: ProfileWords): void {
  const extension: Record<string, Json> = { ...usherExtension(next) };
  for (const name of ["company", "callAnalysis", "startDate", "endDate", "budget"] as const) {
    const word = words[name];
    if (word === undefined) continue;
    const attribute = usher?.attributes.get(name.toLowerCase());
    if (attribute === undefined) throw new Error(`There is no attribute ${name}.`);
    const before = extension[name];
    const given =
      name === "budget" && word !== null ? { ...(isObject(before) ? before : {}), ...(word as object) } : word;
    const canonical = toValue(attribute, given, name);
    if (canonical === undefined) delete extension[name];
    else extension[name] = canonical;
  }
  if (Object.keys(extension).length > 0) next[USHER_USER] = extension;
  else delete next[USHER_USER];
}

/** The list with another primary value; the other values stay. Null takes the primary one away. */
function withPrimary(list: Json | undefined, value: string | null): Json {
  const items = Array.isArray(list) ? (list as readonly Json[]).filter(isObject) : [];
  const chosen = items.find((item) => item.primary === true) ?? items[0];
  const others = items.filter((item) => item !== chosen);
  if (value === null) return others;
  return [{ type: "work", ...chosen, value, primary: true }, ...others.filter((item) => item.value !== value)];
}

function primaryOf(list: Json | undefined): string | null {
  if (!Array.isArray(list)) return null;
  const items = (list as readonly Json[]).filter(isObject);
  const chosen = items.find((item) => item.primary === true) ?? items[0];
  return typeof chosen?.value === "string" ? chosen.value : null;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
