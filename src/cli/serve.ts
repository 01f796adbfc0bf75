/** `usher serve`: open, migrate, compose, listen; on SIGTERM or SIGINT finish what is in flight and leave. */
import { RateLimiter } from "../auth/rate-limiter.ts";
import type { Config } from "../config.ts";
import { migrate } from "../db/migrate.ts";
import { listen } from "../http/server.ts";
import type { Logger } from "../log.ts";
import { compose } from "./compose.ts";
import { openConfigured } from "./configured.ts";
import { greet, makeDemoOnce } from "./first-start.ts";

/** Resolves to the exit code, after the server has stopped. */
export async function serve(config: Config, log: Logger): Promise<number> {
  const stopAsked = awaitSignal(["SIGTERM", "SIGINT"]);
  const configured = await openConfigured(config, (error) =>
    log.warn({ err: error }, "a database connection was lost"),
  );
  try {
    const applied = await migrate(configured.database);
    if (applied.length > 0) log.info({ applied }, "database migrated");
    const limiter = new RateLimiter(config.rate);
    const composed = await compose({
      ...configured,
      publicUrl: config.publicUrl,
      dnsServers: config.dnsServers,
      limiter,
      log,
    });
    try {
      // First the port: tokens are shown once, so nothing may fail between their making and their showing.
      const listening = await listen(composed.app, config);
      try {
        const demo = await makeDemoOnce(composed.deps);
        const origin = config.publicUrl ?? listening.origin;
        console.log(greet({ origin, operatorTokenPlace: configured.operatorTokenPlace }, demo));
        const signal = await stopAsked;
        log.info({ signal }, "stopping: finishing the requests in flight");
      } finally {
        composed.beginStop();
        // Whatever ended the start, too: an open port would keep a process alive that serves nobody.
        await listening.stop();
      }
    } finally {
      await composed.stopWork();
    }
  } finally {
    await configured.close();
  }
  log.info("stopped");
  return 0;
}

/** Heard from the beginning on, so that a signal during the start is not lost. A second one ends the process at once. */
function awaitSignal(signals: readonly NodeJS.Signals[]): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of signals) process.once(signal, () => resolve(signal));
  });
}
