/**
 * Random changes through every use case that moves a seat, at once over 40 connections. While they run, what must hold
 * at any moment is asked again and again; when all is quiet, everything else. `USHER_TEST_RUNS` runs longer.
 */
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { expect, it } from "vitest";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import type { MappingDocument } from "../../src/domain/model.ts";
import { USHER_USER } from "../../src/domain/words.ts";
import type { RequestContext } from "../../src/provisioning/context.ts";
import { changeGroup, createGroup } from "../../src/provisioning/groups.ts";
import { drainJobName } from "../../src/provisioning/jobs.ts";
import { saveMapping } from "../../src/provisioning/mapping.ts";
import { patchPool } from "../../src/provisioning/pools.ts";
import { purchase } from "../../src/provisioning/pools-purchase.ts";
import { reduce } from "../../src/provisioning/pools-reduce.ts";
import { renewPools } from "../../src/provisioning/pools-renewal.ts";
import { transferSeat } from "../../src/provisioning/pools-transfer.ts";
import { upgrade } from "../../src/provisioning/pools-upgrade.ts";
import { drainRest, prioritize } from "../../src/provisioning/pools-waitlist.ts";
import { reconcile } from "../../src/provisioning/reconcile.ts";
import { changeAccess, changeUser, createUser, deleteUser } from "../../src/provisioning/users.ts";
import { describeOnPostgres } from "../helpers/database.ts";
import { ended } from "../helpers/races.ts";
import { aUser, makeDeps, makeTenant, type TestDeps } from "../helpers/tenant.ts";
import { brokenAtRest, brokenNow } from "./invariants.ts";
import { overtakings } from "./queue-replay.ts";

const runs = Number(process.env.USHER_TEST_RUNS ?? 1);
const connections = 40;
const tiers = ["basic", "professional", "pro-plus"] as const;

/** Of the tests' clock: a pool that should have renewed then renews when somebody looks. */
const dayBefore = "2026-01-04";

const tier = fc.constantFrom(...tiers);
const wish = fc.option(tier, { nil: null });
const who = fc.nat(10_000);

/** One change, by somebody who does not know what the others are doing. */
const change = fc.oneof(
  { weight: 14, arbitrary: fc.record({ do: fc.constant("create" as const), wish }) },
  { weight: 14, arbitrary: fc.record({ do: fc.constant("ask" as const), who, wish }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("deactivate" as const), who }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("activate" as const), who }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("delete" as const), who }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("pin" as const), who, wish }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("unpin" as const), who }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("rename" as const), who }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("join" as const), group: who, all: fc.array(who, { maxLength: 8 }) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("part" as const), group: who, all: fc.array(who, { maxLength: 8 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("replace" as const), group: who, all: fc.array(who, { maxLength: 8 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("map" as const), to: fc.tuple(wish, wish, wish) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("buy" as const), tier, seats: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant("reduce" as const), tier, seats: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("whenFull" as const),
      tier,
      to: fc.constantFrom("waitlist" as const, "refuse" as const, "downgrade" as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("drain" as const),
      tier,
      to: fc.constantFrom("auto" as const, "manual" as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("prioritize" as const), who, tier, priority: fc.nat(2) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("transfer" as const), who, to: who }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("upgrade" as const),
      tiers: fc.constantFrom(["basic", "professional"], ["basic", "pro-plus"], ["professional", "pro-plus"]),
      free: fc.nat(2),
      all: fc.array(who, { maxLength: 2 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("renew" as const), tier, seats: fc.integer({ min: 1, max: 4 }) }),
  },
);
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

/** What a change may meet because of the others; nothing else may come of it, above all no 503. */
const lawful: Readonly<Partial<Record<Change["do"], readonly string[]>>> = {
  create: ["poolFull"],
  ask: ["poolFull", "notFound"],
  deactivate: ["notFound"],
  activate: ["poolFull", "notFound"],
  delete: ["notFound"],
  pin: ["poolFull", "notFound"],
  unpin: ["poolFull", "notFound"],
  rename: ["notFound"],
  join: ["invalidValue"],
  replace: ["invalidValue"],
  reduce: ["belowUsed"],
  prioritize: ["notFound"],
  transfer: ["notFound", "conflict", "invalidValue"],
  upgrade: ["notFound", "conflict", "belowUsed"],
  renew: ["conflict"],
};

describeOnPostgres(
  "seats in any interleaving",
  (getDb) => {
    it(
      "LIC-2: keeps every invariant, and nobody overtakes",
      async () => {
        const seats = fc.record({ basic: fc.nat(12), professional: fc.nat(8), "pro-plus": fc.nat(5) });
        const changes = fc.array(change, { minLength: 500, maxLength: 900, size: "max" });
        await fc.assert(
          fc.asyncProperty(seats, changes, async (bought, all) => {
            await atOnce(getDb(), bought, all);
          }),
          // Another interleaving comes of the same numbers: there is nothing to shrink.
          { numRuns: 8 * runs, seed: 20_260_105 + runs, endOnFailure: true },
        );
      },
      120_000 * runs,
    );
  },
  { connectionsMax: connections },
);

async function atOnce(db: OpenDatabase, bought: Readonly<Record<string, number>>, changes: readonly Change[]) {
  const deps = makeDeps(db);
  const tenant = await makeTenant(deps, { preset: "queue-desk", seats: bought });
  const groups = await Promise.all(
    [0, 1, 2].map((n) => createGroup(deps, tenant.scim, { displayName: `Group ${n}`, members: [] })),
  );
  const ids: string[] = [];
  const counts = { created: 0, deleted: 0 };
  const unlawful: Record<string, number> = {};
  const broken = new Set<string>();

  const someone = (n: number) => ids[n % ids.length] ?? deps.newId();
  const group = (n: number) => groups[n % groups.length]?.id as string;

  async function carryOut(one: Change): Promise<void> {
    const requestId = deps.newId();
    const scim: RequestContext = { ...tenant.scim, requestId };
    const admin: RequestContext = { ...tenant.admin, requestId };
    switch (one.do) {
      case "create": {
        const doc = aUser(requestId, one.wish === null ? {} : { [USHER_USER]: { licenseTier: one.wish } });
        ids.push((await createUser(deps, scim, doc)).id);
        counts.created += 1;
        return;
      }
      case "ask":
        await changeUser(deps, scim, someone(one.who), (doc) => ({
          ...doc,
          [USHER_USER]: one.wish === null ? {} : { licenseTier: one.wish },
        }));
        return;
      case "deactivate":
      case "activate":
        await changeUser(deps, scim, someone(one.who), (doc) => ({ ...doc, active: one.do === "activate" }));
        return;
      case "rename":
        await changeUser(deps, scim, someone(one.who), (doc) => ({ ...doc, displayName: requestId }));
        return;
      case "delete":
        await deleteUser(deps, scim, someone(one.who));
        counts.deleted += 1;
        return;
      case "pin":
        await changeAccess(deps, admin, someone(one.who), { tier: one.wish ?? "none" });
        return;
      case "unpin":
        await changeAccess(deps, admin, someone(one.who), { tier: null });
        return;
      case "join":
        await changeGroup(deps, scim, group(one.group), [{ add: one.all.map(someone) }]);
        return;
      case "part":
        await changeGroup(deps, scim, group(one.group), [{ remove: one.all.map(someone) }]);
        return;
      case "replace":
        await changeGroup(deps, scim, group(one.group), [{ replace: one.all.map(someone) }]);
        return;
      case "map":
        await saveMapping(deps, admin, mappingOf(one.to));
        return;
      case "buy":
        await purchase(deps, admin, one.tier, one.seats);
        return;
      case "reduce":
        await reduce(deps, admin, one.tier, one.seats);
        return;
      case "whenFull":
        await patchPool(deps, admin, one.tier, { whenFull: one.to });
        return;
      case "drain":
        await patchPool(deps, admin, one.tier, { drain: one.to });
        return;
      case "prioritize":
        await prioritize(deps, admin, one.tier, someone(one.who), one.priority);
        return;
      case "transfer":
        await transferSeat(deps, admin, { from: someone(one.who), to: someone(one.to) });
        return;
      case "upgrade": {
        const users = [...new Set(one.all.map(someone))];
        const [from, to] = one.tiers as [string, string];
        await upgrade(deps, admin, from, { to, users, seats: Math.max(1, users.length + one.free) });
        return;
      }
      case "renew":
        await reduce(deps, admin, one.tier, one.seats, { at: "renewal" });
        await patchPool(deps, admin, one.tier, { renewsOn: dayBefore });
        await renewPools(deps, tenant.id);
    }
  }

  let running = true;
  const queue = [...changes];
  const worker = async () => {
    for (let one = queue.pop(); one !== undefined; one = queue.pop()) {
      const end = await ended(carryOut(one));
      if (end.done || lawful[one.do]?.includes(end.code)) continue;
      const key = `${one.do}: ${end.code}`;
      unlawful[key] = (unlawful[key] ?? 0) + 1;
    }
  };
  const watcher = async () => {
    while (running) {
      for (const what of await brokenNow(db, tenant.id)) broken.add(what);
      await sleep(10);
    }
  };
  const jobs = [runJobs(deps, () => running), runJobs(deps, () => running)];
  const watching = watcher();
  await Promise.all(Array.from({ length: connections }, worker));
  running = false;
  await Promise.all([watching, ...jobs]);
  await deps.runJobs();

  expect(unlawful).toEqual({});
  expect([...broken]).toEqual([]);
  expect(await brokenAtRest(db, tenant)).toEqual([]);
  expect(await overtakings(db, tenant.id)).toEqual([]);
  const [row] = await db.query<{ users: number }>(
    { name: "test_count_users", text: "select count(*) as users from users where tenant_id = $1" },
    [tenant.id],
  );
  expect(row?.users).toBe(counts.created - counts.deleted);
}

/** Runs what was enqueued while others work, as a server does; a job that failed is tried again. */
async function runJobs(deps: TestDeps, running: () => boolean): Promise<void> {
  const { signal } = new AbortController();
  while (running()) {
    const job = deps.enqueued.shift();
    if (job === undefined) {
      await sleep(5);
      continue;
    }
    const work = job.name === drainJobName ? drainRest : reconcile;
    const end = await ended(work(deps, job.tenantId, signal));
    if (!end.done) deps.enqueued.push(job);
  }
}

function mappingOf(to: readonly ((typeof tiers)[number] | null)[]): MappingDocument {
  const groups = to.flatMap((key, n) => (key === null ? [] : [{ match: { displayName: `Group ${n}` }, tier: key }]));
  return { groups, rules: [], defaults: { role: "agent", tier: null }, autoTeams: true };
}
