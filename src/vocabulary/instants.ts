/** Moments as SCIM writes them (RFC 7643 §2.3.5: xsd:dateTime), and comparable whatever their offset and precision. */

// Entra's inbound client writes seven fractional digits; see entra-inbound-fullsync in test/fixtures/clients.
const dateTime = /^(\d{4})-(\d\d)-(\d\d)(?:[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):(\d\d))?)?$/;

/**
 * The moment in microseconds since 1970, or undefined for text that is no date of the years 1 to 9999. A date alone is its
 * midnight, and a time without offset is meant, in UTC. Digits beyond the microsecond are cut: the database has none.
 */
export function parseInstant(text: string): bigint | undefined {
  if (text.length > 40) return undefined;
  const parts = dateTime.exec(text);
  if (!parts) return undefined;
  const [year, month, day, hour, minute, second] = [1, 2, 3, 4, 5, 6].map((i) => Number(parts[i] ?? 0)) as Six;
  if (hour > 24 || minute > 59 || second > 60 || (hour === 24 && (minute > 0 || second > 0))) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCFullYear() !== year || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  date.setUTCHours(hour, minute, second);
  const [offsetHours, offsetMinutes] = [Number(parts[10] ?? 0), Number(parts[11] ?? 0)];
  if (offsetHours > 14 || offsetMinutes > 59) return undefined;
  const offsetMs = (offsetHours * 60 + offsetMinutes) * 60_000 * (parts[9] === "-" ? 1 : -1);
  const micros = Number((parts[7] ?? "").padEnd(6, "0").slice(0, 6));
  const instant = BigInt(date.getTime() + offsetMs) * 1000n + BigInt(micros);
  return instant >= earliest && instant <= latest ? instant : undefined;
}

type Six = [number, number, number, number, number, number];
const earliest = BigInt(Date.parse("0001-01-01T00:00:00Z")) * 1000n;
const latest = BigInt(Date.parse("9999-12-31T23:59:59.999Z")) * 1000n + 999n;

/** The moment as ISO 8601 text in UTC with microseconds, as PostgreSQL reads it under any of its settings. */
export function formatInstant(instant: bigint): string {
  const micros = ((instant % 1000n) + 1000n) % 1000n;
  const iso = new Date(Number((instant - micros) / 1000n)).toISOString();
  return `${iso.slice(0, -1)}${String(micros).padStart(3, "0")}Z`;
}
