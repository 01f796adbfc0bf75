/** Buying with a quote, giving back at the renewal, and what the log tells of both. */
import { beforeEach, describe, expect, it } from "vitest";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import type { Json } from "../../src/domain/model.ts";
import type { RequestContext } from "../../src/provisioning/context.ts";
import { getOverview } from "../../src/provisioning/overview.ts";
import { getPool, patchPool } from "../../src/provisioning/pools.ts";
import { purchase, purchaseQuoted } from "../../src/provisioning/pools-purchase.ts";
import { getQuote, listQuotes, quote } from "../../src/provisioning/pools-quotes.ts";
import { cancelReduction, reduce } from "../../src/provisioning/pools-reduce.ts";
import { findRenewals, renewPools } from "../../src/provisioning/pools-renewal.ts";
import { createRole } from "../../src/provisioning/roles.ts";
import { createUser, deleteUser } from "../../src/provisioning/users.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { ended } from "../helpers/races.ts";
import { aUser, makeDeps, makeTenant, type TestDeps, type TestTenant } from "../helpers/tenant.ts";
import { actWith } from "./people.ts";
import { wants } from "./races/setting.ts";

interface Told {
  readonly action: string;
  readonly actor: { readonly label: string };
  readonly before: { readonly [name: string]: Json } | null;
  readonly after: { readonly [name: string]: Json } | null;
  readonly rule: string | null;
}

describeOnBoth("billing", (getDb: () => OpenDatabase) => {
  let deps: TestDeps;
  let tenant: TestTenant;
  beforeEach(async () => {
    deps = makeDeps(getDb());
    tenant = await makeTenant(deps, { seats: { standard: 5 } });
  });

  /** A token that may do this and nothing else. */
  const holding = async (key: string, ...permissions: string[]): Promise<RequestContext> => {
    await createRole(deps, tenant.admin, { key, name: key, rank: 20, permissions });
    return await actWith(deps, tenant.admin, { scopes: ["api"], role: key });
  };
  const told = async (action: string): Promise<Told[]> => {
    const text =
      "select action, actor, before, after, rule from events where tenant_id = $1 and action = $2 order by id";
    return await getDb().query<Told>({ name: "test_told", text }, [tenant.id, action]);
  };
  const hours = (count: number) => {
    deps.now = new Date(deps.now.getTime() + count * 3600_000);
  };
  const code = async (work: Promise<unknown>) => {
    const end = await ended(work);
    return end.done ? "done" : end.code;
  };
  const seat = async (count: number, tier = "standard") => {
    const made = [];
    for (let n = 0; n < count; n++) made.push(await createUser(deps, tenant.scim, aUser(deps.newId(), wants(tier))));
    return made.map(({ id }) => id);
  };
  const pool = (tier = "standard") => getPool(deps, tenant.admin, tier);

  describe("A-3: a quote", () => {
    it("says what so many seats cost each month, of a yearly price too", async () => {
      await patchPool(deps, tenant.admin, "standard", { billingCycle: "yearly", unitPrice: 100 });
      expect(await quote(deps, tenant.admin, "standard", { seats: 7 })).toMatchObject({
        kind: "purchase",
        seats: 7,
        unitPrice: 100,
        billingCycle: "yearly",
        total: 700,
        monthlyCost: 58.33,
        purchasedAfter: 12,
        totalAfter: 1200,
        monthlyCostAfter: 100,
        monthlyDifference: 58.33,
        state: "open",
      });
    });

    it("is made by one and authorised by another, and the event names both", async () => {
      const finance = await holding("finance", "billing.manage");
      const buyer = await holding("buyer", "licenses.purchase");
      const offer = await quote(deps, finance, "standard", { seats: 3 });
      expect(await code(purchaseQuoted(deps, finance, "standard", { quote: offer.id }))).toBe("forbidden");
      const bought = await purchaseQuoted(deps, buyer, "standard", { quote: offer.id });
      expect(bought).toMatchObject({ purchased: 8, monthlyCost: 80 });
      const [event] = await told("pool.purchased");
      expect(event).toMatchObject({
        actor: { label: "test", id: buyer.principal.tokenId },
        before: { purchased: 5 },
        after: {
          purchased: 8,
          seats: 3,
          unitPrice: 10,
          total: 30,
          monthlyCost: 30,
          quote: offer.id,
          quotedBy: { id: finance.principal.tokenId },
        },
      });
      expect(await getQuote(deps, buyer, offer.id)).toMatchObject({
        state: "used",
        madeBy: { id: finance.principal.tokenId },
        usedBy: { id: buyer.principal.tokenId },
      });
      expect((await told("quote.made")).length).toBe(1);
    });

    it("LIC-6: buys once, and whoever comes again is answered the same", async () => {
      const { id } = await quote(deps, tenant.admin, "standard", { seats: 3 });
      const first = await purchaseQuoted(deps, tenant.admin, "standard", { quote: id });
      await purchase(deps, tenant.admin, "standard", 1);
      hours(1000);
      expect(await purchaseQuoted(deps, tenant.admin, "standard", { quote: id, seats: 3 })).toEqual(first);
      expect((await pool()).purchased).toBe(9);
    });

    it("keeps its price, whatever the pool's has become", async () => {
      const { id } = await quote(deps, tenant.admin, "standard", { seats: 3 });
      await patchPool(deps, tenant.admin, "standard", { unitPrice: 99 });
      await purchaseQuoted(deps, tenant.admin, "standard", { quote: id });
      expect((await told("pool.purchased"))[0]?.after).toMatchObject({ unitPrice: 10, total: 30 });
      expect((await pool()).monthlyCost).toBe(8 * 99);
    });

    it("expires, and buys nothing then", async () => {
      const { id, expiresAt } = await quote(deps, tenant.admin, "standard", { seats: 3 });
      expect(expiresAt).toBe("2026-01-08T08:00:00.000Z");
      hours(72);
      expect(await code(purchaseQuoted(deps, tenant.admin, "standard", { quote: id }))).toBe("stale");
      expect((await getQuote(deps, tenant.admin, id)).state).toBe("expired");
      expect((await pool()).purchased).toBe(5);
    });

    it("is for its own tier, number and purpose", async () => {
      const { id } = await quote(deps, tenant.admin, "standard", { seats: 3 });
      expect(await code(purchaseQuoted(deps, tenant.admin, "pro", { quote: id }))).toBe("invalidValue");
      expect(await code(purchaseQuoted(deps, tenant.admin, "standard", { quote: id, seats: 4 }))).toBe("invalidValue");
      const raise = await quote(deps, tenant.admin, "standard", { seats: 3, to: "pro" });
      expect(await code(purchaseQuoted(deps, tenant.admin, "standard", { quote: raise.id }))).toBe("invalidValue");
      const other = await makeTenant(deps);
      expect(await code(purchaseQuoted(deps, other.admin, "standard", { quote: id }))).toBe("notFound");
      expect(await code(purchaseQuoted(deps, tenant.admin, "standard", { quote: "none" }))).toBe("notFound");
      expect((await pool()).purchased).toBe(5);
    });

    it("is judged again when it is used: the pool may have changed", async () => {
      const { id } = await quote(deps, tenant.admin, "standard", { seats: 3 });
      await patchPool(deps, tenant.admin, "standard", { unlimited: true });
      expect(await code(purchaseQuoted(deps, tenant.admin, "standard", { quote: id }))).toBe("conflict");
      await patchPool(deps, tenant.admin, "standard", { unlimited: false });
      expect((await purchaseQuoted(deps, tenant.admin, "standard", { quote: id })).purchased).toBe(8);
    });

    it("is listed, the latest first", async () => {
      const ids = [];
      for (const seats of [1, 2, 3]) ids.unshift((await quote(deps, tenant.admin, "standard", { seats })).id);
      expect((await listQuotes(deps, tenant.admin, null, 2)).map(({ id }) => id)).toEqual(ids.slice(0, 2));
      expect((await listQuotes(deps, tenant.admin, ids[1]!, 2)).map(({ id }) => id)).toEqual(ids.slice(2));
    });
  });

  describe("prices", () => {
    it("P-4: are seen by who buys or bills, and by nobody else", async () => {
      const reader = await holding("reader", "licenses.read", "users.read", "licenses.manage");
      const seen = await getPool(deps, reader, "standard");
      expect(seen).toMatchObject({ purchased: 5, billingCycle: "monthly" });
      for (const name of ["unitPrice", "currency", "monthlyCost"]) expect(seen).not.toHaveProperty(name);
      expect(await getOverview(deps, reader)).not.toHaveProperty("monthlyCosts");
      expect((await getOverview(deps, reader)).pools?.[0]).not.toHaveProperty("unitPrice");
      for (const permission of ["billing.manage", "licenses.purchase"]) {
        const who = await holding(permission.replace(".", "-"), "licenses.read", permission);
        expect(await getPool(deps, who, "standard")).toMatchObject({ unitPrice: 10, monthlyCost: 50 });
      }
    });

    it("P-4: a Collaborator counts people, and sees neither pools nor prices", async () => {
      const omni = await makeTenant(deps, { preset: "power-omni", seats: { licensed: 2 } });
      const collaborator = await actWith(deps, omni.admin, { scopes: ["api"], role: "collaborator" });
      const overview = await getOverview(deps, collaborator);
      expect(overview.users).toMatchObject({ total: 0, licensed: 0, unlicensed: 0, administrators: 0 });
      expect(Object.keys(overview).sort()).toEqual(["openPromotions", "users", "withoutAdmin"]);
    });

    it("are agreed on by who bills, and the pool's behaviour by who manages licenses", async () => {
      const manager = await holding("manager-of-licenses", "licenses.manage");
      const biller = await holding("biller", "billing.manage");
      expect(await code(patchPool(deps, manager, "standard", { whenFull: "refuse" }))).toBe("done");
      expect(await code(patchPool(deps, biller, "standard", { unitPrice: 12.5, renewsOn: null }))).toBe("done");
      for (const change of [
        { unitPrice: 1 },
        { billingCycle: "yearly" as const },
        { renewsOn: null },
        { unlimited: true },
      ]) {
        expect(await code(patchPool(deps, manager, "standard", change)), JSON.stringify(change)).toBe("forbidden");
      }
      expect(await code(patchPool(deps, biller, "standard", { drain: "manual" }))).toBe("forbidden");
      expect(await code(patchPool(deps, biller, "standard", { unitPrice: 1, name: "X" }))).toBe("forbidden");
      expect(await code(patchPool(deps, biller, "standard", { unitPrice: 1.234 }))).toBe("invalidValue");
    });

    it("are no reason to decide everybody again", async () => {
      await patchPool(deps, tenant.admin, "standard", { unitPrice: 1, billingCycle: "yearly", renewsOn: "2027-01-01" });
      expect(deps.enqueued).toEqual([]);
      await patchPool(deps, tenant.admin, "standard", { whenFull: "refuse" });
      expect(deps.enqueued.map(({ name }) => name)).toEqual(["reconcile"]);
    });

    it("E-1: add up over the pools, by currency", async () => {
      await purchase(deps, tenant.admin, "pro", 2);
      await patchPool(deps, tenant.admin, "pro", { billingCycle: "yearly", unitPrice: 300 });
      expect((await getOverview(deps, tenant.admin)).monthlyCosts).toEqual([{ currency: "USD", amount: 100 }]);
      await patchPool(deps, tenant.admin, "standard", { unitPrice: null });
      expect((await getOverview(deps, tenant.admin)).monthlyCosts).toEqual([{ currency: "USD", amount: 50 }]);
    });

    it("of an unlimited pool are for the seats in use", async () => {
      await patchPool(deps, tenant.admin, "standard", { unlimited: true });
      await seat(3);
      expect(await pool()).toMatchObject({ purchased: null, available: null, used: 3, monthlyCost: 30 });
    });
  });

  describe("LIC-7: the renewal", () => {
    const renew = async () => {
      await renewPools(deps, tenant.id);
      return await pool();
    };

    it("is a cycle after the first seats, and none before", async () => {
      expect((await pool()).renewsOn).toBe("2026-02-05");
      expect((await pool("pro")).renewsOn).toBeNull();
      await patchPool(deps, tenant.admin, "pro", { billingCycle: "yearly" });
      expect((await purchase(deps, tenant.admin, "pro", 1)).renewsOn).toBe("2027-01-05");
      hours(24);
      expect((await purchase(deps, tenant.admin, "pro", 1)).renewsOn).toBe("2027-01-05");
    });

    it("removes what was to go, moves on by a cycle, and says so", async () => {
      await reduce(deps, tenant.admin, "standard", 2, { at: "renewal" });
      expect((await pool()).reductions).toMatchObject([{ seats: 2, scheduledBy: { label: "admin" } }]);
      expect(await renew()).toMatchObject({ purchased: 5, renewsOn: "2026-02-05" });
      deps.now = new Date("2026-02-04T23:59:59.000Z");
      expect(await findRenewals(deps)).not.toContain(tenant.id);
      deps.now = new Date("2026-02-05T00:00:00.000Z");
      expect(await findRenewals(deps)).toContain(tenant.id);
      expect(await renew()).toMatchObject({ purchased: 3, renewsOn: "2026-03-05", reductions: [] });
      const [event] = await told("pool.renewed");
      expect(event).toMatchObject({
        actor: { label: "renewal" },
        rule: "LIC-7",
        before: { purchased: 5, renewsOn: "2026-02-05" },
        after: { purchased: 3, renewsOn: "2026-03-05", removed: 2, open: 0 },
      });
    });

    it("happens once, however often and by however many it is looked for", async () => {
      await reduce(deps, tenant.admin, "standard", 1, { at: "renewal" });
      deps.now = new Date("2026-02-05T12:00:00.000Z");
      await Promise.all([1, 2, 3].map(() => renewPools(deps, tenant.id)));
      expect(await renew()).toMatchObject({ purchased: 4, renewsOn: "2026-03-05" });
      expect((await told("pool.renewed")).length).toBe(1);
    });

    it("after a standstill is made up for once", async () => {
      deps.now = new Date("2026-06-20T12:00:00.000Z");
      expect((await renew()).renewsOn).toBe("2026-07-05");
      expect((await told("pool.renewed")).length).toBe(1);
    });

    it("keeps to the 31st through shorter months", async () => {
      await patchPool(deps, tenant.admin, "standard", { renewsOn: "2026-01-31" });
      const dates = [];
      for (const today of ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]) {
        deps.now = new Date(`${today}T00:00:30.000Z`);
        dates.push((await renew()).renewsOn);
      }
      expect(dates).toEqual(["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]);
    });

    it("evicts nobody: what cannot go stays open for the next one", async () => {
      const people = await seat(4);
      await reduce(deps, tenant.admin, "standard", 2, { at: "renewal" });
      await reduce(deps, tenant.admin, "standard", 1, { at: "renewal" });
      deps.now = new Date("2026-02-05T00:00:00.000Z");
      expect(await renew()).toMatchObject({ purchased: 4, used: 4, reductions: [{ seats: 1 }, { seats: 1 }] });
      expect((await told("pool.renewed"))[0]?.after).toMatchObject({ removed: 1, open: 2 });
      for (const id of people.slice(0, 3)) await deleteUser(deps, tenant.scim, id);
      deps.now = new Date("2026-03-05T00:00:00.000Z");
      expect(await renew()).toMatchObject({ purchased: 2, used: 1, reductions: [] });
    });

    it("goes to none or to the minimum", async () => {
      const avoxi = await makeTenant(deps, { preset: "avoxi", seats: { contact: 6, enterprise: 6 } });
      await reduce(deps, avoxi.admin, "contact", 5, { at: "renewal" });
      await reduce(deps, avoxi.admin, "enterprise", 6, { at: "renewal" });
      deps.now = new Date("2026-02-05T00:00:00.000Z");
      await renewPools(deps, avoxi.id);
      expect(await getPool(deps, avoxi.admin, "contact")).toMatchObject({ purchased: 3, reductions: [{ seats: 2 }] });
      expect(await getPool(deps, avoxi.admin, "enterprise")).toMatchObject({ purchased: 0, reductions: [] });
      await reduce(deps, avoxi.admin, "contact", 1, { at: "renewal" });
      deps.now = new Date("2026-03-05T00:00:00.000Z");
      await renewPools(deps, avoxi.id);
      expect(await getPool(deps, avoxi.admin, "contact")).toMatchObject({ purchased: 0, reductions: [] });
    });

    it("lets one think better of it", async () => {
      const { reductions } = await reduce(deps, tenant.admin, "standard", 2, { at: "renewal" });
      const [{ id } = { id: "" }] = reductions;
      expect(await code(cancelReduction(deps, tenant.admin, "pro", id))).toBe("notFound");
      const other = await makeTenant(deps);
      expect(await code(cancelReduction(deps, other.admin, "standard", id))).toBe("notFound");
      expect((await cancelReduction(deps, tenant.admin, "standard", id)).reductions).toEqual([]);
      expect(await code(cancelReduction(deps, tenant.admin, "standard", id))).toBe("notFound");
      deps.now = new Date("2026-02-05T00:00:00.000Z");
      expect((await renew()).purchased).toBe(5);
      const actions = [...(await told("pool.reduction-scheduled")), ...(await told("pool.reduction-cancelled"))];
      expect(actions.map(({ after }) => after?.reduction)).toEqual([id, id]);
    });

    it("takes no more than there is, and needs a day", async () => {
      await reduce(deps, tenant.admin, "standard", 4, { at: "renewal" });
      expect(await code(reduce(deps, tenant.admin, "standard", 2, { at: "renewal" }))).toBe("conflict");
      await patchPool(deps, tenant.admin, "standard", { renewsOn: null });
      expect(await code(reduce(deps, tenant.admin, "standard", 1, { at: "renewal" }))).toBe("conflict");
      expect(await findRenewals(deps)).not.toContain(tenant.id);
    });
  });

  it("LIC-7: a tenant begins with no seats of a tier or with its minimum", async () => {
    expect(await code(makeTenant(deps, { preset: "avoxi", seats: { contact: 2 } }))).toBe("invalidValue");
    expect(await code(makeTenant(deps, { preset: "avoxi", seats: { contact: 0, enterprise: 3 } }))).toBe("done");
  });
});
