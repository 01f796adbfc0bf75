/** PostgreSQL in the process. There is one connection, so whoever wants it stands in line. */
import { setFlagsFromString } from "node:v8";
import { PGlite, types as pgliteTypes } from "@electric-sql/pglite";
import { limits } from "../limits.ts";
import { overloaded } from "./constraints.ts";
import type { Engine, Session, StatementOptions } from "./engine.ts";
import { initialise } from "./pglite-initialise.ts";
import { parsers, toWire } from "./values.ts";

// V8 ends the process now and then when it throws away compiled WebAssembly ("Check failed: jit_page_->allocations_.erase",
// https://github.com/nodejs/node/issues/64500, seen in a run of all tests): what is compiled stays, some megabytes of it.
setFlagsFromString("--no-wasm-code-gc");

export interface PgliteOptions {
  /** A folder; without one the database lives in memory. */
  readonly dataDir?: string;
  /** A dumped data directory to begin with. */
  readonly load?: Blob;
}

export interface PgliteEngine extends Engine {
  /** The data directory as an archive that `load` takes. */
  dump(): Promise<Blob>;
}

export async function openPglite(options: PgliteOptions = {}): Promise<PgliteEngine> {
  if (options.dataDir !== undefined && options.load === undefined) await initialise(options.dataDir);
  const pglite = await PGlite.create({
    ...(options.dataDir === undefined ? {} : { dataDir: options.dataDir }),
    ...(options.load === undefined ? {} : { loadDataDir: options.load }),
    parsers: parsers as Record<number, (text: string) => unknown>,
    // 128 MB are PGlite's default, all of it taken at the start; the operating system caches the files as well.
    postgresqlconf: ["shared_buffers = 32MB"],
    // toWire has already written every value as text.
    serializers: { 16: String, 17: String },
  });
  await pglite.exec("set timezone = 'UTC'; set datestyle = 'ISO'");
  const session = sessionOf(pglite);
  const line = new Line();

  return {
    name: "pglite",
    session: (body) => line.take(() => body(session)),
    dump: () => line.take(() => pglite.dumpDataDir("none")),
    stats: () => ({ total: 1, idle: line.busy ? 0 : 1, waiting: line.waiting }),
    close: () => line.last(() => pglite.close()),
  };
}

function sessionOf(pglite: PGlite): Session {
  return {
    async query<Row>(text: string, values: readonly unknown[] = [], options: StatementOptions = {}) {
      const result = await pglite.query<Row>(text, values.map(toWire), driverTypes(options));
      return result.rows;
    },
    async script<Row>(text: string, options: StatementOptions = {}) {
      const results = await pglite.exec(text, driverTypes(options));
      return results.flatMap((each) => each.rows) as Row[];
    },
  };
}

function driverTypes(options: StatementOptions) {
  return options.driverTypes ? { parsers: pgliteTypes.parsers } : {};
}

/** A fair queue for one. */
class Line {
  waiting = 0;
  busy = false;
  #closed = false;
  #end: Promise<unknown> = Promise.resolve();

  take<T>(body: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new Error("PGlite is closed"));
    if (this.waiting >= limits.databaseWaitingMax) return Promise.reject(overloaded());
    this.waiting++;
    const turn = this.#end.then(async () => {
      this.waiting--;
      this.busy = true;
      try {
        return await body();
      } finally {
        this.busy = false;
      }
    });
    this.#end = turn.catch(() => {});
    return turn;
  }

  /** Closes the line behind those who stand in it. */
  last(body: () => Promise<void>): Promise<void> {
    if (this.#closed) return this.#end.then(() => {});
    this.#closed = true;
    const turn = this.#end.then(body);
    this.#end = turn.catch(() => {});
    return turn;
  }
}
