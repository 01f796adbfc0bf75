/** OneLogin, JumpCloud, Google, authentik and whoever else has a token: activation, habits of paging, a token's life. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import { startServer, type TestServer } from "../../helpers/server.ts";
import { type Body, filtered, hire, patchOf, USER, USHER_ERROR, USHER_USER } from "./habits.ts";

describeOnBoth("other clients", (getDb) => {
  let server: TestServer;
  let now: Date;
  beforeAll(async () => {
    now = new Date();
    server = await startServer(getDb(), { clock: () => now });
  });
  afterAll(() => server.close());

  describe("J1: JumpCloud's activation, which makes a test user and a test group and deletes both", () => {
    const activate = async (scim: TestServer["operator"]) => {
      const lists = [await scim<Body>("GET", "/Users"), await scim<Body>("GET", "/Groups")];
      const user = await scim<Body>("POST", "/Users", { schemas: [USER], userName: "jumpcloud-test", active: true });
      const group = await scim<Body>("POST", "/Groups", { displayName: "jumpcloud-test-group" });
      return { lists, user, group };
    };

    it("succeeds at the seat limit, because a test user wants no seat where the default tier is none", async () => {
      const { scim, api } = await server.tenant({ seats: { standard: 0 } });
      await api("PATCH", "/pools/standard", { whenFull: "refuse" });
      const { lists, user, group } = await activate(scim);
      expect([...lists, user, group].map(({ status }) => status)).toEqual([200, 200, 201, 201]);
      expect((await scim("DELETE", `/Users/${user.body.id}`)).status).toBe(204);
      expect((await scim("DELETE", `/Groups/${group.body.id}`)).status).toBe(204);
      expect((await scim<Body>("GET", "/Users")).body.totalResults).toBe(0);
    });

    it("succeeds where everybody is due a seat and the pool queues: the test user waits, and leaves the queue", async () => {
      const { scim, api } = await server.tenant({ seats: { standard: 1 } });
      await defaultTier(api, "standard");
      await hire(scim, 1, "holder");
      const { user } = await activate(scim);
      expect(user.status).toBe(201);
      expect(user.body[USHER_USER].license).toMatchObject({ status: "waitlisted", position: 1 });
      await scim("DELETE", `/Users/${user.body.id}`);
      const { body } = await api<Body>("GET", "/pools");
      expect(body.pools.find(({ tier }: Body) => tier === "standard")).toMatchObject({ used: 1, waitlisted: 0 });
    });

    it("fails where everybody is due a seat and the pool refuses, in words that say why", async () => {
      const { scim, api } = await server.tenant({ seats: { standard: 1 } });
      await defaultTier(api, "standard");
      await api("PATCH", "/pools/standard", { whenFull: "refuse" });
      await hire(scim, 1, "holder");
      const { user } = await activate(scim);
      expect({ status: user.status, code: user.body[USHER_ERROR].code }).toEqual({ status: 403, code: "LIC-3" });
      expect(user.body.detail).toMatch(/1 of 1/);
    });
  });

  it("G1: authentik's walk, one page after what it has seen, ends with everybody seen once", async () => {
    const { scim } = await server.tenant();
    const ids = await hire(scim, 23, "walk");
    const seen: string[] = [];
    for (let rounds = 0; ; rounds += 1) {
      expect(rounds).toBeLessThan(10);
      const { body } = await scim<Body>("GET", `/Users?startIndex=${seen.length + 1}&count=7`);
      seen.push(...body.Resources.map(({ id }: Body) => id));
      if (seen.length >= body.totalResults) break;
    }
    expect(seen.toSorted()).toEqual(ids.toSorted());
  });

  it("H1: a POST repeated after its answer was lost makes nobody twice", async () => {
    const { scim } = await server.tenant();
    const body = { schemas: [USER], userName: "again@example.com", externalId: "e-1", active: true };
    const answers = await Promise.all([1, 2, 3].map(() => scim<Body>("POST", "/Users", body)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 409, 409]);
    expect((await scim<Body>("GET", filtered("/Users", 'externalId eq "e-1"'))).body.totalResults).toBe(1);
  });

  it("P2: PingFederate's two look-ups find the same person", async () => {
    const { scim } = await server.tenant();
    const emails = [{ type: "work", value: "work@example.com" }];
    const { body: made } = await scim<Body>("POST", "/Users", { schemas: [USER], userName: "ping", emails });
    for (const filter of ['userName eq "PING"', 'emails eq "WORK@example.com"']) {
      const { body } = await scim<Body>("GET", filtered("/Users", filter));
      expect(body.Resources.map(({ id }: Body) => id)).toEqual([made.id]);
    }
  });

  it("W2: Google suspends first and deletes weeks later, or the other way round", async () => {
    const { scim } = await server.tenant();
    const [first, second] = (await hire(scim, 2, "google")) as [string, string];
    const json = { "Content-Type": "application/json", "User-Agent": "Google-Auto-Provisioning" };
    const suspend = (id: string) =>
      scim("PATCH", `/Users/${id}`, patchOf({ op: "replace", path: "active", value: false }), json);
    expect((await suspend(first)).status).toBe(200);
    expect((await scim("DELETE", `/Users/${first}`)).status).toBe(204);
    expect((await scim("DELETE", `/Users/${second}`)).status).toBe(204);
    expect((await suspend(second)).status).toBe(404);
  });

  describe("§12: a token's life", () => {
    it("two are good at once, so that an administrator can paste the second before the first is deleted", async () => {
      const tenant = await server.tenant();
      const second = server.sender("/scim/v2", await tenant.mint({ label: "second", scopes: ["scim"] }));
      expect([(await tenant.scim("GET", "/Users")).status, (await second("GET", "/Users")).status]).toEqual([200, 200]);
      const { body } = await tenant.api<Body>("GET", "/tokens");
      const first = body.tokens.find(({ label }: Body) => label === "connection");
      expect((await tenant.api("DELETE", `/tokens/${first.id}`)).status).toBeLessThan(300);
      expect([(await tenant.scim("GET", "/Users")).status, (await second("GET", "/Users")).status]).toEqual([401, 200]);
    });

    it("a 401 tells expired from unknown, asks for a bearer token, and does not tell whose token it was", async () => {
      const [tenant, other] = [await server.tenant(), await server.tenant()];
      const expiresAt = new Date(now.getTime() + 60_000).toISOString();
      const token = await tenant.mint({ label: "short", scopes: ["scim"], expiresAt });
      const short = server.sender("/scim/v2", token);
      expect((await short("GET", "/Users")).status).toBe(200);
      now = new Date(now.getTime() + 120_000);
      const expired = await short<Body>("GET", "/Users");
      expect({ status: expired.status, detail: expired.body.detail }).toEqual({
        status: 401,
        detail: expect.stringMatching(/expired/),
      });
      const forged = [
        // A wrong secret; another tenant's; the id of a token in the tenant of another.
        token.replace(/.{4}$/, "AAAA"),
        other.scimToken.replace(/.{4}$/, "AAAA"),
        [other.scimToken.split(".")[0], ...token.split(".").slice(1)].join("."),
        "usher_mistyped",
        "eyJhbGciOiJub25lIn0.e30.",
      ];
      const answers = await Promise.all(forged.map((one) => server.sender("/scim/v2", one)<Body>("GET", "/Users")));
      for (const { status, headers, body } of answers) {
        expect(status).toBe(401);
        expect(headers.get("www-authenticate")).toMatch(/^Bearer/);
        expect(body.detail).not.toMatch(/expired/);
        expect(body.detail).toBe(answers[0]!.body.detail);
        expect(JSON.stringify(body)).not.toContain(tenant.slug);
      }
    });
  });
});

/** Everybody is due the tier. */
async function defaultTier(api: TestServer["operator"], tier: string): Promise<void> {
  const { body } = await api<Body>("GET", "/mapping");
  const answer = await api("PUT", "/mapping", { ...body, defaults: { ...body.defaults, tier } });
  expect(answer.status).toBeLessThan(300);
}
