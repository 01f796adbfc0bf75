/** Access evaluation over HTTP (OpenID AuthZEN 1.0), by section of the standard; the rules behind it: test/domain/evaluation.test.ts. */
import request from "supertest";
import { beforeEach, describe, expect, it } from "vitest";
import { createAdminRouters } from "../../src/admin/router.ts";
import { RateLimiter } from "../../src/auth/rate-limiter.ts";
import type { Statement } from "../../src/db/database.ts";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import type { JsonObject } from "../../src/domain/model.ts";
import { createApp } from "../../src/http/app.ts";
import { limits } from "../../src/limits.ts";
import { createLogger } from "../../src/log.ts";
import { changeGroup, createGroup } from "../../src/provisioning/groups.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aTenant, type CallOptions, call, type Server, startServer, type TestTenant } from "./api.ts";

const usher = "urn:ietf:params:scim:schemas:extension:usher:2.0:User";
const application = { type: "application", id: "console" };
const absent = "0190a0b0-0000-7000-8000-0000000000ff";

describeOnBoth("access evaluation", (getDb) => {
  let server: Server;
  let tenant: TestTenant;
  beforeEach(async () => {
    server = startServer(getDb());
    tenant = await aTenant(server, { seats: { standard: 2, pro: 2 } });
  });

  const user = async (name: string, extension: JsonObject = {}, more: object = {}) =>
    (await tenant.user({ userName: `${name}@example.com`, [usher]: extension, ...more })).id;
  const about = (id: string, name = "sign-in", resource: object = application, type = "user") => ({
    subject: { type, id },
    action: { name },
    resource,
  });
  const send = (body: unknown, options: CallOptions = {}) => tenant.call("evaluateAccess", { body, ...options });
  const ask = async (...asked: Parameters<typeof about>) => (await send(about(...asked))).body;
  const batch = (body: unknown, options: CallOptions = {}) => tenant.call("evaluateAccessBatch", { body, ...options });
  const decisionsOf = ({ body }: { body: { evaluations: { decision: boolean }[] } }) =>
    body.evaluations.map(({ decision }) => decision);

  describe("§6: one question", () => {
    it("ROL-4: is answered by id or userName with what is committed now", async () => {
      const id = await user("ada");
      expect(await ask("ADA@example.com", "sign-in", application, "userName")).toEqual({
        decision: true,
        context: {
          reason: "The person is active.",
          status: "active",
          role: "user",
          permissions: ["content.edit", "profile.manage"],
          tier: null,
          teams: [],
          sessionsNotBefore: null,
        },
      });
      expect((await ask(id.toUpperCase())).decision).toBe(true);
      expect((await ask(id, "reports.read")).decision).toBe(false);
      await tenant.call("changeUser", { params: { id }, body: { role: "manager" } });
      expect((await ask(id, "reports.read")).decision).toBe(true);
      await tenant.call("changeRole", { params: { key: "manager" }, body: { permissions: ["users.read"] } });
      expect((await ask(id, "reports.read")).decision).toBe(false);
      await tenant.call("changeUser", { params: { id }, body: { suspended: true } });
      expect(await ask(id)).toMatchObject({ decision: false, context: { status: "inactive" } });
    });

    it("takes what the standard lets a caller add, and answers as without it", async () => {
      const id = await user("ada");
      const plain = await ask(id);
      const rich = {
        subject: { type: "user", id, properties: { department: "Sales", ip_address: "192.0.2.1" } },
        action: { name: "sign-in", properties: { method: "GET" } },
        resource: { type: "application", id: "console", properties: { library: { isbn: ["x", null, 1] } } },
        context: { time: "2026-01-05T01:22-07:00", nested: { deep: [{}] } },
        unknown: "MUST be ignored",
      };
      expect((await send(rich)).body).toEqual(plain);
    });

    it("may ask about signing in without a resource, and about nothing else", async () => {
      const id = await user("ada");
      const { resource: _none, ...bare } = about(id);
      expect((await send(bare)).body.decision).toBe(true);
      const { status, body } = await send({ ...bare, action: { name: "content.edit" } });
      expect([status, body.code, body.errors]).toEqual([
        400,
        "invalidValue",
        [{ path: "/body/resource", message: "must be there" }],
      ]);
    });

    it.each([
      [{}],
      [[]],
      [{ ...about("x"), subject: undefined }],
      [{ ...about("x"), action: undefined }],
      [{ ...about("x"), action: {} }],
      [{ ...about("x"), action: "sign-in" }],
      [{ ...about("x"), subject: "x" }],
      [{ ...about("x"), subject: { id: "x" } }],
      [{ ...about("x"), subject: { type: "user" } }],
      [{ ...about("x"), subject: { type: "user", id: 1 } }],
      [{ ...about("x"), subject: { type: "user", id: "" } }],
      [{ ...about("x"), subject: { type: "group", id: "x" } }],
      [{ ...about("x"), subject: { type: "user", id: "x", properties: [] } }],
      [{ ...about("x"), resource: { type: "application" } }],
      [{ ...about("x"), resource: { id: "console" } }],
      [{ ...about("x"), context: "now" }],
    ])("§10.1.2: is refused with 400 where it is none: %j", async (body) => {
      const answer = await send(body);
      expect([answer.status, answer.body.code]).toEqual([400, "invalidValue"]);
    });

    it("a refusal of the question is no decision: denied is 200", async () => {
      expect((await send(about(absent))).status).toBe(200);
      expect((await send(about(absent), { token: null })).status).toBe(401);
      const scim = await tenant.mint({ scopes: ["scim", "api"], role: "admin" });
      expect((await send(about(absent), { token: scim })).status).toBe(403);
    });

    it("takes a token of scope access without any role, and says that the answer is not to be stored", async () => {
      const token = await tenant.mint({ scopes: ["access"] });
      const id = await user("ada");
      const { status, body, headers } = await call(server, "evaluateAccess", { token, body: about(id) });
      expect([status, body.decision, headers["cache-control"]]).toEqual([200, true, "no-store"]);
      expect(headers["content-type"]).toMatch(/^application\/json/);
    });

    it("says from when on sessions count", async () => {
      const id = await user("ada");
      await getDb().query(
        { name: "t1", text: "update users set sessions_not_before = $3 where tenant_id = $1 and id = $2" },
        [tenant.id, id, "2026-01-05T09:00:00.000Z"],
      );
      const { sessionsNotBefore } = (await ask(id)).context;
      expect(new Date(sessionsNotBefore).toISOString()).toBe("2026-01-05T09:00:00.000Z");
    });
  });

  describe("an unknown person looks like an inactive one", () => {
    it("another tenant's too: the same bytes, for every action", async () => {
      const left = await user("left", {}, { active: false });
      const other = await aTenant(server);
      const foreign = await other.user({ userName: "foreign@example.com" });
      const text = async (...asked: Parameters<typeof about>) => {
        const sent = request(server.app).post("/access/v1/evaluation").auth(tenant.adminToken, { type: "bearer" });
        const answer = await sent.set("x-request-id", "same").send(about(...asked));
        const { date: _date, ...headers } = answer.headers;
        return JSON.stringify([answer.status, headers, answer.text]);
      };
      for (const action of ["sign-in", "users.read", "agents.use", "nonsense"]) {
        const inactive = await text(left, action);
        for (const [id, type] of [
          [foreign.id, "user"],
          [absent, "user"],
          ["nobody", "user"],
          ["foreign@example.com", "userName"],
          ["left@example.com", "userName"],
          ["nobody@example.com", "userName"],
        ] as const) {
          expect(await text(id, action, { type: "user", id: left }, type), `${action} ${type} ${id}`).toBe(inactive);
        }
      }
    });

    it("and costs the same: one statement for whomever it is, the credential's own look included", async () => {
      const left = await user("left", {}, { active: false });
      const ada = await user("ada", { licenseTier: "standard" });
      const seen: string[] = [];
      const token = await tenant.mint({ scopes: ["access"] });
      const listening = { ...server, app: appOver(getDb(), server, (statement) => seen.push(statement.name)) };
      const statementsFor = async (body: unknown) => {
        seen.length = 0;
        expect((await call(listening, "evaluateAccess", { token, body })).status).toBe(200);
        return [...seen];
      };
      await statementsFor(about(ada));
      for (const id of [ada, left, absent, "nobody"]) {
        expect(await statementsFor(about(id, "content.edit"))).toEqual(["evaluation_by_id_as"]);
        expect(await statementsFor(about(id, "content.edit", { type: "user", id: ada }))).toEqual([
          "evaluation_by_id_people_as",
        ]);
      }
      for (const name of ["ada@example.com", "left@example.com", "nobody@example.com"]) {
        expect(await statementsFor(about(name, "sign-in", application, "userName"))).toEqual(["evaluation_by_name_as"]);
      }
    });
  });

  describe("LIF-1: a credential that has fallen answers nothing, though it was known a moment ago", () => {
    const revoke = async (token: string) => {
      const { body } = await tenant.call("listTokens");
      const { id } = body.tokens.find((one: { label: string }) => one.label === "test");
      expect((await tenant.call("revokeToken", { params: { id } })).status).toBe(204);
      return token;
    };

    it.each([
      ["to a question", about("ada@example.com", "sign-in", application, "userName")],
      ["to a question that is none", {}],
    ])("%s", async (_name, body) => {
      await user("ada");
      const token = await tenant.mint({ scopes: ["access"] });
      expect([200, 400]).toContain((await send(body, { token })).status);
      await revoke(token);
      expect((await send(body, { token })).status).toBe(401);
    });

    it("to several of which none can be asked", async () => {
      const token = await tenant.mint({ scopes: ["access"] });
      const body = { evaluations: [{ ...about("x"), subject: { type: "robot", id: "x" } }] };
      expect((await batch(body, { token })).status).toBe(200);
      await revoke(token);
      expect((await batch(body, { token })).status).toBe(401);
    });
  });

  describe("§10.1.3: the request's identifier comes back", () => {
    const ids = ["bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "a/b+c==", "with spaces, and (signs)", "x".repeat(500)];
    it.each(ids)("%s", async (id) => {
      const post = (path: string, body: object, token = tenant.adminToken) =>
        request(server.app).post(path).auth(token, { type: "bearer" }).set("X-Request-ID", id).send(body);
      for (const answer of [
        await post("/access/v1/evaluation", about("x")),
        await post("/access/v1/evaluations", { evaluations: [about("x")] }),
        await post("/access/v1/evaluation", {}),
        await post("/access/v1/evaluation", {}, "wrong"),
        await post("/access/v1/nothing", {}),
      ]) {
        expect([answer.status, answer.headers["x-request-id"]]).toEqual([answer.status, id]);
      }
    });

    it("and without one the answer has one of ours", async () => {
      expect((await send(about("x"))).headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
    });
  });

  describe("§7: several questions", () => {
    it("§7.1.1: take what they lack from what stands beside them", async () => {
      const ada = await user("ada", { role: "manager", licenseTier: "pro" });
      const bob = await user("bob");
      const answer = await batch({
        ...about(ada, "reports.read"),
        context: { time: "now" },
        evaluations: [
          {},
          { action: { name: "roles.manage" } },
          { subject: { type: "user", id: bob } },
          { subject: { type: "userName", id: "bob@example.com" }, action: { name: "sign-in" }, context: {} },
          { action: { name: "calls.web-phone" }, resource: { type: "feature", id: "phone" } },
        ],
      });
      expect(decisionsOf(answer)).toEqual([true, false, false, true, true]);
      expect(answer.body).not.toHaveProperty("decision");
      expect(answer.body.evaluations.map((one: { context: { role: string } }) => one.context.role)).toEqual([
        ...["manager", "manager", "user", "user", "manager"],
      ]);
    });

    it("each answer is the one that the question gets alone", async () => {
      const ada = await user("ada", { role: "manager", licenseTier: "standard" });
      const left = await user("left", {}, { active: false });
      const questions = [ada, left, absent].flatMap((id) =>
        ["sign-in", "users.read", "conversations.use", "calls.web-phone", "x.y"].map((name) => about(id, name)),
      );
      const { body } = await batch({ evaluations: questions });
      const alone = [];
      for (const question of questions) alone.push((await send(question)).body);
      expect(body.evaluations).toEqual(alone);
    });

    it.each([[{}], [{ evaluations: [] }], [{ options: { evaluations_semantic: "execute_all" } }]])(
      "§7.1: with %j it is one question, answered as one",
      async (more) => {
        const id = await user("ada");
        const { status, body } = await batch({ ...about(id), ...more });
        expect([status, body]).toEqual([200, await ask(id)]);
      },
    );

    it.each([
      ["execute_all", [false, true, false, true]],
      [undefined, [false, true, false, true]],
      ["deny_on_first_deny", [false]],
      ["permit_on_first_permit", [false, true]],
    ])("§7.1.2.1: %s", async (semantic, expected) => {
      const id = await user("ada");
      const evaluations = ["x.y", "sign-in", "y.z", "content.edit"].map((name) => ({ action: { name } }));
      const options = semantic === undefined ? { another_option: "value" } : { evaluations_semantic: semantic };
      expect(decisionsOf(await batch({ ...about(id), evaluations, options }))).toEqual(expected);
    });

    it("semantics that stop at nothing answer everything", async () => {
      const id = await user("ada");
      const all = (name: string, evaluations_semantic: string) =>
        batch({ ...about(id, name), evaluations: [{}, {}, {}], options: { evaluations_semantic } });
      expect(decisionsOf(await all("sign-in", "deny_on_first_deny"))).toEqual([true, true, true]);
      expect(decisionsOf(await all("x.y", "permit_on_first_permit"))).toEqual([false, false, false]);
    });

    it("§7.2.1: one that cannot be asked is denied and says why; the others are answered", async () => {
      const id = await user("ada");
      const evaluations = [{}, { subject: { type: "robot", id: "r2" } }, {}];
      const answer = await batch({ ...about(id), evaluations });
      expect(decisionsOf(answer)).toEqual([true, false, true]);
      const { error, status } = answer.body.evaluations[1].context;
      expect([status, error]).toEqual(["inactive", { status: 400, message: expect.stringContaining('"robot"') }]);
      const options = { evaluations_semantic: "deny_on_first_deny" };
      expect(decisionsOf(await batch({ ...about(id), evaluations, options }))).toEqual([true, false]);
    });

    it("a question that lacks something, from both places, is 400 and names its place", async () => {
      const { status, body } = await batch({
        subject: { type: "user", id: "x" },
        evaluations: [{ action: { name: "sign-in" } }, { resource: application }, { action: { name: "x.y" } }],
      });
      expect([status, body.code]).toEqual([400, "invalidValue"]);
      expect(body.errors.map(({ path }: { path: string }) => path)).toEqual([
        "/body/evaluations/1/action",
        "/body/evaluations/2/resource",
      ]);
      expect((await batch({ evaluations: [] })).body.errors).toHaveLength(3);
    });

    it.each([
      [{ evaluations: {} }],
      [{ evaluations: [1] }],
      [{ evaluations: [{ subject: { type: "user" } }] }],
      [{ ...about("x"), evaluations: [{}], options: { evaluations_semantic: "some" } }],
      [{ ...about("x"), evaluations: [{}], options: [] }],
      [{ ...about("x"), subject: { type: "robot", id: "x" } }],
    ])("refuses %j", async (body) => {
      const answer = await batch(body);
      expect([answer.status, answer.body.code]).toEqual([400, "invalidValue"]);
    });

    it("count against the rate limit as one request for each person, not for each question", async () => {
      const limiter = new RateLimiter({ perSecond: 1, burst: 10 }, () => 0);
      const routers = createAdminRouters({ ...server.deps, limiter });
      const log = createLogger("silent");
      const app = createApp({ database: getDb(), log, newId: server.deps.newId, routers });
      const token = await tenant.mint({ scopes: ["access"] });
      const sent = async (subjects: number, each: number) => {
        const evaluations = Array.from({ length: subjects * each }, (_, at) => about(`p${at % subjects}`));
        const post = request(app).post("/access/v1/evaluations").auth(token, { type: "bearer" });
        return (await post.send({ evaluations })).status;
      };
      expect([await sent(1, 50), await sent(1, 50), await sent(8, 5)]).toEqual([200, 200, 200]);
      expect(await sent(1, 1)).toBe(429);
    });

    it("are bounded in number", async () => {
      const many = (length: number) => batch({ ...about("x"), evaluations: Array.from({ length }, () => ({})) });
      expect((await many(limits.evaluationsMax)).body.evaluations).toHaveLength(limits.evaluationsMax);
      expect((await many(limits.evaluationsMax + 1)).status).toBe(400);
    });

    it("reads each person once, and those behind the end not at all", async () => {
      const ids = [await user("a"), await user("b"), await user("c")];
      const seen: string[] = [];
      const token = await tenant.mint({ scopes: ["access"] });
      const listening = { ...server, app: appOver(getDb(), server, (statement) => seen.push(statement.name)) };
      await call(listening, "evaluateAccess", { token, body: about(ids[0]!) });
      const readsOf = async (evaluations_semantic: string) => {
        seen.length = 0;
        const evaluations = Array.from({ length: 240 }, (_, at) => about(ids[at % 3]!));
        const body = { evaluations, options: { evaluations_semantic } };
        const answer = await call(listening, "evaluateAccessBatch", { token, body });
        return [answer.body.evaluations.length, seen.length];
      };
      expect(await readsOf("execute_all")).toEqual([240, 3]);
      expect(await readsOf("permit_on_first_permit")).toEqual([1, 1]);
    });
  });

  describe("E-8: what is held for the own teams", () => {
    let sue: string;
    let teamOf: Record<string, string>;
    let people: Record<"anna" | "bob" | "dan", string>;
    beforeEach(async () => {
      tenant = await aTenant(server, { preset: "empower" });
      sue = await user("sue", { role: "supervisor" });
      people = { anna: await user("anna"), bob: await user("bob"), dan: await user("dan", {}, { active: false }) };
      const { anna, bob, dan } = people;
      for (const [displayName, members] of [
        ["Sales", [sue, anna, dan]],
        ["Support", [bob]],
      ] as const) {
        await createGroup(server.deps, tenant.ctx, { displayName, members: [...members] });
      }
      const rows = await getDb().query<{ id: string; name: string }>(
        { name: "t2", text: "select id, name from teams where tenant_id = $1" },
        [tenant.id],
      );
      teamOf = Object.fromEntries(rows.map(({ id, name }) => [name, id]));
    });
    const reads = async (resource: object) => (await ask(sue, "calls.read", resource)).decision;

    it("reaches a team of theirs and the people in it, and nobody else", async () => {
      expect(await reads({ type: "team", id: teamOf.Sales })).toBe(true);
      expect(await reads({ type: "team", id: teamOf.Support })).toBe(false);
      expect(await reads({ type: "user", id: people.anna })).toBe(true);
      expect(await reads({ type: "user", id: people.anna.toUpperCase() })).toBe(true);
      expect(await reads({ type: "user", id: sue })).toBe(true);
      for (const id of [people.bob, people.dan, absent, "nobody", teamOf.Sales]) {
        expect(await reads({ type: "user", id })).toBe(false);
      }
      expect(await reads({ type: "document", id: teamOf.Sales })).toBe(false);
    });

    it("says of people elsewhere what it says of nobody", async () => {
      const elsewhere = await ask(sue, "calls.read", { type: "user", id: people.bob });
      expect(await ask(sue, "calls.read", { type: "user", id: absent })).toEqual(elsewhere);
    });

    it("follows the teams at once", async () => {
      const { body } = await tenant.call("getUser", { params: { id: people.bob } });
      const [support] = body.groups ?? [];
      await changeGroup(server.deps, tenant.ctx, support.value, [{ add: [sue] }]);
      expect(await reads({ type: "user", id: people.bob })).toBe(true);
      await changeGroup(server.deps, tenant.ctx, support.value, [{ remove: [people.bob] }]);
      expect(await reads({ type: "user", id: people.bob })).toBe(false);
    });

    it("asks about many of them in one read", async () => {
      const { anna, bob, dan } = people;
      const evaluations = [anna, bob, dan, absent].map((id) => ({ resource: { type: "user", id } }));
      expect(decisionsOf(await batch({ ...about(sue, "calls.read"), evaluations }))).toEqual([
        ...[true, false, false, false],
      ]);
    });
  });

  describe("P-6: an agent is seen through a grant", () => {
    let ada: string;
    let agents: Record<"helper" | "scribe", string>;
    beforeEach(async () => {
      tenant = await aTenant(server, { preset: "power-omni", seats: { licensed: 2 } });
      ada = await user("ada", { licenseTier: "licensed" });
      const make = async (name: string) =>
        (await tenant.call("createTeam", { body: { kind: "agent", name } })).body.id as string;
      agents = { helper: await make("Helper"), scribe: await make("Scribe") };
    });
    const uses = async (agent: string, person = ada) =>
      (await ask(person, "agents.use", { type: "agent", id: agent })).decision;
    const grant = (agent: string, body: object) => tenant.call("grantAgent", { params: { id: agent }, body });

    it("to the person, at once, until it is taken back", async () => {
      expect(await uses(agents.helper)).toBe(false);
      expect((await grant(agents.helper, { users: [ada] })).status).toBe(200);
      expect([await uses(agents.helper), await uses(agents.scribe)]).toEqual([true, false]);
      expect(await uses(agents.helper.toUpperCase())).toBe(true);
      const query = { users: ada };
      expect((await tenant.call("revokeAgent", { params: { id: agents.helper }, query })).status).toBe(200);
      expect(await uses(agents.helper)).toBe(false);
    });

    it.each(["team", "workspace"])("to a %s of theirs, while they are in it", async (kind) => {
      const { body } = await tenant.call("createTeam", { body: { kind, name: "Desk" } });
      await grant(agents.helper, { teams: [body.id] });
      expect(await uses(agents.helper)).toBe(false);
      await tenant.call("addTeamMembers", { params: { id: body.id }, body: { users: [ada] } });
      expect(await uses(agents.helper)).toBe(true);
      const { reason } = (await ask(ada, "agents.use", { type: "agent", id: agents.helper })).context;
      expect(reason).toContain(`${kind} "Desk"`);
      await tenant.call("changeTeam", { params: { id: body.id }, body: { archived: true } });
      expect(await uses(agents.helper)).toBe(false);
    });

    it("and with the license that carries the permission: without it the grant is worth nothing", async () => {
      const bob = await user("bob");
      await grant(agents.helper, { users: [ada, bob] });
      expect([await uses(agents.helper), await uses(agents.helper, bob)]).toEqual([true, false]);
      expect((await ask(bob)).context.reason).toContain("needs a license");
    });

    it("also for an Administrator, and for nobody else's agents or things that are none", async () => {
      await tenant.call("changeUser", { params: { id: ada }, body: { role: "administrator" } });
      expect(await uses(agents.helper)).toBe(false);
      expect((await ask(ada, "agents.manage", { type: "agent", id: agents.helper })).decision).toBe(true);
      const other = await aTenant(server, { preset: "power-omni" });
      const foreign = await other.call("createTeam", { body: { kind: "agent", name: "Foreign" } });
      for (const id of [foreign.body.id, absent, "nothing", ada]) expect(await uses(id)).toBe(false);
    });

    it("asks about many agents in one read, and about agents as such by the permission alone", async () => {
      await grant(agents.scribe, { users: [ada] });
      const evaluations = [agents.helper, agents.scribe, absent].map((id) => ({ resource: { type: "agent", id } }));
      const body = { ...about(ada, "agents.use"), evaluations: [...evaluations, {}] };
      expect(decisionsOf(await batch(body))).toEqual([false, true, false, true]);
    });
  });

  describe("P-10, A-10, LIC-9: what comes with a license", () => {
    it("P-10: signing in does where the tenant says so, and the seat may pass on", async () => {
      tenant = await aTenant(server, { preset: "power-omni", seats: { licensed: 1 } });
      const ada = await user("ada", { licenseTier: "licensed" });
      const bob = await user("bob", { licenseTier: "licensed" });
      const signs = async () => [(await ask(ada)).decision, (await ask(bob)).decision];
      expect(await signs()).toEqual([true, false]);
      expect((await ask(bob)).context).toMatchObject({ status: "active", permissions: [], tier: null });
      await tenant.call("changeUser", { params: { id: ada }, body: { tier: "none" } });
      expect(await signs()).toEqual([false, true]);
    });

    it("A-10: the web phone does, and everybody signs in without it", async () => {
      tenant = await aTenant(server, { preset: "avoxi", seats: { contact: 3 } });
      const ada = await user("ada", { licenseTier: "contact" });
      const bob = await user("bob");
      const answers = async (name: string) => [(await ask(ada, name)).decision, (await ask(bob, name)).decision];
      expect(await answers("sign-in")).toEqual([true, true]);
      expect(await answers("calls.web-phone")).toEqual([true, false]);
      expect((await ask(bob, "calls.web-phone")).context.reason).toContain(
        "comes with the Enterprise or Contact license",
      );
      await tenant.call("changeUser", { params: { id: bob }, body: { role: "admin" } });
      expect(await answers("calls.web-phone")).toEqual([true, false]);
    });
  });
});

/** The same server over a database that tells which statements it runs. */
function appOver(db: OpenDatabase, { deps }: Server, heard: (statement: Statement) => void) {
  const listening: OpenDatabase = {
    ...db,
    query(statement, values) {
      if (statement.name !== "token_touch") heard(statement);
      return db.query(statement, values);
    },
  };
  return createApp({
    database: db,
    log: createLogger("silent"),
    newId: deps.newId,
    routers: createAdminRouters({ ...deps, db: listening }),
  });
}
