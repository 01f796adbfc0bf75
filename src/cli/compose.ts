/** Puts the server together: the tools of the use cases, the jobs, the doors, the app around them. */
import type { Express } from "express";
import { Secret } from "../auth/secret.ts";
import type { OpenDatabase } from "../db/transactions.ts";
import { createApp } from "../http/app.ts";
import { newId } from "../ids.ts";
import { type JobRunner, startJobs } from "../jobs/boss.ts";
import type { Logger } from "../log.ts";
import { drainJobName, reconcileJobName } from "../provisioning/jobs.ts";
import { createRulesStore } from "../provisioning/rules.ts";
import type { TokenDeps } from "../provisioning/tokens.ts";

export interface Parts {
  /** Migrated. */
  readonly database: OpenDatabase;
  readonly secret: Buffer;
  readonly operatorToken: string;
  readonly publicUrl?: string | undefined;
  readonly log: Logger;
  readonly clock?: () => Date;
}

/** What every door is handed. */
export interface ServerDeps extends TokenDeps {
  readonly operatorToken: Secret;
  readonly publicUrl: string | undefined;
  readonly log: Logger;
}

export interface Composed {
  readonly app: Express;
  readonly deps: ServerDeps;
  /** From now on the app asks for no more work. */
  beginStop(): void;
  /** Ends what runs in the background; the database stays open. */
  stopJobs(): Promise<void>;
}

export async function compose(parts: Parts): Promise<Composed> {
  const { database, log } = parts;
  const jobs = await startJobs(database, log, { queues: [reconcileJobName, drainJobName] });
  const deps: ServerDeps = {
    db: database,
    rules: createRulesStore(),
    jobs,
    clock: parts.clock ?? (() => new Date()),
    newId,
    log,
    secret: new Secret(parts.secret.toString("hex")),
    operatorToken: new Secret(parts.operatorToken),
    publicUrl: parts.publicUrl,
  };
  await startWork(jobs, deps);
  let stopping = false;
  const app = createApp({
    database,
    log,
    newId,
    routers: {},
    stopping: () => stopping,
  });
  return {
    app,
    deps,
    beginStop() {
      stopping = true;
    },
    stopJobs: () => jobs.stop(),
  };
}

async function startWork(_jobs: JobRunner, _deps: ServerDeps): Promise<void> {}
