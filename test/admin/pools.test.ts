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
      { quote: "" },
      { quote: 5 },
      { quote: null, seats: 1 },
    ])("refuses %j", async (body) => {
      const { status } = await tenant.call("purchaseSeats", { params: { tier: "standard" }, body });
      expect(status).toBe(400);
    });
  });

  describe("quotes", () => {
    const offer = async (body: object = { seats: 3 }) =>
      (await tenant.call("quoteSeats", { params: { tier: "standard" }, body })).body;
    const authorise = (body: object, token?: string) =>
      tenant.call("purchaseSeats", { params: { tier: "standard" }, body, ...(token ? { token } : {}) });

    it("A-3: one asks, another authorises, and it is bought once", async () => {
      for (const [key, permission] of [
        ["finance", "billing.manage"],
        ["buyer", "licenses.purchase"],
      ] as const) {
        await tenant.call("createRole", { body: { key, name: key, rank: 20, permissions: [permission] } });
      }
      const [finance, buyer] = [
        await tenant.mint({ scopes: ["api"], role: "finance" }),
        await tenant.mint({ scopes: ["api"], role: "buyer" }),
      ];
      const made = await call(server, "quoteSeats", {
        token: finance,
        params: { tier: "standard" },
        body: { seats: 3 },
      });
      const { id } = made.body;
      expect((await authorise({ quote: id }, finance)).status).toBe(403);
      const first = await authorise({ quote: id }, buyer);
      expect([first.status, first.body.purchased]).toEqual([200, 5]);
      expect((await authorise({ quote: id, seats: 3 }, buyer)).body).toEqual(first.body);
      const { body } = await call(server, "getQuote", { token: finance, params: { id } });
      expect(body).toMatchObject({ state: "used", seats: 3 });
      expect(body.usedBy.id).not.toBe(body.madeBy.id);
      expect((await call(server, "listPools", { token: buyer })).status).toBe(403);
    });

    it("are listed in pages, the latest first", async () => {
      const ids: string[] = [];
      for (const seats of [1, 2, 3]) ids.unshift((await offer({ seats })).id);
      const first = await tenant.call("listQuotes", { query: { limit: 2 } });
      expect(first.body.quotes.map((one: { id: string }) => one.id)).toEqual(ids.slice(0, 2));
      const rest = await tenant.call("listQuotes", { query: { limit: 2, cursor: first.body.nextCursor } });
      expect(rest.body.quotes.map((one: { id: string }) => one.id)).toEqual(ids.slice(2));
      expect(rest.body.nextCursor).toBeNull();
      expect((await tenant.call("listQuotes", { query: { cursor: "x" } })).body.code).toBe("invalidValue");
      const other = await aTenant(server);
      expect((await other.call("listQuotes")).body.quotes).toEqual([]);
    });

    it("say what is wrong with them", async () => {
      const { id } = await offer();
      expect((await authorise({ quote: id, seats: 4 })).body).toMatchObject({
        code: "invalidValue",
        attribute: "quote",
      });
      expect((await authorise({ quote: "none" })).body).toMatchObject({ code: "notFound", attribute: "quote" });
      const wrong = await tenant.call("purchaseSeats", { params: { tier: "pro" }, body: { quote: id } });
      expect(wrong.body.code).toBe("invalidValue");
      server.now = new Date(Date.now() + 73 * 3600_000);
      expect((await authorise({ quote: id })).body).toMatchObject({ status: 409, code: "stale" });
      expect((await tenant.call("getQuote", { params: { id } })).body.state).toBe("expired");
      expect((await pool()).purchased).toBe(2);
    });

    it("of an upgrade name a higher tier", async () => {
      expect((await offer({ seats: 1, to: "pro" })).monthlyDifference).toBe(15);
      const asked = (body: object, tier = "standard") => tenant.call("quoteSeats", { params: { tier }, body });
      expect((await asked({ seats: 1, to: "gold" })).body).toMatchObject({ code: "unknownTier", attribute: "to" });
      expect((await asked({ seats: 1, to: "standard" }, "pro")).body.code).toBe("invalidValue");
      expect((await asked({ seats: 3, to: "pro" })).body.code).toBe("conflict");
      expect((await asked({ seats: 1, from: "pro" })).status).toBe(400);
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

    it("LIC-6: gives back once for one key", async () => {
      const headers = { "Idempotency-Key": "give-1" };
      const once = () => tenant.call("reduceSeats", { params: { tier: "standard" }, body: { seats: 1 }, headers });
      const first = await once();
      expect((await once()).body).toEqual(first.body);
      expect((await pool()).purchased).toBe(1);
    });

    it("is now or at the renewal, and at no other time", async () => {
      expect((await give(1, "renewal")).body).toMatchObject({ purchased: 2, reductions: [{ seats: 1 }] });
      expect((await give(1, "later")).status).toBe(400);
    });
  });

  describe("cancelReduction", () => {
    it("takes a reduction off the list, once", async () => {
      const { reductions } = (await give(1, "renewal")).body;
      const params = { tier: "standard", id: reductions[0].id };
      expect(reductions[0]).toMatchObject({ seats: 1, scheduledBy: { label: "admin" } });
      expect((await tenant.call("cancelReduction", { params: { ...params, tier: "pro" } })).status).toBe(404);
      expect((await tenant.call("cancelReduction", { params })).body.reductions).toEqual([]);
      expect((await tenant.call("cancelReduction", { params })).body.code).toBe("notFound");
    });

    it("there is no more to give back at the renewal than there is", async () => {
      await give(2, "renewal");
      expect((await give(1, "renewal")).body).toMatchObject({
        status: 409,
        code: "conflict",
        purchased: 2,
        scheduled: 2,
      });
      await tenant.call("patchPool", { params: { tier: "standard" }, body: { renewsOn: null } });
      expect((await give(1, "renewal")).body.detail).toMatch(/renewsOn/);
    });
  });

  describe("upgradeSeats", () => {
    const raise = (body: object, tier = "standard", headers = {}) =>
      tenant.call("upgradeSeats", { params: { tier }, body, headers });

    it("A-11: turns seats into seats of a higher tier, with the people named", async () => {
      const [first] = await people(1);
      const { body } = await raise({ to: "pro", seats: 2, users: [first!.id] }, "standard", {
        "Idempotency-Key": "up",
      });
      expect(body).toMatchObject({ from: { purchased: 0 }, to: { purchased: 2, used: 1, monthlyCost: 50 } });
      const again = await raise({ to: "pro", seats: 2, users: [first!.id] }, "standard", { "Idempotency-Key": "up" });
      expect(again.body).toEqual(body);
      const user = await tenant.call("getUser", { params: { id: first!.id } });
      expect(user.body).toMatchObject({ tierPin: "pro", license: { tier: "pro", status: "assigned" } });
    });

    it("happens once for a quote, and at its price", async () => {
      const quote = await tenant.call("quoteSeats", { params: { tier: "standard" }, body: { seats: 1, to: "pro" } });
      const { body } = await raise({ to: "pro", quote: quote.body.id });
      expect(body.to.purchased).toBe(1);
      expect((await raise({ to: "pro", quote: quote.body.id })).body).toEqual(body);
      expect((await raise({ to: "pro", quote: "none" })).body.code).toBe("notFound");
      const other = await tenant.call("quoteSeats", { params: { tier: "standard" }, body: { seats: 1, to: "pro" } });
      server.now = new Date(Date.now() + 73 * 3600_000);
      expect((await raise({ to: "pro", quote: other.body.id })).body.code).toBe("stale");
    });

    it("says what stands in the way", async () => {
      const [first, second] = await people(2);
      const plain = await tenant.user({ userName: "plain@example.com" });
      const code = async (body: object, tier?: string) => (await raise(body, tier)).body.code;
      expect(await code({ to: "pro", seats: 1 })).toBe("belowUsed");
      expect(await code({ to: "gold", seats: 1 })).toBe("unknownTier");
      expect(await code({ to: "standard", seats: 1 }, "pro")).toBe("invalidValue");
      expect(await code({ to: "pro", seats: 1, users: [first!.id, second!.id] })).toBe("invalidValue");
      expect(await code({ to: "pro", users: ["nobody"] })).toBe("notFound");
      expect(await code({ to: "pro", users: [plain.id] })).toBe("conflict");
      for (const body of [
        {},
        { to: "pro", seats: 0 },
        { seats: 1 },
        { to: "pro", users: "x" },
        { to: "pro", more: 1 },
      ]) {
        expect((await raise(body)).status, JSON.stringify(body)).toBe(400);
      }
      const avoxi = await aTenant(server, { preset: "avoxi", seats: { contact: 4 } });
      const { body } = await avoxi.call("upgradeSeats", {
        params: { tier: "contact" },
        body: { to: "enterprise", seats: 1 },
      });
      expect(body).toMatchObject({ code: "belowMinimum", rule: "LIC-7", minimum: 3 });
    });
  });

  describe("transferSeat", () => {
    const move = (from: string, to: string, tier = "standard") =>
      tenant.call("transferSeat", { params: { tier }, body: { from, to } });

    it("LIC-4: hands a seat on, and says what both hold now", async () => {
      const [first] = await people(3);
      const plain = await tenant.user({ userName: "plain@example.com" });
      const { body } = await move(first!.id, plain.id);
      expect(body).toMatchObject({
        from: { id: first!.id, tierPin: "none", license: { status: "none" } },
        to: { id: plain.id, tierPin: "standard", license: { status: "assigned", tier: "standard" } },
      });
      expect((await move(first!.id, plain.id)).body).toEqual(body);
      expect(await pool()).toMatchObject({ used: 2, waitlisted: 1 });
    });

    it("says what stands in the way", async () => {
      const [first, second, third] = await people(3);
      const stranger = await (await aTenant(server)).user({ userName: "stranger@example.com" });
      const code = async (from: string, to: string, tier?: string) => (await move(from, to, tier)).body.code;
      expect(await code(third!.id, first!.id)).toBe("conflict");
      expect(await code(first!.id, second!.id)).toBe("conflict");
      expect(await code(first!.id, first!.id)).toBe("invalidValue");
      expect(await code(first!.id, third!.id, "pro")).toBe("conflict");
      expect(await code(first!.id, stranger.id)).toBe("notFound");
      expect(await code("nobody", third!.id)).toBe("notFound");
    });
  });

  it("P-10: a license taken away is in the pool again, for another person, and its holder no longer signs in", async () => {
    const omni = await aTenant(server, { preset: "power-omni", seats: { licensed: 1 } });
    const wish = { [usher]: { licenseTier: "licensed" } };
    const ada = await omni.user({ userName: "ada@example.com", ...wish });
    const bob = await omni.user({ userName: "bob@example.com", ...wish });
    const token = await omni.mint({ scopes: ["access"], role: "administrator" });
    const mayEnter = async (id: string) => {
      const body = {
        subject: { type: "user", id },
        action: { name: "sign-in" },
        resource: { type: "application", id: "x" },
      };
      return (await call(server, "evaluateAccess", { token, body })).body.decision;
    };
    expect([await mayEnter(ada.id), await mayEnter(bob.id)]).toEqual([true, false]);
    await omni.call("changeUser", { params: { id: ada.id }, body: { tier: "none" } });
    expect([await mayEnter(ada.id), await mayEnter(bob.id)]).toEqual([false, true]);
    await omni.call("changeUser", { params: { id: bob.id }, body: { tier: "none" } });
    expect((await omni.call("getPool", { params: { tier: "licensed" } })).body).toMatchObject({
      purchased: 1,
      used: 0,
      available: 1,
      monthlyCost: 30,
    });
  });

  it("P-4: a Collaborator sees neither pools nor prices, and a Manager pools without prices", async () => {
    const omni = await aTenant(server, { preset: "power-omni", seats: { licensed: 1 } });
    const collaborator = await omni.mint({ scopes: ["api"], role: "collaborator" });
    for (const [id, body] of [
      ["listPools"],
      ["getPool"],
      ["quoteSeats", { seats: 1 }],
      ["listQuotes"],
      ["purchaseSeats", { seats: 1 }],
      ["reduceSeats", { seats: 1 }],
      ["upgradeSeats", { to: "licensed", seats: 1 }],
      ["patchPool", { whenFull: "refuse" }],
    ] as [string, object?][]) {
      const { status } = await call(server, id, { token: collaborator, params: { tier: "licensed" }, body });
      expect([id, status]).toEqual([id, 403]);
    }
    const overview = await call(server, "getOverview", { token: collaborator });
    expect(Object.keys(overview.body)).toEqual(["users", "openPromotions", "withoutAdmin"]);
    const manager = await tenant.mint({ scopes: ["api"], role: "manager" });
    const seen = (await call(server, "getPool", { token: manager, params: { tier: "standard" } })).body;
    expect(seen).toMatchObject({ purchased: 2, minimum: 0, billingCycle: "monthly" });
    for (const name of ["unitPrice", "currency", "monthlyCost"]) expect(seen).not.toHaveProperty(name);
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
        { unitPrice: 9.999 },
        { billingCycle: "weekly" },
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
      upgradeSeats: { to: "pro", seats: 1 },
      transferSeat: { from: params.id, to: "0190a0b0-0000-7000-8000-0000000000fe" },
    };
    for (const [operation, body] of Object.entries(bodies)) {
      expect((await tenant.call(operation, { params, body })).status, operation).toBe(404);
    }
    for (const operation of ["listWaitlist", "getPool", "cancelReduction"]) {
      expect((await tenant.call(operation, { params })).status, operation).toBe(404);
    }
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
    expect(body).toMatchObject({
      withoutAdmin: false,
      openPromotions: 0,
      monthlyCosts: [{ currency: "USD", amount: 20 }],
    });
    expect(body.pools).toEqual((await tenant.call("listPools")).body.pools);
    const token = await tenant.mint({ scopes: ["api"], role: "manager" });
    expect((await call(server, "getOverview", { token })).status).toBe(200);
  });
});
