/**
 * A migrated database of its own for every test file. Suites are written once and run on both engines;
 * `TEST_ENGINES=pglite` or `postgres` narrows a run while developing.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, inject } from "vitest";
import { openPglite } from "../../src/db/pglite.ts";
import { openPostgres } from "../../src/db/postgres.ts";
import { databaseOver, type OpenDatabase } from "../../src/db/transactions.ts";
import { databaseUrl, type PostgresTemplate, withAdmin } from "./engines.ts";

export type EngineName = "pglite" | "postgres";

const chosen = (process.env.TEST_ENGINES ?? "pglite,postgres").split(",");

/** Runs the suite on PGlite and again on PostgreSQL. `getDb` is for use inside tests and hooks. */
export function describeOnBoth(name: string, suite: (getDb: () => OpenDatabase, engine: EngineName) => void): void {
  describeOn("pglite", name, suite);
  describeOn("postgres", name, suite);
}

/** For races: they need connections that really run side by side. */
export function describeOnPostgres(
  name: string,
  suite: (getDb: () => OpenDatabase, engine: EngineName) => void,
  options: { connectionsMax?: number } = {},
): void {
  describeOn("postgres", name, suite, options);
}

/** For suites that open their own databases. */
export function describeOn(
  engine: EngineName,
  name: string,
  suite: (getDb: () => OpenDatabase, engine: EngineName) => void,
  options: { connectionsMax?: number } = {},
): void {
  describe.skipIf(!chosen.includes(engine))(`${name} (${engine})`, () => {
    let opened: TestDatabase | undefined;
    beforeAll(async () => {
      opened = await openTestDatabase(engine, options);
    });
    afterAll(() => opened?.dispose());
    suite(() => opened!.database, engine);
  });
}

export interface TestDatabase {
  readonly database: OpenDatabase;
  /** On PostgreSQL: where a second process finds it. */
  readonly url?: string;
  dispose(): Promise<void>;
}

/** A fresh migrated database; for tests that need several, or a second process on the same. */
export async function openTestDatabase(
  engine: EngineName,
  options: { connectionsMax?: number } = {},
): Promise<TestDatabase> {
  return engine === "pglite" ? await loadPglite() : await copyTemplate(options);
}

async function loadPglite(): Promise<TestDatabase> {
  const dump = readFileSync(await ask("/pglite"));
  const database = databaseOver(await openPglite({ load: new Blob([dump]) }));
  return { database, dispose: () => database.close() };
}

async function copyTemplate(options: { connectionsMax?: number }): Promise<TestDatabase> {
  const { url: adminUrl, template } = JSON.parse(await ask("/postgres")) as PostgresTemplate;
  const name = `usher_test_${randomBytes(6).toString("hex")}`;
  await withAdmin(adminUrl, (sql) => sql(`create database ${name} template ${template}`));
  const url = databaseUrl(adminUrl, name);
  const database = databaseOver(openPostgres(url, options));
  return {
    database,
    url,
    async dispose() {
      await database.close();
      await withAdmin(adminUrl, (sql) => sql(`drop database if exists ${name} with (force)`));
    },
  };
}

async function ask(path: string): Promise<string> {
  const response = await fetch(inject("engines") + path);
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text;
}
