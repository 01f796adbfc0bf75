/**
 * The web server's inside. A request passes, in this order: an id, the log and the metrics, the shedding of load, the
 * router of its door, and, where it is refused or fails, the one error handler. Routers read their own bodies and know
 * nothing of each other.
 */
import express, { type Express, type RequestHandler, type Router } from "express";
import { overloaded, unavailable } from "../db/constraints.ts";
import type { OpenDatabase } from "../db/transactions.ts";
import { limits } from "../limits.ts";
import type { Logger } from "../log.ts";
import { Problem } from "../problems.ts";
import { answerErrors } from "./error-handler.ts";
import { createMetrics } from "./metrics.ts";
import { giveRequestId } from "./request-id.ts";
import { observeRequests, shedLoad } from "./request-log.ts";

export interface AppParts {
  readonly database: Pick<OpenDatabase, "ping" | "stats">;
  readonly log: Logger;
  readonly newId: () => string;
  /** Doors by the path they are mounted at, such as /scim/v2. */
  readonly routers: Readonly<Record<string, Router>>;
  /** Whether the server is on its way down: it then answers what it has and asks for no more. */
  readonly stopping?: () => boolean;
  readonly requestsInFlightMax?: number;
}

export function createApp(parts: AppParts): Express {
  const { database, log, newId, routers, stopping = () => false } = parts;
  const metrics = createMetrics(database);
  const app = express();
  // Versions of resources are row versions; express would hash every body to invent another.
  app.set("etag", false);
  app.set("x-powered-by", false);
  app.use(giveRequestId(newId));
  app.use(observeRequests(log, metrics));
  app.use(setSecurityHeaders);
  app.use(closeWhen(stopping));

  app.get("/healthz", (_req, res) => {
    res.json({ status: "up" });
  });
  app.get("/readyz", async (_req, res) => {
    if (stopping()) throw unavailable("The server is stopping.");
    await within(readyMs, database.ping());
    res.json({ status: "ready" });
  });
  app.get("/metrics", async (_req, res) => {
    res.type(metrics.contentType).send(await metrics.text());
  });

  app.use(
    shedLoad(parts.requestsInFlightMax ?? limits.requestsInFlightMax, () => {
      throw overloaded();
    }),
  );
  for (const [path, router] of Object.entries(routers)) app.use(path, router);
  app.use(() => {
    throw new Problem(
      "notFound",
      "Nothing is served under this path. SCIM is under /scim/v2, the management API under /api/v1.",
    );
  });
  app.use(answerErrors(log));
  return app;
}

/** A probe waits about that long before it counts the server as dead. */
const readyMs = 2_000;

async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(unavailable("The database does not answer in time.")), ms);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Every answer is JSON about people: no page may frame, sniff, embed or keep it. */
const securityHeaders: readonly (readonly [string, string])[] = [
  ["Cache-Control", "no-store"],
  ["Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"],
  ["Cross-Origin-Resource-Policy", "same-origin"],
  ["Referrer-Policy", "no-referrer"],
  ["Strict-Transport-Security", "max-age=31536000; includeSubDomains"],
  ["X-Content-Type-Options", "nosniff"],
];

const setSecurityHeaders: RequestHandler = (_req, res, next) => {
  for (const [name, value] of securityHeaders) res.setHeader(name, value);
  next();
};

function closeWhen(stopping: () => boolean): RequestHandler {
  return (_req, res, next) => {
    if (stopping()) res.setHeader("Connection", "close");
    next();
  };
}
