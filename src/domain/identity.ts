/** GRD-6, GRD-8: what a person signs in with, as the client wrote it, in a form that compares. */

import { normaliseName } from "../vocabulary/names.ts";
import type { Json, JsonObject, UserDoc } from "./model.ts";

export interface SignInIdentity {
  readonly userName: string;
  readonly externalId: string | null;
  readonly emails: readonly string[];
}

/** userName and e-mails fold their letter case, externalId does not; the order of e-mails says nothing. */
export function identityOf(doc: UserDoc): SignInIdentity {
  const externalId = doc["externalId"];
  return {
    userName: normaliseName(doc.userName),
    externalId: typeof externalId === "string" ? externalId : null,
    emails: [...new Set(emailsOf(doc).map(normaliseName))].sort(),
  };
}

/** Every address of `emails[]`, as written. */
export function emailsOf(doc: UserDoc): string[] {
  const emails = doc["emails"];
  if (!Array.isArray(emails)) return [];
  return (emails as readonly Json[]).flatMap((item) => {
    const value =
      typeof item === "object" && item !== null && !Array.isArray(item) ? (item as JsonObject)["value"] : item;
    return typeof value === "string" ? [value] : [];
  });
}

/** The primary address, else the first. */
export function primaryEmail(doc: UserDoc): string | null {
  const emails = doc["emails"];
  if (!Array.isArray(emails)) return null;
  const items = (emails as readonly JsonObject[]).filter((item) => typeof item?.["value"] === "string");
  const chosen = items.find((item) => item["primary"] === true) ?? items[0];
  return chosen === undefined ? null : (chosen["value"] as string);
}

export function sameIdentity(one: SignInIdentity, other: SignInIdentity): boolean {
  return (
    one.userName === other.userName &&
    one.externalId === other.externalId &&
    one.emails.length === other.emails.length &&
    one.emails.every((email, index) => email === other.emails[index])
  );
}

/** What a person is called: their display name, else their formatted name, else its parts; null: nothing of it is known. */
export function displayNameOf(doc: JsonObject): string | null {
  const name = doc.name;
  const parts = isObject(name) ? [textOf(name.givenName), textOf(name.familyName)].filter((part) => part !== null) : [];
  const formatted = isObject(name) ? textOf(name.formatted) : null;
  return textOf(doc.displayName) ?? formatted ?? (parts.join(" ") || null);
}

function textOf(value: Json | undefined): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
