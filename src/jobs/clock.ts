/**
 * The clock of a process: pieces of work that are looked at again and again, whatever became of the last look. Processes
 * do not know of each other, so each looks a little off its time, and what is found must bear being found twice.
 */
import type { Logger } from "../log.ts";

export interface Ticking {
  /** What is looked at, for the log. */
  readonly what: string;
  readonly everyMs: number;
  run(): Promise<void>;
}

export interface Clock {
  /** No further look; waits for those under way, because they use the database. */
  stop(): Promise<void>;
}

/** How far a look may be off its time, as a part of the interval: processes that were started together drift apart. */
const jitter = 0.1;

/** Begins to tick: each first after a random part of its interval, never twice at once, and again after a failure. */
export function startClock(works: readonly Ticking[], log: Pick<Logger, "warn">): Clock {
  const stopping = new AbortController();
  const ticking = works.map(async (work) => {
    await pause(Math.random() * work.everyMs, stopping.signal);
    while (!stopping.signal.aborted) {
      await work.run().catch((error: unknown) => {
        log.warn({ err: error }, `${work.what} could not be looked at; it is looked at again`);
      });
      await pause(work.everyMs * (1 + jitter * (2 * Math.random() - 1)), stopping.signal);
    }
  });
  return {
    async stop() {
      stopping.abort();
      await Promise.all(ticking);
    },
  };
}

/** Resolves after the time or at the signal. Keeps no process alive. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms).unref();
    if (signal.aborted) resolve();
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
