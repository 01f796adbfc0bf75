import { beforeEach, describe, expect, it } from "vitest";
import { createGroup } from "../../src/provisioning/groups.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aTenant, call, type Server, startServer, type TestTenant } from "./api.ts";

const usher = "urn:ietf:params:scim:schemas:extension:usher:2.0:User";
const empty = { groups: [], rules: [], defaults: { role: "user", tier: null }, autoTeams: true };

describeOnBoth("mapping, settings, roles and promotions", (getDb) => {
  let server: Server;
  let tenant: TestTenant;
  beforeEach(async () => {
    server = startServer(getDb());
    tenant = await aTenant(server, { seats: { standard: 2 } });
  });

  const role = async (id: string) => (await tenant.call("getUser", { params: { id } })).body.role;

  describe("mapping", () => {
    it("is saved whole, and everybody is decided anew in the background", async () => {
      const { id } = await tenant.user({ userName: "lead@example.com", title: "Lead" });
      const rules = [{ name: "Leads", when: 'title eq "Lead"', role: "manager", tier: "standard" }];
      const saved = await tenant.call("saveMapping", { body: { ...empty, rules } });
      expect(saved.status).toBe(200);
      expect(saved.body).toEqual({ ...empty, rules });
      expect(server.enqueued).toContain(tenant.id);
      expect((await tenant.call("getMappingProgress")).body).toMatchObject({ state: "running", total: 1, done: 0 });
      await tenant.reconcile();
      expect((await tenant.call("getMappingProgress")).body).toMatchObject({ state: "done", total: 1, done: 1 });
      expect((await tenant.call("getUser", { params: { id } })).body).toMatchObject({
        role: "manager",
        license: { tier: "standard" },
      });
    });

    it("fills in what was left out", async () => {
      const body = {
        groups: [{ match: { displayName: "Sales" }, team: { name: "Sales" } }],
        rules: [],
        defaults: { role: "user" },
      };
      const saved = await tenant.call("saveMapping", { body });
      expect(saved.body).toEqual({
        ...empty,
        groups: [{ match: { displayName: "Sales" }, team: { name: "Sales", kind: "team" } }],
      });
    });

    it("has an ETag: an old If-Match is 412, judged after the permission", async () => {
      const { headers } = await tenant.call("getMapping");
      const etag = headers.etag!;
      const save = (match: string, token?: string) =>
        tenant.call("saveMapping", { body: empty, headers: { "If-Match": match }, ...(token ? { token } : {}) });
      const saved = await save(etag);
      expect(saved.status).toBe(200);
      expect(saved.headers.etag).not.toBe(etag);
      const { status, body } = await save(etag);
      expect([status, body.code]).toEqual([412, "preconditionFailed"]);
      expect((await save("*")).status).toBe(200);
      const weak = await tenant.mint({ scopes: ["api"], role: "manager" });
      expect((await save(etag, weak)).status).toBe(403);
    });

    it.each([
      ["an unknown role", { ...empty, defaults: { role: "boss" } }, "unknownRole"],
      ["an unknown tier", { ...empty, defaults: { role: "user", tier: "gold" } }, "unknownTier"],
      ["a broken filter", { ...empty, rules: [{ name: "x", when: "title eq" }] }, "invalidFilter"],
      [
        "a team that is a queue",
        { ...empty, rules: [{ name: "x", when: "title pr", team: { name: "Q", kind: "queue" } }] },
        "invalidValue",
      ],
      ["a group matched twice over", { ...empty, groups: [{ match: { displayName: "a", id: "b" } }] }, "invalidValue"],
      ["a group matched by nothing", { ...empty, groups: [{ match: {} }] }, "invalidValue"],
      [
        "an administrative role by displayName",
        { ...empty, groups: [{ match: { displayName: "Admins" }, role: "admin" }] },
        "invalidValue",
      ],
      ["an administrative default", { ...empty, defaults: { role: "admin" } }, "invalidValue"],
      ["an unknown member", { ...empty, admins: [] }, "invalidValue"],
      ["no defaults", { groups: [], rules: [] }, "invalidValue"],
      ["no document", [], "invalidValue"],
    ])("refuses %s at save and at preview", async (_what, body, code) => {
      for (const operation of ["saveMapping", "previewMapping"]) {
        const answer = await tenant.call(operation, { body });
        expect([operation, answer.status, answer.body.code]).toEqual([operation, 400, code]);
      }
      expect((await tenant.call("getMapping")).body).toEqual(empty);
    });

    it("the preview says who would change, wait and become a promotion request, and changes nothing", async () => {
      const users = [];
      for (const name of ["a", "b", "c"])
        users.push(await tenant.user({ userName: `${name}@example.com`, title: "Lead" }));
      const rules = [{ name: "Leads", when: 'title eq "Lead"', tier: "standard", role: "manager" }];
      const { body } = await tenant.call("previewMapping", { body: { ...empty, rules } });
      expect(body).toMatchObject({ changed: 3, unchanged: 0, promotions: [] });
      expect(body.pools.find((pool: { tier: string }) => pool.tier === "standard")).toMatchObject({
        purchased: 2,
        due: 3,
        short: 1,
      });
      expect((await tenant.call("getMapping")).body).toEqual(empty);
      expect(await role(users[0]!.id)).toBe("user");
    });

    it("GRD-5: makes nobody Admin by itself, but with the digest of a preview that listed them", async () => {
      const ada = await tenant.user({ userName: "ada@example.com" });
      const group = { displayName: "Admins", externalId: "admins", members: [ada.id] };
      await createGroup(server.deps, tenant.ctx, group);
      const document = { ...empty, groups: [{ match: { externalId: "admins" }, role: "admin" }] };
      const { body: preview } = await tenant.call("previewMapping", { body: document });
      expect(preview.promotions).toMatchObject([{ userId: ada.id, role: "admin" }]);

      await tenant.call("saveMapping", { body: document });
      await tenant.reconcile();
      expect(await role(ada.id)).toBe("user");
      const { body: inbox } = await tenant.call("listPromotions", { query: { state: "open" } });
      expect(inbox.promotions).toMatchObject([{ userId: ada.id, role: "admin", attempts: 1 }]);

      const wrong = await tenant.call("saveMapping", { body: { ...document, confirm: "wrong" } });
      expect([wrong.status, wrong.body.code]).toEqual([409, "stale"]);
      const { body: again } = await tenant.call("previewMapping", { body: document });
      expect((await tenant.call("saveMapping", { body: { ...document, confirm: again.digest } })).status).toBe(200);
      await tenant.reconcile();
      expect(await role(ada.id)).toBe("admin");
    });
  });

  describe("settings", () => {
    it("change in part and keep the rest", async () => {
      const before = (await tenant.call("getSettings")).body;
      const { status, body } = await tenant.call("changeSettings", {
        body: { unknownRoles: "refuse", invitationDays: 7 },
      });
      expect(status).toBe(200);
      expect(body).toEqual({ ...before, unknownRoles: "refuse", invitationDays: 7 });
      expect((await tenant.call("getSettings")).body).toEqual(body);
    });

    it.each([
      { unknownRoles: "ask" },
      { licenseRequired: 1 },
      { invitationDays: 0 },
      { color: "blue" },
      { invitationDays: 1.5 },
    ])("refuse %j", async (body) => {
      expect((await tenant.call("changeSettings", { body })).status).toBe(400);
    });

    it("GRD-6: two persons weaken what asks for two persons", async () => {
      expect((await tenant.call("changeSettings", { body: { twoPersonPromotion: true } })).status).toBe(200);
      const { status, body } = await tenant.call("changeSettings", { body: { twoPersonPromotion: false } });
      expect([status, body.code, body.rule]).toEqual([409, "conflict", "GRD-6"]);
      expect((await tenant.call("getSettings")).body.twoPersonPromotion).toBe(true);
    });
  });

  describe("roles", () => {
    const editor = { key: "editor", name: "Editor", rank: 20, permissions: ["content.edit", "invoices.read"] };

    it("are created, listed, changed and deleted", async () => {
      const made = await tenant.call("createRole", { body: editor });
      expect([made.status, made.body]).toMatchObject([
        201,
        { ...editor, builtIn: false, administrative: false, users: 0 },
      ]);
      const { body } = await tenant.call("listRoles");
      expect(body.roles.map((one: { key: string }) => one.key)).toEqual(["admin", "manager", "editor", "user"]);
      const changed = await tenant.call("changeRole", {
        params: { key: "editor" },
        body: { name: "Author", rank: 55 },
      });
      expect(changed.body).toMatchObject({ key: "editor", name: "Author", rank: 55, permissions: editor.permissions });
      expect((await tenant.call("removeRole", { params: { key: "editor" } })).status).toBe(204);
      expect((await tenant.call("removeRole", { params: { key: "editor" } })).status).toBe(404);
    });

    it("ROL-5: the Admin's role shows every permission, and one that manages anything is administrative", async () => {
      const { body } = await tenant.call("listRoles");
      const admin = body.roles.find((one: { key: string }) => one.key === "admin");
      expect(admin).toMatchObject({ administrative: true, builtIn: true });
      expect(admin.permissions).toEqual(
        expect.arrayContaining(["*", "users.manage", "roles.manage", "licenses.purchase"]),
      );
      const owner = { key: "owner", name: "Owner", rank: 90, permissions: ["users.manage"] };
      expect((await tenant.call("createRole", { body: owner })).body.administrative).toBe(true);
    });

    it("ROL-1: keys and names are one namespace without letter case", async () => {
      for (const body of [
        { ...editor, key: "ADMIN" },
        { ...editor, name: "manager" },
        { ...editor, key: "Manager", name: "x" },
      ]) {
        const answer = await tenant.call("createRole", { body });
        expect([answer.status, answer.body.code]).toEqual([409, "uniqueness"]);
      }
    });

    it("ROL-1: one in use is not deleted, and the answer says by how many", async () => {
      await tenant.call("createRole", { body: editor });
      await tenant.user({ userName: "ed@example.com", [usher]: { role: "editor" } });
      const { status, body } = await tenant.call("removeRole", { params: { key: "editor" } });
      expect([status, body.code, body.users]).toEqual([409, "roleInUse", 1]);
      expect((await tenant.call("removeRole", { params: { key: "manager" } })).status).toBe(409);
    });

    it("ROL-5: nobody creates or widens a role beyond what they hold", async () => {
      await tenant.call("createRole", {
        body: { key: "keeper", name: "Keeper", rank: 70, permissions: ["roles.manage", "users.read"] },
      });
      const token = await tenant.mint({ scopes: ["api"], role: "keeper" });
      const attempt = async (operation: string, options: object) => {
        const { status, body } = await call(server, operation, { token, ...options });
        return [status, body.code];
      };
      expect(await attempt("createRole", { body: { ...editor, permissions: ["users.manage"] } })).toEqual([
        403,
        "promotionRefused",
      ]);
      expect(await attempt("createRole", { body: { ...editor, permissions: ["*"] } })).toEqual([
        403,
        "promotionRefused",
      ]);
      expect(await attempt("createRole", { body: { ...editor, permissions: ["billing.manage"] } })).toEqual([
        403,
        "forbidden",
      ]);
      expect(await attempt("changeRole", { params: { key: "user" }, body: { permissions: ["users.manage"] } })).toEqual(
        [403, "promotionRefused"],
      );
      expect(await attempt("createRole", { body: { ...editor, permissions: ["users.read"] } })).toEqual([
        201,
        undefined,
      ]);
    });

    it("GRD-5: a wider role makes its holders administrators only where an Admin approves", async () => {
      await tenant.call("createRole", { body: editor });
      const { id } = await tenant.user({ userName: "holder@example.com", [usher]: { role: "editor" } });
      await tenant.call("changeRole", {
        params: { key: "editor" },
        body: { permissions: ["content.edit", "users.manage"] },
      });
      const resource = { type: "application", id: "console" };
      const ask = { subject: { type: "user", id }, action: { name: "users.manage" }, resource };
      expect((await tenant.call("evaluateAccess", { body: ask })).body.decision).toBe(false);
      await tenant.reconcile();
      expect((await tenant.call("evaluateAccess", { body: ask })).body.decision).toBe(false);
      const { body } = await tenant.call("listPromotions", { query: { state: "open" } });
      expect(body.promotions).toMatchObject([{ userId: id, role: "editor" }]);
      await tenant.call("approvePromotion", { params: { id: body.promotions[0].id } });
      expect((await tenant.call("evaluateAccess", { body: ask })).body.decision).toBe(true);
    });

    it.each([
      { ...editor, permissions: ["Users.Manage"] },
      { ...editor, permissions: ["a b"] },
      { ...editor, permissions: ["x.y", "x.y"] },
      { ...editor, key: "" },
      { ...editor, key: "a b" },
      { ...editor, rank: "high" },
      { ...editor, builtIn: true },
    ])("refuse %j", async (body) => {
      expect((await tenant.call("createRole", { body })).status).toBe(400);
    });
  });

  describe("promotions", () => {
    /** A person whose connection asks for Admin and is withheld. */
    const ambition = async (userName: string) => {
      const user = await tenant.user({ userName });
      const attempt = tenant.user({ userName: `new-${userName}`, [usher]: { role: "admin" } });
      await expect(attempt).rejects.toMatchObject({ code: "promotionRefused" });
      return user;
    };

    it("list what was asked for, newest first, by state and in pages", async () => {
      for (const name of ["a", "b", "c"]) await ambition(`${name}@example.com`);
      const found = [];
      for (let cursor: string | null = ""; cursor !== null; ) {
        const query = { limit: 2, state: "open", ...(cursor === "" ? {} : { cursor }) };
        const { body } = await tenant.call("listPromotions", { query });
        found.push(...body.promotions);
        cursor = body.nextCursor;
      }
      expect(found.map((one) => one.userName)).toEqual(["new-c@example.com", "new-b@example.com", "new-a@example.com"]);
      expect(found[0]).toMatchObject({
        kind: "role",
        userId: null,
        role: "admin",
        sources: ["words"],
        state: "open",
        attempts: 1,
      });
      expect((await tenant.call("listPromotions", { query: { state: "approved" } })).body.promotions).toEqual([]);
      expect((await tenant.call("listPromotions", { query: { state: "maybe" } })).status).toBe(400);
      expect((await tenant.call("getOverview")).body.openPromotions).toBe(3);
    });

    it("GRD-6: an approval lets the next attempt through; a decline does not", async () => {
      await ambition("yes@example.com");
      const { body } = await tenant.call("listPromotions");
      const params = { id: body.promotions[0].id };
      const approved = await tenant.call("approvePromotion", { params });
      expect(approved.body).toMatchObject({ state: "approved", decidedBy: { label: "admin" } });
      expect((await tenant.call("approvePromotion", { params })).status).toBe(409);
      const made = await tenant.user({ userName: "new-yes@example.com", [usher]: { role: "admin" } });
      expect(made.role).toBe("admin");

      await ambition("no@example.com");
      const { body: next } = await tenant.call("listPromotions", { query: { state: "open" } });
      const declined = await tenant.call("declinePromotion", { params: { id: next.promotions[0].id } });
      expect(declined.body.state).toBe("declined");
      const again = tenant.user({ userName: "new-no@example.com", [usher]: { role: "admin" } });
      await expect(again).rejects.toMatchObject({ code: "promotionRefused" });
    });

    it("GRD-4: what one mapping entry asks for many is one item", async () => {
      const members = [];
      for (const name of ["a", "b", "c"]) members.push((await tenant.user({ userName: `${name}@example.com` })).id);
      await createGroup(server.deps, tenant.ctx, { displayName: "Admins", externalId: "admins", members });
      const groups = [{ match: { externalId: "admins" }, role: "admin" }];
      await tenant.call("saveMapping", { body: { ...empty, groups } });
      await tenant.reconcile();
      await ambition("alone@example.com");
      const { body: flat } = await tenant.call("listPromotions", { query: { state: "open" } });
      expect(flat.promotions).toHaveLength(4);
      const { body } = await tenant.call("listPromotions", { query: { state: "open", grouped: true } });
      expect(body.promotions.map((one: { count: number }) => one.count).toSorted()).toEqual([1, 3]);
      const many = body.promotions.find((one: { count: number }) => one.count === 3);
      expect(many.users.map((one: { userId: string }) => one.userId).toSorted()).toEqual(members.toSorted());
    });
  });
});
