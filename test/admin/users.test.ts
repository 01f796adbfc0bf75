import { beforeAll, describe, expect, it } from "vitest";
import { createGroup } from "../../src/provisioning/groups.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aTenant, call, type Server, startServer, type TestTenant } from "./api.ts";

const absent = "0190a0b0-0000-7000-8000-0000000000ff";
const urn = "urn:ietf:params:scim:schemas:extension:usher:2.0:User";

describeOnBoth("users", (getDb) => {
  let server: Server;
  beforeAll(() => {
    server = startServer(getDb());
  });

  describe("listUsers", () => {
    let tenant: TestTenant;
    let ids: Record<string, string>;
    beforeAll(async () => {
      tenant = await aTenant(server, { seats: { standard: 1, pro: 1 } });
      const ada = await tenant.user({
        userName: "ada@example.com",
        displayName: "Ada Lovelace",
        emails: [{ value: "countess@analytical.example", primary: true }],
        phoneNumbers: [{ value: "+44 20 7946 0000" }],
        "urn:ietf:params:scim:schemas:extension:usher:2.0:User": { licenseTier: "standard", company: "Analytical" },
      });
      const grace = await tenant.user({
        userName: "Grace@example.com",
        name: { givenName: "Grace", familyName: "Hopper" },
        "urn:ietf:params:scim:schemas:extension:usher:2.0:User": { licenseTier: "pro", role: "manager" },
      });
      const left = await tenant.user({ userName: "left@example.com", active: false });
      const odd = await tenant.user({ userName: "100%_odd@example.com" });
      await createGroup(server.deps, tenant.ctx, { displayName: "Sales", members: [ada.id, left.id] });
      const inner = await createGroup(server.deps, tenant.ctx, { displayName: "Inner", members: [grace.id] });
      await createGroup(server.deps, tenant.ctx, { displayName: "Outer", members: [inner.id] });
      ids = { ada: ada.id, grace: grace.id, left: left.id, odd: odd.id };
    });

    const names = async (query: Record<string, string | number>) => {
      const { body } = await tenant.call("listUsers", { query });
      expect(body.total).toBe(body.users.length);
      return body.users
        .map((user: { id: string }) => Object.entries(ids).find(([, id]) => id === user.id)?.[0])
        .join(" ");
    };

    it("shows what a table of people needs", async () => {
      const { body } = await tenant.call("listUsers", { query: { q: "ada@" } });
      expect(body.users).toMatchObject([
        {
          userName: "ada@example.com",
          displayName: "Ada Lovelace",
          email: "countess@analytical.example",
          phone: "+44 20 7946 0000",
          company: "Analytical",
          status: "active",
          role: "user",
          license: { tier: "standard", status: "assigned" },
          teams: [{ display: "Sales", kind: "team" }],
        },
      ]);
      const { body: other } = await tenant.call("listUsers", { query: { q: "grace" } });
      expect(other.users[0]).toMatchObject({ displayName: "Grace Hopper", email: null, phone: null, company: null });
    });

    it("sorts by userName without letter case", async () => {
      expect(await names({})).toBe("odd ada grace left");
    });

    it("filters by role, license, status and team", async () => {
      expect(await names({ role: "manager" })).toBe("grace");
      expect(await names({ tier: "standard" })).toBe("ada");
      expect(await names({ tier: "none" })).toBe("odd left");
      expect(await names({ status: "inactive" })).toBe("left");
      expect(await names({ team: "sales" })).toBe("ada");
      expect(await names({ team: "Outer" })).toBe("grace");
      const { body } = await tenant.call("getUser", { params: { id: ids.ada! } });
      expect(await names({ team: body.teams[0].value })).toBe("ada");
      expect(await names({ team: "nobody" })).toBe("");
      expect(await names({ role: "user", status: "active", tier: "none" })).toBe("odd");
    });

    it("filters by license, company, group and queue", async () => {
      await tenant.user({ userName: "zed@example.com", [urn]: { licenseTier: "standard", company: "Zed & Söhne" } });
      const [found] = (await tenant.call("listUsers", { query: { q: "zed" } })).body.users;
      ids.zed = found.id;
      expect(await names({ license: "waitlisted" })).toBe("zed");
      expect(await names({ license: "assigned" })).toBe("ada grace");
      expect(await names({ license: "none" })).toBe("odd left");
      expect(await names({ company: "zed & SÖHNE" })).toBe("zed");
      expect(await names({ company: "zed" })).toBe("");
      expect(await names({ group: "SALES" })).toBe("ada left");
      expect(await names({ group: "outer" })).toBe("grace");
      const { body } = await tenant.call("getUser", { params: { id: ids.ada! } });
      expect(await names({ group: body.groups[0].value })).toBe("ada left");
      expect(await names({ group: "sales", status: "active", license: "assigned", q: "love" })).toBe("ada");
      expect(await names({ group: "nowhere" })).toBe("");
      expect(await names({ queue: "sales" })).toBe("");
      const queue = "0190a0b0-0000-7000-8000-00000000aaaa";
      const values = [tenant.id, queue];
      await getDb().query(
        {
          name: "t_queue",
          text: "insert into teams (tenant_id, id, kind, name, name_norm, created_at) values ($1, $2, 'queue', 'Hotline', 'hotline', now())",
        },
        values,
      );
      await getDb().query(
        {
          name: "t_queue_member",
          text: "insert into team_members (tenant_id, team_id, user_id, source) values ($1, $2, $3, 'manual')",
        },
        [...values, ids.grace],
      );
      expect(await names({ queue: "HotLine" })).toBe("grace");
      expect(await names({ queue })).toBe("grace");
      expect(await names({ team: "hotline" })).toBe("grace");
      await tenant.call("deleteUser", { params: { id: ids.zed! } });
    });

    it("finds a person by a first and last name that no displayName repeats, and by any of their addresses", async () => {
      const other = await aTenant(server);
      const emails = [{ value: "first@example.com" }, { value: "Second@Example.org" }];
      await other.user({ userName: "u1", name: { givenName: "Grace", familyName: "Hopper" }, emails });
      for (const q of ["grace hop", "HOPPER", "second@", "example.ORG", "u1"]) {
        expect((await other.call("listUsers", { query: { q } })).body.total, q).toBe(1);
      }
      expect((await other.call("listUsers", { query: { q: "hopper grace" } })).body.total).toBe(0);
    });

    it("keeps every order over pages of any size, turned round as well, while people come and go", async () => {
      const other = await aTenant(server);
      const people = ["cy", "Ab", "by", "da", "Eb"];
      const shown: Record<string, string> = { cy: "Beta", Ab: "alpha", da: "beta" };
      for (const [number, userName] of people.entries()) {
        server.now = new Date(Date.UTC(2026, 0, 10 - number));
        await other.user({ userName, ...(shown[userName] === undefined ? {} : { displayName: shown[userName] }) });
      }
      server.now = null;
      const walk = async (query: Record<string, string | number>) => {
        const found: string[] = [];
        for (let cursor: string | null = ""; cursor !== null; ) {
          const { body } = await other.call("listUsers", { query: { ...query, ...(cursor === "" ? {} : { cursor }) } });
          expect(body.total).toBe(5);
          found.push(...body.users.map((user: { userName: string }) => user.userName));
          cursor = body.nextCursor;
        }
        return found.join(" ");
      };
      for (const limit of [1, 2, 3, 5, 500]) {
        expect(await walk({ limit })).toBe("Ab by cy da Eb");
        expect(await walk({ limit, order: "desc" })).toBe("Eb da cy by Ab");
        expect(await walk({ limit, sort: "displayName" })).toBe("Ab cy da by Eb");
        expect(await walk({ limit, sort: "displayName", order: "desc" })).toBe("da cy Ab Eb by");
        expect(await walk({ limit, sort: "createdAt" })).toBe("cy Ab by da Eb");
        expect(await walk({ limit, sort: "createdAt", order: "desc" })).toBe("Eb da by Ab cy");
        expect(await walk({ limit, sort: "modifiedAt" })).toBe("Eb da by Ab cy");
        expect(await walk({ limit, sort: "modifiedAt", order: "desc" })).toBe("cy Ab by da Eb");
        expect(await walk({ limit, sort: "modifiedAt", status: "active" })).toBe("Eb da by Ab cy");
      }
      const { body: first } = await other.call("listUsers", { query: { limit: 2 } });
      await other.user({ userName: "aa" });
      await other.user({ userName: "cx" });
      const { body: second } = await other.call("listUsers", { query: { limit: 2, cursor: first.nextCursor } });
      expect(second.users.map((user: { userName: string }) => user.userName)).toEqual(["cx", "cy"]);
      expect(second.total).toBe(5);
    });

    it("says the same of a long list as of a short one, whichever way it is read", async () => {
      const crowd = await aTenant(server);
      await getDb().query(
        {
          name: "t_crowd",
          text: `insert into users (tenant_id, id, user_name, user_name_norm, display_name_norm, doc, active, status, role, role_source,
              decided_version, created_at, modified_at, search)
            select $1, gen_random_uuid(), 'c' || n, 'c' || n, case when n % 3 > 0 then 'd' || n % 100 end,
              jsonb_build_object('userName', 'c' || n, 'active', true), true, 'active',
              case when n % 2 = 0 then 'manager' else 'user' end, 'default', 1, now(), now() - n * interval '1 second', ''
            from generate_series(1, 12000) n`,
        },
        [crowd.id],
      );
      const walk = async (query: Record<string, string | number>) => {
        const found: string[] = [];
        for (let cursor: string | null = ""; cursor !== null; ) {
          const { body } = await crowd.call("listUsers", {
            query: { limit: 500, ...query, ...(cursor === "" ? {} : { cursor }) },
          });
          found.push(...body.users.map((user: { id: string }) => user.id));
          cursor = body.nextCursor;
          if (cursor === null) expect(body.total).toBe(found.length);
        }
        expect(new Set(found).size).toBe(found.length);
        return found;
      };
      const managers = await walk({ role: "manager" });
      expect(managers).toHaveLength(6000);
      for (const sort of ["displayName", "modifiedAt", "createdAt", "lastSeen"]) {
        const few = await walk({ sort, role: "manager", q: "c1" });
        const many = await walk({ sort, role: "manager" });
        expect(few.length).toBeLessThan(5000);
        expect(few).toEqual(many.filter((id) => few.includes(id)));
      }
    });

    it("searches names and addresses; no character has a meaning of its own", async () => {
      expect(await names({ q: "LOVE" })).toBe("ada");
      expect(await names({ q: "analytical.example" })).toBe("ada");
      expect(await names({ q: "EXAMPLE.com" })).toBe("odd ada grace left");
      expect(await names({ q: "%" })).toBe("odd");
      expect(await names({ q: "_" })).toBe("odd");
      expect(await names({ q: "' or '1'='1" })).toBe("");
    });

    it("pages by cursor without losing or repeating anybody", async () => {
      const found: string[] = [];
      for (let cursor: string | null = ""; cursor !== null; ) {
        const query = { limit: 1, ...(cursor === "" ? {} : { cursor }) };
        const { body } = await tenant.call("listUsers", { query });
        expect(body.total).toBe(4);
        found.push(...body.users.map((user: { userName: string }) => user.userName));
        cursor = body.nextCursor;
      }
      expect(found).toEqual(["100%_odd@example.com", "ada@example.com", "Grace@example.com", "left@example.com"]);
    });

    it("refuses a cursor that was changed, or is of other filters, another list or another tenant", async () => {
      const { body } = await tenant.call("listUsers", { query: { limit: 1 } });
      const cursor: string = body.nextCursor;
      const other = await aTenant(server);
      const forged = `${Buffer.from('{"name":"","id":"x"}').toString("base64url")}.${cursor.split(".")[1]}`;
      const answers = [
        await tenant.call("listUsers", { query: { cursor: forged } }),
        await tenant.call("listUsers", { query: { cursor: cursor.slice(0, -2) } }),
        await tenant.call("listUsers", { query: { cursor, role: "user" } }),
        await tenant.call("listPromotions", { query: { cursor } }),
        await other.call("listUsers", { query: { cursor } }),
      ];
      for (const answer of answers) expect([answer.status, answer.body.code]).toEqual([400, "invalidValue"]);
    });

    it.each([
      { limit: "0" },
      { limit: "501" },
      { limit: "x" },
      { status: "gone" },
      { q: "" },
      { page: "2" },
      { role: "" },
      { sort: "age" },
      { order: "up" },
      { license: "some" },
      { group: "" },
      { company: "" },
    ])("refuses the query %j", async (query) => {
      expect((await tenant.call("listUsers", { query })).status).toBe(400);
    });
  });

  describe("changeUser", () => {
    let tenant: TestTenant;
    beforeAll(async () => {
      tenant = await aTenant(server, { seats: { standard: 1 } });
    });
    const change = (id: string, body: object) => tenant.call("changeUser", { params: { id }, body });

    it("ROL-2: pins and unpins a role", async () => {
      const { id } = await tenant.user({ userName: "pin@example.com" });
      expect((await change(id, { role: "manager" })).body).toMatchObject({ role: "manager", rolePin: "manager" });
      expect((await change(id, { role: null })).body).toMatchObject({ role: "user", rolePin: null });
    });

    it("pins and unpins a tier, and no tier at all", async () => {
      const { id } = await tenant.user({ userName: "tier@example.com" });
      expect((await change(id, { tier: "standard" })).body).toMatchObject({
        tierPin: "standard",
        license: { tier: "standard" },
      });
      expect((await change(id, { tier: "none" })).body).toMatchObject({
        tierPin: "none",
        license: { tier: null, status: "none" },
      });
      expect((await change(id, { tier: null })).body.tierPin).toBeNull();
    });

    it("USR-1: suspends, whatever the client says, and lifts it", async () => {
      const { id } = await tenant.user({ userName: "stop@example.com" });
      expect((await change(id, { suspended: true })).body).toMatchObject({
        suspended: true,
        status: "inactive",
        active: true,
      });
      expect((await change(id, { suspended: false })).body).toMatchObject({ suspended: false, status: "active" });
    });

    it("names an unknown role or tier and the known ones", async () => {
      const { id } = await tenant.user({ userName: "unknown@example.com" });
      const role = await change(id, { role: "boss" });
      expect([role.status, role.body.code]).toEqual([400, "unknownRole"]);
      const tier = await change(id, { tier: "gold" });
      expect([tier.status, tier.body.code]).toEqual([400, "unknownTier"]);
      expect(tier.body.detail).toMatch(/standard/);
    });

    it("GRD-1: makes an Admin by an Admin's token alone", async () => {
      await tenant.call("createRole", {
        body: { key: "hr", name: "HR", rank: 60, permissions: ["users.manage", "users.read"] },
      });
      const hr = await tenant.mint({ scopes: ["api"], role: "hr" });
      const { id } = await tenant.user({ userName: "ambition@example.com" });
      const { status, body } = await call(server, "changeUser", { token: hr, params: { id }, body: { role: "admin" } });
      expect([status, body.code, body.rule]).toEqual([403, "promotionRefused", "GRD-4"]);
      expect((await tenant.call("getUser", { params: { id } })).body.role).toBe("user");
      const { body: inbox } = await tenant.call("listPromotions", { query: { state: "open" } });
      expect(inbox.promotions).toMatchObject([{ userId: id, role: "admin", sources: ["pin"] }]);
      expect((await change(id, { role: "admin" })).body.role).toBe("admin");
    });

    it("GRD-7: does not demote the last Admin", async () => {
      const alone = await aTenant(server);
      const { id } = await alone.user({ userName: "last@example.com" });
      await alone.call("changeUser", { params: { id }, body: { role: "admin" } });
      const { status, body } = await alone.call("changeUser", { params: { id }, body: { role: null } });
      expect([status, body.code, body.rule]).toEqual([409, "lastAdmin", "GRD-7"]);
    });

    it("LIC-11: a tier needs the license permission, role and stop the users permission", async () => {
      const { id } = await tenant.user({ userName: "lic11@example.com" });
      await tenant.call("createRole", {
        body: { key: "seller", name: "Seller", rank: 61, permissions: ["licenses.manage"] },
      });
      const seller = await tenant.mint({ scopes: ["api"], role: "seller" });
      const hr = await tenant.mint({ scopes: ["api"], role: "hr" });
      const status = async (token: string, body: object) =>
        (await call(server, "changeUser", { token, params: { id }, body })).status;
      expect(await status(seller, { tier: "none" })).toBe(200);
      expect(await status(seller, { role: "manager" })).toBe(403);
      expect(await status(seller, { suspended: true })).toBe(403);
      expect(await status(hr, { tier: "standard" })).toBe(403);
      expect(await status(hr, { suspended: true })).toBe(200);
    });

    it("LIC-11: by any path: stopping, bringing back and deleting somebody with a seat, and a mapping of tiers", async () => {
      const crowded = await aTenant(server, { seats: { standard: 5 } });
      const permissions = ["users.manage", "users.read", "mapping.manage", "settings.manage"];
      await crowded.call("createRole", { body: { key: "hr", name: "HR", rank: 60, permissions } });
      const token = await crowded.mint({ scopes: ["api"], role: "hr" });
      const urn = "urn:ietf:params:scim:schemas:extension:usher:2.0:User";
      const seated = await crowded.user({ userName: "seated@example.com", [urn]: { licenseTier: "standard" } });
      const plain = await crowded.user({ userName: "plain@example.com" });
      const status = async (operation: string, options: object) =>
        (await call(server, operation, { token, ...options })).status;
      for (const [{ id }, expected] of [
        [seated, 403],
        [plain, 200],
      ] as const) {
        expect(await status("changeUser", { params: { id }, body: { suspended: true } })).toBe(expected);
        await crowded.call("changeUser", { params: { id }, body: { suspended: true } });
        expect(await status("changeUser", { params: { id }, body: { suspended: false } })).toBe(expected);
        expect(await status("deleteUser", { params: { id } })).toBe(expected === 200 ? 204 : 403);
      }
      const document = { groups: [], rules: [], defaults: { role: "user", tier: null } };
      const rule = { name: "Leads", when: "title pr", role: "manager" };
      expect(await status("saveMapping", { body: { ...document, rules: [{ ...rule, tier: "standard" }] } })).toBe(403);
      expect(await status("saveMapping", { body: { ...document, defaults: { role: "user", tier: "standard" } } })).toBe(
        403,
      );
      expect(await status("changeSettings", { body: { pendingHoldsSeat: false } })).toBe(403);
      expect(await status("changeSettings", { body: { invitationDays: 3 } })).toBe(200);
    });

    it.each([{}, { role: 1 }, { suspended: "yes" }, { status: "active" }, { role: "" }, []])(
      "refuses the body %j",
      async (body) => {
        const { status } = await tenant.call("changeUser", { params: { id: absent }, body });
        expect(status).toBe(400);
      },
    );
  });

  describe("getUser, deleteUser, explainUser", () => {
    let tenant: TestTenant;
    beforeAll(async () => {
      tenant = await aTenant(server);
    });

    it("USR-6: a deleted user is gone and the name is free", async () => {
      const { id } = await tenant.user({ userName: "gone@example.com" });
      expect((await tenant.call("deleteUser", { params: { id } })).status).toBe(204);
      for (const operation of ["getUser", "deleteUser", "explainUser"]) {
        expect((await tenant.call(operation, { params: { id } })).status).toBe(404);
      }
      expect((await tenant.user({ userName: "gone@example.com" })).id).not.toBe(id);
    });

    it("explains the winning reason and the losing ones", async () => {
      const { id } = await tenant.user({
        userName: "why@example.com",
        "urn:ietf:params:scim:schemas:extension:usher:2.0:User": { role: "manager" },
      });
      const { body } = await tenant.call("explainUser", { params: { id } });
      expect(body.role).toMatchObject({
        value: "manager",
        reasons: [
          { value: "manager", source: "words", outcome: "won" },
          { value: "user", source: "default", outcome: "lost" },
        ],
      });
    });
  });
});
