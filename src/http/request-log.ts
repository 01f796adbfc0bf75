/** One line in the log and one observation in the metrics for every request, when its answer is out. */
import type { RequestHandler, Response } from "express";
import type { Logger } from "../log.ts";
import type { Metrics } from "./metrics.ts";
import { requestIdOf } from "./request-id.ts";

/** Asked every few seconds by machines; their lines would bury the others. */
const probes = new Set(["/healthz", "/readyz", "/metrics"]);

export function observeRequests(log: Logger, metrics: Metrics): RequestHandler {
  return (req, res, next) => {
    const begun = performance.now();
    const path = req.path;
    res.once("close", () => {
      const durationMs = performance.now() - begun;
      // 499: the client left before it was answered.
      const status = res.writableFinished ? res.statusCode : 499;
      metrics.observeRequest(req.method, routeOf(path, res), status, durationMs / 1000);
      // Without the query: filters hold names and addresses of people.
      const fields = {
        requestId: requestIdOf(res),
        method: req.method,
        path,
        status,
        durationMs: Math.round(durationMs),
      };
      if (probes.has(path) && status < 500) log.debug(fields, "request");
      else log.info(fields, "request");
    });
    next();
  };
}

/**
 * The template of the route, such as /scim/v2/Users/:id, in which ids do not multiply the metrics. Whoever matches says
 * so in `res.locals.route`: express forgets it as soon as an error leaves the router.
 */
function routeOf(path: string, res: Response): string {
  if (typeof res.locals.route === "string") return res.locals.route;
  if (probes.has(path)) return path;
  return `${/^\/(scim\/v2|api\/v1|access\/v1)(?=\/|$)/.exec(path)?.[0] ?? ""}/*`;
}

/** Refuses new work while too much is under way, so that what is under way can still be answered in time. */
export function shedLoad(max: number, refuse: (res: Response) => never): RequestHandler {
  let inFlight = 0;
  return (req, res, next) => {
    if (probes.has(req.path)) return next();
    if (inFlight >= max) refuse(res);
    inFlight++;
    res.once("close", () => inFlight--);
    next();
  };
}
