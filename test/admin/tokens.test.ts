import { beforeAll, describe, expect, it } from "vitest";
import { describeOnBoth } from "../helpers/database.ts";
import { aTenant, call, type Server, startServer, type TestTenant } from "./api.ts";

describeOnBoth("tokens", (getDb) => {
  let server: Server;
  let tenant: TestTenant;
  beforeAll(async () => {
    server = startServer(getDb());
    tenant = await aTenant(server);
  });

  describe("mintToken", () => {
    it("shows the token once and lists it without its text", async () => {
      const minted = await tenant.call("mintToken", { body: { label: "Entra ID", scopes: ["scim"] } });
      expect(minted.status).toBe(201);
      expect(minted.body).toMatchObject({
        label: "Entra ID",
        scopes: ["scim"],
        role: null,
        userId: null,
        expiresAt: null,
      });
      const listed = await tenant.call("listTokens");
      const found = listed.body.tokens.find((one: { id: string }) => one.id === minted.body.id);
      expect(found.label).toBe("Entra ID");
      expect(JSON.stringify(listed.body)).not.toContain(minted.body.token.split(".")[2]);
    });

    it("names an unknown role and the known ones", async () => {
      const { status, body } = await tenant.call("mintToken", { body: { label: "x", scopes: ["api"], role: "boss" } });
      expect([status, body.code]).toEqual([400, "unknownRole"]);
      expect(body.detail).toContain("admin, manager, user");
    });

    it.each([
      ["no label", { scopes: ["api"] }],
      ["an empty label", { label: " ", scopes: ["api"] }],
      ["no scope", { label: "x", scopes: [] }],
      ["an unknown scope", { label: "x", scopes: ["root"] }],
      ["the same scope twice", { label: "x", scopes: ["api", "api"] }],
      ["an unknown member", { label: "x", scopes: ["api"], tenantId: "x" }],
      ["an expiry in the past", { label: "x", scopes: ["api"], expiresAt: "2020-01-01T00:00:00Z" }],
      ["an expiry that is no time", { label: "x", scopes: ["api"], expiresAt: "tomorrow" }],
      ["a person who does not exist", { label: "x", scopes: ["api"], userId: "0190a0b0-0000-7000-8000-000000000001" }],
      ["a person who is no id", { label: "x", scopes: ["api"], userId: "ada" }],
    ])("refuses %s", async (_what, body) => {
      const answer = await tenant.call("mintToken", { body });
      expect([answer.status, answer.body.code]).toEqual([400, "invalidValue"]);
    });

    it("AUTH-4: is for those who manage tokens, whatever the role is called", async () => {
      for (const role of ["manager", "user", null]) {
        const token = await tenant.mint({ scopes: ["api", "scim", "access"], role });
        const { status, body } = await call(server, "mintToken", { token, body: { label: "x", scopes: ["scim"] } });
        expect([role, status, body.code]).toEqual([role, 403, "forbidden"]);
      }
    });

    it("GRD-3: mints nothing stronger than oneself", async () => {
      const created = await tenant.call("createRole", {
        body: { key: "keymaker", name: "Keymaker", rank: 60, permissions: ["tokens.manage", "users.read"] },
      });
      expect(created.status, JSON.stringify(created.body)).toBe(201);
      const keymaker = await tenant.mint({ scopes: ["api"], role: "keymaker" });
      const stronger = await call(server, "mintToken", {
        token: keymaker,
        body: { label: "x", scopes: ["api"], role: "admin" },
      });
      expect([stronger.status, stronger.body.code, stronger.body.rule]).toEqual([403, "forbidden", "GRD-3"]);
      const equal = await call(server, "mintToken", {
        token: keymaker,
        body: { label: "x", scopes: ["api"], role: "keymaker" },
      });
      expect(equal.status).toBe(201);
      const ada = await tenant.user({ userName: "ada.keymaker@example.com" });
      await tenant.call("changeUser", { params: { id: ada.id }, body: { role: "admin" } });
      const person = await call(server, "mintToken", {
        token: keymaker,
        body: { label: "x", scopes: ["api"], userId: ada.id },
      });
      expect([person.status, person.body.rule]).toEqual([403, "GRD-3"]);
    });

    it("records who minted what, without the secret", async () => {
      const { body } = await tenant.call("mintToken", { body: { label: "logged", scopes: ["scim"] } });
      const { body: log } = await tenant.call("listEvents", { query: { subject: body.id } });
      expect(log.events).toMatchObject([{ action: "token.minted", subject: { type: "Token", id: body.id } }]);
      expect(JSON.stringify(log)).not.toContain(body.token.split(".")[2]);
    });
  });

  describe("rotateToken", () => {
    it("ends the old text and begins a new one that may do the same", async () => {
      const minted = await tenant.call("mintToken", { body: { label: "x", scopes: ["api"], role: "manager" } });
      const rotated = await tenant.call("rotateToken", { params: { id: minted.body.id } });
      expect(rotated.status).toBe(200);
      expect(rotated.body).toMatchObject({ id: minted.body.id, role: "manager", scopes: ["api"] });
      expect((await call(server, "listUsers", { token: minted.body.token })).status).toBe(401);
      expect((await call(server, "listUsers", { token: rotated.body.token })).status).toBe(200);
    });

    it("GRD-3: is not for tokens stronger than oneself", async () => {
      const keymaker = await tenant.mint({ scopes: ["api"], role: "keymaker" });
      const { body } = await tenant.call("listTokens");
      const admin = body.tokens.find((one: { label: string }) => one.label === "admin");
      const { status, body: problem } = await call(server, "rotateToken", {
        token: keymaker,
        params: { id: admin.id },
      });
      expect([status, problem.rule]).toEqual([403, "GRD-3"]);
    });

    it("sets or keeps the expiry", async () => {
      const expiresAt = "2099-01-01T00:00:00.000Z";
      const minted = await tenant.call("mintToken", { body: { label: "x", scopes: ["api"], expiresAt } });
      const kept = await tenant.call("rotateToken", { params: { id: minted.body.id }, body: {} });
      expect(kept.body.expiresAt).toBe(expiresAt);
      const removed = await tenant.call("rotateToken", { params: { id: minted.body.id }, body: { expiresAt: null } });
      expect(removed.body.expiresAt).toBeNull();
    });
  });

  describe("revokeToken", () => {
    it("LIF-1: ends the token with the next request", async () => {
      const minted = await tenant.call("mintToken", { body: { label: "x", scopes: ["api"], role: "manager" } });
      expect((await call(server, "listUsers", { token: minted.body.token })).status).toBe(200);
      expect((await tenant.call("revokeToken", { params: { id: minted.body.id } })).status).toBe(204);
      expect((await call(server, "listUsers", { token: minted.body.token })).status).toBe(401);
      expect((await tenant.call("revokeToken", { params: { id: minted.body.id } })).status).toBe(404);
    });

    it("TEN-3: knows nothing of another tenant's tokens", async () => {
      const other = await aTenant(server);
      const { body } = await other.call("listTokens");
      const [theirs] = body.tokens;
      const revoked = await tenant.call("revokeToken", { params: { id: theirs.id } });
      const rotated = await tenant.call("rotateToken", { params: { id: theirs.id } });
      expect([revoked.status, rotated.status]).toEqual([404, 404]);
      expect((await other.call("listTokens")).body.tokens).toHaveLength(1);
    });
  });
});
