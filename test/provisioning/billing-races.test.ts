/** Buying, renewing, upgrading and handing on, where two come at the same moment. */
import { beforeEach, describe, expect, it } from "vitest";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import { getPool } from "../../src/provisioning/pools.ts";
import { purchase, purchaseQuoted } from "../../src/provisioning/pools-purchase.ts";
import { quote } from "../../src/provisioning/pools-quotes.ts";
import { reduce } from "../../src/provisioning/pools-reduce.ts";
import { renewPools } from "../../src/provisioning/pools-renewal.ts";
import { transferSeat } from "../../src/provisioning/pools-transfer.ts";
import { upgrade } from "../../src/provisioning/pools-upgrade.ts";
import { changeAccess, createUser, deleteUser, getAccount } from "../../src/provisioning/users.ts";
import { describeOnPostgres } from "../helpers/database.ts";
import { ended, eventually, pausing, tally, together } from "../helpers/races.ts";
import { aUser, makeDeps, makeTenant, type TestDeps, type TestTenant } from "../helpers/tenant.ts";
import { brokenAtRest, brokenNow } from "./invariants.ts";
import { blocked, range, wants } from "./races/setting.ts";

describeOnPostgres(
  "races of billing",
  (getDb: () => OpenDatabase) => {
    let deps: TestDeps;
    let tenant: TestTenant;
    beforeEach(async () => {
      deps = makeDeps(getDb());
      tenant = await makeTenant(deps, { preset: "avoxi", seats: { contact: 10, enterprise: 5 } });
    });

    const pool = (tier = "contact") => getPool(deps, tenant.admin, tier);
    const person = (tier?: string) =>
      createUser(deps, tenant.scim, aUser(deps.newId(), tier === undefined ? {} : wants(tier)));

    it("LIC-6: one quote buys once, whoever comes with it at once, and all are answered the same", async () => {
      const { id } = await quote(deps, tenant.admin, "contact", { seats: 4 });
      const ends = await together(
        range(20).map(() => () => purchaseQuoted(deps, tenant.admin, "contact", { quote: id })),
      );
      expect(tally(ends)).toEqual({ done: 20 });
      expect(new Set(ends.map((end) => JSON.stringify(end.done && end.value.purchased)))).toEqual(new Set(["14"]));
      expect((await pool()).purchased).toBe(14);
    });

    it("LIC-7: all seats go at the renewal while somebody takes one: the minimum stays", async () => {
      await reduce(deps, tenant.admin, "contact", 10, { at: "renewal" });
      deps.now = new Date("2026-02-05T00:00:00.000Z");
      const { db, pause } = pausing(getDb());
      const counted = pause("pools_one", "after");
      const renewing = renewPools({ ...deps, db }, tenant.id);
      await counted.reached;
      const taken = await person("contact");
      counted.resume();
      await renewing;
      expect(taken.license.tier).toBe("contact");
      expect(await pool()).toMatchObject({ purchased: 3, used: 1, reductions: [{ seats: 3 }] });
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
    });

    it("LIC-7: all seats are given back while somebody takes one: none goes", async () => {
      const { db, pause } = pausing(getDb());
      const counted = pause("pools_one", "after");
      const reducing = ended(reduce({ ...deps, db }, tenant.admin, "contact", 10));
      await counted.reached;
      await person("contact");
      counted.resume();
      expect(await reducing).toEqual({ done: false, code: "belowUsed" });
      expect(await pool()).toMatchObject({ purchased: 10, used: 1 });
    });

    it("LIC-4: one seat, handed to twenty people at once, is one person's", async () => {
      const holder = await person("contact");
      const others = await Promise.all(range(20).map(() => person()));
      const ends = await together(
        others.map(
          ({ id }) =>
            () =>
              transferSeat(deps, tenant.admin, { from: holder.id, to: id }),
        ),
      );
      expect(tally(ends)).toEqual({ done: 1, conflict: 19 });
      expect(await pool()).toMatchObject({ used: 1 });
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
    });

    it("LIC-4: a seat handed on while its holder leaves is the receiver's or free, never lost", async () => {
      for (const _ of range(10)) {
        const [holder, receiver] = [await person("contact"), await person()];
        await together<unknown>([
          () => transferSeat(deps, tenant.admin, { from: holder.id, to: receiver.id }),
          () => deleteUser(deps, tenant.scim, holder.id),
        ]);
      }
      expect((await pool()).purchased).toBe(10);
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
    });

    it("LIC-4: who gives a seat and is served another at that moment has given the one they held", async () => {
      for (const _ of range(5)) await person("enterprise");
      const [giver, receiver] = [await person("contact"), await person()];
      await changeAccess(deps, tenant.admin, giver.id, { tier: "enterprise" });
      const { db, pause } = pausing(getDb());
      const moving = pause("seats_transfer");
      const transferring = transferSeat({ ...deps, db }, tenant.admin, { from: giver.id, to: receiver.id });
      await moving.reached;
      let isBought = false;
      const buying = purchase(deps, tenant.admin, "enterprise", 3).then(() => {
        isBought = true;
      });
      await eventually(async () => isBought || (await blocked(deps)) > 0);
      moving.resume();
      await Promise.all([transferring, buying]);
      expect((await getAccount(deps, tenant.admin, receiver.id)).license).toMatchObject({ tier: "contact" });
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
    });

    describe("LIC-2: everything at once", () => {
      it("sells nothing twice, and keeps the minimum at every moment", async () => {
        const broken = new Set<string>();
        let running = true;
        const watching = (async () => {
          while (running) for (const what of await brokenNow(getDb(), tenant.id)) broken.add(what);
        })();
        const holders = await Promise.all(range(8).map(() => person("contact")));
        const works = range(15).flatMap((n): (() => Promise<unknown>)[] => [
          () => purchase(deps, tenant.admin, "contact", 3),
          () => reduce(deps, tenant.admin, "contact", 2),
          () => reduce(deps, tenant.admin, "contact", 4, { at: "renewal" }),
          () => upgrade(deps, tenant.admin, "contact", { to: "enterprise", seats: 1 + (n % 3) }),
          () => upgrade(deps, tenant.admin, "contact", { to: "enterprise", users: [holders[n % 8]!.id] }),
          () => transferSeat(deps, tenant.admin, { from: holders[n % 8]!.id, to: holders[(n * 3 + 1) % 8]!.id }),
          () => person(n % 2 === 0 ? "contact" : "enterprise"),
          async () => {
            deps.now = new Date(deps.now.getTime() + 16 * 24 * 3600_000);
            await renewPools(deps, tenant.id);
          },
        ]);
        const ends = await together(works);
        running = false;
        await watching;
        const codes = Object.keys(tally(ends));
        const lawful = ["done", "conflict", "belowUsed", "belowMinimum", "invalidValue"];
        expect(codes.filter((code) => !lawful.includes(code))).toEqual([]);
        expect(tally(ends).done).toBeGreaterThan(50);
        await deps.runJobs();
        expect([...broken]).toEqual([]);
        expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
      });
    });
  },
  { connectionsMax: 30 },
);
