/** USR-7, LIC-8: what the clock makes due is carried out, with everything that follows. */
import { expect, it } from "vitest";
import type { UserDoc } from "../../src/domain/model.ts";
import { USHER_USER } from "../../src/domain/words.ts";
import { createUsers } from "../../src/provisioning/create-users.ts";
import { carryOutDates, findDueTenants } from "../../src/provisioning/due.ts";
import { changeGroup, createGroup } from "../../src/provisioning/groups.ts";
import { saveMapping } from "../../src/provisioning/mapping.ts";
import { approve } from "../../src/provisioning/promotions.ts";
import { changeAccess, changeUser, createUser, getUser } from "../../src/provisioning/users.ts";
import { describeOnBoth, describeOnPostgres } from "../helpers/database.ts";
import { aUser, makeDeps, makeTenant, type TestDeps, type TestTenant } from "../helpers/tenant.ts";
import { brokenNow } from "./invariants.ts";
import { administratorsOf, anAdmin, grantsOf, mappingWith, openRequests, requestsOf } from "./people.ts";

const hour = 3_600_000;

/** So many hours after the tests' own beginning of time. */
const at = (hours: number) => new Date(Date.parse("2026-01-05T08:00:00.000Z") + hours * hour);

/** A user with dates, as hours; null for none. */
function dated(userName: string, starts: number | null, ends: number | null, more: object = {}): UserDoc {
  return aUser(userName, {
    [USHER_USER]: {
      licenseTier: "standard",
      ...(starts === null ? {} : { startDate: at(starts).toISOString() }),
      ...(ends === null ? {} : { endDate: at(ends).toISOString() }),
      ...more,
    },
  });
}

const redated = (starts: number | null, ends: number | null) => (doc: UserDoc) => ({
  ...dated(doc.userName, starts, ends),
});

/** The hour, and the process is about to stop. */
function abortAt(stopping: AbortController, hours: number): Date {
  stopping.abort();
  return at(hours);
}

interface Told {
  action: string;
  subject_id: string;
  rule: string | null;
  actor: { kind: string; label: string };
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
}

describeOnBoth("dates", (getDb) => {
  async function setUp(seats = 3) {
    const deps = makeDeps(getDb());
    const tenant = await makeTenant(deps, { seats: { standard: seats } });
    const create = (doc: UserDoc) => createUser(deps, tenant.scim, doc);
    /** What the clock does at this hour, wherever it finds something to do. */
    const tick = async (hours: number) => {
      deps.now = at(hours);
      const tenants = await findDueTenants(deps);
      if (tenants.includes(tenant.id)) await carryOutDates(deps, tenant.id);
      return tenants.includes(tenant.id);
    };
    const user = (id: string) => getUser(deps, tenant.scim, id);
    const told = async (id: string, action: string) => {
      const text = "select * from events where tenant_id = $1 and subject_id = $2 and action = $3 order by id";
      return await deps.db.query<Told>({ name: "test_told", text }, [tenant.id, id, action]);
    };
    return { deps, tenant, create, tick, user, told };
  }

  it("USR-7: at the start the person comes in and claims a seat, at the end they are out and it is free", async () => {
    const { create, tick, user, told } = await setUp();
    const ada = await create(dated("ada", 1, 3));
    expect(ada).toMatchObject({ status: "inactive", license: { status: "none" } });
    expect(await tick(0.999)).toBe(false);
    expect(await tick(1)).toBe(true);
    expect(await user(ada.id)).toMatchObject({ status: "active", license: { tier: "standard", status: "assigned" } });
    expect(await tick(1)).toBe(false);
    expect(await tick(3)).toBe(true);
    expect(await user(ada.id)).toMatchObject({ status: "inactive", license: { tier: null, status: "none" } });
    expect(await tick(300)).toBe(false);
    expect(await told(ada.id, "user.started")).toMatchObject([
      {
        rule: "USR-7",
        actor: { kind: "job", label: "dates" },
        before: { status: "inactive" },
        after: { status: "active", license: { tier: "standard" } },
      },
    ]);
    expect(await told(ada.id, "user.ended")).toMatchObject([{ rule: "USR-7", after: { status: "inactive" } }]);
  });

  it("USR-7: teams follow, and sessions of who has ended are over", async () => {
    const { deps, tenant, create, tick, user } = await setUp();
    const ada = await create(dated("ada", 1, 3));
    await createGroup(deps, tenant.scim, { displayName: "Sales", members: [ada.id] });
    expect((await user(ada.id)).teams).toEqual([]);
    await tick(1);
    expect((await user(ada.id)).teams).toMatchObject([{ display: "Sales" }]);
    await tick(3);
    const out = await user(ada.id);
    expect(out.teams).toEqual([]);
    expect(out.groups).toMatchObject([{ display: "Sales" }]);
    const [row] = await deps.db.query<{ at: string }>(
      { name: "test_sessions", text: "select sessions_not_before as at from users where tenant_id = $1" },
      [tenant.id],
    );
    expect(row?.at).toBe(at(3).toISOString());
  });

  it("LIC-4: the seat of who ends goes to the first in line in the same transaction", async () => {
    const { tenant, create, tick, user, told } = await setUp(1);
    const ada = await create(dated("ada", null, 2));
    const bob = await create(dated("bob", null, null));
    const eve = await create(dated("eve", null, null));
    expect([bob.license.position, eve.license.position]).toEqual([1, 2]);
    await tick(2);
    expect((await user(ada.id)).license.status).toBe("none");
    expect((await user(bob.id)).license).toMatchObject({ tier: "standard", since: at(2).toISOString() });
    expect((await user(eve.id)).license).toMatchObject({ status: "waitlisted", position: 1 });
    expect(await told(bob.id, "license.assigned")).toHaveLength(1);
    expect(await brokenNow(getDb(), tenant.id)).toEqual([]);
  });

  it("LIC-12: of those due at the same minute, seats come free before others ask for them", async () => {
    const { create, tick, user } = await setUp(1);
    const starts = await create(dated("starts", 2, null));
    const ends = await create(dated("ends", null, 2));
    await tick(2);
    expect((await user(ends.id)).status).toBe("inactive");
    expect((await user(starts.id)).license).toMatchObject({ tier: "standard", wanted: null });
  });

  it("LIC-3: a start finds the pool full and queues, whatever the pool would say to a client", async () => {
    const { deps, tenant, create, tick, user } = await setUp(1);
    await create(dated("holder", null, null));
    const ada = await create(dated("ada", 1, null));
    await deps.db.query({ name: "test_refuse", text: "update pools set when_full = 'refuse' where tenant_id = $1" }, [
      tenant.id,
    ]);
    await tick(1);
    expect(await user(ada.id)).toMatchObject({ status: "active", license: { status: "waitlisted", position: 1 } });
  });

  it("a date that is moved before it is due just moves", async () => {
    const { deps, tenant, create, tick, user } = await setUp();
    const [early, late, stays] = [
      await create(dated("early", 10, null)),
      await create(dated("late", 1, null)),
      await create(dated("stays", null, 1)),
    ];
    const move = (id: string, ...dates: [number | null, number | null]) =>
      changeUser(deps, tenant.scim, id, redated(...dates));
    await move(early.id, 1, null);
    await move(late.id, 10, null);
    await move(stays.id, null, 10);
    await tick(1);
    expect((await user(early.id)).status).toBe("active");
    expect((await user(late.id)).status).toBe("inactive");
    expect((await user(stays.id)).status).toBe("active");
    // Into the past, and away: what follows is decided by the change itself.
    expect((await move(late.id, 0, null)).status).toBe("active");
    expect((await move(stays.id, null, 0)).status).toBe("inactive");
    expect((await move(stays.id, null, null)).status).toBe("active");
    expect(await tick(10)).toBe(false);
  });

  it("carries out once, after days without anybody, what lies behind", async () => {
    const { create, tick, user, told } = await setUp();
    const [came, went, both, neither] = [
      await create(dated("came", 1, null)),
      await create(dated("went", null, 2)),
      await create(dated("both", 1, 2)),
      await create(dated("neither", 2, 1)),
    ];
    expect(await tick(24 * 9)).toBe(true);
    expect((await user(came.id)).status).toBe("active");
    for (const { id } of [went, both, neither]) expect((await user(id)).status).toBe("inactive");
    // Nothing happened to them: their version stays, nothing is told, and nobody looks at them again.
    expect((await user(both.id)).version).toBe(both.version);
    expect(await told(both.id, "user.started")).toEqual([]);
    expect(await tick(24 * 9)).toBe(false);
    expect(await tick(24 * 10)).toBe(false);
  });

  it("moves nobody who is out for another reason", async () => {
    const { deps, tenant, create, tick, user } = await setUp();
    const off = await create({ ...dated("off", 1, 2), active: false });
    const stopped = await create(dated("stopped", 1, 2));
    await changeAccess(deps, tenant.admin, stopped.id, { suspended: true });
    for (const hours of [1, 2, 3]) expect(await tick(hours)).toBe(false);
    expect((await user(off.id)).status).toBe("inactive");
    // Lifted in between, the dates count again.
    deps.now = at(0);
    const again = await create(dated("again", 1, 2));
    await changeAccess(deps, tenant.admin, again.id, { suspended: true });
    deps.now = at(0.5);
    await changeAccess(deps, tenant.admin, again.id, { suspended: false });
    await tick(1);
    expect((await user(again.id)).status).toBe("active");
  });

  it("LIC-8: an invitation that nobody accepted in time ends, and its seat goes on", async () => {
    const { deps, tenant, create, tick, user, told } = await setUp(1);
    const invited = await createUser(deps, tenant.admin, dated("invited", null, null), {
      invitation: { accepted: false, expiresAt: at(24).toISOString() },
    });
    const next = await create(dated("next", null, null));
    expect(invited).toMatchObject({ status: "pending", license: { tier: "standard" } });
    expect(await tick(23)).toBe(false);
    expect(await tick(24)).toBe(true);
    expect(await user(invited.id)).toMatchObject({ status: "inactive", license: { status: "none" } });
    expect((await user(next.id)).license.tier).toBe("standard");
    expect(await told(invited.id, "user.expired")).toMatchObject([{ rule: "LIC-8" }]);
    expect(await tick(25)).toBe(false);
  });

  it("LIC-8: who is invited for later waits for the start, and then for the answer", async () => {
    const { deps, tenant, tick, user } = await setUp();
    const invite = (name: string, days: number) =>
      createUser(deps, tenant.admin, dated(name, 24, null), {
        invitation: { accepted: false, expiresAt: at(24 * days).toISOString() },
      });
    const [long, short] = [await invite("long", 3), await invite("short", 0.5)];
    await tick(24);
    expect((await user(long.id)).status).toBe("pending");
    expect((await user(short.id)).status).toBe("inactive");
    await tick(72);
    expect((await user(long.id)).status).toBe("inactive");
    expect(await tick(73)).toBe(false);
  });

  it("GRD-2, GRD-5: nobody starts as an administrator by the clock; an Admin finds the request and decides", async () => {
    const { deps, tenant, create, tick, user } = await setUp();
    const bosses = await createGroup(deps, tenant.scim, { displayName: "Bosses", externalId: "bosses", members: [] });
    const ada = await create(dated("ada", 1, null));
    await changeGroup(deps, tenant.scim, bosses.id, [{ add: [ada.id] }]);
    const groups = [{ match: { externalId: "bosses" }, role: "admin" }];
    await saveMapping(deps, tenant.admin, await mappingWith(deps, tenant, { groups }));
    await deps.runJobs();
    const [asked] = await requestsOf(getDb(), tenant.id);
    await tick(1);
    expect(await user(ada.id)).toMatchObject({ status: "active", role: "user" });
    expect(await administratorsOf(getDb(), tenant.id)).toEqual([]);
    expect(await openRequests(getDb(), tenant.id)).toEqual([expect.stringContaining("admin of ada")]);
    const [open] = await requestsOf(getDb(), tenant.id);
    expect(open?.attempts).toBeGreaterThan(asked?.attempts ?? 0);
    await approve(deps, tenant.admin, open!.id);
    expect((await user(ada.id)).role).toBe("admin");
  });

  it("GRD-2: what an Admin granted before the start stands at the start, and ends with the end", async () => {
    const { deps, tenant, create, tick, user } = await setUp();
    await anAdmin(deps, tenant, "root");
    const ada = await create(dated("ada", 1, 3));
    await changeAccess(deps, tenant.admin, ada.id, { role: "admin" });
    await tick(1);
    expect(await user(ada.id)).toMatchObject({ status: "active", role: "admin" });
    await tick(3);
    expect((await user(ada.id)).status).toBe("inactive");
    expect(await grantsOf(getDb(), tenant.id)).not.toContainEqual(expect.stringContaining(ada.id));
    // GRD-6: coming back takes an Admin again.
    await changeUser(deps, tenant.scim, ada.id, redated(1, null));
    expect((await user(ada.id)).role).toBe("user");
  });

  it("GRD-7: when the last Admin's time ends, they leave and the tenant is told", async () => {
    const { deps, tenant, create, tick, user, told } = await setUp();
    const ada = await create(dated("ada", null, 3));
    await changeAccess(deps, tenant.admin, ada.id, { role: "admin" });
    await tick(3);
    expect((await user(ada.id)).status).toBe("inactive");
    expect(await told(tenant.id, "tenant.without-admin")).toMatchObject([
      { rule: "GRD-7", after: { lastAdmin: ada.id } },
    ]);
  });

  it("GRD-7: of two Admins who end at the same minute the second is the last", async () => {
    const { deps, tenant, create, tick, told } = await setUp();
    for (const name of ["ada", "bob"]) {
      const { id } = await create(dated(name, null, 3));
      await changeAccess(deps, tenant.admin, id, { role: "admin" });
    }
    await tick(3);
    expect(await told(tenant.id, "tenant.without-admin")).not.toEqual([]);
    expect(await grantsOf(getDb(), tenant.id)).toEqual([]);
  });

  it("what a clock carried out that ran ahead is put right; a little ahead it is left", async () => {
    const { tick, create, user, told } = await setUp();
    const [starts, ends] = [await create(dated("starts", 50, null)), await create(dated("ends", null, 50))];
    await tick(51);
    expect([(await user(starts.id)).status, (await user(ends.id)).status]).toEqual(["active", "inactive"]);
    expect(await tick(49.5)).toBe(false);
    expect(await tick(1)).toBe(true);
    expect([(await user(starts.id)).status, (await user(ends.id)).status]).toEqual(["inactive", "active"]);
    expect(await told(ends.id, "user.redated")).toHaveLength(1);
    expect(await tick(1)).toBe(false);
    await tick(50);
    expect([(await user(starts.id)).status, (await user(ends.id)).status]).toEqual(["active", "inactive"]);
  });

  it("a decision by new rules and a date on the same day come to the same", async () => {
    const { deps, tenant, create, tick, user } = await setUp();
    const doc = { ...dated("ada", 1, null), title: "Lead" };
    const ada = await create(doc);
    const team = { name: "Leads", kind: "team" } as const;
    const rule = { name: "leads", when: 'title eq "Lead"', role: "manager", team };
    await saveMapping(deps, tenant.admin, await mappingWith(deps, tenant, { rules: [rule] }));
    // The start comes before the reconcile job does.
    await tick(1);
    expect(await user(ada.id)).toMatchObject({ status: "active", role: "manager", teams: [{ display: "Leads" }] });
    await deps.runJobs();
    expect(await user(ada.id)).toMatchObject({ role: "manager", license: { tier: "standard" } });
  });

  it("lets nobody stay because of somebody whose row is broken, and says whose", async () => {
    const { deps, tenant, create, tick, user } = await setUp();
    const [ada, broken, bob] = [
      await create(dated("ada", null, 1)),
      await create(dated("broken", null, 1)),
      await create(dated("bob", null, 1)),
    ];
    await deps.db.query(
      { name: "test_break", text: "update users set doc = doc - 'userName' where tenant_id = $1 and id = $2" },
      [tenant.id, broken.id],
    );
    const said: unknown[] = [];
    Object.assign(deps.log, { error: (fields: { userId: string }) => void said.push(fields.userId) });
    await tick(1);
    for (const { id } of [ada, bob]) expect((await user(id)).status).toBe("inactive");
    expect(said).toEqual([broken.id]);
    expect(await findDueTenants(deps)).toContain(tenant.id);
  });

  it("goes on where a stopped process was", async () => {
    const { deps, tenant } = await setUp();
    await createUsers(
      deps,
      tenant.scim,
      Array.from({ length: 300 }, (_, n) => dated(`p${n}`, null, 1)),
    );
    deps.now = at(1);
    const stopping = new AbortController();
    // The process is told to stop while the first batch is in work.
    const first = { ...deps, clock: () => abortAt(stopping, 1) };
    await expect(carryOutDates(first, tenant.id, stopping.signal)).rejects.toThrow("stopped");
    const left = async () => {
      const text = "select count(*) as n from users where tenant_id = $1 and status = 'active'";
      return (await deps.db.query<{ n: number }>({ name: "test_left", text }, [tenant.id]))[0]?.n;
    };
    expect(await left()).toBe(50);
    await carryOutDates(deps, tenant.id);
    expect(await left()).toBe(0);
  });

  it("looks at no other tenant's people", async () => {
    const { deps, create, tick } = await setUp();
    const other = await makeTenant(deps, { seats: { standard: 1 } });
    const theirs = await createUser(deps, other.scim, dated("ada", 1, null));
    await create(dated("ada", 1, null));
    await tick(1);
    expect((await getUser(deps, other.scim, theirs.id)).status).toBe("inactive");
    expect(await findDueTenants(deps)).toContain(other.id);
    await carryOutDates(deps, other.id);
    expect((await getUser(deps, other.scim, theirs.id)).status).toBe("active");
  });
});

describeOnPostgres("dates, carried out by several at once", (getDb) => {
  async function many(seats: number): Promise<{ deps: TestDeps; tenant: TestTenant }> {
    const deps = makeDeps(getDb());
    const tenant = await makeTenant(deps, { seats: { standard: seats } });
    for (let n = 0; n < 60; n++) {
      await createUser(deps, tenant.scim, n % 2 === 0 ? dated(`starts${n}`, 1, null) : dated(`ends${n}`, null, 1));
    }
    deps.now = at(1);
    return { deps, tenant };
  }

  it("each person is carried out once, and every seat is where it belongs", async () => {
    const { deps, tenant } = await many(20);
    await Promise.all(Array.from({ length: 4 }, () => carryOutDates(deps, tenant.id)));
    await carryOutDates(deps, tenant.id);
    const count = async (text: string) =>
      (await deps.db.query<{ n: number }>({ name: `test_${text.length}`, text }, [tenant.id]))[0]?.n;
    expect(await count("select count(*) as n from users where tenant_id = $1 and status = 'active'")).toBe(30);
    expect(await count("select count(*) as n from seats where tenant_id = $1 and user_id is not null")).toBe(20);
    expect(await count("select count(*) as n from waitlist where tenant_id = $1")).toBe(10);
    const twice = `select count(*) as n from (select from events
      where tenant_id = $1 and action in ('user.started', 'user.ended') group by subject_id having count(*) > 1) t`;
    expect(await count(twice)).toBe(0);
    expect(await brokenNow(getDb(), tenant.id)).toEqual([]);
  });

  it("beside clients that write the same people, nobody is lost and nobody is carried out twice", async () => {
    const { deps, tenant } = await many(30);
    const rows = await deps.db.query<{ id: string }>(
      { name: "test_all", text: "select id from users where tenant_id = $1" },
      [tenant.id],
    );
    const patch = (id: string) => changeUser(deps, tenant.scim, id, (doc) => ({ ...doc, title: "x" }));
    await Promise.all([
      ...Array.from({ length: 3 }, () => carryOutDates(deps, tenant.id)),
      ...rows.map(({ id }) => patch(id)),
    ]);
    await carryOutDates(deps, tenant.id);
    for (const { id } of rows) {
      const { doc, status } = await getUser(deps, tenant.scim, id);
      expect([doc.userName, status, doc.title]).toEqual([
        doc.userName,
        doc.userName.startsWith("starts") ? "active" : "inactive",
        "x",
      ]);
    }
    expect(await findDueTenants(deps)).not.toContain(tenant.id);
    expect(await brokenNow(getDb(), tenant.id)).toEqual([]);
  });
});
