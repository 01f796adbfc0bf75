/** PostgreSQL over the network: a pool of connections. */
import pg from "pg";
import { limits } from "../limits.ts";
import { overloaded } from "./constraints.ts";
import type { Engine, Session, StatementOptions } from "./engine.ts";
import { parserOf, toWire } from "./values.ts";

export interface PostgresOptions {
  readonly connectionsMax?: number;
  /** A connection was lost while nobody used it; the pool replaces it. */
  readonly onIdleError?: (error: Error) => void;
  /** How long a statement may go unanswered before its connection is given up. */
  readonly silentMs?: number;
}

const ourTypes = { getTypeParser: parserOf } as unknown as pg.CustomTypesConfig;

export function openPostgres(url: string, options: PostgresOptions = {}): Engine {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.connectionsMax ?? limits.databaseConnectionsDefault,
    connectionTimeoutMillis: limits.databaseConnectMs,
    idleTimeoutMillis: 300_000,
    keepAlive: true,
    application_name: "usher",
    // Statements of one session are sent without waiting for the answer before: BEGIN travels with its first statement.
    pipeline: true,
    options: "-c timezone=UTC -c datestyle=ISO",
    statement_timeout: limits.statementMs,
    lock_timeout: limits.lockWaitMs,
    idle_in_transaction_session_timeout: limits.idleInTransactionMs,
    types: ourTypes,
  });
  pool.on("error", options.onIdleError ?? (() => {}));
  const unanswered = new Unanswered(options.silentMs ?? limits.databaseSilentMs);

  return {
    name: "postgres",
    async session(body) {
      if (pool.waitingCount >= limits.databaseWaitingMax) throw overloaded();
      const client = await connect(pool);
      // While in use, a lost connection is reported by the statement that meets it; unheard, it would end the process.
      const ignore = () => {};
      client.on("error", ignore);
      try {
        return await body(sessionOf(client, unanswered));
      } finally {
        client.off("error", ignore);
        // Left in a transaction: whoever was to end it could not. Such a connection is not given to anybody else.
        client.release(client.getTransactionStatus() !== "I");
      }
    },
    stats: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    close() {
      unanswered.stop();
      return pool.end();
    },
  };
}

// Callbacks, not promises: those of pg hold on to the request before, so that in each collection a third of all garbage
// outlived its time and the heap grew to three times its size (17 MB against 3 MB in 30,000 queries).
function connect(pool: pg.Pool): Promise<pg.PoolClient> {
  return new Promise((resolve, reject) => {
    pool.connect((error, client) => {
      if (client === undefined) reject(error ?? new Error("The pool gave no connection."));
      else resolve(client);
    });
  });
}

function send(client: pg.PoolClient, query: pg.QueryConfig, unanswered: Unanswered): Promise<pg.QueryResult> {
  return new Promise((resolve, reject) => {
    const answered = unanswered.sent(client);
    client.query(query, (error, result) => {
      answered();
      if (error) reject(error);
      else resolve(result);
    });
  });
}

function sessionOf(client: pg.PoolClient, unanswered: Unanswered): Session {
  return {
    async query<Row>(text: string, values: readonly unknown[] = [], options: StatementOptions = {}) {
      const query = {
        text,
        values: values.map(toWire),
        ...(options.name === undefined ? {} : { name: options.name }),
        ...(options.driverTypes ? { types: pg.types } : {}),
      };
      const result = await send(client, query, unanswered);
      return result.rows as Row[];
    },
    async script<Row>(text: string, options: StatementOptions = {}) {
      const query = { text, ...(options.driverTypes ? { types: pg.types } : {}) };
      const result = await send(client, query, unanswered);
      return [result].flat().flatMap((each) => each.rows) as Row[];
    },
  };
}

/**
 * Statements that wait for their answer. PostgreSQL ends those that take too long; a connection over which nothing comes
 * back any more (a partition, a failover that dropped it) is ended from our side, and its statements fail as an outage.
 * One timer for all, because one for each statement costs more than the statement's own bookkeeping.
 */
class Unanswered {
  readonly #sent = new Set<{ readonly client: pg.PoolClient; readonly at: number }>();
  readonly #silentMs: number;
  readonly #timer: NodeJS.Timeout;

  constructor(silentMs: number) {
    this.#silentMs = silentMs;
    this.#timer = setInterval(() => this.#endSilent(), Math.min(1_000, silentMs)).unref();
  }

  /** Notes a statement as sent; the function returned notes its answer. */
  sent(client: pg.PoolClient): () => void {
    const statement = { client, at: performance.now() };
    this.#sent.add(statement);
    return () => this.#sent.delete(statement);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** The set keeps the order of sending: those in front have waited longest. */
  #endSilent(): void {
    const since = performance.now() - this.#silentMs;
    for (const { client, at } of this.#sent) {
      if (at > since) return;
      const { stream } = (client as unknown as { connection: { stream: { destroy(): void } } }).connection;
      stream.destroy();
    }
  }
}
