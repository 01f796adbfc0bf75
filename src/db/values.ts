/**
 * How values cross, the same on both engines: numbers for bigint and numeric, ISO 8601 with milliseconds for a
 * timestamp, plain text for dates and UUIDs, parsed jsonb, Buffer for bytea.
 */
import pg from "pg";

type Parse = (text: string) => unknown;

// Type numbers as in pg_type: fixed by PostgreSQL for the built-in types.
const scalars: Readonly<Record<number, { array: number; parse: Parse }>> = {
  16: { array: 1000, parse: (text) => text === "t" },
  17: { array: 1001, parse: (text) => Buffer.from(text.slice(2), "hex") },
  20: { array: 1016, parse: Number },
  21: { array: 1005, parse: Number },
  23: { array: 1007, parse: Number },
  25: { array: 1009, parse: identity },
  26: { array: 1028, parse: Number },
  114: { array: 199, parse: JSON.parse },
  700: { array: 1021, parse: Number },
  701: { array: 1022, parse: Number },
  1043: { array: 1015, parse: identity },
  1082: { array: 1182, parse: identity },
  1083: { array: 1183, parse: identity },
  1114: { array: 1115, parse: identity },
  1184: { array: 1185, parse: toIso },
  1186: { array: 1187, parse: identity },
  1700: { array: 1231, parse: Number },
  2950: { array: 2951, parse: identity },
  3802: { array: 3807, parse: JSON.parse },
};

/** The driver's own; its type declaration is of another version than its code. */
const arrayParser = pg.types.arrayParser as unknown as {
  create(text: string, parse: Parse): { parse(): unknown[] };
};

/** Parsers by type number, arrays included. */
export const parsers: Readonly<Record<number, Parse>> = Object.fromEntries(
  Object.entries(scalars).flatMap(([type, { array, parse }]): [number, Parse][] => [
    [Number(type), parse],
    [array, (text) => arrayParser.create(text, parse).parse()],
  ]),
);

export function parserOf(type: number): Parse {
  return parsers[type] ?? identity;
}

/** A value as PostgreSQL reads it from text; null stays null. */
export function toWire(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "string") return value;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString("hex")}`;
  if (Array.isArray(value)) return toArray(value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function toArray(values: readonly unknown[]): string {
  return `{${values.map(toElement).join(",")}}`;
}

function toElement(value: unknown): string {
  if (Array.isArray(value)) return toArray(value);
  const text = toWire(value);
  return text === null ? "NULL" : `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

const timestampInUtc = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d+)?\+00$/;

/** Sessions run in UTC, so the text is taken apart instead of parsed; a database that answers otherwise is parsed. */
function toIso(text: string): string {
  const parts = timestampInUtc.exec(text);
  if (parts) return `${parts[1]}T${parts[2]}${(parts[3] ?? ".").padEnd(4, "0").slice(0, 4)}Z`;
  const date = pg.types.getTypeParser(1184)(text) as Date | number;
  return date instanceof Date && !Number.isNaN(date.getTime()) ? date.toISOString() : text;
}

function identity(text: string): string {
  return text;
}
