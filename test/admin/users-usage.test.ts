/** What the product tells of people, and reviews (P-2, Q-11): activity, usage, who was looked at. */
import { beforeAll, describe, expect, it } from "vitest";
import { getUser } from "../../src/provisioning/users.ts";
import { renderUser } from "../../src/scim/render.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aTenant, call, type Server, startServer, type TestTenant } from "./api.ts";

const urn = "urn:ietf:params:scim:schemas:extension:usher:2.0:User";
const absent = "0190a0b0-0000-7000-8000-0000000000ff";

describeOnBoth("what the product tells", (getDb) => {
  let server: Server;
  let tenant: TestTenant;
  let product: string;
  beforeAll(async () => {
    server = startServer(getDb());
    tenant = await aTenant(server, { preset: "queue-desk", seats: { basic: 5, professional: 5 } });
    product = await tenant.mint({ scopes: ["access"] });
  });

  let people = 0;
  const someone = () => `agent${++people}@example.com`;
  const shown = async (id: string) => (await tenant.call("getUser", { params: { id } })).body;
  const actions = async (id: string) => {
    const { body } = await tenant.call("listEvents", { query: { subject: id, limit: 500 } });
    return body.events.map(({ action }: { action: string }) => action) as string[];
  };

  describe("recordActivity", () => {
    const tell = (id: string, body: object) => call(server, "recordActivity", { token: product, params: { id }, body });

    it("Q-11: shows who was seen when and who is online; the latest moment counts, in whatever order it is told", async () => {
      const { id } = await tenant.user({ userName: someone() });
      expect(await shown(id)).toMatchObject({ lastSeenAt: null, online: false, callsHandled: null });
      const first = await tell(id, { at: "2026-01-05T09:00:00Z", online: true });
      expect([first.status, first.body]).toEqual([200, { lastSeenAt: "2026-01-05T09:00:00.000Z", online: true }]);
      await tell(id, { at: "2026-01-05T11:00:00+01:00" });
      expect(await shown(id)).toMatchObject({ lastSeenAt: "2026-01-05T10:00:00.000Z", online: true });
      await tell(id, { at: "2026-01-05T08:00:00Z", online: false });
      expect(await shown(id)).toMatchObject({ lastSeenAt: "2026-01-05T10:00:00.000Z", online: true });
      await tell(id, { at: "2026-01-05T12:00:00Z", online: false });
      expect(await shown(id)).toMatchObject({ lastSeenAt: "2026-01-05T12:00:00.000Z", online: false });
      await tell(id, { at: "2026-01-05T12:00:00Z", online: false });
      expect(await actions(id)).toEqual(["user.created", "user.activity", "user.activity"]);
    });

    it("Q-11, LIC-9: shows the number of calls to whom the tier carries it", async () => {
      const basic = await tenant.user({ userName: someone(), [urn]: { licenseTier: "basic" } });
      const professional = await tenant.user({ userName: someone(), [urn]: { licenseTier: "professional" } });
      for (const { id } of [basic, professional]) {
        await tell(id, { at: "2026-01-05T09:00:00Z", callsHandled: 12 });
        await tell(id, { at: "2026-01-05T08:00:00Z", callsHandled: 10 });
      }
      expect((await shown(basic.id)).callsHandled).toBeNull();
      expect((await shown(professional.id)).callsHandled).toBe(12);
      await tenant.call("changeUser", { params: { id: basic.id }, body: { tier: "professional" } });
      expect((await shown(basic.id)).callsHandled).toBe(12);
    });

    it("Q-11: completes the onboarding checklist, and takes the training back", async () => {
      const { id } = await tenant.user({ userName: someone() });
      expect((await shown(id)).onboarding).toEqual({ profile: false, queues: false, training: false });
      await tenant.call("changeUser", { params: { id }, body: { displayName: "Ada", email: someone() } });
      await tell(id, { at: "2026-01-05T09:00:00Z", trained: true });
      expect((await shown(id)).onboarding).toEqual({ profile: true, queues: false, training: true });
      await tell(id, { at: "2026-01-05T10:00:00Z", trained: false });
      expect((await shown(id)).onboarding.training).toBe(false);
    });

    it("sorts by who was seen, never seen first", async () => {
      const other = await aTenant(server);
      const token = await other.mint({ scopes: ["access"] });
      const names = ["a", "b", "c", "d", "e"];
      const ids = new Map<string, string>();
      for (const name of names) ids.set(name, (await other.user({ userName: name })).id);
      const seen = { d: "2026-01-01T00:00:00Z", a: "2026-01-02T00:00:00.000001Z", b: "2026-01-02T00:00:00.000002Z" };
      for (const [name, at] of Object.entries(seen)) {
        await call(server, "recordActivity", { token, params: { id: ids.get(name)! }, body: { at } });
      }
      const listed = async (query: Record<string, string | number>) => {
        const found: string[] = [];
        for (let cursor: string | null = ""; cursor !== null; ) {
          const { body } = await other.call("listUsers", {
            query: { sort: "lastSeen", ...query, ...(cursor === "" ? {} : { cursor }) },
          });
          expect(body.total).toBe(5);
          found.push(...body.users.map(({ userName }: { userName: string }) => userName));
          cursor = body.nextCursor;
        }
        return found.join("");
      };
      for (const limit of [1, 2, 3, 5, 100]) {
        expect(await listed({ limit })).toBe("cedab");
        expect(await listed({ limit, order: "desc" })).toBe("badec");
      }
    });

    it.each([
      {},
      { at: "yesterday" },
      { at: "2026-01-05T09:00:00Z", online: "yes" },
      { at: "2026-01-05T09:00:00Z", callsHandled: -1 },
      { at: "2026-01-05T09:00:00Z", callsHandled: 1.5 },
      { at: "2026-01-05T09:00:00Z", callsHandled: 3e9 },
      { at: "2026-01-05T09:00:00Z", mood: "good" },
    ])("refuses the body %j", async (body) => {
      const { id } = await tenant.user({ userName: someone() });
      expect((await tell(id, body)).status).toBe(400);
    });

    it("takes nothing from the future, and nothing of people who are not there", async () => {
      const { id } = await tenant.user({ userName: someone() });
      const ahead = new Date(Date.now() + 3600_000).toISOString();
      const future = await tell(id, { at: ahead });
      expect([future.status, future.body.attribute]).toEqual([400, "at"]);
      const other = await aTenant(server);
      const theirs = await other.user({ userName: someone() });
      for (const nobody of [absent, theirs.id, "nobody"]) {
        expect((await tell(nobody, { at: "2026-01-05T09:00:00Z" })).status).toBe(404);
      }
    });
  });

  describe("recordUsage", () => {
    const tell = (items: readonly object[]) => call(server, "recordUsage", { token: product, body: { items } });
    const at = "2026-01-05T09:00:00Z";

    it("P-2: grows what was used, in the API and in SCIM, and counts an item once", async () => {
      const { id } = await tenant.user({ userName: someone(), [urn]: { budget: { limit: 10, currency: "USD" } } });
      const item = { id: `i-${id}`, userId: id, amount: 0.1, currency: "usd", at };
      const more = { ...item, id: `j-${id}`, amount: 0.2 };
      expect((await tell([item, more])).body.items.map(({ outcome }: { outcome: string }) => outcome)).toEqual([
        "added",
        "added",
      ]);
      expect((await shown(id)).budget).toEqual({ limit: 10, currency: "USD", used: 0.3 });
      expect((await tell([item])).body.items[0].outcome).toBe("repeated");
      expect((await tell([{ ...item, amount: 5 }])).body.items[0].outcome).toBe("conflict");
      expect((await shown(id)).budget.used).toBe(0.3);
      const rendered = renderUser(await getUser(server.deps, tenant.ctx, id), "");
      expect(rendered[urn]).toMatchObject({ budget: { limit: 10, currency: "USD", used: 0.3 } });
    });

    it("keeps every digit of an amount, so that a repeat is the same", async () => {
      const { id } = await tenant.user({ userName: someone() });
      const items = [0.00000001, 123456789.12345, 1e-7, 0.1].map((amount, number) => ({
        id: `digits-${number}-${id}`,
        userId: id,
        amount,
        currency: "USD",
        at,
      }));
      await tell(items);
      expect((await tell(items)).body.items.map(({ outcome }: { outcome: string }) => outcome)).toEqual(
        items.map(() => "repeated"),
      );
      expect((await shown(id)).budget.used).toBe(123456789.22345011);
    });

    it("finds people by userName, and says who is nobody without losing the others", async () => {
      const { id, doc } = await tenant.user({ userName: someone() });
      const other = await aTenant(server);
      const theirs = await other.user({ userName: someone() });
      const item = { amount: 1, currency: "EUR", at };
      const { status, body } = await tell([
        { ...item, id: `n1-${id}`, userName: String(doc.userName).toUpperCase() },
        { ...item, id: `n2-${id}`, userName: "nobody@example.com" },
        { ...item, id: `n3-${id}`, userId: theirs.id },
        { ...item, id: `n4-${id}`, userId: "no id" },
        { ...item, id: `n5-${id}` },
      ]);
      expect([status, body.items.map(({ outcome }: { outcome: string }) => outcome)]).toEqual([
        200,
        ["added", "unknownUser", "unknownUser", "unknownUser", "unknownUser"],
      ]);
      expect((await shown(id)).budget).toEqual({ limit: null, currency: "EUR", used: 1 });
      const rendered = renderUser(await getUser(server.deps, tenant.ctx, id), "");
      expect(rendered[urn]).toMatchObject({ budget: { used: 1 } });
    });

    it("adds no dollars to euros", async () => {
      const { id } = await tenant.user({ userName: someone(), [urn]: { budget: { limit: 10, currency: "EUR" } } });
      await tell([
        { id: `e-${id}`, userId: id, amount: 2, currency: "EUR", at },
        { id: `d-${id}`, userId: id, amount: 50, currency: "USD", at },
      ]);
      expect((await shown(id)).budget).toEqual({ limit: 10, currency: "EUR", used: 2 });
      await tenant.call("changeUser", { params: { id }, body: { budget: { currency: "USD" } } });
      expect((await shown(id)).budget).toEqual({ limit: 10, currency: "USD", used: 50 });
    });

    it("tells once that a limit was passed, and once more for another limit", async () => {
      const { id } = await tenant.user({ userName: someone(), [urn]: { budget: { limit: 1, currency: "USD" } } });
      const spend = (number: number, amount: number) =>
        tell([{ id: `${number}-${id}`, userId: id, amount, currency: "USD", at }]);
      const told = async () => (await actions(id)).filter((action) => action === "user.budget-exceeded").length;
      await spend(1, 1);
      expect(await told()).toBe(0);
      await spend(2, 0.01);
      await spend(3, 1);
      expect(await told()).toBe(1);
      await tenant.call("changeUser", { params: { id }, body: { budget: { limit: 3 } } });
      await spend(4, 0.5);
      expect(await told()).toBe(1);
      await spend(5, 1);
      expect(await told()).toBe(2);
      await spend(6, -3);
      await spend(7, 10);
      expect(await told()).toBe(2);
    });

    it("leaves a person's version as it is: no client has to read again", async () => {
      const { id, version } = await tenant.user({ userName: someone() });
      await tell([{ id: `v-${id}`, userId: id, amount: 1, currency: "USD", at }]);
      expect((await getUser(server.deps, tenant.ctx, id)).version).toBe(version);
    });

    it.each([
      { items: [] },
      { items: [{}] },
      { items: [{ id: "x", userId: absent, amount: "1", currency: "USD", at }] },
      { items: [{ id: "x", userId: absent, amount: 1, currency: "US", at }] },
      { items: [{ id: "", userId: absent, amount: 1, currency: "USD", at }] },
      { items: [{ id: "x", userId: absent, amount: 1, currency: "USD", at: "now" }] },
      { items: [{ id: "x", userId: absent, amount: 1, currency: "USD", at: "2999-01-01T00:00:00Z" }] },
      { items: [1, 2].map(() => ({ id: "same", userId: absent, amount: 1, currency: "USD", at })) },
      {
        items: Array.from({ length: 1001 }, (_, n) => ({ id: `${n}`, userId: absent, amount: 1, currency: "USD", at })),
      },
    ])("refuses bodies that are none, whole", async (body) => {
      expect((await call(server, "recordUsage", { token: product, body })).status).toBe(400);
    });
  });

  describe("reviewUser", () => {
    it("Q-11: says who looked at a person and when", async () => {
      const { id } = await tenant.user({ userName: someone() });
      server.now = new Date("2030-01-01T00:00:00.000Z");
      const { status, body } = await tenant.call("reviewUser", { params: { id } });
      expect([status, body.reviewedAt, body.reviewedBy.label]).toEqual([
        200,
        "2030-01-01T00:00:00.000Z",
        expect.any(String),
      ]);
      server.now = null;
      expect(await actions(id)).toContain("user.reviewed");
      expect((await tenant.call("reviewUser", { params: { id: absent } })).status).toBe(404);
      const manager = await tenant.mint({ scopes: ["api"], role: "manager" });
      expect((await tenant.call("reviewUser", { params: { id }, token: manager })).status).toBe(403);
    });
  });
});
