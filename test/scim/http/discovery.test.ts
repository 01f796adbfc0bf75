/** RFC 7644 §4 and RFC 7643 §5 to §8.7: what the server says about itself. */
import { expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import { aGroup, aUser, ENTERPRISE_USER, ERROR, LIST_RESPONSE, openDoor, USHER_GROUP, USHER_USER } from "./door.ts";

const USER = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group";
const ROLE = "urn:ietf:params:scim:schemas:core:2.0:Role";
const ENTITLEMENT = "urn:ietf:params:scim:schemas:core:2.0:Entitlement";
const OKTA_ROLE = "urn:okta:scim:schemas:core:1.0:Role";
const OKTA_ENTITLEMENT = "urn:okta:scim:schemas:core:1.0:Entitlement";

describeOnBoth("RFC 7644 §4 discovery", (getDb) => {
  const door = openDoor(getDb);

  it("lists the schemas, without nulls, each with its location", async () => {
    const client = await door.tenant();
    const { body, text, status } = await client.get("/Schemas");
    expect(status).toBe(200);
    expect(body).toMatchObject({ schemas: [LIST_RESPONSE], totalResults: 9, startIndex: 1, itemsPerPage: 9 });
    expect(body.Resources.map((schema: { id: string }) => schema.id).sort()).toEqual(
      [
        ...[USER, GROUP, ENTERPRISE_USER, USHER_USER, USHER_GROUP],
        ...[ROLE, ENTITLEMENT, OKTA_ROLE, OKTA_ENTITLEMENT],
      ].sort(),
    );
    expect(text).not.toContain("null");
    for (const schema of body.Resources) {
      expect(schema.meta).toEqual({ resourceType: "Schema", location: `${client.baseUrl}/Schemas/${schema.id}` });
      expect((await client.get(`/Schemas/${schema.id}`)).body).toEqual(schema);
    }
  });

  it("describes every attribute with all its characteristics (RFC 7643 §7)", async () => {
    const client = await door.tenant();
    const { body } = await client.get(`/Schemas/${USER.toUpperCase()}`);
    const mutabilities = ["readOnly", "readWrite", "immutable", "writeOnly"];
    const check = (attribute: Record<string, unknown>) => {
      expect(attribute).toMatchObject({
        name: expect.any(String),
        type: expect.any(String),
        multiValued: expect.any(Boolean),
        required: expect.any(Boolean),
      });
      expect(mutabilities).toContain(attribute.mutability);
      expect(["always", "never", "default", "request"]).toContain(attribute.returned);
      for (const sub of (attribute.subAttributes as Record<string, unknown>[] | undefined) ?? []) check(sub);
    };
    body.attributes.forEach(check);
    expect(body.attributes).toContainEqual(
      expect.objectContaining({ name: "userName", required: true, uniqueness: "server" }),
    );
    expect(body.attributes).toContainEqual(
      expect.objectContaining({ name: "password", mutability: "writeOnly", returned: "never" }),
    );
  });

  it("lists the resource types with their extensions, Okta's names among them, each with its location", async () => {
    const client = await door.tenant();
    const { body } = await client.get("/ResourceTypes");
    expect(body).toMatchObject({ schemas: [LIST_RESPONSE], totalResults: 6, startIndex: 1, itemsPerPage: 6 });
    const extension = (schema: string) => ({ schema, required: false });
    const told = body.Resources.map((type: Record<string, unknown>) => [
      type.id,
      type.name,
      type.endpoint,
      type.schema,
      type.schemaExtensions,
    ]);
    expect(told).toEqual([
      ["User", "User", "/Users", USER, [extension(ENTERPRISE_USER), extension(USHER_USER)]],
      ["Group", "Group", "/Groups", GROUP, [extension(USHER_GROUP)]],
      ["Role", "Role", "/Roles", ROLE, []],
      ["Entitlement", "Entitlement", "/Entitlements", ENTITLEMENT, []],
      ["OktaRole", "OktaRole", "/OktaRoles", OKTA_ROLE, []],
      ["OktaEntitlement", "OktaEntitlement", "/OktaEntitlements", OKTA_ENTITLEMENT, []],
    ]);
    // Strict clients take no two types of one name, and none of one endpoint.
    for (const member of ["name", "endpoint", "schema"]) {
      expect(new Set(body.Resources.map((type: Record<string, string>) => type[member])).size).toBe(6);
    }
    for (const type of body.Resources) {
      expect(type).toMatchObject({
        schemas: ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        description: expect.stringMatching(/./),
        meta: { resourceType: "ResourceType", location: `${client.baseUrl}/ResourceTypes/${type.id}` },
      });
      expect((await client.get(`/ResourceTypes/${type.id}`)).body).toEqual(type);
    }
    expect((await client.get("/resourcetypes/group/")).body.id).toBe("Group");
  });

  it("names no resource type without its schemas, and every resource after its type", async () => {
    const client = await door.tenant();
    await client.post("/Users", aUser());
    await client.post("/Groups", aGroup());
    const schemas = new Set((await client.get("/Schemas")).body.Resources.map(({ id }: { id: string }) => id));
    for (const { name, endpoint, schema, schemaExtensions } of (await client.get("/ResourceTypes")).body.Resources) {
      const urns: string[] = [schema, ...schemaExtensions.map((extension: { schema: string }) => extension.schema)];
      expect(urns.filter((urn) => !schemas.has(urn))).toEqual([]);
      const [resource] = (await client.get(endpoint)).body.Resources;
      expect(resource.meta.resourceType).toBe(name);
      expect(resource.schemas).toContain(schema);
    }
  });

  it("says honestly what is supported, with every member of RFC 7643 §5", async () => {
    const client = await door.tenant();
    const { body } = await client.get("/ServiceProviderConfig");
    expect(body).toMatchObject({
      schemas: ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
      patch: { supported: true },
      bulk: { supported: true, maxOperations: 1000, maxPayloadSize: 8 * 1024 * 1024 },
      filter: { supported: true, maxResults: 500 },
      changePassword: { supported: true },
      sort: { supported: true },
      etag: { supported: true },
      // RFC 9865 §4.
      pagination: {
        cursor: true,
        index: true,
        defaultPaginationMethod: "index",
        defaultPageSize: 100,
        maxPageSize: 500,
        cursorTimeout: 3600,
      },
      meta: { resourceType: "ServiceProviderConfig", location: `${client.baseUrl}/ServiceProviderConfig` },
    });
    // Nothing that strict clients do not know.
    expect(Object.keys(body).sort()).toEqual(
      "authenticationSchemes bulk changePassword etag filter meta pagination patch schemas sort".split(" "),
    );
    expect(body.authenticationSchemes).toEqual([
      expect.objectContaining({ type: "oauthbearertoken", name: expect.any(String), description: expect.any(String) }),
    ]);
  });

  it("writes every name in camelCase, and no null", async () => {
    const client = await door.tenant();
    for (const path of ["/Schemas", "/ResourceTypes", "/ServiceProviderConfig"]) {
      const { body, text } = await client.get(path);
      const names = new Set<string>();
      const walk = (value: unknown): void => {
        if (typeof value !== "object" || value === null) return;
        if (!Array.isArray(value)) for (const name of Object.keys(value)) names.add(name);
        Object.values(value).forEach(walk);
      };
      walk(body);
      const other = [...names].filter((name) => !/^[a-z][A-Za-z]*$/.test(name)).sort();
      expect(other).toEqual(path === "/ServiceProviderConfig" ? [] : ["Resources"]);
      expect(text).not.toMatch(/:null|\[null|,null/);
    }
  });

  it.each(["/Schemas", "/ResourceTypes", "/ServiceProviderConfig"])(
    "takes nothing but reads at %s",
    async (endpoint) => {
      const client = await door.tenant();
      for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
        const answer = await client.send(method, endpoint, "not json at all", { "Content-Type": "text/plain" });
        expect(answer).toMatchObject({
          status: 405,
          body: { schemas: expect.arrayContaining([ERROR]), status: "405" },
        });
        expect(answer.headers.allow).toBe("GET, HEAD");
      }
    },
  );

  it("ignores paging and projection here, and refuses a filter with 403", async () => {
    const client = await door.tenant();
    expect((await client.get("/Schemas?count=1&startIndex=3&attributes=id&sortBy=x")).body.Resources).toHaveLength(9);
    expect((await client.get("/ResourceTypes?count=0&startIndex=x&sortOrder=x")).body.Resources).toHaveLength(6);
    for (const path of [
      "/Schemas",
      "/ResourceTypes",
      "/ServiceProviderConfig",
      `/Schemas/${USER}`,
      "/ResourceTypes/User",
    ]) {
      for (const query of ["filter=id+pr", "FILTER=x", "x=1&filter="]) {
        const answer = await client.get(`${path}?${query}`);
        expect(answer, path).toMatchObject({
          status: 403,
          body: { status: "403", schemas: expect.arrayContaining([ERROR]) },
        });
      }
    }
  });

  it.each(["/Schemas", `/Schemas/${USER}`, "/ResourceTypes", "/ResourceTypes/OktaRole", "/ServiceProviderConfig"])(
    "lets clients keep %s for an hour, and answers 304 to those who have it",
    async (path) => {
      const client = await door.tenant();
      const { headers } = await client.get(path);
      const tag = headers.etag as string;
      expect(tag).toMatch(/^"[\w-]{27}"$/);
      expect(headers["cache-control"]).toBe("private, max-age=3600");
      for (const method of ["GET", "HEAD"]) {
        for (const condition of [tag, `W/${tag}`, `"x", ${tag}`, "*"]) {
          const again = await client.send(method, path, undefined, { "If-None-Match": condition });
          expect(again).toMatchObject({ status: 304, text: "" });
          expect(again.headers).toMatchObject({ etag: tag, "cache-control": "private, max-age=3600" });
        }
        const other = await client.send(method, path, undefined, { "If-None-Match": '"x"' });
        expect(other.status).toBe(200);
        expect(other.headers.etag).toBe(tag);
      }
    },
  );

  it("has another tag for other bytes, and the same for the same", async () => {
    const [client, other] = [await door.tenant(), await door.tenant()];
    const tag = async (asked: typeof client, path: string, headers = {}) =>
      (await asked.get(path, headers)).headers.etag;
    const paths = ["/Schemas", `/Schemas/${USER}`, `/Schemas/${GROUP}`, "/ResourceTypes", "/ServiceProviderConfig"];
    const tags = await Promise.all(paths.map((path) => tag(client, path)));
    expect(new Set(tags).size).toBe(paths.length);
    expect(await Promise.all(paths.map((path) => tag(other, path)))).toEqual(tags);
    expect(await tag(client, "/Schemas", { Host: "elsewhere.example.com" })).not.toBe(tags[0]);
  });

  it("lets nobody keep a refusal", async () => {
    const client = await door.tenant();
    for (const answer of [
      await client.get("/Schemas/urn:example:nope"),
      await client.get("/Schemas?filter=id+pr"),
      await client.post("/Schemas", {}),
      await client.get("/ServiceProviderConfig", { Authorization: null }),
    ]) {
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.headers["cache-control"]).toBe("no-store");
      expect(answer.headers).not.toHaveProperty("etag");
    }
  });

  it.each([
    "/Schemas/urn:example:nope",
    "/Schemas/constructor",
    "/Schemas/__proto__",
    "/ResourceTypes/toString",
    "/ResourceTypes/Users",
    "/ServiceProviderConfig/x",
    "/Schemas/.search",
    "/ResourceTypes/%00",
    `/Schemas/${"x".repeat(1_000)}`,
  ])("answers 404 at %s", async (path) => {
    const client = await door.tenant();
    expect((await client.get(path)).status).toBe(404);
  });

  it.each([
    ["GET", "/Me"],
    ["PATCH", "/Me"],
  ])("answers 501 to %s %s, which is not offered", async (method, path) => {
    const client = await door.tenant();
    const answer = await client.send(method, path, "{}", { "Content-Type": "application/scim+json" });
    expect(answer).toMatchObject({ status: 501, body: { schemas: expect.arrayContaining([ERROR]), status: "501" } });
  });
});
