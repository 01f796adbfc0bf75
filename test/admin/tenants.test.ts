import { beforeAll, describe, expect, it } from "vitest";
import { presets } from "../../src/domain/presets.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aTenant, call, operatorToken, type Server, startServer } from "./api.ts";

const absent = "0190a0b0-0000-7000-8000-0000000000ff";

describeOnBoth("tenants", (getDb) => {
  let server: Server;
  beforeAll(() => {
    server = startServer(getDb());
  });

  const operate = (operationId: string, options: object = {}) =>
    call(server, operationId, { token: operatorToken, ...options });

  describe("createTenant", () => {
    it.each(presets)(
      "$name: roles, pools with the wanted seats, settings and a working admin token",
      async (preset) => {
        const tier = preset.tiers[0]!.key;
        const made = await operate("createTenant", {
          body: { name: `Acme ${preset.name}`, preset: preset.name, seats: { [tier]: 3 } },
        });
        expect(made.status).toBe(201);
        expect(made.body).toMatchObject({
          name: `Acme ${preset.name}`,
          preset: preset.name,
          withoutAdmin: true,
          domains: [],
        });
        const token = made.body.adminToken;
        const pools = (await call(server, "listPools", { token })).body.pools;
        expect(pools.map((pool: { tier: string }) => pool.tier)).toEqual(preset.tiers.map(({ key }) => key));
        expect(pools.map((pool: { purchased: number }) => pool.purchased)).toEqual(
          preset.tiers.map((_, at) => (at === 0 ? 3 : 0)),
        );
        expect(pools[0]).toMatchObject({
          used: 0,
          available: 3,
          minimum: preset.tiers[0]!.minimum,
          unitPrice: preset.tiers[0]!.unitPrice,
        });
        const roles = (await call(server, "listRoles", { token })).body.roles;
        expect(roles.map((role: { key: string }) => role.key).toSorted()).toEqual(
          preset.roles.map(({ key }) => key).toSorted(),
        );
        expect((await call(server, "getSettings", { token })).body).toEqual(preset.settings);
        const mapping = await call(server, "getMapping", { token });
        expect(mapping.body).toEqual(preset.mapping);
        expect(mapping.headers.etag).toBeDefined();
      },
    );

    it("takes the default preset where none is named", async () => {
      expect((await operate("createTenant", { body: { name: "Plain" } })).body).toMatchObject({
        preset: "default",
        slug: "plain",
      });
    });

    it("makes slugs that differ from names, and refuses a wanted one that is taken", async () => {
      const slugs = [];
      for (const name of ["Zürich & Söhne GmbH", "Zürich & Söhne GmbH", "日本"]) {
        slugs.push((await operate("createTenant", { body: { name } })).body.slug);
      }
      expect(slugs).toEqual(["zu-rich-so-hne-gmbh", "zu-rich-so-hne-gmbh-2", "tenant"]);
      const wanted = { name: "X", slug: "my-slug" };
      expect((await operate("createTenant", { body: wanted })).body.slug).toBe("my-slug");
      const { status, body } = await operate("createTenant", { body: wanted });
      expect([status, body.code]).toEqual([409, "uniqueness"]);
    });

    it.each([
      ["an unknown tier", { name: "X", seats: { gold: 1 } }, "unknownTier"],
      ["an unknown preset", { name: "X", preset: "acme" }, "invalidValue"],
      ["no name", {}, "invalidValue"],
      ["an empty name", { name: "  " }, "invalidValue"],
      ["a negative number of seats", { name: "X", seats: { standard: -1 } }, "invalidValue"],
      ["more seats than a pool holds", { name: "X", seats: { standard: 1_000_001 } }, "invalidValue"],
      ["a number of seats that is no number", { name: "X", seats: { standard: "5" } }, "invalidValue"],
      ["an unknown member", { name: "X", admin: "me" }, "invalidValue"],
      ["a slug with capitals", { name: "X", slug: "Acme" }, "invalidValue"],
    ])("refuses %s and makes nothing", async (_what, body, code) => {
      const before = (await operate("listTenants")).body.tenants.length;
      const answer = await operate("createTenant", { body });
      expect([answer.status, answer.body.code]).toEqual([400, code]);
      expect((await operate("listTenants")).body.tenants.length).toBe(before);
    });

    it("is the operator's: a tenant's Admin gets 403, an unknown token 401", async () => {
      const tenant = await aTenant(server);
      expect((await tenant.call("createTenant", { body: { name: "X" } })).status).toBe(403);
      expect((await call(server, "createTenant", { token: "wrong", body: { name: "X" } })).status).toBe(401);
      expect((await call(server, "createTenant", { token: null, body: { name: "X" } })).status).toBe(401);
    });
  });

  describe("listTenants, getTenant", () => {
    it("pages by slug", async () => {
      for (const name of ["page a", "page b", "page c"]) await operate("createTenant", { body: { name } });
      const slugs = [];
      for (let cursor: string | null = ""; cursor !== null; ) {
        const query = { limit: 2, ...(cursor === "" ? {} : { cursor }) };
        const { body } = await operate("listTenants", { query });
        slugs.push(...body.tenants.map((tenant: { slug: string }) => tenant.slug));
        cursor = body.nextCursor;
      }
      expect(slugs).toEqual(slugs.toSorted());
      expect(slugs).toEqual(expect.arrayContaining(["page-a", "page-b", "page-c"]));
      expect(new Set(slugs).size).toBe(slugs.length);
    });

    it("answers 404 for an id that is not there and for one that is none", async () => {
      expect((await operate("getTenant", { params: { id: absent } })).status).toBe(404);
      expect((await operate("getTenant", { params: { id: "acme" } })).status).toBe(404);
    });
  });

  describe("changeTenant", () => {
    it("renames and sets verified domains, which are all that are verified then", async () => {
      const { id } = await aTenant(server, { preset: "white-label-cms" });
      const domains = async (names: string[]) => {
        const { body } = await operate("changeTenant", { params: { id }, body: { domains: names } });
        return body.domains.map((domain: { name: string }) => domain.name);
      };
      expect(await domains(["Example.com", "b.example", "example.COM"])).toEqual(["b.example", "example.com"]);
      expect(await domains(["b.example"])).toEqual(["b.example"]);
      const { body } = await operate("changeTenant", { params: { id }, body: { name: " New name " } });
      expect(body).toMatchObject({
        name: "New name",
        domains: [{ name: "b.example", verifiedAt: expect.any(String) }],
      });
    });

    it("USR-5: a verified domain lets users in", async () => {
      const tenant = await aTenant(server, { preset: "white-label-cms" });
      const ada = { userName: "ada@example.com", emails: [{ value: "ada@example.com", primary: true }] };
      await expect(tenant.user(ada)).rejects.toMatchObject({ code: "domainRequired" });
      await operate("changeTenant", { params: { id: tenant.id }, body: { domains: ["example.com"] } });
      expect((await tenant.user(ada)).status).toBe("active");
    });

    it.each([
      {},
      { domains: ["no domain"] },
      { domains: ["a..b"] },
      { domains: "example.com" },
      { name: "" },
      { preset: "avoxi" },
    ])("refuses %j", async (body) => {
      const { id } = await aTenant(server);
      expect((await operate("changeTenant", { params: { id }, body })).status).toBe(400);
    });

    it("answers 404 for a tenant that is not there", async () => {
      expect((await operate("changeTenant", { params: { id: absent }, body: { name: "X" } })).status).toBe(404);
    });
  });

  describe("deleteTenant", () => {
    it("takes everything along, and its tokens are dead", async () => {
      const tenant = await aTenant(server, { seats: { standard: 1 } });
      await tenant.call("saveMapping", {
        body: { groups: [], rules: [], defaults: { role: "user", tier: "standard" } },
      });
      for (const userName of ["seated@example.com", "queued@example.com"]) await tenant.user({ userName });
      expect((await operate("deleteTenant", { params: { id: tenant.id } })).status).toBe(204);
      expect((await tenant.call("listUsers")).status).toBe(401);
      expect((await operate("getTenant", { params: { id: tenant.id } })).status).toBe(404);
      expect((await operate("deleteTenant", { params: { id: tenant.id } })).status).toBe(404);
    });
  });

  describe("recoverTenant", () => {
    it("GRD-7: appoints an Admin, by id or by name, and the tenant is without one no more", async () => {
      const tenant = await aTenant(server);
      const ada = await tenant.user({ userName: "Ada@example.com" });
      const grace = await tenant.user({ userName: "grace@example.com" });
      const recover = (body: object) => operate("recoverTenant", { params: { id: tenant.id }, body });
      expect((await recover({ userName: "ada@EXAMPLE.com" })).body).toMatchObject({
        user: { id: ada.id, role: "admin", rolePin: "admin", administrative: true },
        adminToken: null,
      });
      expect((await recover({ userId: grace.id })).body.user.role).toBe("admin");
      expect((await operate("getTenant", { params: { id: tenant.id } })).body.withoutAdmin).toBe(false);
    });

    it("mints a new admin token where nobody is named, with or without a body", async () => {
      const tenant = await aTenant(server);
      for (const body of [undefined, {}]) {
        const answer = await operate("recoverTenant", { params: { id: tenant.id }, body });
        expect(answer.status).toBe(200);
        expect((await call(server, "listTokens", { token: answer.body.adminToken })).status).toBe(200);
      }
    });

    it("refuses a role that is none or no administrative one, a person who is not there or not active", async () => {
      const tenant = await aTenant(server);
      await tenant.user({ userName: "gone@example.com", active: false });
      const recover = async (body: object) => {
        const answer = await operate("recoverTenant", { params: { id: tenant.id }, body });
        return [answer.status, answer.body.code];
      };
      expect(await recover({ role: "boss" })).toEqual([400, "unknownRole"]);
      expect(await recover({ role: "user" })).toEqual([400, "invalidValue"]);
      expect(await recover({ userName: "nobody@example.com" })).toEqual([404, "notFound"]);
      expect(await recover({ userId: absent })).toEqual([404, "notFound"]);
      expect(await recover({ userName: "gone@example.com" })).toEqual([409, "conflict"]);
    });
  });
});
