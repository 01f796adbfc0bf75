/** RFC 7644 §4 and RFC 7643 §5 to §8.7: what the server says about itself. */
import { expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import { ENTERPRISE_USER, ERROR, LIST_RESPONSE, openDoor, USHER_GROUP, USHER_USER } from "./door.ts";

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

  it("lists the resource types with their extensions", async () => {
    const client = await door.tenant();
    const { body } = await client.get("/ResourceTypes");
    expect(body).toMatchObject({ schemas: [LIST_RESPONSE], totalResults: 6 });
    const [user, group] = body.Resources;
    expect(user).toMatchObject({ id: "User", name: "User", endpoint: "/Users", schema: USER });
    expect(user.schemaExtensions).toEqual([
      { schema: ENTERPRISE_USER, required: false },
      { schema: USHER_USER, required: false },
    ]);
    expect(group).toMatchObject({ id: "Group", endpoint: "/Groups", schema: GROUP });
    expect((await client.get("/ResourceTypes/User")).body).toEqual(user);
    expect((await client.get("/resourcetypes/group/")).body).toEqual(group);
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
    expect(body.authenticationSchemes).toEqual([
      expect.objectContaining({ type: "oauthbearertoken", name: expect.any(String), description: expect.any(String) }),
    ]);
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
    expect((await client.get("/Schemas?filter=id+pr")).status).toBe(403);
    expect((await client.get("/ServiceProviderConfig?FILTER=x")).status).toBe(403);
  });

  it.each([
    "/Schemas/urn:example:nope",
    "/Schemas/constructor",
    "/Schemas/__proto__",
    "/ResourceTypes/toString",
    "/ResourceTypes/Users",
    "/ServiceProviderConfig/x",
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
