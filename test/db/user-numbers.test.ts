/** P-1: people are counted by what every write leaves behind, whichever statement wrote it. */
import fc from "fast-check";
import { beforeAll, expect, it } from "vitest";
import type { Executor } from "../../src/db/database.ts";
import { countUsersAndSeats } from "../../src/db/user-numbers.ts";
import { newId } from "../../src/ids.ts";
import { describeOnBoth } from "../helpers/database.ts";

const statuses = ["pending", "active", "inactive"] as const;
const kind = fc.record({ status: fc.constantFrom(...statuses), administrative: fc.boolean() });
/** Takes every so-maniest of the people that there are. */
const some = fc.record({ of: fc.integer({ min: 1, max: 5 }), from: fc.nat(4) });
const write = fc.oneof(
  fc.record({ do: fc.constant("insert" as const), people: fc.array(kind, { minLength: 1, maxLength: 20 }) }),
  fc.record({ do: fc.constant("change" as const), some, to: kind }),
  fc.record({ do: fc.constant("touch" as const), some }),
  fc.record({ do: fc.constant("delete" as const), some }),
);
/** Writes of one transaction, and whether it is undone. */
const transaction = fc.record({ writes: fc.array(write, { minLength: 1, maxLength: 4 }), isUndone: fc.boolean() });

const chosen = "and ('x' || right(id::text, 4))::bit(16)::int % $2::int = $3::int % $2::int";
const insert = `insert into users (tenant_id, id, user_name, user_name_norm, doc, active, status, role, role_source,
    administrative, decided_version, created_at, modified_at)
  select $1, p.id, p.id, p.id, '{}', true, p.status, 'user', 'default', p.administrative, 1, now(), now()
  from jsonb_to_recordset($2::jsonb) p (id uuid, status text, administrative boolean)`;
const counted = `select count(*)::int as total,
    (count(*) filter (where administrative and status <> 'inactive'))::int as administrators,
    (count(*) filter (where status = 'pending'))::int as pending,
    (count(*) filter (where status = 'active'))::int as active,
    (count(*) filter (where status = 'inactive'))::int as inactive
  from users where tenant_id = $1`;

describeOnBoth("how many people there are", (getDb) => {
  const run = (executor: Executor, name: string, text: string, values: unknown[]) =>
    executor.query<Record<string, number>>({ name: `test_${name}`, text }, values);
  const tenant = async () => {
    const id = newId();
    const text =
      "insert into tenants (id, slug, name, preset, created_at) values ($1::uuid, $1::uuid::text, 'x', 'default', now())";
    await run(getDb(), "numbers_tenant", text, [id]);
    return id;
  };
  const agree = async (id: string) => {
    const { licensed: _, unlicensed: __, ...numbers } = (await countUsersAndSeats(getDb(), id)).users;
    expect(numbers).toEqual((await run(getDb(), "numbers_counted", counted, [id]))[0]);
  };

  async function carryOut(executor: Executor, id: string, one: typeof write extends fc.Arbitrary<infer T> ? T : never) {
    if (one.do === "insert") {
      const people = one.people.map((person) => ({ id: newId(), ...person }));
      return await run(executor, "numbers_insert", insert, [id, JSON.stringify(people)]);
    }
    const { of, from } = one.some;
    if (one.do === "delete") {
      return await run(executor, "numbers_delete", `delete from users where tenant_id = $1 ${chosen}`, [id, of, from]);
    }
    const set = one.do === "touch" ? "version = version + 1" : "status = $4, administrative = $5";
    const values = one.do === "touch" ? [] : [one.to.status, one.to.administrative];
    const text = `update users set ${set} where tenant_id = $1 ${chosen}`;
    return await run(executor, `numbers_${one.do}`, text, [id, of, from, ...values]);
  }

  let other: string;
  beforeAll(async () => {
    other = await tenant();
    await carryOut(getDb(), other, { do: "insert", people: [{ status: "active", administrative: true }] });
  });

  it("is what a count says, whatever was written, undone or deleted, in whatever portions", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(transaction, { minLength: 1, maxLength: 12 }), async (transactions) => {
        const id = await tenant();
        for (const { writes, isUndone } of transactions) {
          const work = getDb().transaction(async (tx) => {
            for (const one of writes) await carryOut(tx, id, one);
            if (isUndone) throw new Error("undone");
          });
          if (isUndone) await expect(work).rejects.toThrow("undone");
          else await work;
          await agree(id);
        }
        await run(getDb(), "numbers_leave", "delete from tenants where id = $1", [id]);
      }),
      { numRuns: 30 },
    );
    await agree(other);
  });

  it("is the sum of some hundred rows, however many writes there were, and however many at once", async () => {
    const id = await tenant();
    const one = () =>
      carryOut(getDb(), id, { do: "insert", people: [{ status: "active", administrative: false }] }).then(() => {});
    for (let at = 0; at < 250; at++) await Promise.all([one(), one(), one(), one(), one(), one(), one(), one()]);
    await agree(id);
    expect((await countUsersAndSeats(getDb(), id)).users.total).toBe(2000);
    const rows = await run(getDb(), "numbers_rows", "select count(*) as rows from user_tallies where tenant_id = $1", [
      id,
    ]);
    expect(rows[0]?.rows).toBeLessThan(1000);
  });

  it("forgets a tenant's people with the tenant, be it one or many", async () => {
    for (const people of [1, 2, 300]) {
      const id = await tenant();
      const all = Array.from({ length: people }, () => ({ status: "active" as const, administrative: false }));
      await carryOut(getDb(), id, { do: "insert", people: all });
      await run(getDb(), "numbers_leave", "delete from tenants where id = $1", [id]);
      expect(await run(getDb(), "numbers_left", "select from user_tallies where tenant_id = $1", [id])).toEqual([]);
    }
  });
});
