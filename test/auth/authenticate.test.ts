import { beforeAll, describe, expect, it } from "vitest";
import { type AuthDeps, authenticate } from "../../src/auth/authenticate.ts";
import { findAuthority, lockAuthority } from "../../src/auth/authority.ts";
import { operator, type Principal, requireOperator, requireScope } from "../../src/auth/principal.ts";
import { Secret } from "../../src/auth/secret.ts";
import { formatToken, newTokenSecret, parseToken } from "../../src/auth/token-text.ts";
import { everyPermission } from "../../src/domain/permissions.ts";
import { Problem } from "../../src/problems.ts";
import { mintToken, type NewToken, revokeToken } from "../../src/provisioning/tokens.ts";
import { changeAccess, changeUser, deleteUser } from "../../src/provisioning/users.ts";
import { aTenant, operatorToken, type Server, startServer, type TestTenant } from "../admin/api.ts";
import { describeOnBoth } from "../helpers/database.ts";

describeOnBoth("authenticate", (getDb) => {
  let server: Server;
  let tenant: TestTenant;
  beforeAll(async () => {
    server = startServer(getDb());
    tenant = await aTenant(server);
  });

  const bearer = (token: string) => authenticate(server.deps, `Bearer ${token}`);
  const mint = async (request: Partial<NewToken>) =>
    (await mintToken(server.deps, tenant.ctx, { label: "test", scopes: ["api"], ...request })).token;

  it("proves who the token is, of which tenant and for what", async () => {
    const principal = await bearer(await mint({ label: "Okta", scopes: ["scim"], role: "manager" }));
    expect(principal).toMatchObject({
      tenantId: tenant.id,
      kind: "token",
      label: "Okta",
      scopes: ["scim"],
      role: "manager",
    });
  });

  it("takes the scheme in any letter case", async () => {
    const token = await mint({});
    for (const scheme of ["Bearer", "bearer", "BEARER"]) {
      expect((await authenticate(server.deps, `${scheme} ${token}`)).tenantId).toBe(tenant.id);
    }
  });

  it("knows the operator, and only by the whole text", async () => {
    expect(await bearer(operatorToken)).toEqual(operator());
    for (const other of [operatorToken.slice(1), `${operatorToken}x`, operatorToken.toUpperCase()]) {
      await expect(bearer(other)).rejects.toMatchObject({ code: "unauthorized" });
    }
  });

  it("knows no operator where none is configured", async () => {
    const { operatorToken: _none, ...deps } = server.deps;
    await expect(authenticate(deps, "Bearer undefined")).rejects.toMatchObject({ code: "unauthorized" });
  });

  describe("answers 401", () => {
    it.each([undefined, "", "Basic YTpi", "Bearer", "Bearer ", "Bearer a b", "Bearer \u00fc", "bearer:x"])(
      "to %j, with a challenge",
      async (header) => {
        const problem = await failure(authenticate(server.deps, header));
        expect(problem.code).toBe("unauthorized");
        expect(problem.headers["WWW-Authenticate"]).toMatch(/^Bearer realm="usher"/);
      },
    );

    it("in the same words to another secret, another token and another tenant", async () => {
      const parts = parseToken(await mint({}))!;
      const other = "0190a0b0-0000-7000-8000-000000000001";
      const details = [];
      for (const change of [{ secret: newTokenSecret() }, { tokenId: other }, { tenantId: other }]) {
        const problem = await failure(bearer(formatToken({ ...parts, ...change })));
        details.push(`${problem.code} ${problem.message} ${problem.headers["WWW-Authenticate"]}`);
      }
      expect(new Set(details).size).toBe(1);
      expect(details[0]).not.toContain(parts.tenantId);
    });

    it("to a token of another secret key", async () => {
      const token = await mint({});
      const deps: AuthDeps = { ...server.deps, secret: new Secret("another key") };
      await expect(authenticate(deps, `Bearer ${token}`)).rejects.toMatchObject({ code: "unauthorized" });
    });

    it("to an expired token, and says that it has expired", async () => {
      const expiresAt = new Date(Date.now() + 60_000).toISOString();
      const token = await mint({ expiresAt });
      expect((await bearer(token)).kind).toBe("token");
      const late: AuthDeps = { ...server.deps, clock: () => new Date(Date.now() + 60_001) };
      const problem = await failure(authenticate(late, `Bearer ${token}`));
      expect(problem.code).toBe("unauthorized");
      expect(problem.message).toMatch(/expired/);
    });

    it("LIF-1: to a revoked token at once", async () => {
      const minted = await mintToken(server.deps, tenant.ctx, { label: "x", scopes: ["scim"] });
      await bearer(minted.token);
      await revokeToken(server.deps, tenant.ctx, minted.id);
      await expect(bearer(minted.token)).rejects.toMatchObject({ code: "unauthorized" });
    });

    it("LIF-1: to the token of a person who is inactive, suspended, out of their dates or gone", async () => {
      const ctx = tenant.ctx;
      const ada = await tenant.user({ userName: "lif1@example.com" });
      const token = await mint({ userId: ada.id });
      const active = async () => (await outcome(bearer(token))) === "token";
      expect(await active()).toBe(true);
      await changeUser(server.deps, ctx, ada.id, (doc) => ({ ...doc, active: false }));
      expect(await active()).toBe(false);
      await changeUser(server.deps, ctx, ada.id, (doc) => ({ ...doc, active: true }));
      expect(await active()).toBe(true);
      await changeAccess(server.deps, ctx, ada.id, { suspended: true });
      expect(await active()).toBe(false);
      await changeAccess(server.deps, ctx, ada.id, { suspended: false });
      const urn = "urn:ietf:params:scim:schemas:extension:usher:2.0:User";
      const endDate = new Date(Date.now() + 3_600_000).toISOString();
      await changeUser(server.deps, ctx, ada.id, (doc) => ({ ...doc, [urn]: { endDate } }));
      expect(await active()).toBe(true);
      const late: AuthDeps = { ...server.deps, clock: () => new Date(Date.now() + 7_200_000) };
      expect(await outcome(authenticate(late, `Bearer ${token}`))).toBe("unauthorized");
      await deleteUser(server.deps, ctx, ada.id);
      expect(await active()).toBe(false);
    });
  });

  it("answers 503 and never 401 when the database does not answer", async () => {
    const token = await mint({});
    const db = { ...server.deps.db, query: () => Promise.reject(new Error("connection lost")) };
    const problem = await failure(authenticate({ ...server.deps, db }, `Bearer ${token}`));
    expect(problem.code).toBe("unavailable");
    expect(problem.headers["Retry-After"]).toBeDefined();
  });

  it("notes when a token was last used, at most once in five minutes", async () => {
    const { token, id } = await mintToken(server.deps, tenant.ctx, { label: "used", scopes: ["api"] });
    const lastUsed = async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const { body } = await tenant.call("listTokens");
      return body.tokens.find((one: { id: string }) => one.id === id).lastUsedAt;
    };
    const at = (minutes: number): AuthDeps => ({
      ...server.deps,
      clock: () => new Date(Date.UTC(2030, 0, 1, 0, minutes)),
    });
    expect(await lastUsed()).toBeNull();
    await authenticate(at(0), `Bearer ${token}`);
    expect(await lastUsed()).toBe("2030-01-01T00:00:00.000Z");
    await authenticate(at(4), `Bearer ${token}`);
    expect(await lastUsed()).toBe("2030-01-01T00:00:00.000Z");
    await authenticate(at(6), `Bearer ${token}`);
    expect(await lastUsed()).toBe("2030-01-01T00:06:00.000Z");
  });

  describe("GRD-3: authority", () => {
    const now = new Date();
    const of = (principal: Principal) => findAuthority(server.deps.db, principal, now);
    const manager = ["users.read", "roles.read"];

    it("is none without a role, and the role's otherwise", async () => {
      expect(await of(await bearer(await mint({})))).toEqual([]);
      expect(await of(await bearer(await mint({ role: "admin" })))).toEqual([everyPermission]);
      expect(await of(await bearer(await mint({ role: "manager" })))).toEqual(expect.arrayContaining(manager));
      expect(await of(operator(tenant.id))).toEqual([everyPermission]);
    });

    it("is the lesser of the token's and the person's, now", async () => {
      const ada = await tenant.user({ userName: "lesser@example.com" });
      const principal = await bearer(await mint({ role: "admin", userId: ada.id }));
      const before = await of(principal);
      expect(before).not.toContain("users.read");
      expect(before).not.toContain(everyPermission);
      await changeAccess(server.deps, tenant.ctx, ada.id, { role: "admin" });
      expect(await of(principal)).toEqual([everyPermission]);
      const weak = await bearer(await mint({ role: "user", userId: ada.id }));
      expect(await of(weak)).not.toContain("users.read");
    });

    it("of what a person issued lasts as long as theirs", async () => {
      const boss = await tenant.user({ userName: "issuer@example.com" });
      await changeAccess(server.deps, tenant.ctx, boss.id, { role: "admin" });
      const own = await bearer(await mint({ role: "admin", userId: boss.id }));
      const ctx = { ...tenant.ctx, principal: own };
      const issued = await mintToken(server.deps, ctx, { label: "by boss", scopes: ["scim"], role: "admin" });
      const principal = await bearer(issued.token);
      expect(principal).toMatchObject({ userId: boss.id, issuerId: boss.id });
      expect(await of(principal)).toEqual([everyPermission]);
      await changeAccess(server.deps, tenant.ctx, boss.id, { role: "user" });
      expect(await of(principal)).not.toContain("users.manage");
      await changeAccess(server.deps, tenant.ctx, boss.id, { role: "admin" });
      await changeUser(server.deps, tenant.ctx, boss.id, (doc) => ({ ...doc, active: false }));
      expect(await of(principal)).toEqual([]);
      // The connection goes on; it only grants nothing any more.
      expect((await bearer(issued.token)).kind).toBe("token");
      await deleteUser(server.deps, tenant.ctx, boss.id);
      expect(await of(await bearer(issued.token))).toEqual([]);
    });

    it("does not pass on through a token that somebody issued for another person", async () => {
      const [issuer, other] = [
        await tenant.user({ userName: "p@example.com" }),
        await tenant.user({ userName: "q@example.com" }),
      ];
      for (const { id } of [issuer, other]) await changeAccess(server.deps, tenant.ctx, id, { role: "admin" });
      const own = await bearer(await mint({ role: "admin", userId: issuer.id }));
      const ctx = { ...tenant.ctx, principal: own };
      const foreign = await mintToken(server.deps, ctx, {
        label: "x",
        scopes: ["api"],
        role: "admin",
        userId: other.id,
      });
      const principal = await bearer(foreign.token);
      expect(principal).toMatchObject({ userId: other.id, issuerId: issuer.id });
      const again = mintToken(server.deps, { ...ctx, principal }, { label: "y", scopes: ["api"] });
      await expect(again).rejects.toMatchObject({ code: "forbidden" });
    });

    it("ends with the token, also in the middle of a request", async () => {
      const minted = await mintToken(server.deps, tenant.ctx, { label: "x", scopes: ["api"], role: "admin" });
      const principal = await bearer(minted.token);
      await revokeToken(server.deps, tenant.ctx, minted.id);
      expect(await of(principal)).toEqual([]);
      const locked = await server.deps.db.transaction((tx) => lockAuthority(tx, principal, now));
      expect(locked).toEqual([]);
    });
  });
});

describe("scopes", () => {
  const principal: Principal = { ...operator("x"), kind: "token", tokenId: "y", label: "Okta", scopes: ["scim"] };

  it("pass or are named", () => {
    expect(() => requireScope(principal, "scim")).not.toThrow();
    expect(() => requireScope(principal, "api")).toThrow(/scope api/);
    expect(() => requireScope(operator(), "scim")).toThrow(/operator/);
  });

  it("keep tenants' tokens off the operator's routes", () => {
    expect(() => requireOperator(operator())).not.toThrow();
    expect(() => requireOperator(principal)).toThrow(/operator/);
  });
});

async function failure(promise: Promise<unknown>): Promise<Problem> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Problem)) throw new Error(`Expected a Problem, got ${error}`);
  return error;
}

async function outcome(promise: Promise<Principal>): Promise<string> {
  return promise.then(
    (principal) => principal.kind,
    (error: Problem) => error.code,
  );
}
