import { beforeEach, describe, expect, it } from "vitest";
import { createGroup } from "../../src/provisioning/groups.ts";
import { saveMapping } from "../../src/provisioning/mapping.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { type Answer, aTenant, type CallOptions, type Server, startServer, type TestTenant } from "./api.ts";

const usher = "urn:ietf:params:scim:schemas:extension:usher:2.0:User";
const day = 24 * 3600_000;
const reports = ["reportAgentsWithoutQueue", "reportNotSeen", "reportNotReviewed", "reportLeastPrivilege"] as const;

describeOnBoth("reports", (getDb) => {
  let server: Server;
  let tenant: TestTenant;
  let product: string;
  const start = new Date("2026-01-05T09:00:00.000Z");
  beforeEach(async () => {
    server = startServer(getDb());
    server.now = start;
    tenant = await aTenant(server, { preset: "queue-desk", seats: { basic: 5 } });
    product = await tenant.mint({ scopes: ["access"], role: null });
  });

  const person = async (userName: string, more = {}) => (await tenant.user({ userName, ...more })).id;
  const role = (id: string, key: string) => tenant.call("changeUser", { params: { id }, body: { role: key } });
  const seen = async (id: string, at: Date) => {
    const body = { at: at.toISOString() };
    const { status } = await tenant.call("recordActivity", { params: { id }, body, token: product });
    expect(status).toBe(200);
  };
  const later = (days: number) => {
    server.now = new Date(start.getTime() + days * day);
    return server.now;
  };
  const names = async (report: string, query: CallOptions["query"] = {}) => {
    const { status, body } = await tenant.call(report, { query });
    expect(status, JSON.stringify(body)).toBe(200);
    return body.users.map((user: { userName: string }) => user.userName);
  };
  const paged = async (report: string, query: CallOptions["query"] = {}, limit = 1) => {
    const found: string[] = [];
    for (let cursor: string | null = ""; cursor !== null; ) {
      const { body } = await tenant.call(report, { query: { ...query, limit, ...(cursor === "" ? {} : { cursor }) } });
      found.push(...body.users.map((user: { userName: string }) => user.userName));
      cursor = body.nextCursor;
    }
    return found;
  };
  const queue = async (name: string, ...users: string[]) => {
    const { body } = await tenant.call("createTeam", { body: { kind: "queue", name } });
    if (users.length > 0) await tenant.call("addTeamMembers", { params: { id: body.id }, body: { users } });
    return body.id as string;
  };
  const codes = ({ status, body }: Answer) => [status, body?.code];

  describe("reportAgentsWithoutQueue", () => {
    it("Q-11: lists active people who handle calls and are in no queue in use", async () => {
      const [ada, eve, bob] = [await person("ada"), await person("eve"), await person("bob")];
      await person("out", { active: false });
      const boss = await person("boss");
      await role(boss, "administrator");
      await queue("Support", ada);
      const old = await queue("Old", bob);
      await tenant.call("changeTeam", { params: { id: old }, body: { archived: true } });
      expect(await names("reportAgentsWithoutQueue")).toEqual(["bob", "eve"]);
      expect(await names("reportAgentsWithoutQueue", { role: "administrator" })).toEqual(["boss"]);
      const { body: team } = await tenant.call("createTeam", { body: { kind: "team", name: "Sales" } });
      await tenant.call("addTeamMembers", { params: { id: team.id }, body: { users: [eve] } });
      expect(await names("reportAgentsWithoutQueue")).toEqual(["bob", "eve"]);
    });

    it("Q-7, Q-8: whoever came back without queues is found", async () => {
      const ada = await person("ada");
      await queue("Support", ada);
      const suspend = (suspended: boolean) => tenant.call("changeUser", { params: { id: ada }, body: { suspended } });
      await suspend(true);
      expect(await names("reportAgentsWithoutQueue")).toEqual([]);
      await suspend(false);
      expect(await names("reportAgentsWithoutQueue")).toEqual(["ada"]);
      await tenant.call("restoreQueues", { params: { id: ada } });
      expect(await names("reportAgentsWithoutQueue")).toEqual([]);
    });

    it("counts those who handle calls by the tier of their seat", async () => {
      const empower = await aTenant(server, { preset: "empower", seats: { standard: 1 } });
      await empower.user({ userName: "seated", [usher]: { licenseTier: "standard" } });
      await empower.user({ userName: "unlicensed" });
      const { body } = await empower.call("reportAgentsWithoutQueue");
      expect(body.users).toMatchObject([{ userName: "seated", role: "user", lastSeenAt: null, reviewedAt: null }]);
    });

    it("goes through pages in the order of names", async () => {
      for (const name of ["Cleo", "ada", "bob"]) await person(name);
      expect(await paged("reportAgentsWithoutQueue")).toEqual(["ada", "bob", "Cleo"]);
    });
  });

  describe("reportNotSeen", () => {
    it("Q-11: never seen first, then the longest ago; nobody who is out or has been seen since", async () => {
      const ids = Object.fromEntries(
        await Promise.all(["never", "old", "older", "fresh", "nobody"].map(async (name) => [name, await person(name)])),
      );
      await person("out", { active: false });
      later(40);
      await seen(ids.older, new Date(start.getTime() + day));
      await seen(ids.old, new Date(start.getTime() + 5 * day));
      await seen(ids.fresh, new Date(start.getTime() + 39 * day));
      const expected = (await names("reportNotSeen")).slice(0, 2).toSorted();
      expect(expected).toEqual(["never", "nobody"]);
      expect((await names("reportNotSeen")).slice(2)).toEqual(["older", "old"]);
      for (const limit of [1, 2, 3])
        expect(await paged("reportNotSeen", {}, limit)).toEqual(await names("reportNotSeen"));
      const since = new Date(start.getTime() + 2 * day).toISOString();
      expect((await names("reportNotSeen", { since })).slice(2)).toEqual(["older"]);
      const { body } = await tenant.call("reportNotSeen", { query: { since } });
      expect(body).toMatchObject({ since, users: [{ lastSeenAt: null }, {}, { lastSeenAt: expect.any(String) }] });
      expect((await tenant.call("reportNotSeen")).body.since).toBe(new Date(start.getTime() + 10 * day).toISOString());
    });

    it("of people of one role", async () => {
      const boss = await person("boss");
      await person("ada");
      await role(boss, "manager");
      expect(await names("reportNotSeen", { role: "manager" })).toEqual(["boss"]);
    });
  });

  describe("reportNotReviewed", () => {
    it("Q-11: whoever is reviewed leaves the list until the next time, and who is out is not on it", async () => {
      const [ada, eve] = [await person("ada"), await person("eve")];
      await person("out", { active: false });
      expect(await names("reportNotReviewed")).toEqual(["ada", "eve"]);
      await tenant.call("reviewUser", { params: { id: ada } });
      expect(await names("reportNotReviewed")).toEqual(["eve"]);
      later(1);
      await tenant.call("reviewUser", { params: { id: eve } });
      later(40);
      expect(await names("reportNotReviewed")).toEqual(["ada", "eve"]);
      expect(await paged("reportNotReviewed")).toEqual(["ada", "eve"]);
    });
  });

  describe("reportLeastPrivilege", () => {
    it("Q-12: names roles pinned above what the sources give, and says both", async () => {
      const [ada, eve, bob] = [await person("ada"), await person("eve"), await person("bob")];
      await createGroup(server.deps, tenant.ctx, { displayName: "Leads", members: [eve] });
      await saveMapping(server.deps, tenant.ctx, {
        groups: [{ match: { displayName: "Leads" }, role: "manager" }],
        rules: [],
        defaults: { role: "agent", tier: null },
        autoTeams: true,
      });
      await tenant.reconcile();
      for (const [id, key] of [
        [ada, "administrator"],
        [eve, "manager"],
        [bob, "agent"],
      ] as const)
        await role(id, key);
      const { body } = await tenant.call("reportLeastPrivilege");
      expect(body.users).toMatchObject([
        {
          userName: "ada",
          role: "administrator",
          administrative: true,
          roleSource: "pin",
          sourcedRole: "agent",
          reasons: [{ code: "pinnedAbove", because: expect.stringMatching(/pinned "Administrator".*give "Agent"/) }],
        },
      ]);
    });

    it("Q-12: names roles above the default whose holder has not been seen for so many days", async () => {
      const [ada, eve] = [await person("ada"), await person("eve")];
      await createGroup(server.deps, tenant.ctx, { displayName: "Leads", members: [ada, eve] });
      await saveMapping(server.deps, tenant.ctx, {
        groups: [{ match: { displayName: "Leads" }, role: "manager" }],
        rules: [],
        defaults: { role: "agent", tier: null },
        autoTeams: true,
      });
      await tenant.reconcile();
      await person("agent");
      expect(await names("reportLeastPrivilege")).toEqual([]);
      later(50);
      await seen(eve, later(50));
      later(100);
      expect(await names("reportLeastPrivilege")).toEqual(["ada"]);
      expect(await names("reportLeastPrivilege", { unseenDays: 30 })).toEqual(["ada", "eve"]);
      const { body } = await tenant.call("reportLeastPrivilege");
      expect(body.users[0].reasons).toMatchObject([{ code: "unused", because: expect.stringMatching(/90 days/) }]);
    });

    it("goes through pages, and stops for nobody", async () => {
      for (const name of ["ada", "bob", "cleo"]) await role(await person(name), "manager");
      expect(await paged("reportLeastPrivilege")).toEqual(["ada", "bob", "cleo"]);
      expect(await paged("reportLeastPrivilege", {}, 3)).toEqual(["ada", "bob", "cleo"]);
    });
  });

  describe("every report", () => {
    it.each(reports)("%s: refuses what is no role, no limit and no parameter", async (report) => {
      expect(codes(await tenant.call(report, { query: { role: "nobody" } }))).toEqual([400, "unknownRole"]);
      for (const query of [
        { limit: 0 },
        { colour: "red" },
        { cursor: "x" },
        { since: "yesterday" },
        { unseenDays: 0 },
      ]) {
        expect(codes(await tenant.call(report, { query: query as { limit: number } }))).toEqual([400, "invalidValue"]);
      }
    });

    it.each(reports)("%s: is for those who read reports or see people", async (report) => {
      const token = (key: string) => tenant.mint({ scopes: ["api"], role: key });
      expect(codes(await tenant.call(report, { token: await token("agent") }))).toEqual([403, "forbidden"]);
      expect((await tenant.call(report, { token: await token("manager") })).status).toBe(200);
    });

    it.each(reports)("E-8, %s: a permission limited to own teams shows these people alone", async (report) => {
      const lead = await person("lead");
      const [ada, eve] = [await person("ada"), await person("eve")];
      await tenant.call("createRole", {
        body: { key: "lead", name: "Lead", rank: 55, permissions: ["reports.read:own-teams", "calls.handle"] },
      });
      for (const id of [ada, eve, lead]) await role(id, "lead");
      const { body: team } = await tenant.call("createTeam", { body: { kind: "team", name: "Sales" } });
      await tenant.call("addTeamMembers", { params: { id: team.id }, body: { users: [lead, ada] } });
      const own = await tenant.mint({ scopes: ["api"], role: "lead", userId: lead });
      const { body } = await tenant.call(report, { token: own });
      expect(body.users.map((user: { userName: string }) => user.userName).toSorted()).toEqual(["ada", "lead"]);
      const nobody = await tenant.mint({ scopes: ["api"], role: "lead" });
      expect((await tenant.call(report, { token: nobody })).body.users).toEqual([]);
    });

    it.each(reports)("TEN-1, %s: shows nobody of another tenant", async (report) => {
      const other = await aTenant(server, { preset: "queue-desk" });
      const { id } = await other.user({ userName: "stranger" });
      await other.call("changeUser", { params: { id }, body: { role: "manager" } });
      expect(await names(report)).toEqual([]);
    });
  });
});
