/** Opens the database: PostgreSQL by URL, PGlite in a folder, or PGlite in memory. */
import { mkdirSync } from "node:fs";
import { openPglite } from "./pglite.ts";
import { openPostgres, type PostgresOptions } from "./postgres.ts";
import { databaseOver, type OpenDatabase } from "./transactions.ts";

export type Whereabouts = ({ readonly url: string } & PostgresOptions) | { readonly dataDir: string } | "memory";

/** PostgreSQL is not contacted yet; PGlite is up when this returns. Migrations are the caller's next step. */
export async function openDatabase(where: Whereabouts): Promise<OpenDatabase> {
  if (where === "memory") return databaseOver(await openPglite());
  if ("url" in where) return databaseOver(openPostgres(where.url, where));
  mkdirSync(where.dataDir, { recursive: true, mode: 0o700 });
  return databaseOver(await openPglite({ dataDir: where.dataDir }));
}
