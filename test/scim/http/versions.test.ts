/** RFC 7644 §3.14, RFC 9110 §13: versions, conditional requests, and two clients that write at once. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { matchesTag } from "../../../src/provisioning/preconditions.ts";
import { describeOnBoth, describeOnPostgres } from "../../helpers/database.ts";
import { startServer, type TestServer, type TestTenant } from "../../helpers/server.ts";
import { aGroup, aUser, type Client, ERROR, openDoor, PATCH_OP, type Told } from "./door.ts";

const JSON_TYPE = { "Content-Type": "application/scim+json" };
const NOBODY = "0198c0de-0000-7000-8000-000000000000";
const replace = (path: string, value: unknown) => ({
  schemas: [PATCH_OP],
  Operations: [{ op: "replace", path, value }],
});

/** Each kind of resource, and how a test changes it. */
const kinds = [
  { endpoint: "/Users", make: aUser, attribute: "displayName" },
  { endpoint: "/Groups", make: aGroup, attribute: "displayName" },
] as const;
type Kind = (typeof kinds)[number];

async function made(client: Client, { endpoint, make }: Kind) {
  const { body, headers } = await client.post(endpoint, make({ displayName: `First ${Math.random()}` }));
  return { path: `${endpoint}/${body.id}`, body, tag: headers.etag as string };
}

/** The writes that take If-Match, each on the resource as it was made. */
const writes = (kind: Kind, name: string) =>
  [
    ["PUT", kind.make({ displayName: name })],
    ["PATCH", replace(kind.attribute, name)],
    ["DELETE", undefined],
  ] as const;

const writeOf = (kind: Kind, method: string, name: string) => writes(kind, name).find(([one]) => one === method)?.[1];

describe("a list of entity tags", () => {
  it.each([
    ['W/"1"', 'W/"1"'],
    ['"1"', 'W/"1"'],
    ['W/"1"', '"1"'],
    ['W/"0", W/"1"', 'W/"1"'],
    ['"0","1","2"', 'W/"1"'],
    [' W/"0" ,, W/"1" ', 'W/"1"'],
    ["*", 'W/"1"'],
    [" * ", 'W/"1"'],
    ['"a,b"', '"a,b"'],
  ])("%s names %s, weak or strong", (list, version) => {
    expect(matchesTag(list, version)).toBe(true);
  });

  it.each([
    ['W/"11"', 'W/"1"'],
    ["1", 'W/"1"'],
    ['"1', 'W/"1"'],
    ["", 'W/"1"'],
    [",", 'W/"1"'],
    ['"*"', 'W/"1"'],
    ['"0, "1""', 'W/"x"'],
    ['"x,"1",y"', 'W/"y"'],
  ])("%s does not name %s", (list, version) => {
    expect(matchesTag(list, version)).toBe(false);
  });
});

describeOnBoth("RFC 7644 §3.14 versions", (getDb) => {
  const door = openDoor(getDb);

  it.each(kinds)("of $endpoint are in the header of every answer that shows or changes one", async (kind) => {
    const client = await door.tenant();
    const { path, body, tag } = await made(client, kind);
    expect(tag).toBe(body.meta.version);
    expect(tag).toMatch(/^W\/"[^"]+"$/);
    for (const method of ["GET", "HEAD"]) expect((await client.send(method, path)).headers.etag).toBe(tag);
    expect((await client.get(`${path}?attributes=id`)).headers.etag).toBe(tag);
    const patched = await client.patch(path, replace(kind.attribute, "Second"));
    expect(patched.headers.etag).not.toBe(tag);
    const read = await client.get(path);
    expect(read.headers.etag).toBe(patched.headers.etag);
    expect(read.body.meta.version).toBe(patched.headers.etag);
    const put = await client.put(path, kind.make({ displayName: "Third" }));
    expect(put.headers.etag).toBe(put.body.meta.version);
    expect(put.headers.etag).not.toBe(patched.headers.etag);
    const { Resources } = (await client.get(kind.endpoint)).body;
    expect(Resources[0].meta.version).toBe(put.headers.etag);
  });

  it.each(kinds)(
    "of $endpoint stay as they are when a write changes nothing, and when somebody reads",
    async (kind) => {
      const client = await door.tenant();
      const { path, body, tag } = await made(client, kind);
      await client.get(path);
      const { headers } = await client.put(path, body);
      expect(headers.etag).toBe(tag);
      expect((await client.patch(path, replace(kind.attribute, body.displayName))).headers.etag).toBe(tag);
    },
  );

  it.each(kinds)(
    "answer 304 at $endpoint to who has the version, however it is written, and 200 to others",
    async (kind) => {
      const client = await door.tenant();
      const { path, tag } = await made(client, kind);
      const strong = tag.replace(/^W\//, "");
      for (const method of ["GET", "HEAD"]) {
        for (const known of [tag, strong, "*", `"x", ${tag}`, `${strong},"y"`]) {
          const answer = await client.send(method, path, undefined, { "If-None-Match": known });
          expect(answer, known).toMatchObject({ status: 304, text: "" });
          expect(answer.headers.etag, known).toBe(tag);
        }
        for (const other of ['W/"x"', "x", strong.replaceAll('"', ""), '""', "", `${tag}x`]) {
          expect((await client.send(method, path, undefined, { "If-None-Match": other })).status, other).toBe(200);
        }
      }
      await client.patch(path, replace(kind.attribute, "Other"));
      expect((await client.get(path, { "If-None-Match": tag })).status).toBe(200);
      expect((await client.get(`${kind.endpoint}/${NOBODY}`, { "If-None-Match": "*" })).status).toBe(404);
    },
  );

  describe.each(kinds)("If-Match at $endpoint", (kind) => {
    it.each(["PUT", "PATCH", "DELETE"])(
      "lets a %s pass that names the version, weakly, strongly, in a list or by *",
      async (method) => {
        const client = await door.tenant();
        for (const spell of [
          (tag: string) => tag,
          (tag: string) => tag.replace(/^W\//, ""),
          (tag: string) => `"x", ${tag}`,
          () => "*",
        ]) {
          const { path, tag } = await made(client, kind);
          const body = writeOf(kind, method, `Changed ${Math.random()}`);
          const answer = await client.send(method, path, body, { ...JSON_TYPE, "If-Match": spell(tag) });
          expect([200, 204]).toContain(answer.status);
          if (method !== "DELETE") expect(answer.headers.etag).not.toBe(tag);
        }
      },
    );

    it.each(["PUT", "PATCH", "DELETE"])(
      "refuses a %s that names another version with 412, and nothing happens",
      async (method) => {
        const client = await door.tenant();
        const { path, tag } = await made(client, kind);
        const before = (await client.patch(path, replace(kind.attribute, "Moved on"))).headers.etag as string;
        const body = writeOf(kind, method, "Lost");
        for (const stale of [tag, 'W/"x"', `"a", ${tag}`, "x", before.replace(/^W\/|"/g, "")]) {
          const answer = await client.send(method, path, body, { ...JSON_TYPE, "If-Match": stale });
          expect(answer, stale).toMatchObject({
            status: 412,
            body: { schemas: expect.arrayContaining([ERROR]), status: "412", detail: expect.stringContaining(before) },
          });
        }
        const { body: now, headers } = await client.get(path);
        expect(now.displayName).toBe("Moved on");
        expect(headers.etag).toBe(before);
      },
    );

    it("says 404, not 412, of what does not exist", async () => {
      const client = await door.tenant();
      for (const [method, body] of writes(kind, "Nobody")) {
        const answer = await client.send(method, `${kind.endpoint}/${NOBODY}`, body, { ...JSON_TYPE, "If-Match": "*" });
        expect(answer.status).toBe(404);
      }
    });

    it("refuses with If-None-Match what it names (RFC 9110 §13.1.2)", async () => {
      const client = await door.tenant();
      const { path, tag } = await made(client, kind);
      for (const [method, body] of writes(kind, "Not this")) {
        for (const known of [tag, "*"]) {
          const answer = await client.send(method, path, body, { ...JSON_TYPE, "If-None-Match": known });
          expect(answer.status).toBe(412);
        }
      }
      const passed = await client.send("PATCH", path, replace(kind.attribute, "This"), {
        ...JSON_TYPE,
        "If-None-Match": 'W/"x"',
      });
      expect([200, 204]).toContain(passed.status);
    });

    it("is another tenant's version's business in no way", async () => {
      const [mine, other] = [await door.tenant(), await door.tenant()];
      const { path, tag } = await made(other, kind);
      for (const [method, body] of writes(kind, "Theirs")) {
        const answer = await mine.send(method, path, body, { ...JSON_TYPE, "If-Match": tag });
        expect(answer.status).toBe(404);
      }
      expect((await mine.get(path, { "If-None-Match": tag })).status).toBe(404);
    });
  });

  it("moves with what is decided of a user, and not with what belongs to others", async () => {
    const client = await door.tenant();
    const [user, other] = [await made(client, kinds[0]), await made(client, kinds[0])];
    await client.patch(other.path, replace("title", "x"));
    expect((await client.get(user.path)).headers.etag).toBe(user.tag);
    await client.patch(user.path, replace("urn:ietf:params:scim:schemas:extension:usher:2.0:User:role", "manager"));
    expect((await client.get(user.path)).headers.etag).not.toBe(user.tag);
  });

  it("moves with the members of a group", async () => {
    const client = await door.tenant();
    const user = await made(client, kinds[0]);
    const { path, tag } = await made(client, kinds[1]);
    const add = { schemas: [PATCH_OP], Operations: [{ op: "add", path: "members", value: [{ value: user.body.id }] }] };
    const added = await client.send("PATCH", path, add, { ...JSON_TYPE, "If-Match": tag });
    expect(added.status).toBe(204);
    expect(added.headers.etag).not.toBe(tag);
    expect((await client.send("PATCH", path, add, { ...JSON_TYPE, "If-Match": tag })).status).toBe(412);
    expect((await client.get(path, { "If-None-Match": added.headers.etag as string })).status).toBe(304);
  });
});

describeOnBoth("the setting requireIfMatch", (getDb) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(getDb());
  });
  afterAll(() => server?.close());

  const set = async (tenant: TestTenant, requireIfMatch: boolean) => {
    expect(await tenant.api("PATCH", "/settings", { requireIfMatch })).toMatchObject({
      status: 200,
      body: { requireIfMatch },
    });
  };

  it.each(kinds)(
    "asks for If-Match on every change of $endpoint with 428, from one request to the next",
    async (kind) => {
      const tenant = await server.tenant();
      const make = async () => {
        const { body, headers } = await tenant.scim("POST", kind.endpoint, kind.make());
        return { path: `${kind.endpoint}/${body.id}`, tag: headers.get("etag") as string };
      };
      const { path, tag } = await make();
      await set(tenant, true);
      for (const [method, body] of writes(kind, "Unseen")) {
        for (const headers of [{}, { "If-None-Match": '"x"' }] as Record<string, string>[]) {
          expect(await tenant.scim(method, path, body, headers), method).toMatchObject({
            status: 428,
            body: { status: "428", detail: expect.stringContaining("If-Match") },
          });
        }
        expect((await tenant.scim(method, path, body, { "If-Match": 'W/"x"' })).status, method).toBe(412);
      }
      expect((await tenant.scim("GET", path)).headers.get("etag")).toBe(tag);
      const patched = await tenant.scim("PATCH", path, replace(kind.attribute, "Seen"), { "If-Match": tag });
      expect([200, 204]).toContain(patched.status);
      const tagNow = patched.headers.get("etag") as string;
      expect((await tenant.scim("PUT", path, kind.make(), { "If-Match": tagNow })).status).toBe(200);
      expect((await tenant.scim("DELETE", path, undefined, { "If-Match": "*" })).status).toBe(204);
      // What does not exist yet has no version to be named.
      const further = await make();
      await set(tenant, false);
      expect((await tenant.scim("DELETE", further.path)).status).toBe(204);
    },
  );

  it("asks for it also where one member is added or removed in one statement", async () => {
    const tenant = await server.tenant();
    const user = (await tenant.scim("POST", "/Users", aUser())).body.id;
    const group = (await tenant.scim("POST", "/Groups", aGroup())).body.id;
    const member = (op: string) => ({
      schemas: [PATCH_OP],
      Operations: [{ op, path: "members", value: [{ value: user }] }],
    });
    expect((await tenant.scim("PATCH", `/Groups/${group}`, member("add"))).status).toBe(204);
    await set(tenant, true);
    expect((await tenant.scim("PATCH", `/Groups/${group}`, member("remove"))).status).toBe(428);
    const again = await tenant.scim("PATCH", `/Groups/${group}`, member("remove"), { "If-Match": "*" });
    expect(again.status).toBe(204);
  });

  it("binds provisioning clients alone, and one tenant alone", async () => {
    const [strict, other] = [await server.tenant(), await server.tenant()];
    await set(strict, true);
    const user = (await strict.scim("POST", "/Users", aUser())).body.id;
    expect((await strict.api("PATCH", `/users/${user}`, { suspended: true })).status).not.toBe(428);
    const theirs = (await other.scim("POST", "/Users", aUser())).body.id;
    expect((await other.scim("DELETE", `/Users/${theirs}`)).status).toBe(204);
  });
});

describeOnPostgres("two writers at once", (getDb) => {
  const door = openDoor(getDb);
  const rounds = 50;

  const statuses = (answers: readonly Told[]) => answers.map(({ status }) => status).sort();

  it.each(kinds)("with the same If-Match: exactly one PUT of $endpoint wins, in each of 50 rounds", async (kind) => {
    const client = await door.tenant();
    const { path, tag } = await made(client, kind);
    let current = tag;
    const { userName } = (await client.get(path)).body;
    for (let round = 0; round < rounds; round += 1) {
      const names = [`One ${round}`, `Other ${round}`];
      const answers = await Promise.all(
        names.map((displayName) => {
          const body = kind.make({ displayName, ...(userName ? { userName } : {}) });
          return client.send("PUT", path, body, { ...JSON_TYPE, "If-Match": current });
        }),
      );
      expect(statuses(answers), `round ${round}`).toEqual([200, 412]);
      const winner = answers.findIndex(({ status }) => status === 200);
      const read = await client.get(path);
      expect(read.body.displayName).toBe(names[winner]);
      current = read.headers.etag as string;
      expect(current).toBe(answers[winner]?.headers.etag);
    }
  });

  it.each(kinds)(
    "of different kinds at $endpoint: PUT, PATCH and DELETE with one If-Match, and one of them wins",
    async (kind) => {
      const client = await door.tenant();
      for (let round = 0; round < 10; round += 1) {
        const { path, tag } = await made(client, kind);
        const answers = await Promise.all(
          writes(kind, `Round ${round}`).map(([method, body]) =>
            client.send(method, path, body, { ...JSON_TYPE, "If-Match": tag }),
          ),
        );
        const won = answers.filter(({ status }) => status === 200 || status === 204);
        expect(won, JSON.stringify(statuses(answers))).toHaveLength(1);
        // Whoever comes behind a deletion finds nothing.
        for (const { status } of answers) expect([200, 204, 404, 412]).toContain(status);
      }
    },
  );

  it("without If-Match: neither of two PATCHes undoes the other", async () => {
    const client = await door.tenant();
    const { path } = await made(client, kinds[0]);
    for (let round = 0; round < 20; round += 1) {
      const answers = await Promise.all([
        client.patch(path, replace("title", `title ${round}`)),
        client.patch(path, replace("nickName", `nick ${round}`)),
      ]);
      expect(statuses(answers)).toEqual([200, 200]);
      expect((await client.get(path)).body).toMatchObject({ title: `title ${round}`, nickName: `nick ${round}` });
    }
  });
});
