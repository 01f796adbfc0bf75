import { parse } from "csv-parse/sync";
import request from "supertest";
import { beforeEach, expect, it } from "vitest";
import { USHER_USER } from "../../src/domain/words.ts";
import { changeGroup, createGroup } from "../../src/provisioning/groups.ts";
import { changeUser } from "../../src/provisioning/users.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { type Answer, aTenant, type Server, startServer, type TestTenant } from "./api.ts";

interface Reviewed {
  readonly id: string;
  readonly userName: string;
  readonly role: Record<string, unknown>;
  readonly tier: Record<string, unknown>;
  readonly grants: readonly Record<string, unknown>[];
  readonly teams: readonly Record<string, unknown>[];
  readonly lastChange: Record<string, unknown>;
}

describeOnBoth("the access review", (getDb) => {
  let server: Server;
  let tenant: TestTenant;
  beforeEach(async () => {
    server = startServer(getDb());
    server.now = new Date("2026-01-05T08:00:00.000Z");
    tenant = await aTenant(server, { seats: { standard: 2 } });
  });

  const later = (hours: number) => {
    server.now = new Date(server.now!.getTime() + hours * 3_600_000);
    return server.now.toISOString();
  };
  const codes = ({ status, body }: Answer) => [status, body?.code];
  const person = async (userName: string, more: object = {}) => (await tenant.user({ userName, ...more })).id;
  const licensed = { [USHER_USER]: { licenseTier: "standard" } };
  const review = async (query = {}, token?: string): Promise<Reviewed[]> => {
    const { status, body } = await tenant.call("reviewAccess", { query, ...(token === undefined ? {} : { token }) });
    expect(status, JSON.stringify(body)).toBe(200);
    return body.users;
  };
  const names = async (query = {}, token?: string) => (await review(query, token)).map(({ userName }) => userName);
  const one = async (id: string) => (await review()).find((user) => user.id === id)!;
  const pin = (id: string, role: string | null) => tenant.call("changeUser", { params: { id }, body: { role } });
  const holding = async (permission: string, userId?: string) => {
    const key = `r${Math.random().toString(36).slice(2)}`;
    await tenant.call("createRole", { body: { key, name: key, rank: 5, permissions: [permission] } });
    if (userId !== undefined) await pin(userId, key);
    return await tenant.mint({ scopes: ["api"], role: key, ...(userId === undefined ? {} : { userId }) });
  };

  it("tells who has what, since when, and by which reason", async () => {
    const id = await person("ada@x.org", { displayName: "Ada", emails: [{ value: "ada@x.org" }], ...licensed });
    const made = server.now!.toISOString();
    expect(await one(id)).toEqual({
      id,
      userName: "ada@x.org",
      displayName: "Ada",
      email: "ada@x.org",
      status: "active",
      suspended: false,
      role: {
        value: "user",
        name: "User",
        administrative: false,
        source: "default",
        because: '"User" is the default role.',
        since: made,
        sourced: "user",
        excess: [],
      },
      tier: {
        value: "standard",
        source: "words",
        because: 'The client asks for the tier "Standard".',
        license: { tier: "standard", status: "assigned", wanted: null, position: null, since: made },
      },
      grants: [],
      teams: [],
      createdAt: made,
      lastSeenAt: null,
      reviewedAt: null,
      lastChange: {
        at: made,
        action: "user.created",
        rule: "ROL-2",
        actor: expect.objectContaining({ label: "connection" }),
      },
    });
  });

  it("names the grant behind an administrative role, its hand and its day, and what speaks against it", async () => {
    const id = await person("ada@x.org");
    await pin(await person("another@x.org"), "admin");
    const at = later(24);
    await pin(id, "admin");
    later(24);
    await changeUser(server.deps, tenant.ctx, id, (doc) => ({ ...doc, title: "Dr" }));
    const ada = await one(id);
    expect(ada.role).toMatchObject({
      value: "admin",
      administrative: true,
      source: "pin",
      because: 'An Admin pinned the role "Admin".',
      since: at,
      sourced: "user",
      excess: [{ code: "pinnedAbove", because: expect.stringContaining('"Admin"') }],
    });
    expect(ada.grants).toMatchObject([
      { role: "admin", source: "pin", authorizedBy: { kind: "token", label: "admin" }, grantedAt: at },
    ]);
    expect(ada.lastChange).toMatchObject({ at: server.now!.toISOString(), action: "user.changed" });
    // A profile that changes does not make the role a newer one; a role that changes does.
    const back = later(1);
    await pin(id, null);
    expect((await one(id)).role).toMatchObject({ value: "user", since: back, excess: [] });
    expect((await one(id)).grants).toEqual([]);
  });

  it("names groups as people know them, and the teams with their sources", async () => {
    const id = await person("ada@x.org");
    const group = await createGroup(server.deps, tenant.ctx, { displayName: "Leads", members: [] });
    const document = {
      groups: [{ match: { displayName: "Leads" }, role: "manager" }],
      rules: [],
      defaults: { role: "user", tier: null },
      autoTeams: true,
    };
    expect((await tenant.call("saveMapping", { body: document })).status).toBe(200);
    await tenant.reconcile();
    await changeGroup(server.deps, tenant.ctx, group.id, [{ add: [id] }]);
    const ada = await one(id);
    expect(ada.role).toMatchObject({ value: "manager", because: expect.stringContaining('the group "Leads"') });
    expect(ada.teams).toMatchObject([{ display: "Leads", kind: "team", sources: [expect.stringMatching(/^group:/)] }]);
    await changeUser(server.deps, tenant.ctx, id, (doc) => ({ ...doc, active: false }));
    expect((await one(id)).teams).toEqual([]);
  });

  it("is filtered by role, tier, status and team", async () => {
    const [ada] = [await person("ada", licensed), await person("bob", licensed), await person("cyd", licensed)];
    await pin(ada, "manager");
    await createGroup(server.deps, tenant.ctx, { displayName: "Sales", members: [ada] });
    await person("dan", { active: false });
    expect(await names()).toEqual(["ada", "bob", "cyd", "dan"]);
    expect(await names({ role: "manager" })).toEqual(["ada"]);
    expect(await names({ tier: "standard" })).toEqual(["ada", "bob"]);
    expect(await names({ tier: "none" })).toEqual(["cyd", "dan"]);
    expect(await names({ status: "inactive" })).toEqual(["dan"]);
    expect(await names({ team: "sales" })).toEqual(["ada"]);
    expect(codes(await tenant.call("reviewAccess", { query: { role: "king" } }))).toEqual([400, "unknownRole"]);
    expect(codes(await tenant.call("reviewAccess", { query: { tier: "gold" } }))).toEqual([400, "unknownTier"]);
    expect(codes(await tenant.call("reviewAccess", { query: { status: "gone" } }))).toEqual([400, "invalidValue"]);
    expect(codes(await tenant.call("exportAccessReview", { query: { role: "king" } }))).toEqual([400, "unknownRole"]);
  });

  it("is limited to whose access changed since, a seat that came by itself included", async () => {
    const ids = [await person("ada", licensed), await person("bob", licensed), await person("cyd", licensed)];
    const since = later(1);
    expect(await names({ changedSince: since })).toEqual([]);
    await pin(ids[1]!, "manager");
    expect(await names({ changedSince: since })).toEqual(["bob"]);
    const freed = later(1);
    await changeUser(server.deps, tenant.ctx, ids[0]!, (doc) => ({ ...doc, active: false }));
    expect(await names({ changedSince: freed })).toEqual(["ada", "cyd"]);
    expect(await names({ changedSince: since, role: "manager" })).toEqual(["bob"]);
    expect(await names({ changedSince: freed.replace("Z", "+00:00") })).toEqual(["ada", "cyd"]);
    expect(await names({ changedSince: "2026-01-05" })).toHaveLength(3);
    for (const changedSince of ["yesterday!", "2026-02-30T00:00:00Z"]) {
      const answer = await tenant.call("reviewAccess", { query: { changedSince } });
      expect([...codes(answer), answer.body.attribute]).toEqual([400, "invalidValue", "changedSince"]);
    }
  });

  it("goes page by page, each person once", async () => {
    for (let n = 0; n < 7; n++) await person(`p${n}`);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const { body }: Answer = await tenant.call("reviewAccess", {
        query: { limit: 3, ...(cursor ? { cursor } : {}) },
      });
      seen.push(...body.users.map((user: Reviewed) => user.userName));
      cursor = body.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual(["p0", "p1", "p2", "p3", "p4", "p5", "p6"]);
    const { body } = await tenant.call("reviewAccess", { query: { limit: 3 } });
    const elsewhere = { query: { role: "user", cursor: body.nextCursor } };
    expect(codes(await tenant.call("reviewAccess", elsewhere))).toEqual([400, "invalidValue"]);
  });

  it("takes reports.read; of own teams it shows these people and no others", async () => {
    const [ada, bob] = [await person("ada"), await person("bob")];
    await person("cyd");
    await createGroup(server.deps, tenant.ctx, { displayName: "Sales", members: [ada, bob] });
    const mine = await holding("reports.read:own-teams", ada);
    expect(await names({}, mine)).toEqual(["ada", "bob"]);
    expect(await names({}, await holding("reports.read"))).toEqual(["ada", "bob", "cyd"]);
    const csv = await file({}, mine);
    expect(csv.map(({ userName }) => userName)).toEqual(["ada", "bob"]);
    for (const operation of ["reviewAccess", "exportAccessReview"]) {
      for (const token of [await holding("users.read"), await tenant.mint({ scopes: ["scim"], role: "admin" })]) {
        expect(codes(await tenant.call(operation, { token }))).toEqual([403, "forbidden"]);
      }
      expect(codes(await tenant.call(operation, { token: null }))).toEqual([401, "unauthorized"]);
    }
  });

  it("shows nobody of another tenant", async () => {
    const other = await aTenant(server);
    await other.user({ userName: "theirs" });
    await person("ours");
    expect(await names()).toEqual(["ours"]);
  });

  async function file(query: object, token = tenant.adminToken): Promise<Record<string, string>[]> {
    const { text, status, headers } = await request(server.app)
      .get("/api/v1/reports/access-review.csv")
      .query(query)
      .auth(token, { type: "bearer" });
    expect(status, text).toBe(200);
    expect(headers["content-type"]).toBe("text/csv; charset=utf-8; header=present");
    expect(headers["content-disposition"]).toBe('attachment; filename="access-review-2026-01-05.csv"');
    return parse(text, { columns: true, bom: true });
  }

  it("leaves as a file with a line each, without formulas, and the log tells of it", async () => {
    const ada = await person("ada", { displayName: '=HYPERLINK("http://x.org")', ...licensed });
    await person("bob", { displayName: "Bob; Jr,\nEsq." });
    await pin(ada, "admin");
    const lines = await file({});
    expect(lines).toMatchObject([
      {
        userName: "ada",
        name: `'=HYPERLINK("http://x.org")`,
        role: "admin",
        roleSource: "pin",
        sourcedRole: "user",
        administrative: "yes",
        grants: "admin by pin: admin, 2026-01-05T08:00:00.000Z",
        tier: "standard",
        licenseTier: "standard",
        lastChange: "user.changed",
        lastChangeBy: "admin",
        id: ada,
      },
      { userName: "bob", name: "Bob; Jr,\nEsq.", role: "user", administrative: "no", grants: "", licenseTier: "" },
    ]);
    expect((await file({ role: "admin" })).map(({ userName }) => userName)).toEqual(["ada"]);
    const events = await getDb().query<{ action: string; after: object }>(
      { name: "test_told", text: "select action, after from events where tenant_id = $1 and action like 'access%'" },
      [tenant.id],
    );
    expect(events).toEqual([
      { action: "access-review.exported", after: { filter: {} } },
      { action: "access-review.exported", after: { filter: { role: "admin" } } },
    ]);
  });

  it("leaves whole, however many there are", async () => {
    await getDb().query(
      {
        name: "test_many",
        text: `insert into users (tenant_id, id, user_name, user_name_norm, doc, active, status, role, role_source,
            decided_version, created_at, modified_at)
          select $1, gen_random_uuid(), 'n' || n, 'n' || n, jsonb_build_object('userName', 'n' || n, 'active', true), true,
            'active', 'user', 'default', 1, now(), now() from generate_series(1, 1201) n`,
      },
      [tenant.id],
    );
    const lines = await file({});
    expect(new Set(lines.map(({ userName }) => userName)).size).toBe(1201);
    expect(lines[0]).toMatchObject({ roleSince: "", lastChange: "", roleReason: '"User" is the default role.' });
  });
});
