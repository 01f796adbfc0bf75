/** RFC 7644 §3.11: /Me, for a token that acts for a person, and for one that acts for nobody. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import { type Answer, type Send, startServer, type TestServer, type TestTenant } from "../../helpers/server.ts";
import { aUser, ERROR, PATCH_OP, USHER_USER } from "./door.ts";

const USER = "urn:ietf:params:scim:schemas:core:2.0:User";

// biome-ignore lint/suspicious/noExplicitAny: a test reads what the answer should hold and fails where it does not.
type Told = Answer<any>;

interface Person {
  readonly id: string;
  readonly userName: string;
  /** Where the person permanently is. */
  readonly location: string;
  /** With a token that acts for the person. */
  me(method: string, path?: string, body?: unknown, headers?: Record<string, string>): Promise<Told>;
}

describeOnBoth("RFC 7644 §3.11 /Me", (getDb) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(getDb());
  });
  afterAll(() => server?.close());

  async function aPerson(tenant: TestTenant, words: object = {}): Promise<Person> {
    const made: Told = await tenant.scim("POST", "/Users", aUser(words));
    expect(made.status).toBe(201);
    const { id, userName, meta } = made.body;
    const token: Told = await tenant.api("POST", "/tokens", { label: "mine", scopes: ["scim"], userId: id });
    expect(token.status).toBe(201);
    const send: Send = server.sender("/scim/v2", token.body.token);
    return {
      id,
      userName,
      location: meta.location,
      me: (method, path = "/Me", ...rest) => send(method, path, ...rest),
    };
  }

  const patch = (path: string, value: unknown) => ({
    schemas: [PATCH_OP],
    Operations: [{ op: "replace", path, value }],
  });
  const locationOf = ({ headers }: Told) => headers.get("location");

  it("is the person's own resource, and Location says where that is", async () => {
    const tenant = await server.tenant();
    const { id, location, me } = await aPerson(tenant, { displayName: "Ada" });
    expect(location).toBe(`${server.origin}/scim/v2/Users/${id}`);
    const answer = await me("GET");
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual((await tenant.scim("GET", `/Users/${id}`)).body);
    expect(answer.body.meta.location).toBe(location);
    expect(locationOf(answer)).toBe(location);
    expect(answer.headers.get("etag")).toBe(answer.body.meta.version);
  });

  it.each(["/Me/", "/me", "/ME?", "/Me/?&", "/Me?x=1"])("is there as %s, too", async (path) => {
    const { id, location, me } = await aPerson(await server.tenant());
    const answer = await me("GET", path);
    expect(answer).toMatchObject({ status: 200, body: { id } });
    expect(locationOf(answer)).toBe(location);
  });

  it("answers HEAD, If-None-Match and the lists of attributes as the resource does", async () => {
    const { location, me } = await aPerson(await server.tenant(), { displayName: "Ada", title: "Countess" });
    const { body, headers } = await me("GET", "/Me?attributes=displayName");
    expect(Object.keys(body).sort()).toEqual(["displayName", "id", "schemas"]);
    const head = await me("HEAD");
    expect(head).toMatchObject({ status: 200, body: undefined });
    expect(locationOf(head)).toBe(location);
    const known = await me("GET", "/Me", undefined, { "If-None-Match": headers.get("etag") as string });
    expect(known).toMatchObject({ status: 304, body: undefined });
    expect(locationOf(known)).toBe(location);
  });

  it("is replaced and patched, under conditions", async () => {
    const tenant = await server.tenant();
    const { id, userName, location, me } = await aPerson(tenant);
    const put = await me("PUT", "/Me", { schemas: [USER], userName, displayName: "Ada" });
    expect(put).toMatchObject({ status: 200, body: { id, displayName: "Ada" } });
    const patched = await me("PATCH", "/Me", patch("title", "Countess"), { "If-Match": put.body.meta.version });
    expect(patched).toMatchObject({ status: 200, body: { id, displayName: "Ada", title: "Countess" } });
    const stale = await me("PATCH", "/Me", patch("title", "Lady"), { "If-Match": put.body.meta.version });
    expect(stale.status).toBe(412);
    for (const answer of [put, patched, stale]) expect(locationOf(answer)).toBe(location);
    expect((await tenant.scim("GET", `/Users/${id}`)).body).toMatchObject({ title: "Countess" });
  });

  it("is deleted, and with the person goes the token", async () => {
    const tenant = await server.tenant();
    const { id, location, me } = await aPerson(tenant);
    const deleted = await me("DELETE");
    expect(deleted).toMatchObject({ status: 204, body: undefined });
    expect(locationOf(deleted)).toBe(location);
    expect((await tenant.scim("GET", `/Users/${id}`)).status).toBe(404);
    expect((await me("GET")).status).toBe(401);
  });

  it("says where the person is in refusals, too", async () => {
    const { id, location, me } = await aPerson(await server.tenant());
    for (const [status, answer] of [
      [400, await me("PATCH", "/Me", "{not json")],
      [400, await me("PUT", "/Me", { schemas: [USER], id, userName: 1 })],
      [415, await me("PUT", "/Me", "x", { "Content-Type": "text/plain" })],
      [413, await me("PUT", "/Me", aUser({ title: "x".repeat(1_100_000) }))],
      [400, await me("GET", "/Me?attributes=a&excludedAttributes=b")],
      [406, await me("GET", "/Me", undefined, { Accept: "text/html" })],
    ] as const) {
      expect(answer).toMatchObject({ status, body: { schemas: expect.arrayContaining([ERROR]) } });
      expect(locationOf(answer)).toBe(location);
    }
  });

  it("gives nobody more than they had: a person does not become Admin by way of it (GRD-1)", async () => {
    const tenant = await server.tenant();
    const { userName, me } = await aPerson(tenant);
    for (const answer of [
      await me("PATCH", "/Me", patch("roles", [{ value: "admin" }])),
      await me("PATCH", "/Me", patch(`${USHER_USER}:role`, "admin")),
      await me("PUT", "/Me", { schemas: [USER], userName, roles: [{ value: "Admin", primary: true }] }),
    ]) {
      expect(answer).toMatchObject({ status: 403, body: { status: "403" } });
    }
    expect((await me("GET")).body[USHER_USER]).toMatchObject({ effectiveRole: "user" });
  });

  it("is gone with the person's activity, in the very next request", async () => {
    const tenant = await server.tenant();
    const { id, me } = await aPerson(tenant);
    expect((await me("GET")).status).toBe(200);
    await tenant.scim("PATCH", `/Users/${id}`, patch("active", false));
    expect((await me("GET")).status).toBe(401);
  });

  it("is each person's own: two tokens, two persons", async () => {
    const tenant = await server.tenant();
    const [ada, bob] = [await aPerson(tenant), await aPerson(tenant)];
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 ? ada : bob).me("GET")));
    answers.forEach((answer, i) => {
      const person = i % 2 ? ada : bob;
      expect(answer.body.id).toBe(person.id);
      expect(locationOf(answer)).toBe(person.location);
    });
  });

  it("takes no POST, and is a place without further places", async () => {
    const { me } = await aPerson(await server.tenant());
    const posted = await me("POST", "/Me", aUser());
    expect(posted.status).toBe(405);
    expect(posted.headers.get("allow")).toBe("GET, HEAD, PUT, PATCH, DELETE");
    for (const path of ["/Me/x", "/Me/.search", "/Me/Me"]) expect((await me("GET", path)).status).toBe(404);
  });

  it.each(["GET", "HEAD", "PUT", "PATCH", "DELETE"])(
    "answers 501 to %s of a token that acts for nobody",
    async (method) => {
      const tenant = await server.tenant();
      const answer: Told = await tenant.scim(
        method,
        "/Me",
        method === "GET" || method === "HEAD" ? undefined : "{broken",
      );
      expect(answer.status).toBe(501);
      expect(locationOf(answer)).toBeNull();
      if (method !== "HEAD") {
        expect(answer.body).toMatchObject({ schemas: expect.arrayContaining([ERROR]), status: "501" });
      }
    },
  );

  it("answers 501 to a token that a person issued for nobody: who issued it is not whom it acts for", async () => {
    const tenant = await server.tenant();
    const admin: Told = await tenant.scim("POST", "/Users", aUser());
    const own = await tenant.mint({ label: "own", scopes: ["api"], role: "admin", userId: admin.body.id });
    await tenant.api("PATCH", `/users/${admin.body.id}`, { role: "admin" });
    const issued: Told = await server.sender("/api/v1", own)("POST", "/tokens", { label: "issued", scopes: ["scim"] });
    expect(issued.status).toBe(201);
    expect((await server.sender("/scim/v2", issued.body.token)("GET", "/Me")).status).toBe(501);
  });
});
