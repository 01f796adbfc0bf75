/**
 * Background jobs: pg-boss on the same database and through the same connections as everything else. A job is tried
 * again when its handler throws or its process dies, so handlers must be safe to run again.
 */
import { CompiledQuery } from "kysely";
import { type Db, PgBoss } from "pg-boss";
import type { Transaction } from "../db/database.ts";
import type { Session } from "../db/engine.ts";
import { alone } from "../db/migrate.ts";
import { afterCommit, type OpenDatabase } from "../db/transactions.ts";
import { limits } from "../limits.ts";
import type { Logger } from "../log.ts";
import type { JobQueue } from "../provisioning/context.ts";

/** A job names the tenant and nothing else: what is to be done is read when it runs, not when it was enqueued. */
export interface JobData {
  readonly tenantId: string;
}

export interface JobRunner extends JobQueue {
  /** Starts working a queue; a tenant's jobs may run beside each other. `signal` says that the process is about to stop. */
  work(name: string, handler: (data: JobData, signal: AbortSignal) => Promise<void>): Promise<void>;
  /** Lets jobs in work finish, for at most `shutdownMs`; what is cut off is tried again by whoever starts next. */
  stop(): Promise<void>;
}

export interface JobOptions {
  /** The queues by name; every queue that is worked or enqueued to is listed. */
  readonly queues: readonly string[];
}

const schema = "pgboss";

/** On PostgreSQL a second tenant does not wait for the first; PGlite could not run the two side by side anyway. */
const workersPerQueue = { postgres: 2, pglite: 1 } as const;

/** Only what another process enqueued, or a retry, is found by polling. */
const polling = { pollingIntervalSeconds: 5, batchSize: 1 } as const;

export async function startJobs(database: OpenDatabase, log: Logger, options: JobOptions): Promise<JobRunner> {
  const boss = new PgBoss({
    db: connectionsOf(database),
    backend: database.engine,
    schema,
    schedule: false,
    superviseIntervalSeconds: 30,
    monitorIntervalSeconds: 30,
    monitorVacuum: false,
    reindex: database.engine === "postgres",
  });
  boss.on("error", (error) => log.error({ err: error }, "background jobs: a statement failed"));
  boss.on("warning", (warning) => log.warn({ warning }, "background jobs: warning"));
  // Of processes that start at once on a new database, only one may make pg-boss' schema.
  await alone(database, async () => {
    await boss.start();
    for (const name of options.queues) await ensureQueue(boss, name);
  });
  if (database.engine === "pglite") await reviveOrphans(database);

  const workers = new Map<string, string[]>();
  const nudge = (name: string) => {
    for (const worker of workers.get(name) ?? []) boss.notifyWorker(worker);
  };
  const stopping = new AbortController();

  return {
    async enqueue(tx: Transaction, name: string, { tenantId }: JobData) {
      await boss.send(name, { tenantId }, { db: within(tx), singletonKey: tenantId });
      afterCommit(tx, () => nudge(name));
    },
    async work(name, handler) {
      const run = async ([job]: { id: string; data: JobData; signal: AbortSignal }[]) => {
        if (!job) return;
        try {
          await handler(job.data, AbortSignal.any([job.signal, stopping.signal]));
        } catch (error) {
          log.error({ err: error, job: name, id: job.id, data: job.data }, "background job failed; it is tried again");
          throw error;
        } finally {
          // Where there was one job there may be more.
          nudge(name);
        }
      };
      for (let i = 0; i < workersPerQueue[database.engine]; i++) {
        const worker = await boss.work(name, polling, run);
        workers.set(name, [...(workers.get(name) ?? []), worker]);
      }
    },
    async stop() {
      stopping.abort();
      await boss.stop({ graceful: true, timeout: limits.shutdownMs, close: false });
    },
  };
}

async function ensureQueue(boss: PgBoss, name: string): Promise<void> {
  // short: of one tenant at most one job waits, so a save during a run leads to one more run. Not stately, which would
  // also keep it from running beside the first: a job that waits for that, or for one whose process was killed, stands at
  // the head of the queue and keeps every other tenant's jobs waiting.
  await boss.createQueue(name, {
    policy: "short",
    retryLimit: 1000,
    retryBackoff: true,
    retryDelay: 1,
    retryDelayMax: 60,
    // A process that died is noticed by its silence, not by the time a long job may take.
    heartbeatSeconds: 20,
    expireInSeconds: 23 * 3600,
    deleteAfterSeconds: 24 * 3600,
  });
  // Looks for nothing, but makes pg-boss remember the queue: inside a transaction it could not ask for it any more.
  await boss.findJobs(name, { key: "" });
}

/** The process owns the data directory alone, so whatever is still in work there was cut off with the process before. */
async function reviveOrphans(database: OpenDatabase): Promise<void> {
  await database.session(async (session) => {
    await session.script(`
      update ${schema}.job j set state = 'retry', start_after = now(), heartbeat_on = null
      where state = 'active' and not exists (
        select from ${schema}.job o
        where o.name = j.name and o.state = 'retry' and o.singleton_key is not distinct from j.singleton_key)`);
  });
}

function connectionsOf(database: OpenDatabase): Db {
  return { executeSql: (text, values) => database.session((session) => execute(session, text, values)) };
}

async function execute(session: Session, text: string, values: unknown[] = []): Promise<{ rows: unknown[] }> {
  try {
    // Without values it may be a script of several statements with its own BEGIN and COMMIT.
    const rows =
      values.length === 0
        ? await session.script(text, { driverTypes: true })
        : await session.query(text, values, { driverTypes: true });
    return { rows };
  } catch (error) {
    await session.query("rollback").catch(() => {});
    throw error;
  }
}

function within(tx: Transaction): Db {
  return {
    executeSql: async (text, values = []) => ({
      rows: await tx.run({ compile: () => CompiledQuery.raw(text, values) }),
    }),
  };
}
