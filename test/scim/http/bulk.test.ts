/** RFC 7644 §3.7 over HTTP: the message, the answers, and the examples of its sections. */
import { expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import { aGroup, aUser, ENTERPRISE_USER, ERROR, openDoor, PATCH_OP } from "./door.ts";

export const BULK_REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
export const BULK_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

describeOnBoth("RFC 7644 §3.7 Bulk", (getDb) => {
  const door = openDoor(getDb);

  it("creates, replaces, patches and deletes in one request (§3.7.3)", async () => {
    const client = await door.tenant();
    const [replaced, patched, deleted] = await Promise.all([
      client.post("/Users", aUser({ userName: "bob" })),
      client.post("/Users", aUser({ userName: "dave" })),
      client.post("/Users", aUser({ userName: "jan" })),
    ]);
    const answer = await client.post("/Bulk", {
      schemas: [BULK_REQUEST],
      failOnErrors: 1,
      Operations: [
        { method: "POST", path: "/Users", bulkId: "qwerty", data: aUser({ userName: "alice" }) },
        {
          method: "PUT",
          path: `/Users/${replaced.body.id}`,
          version: replaced.body.meta.version,
          data: aUser({ userName: "bob", title: "Guide" }),
        },
        {
          method: "PATCH",
          path: `/Users/${patched.body.id}`,
          version: patched.body.meta.version,
          data: { schemas: [PATCH_OP], Operations: [{ op: "add", path: "nickName", value: "Dave" }] },
        },
        { method: "DELETE", path: `/Users/${deleted.body.id}`, version: deleted.body.meta.version },
      ],
    });
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toContain("application/scim+json");
    expect(answer.headers).not.toHaveProperty("location");
    expect(answer.headers).not.toHaveProperty("etag");
    const location = expect.stringMatching(new RegExp(`^${client.baseUrl}/Users/[0-9a-f-]{36}$`));
    expect(answer.body).toEqual({
      schemas: [BULK_RESPONSE],
      Operations: [
        { method: "POST", bulkId: "qwerty", version: 'W/"1"', location, status: "201" },
        { method: "PUT", version: 'W/"2"', location: replaced.body.meta.location, status: "200" },
        { method: "PATCH", version: 'W/"2"', location: patched.body.meta.location, status: "200" },
        { method: "DELETE", location: deleted.body.meta.location, status: "204" },
      ],
    });
    const { Resources } = (await client.get("/Users?sortBy=userName")).body;
    expect(Resources.map((one: { userName: string }) => one.userName)).toEqual(["alice", "bob", "dave"]);
    expect(Resources[1]).toMatchObject({ title: "Guide" });
    expect(Resources[2]).toMatchObject({ nickName: "Dave" });
  });
});
