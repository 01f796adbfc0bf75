/** Okta over days: group pushes of many people, imports, refused assignments, and what its Tasks page is shown. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import { startServer, type TestServer } from "../../helpers/server.ts";
import { type Body, filtered, hire, oktaUser, patchOf, USHER_ERROR, USHER_USER } from "./habits.ts";

describeOnBoth("Okta", (getDb) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(getDb());
  });
  afterAll(() => server.close());

  it("O10: one stale id among 256 members costs the other 255 nothing", async () => {
    const { scim, api } = await server.tenant();
    const ids = await hire(scim, 255, "member");
    const { body: group } = await scim<Body>("POST", "/Groups", { displayName: "Everybody", members: [] });
    const stale = "00000000-0000-7000-8000-000000000000";
    const value = [...ids.slice(0, 100), stale, ...ids.slice(100)].map((id) => ({ value: id, display: id }));
    expect(value).toHaveLength(256);
    const pushed = await scim("PATCH", `/Groups/${group.id}`, patchOf({ op: "add", path: "members", value }));
    expect(pushed.status).toBe(204);
    const { body } = await scim<Body>("GET", `/Groups/${group.id}`);
    expect(body.members).toHaveLength(255);
    // The administrator finds who was left out where every exchange of the connection is kept.
    const skipped = async () => {
      const log = await api<Body>("GET", "/provisioning-log?limit=5");
      return JSON.stringify(log.body).includes(stale);
    };
    await expect.poll(skipped).toBe(true);
  });

  it("O12: an import reads every person once, although people are changed and added between its pages", async () => {
    const { scim } = await server.tenant();
    const ids = await hire(scim, 120, "import");
    const seen: string[] = [];
    for (let startIndex = 1; ; startIndex += 50) {
      const { body } = await scim<Body>("GET", `/Users?startIndex=${startIndex}&count=50`);
      expect(body.totalResults).toEqual(expect.any(Number));
      if (body.Resources.length === 0) break;
      for (const person of body.Resources) {
        expect(person).toMatchObject({ active: true, emails: [{ value: person.userName }], name: expect.any(Object) });
        seen.push(person.id);
      }
      await scim("PATCH", `/Users/${ids[0]}`, patchOf({ op: "replace", value: { displayName: `Page ${startIndex}` } }));
      await hire(scim, 1, `late-${startIndex}`);
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(ids.filter((id) => !seen.includes(id))).toEqual([]);
  });

  it("O13: discovery and a filter that misses are answered well within 400 ms", async () => {
    const { scim } = await server.tenant();
    for (const path of [
      "/ServiceProviderConfig",
      "/Schemas",
      "/ResourceTypes",
      filtered("/Users", 'userName eq "x"'),
    ]) {
      const times: number[] = [];
      for (let round = 0; round < 5; round += 1) {
        const begun = performance.now();
        expect((await scim("GET", path)).status).toBe(200);
        times.push(performance.now() - begun);
      }
      expect(Math.min(...times), path).toBeLessThan(400);
    }
  });

  describe("O16: the Tasks page shows the detail of whatever went wrong", () => {
    it.each([
      ["no token", "GET", "/Users", undefined, { Authorization: "" }, 401],
      ["an unknown id", "GET", "/Users/00u1", undefined, {}, 404],
      ["an unknown endpoint", "GET", "/Nothing", undefined, {}, 404],
      ["a method that is not there", "DELETE", "/Users", undefined, {}, 405],
      ["a body that is no JSON", "POST", "/Users", "{oops", {}, 400],
      ["a body of another type", "POST", "/Users", "<user/>", { "Content-Type": "application/xml" }, 415],
      ["a user without userName", "POST", "/Users", { active: true }, {}, 400],
      ["a group of nobody", "POST", "/Groups", { displayName: "G", members: [{ value: "x" }] }, {}, 400],
    ] as const)("%s", async (_name, method, path, body, headers, status) => {
      const { scim } = await server.tenant();
      const answer = await scim<Body>(method, path, body, headers);
      expect(answer.status).toBe(status);
      expect(answer.headers.get("content-type")).toMatch(/^application\/scim\+json/);
      expect(answer.body).toMatchObject({ status: String(status), detail: expect.stringMatching(/.{15,}/) });
    });
  });

  describe("O18: a refused create leaves nothing behind that Okta would not clean up", () => {
    it("LIC-3: no seat", async () => {
      const { scim, api } = await server.tenant({ seats: { standard: 1 } });
      await api("PATCH", "/pools/standard", { whenFull: "refuse" });
      const seated = (userName: string) => oktaUser(userName, { [USHER_USER]: { licenseTier: "standard" } });
      await scim("POST", "/Users", seated("first@example.com"));
      const refused = await scim<Body>("POST", "/Users", seated("second@example.com"));
      expect(refused.status).toBe(403);
      expect(refused.body[USHER_ERROR]).toMatchObject({ code: "LIC-3", pool: "standard", purchased: 1, used: 1 });
      await nothingIsLeft(scim, api, "second@example.com", { used: 1, waitlisted: 0 });

      // "Retry selected" on the Tasks page, once a seat was bought.
      await api("POST", "/pools/standard/purchase", { seats: 1 });
      const retried = await scim<Body>("POST", "/Users", seated("second@example.com"));
      expect(retried.status).toBe(201);
      expect(retried.body[USHER_USER].license).toMatchObject({ status: "assigned" });
      const left = await scim<Body>("PATCH", `/Users/${retried.body.id}`, {
        ...patchOf({ op: "replace", value: { active: false } }),
      });
      expect(left.body.active).toBe(false);
    });

    it.each([
      ["GRD-4", 403, { role: "admin" }],
      ["ROL-3", 400, { role: "nosuch" }],
      ["LIC-10", 400, { licenseTier: "nosuch" }],
    ])("%s", async (code, status, words) => {
      const { scim, api } = await server.tenant({ seats: { standard: 1 } });
      const refused = await scim<Body>("POST", "/Users", oktaUser("x@example.com", { [USHER_USER]: words }));
      expect({ status: refused.status, code: refused.body[USHER_ERROR].code }).toEqual({ status, code });
      await nothingIsLeft(scim, api, "x@example.com", { used: 0, waitlisted: 0 });
    });
  });

  it("LIC-3: a full pool that queues is a success whose body says waitlisted", async () => {
    const { scim } = await server.tenant({ seats: { standard: 1 } });
    const seated = (userName: string) => oktaUser(userName, { [USHER_USER]: { licenseTier: "standard" } });
    await scim("POST", "/Users", seated("first@example.com"));
    const queued = await scim<Body>("POST", "/Users", seated("second@example.com"));
    expect(queued.status).toBe(201);
    expect(queued.body[USHER_USER].license).toMatchObject({ status: "waitlisted", wanted: "standard", position: 1 });
  });

  it("O4: the GET body comes back in a PUT, decisions and all, and nothing changes", async () => {
    const { scim } = await server.tenant({ seats: { standard: 1 } });
    const made = await scim<Body>(
      "POST",
      "/Users",
      oktaUser("echo@example.com", { [USHER_USER]: { licenseTier: "standard" } }),
    );
    const read = await scim<Body>("GET", `/Users/${made.body.id}`);
    const put = await scim<Body>("PUT", `/Users/${made.body.id}`, read.body);
    expect(put.status).toBe(200);
    expect(put.body).toEqual(read.body);
  });

  it("O8: what a push repeats on every change of a group is answered alike, and each member is there once", async () => {
    const { scim } = await server.tenant();
    const [first, second] = (await hire(scim, 2, "push")) as [string, string];
    const { body: group } = await scim<Body>("POST", "/Groups", { displayName: "Pushed", members: [] });
    for (const id of [first, second, first]) {
      const rename = await scim(
        "PATCH",
        `/Groups/${group.id}`,
        patchOf({ op: "replace", value: { id: group.id, displayName: "Pushed" } }),
      );
      const add = await scim(
        "PATCH",
        `/Groups/${group.id}`,
        patchOf(
          { op: "remove", path: `members[value eq "${id}"]` },
          { op: "add", path: "members", value: [{ value: id, display: "somebody" }] },
        ),
      );
      expect([rename.status, add.status]).toEqual([204, 204]);
    }
    const { body } = await scim<Body>("GET", `/Groups/${group.id}`);
    expect(body.members.map(({ value }: Body) => value).toSorted()).toEqual([first, second].toSorted());
  });
});

async function nothingIsLeft(
  scim: TestServer["operator"],
  api: TestServer["operator"],
  userName: string,
  pool: object,
): Promise<void> {
  const found = await scim<Body>("GET", filtered("/Users", `userName eq "${userName}"`));
  expect(found.body.totalResults).toBe(0);
  const listed = await api<Body>("GET", `/users?q=${encodeURIComponent(userName)}`);
  expect(listed.body.users).toEqual([]);
  const { body } = await api<Body>("GET", "/pools");
  expect(body.pools.find(({ tier }: Body) => tier === "standard")).toMatchObject(pool);
}
