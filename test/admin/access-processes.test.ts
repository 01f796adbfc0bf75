/** ROL-4: what one process has changed, another answers by, from the moment on that the change was answered. */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Started, startProcess } from "../cli/process.ts";
import { describeOn, openTestDatabase, type TestDatabase } from "../helpers/database.ts";

const usher = "urn:ietf:params:scim:schemas:extension:usher:2.0:User";

describeOn("postgres", "two server processes on one database", () => {
  let test: TestDatabase;
  let servers: Started[];
  let tokens: { api: string; scim: string };

  beforeAll(async () => {
    test = await openTestDatabase("postgres");
    const operator = `operator-${randomBytes(24).toString("hex")}`;
    const env = {
      DATABASE_URL: test.url!,
      USHER_SECRET: randomBytes(32).toString("hex"),
      USHER_OPERATOR_TOKEN: operator,
      USHER_RATE_LIMIT: "0",
    };
    servers = await Promise.all([startProcess(env), startProcess(env)]);
    const body = { name: "Omni", preset: "power-omni", seats: { licensed: 1 } };
    const { adminToken } = (await send(0, operator, "POST", "/api/v1/tenants", body)).body;
    const minted = await send(0, adminToken, "POST", "/api/v1/tokens", { label: "idp", scopes: ["scim"] });
    tokens = { api: adminToken, scim: minted.body.token };
  });
  afterAll(async () => {
    for (const server of servers) server.kill("SIGTERM");
    await Promise.all(servers.map((server) => server.finished));
    await test.dispose();
  });

  async function send(at: number, token: string, method: string, path: string, body?: unknown) {
    const response = await fetch(servers[at]!.origin + path, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects.
    return { status: response.status, body: (text === "" ? undefined : JSON.parse(text)) as any };
  }

  /** A change through the first process, answered by the second, back and forth. */
  const change = async (method: string, path: string, body?: unknown, token = tokens.api) => {
    const answer = await send(0, token, method, path, body);
    expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300);
    return answer.body;
  };
  const ask = async (id: string, name = "sign-in", resource: object = { type: "application", id: "x" }) => {
    const body = { subject: { type: "user", id }, action: { name }, resource };
    return (await send(1, tokens.api, "POST", "/access/v1/evaluation", body)).body;
  };
  let people = 0;
  const aPerson = async (extension: object = { licenseTier: "licensed" }): Promise<string> => {
    const doc = { userName: `p${people++}@example.com`, active: true, [usher]: extension };
    return (await change("POST", "/scim/v2/Users", doc, tokens.scim)).id;
  };

  const rounds = 12;

  it("a role that is pinned and unpinned", { timeout: 60_000 }, async () => {
    const id = await aPerson();
    for (let round = 0; round < rounds; round++) {
      await change("PATCH", `/api/v1/users/${id}`, { role: "collaborator" });
      expect([round, (await ask(id, "agents.manage")).decision]).toEqual([round, true]);
      await change("PATCH", `/api/v1/users/${id}`, { role: null });
      expect([round, (await ask(id, "agents.manage")).decision]).toEqual([round, false]);
    }
    await change("DELETE", `/api/v1/users/${id}`);
    expect(await ask(id)).toMatchObject({ decision: false, context: { status: "inactive", role: null } });
  });

  it("the permissions of a role", { timeout: 60_000 }, async () => {
    const id = await aPerson({ licenseTier: "licensed", role: "collaborator" });
    const before = (await ask(id)).context.permissions;
    for (let round = 0; round < rounds; round++) {
      await change("PATCH", "/api/v1/roles/collaborator", { permissions: ["connectors.manage"] });
      expect([round, (await ask(id, "agents.manage")).decision]).toEqual([round, false]);
      await change("PATCH", "/api/v1/roles/collaborator", { permissions: ["agents.manage", "invoices.read"] });
      expect([round, (await ask(id, "invoices.read")).decision]).toEqual([round, true]);
    }
    await change("PATCH", "/api/v1/roles/collaborator", {
      permissions: before.filter((name: string) => name !== "agents.use"),
    });
    await change("DELETE", `/api/v1/users/${id}`);
  });

  it("a seat that passes from one to another, where signing in needs it (P-10)", { timeout: 60_000 }, async () => {
    const [one, other] = [await aPerson(), await aPerson()];
    const signIns = async () => [(await ask(one)).decision, (await ask(other)).decision];
    expect(await signIns()).toEqual([true, false]);
    for (let round = 0; round < rounds; round++) {
      const [holder, waiting] = round % 2 === 0 ? [one, other] : [other, one];
      await change("PATCH", `/api/v1/users/${holder}`, { tier: "none" });
      expect([round, await signIns()]).toEqual([round, round % 2 === 0 ? [false, true] : [true, false]]);
      await change("PATCH", `/api/v1/users/${holder}`, { tier: "licensed" });
      expect((await ask(waiting)).decision).toBe(true);
    }
    await change("PATCH", "/api/v1/settings", { licenseRequired: false });
    expect(await signIns()).toEqual([true, true]);
    await change("PATCH", "/api/v1/settings", { licenseRequired: true });
    expect((await signIns()).toSorted()).toEqual([false, true]);
    for (const id of [one, other]) await change("DELETE", `/api/v1/users/${id}`);
  });

  it("a leaver, by the client's word and an Admin's", { timeout: 60_000 }, async () => {
    const id = await aPerson();
    for (let round = 0; round < rounds; round++) {
      await change("PATCH", `/api/v1/users/${id}`, { suspended: round % 2 === 0 });
      expect([round, (await ask(id)).decision]).toEqual([round, round % 2 === 1]);
    }
    const patch = (active: boolean) => {
      const schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
      const body = { schemas, Operations: [{ op: "replace", path: "active", value: active }] };
      return change("PATCH", `/scim/v2/Users/${id}`, body, tokens.scim);
    };
    for (let round = 0; round < rounds; round++) {
      await patch(round % 2 === 1);
      expect([round, (await ask(id)).decision]).toEqual([round, round % 2 === 1]);
    }
    await change("DELETE", `/api/v1/users/${id}`);
  });

  it("an agent that is granted and taken back (P-6)", { timeout: 60_000 }, async () => {
    const id = await aPerson();
    const agent = (await change("POST", "/api/v1/teams", { kind: "agent", name: "Helper" })).id;
    const desk = (await change("POST", "/api/v1/teams", { kind: "workspace", name: "Desk" })).id;
    const uses = async () => (await ask(id, "agents.use", { type: "agent", id: agent })).decision;
    await change("POST", `/api/v1/teams/${agent}/grants`, { teams: [desk] });
    for (let round = 0; round < rounds; round++) {
      await change("POST", `/api/v1/teams/${desk}/members`, { users: [id] });
      expect([round, await uses()]).toEqual([round, true]);
      await change("DELETE", `/api/v1/teams/${desk}/members?users=${id}`);
      expect([round, await uses()]).toEqual([round, false]);
    }
    await change("DELETE", `/api/v1/users/${id}`);
  });

  it("a token that is revoked asks nothing more, though the other process has just heard it", async () => {
    const id = await aPerson();
    for (let round = 0; round < rounds; round++) {
      const minted = await change("POST", "/api/v1/tokens", { label: "product", scopes: ["access"] });
      const body = { subject: { type: "user", id }, action: { name: "sign-in" } };
      const asked = () => send(1, minted.token, "POST", "/access/v1/evaluation", body);
      expect([(await asked()).status, (await asked()).status]).toEqual([200, 200]);
      await change("DELETE", `/api/v1/tokens/${minted.id}`);
      expect([round, (await asked()).status]).toEqual([round, 401]);
    }
  });
});
