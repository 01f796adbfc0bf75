/** RFC 7644 §3.7 over HTTP: the message, its operations, and their answers. */
import { request } from "node:http";
import { expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import { BULK_REQUEST, BULK_RESPONSE, bulk, idOf, post, sendBulk, statuses } from "./bulk.ts";
import { aGroup, aUser, type Client, ERROR, openDoor, PATCH_OP } from "./door.ts";

const USHER_ERROR = "urn:ietf:params:scim:schemas:extension:usher:2.0:Error";
const nobody = "0198c0de-0000-7000-8000-000000000000";

describeOnBoth("RFC 7644 §3.7 Bulk", (getDb) => {
  const door = openDoor(getDb);

  it("creates, replaces, patches and deletes in one request (§3.7.3)", async () => {
    const client = await door.tenant();
    const [replaced, patched, deleted] = await Promise.all([
      client.post("/Users", aUser({ userName: "bob" })),
      client.post("/Users", aUser({ userName: "dave" })),
      client.post("/Users", aUser({ userName: "jan" })),
    ]);
    const operations = [
      { method: "POST", path: "/Users", bulkId: "qwerty", data: aUser({ userName: "alice" }) },
      {
        method: "PUT",
        path: `/Users/${replaced.body.id}`,
        version: replaced.body.meta.version,
        data: aUser({ userName: "bob", title: "Guide" }),
      },
      {
        method: "PATCH",
        path: `/Users/${patched.body.id}`,
        version: patched.body.meta.version,
        data: { schemas: [PATCH_OP], Operations: [{ op: "add", path: "nickName", value: "Dave" }] },
      },
      { method: "DELETE", path: `/Users/${deleted.body.id}`, version: deleted.body.meta.version },
    ];
    const answer = await sendBulk(client, operations, { failOnErrors: 1 });
    expect(answer.status).toBe(200);
    expect(answer.headers["content-type"]).toContain("application/scim+json");
    expect(answer.headers).not.toHaveProperty("location");
    expect(answer.headers).not.toHaveProperty("etag");
    const location = expect.stringMatching(new RegExp(`^${client.baseUrl}/Users/[0-9a-f-]{36}$`));
    expect(answer.body).toEqual({
      schemas: [BULK_RESPONSE],
      Operations: [
        { method: "POST", bulkId: "qwerty", version: 'W/"1"', location, status: "201" },
        { method: "PUT", version: 'W/"2"', location: replaced.body.meta.location, status: "200" },
        { method: "PATCH", version: 'W/"2"', location: patched.body.meta.location, status: "200" },
        { method: "DELETE", location: deleted.body.meta.location, status: "204" },
      ],
    });
    const { Resources } = (await client.get("/Users?sortBy=userName")).body;
    expect(Resources.map((one: { userName: string }) => one.userName)).toEqual(["alice", "bob", "dave"]);
    expect(Resources[1]).toMatchObject({ title: "Guide" });
    expect(Resources[2]).toMatchObject({ nickName: "Dave" });
  });

  it("tells of each failure in the words of the single request, and goes on (§3.7.3)", async () => {
    const client = await door.tenant();
    await client.post("/Users", aUser({ userName: "taken" }));
    const failing = [
      ["POST", "/Users", aUser({ userName: "Taken" })],
      ["POST", "/Users", { schemas: [] }],
      ["PUT", `/Users/${nobody}`, aUser()],
      ["PATCH", `/Groups/${nobody}`, { schemas: [PATCH_OP], Operations: [] }],
      ["DELETE", `/Groups/${nobody}`, undefined],
      ["POST", "/Groups", { displayName: "G", members: [{ value: nobody }] }],
    ] as const;
    const operations = failing.map(([method, path, data], at) => ({ method, path, bulkId: `b${at}`, data }));
    const ended = await bulk(client, [...operations, post("/Users", "last", aUser())]);
    expect(ended.at(-1)).toMatchObject({ bulkId: "last", status: "201" });
    for (const [at, [method, path, data]] of failing.entries()) {
      const single = await client.send(method, path, data, { "Content-Type": "application/scim+json" });
      const { [USHER_ERROR]: extension, ...rest } = single.body;
      expect(ended[at], `${method} ${path}`).toEqual({
        method,
        bulkId: `b${at}`,
        ...(method === "POST" ? {} : { location: client.baseUrl + path }),
        status: String(single.status),
        response: extension ? { ...rest, [USHER_ERROR]: { ...extension, requestId: expect.any(String) } } : rest,
      });
    }
  });

  it("stops after failOnErrors errors and answers what was processed (§3.7.3)", async () => {
    const client = await door.tenant();
    const operations = [
      post("/Users", "a", aUser({ userName: "a" })),
      post("/Users", "b", { userName: "" }),
      post("/Users", "c", aUser({ userName: "c" })),
      post("/Groups", "d", {}),
      post("/Users", "e", aUser({ userName: "e" })),
    ];
    expect(statuses(await bulk(client, operations, { failOnErrors: 2 }))).toEqual(["201", "400", "201", "400"]);
    expect((await client.get("/Users")).body.totalResults).toBe(2);
    expect(statuses(await bulk(client, operations, { failOnErrors: 1 }))).toEqual(["409"]);
    expect(statuses(await bulk(client, operations, { failOnErrors: 5 }))).toEqual(["409", "400", "409", "400", "201"]);
    expect(statuses(await bulk(client, operations))).toEqual(["409", "400", "409", "400", "409"]);
  });

  it("takes members and methods in any letter case, and failOnErrors null", async () => {
    const client = await door.tenant();
    const answer = await client.post("/Bulk", {
      SCHEMAS: [BULK_REQUEST.toUpperCase()],
      failonerrors: null,
      operations: [
        { Method: "post", PATH: "/users/", BulkID: "x", Data: aUser({ userName: "x" }), version: null },
        { METHOD: "Patch", path: "users/bulkId:x", DATA: { Operations: [{ op: "add", path: "title", value: "T" }] } },
      ],
    });
    expect(answer).toMatchObject({ status: 200, body: { Operations: [{ status: "201" }, { status: "200" }] } });
    expect(answer.body.Operations[0]).toMatchObject({ method: "POST", bulkId: "x" });
    expect((await client.get("/Users")).body.Resources).toMatchObject([{ userName: "x", title: "T" }]);
  });

  it("takes a request of no operations, and one without schemas, as scripts write it", async () => {
    const client = await door.tenant();
    expect((await sendBulk(client, [])).body).toEqual({ schemas: [BULK_RESPONSE], Operations: [] });
    expect((await client.post("/Bulk", { Operations: [] })).status).toBe(200);
    expect((await client.post("/Bulk", { schemas: [], Operations: [] })).status).toBe(200);
  });

  it.each([
    ["a list", [], "invalidSyntax"],
    ["no operations", { schemas: [BULK_REQUEST] }, "invalidSyntax"],
    ["operations that are no list", { schemas: [BULK_REQUEST], Operations: {} }, "invalidSyntax"],
    ["operations twice", { Operations: [], operations: [] }, "invalidSyntax"],
    ["another message", { schemas: [PATCH_OP], Operations: [] }, "invalidSyntax"],
    ["schemas of another type", { schemas: [7], Operations: [] }, "invalidSyntax"],
    ["failOnErrors 0", { Operations: [], failOnErrors: 0 }, "invalidValue"],
    ["a negative failOnErrors", { Operations: [], failOnErrors: -1 }, "invalidValue"],
    ["half an error", { Operations: [], failOnErrors: 1.5 }, "invalidValue"],
    ["failOnErrors as text", { Operations: [], failOnErrors: "1" }, "invalidValue"],
  ])("answers 400 to an envelope of %s", async (_what, body, scimType) => {
    const client = await door.tenant();
    const answer = await client.post("/Bulk", body);
    expect(answer).toMatchObject({ status: 400, body: { schemas: [ERROR], status: "400", scimType } });
  });

  it("takes 1,000 operations, and answers 413 to one more (§3.7.4)", async () => {
    const client = await door.tenant();
    const operations = Array.from({ length: 1_001 }, (_, at) => ({ method: "DELETE", path: `/Users/nobody-${at}` }));
    expect(await bulk(client, operations.slice(1))).toHaveLength(1_000);
    const answer = await sendBulk(client, operations);
    expect(answer).toMatchObject({ status: 413, body: { schemas: [ERROR], status: "413" } });
    expect(answer.body.detail).toContain("1000");
  });

  it("answers 413 to more bytes than it takes, announced or in pieces (§3.7.4)", async () => {
    const client = await door.tenant();
    const limit = (await client.get("/ServiceProviderConfig")).body.bulk.maxPayloadSize;
    const body = JSON.stringify({ Operations: [], padding: "x".repeat(limit) });
    const announced = await client.send("POST", "/Bulk", body, { "Content-Type": "application/json" });
    expect(announced).toMatchObject({ status: 413, body: { status: "413" } });
    expect(announced.body.detail).toContain(String(limit));
    expect(await sendInPieces(client, body)).toBe(413);
    expect(await sendInPieces(client, JSON.stringify({ Operations: [] }))).toBe(200);
  });

  it.each([
    ["nothing", null, "400"],
    ["text", "POST /Users", "400"],
    ["a list", [], "400"],
    ["no method", { path: "/Users", bulkId: "b", data: {} }, "400"],
    ["GET", { method: "GET", path: "/Users", bulkId: "b" }, "400"],
    ["a method that is an object", { method: {}, path: "/Users", bulkId: "b", data: {} }, "400"],
    ["two methods", { method: "POST", METHOD: "DELETE", path: "/Users", bulkId: "b", data: {} }, "400"],
    ["no path", { method: "POST", bulkId: "b", data: {} }, "400"],
    ["a path that is a number", { method: "POST", path: 7, bulkId: "b", data: {} }, "400"],
    ["an empty path", { method: "POST", path: "", bulkId: "b", data: {} }, "400"],
    ["a query", { method: "POST", path: "/Users?attributes=id", bulkId: "b", data: aUser() }, "400"],
    ["a fragment", { method: "POST", path: "/Users#x", bulkId: "b", data: aUser() }, "400"],
    ["/Me", { method: "PATCH", path: "/Me", data: {} }, "400"],
    ["/Bulk", { method: "POST", path: "/Bulk", bulkId: "b", data: { Operations: [] } }, "400"],
    ["/.search", { method: "POST", path: "/.search", bulkId: "b", data: {} }, "400"],
    ["/Users/.search", { method: "POST", path: "/Users/.search", bulkId: "b", data: {} }, "400"],
    ["a discovery endpoint", { method: "DELETE", path: "/Schemas/x" }, "400"],
    ["a catalogue", { method: "DELETE", path: "/Roles/admin" }, "400"],
    [
      "another server",
      { method: "POST", path: "https://elsewhere.example/scim/v2/Users", bulkId: "b", data: {} },
      "400",
    ],
    ["no endpoint", { method: "POST", path: "/Persons", bulkId: "b", data: {} }, "404"],
    ["a longer path", { method: "DELETE", path: "/Users/x/y" }, "404"],
    ["a host in the path", { method: "DELETE", path: "//elsewhere.example/Users/x" }, "404"],
    ["broken percent-encoding", { method: "DELETE", path: "/Users/%zz" }, "404"],
    ["a step upwards", { method: "DELETE", path: "/Users/../Groups" }, "404"],
    ["POST to a resource", { method: "POST", path: `/Users/${nobody}`, bulkId: "b", data: aUser() }, "405"],
    ["DELETE of an endpoint", { method: "DELETE", path: "/Users" }, "405"],
    ["PUT to an endpoint", { method: "PUT", path: "/Groups", data: aGroup() }, "405"],
    ["POST without bulkId", { method: "POST", path: "/Users", data: aUser() }, "400"],
    ["an empty bulkId", { method: "POST", path: "/Users", bulkId: "", data: aUser() }, "400"],
    ["a bulkId that is a number", { method: "POST", path: "/Users", bulkId: 1, data: aUser() }, "400"],
    ["a bulkId without end", { method: "POST", path: "/Users", bulkId: "b".repeat(1_001), data: aUser() }, "400"],
    ["a version that is a number", { method: "DELETE", path: `/Users/${nobody}`, version: 1 }, "400"],
    ["no data", { method: "POST", path: "/Users", bulkId: "b" }, "400"],
    ["data that is text", { method: "PUT", path: `/Users/${nobody}`, data: "{}" }, "400"],
    ["data that is a list", { method: "PATCH", path: `/Users/${nobody}`, data: [] }, "400"],
    [
      "more data than a user has",
      { method: "POST", path: "/Users", bulkId: "b", data: aUser({ x: "x".repeat(1024 * 1024) }) },
      "413",
    ],
  ])("refuses an operation of %s and does the others", async (_what, operation, status) => {
    const client = await door.tenant();
    const [before, refused, after] = await bulk(client, [
      post("/Users", "before", aUser()),
      operation,
      post("/Users", "after", aUser()),
    ]);
    expect([before?.status, refused?.status, after?.status]).toEqual(["201", status, "201"]);
    expect(refused?.response).toMatchObject({ schemas: [ERROR], status, detail: expect.stringMatching(/./) });
    expect((await client.get("/Users")).body.totalResults).toBe(2);
  });

  it("takes a location that it gave for a path", async () => {
    const client = await door.tenant();
    const { location } = (await client.post("/Users", aUser())).body.meta;
    const [patched, created, deleted] = await bulk(client, [
      { method: "PATCH", path: location, data: { Operations: [{ op: "add", path: "title", value: "T" }] } },
      post(`${client.baseUrl.toUpperCase()}/users`, "b", aUser()),
      { method: "DELETE", path: location },
    ]);
    expect([patched, created, deleted]).toMatchObject([
      { status: "200", location },
      { status: "201" },
      { status: "204", location },
    ]);
  });

  it("decides an operation's version as If-Match (§3.14)", async () => {
    const client = await door.tenant();
    const user = (await client.post("/Users", aUser())).body;
    const group = (await client.post("/Groups", aGroup())).body;
    const rename = { Operations: [{ op: "replace", path: "displayName", value: "Renamed" }] };
    const [stale, fresh, star, gone, staleGroup, freshGroup] = await bulk(client, [
      { method: "PATCH", path: `/Users/${user.id}`, version: 'W/"7"', data: rename },
      { method: "PATCH", path: `/Users/${user.id}`, version: user.meta.version, data: rename },
      { method: "PUT", path: `/Users/${user.id}`, version: "*", data: aUser() },
      { method: "DELETE", path: `/Users/${user.id}`, version: user.meta.version },
      { method: "DELETE", path: `/Groups/${group.id}`, version: 'W/"7"' },
      { method: "PATCH", path: `/Groups/${group.id}`, version: group.meta.version, data: rename },
    ]);
    expect(stale).toMatchObject({ status: "412", location: user.meta.location, response: { status: "412" } });
    expect(fresh).toMatchObject({ status: "200", version: 'W/"2"' });
    expect(star).toMatchObject({ status: "200", version: 'W/"3"' });
    expect(gone).toMatchObject({ status: "412" });
    expect(staleGroup).toMatchObject({ status: "412" });
    expect(freshGroup).toMatchObject({ status: "204", version: 'W/"2"', location: group.meta.location });
  });

  it("asks for the version where the tenant asks for If-Match (428)", async () => {
    const client = await door.tenant({ settings: { requireIfMatch: true } });
    const user = (await client.post("/Users", aUser())).body;
    const group = (await client.post("/Groups", aGroup())).body;
    const ended = await bulk(client, [
      post("/Users", "b", aUser()),
      { method: "PUT", path: `/Users/${user.id}`, data: aUser() },
      { method: "DELETE", path: `/Groups/${group.id}` },
      { method: "DELETE", path: `/Groups/${group.id}`, version: group.meta.version },
    ]);
    expect(statuses(ended)).toEqual(["201", "428", "428", "204"]);
  });

  it("creates and changes groups, and answers with the version that a reader sees", async () => {
    const client = await door.tenant();
    const { id } = (await client.post("/Users", aUser())).body;
    const [created] = await bulk(client, [post("/Groups", "g", aGroup({ members: [{ value: id }] }))]);
    const read = (await client.get(`/Groups/${idOf(created)}`)).body;
    expect(created).toEqual({
      method: "POST",
      bulkId: "g",
      version: read.meta.version,
      location: read.meta.location,
      status: "201",
    });
    expect(read.members).toMatchObject([{ value: id }]);
  });

  it("asks for a credential before it reads anything", async () => {
    const client = await door.tenant();
    expect((await client.send("POST", "/Bulk", "{broken", { Authorization: null })).status).toBe(401);
    expect((await client.send("POST", "/Bulk", "{broken")).status).toBe(400);
    expect((await client.send("POST", "/Bulk", "{}", { "Content-Type": "text/plain" })).status).toBe(415);
  });
});

/** A body without an announced length. */
async function sendInPieces({ baseUrl, token }: Client, body: string): Promise<number | undefined> {
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/scim+json" };
  return await new Promise((resolve, reject) => {
    const sent = request(`${baseUrl}/Bulk`, { method: "POST", headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.on("error", reject);
    for (let at = 0; at < body.length; at += 1024 * 1024) sent.write(body.slice(at, at + 1024 * 1024));
    sent.end();
  });
}
