/** Many users at once against the same users one by one: nobody can tell them apart afterwards. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { unavailable } from "../../src/db/constraints.ts";
import type { Database, Statement, Transaction } from "../../src/db/database.ts";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import type { MappingDocument, UserDoc } from "../../src/domain/model.ts";
import { USHER_USER } from "../../src/domain/words.ts";
import type { Problem } from "../../src/problems.ts";
import { type Creation, createUsers } from "../../src/provisioning/create-users.ts";
import { saveMapping } from "../../src/provisioning/mapping.ts";
import { patchPool } from "../../src/provisioning/pools.ts";
import { createUser } from "../../src/provisioning/users.ts";
import { describeOnBoth, describeOnPostgres } from "../helpers/database.ts";
import { aUser, makeDeps, makeTenant, type TestDeps, type TestTenant } from "../helpers/tenant.ts";
import { brokenAtRest } from "./invariants.ts";
import { countRows, range, deadlocks as reportedDeadlocks, wants } from "./races/setting.ts";
import { snapshotOf, withoutIds } from "./snapshot.ts";

const seats = { basic: 12, professional: 6, "pro-plus": 3 };
type Terms = Parameters<typeof patchPool>[3];

/** People as an import brings them: names repeat, some wish for what there is not, some for what they may not have. */
const person = fc.record(
  {
    name: fc.nat(400),
    capital: fc.boolean(),
    tier: fc.constantFrom("basic", "professional", "pro-plus", "Professional", "none such"),
    role: fc.constantFrom("manager", "agent", "administrator", "nobody's"),
    active: fc.boolean(),
    starts: fc.constantFrom("2025-01-01T00:00:00Z", "2031-01-01T00:00:00Z"),
    department: fc.constantFrom("Sales", "Support"),
    emails: fc.array(fc.constantFrom("a@example.com", "B@example.com", "c@example.com"), { maxLength: 3 }),
  },
  { requiredKeys: ["name", "capital"] },
);

function toDoc(drawn: typeof person extends fc.Arbitrary<infer T> ? T : never): UserDoc {
  const { name, capital, tier, role, active = true, starts, department, emails } = drawn;
  const extension = {
    ...(tier === undefined || (tier === "none such" && name % 5 > 0) ? {} : { licenseTier: tier }),
    // Few, or every batch would be of one.
    ...(role === undefined || (role !== "manager" && role !== "agent" && name % 40 > 0) ? {} : { role }),
    ...(starts === undefined ? {} : { startDate: starts }),
  };
  return aUser(capital ? `USER-${name}` : `user-${name}`, {
    active,
    externalId: `e-${name}`,
    displayName: `Person ${name}`,
    ...(department === undefined ? {} : { title: department }),
    ...(emails === undefined ? {} : { emails: emails.map((value) => ({ value })) }),
    [USHER_USER]: extension,
  });
}

/** What a caller is told of each, as text that can be compared. */
function told(creations: readonly Creation[]): unknown[] {
  return creations.map((one) => {
    if ("user" in one) return one.user;
    const { code, message, facts } = one.error as Problem;
    return { code, message, facts };
  });
}

async function oneByOne(deps: TestDeps, tenant: TestTenant, docs: readonly UserDoc[]): Promise<Creation[]> {
  const made: Creation[] = [];
  for (const doc of docs) {
    const one = createUser(deps, tenant.scim, doc);
    made.push(await one.then((user): Creation => ({ user })).catch((error): Creation => ({ error })));
  }
  return made;
}

/** The database, with every statement counted by its name and perhaps spoilt. */
function watched(database: OpenDatabase, spoil: (statement: string) => Error | undefined = () => undefined) {
  const names: string[] = [];
  const noted = async <Row>({ name }: Statement, run: () => Promise<Row[]>): Promise<Row[]> => {
    names.push(name);
    const error = spoil(name);
    if (error !== undefined) throw error;
    return await run();
  };
  const db: Database = {
    ...database,
    query: (statement, values) => noted(statement, () => database.query(statement, values)),
    transaction: async (body) => {
      const result = await database.transaction((tx) => {
        const within: Transaction = {
          query: (statement, values) => noted(statement, () => tx.query(statement, values)),
          run: (query) => tx.run(query),
          savepoint: (inner) => tx.savepoint(inner),
        };
        return body(within);
      });
      const error = spoil("commit");
      if (error !== undefined) throw error;
      return result;
    },
  };
  return { db, names };
}

/** Deadlocks so far. A connection reports its own within ten seconds, or when asked; so each is asked. */
async function deadlocks(deps: TestDeps): Promise<number> {
  const report = { name: "test_report", text: "select pg_stat_force_next_flush(), pg_sleep(0.1)" };
  await Promise.all(range(connectionsMax).map(() => deps.db.query(report, [])));
  return await reportedDeadlocks(deps);
}

const connectionsMax = 40;

const plain = (count: number, prefix = "user") => range(count).map((at) => aUser(`${prefix}-${at}`));

describeOnBoth("users created at once", (getDb) => {
  it.each<[string, Record<string, Terms>, Partial<MappingDocument>]>([
    ["queue where a pool is full", {}, {}],
    [
      "are refused where a pool refuses",
      { professional: { whenFull: "refuse" }, "pro-plus": { whenFull: "refuse" } },
      {},
    ],
    [
      "get a lower seat where a pool gives one",
      { "pro-plus": { whenFull: "downgrade" }, professional: { whenFull: "downgrade" } },
      {},
    ],
    [
      "take seats of unlimited pools, and of those not drained by themselves",
      { basic: { unlimited: true }, professional: { drain: "manual" } },
      {},
    ],
    [
      "follow rules, into teams as well",
      {},
      {
        rules: [
          { name: "Sales", when: 'title eq "Sales"', tier: "basic" },
          {
            name: "Support",
            when: 'title eq "Support" and userName sw "user-1"',
            team: { name: "Support", kind: "team" },
          },
        ],
      },
    ],
  ])("are what they are one by one: they %s", async (_what, terms, rules) => {
    const deps = makeDeps(getDb());
    const docs = fc.sample(fc.noBias(person), { numRuns: 300, seed: 20_260_105 }).map(toDoc);
    const tenants = await Promise.all([0, 1].map(() => makeTenant(deps, { preset: "queue-desk", seats })));
    for (const tenant of tenants) {
      for (const [tier, change] of Object.entries(terms)) await patchPool(deps, tenant.admin, tier, change);
      const document = { groups: [], rules: [], defaults: { role: "agent", tier: null }, autoTeams: true, ...rules };
      await saveMapping(deps, tenant.admin, document as MappingDocument, {});
      await deps.runJobs();
    }
    const [together, apart] = tenants as [TestTenant, TestTenant];
    const made = await createUsers(deps, together.scim, docs);
    const expected = await oneByOne(deps, apart, docs);
    expect(made).toHaveLength(300);
    expect(withoutIds(told(made))).toEqual(withoutIds(told(expected)));
    expect(await snapshotOf(getDb(), together.id)).toEqual(await snapshotOf(getDb(), apart.id));
    expect(await brokenAtRest(getDb(), together)).toEqual([]);
    // The sample is worth something: some are refused, some are seated, some wait.
    expect(made.filter((one) => "error" in one).length).toBeGreaterThan(20);
    expect(await countRows(deps, together, "seats", "and user_id is not null")).toBeGreaterThan(10);
  });

  it("are written 250 in a handful of statements", async () => {
    const { db, names } = watched(getDb());
    const deps = { ...makeDeps(getDb()), db };
    const tenant = await makeTenant(makeDeps(getDb()), { seats: { standard: 100 } });
    const docs = range(500).map((at) => aUser(`user-${at}`, wants("standard")));
    expect(told(await createUsers(deps, tenant.scim, docs))).toHaveLength(500);
    expect(names.length).toBeLessThanOrEqual(2 * 8);
    expect(await countRows(deps as TestDeps, tenant, "waitlist")).toBe(400);
  });

  it("stop after the errors that are accepted, with nobody created beyond", async () => {
    const deps = makeDeps(getDb());
    const tenant = await makeTenant(deps);
    const docs = plain(100).map((doc, at) => (at === 40 || at === 60 ? aUser("user-1") : doc));
    expect(await createUsers(deps, tenant.scim, docs, { errorsMax: 2 })).toHaveLength(61);
    expect(await countRows(deps, tenant, "users")).toBe(59);
    expect(await createUsers(deps, tenant.scim, plain(100, "more"), { errorsMax: 1 })).toHaveLength(100);
    expect(await createUsers(deps, tenant.scim, docs.slice(61), { errorsMax: 1 })).toHaveLength(39);
  });

  it("are tried one by one where a batch raises something that nobody foresaw, which the log tells", async () => {
    const warned: object[] = [];
    const { db } = watched(getDb(), (name) => (name === "users_batch_settle" ? new TypeError("broken") : undefined));
    const plainDeps = makeDeps(getDb());
    const log = { ...plainDeps.log, warn: (fields: object) => warned.push(fields) };
    const tenant = await makeTenant(plainDeps);
    const made = await createUsers({ ...plainDeps, db, log }, tenant.scim, plain(20));
    expect(made.every((one) => "user" in one)).toBe(true);
    expect(await countRows(plainDeps, tenant, "users")).toBe(20);
    expect(warned).toMatchObject([{ err: { message: "broken" } }]);
  });

  it("end at an outage: who comes after it has not been tried", async () => {
    let count = 0;
    const { db } = watched(getDb(), (name) =>
      name === "users_batch_insert" || (name === "users_create" && ++count > 3) ? unavailable("away") : undefined,
    );
    const deps = makeDeps(getDb());
    const tenant = await makeTenant(deps);
    const made = await createUsers({ ...deps, db }, tenant.scim, plain(20));
    expect(made.map((one) => "user" in one)).toEqual([true, true, true, false]);
    expect((made[3] as { error: Problem }).error.code).toBe("unavailable");
    expect(await countRows(deps, tenant, "users")).toBe(3);
  });

  it("are not told that they took their own names when the answer to a commit is lost", async () => {
    const { db } = watched(getDb(), (name) => (name === "commit" ? unavailable("away") : undefined));
    const deps = makeDeps(getDb());
    const tenant = await makeTenant(deps);
    const made = await createUsers({ ...deps, db }, tenant.scim, plain(20));
    expect(made).toHaveLength(20);
    expect(made.every((one) => "error" in one && (one.error as Problem).code === "unavailable")).toBe(true);
    expect(await countRows(deps, tenant, "users")).toBe(20);
  });

  it("are decided again where the rules have moved", async () => {
    const deps = makeDeps(getDb());
    const tenant = await makeTenant(deps, { seats: { standard: 100 } });
    await createUsers(deps, tenant.scim, plain(5, "before"));
    // Another process saves the mapping; this one's rules are those of a moment ago.
    const document = { groups: [], rules: [], defaults: { role: "user", tier: "standard" }, autoTeams: true };
    await saveMapping(makeDeps(getDb()), tenant.admin, document, {});
    const made = await createUsers(deps, tenant.scim, plain(50, "after"));
    expect(made.every((one) => "user" in one && one.user.license.tier === "standard")).toBe(true);
  });
});

describeOnPostgres(
  "users created at once, by several at once",
  (getDb) => {
    it("seats exactly one of two batches of 200 in a pool of one, and queues each batch in its order", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { standard: 1 } });
      const batches = ["a", "b"].map((name) => range(200).map((at) => aUser(`${name}-${at}`, wants("standard"))));
      const made = (await Promise.all(batches.map((docs) => createUsers(deps, tenant.scim, docs)))).flat();
      expect(made.every((one) => "user" in one)).toBe(true);
      expect(await countRows(deps, tenant, "seats", "and user_id is not null")).toBe(1);
      const queue = await getDb().query<{ name: string }>(
        {
          name: "test_queue",
          text: `select u.user_name as name from waitlist w join users u on u.tenant_id = w.tenant_id and u.id = w.user_id
            where w.tenant_id = $1 order by w.priority desc, w.ticket`,
        },
        [tenant.id],
      );
      for (const batch of ["a", "b"]) {
        const numbers = queue.filter(({ name }) => name.startsWith(batch)).map(({ name }) => Number(name.slice(2)));
        expect(numbers).toEqual(numbers.toSorted((one, other) => one - other));
      }
      expect(queue).toHaveLength(399);
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
    });

    it("gives each name once where batches bring the same names in other orders, without a deadlock", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps);
      const before = await deadlocks(deps);
      const docs = plain(200);
      const batches = [docs, docs.toReversed(), [...docs.slice(100), ...docs.slice(0, 100)], docs];
      const made = (await Promise.all(batches.map((batch) => createUsers(deps, tenant.scim, batch)))).flat();
      expect(made.filter((one) => "user" in one)).toHaveLength(200);
      const codes = made.flatMap((one) => ("error" in one ? [(one.error as Problem).code] : []));
      expect(new Set(codes)).toEqual(new Set(["uniqueness"]));
      expect(await deadlocks(deps)).toBe(before);
    });

    it("gives lower seats to batches at once, each in the others' way, without a deadlock", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { preset: "queue-desk", seats: { basic: 150, professional: 50 } });
      await patchPool(deps, tenant.admin, "pro-plus", { whenFull: "downgrade" });
      const before = await deadlocks(deps);
      const batches = ["a", "b", "c", "d"].map((name) =>
        range(60).map((at) => aUser(`${name}-${at}`, wants("pro-plus"))),
      );
      const made = (await Promise.all(batches.map((docs) => createUsers(deps, tenant.scim, docs)))).flat();
      expect(made.filter((one) => "user" in one && one.user.license.tier !== null)).toHaveLength(200);
      expect(await deadlocks(deps)).toBe(before);
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
    });

    // Without a count of deadlocks: where seats run out, single creates run into one now and then, and go again.
    it("mixes with single creates, releases and edits of the rules, whatever the pools do", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, {
        preset: "queue-desk",
        seats: { basic: 30, professional: 20, "pro-plus": 10 },
      });
      for (const tier of ["professional", "pro-plus"])
        await patchPool(deps, tenant.admin, tier, { whenFull: "downgrade" });
      const tiers = ["basic", "professional", "pro-plus"];
      const docs = (name: string) => range(60).map((at) => aUser(`${name}-${at}`, wants(tiers[at % 3] as string)));
      const works = [
        ...["a", "b", "c", "d"].map((name) => () => createUsers(deps, tenant.scim, docs(name))),
        ...docs("single").map((doc) => () => createUser(deps, tenant.scim, doc)),
        ...range(5).map((at) => () => {
          const document = {
            groups: [],
            rules: [],
            defaults: { role: "agent", tier: tiers[at % 3]! },
            autoTeams: true,
          };
          return saveMapping(deps, tenant.admin, document, {});
        }),
      ];
      await Promise.all(works.map((work) => work()));
      await deps.runJobs();
      expect(await countRows(deps, tenant, "users")).toBe(300);
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
    });
  },
  { connectionsMax },
);
