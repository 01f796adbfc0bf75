/** Migrations: applied once, in order, whole or not at all, and by one process at a time. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { migrate } from "../../src/db/migrate.ts";
import { openPostgres } from "../../src/db/postgres.ts";
import { databaseOver } from "../../src/db/transactions.ts";
import { describeOnBoth, describeOnPostgres, openTestDatabase, type TestDatabase } from "../helpers/database.ts";

let folder: string;
const url = () => pathToFileURL(`${folder}/`);

/** The next number after those that the test database has. */
const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "usher-migrations-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describeOnBoth("migrate", (_getDb, engine) => {
  let test: TestDatabase;
  beforeEach(async () => {
    test = await openTestDatabase(engine);
    // A database as new: what the template had is out of the way.
    await test.database.session((session) => session.script("drop schema public cascade; create schema public"));
  });
  afterEach(() => test.dispose());

  const tables = async () => {
    const rows = await test.database.query<{ name: string }>(
      { name: "tables", text: "select tablename::text as name from pg_tables where schemaname = 'public' order by 1" },
      [],
    );
    return rows.map(({ name }) => name);
  };

  it("applies what is missing, in order, once", async () => {
    write("0001_first.sql", "create table first (a int); create table second (a int);");
    expect(await migrate(test.database, url())).toEqual(["0001_first.sql"]);
    write("0002_second.sql", "alter table first add b text default 'x;y'; drop table second;");
    expect(await migrate(test.database, url())).toEqual(["0002_second.sql"]);
    expect(await migrate(test.database, url())).toEqual([]);
    expect(await tables()).toEqual(["first", "migrations"]);
  });

  it("applies nothing when one fails, and says which", async () => {
    write("0001_fine.sql", "create table fine (a int)");
    write("0002_wrong.sql", "create table half (a int); create table half (a int)");
    await expect(migrate(test.database, url())).rejects.toThrow(/0002_wrong.sql failed: .*half/);
    expect(await tables()).toEqual([]);
    write("0002_wrong.sql", "create table half (a int)");
    expect(await migrate(test.database, url())).toEqual(["0001_fine.sql", "0002_wrong.sql"]);
  });

  it("refuses a database that is newer than the code", async () => {
    write("0001_first.sql", "create table first (a int)");
    write("0002_later.sql", "create table later (a int)");
    await migrate(test.database, url());
    rmSync(join(folder, "0002_later.sql"));
    await expect(migrate(test.database, url())).rejects.toThrow(
      /newer than this version of Usher: it has the migration 0002_later.sql/,
    );
  });

  it("refuses a migration that was edited after it was applied", async () => {
    write("0001_first.sql", "create table first (a int)");
    await migrate(test.database, url());
    write("0001_first.sql", "create table first (a int, b int)");
    await expect(migrate(test.database, url())).rejects.toThrow(/0001_first.sql is not what was applied/);
    write("0001_first.sql", "create table first (a int)");
    expect(await migrate(test.database, url())).toEqual([]);
  });

  it("refuses files that are not numbered without a gap", async () => {
    write("0002_second.sql", "select 1");
    await expect(migrate(test.database, url())).rejects.toThrow(/0002_second.sql: expected 0001_name.sql/);
  });

  it("applies the project's own", async () => {
    expect(await migrate(test.database)).toContain("0001_foundation.sql");
    expect(await tables()).toContain("seats");
  });
});

describeOnPostgres("migrate in several processes", () => {
  it("lets those that start at once take turns", async () => {
    const test = await openTestDatabase("postgres");
    await test.database.session((session) => session.script("drop schema public cascade; create schema public"));
    const databases = Array.from({ length: 4 }, () => databaseOver(openPostgres(test.url!, { connectionsMax: 1 })));
    const applied = await Promise.all(databases.map((database) => migrate(database)));
    expect(applied.filter((names) => names.length > 0)).toHaveLength(1);
    await Promise.all(databases.map((database) => database.close()));
    await test.dispose();
  });
});
