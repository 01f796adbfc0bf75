/** Races started on purpose: a database that stops where a test wants it to, and requests sent all at once. */
import type { Statement, Transaction } from "../../src/db/database.ts";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import { Problem, type ProblemCode } from "../../src/problems.ts";

export interface Pause {
  /** Resolves when the statement has come. */
  readonly reached: Promise<void>;
  resume(): void;
}

export interface PausingDatabase {
  readonly db: OpenDatabase;
  /** Stops the next statement of this name, before it is sent or after it was answered. */
  pause(statement: string, when?: "before" | "after"): Pause;
}

/** The same database, whose statements can be held up by name: a race is then an order of steps, and no luck. */
export function pausing(database: OpenDatabase): PausingDatabase {
  const pauses = new Map<string, { reach(): void; resumed: Promise<void> }>();

  async function stop(when: string, { name }: Statement): Promise<void> {
    const pause = pauses.get(`${when} ${name}`);
    if (pause === undefined) return;
    pauses.delete(`${when} ${name}`);
    pause.reach();
    await pause.resumed;
  }

  async function held<Row>(statement: Statement, run: () => Promise<Row[]>): Promise<Row[]> {
    await stop("before", statement);
    const rows = await run();
    await stop("after", statement);
    return rows;
  }

  const within = (tx: Transaction): Transaction => ({
    query: (statement, values) => held(statement, () => tx.query(statement, values)),
    run: (query) => tx.run(query),
    savepoint: (body) => tx.savepoint(body),
  });

  return {
    db: {
      ...database,
      query: (statement, values) => held(statement, () => database.query(statement, values)),
      transaction: (body) => database.transaction((tx) => body(within(tx))),
    },
    pause(statement, when = "before") {
      const reached = Promise.withResolvers<void>();
      const resumed = Promise.withResolvers<void>();
      pauses.set(`${when} ${statement}`, { reach: reached.resolve, resumed: resumed.promise });
      return { reached: reached.promise, resume: resumed.resolve };
    },
  };
}

/** How a use case ended: done, or the code of its problem. Anything else than a problem is rethrown. */
export type Ended<T> =
  | { readonly done: true; readonly value: T }
  | { readonly done: false; readonly code: ProblemCode };

export async function ended<T>(work: Promise<T>): Promise<Ended<T>> {
  try {
    return { done: true, value: await work };
  } catch (error) {
    if (error instanceof Problem) return { done: false, code: error.code };
    throw error;
  }
}

/** Starts all at once and says how each ended. */
export async function together<T>(works: readonly (() => Promise<T>)[]): Promise<Ended<T>[]> {
  return await Promise.all(works.map((work) => ended(work())));
}

/** How often each end occurred: `done`, or a problem's code. */
export function tally(ends: readonly Ended<unknown>[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const end of ends) {
    const key = end.done ? "done" : end.code;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/** Waits until the condition holds; for what another connection does. */
export async function eventually(condition: () => Promise<boolean>, withinMs = 10_000): Promise<void> {
  const end = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error("What was waited for did not come to pass.");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
