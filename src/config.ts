/** The configuration: environment variables, read once at start. All mistakes are reported together. */
import { isIPv4, isIPv6 } from "node:net";
import { z } from "zod";
import { limits } from "./limits.ts";
import { logLevels } from "./log.ts";
import { StartRefused } from "./start-refused.ts";

export interface Config {
  readonly host: string;
  readonly port: number;
  /** PostgreSQL; undefined: PGlite in dataDir. */
  readonly databaseUrl: string | undefined;
  readonly databaseConnections: number;
  readonly dataDir: string;
  /** Undefined only on the embedded database, which keeps its own in the data directory. */
  readonly operatorToken: string | undefined;
  readonly secret: Buffer | undefined;
  readonly publicUrl: string | undefined;
  /** Asked for the records that prove domains; empty: those of the system. */
  readonly dnsServers: readonly string[];
  /** Of one token; perSecond 0: unlimited. */
  readonly rate: { readonly perSecond: number; readonly burst: number };
  readonly logLevel: (typeof logLevels)[number];
}

export interface Variable {
  readonly name: string;
  readonly meaning: string;
  /** Undefined: none. */
  readonly default: string | undefined;
  readonly example: string;
}

/** Every variable that Usher reads, as the README lists them. */
export const variables: readonly Variable[] = [
  { name: "PORT", meaning: "port to listen on; 0 takes a free one", default: "8080", example: "8080" },
  { name: "HOST", meaning: "address to listen on", default: "127.0.0.1", example: "0.0.0.0" },
  {
    name: "DATABASE_URL",
    meaning: "PostgreSQL 14 or later; without it an embedded database lives in USHER_DATA_DIR",
    default: undefined,
    example: "postgres://usher:password@localhost:5432/usher",
  },
  {
    name: "USHER_DATABASE_CONNECTIONS",
    meaning: "connections to PostgreSQL, most at once",
    default: String(limits.databaseConnectionsDefault),
    example: "20",
  },
  { name: "USHER_DATA_DIR", meaning: "folder of the embedded database", default: "./data", example: "/var/lib/usher" },
  {
    name: "USHER_OPERATOR_TOKEN",
    meaning:
      "bearer token of the operator, 32 characters or more; required with DATABASE_URL, else kept in the data directory",
    default: undefined,
    example: "the output of: openssl rand -hex 32",
  },
  {
    name: "USHER_SECRET",
    meaning:
      "32 bytes in hex or base64 that key digests, cursors and signatures; required with DATABASE_URL, else kept in the data directory",
    default: undefined,
    example: "the output of: openssl rand -hex 32",
  },
  {
    name: "USHER_PUBLIC_URL",
    meaning: "address under which clients reach the server; without it the request's own origin",
    default: undefined,
    example: "https://usher.example.com",
  },
  {
    name: "USHER_DNS_SERVERS",
    meaning: "DNS servers to ask for the records that prove domains, by address; without it those of the system",
    default: undefined,
    example: "9.9.9.9,[2620:fe::fe]:53",
  },
  {
    name: "USHER_RATE_LIMIT",
    meaning: `requests a second of one token, sustained; a tenant's together: ${limits.tenantRateFactor} times that; 0 for no limit; beyond: 429`,
    default: String(limits.rateLimitDefault),
    example: "250",
  },
  {
    name: "USHER_RATE_BURST",
    meaning: "requests of one token at once, after a rest; each operation of a Bulk counts as one",
    default: String(limits.rateBurstDefault),
    example: "2500",
  },
  { name: "LOG_LEVEL", meaning: logLevels.join(", "), default: "info", example: "warn" },
];

const wholeNumber = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d+$/, "is not a whole number")
    .transform(Number)
    .refine((number) => number >= least && number <= most, `lies outside ${least} to ${most}`);

const url = (protocols: readonly string[], what: string) =>
  z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), `is not ${what}`);

const environment = z.object({
  PORT: wholeNumber(0, 65_535),
  HOST: z.string(),
  DATABASE_URL: url(["postgres:", "postgresql:"], "the URL of a PostgreSQL database").optional(),
  USHER_DATABASE_CONNECTIONS: wholeNumber(2, 1000),
  USHER_DATA_DIR: z.string(),
  USHER_OPERATOR_TOKEN: z
    .string()
    .min(32, "is shorter than 32 characters")
    .regex(/^[\x21-\x7e]*$/, "holds spaces or characters that a header cannot carry")
    .optional(),
  USHER_SECRET: z.string().transform(toSecret).optional(),
  USHER_PUBLIC_URL: url(["http:", "https:"], "an http or https URL")
    .refine((text) => !URL.canParse(text) || hasOriginOnly(new URL(text)), "carries a query, a fragment or a user name")
    .optional(),
  USHER_DNS_SERVERS: z.string().transform(toServers).optional(),
  USHER_RATE_LIMIT: wholeNumber(0, 1_000_000),
  USHER_RATE_BURST: wholeNumber(1, 1_000_000),
  LOG_LEVEL: z.enum(logLevels, { error: `is not one of ${logLevels.join(", ")}` }),
});

/** Reads the variables; an empty one counts as absent. Refuses to start with every mistake in one message. */
export function readConfig(env: Readonly<Record<string, string | undefined>> = process.env): Config {
  const given = variables.map(({ name, default: otherwise }) => [name, env[name]?.trim() || otherwise]);
  const values: Readonly<Record<string, string | undefined>> = Object.fromEntries(given);
  const parsed = environment.safeParse(values);
  const mistakes = [...(parsed.error?.issues ?? []).map(toMistake), ...missing(values)];
  if (!parsed.success || mistakes.length > 0) throw new StartRefused(describe(mistakes));
  const { data } = parsed;
  return {
    host: data.HOST,
    port: data.PORT,
    databaseUrl: data.DATABASE_URL,
    databaseConnections: data.USHER_DATABASE_CONNECTIONS,
    dataDir: data.USHER_DATA_DIR,
    operatorToken: data.USHER_OPERATOR_TOKEN,
    secret: data.USHER_SECRET,
    publicUrl: data.USHER_PUBLIC_URL?.replace(/\/+$/, ""),
    dnsServers: data.USHER_DNS_SERVERS ?? [],
    rate: { perSecond: data.USHER_RATE_LIMIT, burst: data.USHER_RATE_BURST },
    logLevel: data.LOG_LEVEL,
  };
}

function toSecret(text: string, context: z.RefinementCtx): Buffer {
  const secret = /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, "hex") : Buffer.from(text, "base64");
  if (secret.length !== 32) context.addIssue({ code: "custom", message: "is not 32 bytes in hex or base64" });
  return secret;
}

/** Addresses alone: a server known by name would have to be looked up first. */
function toServers(text: string, context: z.RefinementCtx): string[] {
  const servers = text.split(",").map((server) => server.trim());
  if (!servers.every(isServer)) {
    context.addIssue({ code: "custom", message: "names something else than addresses, with or without a port" });
  }
  return servers;
}

function isServer(text: string): boolean {
  if (isIPv6(text)) return true;
  const [, inBrackets = "", plain = "", port = "53"] = /^(?:\[([^\]]*)\]|([^[\]:]*))(?::(\d{1,5}))?$/.exec(text) ?? [];
  return (isIPv6(inBrackets) || isIPv4(plain)) && Number(port) >= 1 && Number(port) <= 65_535;
}

function hasOriginOnly(url: URL): boolean {
  return url.search === "" && url.hash === "" && url.username === "" && url.password === "";
}

interface Mistake {
  readonly name: string;
  readonly message: string;
}

function toMistake({ path: [name], message }: z.core.$ZodIssue): Mistake {
  return { name: String(name), message };
}

/** The embedded database comes with a folder to keep them in; any number of servers may share a PostgreSQL. */
function missing(values: Readonly<Record<string, string | undefined>>): Mistake[] {
  if (values.DATABASE_URL === undefined) return [];
  return ["USHER_OPERATOR_TOKEN", "USHER_SECRET"]
    .filter((name) => values[name] === undefined)
    .map((name) => ({ name, message: "is required with DATABASE_URL" }));
}

function describe(mistakes: readonly Mistake[]): string {
  const lines = variables.flatMap(({ name, example }) =>
    mistakes
      .filter((mistake) => mistake.name === name)
      .map(({ message }) => `  ${name} ${message}. Example: ${example}`),
  );
  return ["The configuration has mistakes:", ...lines].join("\n");
}
