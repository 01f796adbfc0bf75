/** filterToSql and sortKey on PGlite: SQL selects what `matches` selects, uses its indexes, and never fails. */
import { readdirSync, readFileSync } from "node:fs";
import { PGlite } from "@electric-sql/pglite";
import fc from "fast-check";
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Tables } from "../../src/db/tables.ts";
import { sortKey } from "../../src/scim/filter-sql/sort-key.ts";
import { filterToSql } from "../../src/scim/filter-sql.ts";
import { resolveName } from "../../src/vocabulary/attributes.ts";
import { type Filter, matches, parseFilter } from "../../src/vocabulary/filter/index.ts";
import { formatInstant, parseInstant } from "../../src/vocabulary/instants.ts";
import { type Json, type JsonObject, member } from "../../src/vocabulary/json.ts";
import { normaliseName } from "../../src/vocabulary/names.ts";
import { ENTERPRISE_USER, USER, USHER_USER } from "../../src/vocabulary/urns.ts";
import { userDoc, userFilter } from "../vocabulary/arbitraries.ts";

const build = new Kysely<Tables>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});

const tenant = "00000000-0000-4000-8000-00000000000a";
const otherTenant = "00000000-0000-4000-8000-00000000000b";
const createdAt = "2024-01-01T00:00:00.000Z";
const uuid = (kind: string, n: number): string => `0000000${kind}-0000-4000-8000-${String(n).padStart(12, "0")}`;

let pg: PGlite;

beforeAll(async () => {
  pg = await PGlite.create();
  const migrations = new URL("../../migrations/", import.meta.url);
  for (const file of readdirSync(migrations).sort()) await pg.exec(readFileSync(new URL(file, migrations), "utf8"));
  for (const [id, slug] of [
    [tenant, "a"],
    [otherTenant, "b"],
  ]) {
    await pg.query("insert into tenants (id, slug, name, preset, created_at) values ($1, $2, 'T', 'default', $3)", [
      id,
      slug,
      createdAt,
    ]);
  }
});

afterAll(() => pg.close());

interface Person {
  readonly id: string;
  readonly doc: JsonObject;
  readonly resource: JsonObject;
}

/** The resource as it is read back; `matches` sees this one. */
function toPerson(id: string, doc: JsonObject, status = "active"): Person {
  const usher = {
    ...(doc[USHER_USER] as JsonObject | undefined),
    status,
    effectiveRole: "user",
    license: { status: "none" },
  };
  const schemas = doc[ENTERPRISE_USER] === undefined ? [USER, USHER_USER] : [USER, USHER_USER, ENTERPRISE_USER];
  const meta = { resourceType: "User", created: createdAt, lastModified: createdAt, version: 'W/"1"' };
  return { id, doc, resource: { ...doc, schemas, id, [USHER_USER]: usher, meta } };
}

async function insertUser({ id, doc }: Person, tenantId = tenant): Promise<void> {
  const { userName, externalId, displayName, emails, active } = doc;
  const usher = doc[USHER_USER];
  const name = `${normaliseName(userName as string)}`;
  const values = {
    tenant_id: tenantId,
    id,
    user_name: userName,
    user_name_norm: name,
    external_id: externalId ?? null,
    display_name_norm: typeof displayName === "string" ? normaliseName(displayName) : null,
    emails: ((emails ?? []) as JsonObject[]).flatMap((one) =>
      typeof one.value === "string" ? [normaliseName(one.value)] : [],
    ),
    doc: JSON.stringify(doc),
    active,
    starts_at: toInstant(member(usher, "startDate")),
    ends_at: toInstant(member(usher, "endDate")),
    status: "active",
    role: "user",
    role_source: "default",
    decided_version: 1,
    created_at: createdAt,
    modified_at: createdAt,
  };
  const columns = Object.keys(values);
  await pg.query(
    `insert into users (${columns.join(", ")}) values (${columns.map((_, i) => `$${i + 1}`).join(", ")})`,
    Object.values(values),
  );
}

function toInstant(text: unknown): string | null {
  const instant = typeof text === "string" ? parseInstant(text) : undefined;
  return instant === undefined ? null : formatInstant(instant);
}

async function select(filter: Filter): Promise<string[]> {
  const query = build
    .selectFrom("users as u")
    .select("u.id")
    .where("u.tenant_id", "=", tenant)
    .where(filterToSql("User", tenant, filter))
    .orderBy("u.id")
    .compile();
  const { rows } = await pg.query<{ id: string }>(query.sql, [...query.parameters]);
  return rows.map(({ id }) => id);
}

const find = (text: string): Promise<string[]> => select(parseFilter("User", text));

async function selectGroups(text: string): Promise<string[]> {
  const query = build
    .selectFrom("groups as g")
    .select("g.id")
    .where("g.tenant_id", "=", tenant)
    .where(filterToSql("Group", tenant, parseFilter("Group", text)))
    .orderBy("g.id")
    .compile();
  const { rows } = await pg.query<{ id: string }>(query.sql, [...query.parameters]);
  return rows.map(({ id }) => id);
}

describe("a filter in SQL selects what it selects in memory", () => {
  it("for random users and random filters", { timeout: 120_000 }, async () => {
    const people: Person[] = fc.sample(userDoc, { numRuns: 150, seed: 7 }).map((doc, i) =>
      // userName is unique; a prefix keeps its own characters in play.
      toPerson(uuid("1", i), { ...doc, userName: `${doc.userName}${"abcdefghij"[i % 10]}${i}` }),
    );
    await pg.exec("truncate users cascade");
    for (const person of people) await insertUser(person);
    let telling = 0;
    await fc.assert(
      fc.asyncProperty(userFilter, async (filter) => {
        const expected = people.filter(({ resource }) => matches(filter, resource)).map(({ id }) => id);
        expect(await select(filter)).toEqual(expected);
        if (expected.length > 0 && expected.length < people.length) telling += 1;
      }),
      { numRuns: 600, seed: 11 },
    );
    // A sample in which most filters selected all or nobody would prove little.
    expect(telling).toBeGreaterThan(200);
  });
});

describe("users", () => {
  const [anna, bob, cyd] = [uuid("2", 1), uuid("2", 2), uuid("2", 3)];
  const [staff, all] = [uuid("3", 1), uuid("3", 2)];

  beforeAll(async () => {
    await pg.exec("truncate users, groups cascade");
    const docs: [string, JsonObject][] = [
      [
        anna,
        {
          userName: "Anna@x",
          active: true,
          displayName: "Anna",
          externalId: "E1",
          emails: [
            { value: "Anna@Work", type: "work" },
            { value: "anna@home", type: "home", primary: true },
          ],
          [ENTERPRISE_USER]: { manager: { value: "M1" } },
        },
      ],
      [bob, { userName: "Bob%x", active: false, displayName: "bob", emails: [{ value: "bob@home", type: "work" }] }],
      [cyd, { userName: "cyd_x", active: true, title: "Boss" }],
    ];
    for (const [id, doc] of docs) await insertUser(toPerson(id, doc));
    await insertUser(toPerson(uuid("2", 9), { userName: "Anna@x", active: true }), otherTenant);
    const group =
      "insert into groups (tenant_id, id, display_name, display_name_norm, external_id, created_at, modified_at) values ($1, $2, $3, $4, $5, $6, $6)";
    await pg.query(group, [tenant, staff, "Staff", "staff", "G1", createdAt]);
    await pg.query(group, [tenant, all, "All", "all", null, createdAt]);
    await pg.query("insert into group_members values ($1, $2, $3)", [tenant, staff, anna]);
    await pg.query("insert into group_members values ($1, $2, $3)", [tenant, all, cyd]);
    await pg.query("insert into group_children values ($1, $2, $3)", [tenant, all, staff]);
    await pg.query(
      "insert into teams (tenant_id, id, kind, name, name_norm, group_id, created_at) values ($1, $2, 'team', 'Staff', 'staff', $3, $4)",
      [tenant, uuid("4", 1), staff, createdAt],
    );
    await pg.query("insert into pools (tenant_id, tier, name, name_norm, rank) values ($1, 'pro', 'Pro', 'pro', 1)", [
      tenant,
    ]);
    await pg.query("insert into seats values ($1, 'pro', 1, $2, $3)", [tenant, anna, "2024-05-01T00:00:00Z"]);
    await pg.query("insert into waitlist values ($1, $2, 'pro', 1, 0, $3)", [tenant, cyd, "2024-06-01T00:00:00Z"]);
  });

  const license = `${USHER_USER}:license`;
  it.each([
    ['userName eq "ANNA@X"', [anna]],
    ['userName sw "bob%"', [bob]],
    ['userName sw "cyd%"', []],
    ['userName ew "_X"', [cyd]],
    ['userName co "%"', [bob]],
    ['externalId eq "E1"', [anna]],
    ['externalId eq "e1"', []],
    [`id eq "${bob}"`, [bob]],
    ['id eq "not-an-id"', []],
    ['id sw "00000002"', [anna, bob, cyd]],
    ['emails eq "anna@work"', [anna]],
    ['emails[type eq "work"].value eq "ANNA@WORK"', [anna]],
    ['emails[type eq "home" and value eq "anna@work"]', []],
    ['emails[type eq "work"].value eq "bob@home"', [bob]],
    ['manager eq "M1"', [anna]],
    [`id eq "${anna}" and manager eq "M1"`, [anna]],
    ['active eq "False"', [bob]],
    ["title pr", [cyd]],
    ["not (title pr)", [anna, bob]],
    ['title ne "Boss"', [anna, bob]],
    [`groups.value eq "${staff}"`, [anna]],
    [`groups.value eq "${all}"`, [anna, cyd]],
    [`groups[value eq "${all}" and type eq "direct"]`, [cyd]],
    [`groups[value eq "${all}" and type eq "indirect"]`, [anna]],
    ['groups.display eq "STAFF"', [anna]],
    ["groups pr", [anna, cyd]],
    ['groups.value eq "x"', []],
    [`${USHER_USER}:teams.display eq "staff"`, [anna]],
    [`${license}.tier eq "pro"`, [anna]],
    [`${license}.status eq "waitlisted"`, [cyd]],
    [`${license}.position eq 1`, [cyd]],
    [`${license}.since gt "2024-05-31T00:00:00.0000000Z"`, [cyd]],
    ['meta.lastModified ge "2024-05-01"', [anna, cyd]],
    ['meta.lastModified lt "2024-05-01T02:00:00+02:00"', [bob]],
    ['meta.version eq "W/\\"1\\""', [bob]],
    [`schemas eq "${ENTERPRISE_USER}"`, [anna]],
    ["password pr", []],
    ['nosuch eq "x"', []],
    ['nosuch ne "x"', []],
    ["userName eq \"x' or '1'='1\"", []],
    ['userName eq "\\u0000"', []],
    ['userName co "\\ud800"', []],
    ['userName gt "Anna@x"', [bob, cyd]],
    ['meta.created eq "yesterday"', []],
    ['active eq "maybe"', []],
  ])("%s", async (text, expected) => {
    expect(await find(text)).toEqual(expected);
  });

  it.each([
    ['displayName eq "STAFF"', [staff]],
    ['externalId eq "G1"', [staff]],
    [`members eq "${anna}"`, [staff]],
    [`members[value eq "${staff}"]`, [all]],
    [`members[value eq "${staff}" and type eq "Group"]`, [all]],
    [`members[value eq "${staff}" and type eq "User"]`, []],
    [`id eq "${staff}" and members eq "${anna}"`, [staff]],
    ['members.type eq "Group"', [all]],
    ['members eq "x"', []],
    ['urn:ietf:params:scim:schemas:extension:usher:2.0:Group:team.display eq "Staff"', [staff]],
    ["urn:ietf:params:scim:schemas:extension:usher:2.0:Group:team pr", [staff]],
    ["not (members pr)", []],
  ])("groups: %s", async (text, expected) => {
    expect(await selectGroups(text)).toEqual(expected);
  });

  const keyOf = (name: string) => {
    const resolved = resolveName("User", name);
    return resolved.kind === "attribute" ? sortKey("User", tenant, resolved.path) : undefined;
  };

  it.each<[string, "asc" | "desc", string[]]>([
    ["userName", "desc", [cyd, bob, anna]],
    ["title", "asc", [cyd, anna, bob]],
    ["title", "desc", [anna, bob, cyd]],
    // Anna's primary address comes first in the alphabet, her first one does too; nobody's comes last.
    ["emails", "asc", [anna, bob, cyd]],
    ["EMAILS.type", "asc", [anna, bob, cyd]],
    ["name.givenName", "asc", [anna, bob, cyd]],
    ["meta.lastModified", "desc", [cyd, anna, bob]],
    [`${license}.status`, "asc", [anna, bob, cyd]],
    ["groups", "asc", [anna, cyd, bob]],
  ])("sorts by %s %s", async (sortBy, direction, expected) => {
    const { sql: text, parameters } = build
      .selectFrom("users as u")
      .select("u.id")
      .where("u.tenant_id", "=", tenant)
      .orderBy(keyOf(sortBy)!.expression, direction)
      .orderBy("u.id")
      .compile();
    const { rows } = await pg.query<{ id: string }>(text, [...parameters]);
    expect(rows.map(({ id }) => id)).toEqual(expected);
  });

  it.each(["name", "addresses", "meta", "meta.location"])("has no order for %s", (sortBy) => {
    expect(keyOf(sortBy)).toBeUndefined();
  });
});

describe("the conditions that clients look people up by are served by indexes", () => {
  beforeAll(async () => {
    await pg.exec("truncate users, groups cascade");
    await pg.exec(`
      insert into users (tenant_id, id, user_name, user_name_norm, external_id, display_name_norm, emails, doc, active, status,
        role, role_source, decided_version, created_at, modified_at)
      select '${tenant}', gen_random_uuid(), 'u' || n, 'u' || n, 'e' || n, 'd' || n, array['u' || n || '@x'],
        jsonb_build_object('emails', jsonb_build_array(jsonb_build_object('value', 'u' || n || '@x', 'type', 'work'))),
        true, 'active', 'user', 'default', 1, now(), now() from generate_series(1, 3000) n;
      insert into groups (tenant_id, id, display_name, display_name_norm, external_id, created_at, modified_at)
      select '${tenant}', gen_random_uuid(), 'g' || n, 'g' || n, 'g' || n, now(), now() from generate_series(1, 1000) n;
      insert into group_members select u.tenant_id, g.id, u.id from users u, groups g
        where right(u.user_name, 2) = right(g.display_name, 2);
      insert into group_members select g.tenant_id, g.id, u.id from users u, groups g where u.user_name = 'u7' limit 5
        on conflict do nothing;
      analyze;`);
  });

  async function plan(type: "User" | "Group", text: string): Promise<string> {
    const condition = filterToSql(type, tenant, parseFilter(type, text));
    const query =
      type === "User"
        ? build.selectFrom("users as u").select("u.id").where("u.tenant_id", "=", tenant).where(condition)
        : build.selectFrom("groups as g").select("g.id").where("g.tenant_id", "=", tenant).where(condition);
    const { sql: sqlText, parameters } = sql`explain ${query}`.compile(build);
    const { rows } = await pg.query<Record<string, Json>>(sqlText, [...parameters]);
    return rows.map((row) => row["QUERY PLAN"]).join("\n");
  }

  const id = uuid("1", 1);
  it.each<["User" | "Group", string, string]>([
    ["User", 'userName eq "U7"', "users_tenant_id_user_name_norm_key"],
    ["User", 'externalId eq "e7"', "users_external_id"],
    ["User", 'displayName eq "d7"', "users_display_name"],
    ["User", `id eq "${id}"`, "users_pkey"],
    ["User", 'emails.value eq "u7@x"', "users_emails"],
    ["User", 'emails eq "u7@x"', "users_emails"],
    ["User", 'emails[type eq "work"].value eq "u7@x"', "users_emails"],
    ["User", 'emails[type eq "work" and value eq "u7@x"]', "users_emails"],
    ["User", 'userName eq "u7" and active eq true', "users_tenant_id_user_name_norm_key"],
    ["Group", 'displayName eq "G7"', "groups_tenant_id_display_name_norm_key"],
    ["Group", 'externalId eq "g7"', "groups_external_id"],
    ["Group", `members[value eq "${id}"]`, "groups_pkey"],
    ["Group", `members.value eq "${id}"`, "group_members_user"],
  ])("%s: %s", async (type, text, index) => {
    const lines = await plan(type, text);
    expect(lines).toContain(index);
    expect(lines).not.toMatch(/Seq Scan on (users|groups) [ug]/);
  });

  it("finds the members of a group from the group, not from all users", async () => {
    expect(await plan("User", `groups.value eq "${id}"`)).toContain("group_members_pkey");
  });
});
