/** The database that the configuration means, with the secrets that belong to it. */
import type { Config } from "../config.ts";
import { openDataDirectory } from "../db/data-directory.ts";
import { openDatabase } from "../db/open.ts";
import type { OpenDatabase } from "../db/transactions.ts";
import { StartRefused } from "../start-refused.ts";

export interface Configured {
  readonly database: OpenDatabase;
  readonly operatorToken: string;
  /** Where the operator finds that token, for people. */
  readonly operatorTokenPlace: string;
  readonly secret: Buffer;
  close(): Promise<void>;
}

export async function openConfigured(config: Config, onIdleError: (error: Error) => void): Promise<Configured> {
  return config.databaseUrl === undefined
    ? await openEmbedded(config)
    : await openShared(config, config.databaseUrl, onIdleError);
}

async function openShared(config: Config, url: string, onIdleError: (error: Error) => void): Promise<Configured> {
  const database = await openDatabase({ url, connectionsMax: config.databaseConnections, onIdleError });
  try {
    await database.ping();
  } catch (error) {
    await database.close();
    throw new StartRefused(`The database does not answer (${reasonOf(error)}); see DATABASE_URL.`, { cause: error });
  }
  // The configuration has made sure of both.
  const { operatorToken = "", secret = Buffer.alloc(0) } = config;
  return { database, operatorToken, operatorTokenPlace: "USHER_OPERATOR_TOKEN", secret, close: () => database.close() };
}

/** The innermost reason: the driver's own words. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return reasonOf(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : reasonOf(error.cause);
}

async function openEmbedded(config: Config): Promise<Configured> {
  const directory = openDataDirectory(config.dataDir);
  try {
    const database = await openDatabase({ dataDir: directory.database });
    return {
      database,
      operatorToken: config.operatorToken ?? directory.operatorToken,
      operatorTokenPlace: config.operatorToken ? "USHER_OPERATOR_TOKEN" : directory.operatorTokenFile,
      secret: config.secret ?? directory.secret,
      async close() {
        await database.close();
        directory.release();
      },
    };
  } catch (error) {
    directory.release();
    throw error;
  }
}
