/**
 * What the catalog says of our tables: tenant_id leads every key, so that no row can point across tenants and the
 * schema can be distributed by tenant; and what a delete cascades to is found by an index.
 */
import { beforeAll, expect, it } from "vitest";
import { describeOnBoth } from "../helpers/database.ts";

/** Tables that belong to no tenant. */
const tenantless = new Set(["migrations", "signing_keys", "verified_domains"]);

/** Keys that do not begin with tenant_id, each with its reason. */
const exceptions: Readonly<Record<string, string>> = {
  tenants_pkey: "the tenant itself",
  tenants_slug_key: "a slug names one tenant among all",
};

interface Key {
  readonly table: string;
  readonly name: string;
  readonly columns: readonly string[];
}

interface ForeignKey extends Key {
  readonly target: string;
  readonly target_columns: readonly string[];
  readonly cascades: boolean;
}

const relations = `pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'`;
const columnsOf = (numbers: string, table: string) =>
  `(select array_agg(a.attname::text order by u.position)
    from unnest(${numbers}::int2[]) with ordinality as u (number, position)
    join pg_attribute a on a.attrelid = ${table} and a.attnum = u.number)`;

describeOnBoth("the schema", (getDb) => {
  let tables: string[];
  let uniques: Key[];
  let indexes: Key[];
  let foreignKeys: ForeignKey[];

  beforeAll(async () => {
    const read = <Row>(name: string, text: string) => getDb().query<Row>({ name, text }, []);
    const found = await read<{ table: string }>(
      "schema tables",
      `select c.relname::text as table from ${relations} where c.relkind in ('r', 'p') order by 1`,
    );
    tables = found.map(({ table }) => table);
    indexes = await read<Key & { unique: boolean }>(
      "schema indexes",
      `select c.relname::text as table, i.indexrelid::regclass::text as name, i.indisunique as unique,
              ${columnsOf("i.indkey", "c.oid")} as columns
       from ${relations} join pg_index i on i.indrelid = c.oid`,
    );
    uniques = (indexes as (Key & { unique: boolean })[]).filter(({ unique }) => unique);
    foreignKeys = await read<ForeignKey>(
      "schema foreign keys",
      `select c.relname::text as table, f.conname::text as name, ${columnsOf("f.conkey", "c.oid")} as columns,
              f.confrelid::regclass::text as target, ${columnsOf("f.confkey", "f.confrelid")} as target_columns,
              f.confdeltype in ('c', 'n') as cascades
       from ${relations} join pg_constraint f on f.conrelid = c.oid and f.contype = 'f'`,
    );
  });

  const ofTenant = (table: string) => table !== "tenants" && !tenantless.has(table);

  it("has the tables that the other tests speak of", () => {
    expect(tables).toEqual(expect.arrayContaining(["tenants", "users", "groups", "seats", "pools", "events"]));
    expect(uniques.length).toBeGreaterThan(20);
    expect(foreignKeys.length).toBeGreaterThan(20);
  });

  it("gives every table of a tenant a primary key", () => {
    const keyed = new Set(uniques.filter(({ name }) => name.endsWith("_pkey")).map(({ table }) => table));
    expect(tables.filter((table) => !keyed.has(table))).toEqual([]);
  });

  it("begins every primary and unique key with tenant_id", () => {
    const wrong = uniques.filter(
      ({ table, name, columns }) => !tenantless.has(table) && columns[0] !== "tenant_id" && !(name in exceptions),
    );
    expect(wrong).toEqual([]);
  });

  it("begins every foreign key with tenant_id on both sides", () => {
    const wrong = foreignKeys.filter(
      ({ columns, target, target_columns: there }) =>
        columns[0] !== "tenant_id" || there[0] !== (target === "tenants" ? "id" : "tenant_id"),
    );
    expect(wrong).toEqual([]);
  });

  it("ties every table of a tenant to it, directly or over another", () => {
    const tied = new Set(foreignKeys.map(({ table }) => table));
    expect(tables.filter((table) => ofTenant(table) && !tied.has(table))).toEqual([]);
  });

  it("finds by an index what a delete cascades to", () => {
    const wrong = foreignKeys.filter(
      ({ table, columns, cascades }) =>
        cascades &&
        !indexes.some((index) => index.table === table && columns.every((column, i) => index.columns[i] === column)),
    );
    expect(wrong).toEqual([]);
  });

  it("has no exception that nothing needs any more", () => {
    const names = new Set(uniques.map(({ name }) => name));
    expect(Object.keys(exceptions).filter((name) => !names.has(name))).toEqual([]);
  });
});
