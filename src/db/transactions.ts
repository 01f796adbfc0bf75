/**
 * `Database` over an engine: single statements, transactions with their retries and savepoints, and the guard that
 * keeps a transaction's body from waiting for a second connection.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Compilable,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
} from "kysely";
import { limits } from "../limits.ts";
import { Problem } from "../problems.ts";
import { isDeadlock, toProblem, unavailable } from "./constraints.ts";
import type { Database, Statement, Transaction } from "./database.ts";
import type { Engine, EngineStats, Session } from "./engine.ts";
import type { Tables } from "./tables.ts";

/** The database with what the house needs of it. */
export interface OpenDatabase extends Database {
  /** A bare connection, for what brings its own transactions: migrations and pg-boss. Its errors are the driver's. */
  session<T>(body: (session: Session) => Promise<T>): Promise<T>;
  stats(): EngineStats;
}

export function databaseOver(engine: Engine): OpenDatabase {
  const inside = new AsyncLocalStorage<OpenTransaction>();

  /** On a pool of ten, ten transactions that each wait for an eleventh connection wait for ever; on PGlite, one does. */
  function refuseInside(): void {
    if (inside.getStore()?.open) {
      throw new Error("The database itself was used inside a transaction: use the transaction's own handle.");
    }
  }

  async function single<Row>(text: string, values: readonly unknown[], name?: string): Promise<Row[]> {
    refuseInside();
    return await retried(() =>
      engine.session((session) => session.query<Row>(text, values, name === undefined ? {} : { name })),
    );
  }

  async function once<T>(body: (tx: Transaction) => Promise<T>): Promise<T> {
    const tx = await engine.session(async (session) => {
      const begun = session.query("begin isolation level read committed");
      begun.catch(() => {});
      const tx = new OpenTransaction(session);
      try {
        const result = await inside.run(tx, () => body(tx));
        await tx.end();
        await begun;
        await session.query("commit");
        return { result, committed: tx.committed };
      } catch (error) {
        tx.open = false;
        // Where even this fails, the connection is gone, and the transaction with it.
        await session.query("rollback").catch(() => {});
        throw error;
      }
    });
    for (const action of tx.committed) action();
    return tx.result;
  }

  return {
    engine: engine.name,
    build: new Kysely<Tables>({
      dialect: {
        createAdapter: () => new PostgresAdapter(),
        createDriver: () => new DummyDriver(),
        createIntrospector: (db) => new PostgresIntrospector(db),
        createQueryCompiler: () => new PostgresQueryCompiler(),
      },
    }),
    query: ({ name, text }, values) => single(text, values, name),
    run: <Row>(query: Compilable<Row>) => {
      const { sql, parameters } = query.compile();
      return single<Row>(sql, parameters);
    },
    async transaction(body) {
      refuseInside();
      return await retried(() => once(body));
    },
    async ping() {
      try {
        await single("select 1", []);
      } catch (error) {
        throw error instanceof Problem ? error : unavailable("The database does not answer.", error);
      }
    },
    async session(body) {
      refuseInside();
      return await engine.session(body);
    },
    stats: () => engine.stats(),
    close: () => engine.close(),
  };
}

/** Registers an action to run once the transaction has committed; never when it has not. It must not throw. */
export function afterCommit(tx: Transaction, action: () => void): void {
  if (!(tx instanceof OpenTransaction)) throw new TypeError("Not a transaction of this database.");
  tx.committed.push(action);
}

class OpenTransaction implements Transaction {
  open = true;
  readonly committed: (() => void)[] = [];
  readonly #session: Session;
  #failure: { error: unknown } | undefined;
  #savepoints = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  query<Row>({ name, text }: Statement, values: readonly unknown[]): Promise<Row[]> {
    return this.#statement(() => this.#session.query<Row>(text, values, { name }));
  }

  run<Row>(query: Compilable<Row>): Promise<Row[]> {
    const { sql, parameters } = query.compile();
    return this.#statement(() => this.#session.query<Row>(sql, parameters));
  }

  async savepoint<T>(body: () => Promise<T>): Promise<T> {
    const name = `savepoint_${++this.#savepoints}`;
    await this.#statement(() => this.#session.query(`savepoint ${name}`));
    try {
      const result = await body();
      await this.#statement(() => this.#session.query(`release savepoint ${name}`));
      return result;
    } catch (error) {
      await this.#session.query(`rollback to savepoint ${name}`);
      this.#failure = undefined;
      throw error;
    }
  }

  /** No more statements. PostgreSQL answers the COMMIT of a failed transaction with a silent rollback, so we look first. */
  async end(): Promise<void> {
    this.open = false;
    if (this.#failure) throw this.#failure.error;
  }

  async #statement<Row>(run: () => Promise<Row[]>): Promise<Row[]> {
    if (!this.open) throw new Error("The transaction has ended: a statement was not awaited inside it.");
    try {
      return await run();
    } catch (error) {
      this.#failure ??= { error };
      throw error;
    }
  }
}

/** A deadlock's victim did nothing wrong and has been undone whole: it goes again, a little later than its rival. */
async function retried<T>(body: () => Promise<T>): Promise<T> {
  for (let retry = 0; ; retry++) {
    try {
      return await body();
    } catch (error) {
      if (!isDeadlock(error) || retry >= limits.transactionRetriesMax) throw toProblem(error);
      await sleep(Math.random() * 10 * 2 ** retry);
    }
  }
}
