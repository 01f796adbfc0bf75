/** E-8: permissions that are limited to the own teams, on the management API. Access evaluation's part: access.test.ts. */
import { beforeEach, describe, expect, it } from "vitest";
import { changeGroup, createGroup } from "../../src/provisioning/groups.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aTenant, type CallOptions, call, type Server, startServer, type TestTenant } from "./api.ts";

const usher = "urn:ietf:params:scim:schemas:extension:usher:2.0:User";

describeOnBoth("E-8: who oversees a team sees the people of their teams and nobody else", (getDb) => {
  let server: Server;
  let tenant: TestTenant;
  let people: Record<"sue" | "anna" | "bob" | "nele" | "dan" | "rita", string>;
  let groups: Record<"sales" | "support" | "interns", string>;
  let token: string;

  const asSue = (operationId: string, options: CallOptions = {}) => call(server, operationId, { token, ...options });
  const namesOf = (body: { users: { userName: string }[] }) => body.users.map((user) => user.userName.split("@")[0]);
  const list = async (query: CallOptions["query"] = {}) => (await asSue("listUsers", { query })).body;

  beforeEach(async () => {
    server = startServer(getDb());
    tenant = await aTenant(server, { preset: "empower", seats: { standard: 10 } });
    const person = async (name: string, more: object = {}) =>
      (await tenant.user({ userName: `${name}@example.com`, ...more })).id;
    people = {
      sue: await person("sue", { [usher]: { role: "supervisor" } }),
      anna: await person("anna", { [usher]: { licenseTier: "standard" } }),
      bob: await person("bob"),
      nele: await person("nele"),
      dan: await person("dan", { active: false }),
      rita: await person("rita"),
    };
    const { sue, anna, bob, nele, dan } = people;
    const make = async (displayName: string, members: string[]) =>
      (await createGroup(server.deps, tenant.ctx, { displayName, members })).id;
    const interns = await make("Interns", [nele]);
    groups = { interns, sales: await make("Sales", [sue, anna, dan, interns]), support: await make("Support", [bob]) };
    token = await tenant.mint({ scopes: ["api"], role: "supervisor", userId: sue });
  });

  it("lists them, those of nested groups included, with a total that counts nobody else", async () => {
    const body = await list();
    expect(namesOf(body)).toEqual(["anna", "nele", "sue"]);
    expect(body.total).toBe(3);
  });

  it.each([
    [{ q: "example" }, ["anna", "nele", "sue"]],
    [{ q: "bob" }, []],
    [{ role: "user" }, ["anna", "nele"]],
    [{ tier: "standard" }, ["anna"]],
    [{ tier: "none" }, ["nele", "sue"]],
    [{ status: "active" }, ["anna", "nele", "sue"]],
    [{ status: "inactive" }, []],
    [{ team: "Support" }, []],
    [{ team: "Interns" }, ["nele"]],
    [{ limit: 1 }, ["anna"]],
  ])("however the list is filtered: %j finds %j", async (query, expected) => {
    const body = await list(query);
    expect(namesOf(body)).toEqual(expected);
    expect(body.total).toBe("limit" in query ? 3 : expected.length);
  });

  it("pages by cursor through them alone", async () => {
    const found: unknown[] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const body = await list({ limit: 1, ...(cursor === "" ? {} : { cursor }) });
      found.push(...namesOf(body));
      cursor = body.nextCursor;
    }
    expect(found).toEqual(["anna", "nele", "sue"]);
  });

  it.each(["getUser", "explainUser"])("%s answers of others as of nobody at all", async (operationId) => {
    for (const id of [people.anna, people.nele, people.sue]) {
      expect((await asSue(operationId, { params: { id } })).status).toBe(200);
    }
    const absent = "0190a0b0-0000-7000-8000-0000000000ff";
    const { status, body } = await asSue(operationId, { params: { id: absent } });
    expect(status).toBe(404);
    const { requestId: _own, ...missing } = body;
    for (const id of [people.bob, people.dan, people.rita]) {
      const { requestId: _other, ...hidden } = (await asSue(operationId, { params: { id } })).body;
      expect(hidden).toEqual({ ...missing, detail: missing.detail.replace(absent, id) });
    }
  });

  it("counts nobody else anywhere: numbers of the tenant, roles' holders, the log are not theirs", async () => {
    for (const operationId of ["getOverview", "listEvents", "listProvisioningLog", "listPools"]) {
      const { status, body } = await asSue(operationId);
      expect([operationId, status, body.code]).toEqual([operationId, 403, "forbidden"]);
    }
  });

  it("exports, reports on and relates them alone", async () => {
    const { body: csv } = await asSue("exportUsers");
    for (const [name, isThere] of Object.entries({ anna: true, nele: true, sue: true, bob: false, rita: false })) {
      expect([name, String(csv).includes(`${name}@example.com`)]).toEqual([name, isThere]);
    }
    for (const report of ["reportNotSeen", "reportNotReviewed", "reportAgentsWithoutQueue", "reportLeastPrivilege"]) {
      const { status, body } = await asSue(report);
      expect([report, status]).toEqual([report, 200]);
      for (const id of [people.bob, people.dan, people.rita]) expect(JSON.stringify(body)).not.toContain(id);
    }
    const relationships = (id: string) => asSue("getRelationships", { params: { id } });
    expect((await relationships(people.anna)).status).toBe(200);
    expect((await relationships(people.bob)).status).toBe(404);
    const { body } = await asSue("listTeams");
    expect(body.teams.map(({ name }: { name: string }) => name)).toEqual(["Sales"]);
  });

  it("E-7: turns call analysis on and off for them, and for nobody else, and changes nothing else", async () => {
    const set = (id: string, body: object) => asSue("changeUser", { params: { id }, body });
    const shown = async (id: string) => (await tenant.call("getUser", { params: { id } })).body.callAnalysis;
    for (const callAnalysis of [true, false]) {
      expect((await set(people.anna, { callAnalysis })).body.callAnalysis).toBe(callAnalysis);
      expect(await shown(people.anna)).toBe(callAnalysis);
    }
    for (const id of [people.bob, people.rita, people.dan]) {
      const before = await shown(id);
      const { status, body } = await set(id, { callAnalysis: true });
      expect([status, body.code, await shown(id)]).toEqual([404, "notFound", before]);
    }
    for (const change of [{ role: "user" }, { suspended: true }, { tier: "standard" }, { displayName: "X" }]) {
      const { status, body } = await set(people.anna, { callAnalysis: true, ...change });
      expect([change, status, body.code]).toEqual([change, 403, "forbidden"]);
    }
    expect(await shown(people.anna)).toBe(false);
    const plain = await tenant.mint({ scopes: ["api"], role: "user", userId: people.anna });
    const params = { id: people.anna };
    expect((await call(server, "changeUser", { token: plain, params, body: { callAnalysis: true } })).status).toBe(403);
  });

  it("changes with the teams, from the next request on", async () => {
    const { sue, bob } = people;
    await changeGroup(server.deps, tenant.ctx, groups.support, [{ add: [sue] }]);
    expect(namesOf(await list())).toEqual(["anna", "bob", "nele", "sue"]);
    expect((await asSue("getUser", { params: { id: bob } })).status).toBe(200);
    await tenant.call("changeUser", { params: { id: bob }, body: { suspended: true } });
    expect(namesOf(await list())).toEqual(["anna", "nele", "sue"]);
    expect((await asSue("getUser", { params: { id: bob } })).status).toBe(404);
  });

  it("reaches nobody through a token that acts for nobody, whoever issued it", async () => {
    const orphan = await tenant.mint({ scopes: ["api"], role: "supervisor" });
    const { body } = await call(server, "listUsers", { token: orphan });
    expect([body.users, body.total]).toEqual([[], 0]);
    const params = { id: people.anna };
    expect((await call(server, "getUser", { token: orphan, params })).status).toBe(404);
  });

  it("is the lesser of what the token's role and the person's reach", async () => {
    const strong = await tenant.mint({ scopes: ["api"], role: "admin", userId: people.sue });
    const { body } = await call(server, "listUsers", { token: strong });
    expect(namesOf(body)).toEqual(["anna", "nele", "sue"]);
    await tenant.call("changeUser", { params: { id: people.rita }, body: { role: "admin" } });
    const weak = await tenant.mint({ scopes: ["api"], role: "supervisor", userId: people.rita });
    expect((await call(server, "listUsers", { token: weak })).body.users).toEqual([]);
  });

  it("ends where the permission is held for all: an own role with both sees everybody", async () => {
    const body = { key: "auditor", name: "Auditor", rank: 60, permissions: ["users.read", "users.read:own-teams"] };
    expect((await tenant.call("createRole", { body })).status).toBe(201);
    const all = await tenant.mint({ scopes: ["api"], role: "auditor" });
    expect((await call(server, "listUsers", { token: all })).body.total).toBe(6);
  });

  it("however people came into teams, the list, a single person and access evaluation agree on who is reached", async () => {
    const pick = seeded(4);
    let reached = 0;
    for (let world = 0; world < 4; world++) {
      const other = await aTenant(server, { preset: "empower" });
      const ids: string[] = [];
      for (let at = 0; at < 7; at++) {
        const extension = { role: "supervisor" };
        const active = pick(6) > 0;
        ids.push((await other.user({ userName: `p${at}@example.com`, active, [usher]: extension })).id);
      }
      const some = (of: readonly string[]) => of.filter(() => pick(3) === 0);
      const groups: string[] = [];
      for (let at = 0; at < 5; at++) {
        // A group that came later holds some that were there before: nesting without circles.
        const members = [...some(ids), ...some(groups)];
        groups.push((await createGroup(server.deps, other.ctx, { displayName: `G${at}`, members })).id);
      }
      const entry = (at: number) => ({ match: { displayName: `G${at}` }, team: { name: `T${at % 2}` } });
      const mapped = [entry(pick(5)), { match: { displayName: "G9" }, team: { name: "T9" } }];
      await other.call("saveMapping", { body: { groups: mapped, rules: [], defaults: { role: "user" } } });
      await other.reconcile();
      for (const kind of ["workspace", "agent", "queue"]) {
        const { body } = await other.call("createTeam", { body: { kind, name: `By hand ${kind}` } });
        const users = some(ids);
        if (users.length > 0) await other.call("addTeamMembers", { params: { id: body.id }, body: { users } });
        if (pick(4) === 0) await other.call("changeTeam", { params: { id: body.id }, body: { archived: true } });
      }
      for (const person of ids) {
        const minted = await other.call("mintToken", {
          body: { label: "own", scopes: ["api"], role: "supervisor", userId: person },
        });
        if (minted.status !== 201) continue;
        const own = { token: minted.body.token };
        const listed = await call(server, "listUsers", own);
        if (listed.status === 401) continue;
        const inList = listed.body.users.map(({ id }: { id: string }) => id);
        const single = [];
        for (const id of ids)
          if ((await call(server, "getUser", { ...own, params: { id } })).status === 200) single.push(id);
        const evaluations = ids.map((id) => ({ resource: { type: "user", id } }));
        const subject = { type: "user", id: person };
        const { body } = await other.call("evaluateAccessBatch", {
          body: { subject, action: { name: "calls.read" }, evaluations },
        });
        const asked = ids.filter((_id, at) => body.evaluations[at].decision);
        expect([world, inList.toSorted(), listed.body.total]).toEqual([world, single.toSorted(), single.length]);
        expect([world, asked]).toEqual([world, single]);
        reached += single.length;
      }
    }
    expect(reached).toBeGreaterThan(20);
  });

  describe("of another tenant", () => {
    it("nobody is seen, whatever the teams are called", async () => {
      const other = await aTenant(server, { preset: "empower" });
      const foreign = await other.user({ userName: "foreign@example.com" });
      await createGroup(server.deps, other.ctx, { displayName: "Sales", members: [foreign.id] });
      expect(namesOf(await list({ team: "Sales" }))).toEqual(["anna", "nele", "sue"]);
      expect((await asSue("getUser", { params: { id: foreign.id } })).status).toBe(404);
    });
  });
});

/** Numbers below a bound that are the same in every run. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
}
