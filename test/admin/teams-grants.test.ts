import { beforeEach, describe, expect, it } from "vitest";
import { createGroup } from "../../src/provisioning/groups.ts";
import { saveMapping } from "../../src/provisioning/mapping.ts";
import { findVisibleAgents } from "../../src/provisioning/teams-agents.ts";
import { changeUser, deleteUser } from "../../src/provisioning/users.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { type Answer, aTenant, type Server, startServer, type TestTenant } from "./api.ts";

const usher = "urn:ietf:params:scim:schemas:extension:usher:2.0:User";
const absent = "0190a0b0-0000-7000-8000-0000000000ff";

describeOnBoth("grants of agents, and relationships", (getDb) => {
  let server: Server;
  let tenant: TestTenant;
  let agent: string;
  let ada: string;
  let product: string;
  beforeEach(async () => {
    server = startServer(getDb());
    tenant = await aTenant(server, { preset: "power-omni", seats: { licensed: 20 } });
    product = await tenant.mint({ scopes: ["access"], role: null });
    agent = await create("agent", "Concierge");
    ada = await person("ada");
  });

  const create = async (kind: string, name: string): Promise<string> => {
    const { status, body } = await tenant.call("createTeam", { body: { kind, name } });
    expect(status, JSON.stringify(body)).toBe(201);
    return body.id;
  };
  const person = async (userName: string) => (await tenant.user({ userName, [usher]: { licenseTier: "licensed" } })).id;
  const join = (id: string, ...users: string[]) => tenant.call("addTeamMembers", { params: { id }, body: { users } });
  const grant = (to: { users?: readonly string[]; teams?: readonly string[] }, id = agent) =>
    tenant.call("grantAgent", { params: { id }, body: to });
  const revoke = (query: Record<string, string>, id = agent) => tenant.call("revokeAgent", { params: { id }, query });
  const ask = async (user: string, id: string) => {
    const body = {
      subject: { type: "user", id: user },
      action: { name: "agents.use" },
      resource: { type: "agent", id },
    };
    return (await tenant.call("evaluateAccess", { token: product, body })).body;
  };
  const sees = async (user: string, id = agent): Promise<boolean> => (await ask(user, id)).decision;
  const why = async (user: string) => (await ask(user, agent)).context.reason;
  const archive = (id: string, archived: boolean) => tenant.call("changeTeam", { params: { id }, body: { archived } });
  const relationships = async (id: string) => (await tenant.call("getRelationships", { params: { id } })).body;
  const codes = ({ status, body }: Answer) => [status, body?.code];
  const outcomes = ({ body }: Answer) => body.grants.map((one: { outcome: string }) => one.outcome);

  it("P-6: nobody sees an agent without a grant, an Admin neither", async () => {
    const boss = await person("boss");
    await tenant.call("changeUser", { params: { id: boss }, body: { role: "administrator" } });
    expect([await sees(ada), await sees(boss)]).toEqual([false, false]);
    expect(await findVisibleAgents(getDb(), tenant.id, boss)).toEqual([]);
  });

  it("P-6: a grant to a person, a team or a workspace shows the agent to whom it reaches, and nobody else", async () => {
    const [eve, bob, eva] = [await person("eve"), await person("bob"), await person("eva")];
    const [team, workspace] = [await create("team", "Sales"), await create("workspace", "North")];
    await join(team, eve);
    await join(workspace, bob);
    expect(outcomes(await grant({ users: [ada], teams: [team, workspace] }))).toEqual([
      "granted",
      "granted",
      "granted",
    ]);
    expect([await sees(ada), await sees(eve), await sees(bob), await sees(eva)]).toEqual([true, true, true, false]);
    expect(await why(bob)).toBe('The agent "Concierge" is granted to the workspace "North", which the person is in.');
    expect(outcomes(await revoke({ users: ada, teams: `${team},${workspace}` }))).toEqual(Array(3).fill("removed"));
    expect([await sees(ada), await sees(eve), await sees(bob)]).toEqual([false, false, false]);
  });

  it("P-6: through a group's own team, one that the mapping names, and nested groups, from the moment they are in it", async () => {
    const inner = await createGroup(server.deps, tenant.ctx, { displayName: "Inner", members: [ada] });
    await createGroup(server.deps, tenant.ctx, { displayName: "Outer", members: [inner.id] });
    const own = (await tenant.call("listTeams", { query: { q: "outer" } })).body.teams[0].id;
    await grant({ teams: [own] });
    expect(await sees(ada)).toBe(true);
    await revoke({ teams: own });
    await saveMapping(server.deps, tenant.ctx, {
      groups: [{ match: { displayName: "Outer" }, team: { kind: "agent", name: "Concierge" } }],
      rules: [],
      defaults: { role: "user", tier: null },
      autoTeams: true,
    });
    expect([await sees(ada), await why(ada)]).toEqual([true, 'The person is a member of the agent "Concierge".']);
  });

  it("P-6: not through an archived team, of an archived agent, or while a person is out", async () => {
    const team = await create("team", "Sales");
    await join(team, ada);
    await grant({ teams: [team] });
    for (const id of [team, agent]) {
      await archive(id, true);
      expect(await sees(ada)).toBe(false);
      await archive(id, false);
      expect(await sees(ada)).toBe(true);
    }
    const set = (active: boolean) =>
      changeUser(server.deps, { ...tenant.ctx, door: "scim" }, ada, (doc) => ({ ...doc, active }));
    await set(false);
    expect(await sees(ada)).toBe(false);
    await set(true);
    expect(await sees(ada)).toBe(true);
  });

  it("P-6: what is no id, unknown or another tenant's is granted to nobody", async () => {
    await grant({ users: [ada] });
    const other = await aTenant(server);
    const { id: stranger } = await other.user({ userName: "stranger" });
    expect([await sees(ada, "no-id"), await sees(ada, absent), await sees("no-id"), await sees(absent)]).toEqual(
      Array(4).fill(false),
    );
    expect(await findVisibleAgents(getDb(), other.id, ada)).toEqual([]);
    expect(await findVisibleAgents(getDb(), other.id, stranger)).toEqual([]);
  });

  describe("grantAgent and revokeAgent", () => {
    it("say what became of each, and tell of what changed alone", async () => {
      const team = await create("team", "Sales");
      expect((await grant({ users: [ada], teams: [team] })).body.grants).toEqual([
        { to: { type: "user", value: ada }, outcome: "granted" },
        { to: { type: "team", value: team }, outcome: "granted" },
      ]);
      expect(outcomes(await grant({ users: [ada, ada] }))).toEqual(["already"]);
      expect(outcomes(await revoke({ users: `${ada},${absent}` }))).toEqual(["removed", "absent"]);
      expect(outcomes(await revoke({ users: ada }))).toEqual(["absent"]);
      const { body } = await tenant.call("listEvents", { query: { limit: 500 } });
      const told = body.events.filter((event: { action: string }) => event.action.startsWith("agent."));
      expect(told).toMatchObject([
        { action: "agent.granted", subject: { id: agent }, after: { name: "Concierge", users: [ada], teams: [team] } },
        { action: "agent.revoked", subject: { id: agent }, before: { users: [ada], teams: [] } },
      ]);
    });

    it("all or nobody: ids that name nobody, and kinds that take no grant", async () => {
      const [queue, other] = [await create("queue", "Support"), await create("agent", "Other")];
      for (const [to, attribute] of [
        [{ users: [ada, absent] }, "users"],
        [{ users: [ada], teams: [queue] }, "teams"],
        [{ users: [ada], teams: [other] }, "teams"],
        [{ users: [ada], teams: [agent] }, "teams"],
        [{ users: [ada], teams: [ada] }, "teams"],
        [{ users: [agent] }, "users"],
        [{ users: ["no-id"] }, "users"],
      ] as const) {
        const { status, body } = await grant(to);
        expect([status, body.code, body.attribute]).toEqual([400, "invalidValue", attribute]);
      }
      expect((await tenant.call("listGrants", { params: { id: agent } })).body.grants).toEqual([]);
      for (const body of [{}, { users: [], teams: [] }, { users: [ada], role: "x" }, { users: ada }]) {
        expect(codes(await tenant.call("grantAgent", { params: { id: agent }, body }))).toEqual([400, "invalidValue"]);
      }
      expect(codes(await revoke({}))).toEqual([400, "invalidValue"]);
    });

    it("are for agents alone, and for none that is archived", async () => {
      const team = await create("team", "Sales");
      for (const answer of [
        await grant({ users: [ada] }, team),
        await revoke({ users: ada }, team),
        await tenant.call("listGrants", { params: { id: team } }),
      ])
        expect(codes(answer)).toEqual([400, "invalidValue"]);
      await archive(agent, true);
      expect(codes(await grant({ users: [ada] }))).toEqual([409, "conflict"]);
      expect(outcomes(await revoke({ users: ada }))).toEqual(["absent"]);
    });

    it("P-4: a Collaborator grants agents, a User does not", async () => {
      const token = (role: string) => tenant.mint({ scopes: ["api"], role });
      const body = { users: [ada] };
      const params = { id: agent };
      const weak = await tenant.call("grantAgent", { params, body, token: await token("user") });
      expect(codes(weak)).toEqual([403, "forbidden"]);
      const { status } = await tenant.call("grantAgent", { params, body, token: await token("collaborator") });
      expect(status).toBe(200);
    });

    it("end with the agent, the team and the person", async () => {
      const team = await create("team", "Sales");
      const eve = await person("eve");
      await grant({ users: [ada, eve], teams: [team] });
      const list = async () => {
        const { body } = await tenant.call("listGrants", { params: { id: agent } });
        return body.grants.map((one: { to: { type: string; display: string } }) => `${one.to.type} ${one.to.display}`);
      };
      expect(await list()).toEqual(["user ada", "user eve", "team Sales"]);
      await tenant.call("deleteTeam", { params: { id: team } });
      await deleteUser(server.deps, tenant.ctx, eve);
      expect(await list()).toEqual(["user ada"]);
      await tenant.call("deleteTeam", { params: { id: agent } });
      expect((await relationships(ada)).agents).toEqual([]);
    });
  });

  it("listGrants: oldest first, in pages, with who granted and what is archived", async () => {
    const [team, workspace] = [await create("team", "Sales"), await create("workspace", "North")];
    await grant({ users: [ada] });
    await grant({ teams: [team, workspace] });
    await archive(workspace, true);
    const found = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const query = { limit: 2, ...(cursor === "" ? {} : { cursor }) };
      const { body } = await tenant.call("listGrants", { params: { id: agent }, query });
      found.push(...body.grants);
      cursor = body.nextCursor;
    }
    expect(found).toMatchObject([
      { to: { type: "user", value: ada, display: "ada" }, archived: false, grantedBy: { kind: "token" } },
      { to: { type: "team", display: "Sales" }, archived: false },
      { to: { type: "workspace", display: "North" }, archived: true },
    ]);
  });

  describe("getRelationships", () => {
    it("P-3: agents, teams, workspaces, queues and groups, each with what makes the link", async () => {
      const group = await createGroup(server.deps, tenant.ctx, { displayName: "Sales", members: [ada] });
      const [workspace, queue, old] = [
        await create("workspace", "North"),
        await create("queue", "Support"),
        await create("team", "Old"),
      ];
      for (const id of [workspace, queue, old]) await join(id, ada);
      await archive(old, true);
      await grant({ users: [ada], teams: [workspace] });
      expect(await relationships(ada)).toMatchObject({
        id: ada,
        status: "active",
        suspended: false,
        agents: [
          {
            value: agent,
            display: "Concierge",
            because: 'The agent "Concierge" is granted to the person.',
            paths: [
              { via: "user", team: null },
              { via: "team", team: { value: workspace, display: "North", kind: "workspace" } },
            ],
          },
        ],
        teams: [{ display: "Sales", sources: [{ kind: "group", group: { value: group.id }, entry: null }] }],
        workspaces: [{ value: workspace, sources: [{ kind: "manual", by: { label: expect.any(String) } }] }],
        queues: [{ value: queue }],
        groups: [{ value: group.id, display: "Sales", type: "direct" }],
        rememberedQueues: [],
      });
    });

    it("TEAM-4: of somebody who is out they stand and have no effect, and queues are remembered", async () => {
      const [team, queue] = [await create("team", "Sales"), await create("queue", "Support")];
      await join(team, ada);
      await join(queue, ada);
      await grant({ users: [ada] });
      const set = (active: boolean) =>
        changeUser(server.deps, { ...tenant.ctx, door: "scim" }, ada, (doc) => ({ ...doc, active }));
      await set(false);
      const out = await relationships(ada);
      expect(out).toMatchObject({
        status: "inactive",
        suspended: true,
        agents: [],
        queues: [],
        teams: [{ value: team }],
      });
      expect(out.rememberedQueues).toMatchObject([{ value: queue, display: "Support", archived: false }]);
      const restore = (body?: object) =>
        tenant.call("restoreQueues", { params: { id: ada }, ...(body === undefined ? {} : { body }) });
      expect(codes(await restore())).toEqual([409, "conflict"]);
      await set(true);
      expect((await relationships(ada)).queues).toEqual([]);
      expect(codes(await restore({ queues: [team] }))).toEqual([400, "invalidValue"]);
      expect(codes(await restore({ queues: [] }))).toEqual([400, "invalidValue"]);
      expect((await restore()).body.queues).toMatchObject([{ value: queue, outcome: "restored" }]);
      expect((await restore()).body.queues).toEqual([]);
      expect(await relationships(ada)).toMatchObject({ queues: [{ value: queue }], rememberedQueues: [] });
    });

    it("restoreQueues: whoever may not assign to queues restores none", async () => {
      const token = await tenant.mint({ scopes: ["api"], role: "collaborator" });
      expect(codes(await tenant.call("restoreQueues", { params: { id: ada }, token }))).toEqual([403, "forbidden"]);
    });

    it("E-8: a permission limited to own teams shows people of these teams alone", async () => {
      const lead = await person("lead");
      const team = await create("team", "Sales");
      await join(team, lead);
      await tenant.call("createRole", {
        body: { key: "lead", name: "Lead", rank: 20, permissions: ["users.read:own-teams"] },
      });
      await tenant.call("changeUser", { params: { id: lead }, body: { role: "lead" } });
      const token = await tenant.mint({ scopes: ["api"], role: "lead", userId: lead });
      const look = () => tenant.call("getRelationships", { params: { id: ada }, token });
      expect(codes(await look())).toEqual([404, "notFound"]);
      await join(team, ada);
      expect((await look()).status).toBe(200);
    });
  });
});
