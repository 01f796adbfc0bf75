/** The catalogue of roles and permissions (ROL-1, ROL-5), beyond what rules.test.ts tells of its edits. */
import { beforeEach, describe, expect, it } from "vitest";
import { operations } from "../../src/admin/api-document.ts";
import { permissionCatalogue, reservedPermissions } from "../../src/domain/permissions.ts";
import { presets } from "../../src/domain/presets.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aTenant, call, type Server, startServer, type TestTenant } from "./api.ts";

const usher = "urn:ietf:params:scim:schemas:extension:usher:2.0:User";

describeOnBoth("the catalogue of roles and permissions", (getDb) => {
  let server: Server;
  let tenant: TestTenant;
  beforeEach(async () => {
    server = startServer(getDb());
    tenant = await aTenant(server);
  });

  const create = (body: object, token = tenant.adminToken) => tenant.call("createRole", { body, token });
  const editor = { key: "editor", name: "Editor", rank: 20, permissions: ["content.edit"] };

  describe("getRole", () => {
    it("shows one as the list does", async () => {
      const { body } = await tenant.call("listRoles");
      for (const role of body.roles) {
        expect((await tenant.call("getRole", { params: { key: role.key } })).body).toEqual(role);
      }
    });

    it.each(["nothing", "Admin", "%", "x y"])("answers %j with 404 and the keys that there are", async (key) => {
      const { status, body } = await tenant.call("getRole", { params: { key } });
      expect([status, body.code]).toEqual([404, "notFound"]);
      expect(body.detail).toContain("admin, manager, user");
    });

    it("of another tenant is not there", async () => {
      await create(editor);
      const other = await aTenant(server);
      expect((await other.call("getRole", { params: { key: "editor" } })).status).toBe(404);
    });
  });

  describe("createRole and changeRole", () => {
    it("ROL-1: a name in other letter case, and a key that is a name, are taken", async () => {
      await create(editor);
      for (const body of [
        { ...editor, key: "other", name: "EDITOR" },
        { ...editor, key: "other", name: "editor" },
        { ...editor, key: "Manager", name: "Other" },
        { ...editor, key: "other", name: "ＥＤＩＴＯＲ" },
      ]) {
        const { status, body: problem } = await create(body);
        expect([body.name, status, problem.code]).toEqual([body.name, 409, "uniqueness"]);
      }
      const params = { key: "editor" };
      expect((await tenant.call("changeRole", { params, body: { name: "manager" } })).body.code).toBe("uniqueness");
      expect((await tenant.call("changeRole", { params, body: { name: "EDITOR" } })).body.name).toBe("EDITOR");
    });

    it("ROL-2: the rank decides between groups, from the moment that it changes", async () => {
      await create(editor);
      const { createGroup } = await import("../../src/provisioning/groups.ts");
      const { id } = await tenant.user({ userName: "ada@example.com" });
      for (const displayName of ["Editors", "Managers"]) {
        await createGroup(server.deps, tenant.ctx, { displayName, members: [id] });
      }
      const entry = (displayName: string, role: string) => ({ match: { displayName }, role });
      const groups = [entry("Editors", "editor"), entry("Managers", "manager")];
      const document = { groups, rules: [], defaults: { role: "user", tier: null }, autoTeams: true };
      await tenant.call("saveMapping", { body: document });
      await tenant.reconcile();
      const role = async () => (await tenant.call("getUser", { params: { id } })).body.role;
      expect(await role()).toBe("manager");
      await tenant.call("changeRole", { params: { key: "editor" }, body: { rank: 60 } });
      await tenant.reconcile();
      expect(await role()).toBe("editor");
    });

    it("takes a permission that the product made up, and one limited to own teams", async () => {
      const permissions = ["invoices.read", "invoices.approve:own-teams", "users.read:own-teams"];
      expect((await create({ ...editor, permissions })).body).toMatchObject({ permissions, administrative: false });
      const { id } = await tenant.user({ userName: "ed@example.com", [usher]: { role: "editor" } });
      const resource = { type: "invoice", id: "1" };
      const ask = async (name: string) => {
        const body = { subject: { type: "user", id }, action: { name }, resource };
        return (await tenant.call("evaluateAccess", { body })).body.decision;
      };
      expect([await ask("invoices.read"), await ask("invoices.approve"), await ask("invoices.pay")]).toEqual([
        ...[true, false, false],
      ]);
    });

    it("ROL-5: a reserved permission makes it administrative, limited to own teams as well", async () => {
      for (const [at, permission] of reservedPermissions.entries()) {
        for (const name of [permission, `${permission}:own-teams`]) {
          const key = `r${at}-${name.length}`;
          const { body } = await create({ key, name: key, rank: at, permissions: [name] });
          expect([name, body.administrative]).toEqual([name, true]);
        }
      }
    });

    it("ROL-5: who holds a permission for their own teams alone does not give it for all", async () => {
      await create({ key: "keeper", name: "Keeper", rank: 70, permissions: ["roles.manage", "calls.read:own-teams"] });
      const token = await tenant.mint({ scopes: ["api"], role: "keeper" });
      const wide = await create({ ...editor, permissions: ["calls.read"] }, token);
      expect([wide.status, wide.body.code, wide.body.rule]).toEqual([403, "forbidden", "ROL-5"]);
      expect((await create({ ...editor, permissions: ["calls.read:own-teams"] }, token)).status).toBe(201);
    });

    it("ROL-1: in use by a user, a pin, a token or the mapping is 409 with each count", async () => {
      await create(editor);
      await tenant.user({ userName: "ed@example.com", [usher]: { role: "editor" } });
      const pinned = await tenant.user({ userName: "pinned@example.com" });
      await tenant.call("changeUser", { params: { id: pinned.id }, body: { role: "editor" } });
      await tenant.mint({ scopes: ["api"], role: "editor" });
      const groups = [{ match: { displayName: "Editors" }, role: "editor" }];
      const rules = [{ name: "Editors", when: 'title eq "x"', role: "editor" }];
      await tenant.call("saveMapping", { body: { groups, rules, defaults: { role: "user" } } });
      const { status, body } = await tenant.call("removeRole", { params: { key: "editor" } });
      expect([status, body]).toMatchObject([
        409,
        { code: "roleInUse", rule: "ROL-1", role: "editor", users: 2, pins: 1, tokens: 1, mapped: 2 },
      ]);
      expect(body.detail).toContain("2 users, 1 pins, 1 tokens and 2 entries");
    });
  });

  describe("listPermissions", () => {
    type Listed = { name: string; description: string | null; tiers: string[]; held: string };
    const list = async (token = tenant.adminToken): Promise<Listed[]> =>
      (await tenant.call("listPermissions", { token })).body.permissions;

    it("offers what Usher knows, each described, with what is reserved and what a license carries", async () => {
      const found = await list();
      expect(found.map(({ name }) => name)).toEqual(permissionCatalogue.map(({ name }) => name));
      for (const { name, description, held } of found) {
        expect([name, description]).toEqual([name, expect.stringMatching(/^[A-Z].{5,}[^.]$/)]);
        expect(held).toBe("all");
      }
      expect(found.filter((one) => (one as { reserved?: boolean }).reserved).map(({ name }) => name)).toEqual([
        ...reservedPermissions,
      ]);
      expect(found.find(({ name }) => name === "conversations.use")?.tiers.toSorted()).toEqual(["pro", "standard"]);
      expect(found.find(({ name }) => name === "calls.web-phone")?.tiers).toEqual(["pro"]);
    });

    it("offers what the product made up, once some role holds it", async () => {
      await create({ ...editor, permissions: ["invoices.read:own-teams", "content.edit", "a.b"] });
      const own = (await list()).slice(permissionCatalogue.length);
      expect(own).toEqual(
        ["a.b", "invoices.read"].map((name) => ({
          ...{ name, reserved: false, limitable: true, description: null, tiers: [], held: "all" },
        })),
      );
    });

    it("ROL-5: says what the caller may grant, and that is what createRole takes", async () => {
      await create({ key: "keeper", name: "Keeper", rank: 70, permissions: ["roles.manage", "calls.read:own-teams"] });
      const token = await tenant.mint({ scopes: ["api"], role: "keeper" });
      const found = await list(token);
      const held = found.filter((one) => one.held !== "none").map(({ name, held }) => [name, held]);
      expect(held).toEqual([
        ["roles.manage", "all"],
        ["calls.read", "own-teams"],
      ]);
      for (const [at, { name, held }] of found.entries()) {
        const { status } = await create({ key: `p${at}`, name: `P ${at}`, rank: 1, permissions: [name] }, token);
        expect([name, status]).toEqual([name, held === "all" ? 201 : 403]);
      }
    });

    it("knows every permission that an operation asks for, and limits what operations limit", () => {
      const limited = operations
        .flatMap(({ permissions }) => permissions)
        .filter((name) => name.endsWith(":own-teams"));
      const limitable = permissionCatalogue.filter((kind) => kind.limitable).map(({ name }) => `${name}:own-teams`);
      expect(limitable).toEqual(expect.arrayContaining(limited));
    });

    it("knows every permission of every preset", () => {
      const known = new Set(["*", ...permissionCatalogue.map(({ name }) => name)]);
      for (const { name, roles, tiers } of presets) {
        const unknown = [...roles, ...tiers].flatMap(({ permissions }) =>
          permissions.filter((one) => !known.has(one.replace(/:own-teams$/, ""))),
        );
        expect([name, unknown]).toEqual([name, []]);
      }
    });
  });

  it("E-8: who sees the people of their own teams alone is not told how many hold a role", async () => {
    const empower = await aTenant(server, { preset: "empower" });
    const token = await empower.mint({ scopes: ["api"], role: "supervisor" });
    const { body } = await call(server, "listRoles", { token });
    expect(body.roles.map(({ key, users }: { key: string; users?: number }) => [key, users])).toEqual([
      ["admin", undefined],
      ["supervisor", undefined],
      ["user", undefined],
    ]);
    expect((await call(server, "getRole", { token, params: { key: "user" } })).body).not.toHaveProperty("users");
    expect((await empower.call("getRole", { params: { key: "user" } })).body.users).toBe(0);
  });
});
