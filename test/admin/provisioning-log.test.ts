import { beforeAll, describe, expect, it } from "vitest";
import type { Executor } from "../../src/db/database.ts";
import { type Exchange, openProvisioningLog, pruneExchanges } from "../../src/db/provisioning-log.ts";
import { redact, redactPath } from "../../src/db/redaction.ts";
import { newId } from "../../src/ids.ts";
import { Problem } from "../../src/problems.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aTenant, type Server, startServer, type TestTenant } from "./api.ts";

function anExchange(tenantId: string, change: Partial<Exchange> = {}): Exchange {
  return {
    tenantId,
    id: newId(),
    at: new Date(),
    tokenId: "0190a0b0-0000-7000-8000-00000000000a",
    connection: "Entra ID",
    requestId: "request-1",
    method: "POST",
    path: "/scim/v2/Users",
    status: 201,
    durationMs: 4.5,
    request: { userName: "ada@example.com" },
    answer: { id: "1" },
    ...change,
  };
}

describeOnBoth("listProvisioningLog", (getDb) => {
  let server: Server;
  let tenant: TestTenant;
  beforeAll(async () => {
    server = startServer(getDb());
    tenant = await aTenant(server);
    const log = openProvisioningLog(server.deps.db);
    log.record(anExchange(tenant.id, { at: new Date("2026-01-01T00:00:00Z") }));
    log.record(
      anExchange(tenant.id, {
        at: new Date("2026-01-02T00:00:00Z"),
        connection: "Okta",
        tokenId: "0190a0b0-0000-7000-8000-00000000000B",
        method: "GET",
        path: "/scim/v2/Users?filter=userName+eq+%22grace%40example.com%22",
        status: 200,
        request: undefined,
        answer: undefined,
      }),
    );
    log.record(
      anExchange(tenant.id, {
        at: new Date("2026-01-03T00:00:00Z"),
        status: 403,
        request: { userName: "mallory@example.com", password: "hunter2hunter2" },
        answer: { detail: "Only an Admin makes an Admin" },
        decision: { rule: "GRD-4" },
      }),
    );
    await log.close();
  });

  const paths = async (query: Record<string, string | number>) => {
    const { body } = await tenant.call("listProvisioningLog", { query });
    return body.entries.map((entry: { at: string }) => entry.at.slice(8, 10)).join(" ");
  };

  it("tells what was sent, decided and answered, latest first, without secrets", async () => {
    const { body } = await tenant.call("listProvisioningLog");
    expect(body.entries).toHaveLength(3);
    expect(body.entries[0]).toMatchObject({
      status: 403,
      connection: "Entra ID",
      method: "POST",
      request: { userName: "mallory@example.com", password: "[redacted]" },
      answer: { detail: "Only an Admin makes an Admin" },
      decision: { rule: "GRD-4" },
    });
    expect(body.entries[1]).toMatchObject({
      path: '/scim/v2/Users?filter=userName eq "grace@example.com"',
      request: null,
    });
    expect(JSON.stringify(body)).not.toContain("hunter2");
  });

  it("filters by status, class of status, connection, subject and time", async () => {
    expect(await paths({ status: "403" })).toBe("03");
    expect(await paths({ status: "2xx" })).toBe("02 01");
    expect(await paths({ connection: "Okta" })).toBe("02");
    expect(await paths({ connection: "0190a0b0-0000-7000-8000-00000000000b" })).toBe("02");
    expect(await paths({ subject: "GRACE@example.com" })).toBe("02");
    expect(await paths({ subject: "mallory" })).toBe("03");
    expect(await paths({ subject: "%" })).toBe("");
    expect(await paths({ from: "2026-01-02T00:00:00Z" })).toBe("03 02");
    expect(await paths({ to: "2026-01-02T00:00:00Z" })).toBe("01");
    expect(await paths({ from: "2026-01-02T00:00:00Z", to: "2026-01-03T00:00:00Z", status: "200" })).toBe("02");
  });

  it("pages by cursor, bound to the filters", async () => {
    const first = await tenant.call("listProvisioningLog", { query: { limit: 2 } });
    const cursor = first.body.nextCursor;
    expect(await paths({ limit: 2, cursor })).toBe("01");
    const other = await tenant.call("listProvisioningLog", { query: { limit: 2, cursor, status: "201" } });
    expect([other.status, other.body.code]).toEqual([400, "invalidValue"]);
  });

  it.each([{ status: "9xx" }, { status: "4x" }, { from: "yesterday" }, { cursor: "x" }, { limit: 0 }])(
    "refuses the query %j",
    async (query) => {
      const { status } = await tenant.call("listProvisioningLog", { query: query as Record<string, string> });
      expect(status).toBe(400);
    },
  );

  it("shows nothing of another tenant", async () => {
    const other = await aTenant(server);
    expect((await other.call("listProvisioningLog")).body.entries).toEqual([]);
  });

  it("forgets what is older than a time", async () => {
    const { id, call } = await aTenant(server);
    const log = openProvisioningLog(server.deps.db);
    for (const day of [1, 2, 3]) log.record(anExchange(id, { at: new Date(Date.UTC(2026, 0, day)) }));
    await log.close();
    await pruneExchanges(server.deps.db, id, new Date(Date.UTC(2026, 0, 3)));
    expect((await call("listProvisioningLog")).body.entries).toHaveLength(1);
  });

  it("keeps what PostgreSQL cannot hold in another form, and loses no other exchange for a deleted tenant's", async () => {
    const { id, call } = await aTenant(server);
    const log = openProvisioningLog(server.deps.db);
    log.record(anExchange("0190a0b0-0000-7000-8000-0000000000ff"));
    log.record(anExchange(id, { request: { note: "a\0b\ud800" }, path: "/scim/v2/Users/%00" }));
    await log.close();
    expect(log.dropped).toBe(0);
    const { body } = await call("listProvisioningLog");
    expect(body.entries).toMatchObject([{ request: { note: "a\ufffdb\ufffd" }, path: "/scim/v2/Users/\ufffd" }]);
  });
});

describe("the buffer of exchanges", () => {
  const unavailable = new Problem("unavailable", "away");

  it("writes in batches, by number or by time", async () => {
    const batches: number[] = [];
    const db = fakeDatabase((rows) => batches.push(rows));
    const log = openProvisioningLog(db, { batchMax: 10, flushMs: 20 });
    for (let number = 0; number < 25; number++) log.record(anExchange("t"));
    await log.flush();
    expect(batches).toEqual([10, 10, 5]);
    log.record(anExchange("t"));
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(batches).toEqual([10, 10, 5, 1]);
  });

  it("keeps what could not be written, drops the oldest beyond its bound and counts them", async () => {
    let away = true;
    const batches: number[] = [];
    const db = fakeDatabase((rows) => {
      if (away) throw unavailable;
      batches.push(rows);
    });
    const log = openProvisioningLog(db, { batchMax: 10, waitingMax: 30 });
    for (let number = 0; number < 50; number++) log.record(anExchange("t"));
    await log.flush();
    expect(log.dropped).toBe(20);
    away = false;
    await log.close();
    expect(batches).toEqual([10, 10, 10]);
  });

  it("gives up a batch that can never be written, and goes on", async () => {
    let failures = 0;
    const db = fakeDatabase(() => {
      if (failures++ === 0) throw new Error("a value that no column holds");
    });
    const errors: unknown[] = [];
    const log = openProvisioningLog(db, { batchMax: 2, onError: (error) => errors.push(error) });
    for (let number = 0; number < 4; number++) log.record(anExchange("t"));
    await log.close();
    expect([log.dropped, errors.length, failures]).toEqual([2, 1, 2]);
  });
});

describe("redaction", () => {
  it("takes secrets out by name, wherever they stand", () => {
    const body = {
      Password: "s3cr3t-1",
      "urn:ietf:params:scim:schemas:core:2.0:User:password": "s3cr3t-2",
      Operations: [
        { op: "replace", path: "password", value: "s3cr3t-3" },
        { op: "Replace", Path: "urn:ietf:params:scim:schemas:core:2.0:User:password", Value: "s3cr3t-4" },
        { op: "add", value: { password: "s3cr3t-5", title: "Lead" } },
      ],
      nested: [{ deep: { client_secret: "s3cr3t-6" } }],
      text: '{"password":"s3cr3t-7"}',
      header: "Bearer s3cr3t-8888",
      "password.value": "s3cr3t-9",
      'PASSWORD[type eq "work"]': "s3cr3t-10",
      " password ": "s3cr3t-11",
      "urn:ietf:params:scim:schemas:core:2.0:User": { password: "s3cr3t-12" },
      "urn:ietf:params:scim:schemas:core:2.0:User.password": "s3cr3t-13",
      title: "Password administrator",
    };
    const text = redact(body);
    expect(text).not.toContain("s3cr3t");
    expect(JSON.parse(text)).toMatchObject({ title: "Password administrator" });
    expect(JSON.parse(text).Operations[2].value.title).toBe("Lead");
  });

  it("cuts large bodies and keeps their beginning", () => {
    const cut = JSON.parse(redact({ members: Array.from({ length: 5000 }, (_, value) => ({ value })) }));
    expect(cut).toMatchObject({ cut: true, length: expect.any(Number) });
    expect(cut.beginning).toHaveLength(16 * 1024);
    expect(redact({ filter: 'password eq "S3cretSearch"' })).toBe('{"filter":"[redacted]"}');
    expect(redact({ Operations: [{ op: "remove", path: 'password[x eq "S3cretPath"]' }] })).not.toContain("S3cret");
    expect(redact(undefined)).toBe("null");
  });

  it("leaves a query out that speaks of a secret", () => {
    expect(redactPath("/scim/v2/Users?filter=password%20eq%20%22s3cr3t%22")).toBe("/scim/v2/Users?[redacted]");
    expect(redactPath("/scim/v2/Users?filter=%zz")).toBe("/scim/v2/Users?filter=%zz");
    expect(redactPath(`/scim/v2/Users/${"x".repeat(9000)}`)).toHaveLength(4096);
  });
});

function fakeDatabase(write: (rows: number) => void): Executor {
  return {
    async query(_statement, [rows]) {
      write(JSON.parse(rows as string).length);
      return [];
    },
    run: () => Promise.reject(new Error("not expected")),
  };
}
