/** The contract of Database, held against both engines: values, transactions, savepoints, the guard, the bounds. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { asPoolFull, toProblem } from "../../src/db/constraints.ts";
import { afterCommit } from "../../src/db/transactions.ts";
import { describeOnBoth, describeOnPostgres } from "../helpers/database.ts";

const sql = (text: string) => ({ name: `test ${text}`.slice(0, 60), text });

describeOnBoth("a database", (getDb) => {
  it("gives every type the same shape on both engines", async () => {
    const [row] = await getDb().query(
      sql(`select 9007199254740991::bigint as big, 12.50::numeric as price, '2026-03-01 10:20:30.456789+02'::timestamptz as at,
           '2026-03-01'::date as day, '018f0000-0000-7000-8000-000000000001'::uuid as id, '{"a":[1,null]}'::jsonb as doc,
           array['a"b\\c','NULL',null,'','{x,y}']::text[] as words, array[1,2]::bigint[] as numbers, '\\x00ff'::bytea as bytes,
           true as yes, null::text as nothing, array['2026-03-01 00:00+00']::timestamptz[] as times, 1.5::float8 as real,
           '{}'::text[] as empty, count(*) as count`),
      [],
    );
    expect(row).toEqual({
      big: 9007199254740991,
      price: 12.5,
      at: "2026-03-01T08:20:30.456Z",
      day: "2026-03-01",
      id: "018f0000-0000-7000-8000-000000000001",
      doc: { a: [1, null] },
      words: ['a"b\\c', "NULL", null, "", "{x,y}"],
      numbers: [1, 2],
      bytes: Buffer.from([0, 255]),
      yes: true,
      nothing: null,
      times: ["2026-03-01T00:00:00.000Z"],
      real: 1.5,
      empty: [],
      count: 1,
    });
  });

  it("takes every type the same way on both engines", async () => {
    const at = new Date("2026-03-01T08:20:30.456Z");
    const words = ['a"b\\c', "NULL", "", "{x,y}", "Ümläut\n"];
    const [row] = await getDb().query(
      sql(`select $1::bigint as big, $2::boolean as yes, $3::timestamptz as at, $4::jsonb as doc, $5::text[] as words,
           $6::bytea as bytes, $7::text as nothing, $8::numeric as price, $9::uuid[] as ids, $10::date as day`),
      [
        42,
        false,
        at,
        JSON.stringify(["x"]),
        words,
        Buffer.from([1, 0]),
        undefined,
        12.5,
        ["018f0000-0000-7000-8000-000000000001"],
        "2026-03-01",
      ],
    );
    expect(row).toEqual({
      big: 42,
      yes: false,
      at: at.toISOString(),
      doc: ["x"],
      words,
      bytes: Buffer.from([1, 0]),
      nothing: null,
      price: 12.5,
      ids: ["018f0000-0000-7000-8000-000000000001"],
      day: "2026-03-01",
    });
  });

  it("runs what Kysely builds, and lets Kysely run nothing by itself", async () => {
    const db = getDb();
    await insertTenant(db, "kysely");
    const built = db.build.selectFrom("tenants").select(["slug", "rules_version"]).where("slug", "=", "kysely");
    expect(await db.run(built)).toEqual([{ slug: "kysely", rules_version: 1 }]);
    expect(await built.execute()).toEqual([]);
  });

  it("commits a transaction whole and undoes it whole", async () => {
    const db = getDb();
    await db.transaction((tx) => insertTenant(tx, "kept"));
    const failed = db.transaction(async (tx) => {
      await insertTenant(tx, "undone");
      throw new Error("no");
    });
    await expect(failed).rejects.toThrow("no");
    expect(await slugs(db, "kept", "undone")).toEqual(["kept"]);
  });

  it("undoes to a savepoint and goes on", async () => {
    const db = getDb();
    await db.transaction(async (tx) => {
      await insertTenant(tx, "before");
      await expect(
        tx.savepoint(async () => {
          await insertTenant(tx, "inside");
          await insertTenant(tx, "before");
        }),
      ).rejects.toMatchObject({ code: "23505" });
      await tx.savepoint(() => insertTenant(tx, "after"));
    });
    expect(await slugs(db, "before", "inside", "after")).toEqual(["after", "before"]);
  });

  it("does not take a failed transaction for a committed one when its body swallows the error", async () => {
    const db = getDb();
    const swallowed = db.transaction(async (tx) => {
      await insertTenant(tx, "swallowed");
      await tx.query(sql("select 1 / 0"), []).catch(() => {});
    });
    await expect(swallowed).rejects.toMatchObject({ code: "22012" });
    expect(await slugs(db, "swallowed")).toEqual([]);
  });

  it("throws at once when the database itself is used inside a transaction", async () => {
    const db = getDb();
    await db.transaction(async (tx) => {
      await expect(db.query(sql("select 1"), [])).rejects.toThrow("inside a transaction");
      await expect(db.run(db.build.selectFrom("tenants").selectAll())).rejects.toThrow("inside a transaction");
      await expect(db.transaction(async () => {})).rejects.toThrow("inside a transaction");
      await sleep(1);
      await expect(db.ping()).rejects.toMatchObject({ code: "unavailable" });
      await tx.query(sql("select 1"), []);
    });
  });

  it("lets work that a transaction started use the database once the transaction is over", async () => {
    const db = getDb();
    let later: Promise<unknown> | undefined;
    await db.transaction(async () => {
      later = sleep(50).then(() => db.query(sql("select 1 as one"), []));
    });
    expect(await later).toEqual([{ one: 1 }]);
  });

  it("refuses a statement that comes after the end of its transaction", async () => {
    const db = getDb();
    const tx = await db.transaction(async (tx) => tx);
    await expect(tx.query(sql("select 1"), [])).rejects.toThrow("has ended");
  });

  it("runs what waits for the commit after a commit only", async () => {
    const db = getDb();
    const ran: string[] = [];
    await db.transaction(async (tx) => afterCommit(tx, () => ran.push("committed")));
    await db
      .transaction(async (tx) => {
        afterCommit(tx, () => ran.push("rolled back"));
        throw new Error("no");
      })
      .catch(() => {});
    expect(ran).toEqual(["committed"]);
  });

  it("retries a deadlock three times, then says 503", async () => {
    const db = getDb();
    let runs = 0;
    const deadlock = sql("do $$ begin raise exception 'tried' using errcode = '40P01'; end $$");
    const attempt = db.transaction(async (tx) => {
      runs++;
      await tx.query(deadlock, []);
    });
    await expect(attempt).rejects.toMatchObject({ code: "unavailable", headers: { "Retry-After": "5" } });
    expect(runs).toBe(4);

    runs = 0;
    await db.transaction(async (tx) => {
      if (++runs < 3) await tx.query(deadlock, []);
    });
    expect(runs).toBe(3);
  });

  it("turns the database's refusals into problems", async () => {
    const db = getDb();
    await insertTenant(db, "taken");
    await expect(insertTenant(db, "taken")).rejects.toMatchObject({
      code: "uniqueness",
      facts: { attribute: "slug" },
      cause: { constraint: "tenants_slug_key" },
    });
    await expect(db.query(sql("select $1::text as t"), ["a\0b"])).rejects.toMatchObject({ code: "invalidValue" });
    await expect(db.query(sql(`select '"\\u0000"'::jsonb ->> 0`), [])).rejects.toMatchObject({ code: "invalidValue" });
    await expect(db.query(sql("insert into feeds (tenant_id) values (gen_random_uuid())"), [])).rejects.toMatchObject({
      code: "conflict",
    });
    await expect(db.query(sql("select 1 / 0"), [])).rejects.toMatchObject({ code: "22012" });
  });

  it("reads the facts of a full pool from our own functions' error", async () => {
    const raise = sql(
      `do $$ begin raise exception '%', '{"tier":"pro","purchased":5,"used":5}' using errcode = 'US001'; end $$`,
    );
    const full = await getDb()
      .transaction((tx) => tx.query(raise, []))
      .catch((error: unknown) => error);
    expect(asPoolFull(full)).toEqual({ tier: "pro", purchased: 5, used: 5 });
    expect(asPoolFull(new Error("else"))).toBeUndefined();
  });

  it("serves a burst in turn, and beyond a thousand in line says 503 at once", async () => {
    const db = getDb();
    const all = await Promise.allSettled(
      Array.from({ length: 1200 }, (_, i) => db.query<{ i: number }>(sql("select $1::int as i"), [i])),
    );
    const served = all.filter((each) => each.status === "fulfilled");
    const shed = all.filter((each) => each.status === "rejected");
    expect(served.length).toBeGreaterThanOrEqual(1000);
    expect(shed.length).toBeGreaterThan(0);
    for (const each of shed)
      expect(each.reason).toMatchObject({ code: "unavailable", headers: { "Retry-After": "5" } });
    expect(await db.query(sql("select 1 as one"), [])).toEqual([{ one: 1 }]);
  });
});

describeOnPostgres("a database on the network", (getDb) => {
  it("resolves a real deadlock by running its victim again", async () => {
    const db = getDb();
    await Promise.all([insertTenant(db, "left"), insertTenant(db, "right")]);
    const touch = sql("update tenants set name = name || '.' where slug = $1");
    const both = async (first: string, second: string) =>
      await db.transaction(async (tx) => {
        await tx.query(touch, [first]);
        await sleep(100);
        await tx.query(touch, [second]);
      });
    await Promise.all([both("left", "right"), both("right", "left")]);
    const names = await db.query<{ name: string }>(
      sql("select name from tenants where slug in ('left', 'right') order by slug"),
      [],
    );
    expect(names.map(({ name }) => name.length)).toEqual(["left..".length, "right..".length]);
  });

  it("does not hand on a connection that was cut, and recovers", async () => {
    const db = getDb();
    const cut = db.transaction(async (tx) => {
      await tx.query(sql("select pg_terminate_backend(pg_backend_pid())"), []);
    });
    await expect(cut).rejects.toMatchObject({ code: "unavailable" });
    expect(await db.query(sql("select 1 as one"), [])).toEqual([{ one: 1 }]);
  });

  it("bounds statements and lock waits", async () => {
    const settings = await getDb().query(
      sql(
        "select name, setting from pg_settings where name in ('statement_timeout', 'lock_timeout', 'TimeZone') order by setting",
      ),
      [],
    );
    expect(settings).toEqual([
      { name: "lock_timeout", setting: "10000" },
      { name: "statement_timeout", setting: "30000" },
      { name: "TimeZone", setting: "UTC" },
    ]);
    const impatient = getDb().transaction(async (tx) => {
      await tx.query(sql("set local statement_timeout = 50"), []);
      await tx.query(sql("select pg_sleep(5)"), []);
    });
    await expect(impatient).rejects.toMatchObject({ code: "unavailable" });
  });
});

it("knows a lost network from a wrong query", () => {
  const withCode = (code: string) => Object.assign(new Error("x"), { code });
  expect(toProblem(withCode("ECONNREFUSED"))).toMatchObject({ code: "unavailable" });
  expect(toProblem(new AggregateError([withCode("ECONNREFUSED")]))).toMatchObject({ code: "unavailable" });
  expect(toProblem(new Error("Connection terminated unexpectedly"))).toMatchObject({ code: "unavailable" });
  expect(toProblem(new Error("PGlite is closed"))).toMatchObject({ code: "unavailable" });
  const unknown = withCode("42601");
  expect(toProblem(unknown)).toBe(unknown);
});

type Runs = Pick<
  Parameters<Parameters<ReturnType<Parameters<Parameters<typeof describeOnBoth>[1]>[0]>["transaction"]>[0]>[0],
  "query"
>;

async function insertTenant(db: Runs, slug: string): Promise<void> {
  await db.query(
    sql(
      "insert into tenants (id, slug, name, preset, created_at) values (gen_random_uuid(), $1, $1, 'default', now())",
    ),
    [slug],
  );
}

async function slugs(db: Runs, ...among: string[]): Promise<string[]> {
  const rows = await db.query<{ slug: string }>(
    sql("select slug from tenants where slug = any($1::text[]) order by slug"),
    [among],
  );
  return rows.map(({ slug }) => slug);
}
