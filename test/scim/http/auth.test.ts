/**
 * Who comes in at the SCIM door, and by which spelling of a path. That no route of the server and no spelling opens without a
 * credential is in test/security/auth.test.ts (AUTH-1, AUTH-3).
 */
import { request } from "node:http";
import { expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import { aUser, ERROR, mint, openDoor, toClient } from "./door.ts";

const id = "0198c0de-0000-7000-8000-000000000000";
const routes = [
  ...["/Users", "/Groups"].flatMap((type) => [
    `GET ${type}`,
    `POST ${type}`,
    `POST ${type}/.search`,
    `GET ${type}/${id}`,
    `PUT ${type}/${id}`,
    `PATCH ${type}/${id}`,
    `DELETE ${type}/${id}`,
  ]),
  "GET /Schemas",
  "GET /Schemas/urn:ietf:params:scim:schemas:core:2.0:User",
  "GET /ResourceTypes",
  "GET /ResourceTypes/User",
  "GET /ServiceProviderConfig",
  "POST /Bulk",
  "POST /.search",
  "GET /Me",
  "OPTIONS /Users",
  "GET /nothing",
];

describeOnBoth("every route", (getDb) => {
  const door = openDoor(getDb);

  it.each(routes)("%s answers 401 without a credential, before it looks at the body", async (route) => {
    const client = await door.tenant();
    const [method = "", path = ""] = route.split(" ");
    for (const authorization of [
      null,
      "",
      "Bearer",
      "Bearer not-the-token",
      "Basic YTpi",
      `bearer ${client.token.slice(0, -1)}`,
    ]) {
      const answer = await client.send(method, path, method === "GET" ? undefined : "{broken", {
        Authorization: authorization,
        "Content-Type": "text/plain",
      });
      expect(answer).toMatchObject({ status: 401, body: { schemas: expect.arrayContaining([ERROR]), status: "401" } });
      expect(answer.headers["www-authenticate"]).toMatch(/^Bearer realm=/);
    }
  });

  it.each(routes)("%s answers 403 to a token without the scope scim (AUTH-5)", async (route) => {
    const client = await door.tenant();
    const stranger = toClient(
      client.baseUrl,
      client.tenantId,
      await mint(door.deps, client.tenantId, ["api", "access"]),
    );
    const [method = "", path = ""] = route.split(" ");
    const answer = await stranger.send(method, path, method === "GET" ? undefined : "{broken");
    expect(answer).toMatchObject({ status: 403, body: { schemas: expect.arrayContaining([ERROR]) } });
    expect(answer.headers["www-authenticate"]).toContain("insufficient_scope");
  });

  it("takes the scheme in any letter case", async () => {
    const client = await door.tenant();
    expect((await client.get("/Users", { Authorization: `bearer ${client.token}` })).status).toBe(200);
  });
});

describeOnBoth("spellings of a path", (getDb) => {
  const door = openDoor(getDb);

  /** Sends the path of the whole server, byte for byte. */
  function raw(path: string, token: string | null): Promise<{ status: number; text: string }> {
    const { hostname, port } = new URL(door.baseUrl);
    const headers = token === null ? {} : { Authorization: `Bearer ${token}` };
    return new Promise((resolve, reject) => {
      const outgoing = request({ hostname, port, path, headers, agent: false }, (incoming) => {
        let text = "";
        incoming.on("data", (chunk) => {
          text += chunk;
        });
        incoming.on("end", () => resolve({ status: incoming.statusCode ?? 0, text }));
      });
      outgoing.on("error", reject);
      outgoing.end();
    });
  }

  it.each(["/SCIM/V2/USERS", "/scim/v2/Users/", "/scim/v2/users?", "/scim/v2/Users/?&"])(
    "%s is the list for who may see it",
    async (path) => {
      const client = await door.tenant();
      expect((await raw(path, client.token)).status).toBe(200);
    },
  );
});

describeOnBoth("the base URL", (getDb) => {
  const door = openDoor(getDb, { publicUrl: "https://usher.example.com/" });
  const open = openDoor(getDb);

  it("is the configured one, whatever Host says", async () => {
    const client = await door.tenant();
    const { body } = await client.send("POST", "/Users", aUser(), {
      Host: "evil.example.com",
      "Content-Type": "application/json",
    });
    expect(body.meta.location).toBe(`https://usher.example.com/scim/v2/Users/${body.id}`);
    expect((await client.get("/ResourceTypes/User")).body.meta.location).toBe(
      "https://usher.example.com/scim/v2/ResourceTypes/User",
    );
  });

  it("is the request's own otherwise, for each of many requests at once", async () => {
    const client = await open.tenant();
    const hosts = Array.from({ length: 60 }, (_, i) => `host-${i}.example.com`);
    const answers = await Promise.all(
      hosts.map((host, i) => client.get(i % 2 ? "/ServiceProviderConfig" : "/Schemas", { Host: host })),
    );
    answers.forEach((answer, i) => {
      const meta = i % 2 ? answer.body.meta : answer.body.Resources[0].meta;
      expect(meta.location).toContain(`http://host-${i}.example.com/scim/v2/`);
    });
  });
});

describeOnBoth("LIF-1: a revoked token", (getDb) => {
  const door = openDoor(getDb);

  it.each(routes)("%s answers 401 at once, although the token was good a moment ago", async (route) => {
    const client = await door.tenant();
    const { id: user } = (await client.post("/Users", aUser())).body;
    expect((await client.get("/Users")).status).toBe(200);
    await getDb().query({ name: "test_revoke", text: "delete from tokens where tenant_id = $1" }, [client.tenantId]);
    const [method = "", path = ""] = route.split(" ");
    for (const place of [
      path,
      path.replace(id, user),
      path.replace(id, "no-id"),
      `${path}?filter=id+eq+"x"`,
      `${path}?startIndex=9`,
    ]) {
      const answer = await client.send(method, place, method === "GET" ? undefined : "{broken");
      expect(answer.status, `${method} ${place} ${answer.text}`).toBe(401);
    }
  });
});
