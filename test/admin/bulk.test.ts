/** Tag bulk: one action on many people (E-6, A-5 to A-9), at once and as a job. */
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { apiDocument } from "../../src/admin/api-document.ts";
import type { JsonObject } from "../../src/domain/model.ts";
import { USHER_USER } from "../../src/domain/words.ts";
import { limits } from "../../src/limits.ts";
import { runBulkJobs } from "../../src/provisioning/bulk-users.ts";
import { createGroup } from "../../src/provisioning/groups.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aTenant, type CallOptions, type Server, startServer, type TestTenant } from "./api.ts";

const absent = "0190a0b0-0000-7000-8000-0000000000ff";

interface Result {
  readonly id: string;
  readonly userName: string | null;
  readonly outcome: string;
  readonly detail: string | null;
  readonly code: string | null;
  readonly rule: string | null;
}

describeOnBoth("bulk", (getDb) => {
  let server: Server;
  let tenant: TestTenant;
  beforeAll(() => {
    server = startServer(getDb());
  });
  beforeEach(async () => {
    tenant = await aTenant(server, { seats: { standard: 2, pro: 1 } });
  });

  const people = async (count: number, words: JsonObject = {}, name = "person") => {
    const ids: string[] = [];
    for (let n = 1; n <= count; n++) {
      ids.push((await tenant.user({ userName: `${name}${n}@example.com`, [USHER_USER]: words })).id);
    }
    return ids;
  };
  const bulk = (body: Record<string, unknown>, options: CallOptions = {}) =>
    tenant.call("bulkUsers", { body, ...options });
  const act = (ids: readonly string[], action: string, params: object = {}, more: object = {}) =>
    bulk({ select: { ids }, action, params, ...more });
  const outcomes = (results: readonly Result[]) => results.map(({ outcome }) => outcome);
  const user = async (id: string) => (await tenant.call("getUser", { params: { id } })).body;
  const events = async (id: string) => (await tenant.call("listEvents", { query: { subject: id } })).body.events;

  describe("bulkUsers", () => {
    it("changes everybody who is named, and says so of each", async () => {
      const ids = await people(3);
      const { status, body } = await act(ids, "setRole", { role: "manager" });
      expect(status).toBe(200);
      expect(body).toMatchObject({
        action: "setRole",
        params: { role: "manager" },
        dryRun: false,
        total: 3,
        seats: null,
      });
      expect(body.outcomes).toEqual({ changed: 3, unchanged: 0, queued: 0, refused: 0, notFound: 0 });
      expect(body.results.map(({ id, userName }: Result) => [id, userName])).toEqual(
        ids.map((id, index) => [id, `person${index + 1}@example.com`]),
      );
      for (const id of ids) expect(await user(id)).toMatchObject({ role: "manager", rolePin: "manager" });
    });

    it("writes one event a person, and none the second time", async () => {
      const ids = await people(2);
      await act(ids, "setRole", { role: "manager" });
      const before = await Promise.all(ids.map(events));
      expect(before.map((list) => list.map(({ action }: { action: string }) => action))).toEqual([
        ["user.created", "user.changed"],
        ["user.created", "user.changed"],
      ]);
      const again = await act(ids, "setRole", { role: "manager" });
      expect(outcomes(again.body.results)).toEqual(["unchanged", "unchanged"]);
      expect(await Promise.all(ids.map(events))).toEqual(before);
    });

    it("says of ids that name nobody here that nobody was found, and goes on", async () => {
      const [id] = await people(1);
      const other = await aTenant(server);
      const foreign = await other.user({ userName: "foreign@example.com" });
      const { body } = await act([absent, "no id", foreign.id, id!], "deactivate");
      expect(outcomes(body.results)).toEqual(["notFound", "notFound", "notFound", "changed"]);
      expect((await other.call("getUser", { params: { id: foreign.id } })).body.status).toBe("active");
    });

    it("treats whoever is named twice once", async () => {
      const [id] = await people(1);
      const { body } = await act([id!, id!.toUpperCase()], "deactivate");
      expect(outcomes(body.results)).toEqual(["changed"]);
    });

    it("selects by the filters of the list", async () => {
      const ids = await people(2);
      await tenant.user({ userName: "somebody@other.example" });
      await createGroup(server.deps, tenant.ctx, { displayName: "Sales", members: [ids[1]!] });
      const byName = await bulk({
        select: { filter: { q: "person" } },
        action: "setRole",
        params: { role: "manager" },
      });
      expect(byName.body.results.map(({ id }: Result) => id)).toEqual(ids);
      const byTeam = await bulk({ select: { filter: { team: "Sales" } }, action: "deactivate" });
      expect(byTeam.body.results.map(({ id }: Result) => id)).toEqual([ids[1]]);
      const nobody = await bulk({ select: { filter: { status: "pending" } }, action: "delete" });
      expect(nobody.body).toMatchObject({ total: 0, results: [] });
    });

    it("a filter that finds more than may be treated at once is refused", async () => {
      await people(1);
      const text = `insert into users (tenant_id, id, user_name, user_name_norm, emails, doc, active, status, role,
          role_source, administrative, decided_version, created_at, modified_at)
        select tenant_id, gen_random_uuid(), 'copy' || n, 'copy' || n, emails, doc, active, status, role, role_source,
          administrative, decided_version, created_at, modified_at
        from users, generate_series(1, $2) n where tenant_id = $1`;
      await getDb().query({ name: "test_copies", text }, [tenant.id, limits.bulkUsersMax]);
      const { status, body } = await bulk({ select: { filter: {} }, action: "activate", dryRun: true });
      expect([status, body.code, body.attribute]).toEqual([400, "tooMany", "select.filter"]);
      const fewer = await bulk({ select: { filter: { q: "copy" } }, action: "activate", dryRun: true });
      expect([fewer.status, fewer.body.total]).toEqual([202, limits.bulkUsersMax]);
    });

    it("its filter takes what the list takes", () => {
      const { parameters } = apiDocument.paths["/api/v1/users"].get;
      const names = parameters.flatMap((one: { name?: string }) => one.name ?? []);
      const own = Object.keys(apiDocument.components.schemas.UserFilter.properties);
      expect(own.toSorted()).toEqual(names.filter((name: string) => !["sort", "order"].includes(name)).toSorted());
    });

    it.each([
      [{ select: {}, action: "delete" }, "select"],
      [{ select: { ids: [absent], filter: {} }, action: "delete" }, "select"],
      [{ select: { ids: [absent] }, action: "setRole" }, "params.role"],
      [{ select: { ids: [absent] }, action: "assignLicense", params: {} }, "params.tier"],
      [{ select: { ids: [absent] }, action: "setCallAnalysis", params: {} }, "params.enabled"],
      [{ select: { ids: [absent] }, action: "delete", params: { role: "manager" } }, "params.role"],
    ])("a request that does not say what to do is refused: %j", async (body, attribute) => {
      const answer = await bulk(body);
      expect([answer.status, answer.body.code, answer.body.attribute]).toEqual([400, "invalidValue", attribute]);
    });

    it.each([
      { select: { ids: [] }, action: "delete" },
      { select: { ids: Array.from({ length: limits.bulkUsersMax + 1 }, () => absent) }, action: "delete" },
      { select: { ids: [absent] }, action: "promote" },
      { select: { ids: [absent] }, action: "delete", params: { why: "no" } },
      { select: { filter: { nothing: "x" } }, action: "delete" },
      { select: { filter: { status: "gone" } }, action: "delete" },
      { action: "delete" },
    ])("what the document does not know is refused (%#)", async (body) => {
      const answer = await bulk(body);
      expect([answer.status, answer.body.code]).toEqual([400, "invalidValue"]);
    });

    it("roles and tiers that are none are refused before anybody is touched", async () => {
      const [id] = await people(1);
      const role = await act([id!], "setRole", { role: "king" });
      expect([role.status, role.body.code, role.body.attribute]).toEqual([400, "unknownRole", "params.role"]);
      const tier = await act([id!], "assignLicense", { tier: "gold" });
      expect([tier.status, tier.body.code]).toEqual([400, "unknownTier"]);
      expect(await user(id!)).toMatchObject({ role: "user", rolePin: null });
    });
  });

  describe("licenses (A-6, E-5)", () => {
    it("assigns what is free and queues the rest, whatever the pool does with single requests (LIC-3)", async () => {
      await tenant.call("patchPool", { params: { tier: "standard" }, body: { whenFull: "refuse" } });
      const ids = await people(3);
      const { body } = await act(ids, "assignLicense", { tier: "standard" });
      expect(outcomes(body.results)).toEqual(["changed", "changed", "queued"]);
      expect(body.results[2]).toMatchObject({ rule: "LIC-3", detail: expect.stringContaining("at place 1") });
      expect(await user(ids[2]!)).toMatchObject({ license: { status: "waitlisted", wanted: "standard", position: 1 } });
      const again = await act(ids, "assignLicense", { tier: "standard" });
      expect(outcomes(again.body.results)).toEqual(["unchanged", "unchanged", "unchanged"]);
    });

    it("unassigns, and the seat goes to the first in line (LIC-4, P-10)", async () => {
      const ids = await people(3);
      await act(ids, "assignLicense", { tier: "standard" });
      const { body } = await act([ids[0]!], "unassignLicense");
      expect(outcomes(body.results)).toEqual(["changed"]);
      expect((await user(ids[0]!)).license).toMatchObject({ status: "none" });
      expect((await user(ids[2]!)).license).toMatchObject({ tier: "standard", status: "assigned" });
    });

    it("LIC-12: who goes on the way gives up the seat before others claim one", async () => {
      const [first, second, third] = await people(3);
      await act([first!, second!], "assignLicense", { tier: "standard" });
      await act([third!], "assignLicense", { tier: "standard" });
      // Third waits. All three step up: pro has one seat, the two standard ones become free only for who stays below.
      const { body } = await act([first!, second!, third!], "assignLicense", { tier: "pro" });
      expect(outcomes(body.results)).toEqual(["changed", "queued", "queued"]);
      // LIC-5: the present seat is kept meanwhile.
      expect((await user(second!)).license).toMatchObject({ tier: "standard", status: "assigned", wanted: "pro" });
    });

    it("says of somebody inactive that their seat is due on coming back", async () => {
      const [id] = await people(1);
      await act([id!], "deactivate");
      const { body } = await act([id!], "assignLicense", { tier: "standard" });
      expect(body.results[0]).toMatchObject({ outcome: "changed", detail: expect.stringContaining("while inactive") });
      await act([id!], "activate");
      expect((await user(id!)).license).toMatchObject({ tier: "standard", status: "assigned" });
    });
  });

  describe("roles (A-7)", () => {
    it("GRD-4: an administrative role that one may not grant is refused person by person, with one request each", async () => {
      const ids = await people(2);
      const role = { key: "helpdesk", name: "Help desk", rank: 40, permissions: ["users.manage", "users.read"] };
      expect((await tenant.call("createRole", { body: role })).status).toBe(201);
      const token = await tenant.mint({ scopes: ["api"], role: "helpdesk" });
      const body = { select: { ids }, action: "setRole", params: { role: "admin" } };
      for (const attempts of [1, 2]) {
        const { status, body: answer } = await bulk(body, { token });
        expect(status).toBe(200);
        expect(answer.results).toMatchObject(
          ids.map((id) => ({ id, outcome: "refused", code: "promotionRefused", rule: "GRD-4" })),
        );
        const { promotions } = (await tenant.call("listPromotions")).body;
        expect(promotions.map((one: { attempts: number }) => one.attempts)).toEqual([attempts, attempts]);
      }
      expect((await user(ids[0]!)).role).toBe("user");
    });

    it("ROL-5: nobody grants what they do not hold, also where nothing of it is reserved", async () => {
      const [id] = await people(1);
      await tenant.call("createRole", {
        body: { key: "helpdesk", name: "Help desk", rank: 40, permissions: ["users.manage"] },
      });
      await tenant.call("createRole", {
        body: { key: "biller", name: "Biller", rank: 20, permissions: ["billing.manage"] },
      });
      const token = await tenant.mint({ scopes: ["api"], role: "helpdesk" });
      const body = { select: { ids: [id] }, action: "setRole", params: { role: "biller" } };
      const { body: answer } = await bulk(body, { token });
      expect(answer.results).toMatchObject([{ outcome: "refused", code: "forbidden", rule: "ROL-5" }]);
    });

    it("GRD-7: of two Admins demoted together one stays", async () => {
      const ids = await people(2);
      await act(ids, "setRole", { role: "admin" });
      const { body } = await act(ids, "setRole", { role: "user" });
      expect(outcomes(body.results).toSorted()).toEqual(["changed", "refused"]);
      expect(body.results.find(({ outcome }: Result) => outcome === "refused")).toMatchObject({
        code: "lastAdmin",
        rule: "GRD-7",
      });
    });

    it("takes a pin off with null", async () => {
      const [id] = await people(1);
      await act([id!], "setRole", { role: "manager" });
      expect(outcomes((await act([id!], "setRole", { role: null })).body.results)).toEqual(["changed"]);
      expect(await user(id!)).toMatchObject({ role: "user", rolePin: null });
    });
  });

  describe("coming and going (A-5, Q-7, Q-8)", () => {
    it("deactivates and activates", async () => {
      const ids = await people(2);
      expect(outcomes((await act(ids, "deactivate")).body.results)).toEqual(["changed", "changed"]);
      expect(await user(ids[0]!)).toMatchObject({ status: "inactive", suspended: true });
      expect(outcomes((await act(ids, "deactivate")).body.results)).toEqual(["unchanged", "unchanged"]);
      expect(outcomes((await act(ids, "activate")).body.results)).toEqual(["changed", "changed"]);
      expect(await user(ids[0]!)).toMatchObject({ status: "active", suspended: false });
    });

    it("says so where somebody stays inactive (USR-1)", async () => {
      const { id } = await tenant.user({ userName: "left@example.com", active: false });
      await act([id], "deactivate");
      const { body } = await act([id], "activate");
      expect(body.results[0]).toMatchObject({ outcome: "changed", detail: expect.stringContaining("still inactive") });
    });

    it("deletes, and the seats become available", async () => {
      const ids = await people(3, { licenseTier: "standard" });
      const { body } = await act(ids.slice(0, 2), "delete");
      expect(outcomes(body.results)).toEqual(["changed", "changed"]);
      expect((await tenant.call("getUser", { params: { id: ids[0]! } })).status).toBe(404);
      expect((await user(ids[2]!)).license).toMatchObject({ tier: "standard", status: "assigned" });
      expect((await tenant.call("listPools")).body.pools).toContainEqual(
        expect.objectContaining({ tier: "standard", purchased: 2, used: 1, available: 1, waitlisted: 0 }),
      );
      expect(outcomes((await act(ids.slice(0, 2), "delete")).body.results)).toEqual(["notFound", "notFound"]);
    });
  });

  describe("a seat from one person to another (LIC-4, P-10)", () => {
    it("moves past the queue, in one step, and asked once more it has moved", async () => {
      const [giver, holder, waiting, receiver] = await people(4);
      await act([giver!, holder!, waiting!], "assignLicense", { tier: "standard" });
      const params = { tier: "standard", from: giver };
      const dry = await act([receiver!], "assignLicense", params, { dryRun: true });
      expect(dry.body.results).toMatchObject([{ outcome: "changed" }]);
      expect((await user(giver!)).license).toMatchObject({ tier: "standard" });
      const { body } = await act([receiver!], "assignLicense", params);
      expect(body.results).toMatchObject([
        { id: receiver, outcome: "changed", detail: expect.stringContaining("person1") },
      ]);
      expect((await user(receiver!)).license).toMatchObject({ tier: "standard", status: "assigned" });
      expect((await user(giver!)).license).toMatchObject({ status: "none" });
      expect((await user(waiting!)).license).toMatchObject({ status: "waitlisted" });
      expect((await act([receiver!], "assignLicense", params)).body.results).toMatchObject([{ outcome: "unchanged" }]);
    });

    it("says what stands against it, and to how many it moves", async () => {
      const [giver, receiver] = await people(2);
      const params = { tier: "standard", from: giver };
      for (const dryRun of [true, false]) {
        const refused = await act([receiver!], "assignLicense", params, { dryRun });
        expect(refused.body.results).toMatchObject([{ outcome: "refused", code: "conflict", rule: "LIC-4" }]);
        const nobody = await act([receiver!], "assignLicense", { ...params, from: absent }, { dryRun });
        expect(nobody.body.results).toMatchObject([{ outcome: "refused", code: "notFound" }]);
        expect(outcomes((await act([absent], "assignLicense", params, { dryRun })).body.results)).toEqual(["notFound"]);
      }
      const two = await act([receiver!, absent], "assignLicense", params);
      expect([two.status, two.body.code, two.body.attribute]).toEqual([400, "invalidValue", "select"]);
    });
  });

  describe("teams (A-9)", () => {
    const aTeam = async (name: string, kind = "team") => {
      const { status, body } = await tenant.call("createTeam", { body: { name, kind } });
      expect(status, JSON.stringify(body)).toBe(201);
      return body.id as string;
    };
    const teamsOf = async (id: string) => (await user(id)).teams.map(({ display }: { display: string }) => display);

    it("adds to several teams and takes out of them, with one event a person", async () => {
      const ids = await people(2);
      const teams = [await aTeam("Sales"), await aTeam("Berlin", "workspace")];
      const dry = await act(ids, "addTeams", { teams }, { dryRun: true });
      expect(outcomes(dry.body.results)).toEqual(["changed", "changed"]);
      expect(await teamsOf(ids[0]!)).toEqual([]);
      const { body } = await act([...ids, absent], "addTeams", { teams });
      expect(outcomes(body.results)).toEqual(["changed", "changed", "notFound"]);
      expect(await teamsOf(ids[0]!)).toEqual(["Berlin", "Sales"]);
      const told = (await events(ids[1]!)).at(-1);
      expect(told).toMatchObject({ action: "user.teams-changed", rule: "TEAM-3" });
      expect(told.after.added.map(({ display }: { display: string }) => display).toSorted()).toEqual([
        "Berlin",
        "Sales",
      ]);
      expect(outcomes((await act(ids, "addTeams", { teams })).body.results)).toEqual(["unchanged", "unchanged"]);
      expect(outcomes((await act(ids, "removeTeams", { teams }, { dryRun: true })).body.results)).toEqual([
        "changed",
        "changed",
      ]);
      const removed = await act(ids, "removeTeams", { teams: teams.slice(0, 1) });
      expect(outcomes(removed.body.results)).toEqual(["changed", "changed"]);
      expect(await teamsOf(ids[0]!)).toEqual(["Berlin"]);
      expect(outcomes((await act(ids, "removeTeams", { teams: teams.slice(0, 1) })).body.results)).toEqual([
        "unchanged",
        "unchanged",
      ]);
      expect(await events(ids[1]!)).toHaveLength(3);
    });

    it("TEAM-3: says who stays because a group keeps them", async () => {
      const [id] = await people(1);
      const team = await aTeam("Sales");
      const entry = { match: { displayName: "Sellers" }, team: { name: "Sales", kind: "team" } };
      const mapping = { groups: [entry], rules: [], defaults: { role: "user", tier: null }, autoTeams: true };
      expect((await tenant.call("saveMapping", { body: mapping })).status).toBe(200);
      await createGroup(server.deps, tenant.ctx, { displayName: "Sellers", members: [id!] });
      for (const dryRun of [true, false]) {
        const { body } = await act([id!], "removeTeams", { teams: [team] }, { dryRun });
        expect(body.results).toMatchObject([
          { outcome: "unchanged", rule: "TEAM-3", detail: expect.stringContaining('Stays in "Sales"') },
        ]);
      }
      expect(await teamsOf(id!)).toEqual(["Sales"]);
    });

    it("takes teams and workspaces of this tenant that are there, and says which are none", async () => {
      const [id] = await people(1);
      const queue = await aTeam("Support", "queue");
      const other = await aTenant(server);
      const foreign = (await other.call("createTeam", { body: { name: "Sales", kind: "team" } })).body.id;
      for (const team of [absent, "no id", queue, foreign]) {
        const { status, body } = await act([id!], "addTeams", { teams: [team] });
        expect([team, status, body.code, body.attribute]).toEqual([team, 400, "invalidValue", "params.teams"]);
      }
    });

    it("E-8: who manages their own teams adds to these and to no others", async () => {
      const key = "lead";
      const permissions = ["teams.manage:own-teams"];
      await tenant.call("createRole", { body: { key, name: "Lead", rank: 30, permissions } });
      const lead = await tenant.user({ userName: "lead@example.com", [USHER_USER]: { role: key } });
      const [id] = await people(1);
      const [own, theirs] = [await aTeam("Own"), await aTeam("Theirs")];
      await act([lead.id], "addTeams", { teams: [own] });
      const token = await tenant.mint({ scopes: ["api"], role: key, userId: lead.id });
      for (const dryRun of [true, false]) {
        const body = { select: { ids: [id] }, action: "addTeams", dryRun };
        const good = await bulk({ ...body, params: { teams: [own] } }, { token });
        expect(good.body.results).toMatchObject([{ outcome: "changed" }]);
        const bad = await bulk({ ...body, params: { teams: [theirs] } }, { token });
        expect(bad.body.results).toMatchObject([{ outcome: "refused", code: "forbidden" }]);
      }
      expect(await teamsOf(id!)).toEqual(["Own"]);
    });
  });

  describe("sessions and passwords (A-8)", () => {
    it("signs out everywhere, each time it is asked for", async () => {
      const ids = await people(2);
      const dry = await act(ids, "signOut", {}, { dryRun: true });
      expect(outcomes(dry.body.results)).toEqual(["changed", "changed"]);
      expect(await events(ids[0]!)).toHaveLength(1);
      for (const times of [1, 2]) {
        expect(outcomes((await act(ids, "signOut")).body.results)).toEqual(["changed", "changed"]);
        const told = await events(ids[0]!);
        expect(told).toHaveLength(1 + times);
        expect(told.at(-1)).toMatchObject({ action: "user.signed-out" });
      }
    });

    it("asks for a password reset of everybody who could sign in with it", async () => {
      const ids = await people(2);
      await act([ids[1]!], "deactivate");
      for (const dryRun of [true, false]) {
        const { body } = await act(ids, "resetPassword", {}, { dryRun });
        expect(body.results).toMatchObject([
          { outcome: "changed" },
          { outcome: "refused", code: "conflict", rule: "USR-1" },
        ]);
      }
      expect((await events(ids[0]!)).at(-1)).toMatchObject({ action: "user.password-reset-requested" });
    });
  });

  it("E-7, E-8: a supervisor turns call analysis on for the people of their own teams alone", async () => {
    const supervised = await aTenant(server, { preset: "empower" });
    const boss = await supervised.user({ userName: "boss@example.com", [USHER_USER]: { role: "supervisor" } });
    const mine = await supervised.user({ userName: "mine@example.com" });
    const theirs = await supervised.user({ userName: "theirs@example.com" });
    await createGroup(server.deps, supervised.ctx, { displayName: "Sales", members: [boss.id, mine.id] });
    const token = await supervised.mint({ scopes: ["api"], role: "supervisor", userId: boss.id });
    const body = { action: "setCallAnalysis", params: { enabled: true } };
    const named = await supervised.call("bulkUsers", {
      body: { select: { ids: [mine.id, theirs.id] }, ...body, dryRun: true },
      token,
    });
    expect(outcomes(named.body.results)).toEqual(["changed", "notFound"]);
    expect(named.body.results[1].userName).toBeNull();
    const found = await supervised.call("bulkUsers", { body: { select: { filter: {} }, ...body }, token });
    expect(found.body.results.map(({ userName }: Result) => userName)).toEqual([
      "boss@example.com",
      "mine@example.com",
    ]);
  });

  it("turns call analysis on and off (E-7)", async () => {
    const ids = await people(2);
    expect(outcomes((await act(ids, "setCallAnalysis", { enabled: true })).body.results)).toEqual([
      "changed",
      "changed",
    ]);
    const [event] = (await events(ids[0]!)).toReversed();
    expect(event.after).toMatchObject({ [USHER_USER]: { callAnalysis: true } });
    const again = await act(ids, "setCallAnalysis", { enabled: true });
    expect(outcomes(again.body.results)).toEqual(["unchanged", "unchanged"]);
    expect(outcomes((await act(ids, "setCallAnalysis", { enabled: false })).body.results)).toEqual([
      "changed",
      "changed",
    ]);
  });

  describe("permissions", () => {
    const tokenWith = async (...permissions: string[]) => {
      const key = `only-${permissions.join("-").replaceAll(".", "-")}`;
      await tenant.call("createRole", { body: { key, name: key, rank: 30, permissions } });
      return await tenant.mint({ scopes: ["api"], role: key });
    };

    it.each([
      ["assignLicense", { tier: "standard" }, "licenses.manage"],
      ["unassignLicense", {}, "licenses.manage"],
      ["setRole", { role: "user" }, "users.manage"],
      ["activate", {}, "users.manage"],
      ["deactivate", {}, "users.manage"],
      ["delete", {}, "users.manage"],
      ["resetPassword", {}, "users.manage"],
      ["signOut", {}, "users.manage"],
      ["setCallAnalysis", { enabled: true }, "call-analysis.manage"],
    ])("%s needs its own permission and no other", async (action, params, permission) => {
      const others = ["users.manage", "licenses.manage", "teams.manage", "call-analysis.manage"].filter(
        (name) => name !== permission,
      );
      const body = { select: { ids: [absent] }, action, params };
      const refused = await bulk(body, { token: await tokenWith(...others) });
      expect([refused.status, refused.body.code, refused.body.permission]).toEqual([403, "forbidden", permission]);
      expect((await bulk(body, { token: await tokenWith(permission) })).status).toBe(200);
    });

    it("a filter needs the permission to see people", async () => {
      const token = await tokenWith("users.manage");
      const { status, body } = await bulk({ select: { filter: {} }, action: "activate", dryRun: true }, { token });
      expect([status, body.permission]).toEqual([403, "users.read"]);
    });

    it("LIC-11: whoever frees a seat on the way needs the license permission, person by person", async () => {
      const [holder] = await people(1, { licenseTier: "standard" }, "holder");
      const [other] = await people(1);
      const token = await tokenWith("users.manage");
      for (const action of ["deactivate", "delete"]) {
        for (const dryRun of [true, false]) {
          const { body } = await bulk({ select: { ids: [holder, other] }, action, dryRun }, { token });
          expect(body.results[0]).toMatchObject({ outcome: "refused", code: "forbidden", rule: "LIC-11" });
          expect(body.results[1].outcome, `${action} ${dryRun}`).toBe("changed");
        }
      }
      expect((await user(holder!)).license).toMatchObject({ tier: "standard" });
    });
  });

  describe("a dry run", () => {
    it("says what would become of everybody and of the seats, and changes nothing", async () => {
      const ids = await people(4);
      await act([ids[0]!], "assignLicense", { tier: "standard" });
      const before = await Promise.all(ids.map(user));
      const { status, body } = await act([...ids, absent], "assignLicense", { tier: "standard" }, { dryRun: true });
      expect(status).toBe(200);
      expect(outcomes(body.results)).toEqual(["unchanged", "changed", "queued", "queued", "notFound"]);
      expect(body).toMatchObject({ dryRun: true, outcomes: { changed: 1, unchanged: 1, queued: 2, notFound: 1 } });
      expect(body.seats).toContainEqual({
        tier: "standard",
        before: { free: 1, waiting: 0 },
        after: { free: 0, waiting: 2 },
      });
      expect(await Promise.all(ids.map(user))).toEqual(before);
      expect(server.enqueued).not.toContain(tenant.id);
      // And so it comes.
      const real = await act([...ids, absent], "assignLicense", { tier: "standard" });
      expect(outcomes(real.body.results)).toEqual(outcomes(body.results));
    });

    it("leaves no promotion request, and foresees the last Admin", async () => {
      const ids = await people(2);
      await tenant.call("createRole", {
        body: { key: "helpdesk", name: "Help desk", rank: 40, permissions: ["users.manage"] },
      });
      const token = await tenant.mint({ scopes: ["api"], role: "helpdesk" });
      const body = { select: { ids }, action: "setRole", params: { role: "admin" }, dryRun: true };
      expect(outcomes((await bulk(body, { token })).body.results)).toEqual(["refused", "refused"]);
      expect((await tenant.call("listPromotions")).body.promotions).toEqual([]);
      await act(ids, "setRole", { role: "admin" });
      const demotion = await act(ids, "setRole", { role: "user" }, { dryRun: true });
      expect(outcomes(demotion.body.results)).toEqual(["changed", "refused"]);
    });

    it.each(["deactivate", "delete", "unassignLicense"])("%s gives seats to who waits", async (action) => {
      const ids = await people(4, { licenseTier: "standard" });
      const { body } = await act(ids.slice(0, 1), action, {}, { dryRun: true });
      expect(outcomes(body.results)).toEqual(["changed"]);
      expect(body.seats).toContainEqual({
        tier: "standard",
        before: { free: 0, waiting: 2 },
        after: { free: 0, waiting: 1 },
      });
    });
  });

  describe("a job", () => {
    const many = limits.bulkUsersAtOnceMax + 50;
    const begin = async (action = "setRole", params: object = { role: "manager" }, more: object = {}) => {
      const ids = await people(many);
      const answer = await act(ids, action, params, more);
      expect(answer.status, JSON.stringify(answer.body)).toBe(202);
      return { ids, answer, params: { id: answer.body.id as string } };
    };
    const run = () => runBulkJobs(server.deps, tenant.id);

    it("is begun for many, followed, and says what became of whom, page by page", async () => {
      const { ids, answer, params } = await begin();
      expect(answer.headers.location).toBe(`/api/v1/bulk/${answer.body.id}`);
      expect(answer.body).toMatchObject({ kind: "bulk", action: "setRole", state: "waiting", total: many, done: 0 });
      expect(server.enqueued).toContain(tenant.id);
      expect((await tenant.call("listBulkResults", { params })).body).toEqual({ results: [], nextCursor: null });
      await run();
      const { body: job } = await tenant.call("getBulkJob", { params });
      expect(job).toMatchObject({ state: "done", total: many, done: many, outcomes: { changed: many, refused: 0 } });
      expect(job.finishedAt).not.toBeNull();
      const first = await tenant.call("listBulkResults", { params, query: { limit: 200 } });
      const cursor = first.body.nextCursor;
      const second = await tenant.call("listBulkResults", { params, query: { limit: 200, cursor } });
      expect([...first.body.results, ...second.body.results].map(({ id }: Result) => id)).toEqual(ids);
      expect(second.body.nextCursor).toBeNull();
      const refused = await tenant.call("listBulkResults", { params, query: { outcome: "refused" } });
      expect(refused.body.results).toEqual([]);
      expect((await tenant.call("listBulkJobs")).body.jobs).toEqual([job]);
    });

    it("run twice or at once treats nobody twice", async () => {
      const { ids, params } = await begin("deactivate", {});
      await Promise.all([run(), run()]);
      await run();
      expect((await tenant.call("getBulkJob", { params })).body).toMatchObject({
        state: "done",
        done: many,
        outcomes: { changed: many, unchanged: 0 },
      });
      for (const id of [ids[0]!, ids.at(-1)!]) expect(await events(id)).toHaveLength(2);
    });

    it("can be cancelled; what is done stays, and the rest is left alone", async () => {
      const { params } = await begin();
      const cancelled = await tenant.call("cancelBulkJob", { params });
      expect(cancelled.body).toMatchObject({ state: "cancelled", done: 0 });
      await run();
      expect((await tenant.call("cancelBulkJob", { params })).body).toEqual(cancelled.body);
      expect((await tenant.call("listUsers", { query: { role: "manager" } })).body.total).toBe(0);
    });

    it("GRD-5: acts with the authority that its originator has by then", async () => {
      const ids = await people(many);
      await tenant.call("createRole", {
        body: { key: "helpdesk", name: "Help desk", rank: 40, permissions: ["users.manage"] },
      });
      const minted = await tenant.call("mintToken", { body: { label: "desk", scopes: ["api"], role: "helpdesk" } });
      const body = { select: { ids }, action: "deactivate" };
      const { body: job } = await bulk(body, { token: minted.body.token });
      await tenant.call("revokeToken", { params: { id: minted.body.id } });
      await run();
      const params = { id: job.id };
      const { results } = (await tenant.call("listBulkResults", { params, query: { limit: 1 } })).body;
      expect(results).toMatchObject([{ outcome: "refused", code: "forbidden" }]);
      expect((await tenant.call("getBulkJob", { params })).body.outcomes).toMatchObject({ refused: many, changed: 0 });
      expect((await user(ids[0]!)).status).toBe("active");
    });

    it("goes on when the role that it gives is gone", async () => {
      await tenant.call("createRole", { body: { key: "guest", name: "Guest", rank: 1, permissions: [] } });
      const { params } = await begin("setRole", { role: "guest" });
      await tenant.call("removeRole", { params: { key: "guest" } });
      await run();
      expect((await tenant.call("getBulkJob", { params })).body.outcomes).toMatchObject({ refused: many });
    });

    it("may be a dry run", async () => {
      const { params } = await begin("assignLicense", { tier: "standard" }, { dryRun: true });
      await run();
      const { body } = await tenant.call("getBulkJob", { params });
      expect(body).toMatchObject({ dryRun: true, state: "done", outcomes: { changed: 2, queued: many - 2 } });
      expect(body.seats).toContainEqual({
        tier: "standard",
        before: { free: 2, waiting: 0 },
        after: { free: 0, waiting: many - 2 },
      });
      expect((await tenant.call("listPools")).body.pools).toContainEqual(
        expect.objectContaining({ tier: "standard", used: 0, waitlisted: 0 }),
      );
    });

    it("is seen by those who may do what it does, of this tenant", async () => {
      const { params } = await begin();
      const other = await aTenant(server);
      const token = await (async () => {
        const key = "seats";
        await tenant.call("createRole", { body: { key, name: "Seats", rank: 30, permissions: ["licenses.manage"] } });
        return await tenant.mint({ scopes: ["api"], role: key });
      })();
      for (const operation of ["getBulkJob", "listBulkResults", "cancelBulkJob"]) {
        expect((await other.call(operation, { params })).status).toBe(404);
        expect((await tenant.call(operation, { params: { id: absent } })).status).toBe(404);
        expect((await tenant.call(operation, { params, token })).body).toMatchObject({ permission: "users.manage" });
      }
      expect((await tenant.call("listBulkJobs", { token })).body.jobs).toEqual([]);
      expect((await other.call("listBulkJobs")).body.jobs).toEqual([]);
    });

    it("waits its turn: so many at most", async () => {
      const ids = await people(many);
      const body = { select: { ids }, action: "activate" };
      for (let n = 0; n < limits.bulkJobsUnfinishedMax; n++) expect((await bulk(body)).status).toBe(202);
      const { status, body: problem, headers } = await bulk(body);
      expect([status, problem.code, headers["retry-after"]]).toEqual([429, "tooManyRequests", "60"]);
    });
  });
});
