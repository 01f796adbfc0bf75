/** RFC 7644 §3.5.2: changing parts of a resource. What each form of an operation means is tested beside the interpreter. */
import { expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import { aGroup, aUser, openDoor, PATCH_OP } from "./door.ts";

const patch = (...Operations: object[]) => ({ schemas: [PATCH_OP], Operations });

describeOnBoth("RFC 7644 §3.5.2 PATCH", (getDb) => {
  const door = openDoor(getDb);

  it("answers a change of a user with 200 and the whole user", async () => {
    const client = await door.tenant();
    const { id, meta } = (await client.post("/Users", aUser({ title: "x", nickName: "n" }))).body;
    const answer = await client.patch(
      `/Users/${id}`,
      patch({ op: "replace", path: "title", value: "y" }, { op: "remove", path: "nickName" }),
    );
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ id, title: "y" });
    expect(answer.body).not.toHaveProperty("nickName");
    expect(answer.body.meta.version).not.toBe(meta.version);
    expect((await client.get(`/Users/${id}`)).body).toEqual(answer.body);
  });

  it("projects the answer by attributes", async () => {
    const client = await door.tenant();
    const { id } = (await client.post("/Users", aUser())).body;
    const answer = await client.patch(
      `/Users/${id}?attributes=title`,
      patch({ op: "replace", path: "title", value: "y" }),
    );
    expect(Object.keys(answer.body).sort()).toEqual(["id", "schemas", "title"]);
  });

  it("applies all operations or none", async () => {
    const client = await door.tenant();
    const { id } = (await client.post("/Users", aUser({ title: "x" }))).body;
    const answer = await client.patch(
      `/Users/${id}`,
      patch({ op: "replace", path: "title", value: "y" }, { op: "replace", path: "nosuch.thing", value: 1 }),
    );
    expect(answer).toMatchObject({ status: 400, body: { scimType: "invalidPath" } });
    expect((await client.get(`/Users/${id}`)).body.title).toBe("x");
  });

  it.each([
    ["no operations", patch(), "invalidSyntax"],
    ["operations that are no list", { schemas: [PATCH_OP], Operations: { op: "add" } }, "invalidSyntax"],
    ["null for an operation", { schemas: [PATCH_OP], Operations: [null] }, "invalidSyntax"],
    ["an unknown op", patch({ op: "move", path: "title", value: "x" }), "invalidSyntax"],
    ["a remove without path", patch({ op: "remove" }), "noTarget"],
    ["a path that cannot be read", patch({ op: "replace", path: "emails[", value: "x" }), undefined],
    ["another id", patch({ op: "replace", path: "id", value: "x" }), "mutability"],
  ])("refuses %s", async (_, body, scimType) => {
    const client = await door.tenant();
    const { id } = (await client.post("/Users", aUser())).body;
    const answer = await client.patch(`/Users/${id}`, body);
    expect(answer.status).toBe(400);
    if (scimType !== undefined) expect(answer.body.scimType).toBe(scimType);
  });

  it("answers a change of a group with 200 where attributes are asked for", async () => {
    const client = await door.tenant();
    const { id } = (await client.post("/Groups", aGroup())).body;
    const answer = await client.patch(
      `/Groups/${id}?attributes=displayName`,
      patch({ op: "replace", path: "displayName", value: "Renamed" }),
    );
    expect(answer).toMatchObject({ status: 200, body: { id, displayName: "Renamed" } });
    expect(answer.body).not.toHaveProperty("members");
  });

  it("answers a change of a group with 204 and no body, whatever its size", async () => {
    const client = await door.tenant();
    const user = (await client.post("/Users", aUser())).body.id;
    const { id } = (await client.post("/Groups", aGroup({ displayName: "G" }))).body;
    const added = await client.patch(`/Groups/${id}`, patch({ op: "Add", path: "members", value: [{ value: user }] }));
    expect(added).toMatchObject({ status: 204, text: "" });
    expect((await client.get(`/Groups/${id}`)).body.members).toEqual([expect.objectContaining({ value: user })]);
    const removed = await client.patch(`/Groups/${id}`, patch({ op: "remove", path: `members[value eq "${user}"]` }));
    expect(removed.status).toBe(204);
    expect((await client.get(`/Groups/${id}`)).body.members).toEqual([]);
  });

  it("renames a group and keeps its members", async () => {
    const client = await door.tenant();
    const user = (await client.post("/Users", aUser())).body.id;
    const { id } = (await client.post("/Groups", aGroup({ displayName: "G", members: [{ value: user }] }))).body;
    expect(
      (await client.patch(`/Groups/${id}`, patch({ op: "replace", value: { id, displayName: "H" } }))).status,
    ).toBe(204);
    expect((await client.get(`/Groups/${id}`)).body).toMatchObject({ displayName: "H", members: [{ value: user }] });
  });

  it("skips an unknown member beside known ones, and refuses a request that names none that exists (TEAM-5)", async () => {
    const client = await door.tenant();
    const user = (await client.post("/Users", aUser())).body.id;
    const { id } = (await client.post("/Groups", aGroup())).body;
    const nobody = "0198c0de-0000-7000-8000-000000000000";
    const some = await client.patch(
      `/Groups/${id}`,
      patch({ op: "add", path: "members", value: [{ value: user }, { value: nobody }] }),
    );
    expect(some.status).toBe(204);
    const none = await client.patch(`/Groups/${id}`, patch({ op: "add", path: "members", value: [{ value: nobody }] }));
    expect(none).toMatchObject({ status: 400, body: { scimType: "invalidValue" } });
    expect(none.body.detail).toContain(nobody);
    expect((await client.get(`/Groups/${id}`)).body.members).toHaveLength(1);
  });

  it("answers 404 for an unknown or foreign id", async () => {
    const [mine, other] = [await door.tenant(), await door.tenant()];
    const user = (await other.post("/Users", aUser({ title: "x" }))).body;
    const body = patch({ op: "replace", path: "title", value: "y" });
    expect((await mine.patch(`/Users/${user.id}`, body)).status).toBe(404);
    expect((await other.get(`/Users/${user.id}`)).body.title).toBe("x");
    expect((await mine.patch("/Groups/nope", patch({ op: "replace", path: "displayName", value: "y" }))).status).toBe(
      404,
    );
  });
});
