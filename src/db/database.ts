/**
 * One database, two engines: PostgreSQL through `pg`, PostgreSQL in the process through PGlite. Queries are written
 * once; Kysely builds those whose shape varies, the hot ones are named prepared statements.
 */
import type { Compilable, Kysely } from "kysely";
import type { Tables } from "./tables.ts";

/** A statement with a name is prepared once per connection and run by that name. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** Runs statements: the database itself (each statement its own transaction) or one open transaction. */
export interface Executor {
  /** Runs a named statement. Values bind to $1…; objects and arrays for jsonb are passed as JSON text by the caller. */
  query<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]>;
  /** Runs a query that Kysely built, unnamed. */
  run<Row>(query: Compilable<Row>): Promise<Row[]>;
}

/** An open transaction. `savepoint` undoes what its body wrote when the body throws, and rethrows. */
export interface Transaction extends Executor {
  savepoint<T>(body: () => Promise<T>): Promise<T>;
}

export interface Database extends Executor {
  readonly engine: "postgres" | "pglite";
  /** Builds queries; it cannot run them: hand what it builds to `run`. */
  readonly build: Kysely<Tables>;
  /**
   * Runs the body in one transaction (READ COMMITTED). Deadlocks and serialization failures are retried, three times
   * at most, so the body must be safe to run again. While it runs, using the database itself instead of `tx` throws.
   */
  transaction<T>(body: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Passes when the database answers; throws Problem `unavailable` otherwise. */
  ping(): Promise<void>;
  close(): Promise<void>;
}
