/**
 * What each connection sent and was answered, for the IT admin who looks for the reason of a refusal. Requests do not
 * wait for it: exchanges gather in memory, without their secrets, and are written several at a time. A crash loses the
 * last half second of it; the log of changes (events) loses nothing.
 */

import { sql } from "kysely";
import type { Json } from "../domain/model.ts";
import { Problem } from "../problems.ts";
import type { Database, Executor, Statement } from "./database.ts";
import { redact, redactPath } from "./redaction.ts";

/** One request of a connection and what became of it. Bodies are as parsed; they are copied when recorded. */
export interface Exchange {
  readonly tenantId: string;
  readonly id: string;
  readonly at: Date;
  readonly tokenId: string | null;
  /** The token's label. */
  readonly connection: string | null;
  readonly requestId: string;
  readonly method: string;
  /** With its query, as received. */
  readonly path: string;
  readonly status: number;
  readonly durationMs: number;
  readonly request?: unknown;
  readonly answer?: unknown;
  /** What was decided: status, role, license, or the rule that refused. */
  readonly decision?: unknown;
}

export interface ProvisioningLog {
  record(exchange: Exchange): void;
  /** Writes what has gathered. */
  flush(): Promise<void>;
  /** Writes the rest and stops. */
  close(): Promise<void>;
  /** Exchanges that were lost because the database was away or too slow. */
  readonly dropped: number;
}

/**
 * Successful reads that are listed of one connection in a second; four times what a gallery connector may send. Those
 * beyond are counted in the next one listed, so that a flood of reads does not become a flood of writes.
 */
const readsPerSecondMax = 100;

/** Reads of one connection within the present second, and those not listed since the last that was. */
interface ReadCount {
  second: number;
  listed: number;
  unlisted: number;
}

export interface ProvisioningLogOptions {
  /** How long an exchange may wait to be written. */
  readonly flushMs?: number;
  /** How many are written in one statement. */
  readonly batchMax?: number;
  /** How many may wait; beyond, the oldest are dropped. */
  readonly waitingMax?: number;
  /** Told once a batch could not be written. */
  readonly onError?: (error: unknown) => void;
}

// Rows of a tenant deleted meanwhile are left out, so that they do not cost the others of the batch.
const insert: Statement = {
  name: "provisioning_log_insert",
  text: `insert into provisioning_log (tenant_id, id, at, token_id, connection, request_id, method, path, status,
      duration_ms, request, answer, decision)
    select x.tenant_id, x.id, x.at, x.token_id, x.connection, x.request_id, x.method, x.path, x.status,
      x.duration_ms, x.request, x.answer, x.decision
    from jsonb_to_recordset($1::jsonb) as x (tenant_id uuid, id uuid, at timestamptz, token_id uuid, connection text,
      request_id text, method text, path text, status integer, duration_ms real, request jsonb, answer jsonb,
      decision jsonb)
    join tenants t on t.id = x.tenant_id`,
};

export function openProvisioningLog(db: Executor, options: ProvisioningLogOptions = {}): ProvisioningLog {
  const { flushMs = 500, batchMax = 200, waitingMax = 5000, onError = () => {} } = options;
  let waiting: string[] = [];
  let dropped = 0;
  let writing: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  const reads = new Map<string, ReadCount>();

  /** How many reads went unlisted before this one; undefined where this one is not listed either. */
  function countRead({ tokenId, method, status, at }: Exchange): number | undefined {
    if (tokenId === null || status >= 400 || (method !== "GET" && method !== "HEAD")) return 0;
    const second = Math.floor(at.getTime() / 1000);
    let count = reads.get(tokenId);
    if (count === undefined) {
      if (reads.size >= waitingMax) reads.clear();
      count = { second, listed: 0, unlisted: 0 };
      reads.set(tokenId, count);
    }
    if (count.second !== second) Object.assign(count, { second, listed: 0 });
    if (count.listed >= readsPerSecondMax) {
      count.unlisted += 1;
      return undefined;
    }
    count.listed += 1;
    const unlisted = count.unlisted;
    count.unlisted = 0;
    return unlisted;
  }

  function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    // One batch after the other: a slow database is not helped by more connections.
    writing = writing.then(writeAll);
    return writing;
  }

  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, batchMax);
      waiting = waiting.slice(batchMax);
      try {
        await db.query(insert, [`[${batch.join(",")}]`]);
      } catch (error) {
        onError(error);
        if (!(error instanceof Problem) || error.code !== "unavailable") {
          dropped += batch.length;
          continue;
        }
        waiting = [...batch, ...waiting];
        makeRoom();
        return;
      }
    }
  }

  function makeRoom(): void {
    const excess = waiting.length - waitingMax;
    if (excess <= 0) return;
    waiting = waiting.slice(excess);
    dropped += excess;
  }

  return {
    record(exchange) {
      const unlisted = countRead(exchange);
      if (unlisted === undefined) return;
      waiting.push(toRow(unlisted === 0 ? exchange : { ...exchange, decision: { readsNotListed: unlisted } }));
      makeRoom();
      if (waiting.length >= batchMax) void flush();
      else timer ??= setTimeout(flush, flushMs).unref();
    },
    flush,
    async close() {
      await flush();
      clearTimeout(timer);
    },
    get dropped() {
      return dropped;
    },
  };
}

/** The row as JSON text: bodies are text already. */
function toRow(exchange: Exchange): string {
  const plain = JSON.stringify({
    tenant_id: exchange.tenantId,
    id: exchange.id,
    at: exchange.at,
    token_id: exchange.tokenId,
    connection: exchange.connection,
    request_id: exchange.requestId,
    method: exchange.method,
    path: redactPath(exchange.path),
    status: exchange.status,
    duration_ms: exchange.durationMs,
  });
  const { request, answer, decision } = exchange;
  return `${plain.slice(0, -1)},"request":${redact(request)},"answer":${redact(answer)},"decision":${redact(decision)}}`;
}

export interface LoggedExchange {
  readonly id: string;
  readonly at: string;
  readonly tokenId: string | null;
  readonly connection: string | null;
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly durationMs: number;
  readonly request: Json;
  readonly answer: Json;
  readonly decision: Json;
}

export interface ExchangeFilter {
  /** A status such as `404`, or a class such as `4xx`. */
  readonly status?: string | undefined;
  /** Id or label of the token. */
  readonly connection?: string | undefined;
  /** A text within path, request or answer; letter case does not matter. */
  readonly subject?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** One page of exchanges, latest first, those before the given id. */
export async function listExchanges(
  db: Database,
  tenantId: string,
  filter: ExchangeFilter,
  beforeId: string | null,
  limit: number,
): Promise<LoggedExchange[]> {
  let query = db.build
    .selectFrom("provisioning_log as l")
    .select([
      "l.id",
      "l.at",
      "l.token_id as tokenId",
      "l.connection",
      "l.request_id as requestId",
      "l.method",
      "l.path",
      "l.status",
      "l.duration_ms as durationMs",
      sql<Json>`l.request`.as("request"),
      sql<Json>`l.answer`.as("answer"),
      sql<Json>`l.decision`.as("decision"),
    ])
    .where("l.tenant_id", "=", tenantId)
    .orderBy("l.id", "desc")
    .limit(limit);
  if (beforeId !== null) query = query.where("l.id", "<", beforeId);
  if (filter.from !== undefined) query = query.where("l.at", ">=", filter.from);
  if (filter.to !== undefined) query = query.where("l.at", "<", filter.to);
  const { status, connection, subject } = filter;
  if (status?.endsWith("xx")) {
    const hundreds = Number(status[0]) * 100;
    query = query.where("l.status", ">=", hundreds).where("l.status", "<", hundreds + 100);
  } else if (status !== undefined) query = query.where("l.status", "=", Number(status));
  if (connection !== undefined) {
    query = query.where(sql<boolean>`(l.connection = ${connection} or l.token_id::text = ${connection.toLowerCase()})`);
  }
  if (subject !== undefined) {
    const part = subject.toLowerCase();
    query = query.where(
      sql<boolean>`position(${part} in lower(concat_ws(' ', l.path, l.request::text, l.answer::text))) > 0`,
    );
  }
  return await db.run<LoggedExchange>(query);
}

const prune: Statement = {
  name: "provisioning_log_prune",
  text: `delete from provisioning_log where tenant_id = $1 and id in (
      select id from provisioning_log where tenant_id = $1 and at < $2 order by id limit 10000)`,
};

/** Removes exchanges older than a time, at most 10,000 in one call. */
export async function pruneExchanges(executor: Executor, tenantId: string, before: Date): Promise<void> {
  await executor.query(prune, [tenantId, before.toISOString()]);
}
