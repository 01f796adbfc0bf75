/**
 * LIC against a plain model: the same random changes, one after the other, to Usher and to the rules on paper. After
 * every one of them everybody holds and awaits the same, in the same order. `USHER_TEST_RUNS` plays more stories.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import type { MappingDocument } from "../../src/domain/model.ts";
import { USHER_USER } from "../../src/domain/words.ts";
import { changeGroup, createGroup } from "../../src/provisioning/groups.ts";
import { saveMapping } from "../../src/provisioning/mapping.ts";
import { patchPool } from "../../src/provisioning/pools.ts";
import { purchase } from "../../src/provisioning/pools-purchase.ts";
import { reduce } from "../../src/provisioning/pools-reduce.ts";
import { prioritize } from "../../src/provisioning/pools-waitlist.ts";
import { changeAccess, changeUser, createUser, deleteUser } from "../../src/provisioning/users.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { ended } from "../helpers/races.ts";
import { aUser, makeDeps, makeTenant, type TestDeps, type TestTenant } from "../helpers/tenant.ts";
import { brokenAtRest } from "./invariants.ts";
import { Full, SeatModel } from "./seat-model.ts";

const runs = Number(process.env.USHER_TEST_RUNS ?? 1);
const tiers = ["basic", "professional", "pro-plus"] as const;
type TierKey = (typeof tiers)[number];

const tier = fc.constantFrom(...tiers);
const wish = fc.option(tier, { nil: null });
const pick = fc.nat(1_000);

/** One step of a story; a number picks one of the people or groups that there are. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("create" as const), wish }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("ask" as const), who: pick, wish }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("deactivate" as const), who: pick }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("activate" as const), who: pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("delete" as const), who: pick }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("pin" as const),
      who: pick,
      wish: fc.option(wish, { nil: "off" as const }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("join" as const), group: pick, who: fc.array(pick, { maxLength: 4 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("part" as const), group: pick, who: fc.array(pick, { maxLength: 4 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("clear" as const), group: pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("map" as const), to: fc.tuple(wish, wish, wish) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("buy" as const), tier, seats: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("reduce" as const), tier, seats: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("terms" as const),
      tier,
      terms: fc.record(
        {
          whenFull: fc.constantFrom("waitlist" as const, "refuse" as const, "downgrade" as const),
          drain: fc.constantFrom("auto" as const, "manual" as const),
          unlimited: fc.boolean(),
        },
        { requiredKeys: [] },
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("prioritize" as const), who: pick, priority: fc.nat(3) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** What the model needs to know of a person to say which tier is due. */
interface Facts {
  active: boolean;
  words: TierKey | null;
  pin: TierKey | null | "off";
  groups: Set<number>;
}

describeOnBoth("seats against the rules on paper", (getDb, engine) => {
  it(
    "holds and awaits the same after every step of a story",
    async () => {
      const seats = fc.record({ basic: fc.nat(4), professional: fc.nat(3), "pro-plus": fc.nat(2) });
      await fc.assert(
        fc.asyncProperty(seats, fc.array(step, { minLength: 20, maxLength: 60 }), async (bought, story) => {
          const play = await aStory(getDb(), bought);
          for (const each of story) await play(each);
        }),
        { numRuns: (engine === "pglite" ? 8 : 30) * runs, seed: 20_260_105 + runs },
      );
    },
    120_000 * runs,
  );
});

/** A tenant beside its model; the returned function takes both one step further and compares them. */
async function aStory(db: OpenDatabase, bought: Readonly<Record<TierKey, number>>) {
  const deps = makeDeps(db);
  const tenant = await makeTenant(deps, { preset: "queue-desk", seats: bought });
  const model = new SeatModel(Object.fromEntries(tiers.map((key) => [key, bought[key]])));
  const facts = new Map<string, Facts>();
  const groups = await Promise.all(
    [0, 1, 2].map((n) => createGroup(deps, tenant.scim, { displayName: `Group ${n}`, members: [] })),
  );
  let mapped: readonly (TierKey | null)[] = [null, null, null];
  let names = 0;

  const due = (id: string): TierKey | null => {
    const { active, words, pin, groups: joined } = facts.get(id) as Facts;
    if (!active) return null;
    if (pin !== "off") return pin;
    if (words !== null) return words;
    const given = [...joined].flatMap((group) => mapped[group] ?? []);
    return given.sort((a, b) => model.rank(b) - model.rank(a))[0] ?? null;
  };
  const someone = (n: number): string | undefined => [...facts.keys()][n % facts.size];

  /** A change of one person's own record: the model takes the new facts, or refuses as Usher has to. */
  async function own(id: string, next: Partial<Facts>, act: () => Promise<unknown>, mayRefuse = true): Promise<void> {
    const before = facts.get(id) as Facts;
    facts.set(id, { ...before, ...next });
    let expected = "done";
    try {
      model.settle(id, due(id), mayRefuse);
    } catch (error) {
      if (!(error instanceof Full)) throw error;
      expected = "poolFull";
      facts.set(id, before);
    }
    const end = await ended(act());
    expect(end.done ? "done" : end.code).toBe(expected);
  }

  async function regroup(group: number, change: (joined: Set<number>) => void, ids: readonly string[]): Promise<void> {
    for (const id of ids) change((facts.get(id) as Facts).groups);
    model.recompute(new Map(ids.map((id) => [id, due(id)])));
    void group;
  }

  async function take(one: Step): Promise<void> {
    const id = "who" in one && typeof one.who === "number" ? someone(one.who) : undefined;
    if ("who" in one && facts.size === 0) return;
    switch (one.do) {
      case "create": {
        const fresh = deps.newId();
        const creating = { ...deps, newId: () => fresh };
        facts.set(fresh, { active: true, words: one.wish, pin: "off", groups: new Set() });
        let expected = "done";
        try {
          model.settle(fresh, due(fresh), true);
        } catch (error) {
          if (!(error instanceof Full)) throw error;
          expected = "poolFull";
          facts.delete(fresh);
          model.people.delete(fresh);
        }
        const doc = aUser(`u${names++}`, one.wish === null ? {} : { [USHER_USER]: { licenseTier: one.wish } });
        const end = await ended(createUser(creating, tenant.scim, doc));
        expect(end.done ? "done" : end.code).toBe(expected);
        return;
      }
      case "ask":
        return await own(id as string, { words: one.wish }, () =>
          changeUser(deps, tenant.scim, id as string, (doc) => ({
            ...doc,
            [USHER_USER]: one.wish === null ? {} : { licenseTier: one.wish },
          })),
        );
      case "deactivate":
      case "activate": {
        const active = one.do === "activate";
        return await own(id as string, { active }, () =>
          changeUser(deps, tenant.scim, id as string, (doc) => ({ ...doc, active })),
        );
      }
      case "pin":
        return await own(id as string, { pin: one.wish }, () =>
          changeAccess(deps, tenant.admin, id as string, {
            tier: one.wish === "off" ? null : one.wish === null ? "none" : one.wish,
          }),
        );
      case "delete":
        facts.delete(id as string);
        model.leave(id as string);
        return await deleteUser(deps, tenant.scim, id as string);
      case "join":
      case "part": {
        const ids = [...new Set((one.who as number[]).map((n) => someone(n) as string))];
        const group = one.group % groups.length;
        if (ids.length === 0) return;
        const target = groups[group]?.id as string;
        const joins = one.do === "join";
        await regroup(group, (joined) => (joins ? joined.add(group) : joined.delete(group)), ids);
        await changeGroup(deps, tenant.scim, target, [joins ? { add: ids } : { remove: ids }]);
        return;
      }
      case "clear": {
        const group = one.group % groups.length;
        const ids = [...facts].filter(([, { groups: joined }]) => joined.has(group)).map(([member]) => member);
        await regroup(group, (joined) => joined.delete(group), ids);
        await changeGroup(deps, tenant.scim, groups[group]?.id as string, [{ clear: true }]);
        return;
      }
      case "map": {
        mapped = one.to;
        model.recompute(new Map([...facts.keys()].map((each) => [each, due(each)])));
        await saveMapping(deps, tenant.admin, mappingOf(one.to));
        return await deps.runJobs();
      }
      case "buy":
        if (model.pool(one.tier).unlimited) return;
        model.buy(one.tier, one.seats);
        await purchase(deps, tenant.admin, one.tier, one.seats);
        return;
      case "reduce": {
        if (model.pool(one.tier).unlimited) return;
        const expected = model.reduce(one.tier, one.seats) ? "done" : "belowUsed";
        const end = await ended(reduce(deps, tenant.admin, one.tier, one.seats));
        expect(end.done ? "done" : end.code).toBe(expected);
        return;
      }
      case "terms": {
        const { unlimited } = one.terms;
        const refused =
          unlimited !== undefined && unlimited !== model.pool(one.tier).unlimited && model.used(one.tier) > 0;
        if (!refused) model.change(one.tier, one.terms as Parameters<SeatModel["change"]>[1]);
        const end = await ended(patchPool(deps, tenant.admin, one.tier, one.terms as Parameters<typeof patchPool>[3]));
        expect(end.done ? "done" : end.code).toBe(refused ? "conflict" : "done");
        return await deps.runJobs();
      }
      case "prioritize": {
        const place = model.person(id as string).place;
        if (place === null) return;
        model.prioritize(id as string, one.priority);
        await prioritize(deps, tenant.admin, place.tier, id as string, one.priority);
      }
    }
  }

  return async (one: Step): Promise<void> => {
    await take(one);
    expect(await stored(deps, tenant)).toEqual(onPaper(model));
    expect(await brokenAtRest(db, tenant)).toEqual([]);
  };
}

function mappingOf(to: readonly (TierKey | null)[]): MappingDocument {
  const groups = to.flatMap((key, n) => (key === null ? [] : [{ match: { displayName: `Group ${n}` }, tier: key }]));
  return { groups, rules: [], defaults: { role: "agent", tier: null }, autoTeams: true };
}

/** Everybody's seat, and every queue in its order. */
interface Standing {
  readonly held: Readonly<Record<string, string>>;
  readonly queues: Readonly<Record<string, readonly string[]>>;
}

function onPaper(model: SeatModel): Standing {
  const held = [...model.people].flatMap(([id, person]) => (person.held === null ? [] : [[id, person.held]]));
  return { held: Object.fromEntries(held), queues: Object.fromEntries(tiers.map((key) => [key, model.queue(key)])) };
}

async function stored({ db }: TestDeps, tenant: TestTenant): Promise<Standing> {
  const seats = await db.query<{ user_id: string; tier: string }>(
    { name: "test_seats", text: "select user_id, tier from seats where tenant_id = $1 and user_id is not null" },
    [tenant.id],
  );
  const places = await db.query<{ user_id: string; tier: string }>(
    {
      name: "test_places",
      text: "select user_id, tier from waitlist where tenant_id = $1 order by priority desc, ticket",
    },
    [tenant.id],
  );
  return {
    held: Object.fromEntries(seats.map((row) => [row.user_id, row.tier])),
    queues: Object.fromEntries(
      tiers.map((key) => [key, places.filter((row) => row.tier === key).map((row) => row.user_id)]),
    ),
  };
}
