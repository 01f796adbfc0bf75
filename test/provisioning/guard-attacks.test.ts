/**
 * GRD, attacked: generated requests through every door and syntax, alone and at once, by whoever has no authority, beside
 * ordinary provisioning and an Admin's own edits. Nobody becomes an administrator; every attempt is refused, or withheld
 * and recorded. `ATTACK_SEED` repeats a run, `ATTACKS` makes it longer.
 */
import { expect, it } from "vitest";
import { describeOnBoth } from "../helpers/database.ts";
import { apiAttacks, remapAttacks } from "./attacks/api-attacks.ts";
import type { Attack, Attempt } from "./attacks/attempt.ts";
import { groupAttacks } from "./attacks/group-attacks.ts";
import { judge, readPower, readPrints, readRequests, requireNoGrowth, type Verdict } from "./attacks/oracle.ts";
import { allow, editAsAdmin, provision, requestsOfProvision } from "./attacks/provisioning.ts";
import { Random } from "./attacks/random.ts";
import { userAttacks } from "./attacks/user-attacks.ts";
import { makeWorld, openSite, type Site, type World } from "./attacks/world.ts";

const seed = Number(process.env.ATTACK_SEED ?? 20260301);
/** Requests that attack, on PostgreSQL; on PGlite, whose one connection runs nothing at once, an eighth. */
const attacksMin = Number(process.env.ATTACKS ?? 10_000);
const worlds = [{}, { onUnauthorizedPromotion: "withhold" }, { twoPersonPromotion: true }, {}] as const;
const wave = 8;

const bag: readonly Attack[] = [...userAttacks, ...groupAttacks, ...apiAttacks].flatMap(([weight, attack]) =>
  Array<Attack>(weight).fill(attack),
);
const personal: readonly Attack[] = [...userAttacks, ...groupAttacks].map(([, attack]) => attack);

class Tally {
  readonly #rows = new Map<string, Record<Verdict | "requests", number>>();
  attacks = 0;
  others = 0;

  add({ door, requests = 1 }: Pick<Attempt, "door" | "requests">, verdict: Verdict): void {
    const row = this.#rows.get(door) ?? { requests: 0, refused: 0, withheld: 0, invalid: 0, idle: 0 };
    row.requests += requests;
    row[verdict] += 1;
    this.attacks += requests;
    this.#rows.set(door, row);
  }

  toString(): string {
    const head = `${"door".padEnd(48)} requests  refused  withheld  invalid  no claim`;
    const lines = [...this.#rows]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([door, row]) => {
        const { requests, refused, withheld, invalid, idle } = row;
        const cells = [requests, refused, withheld, invalid, idle].map((count, at) =>
          String(count).padStart([9, 9, 10, 9, 10][at]!),
        );
        return door.padEnd(48) + cells.join("");
      });
    return [head, ...lines].join("\n");
  }
}

describeOnBoth("the guard under attack", (getDb, engine) => {
  it("GRD: nobody becomes an administrator without authority, and every attempt is refused, or withheld and recorded", async () => {
    const wanted = engine === "postgres" ? attacksMin : Math.ceil(attacksMin / 8);
    const random = new Random(seed);
    const tally = new Tally();
    const started = Date.now();
    const site = await openSite(getDb());
    try {
      for (const [at, settings] of worlds.entries()) {
        const world = await makeWorld(site, settings);
        await attackWorld(site, world, random, tally, (wanted * (at + 1)) / worlds.length);
      }
    } finally {
      site.close();
    }
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    console.log(
      `${engine}, seed ${seed}: ${tally.attacks} requests that attack, ${tally.others} beside them, ${seconds} s\n${tally}`,
    );
    expect(tally.attacks).toBeGreaterThanOrEqual(wanted);
  }, 600_000);
});

/** Waves of attacks at once, each followed by a look at who has power; the last look is the next one's measure. */
async function attackWorld(site: Site, world: World, random: Random, tally: Tally, until: number): Promise<void> {
  let power = await readPower(world);
  for (let number = 0; tally.attacks < until; number++) {
    const storm = number % 6 === 5;
    const attempts = storm ? aStorm(world, random) : aWave(world, random);
    const prints = await readPrints(world, attempts);
    const beside = random.some(world.workers, 2).map((worker) => provision(world, fork(random), worker));
    const jobs = number % 4 === 3 ? site.deps.runJobs() : Promise.resolve();
    const [answers] = await Promise.all([Promise.all(attempts.map(({ send }) => send())), ...beside, jobs]);
    tally.others += beside.length * requestsOfProvision;
    await site.deps.runJobs();
    const next = await readPower(world);
    requireNoGrowth(
      power,
      next,
      `wave ${number}: ${attempts.map(({ door, role }) => `${door} (${role})`).join(" · ")}`,
    );
    power = next;
    const [recorded, after] = [await readRequests(world), await readPrints(world, attempts)];
    for (const [at, attempt] of attempts.entries()) {
      const { target } = attempt;
      const alone = !storm && target !== null && world.targets.includes(target);
      const print = alone ? ([prints.get(target), after.get(target)] as const) : null;
      tally.add(attempt, judge(attempt, answers[at]!, recorded, print));
    }
    if (number % 15 === 14) power = await edits(world, random, tally);
  }
}

/** Between waves, one at a time: an Admin's edits for which somebody was planted, and one true approval. */
async function edits(world: World, random: Random, tally: Tally) {
  const before = await readPower(world);
  const edit = await editAsAdmin(world, random, random.pick(world.targets));
  const attempts = remapAttacks.map((attack) => attack(world, fork(random), random.pick(world.targets)));
  const answers = [];
  for (const { send } of attempts) answers.push(await send());
  const after = await readPower(world);
  const { rules } = after;
  requireNoGrowth({ ...before, rules }, after, `an Admin's edit: ${edit?.door}`);
  const recorded = await readRequests(world);
  if (edit !== null) {
    expect(recorded, `${edit.door} of ${edit.target}`).toContain(`role ${edit.role} ${edit.target}`);
    tally.add({ ...edit, requests: 2 }, "withheld");
  }
  for (const [at, attempt] of attempts.entries()) tally.add(attempt, judge(attempt, answers[at]!, recorded, null));
  const allowed = await allow(world, random);
  const power = await readPower(world);
  expect([...power.administrators].filter((id) => !before.administrators.has(id))).toEqual([allowed]);
  return power;
}

/** Different attacks on different people. */
function aWave(world: World, random: Random): Attempt[] {
  return random.some(world.targets, wave).map((target) => random.pick(bag)(world, fork(random), target));
}

/** One person, attacked from everywhere at once. */
function aStorm(world: World, random: Random): Attempt[] {
  const target = random.pick(world.targets);
  return Array.from({ length: wave }, () => random.pick(personal)(world, fork(random), target));
}

/** Each attempt draws from its own stream, so that what one does never depends on how others interleave. */
function fork(random: Random): Random {
  return new Random(random.below(2 ** 32));
}
