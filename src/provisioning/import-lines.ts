/** One line of a file of people: what it says of somebody, and what became of it. */
import { getCountries, getCountryCallingCode, type ParseError, parsePhoneNumberWithError } from "libphonenumber-js/max";
import type { LicenseView } from "../db/users.ts";
import type { TenantRules } from "../domain/access.ts";
import type { Json, UserDoc, UserState } from "../domain/model.ts";
import { findNamed, USHER_USER, usherExtension } from "../domain/words.ts";
import { Problem } from "../problems.ts";
import { toEmail } from "../vocabulary/email.ts";
import { normaliseName } from "../vocabulary/names.ts";
import { invalid } from "../vocabulary/values.ts";
import type { ImportColumn, ImportLine } from "./import-file.ts";
import { toPhone } from "./phone.ts";
import { type ProfileWords, toProfile } from "./profile-words.ts";

/** What became of one line. */
export interface ImportResult {
  /** In the file, from 1. */
  readonly line: number;
  readonly email: string | null;
  readonly id: string | null;
  readonly outcome: "created" | "exists" | "updated" | "unchanged" | "queued" | "refused" | "invalid";
  /** The column that has to change. */
  readonly field: string | null;
  readonly code: string | null;
  readonly rule: string | null;
  readonly detail: string | null;
}

/** What a valid line says. */
export interface ImportedPerson {
  readonly line: ImportLine;
  readonly email: string;
  readonly userName: string;
  readonly nameNorm: string;
  readonly emailNorm: string;
  readonly role: string | null;
  readonly tier: string | null;
  /** Everything but name, address, role and tier, as it changes a document. */
  readonly write: (doc: UserDoc) => UserDoc;
}

/** What the line says of somebody, or why it says nothing. */
export function toPerson(line: ImportLine): ImportedPerson | Problem {
  try {
    return readPerson(line);
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}

function readPerson(line: ImportLine): ImportedPerson {
  const { cells, beyond } = line;
  if (beyond > 0) throw invalid("line", `has ${beyond} more filled cells than there are columns`);
  if (cells.email === undefined) throw invalid("email", "must be an e-mail address, not empty");
  const email = toEmail(cells.email, "email");
  const userName = cells.userName ?? email;
  const { givenName, familyName, company } = cells;
  const words: ProfileWords = {
    ...(cells.name === undefined ? {} : { displayName: cells.name }),
    ...(givenName === undefined ? {} : { givenName }),
    ...(familyName === undefined ? {} : { familyName }),
    ...(company === undefined ? {} : { company }),
    ...phoneOf(cells.phone, cells.countryCode),
  };
  const write = toProfile(words);
  // What the document's attributes do not take is found here, and not in the middle of a transaction.
  toProfile({ ...words, email, userName })({ userName, active: true } as UserDoc);
  return {
    line,
    email,
    userName,
    nameNorm: normaliseName(userName),
    emailNorm: normaliseName(email),
    role: cells.role ?? null,
    tier: cells.tier ?? null,
    write,
  };
}

/** P-8: the country may be written as its letters (DE) or as its calling code (49, +49, 0049). */
function phoneOf(phone: string | undefined, country: string | undefined): { phone?: string } {
  const code = country === undefined ? undefined : callingCodeOf(country);
  if (phone === undefined) return {};
  const region = code === undefined ? country : undefined;
  const number = code === undefined ? phone : withCallingCode(phone, code);
  const kept = toPhone(number, region, "phone");
  if (code !== undefined && !kept.startsWith(`+${code}`))
    throw invalid("countryCode", `is ${code}, and the phone's is not`);
  return { phone: kept };
}

const callingCodes = new Set<string>(getCountries().map((country) => getCountryCallingCode(country)));

/** The digits of a calling code; undefined for the letters of a country, which are looked at with the number. */
function callingCodeOf(country: string): string | undefined {
  const digits = /^(?:\+|00)?(\d{1,4})$/.exec(country.replace(/[\s()-]/g, ""))?.[1];
  if (digits === undefined) {
    if (/^[a-z]{2}$/i.test(country) && (getCountries() as string[]).includes(country.toUpperCase())) return undefined;
    throw invalid("countryCode", "must be the two letters of a country, such as DE, or its calling code, such as 49");
  }
  if (!callingCodes.has(digits)) throw invalid("countryCode", `is ${digits}, which is no country's calling code`);
  return digits;
}

function withCallingCode(phone: string, code: string): string {
  try {
    return parsePhoneNumberWithError(phone, { extract: false, defaultCallingCode: code }).number;
  } catch (error) {
    throw invalid("phone", `is no telephone number of +${code} (${(error as ParseError).message})`);
  }
}

/** The document of somebody who is new. */
export function toNewDoc(person: ImportedPerson): UserDoc {
  const { email, userName, role, tier, write } = person;
  const doc = toProfile({ email, userName })({ userName, active: true } as UserDoc);
  return withWords(write(doc), { role, licenseTier: tier });
}

/**
 * The document of somebody who exists, by the line's cells that are filled. A role or a tier that they have already is no
 * new word: an export that is imported again changes nothing.
 */
export function toChangedDoc(person: ImportedPerson, state: UserState, rules: TenantRules): UserDoc {
  const { role, tier, write } = person;
  const hasRole = role !== null && findNamed(rules.roles, role)?.key === state.role;
  const hasTier = tier !== null && findNamed(rules.tiers, tier)?.key === state.tier;
  return withWords(write(state.doc), { role: hasRole ? null : role, licenseTier: hasTier ? null : tier });
}

/** ROL-3, LIC-10: the role and the tier asked for are words like a client's. */
function withWords(doc: UserDoc, words: Readonly<Record<string, string | null>>): UserDoc {
  const asked = Object.entries(words).filter(([, word]) => word !== null);
  if (asked.length === 0) return doc;
  const extension: Record<string, Json> = { ...usherExtension(doc), ...Object.fromEntries(asked) };
  return { ...doc, [USHER_USER]: extension };
}

/** The line's own name for what a problem is about. */
const columnOfAttribute: Readonly<Record<string, ImportColumn>> = {
  emails: "email",
  "emails.value": "email",
  displayName: "name",
  licenseTier: "tier",
  roles: "role",
  phoneCountry: "countryCode",
  "name.givenName": "givenName",
  "name.familyName": "familyName",
};

export function toFailure({ line, cells }: ImportLine, problem: Problem, id: string | null = null): ImportResult {
  const { attribute, rule } = problem.facts;
  const field = attribute === undefined ? fieldOf(problem) : (columnOfAttribute[attribute] ?? attribute);
  return {
    line,
    email: cells.email ?? null,
    id,
    outcome: problem.status === 400 ? "invalid" : "refused",
    field,
    code: problem.code,
    rule: rule ?? null,
    detail: problem.message,
  };
}

/** Refusals of rules that name no attribute. */
function fieldOf({ code, facts }: Problem): ImportColumn | null {
  if (code === "promotionRefused" || facts.rule === "ROL-5") return "role";
  return facts.rule === "LIC-11" ? "tier" : null;
}

export function toResult(
  person: ImportedPerson,
  outcome: ImportResult["outcome"],
  id: string | null,
  detail: string | null = null,
): ImportResult {
  return { line: person.line.line, email: person.email, id, outcome, field: null, code: null, rule: null, detail };
}

/** LIC-3: created or updated, and due a seat that is not there yet. */
export function toQueuedLine(
  person: ImportedPerson,
  id: string | null,
  what: "Created" | "Updated",
  rules: TenantRules,
  license: Pick<LicenseView, "wanted" | "position">,
): ImportResult {
  const name = rules.tier.get(license.wanted ?? "")?.name ?? license.wanted;
  const place = license.position === null ? "" : ` at place ${license.position}`;
  return { ...toResult(person, "queued", id, `${what}; waits for a seat of ${name}${place}.`), rule: "LIC-3" };
}
