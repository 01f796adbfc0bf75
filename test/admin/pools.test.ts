import { beforeEach, describe, expect, it } from "vitest";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aTenant, call, type Server, startServer, type TestTenant } from "./api.ts";

const usher = "urn:ietf:params:scim:schemas:extension:usher:2.0:User";

describeOnBoth("pools", (getDb: () => OpenDatabase) => {
  let server: Server;
  let tenant: TestTenant;
  beforeEach(async () => {
    server = startServer(getDb());
    tenant = await aTenant(server, { seats: { standard: 2 } });
  });

  const pool = async (tier = "standard") => {
    const { body } = await tenant.call("listPools");
    return body.pools.find((one: { tier: string }) => one.tier === tier);
  };
  const buy = (seats: number, headers: Record<string, string> = {}) =>
    tenant.call("purchaseSeats", { params: { tier: "standard" }, body: { seats }, headers });
  const give = (seats: number, at?: string) =>
    tenant.call("reduceSeats", { params: { tier: "standard" }, body: { seats, ...(at ? { at } : {}) } });
  const people = async (number: number, from = 0) => {
    const users = [];
    for (let at = from; at < from + number; at++) {
      users.push(await tenant.user({ userName: `user${at}@example.com`, [usher]: { licenseTier: "standard" } }));
    }
    return users;
  };

  it("listPools: counts purchased, used, available and waiting", async () => {
    await people(3);
    expect(await pool()).toMatchObject({ purchased: 2, used: 2, available: 0, waitlisted: 1, unlimited: false });
    expect(await pool("pro")).toMatchObject({ purchased: 0, used: 0, available: 0, waitlisted: 0, rank: 2 });
  });

  describe("quoteSeats", () => {
    it("says number, terms and totals, and changes nothing", async () => {
      const { body } = await tenant.call("quoteSeats", { params: { tier: "standard" }, body: { seats: 3 } });
      expect(body).toMatchObject({
        kind: "purchase",
        tier: "standard",
        to: null,
        seats: 3,
        unitPrice: 10,
        currency: "USD",
        billingCycle: "monthly",
        total: 30,
        monthlyCost: 30,
        purchasedAfter: 5,
        totalAfter: 50,
        monthlyCostAfter: 50,
        replaces: null,
        monthlyDifference: 30,
        state: "open",
        usedBy: null,
      });
      expect((await pool()).purchased).toBe(2);
    });

    it("LIC-7: AVOXI sells no fewer than three", async () => {
      const avoxi = await aTenant(server, { preset: "avoxi" });
      const quote = (seats: number) => avoxi.call("quoteSeats", { params: { tier: "contact" }, body: { seats } });
      expect((await quote(3)).body.total).toBe(74.97);
      const { status, body } = await quote(2);
      expect([status, body.code, body.rule]).toEqual([409, "belowMinimum", "LIC-7"]);
    });
  });

  describe("purchaseSeats", () => {
    it("LIC-4: seats those who wait, first in line first", async () => {
      const [, , third] = await people(4);
      expect((await buy(1)).body).toMatchObject({ purchased: 3, used: 3, available: 0, waitlisted: 1 });
      const { body } = await tenant.call("getUser", { params: { id: third!.id } });
      expect(body.license).toMatchObject({ tier: "standard", status: "assigned" });
    });

    it("LIC-6: buys once for one key, and refuses the key for something else", async () => {
      const key = { "Idempotency-Key": "order-1" };
      const first = await buy(3, key);
      expect(first.body.purchased).toBe(5);
      expect((await buy(3, key)).body).toEqual(first.body);
      expect((await pool()).purchased).toBe(5);
      const { status, body } = await buy(4, key);
      expect([status, body.code]).toEqual([409, "conflict"]);
      expect((await buy(3, { "Idempotency-Key": "order-2" })).body.purchased).toBe(8);
    });

    it("the same key at the same moment buys once", async () => {
      const answers = await Promise.all(Array.from({ length: 5 }, () => buy(2, { "Idempotency-Key": "at once" })));
      expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200, 200]);
      expect((await pool()).purchased).toBe(4);
    });

    it("a key of one tenant says nothing in another", async () => {
      const key = { "Idempotency-Key": "order-3" };
      await buy(1, key);
      const other = await aTenant(server);
      const params = { tier: "standard" };
      const { body } = await other.call("purchaseSeats", { params, body: { seats: 1 }, headers: key });
      expect(body.purchased).toBe(1);
    });

    it("LIC-1: sells no more than a pool holds", async () => {
      expect([(await buy(1_000_000)).status, (await pool()).purchased]).toEqual([409, 2]);
    });

    it.each([
      {},
      { seats: 0 },
      { seats: -1 },
      { seats: 1.5 },
      { seats: "3" },
      { seats: 1_000_001 },
      { seats: 1, price: 0 },
    ])("refuses %j", async (body) => {
      const { status } = await tenant.call("purchaseSeats", { params: { tier: "standard" }, body });
      expect(status).toBe(400);
    });
  });

  describe("reduceSeats", () => {
    it("removes free seats only, with both numbers in the refusal", async () => {
      await people(1);
      expect((await give(1)).body).toMatchObject({ purchased: 1, used: 1, available: 0 });
      const { status, body } = await give(1);
      expect([status, body.code]).toEqual([409, "belowUsed"]);
      expect(body.detail).toMatch(/1/);
      expect(body).toMatchObject({ rule: "LIC-7", used: 1 });
    });

    it("LIC-7: goes to none or to at least the minimum", async () => {
      const avoxi = await aTenant(server, { preset: "avoxi", seats: { contact: 5 } });
      const reduce = (seats: number) => avoxi.call("reduceSeats", { params: { tier: "contact" }, body: { seats } });
      expect((await reduce(3)).body.code).toBe("belowMinimum");
      expect((await reduce(2)).body.purchased).toBe(3);
      expect((await reduce(3)).body.purchased).toBe(0);
    });

    it("is now or at the renewal, and at no other time", async () => {
      expect((await give(1, "renewal")).body).toMatchObject({ purchased: 2, reductions: [{ seats: 1 }] });
      expect((await give(1, "later")).status).toBe(400);
    });
  });

  describe("the waitlist", () => {
    it("is in the order of asking, in pages, and priority passes", async () => {
      const users = await people(6);
      const list = async () => {
        const found = [];
        for (let cursor: string | null = ""; cursor !== null; ) {
          const query = { limit: 3, ...(cursor === "" ? {} : { cursor }) };
          const { body } = await tenant.call("listWaitlist", { params: { tier: "standard" }, query });
          expect(body.total).toBe(4);
          found.push(...body.users);
          cursor = body.nextCursor;
        }
        return found;
      };
      const waiting = users.slice(2).map((user) => user.id);
      expect((await list()).map((one) => one.id)).toEqual(waiting);
      expect((await list()).map((one) => one.position)).toEqual([1, 2, 3, 4]);
      const params = { tier: "standard", id: waiting[3]! };
      const { body } = await tenant.call("prioritizeWaiting", { params, body: { priority: 5 } });
      expect(body).toMatchObject({ id: waiting[3], position: 1, priority: 5 });
      expect((await list()).map((one) => one.id)).toEqual([waiting[3], waiting[0], waiting[1], waiting[2]]);
      await buy(1);
      const { body: user } = await tenant.call("getUser", { params: { id: waiting[3]! } });
      expect(user.license.status).toBe("assigned");
    });

    it("knows nobody who does not wait", async () => {
      const [seated] = await people(1);
      const params = { tier: "standard", id: seated!.id };
      const { status } = await tenant.call("prioritizeWaiting", { params, body: { priority: 1 } });
      expect(status).toBe(404);
    });
  });

  describe("patchPool", () => {
    const patch = (body: object, tier = "standard") => tenant.call("patchPool", { params: { tier }, body });

    it("LIC-3: changes what happens when the pool is full", async () => {
      expect((await patch({ whenFull: "refuse" })).body.whenFull).toBe("refuse");
      await people(2);
      await expect(people(1, 2)).rejects.toMatchObject({ code: "poolFull" });
      expect(await pool()).toMatchObject({ used: 2, waitlisted: 0 });
    });

    it("changes price, cycle and renewal", async () => {
      const change = { unitPrice: 12.5, billingCycle: "yearly", renewsOn: "2027-01-31", name: "Basic" };
      expect((await patch(change)).body).toMatchObject(change);
      expect((await patch({ renewsOn: null, unitPrice: null })).body).toMatchObject({
        renewsOn: null,
        unitPrice: null,
      });
    });

    it("refuses a name that is taken, a tier that is not there and terms that are none", async () => {
      expect((await patch({ name: "PRO" })).body.code).toBe("uniqueness");
      expect((await patch({ drain: "manual" }, "gold")).status).toBe(404);
      for (const body of [
        { whenFull: "explode" },
        { unitPrice: -1 },
        { renewsOn: "soon" },
        { purchased: 5 },
        { minimum: 0 },
      ]) {
        expect((await patch(body)).status, JSON.stringify(body)).toBe(400);
      }
    });
  });

  it("every operation on a tier that is not there is 404", async () => {
    const params = { tier: "gold", id: "0190a0b0-0000-7000-8000-0000000000ff" };
    const bodies = {
      quoteSeats: { seats: 1 },
      purchaseSeats: { seats: 1 },
      reduceSeats: { seats: 1 },
      prioritizeWaiting: { priority: 1 },
    };
    for (const [operation, body] of Object.entries(bodies)) {
      expect((await tenant.call(operation, { params, body })).status, operation).toBe(404);
    }
    expect((await tenant.call("listWaitlist", { params })).status).toBe(404);
  });

  it("P-1: the overview counts people and seats", async () => {
    const [first] = await people(3);
    await tenant.user({ userName: "plain@example.com" });
    await tenant.user({ userName: "left@example.com", active: false });
    await tenant.call("changeUser", { params: { id: first!.id }, body: { role: "admin" } });
    const { body } = await tenant.call("getOverview");
    expect(body.users).toEqual({
      total: 5,
      licensed: 2,
      unlicensed: 3,
      administrators: 1,
      pending: 0,
      active: 4,
      inactive: 1,
    });
    expect(body).toMatchObject({ withoutAdmin: false, openPromotions: 0 });
    expect(body.pools).toEqual((await tenant.call("listPools")).body.pools);
    const token = await tenant.mint({ scopes: ["api"], role: "manager" });
    expect((await call(server, "getOverview", { token })).status).toBe(200);
  });
});
