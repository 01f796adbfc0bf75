/**
 * The management API's routes against openapi.yaml: which there are, whom they take, what they refuse. That none answers
 * without a credential, and none another tenant's ids, is asked of the whole server in test/security/.
 */
import type { Express } from "express";
import request from "supertest";
import { beforeAll, describe, expect, it } from "vitest";
import { apiDocument, operations } from "../../src/admin/api-document.ts";
import { handlers } from "../../src/admin/handlers.ts";
import { createAdminRouters } from "../../src/admin/router.ts";
import { holds } from "../../src/domain/permissions.ts";
import { findPreset } from "../../src/domain/presets.ts";
import { describeOnPostgres } from "../helpers/database.ts";
import { aTenant, call, operatorToken, type Server, startServer, type TestTenant } from "./api.ts";

/** What every operation is called with: a body that its schema takes, and parameters that name something. */
function validCall(operationId: string, params: Record<string, string>) {
  const operation = operations.find((one) => one.id === operationId)!;
  const content = apiDocument.paths[operation.path][operation.method].requestBody?.content;
  if (operation.takesCsv) return { params, body: content["text/csv"].example, headers: { "content-type": "text/csv" } };
  return { params, body: content?.["application/json"].example };
}

/** The names that lead to every member of the JSON, the whole included. */
function placesIn(json: unknown, path: readonly string[] = []): (readonly string[])[] {
  const inner = typeof json === "object" && json !== null ? Object.entries(json) : [];
  return [path, ...inner.flatMap(([name, one]) => placesIn(one, [...path, name]))];
}

/** A copy with another value at the place. */
function replaced(json: unknown, [name, ...rest]: readonly string[], value: unknown): unknown {
  if (name === undefined) return value;
  const copy = structuredClone(json) as Record<string, unknown>;
  copy[name] = replaced(copy[name], rest, value);
  return copy;
}

describeOnPostgres("the inventory of routes", (getDb) => {
  let server: Server;
  let tenant: TestTenant;
  let params: Record<string, string>;
  beforeAll(async () => {
    server = startServer(getDb());
    tenant = await aTenant(server, { seats: { standard: 5 } });
    const { id } = await tenant.user({ userName: "somebody@example.com" });
    params = { id, tier: "standard", key: "manager", name: "example.com" };
  });

  it("is openapi.yaml, route for route", () => {
    const routes = Object.entries(createAdminRouters(server.deps)).flatMap(([base, router]) =>
      router.stack.flatMap(({ route }) => {
        if (route === undefined) return [];
        const path = `${base}${route.path}`.replace(/:(\w+)/g, "{$1}");
        const { methods } = route as unknown as { methods: Record<string, boolean> };
        return Object.keys(methods).flatMap((method) => (method === "_all" ? [] : [`${method} ${path}`]));
      }),
    );
    expect(routes.toSorted()).toEqual(operations.map(({ method, path }) => `${method} ${path}`).toSorted());
    expect(Object.keys(handlers).toSorted()).toEqual(operations.map(({ id }) => id).toSorted());
  });

  describe("scopes", () => {
    it.each(operations)("$id takes the tokens that it names and no others", async ({ id, scope }) => {
      for (const own of ["scim", "api", "access"]) {
        if (own === scope) continue;
        const token = await tenant.mint({ scopes: [own], role: "admin" });
        const { status, body } = await call(server, id, { ...validCall(id, params), token });
        expect([own, status, body.code]).toEqual([own, 403, "forbidden"]);
      }
      if (scope !== "operator") {
        const { status } = await call(server, id, { ...validCall(id, params), token: operatorToken });
        expect(["operator", status]).toEqual(["operator", 403]);
      }
    });
  });

  describe("AUTH-5: every role on every route", () => {
    const roles = findPreset("default")!.roles;
    const weak = [...roles.filter((role) => role.key !== "admin"), { key: null, permissions: [] }];
    const guarded = operations.filter((operation) => operation.scope === "api");

    it.each(guarded)("$id is refused to roles without its permission", async ({ id, permissions }) => {
      for (const role of weak) {
        if (permissions.some((permission) => holds(role.permissions, permission))) continue;
        const token = await tenant.mint({ scopes: ["api", "scim", "access"], role: role.key });
        const { status, body } = await call(server, id, { ...validCall(id, params), token });
        expect([role.key, status, body.code]).toEqual([role.key, 403, "forbidden"]);
      }
    });

    it.each(guarded)("$id needs no more than its permission to be reached", async ({ id, permissions }) => {
      const key = `only-${id.toLowerCase()}`;
      const role = { key, name: `Only ${id}`, rank: 30, permissions };
      const made = await tenant.call("createRole", { body: role });
      expect(made.status, JSON.stringify(made.body)).toBe(201);
      const token = await tenant.mint({ scopes: ["api"], role: key });
      const absent = {
        ...params,
        id: "0190a0b0-0000-7000-8000-0000000000ff",
        key: "nothing",
        tier: "nothing",
        name: "nothing.example",
      };
      const { status, body } = await call(server, id, { ...validCall(id, absent), token });
      // What is left to say no is the matter itself: nothing is there, or the example asks for more than the role holds.
      const reached = status < 400 || status === 404 || ["forbidden", "promotionRefused"].includes(body.code);
      expect(reached, `${status} ${JSON.stringify(body)}`).toBe(true);
      // LIC-11: an example that moves seats needs the license permission besides.
      if (status === 403) expect(body.rule ?? body.permission).toMatch(/^([A-Z]{3}-\d+|licenses\.manage)$/);
    });
  });

  describe("what no route takes", () => {
    const send = (app: Express) => request(app);
    const as = (sent: request.Test) => sent.auth(tenant.adminToken, { type: "bearer" });

    it("another method is 405 with Allow", async () => {
      const { status, body, headers } = await as(send(server.app).put("/api/v1/tokens"));
      expect([status, body.code, headers.allow]).toEqual([405, "methodNotAllowed", "GET, POST"]);
      expect((await as(send(server.app).delete("/access/v1/evaluation"))).status).toBe(405);
    });

    it("another path is 404, also in other letter case or with a slash at its end", async () => {
      for (const path of ["/api/v1/nothing", "/api/v1/Users", "/api/v1/users/", "/api/v1/users/x/y/z"]) {
        expect((await as(send(server.app).get(path))).status, path).toBe(404);
      }
    });

    it("another media type is 415, a broken body 400, a large one 413", async () => {
      const post = (type: string, text: string | Buffer) =>
        as(send(server.app).post("/api/v1/tokens")).set("content-type", type).send(text);
      expect((await post("text/plain", "hello")).status).toBe(415);
      expect((await post("application/x-www-form-urlencoded", "label=x")).status).toBe(415);
      expect((await post("application/json", "{ no json")).body.code).toBe("invalidSyntax");
      expect((await post("application/json", '"text"')).status).toBe(400);
      expect((await post("application/json", "x".repeat(1024 * 1024 + 1))).status).toBe(413);
      expect((await post("application/json", `${"[".repeat(100)}${"]".repeat(100)}`)).status).toBe(400);
      const deep = `${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`;
      expect((await post("application/json", deep)).body.code).toBe("invalidSyntax");
    });

    const bodies = operations.filter(({ id, scope }) => scope !== "operator" && validCall(id, {}).body !== undefined);
    const values = [null, true, -1, 1.5, 1e300, "", "text", "\0", [], {}, [null], [[]], [{}], { value: "x" }];
    it.each(bodies)(
      "every member of the body of $id × every JSON value is done or refused, never a failure",
      async (one) => {
        const { body } = validCall(one.id, params);
        const token = one.scope === "access" ? await tenant.mint({ scopes: ["access"] }) : tenant.adminToken;
        const absent: Record<string, string> = {
          id: "0190a0b0-0000-7000-8000-0000000000ff",
          key: "nothing",
          tier: "standard",
        };
        const url = one.path.replace(/\{(\w+)\}/g, (_match, name) => absent[name] ?? "x");
        for (const place of placesIn(body)) {
          for (const value of values) {
            const sent = send(server.app)
              [one.method](url)
              .auth(token, { type: "bearer" })
              .set("content-type", "application/json");
            const { status, text } = await sent.send(JSON.stringify(replaced(body, place, value)));
            expect(status, `${place.join(".")} = ${JSON.stringify(value)}: ${text}`).toBeLessThan(500);
          }
        }
      },
    );

    it("many spellings of one media type cost nothing more", async () => {
      for (let number = 0; number < 5; number++) {
        const sent = as(send(server.app).post("/api/v1/pools/standard/quote"));
        const { status } = await sent.set("content-type", `application/json; x=${number}`).send('{"seats":1}');
        expect(status).toBe(200);
      }
    });
  });

  it("a failing database is 503 with Retry-After, never 401 or 404", async () => {
    const away = () => Promise.reject(new Error("Connection terminated unexpectedly"));
    const { unavailable } = await import("../../src/db/constraints.ts");
    const query = () => Promise.reject(unavailable("away"));
    const db = { ...server.deps.db, query, run: query, transaction: away };
    const { createApp } = await import("../../src/http/app.ts");
    const { createLogger } = await import("../../src/log.ts");
    const routers = createAdminRouters({ ...server.deps, db });
    const database = getDb();
    const app = createApp({ database, log: createLogger("silent"), newId: server.deps.newId, routers });
    for (const { method, path, scope } of operations) {
      if (scope === "operator") continue;
      const url = path.replace(/\{(\w+)\}/g, (_match, name) => params[name] ?? "x");
      const { status, headers } = await request(app)[method](url).auth(tenant.adminToken, { type: "bearer" });
      expect([path, status]).toEqual([path, 503]);
      expect(headers["retry-after"]).toBeDefined();
    }
  });
});
