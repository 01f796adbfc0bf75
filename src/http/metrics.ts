/** Figures for Prometheus at /metrics. */
import { collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { OpenDatabase } from "../db/transactions.ts";

export interface Metrics {
  readonly contentType: string;
  observeRequest(method: string, route: string, status: number, seconds: number): void;
  text(): Promise<string>;
}

/** A registry of its own, so that two servers in one process (tests) do not meet. */
export function createMetrics(database: Pick<OpenDatabase, "stats">): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const requests = new Histogram({
    name: "usher_http_request_duration_seconds",
    help: "Time from a request's headers to the end of its answer, by route template",
    labelNames: ["method", "route", "status"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30],
    registers: [registry],
  });
  new Gauge({
    name: "usher_database_connections",
    help: "Connections to the database by state; waiting counts pieces of work that wait for one",
    labelNames: ["state"],
    registers: [registry],
    collect() {
      const { total, idle, waiting } = database.stats();
      this.set({ state: "busy" }, total - idle);
      this.set({ state: "idle" }, idle);
      this.set({ state: "waiting" }, waiting);
    },
  });
  return {
    contentType: registry.contentType,
    observeRequest: (method, route, status, seconds) => {
      requests.observe({ method: knownMethod(method), route, status }, seconds);
    },
    text: () => registry.metrics(),
  };
}

/** A client may invent methods; each would be a series of its own. */
function knownMethod(method: string): string {
  return /^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/.test(method) ? method : "other";
}
