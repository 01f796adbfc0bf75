/** draft-ietf-scim-roles-entitlements-01: /Roles and /Entitlements, and what of them whom they are shown to may know. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import { type Answer, startServer, type TestServer, type TestTenant } from "../../helpers/server.ts";
import { LIST_RESPONSE, SEARCH_REQUEST } from "./door.ts";

const ROLE = "urn:ietf:params:scim:schemas:core:2.0:Role";
const ENTITLEMENT = "urn:ietf:params:scim:schemas:core:2.0:Entitlement";
const OKTA_ROLE = "urn:okta:scim:schemas:core:1.0:Role";
const OKTA_ENTITLEMENT = "urn:okta:scim:schemas:core:1.0:Entitlement";
const USER = "urn:ietf:params:scim:schemas:core:2.0:User";

// biome-ignore lint/suspicious/noExplicitAny: a test reads what the answer should hold and fails where it does not.
type Told = Answer<any>;

describeOnBoth("the catalogue", (getDb) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(getDb());
  });
  afterAll(() => server?.close());

  const read = (tenant: TestTenant, path: string, headers = {}): Promise<Told> =>
    tenant.scim("GET", path, undefined, headers);
  const ids = ({ body }: Told): string[] => body.Resources.map((one: { id: string }) => one.id);

  /** The tenant as a connection that acts with a role sees it. */
  async function actingAs(tenant: TestTenant, role: string, userId?: string): Promise<TestTenant> {
    const token = await tenant.mint({ label: role, scopes: ["scim"], role, ...(userId ? { userId } : {}) });
    return { ...tenant, scim: server.sender("/scim/v2", token) };
  }

  async function hire(tenant: TestTenant, userName: string, words: object = {}): Promise<string> {
    const { status, body }: Told = await tenant.scim("POST", "/Users", { schemas: [USER], userName, ...words });
    expect(status).toBe(201);
    return body.id;
  }

  const withTier = (licenseTier: string) => ({
    "urn:ietf:params:scim:schemas:extension:usher:2.0:User": { licenseTier },
  });

  it("shows the tenant's roles, highest first", async () => {
    const tenant = await server.tenant();
    const answer = await read(tenant, "/Roles");
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toContain("application/scim+json");
    expect(answer.body).toMatchObject({ schemas: [LIST_RESPONSE], totalResults: 3, startIndex: 1, itemsPerPage: 3 });
    expect(ids(answer)).toEqual(["admin", "manager", "user"]);
    expect(answer.body.Resources[1]).toEqual({
      schemas: [ROLE],
      id: "manager",
      value: "manager",
      display: "Manager",
      type: "standard",
      primary: false,
      supported: true,
      limitedAssignmentsPermitted: false,
      meta: {
        resourceType: "Role",
        location: `${server.origin}/scim/v2/Roles/manager`,
        version: expect.stringMatching(/^W\/"[\w-]{27}"$/),
      },
    });
  });

  it("shows the license tiers, and says which of them are counted", async () => {
    const tenant = await server.tenant();
    await server.sender("/api/v1", tenant.adminToken)("PATCH", "/pools/pro", { unlimited: true });
    const answer = await read(tenant, "/Entitlements");
    expect(ids(answer)).toEqual(["pro", "standard"]);
    expect(answer.body.Resources[1]).toEqual({
      schemas: [ENTITLEMENT],
      id: "standard",
      value: "standard",
      display: "Standard",
      type: "license",
      primary: false,
      supported: true,
      limitedAssignmentsPermitted: true,
      meta: expect.objectContaining({
        resourceType: "Entitlement",
        location: `${server.origin}/scim/v2/Entitlements/standard`,
      }),
    });
    expect(answer.body.Resources[0].limitedAssignmentsPermitted).toBe(false);
  });

  it("shows the same in Okta's words, at endpoints of their own", async () => {
    const tenant = await server.tenant();
    const roles = await read(tenant, "/OktaRoles");
    expect(ids(roles)).toEqual(["admin", "manager", "user"]);
    expect(roles.body.Resources[1]).toEqual({
      schemas: [OKTA_ROLE],
      id: "manager",
      displayName: "Manager",
      type: "standard",
      meta: {
        resourceType: "OktaRole",
        location: `${server.origin}/scim/v2/OktaRoles/manager`,
        version: expect.stringMatching(/^W\/"[\w-]{27}"$/),
      },
    });
    const tiers = await read(tenant, '/OktaEntitlements?filter=displayName+sw+"s"&attributes=displayName');
    expect(tiers.body.Resources).toEqual([{ schemas: [OKTA_ENTITLEMENT], id: "standard", displayName: "Standard" }]);
    expect((await read(tenant, "/OktaEntitlements/standard")).body).toMatchObject({ type: "license" });
    expect((await read(tenant, "/OktaRoles/nosuch")).status).toBe(404);
  });

  it("writes what it shows as id or value into a user, and that takes effect", async () => {
    const tenant = await server.tenant({ seats: { pro: 1 } });
    const [role] = (await read(tenant, '/OktaRoles?filter=displayName+eq+"Manager"')).body.Resources;
    const [tier] = (await read(tenant, '/OktaEntitlements?filter=displayName+eq+"Pro"')).body.Resources;
    const entry = ({ id, displayName, type }: Record<string, string>) => ({ value: id, display: displayName, type });
    const id = await hire(tenant, "ada@example.com", { roles: [entry(role)], entitlements: [entry(tier)] });
    const { body } = await read(tenant, `/Users/${id}`);
    expect(body).toMatchObject({ roles: [entry(role)], entitlements: [entry(tier)] });
    expect(body["urn:ietf:params:scim:schemas:extension:usher:2.0:User"]).toMatchObject({
      effectiveRole: "manager",
      license: { tier: "pro", status: "assigned" },
    });
  });

  it("marks the defaults of the mapping as primary", async () => {
    const tenant = await server.tenant();
    const primary = async (path: string) => ids(await read(tenant, `${path}?filter=primary+eq+true`));
    expect(await primary("/Roles")).toEqual(["user"]);
    expect(await primary("/Entitlements")).toEqual([]);
    const { body } = await tenant.api("GET", "/mapping");
    const { version: _, ...mapping } = body as { version: number };
    const saved = await tenant.api("PUT", "/mapping", { ...mapping, defaults: { role: "manager", tier: "standard" } });
    expect(saved.status).toBe(200);
    expect(await primary("/Roles")).toEqual(["manager"]);
    expect(await primary("/Entitlements")).toEqual(["standard"]);
  });

  it("ROL-5: an administrative role is supported for those alone who may grant it, and refused to the others", async () => {
    const tenant = await server.tenant();
    const asAdmin = await actingAs(tenant, "admin");
    const admin = (await read(tenant, "/Roles/admin")).body;
    expect(admin).toMatchObject({ type: "administrative", supported: false });
    expect((await read(asAdmin, "/Roles/admin")).body).toMatchObject({ type: "administrative", supported: true });
    expect(ids(await read(tenant, "/Roles?filter=supported+eq+true"))).toEqual(["manager", "user"]);
    const words = { roles: [{ value: admin.id }] };
    const body = { schemas: [USER], userName: "eve@example.com", ...words };
    expect((await tenant.scim("POST", "/Users", body)).status).toBe(403);
    expect((await asAdmin.scim("POST", "/Users", body)).status).toBe(201);
  });

  it("stops supporting an administrative role when the person behind the token is no Admin any more (GRD-9)", async () => {
    const tenant = await server.tenant();
    const asAdmin = await actingAs(tenant, "admin");
    const [person] = [
      await hire(asAdmin, "ann@example.com", { roles: [{ value: "admin" }] }),
      await hire(asAdmin, "the-other-admin@example.com", { roles: [{ value: "admin" }] }),
    ];
    const asAnn = await actingAs(tenant, "admin", person);
    const before = await read(asAnn, "/Roles/admin");
    expect(before.body.supported).toBe(true);
    const demoted = await asAdmin.scim("PUT", `/Users/${person}`, { schemas: [USER], userName: "ann@example.com" });
    expect(demoted.status).toBe(200);
    const after = await read(asAnn, "/Roles/admin", { "If-None-Match": before.headers.get("etag") as string });
    expect(after.status).toBe(200);
    expect(after.body.supported).toBe(false);
  });

  it("counts holders of roles for those alone who may see users, and seats for those who may see licenses", async () => {
    const tenant = await server.tenant({ seats: { standard: 3, pro: 0 } });
    const roles = async (key: string, permissions: string[]) => {
      const body = { key, name: `The ${key}`, rank: 1, permissions };
      expect((await tenant.api("POST", "/roles", body)).status).toBe(201);
      return await actingAs(tenant, key);
    };
    for (const name of ["a", "b"]) await hire(tenant, `${name}@example.com`, withTier("standard"));
    const [nobody, ofUsers, ofLicenses, ofOwnTeams] = [
      await roles("nobody", ["content.edit"]),
      await roles("of-users", ["users.read"]),
      await roles("of-licenses", ["licenses.read"]),
      await roles("of-own-teams", ["users.read:own-teams", "licenses.read:own-teams"]),
    ];
    for (const blind of [tenant, nobody, ofOwnTeams]) {
      for (const path of ["/Roles", "/Entitlements", "/Roles/user", "/Entitlements/standard"]) {
        expect(JSON.stringify((await read(blind, path)).body)).not.toContain("totalAssignments");
      }
      expect(ids(await read(blind, "/Entitlements?filter=totalAssignmentsUsed+pr"))).toEqual([]);
      expect(ids(await read(blind, "/Entitlements?filter=totalAssignmentsUsed+ge+0"))).toEqual([]);
    }
    expect((await read(ofUsers, "/Roles/user")).body).toMatchObject({ totalAssignmentsUsed: 2 });
    expect((await read(ofUsers, "/Roles/admin")).body).toMatchObject({ totalAssignmentsUsed: 0 });
    expect((await read(ofUsers, "/Roles/user")).body).not.toHaveProperty("totalAssignmentsPermitted");
    expect((await read(ofUsers, "/Entitlements/standard")).body).not.toHaveProperty("totalAssignmentsUsed");
    expect((await read(ofLicenses, "/Roles/user")).body).not.toHaveProperty("totalAssignmentsUsed");
    const standard = await read(ofLicenses, "/Entitlements/standard");
    expect(standard.body).toMatchObject({ totalAssignmentsPermitted: 3, totalAssignmentsUsed: 2 });
    expect((await read(ofLicenses, "/Entitlements/pro")).body).toMatchObject({
      totalAssignmentsPermitted: 0,
      totalAssignmentsUsed: 0,
    });
    expect(ids(await read(ofLicenses, "/Entitlements?filter=totalAssignmentsUsed+gt+1"))).toEqual(["standard"]);

    await hire(tenant, "c@example.com", withTier("standard"));
    const again = await read(ofLicenses, "/Entitlements/standard", {
      "If-None-Match": standard.headers.get("etag") as string,
    });
    expect(again).toMatchObject({ status: 200, body: { totalAssignmentsUsed: 3 } });
  });

  it("counts what an unlimited tier has given away, without a limit", async () => {
    const tenant = await server.tenant();
    await tenant.api("PATCH", "/pools/pro", { unlimited: true });
    await hire(tenant, "a@example.com", withTier("pro"));
    const { body } = await read(await actingAs(tenant, "manager"), "/Entitlements/pro");
    expect(body).toMatchObject({ limitedAssignmentsPermitted: false, totalAssignmentsUsed: 1 });
    expect(body).not.toHaveProperty("totalAssignmentsPermitted");
  });

  it("shows a role that was just made, under its new name once it has one, and no more once it is gone", async () => {
    const tenant = await server.tenant();
    const before = await read(tenant, "/Roles");
    const made = await tenant.api("POST", "/roles", { key: "Ops.1", name: "Operations", rank: 20, permissions: [] });
    expect(made.status).toBe(201);
    const listed = await read(tenant, "/Roles", { "If-None-Match": before.headers.get("etag") as string });
    expect(ids(listed)).toEqual(["admin", "manager", "Ops.1", "user"]);
    expect((await read(tenant, "/Roles/Ops.1")).body.display).toBe("Operations");
    await tenant.api("PATCH", "/roles/Ops.1", { name: "Betrieb <&>" });
    expect((await read(tenant, "/Roles/Ops.1")).body).toMatchObject({
      id: "Ops.1",
      display: "Betrieb <&>",
    });
    await tenant.api("DELETE", "/roles/Ops.1");
    expect((await read(tenant, "/Roles/Ops.1")).status).toBe(404);
  });

  it("shows nothing of another tenant's", async () => {
    const [mine, other] = [await server.tenant(), await server.tenant()];
    await other.api("POST", "/roles", { key: "secret", name: "Secret", rank: 5, permissions: [] });
    expect(ids(await read(mine, "/Roles"))).not.toContain("secret");
    const theirs = await read(mine, "/Roles/secret");
    const nobodys = await read(mine, "/Roles/nobody");
    expect(theirs.status).toBe(404);
    expect(theirs.body.detail).toBe(nobodys.body.detail);
  });

  it.each([
    "/Roles/nope",
    "/Roles/MANAGER",
    "/Roles/constructor",
    "/Roles/__proto__",
    "/Roles/a%2Fb",
    "/Roles/%00",
    "/Roles/%E0%A4%A",
    "/Entitlements/manager",
    "/Entitlements/toString",
    "/Roles/manager/users",
  ])("answers 404 at %s", async (path) => {
    expect((await read(await server.tenant(), path)).status).toBe(404);
  });

  it("answers 404 for a name that is longer than any", async () => {
    expect((await read(await server.tenant(), `/Roles/${"x".repeat(5_000)}`)).status).toBe(404);
  });

  it.each([
    ['value eq "manager"', ["manager"]],
    ['VALUE Eq "MANAGER"', ["manager"]],
    ['id eq "manager"', ["manager"]],
    ['id eq "MANAGER"', []],
    ['display co "a" and not (type eq "administrative")', ["manager"]],
    ['display sw "Us" or display sw "Ad"', ["admin", "user"]],
    [`${ROLE}:display eq "User"`, ["user"]],
    [`schemas eq "${ROLE}"`, ["admin", "manager", "user"]],
    ['type eq "administrative"', ["admin"]],
    ["limitedAssignmentsPermitted eq true", []],
    ["contains pr", []],
    ['meta.resourceType eq "Role"', ["admin", "manager", "user"]],
    ['nosuch eq "x"', []],
    ['constructor eq "x"', []],
    ['urn:example:other:thing eq "x"', []],
  ])("filters by %s", async (filter, expected) => {
    const tenant = await server.tenant();
    const answer = await read(tenant, `/Roles?filter=${encodeURIComponent(filter)}`);
    expect(answer).toMatchObject({ status: 200, body: { totalResults: expected.length } });
    expect(ids(answer)).toEqual(expected);
  });

  it.each([
    ["filter=value+eq", "invalidFilter"],
    ["filter=(", "invalidFilter"],
    ["filter=supported+gt+true", "invalidFilter"],
    ["filter=not(value+pr", "invalidFilter"],
    ["sortBy=nosuch", "invalidValue"],
    ["sortBy=contains", "invalidValue"],
    ["sortBy=meta", "invalidValue"],
    ["count=x", "invalidValue"],
    ["attributes=id&excludedAttributes=value", "invalidValue"],
  ])("refuses %s with 400", async (query, scimType) => {
    const tenant = await server.tenant();
    for (const path of ["/Roles", "/Entitlements"]) {
      expect(await read(tenant, `${path}?${query}`)).toMatchObject({ status: 400, body: { status: "400", scimType } });
    }
  });

  it("pages and sorts like the other lists", async () => {
    const tenant = await server.tenant();
    const page = async (query: string) => {
      const answer = await read(tenant, `/Roles?${query}`);
      const { totalResults, startIndex, itemsPerPage } = answer.body;
      return [totalResults, startIndex, itemsPerPage, ids(answer).join(" ")];
    };
    expect(await page("count=2")).toEqual([3, 1, 2, "admin manager"]);
    expect(await page("startIndex=3&count=2")).toEqual([3, 3, 1, "user"]);
    expect(await page("startIndex=9")).toEqual([3, 9, 0, ""]);
    expect(await page("count=0")).toEqual([3, 1, 0, ""]);
    expect(await page("startIndex=-1&count=-1")).toEqual([3, 1, 0, ""]);
    expect(await page("sortBy=display&sortOrder=descending")).toEqual([3, 1, 3, "user manager admin"]);
    expect(await page("sortBy=meta.location")).toEqual([3, 1, 3, "admin manager user"]);
    expect(await page("sortBy=primary")).toEqual([3, 1, 3, "admin manager user"]);
    expect(await page("sortBy=totalAssignmentsPermitted&count=1")).toEqual([3, 1, 1, "admin"]);
    expect(await page('filter=type+eq+"standard"&count=1')).toEqual([2, 1, 1, "manager"]);
  });

  it("pages by cursor (RFC 9865)", async () => {
    const tenant = await server.tenant();
    const first = await read(tenant, "/Roles?cursor=&count=2");
    expect(first.body).toMatchObject({
      totalResults: 3,
      itemsPerPage: 2,
      nextCursor: expect.stringMatching(/^[\w.~-]+$/),
    });
    expect(ids(first)).toEqual(["admin", "manager"]);
    await tenant.api("POST", "/roles", { key: "vice", name: "Vice", rank: 70, permissions: [] });
    const next = (query: string) => read(tenant, `/Roles?cursor=${first.body.nextCursor}${query}`);
    const second = await next("&count=2");
    expect(ids(second)).toEqual(["user"]);
    expect(second.body).not.toHaveProperty("nextCursor");
    expect(second.body).not.toHaveProperty("startIndex");
    for (const [query, scimType] of [
      ["&count=1", "invalidCount"],
      ["&filter=value+pr", "invalidCursor"],
      ["&sortBy=display", "invalidCursor"],
      ["x", "invalidCursor"],
    ] as const) {
      expect(await next(query)).toMatchObject({ status: 400, body: { scimType } });
    }
    for (const elsewhere of [
      read(tenant, `/Entitlements?cursor=${first.body.nextCursor}`),
      read(await server.tenant(), `/Roles?cursor=${first.body.nextCursor}`),
    ]) {
      expect(await elsewhere).toMatchObject({ status: 400, body: { scimType: "invalidCursor" } });
    }
    expect((await read(tenant, "/Entitlements?cursor")).body).not.toHaveProperty("nextCursor");
  });

  it("shows the attributes asked for (RFC 7644 §3.9)", async () => {
    const tenant = await server.tenant();
    const shown = async (query: string) =>
      Object.keys((await read(tenant, `/Roles/manager?${query}`)).body)
        .sort()
        .join(" ");
    expect(await shown("attributes=display")).toBe("display id schemas");
    expect(await shown(`attributes=${ROLE}:display`)).toBe("display id schemas");
    expect(await shown("attributes=meta.location")).toBe("id meta schemas");
    expect(await shown("excludedAttributes=id,meta,type,primary,supported,limitedAssignmentsPermitted")).toBe(
      "display id schemas value",
    );
    const list = await read(tenant, "/Roles?attributes=value");
    expect(list.body.Resources[0]).toEqual({ schemas: [ROLE], id: "admin", value: "admin" });
  });

  it("takes a search as POST (RFC 7644 §3.4.3)", async () => {
    const tenant = await server.tenant();
    const search = { schemas: [SEARCH_REQUEST], filter: 'value eq "pro"', attributes: ["value"] };
    const answer: Told = await tenant.scim("POST", "/Entitlements/.search", search);
    expect(answer).toMatchObject({ status: 200, body: { totalResults: 1, Resources: [{ id: "pro", value: "pro" }] } });
  });

  it.each(["/Roles", "/OktaEntitlements", "/OktaRoles/manager", "/Entitlements/standard"])(
    "takes nothing but reads at %s",
    async (path) => {
      const tenant = await server.tenant();
      for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
        const answer: Told = await tenant.scim(method, path, "no json", { "Content-Type": "text/plain" });
        expect(answer).toMatchObject({ status: 405, body: { status: "405" } });
        expect(answer.headers.get("allow")).toBe("GET, HEAD");
      }
      expect((await read(tenant, "/Roles")).body.totalResults).toBe(3);
    },
  );

  it.each(["/Roles", "/OktaEntitlements", "/OktaRoles/manager", "/Entitlements/standard"])(
    "has an entity tag for %s, and is not kept by anybody",
    async (path) => {
      const tenant = await server.tenant();
      const { headers, body } = await read(tenant, path);
      const tag = headers.get("etag") as string;
      expect(headers.get("cache-control")).toBe("no-store");
      expect(tag).toMatch(/^(W\/)?"[\w-]+"$/);
      if (body.meta !== undefined) expect(body.meta.version).toBe(tag);
      for (const condition of [tag, "*", `"x", ${tag}`, `W/${tag.replace(/^W\//, "")}`]) {
        const again = await read(tenant, path, { "If-None-Match": condition });
        expect(again.status).toBe(304);
        expect(again.body).toBeUndefined();
        expect(again.headers.get("etag")).toBe(tag);
      }
      expect((await read(tenant, path, { "If-None-Match": '"x"' })).status).toBe(200);
    },
  );

  it("is described by /Schemas: every attribute shown is declared, and under no other name", async () => {
    const tenant = await server.tenant({ seats: { standard: 1 } });
    const asAdmin = await actingAs(tenant, "admin");
    for (const [path, urn] of [
      ["/Roles", ROLE],
      ["/Entitlements", ENTITLEMENT],
      ["/OktaRoles", OKTA_ROLE],
      ["/OktaEntitlements", OKTA_ENTITLEMENT],
    ] as const) {
      const described = new Set(["schemas", "id", "meta"]);
      for (const { name } of (await read(tenant, `/Schemas/${urn}`)).body.attributes) described.add(name);
      for (const resource of (await read(asAdmin, path)).body.Resources) {
        expect(Object.keys(resource).filter((name) => !described.has(name))).toEqual([]);
        expect(JSON.stringify(resource)).not.toContain("null");
      }
    }
  });
});
