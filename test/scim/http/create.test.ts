/** RFC 7644 §3.3: creating resources. */
import { expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import { aGroup, aUser, openDoor, USHER_USER } from "./door.ts";

describeOnBoth("RFC 7644 §3.3 POST", (getDb) => {
  const door = openDoor(getDb);

  it("answers 201 with the whole resource, its Location and its meta", async () => {
    const client = await door.tenant();
    const answer = await client.post(
      "/Users",
      aUser({ userName: "bjensen", externalId: "701984", title: "Tour Guide" }),
    );
    expect(answer.status).toBe(201);
    expect(answer.headers["content-type"]).toBe("application/scim+json; charset=utf-8");
    expect(answer.body).toMatchObject({ userName: "bjensen", externalId: "701984", title: "Tour Guide", active: true });
    const { id, meta } = answer.body;
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(answer.headers.location).toBe(`${client.baseUrl}/Users/${id}`);
    expect(meta).toMatchObject({
      resourceType: "User",
      location: `${client.baseUrl}/Users/${id}`,
      version: expect.stringMatching(/^W\//),
    });
    expect(Date.parse(meta.created)).not.toBeNaN();
    expect(meta.lastModified).toBe(meta.created);
    expect((await client.get(`/Users/${id}`)).body).toEqual(answer.body);
  });

  it("names in schemas the extensions that have data, and no others", async () => {
    const client = await door.tenant();
    const plain = await client.post("/Users", aUser());
    expect(plain.body.schemas).toEqual(["urn:ietf:params:scim:schemas:core:2.0:User", USHER_USER]);
    const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    const employee = await client.post("/Users", { ...aUser(), [enterprise]: { department: "Sales" } });
    expect(employee.body.schemas).toContain(enterprise);
  });

  it("shows the decision beside the client's words", async () => {
    const client = await door.tenant();
    const answer = await client.post("/Users", { ...aUser(), [USHER_USER]: { company: "Acme", status: "inactive" } });
    expect(answer.body[USHER_USER]).toEqual({
      company: "Acme",
      status: "active",
      effectiveRole: "user",
      license: { status: "none" },
      teams: [],
    });
  });

  it("takes active: false, and takes an absent active as true", async () => {
    const client = await door.tenant();
    expect((await client.post("/Users", aUser({ active: false }))).body).toMatchObject({ active: false });
    expect((await client.post("/Users", aUser())).body).toMatchObject({ active: true });
  });

  it("ignores what only the server sets, and never returns a password", async () => {
    const client = await door.tenant();
    const answer = await client.post(
      "/Users",
      aUser({ meta: { created: "1999-01-01T00:00:00Z" }, groups: [{ value: "x" }], password: "hunter2" }),
    );
    expect(answer.status).toBe(201);
    expect(answer.body.meta.created).not.toContain("1999");
    expect(answer.body.groups).toEqual([]);
    expect(answer.text).not.toContain("hunter2");
  });

  it("returns only what attributes asks for, with id and schemas", async () => {
    const client = await door.tenant();
    const answer = await client.post("/Users?attributes=userName", aUser({ title: "x" }));
    expect(Object.keys(answer.body).sort()).toEqual(["id", "schemas", "userName"]);
  });

  it("answers 409 uniqueness for a taken userName in any letter case, and tells the attribute", async () => {
    const client = await door.tenant();
    await client.post("/Users", aUser({ userName: "Ada@Example.com" }));
    const answer = await client.post("/Users", aUser({ userName: "ada@example.COM" }));
    expect(answer).toMatchObject({ status: 409, body: { scimType: "uniqueness", status: "409" } });
    expect(answer.body.detail).toContain("userName");
  });

  it("creates the same userName in two tenants", async () => {
    const [one, other] = [await door.tenant(), await door.tenant()];
    expect((await one.post("/Users", aUser({ userName: "same" }))).status).toBe(201);
    expect((await other.post("/Users", aUser({ userName: "same" }))).status).toBe(201);
  });

  it.each([
    ["without userName", { userName: undefined }, "userName"],
    ["with an empty userName", { userName: "" }, "userName"],
    ["with a userName of blanks", { userName: "   " }, "userName"],
    ["with a number for a name", { userName: 7 }, "userName"],
    ["with a list for a title", { title: ["a"] }, "title"],
    ["with a number for emails", { emails: 7 }, "emails"],
  ])("refuses a user %s with 400 invalidValue that names the attribute", async (_, change, attribute) => {
    const client = await door.tenant();
    const answer = await client.post("/Users", aUser(change));
    expect(answer).toMatchObject({ status: 400, body: { scimType: "invalidValue" } });
    expect(answer.body.detail).toContain(attribute);
    expect((await client.get("/Users")).body.totalResults).toBe(0);
  });

  it("creates a group with members", async () => {
    const client = await door.tenant();
    const user = (await client.post("/Users", aUser())).body;
    const answer = await client.post(
      "/Groups",
      aGroup({ displayName: "Sales", externalId: "g-1", members: [{ value: user.id }] }),
    );
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({ displayName: "Sales", externalId: "g-1", meta: { resourceType: "Group" } });
    expect(answer.headers.location).toBe(`${client.baseUrl}/Groups/${answer.body.id}`);
    expect(answer.body.members).toEqual([expect.objectContaining({ value: user.id })]);
    expect((await client.get(`/Users/${user.id}`)).body.groups).toEqual([
      { value: answer.body.id, $ref: answer.body.meta.location, display: "Sales", type: "direct" },
    ]);
  });

  it("answers 409 uniqueness for a taken displayName of a group", async () => {
    const client = await door.tenant();
    await client.post("/Groups", aGroup({ displayName: "Sales" }));
    expect(await client.post("/Groups", aGroup({ displayName: "SALES" }))).toMatchObject({
      status: 409,
      body: { scimType: "uniqueness" },
    });
  });

  it("refuses a group without displayName", async () => {
    const client = await door.tenant();
    expect(await client.post("/Groups", aGroup({ displayName: undefined }))).toMatchObject({
      status: 400,
      body: { scimType: "invalidValue" },
    });
  });
});
