/** LIC-12: what a recomputation of many comes to does not depend on the order in which people came or are visited. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import type { MappingDocument } from "../../src/domain/model.ts";
import { newId } from "../../src/ids.ts";
import { changeGroup, createGroup } from "../../src/provisioning/groups.ts";
import { saveMapping } from "../../src/provisioning/mapping.ts";
import { patchPool } from "../../src/provisioning/pools.ts";
import { createUser, getUser } from "../../src/provisioning/users.ts";
import { describeOnBoth, describeOnPostgres } from "../helpers/database.ts";
import { aUser, makeDeps, makeTenant } from "../helpers/tenant.ts";
import { brokenAtRest } from "./invariants.ts";
import { SeatModel } from "./seat-model.ts";

const tiers = ["basic", "professional", "pro-plus"] as const;
type TierKey = (typeof tiers)[number];

describeOnBoth("a recomputation of many", (getDb) => {
  it("lets holders keep what they are still due, though a seat that they wait for no longer is released first", async () => {
    for (const by of ["mapping", "group"] as const) {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { standard: 1, pro: 1 } });
      const pro = { match: { displayName: "Pro" }, tier: "pro" };
      const staff = { name: "staff", when: 'title eq "staff"', tier: "standard" };
      const document = { groups: [pro], rules: [staff], defaults: { role: "user", tier: null }, autoTeams: true };
      await saveMapping(deps, tenant.admin, document);
      const group = await createGroup(deps, tenant.scim, { displayName: "Pro", members: [] });
      // The first holds the pro seat; the second holds the standard seat and waits for pro; the third for standard.
      const first = await createUser(deps, tenant.scim, aUser("first"));
      await changeGroup(deps, tenant.scim, group.id, [{ add: [first.id] }]);
      const second = await createUser(deps, tenant.scim, aUser("second", { title: "staff" }));
      await changeGroup(deps, tenant.scim, group.id, [{ add: [second.id] }]);
      const third = await createUser(deps, tenant.scim, aUser("third", { title: "staff" }));
      expect(second.license).toMatchObject({ tier: "standard" });
      expect(third.license).toMatchObject({ status: "waitlisted", wanted: "standard" });
      if (by === "mapping") await saveMapping(deps, tenant.admin, { ...document, groups: [] });
      else await changeGroup(deps, tenant.scim, group.id, [{ clear: true }]);
      await deps.runJobs();
      expect((await getUser(deps, tenant.scim, first.id)).license).toMatchObject({ status: "none" });
      expect((await getUser(deps, tenant.scim, second.id)).license).toMatchObject({ tier: "standard", wanted: null });
      expect((await getUser(deps, tenant.scim, third.id)).license).toMatchObject({ tier: null, position: 1 });
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
    }
  });
});

describeOnPostgres("a recomputation in any order", (getDb) => {
  const kinds = 5;
  const due = fc.array(fc.option(fc.constantFrom(...tiers), { nil: null }), { minLength: kinds, maxLength: kinds });

  it("seats the same people, by the rule, whatever the order in which they were made", async () => {
    const seats = fc.record({ basic: fc.nat(4), professional: fc.nat(4), "pro-plus": fc.nat(3) });
    const whenFull = fc.constantFrom("waitlist" as const, "downgrade" as const, "refuse" as const);
    const people = fc.array(fc.nat(kinds - 1), { minLength: 4, maxLength: 14 });
    const mappings = fc.array(due, { minLength: 2, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(seats, whenFull, people, mappings, fc.nat(), async (bought, full, kindOf, saves, shuffle) => {
        const ids = kindOf.map(() => newId());
        const expected = byTheRule(bought, full, ids, kindOf, saves);
        const order = kindOf.map((_, n) => n);
        const shuffled = order.toSorted((a, b) => hash(a, shuffle) - hash(b, shuffle));
        for (const visiting of [order, order.toReversed(), shuffled]) {
          // Ids of another tenant may be the same: they are looked up within the tenant.
          expect(await reconciled(getDb(), bought, full, ids, kindOf, saves, visiting)).toEqual(expected);
        }
      }),
      { numRuns: 12, seed: 12 },
    );
  }, 60_000);

  it("holds for more people than one batch takes", async () => {
    const bought = { basic: 100, professional: 150, "pro-plus": 120 };
    const kindOf = Array.from({ length: 620 }, (_, n) => (n * 7) % kinds);
    const ids = kindOf.map(() => newId());
    const saves: (TierKey | null)[][] = [
      ["basic", "professional", "pro-plus", null, "basic"],
      ["pro-plus", null, "basic", "professional", "professional"],
      ["professional", "pro-plus", null, "basic", "pro-plus"],
    ];
    const expected = byTheRule(bought, "waitlist", ids, kindOf, saves);
    const order = kindOf.map((_, n) => n).toSorted((a, b) => hash(a, 1) - hash(b, 1));
    expect(await reconciled(getDb(), bought, "waitlist", ids, kindOf, saves, order)).toEqual(expected);
  }, 60_000);
});

type Seats = Readonly<Record<TierKey, number>>;
type Saves = readonly (readonly (TierKey | null)[])[];
type WhenFull = "waitlist" | "downgrade" | "refuse";

/** Everybody's seat and wish, by the position in the list of people. */
type Standing = readonly { readonly held: string | null; readonly wanted: string | null }[];

function byTheRule(bought: Seats, whenFull: WhenFull, ids: string[], kindOf: number[], saves: Saves): Standing {
  const model = new SeatModel(bought);
  for (const tier of tiers) model.change(tier, { whenFull });
  for (const save of saves) model.recompute(new Map(ids.map((id, n) => [id, save[kindOf[n] as number] ?? null])));
  return ids.map((id) => {
    const { held, place } = model.person(id);
    return { held, wanted: place?.tier ?? null };
  });
}

async function reconciled(
  db: OpenDatabase,
  bought: Seats,
  whenFull: WhenFull,
  ids: string[],
  kindOf: number[],
  saves: Saves,
  order: number[],
): Promise<Standing> {
  const deps = makeDeps(db);
  const tenant = await makeTenant(deps, { preset: "queue-desk", seats: bought });
  for (const tier of tiers) await patchPool(deps, tenant.admin, tier, { whenFull });
  for (const n of order) {
    const making = { ...deps, newId: () => ids[n] as string };
    await createUser(making, tenant.scim, aUser(`u${n}`, { title: `kind ${kindOf[n]}` }));
  }
  for (const save of saves) {
    await saveMapping(deps, tenant.admin, mappingOf(save));
    await deps.runJobs();
    expect(await brokenAtRest(db, tenant)).toEqual([]);
  }
  const rows = await db.query<{ id: string; held: string | null; wanted: string | null }>(
    {
      name: "test_standing",
      text: `select u.id, s.tier as held, w.tier as wanted from users u
        left join seats s on s.tenant_id = u.tenant_id and s.user_id = u.id
        left join waitlist w on w.tenant_id = u.tenant_id and w.user_id = u.id where u.tenant_id = $1`,
    },
    [tenant.id],
  );
  const byId = new Map(rows.map(({ id, ...standing }) => [id, standing]));
  return ids.map((id) => byId.get(id) as Standing[number]);
}

function mappingOf(save: readonly (TierKey | null)[]): MappingDocument {
  const rules = save.flatMap((tier, kind) =>
    tier === null ? [] : [{ name: `kind ${kind}`, when: `title eq "kind ${kind}"`, tier }],
  );
  return { groups: [], rules, defaults: { role: "agent", tier: null }, autoTeams: true };
}

/** A number that orders people anew for every seed. */
function hash(n: number, seed: number): number {
  return Math.imul((n + 1) ^ (seed * 2_654_435_761), 2_246_822_519) >>> 8;
}
