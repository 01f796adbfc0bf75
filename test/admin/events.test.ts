import { beforeAll, expect, it } from "vitest";
import { type EventRecord, recordEvents } from "../../src/db/events.ts";
import { readFeed, sealEvents } from "../../src/db/events-feed.ts";
import { describeOnBoth, describeOnPostgres } from "../helpers/database.ts";
import { aTenant, call, type Server, startServer, type TestTenant } from "./api.ts";

function eventOf(tenantId: string, subjectId: string): EventRecord {
  return {
    tenantId,
    at: "2026-01-05T09:00:00.000Z",
    actor: { kind: "job", id: "test", label: "test" },
    action: "test.happened",
    subjectType: "Test",
    subjectId,
    after: { note: subjectId },
    requestId: "test",
  };
}

describeOnBoth("listEvents", (getDb) => {
  let server: Server;
  let tenant: TestTenant;
  beforeAll(async () => {
    server = startServer(getDb());
    tenant = await aTenant(server);
    for (const id of ["a", "b", "c", "d"]) await recordEvents(server.deps.db, [eventOf(tenant.id, id)]);
  });

  it("begins with the tenant's own beginning and goes on from a position", async () => {
    const first = await tenant.call("listEvents", { query: { limit: 4 } });
    expect(first.body.events.map((event: { action: string }) => event.action)).toEqual([
      "tenant.created",
      "token.minted",
      "test.happened",
      "test.happened",
    ]);
    expect(first.body.nextCursor).toBe("4");
    const second = await tenant.call("listEvents", { query: { after: 4 } });
    expect(second.body.events).toMatchObject([
      { position: 5, subject: { type: "Test", id: "c" }, before: null, after: { note: "c" }, rule: null },
      { position: 6, subject: { id: "d" } },
    ]);
    const third = await tenant.call("listEvents", { query: { after: second.body.nextCursor } });
    expect(third.body).toEqual({ events: [], nextCursor: "6" });
  });

  it("filters by subject", async () => {
    const { body } = await tenant.call("listEvents", { query: { subject: "b" } });
    expect(body.events).toMatchObject([{ position: 4, subject: { id: "b" } }]);
  });

  it("shows nothing of another tenant", async () => {
    const other = await aTenant(server);
    const { body } = await other.call("listEvents");
    expect(body.events.map((event: { subject: { id: string } }) => event.subject.id)).not.toContain("a");
    expect(body.events[0].position).toBe(1);
  });

  it.each([{ after: -1 }, { after: "x" }, { after: 1.5 }, { limit: 0 }, { limit: 501 }, { before: 1 }])(
    "refuses the query %j",
    async (query) => {
      const { status, body } = await tenant.call("listEvents", { query: query as Record<string, string> });
      expect([status, body.code]).toEqual([400, "invalidValue"]);
    },
  );

  it("needs the permission", async () => {
    const token = await tenant.mint({ scopes: ["api"], role: "user" });
    expect((await call(server, "listEvents", { token })).status).toBe(403);
  });
});

describeOnPostgres("LOG-2: the feed", (getDb) => {
  let server: Server;
  beforeAll(() => {
    server = startServer(getDb());
  });

  it("gives a late commit a later number, so that no reader skips it", async () => {
    const { db } = server.deps;
    const { id } = await aTenant(server);
    const seen: string[] = [];
    let after = 0;
    const follow = async () => {
      for (const event of await readFeed(db, id, after, 100)) {
        seen.push(event.subject.id);
        after = event.position;
      }
    };
    await follow();
    seen.length = 0;

    const late = gate();
    const written = gate();
    const slow = db.transaction(async (tx) => {
      await recordEvents(tx, [eventOf(id, "early id, late commit")]);
      written.open();
      await late.passed;
    });
    await written.passed;
    await recordEvents(db, [eventOf(id, "late id, early commit")]);
    await follow();
    expect(seen).toEqual(["late id, early commit"]);
    late.open();
    await slow;
    await follow();
    expect(seen).toEqual(["late id, early commit", "early id, late commit"]);
  });

  it("never skips and never repeats while many write, read and roll back at once", async () => {
    const { db } = server.deps;
    const { id } = await aTenant(server);
    const total = 200;
    let writing = true;
    const write = async (number: number) => {
      const body = db.transaction(async (tx) => {
        await recordEvents(tx, [eventOf(id, `event ${number}`)]);
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 10));
        if (number % 7 === 0) throw new Error("rolled back");
      });
      await body.catch(() => {});
    };
    const read = async () => {
      const found: string[] = [];
      for (let after = 0, last = false; ; ) {
        const done: boolean = !writing;
        const events = await readFeed(db, id, after, 30);
        for (const event of events) {
          expect(event.position).toBe(after + 1);
          after = event.position;
          if (event.action === "test.happened") found.push(event.subject.id);
        }
        if (last && events.length === 0) return found;
        last = done;
      }
    };
    const readers = [read(), read(), read()];
    await Promise.all(Array.from({ length: total }, (_, number) => write(number)));
    writing = false;
    const expected = Array.from({ length: total }, (_, number) => number).filter((number) => number % 7 !== 0);
    for (const found of await Promise.all(readers)) {
      expect(found.toSorted()).toEqual(expected.map((number) => `event ${number}`).toSorted());
    }
  });

  it("numbers more than one batch", async () => {
    const { db } = server.deps;
    const { id } = await aTenant(server);
    await recordEvents(
      db,
      Array.from({ length: 2500 }, (_, number) => eventOf(id, String(number))),
    );
    await Promise.all([sealEvents(db, id), sealEvents(db, id), sealEvents(db, id)]);
    const last = await readFeed(db, id, 2500, 500);
    expect(last.at(-1)?.position).toBe(2502);
    expect(last.at(-1)?.subject.id).toBe("2499");
  });
});

function gate(): { readonly passed: Promise<void>; open(): void } {
  let open = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open };
}
