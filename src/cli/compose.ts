/** Puts the server together: the tools of the use cases, the jobs, the doors, the app around them. */
import type { Express } from "express";
import { createAdminRouters } from "../admin/router.ts";
import { AccessTokens } from "../auth/oauth/access-tokens.ts";
import type { RateLimiter } from "../auth/rate-limiter.ts";
import { Secret } from "../auth/secret.ts";
import { openProvisioningLog, type ProvisioningLog } from "../db/provisioning-log.ts";
import type { OpenDatabase } from "../db/transactions.ts";
import { createApp } from "../http/app.ts";
import { createOauthRouters } from "../http/oauth.ts";
import { newId } from "../ids.ts";
import { startJobs } from "../jobs/boss.ts";
import type { Clock } from "../jobs/clock.ts";
import { queues, startWork } from "../jobs/work.ts";
import type { Logger } from "../log.ts";
import { createFindTxt } from "../provisioning/domains-dns.ts";
import { createRulesStore } from "../provisioning/rules.ts";
import type { TokenDeps } from "../provisioning/tokens.ts";
import { createScimRouter } from "../scim/router.ts";

export interface Parts {
  /** Migrated. */
  readonly database: OpenDatabase;
  readonly secret: Buffer;
  readonly operatorToken: string;
  readonly publicUrl?: string | undefined;
  /** Without one nobody is limited. */
  readonly limiter?: RateLimiter | undefined;
  readonly log: Logger;
  readonly clock?: () => Date;
  /** Asked for the records that prove domains; none: those of the system. */
  readonly dnsServers?: readonly string[] | undefined;
  /** How often the clock is looked at; limits.dueWorkMs when absent. */
  readonly dueWorkMs?: number;
}

/** What every door is handed. */
export interface ServerDeps extends TokenDeps {
  readonly operatorToken: Secret;
  readonly accessTokens: AccessTokens;
  readonly publicUrl: string | undefined;
  readonly limiter: RateLimiter | undefined;
  readonly log: Logger;
  readonly provisioningLog: ProvisioningLog;
}

export interface Composed {
  readonly app: Express;
  readonly deps: ServerDeps;
  /** From now on the app asks for no more work. */
  beginStop(): void;
  /** Ends what runs in the background and writes what is still to be written; the database stays open. */
  stopWork(): Promise<void>;
}

export async function compose(parts: Parts): Promise<Composed> {
  const { database, log } = parts;
  const jobs = await startJobs(database, log, { queues });
  const { publicUrl, clock = () => new Date() } = parts;
  const secret = new Secret(parts.secret.toString("hex"));
  const deps: ServerDeps = {
    db: database,
    rules: createRulesStore(),
    jobs,
    clock,
    newId,
    log,
    secret,
    operatorToken: new Secret(parts.operatorToken),
    accessTokens: new AccessTokens({ db: database, clock, newId, secret, publicUrl }),
    publicUrl,
    limiter: parts.limiter,
    findTxt: createFindTxt({ servers: parts.dnsServers ?? [] }),
    provisioningLog: openProvisioningLog(database, {
      onError: (error) => log.warn({ err: error }, "exchanges could not be written to the provisioning log"),
    }),
  };
  let stopping = false;
  const app = createApp({
    database,
    log,
    newId,
    routers: { "/scim/v2": createScimRouter(deps), ...createAdminRouters(deps), ...createOauthRouters(deps) },
    stopping: () => stopping,
  });
  let clockwork: Clock | undefined;
  const stopWork = async () => {
    await clockwork?.stop();
    await jobs.stop();
    await deps.provisioningLog.close();
  };
  try {
    clockwork = await startWork(jobs, deps, log, { dueWorkMs: parts.dueWorkMs });
  } catch (error) {
    // Work that has begun would keep alive a process that serves nobody.
    await stopWork();
    throw error;
  }
  return {
    app,
    deps,
    beginStop() {
      stopping = true;
    },
    stopWork,
  };
}
