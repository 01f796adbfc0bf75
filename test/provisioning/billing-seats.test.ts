/** Seats that move: from one person to another, and from one tier to a higher one. */
import { beforeEach, describe, expect, it } from "vitest";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import type { Json } from "../../src/domain/model.ts";
import { createGroup } from "../../src/provisioning/groups.ts";
import { saveMapping } from "../../src/provisioning/mapping.ts";
import { getPool, patchPool } from "../../src/provisioning/pools.ts";
import { purchase } from "../../src/provisioning/pools-purchase.ts";
import { quote } from "../../src/provisioning/pools-quotes.ts";
import { transferSeat } from "../../src/provisioning/pools-transfer.ts";
import { upgrade } from "../../src/provisioning/pools-upgrade.ts";
import { createRole } from "../../src/provisioning/roles.ts";
import { changeAccess, changeUser, createUser, deleteUser, getAccount } from "../../src/provisioning/users.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { ended } from "../helpers/races.ts";
import { aUser, makeDeps, makeTenant, type TestDeps, type TestTenant } from "../helpers/tenant.ts";
import { brokenAtRest } from "./invariants.ts";
import { actWith } from "./people.ts";
import { overtakings } from "./queue-replay.ts";
import { active, mapping, wants } from "./races/setting.ts";

describeOnBoth("seats that move", (getDb: () => OpenDatabase) => {
  let deps: TestDeps;
  let tenant: TestTenant;
  beforeEach(async () => {
    deps = makeDeps(getDb());
    tenant = await makeTenant(deps, { seats: { standard: 2, pro: 1 } });
  });

  const person = async (userName: string, tier?: string) =>
    (await createUser(deps, tenant.scim, aUser(`${userName}@example.com`, tier === undefined ? {} : wants(tier)))).id;
  const account = (id: string) => getAccount(deps, tenant.admin, id);
  const license = async (id: string) => (await account(id)).license;
  const pool = (tier = "standard") => getPool(deps, tenant.admin, tier);
  const code = async (work: Promise<unknown>) => {
    const end = await ended(work);
    return end.done ? "done" : end.code;
  };
  const transfer = (from: string, to: string, tier?: string) => transferSeat(deps, tenant.admin, { from, to, tier });
  const isSound = async () => {
    await deps.runJobs();
    expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
    expect(await overtakings(getDb(), tenant.id)).toEqual([]);
  };
  const eventsOf = async (subject: string, action: string) => {
    const text = `select before, after, rule from events where tenant_id = $1 and subject_id = $2 and action = $3 order by id`;
    return await getDb().query<{ before: Json; after: Json; rule: string }>({ name: "test_events_of", text }, [
      tenant.id,
      subject,
      action,
    ]);
  };

  describe("LIC-4: a transfer", () => {
    it("hands one person's seat to another, past the queue, and pins both", async () => {
      const ada = await person("ada", "standard");
      await person("bob", "standard");
      const waiting = await person("waiting", "standard");
      const eve = await person("eve");
      const moved = await transfer(ada, eve);
      expect(moved.from).toMatchObject({ id: ada, tierPinned: true, tierPin: null, license: { status: "none" } });
      expect(moved.to).toMatchObject({
        id: eve,
        tierPinned: true,
        tierPin: "standard",
        license: { status: "assigned", tier: "standard" },
      });
      expect(await license(waiting)).toMatchObject({ status: "waitlisted", position: 1 });
      expect(await pool()).toMatchObject({ used: 2, waitlisted: 1 });
      expect(await eventsOf(ada, "license.transferred")).toMatchObject([
        { after: { to: eve, tier: null }, rule: "LIC-4" },
      ]);
      expect(await eventsOf(eve, "license.transferred")).toMatchObject([{ after: { from: ada, tier: "standard" } }]);
      await isSound();
    });

    it("ROL-2: pins nobody to what their sources name already", async () => {
      const ada = await person("ada", "standard");
      await person("bob", "standard");
      const waiting = await person("waiting", "standard");
      expect((await transfer(ada, waiting)).to).toMatchObject({
        tierPinned: false,
        tierSource: "words",
        license: { status: "assigned", wanted: null },
      });
      await isSound();
    });

    it("is not undone by the next decision: neither the group nor the client's words give the seat back", async () => {
      const group = await createGroup(deps, tenant.scim, { displayName: "Sales", members: [] });
      await saveMapping(deps, tenant.admin, mapping([{ match: { id: group.id }, tier: "standard" }]));
      const ada = await person("ada", "standard");
      const eve = await person("eve");
      await transfer(ada, eve);
      await changeUser(deps, tenant.scim, ada, (doc) => ({ ...doc, displayName: "Ada" }));
      await patchPool(deps, tenant.admin, "standard", { name: "Basic" });
      await deps.runJobs();
      expect((await license(ada)).status).toBe("none");
      expect((await license(eve)).status).toBe("assigned");
      await isSound();
    });

    it("frees what the receiver held, for whoever waits for that", async () => {
      const ada = await person("ada", "standard");
      await person("bob", "standard");
      const paul = await person("paul", "pro");
      const next = await person("next", "pro");
      await transfer(ada, paul);
      expect(await license(paul)).toMatchObject({ tier: "standard", wanted: null });
      expect(await license(next)).toMatchObject({ tier: "pro", status: "assigned" });
      await isSound();
    });

    it("takes both out of the queues they stood in", async () => {
      const ada = await person("ada", "standard");
      await person("paul", "pro");
      await changeAccess(deps, tenant.admin, ada, { tier: "pro" });
      expect(await license(ada)).toMatchObject({ tier: "standard", wanted: "pro" });
      const eve = await person("eve", "pro");
      await transfer(ada, eve);
      expect(await license(ada)).toMatchObject({ tier: null, wanted: null, status: "none" });
      expect(await license(eve)).toMatchObject({ tier: "standard", wanted: null });
      expect((await pool("pro")).waitlisted).toBe(0);
      await isSound();
    });

    it("of an unlimited pool moves the seat too", async () => {
      await patchPool(deps, tenant.admin, "standard", { unlimited: true });
      const ada = await person("ada", "standard");
      const eve = await person("eve");
      await transfer(ada, eve);
      expect(await pool()).toMatchObject({ used: 1, purchased: null });
      expect((await license(eve)).tier).toBe("standard");
      await isSound();
    });

    it("LIC-6: asked once more changes nothing", async () => {
      const ada = await person("ada", "standard");
      const eve = await person("eve");
      const first = await transfer(ada, eve, "standard");
      expect(await transfer(ada.toUpperCase(), eve.toUpperCase(), "standard")).toEqual(first);
      expect((await eventsOf(eve, "license.transferred")).length).toBe(1);
    });

    it("needs a seat to give and somebody who may hold it", async () => {
      const ada = await person("ada", "standard");
      const bob = await person("bob", "standard");
      const eve = await person("eve");
      const left = await person("left");
      await changeUser(deps, tenant.scim, left, active(false));
      expect(await code(transfer(eve, ada))).toBe("conflict");
      expect(await code(transfer(ada, bob))).toBe("conflict");
      expect(await code(transfer(ada, left))).toBe("conflict");
      expect(await code(transfer(ada, eve, "pro"))).toBe("conflict");
      expect(await code(transfer(ada, ada))).toBe("invalidValue");
      expect(await code(transfer(ada, deps.newId()))).toBe("notFound");
      expect(await code(transfer("nobody", ada))).toBe("notFound");
      expect(await code(transfer(ada, eve, "gold"))).toBe("notFound");
      expect((await license(ada)).tier).toBe("standard");
      expect((await account(eve)).tierPinned).toBe(false);
      await isSound();
    });

    it("LIC-11: needs the license permission, read when it happens", async () => {
      const ada = await person("ada", "standard");
      const eve = await person("eve");
      await createRole(deps, tenant.admin, {
        key: "buyer",
        name: "Buyer",
        rank: 20,
        permissions: ["licenses.purchase"],
      });
      const buyer = await actWith(deps, tenant.admin, { scopes: ["api"], role: "buyer" });
      expect(await code(transferSeat(deps, buyer, { from: ada, to: eve }))).toBe("forbidden");
      const other = await makeTenant(deps);
      expect(await code(transferSeat(deps, other.admin, { from: ada, to: eve }))).toBe("notFound");
    });

    it("of an Admin leaves them Admin", async () => {
      const ada = await person("ada", "standard");
      const eve = await person("eve");
      await changeAccess(deps, tenant.admin, ada, { role: "admin" });
      await transfer(ada, eve);
      expect(await account(ada)).toMatchObject({ role: "admin", license: { status: "none" } });
    });
  });

  describe("LIC-7: an upgrade", () => {
    const up = (request: Parameters<typeof upgrade>[3], idempotencyKey?: string) =>
      upgrade(deps, tenant.admin, "standard", request, { idempotencyKey });

    it("A-11: shows the price difference first", async () => {
      expect(await quote(deps, tenant.admin, "standard", { seats: 2, to: "pro" })).toMatchObject({
        kind: "upgrade",
        tier: "standard",
        to: "pro",
        seats: 2,
        unitPrice: 25,
        total: 50,
        monthlyCost: 50,
        purchasedAfter: 3,
        monthlyCostAfter: 75,
        replaces: { unitPrice: 10, total: 20, monthlyCost: 20, billingCycle: "monthly", currency: "USD" },
        monthlyDifference: 30,
      });
    });

    it("turns free seats into seats of the higher tier, for who waits there", async () => {
      await person("paul", "pro");
      const next = await person("next", "pro");
      const { from, to } = await up({ to: "pro", seats: 2 });
      expect(from).toMatchObject({ tier: "standard", purchased: 0, used: 0 });
      expect(to).toMatchObject({ tier: "pro", purchased: 3, used: 2, waitlisted: 0, available: 1 });
      expect((await license(next)).tier).toBe("pro");
      await isSound();
    });

    it("takes people along with their seats, pinned unless the higher tier is due to them", async () => {
      const ada = await person("ada", "standard");
      const bob = await person("bob", "standard");
      await person("paul", "pro");
      await changeUser(deps, tenant.scim, bob, (doc) => ({ ...doc, ...wants("pro") }));
      expect(await license(bob)).toMatchObject({ tier: "standard", wanted: "pro" });
      const { from, to } = await up({ to: "pro", seats: 2, users: [ada, bob, ada] });
      expect(from).toMatchObject({ purchased: 0, used: 0 });
      expect(to).toMatchObject({ purchased: 3, used: 3, waitlisted: 0 });
      expect(await account(ada)).toMatchObject({ tierPin: "pro", license: { tier: "pro", status: "assigned" } });
      expect(await account(bob)).toMatchObject({ tierPinned: false, license: { tier: "pro", wanted: null } });
      expect(await eventsOf(ada, "license.upgraded")).toMatchObject([
        { before: { tier: "standard" }, after: { tier: "pro" }, rule: "LIC-7" },
      ]);
      expect(await eventsOf("standard", "pool.upgraded")).toMatchObject([
        {
          before: { purchased: 2 },
          after: { to: "pro", purchased: 0, seats: 2, moved: 2, total: 50, replaces: { total: 20 } },
        },
      ]);
      expect(await eventsOf("pro", "pool.upgraded")).toMatchObject([{ after: { from: "standard", purchased: 3 } }]);
      await isSound();
    });

    it("of people alone is for as many seats as there are people", async () => {
      const ada = await person("ada", "standard");
      expect(await up({ to: "pro", users: [ada] })).toMatchObject({
        from: { purchased: 1, used: 0 },
        to: { purchased: 2, used: 1 },
      });
      await isSound();
    });

    it("takes free seats for the rest, and no seat that is in use", async () => {
      const ada = await person("ada", "standard");
      const bob = await person("bob", "standard");
      expect(await code(up({ to: "pro", seats: 1 }))).toBe("belowUsed");
      expect(await code(up({ to: "pro", seats: 2, users: [ada] }))).toBe("belowUsed");
      expect(await code(up({ to: "pro", seats: 1, users: [ada, bob] }))).toBe("invalidValue");
      expect(await code(up({ to: "pro" }))).toBe("invalidValue");
      expect((await account(ada)).tierPinned).toBe(false);
      await deleteUser(deps, tenant.scim, bob);
      expect((await up({ to: "pro", seats: 2, users: [ada] })).to).toMatchObject({ purchased: 3, used: 1 });
      await isSound();
    });

    it("is for holders of the tier, and goes up", async () => {
      const ada = await person("ada", "standard");
      const paul = await person("paul", "pro");
      expect(await code(up({ to: "pro", users: [ada, paul] }))).toBe("conflict");
      expect(await code(up({ to: "pro", users: [deps.newId()] }))).toBe("notFound");
      expect(await code(up({ to: "standard", seats: 1 }))).toBe("invalidValue");
      expect(await code(upgrade(deps, tenant.admin, "pro", { to: "standard", seats: 1 }))).toBe("invalidValue");
      expect(await code(up({ to: "gold", seats: 1 }))).toBe("unknownTier");
      expect(await code(upgrade(deps, tenant.admin, "gold", { to: "pro", seats: 1 }))).toBe("notFound");
      await patchPool(deps, tenant.admin, "pro", { drain: "manual" });
      await deleteUser(deps, tenant.scim, paul);
      await patchPool(deps, tenant.admin, "pro", { unlimited: true });
      expect(await code(up({ to: "pro", seats: 1 }))).toBe("conflict");
      expect(await pool()).toMatchObject({ purchased: 2, used: 1 });
    });

    it("leaves both pools with none or their minimum", async () => {
      tenant = await makeTenant(deps, { preset: "avoxi", seats: { contact: 7 } });
      const raise = (seats: number) => upgrade(deps, tenant.admin, "contact", { to: "enterprise", seats });
      expect(await code(raise(2))).toBe("belowMinimum");
      expect(await code(raise(5))).toBe("belowMinimum");
      expect(await raise(4)).toMatchObject({ from: { purchased: 3 }, to: { purchased: 4, renewsOn: "2026-02-05" } });
      expect(await code(raise(1))).toBe("belowMinimum");
      expect(await raise(3)).toMatchObject({ from: { purchased: 0 }, to: { purchased: 7 } });
      await isSound();
    });

    it("LIC-6: happens once for one quote, at its price, and once for one key", async () => {
      await purchase(deps, tenant.admin, "standard", 4);
      const { id } = await quote(deps, tenant.admin, "standard", { seats: 2, to: "pro" });
      await patchPool(deps, tenant.admin, "pro", { unitPrice: 99 });
      const first = await up({ to: "pro", quote: id });
      expect(first.to.purchased).toBe(3);
      expect(await up({ to: "pro", quote: id })).toEqual(first);
      expect(await eventsOf("pro", "pool.upgraded")).toMatchObject([
        { after: { unitPrice: 25, total: 50, quote: id } },
      ]);
      const second = await up({ to: "pro", seats: 1 }, "key");
      expect(await up({ seats: 1, to: "pro" }, "key")).toEqual(second);
      expect(await code(up({ to: "pro", seats: 2 }, "key"))).toBe("conflict");
      expect((await pool("pro")).purchased).toBe(4);
    });

    it("LIC-11: of free seats needs the permission to buy, of people's also the one over licenses", async () => {
      const ada = await person("ada", "standard");
      await createRole(deps, tenant.admin, {
        key: "buyer",
        name: "Buyer",
        rank: 20,
        permissions: ["licenses.purchase"],
      });
      const buyer = await actWith(deps, tenant.admin, { scopes: ["api"], role: "buyer" });
      expect(await code(upgrade(deps, buyer, "standard", { to: "pro", users: [ada] }))).toBe("forbidden");
      expect(await code(upgrade(deps, buyer, "standard", { to: "pro", seats: 1 }))).toBe("done");
    });
  });
});
