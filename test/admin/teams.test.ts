import { beforeEach, describe, expect, it } from "vitest";
import { changeGroup, createGroup, deleteGroup } from "../../src/provisioning/groups.ts";
import { saveMapping } from "../../src/provisioning/mapping.ts";
import { changeUser } from "../../src/provisioning/users.ts";
import { filterToSql } from "../../src/scim/filter-sql.ts";
import { parseFilter } from "../../src/vocabulary/filter/index.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { type Answer, aTenant, type Server, startServer, type TestTenant } from "./api.ts";

const absent = "0190a0b0-0000-7000-8000-0000000000ff";

describeOnBoth("teams", (getDb) => {
  let server: Server;
  let tenant: TestTenant;
  beforeEach(async () => {
    server = startServer(getDb());
    tenant = await aTenant(server, { seats: { standard: 5 } });
  });

  const create = async (kind: string, name: string): Promise<string> => {
    const { status, body } = await tenant.call("createTeam", { body: { kind, name } });
    expect(status, JSON.stringify(body)).toBe(201);
    return body.id;
  };
  const person = async (userName: string, more = {}) => (await tenant.user({ userName, ...more })).id;
  const group = async (displayName: string, members: string[] = []) =>
    (await createGroup(server.deps, tenant.ctx, { displayName, members })).id;
  const map = async (change: object) => {
    const document = { groups: [], rules: [], defaults: { role: "user", tier: null }, autoTeams: true, ...change };
    await saveMapping(server.deps, tenant.ctx, document as Parameters<typeof saveMapping>[2]);
    await tenant.reconcile();
  };
  const add = (id: string, ...users: string[]) => tenant.call("addTeamMembers", { params: { id }, body: { users } });
  const remove = (id: string, ...users: string[]) =>
    tenant.call("removeTeamMembers", { params: { id }, query: { users: users.join(",") } });
  const members = async (id: string, query = {}) => {
    const { body } = await tenant.call("listTeamMembers", { params: { id }, query });
    return body.members;
  };
  const teamsOf = async (id: string) => {
    const { body } = await tenant.call("getUser", { params: { id } });
    const names = body.teams.map((team: { kind: string; display: string }) => `${team.kind} ${team.display}`);
    return names.toSorted();
  };
  /** How many people a client finds by this filter. */
  const matching = async (filter: string) => {
    const where = filterToSql("User", tenant.id, parseFilter("User", filter));
    const people = getDb()
      .build.selectFrom("users as u")
      .where("u.tenant_id", "=", tenant.id)
      .where(where)
      .select("u.id");
    return (await getDb().run(people)).length;
  };
  const change = (id: string, body: object) => tenant.call("changeTeam", { params: { id }, body });
  const list = async (query = {}) => {
    const { body } = await tenant.call("listTeams", { query });
    return body.teams.map((team: { kind: string; name: string }) => `${team.kind} ${team.name}`);
  };
  const codes = ({ status, body }: Answer) => [status, body?.code];
  /** What acts with a role of these permissions, for this person. */
  const acting = async (permissions: string[], userId?: string) => {
    const key = `role-${Math.random().toString(36).slice(2)}`;
    await tenant.call("createRole", { body: { key, name: key, rank: 20, permissions } });
    if (userId !== undefined) {
      const { status, body } = await tenant.call("changeUser", { params: { id: userId }, body: { role: key } });
      expect(status, JSON.stringify(body)).toBe(200);
    }
    const token = await tenant.mint({ scopes: ["api"], role: key, ...(userId === undefined ? {} : { userId }) });
    return (operation: string, options = {}) => tenant.call(operation, { token, ...options });
  };
  const eventsOf = async (subject: string) => {
    const { body } = await tenant.call("listEvents", { query: { limit: 500 } });
    return body.events.filter((event: { subject: { id: string } }) => event.subject.id === subject);
  };

  describe("createTeam", () => {
    it.each(["team", "workspace", "agent", "queue"])("creates a %s and tells of it", async (kind) => {
      const { body } = await tenant.call("createTeam", { body: { kind, name: "Sales" } });
      const fedBy = { group: null, groups: 0, entries: 0, rules: [] };
      expect(body).toMatchObject({ kind, name: "Sales", members: 0, archivedAt: null, fedBy });
      expect((await tenant.call("getTeam", { params: { id: body.id } })).body).toEqual(body);
      expect(await eventsOf(body.id)).toMatchObject([{ action: "team.created", after: { kind, name: "Sales" } }]);
    });

    it("names are unique within a kind, without letter case, also those of groups' own teams and of archived ones", async () => {
      const id = await create("team", "Sales");
      const again = (name: string, kind = "team") => tenant.call("createTeam", { body: { kind, name } });
      for (const name of ["Sales", "SALES", "ｓales"]) {
        const { status, body } = await again(name);
        expect([status, body.code, body.attribute]).toEqual([409, "uniqueness", "name"]);
      }
      await change(id, { archived: true });
      expect(codes(await again("sales"))).toEqual([409, "uniqueness"]);
      await group("Night");
      expect(codes(await again("night"))).toEqual([409, "uniqueness"]);
      expect((await again("Sales", "workspace")).status).toBe(201);
      const other = await aTenant(server);
      expect((await other.call("createTeam", { body: { kind: "team", name: "Sales" } })).status).toBe(201);
    });

    it.each([
      [{}],
      [{ kind: "team" }],
      [{ name: "Sales" }],
      [{ kind: "band", name: "Sales" }],
      [{ kind: "team", name: "" }],
      [{ kind: "team", name: "   " }],
      [{ kind: "team", name: "x".repeat(201) }],
      [{ kind: "team", name: "Sales", members: [] }],
      [{ kind: "team", name: "a\u0000b" }],
    ])("refuses %j", async (body) => {
      expect((await tenant.call("createTeam", { body })).status).toBe(400);
    });

    it("each kind needs its own permission, everywhere", async () => {
      const kinds = { team: "teams", workspace: "workspaces", queue: "queues", agent: "agents" };
      for (const [kind, area] of Object.entries(kinds)) {
        const only = await acting([`${area}.manage`]);
        for (const other of Object.keys(kinds)) {
          const { status } = await only("createTeam", { body: { kind: other, name: `${area} ${other}` } });
          expect([kind, other, status]).toEqual([kind, other, kind === other ? 201 : 403]);
        }
      }
    });
  });

  describe("listTeams", () => {
    it("filters by kind, text and whether archived, by name, in pages", async () => {
      for (const [kind, name] of [
        ["team", "Sales EMEA"],
        ["queue", "sales"],
        ["workspace", "North"],
        ["agent", "Sales bot"],
        ["team", "100%_odd"],
      ] as const)
        await create(kind, name);
      const old = await create("team", "Old");
      await change(old, { archived: true });
      expect(await list()).toEqual([
        "team 100%_odd",
        "workspace North",
        "queue sales",
        "agent Sales bot",
        "team Sales EMEA",
      ]);
      expect(await list({ kind: "queue" })).toEqual(["queue sales"]);
      expect(await list({ q: "SALES" })).toEqual(["queue sales", "agent Sales bot", "team Sales EMEA"]);
      expect(await list({ q: "%" })).toEqual(["team 100%_odd"]);
      expect(await list({ archived: "true" })).toEqual(["team Old"]);
      expect(await list({ archived: "all", kind: "team" })).toEqual(["team 100%_odd", "team Old", "team Sales EMEA"]);
      const found: string[] = [];
      for (let cursor: string | null = ""; cursor !== null; ) {
        const query = { limit: 2, ...(cursor === "" ? {} : { cursor }) };
        const { body } = await tenant.call("listTeams", { query });
        found.push(...body.teams.map((team: { name: string }) => team.name));
        cursor = body.nextCursor;
      }
      expect(found).toEqual(["100%_odd", "North", "sales", "Sales bot", "Sales EMEA"]);
    });

    it("counts people once, whatever brings them, with those who are suspended", async () => {
      const [ada, eve, out] = [await person("ada"), await person("eve"), await person("out", { active: false })];
      await group("Sales", [ada, out]);
      await map({ groups: [{ match: { displayName: "Sales" }, team: { kind: "team", name: "Selling" } }] });
      const { body } = await tenant.call("listTeams", { query: { q: "selling" } });
      const [{ id, members: before, fedBy }] = body.teams;
      expect([before, fedBy]).toEqual([2, { group: null, groups: 1, entries: 1, rules: [] }]);
      await add(id, ada, eve);
      expect((await tenant.call("getTeam", { params: { id } })).body.members).toBe(3);
      const { body: own } = await tenant.call("listTeams", { query: { q: "sales" } });
      expect(own.teams).toMatchObject([{ name: "Sales", members: 0, fedBy: { group: { display: "Sales" } } }]);
    });

    it("refuses filters that are none, and a cursor of other filters", async () => {
      for (const name of ["A", "B"]) await create("team", name);
      const { body } = await tenant.call("listTeams", { query: { limit: 1 } });
      for (const query of [
        { kind: "band" },
        { archived: "maybe" },
        { limit: 0 },
        { limit: 501 },
        { colour: "red" },
        { cursor: body.nextCursor, kind: "team" },
      ])
        expect(codes(await tenant.call("listTeams", { query: query as Record<string, string> }))).toEqual([
          400,
          "invalidValue",
        ]);
    });
  });

  describe("changeTeam", () => {
    it("renames a team made by hand; people see the new name at once", async () => {
      const [id, ada] = [await create("team", "Sales"), await person("ada")];
      await add(id, ada);
      expect((await change(id, { name: "Selling" })).body).toMatchObject({ name: "Selling", members: 1 });
      expect(await teamsOf(ada)).toEqual(["team Selling"]);
      expect((await change(id, { name: "SELLING" })).body.name).toBe("SELLING");
      const renamed = (await eventsOf(id)).filter((event: { action: string }) => event.action === "team.renamed");
      expect(renamed).toMatchObject([
        { before: { name: "Sales" }, after: { name: "Selling" } },
        { before: { name: "Selling" }, after: { name: "SELLING" } },
      ]);
      await create("team", "Other");
      expect(codes(await change(id, { name: "other" }))).toEqual([409, "uniqueness"]);
      expect((await change(id, { name: "SELLING" })).status).toBe(200);
      expect((await eventsOf(id)).length).toBe(4);
    });

    it("TEAM-1: what a group or the mapping calls by its name is renamed there", async () => {
      const ada = await person("ada");
      await group("Night", [ada]);
      await map({ rules: [{ name: "all", when: "userName pr", team: { kind: "workspace", name: "North" } }] });
      const { body } = await tenant.call("listTeams", {});
      const [night, north] = body.teams as { id: string; name: string }[];
      for (const [id, words] of [
        [night!.id, /own team of the group/],
        [north!.id, /the mapping's rule "all"/],
      ] as const) {
        const { status, body } = await change(id, { name: "Else" });
        expect([status, body.code, body.rule]).toEqual([409, "conflict", "TEAM-1"]);
        expect(body.detail).toMatch(words);
      }
      expect((await change(north!.id, { name: "NORTH" })).body.name).toBe("NORTH");
      expect(await teamsOf(ada)).toEqual(["team Night", "workspace NORTH"]);
    });

    it("TEAM-3: an archived team gives nothing, goes on being fed, and comes back with what its sources say then", async () => {
      const [ada, eve] = [await person("ada"), await person("eve")];
      const sales = await group("Sales", [ada]);
      const { body } = await tenant.call("listTeams", {});
      const { id } = body.teams[0];
      await add(id, eve);
      const { body: archivedTeam } = await change(id, { archived: true });
      expect(archivedTeam.archivedAt).not.toBeNull();
      expect(await change(id, { archived: true })).toMatchObject({ body: { archivedAt: archivedTeam.archivedAt } });
      expect([await teamsOf(ada), await teamsOf(eve)]).toEqual([[], []]);
      expect(await list()).toEqual([]);
      expect(codes(await add(id, ada))).toEqual([409, "conflict"]);
      for (const team of [id, "Sales"]) {
        expect((await tenant.call("listUsers", { query: { team } })).body).toMatchObject({ users: [], total: 0 });
      }
      expect(await matching('urn:ietf:params:scim:schemas:extension:usher:2.0:User:teams.display eq "Sales"')).toBe(0);
      await changeGroup(server.deps, tenant.ctx, sales, [{ add: [await person("new")] }, { remove: [ada] }]);
      expect((await members(id)).map((member: { userName: string }) => member.userName)).toEqual(["eve", "new"]);
      expect((await change(id, { archived: false })).body).toMatchObject({ archivedAt: null, members: 2 });
      expect([await teamsOf(ada), await teamsOf(eve)]).toEqual([[], ["team Sales"]]);
      const told = (await eventsOf(id)).filter((event: { action: string }) => /archived/.test(event.action));
      expect(told).toMatchObject([
        { action: "team.archived", rule: "TEAM-3", after: { stillFedBy: 'the group "Sales", whose own team it is' } },
        { action: "team.unarchived" },
      ]);
      expect(await matching('urn:ietf:params:scim:schemas:extension:usher:2.0:User:teams.display eq "Sales"')).toBe(2);
    });

    it.each([{}, { name: "" }, { kind: "queue" }, { archived: "yes" }, { archived: null }])(
      "refuses %j",
      async (body) => {
        expect((await change(await create("team", "Sales"), body)).status).toBe(400);
      },
    );

    it("what is not there is not found, in this tenant and in another", async () => {
      const id = await create("team", "Sales");
      const other = await aTenant(server);
      for (const [operation, body] of [
        ["getTeam", undefined],
        ["changeTeam", { archived: true }],
        ["deleteTeam", undefined],
        ["listTeamMembers", undefined],
        ["addTeamMembers", { users: [absent] }],
        ["removeTeamMembers", undefined],
        ["listGrants", undefined],
        ["grantAgent", { users: [absent] }],
        ["revokeAgent", undefined],
      ] as const) {
        const options = body === undefined ? {} : { body };
        for (const answer of [
          await tenant.call(operation, { params: { id: absent }, ...options }),
          await tenant.call(operation, { params: { id: "no-id" }, ...options }),
          await other.call(operation, { params: { id }, ...options }),
        ])
          expect([operation, ...codes(answer)]).toEqual([operation, 404, "notFound"]);
      }
    });
  });

  describe("deleteTeam", () => {
    it("deletes a team with its members by hand, and tells how many there were", async () => {
      const [id, ada] = [await create("team", "Sales"), await person("ada")];
      await add(id, ada);
      expect((await tenant.call("deleteTeam", { params: { id } })).status).toBe(204);
      expect(codes(await tenant.call("getTeam", { params: { id } }))).toEqual([404, "notFound"]);
      expect(await teamsOf(ada)).toEqual([]);
      expect((await eventsOf(id)).at(-1)).toMatchObject({
        action: "team.deleted",
        before: { kind: "team", name: "Sales", members: 1, grants: 0 },
      });
      await create("team", "Sales");
    });

    it("TEAM-1: not while something feeds it, and the answer says what", async () => {
      await group("Night");
      await group("Sales");
      const north = { kind: "workspace", name: "North" };
      await map({
        groups: [
          { match: { displayName: "Sales" }, team: north },
          { match: { externalId: "x" }, team: north },
        ],
        rules: [{ name: "all", when: "userName pr", team: north }],
      });
      const { body } = await tenant.call("listTeams", {});
      const [night, workspace] = body.teams as { id: string }[];
      const refused = async (id: string) => {
        const { status, body } = await tenant.call("deleteTeam", { params: { id } });
        expect([status, body.code, body.rule]).toEqual([409, "conflict", "TEAM-1"]);
        return body.detail as string;
      };
      expect(await refused(night!.id)).toMatch(/the group "Night", whose own team it is/);
      expect(await refused(workspace!.id)).toMatch(
        /the group "Sales", the mapping's entries "displayName:sales", "externalId:x", the mapping's rule "all"/,
      );
      await map({});
      expect((await tenant.call("deleteTeam", { params: { id: workspace!.id } })).status).toBe(204);
    });
  });

  describe("members", () => {
    it("are listed with every source and since when, in pages", async () => {
      const ada = await person("ada", { title: "Seller", name: { givenName: "Ada", familyName: "Lovelace" } });
      const [eve, out] = [await person("eve"), await person("out", { active: false })];
      const inner = await group("Inner", [ada]);
      await group("Outer", [inner, out]);
      const team = { kind: "team", name: "Sales" };
      await map({
        groups: [{ match: { displayName: "Outer" }, team }],
        rules: [{ name: "sellers", when: 'title eq "Seller"', team }],
      });
      const id = (await tenant.call("listTeams", { query: { q: "sales" } })).body.teams[0].id;
      await add(id, ada, eve);
      const found = await members(id);
      expect(found).toMatchObject([
        {
          id: ada,
          userName: "ada",
          displayName: "Ada Lovelace",
          status: "active",
          suspended: false,
          sources: [
            { kind: "group", group: { display: "Outer" }, through: { display: "Inner" }, entry: "displayName:outer" },
            { kind: "manual", by: { kind: "token" } },
            { kind: "rule", rule: "sellers" },
          ],
        },
        { id: eve, sources: [{ kind: "manual" }] },
        { id: out, status: "inactive", suspended: true, sources: [{ kind: "group", through: null }] },
      ]);
      for (const { since, sources } of found) {
        expect(since).not.toBeNull();
        for (const source of sources) expect(Date.parse(source.since)).toBeGreaterThan(Date.now() - 600_000);
      }
      expect((await members(id, { status: "inactive" })).map((one: { id: string }) => one.id)).toEqual([out]);
      const paged: string[] = [];
      for (let cursor: string | null = ""; cursor !== null; ) {
        const query = { limit: 1, ...(cursor === "" ? {} : { cursor }) };
        const { body } = await tenant.call("listTeamMembers", { params: { id }, query });
        paged.push(...body.members.map((one: { id: string }) => one.id));
        cursor = body.nextCursor;
      }
      expect(paged).toEqual([ada, eve, out]);
    });

    it("TEAM-3: taking the hand away leaves whom a group keeps, and the answer says by what", async () => {
      const [ada, eve, bob] = [await person("ada"), await person("eve"), await person("bob")];
      await group("Sales", [ada]);
      const { id } = (await tenant.call("listTeams", {})).body.teams[0];
      expect((await add(id, ada, eve)).body.users).toEqual([
        { id: ada, outcome: "added" },
        { id: eve, outcome: "added" },
      ]);
      expect((await add(id, ada.toUpperCase())).body.users).toEqual([{ id: ada, outcome: "already" }]);
      const { body } = await remove(id, ada, eve, bob);
      expect(body.users).toMatchObject([
        {
          id: ada,
          outcome: "kept",
          manual: true,
          sources: [{ kind: "group", group: { display: "Sales" }, entry: null }],
        },
        { id: eve, outcome: "removed", manual: true, sources: [] },
        { id: bob, outcome: "absent", manual: false, sources: [] },
      ]);
      expect((await remove(id, ada)).body.users).toMatchObject([{ outcome: "kept", manual: false }]);
      expect([await teamsOf(ada), await teamsOf(eve)]).toEqual([["team Sales"], []]);
      const told = (await eventsOf(id)).filter((event: { action: string }) => /members/.test(event.action));
      expect(told).toMatchObject([
        { action: "team.members-added", rule: "TEAM-3", after: { members: [ada, eve] } },
        { action: "team.members-removed", rule: "TEAM-3", before: { members: [ada, eve] }, after: { kept: [ada] } },
      ]);
    });

    it("TEAM-3: members by hand survive the end of a group, under a name that is free", async () => {
      const [ada, eve] = [await person("ada"), await person("eve")];
      const [first, second] = [await group("Sales", [ada]), await group("Night", [ada])];
      const teams = (await tenant.call("listTeams", {})).body.teams as { id: string; name: string }[];
      const own = teams.find((team) => team.name === "Sales")!.id;
      await add(own, eve);
      await map({ rules: [{ name: "none", when: 'userName eq "x"', team: { kind: "team", name: "Sales" } }] });
      await deleteGroup(server.deps, tenant.ctx, first);
      await deleteGroup(server.deps, tenant.ctx, second);
      expect([await teamsOf(ada), await teamsOf(eve)]).toEqual([[], ["team Sales (2)"]]);
      expect((await tenant.call("getTeam", { params: { id: own } })).body).toMatchObject({
        name: "Sales (2)",
        members: 1,
        fedBy: { group: null },
      });
      expect((await eventsOf(own)).at(-1)).toMatchObject({ action: "team.released", before: { group: first } });
      expect(await list()).toEqual(["team Sales", "team Sales (2)"]);
    });

    it("TEAM-3: and the end of own teams, autoTeams off", async () => {
      const [ada, eve] = [await person("ada"), await person("eve")];
      await group("Sales", [ada]);
      await group("Night", [ada]);
      const teams = (await tenant.call("listTeams", {})).body.teams as { id: string; name: string }[];
      await add(teams.find((team) => team.name === "Sales")!.id, eve);
      await map({ autoTeams: false });
      expect([await teamsOf(ada), await teamsOf(eve), await list()]).toEqual([[], ["team Sales"], ["team Sales"]]);
      await map({ autoTeams: true });
      expect([await teamsOf(ada), await teamsOf(eve)]).toEqual([["team Night", "team Sales"], ["team Sales"]]);
    });

    it("TEAM-4: membership by hand is suspended while a person is out", async () => {
      const [id, ada] = [await create("team", "Sales"), await person("ada")];
      await add(id, ada);
      const set = (active: boolean) =>
        changeUser(server.deps, { ...tenant.ctx, door: "scim" }, ada, (doc) => ({ ...doc, active }));
      await set(false);
      expect([await teamsOf(ada), (await members(id))[0].suspended]).toEqual([[], true]);
      await set(true);
      expect(await teamsOf(ada)).toEqual(["team Sales"]);
    });

    it("GRD-1: a team gives no role and no license, also where the group that feeds it does", async () => {
      const [ada, eve] = [await person("ada"), await person("eve")];
      const admins = (
        await createGroup(server.deps, tenant.ctx, { displayName: "Bosses", externalId: "b", members: [] })
      ).id;
      await group("Pros", [ada]);
      await map({
        groups: [
          { match: { externalId: "b" }, role: "admin", team: { kind: "team", name: "Bosses" } },
          { match: { displayName: "Pros" }, tier: "standard", role: "manager", team: { kind: "team", name: "Pros" } },
        ],
      });
      const teams = (await tenant.call("listTeams", { query: { kind: "team" } })).body.teams as {
        id: string;
        fedBy: { groups: number };
      }[];
      for (const { id } of teams.filter((team) => team.fedBy.groups > 0)) {
        expect((await add(id, eve)).body.users).toEqual([{ id: eve, outcome: "added" }]);
      }
      const { body } = await tenant.call("getUser", { params: { id: eve } });
      expect(body).toMatchObject({ role: "user", administrative: false, license: { tier: null } });
      expect((await tenant.call("listPromotions")).body.promotions).toEqual([]);
      expect(admins).toBeDefined();
    });

    it("all are added or nobody is: ids that name nobody are named", async () => {
      const [id, ada] = [await create("team", "Sales"), await person("ada")];
      const other = await aTenant(server);
      const { id: stranger } = await other.user({ userName: "stranger" });
      for (const unknown of [absent, stranger, "no-id"]) {
        const { status, body } = await add(id, ada, unknown);
        expect([status, body.code, body.attribute]).toEqual([400, "invalidValue", "users"]);
        expect(body.detail).toContain(unknown);
      }
      expect(await members(id)).toEqual([]);
      for (const body of [{}, { users: [] }, { users: "x" }, { users: [1] }, { users: Array(1001).fill(ada) }]) {
        expect((await tenant.call("addTeamMembers", { params: { id }, body })).status).toBe(400);
      }
      expect(codes(await tenant.call("removeTeamMembers", { params: { id } }))).toEqual([400, "invalidValue"]);
      expect(codes(await remove(id, "no-id"))).toEqual([400, "invalidValue"]);
    });

    it("each kind needs its own permission; a queue is assigned with queues.manage and nothing else", async () => {
      const ada = await person("ada");
      const areas = { team: "teams", workspace: "workspaces", queue: "queues", agent: "agents" };
      for (const [kind, area] of Object.entries(areas)) {
        const id = await create(kind, `a ${kind}`);
        for (const other of Object.values(areas)) {
          const only = await acting([`${other}.manage`]);
          const { status } = await only("addTeamMembers", { params: { id }, body: { users: [ada] } });
          expect([kind, other, status]).toEqual([kind, other, area === other ? 200 : 403]);
        }
      }
    });

    it("TEAM-1: the mapping fills no queue, by an entry or by a rule", async () => {
      await create("queue", "Support");
      const team = { kind: "queue", name: "Support" };
      for (const change of [
        { groups: [{ match: { displayName: "Sales" }, team }] },
        { rules: [{ name: "all", when: "userName pr", team }] },
      ]) {
        const { body: current } = await tenant.call("getMapping");
        const { status, body } = await tenant.call("saveMapping", { body: { ...current, ...change } });
        expect([status, body.code]).toEqual([400, "invalidValue"]);
        expect(body.detail).toMatch(/team\/kind/);
      }
    });
  });

  describe("E-8: permissions limited to own teams", () => {
    it("reach the teams that the person is in, and see no others", async () => {
      const [lead, ada] = [await person("lead"), await person("ada")];
      const [own, other, queue] = [
        await create("team", "Own"),
        await create("team", "Other"),
        await create("queue", "Own"),
      ];
      await add(own, lead);
      await add(queue, lead);
      const limited = await acting(["teams.manage:own-teams", "teams.read:own-teams"], lead);
      const into = (id: string) => limited("addTeamMembers", { params: { id }, body: { users: [ada] } });
      expect((await into(own)).status).toBe(200);
      for (const id of [other, queue]) {
        const { status, body } = await into(id);
        expect([status, body.code, body.rule]).toEqual([403, "forbidden", "ROL-1"]);
      }
      expect((await limited("changeTeam", { params: { id: own }, body: { name: "Ours" } })).body.name).toBe("Ours");
      expect(codes(await limited("createTeam", { body: { kind: "team", name: "New" } }))).toEqual([403, "forbidden"]);
      const { body } = await limited("listTeams");
      expect(body.teams.map((team: { id: string }) => team.id).toSorted()).toEqual([own, queue].toSorted());
      expect((await limited("getTeam", { params: { id: own } })).status).toBe(200);
      expect(codes(await limited("getTeam", { params: { id: other } }))).toEqual([404, "notFound"]);
      expect(codes(await limited("listTeamMembers", { params: { id: other } }))).toEqual([404, "notFound"]);
      await remove(own, lead);
      expect(codes(await into(own))).toEqual([403, "forbidden"]);
    });

    it("GRD-1: nobody widens by their own hand whom a reserved permission of theirs reaches", async () => {
      const [lead, ada, eve] = [await person("lead"), await person("ada"), await person("eve")];
      const [own, other, old] = [
        await create("team", "Own"),
        await create("team", "Other"),
        await create("team", "Old"),
      ];
      await add(own, lead);
      await add(other, eve);
      await add(old, lead, ada);
      await change(old, { archived: true });
      for (const teams of ["teams.manage:own-teams", "teams.manage"]) {
        const limited = await acting(["users.manage:own-teams", teams], lead);
        const into = (id: string, ...users: string[]) => limited("addTeamMembers", { params: { id }, body: { users } });
        const { status, body } = await into(own, ada);
        expect([teams, status, body.code, body.rule]).toEqual([teams, 403, "forbidden", "GRD-1"]);
        expect(codes(await into(other, lead))).toEqual([403, "forbidden"]);
        const back = limited("changeTeam", { params: { id: old }, body: { archived: false } });
        expect(codes(await back)).toEqual([403, "forbidden"]);
      }
      // Whom it reaches already may be brought into another of their teams, and others into teams of others.
      const limited = await acting(["users.manage:own-teams", "teams.manage"], lead);
      const into = (id: string, ...users: string[]) => limited("addTeamMembers", { params: { id }, body: { users } });
      const second = await create("team", "Second");
      await add(second, lead, ada);
      expect((await into(own, ada)).status).toBe(200);
      expect((await into(other, ada)).status).toBe(200);
      expect((await into(own, eve)).status).toBe(403);
      expect((await members(own)).map((one: { id: string }) => one.id)).toEqual([lead, ada]);
    });

    it("reach nothing through an archived team, or for a token that acts for nobody", async () => {
      const lead = await person("lead");
      const own = await create("team", "Own");
      await add(own, lead);
      const nobody = await acting(["teams.manage:own-teams"]);
      expect(codes(await nobody("changeTeam", { params: { id: own }, body: { name: "X" } }))).toEqual([
        403,
        "forbidden",
      ]);
      const limited = await acting(["teams.manage:own-teams"], lead);
      await change(own, { archived: true });
      const back = limited("changeTeam", { params: { id: own }, body: { archived: false } });
      expect(codes(await back)).toEqual([403, "forbidden"]);
    });
  });
});
