/**
 * AUTH-1 to AUTH-3: nobody gets in without a credential, by any route, under any spelling of its path; and nobody writes to
 * another resource than the one that was checked.
 */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compose } from "../../src/cli/compose.ts";
import { listen } from "../../src/http/server.ts";
import { createLogger } from "../../src/log.ts";
import { routeOf } from "../../src/scim/gate.ts";
import { describeOn, describeOnBoth } from "../helpers/database.ts";
import { filled, type MountedRoute, routesOf, watch } from "../helpers/routes.ts";
import { startServer, type TestServer, type TestTenant } from "../helpers/server.ts";
import { ask, exchange, toBytes } from "../helpers/wire.ts";

/**
 * Everything that answers without a credential. Whoever adds a line here says why it may.
 * Probes and figures say nothing of tenants; the others are how one gets a credential (RFC 6749, RFC 8414, RFC 7517).
 */
const publicRoutes = [
  "GET /healthz",
  "GET /readyz",
  "GET /metrics",
  "POST /oauth/token",
  "GET /oauth/jwks",
  "GET /.well-known/oauth-authorization-server",
  // Where a product asks what a person may do (AuthZEN 1.0 §9): addresses of this server, and nothing else.
  "GET /.well-known/authzen-configuration",
];

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "PROPFIND"];
const absentId = "0190a0b0-0000-7000-8000-0000000000ff";

describeOn("pglite", "AUTH-1: the inventory of the whole server", (getDb) => {
  let origin: string;
  let routes: readonly MountedRoute[];
  let entered: Set<string>;
  let close: () => Promise<void>;

  beforeAll(async () => {
    const parts = { secret: randomBytes(32), operatorToken: randomBytes(24).toString("hex") };
    const composed = await compose({ database: getDb(), log: createLogger("silent"), ...parts });
    routes = routesOf(composed.app);
    entered = watch(composed.app).entered;
    const listening = await listen(composed.app, { host: "127.0.0.1", port: 0 });
    origin = listening.origin;
    close = async () => {
      composed.beginStop();
      await listening.stop();
      await composed.stopWork();
    };
  });
  afterAll(() => close());

  const isPublic = ({ method, path }: MountedRoute) => publicRoutes.includes(`${method} ${path}`);
  const guarded = () => routes.filter((route) => !isPublic(route));

  it("AUTH-1: walks the routers that are mounted, of all three doors", () => {
    const found = routes.map(({ method, path }) => `${method} ${path}`);
    expect(found).toEqual(expect.arrayContaining(publicRoutes));
    expect(found).toEqual(
      expect.arrayContaining(["PATCH /scim/v2/Users/:id", "POST /scim/v2/Bulk", "GET /scim/v2/Schemas/:id"]),
    );
    expect(found).toEqual(expect.arrayContaining(["GET /api/v1/users", "POST /access/v1/evaluation"]));
    expect(found.length).toBeGreaterThan(90);
  });

  it("AUTH-1: every route that is not named as public is 401 for every method and without a body being read", async () => {
    entered.clear();
    // The gate of the SCIM door dispatches by itself: its words are read off its text, so that a new one is asked for, too.
    const words = [...routeOf.toString().matchAll(/case "([^"]*)":/g)].map(([, word]) => `/scim/v2/${word}`);
    expect(words.length).toBeGreaterThan(9);
    const paths = new Set([...guarded().map(({ path }) => path), ...words, ...words.map((path) => `${path}/:id`)]);
    for (const path of paths) {
      for (const value of [absentId, ".search", "x"]) {
        const target = filled(path, value);
        for (const method of path.includes(":") ? methods : methods.slice(0, 7)) {
          const sent = method === "GET" || method === "HEAD" ? {} : { body: "{ no json" };
          const answer = await ask(origin, { method, target, ...sent });
          expect([method, target, answer.status]).toEqual([method, target, 401]);
          expect(answer.headers["www-authenticate"]).toMatch(/^Bearer realm="usher"/);
        }
        if (!path.includes(":")) break;
      }
    }
    // Of each door one function answered, and behind it nobody was asked: the scope of a SCIM request, then the credential.
    expect([...entered].filter((place) => place.endsWith("route"))).toEqual([]);
    expect([...entered].sort()).toEqual(["/access/v1 step 0", "/api/v1 step 0", "/scim/v2 step 0", "/scim/v2 step 1"]);
  });

  it.each(publicRoutes)(
    "AUTH-1: %s answers without a credential, and says nothing of tenants or people",
    async (route) => {
      const [method = "", target = ""] = route.split(" ");
      const answer = await ask(origin, { method, target });
      expect(answer.status).toBeLessThan(500);
      if (method === "GET") expect(answer.status).toBe(200);
      else expect([400, 401, 415]).toContain(answer.status);
      expect(answer.text).not.toMatch(/usher_[\w-]{22}\.|userName|scimToken|adminToken|"tenants?"/);
    },
  );

  it("AUTH-1: what is named as public is all that the server serves outside of its doors", () => {
    const outside = routes.filter(({ path }) => !/^\/(scim\/v2|api\/v1|access\/v1)(\/|$)/.test(path));
    expect(outside.filter((route) => !isPublic(route))).toEqual([]);
  });

  it("AUTH-1: paths that no route has are 401 under the doors and 404 outside, in every letter case", async () => {
    for (const door of ["/scim/v2", "/api/v1", "/access/v1", "/SCIM/V2", "/Api/V1"]) {
      for (const rest of [
        "",
        "/",
        "/nothing",
        "/Users/x/y/z",
        "/.well-known",
        "/__proto__",
        "/console",
        "/mcp",
        "/docs",
      ]) {
        const { status } = await ask(origin, { target: door + rest });
        expect([door + rest, status]).toEqual([door + rest, 401]);
      }
    }
    for (const target of ["/", "/scim", "/scim/v1/Users", "/api", "/api/v2/users", "/debug", "/openapi.yaml", "/mcp"]) {
      expect([target, (await ask(origin, { target })).status]).toEqual([target, 404]);
    }
  });
});

describeOnBoth("AUTH-1: a credential that proves nobody", (getDb) => {
  let server: TestServer;
  let tenant: TestTenant;
  beforeAll(async () => {
    server = await startServer(getDb());
    tenant = await server.tenant();
  });
  afterAll(() => server.close());

  const doors = ["/scim/v2/Users", "/scim/v2/Bulk", "/api/v1/users", "/api/v1/tenants", "/access/v1/evaluation"];

  it.each(doors)("AUTH-1: %s takes no other bytes for a credential", async (target) => {
    const good = tenant.scimToken;
    const other = await server.tenant();
    const [tenantPart, tokenPart, secretPart] = good.split(".") as [string, string, string];
    const wrong = [
      "Bearer",
      "Bearer ",
      `Basic ${Buffer.from("a:b").toString("base64")}`,
      `Basic ${good}`,
      good,
      `Token ${good}`,
      `Bearer "${good}"`,
      `Bearer ${good}x`,
      `Bearer ${good.slice(0, -1)}`,
      `Bearer ${good} ${good}`,
      `Bearer ${good},${good}`,
      `Bearer ${other.scimToken.split(".")[0]}.${tokenPart}.${secretPart}`,
      `Bearer ${tenantPart}.${other.scimToken.split(".")[1]}.${secretPart}`,
      `Bearer ${good.toUpperCase()}`,
      "Bearer null",
      "Bearer undefined",
      "Bearer ../../x",
      `Bearer ${"x".repeat(4000)}`,
      `Bearer ${good}%00`,
      "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
    ];
    for (const Authorization of wrong) {
      const { status } = await ask(server.origin, { method: "POST", target, headers: { Authorization }, body: "{}" });
      expect([Authorization, status]).toEqual([Authorization, 401]);
    }
  });

  it.each(doors)("AUTH-1: %s looks for the credential in one header and nowhere else", async (target) => {
    const token = target.startsWith("/scim") ? tenant.scimToken : tenant.adminToken;
    const elsewhere = [
      { target: `${target}?access_token=${token}` },
      { target: `${target}?token=${token}`, headers: { Cookie: `token=${token}; session=${token}` } },
      { target, headers: { "X-Authorization": `Bearer ${token}`, "Proxy-Authorization": `Bearer ${token}` } },
      { target, headers: { "X-Forwarded-User": "admin", "X-Remote-User": "admin", "X-Tenant": tenant.id } },
      {
        target,
        headers: { "X-Original-URL": "/healthz", "X-Rewrite-URL": "/healthz", "X-Forwarded-Prefix": "/healthz" },
      },
      { target, headers: { "Content-Type": "application/x-www-form-urlencoded" }, body: `access_token=${token}` },
    ];
    for (const parts of elsewhere) {
      for (const method of ["GET", "POST"]) {
        expect((await ask(server.origin, { method, ...parts })).status, JSON.stringify(parts)).toBe(401);
      }
    }
  });

  it("AUTH-1: a credential given twice is not the first of two that proves somebody else", async () => {
    const other = await server.tenant();
    await other.scim("POST", "/Users", { userName: "not-for-you" });
    const head = `GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\n`;
    const both = `Authorization: Bearer ${tenant.scimToken}\r\nAuthorization: Bearer ${other.scimToken}\r\n\r\n`;
    const { answers } = await exchange(server.origin, head + both);
    expect(answers[0]?.text ?? "").not.toContain("not-for-you");
  });

  it("AUTH-1: a token that was revoked, has run out or belongs to a deleted tenant proves nobody from then on", async () => {
    const revoked = await tenant.mint({ label: "to revoke", scopes: ["scim"] });
    const { body } = await tenant.api<{ tokens: { id: string; label: string }[] }>("GET", "/tokens");
    const gone = await server.tenant();
    const use = (token: string) => server.sender("/scim/v2", token)("GET", "/Users");
    expect([(await use(revoked)).status, (await use(gone.scimToken)).status]).toEqual([200, 200]);
    await tenant.api("DELETE", `/tokens/${body.tokens.find(({ label }) => label === "to revoke")?.id}`);
    const deleted = await server.operator("DELETE", `/tenants/${gone.id}`);
    expect(deleted.status).toBe(204);
    const past = { label: "old", scopes: ["scim"] as const, expiresAt: new Date(Date.now() + 1_000).toISOString() };
    const shortLived = await tenant.mint(past);
    await new Promise((later) => setTimeout(later, 1_100));
    for (const token of [revoked, gone.scimToken, gone.adminToken, shortLived]) {
      expect((await use(token)).status).toBe(401);
    }
  });
});

/** Other ways to write a path, each of which some server, proxy or library takes for the path itself. */
const spellings: Readonly<Record<string, (path: string) => string>> = {
  "a percent-encoded letter": (path) => path.replace(/[a-z]/, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
  "every letter percent-encoded": (path) =>
    path.replace(/[a-zA-Z]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
  "an encoded letter in the last segment": (path) =>
    path.replace(/[^/]([^/]*)$/, (segment) => `%${segment.charCodeAt(0).toString(16)}${segment.slice(1)}`),
  "twice encoded": (path) => path.replace(/[a-z]/, (letter) => `%25${letter.charCodeAt(0).toString(16)}`),
  "encoded slashes": (path) => path.replaceAll("/", "%2f").replace("%2f", "/"),
  "one encoded slash": (path) => path.replace(/(.)\//, "$1%2F"),
  "two slashes in front": (path) => `/${path}`,
  "doubled slashes": (path) => path.replaceAll("/", "//"),
  "a dot segment": (path) => path.replace(/(.)\//, "$1/./"),
  "an encoded dot segment": (path) => path.replace(/(.)\//, "$1/%2e/"),
  "up and down again": (path) => path.replace(/(.)\//, "$1/x/../"),
  "encoded up and down again": (path) => path.replace(/(.)\//, "$1/x/%2e%2e/"),
  "from a public path": (path) => `/healthz/..${path}`,
  "from a public path, encoded": (path) => `/healthz/%2e%2e${path}`,
  "from a public path, with a semicolon": (path) => `/healthz;/..${path}`,
  "a matrix parameter": (path) => `${path};x=1`,
  "a matrix parameter in front": (path) => path.replace(/(.)\//, "$1;x/"),
  "upper case": (path) => path.toUpperCase(),
  "a trailing dot": (path) => `${path}.`,
  "a trailing slash": (path) => `${path}/`,
  "two trailing slashes": (path) => `${path}//`,
  "a trailing space": (path) => `${path}%20`,
  "a tab": (path) => `${path}%09`,
  "an encoded NUL": (path) => `${path}%00`,
  "a NUL and an ending": (path) => `${path}%00.json`,
  "an ending": (path) => `${path}.json`,
  backslashes: (path) => path.replaceAll("/", "\\"),
  "one backslash": (path) => path.replace(/(.)\//, "$1\\"),
  "an encoded backslash": (path) => path.replace(/(.)\//, "$1%5c"),
  "an encoded line break": (path) => `${path}%0d%0aX-Injected:%201`,
  "an encoded question mark": (path) => `${path}%3f`,
  "an encoded hash": (path) => `${path}%23`,
  "a hash": (path) => `${path}#x`,
  "a question mark": (path) => `${path}?`,
  "an overlong dot": (path) => path.replace(/(.)\//, "$1/%c0%ae%c0%ae/"),
  "broken percent-encoding": (path) => `${path}%`,
  "broken UTF-8": (path) => `${path}%ff`,
  "a full-width slash": (path) => path.replace(/(.)\//, "$1%ef%bc%8f"),
  "the absolute form": (path) => `http://localhost${path}`,
  "the absolute form of another host": (path) => `http://evil.example.com${path}`,
  "the absolute form of another scheme": (path) => `https://localhost:1${path}`,
  "the absolute form with a credential": (path) => `http://admin:admin@localhost${path}`,
  "a path without its slash": (path) => path.slice(1),
  "a scheme without a host": (path) => `http:${path}`,
  "a script scheme": (path) => `javascript:${path}`,
};

const places: Readonly<Record<string, "scim" | "api" | "operator">> = {
  "/scim/v2/Users": "scim",
  "/scim/v2/Users/:id": "scim",
  "/scim/v2/Schemas": "scim",
  "/api/v1/users": "api",
  "/api/v1/users/:id": "api",
  "/api/v1/tenants": "operator",
};

describeOnBoth("AUTH-3: path spellings", (getDb) => {
  let server: TestServer;
  let tenant: TestTenant;
  let id: string;
  beforeAll(async () => {
    server = await startServer(getDb());
    tenant = await server.tenant();
    const made = await tenant.scim<{ id: string }>("POST", "/Users", { userName: "a-secret-name" });
    id = made.body.id;
  });
  afterAll(() => server.close());

  it.each(Object.entries(spellings))("AUTH-3: %s opens no door without a credential", async (_name, spell) => {
    for (const [place, credential] of Object.entries(places)) {
      const target = spell(place.replace(":id", id));
      const token = { scim: tenant.scimToken, api: tenant.adminToken, operator: server.operatorToken }[credential];
      for (const method of ["GET", "HEAD", "DELETE", "OPTIONS"]) {
        const bare = await ask(server.origin, { method, target });
        expect([400, 401, 404], `${method} ${target}: ${bare.status}`).toContain(bare.status);
        expect(bare.text).not.toContain("a-secret-name");
        const wrong = await ask(server.origin, { method, target, token: `${token}x` });
        expect([400, 401, 404], `${method} ${target}: ${wrong.status}`).toContain(wrong.status);
        expect(bare.headers["x-injected"]).toBeUndefined();
      }
      const full = await ask(server.origin, { target, token });
      expect(full.status, `${target}: ${full.text}`).toBeLessThan(500);
      expect(full.elapsedMs).toBeLessThan(2_000);
      // Whatever shows something to the one who may see it asks for the credential under this very spelling.
      const bare = await ask(server.origin, { target });
      if (full.status === 200) expect([target, bare.status]).toEqual([target, 401]);
    }
    expect((await tenant.scim("GET", `/Users/${id}`)).body).toMatchObject({ userName: "a-secret-name" });
  });

  it("AUTH-3: a credential for one door opens no other under any spelling", async () => {
    for (const spell of Object.values(spellings)) {
      for (const [place, credential] of Object.entries(places)) {
        const target = spell(place.replace(":id", id));
        const others = { scim: [tenant.adminToken], api: [tenant.scimToken], operator: [tenant.adminToken] }[
          credential
        ];
        for (const token of [...others, ...(credential === "operator" ? [] : [server.operatorToken])]) {
          const { status, text } = await ask(server.origin, { target, token });
          expect([400, 401, 403, 404], `${target}: ${status}`).toContain(status);
          expect(text).not.toContain("a-secret-name");
        }
      }
    }
  });

  it.each([
    "localhost",
    "evil.example.com",
    "localhost:99999",
    "localhost/scim/v2",
    "localhost@evil.example.com",
    "healthz",
    '"><script>alert(1)</script>',
    "{{7*7}}",
    "a b",
    "[::1]",
    "[::1",
    "::::",
    "%00",
    "xn--nxasmq6b",
    "x".repeat(200),
    "",
  ])("AUTH-3: the Host %j changes neither who gets in nor how it is answered", async (Host) => {
    for (const target of ["/scim/v2/Users", "/scim/v2/ServiceProviderConfig", "/api/v1/users"]) {
      const headers = {
        Host,
        "X-Forwarded-Host": "evil.example.org",
        "X-Forwarded-Proto": "gopher",
        Forwarded: "host=x",
      };
      const bare = await ask(server.origin, { target, headers });
      expect([400, 401]).toContain(bare.status);
      const token = target.startsWith("/scim") ? tenant.scimToken : tenant.adminToken;
      const full = await ask(server.origin, { target, headers, token });
      expect([200, 400], full.text).toContain(full.status);
      expect(full.text).not.toMatch(/evil\.example\.org|gopher/);
      if (full.status === 200) expect(() => JSON.parse(full.text)).not.toThrow();
    }
    expect((await tenant.scim("GET", "/Users")).status).toBe(200);
  });

  it("AUTH-3: a second request on the line is judged by its own credential", async () => {
    const first = toBytes({ target: "/scim/v2/Users", token: tenant.scimToken });
    const second = toBytes({ target: "/scim/v2/Users" });
    const { answers } = await exchange(server.origin, Buffer.concat([first, second, first]), { answers: 3 });
    expect(answers.map(({ status }) => status)).toEqual([200, 401, 200]);
    expect(answers[1]?.text).not.toContain("a-secret-name");
  });
});

describeOnBoth("AUTH-2: ids that disagree", (getDb) => {
  let server: TestServer;
  let tenant: TestTenant;
  beforeAll(async () => {
    server = await startServer(getDb());
    tenant = await server.tenant();
  });
  afterAll(() => server.close());

  const resources = [
    { type: "Users", name: "userName" },
    { type: "Groups", name: "displayName" },
  ];

  describe.each(resources)("$type", ({ type, name: nameAttribute }) => {
    const aName = () => ({ [nameAttribute]: randomBytes(6).toString("hex") });
    async function two() {
      const make = () => tenant.scim<{ id: string }>("POST", `/${type}`, aName());
      const [one, other] = [await make(), await make()];
      return { one: one.body.id, other: other.body.id };
    }
    const read = async (id: string) => (await tenant.scim("GET", `/${type}/${id}`)).body;

    it("AUTH-2: another id in the body is 400 mutability and changes neither of the two", async () => {
      const { one, other } = await two();
      const before = [await read(one), await read(other)];
      const rename = aName();
      const values = [other, absentId, one.toUpperCase(), "", " ", 1, true, [other], { value: other }];
      for (const id of values) {
        for (const name of ["id", "ID"]) {
          const put = await tenant.scim("PUT", `/${type}/${one}`, { ...rename, [name]: id });
          expect([name, id, put.status, put.body.scimType]).toEqual([name, id, 400, "mutability"]);
          const inValue = { Operations: [{ op: "replace", value: { ...rename, [name]: id } }] };
          const patched = await tenant.scim("PATCH", `/${type}/${one}`, inValue);
          expect([name, id, patched.status, patched.body.scimType]).toEqual([name, id, 400, "mutability"]);
          for (const op of ["add", "replace"]) {
            const Operations = [
              { op: "replace", value: rename },
              { op, path: name, value: id },
            ];
            const pointed = await tenant.scim("PATCH", `/${type}/${one}`, { Operations });
            expect([op, name, id, pointed.status, pointed.body.scimType]).toEqual([op, name, id, 400, "mutability"]);
          }
        }
      }
      const removed = await tenant.scim("PATCH", `/${type}/${one}`, { Operations: [{ op: "remove", path: "id" }] });
      expect([removed.status, removed.body.scimType]).toEqual([400, "mutability"]);
      expect([await read(one), await read(other)]).toEqual(before);
    });

    it("AUTH-2: the same id, none, or an id anywhere but in the body is nothing to refuse", async () => {
      const { one, other } = await two();
      const rename = aName();
      for (const id of [one, undefined, null]) {
        expect((await tenant.scim("PUT", `/${type}/${one}?id=${other}`, { ...rename, id })).status).toBe(200);
        const Operations = [{ op: "replace", value: { ...rename, id } }];
        expect((await tenant.scim("PATCH", `/${type}/${one}?id=${other}`, { Operations })).status).toBeLessThan(300);
      }
      expect(await read(one)).toMatchObject(rename);
      expect(await read(other)).not.toMatchObject(rename);
    });

    it("AUTH-2: a create is never told its id, and never lands on somebody", async () => {
      const { one } = await two();
      const before = await read(one);
      for (const given of [{ id: one }, { ID: one }, { userId: one }, { meta: { location: `/${type}/${one}` } }]) {
        const made = await tenant.scim("POST", `/${type}`, { ...aName(), ...given });
        expect(made.status).toBe(201);
        expect(made.body.id).not.toBe(one);
      }
      expect(await read(one)).toEqual(before);
    });
  });
});
