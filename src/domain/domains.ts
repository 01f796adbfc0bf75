/**
 * USR-5: mail domains. What a domain's name is, the record that proves it, and what its absence means. A domain is compared
 * exactly, in the form that DNS has of it (UTS #46): another letter case or script of the same name is the same domain, a
 * name below it another one.
 */

/** A text as a domain's name, in ASCII and lower case; null when it is none, such as an address of a machine. */
export function toDomainName(text: string): string | null {
  const name = text.replace(/[.。．｡]$/u, "");
  // Only what a name can consist of: the parser below takes a slash for the end, and leaves out what is invisible.
  if (!/^[\p{L}\p{M}\p{N}.。．｡-]{3,253}$/u.test(name)) return null;
  const host = /^[a-z0-9.-]+$/.test(name) && !name.includes("xn--") ? name : toAscii(name);
  if (host === null || host.length > nameCharsMax) return null;
  const labels = host.split(".");
  const last = labels.at(-1) ?? "";
  if (labels.length < 2 || !labels.every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label))) return null;
  return /^[0-9]/.test(last) ? null : host;
}

const challenge = "_usher-challenge.";

/** RFC 1035 §2.3.4 allows 253; with the record's own name before it. */
const nameCharsMax = 253 - challenge.length;

/** As every host of a URL is read: UTS #46, not transitional. */
function toAscii(name: string): string | null {
  const url = `http://${name}/`;
  return URL.canParse(url) ? new URL(url).hostname : null;
}

/** The domain of an e-mail address; null when behind its last @ stands none. */
export function domainOf(address: string): string | null {
  return toDomainName(address.slice(address.lastIndexOf("@") + 1));
}

// RFC 6761, 6762, 7686, 9476 and ICANN's "internal": nobody's mail comes from there.
const reserved: ReadonlySet<string> = new Set(["localhost", "local", "internal", "invalid", "onion", "arpa", "alt"]);

// Below a country's domain they are its registry's, as in co.uk and com.br. A list of all such names is longer than this
// whole program and changes every week; whoever asks for one of the others has no way to publish a record there.
const registries: ReadonlySet<string> = new Set("ac co com edu gob gouv gov govt mil net org".split(" "));

/** Why nobody can have this domain, as a sentence; null when somebody may. */
export function refuseDomain(name: string): string | null {
  const labels = name.split(".");
  const last = labels.at(-1) ?? "";
  if (reserved.has(last)) return `Names below ".${last}" are nobody's mail domain.`;
  if (labels.length === 2 && last.length === 2 && registries.has(labels[0] ?? "")) {
    return `"${name}" is a public suffix, below which everybody may have a name; add the domain of your own below it.`;
  }
  return null;
}

/** What is published in DNS: the name of a TXT record and its text. */
export interface ChallengeRecord {
  readonly type: "TXT";
  readonly name: string;
  readonly value: string;
}

/** Where the record of a domain stands. */
export function challengeName(name: string): string {
  return challenge + name;
}

export function challengeOf(name: string, token: string): ChallengeRecord {
  return { type: "TXT", name: challengeName(name), value: `usher-verification=${token}` };
}

/** How a domain stands. `missing`: verified, its record gone of late. `lapsed`: gone for so long that it is up for proof. */
export type DomainState = "pending" | "verified" | "missing" | "lapsed";

/** What decides about a claim to a domain. Times as ISO 8601 texts. */
export interface ClaimFacts {
  readonly verifiedAt: string | null;
  readonly missingSince: string | null;
  readonly lapsedAt: string | null;
}

export function stateOf({ verifiedAt, missingSince, lapsedAt }: ClaimFacts): DomainState {
  if (verifiedAt === null) return "pending";
  if (lapsedAt !== null) return "lapsed";
  return missingSince === null ? "verified" : "missing";
}

/** What DNS says of a record: there, not there, or nothing, because it did not answer. */
export type Sighting = "present" | "absent" | "unknown";

/** What follows for a verified domain from looking its record up again. */
export interface Recheck {
  readonly missingSince: string | null;
  readonly lapsedAt: string | null;
  readonly checkAt: string;
  readonly event: "domain.missing" | "domain.lapsed" | "domain.restored" | null;
}

const dayMs = 24 * 3_600_000;

/** A record may be gone this long. Beyond, whoever else proves the domain gets it. */
export const lapseDays = 7;

/** When DNS did not answer, it is asked again after this time. */
const retryMs = 3_600_000;

/**
 * USR-5: a record that is gone takes nothing from anybody. Records are cleared away by people who take them for leftovers,
 * and a directory whose newcomers were refused for that would be stopped on a Monday morning by nobody's decision. What
 * lapses after seven days is the claim to be the only one: another tenant that proves the domain now gets it, and it is
 * verified here no more. An answer that does not come says nothing of the record, and neither begins nor ends the time.
 */
export function judgeRecheck(claim: ClaimFacts, sighting: Sighting, now: Date): Recheck {
  const { missingSince, lapsedAt } = claim;
  const later = (ms: number) => new Date(now.getTime() + ms).toISOString();
  if (sighting === "unknown") return { missingSince, lapsedAt, checkAt: later(retryMs), event: null };
  const checkAt = later(dayMs);
  if (sighting === "present") {
    return { missingSince: null, lapsedAt: null, checkAt, event: missingSince === null ? null : "domain.restored" };
  }
  if (missingSince === null) {
    return { missingSince: now.toISOString(), lapsedAt: null, checkAt, event: "domain.missing" };
  }
  const lapses = lapsedAt === null && now.getTime() - Date.parse(missingSince) >= lapseDays * dayMs;
  return {
    missingSince,
    lapsedAt: lapses ? now.toISOString() : lapsedAt,
    checkAt,
    event: lapses ? "domain.lapsed" : null,
  };
}
