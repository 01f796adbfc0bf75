/** HTTP around the protocol (RFC 7644 §3.1, §3.2, §3.8; RFC 9110): methods, media types, headers, spellings of a path. */
import { request } from "node:http";
import { describe, expect, it } from "vitest";
import { requireAcceptable } from "../../../src/scim/accept.ts";
import { describeOn, describeOnBoth } from "../../helpers/database.ts";
import { aGroup, aUser, type Client, ERROR, openDoor, PATCH_OP, SEARCH_REQUEST, type Told } from "./door.ts";

const ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const NOBODY = "0198c0de-0000-7000-8000-000000000000";
const JSON_TYPE = { "Content-Type": "application/scim+json" };

/** Everything that GET serves, and some of what it refuses. */
async function readable(client: Client): Promise<readonly string[]> {
  const user = (await client.post("/Users", aUser({ displayName: "Zoë" }))).body.id;
  const group = (await client.post("/Groups", aGroup({ members: [{ value: user }] }))).body.id;
  return [
    "/Users",
    "/Users?count=1&attributes=userName",
    '/Users?filter=displayName+eq+"zo%C3%AB"',
    `/Users/${user}`,
    `/Users/${user}?attributes=displayName`,
    "/Groups",
    `/Groups/${group}`,
    `/Groups/${group}?excludedAttributes=members`,
    "/",
    "/Roles",
    "/Roles/manager",
    "/Entitlements",
    "/Entitlements/pro",
    "/OktaRoles",
    "/OktaEntitlements/pro",
    "/Schemas",
    `/Schemas/${ENTERPRISE}`,
    "/ResourceTypes",
    "/ResourceTypes/User",
    "/ServiceProviderConfig",
    `/Users/${NOBODY}`,
    "/Roles/nobody",
    "/nothing",
    "/Users?filter=(",
    "/Users/.search",
    "/Me",
  ];
}

/** Headers without those that differ from one request to the next. */
function lasting({ headers }: Told): object {
  const { date: _date, "x-request-id": _id, ...rest } = headers;
  return rest;
}

describeOnBoth("HEAD", (getDb) => {
  const door = openDoor(getDb);

  it("is answered with the status and the headers of GET, and with no body (RFC 9110 §9.3.2)", async () => {
    const client = await door.tenant();
    for (const path of await readable(client)) {
      // A refusal repeats the request's id, which is then to be the same for both.
      const same = { "X-Request-Id": "the-same" };
      const got = await client.get(path, same);
      const asked = await client.send("HEAD", path, undefined, same);
      expect(asked.text, path).toBe("");
      expect(asked.status, path).toBe(got.status);
      expect(lasting(asked), path).toEqual(lasting(got));
      expect(Number(asked.headers["content-length"]), path).toBe(Buffer.byteLength(got.text));
    }
  });

  it("is 304 where GET is, and 401 where GET is", async () => {
    const client = await door.tenant();
    const { id, meta } = (await client.post("/Users", aUser())).body;
    for (const method of ["GET", "HEAD"]) {
      const known = await client.send(method, `/Users/${id}`, undefined, { "If-None-Match": meta.version });
      expect(known).toMatchObject({ status: 304, text: "" });
      expect(known.headers).toMatchObject({ etag: meta.version });
      expect(known.headers).not.toHaveProperty("content-type");
      const stranger = await client.send(method, `/Users/${id}`, undefined, { Authorization: null });
      expect(stranger.status).toBe(401);
      expect(stranger.headers["www-authenticate"]).toBe('Bearer realm="usher"');
    }
  });
});

describeOn("pglite", "methods", (getDb) => {
  const door = openDoor(getDb);

  it.each([
    ["/Users", "GET, HEAD, POST"],
    ["/Groups", "GET, HEAD, POST"],
    [`/Users/${NOBODY}`, "GET, HEAD, PUT, PATCH, DELETE"],
    ["/Groups/no-id", "GET, HEAD, PUT, PATCH, DELETE"],
    ["/Me", "GET, HEAD, PUT, PATCH, DELETE"],
    ["/Roles", "GET, HEAD"],
    ["/Roles/manager", "GET, HEAD"],
    ["/Entitlements", "GET, HEAD"],
    ["/Entitlements/pro", "GET, HEAD"],
    ["/Schemas", "GET, HEAD"],
    [`/Schemas/${ENTERPRISE}`, "GET, HEAD"],
    ["/ResourceTypes", "GET, HEAD"],
    ["/ResourceTypes/User", "GET, HEAD"],
    ["/ServiceProviderConfig", "GET, HEAD"],
    ["/Bulk", "POST"],
    ["/.search", "POST"],
    ["/Users/.search", "POST"],
    ["/Groups/.search", "POST"],
    ["/Roles/.search", "POST"],
    ["/", "GET, HEAD"],
  ])("%s takes %s; any other is 405 with Allow, and OPTIONS tells them", async (path, allow) => {
    const client = await door.tenant();
    const taken = allow.split(", ");
    for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "TRACE", "QUERY"]) {
      if (taken.includes(method)) continue;
      const answer = await client.send(method, path);
      expect(answer.status, method).toBe(405);
      expect(answer.headers.allow, method).toBe(allow);
      if (method !== "HEAD") expect(answer.body).toMatchObject({ schemas: expect.arrayContaining([ERROR]) });
    }
    const options = await client.send("OPTIONS", path);
    expect(options).toMatchObject({ status: 204, text: "" });
    expect(options.headers.allow).toBe(allow);
  });

  it("OPTIONS is for those who may ask, and for what exists", async () => {
    const client = await door.tenant();
    expect((await client.send("OPTIONS", "/nothing")).status).toBe(404);
    expect((await client.send("OPTIONS", "/Users", undefined, { Authorization: null })).status).toBe(401);
  });
});

describe("Accept", () => {
  const passes = (accept: string | undefined): boolean => {
    try {
      requireAcceptable({ headers: accept === undefined ? {} : { accept } } as never);
      return true;
    } catch {
      return false;
    }
  };

  it.each([
    undefined,
    "",
    "*/*",
    "application/scim+json",
    "application/json",
    "APPLICATION/JSON",
    "application/*",
    "application/scim+json; charset=utf-8",
    "application/json;odata=verbose",
    "application/json, text/plain, */*",
    "text/html, application/xhtml+xml, */*;q=0.8",
    "text/html;q=0.9,application/json;q=0.1",
    "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
    "application/scim+json;q=0, application/json",
    "application/json;q=0, */*",
    "application/json;q=0, application/json;odata=verbose",
    "*/*;q=0.001",
    "*/*;q=0, application/scim+json",
    "text/json",
    "application/problem+json",
    "nonsense",
    ",,;;",
    "x".repeat(8_000),
  ])("%j is answered in JSON", (accept) => {
    expect(passes(accept)).toBe(true);
  });

  it.each([
    "text/html",
    "application/xml, text/xml;q=0.9",
    "image/*",
    "*/*;q=0",
    "application/*;q=0, */*",
    "application/scim+json;q=0, application/json;q=0.000",
    "text/html, application/json;q=0.0",
  ])("%j can read no JSON of any kind: 406", (accept) => {
    expect(passes(accept)).toBe(false);
  });
});

describeOn("pglite", "media types", (getDb) => {
  const door = openDoor(getDb);

  it("answers 406 in JSON before anything happens, and deletes whatever the client could read", async () => {
    const client = await door.tenant();
    const html = { ...JSON_TYPE, Accept: "text/html" };
    const body = aUser({ userName: "not-made" });
    expect(await client.send("POST", "/Users", body, html)).toMatchObject({
      status: 406,
      body: { schemas: expect.arrayContaining([ERROR]), status: "406", detail: expect.stringContaining("Accept") },
    });
    expect((await client.get('/Users?filter=userName+eq+"not-made"')).body.totalResults).toBe(0);
    const { id } = (await client.post("/Users", aUser())).body;
    expect((await client.send("DELETE", `/Users/${id}`, undefined, { Accept: "text/html" })).status).toBe(204);
  });

  it.each([
    "application/scim+json",
    "application/json",
    "application/json;charset=UTF-8",
    'application/scim+json; charset="utf-8"',
    "Application/SCIM+JSON ; Charset=Utf8",
    "application/json; charset=",
    "application/json;",
    "application/json; charset=us-ascii",
    null,
    "",
  ])("takes a body as %j, and answers application/scim+json in UTF-8", async (type) => {
    const client = await door.tenant();
    const answer = await client.send("POST", "/Users", aUser({ displayName: "Zoë" }), { "Content-Type": type });
    expect(answer.status).toBe(201);
    expect(answer.headers["content-type"]).toBe("application/scim+json; charset=utf-8");
    expect(answer.body.displayName).toBe("Zoë");
    expect(Number(answer.headers["content-length"])).toBe(Buffer.byteLength(answer.text));
  });

  it.each([
    "text/plain",
    "application/xml",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json; charset=utf-16",
    "application/json; charset=iso-8859-1",
    "application/scim",
    "json",
  ])("refuses a body as %j with 415, on every route that takes one", async (type) => {
    const client = await door.tenant();
    for (const [method, path] of [
      ["POST", "/Users"],
      ["PUT", `/Users/${NOBODY}`],
      ["PATCH", `/Users/${NOBODY}`],
      ["POST", "/Groups"],
      ["PATCH", `/Groups/${NOBODY}`],
      ["POST", "/Users/.search"],
      ["POST", "/.search"],
    ]) {
      const answer = await client.send(method as string, path as string, "{}", { "Content-Type": type });
      expect(answer, `${method} ${path}`).toMatchObject({ status: 415, body: { status: "415" } });
    }
  });

  it("refuses a compressed body with 415 and says what it takes", async () => {
    const client = await door.tenant();
    for (const encoding of ["gzip", "br", "deflate", "x-unknown"]) {
      const answer = await client.send("POST", "/Users", "x", { ...JSON_TYPE, "Content-Encoding": encoding });
      expect(answer.status).toBe(415);
      expect(answer.headers["accept-encoding"]).toBe("identity");
    }
    const identity = await client.send("POST", "/Users", aUser(), { ...JSON_TYPE, "Content-Encoding": "Identity" });
    expect(identity.status).toBe(201);
  });

  it("minds no media type on a request without a body: Okta sends one with every GET", async () => {
    const client = await door.tenant();
    for (const type of ["application/scim+json; charset=utf-8", "text/plain"]) {
      expect((await client.get("/Users", { "Content-Type": type })).status).toBe(200);
      expect((await client.send("DELETE", `/Users/${NOBODY}`, undefined, { "Content-Type": type })).status).toBe(404);
    }
  });
});

describeOn("pglite", "large bodies", (getDb) => {
  const door = openDoor(getDb);

  /** In chunks, so that no length is announced. */
  function chunked(client: Client, method: string, path: string, bytes: number): Promise<number> {
    const { hostname, port, pathname } = new URL(client.baseUrl);
    const headers = { Authorization: `Bearer ${client.token}`, "Transfer-Encoding": "chunked", ...JSON_TYPE };
    return new Promise((resolve, reject) => {
      const outgoing = request(
        { hostname, port, method, path: `${pathname}${path}`, headers, agent: false },
        (incoming) => {
          incoming.resume();
          incoming.on("end", () => resolve(incoming.statusCode ?? 0));
        },
      );
      // What is written after the answer may find the line closed.
      outgoing.on("error", (error) => (outgoing.destroyed ? undefined : reject(error)));
      for (let sent = 0; sent < bytes; sent += 0x8000) outgoing.write(" ".repeat(Math.min(0x8000, bytes - sent)));
      outgoing.end("{}");
    });
  }

  it.each([
    ["POST", "/Users", 1024 * 1024],
    ["PUT", `/Users/${NOBODY}`, 1024 * 1024],
    ["PATCH", `/Users/${NOBODY}`, 1024 * 1024],
    ["POST", "/Users/.search", 64 * 1024],
    ["POST", "/.search", 64 * 1024],
    ["GET", "/Users", 64 * 1024],
    ["DELETE", `/Users/${NOBODY}`, 64 * 1024],
  ])("%s %s with more than %d bytes is 413, announced or in chunks, and less is not", async (method, path, bound) => {
    const client = await door.tenant();
    const announced = await client.send(method, path, `{}${" ".repeat(bound)}`, JSON_TYPE);
    expect(announced).toMatchObject({ status: 413, body: { status: "413", schemas: expect.arrayContaining([ERROR]) } });
    expect(await chunked(client, method, path, bound)).toBe(413);
    expect(await chunked(client, method, path, bound - 2)).not.toBe(413);
    expect((await client.get("/Users?count=0")).status).toBe(200);
  });
});

describeOn("pglite", "spellings", (getDb) => {
  const door = openDoor(getDb);

  it("takes a trailing slash, a dangling ? and a dangling & on every route", async () => {
    const client = await door.tenant();
    for (const path of await readable(client)) {
      const plain = await client.get(path);
      const [way = "", query] = path.split("?");
      const tails =
        query === undefined
          ? ["/", "?", "?&", "/?", "/?&&"]
          : [`/?${query}`, `?${query}&`, `?&${query}`, `?${query}&&`];
      for (const tail of tails) {
        if (way === "/" && tail.startsWith("/")) continue;
        const answer = await client.get(way + tail);
        expect(answer.status, way + tail).toBe(plain.status);
        if (plain.status === 200) expect(answer.body, way + tail).toEqual(plain.body);
      }
    }
  });

  it("takes them on writes, too", async () => {
    const client = await door.tenant();
    const { status, body } = await client.post("/Users/?", aUser());
    expect(status).toBe(201);
    const title = { schemas: [PATCH_OP], Operations: [{ op: "replace", path: "title", value: "x" }] };
    expect((await client.patch(`/Users/${body.id}/`, title)).body.title).toBe("x");
    expect((await client.put(`/users/${body.id}/?&`, aUser())).status).toBe(200);
    expect((await client.post("/Users/.search/", { schemas: [SEARCH_REQUEST] })).body.totalResults).toBe(1);
    expect((await client.delete(`/USERS/${body.id}/?`)).status).toBe(204);
  });

  it("ignores query parameters that it does not know", async () => {
    const client = await door.tenant();
    for (const path of await readable(client)) {
      const plain = await client.get(path);
      const further = `${path}${path.includes("?") ? "&" : "?"}aadOptscim062020&x=1&x=2&__proto__=1&constructor&=&foo[bar]=1`;
      const answer = await client.get(further);
      expect(answer.status, further).toBe(plain.status);
      if (plain.status === 200) expect(answer.body, further).toEqual(plain.body);
    }
    const made = await client.post("/Users?x=1&filter2=(", aUser());
    expect(made.status).toBe(201);
  });
});

describeOnBoth("Location", (getDb) => {
  const door = openDoor(getDb);
  const published = openDoor(getDb, { publicUrl: "https://id.example.com/usher/" });

  it.each([
    ["/Users", aUser],
    ["/Groups", aGroup],
  ])("of a resource made at %s is where it is found, whatever of it is shown", async (endpoint, make) => {
    const client = await door.tenant();
    for (const query of ["", "?attributes=id", "?excludedAttributes=meta"]) {
      const made = await client.post(endpoint + query, make());
      expect(made.status).toBe(201);
      const { location } = made.headers as { location: string };
      expect(location).toBe(`${client.baseUrl}${endpoint}/${made.body.id}`);
      const found = await client.get(location.slice(client.baseUrl.length));
      expect(found.body.meta.location).toBe(location);
      if (query === "") expect(made.body).toEqual(found.body);
      expect(made.headers.etag).toBe(found.headers.etag);
    }
  });

  it("is in no other answer than that to a create", async () => {
    const client = await door.tenant();
    const { id } = (await client.post("/Users", aUser())).body;
    expect((await client.get(`/Users/${id}`)).headers).not.toHaveProperty("location");
    expect((await client.put(`/Users/${id}`, aUser())).headers).not.toHaveProperty("location");
    expect((await client.delete(`/Users/${id}`)).headers).not.toHaveProperty("location");
  });

  it("begins with USHER_PUBLIC_URL where that is set, whatever Host says, in everything that names an address", async () => {
    const client = await published.tenant();
    const base = "https://id.example.com/usher/scim/v2";
    const headers = { ...JSON_TYPE, Host: "evil.example.com" };
    const user = await client.send("POST", "/Users", aUser(), headers);
    expect(user.headers.location).toBe(`${base}/Users/${user.body.id}`);
    const group = await client.send("POST", "/Groups", aGroup({ members: [{ value: user.body.id }] }), headers);
    expect(group.headers.location).toBe(`${base}/Groups/${group.body.id}`);
    expect(group.body.members[0].$ref).toBe(user.headers.location);
    for (const path of await readable(client)) {
      const { text, status } = await client.get(path, {
        Host: "evil.example.com",
        "X-Forwarded-Host": "evil.example.com",
      });
      if (status !== 200) continue;
      expect(text, path).not.toContain("evil.example.com");
      expect(text.replaceAll(base, "").match(/https?:\/\/[^"]*\/(Users|Groups|Roles|Schemas)\//g), path).toBeNull();
    }
  });
});
