/** The web server around the doors, with doors made for the test and a database that can be told to fail. */
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import express, { Router } from "express";
import request from "supertest";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createApp } from "../../src/http/app.ts";
import { type Listening, listen } from "../../src/http/server.ts";
import { createLogger } from "../../src/log.ts";
import { renderScimError } from "../../src/problem-messages.ts";
import { Problem } from "../../src/problems.ts";

let lines: Record<string, unknown>[];
let pings: () => Promise<void>;
let stopping: boolean;
let release: () => void;

beforeEach(() => {
  lines = [];
  pings = async () => {};
  stopping = false;
  release = () => {};
});

function makeApp(options: { requestsInFlightMax?: number } = {}) {
  const log = createLogger("debug", { write: (line: string) => void lines.push(JSON.parse(line)) });
  let ids = 0;
  return createApp({
    database: { ping: () => pings(), stats: () => ({ total: 3, idle: 1, waiting: 4 }) },
    log,
    newId: () => `id-${++ids}`,
    routers: { "/api/v1": door(), "/scim/v2": door() },
    stopping: () => stopping,
    ...options,
  });
}

function door(): Router {
  const router = Router();
  router.use(express.json({ limit: 100 }));
  router.post("/things", (req, res) => {
    res.status(201).json(req.body);
  });
  router.get("/things/:id", (req, res) => {
    res.locals.route = `${req.baseUrl}/things/:id`;
    throw new Problem("poolFull", "The pool pro is full.", {
      facts: { rule: "LIC-3", pool: "pro", purchased: 5, used: 5, user: req.params.id },
    });
  });
  router.get("/last", () => {
    throw new Problem("lastAdmin", "Somebody has to stay.", { facts: { rule: "GRD-7" } });
  });
  router.get("/bug", async () => {
    throw new TypeError("the secret of the bug");
  });
  router.get("/outage", () => {
    throw new Problem("unavailable", "Later.", { headers: { "Retry-After": "5" }, cause: new Error("the reason") });
  });
  router.get("/half", (_req, res, next) => {
    res.write("half");
    next(new Error("too late"));
  });
  router.get("/slow", async (_req, res) => {
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    res.json({ slow: true });
  });
  router.get("/validated", () => {
    throw Object.assign(new Error("request/query/limit must be integer"), {
      status: 400,
      errors: [{ path: "/query/limit", message: "must be integer", errorCode: "type" }],
    });
  });
  return router;
}

describe("the app", () => {
  it("answers a problem as problem+json on the API and as a SCIM Error on the SCIM side", async () => {
    const app = makeApp();
    const api = await request(app).get("/api/v1/things/7");
    expect(api.status).toBe(403);
    expect(api.headers["content-type"]).toBe("application/problem+json");
    expect(api.body).toEqual({
      type: "about:blank",
      title: "No seat is free",
      status: 403,
      detail: "The pool pro is full.",
      code: "poolFull",
      requestId: "id-1",
      rule: "LIC-3",
      pool: "pro",
      purchased: 5,
      used: 5,
      user: "7",
    });

    const scim = await request(app).get("/scim/v2/things/7");
    expect(scim.status).toBe(403);
    expect(scim.headers["content-type"]).toBe("application/scim+json");
    expect(JSON.parse(scim.text)).toEqual({
      schemas: ["urn:ietf:params:scim:api:messages:2.0:Error"],
      status: "403",
      detail: "The pool pro is full.",
      "urn:ietf:params:scim:schemas:extension:usher:2.0:Error": {
        code: "LIC-3",
        pool: "pro",
        purchased: 5,
        used: 5,
        user: "7",
        requestId: "id-2",
      },
    });
  });

  it("refuses to demote the last Admin with 403 on the SCIM side and 409 on the API", async () => {
    const app = makeApp();
    await request(app).get("/api/v1/last").expect(409);
    await request(app).get("/scim/v2/last").expect(403);
  });

  it("names the scimType where RFC 7644 has a word for the problem", () => {
    const { body } = renderScimError(new Problem("uniqueness", "Taken."), "r");
    expect(body).toMatchObject({ status: "409", scimType: "uniqueness" });
  });

  it("keeps the cause of a 500 out of the answer and puts it into the log under the request id", async () => {
    const answer = await request(makeApp()).get("/scim/v2/bug").set("X-Request-Id", "from-the-client");
    expect(answer.status).toBe(500);
    expect(answer.text).not.toContain("secret");
    expect(answer.text).toContain("from-the-client");
    expect(lines).toContainEqual(
      expect.objectContaining({
        requestId: "from-the-client",
        err: expect.objectContaining({ stack: expect.stringContaining("the secret of the bug") }),
      }),
    );
  });

  it("says when to come again after an outage, and logs the reason", async () => {
    const answer = await request(makeApp()).get("/scim/v2/outage");
    expect(answer.status).toBe(503);
    expect(answer.headers["retry-after"]).toBe("5");
    expect(JSON.stringify(lines)).toContain("the reason");
  });

  it("cuts the line when an error comes after half an answer", async () => {
    await expect(request(makeApp()).get("/api/v1/half")).rejects.toThrow(/aborted|socket hang up/);
    expect(JSON.stringify(lines)).toContain("too late");
  });

  it.each([
    ["a path that does not exist", () => request(makeApp()).get("/nowhere"), 404, "notFound"],
    ["the same under the API", () => request(makeApp()).get("/api/v1/nowhere"), 404, "notFound"],
    [
      "a body that is no JSON",
      () => request(makeApp()).post("/api/v1/things").type("json").send("{"),
      400,
      "invalidSyntax",
    ],
    [
      "a body that is too large",
      () =>
        request(makeApp())
          .post("/api/v1/things")
          .send({ a: "x".repeat(200) }),
      413,
      "payloadTooLarge",
    ],
    [
      "an unknown charset",
      () =>
        request(makeApp()).post("/api/v1/things").set("Content-Type", "application/json; charset=x-none").send("{}"),
      415,
      "unsupportedMediaType",
    ],
    [
      "an unknown encoding",
      () => request(makeApp()).post("/api/v1/things").type("json").set("Content-Encoding", "zip").send("{}"),
      415,
      "unsupportedMediaType",
    ],
    ["a broken escape in the path", () => request(makeApp()).get("/api/v1/things/%zz"), 400, "invalidSyntax"],
  ])("answers %s with a problem", async (_what, send, status, code) => {
    const answer = await send();
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ status, code, detail: expect.stringMatching(/\w/) });
    expect(answer.headers["content-type"]).toBe("application/problem+json");
  });

  it("hands on what the request validator found", async () => {
    const answer = await request(makeApp()).get("/api/v1/validated");
    expect(answer.body).toMatchObject({
      code: "invalidValue",
      detail: "/query/limit must be integer",
      errors: [{ path: "/query/limit", message: "must be integer" }],
    });
  });

  it("answers an unknown SCIM path with a SCIM Error", async () => {
    const answer = await request(makeApp()).get("/scim/v3/Users").expect(404);
    expect(answer.headers["content-type"]).toBe("application/scim+json");
  });

  it("gives every request an id and takes over a harmless one", async () => {
    const app = makeApp();
    expect((await request(app).get("/healthz")).headers["x-request-id"]).toBe("id-1");
    expect((await request(app).get("/healthz").set("X-Request-Id", "a:b-c.1")).headers["x-request-id"]).toBe("a:b-c.1");
    for (const strange of ["a b", "x".repeat(129), "a;b", 'a"b']) {
      const answer = await request(app).get("/healthz").set("X-Request-Id", strange);
      expect(answer.headers["x-request-id"]).toMatch(/^id-\d$/);
    }
  });

  it("sends no ETag of express' making, forbids caching and does not name its software", async () => {
    const { headers } = await request(makeApp()).post("/api/v1/things").send({ a: 1 }).expect(201);
    expect(headers).not.toHaveProperty("etag");
    expect(headers).not.toHaveProperty("x-powered-by");
    expect(headers["cache-control"]).toBe("no-store");
    expect(headers["x-content-type-options"]).toBe("nosniff");
  });

  it("is healthy while the process runs and ready only while the database answers", async () => {
    const app = makeApp();
    await request(app).get("/readyz").expect(200, { status: "ready" });
    pings = async () => {
      throw new Problem("unavailable", "The database does not answer.", { headers: { "Retry-After": "5" } });
    };
    await request(app).get("/healthz").expect(200);
    const answer = await request(app).get("/readyz").expect(503);
    expect(answer.headers["retry-after"]).toBe("5");
    pings = () => new Promise(() => {});
    await request(app).get("/readyz").expect(503);
    pings = async () => {};
    stopping = true;
    await request(app).get("/readyz").expect(503);
  });

  it("measures requests by route template and status, and the pool", async () => {
    const app = makeApp();
    await request(app).get("/scim/v2/things/1");
    await request(app).get("/scim/v2/things/2");
    await request(app).get("/scim/v2/invented/by/somebody");
    await request(app).get("/invented");
    const { text, headers } = await request(app).get("/metrics").expect(200);
    expect(headers["content-type"]).toContain("text/plain");
    const counts = text.split("\n").filter((line) => line.startsWith("usher_http_request_duration_seconds_count"));
    expect(counts).toEqual([
      'usher_http_request_duration_seconds_count{method="GET",route="/scim/v2/things/:id",status="403"} 2',
      'usher_http_request_duration_seconds_count{method="GET",route="/scim/v2/*",status="404"} 1',
      'usher_http_request_duration_seconds_count{method="GET",route="/*",status="404"} 1',
    ]);
    expect(text).toContain('usher_database_connections{state="waiting"} 4');
    expect(text).toContain("process_resident_memory_bytes");
  });

  it("logs a request in one line, without its query and its credential", async () => {
    await request(makeApp()).get("/api/v1/things/1?filter=ada").set("Authorization", "Bearer abc");
    const mine = lines.filter((line) => line.msg === "request");
    expect(mine).toEqual([
      expect.objectContaining({ method: "GET", path: "/api/v1/things/1", status: 403, requestId: "id-1" }),
    ]);
    expect(JSON.stringify(lines)).not.toMatch(/ada|abc/);
  });
});

describe("the server", () => {
  let server: Listening | undefined;
  afterEach(() => server?.stop());

  it("sheds what comes beyond its bound, and nothing once there is room again", async () => {
    server = await listen(makeApp({ requestsInFlightMax: 1 }), { host: "127.0.0.1", port: 0 });
    const slow = fetch(`${server.origin}/api/v1/slow`);
    await sleep(50);
    const shed = await fetch(`${server.origin}/scim/v2/things/1`);
    expect(shed.status).toBe(503);
    expect(shed.headers.get("retry-after")).toBe("5");
    expect(shed.headers.get("content-type")).toBe("application/scim+json");
    expect((await fetch(`${server.origin}/readyz`)).status).toBe(200);
    release();
    expect((await slow).status).toBe(200);
    expect((await fetch(`${server.origin}/api/v1/things/1`)).status).toBe(403);
  });

  it("finishes the request in flight when it is stopped, and takes no new one", async () => {
    const own = await listen(makeApp(), { host: "127.0.0.1", port: 0 });
    const slow = fetch(`${own.origin}/api/v1/slow`);
    await sleep(50);
    const stopped = own.stop();
    await expect(fetch(`${own.origin}/healthz`)).rejects.toThrow();
    release();
    expect(await (await slow).json()).toEqual({ slow: true });
    await stopped;
  });

  it("answers bytes that are no HTTP request", async () => {
    server = await listen(makeApp(), { host: "127.0.0.1", port: 0 });
    const socket = connect(Number(new URL(server.origin).port), "127.0.0.1");
    socket.end("\0\0 nonsense\r\n\r\n");
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    await once(socket, "close");
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain("application/problem+json");
    const headers = { "x-long": "y".repeat(20_000) };
    expect((await fetch(`${server.origin}/healthz`, { headers })).status).toBe(431);
    expect((await fetch(`${server.origin}/healthz`)).status).toBe(200);
  });

  it("says which address is taken", async () => {
    server = await listen(makeApp(), { host: "127.0.0.1", port: 0 });
    const port = Number(new URL(server.origin).port);
    await expect(listen(makeApp(), { host: "127.0.0.1", port })).rejects.toThrow(/Cannot listen on 127.0.0.1:.*PORT/);
  });
});
