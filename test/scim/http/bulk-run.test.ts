/** RFC 7644 §3.7.3: how a Bulk goes on and when it ends, and that its operations are worth what single requests are. */
import { request } from "node:http";
import { beforeEach, describe, expect, it } from "vitest";
import { operator } from "../../../src/auth/principal.ts";
import { RateLimiter } from "../../../src/auth/rate-limiter.ts";
import { unavailable } from "../../../src/db/constraints.ts";
import type { Statement } from "../../../src/db/database.ts";
import type { Exchange } from "../../../src/db/provisioning-log.ts";
import type { OpenDatabase } from "../../../src/db/transactions.ts";
import { mintToken, type NewToken } from "../../../src/provisioning/tokens.ts";
import { describeOnBoth } from "../../helpers/database.ts";
import { eventually } from "../../helpers/races.ts";
import { BULK_REQUEST, bulk, idOf, post, sendBulk, statuses } from "./bulk.ts";
import { aGroup, aUser, type Client, ENTERPRISE_USER, openDoor, PATCH_OP, toClient, USHER_USER } from "./door.ts";

const wanting = (change: object) => aUser({ [USHER_USER]: change });
const retitle = (id: string, title: string) => ({
  method: "PATCH",
  path: `/Users/${id}`,
  data: { schemas: [PATCH_OP], Operations: [{ op: "replace", path: "title", value: title }] },
});
const range = (count: number) => Array.from({ length: count }, (_, at) => at);

describeOnBoth("a Bulk of creates", (getDb) => {
  const door = openDoor(getDb);
  const total = async (client: Client) => (await client.get("/Users?count=0")).body.totalResults;

  it("has executed nothing beyond the last error that is accepted, however large its batches", async () => {
    const client = await door.tenant();
    await bulk(client, [
      post("/Users", "a", aUser({ userName: "taken-1" })),
      post("/Users", "b", aUser({ userName: "taken-2" })),
    ]);
    const named = (at: number) => (at === 99 ? "Taken-1" : at === 199 ? "TAKEN-2" : `new-${at}`);
    const operations = range(300).map((at) => post("/Users", `b${at}`, aUser({ userName: named(at) })));
    const stopped = await bulk(client, operations, { failOnErrors: 2 });
    expect(stopped).toHaveLength(200);
    expect(statuses(stopped).filter((status) => status !== "201")).toEqual(["409", "409"]);
    expect(stopped[199]).toMatchObject({ bulkId: "b199", status: "409", response: { scimType: "uniqueness" } });
    expect(await total(client)).toBe(2 + 198);
    expect(await bulk(client, operations.slice(200), { failOnErrors: 3 })).toHaveLength(100);
  });

  it("gives seats in the order of the operations, and queues the others in that order (LIC-3, LIC-4)", async () => {
    const client = await door.tenant({ seats: { standard: 3 } });
    const ended = await bulk(
      client,
      range(40).map((at) => post("/Users", `b${at}`, wanting({ licenseTier: "standard" }))),
    );
    const licenses = await Promise.all(
      ended.map(async (one) => (await client.get(`/Users/${idOf(one)}`)).body[USHER_USER].license),
    );
    expect(licenses.slice(0, 3)).toEqual(
      Array(3).fill(expect.objectContaining({ tier: "standard", status: "assigned" })),
    );
    expect(licenses.slice(3).map(({ status, position }) => [status, position])).toEqual(
      range(37).map((at) => ["waitlisted", at + 1]),
    );
  });

  it("refuses each for whom a pool that refuses has no seat, and creates nothing of them (LIC-3)", async () => {
    const client = await door.tenant({ seats: { standard: 3 }, whenFull: "refuse" });
    const operations = range(10).map((at) => post("/Users", `b${at}`, wanting({ licenseTier: "standard" })));
    const ended = await bulk(client, operations);
    expect(statuses(ended)).toEqual([...Array(3).fill("201"), ...Array(7).fill("403")]);
    const facts = ended[9]?.response["urn:ietf:params:scim:schemas:extension:usher:2.0:Error"];
    expect(facts).toMatchObject({ code: "LIC-3", pool: "standard", purchased: 3, used: 3 });
    expect(await total(client)).toBe(3);
  });

  it("mixes plain users with those of whom more is to be said, in their order", async () => {
    const client = await door.tenant({ seats: { standard: 2 } });
    const ended = await bulk(client, [
      ...range(6).map((at) => post("/Users", `p${at}`, aUser())),
      post("/Users", "admin", wanting({ role: "admin", licenseTier: "standard" })),
      post("/Users", "unknown", wanting({ role: "nobody's" })),
      post("/Users", "password", aUser({ password: "correct horse battery staple" })),
      post("/Users", "invalid", aUser({ emails: 7 })),
      ...range(6).map((at) => post("/Users", `q${at}`, wanting({ licenseTier: "standard" }))),
    ]);
    expect(statuses(ended)).toEqual([...Array(6).fill("201"), "403", "400", "201", "400", ...Array(6).fill("201")]);
    expect(await total(client)).toBe(13);
  });

  it("resolves what a batch refers to, and breaks the batch where it refers to itself", async () => {
    const client = await door.tenant();
    const managed = (by: string) => aUser({ [ENTERPRISE_USER]: { manager: { value: by } } });
    const ended = await bulk(client, [
      post("/Users", "ceo", aUser()),
      ...range(20).map((at) => post("/Users", `vp${at}`, managed("bulkId:ceo"))),
      ...range(20).map((at) => post("/Users", `m${at}`, managed(`bulkId:vp${at}`))),
    ]);
    expect(new Set(statuses(ended))).toEqual(new Set(["201"]));
    const manager = (await client.get(`/Users/${idOf(ended[40])}`)).body[ENTERPRISE_USER].manager.value;
    expect(manager).toBe(idOf(ended[20]));
  });
});

describeOnBoth("a Bulk as a sequence of requests", (getDb) => {
  const door = openDoor(getDb);

  it("gains nothing by its order: to grant, act and revoke in one request makes nobody an Admin (GRD-2)", async () => {
    const client = await door.tenant({ mapping: { groups: [{ match: { displayName: "Admins" }, role: "admin" }] } });
    const ended = await bulk(client, [
      post("/Groups", "admins", aGroup({ displayName: "Admins", members: [{ value: "bulkId:mallory" }] })),
      post("/Users", "mallory", aUser({ userName: "mallory" })),
      post("/Users", "friend", wanting({ role: "admin" })),
      {
        method: "PATCH",
        path: "/Users/bulkId:mallory",
        data: { Operations: [{ op: "add", path: `${USHER_USER}:role`, value: "admin" }] },
      },
      { method: "DELETE", path: "/Groups/bulkId:admins" },
    ]);
    expect(statuses(ended)).toEqual(["201", "201", "403", "403", "204"]);
    const events = await getDb().run<{ action: string; after: { role?: string } }>(
      getDb()
        .build.selectFrom("events")
        .select(["action", "after"])
        .where("tenant_id", "=", client.tenantId)
        .orderBy("id"),
    );
    expect(events.filter(({ action }) => action === "promotion.requested")).toHaveLength(3);
    expect(events.filter(({ action, after }) => action.startsWith("user.") && after?.role === "admin")).toEqual([]);
  });

  /** A client that acts for an Admin, beside another Admin. */
  async function actingForAnAdmin() {
    const { tenantId, baseUrl } = await door.tenant();
    const context = { principal: operator(tenantId), requestId: "test", door: "cli" as const };
    const mint = async (token: Omit<NewToken, "label" | "scopes">) =>
      toClient(
        baseUrl,
        tenantId,
        (await mintToken(door.deps, context, { label: "test", scopes: ["scim"], ...token })).token,
      );
    const connection = await mint({ role: "admin" });
    const [person] = await bulk(connection, [
      post("/Users", "p", wanting({ role: "admin" })),
      post("/Users", "q", wanting({ role: "admin" })),
    ]);
    return { connection, person: idOf(person), client: await mint({ role: "admin", userId: idOf(person) }) };
  }

  it("acts with the authority that it has left: who demotes themselves makes nobody an Admin after that (GRD-9)", async () => {
    const { client, person } = await actingForAnAdmin();
    const demote = { op: "replace", path: `${USHER_USER}:role`, value: "user" };
    const ended = await bulk(client, [
      post("/Users", "before", wanting({ role: "admin" })),
      { method: "PATCH", path: `/Users/${person}`, data: { Operations: [demote] } },
      post("/Users", "after", wanting({ role: "admin" })),
    ]);
    expect(statuses(ended)).toEqual(["201", "200", "403"]);
  });

  it("ends where its credential does: each operation of a person asks whether that person is active (LIF-1)", async () => {
    const { client, connection, person } = await actingForAnAdmin();
    const leave = { op: "replace", path: "active", value: false };
    const ended = await bulk(client, [
      post("/Users", "before", aUser()),
      { method: "PATCH", path: `/Users/${person}`, data: { Operations: [leave] } },
      ...range(5).map((at) => post("/Users", `after-${at}`, aUser({ userName: `after-${at}` }))),
    ]);
    expect(statuses(ended)).toEqual(["201", "200", ...Array(5).fill("401")]);
    expect((await connection.get('/Users?filter=userName+sw+"after-"')).body.totalResults).toBe(0);
  });

  it("is refused whole where the credential is gone before it begins", async () => {
    const client = await door.tenant();
    expect((await client.get("/Users")).status).toBe(200);
    await getDb().run(getDb().build.deleteFrom("tokens").where("tenant_id", "=", client.tenantId));
    expect((await sendBulk(client, [post("/Users", "b", aUser())])).status).toBe(401);
  });
});

describeOnBoth("a Bulk on a database that fails", (getDb) => {
  /** What becomes of a statement: by its name and how many of that name came before. */
  let fate: (statement: string, before: number) => Error | undefined | Promise<undefined> = () => undefined;
  const counts = new Map<string, number>();
  const check = async ({ name }: Statement) => {
    const before = counts.get(name) ?? 0;
    counts.set(name, before + 1);
    const error = await fate(name, before);
    if (error !== undefined) throw error;
  };
  const db = new Proxy({} as OpenDatabase, {
    get(_, member: keyof OpenDatabase) {
      if (member === "transaction") {
        return async (body: Parameters<OpenDatabase["transaction"]>[0]) => {
          await check({ name: "transaction", text: "" });
          return await getDb().transaction(body);
        };
      }
      if (member !== "query") return getDb()[member];
      return async (statement: Statement, values: readonly unknown[]) => {
        await check(statement);
        return await getDb().query(statement, values);
      };
    },
  });
  const logged: object[] = [];
  const quiet = () => {};
  const log = { info: quiet, warn: quiet, error: (fields: object) => logged.push(fields) };
  let noticed: (exchange: Exchange) => void = quiet;
  const provisioningLog = { record: (exchange: Exchange) => noticed(exchange) };
  const door = openDoor(getDb, { db, log, provisioningLog });

  beforeEach(() => {
    fate = () => undefined;
    noticed = quiet;
    counts.clear();
    logged.length = 0;
  });

  const away = () => unavailable("The database cannot answer right now; try again.");

  async function retitling(count: number) {
    const client = await door.tenant();
    const users = await bulk(
      client,
      range(count).map((at) => post("/Users", `b${at}`, aUser())),
    );
    counts.clear();
    return { client, operations: users.map((one, at) => retitle(idOf(one), `new ${at}`)) };
  }

  const titles = async (client: Client) =>
    (await client.get("/Users")).body.Resources.map(({ title }: { title?: string }) => title);

  it("answers 503 to the operation that it could not serve, and goes on", async () => {
    const { client, operations } = await retitling(4);
    fate = (name, before) => (name === "users_update" && before === 1 ? away() : undefined);
    const ended = await bulk(client, operations);
    expect(statuses(ended)).toEqual(["200", "503", "200", "200"]);
    expect(ended[1]?.response).toMatchObject({ status: "503", detail: expect.stringContaining("try again") });
    expect(await titles(client)).toEqual(["new 0", undefined, "new 2", "new 3"]);
  });

  it("tries no more once the database is away, and does not pretend to have", async () => {
    const { client, operations } = await retitling(6);
    fate = (name, before) => (name === "users_update" && before >= 2 ? away() : undefined);
    const ended = await bulk(client, operations);
    expect(statuses(ended)).toEqual(["200", "200", "503", "503", "503", "503"]);
    expect(counts.get("users_update")).toBe(4);
    expect(ended[5]?.response.detail).toMatch(/^Not tried: /);
    fate = () => undefined;
    expect(await titles(client)).toEqual(["new 0", "new 1", undefined, undefined, undefined, undefined]);
  });

  it("answers 500 to an operation whose error nobody foresaw, logs the reason, and goes on", async () => {
    const { client, operations } = await retitling(3);
    fate = (name, before) => (name === "users_update" && before === 1 ? new TypeError("secret reason") : undefined);
    const answer = await sendBulk(client, operations);
    expect(answer.status).toBe(200);
    expect(statuses(answer.body.Operations)).toEqual(["200", "500", "200"]);
    expect(answer.text).not.toContain("secret reason");
    expect(logged).toMatchObject([{ operation: 1, err: { message: "secret reason" } }]);
  });

  const circle = ["b", "a"].map((by, at) =>
    post("/Users", "ab"[at] as string, aUser({ [ENTERPRISE_USER]: { manager: { value: `bulkId:${by}` } } })),
  );

  it("undoes a circle whose second half it could not serve", async () => {
    const client = await door.tenant();
    fate = (name) => (name === "users_update" ? away() : undefined);
    const ended = await bulk(client, [...circle, post("/Users", "c", aUser())]);
    expect(statuses(ended)).toEqual(["503", "400", "201"]);
    expect(ended[0]).not.toHaveProperty("location");
    expect(await titles(client)).toHaveLength(1);
  });

  it("says what it could not undo, and where that is", async () => {
    const client = await door.tenant();
    fate = (name) => (name === "users_update" || name === "transaction" ? away() : undefined);
    const ended = await bulk(client, circle);
    fate = () => undefined;
    expect(statuses(ended)).toEqual(["503", "503"]);
    for (const one of ended) {
      expect(one.response.detail).toMatch(/^Created only in part, .* and not removed again: /);
      expect((await client.get(`/Users/${idOf(one)}`)).status).toBe(200);
    }
  });

  it("begins no further operation for a client that has left, and finishes the one it is at", async () => {
    const { client, operations } = await retitling(4);
    const reached = Promise.withResolvers<void>();
    const seen = Promise.withResolvers<Exchange>();
    noticed = (exchange) => seen.resolve(exchange);
    fate = async (name, before) => {
      if (name !== "users_update" || before !== 1) return undefined;
      reached.resolve();
      await seen.promise;
      return undefined;
    };
    const headers = { Authorization: `Bearer ${client.token}`, "Content-Type": "application/scim+json" };
    const sent = request(`${client.baseUrl}/Bulk`, { method: "POST", headers });
    sent.on("error", () => {});
    sent.end(JSON.stringify({ schemas: [BULK_REQUEST], Operations: operations }));
    await reached.promise;
    sent.destroy();
    // What the log is told is what had become of it by then.
    expect(await seen.promise).toMatchObject({ status: 499, answer: { statuses: { 200: 1 } } });
    await eventually(async () => (await titles(client))[1] !== undefined);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await titles(client)).toEqual(["new 0", "new 1", undefined, undefined]);
  });
});

describe("a Bulk where requests are counted", () => {
  describeOnBoth("each operation as one", (getDb) => {
    const door = openDoor(getDb, { limiter: new RateLimiter({ perSecond: 0.001, burst: 20 }) });

    it("leaves a debt that later requests wait for", async () => {
      const client = await door.tenant();
      expect(
        await bulk(
          client,
          range(15).map((at) => post("/Users", `b${at}`, aUser())),
        ),
      ).toHaveLength(15);
      await bulk(
        client,
        range(15).map((at) => post("/Users", `c${at}`, aUser())),
      );
      expect((await client.get("/Users")).status).toBe(429);
    });

    it("answers 413 to what no waiting lets through, and does nothing of it", async () => {
      const client = await door.tenant();
      expect(
        (
          await sendBulk(
            client,
            range(21).map((at) => post("/Users", `b${at}`, aUser())),
          )
        ).status,
      ).toBe(413);
      expect((await client.get("/Users")).body.totalResults).toBe(0);
    });
  });
});
