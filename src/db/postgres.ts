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

  return {
    name: "postgres",
    async session(body) {
      if (pool.waitingCount >= limits.databaseWaitingMax) throw overloaded();
      const client = await connect(pool);
      // While in use, a lost connection is reported by the statement that meets it; unheard, it would end the process.
      const ignore = () => {};
      client.on("error", ignore);
      try {
        return await body(sessionOf(client));
      } finally {
        client.off("error", ignore);
        // Left in a transaction: whoever was to end it could not. Such a connection is not given to anybody else.
        client.release(client.getTransactionStatus() !== "I");
      }
    },
    stats: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    close: () => pool.end(),
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

function send(client: pg.PoolClient, query: pg.QueryConfig): Promise<pg.QueryResult> {
  return new Promise((resolve, reject) => {
    client.query(query, (error, result) => {
      if (error) reject(error);
      else resolve(result);
    });
  });
}

function sessionOf(client: pg.PoolClient): Session {
  return {
    async query<Row>(text: string, values: readonly unknown[] = [], options: StatementOptions = {}) {
      const result = await send(client, {
        text,
        values: values.map(toWire),
        ...(options.name === undefined ? {} : { name: options.name }),
        ...(options.driverTypes ? { types: pg.types } : {}),
      });
      return result.rows as Row[];
    },
    async script<Row>(text: string, options: StatementOptions = {}) {
      const result = await send(client, { text, ...(options.driverTypes ? { types: pg.types } : {}) });
      return [result].flat().flatMap((each) => each.rows) as Row[];
    },
  };
}
