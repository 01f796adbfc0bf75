/** LIF-1: a token that this process has used a moment ago is refused at once when it is revoked elsewhere. */
import { expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import { aUser, openDoor } from "./door.ts";

const patch = (...Operations: object[]) => ({
  schemas: ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
  Operations,
});

describeOnBoth("LIF-1 a token known to the process", (getDb) => {
  const door = openDoor(getDb);

  /** Deletes the row behind the server's back, as another process would. */
  async function revokeElsewhere(tenantId: string): Promise<void> {
    const db = getDb();
    await db.run(db.build.deleteFrom("tokens").where("tenant_id", "=", tenantId));
  }

  it("is refused on every kind of request, and nothing is read or written", async () => {
    const client = await door.tenant();
    const user = await client.send("POST", "/Users", aUser({ userName: "known" }));
    const group = await client.send("POST", "/Groups", { displayName: "Known", members: [] });
    const userPath = `/Users/${user.body["id"]}`;
    const groupPath = `/Groups/${group.body["id"]}`;
    expect((await client.send("GET", userPath)).status).toBe(200);
    await revokeElsewhere(client.tenantId);
    const members = { op: "add", path: "members", value: [{ value: user.body["id"] }] };
    const attempts: [string, string, object?][] = [
      ["GET", userPath],
      ["GET", `/Users?filter=${encodeURIComponent('userName eq "known"')}`],
      ["GET", "/Users?count=1"],
      ["GET", `/Users?filter=${encodeURIComponent('title co "x"')}`],
      ["POST", "/Users", aUser({ userName: "unknown" })],
      ["PUT", userPath, aUser({ userName: "renamed" })],
      ["PATCH", userPath, patch({ op: "replace", path: "title", value: "changed" })],
      ["PATCH", groupPath, patch(members)],
      ["PATCH", groupPath, patch({ op: "replace", path: "displayName", value: "Changed" })],
      ["GET", groupPath],
      ["POST", "/Groups", { displayName: "Unknown" }],
      ["DELETE", groupPath],
      ["DELETE", userPath],
      ["GET", "/ServiceProviderConfig"],
      ["GET", "/Schemas"],
    ];
    for (const [method, path, body] of attempts) {
      const answer = await client.send(method, path, body);
      expect([method, path, answer.status]).toEqual([method, path, 401]);
    }
    const { build } = getDb();
    const users = await getDb().run(
      build.selectFrom("users").select(["user_name", "doc"]).where("tenant_id", "=", client.tenantId),
    );
    expect(users).toMatchObject([{ user_name: "known" }]);
    expect(users[0]?.doc).not.toHaveProperty("title");
    expect(
      await getDb().run(build.selectFrom("group_members").selectAll().where("tenant_id", "=", client.tenantId)),
    ).toEqual([]);
  });

  it("is refused while each of its requests is the first that finds out", async () => {
    for (const [method, path, body] of [
      ["GET", "/Users?count=1", undefined],
      ["POST", "/Users", aUser({ userName: "late" })],
      ["GET", `/Users?filter=${encodeURIComponent('userName eq "nobody"')}`, undefined],
    ] as const) {
      const client = await door.tenant();
      expect((await client.send("GET", "/Users?count=1")).status).toBe(200);
      await revokeElsewhere(client.tenantId);
      expect((await client.send(method, path, body)).status).toBe(401);
    }
  });
});
