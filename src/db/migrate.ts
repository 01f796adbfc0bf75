/**
 * Brings a database to the state of migrations/: numbered SQL files, forward only. All that are missing are applied in
 * one transaction behind a lock, so that a failure leaves nothing half done and processes that start at once take turns.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { StartRefused } from "../start-refused.ts";
import type { Session } from "./engine.ts";
import type { OpenDatabase } from "./transactions.ts";

interface Migration {
  readonly number: number;
  readonly name: string;
  readonly checksum: string;
  readonly text: string;
}

interface Applied {
  readonly number: number;
  readonly name: string;
  readonly checksum: string;
}

const ourMigrations = new URL("../../migrations/", import.meta.url);

/** Any number that nobody else is likely to lock in the same database: "usher" in ASCII. */
const advisoryLock = 0x7573686572;

/** Applies what is missing and returns its names. A database that this code does not fit is refused with a sentence. */
export async function migrate(database: OpenDatabase, folder: URL = ourMigrations): Promise<string[]> {
  const known = readMigrations(folder);
  return await database.session(async (session) => {
    await session.query("begin");
    try {
      // A migration, and waiting for another process to finish one, may take longer than a request.
      await session.query("set local lock_timeout = 0");
      await session.query("set local statement_timeout = 0");
      await session.query("select pg_advisory_xact_lock($1::bigint)", [advisoryLock]);
      const missing = known.slice(await countApplied(session, known));
      for (const migration of missing) await apply(session, migration);
      await session.query("commit");
      return missing.map(({ name }) => name);
    } catch (error) {
      await session.query("rollback").catch(() => {});
      throw error;
    }
  });
}

/** Runs the body while no other process does, for set-up that brings its own transactions. Needs a second connection. */
export async function alone<T>(database: OpenDatabase, body: () => Promise<T>): Promise<T> {
  // The data directory has one process at a time anyway, and PGlite one connection.
  if (database.engine === "pglite") return await body();
  return await database.session(async (session) => {
    await session.query("begin");
    try {
      await session.query("set local lock_timeout = 0");
      await session.query("set local statement_timeout = 0");
      await session.query("set local idle_in_transaction_session_timeout = 0");
      await session.query("select pg_advisory_xact_lock($1::bigint)", [advisoryLock]);
      return await body();
    } finally {
      await session.query("rollback");
    }
  });
}

function readMigrations(folder: URL): Migration[] {
  const files = readdirSync(folder).filter((name) => name.endsWith(".sql"));
  return files.sort().map((name, index) => {
    const number = Number(/^(\d{4})_[a-z0-9_]+\.sql$/.exec(name)?.[1]);
    if (number !== index + 1)
      throw new Error(`migrations/${name}: expected ${String(index + 1).padStart(4, "0")}_name.sql`);
    const text = readFileSync(new URL(name, folder), "utf8").replaceAll("\r\n", "\n");
    return { number, name, text, checksum: createHash("sha256").update(text).digest("hex") };
  });
}

async function countApplied(session: Session, known: readonly Migration[]): Promise<number> {
  await session.query(
    `create table if not exists migrations (
       number integer primary key, name text not null, checksum text not null, applied_at timestamptz not null default now())`,
  );
  const applied = await session.query<Applied>("select number, name, checksum from migrations order by number");
  applied.forEach((row, index) => {
    const file = known[index];
    if (!file) {
      throw new StartRefused(
        `The database is newer than this version of Usher: it has the migration ${row.name}, which this version does not ` +
          "know. Start the version that made it, or a later one.",
      );
    }
    if (row.number !== file.number || row.checksum !== file.checksum) {
      throw new StartRefused(
        `The migration ${file.name} is not what was applied to this database${
          row.name === file.name ? "" : `, which was ${row.name}`
        }. Applied migrations are never edited: restore the file and put the change into a new one.`,
      );
    }
  });
  return applied.length;
}

async function apply(session: Session, { number, name, checksum, text }: Migration): Promise<void> {
  try {
    await session.script(text);
  } catch (error) {
    throw new Error(`migrations/${name} failed: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
  await session.query("insert into migrations (number, name, checksum) values ($1, $2, $3)", [number, name, checksum]);
}
