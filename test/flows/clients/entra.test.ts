/** Entra ID over many cycles: what it must never be told, what its log screens show, and how its jobs stay out of quarantine. */
import { Writable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createLogger } from "../../../src/log.ts";
import { describeOnBoth } from "../../helpers/database.ts";
import { startServer, type TestServer } from "../../helpers/server.ts";
import { type Body, entraUser, filtered, patchOf, USHER_ERROR, USHER_USER } from "./habits.ts";

describeOnBoth("Entra ID", (getDb) => {
  const lines: string[] = [];
  const log = createLogger(
    "debug",
    new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk));
        done();
      },
    }),
  );
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(getDb(), { log });
  });
  afterAll(() => server.close());

  it("E3: the keep-alive of a job is no warning and no error in the server's log", async () => {
    const { scim } = await server.tenant();
    lines.length = 0;
    for (let cycle = 0; cycle < 5; cycle += 1) {
      const probes = [
        filtered("/Users", `userName eq "3f0c5b52-9e2d-4c77-8a53-00000000000${cycle}"`),
        filtered("/Groups", `displayName eq "TEST ${cycle}"`, "&excludedAttributes=members"),
      ];
      for (const probe of probes) {
        const { status, body } = await scim<Body>("GET", probe);
        expect({ status, totalResults: body.totalResults }).toEqual({ status: 200, totalResults: 0 });
      }
    }
    await expect.poll(() => lines.filter((line) => line.includes('"/scim/v2/')).length).toBe(10);
    expect(lines.filter((line) => JSON.parse(line).level > 30)).toEqual([]);
  });

  it("E3: a refusal is no error of the server either: it is in the provisioning log, for the tenant's administrator", async () => {
    const { scim, api } = await server.tenant();
    lines.length = 0;
    const refused = await scim<Body>("POST", "/Users", entraUser("x@example.com", { [USHER_USER]: { role: "admin" } }));
    expect(refused.status).toBe(403);
    const exchanges = async () => {
      const { body } = await api<Body>("GET", "/provisioning-log?status=4xx&subject=x@example.com");
      return body.entries.length;
    };
    await expect.poll(exchanges).toBe(1);
    expect(lines.filter((line) => JSON.parse(line).level >= 50)).toEqual([]);
  });

  it("§1.8: a probe is answered 200 whatever is the matter with the tenant, so that no job is quarantined", async () => {
    // A tenant that may not take a single user: no seat, refusing pools, no verified domain.
    const { scim, api } = await server.tenant({ preset: "white-label-cms" });
    const { body } = await api<Body>("GET", "/pools");
    for (const { tier } of body.pools) await api("PATCH", `/pools/${tier}`, { whenFull: "refuse" });
    const refused = await scim<Body>("POST", "/Users", entraUser("new@example.com"));
    expect({ status: refused.status, code: refused.body[USHER_ERROR].code }).toEqual({ status: 403, code: "USR-5" });
    for (const probe of [
      filtered("/Users", 'userName eq "nobody"'),
      filtered("/Users", 'externalId eq "nobody"'),
      filtered("/Users", 'emails[type eq "work"].value eq "nobody"'),
      filtered("/Groups", 'displayName eq "nobody"', "&excludedAttributes=members"),
      filtered("/Groups", 'externalId eq "nobody"', "&excludedAttributes=members"),
    ]) {
      const answer = await scim<Body>("GET", probe);
      expect({ probe, status: answer.status, found: answer.body.totalResults }).toEqual({
        probe,
        status: 200,
        found: 0,
      });
    }
  });

  describe("§1.8: the log screen shows the whole body", () => {
    it.each([
      ["403 GRD-4", "POST", "/Users", entraUser("a@example.com", { [USHER_USER]: { role: "admin" } }), 403],
      ["400 ROL-3", "POST", "/Users", entraUser("a@example.com", { [USHER_USER]: { role: "nosuch" } }), 400],
      ["400 LIC-10", "POST", "/Users", entraUser("a@example.com", { [USHER_USER]: { licenseTier: "nosuch" } }), 400],
      ["400 invalidValue", "POST", "/Users", entraUser("a@example.com", { active: "perhaps" }), 400],
      ["409 uniqueness", "POST", "/Users", entraUser("taken@example.com"), 409],
      ["404", "PATCH", "/Users/no-such", patchOf({ op: "Replace", path: "active", value: "True" }), 404],
      ["400 invalidFilter", "GET", filtered("/Users", "userName eq"), undefined, 400],
    ] as const)(
      "%s is short, JSON, without markup or stack, and says what to do",
      async (_name, method, path, body, status) => {
        const { scim } = await server.tenant();
        await scim("POST", "/Users", entraUser("taken@example.com"));
        const answer = await scim<Body>(method, path, body);
        expect(answer.status).toBe(status);
        expect(answer.headers.get("content-type")).toMatch(/^application\/scim\+json/);
        const text = JSON.stringify(answer.body);
        expect(text.length).toBeLessThan(700);
        expect(answer.body.detail.length).toBeGreaterThan(20);
        expect(text).not.toMatch(/<\w|\bat \w+ \(|\.ts:\d|select /);
      },
    );
  });

  it("§1.8: a refused object that is tried again for weeks is one promotion request, with a count", async () => {
    const { scim, api } = await server.tenant();
    for (let attempt = 0; attempt < 4; attempt += 1) {
      const { status } = await scim(
        "POST",
        "/Users",
        entraUser("ada@example.com", { [USHER_USER]: { role: "admin" } }),
      );
      expect(status).toBe(403);
    }
    const { body } = await api<Body>("GET", "/promotions");
    expect(body.promotions).toHaveLength(1);
    expect(body.promotions[0]).toMatchObject({ role: "admin", attempts: 4 });
  });

  it("E60: block sign-in, then the purge of the recycle bin; re-added before, the same person comes back", async () => {
    const { scim } = await server.tenant();
    const { body: made } = await scim<Body>("POST", "/Users", entraUser("lena@example.com"));
    const switchTo = (value: string) =>
      scim("PATCH", `/Users/${made.id}`, patchOf({ op: "Replace", path: "active", value }));
    await switchTo("False");
    await switchTo("True");
    const found = await scim<Body>("GET", filtered("/Users", 'userName eq "lena@example.com"'));
    expect(found.body.Resources).toMatchObject([{ id: made.id, active: true }]);
    await switchTo("False");
    expect((await scim("DELETE", `/Users/${made.id}`)).status).toBe(204);
    expect((await scim<Body>("GET", filtered("/Users", 'userName eq "lena@example.com"'))).body.totalResults).toBe(0);
  });

  it("E64: DELETE is never refused, not even of the last Admin", async () => {
    const { scim, api } = await server.tenant();
    const { body: made } = await scim<Body>("POST", "/Users", entraUser("root@example.com"));
    expect((await api("PATCH", `/users/${made.id}`, { role: "admin" })).status).toBe(200);
    expect((await scim("DELETE", `/Users/${made.id}`)).status).toBe(204);
  });

  it("E65: whoever was deleted by hand is 404 by id, and can be created anew after a restart of the job", async () => {
    const { scim, api } = await server.tenant();
    const { body: made } = await scim<Body>("POST", "/Users", entraUser("max@example.com"));
    expect((await api("DELETE", `/users/${made.id}`)).status).toBe(204);
    const gone = await scim<Body>("PATCH", `/Users/${made.id}`, patchOf({ op: "Replace", path: "title", value: "x" }));
    expect({ status: gone.status, body: gone.body.status }).toEqual({ status: 404, body: "404" });
    const again = await scim<Body>("POST", "/Users", entraUser("max@example.com"));
    expect(again.status).toBe(201);
    expect(again.body.id).not.toBe(made.id);
  });

  it("E77: sixteen changes of one group at the same time all take effect", async () => {
    const { scim } = await server.tenant();
    const ids: string[] = [];
    for (let at = 0; at < 16; at += 1) {
      ids.push((await scim<Body>("POST", "/Users", entraUser(`p${at}@example.com`))).body.id);
    }
    const { body: group } = await scim<Body>("POST", "/Groups", { displayName: "All", members: [] });
    const add = (id: string) =>
      scim("PATCH", `/Groups/${group.id}`, patchOf({ op: "Add", path: "members", value: [{ $ref: null, value: id }] }));
    const answers = await Promise.all(ids.map(add));
    expect(answers.map(({ status }) => status)).toEqual(ids.map(() => 204));
    const { body } = await scim<Body>("GET", `/Groups/${group.id}`);
    expect(body.members.map(({ value }: Body) => value).toSorted()).toEqual(ids.toSorted());
  });

  it("E80: groups in groups are not sent, and count where another client sends them", async () => {
    const { scim } = await server.tenant();
    const { body: person } = await scim<Body>("POST", "/Users", entraUser("nest@example.com"));
    const { body: inner } = await scim<Body>("POST", "/Groups", {
      displayName: "Inner",
      members: [{ value: person.id }],
    });
    const { body: outer } = await scim<Body>("POST", "/Groups", {
      displayName: "Outer",
      members: [{ value: inner.id }],
    });
    const { body } = await scim<Body>("GET", `/Users/${person.id}`);
    expect(body.groups).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ value: inner.id, type: "direct" }),
        expect.objectContaining({ value: outer.id, type: "indirect" }),
      ]),
    );
  });
});
