/** RFC 7644 §3.4.1: reading one resource, and §3.9: which attributes come back. */
import { expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import { aGroup, aUser, ENTERPRISE_USER, openDoor, USHER_USER } from "./door.ts";

describeOnBoth("RFC 7644 §3.4.1 GET of one resource", (getDb) => {
  const door = openDoor(getDb);

  it.each(["/Users", "/Groups"])("answers 404 for an id of %s that nobody has, or that is no id", async (endpoint) => {
    const client = await door.tenant();
    for (const id of ["0198c0de-0000-7000-8000-000000000000", "1", "x'%20or%20'1'='1", "constructor", "a%2Fb", "%00"]) {
      const answer = await client.get(`${endpoint}/${id}`);
      expect(answer).toMatchObject({ status: 404, body: { status: "404" } });
      expect(answer.body.detail).not.toBe("");
    }
  });

  it("answers 404 for another tenant's resource, word for word as for none", async () => {
    const [mine, other] = [await door.tenant(), await door.tenant()];
    const user = (await other.post("/Users", aUser())).body;
    const group = (await other.post("/Groups", aGroup())).body;
    for (const [endpoint, id] of [
      ["/Users", user.id],
      ["/Groups", group.id],
    ]) {
      const theirs = await mine.get(`${endpoint}/${id}`);
      const nobodys = await mine.get(`${endpoint}/0198c0de-0000-7000-8000-000000000000`);
      expect(theirs.status).toBe(404);
      expect(theirs.body.detail.replaceAll(id, "")).toBe(
        nobodys.body.detail.replaceAll("0198c0de-0000-7000-8000-000000000000", ""),
      );
    }
  });

  it("keeps an inactive user visible", async () => {
    const client = await door.tenant();
    const { id } = (await client.post("/Users", aUser({ active: false }))).body;
    expect((await client.get(`/Users/${id}`)).body).toMatchObject({
      active: false,
      [USHER_USER]: { status: "inactive" },
    });
  });

  it("answers HEAD with the headers of GET and no body", async () => {
    const client = await door.tenant();
    const { id } = (await client.post("/Users", aUser())).body;
    const answer = await client.send("HEAD", `/Users/${id}`);
    expect(answer).toMatchObject({ status: 200, text: "" });
    expect(answer.headers["content-type"]).toContain("application/scim+json");
  });

  it("sends the version of the resource as its entity tag", async () => {
    const client = await door.tenant();
    const { id } = (await client.post("/Users", aUser())).body;
    const { headers, body } = await client.get(`/Users/${id}`);
    expect(headers.etag).toBe(body.meta.version);
  });
});

describeOnBoth("RFC 7644 §3.9 attributes", (getDb) => {
  const door = openDoor(getDb);

  async function someone() {
    const client = await door.tenant();
    const body = aUser({
      displayName: "Babs",
      name: { givenName: "Barbara", familyName: "Jensen" },
      emails: [{ value: "b@example.com", type: "work", primary: true }],
      [ENTERPRISE_USER]: { department: "Tours", employeeNumber: "7" },
    });
    const { id } = (await client.post("/Users", body)).body;
    return async (query: string) => (await client.get(`/Users/${id}?${query}`)).body;
  }

  it.each([
    ["attributes=displayName", ["displayName", "id", "schemas"]],
    ["attributes=DISPLAYNAME", ["displayName", "id", "schemas"]],
    ["attributes=urn:ietf:params:scim:schemas:core:2.0:User:displayName", ["displayName", "id", "schemas"]],
    ["attributes=id", ["id", "schemas"]],
    ["attributes=nosuch", ["id", "schemas"]],
    ["attributes=constructor,__proto__,toString", ["id", "schemas"]],
    [`attributes=${ENTERPRISE_USER}:department`, [ENTERPRISE_USER, "id", "schemas"]],
  ])("%s", async (query, names) => {
    const read = await someone();
    expect(Object.keys(await read(query)).sort()).toEqual([...names].sort());
  });

  it("returns sub-attributes alone", async () => {
    const read = await someone();
    const body = await read(`attributes=name.givenName,emails.value,${ENTERPRISE_USER}:department`);
    expect(body.name).toEqual({ givenName: "Barbara" });
    expect(body.emails).toEqual([{ value: "b@example.com" }]);
    expect(body[ENTERPRISE_USER]).toEqual({ department: "Tours" });
  });

  it("leaves out what excludedAttributes names, but never id", async () => {
    const read = await someone();
    const body = await read(`excludedAttributes=id,Emails,name.givenName,groups,${ENTERPRISE_USER}:department`);
    expect(body).not.toHaveProperty("emails");
    expect(body).not.toHaveProperty("groups");
    expect(body.name).toEqual({ familyName: "Jensen" });
    expect(body[ENTERPRISE_USER]).toEqual({ employeeNumber: "7" });
    expect(body.id).toBeTruthy();
  });

  it("refuses both parameters at once", async () => {
    const client = await door.tenant();
    expect((await client.get("/Users?attributes=id&excludedAttributes=emails")).status).toBe(400);
  });

  it("omits the members of a group when asked, and shows an empty list otherwise", async () => {
    const client = await door.tenant();
    const { id } = (await client.post("/Groups", aGroup())).body;
    expect((await client.get(`/Groups/${id}`)).body.members).toEqual([]);
    expect((await client.get(`/Groups/${id}?excludedAttributes=members`)).body).not.toHaveProperty("members");
    expect((await client.get(`/Groups?excludedAttributes=Members`)).body.Resources[0]).not.toHaveProperty("members");
    expect((await client.get(`/Groups/${id}?attributes=displayName`)).body).not.toHaveProperty("members");
    expect(Object.keys((await client.get(`/Groups/${id}?attributes=members`)).body).sort()).toEqual([
      "id",
      "members",
      "schemas",
    ]);
  });

  it("shows each member with its type and where it is (RFC 7643 §4.2)", async () => {
    const client = await door.tenant();
    const user = (await client.post("/Users", aUser())).body;
    const inner = (await client.post("/Groups", aGroup())).body;
    const { body } = await client.post("/Groups", aGroup({ members: [{ value: user.id }, { value: inner.id }] }));
    expect(body.members).toEqual([
      { value: user.id, $ref: user.meta.location, type: "User" },
      { value: inner.id, $ref: inner.meta.location, type: "Group" },
    ]);
    expect((await client.get("/Groups?filter=members%20pr&attributes=members.$ref")).body.Resources[0].members).toEqual(
      [{ $ref: user.meta.location }, { $ref: inner.meta.location }],
    );
  });

  it("returns a sub-attribute of members alone", async () => {
    const client = await door.tenant();
    const user = (await client.post("/Users", aUser())).body;
    const { id } = (await client.post("/Groups", aGroup({ members: [{ value: user.id }] }))).body;
    expect((await client.get(`/Groups/${id}?attributes=members.value`)).body.members).toEqual([{ value: user.id }]);
  });
});
