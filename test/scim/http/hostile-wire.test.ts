/**
 * Messages that are broken before they are SCIM: bodies cut short, too long, too slow, mislabelled or in no encoding;
 * requests that are no requests; several on one line. Each is refused in the words of the SCIM door, and neither the next
 * request of the line nor anybody else's is harmed.
 */
import { createHash } from "node:crypto";
import { deflateSync, gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import { laySiege, requireClear, SCIM_ERROR } from "../../helpers/siege.ts";
import { ask, exchange, type RequestParts, toBytes, type WireAnswer } from "../../helpers/wire.ts";

const users = "/scim/v2/Users";
const json = { "Content-Type": "application/scim+json" };
const megabyte = 1024 * 1024;

describeOnBoth("broken bodies", (getDb) => {
  const siege = laySiege(getDb);
  const { scim, send } = siege;
  const writes = () =>
    [
      ["POST", "/Users"],
      ["PUT", `/Users/${siege.victim.userId}`],
      ["PATCH", `/Users/${siege.victim.userId}`],
      ["POST", "/Groups"],
      ["PUT", `/Groups/${siege.victim.groupId}`],
      ["PATCH", `/Groups/${siege.victim.groupId}`],
      ["POST", "/Users/.search"],
      ["POST", "/Groups/.search"],
      ["POST", "/.search"],
      ["POST", "/Bulk"],
    ] as const;

  const broken: readonly (readonly [string, string | Buffer])[] = [
    ["nothing", ""],
    ["blanks", " \r\n\t "],
    ["an open object", "{"],
    ["half a name", '{"a"'],
    ["half a string", '{"userName":"ab'],
    ["half an escape", '{"userName":"\\u00'],
    ["half a number", '{"a":1e'],
    ["half a word", '{"a":tru'],
    ["two objects", '{"userName":"a"}{"userName":"b"}'],
    ["a thousand objects", "{}".repeat(1000)],
    ["a trailing comma", '{"userName":"a",}'],
    ["single quotes", "{'userName':'a'}"],
    ["a comment", '{"userName":"a"/*x*/}'],
    ["a name without quotes", '{userName:"a"}'],
    ["a byte order mark alone", Buffer.from([0xef, 0xbb, 0xbf])],
    ["a line break in a string", '{"userName":"a\nb"}'],
    ["raw NULs", "\u0000\u0001"],
    ["a raw NUL in a string", '{"userName":"a\u0000b"}'],
    ["a list", "[]"],
    ["a list of users", '[{"userName":"a"}]'],
    ["a text", '"userName"'],
    ["a quote", '"'],
    ["a number", "12"],
    ["too great a number", "1e999"],
    ["null", "null"],
    ["true", "true"],
    ["NaN", "NaN"],
    ["XML", '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'],
    ["a form", "userName=a&active=true"],
    ["latin-1", Buffer.from('{"userName":"é"}', "latin1")],
    ["UTF-16", Buffer.from('{"userName":"a"}', "utf16le")],
    ["UTF-8 cut in a character", Buffer.from('{"userName":"é').subarray(0, -1)],
    [
      "an overlong encoding",
      Buffer.concat([Buffer.from('{"userName":"'), Buffer.from([0xc0, 0x80]), Buffer.from('"}')]),
    ],
    [
      "a surrogate in UTF-8",
      Buffer.concat([Buffer.from('{"userName":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')]),
    ],
    ["gzip without saying so", gzipSync('{"userName":"a"}')],
    ["a kilobyte of chance", createHash("shake256", { outputLength: 1024 }).update("chance").digest()],
  ];

  it.each(broken)("%s is 400 invalidSyntax for every write", async (_, body) => {
    for (const [method, path] of writes()) {
      const answer = await send({ method, target: `/scim/v2${path}`, headers: json, body });
      expect([method, path, answer.status, answer.json.scimType]).toEqual([method, path, 400, "invalidSyntax"]);
      // The parser's own words would repeat parts of the body, which may hold a password.
      expect(answer.json.detail).not.toMatch(/userName|passwd|Unexpected token/);
    }
  });

  it("a body with a byte order mark is the body (RFC 8259 §8.1 lets a parser ignore it)", async () => {
    const { status, json: made } = await scim("POST", "/Users", '\ufeff{"userName":"marked"}');
    expect(status).toBe(201);
    await scim("DELETE", `/Users/${made.id}`);
  });

  it.each([
    "text/plain",
    "text/html",
    "application/xml",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "application/octet-stream",
    "application/json-patch+json",
    "application/scim",
    "application/jsonx",
    "application/json, text/plain",
    "application/scim+json; charset=utf-16",
    "application/json; charset=latin1",
    'application/json; charset="\'; drop table users"',
    "application/json; charset=utf-8; charset=utf-16",
    "*/*",
    "/",
    "json",
    "application/",
    "\u0001\u0002".replace(/./g, "x/\u00ff"),
    "x".repeat(8_000),
  ])("the Content-Type %j is 415 before the body is looked at", async (type) => {
    for (const [method, path] of writes()) {
      const headers = { "Content-Type": type };
      const { status } = await send({ method, target: `/scim/v2${path}`, headers, body: "{ no json" });
      expect([method, path, status]).toEqual([method, path, 415]);
    }
  });

  it.each([
    "application/scim+json",
    "APPLICATION/JSON",
    "application/json;charset=UTF-8",
    'application/scim+json; charset="utf-8"',
    "application/json ; charset=utf-8 ; profile=x",
    "application/json;",
    "application/json; charset",
    "",
  ])("the Content-Type %j is JSON", async (type) => {
    const headers = { "Content-Type": type };
    const { status, json: made } = await send({ method: "POST", target: users, headers, body: '{"userName":"typed"}' });
    expect(status).toBe(201);
    await scim("DELETE", `/Users/${made.id}`);
  });

  it.each([
    ["gzip", gzipSync('{"userName":"a"}')],
    ["deflate", deflateSync('{"userName":"a"}')],
    ["br", Buffer.from("x")],
    ["gzip, gzip", Buffer.from("x")],
    ["x-evil", Buffer.from("{}")],
    ["gzip", gzipSync(Buffer.alloc(50 * megabyte))],
  ])("a body that says it is compressed as %s is 415, without being unpacked", async (encoding, body) => {
    const headers = { ...json, "Content-Encoding": encoding };
    const { status } = await send({ method: "POST", target: users, headers, body });
    expect(status).toBe(415);
  });

  it.each([
    ["a megabyte for a user", "/Users", megabyte],
    ["eight megabytes for a group", "/Groups", 8 * megabyte],
    ["64 kilobytes for a search", "/Users/.search", 64 * 1024],
  ])("more than %s is 413, announced or in chunks that never say how much is to come", async (_, path, max) => {
    const head = `POST /scim/v2${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${siege.attacker.scimToken}\r\nContent-Type: application/json\r\n`;
    const announced = await exchange(siege.origin, `${head}Content-Length: ${max + 1}\r\n\r\n`);
    const claimed = await exchange(siege.origin, `${head}Content-Length: 999999999999\r\n\r\n{`);
    const chunk = `10000\r\n${"x".repeat(65_536)}\r\n`;
    const pieces = Array.from({ length: max / 65_536 + 4 }, () => chunk);
    const chunked = await exchange(siege.origin, [`${head}Transfer-Encoding: chunked\r\n\r\n`, ...pieces]);
    for (const { answers, elapsedMs } of [announced, claimed, chunked]) {
      expect(answers[0]).toMatchObject({ status: 413 });
      requireClear(users, answers[0] as WireAnswer, path);
      expect(elapsedMs).toBeLessThan(2_000);
    }
  });

  it("a list without end in a body without end is 413", async () => {
    const head = `POST ${users} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${siege.attacker.scimToken}\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const first = '{"userName":"a","emails":[';
    const element = '{"value":"a@b.c"},';
    const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
    const endless = Array.from({ length: 40 }, () => chunk(element.repeat(2_000)));
    const { answers } = await exchange(siege.origin, [head, chunk(first), ...endless]);
    expect(answers[0]).toMatchObject({ status: 413 });
  });

  it("a body of exactly the size is read", async () => {
    const filling = "x".repeat(megabyte - '{"userName":"full","nosuch":""}'.length);
    const { status, json: made } = await scim("POST", "/Users", `{"userName":"full","nosuch":"${filling}"}`);
    expect(status).toBe(201);
    await scim("DELETE", `/Users/${made.id}`);
  });

  it("a GET, HEAD or DELETE with a body is answered as without, and a huge one is 413", async () => {
    for (const method of ["GET", "HEAD"]) {
      expect((await send({ method, target: users, headers: json, body: "{ no json" })).status).toBe(200);
    }
    const absent = `${users}/0190a0b0-0000-7000-8000-0000000000ff`;
    expect((await send({ method: "DELETE", target: absent, headers: json, body: "\0\0" })).status).toBe(404);
    expect((await send({ method: "GET", target: users, headers: { "Content-Length": "9999999" } })).status).toBe(413);
  });
});

describeOnBoth("broken lines", (getDb) => {
  const siege = laySiege(getDb);
  const good = () => toBytes({ target: `${users}?count=1`, token: siege.attacker.scimToken });

  const noRequests: readonly (readonly [string, string])[] = [
    ["bytes of chance", "\0\x01\x02\xff\r\n\r\n"],
    ["an unknown protocol", `GET ${users} HTTP/9.9\r\nHost: x\r\n\r\n`],
    ["no protocol", `GET ${users}\r\n\r\n`],
    ["no host", `GET ${users} HTTP/1.1\r\n\r\n`],
    ["two hosts", `GET ${users} HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`],
    ["a method of nonsense", `G(T ${users} HTTP/1.1\r\nHost: x\r\n\r\n`],
    ["a lower-case method", `get ${users} HTTP/1.1\r\nHost: x\r\n\r\n`],
    ["a blank in the path", `GET /scim/v2/Us ers HTTP/1.1\r\nHost: x\r\n\r\n`],
    ["a header without a name", `GET ${users} HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n`],
    ["a header with a NUL", `GET ${users} HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n`],
    ["a header with a line break", `GET ${users} HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n`],
    ["a blank before the colon", `GET ${users} HTTP/1.1\r\nHost : x\r\n\r\n`],
    ["a length that is no number", `POST ${users} HTTP/1.1\r\nHost: x\r\nContent-Length: two\r\n\r\n{}`],
    ["a negative length", `POST ${users} HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}`],
    ["two lengths", `POST ${users} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 20\r\n\r\n{}`],
    ["a list of lengths", `POST ${users} HTTP/1.1\r\nHost: x\r\nContent-Length: 2, 2\r\n\r\n{}`],
    [
      "a length and chunks",
      `POST ${users} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ["chunks in disguise", `POST ${users} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
    [
      "chunks that are not last",
      `POST ${users} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
    ],
    ["a headers' block of 20 kilobytes", `GET ${users} HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(20_000)}\r\n\r\n`],
    ["a URL of 100 kilobytes", `GET ${users}?filter=${"(".repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ];

  it.each(noRequests)(
    "%s is refused, and the request behind it on the line is not mistaken for another",
    async (_, bytes) => {
      // A server that took the good request for part of the broken one would answer it with somebody else's credential.
      const { answers, elapsedMs } = await exchange(siege.origin, [bytes, good()], { answers: 2, timeoutMs: 1_500 });
      expect(elapsedMs).toBeLessThan(2_000);
      expect(answers.length).toBeGreaterThan(0);
      const [first, second] = answers;
      expect([400, 401, 405, 411, 413, 414, 431, 501, 505]).toContain(first?.status);
      expect(first?.text ?? "").not.toContain("victim");
      if (second !== undefined) expect([200, 400]).toContain(second.status);
      expect((await exchange(siege.origin, good())).answers[0]?.status).toBe(200);
    },
  );

  it("what cannot be read but was meant for SCIM is refused with SCIM's Error", async () => {
    const { answers } = await exchange(
      siege.origin,
      `GET ${users}?filter=${"x".repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    );
    expect(answers[0]).toMatchObject({ status: 431, headers: { "content-type": "application/scim+json" } });
    const body = JSON.parse(answers[0]?.text ?? "");
    expect(body).toMatchObject({ schemas: [SCIM_ERROR], status: "431", detail: expect.stringContaining(".search") });
  });

  it("a whole URL as the target of a request (RFC 9112 §3.2.2) is read as its path, and refused as SCIM refuses", async () => {
    const token = siege.attacker.scimToken;
    const target = (path: string) => `http://usher.example.com${path}`;
    const found = await ask(siege.origin, { target: target(`${users}?count=1`), token });
    expect([found.status, JSON.parse(found.text).itemsPerPage]).toEqual([200, 1]);
    const refused = await ask(siege.origin, { target: target(`${users}?filter=x`), token });
    expect(refused).toMatchObject({ status: 400, headers: { "content-type": "application/scim+json" } });
    expect((await ask(siege.origin, { target: target(users) })).status).toBe(401);
  });

  it.each(["*", "localhost:80", "/", "//", "?", "#", "/?", "http://", "http:///scim/v2/Users", "\\scim\\v2\\Users"])(
    "the request target %j is answered",
    async (target) => {
      for (const method of ["GET", "OPTIONS", "CONNECT"]) {
        const { answers, closed } = await exchange(
          siege.origin,
          toBytes({ method, target, token: siege.attacker.scimToken }),
          { timeoutMs: 1_500 },
        );
        // CONNECT asks for a tunnel, which Node cuts where nobody digs one.
        if (answers[0] === undefined) expect([method, closed]).toEqual(["CONNECT", true]);
        else expect(answers[0].status).toBeLessThan(500);
      }
    },
  );

  it("refused requests in front of good ones on one line: each gets its own answer, in order", async () => {
    const token = siege.attacker.scimToken;
    const refusals: [Buffer, number][] = [
      [toBytes({ method: "POST", target: users, token, headers: json, body: "{ no json" }), 400],
      [toBytes({ method: "POST", target: users, body: '{"userName":"no-credential"}' }), 401],
      [
        toBytes({ method: "POST", target: users, token, headers: { "Content-Type": "text/plain" }, body: "hello" }),
        415,
      ],
      [toBytes({ method: "PUT", target: users, token, headers: json, body: "{}" }), 405],
      [toBytes({ method: "GET", target: `${users}?filter=(`, token }), 400],
      [toBytes({ method: "GET", target: "/nothing", token, body: "x".repeat(1000) }), 404],
      [toBytes({ method: "POST", target: "/scim/v2/Schemas", token, headers: json, body: "[".repeat(500) }), 405],
      [toBytes({ method: "POST", target: "/api/v1/tokens", token, headers: json, body: "[]" }), 403],
    ];
    for (const [bytes, status] of refusals) {
      const { answers } = await exchange(siege.origin, Buffer.concat([bytes, good(), bytes, good()]), {
        answers: 4,
        timeoutMs: 2_000,
      });
      const statuses = answers.map((answer) => answer.status);
      // After a body that nobody read the server may close; it must not take the rest of that body for a request.
      expect(statuses).toEqual([status, 200, status, 200].slice(0, Math.max(1, statuses.length)));
      expect((await exchange(siege.origin, good())).answers[0]?.status).toBe(200);
    }
  });

  it("a body that holds a request is a body", async () => {
    const token = siege.attacker.scimToken;
    const hidden = toBytes({ method: "DELETE", target: `${users}/${siege.victim.userId}`, token });
    for (const status of [405, 401, 415]) {
      const parts = {
        405: { method: "PUT", target: users, token, headers: json },
        401: { method: "POST", target: users, headers: json },
        415: { method: "POST", target: users, token, headers: { "Content-Type": "text/plain" } },
      }[status] as RequestParts;
      const { answers } = await exchange(siege.origin, toBytes({ ...parts, body: hidden }), {
        answers: 2,
        timeoutMs: 500,
      });
      expect(answers.map((answer) => answer.status)).toEqual([status]);
    }
  });

  it("Expect: 100-continue is answered, and other expectations are refused", async () => {
    const token = siege.attacker.scimToken;
    const ask100 = {
      method: "POST",
      target: users,
      token,
      headers: { ...json, Expect: "100-continue" },
      body: '{"userName":"expected"}',
    };
    const { answers } = await exchange(siege.origin, toBytes(ask100));
    expect(answers[0]?.status).toBe(201);
    await siege.scim("DELETE", `/Users/${JSON.parse(answers[0]?.text ?? "").id}`);
    const other = toBytes({ ...ask100, headers: { ...json, Expect: "the-spanish-inquisition" } });
    expect((await exchange(siege.origin, other)).answers[0]?.status).toBe(417);
  });

  it("an Upgrade, a trailer and a hundred headers change nothing", async () => {
    const token = siege.attacker.scimToken;
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`X-Header-${i}`, String(i)]));
    for (const headers of [{ Upgrade: "h2c", Connection: "Upgrade, HTTP2-Settings" }, { TE: "trailers" }, many]) {
      expect((await ask(siege.origin, { target: `${users}?count=1`, token, headers })).status).toBe(200);
    }
  });
});

describeOnBoth("slow and broken-off bodies", (getDb) => {
  const siege = laySiege(getDb);
  const head = (length: number) =>
    `POST ${users} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${siege.attacker.scimToken}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;

  it("a hundred bodies that never end keep nobody else waiting, and make nothing when their senders leave", async () => {
    const slow = Array.from({ length: 100 }, (_, i) =>
      exchange(siege.origin, [head(100), `{"userName":"slow-${i}"`], { timeoutMs: 1_500 }),
    );
    await new Promise((later) => setTimeout(later, 200));
    for (let i = 0; i < 10; i += 1) {
      const { status, elapsedMs } = await ask(siege.origin, { target: users, token: siege.attacker.scimToken });
      expect(status).toBe(200);
      expect(elapsedMs).toBeLessThan(2_000);
    }
    const told = await Promise.all(slow);
    expect(told.flatMap(({ answers }) => answers)).toEqual([]);
    const { json: list } = await siege.scim("GET", "/Users?count=0");
    expect(list.totalResults).toBe(1);
  });

  it("a body that arrives byte by byte is read", async () => {
    const body = '{"userName":"dripping"}';
    const { answers } = await exchange(siege.origin, [head(body.length), ...body]);
    expect(answers[0]?.status).toBe(201);
    await siege.scim("DELETE", `/Users/${JSON.parse(answers[0]?.text ?? "").id}`);
  });

  it("a body that is shorter than announced makes nothing; one that is longer ends where it was announced", async () => {
    await exchange(siege.origin, [head(50), '{"userName":"cut"}'], { timeoutMs: 300 });
    expect((await siege.scim("GET", "/Users?count=0")).json.totalResults).toBe(1);
    const { answers } = await exchange(siege.origin, `${head(19)}{"userName":"long"}, and more`, {
      answers: 2,
      timeoutMs: 1_000,
    });
    // What follows cannot be read; the request before it is answered as if nothing followed.
    expect(answers.map(({ status }) => status)).toEqual([201]);
    expect(answers[0]?.headers.connection).toBe("close");
    await siege.scim("DELETE", `/Users/${JSON.parse(answers[0]?.text ?? "").id}`);
  });

  it("chunks that break off make nothing", async () => {
    const chunked = head(1).replace(/Content-Length: 1/, "Transfer-Encoding: chunked");
    for (const chunks of [
      '18\r\n{"userName":"chunked-0"',
      "zz\r\n{}\r\n0\r\n\r\n",
      '18\r\n{"userName":"chunked-00"}\r\n',
      "-1\r\n\r\n",
      "fffffffffffffffff\r\n{}",
    ]) {
      const { answers } = await exchange(siege.origin, [chunked, chunks], { timeoutMs: 300 });
      for (const { status } of answers) expect([400, 413]).toContain(status);
    }
    expect((await siege.scim("GET", "/Users?count=0")).json.totalResults).toBe(1);
  });
});
