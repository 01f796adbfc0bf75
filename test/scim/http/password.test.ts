/** RFC 7643 §4.1.1 `password` at the door: every way to set it, and no way to read it. */
import { expect, it } from "vitest";
import { PasswordHasher } from "../../../src/auth/password-hash.ts";
import { verifyPassword } from "../../../src/provisioning/passwords.ts";
import { describeOnBoth } from "../../helpers/database.ts";
import { aUser, type Client, openDoor, PATCH_OP, SEARCH_REQUEST } from "./door.ts";

const CORE = "urn:ietf:params:scim:schemas:core:2.0:User";
const secret = "s3cret-Wort\u00a0\u00df";

describeOnBoth("RFC 7643 §4.1.1 password", (getDb) => {
  const door = openDoor(getDb, { passwords: new PasswordHasher({ costLog2: 4, atOnce: 2, waitingMax: 100 }) });
  const is = (client: Client, id: string, text: string) => verifyPassword(door.deps, client.tenantId, id, text);
  const patch = (...Operations: object[]) => ({ schemas: [PATCH_OP], Operations });

  async function setUp(words: object = {}) {
    const client = await door.tenant();
    const { body } = await client.post("/Users", aUser({ password: "old", ...words }));
    return { client, id: body.id as string, user: body };
  }

  it("is kept on POST and in no answer, whatever is asked for", async () => {
    const client = await door.tenant();
    const user = aUser({ password: secret });
    const created = await client.post("/Users?attributes=password,userName", user);
    expect(created.status).toBe(201);
    const { id } = created.body;
    expect(await is(client, id, secret)).toBe(true);
    const answers = [
      created,
      await client.get(`/Users/${id}`),
      await client.get(`/Users/${id}?attributes=password`),
      await client.get(`/Users/${id}?attributes=${CORE}:password,${CORE}`),
      await client.get("/Users?attributes=PASSWORD"),
      await client.get("/Users?excludedAttributes=userName"),
      await client.post("/Users/.search", { schemas: [SEARCH_REQUEST], attributes: ["password"] }),
      await client.put(`/Users/${id}?attributes=password`, user),
      await client.patch(`/Users/${id}`, patch({ op: "replace", path: "password", value: secret })),
    ];
    for (const { status, text } of answers) {
      expect(status).toBeLessThan(300);
      expect(text.toLowerCase()).not.toMatch(/password|s3cret|scrypt/);
    }
  });

  it("cannot be found out by filters or an order", async () => {
    const { client } = await setUp();
    for (const filter of ['password eq "old"', "password pr", `${CORE}:password sw "o"`, 'password ne "x"']) {
      const { body } = await client.get(`/Users?filter=${encodeURIComponent(filter)}`);
      const { body: reversed } = await client.get(`/Users?filter=${encodeURIComponent(filter.replace("old", "new"))}`);
      expect(body.totalResults).toBe(reversed.totalResults);
    }
    expect((await client.get("/Users?sortBy=password")).status).toBe(400);
  });

  it.each([
    ["its name", { password: "new" }],
    ["another letter case", { PassWord: "new" }],
    ["its URN", { [`${CORE}:password`]: "new" }],
    ["its URN and a dot", { [`${CORE}.Password`]: "new" }],
    ["the schema as a container", { [CORE]: { password: "new" } }],
    ["a draft's URN", { "urn:scim:schemas:core:2.0:User:password": "new" }],
  ])("is set by PUT, and by PATCH without a path, under %s", async (_name, words) => {
    const { client, id } = await setUp();
    expect((await client.put(`/Users/${id}`, aUser(words))).status).toBe(200);
    expect(await is(client, id, "new")).toBe(true);
    const again = Object.fromEntries(
      Object.entries(words).map(([name, value]) => [name, typeof value === "string" ? "newer" : { password: "newer" }]),
    );
    expect((await client.patch(`/Users/${id}`, patch({ op: "replace", value: again }))).status).toBe(200);
    expect(await is(client, id, "newer")).toBe(true);
  });

  it.each([
    ["absent", {}],
    ["null, for nobody has read what they would take away", { password: null }],
  ])("stays on PUT where it is %s (RFC 7644 §3.5.1)", async (_name, words) => {
    const { client, id } = await setUp();
    expect((await client.put(`/Users/${id}`, aUser(words))).status).toBe(200);
    expect(await is(client, id, "old")).toBe(true);
  });

  it.each([
    ["add", { op: "add", path: "password", value: "new" }],
    ["replace", { op: "Replace", path: "PASSWORD", value: "new" }],
    ["replace by URN", { op: "replace", path: `${CORE}:password`, value: "new" }],
    ["replace by URN and dot", { op: "replace", path: `${CORE}.password`, value: "new" }],
    ["the schema's URN as the path", { op: "replace", path: CORE, value: { password: "new" } }],
    ["add without a path", { op: "add", value: { password: "new", title: "Lead" } }],
  ])("is set by PATCH: %s", async (_name, operation) => {
    const { client, id, user } = await setUp();
    const answer = await client.patch(`/Users/${id}`, patch(operation));
    expect(answer.status).toBe(200);
    expect(answer.body.meta.version).not.toBe(user.meta.version);
    expect(await is(client, id, "new")).toBe(true);
  });

  it.each([
    ["remove", { op: "remove", path: "password" }],
    ["remove that repeats what it removes", { op: "remove", path: "password", value: "old" }],
    ["replace by null", { op: "replace", path: "password", value: null }],
    ["null without a path", { op: "replace", value: { password: null } }],
  ])("is removed by PATCH: %s", async (_name, operation) => {
    const { client, id } = await setUp();
    expect((await client.patch(`/Users/${id}`, patch(operation))).status).toBe(200);
    expect(await is(client, id, "old")).toBe(false);
  });

  it("of several operations the last counts", async () => {
    const { client, id } = await setUp();
    const set = (value: string) => ({ op: "replace", path: "password", value });
    await client.patch(`/Users/${id}`, patch(set("one"), { op: "remove", path: "password" }, set("two")));
    expect(await is(client, id, "two")).toBe(true);
    await client.patch(`/Users/${id}`, patch(set("three"), { op: "remove", path: "password" }));
    expect(await is(client, id, "three")).toBe(false);
  });

  it("sent once more changes nothing, and the answer has the same version", async () => {
    const { client, id, user } = await setUp({ userName: "ada" });
    const words = aUser({ userName: "ada", password: "old" });
    expect((await client.put(`/Users/${id}`, words)).body.meta).toEqual(user.meta);
    const same = patch({ op: "replace", path: "password", value: "old" });
    expect((await client.patch(`/Users/${id}`, same)).body.meta).toEqual(user.meta);
  });

  it.each([
    ["empty", "", "must not be empty"],
    ["too long", "x".repeat(1025), "longer than 1024 characters"],
    ["too long for any text", "x".repeat(5000), "longer than"],
    ["a control character", "s3cret\u0007", "control character"],
    ["a number", 12345, "must be text"],
    ["an object", { value: "s3cret" }, "must be text"],
    ["a list", ["s3cret"], "must be text"],
    ["true", true, "must be text"],
  ])("is 400 invalidValue where it is %s, and nothing is changed", async (_name, password, detail) => {
    const { client, id, user } = await setUp();
    const answers = [
      await client.post("/Users", aUser({ password })),
      await client.put(`/Users/${id}`, aUser({ password })),
      await client.patch(`/Users/${id}`, patch({ op: "replace", path: "password", value: password })),
      await client.patch(`/Users/${id}`, patch({ op: "add", value: { password, title: "Lead" } })),
    ];
    for (const { status, body, text } of answers) {
      expect([status, body.scimType]).toEqual([400, "invalidValue"]);
      expect(body.detail).toContain(detail);
      expect(body.detail).toContain("password");
      expect(text).not.toContain("s3cret");
    }
    expect((await client.get(`/Users/${id}`)).body).toEqual(user);
  });

  it.each([["password.value"], ['password[type eq "x"]'], ["password[value eq"]])(
    "is 400 where a path goes beyond it: %s",
    async (path) => {
      const { client, id } = await setUp();
      const { status, body } = await client.patch(`/Users/${id}`, patch({ op: "replace", path, value: "s3cret" }));
      expect([status, body.scimType]).toEqual([400, "invalidPath"]);
      expect(await is(client, id, "old")).toBe(true);
    },
  );

  it("of nobody is 404, and of a stranger's tenant, too", async () => {
    const { id } = await setUp();
    const client = await door.tenant();
    const answer = await client.patch(`/Users/${id}`, patch({ op: "replace", path: "password", value: "new" }));
    expect(answer.status).toBe(404);
  });
});

describeOnBoth("RFC 7643 §4.1.1 password, where too many are computed already", (getDb) => {
  const door = openDoor(getDb, { passwords: new PasswordHasher({ costLog2: 4, atOnce: 0, waitingMax: 0 }) });

  it("is 503 with a time to come again, and what says nothing of passwords goes on", async () => {
    const client = await door.tenant();
    const refused = await client.post("/Users", aUser({ userName: "ada", password: "new" }));
    expect(refused.status).toBe(503);
    expect(refused.headers["retry-after"]).toMatch(/^\d+$/);
    expect(refused.body.detail).toMatch(/^Too many passwords are being set at once; try again\. Request \S+\.$/);
    expect((await client.post("/Users", aUser({ userName: "ada" }))).status).toBe(201);
  });
});
