/**
 * What differs between PostgreSQL over the network and PGlite in the process: how a connection is had and how a
 * statement gets there. Everything above (transactions.ts) is written once.
 */

export interface StatementOptions {
  /** Prepared once per connection under this name, where the engine can. */
  readonly name?: string;
  /** Values as the driver itself would parse them, for libraries that expect that (pg-boss wants Dates). */
  readonly driverTypes?: boolean;
}

/** One connection, ours alone for a while. Statements run in the order in which they are handed in. */
export interface Session {
  query<Row>(text: string, values?: readonly unknown[], options?: StatementOptions): Promise<Row[]>;
  /** Several statements in one message, without values; the rows of all of them. */
  script<Row>(text: string, options?: StatementOptions): Promise<Row[]>;
}

export interface EngineStats {
  readonly total: number;
  readonly idle: number;
  /** Pieces of work that wait for a connection. */
  readonly waiting: number;
}

export interface Engine {
  readonly name: "postgres" | "pglite";
  /**
   * Runs the body with a connection of its own, first come, first served. More than `databaseWaitingMax` waiting is
   * Problem `unavailable`.
   */
  session<T>(body: (session: Session) => Promise<T>): Promise<T>;
  stats(): EngineStats;
  close(): Promise<void>;
}
