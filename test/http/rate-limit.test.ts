/** The rate limit over real HTTP: what a client that asks too much is told, at every door, and that waiting helps. */
import { Agent, request as httpRequest } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { RateLimiter } from "../../src/auth/rate-limiter.ts";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { type Answer, type Send, startServer, type TestServer } from "../helpers/server.ts";

const rate = { perSecond: 5, burst: 10 };
const clock = { nowMs: 0, stopped: true };

const access = {
  subject: { type: "user", id: "nobody@example.com" },
  action: { name: "sign-in" },
  resource: { type: "product", id: "usher" },
};

describeOnBoth("the rate limit", (getDb) => {
  let server: TestServer;
  const nowMs = () => (clock.stopped ? clock.nowMs : performance.now());
  beforeAll(async () => {
    server = await startServer(counting(getDb()), { limiter: new RateLimiter(rate, nowMs) });
  });
  afterAll(() => server.close());
  beforeEach(() => {
    clock.stopped = true;
    clock.nowMs += 3600_000;
  });

  /** Statements outside of transactions, by name; the provisioning log is written in the background. */
  let asked: string[] = [];
  const counting = (database: OpenDatabase): OpenDatabase => ({
    ...database,
    query(statement, values) {
      if (!statement.name.startsWith("provisioning_log")) asked.push(statement.name);
      return database.query(statement, values);
    },
  });

  const spend = async (send: Send, times: number, method = "GET", path = "/Users", body?: unknown) =>
    await Promise.all(Array.from({ length: times }, () => send(method, path, body)));
  const count = (answers: readonly Answer[], status: number) =>
    answers.filter((answer) => answer.status === status).length;

  it("answers a SCIM client 429 with a SCIM Error that says how long and how much", async () => {
    const { scim } = await server.tenant();
    const answers = await spend(scim, 25);
    expect([count(answers, 200), count(answers, 429)]).toEqual([10, 15]);
    const refused = answers.find(({ status }) => status === 429)!;
    expect(refused.headers.get("content-type")).toBe("application/scim+json");
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(refused.body).toMatchObject({
      schemas: expect.arrayContaining(["urn:ietf:params:scim:api:messages:2.0:Error"]),
      status: "429",
      detail:
        "This credential may send 5 requests a second, and 10 at once after a rest. Wait 1 second, then try again.",
    });
  });

  it("answers the management API and access evaluation with problem+json, each by its own count", async () => {
    const tenant = await server.tenant();
    const both = await tenant.mint({ label: "both", scopes: ["api", "access"], role: "admin" });
    const api = await spend(server.sender("/api/v1", both), 12, "GET", "/pools");
    const evaluations = await spend(server.sender("/access/v1", both), 12, "POST", "/evaluation", access);
    for (const answers of [api, evaluations]) {
      expect(count(answers, 429)).toBe(2);
      const refused = answers.find(({ status }) => status === 429)!;
      expect(refused.headers.get("content-type")).toBe("application/problem+json");
      expect(refused.headers.get("retry-after")).toBe("1");
      expect(refused.body).toMatchObject({ status: 429, code: "tooManyRequests", perSecond: 5, burst: 10 });
    }
  });

  it("lets the client through after the time that it was told, by the clock on the wall", async () => {
    clock.stopped = false;
    const { scim } = await server.tenant();
    let refused: Answer | undefined;
    for (let n = 0; refused === undefined; n++) {
      refused = (await spend(scim, 12)).find(({ status }) => status === 429);
      expect(n).toBeLessThan(50);
    }
    await sleep(Number(refused.headers.get("retry-after")) * 1_000);
    expect((await scim("GET", "/Users")).status).toBe(200);
  });

  it("counts requests that come at once, neither twice nor not at all", async () => {
    const { scim } = await server.tenant();
    expect(count(await spend(scim, 100), 200)).toBe(10);
    for (const passing of [5, 5, 5]) {
      clock.nowMs += 1_000;
      expect(count(await spend(scim, 40), 200)).toBe(passing);
    }
  });

  it("bounds a tenant whose tokens share the work, at four times the rate of one", async () => {
    const tenant = await server.tenant();
    const tokens = await Promise.all(
      Array.from({ length: 6 }, (_, n) => tenant.mint({ label: `token ${n}`, scopes: ["scim"], role: null })),
    );
    const answers = await Promise.all(tokens.map((token) => spend(server.sender("/scim/v2", token), 10)));
    expect(count(answers.flat(), 200)).toBe(40);
    const refused = (await tenant.scim("GET", "/Users")) as Answer<{ detail: string }>;
    expect(refused.status).toBe(429);
    expect(refused.body.detail).toMatch(/^All tokens of this tenant together may send 20 requests a second/);
    const other = await server.tenant();
    expect((await other.scim("GET", "/Users")).status).toBe(200);
  });

  it("does nothing of what it refuses, and does not ask the database about it", async () => {
    const { scim, id } = await server.tenant();
    await spend(scim, 10);
    expect((await scim("GET", "/Users")).status).toBe(429);
    asked = [];
    const user = { schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"], userName: "late@example.com" };
    expect(count(await spend(scim, 20, "POST", "/Users", user), 429)).toBe(20);
    expect(asked).toEqual([]);
    const statement = { name: "test_users", text: "select id from users where tenant_id = $1" };
    expect(await getDb().query(statement, [id])).toEqual([]);
  });

  it("keeps the connection open, also where the body of the refused request was not read", async () => {
    const { scimToken } = await server.tenant();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const send = () =>
      new Promise<{ status: number; port: number; connection: string | undefined }>((resolve, reject) => {
        const headers = { Authorization: `Bearer ${scimToken}`, "Content-Type": "application/scim+json" };
        const sent = httpRequest(`${server.origin}/scim/v2/Users`, { method: "POST", agent, headers }, (answer) => {
          const port = answer.socket.localPort ?? 0;
          const { statusCode = 0 } = answer;
          answer.resume().on("end", () => resolve({ status: statusCode, port, connection: answer.headers.connection }));
        });
        sent.on("error", reject).end(JSON.stringify({ filler: "x".repeat(200_000) }));
      });
    const answers = [];
    for (let n = 0; n < 14; n++) answers.push(await send());
    agent.destroy();
    expect(answers.map(({ status }) => status)).toEqual([...Array(10).fill(400), ...Array(4).fill(429)]);
    expect(new Set(answers.map(({ port }) => port)).size).toBe(1);
    expect(answers.at(-1)?.connection).toBe("keep-alive");
  });

  it("leaves probes and metrics alone", async () => {
    const anybody = server.sender("");
    for (const path of ["/healthz", "/readyz", "/metrics"]) {
      expect(count(await spend(anybody, 30, "GET", path), 200)).toBe(30);
    }
  });

  describe("on failed authentications", () => {
    it.each([
      ["/scim/v2", "GET", "/Users", undefined, "application/scim+json"],
      ["/api/v1", "GET", "/pools", undefined, "application/problem+json"],
      ["/access/v1", "POST", "/evaluation", access, "application/problem+json"],
    ])(
      "answers 429 at %s to whoever keeps guessing, and serves their neighbour",
      async (base, method, path, body, type) => {
        const tenant = await server.tenant();
        const answers = await spend(server.sender(base, "guessed"), 130, method, path, body);
        expect([count(answers, 401), count(answers, 429)]).toEqual([100, 30]);
        const refused = answers.find(({ status }) => status === 429)!;
        expect(refused.headers.get("retry-after")).toBe("1");
        expect(refused.headers.get("content-type")).toBe(type);
        expect(JSON.stringify(refused.body)).toContain("One address may fail to authenticate 20 times a second");
        // The same address, and no credential that this process has seen before.
        const token = await tenant.mint({ label: "neighbour", scopes: ["scim", "api", "access"], role: "admin" });
        expect((await server.sender(base, token)(method, path, body)).status).toBe(200);
        clock.nowMs += 1_000;
        expect(count(await spend(server.sender(base), 30, method, path, body), 401)).toBe(20);
      },
    );

    it("takes no address from X-Forwarded-For", async () => {
      const guess = server.sender("/scim/v2", "guessed");
      const answers = [];
      for (let n = 0; n < 110; n++) {
        answers.push(await guess("GET", "/Users", undefined, { "X-Forwarded-For": `203.0.113.${n}` }));
      }
      expect(count(answers, 429)).toBe(10);
    });
  });
});
