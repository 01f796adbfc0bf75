/** RFC 7644 §3.12: how refusals and failures look, and which request gets which status. */
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { unavailable } from "../../../src/db/constraints.ts";
import type { OpenDatabase } from "../../../src/db/transactions.ts";
import { describeOnBoth } from "../../helpers/database.ts";
import { aGroup, aUser, ERROR, openDoor, PATCH_OP } from "./door.ts";

describeOnBoth("RFC 7644 §3.12 errors", (getDb) => {
  const door = openDoor(getDb);

  it("are SCIM Errors with a string status and a sentence, and nothing that strict clients do not know", async () => {
    const client = await door.tenant();
    const answer = await client.get("/Users/nobody", { "X-Request-Id": "r-1" });
    expect(answer.headers).toMatchObject({ "content-type": "application/scim+json", "x-request-id": "r-1" });
    expect(answer.body).toEqual({ schemas: [ERROR], status: "404", detail: expect.stringMatching(/./) });
  });

  it("carry the rule that refused, its numbers and the request's id", async () => {
    const client = await door.tenant();
    const body = aUser({ "urn:ietf:params:scim:schemas:extension:usher:2.0:User": { role: "captain" } });
    const answer = await client.send("POST", "/Users", body, { "X-Request-Id": "r-2" });
    expect(answer.body).toMatchObject({
      schemas: [ERROR],
      status: "400",
      scimType: "invalidValue",
      "urn:ietf:params:scim:schemas:extension:usher:2.0:Error": { code: "ROL-3", requestId: "r-2" },
    });
  });

  it.each([
    ["PUT", "/Users", "GET, HEAD, POST"],
    ["DELETE", "/Groups", "GET, HEAD, POST"],
    ["POST", "/Users/0198c0de-0000-7000-8000-000000000000", "GET, HEAD, PUT, PATCH, DELETE"],
    ["GET", "/Users/.search", "POST"],
    ["GET", "/Bulk", "POST"],
    ["POST", "/Schemas", "GET, HEAD"],
  ])("%s %s is 405 with Allow", async (method, path, allow) => {
    const client = await door.tenant();
    const answer = await client.send(method, path, "{}", { "Content-Type": "application/scim+json" });
    expect(answer).toMatchObject({ status: 405, body: { status: "405" } });
    expect(answer.headers.allow).toBe(allow);
  });

  it("tells the methods on OPTIONS", async () => {
    const client = await door.tenant();
    const answer = await client.send("OPTIONS", "/Users");
    expect(answer.status).toBe(204);
    expect(answer.headers.allow).toBe("GET, HEAD, POST");
  });

  it.each(["/nothing", "/Users/a/b", "/Users//x", "/ServiceProviderConfig/x/y"])("GET %s is 404", async (path) => {
    const client = await door.tenant();
    expect(await client.get(path)).toMatchObject({ status: 404, body: { schemas: expect.arrayContaining([ERROR]) } });
  });

  it.each([
    ["text/plain", 415],
    ["application/xml", 415],
    ["application/x-www-form-urlencoded", 415],
    ["application/json", 201],
    ["application/scim+json;charset=utf-8", 201],
    [null, 201],
  ])("a body as %s is %d", async (type, status) => {
    const client = await door.tenant();
    expect((await client.send("POST", "/Users", aUser(), { "Content-Type": type })).status).toBe(status);
  });

  it.each(["", "{not json", "[]", "null", '"text"', "{}{}", '{"userName":"a"', "\u0000"])(
    "the body %j is 400 invalidSyntax",
    async (body) => {
      const client = await door.tenant();
      const answer = await client.send("POST", "/Users", body, { "Content-Type": "application/scim+json" });
      expect(answer).toMatchObject({ status: 400, body: { scimType: "invalidSyntax", status: "400" } });
    },
  );

  it("a body beyond its bound is 413, and the connection serves the next request", async () => {
    const client = await door.tenant();
    const answer = await client.post("/Users", aUser({ title: "x".repeat(1_100_000) }));
    expect(answer).toMatchObject({ status: 413, body: { status: "413" } });
    expect((await client.post("/Users", aUser())).status).toBe(201);
  });

  it("a body beyond its bound is 413 also when its length is not announced", async () => {
    const client = await door.tenant();
    const { hostname, port, pathname } = new URL(client.baseUrl);
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), hostname);
      let text = "";
      socket.on("data", (chunk) => {
        text += chunk.toString();
        if (text.includes("\r\n\r\n")) socket.end();
      });
      socket.on("close", () => resolve(text));
      socket.on("error", (error) => (text === "" ? reject(error) : resolve(text)));
      socket.write(
        `POST ${pathname}/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${client.token}\r\n` +
          "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
      );
      const chunk = "x".repeat(0x10000);
      for (let i = 0; i < 20; i += 1) socket.write(`10000\r\n${chunk}\r\n`);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  });

  it("one bad request does not cut the connection of the next", async () => {
    const client = await door.tenant();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 ? client.get("/Users?filter=(") : client.get("/Users?count=1"))),
    );
    expect(answers.map((answer) => answer.status)).toEqual(Array.from({ length: 20 }, (_, i) => (i % 2 ? 400 : 200)));
  });

  it("writes no password and no token into what it says", async () => {
    const client = await door.tenant();
    const answer = await client.post("/Users", { ...aUser({ userName: 1 }), password: "hunter2" });
    expect(answer.status).toBe(400);
    expect(answer.text).not.toContain("hunter2");
    expect(answer.text).not.toContain(client.token);
  });
});

describeOnBoth("a failing database", (getDb) => {
  let failing = false;
  const failingDb = new Proxy({} as OpenDatabase, {
    get(_, member: keyof OpenDatabase) {
      const refuses = failing && (member === "query" || member === "run" || member === "transaction");
      return refuses
        ? () => Promise.reject(unavailable("The database cannot answer right now; try again."))
        : getDb()[member];
    },
  });
  const door = openDoor(getDb, { db: failingDb });

  describe.each([
    ["GET", "/Users", undefined],
    ["GET", "/Users?filter=userName+eq+%22a%22", undefined],
    ["GET", "/Users/0198c0de-0000-7000-8000-000000000000", undefined],
    ["POST", "/Users", aUser()],
    ["PUT", "/Users/0198c0de-0000-7000-8000-000000000000", aUser()],
    [
      "PATCH",
      "/Users/0198c0de-0000-7000-8000-000000000000",
      { schemas: [PATCH_OP], Operations: [{ op: "replace", path: "title", value: "x" }] },
    ],
    ["DELETE", "/Users/0198c0de-0000-7000-8000-000000000000", undefined],
    ["GET", "/Groups", undefined],
    ["POST", "/Groups", aGroup()],
    ["GET", "/Schemas", undefined],
  ])("%s %s", (method, path, body) => {
    it("is 503 with Retry-After, never 404 and never 401", async () => {
      const client = await door.tenant();
      failing = true;
      const answer = await client.send(method, path, body, { "Content-Type": "application/scim+json" });
      failing = false;
      expect(answer).toMatchObject({ status: 503, body: { schemas: [ERROR], status: "503" } });
      expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
    });
  });
});
