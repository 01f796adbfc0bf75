/** What one request may cost everybody else: filters that work long, texts that are looked at later, names of hosts. */
import { expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import { aUser, openDoor } from "./door.ts";

const SEARCH_REQUEST = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
const USHER_USER = "urn:ietf:params:scim:schemas:extension:usher:2.0:User";

describeOnBoth("patience", (getDb) => {
  const door = openDoor(getDb);

  it.each([
    ["groups", 'groups.display co "a"', 10],
    ["elements of groups", 'groups[display co "a"]', 10],
    ["teams", `${USHER_USER}:teams.display co "a"`, 10],
    ["a list", 'emails.value co "a"', 60],
    ["a list's elements", 'ims[value co "a"]', 60],
  ])("PAR-2: a filter compares with %s so often and no more", async (_, term, most) => {
    const client = await door.tenant();
    await client.post("/Users", aUser());
    const search = (times: number) =>
      client.post("/Users/.search", { schemas: [SEARCH_REQUEST], filter: Array(times).fill(term).join(" or ") });
    expect((await search(most)).status).toBe(200);
    expect(await search(most + 1)).toMatchObject({ status: 400, body: { scimType: "invalidFilter" } });
  });

  it("PAR-2: two hundred and fifty addresses are looked up at once, as connectors do", async () => {
    const client = await door.tenant();
    const { id } = (await client.post("/Users", aUser({ emails: [{ value: "a7@example.com" }] }))).body;
    const filter = Array.from({ length: 250 }, (_, n) => `emails.value eq "a${n}@example.com"`).join(" or ");
    const { body } = await client.post("/Users/.search", { schemas: [SEARCH_REQUEST], filter });
    expect(body.Resources).toMatchObject([{ id }]);
  });

  it.each(["a b", 'evil"><', "user@evil", "[::1", "evil.example/x", "x".repeat(3_000), "a:b"])(
    "AUTH-3: the Host %s is that of no server, and no location says it",
    async (Host) => {
      const client = await door.tenant();
      expect(await client.get("/Users", { Host })).toMatchObject({ status: 400, body: { status: "400" } });
    },
  );

  it.each(["usher.example.com", "usher.example.com:8443", "127.0.0.1:1", "[::1]:8080", "local_host"])(
    "the Host %s is in the locations",
    async (Host) => {
      const client = await door.tenant();
      await client.post("/Users", aUser());
      const { body } = await client.get("/Users", { Host });
      expect(body.Resources[0].meta.location).toContain(`//${Host}/scim/v2/Users/`);
    },
  );

  it.each(["/Users//", "/Groups//", "/Roles//", "/Users//x"])("%s is nothing, whatever the method", async (path) => {
    const client = await door.tenant();
    for (const method of ["GET", "POST", "PUT", "DELETE"]) {
      expect((await client.send(method, path, {}, { "Content-Type": "application/scim+json" })).status).toBe(404);
    }
  });

  it("fails where the condition that was sent is empty", async () => {
    const client = await door.tenant();
    const { id } = (await client.post("/Users", aUser())).body;
    const headers = { "If-Match": "", "Content-Type": "application/scim+json" };
    expect((await client.send("PUT", `/Users/${id}`, aUser(), headers)).status).toBe(412);
  });
});
