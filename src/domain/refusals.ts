/** What the rules refuse of a client's words (ROL-3, LIC-10, USR-4, USR-5), as values that say what to change. */
import type { ProblemCode, ProblemFacts } from "../problems.ts";
import { normaliseName } from "../vocabulary/names.ts";
import type { TenantRules } from "./access.ts";
import { domainOf } from "./domains.ts";
import { type Draft, restoreWords } from "./draft.ts";
import { emailsOf, primaryEmail, type SignInIdentity } from "./identity.ts";
import type { Json, JsonObject, UserDoc, UserState } from "./model.ts";
import { usherExtension, wishedRole, wishedTier } from "./words.ts";

/** What somebody wanted and could not have, for the Admin to decide on. */
export interface PromotionWish {
  readonly kind: "role" | "identity";
  readonly role: string;
  readonly sources: readonly string[];
  readonly identity: SignInIdentity;
}

export interface Refusal {
  readonly code: ProblemCode;
  readonly rule: string;
  readonly detail: string;
  readonly facts: ProblemFacts;
  readonly wish: PromotionWish | null;
  /** Where it was left out of a draft: the draft as it was, with the words that were refused. */
  readonly refused?: Draft;
  /** USR-9: the draft without what was refused. */
  readonly without: (draft: Draft, stored: UserState) => Draft;
}

/** The first of the words that a rule refuses; judged only where the value changes, so that an echo never fails. */
export function checkWords(before: UserState | null, draft: Draft, rules: TenantRules): Refusal | null {
  const doc = draft.doc;
  const stored = before?.doc ?? null;
  return (
    checkRole(doc, stored, rules) ??
    checkTier(doc, stored, rules) ??
    checkEmail(doc, stored, rules) ??
    checkDomain(doc, stored, rules)
  );
}

function checkRole(doc: UserDoc, stored: UserDoc | null, rules: TenantRules): Refusal | null {
  const known = rules.roles.map((role) => role.key).join(", ");
  const wish = wishedRole(doc, rules.roles, rules.mapping.defaults.role);
  if (wish.unknown !== null && wish.unknown !== text(stored, "role")) {
    return refuse(
      "unknownRole",
      "ROL-3",
      `There is no role "${wish.unknown}". Known roles: ${known}.`,
      "role",
      ["role"],
      [],
    );
  }
  if (rules.settings.unknownRoles === "refuse") {
    const old = stored === null ? [] : wishedRole(stored, rules.roles, rules.mapping.defaults.role).unknownEntries;
    const fresh = wish.unknownEntries.find((entry) => !old.includes(entry));
    if (fresh !== undefined) {
      return refuse(
        "unknownRole",
        "ROL-3",
        `roles names "${fresh}", which is no role. Known roles: ${known}.`,
        "roles",
        [],
        ["roles"],
      );
    }
  }
  return null;
}

function checkTier(doc: UserDoc, stored: UserDoc | null, rules: TenantRules): Refusal | null {
  const { unknown } = wishedTier(doc, rules.tiers);
  if (unknown === null || unknown === text(stored, "licenseTier")) return null;
  const known = rules.tiers.map((tier) => tier.key).join(", ");
  const detail = `There is no license tier "${unknown}". Known tiers: ${known}.`;
  return refuse("unknownTier", "LIC-10", detail, "licenseTier", ["licenseTier"], []);
}

/** USR-4: the e-mail stays; a person with another one is another account. */
function checkEmail(doc: UserDoc, stored: UserDoc | null, rules: TenantRules): Refusal | null {
  if (stored === null || !rules.settings.emailImmutable) return null;
  const [was, is] = [primaryEmail(stored), primaryEmail(doc)];
  if (was === null || normaliseName(was) === normaliseName(is ?? "")) return null;
  const detail = `The e-mail address of a user cannot be changed here (${was}). Deactivate this user and create another.`;
  return refuse("mutability", "USR-4", detail, "emails", [], ["emails"]);
}

/** USR-5: users need a verified domain. Judged on creation and where an address changes. */
function checkDomain(doc: UserDoc, stored: UserDoc | null, rules: TenantRules): Refusal | null {
  const { requireDomain, restrictDomains } = rules.settings;
  const domains = rules.verifiedDomains;
  if (stored === null && requireDomain && domains.length === 0) {
    const detail =
      "No user can be added before a mail domain of yours is verified. An Admin adds it under Domains (POST " +
      "/api/v1/domains), publishes the DNS record shown there and verifies it; or ask the vendor. Then retry.";
    return refuse("domainRequired", "USR-5", detail, "emails", [], []);
  }
  if (!restrictDomains) return null;
  const old = new Set(stored === null ? [] : addressesOf(stored).map(normaliseName));
  const addresses = addressesOf(doc);
  const outside = addresses.find((address) => !old.has(normaliseName(address)) && !isWithin(domains, address));
  // Somebody without any address is of no domain at all.
  const nowhere = addresses.length === 0 && (stored === null || old.size > 0);
  if (outside === undefined && !nowhere) return null;
  const known = domains.slice(0, 20).join(", ") || "none";
  const where = " An Admin adds and verifies others under Domains (/api/v1/domains).";
  const detail = nowhere
    ? `A user needs an address within the verified domains of this tenant (${known}).${where}`
    : `"${outside}" lies outside the verified domains of this tenant (${known}).${where}`;
  return refuse("domainRequired", "USR-5", detail, "emails", [], ["emails", "userName"]);
}

/** Every address of the user: the e-mails, and a userName that is one. */
function addressesOf(doc: UserDoc): string[] {
  return doc.userName.includes("@") ? [doc.userName, ...emailsOf(doc)] : emailsOf(doc);
}

function isWithin(domains: readonly string[], address: string): boolean {
  const domain = domainOf(address);
  return domain !== null && domains.includes(domain);
}

function refuse(
  code: ProblemCode,
  rule: string,
  detail: string,
  attribute: string,
  extension: readonly string[],
  core: readonly string[],
): Refusal {
  return {
    code,
    rule,
    detail,
    facts: { attribute },
    wish: null,
    without: (draft, stored) => ({ ...draft, doc: restoreWords(draft.doc, stored.doc, extension, core) }),
  };
}

function text(doc: UserDoc | null, attribute: string): Json | undefined {
  return doc === null ? undefined : (usherExtension(doc) as JsonObject)[attribute];
}
