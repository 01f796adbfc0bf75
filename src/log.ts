/** The log: one JSON object a line on standard output, secrets taken out by name wherever they stand. */
import { type DestinationStream, type Logger, pino, stdSerializers } from "pino";

export type { Logger };

export const logLevels = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

const secretNames = [
  "authorization",
  "cookie",
  "password",
  "hash",
  "token",
  "adminToken",
  "secret",
  "digest",
  "client_secret",
  "access_token",
  "connectionString",
];

export function createLogger(level: LogLevel, destination?: DestinationStream): Logger {
  const options = {
    level,
    serializers: { err: withoutValues },
    base: null,
    redact: {
      // pino takes names at a known depth only: as they occur in a request, a body and an error with its cause.
      paths: secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`, `*.*.*.${name}`]),
      censor: "[redacted]",
    },
  };
  return destination ? pino(options, destination) : pino(options);
}

/** PGlite's errors carry the values of their statement; those are people's data, and the log is read by others. */
function withoutValues(error: Error) {
  const { params, queryOptions, ...rest } = stdSerializers.err(error);
  return rest;
}
