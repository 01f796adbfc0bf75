/** RFC 7644 §3.6: deleting resources. */
import { expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import { aGroup, aUser, openDoor } from "./door.ts";

describeOnBoth("RFC 7644 §3.6 DELETE", (getDb) => {
  const door = openDoor(getDb);

  it("answers 204, and then the user is gone, from lists and groups too", async () => {
    const client = await door.tenant();
    const { id } = (await client.post("/Users", aUser({ userName: "ada" }))).body;
    const group = (await client.post("/Groups", aGroup({ members: [{ value: id }] }))).body;
    expect(await client.delete(`/Users/${id}`)).toMatchObject({ status: 204, text: "" });
    expect((await client.get(`/Users/${id}`)).status).toBe(404);
    expect((await client.delete(`/Users/${id}`)).status).toBe(404);
    expect((await client.get('/Users?filter=userName+eq+"ada"')).body.totalResults).toBe(0);
    expect((await client.get(`/Groups/${group.id}`)).body.members).toEqual([]);
  });

  it("lets the userName be used again, under a new id (USR-6)", async () => {
    const client = await door.tenant();
    const { id } = (await client.post("/Users", aUser({ userName: "ada" }))).body;
    await client.delete(`/Users/${id}`);
    const again = await client.post("/Users", aUser({ userName: "ada" }));
    expect(again.status).toBe(201);
    expect(again.body.id).not.toBe(id);
  });

  it("deletes a group and leaves its members", async () => {
    const client = await door.tenant();
    const { id } = (await client.post("/Users", aUser())).body;
    const group = (await client.post("/Groups", aGroup({ members: [{ value: id }] }))).body;
    expect((await client.delete(`/Groups/${group.id}`)).status).toBe(204);
    expect((await client.get(`/Groups/${group.id}`)).status).toBe(404);
    expect((await client.get(`/Users/${id}`)).body.groups).toEqual([]);
    expect((await client.delete(`/Groups/${group.id}`)).status).toBe(404);
  });

  it("does not reach another tenant's resource", async () => {
    const [mine, other] = [await door.tenant(), await door.tenant()];
    const { id } = (await other.post("/Users", aUser())).body;
    expect((await mine.delete(`/Users/${id}`)).status).toBe(404);
    expect((await other.get(`/Users/${id}`)).status).toBe(200);
  });

  it("ignores a body", async () => {
    const client = await door.tenant();
    const { id } = (await client.post("/Users", aUser())).body;
    expect(
      (await client.send("DELETE", `/Users/${id}`, "{not json", { "Content-Type": "application/json" })).status,
    ).toBe(204);
  });
});
