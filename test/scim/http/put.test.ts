/** RFC 7644 §3.5.1: replacing a resource. */
import { expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import { aGroup, aUser, openDoor } from "./door.ts";

describeOnBoth("RFC 7644 §3.5.1 PUT", (getDb) => {
  const door = openDoor(getDb);

  it("replaces what the client may write: what is not in the body is gone", async () => {
    const client = await door.tenant();
    const { id, meta } = (await client.post("/Users", aUser({ userName: "ada", title: "Lead", nickName: "A" }))).body;
    const answer = await client.put(`/Users/${id}`, aUser({ userName: "ada", title: "Chief" }));
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ id, userName: "ada", title: "Chief" });
    expect(answer.body).not.toHaveProperty("nickName");
    expect(answer.body.meta.created).toBe(meta.created);
    expect(answer.body.meta.version).not.toBe(meta.version);
    expect((await client.get(`/Users/${id}`)).body).toEqual(answer.body);
  });

  it("leaves an absent active as it was (USR-8)", async () => {
    const client = await door.tenant();
    const { id } = (await client.post("/Users", aUser({ userName: "ada", active: false }))).body;
    expect((await client.put(`/Users/${id}`, aUser({ userName: "ada" }))).body.active).toBe(false);
    await client.put(`/Users/${id}`, aUser({ userName: "ada", active: true }));
    expect((await client.put(`/Users/${id}`, aUser({ userName: "ada" }))).body.active).toBe(true);
  });

  it("takes its own answer back without a change", async () => {
    const client = await door.tenant();
    const before = (await client.post("/Users", aUser({ title: "Lead", roles: [{ value: "user", primary: true }] })))
      .body;
    const answer = await client.put(`/Users/${before.id}`, before);
    expect(answer.status).toBe(200);
    const { meta: _, ...rest } = answer.body;
    const { meta: __, ...wanted } = before;
    expect(rest).toEqual(wanted);
  });

  it("refuses another id in the body with 400 mutability (AUTH-2), and takes the same", async () => {
    const client = await door.tenant();
    const one = (await client.post("/Users", aUser({ userName: "one" }))).body;
    const two = (await client.post("/Users", aUser({ userName: "two" }))).body;
    const answer = await client.put(`/Users/${one.id}`, { ...aUser({ userName: "one" }), id: two.id });
    expect(answer).toMatchObject({ status: 400, body: { scimType: "mutability" } });
    expect((await client.put(`/Users/${one.id}`, { ...aUser({ userName: "one" }), id: one.id })).status).toBe(200);
    expect((await client.put(`/Users/${one.id}`, { ...aUser({ userName: "one" }), ID: two.id })).status).toBe(400);
    expect((await client.get(`/Users/${two.id}`)).body.userName).toBe("two");
  });

  it("creates nothing: an unknown id is 404", async () => {
    const client = await door.tenant();
    const unknown = "0198c0de-0000-7000-8000-000000000000";
    expect((await client.put(`/Users/${unknown}`, aUser())).status).toBe(404);
    expect((await client.put(`/Groups/${unknown}`, aGroup())).status).toBe(404);
    expect((await client.get("/Users")).body.totalResults).toBe(0);
  });

  it("answers 409 for a userName that another holds", async () => {
    const client = await door.tenant();
    await client.post("/Users", aUser({ userName: "taken" }));
    const { id } = (await client.post("/Users", aUser({ userName: "mine" }))).body;
    expect(await client.put(`/Users/${id}`, aUser({ userName: "TAKEN" }))).toMatchObject({
      status: 409,
      body: { scimType: "uniqueness" },
    });
  });

  it("sets the members of a group to exactly those of the body", async () => {
    const client = await door.tenant();
    const users = [];
    for (const userName of ["a", "b", "c"]) users.push((await client.post("/Users", aUser({ userName }))).body.id);
    const { id } = (
      await client.post("/Groups", aGroup({ displayName: "G", members: [{ value: users[0] }, { value: users[1] }] }))
    ).body;
    const answer = await client.put(
      `/Groups/${id}`,
      aGroup({ displayName: "G2", externalId: "e", members: [{ value: users[1] }, { value: users[2] }] }),
    );
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ displayName: "G2", externalId: "e" });
    expect(answer.body.members.map((member: { value: string }) => member.value).sort()).toEqual(
      [users[1], users[2]].sort(),
    );
    expect((await client.put(`/Groups/${id}`, aGroup({ displayName: "G2", members: [] }))).body.members).toEqual([]);
  });
});
