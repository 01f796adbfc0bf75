/**
 * TEN-1, TEN-2, TEN-5: the border between tenants. What another tenant has is answered exactly as what nobody has, by every
 * route and verb; equal names are different things; and nothing tells whether a name is taken next door.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiDocument, operations } from "../../src/admin/api-document.ts";
import { USHER_USER } from "../../src/vocabulary/urns.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { filled, routesOf } from "../helpers/routes.ts";
import { type Send, startServer, type TestServer, type TestTenant } from "../helpers/server.ts";
import { ask, type WireAnswer } from "../helpers/wire.ts";

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const absentId = "0190a0b0-0000-7000-8000-0000000000ff";
const uuid = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi;
const moment = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g;

/** Express says `:id` where OpenAPI says `{id}`. */
const toRoute = (path: string) => path.replace(/\{(\w+)\}/g, ":$1");

/** Everything of a tenant that one of its ids could reach. */
interface Things {
  readonly user: string;
  readonly group: string;
  readonly nested: string;
  readonly token: string;
  readonly promotion: string;
  readonly waiting: string;
  readonly team: string;
  readonly tenant: string;
}

async function furnish(tenant: TestTenant): Promise<Things> {
  const create = async (path: string, body: object) => (await tenant.scim<{ id: string }>("POST", path, body)).body.id;
  const wants = (name: string, more: object) => ({ userName: name, externalId: name, [USHER_USER]: more });
  const user = await create("/Users", {
    ...wants("ada", { licenseTier: "standard" }),
    emails: [{ value: "ada@x.org" }],
  });
  const waiting = await create("/Users", wants("bob", { licenseTier: "standard" }));
  await tenant.scim("POST", "/Users", wants("eve", { role: "admin" }));
  const nested = await create("/Groups", { displayName: "Nested", externalId: "g1", members: [{ value: user }] });
  const group = await create("/Groups", { displayName: "Group", externalId: "g2", members: [{ value: nested }] });
  const { body: tokens } = await tenant.api<{ tokens: { id: string }[] }>("GET", "/tokens");
  const { body: asked } = await tenant.api<{ promotions: { id: string }[] }>("GET", "/promotions");
  const teams = (await tenant.scim<{ [USHER_USER]: { teams: { value: string }[] } }>("GET", `/Users/${user}`)).body;
  return {
    user,
    group,
    nested,
    token: tokens.tokens[0]?.id ?? "",
    promotion: asked.promotions[0]?.id ?? "",
    waiting,
    team: teams[USHER_USER].teams[0]?.value ?? "",
    tenant: tenant.id,
  };
}

/** All that the tenant's own people can read of it. */
async function snapshot(tenant: TestTenant): Promise<unknown> {
  const paths = [
    "/tokens",
    "/pools",
    "/pools/standard/waitlist",
    "/mapping",
    "/users",
    "/roles",
    "/promotions",
    "/events",
  ];
  const read = async (send: Send, path: string) => (await send("GET", path)).body;
  // `lastUsedAt` follows the reading itself.
  const withoutUse = (json: unknown) =>
    JSON.parse(JSON.stringify(json, (name, value) => (name === "lastUsedAt" ? 0 : value)));
  return withoutUse([
    ...(await Promise.all(paths.map((path) => read(tenant.api, path)))),
    await read(tenant.scim, "/Users"),
    await read(tenant.scim, "/Groups"),
  ]);
}

/** The answer as it would be for any id: what names the request or the id itself taken out. */
function plain({ status, headers, text }: WireAnswer, id: string): object {
  const mask = (value: string) => value.replaceAll(id, "<id>").replace(/"digest":"[\w-]+"/, "<digest>");
  const { date: _date, "x-request-id": requestId = "-", ...rest } = headers;
  const kept = Object.entries(rest).map(([name, value]) => [name, mask(value)]);
  return { status, headers: Object.fromEntries(kept), text: mask(text).replaceAll(requestId, "<request>") };
}

describeOnBoth("TEN-1: another tenant's ids", (getDb) => {
  let server: TestServer;
  let mine: TestTenant;
  let theirs: TestTenant;
  let own: Things;
  let things: Things;

  beforeAll(async () => {
    server = await startServer(getDb());
    [mine, theirs] = [await server.tenant({ seats: { standard: 1 } }), await server.tenant({ seats: { standard: 1 } })];
    [own, things] = [await furnish(mine), await furnish(theirs)];
  });
  afterAll(() => server.close());

  /** Asks with my credential for their id and for one that nobody has; both have 36 characters. */
  async function bothWays(
    parts: { method: string; target: (id: string) => string; body?: (id: string) => string },
    id: string,
  ) {
    const answer = async (value: string) => {
      const target = parts.target(value);
      const token = target.startsWith("/scim") ? mine.scimToken : mine.adminToken;
      const type = { "Content-Type": target.startsWith("/scim") ? "application/scim+json" : "application/json" };
      const body = parts.body === undefined ? {} : { body: parts.body(value), headers: type };
      return await ask(server.origin, { method: parts.method, target, token, ...body });
    };
    return { foreign: await answer(id), absent: await answer(absentId) };
  }

  it("TEN-1: what stands ready to be reached is there, for its owner", async () => {
    expect(Object.values(things).filter((id) => !id.match(uuid))).toEqual([]);
    for (const path of [`/Users/${things.user}`, `/Groups/${things.group}`]) {
      expect((await theirs.scim("GET", path)).status).toBe(200);
    }
    expect((await theirs.api("GET", `/users/${things.waiting}/explain`)).status).toBe(200);
  });

  const routes = [
    ...["Users", "Groups", "Roles", "Entitlements", "OktaRoles", "OktaEntitlements", "Schemas", "ResourceTypes"].map(
      (type) => `/scim/v2/${type}/:id`,
    ),
    ...new Set(operations.map(({ path }) => toRoute(path)).filter((path) => path.includes(":id"))),
  ];
  const scimBodies = new Map<string, object>([
    ["PUT", { userName: "taken-over", displayName: "Taken over" }],
    ["PATCH", { Operations: [{ op: "replace", path: "displayName", value: "Taken over" }] }],
  ]);

  it("TEN-1: the matrix has every route of the server that takes an id", () => {
    const withId = routesOf(server.app).filter(({ path }) => path.includes(":id"));
    expect([...new Set(withId.map(({ path }) => path))].toSorted()).toEqual(routes.toSorted());
  });

  it.each(routes)("TEN-1: %s answers their id as one that does not exist, for every verb", async (path) => {
    const before = [await snapshot(theirs), await snapshot(mine)];
    const target = (value: string) => filled(path.replace(":tier", "standard").replace(":key", "manager"), value);
    for (const method of methods) {
      const verb = method === "HEAD" ? "get" : method.toLowerCase();
      const operation = operations.find((one) => toRoute(one.path) === path && one.method === verb);
      const example = operation && apiDocument.paths[operation.path][operation.method].requestBody?.content;
      const body = example?.["application/json"]?.example ?? scimBodies.get(method);
      const parts = { method, target, ...(body === undefined ? {} : { body: () => JSON.stringify(body) }) };
      const judge = async ([kind, id]: [string, string]) => {
        const { foreign, absent } = await bothWays(parts, id);
        const place = `${method} ${path} with the id of their ${kind}`;
        expect([place, plain(foreign, id)]).toEqual([place, plain(absent, absentId)]);
        const wanted = operation?.scope === "operator" ? [403] : operation ? [404] : [404, 405];
        if (method === "OPTIONS") wanted.push(204);
        // express-openapi-validator knows no HEAD.
        if (method === "HEAD") wanted.push(405);
        expect(wanted, `${place}: ${foreign.status}`).toContain(foreign.status);
      };
      await Promise.all(Object.entries(things).map(judge));
    }
    expect(await snapshot(theirs)).toEqual(before[0]);
    expect(await snapshot(mine)).toEqual(before[1]);
  });

  it.each<[string, string, (id: string) => string]>([
    ["GET", "filters", (id) => `/scim/v2/Users?filter=id%20eq%20%22${id}%22`],
    ["GET", "filters by group", (id) => `/scim/v2/Users?filter=groups.value%20eq%20%22${id}%22`],
    ["GET", "filters by team", (id) => `/scim/v2/Users?filter=${USHER_USER}:teams.value%20eq%20%22${id}%22`],
    ["GET", "filters by manager", (id) => `/scim/v2/Users?filter=manager%20eq%20%22${id}%22`],
    ["GET", "filters of groups", (id) => `/scim/v2/Groups?filter=id%20eq%20%22${id}%22`],
    ["GET", "filters by member", (id) => `/scim/v2/Groups?filter=members%20eq%20%22${id}%22`],
    [
      "GET",
      "filters over all types",
      (id) => `/scim/v2/?filter=id%20eq%20%22${id}%22%20or%20externalId%20eq%20%22${id}%22`,
    ],
    ["GET", "filters by externalId", (id) => `/scim/v2/Users?filter=externalId%20eq%20%22${id}%22`],
    ["GET", "the list of a team", (id) => `/api/v1/users?team=${id}`],
    ["GET", "the search for people", (id) => `/api/v1/users?q=${id}`],
    ["GET", "the log of changes", (id) => `/api/v1/events?subject=${id}`],
    ["GET", "the provisioning log by connection", (id) => `/api/v1/provisioning-log?connection=${id}`],
  ])("TEN-1: %s: %s find nothing of theirs", async (method, _name, target) => {
    for (const id of Object.values(things)) {
      const { foreign, absent } = await bothWays({ method, target }, id);
      expect(plain(foreign, id)).toEqual(plain(absent, absentId));
      expect(foreign.status, foreign.text).toBe(200);
    }
  });

  const json = (build: (id: string) => object) => (id: string) => JSON.stringify(build(id));
  const operation = (build: (id: string) => object) => json((id) => ({ Operations: [build(id)] }));
  it.each<[string, string, string, (id: string) => string]>([
    ["a search", "POST", "/scim/v2/Users/.search", json((id) => search(`id eq "${id}"`))],
    ["a search of groups", "POST", "/scim/v2/Groups/.search", json((id) => search(`members eq "${id}"`))],
    [
      "a search over all types",
      "POST",
      "/scim/v2/.search",
      json((id) => search(`id eq "${id}" or members eq "${id}"`)),
    ],
    ...["PUT", "PATCH", "DELETE"].flatMap((method): [string, string, string, (id: string) => string][] =>
      ["/Users/", "/Groups/"].map((path) => [
        `an operation of a Bulk (${method} ${path})`,
        "POST",
        "/scim/v2/Bulk",
        json((id) => ({ Operations: [{ method, path: path + id, data: { ...scimBodies.get(method) } }] })),
      ]),
    ),
    [
      "a reference within a Bulk",
      "POST",
      "/scim/v2/Bulk",
      json((id) => ({
        Operations: [
          {
            method: "PATCH",
            path: `/Groups/${own.group}`,
            data: { Operations: [{ op: "add", path: "members", value: [{ value: id }] }] },
          },
        ],
      })),
    ],
    [
      "a new member",
      "PATCH",
      "/scim/v2/Groups/:group",
      operation((id) => ({ op: "add", path: "members", value: [{ value: id }] })),
    ],
    [
      "a member by filter",
      "PATCH",
      "/scim/v2/Groups/:group",
      operation((id) => ({ op: "add", path: `members[value eq "${id}"]`, value: {} })),
    ],
    [
      "a member to remove",
      "PATCH",
      "/scim/v2/Groups/:group",
      operation((id) => ({ op: "remove", path: `members[value eq "${id}"]` })),
    ],
    [
      "members in place of others",
      "PATCH",
      "/scim/v2/Groups/:group",
      operation((id) => ({ op: "replace", value: { members: [{ value: id }] } })),
    ],
    [
      "members of a group written anew",
      "PUT",
      "/scim/v2/Groups/:group",
      json((id) => ({ displayName: "Group", externalId: "g2", members: [{ value: id }] })),
    ],
    [
      "members of a new group",
      "POST",
      "/scim/v2/Groups",
      json((id) => ({ displayName: "Fresh", members: [{ value: id }] })),
    ],
    ["an id of another", "PUT", "/scim/v2/Users/:user", json((id) => ({ userName: "ada", id }))],
    [
      "groups of a user",
      "PATCH",
      "/scim/v2/Users/:user",
      operation((id) => ({ op: "add", path: "groups", value: [{ value: id }] })),
    ],
    ["the person of a token", "POST", "/api/v1/tokens", json((userId) => ({ label: "x", scopes: ["api"], userId }))],
    [
      "the subject of a question",
      "POST",
      "/access/v1/evaluation",
      json((id) => ({ subject: { type: "user", id }, action: { name: "sign-in" } })),
    ],
    [
      "the group of a mapping",
      "POST",
      "/api/v1/mapping/preview",
      json((id) => ({ groups: [{ match: { id }, role: "manager" }], rules: [], defaults: { role: "user" } })),
    ],
  ])("TEN-1: %s in a body is answered as nobody's", async (_name, method, path, body) => {
    const before = await snapshot(theirs);
    const target = () => path.replace(":group", own.group).replace(":user", own.user);
    for (const [kind, id] of Object.entries(things)) {
      const { foreign, absent } = await bothWays({ method, target, body }, id);
      expect([kind, plain(foreign, id)]).toEqual([kind, plain(absent, absentId)]);
      expect(foreign.status, foreign.text).toBeLessThan(500);
    }
    expect(await snapshot(theirs)).toEqual(before);
  });

  it("TEN-1: a manager next door is text like any other", async () => {
    const shown = async (manager: string) => {
      const sent = { userName: "reports", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { manager } };
      const { body } = await mine.scim<{ id: string }>("POST", "/Users", sent);
      await mine.scim("DELETE", `/Users/${body.id}`);
      return JSON.stringify(body).replaceAll(manager, "<id>").replace(uuid, "<uuid>").replace(moment, "<moment>");
    };
    for (const id of [things.user, things.group]) expect(await shown(id)).toBe(await shown(absentId));
  });

  it("TEN-1: a cursor of theirs is worth as much as one that nobody made", async () => {
    for (const [path, name] of [
      ["/users?limit=1", "cursor"],
      ["/pools/standard/waitlist?limit=1", "cursor"],
      ["/provisioning-log?limit=1", "cursor"],
    ] as const) {
      const { body } = await theirs.api<{ nextCursor: string | null }>("GET", path);
      if (body.nextCursor === null) continue;
      const used = async (cursor: string) => {
        const { status, body } = await mine.api<{ code: string }>("GET", `${path}&${name}=${cursor}`);
        return [path, status, body.code];
      };
      expect(await used(body.nextCursor)).toEqual(await used(`${body.nextCursor.slice(0, -4)}AAAA`));
      expect((await theirs.api("GET", `${path}&${name}=${body.nextCursor}`)).status).toBe(200);
    }
  });

  it.each(["Users", "Groups", ""])(
    "TEN-1: a cursor of their /%s is worth as much as one that nobody made",
    async (type) => {
      const page = (tenant: TestTenant, cursor: string) =>
        tenant.scim<{ nextCursor: string; detail: string; scimType: string }>(
          "GET",
          `/${type}?count=1&cursor=${cursor}`,
        );
      const { body } = await page(theirs, "");
      const told = async (cursor: string) => {
        const { status, body } = await page(mine, cursor);
        return [status, body.scimType, body.detail];
      };
      expect(await told(body.nextCursor)).toEqual(await told(`${body.nextCursor.slice(0, -4)}AAAA`));
      expect(await told(body.nextCursor)).toEqual([400, "invalidCursor", expect.any(String)]);
      expect((await page(theirs, body.nextCursor)).status).toBe(200);
    },
  );

  it("TEN-1: no header, query or body chooses a tenant", async () => {
    const names = ["X-Tenant", "X-Tenant-Id", "X-Org-Id", "X-Organization", "X-Scim-Tenant", "Tenant", "Org"];
    const headers = Object.fromEntries(names.map((name) => [name, theirs.id]));
    const query = `tenant=${theirs.id}&tenantId=${theirs.id}&org=${theirs.slug}`;
    const { body } = await mine.scim<{ Resources: { id: string }[] }>("GET", `/Users?${query}`, undefined, headers);
    const ids = body.Resources.map(({ id }) => id);
    expect(ids).toContain(own.user);
    expect(ids).not.toContain(things.user);
    const organization = { "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { organization: theirs.id } };
    const words = { userName: "placed", tenantId: theirs.id, tenant: theirs.slug, ...organization };
    const { body: made } = await mine.scim<{ id: string }>("POST", "/Users", words, headers);
    expect((await theirs.scim("GET", `/Users/${made.id}`)).status).toBe(404);
    expect((await mine.scim("DELETE", `/Users/${made.id}`)).status).toBe(204);
  });
});

function search(filter: string): object {
  return { schemas: ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], filter };
}

describeOnBoth("TEN-2, TEN-5: equal names in two tenants", (getDb) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(getDb());
  });
  afterAll(() => server.close());

  it("TEN-2: the same connection name, the same names and external ids are two of each, and stay apart", async () => {
    const [one, other] = [await server.tenant(), await server.tenant()];
    const connections = await Promise.all(
      [one, other].map((tenant) => tenant.mint({ label: "Entra ID", scopes: ["scim"] })),
    );
    const made = [];
    for (const [at, token] of connections.entries()) {
      const scim = server.sender("/scim/v2", token);
      const words = { userName: "ada", externalId: "4711", displayName: `Ada ${at}`, emails: [{ value: "ada@x.org" }] };
      const user = await scim<{ id: string }>("POST", "/Users", words);
      const group = { displayName: "Sales", externalId: "g1", members: [{ value: user.body.id }] };
      made.push({ scim, user: user.body.id, group: (await scim<{ id: string }>("POST", "/Groups", group)).body.id });
    }
    const [a, b] = made as [(typeof made)[0], (typeof made)[0]];
    for (const filter of ['userName eq "ADA"', 'externalId eq "4711"', 'emails eq "ada@x.org"', "userName pr"]) {
      for (const { scim, user } of made) {
        const { body } = await scim<{ Resources: { id: string }[] }>(
          "GET",
          `/Users?filter=${encodeURIComponent(filter)}`,
        );
        expect(body.Resources.map(({ id }) => id)).toEqual([user]);
      }
    }
    await a.scim("PATCH", `/Users/${a.user}`, { Operations: [{ op: "replace", path: "active", value: false }] });
    await a.scim("DELETE", `/Groups/${a.group}`);
    const user = await b.scim("GET", `/Users/${b.user}`);
    expect(user.body).toMatchObject({ active: true, displayName: "Ada 1", groups: [{ display: "Sales" }] });
    await a.scim("DELETE", `/Users/${a.user}`);
    expect((await b.scim("GET", `/Groups/${b.group}`)).body).toMatchObject({ members: [{ value: b.user }] });
  });

  it("TEN-2: roles, tiers and mappings of one name are each tenant's own", async () => {
    const [one, other] = [await server.tenant(), await server.tenant()];
    const role = { key: "lead", name: "Lead", rank: 60 };
    await one.api("POST", "/roles", { ...role, permissions: ["*"] });
    await other.api("POST", "/roles", { ...role, permissions: ["users.read"] });
    const asLead = { userName: "ada", [USHER_USER]: { role: "lead" } };
    expect((await one.scim("POST", "/Users", asLead)).status).toBe(403);
    expect((await other.scim("POST", "/Users", asLead)).status).toBe(201);
    // The token of one tenant that names the role of the other is worth what its own tenant says.
    const token = await other.mint({ label: "x", scopes: ["api"], role: "lead" });
    expect((await server.sender("/api/v1", token)("GET", "/tokens")).status).toBe(403);
  });

  describe("TEN-5: what is taken next door", () => {
    const words = {
      userName: "taken@x.org",
      externalId: "taken",
      displayName: "Taken",
      emails: [{ value: "taken@x.org" }],
    };
    const group = { displayName: "Taken", externalId: "taken" };
    const asks: readonly (readonly [string, string, object?])[] = [
      ["POST", "/Users", words],
      ["POST", "/Users", { ...words, userName: "TAKEN@X.ORG" }],
      ["GET", `/Users?filter=${encodeURIComponent('userName eq "taken@x.org"')}`],
      ["GET", `/Users?filter=${encodeURIComponent('emails.value eq "taken@x.org" or externalId eq "taken"')}`],
      ["POST", "/Users/.search", search('displayName sw "Tak"')],
      ["POST", "/Groups", group],
      ["POST", "/Groups", { ...group, displayName: "TAKEN" }],
      ["GET", `/Groups?filter=${encodeURIComponent('displayName eq "taken"')}`],
      ["GET", "/Users?count=0"],
      ["GET", "/Groups?count=0"],
    ];

    it("TEN-5: is answered byte for byte as if it were free", async () => {
      const told = async () => {
        const tenant = await server.tenant();
        const answers: object[] = [];
        for (const [method, path, body] of asks) {
          const { status, headers, text } = await ask(server.origin, {
            method,
            target: `/scim/v2${path}`,
            token: tenant.scimToken,
            ...(body === undefined
              ? {}
              : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
          });
          const mask = (value: string) => value.replace(uuid, "<uuid>").replace(moment, "<moment>");
          const { date: _date, "x-request-id": _id, ...rest } = headers;
          const masked = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, mask(value)]));
          answers.push({ path, status, headers: masked, text: mask(text) });
        }
        return { tenant, answers };
      };
      const before = await told();
      expect(before.answers.map((answer) => (answer as { status: number }).status)).toEqual([
        201, 409, 200, 200, 200, 201, 409, 200, 200, 200,
      ]);
      const after = await told();
      expect(after.answers).toEqual(before.answers);
      await before.tenant.scim("DELETE", "/Users/none");
    });

    it("TEN-5: on the management side as well: names of tenants, tokens, roles and domains", async () => {
      const told = async () => {
        const tenant = await server.tenant({ seats: { standard: 1 } });
        const asked = [
          await tenant.api("POST", "/roles", { key: "taken", name: "Taken", rank: 5, permissions: [] }),
          await tenant.api("POST", "/tokens", { label: "taken", scopes: ["scim"] }),
          await tenant.api("GET", "/users?q=taken"),
          await tenant.api("GET", "/events?limit=1&subject=taken"),
          await tenant.access("POST", "/evaluation", {
            subject: { type: "userName", id: "taken@x.org" },
            action: { name: "sign-in" },
          }),
        ];
        return asked.map(({ status, body }) => [
          status,
          JSON.stringify(body)
            .replace(uuid, "<uuid>")
            .replace(moment, "<moment>")
            .replace(/usher_[\w.-]+/, "<token>")
            .replace(/"clientId":"[\w.-]+"/, "<client>"),
        ]);
      };
      const before = await told();
      const other = await server.tenant();
      await other.scim("POST", "/Users", words);
      expect(await told()).toEqual(before);
    });
  });
});
