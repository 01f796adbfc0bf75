/**
 * What no honest client sends (PAR-1 to PAR-5 of the security cases). Every request gets a clear 4xx or finds nothing, soon;
 * and the next request of somebody else is served as if nothing had happened.
 */
import { afterEach, beforeAll, expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import { aGroup, aUser, type Client, ENTERPRISE_USER, openDoor, PATCH_OP, type Told, USHER_USER } from "./door.ts";

const machinery = [
  "__proto__",
  "constructor",
  "prototype",
  "constructor.prototype",
  "__proto__.polluted",
  "toString",
  "hasOwnProperty",
];
const patch = (...Operations: object[]) => ({ schemas: [PATCH_OP], Operations });

describeOnBoth("hostile input", (getDb) => {
  const door = openDoor(getDb);
  let client: Client;
  let bystander: Client;
  let userId: string;
  let groupId: string;
  const before = Object.getOwnPropertyNames(Object.prototype).sort();

  beforeAll(async () => {
    client = await door.tenant();
    bystander = await door.tenant();
    userId = (await client.post("/Users", aUser({ userName: "victim", title: "kept" }))).body.id;
    groupId = (await client.post("/Groups", aGroup({ members: [{ value: userId }] }))).body.id;
    await bystander.post("/Users", aUser({ userName: "bystander" }));
  });

  afterEach(async () => {
    expect(Object.getOwnPropertyNames(Object.prototype).sort()).toEqual(before);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    const list = await bystander.get("/Users");
    expect(list.body).toMatchObject({ totalResults: 1, Resources: [{ userName: "bystander" }] });
    expect((await client.get(`/Users/${userId}`)).body).toMatchObject({ userName: "victim", title: "kept" });
    expect((await client.get(`/Groups/${groupId}`)).body.members).toHaveLength(1);
  });

  /** Sends it and wants an answer below 500 within two seconds. */
  async function soon(request: Promise<Told>): Promise<Told> {
    const begun = performance.now();
    const answer = await request;
    expect(performance.now() - begun).toBeLessThan(2_000);
    expect(answer.status).toBeLessThan(500);
    return answer;
  }

  it.each(machinery)("PAR-1: %s as a filter, a list of attributes, an order, an id", async (name) => {
    const encoded = encodeURIComponent(name);
    for (const filter of [
      `${name} eq 1`,
      `${name}.assign eq "x"`,
      `emails[${name} eq 1]`,
      `${USHER_USER}:${name} pr`,
      `${name} pr`,
    ]) {
      const answer = await soon(client.get(`/Users?filter=${encodeURIComponent(filter)}`));
      if (answer.status === 200) expect(answer.body.totalResults).toBe(0);
      await soon(client.get(`/Groups?filter=${encodeURIComponent(filter)}`));
    }
    for (const parameter of ["attributes", "excludedAttributes", "sortBy"]) {
      await soon(client.get(`/Users?${parameter}=${encoded}`));
      await soon(client.get(`/Users/${userId}?${parameter}=${encoded}.x`));
      await soon(client.get(`/Schemas?${parameter}=${encoded}`));
    }
    for (const path of [
      `/Users/${encoded}`,
      `/Groups/${encoded}`,
      `/Schemas/${encoded}`,
      `/ResourceTypes/${encoded}`,
      `/${encoded}`,
    ]) {
      expect((await soon(client.get(path))).status).toBe(404);
    }
    expect((await soon(client.get(`/Schemas/${encodeURIComponent('x" or constructor.entries eq "1')}`))).status).toBe(
      404,
    );
    await soon(client.get(`/Users?${encoded}=1&${encoded}[polluted]=1`));
  });

  it.each(machinery)("PAR-1: %s as a member of a body, at every depth", async (name) => {
    const bodies = [
      `{"userName":"h1","${name}":{"polluted":1}}`,
      `{"userName":"h2","name":{"${name}":{"polluted":1}}}`,
      `{"userName":"h3","emails":[{"value":"a@b.c","${name}":{"polluted":1}}]}`,
      `{"userName":"h4","${ENTERPRISE_USER}:${name}":1}`,
      `{"userName":"h5","${ENTERPRISE_USER}":{"${name}":{"polluted":1}}}`,
      `{"userName":"h6","name.${name}":1}`,
      `{"userName":"h7","${name}.polluted":1}`,
    ];
    for (const body of bodies) {
      const answer = await soon(client.send("POST", "/Users", body, { "Content-Type": "application/json" }));
      if (answer.status === 201) {
        expect(answer.text).not.toContain("polluted");
        await client.delete(`/Users/${answer.body.id}`);
      }
    }
    await soon(client.send("POST", "/Groups", `{"${name}":1}`, { "Content-Type": "application/json" }));
  });

  it.each(machinery)("PAR-1: %s in a PATCH", async (name) => {
    const operations = [
      { op: "replace", path: name, value: "x" },
      { op: "add", path: `${name}.polluted`, value: "x" },
      { op: "replace", path: `emails[${name} eq 1].value`, value: "x" },
      { op: "replace", path: `emails[type eq "work"].${name}`, value: "x" },
      { op: "add", path: `${ENTERPRISE_USER}:${name}`, value: "x" },
      { op: "add", value: { [`name.${name}`]: "x" } },
      { op: name, path: "title", value: "x" },
    ];
    for (const operation of operations) {
      await soon(client.patch(`/Users/${userId}`, patch(operation)));
      await soon(client.patch(`/Groups/${groupId}`, patch(operation)));
    }
    await soon(
      client.patch(
        `/Groups/${groupId}`,
        patch({ op: "remove", path: "members", value: [{ "constructor.entries": 1 }] }),
      ),
    );
    await soon(
      client.send("PATCH", `/Users/${userId}`, `{"Operations":[{"op":"add","value":{"${name}":{"polluted":1}}}]}`, {
        "Content-Type": "application/json",
      }),
    );
  });

  it.each([
    ["a hundred thousand brackets", "(".repeat(7_000)],
    ["nots within nots", "not (".repeat(1_500)],
    ["balanced brackets", `${"(".repeat(3_000)}title pr${")".repeat(3_000)}`],
    ["a string that never ends", `a eq "${"\\\n".repeat(2_000)}`],
    [
      "alternatives of alternatives",
      Array.from({ length: 300 }, () => "(a pr or b pr)")
        .join(" and ")
        .slice(0, 7_000),
    ],
    ["a path of a thousand dots", `${"a.".repeat(3_000)}b eq 1`],
    ["brackets within brackets", "a[b[".repeat(1_500)],
    ["a long number", `title eq ${"9".repeat(7_000)}`],
  ])("PAR-2: %s as a filter is answered soon", async (_, filter) => {
    const answer = await soon(client.get(`/Users?filter=${encodeURIComponent(filter)}`));
    expect([200, 400]).toContain(answer.status);
  });

  it.each([
    ["a long path", `${"a.".repeat(30_000)}b`],
    ["brackets", "emails[".repeat(10_000)],
    ["nested value paths", `emails[${"(".repeat(20_000)}`],
    ["an open string", `emails[value eq "${"\\x".repeat(20_000)}`],
  ])("PAR-2: %s as the path of an operation is 400", async (_, path) => {
    expect((await soon(client.patch(`/Users/${userId}`, patch({ op: "replace", path, value: "x" })))).status).toBe(400);
    expect((await soon(client.patch(`/Groups/${groupId}`, patch({ op: "remove", path })))).status).toBe(400);
  });

  it("PAR-2: a body that nests deep, or that never closes, is 400", async () => {
    const deep = `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`;
    for (const body of [deep, deep.slice(0, 200_000), "[".repeat(900_000)]) {
      const answer = await soon(client.send("POST", "/Users", body, { "Content-Type": "application/json" }));
      expect(answer).toMatchObject({ status: 400, body: { scimType: "invalidSyntax" } });
    }
  });

  it("PAR-2: fifty thousand e-mails, operations and members are answered soon", async () => {
    const emails = Array.from({ length: 20_000 }, (_, i) => ({ value: `${i}@x.y` }));
    await soon(client.patch(`/Users/${userId}`, patch({ op: "add", path: "nosuch", value: emails })));
    const many = Array.from({ length: 5_000 }, () => ({ op: "replace", path: "displayName", value: "x" }));
    expect((await soon(client.patch(`/Users/${userId}`, patch(...many)))).status).toBe(400);
    const members = Array.from({ length: 20_000 }, (_, i) => ({
      value: `0198c0de-0000-7000-8000-${String(i).padStart(12, "0")}`,
    }));
    expect(
      (await soon(client.patch(`/Groups/${groupId}`, patch({ op: "add", path: "members", value: members })))).status,
    ).toBe(400);
  });

  it.each([
    "x' or '1'='1",
    "'; drop table users; --",
    "\\",
    "%",
    "_",
    "$1",
    '\\" or value pr or value eq \\"',
    "{{7*7}}",
    `$${"{7*7}"}`,
    "<script>",
  ])("PAR-3, PAR-5: %j is text and nothing else", async (text) => {
    const quoted = JSON.stringify(text);
    for (const attribute of [
      "userName",
      "title",
      "externalId",
      "emails.value",
      "displayName",
      "id",
      "meta.lastModified",
    ]) {
      for (const op of ["eq", "co", "sw", "ew", "gt"]) {
        const answer = await soon(client.get(`/Users?filter=${encodeURIComponent(`${attribute} ${op} ${quoted}`)}`));
        if (op === "eq" && answer.status === 200) expect(answer.body.totalResults).toBe(0);
      }
    }
    await soon(client.get(`/Users?sortBy=${encodeURIComponent(text)}`));
    await soon(
      client.patch(`/Groups/${groupId}`, patch({ op: "remove", path: "members", value: [{ value: `2${text}` }] })),
    );
    for (const path of ["/Schemas/", "/ResourceTypes/", "/Users/"]) {
      const answer = await soon(client.get(path + encodeURIComponent(text)));
      expect([200, 404]).toContain(answer.status);
      expect(answer.body.detail ?? "").not.toContain("49");
    }
  });

  it("PAR-4: errors are JSON that no browser takes for a page", async () => {
    const answer = await client.get(`/Users?filter=${encodeURIComponent('<img src=x> eq "1')}`);
    expect(answer.status).toBe(400);
    expect(answer.headers["content-type"]).toContain("application/scim+json");
    expect(answer.headers["x-content-type-options"]).toBe("nosniff");
  });

  it.each(["\\u0000", "\\ud800", "a\\u0000b"])(
    "text that no database holds (%s) is refused or finds nothing",
    async (escaped) => {
      const created = await soon(
        client.send("POST", "/Users", `{"userName":"${escaped}"}`, { "Content-Type": "application/json" }),
      );
      expect(created.status).toBe(400);
      for (const attribute of ["userName", "title", "emails.value", "externalId", "id"]) {
        const found = await soon(client.get(`/Users?filter=${encodeURIComponent(`${attribute} eq "${escaped}"`)}`));
        if (found.status === 200) expect(found.body.totalResults).toBe(0);
      }
    },
  );

  it("broken bodies of every kind leave the server unharmed", async () => {
    for (const body of [
      "{",
      '{"a"',
      "\u0000\u0001",
      "{}".repeat(1000),
      '{"userName":{"$gt":""}}',
      '{"userName":["a"]}',
      "1e999",
      '"',
    ]) {
      for (const [method, path] of [
        ["POST", "/Users"],
        ["PUT", `/Users/${userId}`],
        ["PATCH", `/Groups/${groupId}`],
        ["POST", "/Users/.search"],
      ] as const) {
        const answer = await soon(client.send(method, path, body, { "Content-Type": "application/scim+json" }));
        expect(answer.status).toBe(400);
      }
    }
  });
});
