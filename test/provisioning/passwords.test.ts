/** Passwords: kept as a hash and nowhere else, the same one twice is no change, an administrator's is an Admin's matter. */
import { expect, it } from "vitest";
import { PasswordHasher } from "../../src/auth/password-hash.ts";
import { listPromotionRows } from "../../src/db/promotions-list.ts";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import type { RequestContext } from "../../src/provisioning/context.ts";
import { verifyPassword } from "../../src/provisioning/passwords.ts";
import { approve, decline } from "../../src/provisioning/promotions.ts";
import { changeSettings } from "../../src/provisioning/settings.ts";
import { changeUser, createUser, deleteUser, getAccount } from "../../src/provisioning/users.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aUser, makeDeps, makeTenant } from "../helpers/tenant.ts";
import { anAdmin, naming, requestsOf } from "./people.ts";

const protection = { code: "identityProtected", facts: { rule: "GRD-8" } };
const quick = { costLog2: 4, atOnce: 2, waitingMax: 100 };

/** Every row of every table that belongs to a tenant, as text. */
async function everythingStored(db: OpenDatabase): Promise<string> {
  const read = <Row>(name: string, text: string) => db.query<Row>({ name, text }, []);
  const tables = await read<{ name: string }>(
    "test_tables",
    "select tablename::text as name from pg_tables where schemaname = 'public'",
  );
  const rows: string[] = [];
  for (const { name } of tables) {
    for (const { row } of await read<{ row: string }>(
      `test_all_${name}`,
      `select to_jsonb(t)::text as row from ${name} t`,
    ))
      rows.push(`${name}: ${row}`);
  }
  return rows.join("\n");
}

describeOnBoth("passwords", (getDb) => {
  async function setUp(hasher = new PasswordHasher(quick)) {
    const deps = Object.assign(makeDeps(getDb()), { passwords: hasher });
    const tenant = await makeTenant(deps);
    const is = (id: string, text: string) => verifyPassword(deps, tenant.id, id, text);
    const set = (id: string, password: string | null, ctx: RequestContext = tenant.scim) =>
      changeUser(deps, ctx, id, (doc) => doc, { password });
    const hashOf = async (id: string) => {
      const text = "select hash, set_at, set_by from passwords where tenant_id = $1 and user_id = $2";
      const [row] = await getDb().query<{ hash: string; set_at: string; set_by: object }>(
        { name: "test_password", text },
        [tenant.id, id],
      );
      return row;
    };
    const events = async (id: string) => {
      const text = `select action, before, after, rule from events where tenant_id = $1 and subject_id = $2 order by id`;
      return await getDb().query<{ action: string; before: object; after: Record<string, unknown>; rule: string }>(
        { name: "test_password_events", text },
        [tenant.id, id],
      );
    };
    return { deps, tenant, db: getDb(), is, set, hashOf, events };
  }

  it("is set on creation, in the same transaction, and told as set", async () => {
    const { deps, tenant, is, hashOf, events } = await setUp();
    const { id } = await createUser(deps, tenant.scim, aUser("ada"), { password: "hunter2" });
    expect(await is(id, "hunter2")).toBe(true);
    expect(await is(id, "Hunter2")).toBe(false);
    expect(await hashOf(id)).toMatchObject({
      hash: expect.stringMatching(/^\$scrypt\$ln=4,r=8,p=1\$/),
      set_at: deps.now.toISOString(),
      set_by: { kind: "token", id: tenant.scim.principal.tokenId },
    });
    expect((await events(id)).map(({ after }) => after.password)).toEqual(["set"]);
  });

  it("of a create that is refused is not kept", async () => {
    const { deps, tenant, db } = await setUp();
    await createUser(deps, tenant.scim, aUser("ada"), { password: "hunter2" });
    await expect(createUser(deps, tenant.scim, aUser("ADA"), { password: "other" })).rejects.toMatchObject({
      code: "uniqueness",
    });
    const rows = await db.query({ name: "test_count", text: "select from passwords where tenant_id = $1" }, [
      tenant.id,
    ]);
    expect(rows).toHaveLength(1);
  });

  it("changes, and is told as set, with a new version and time of the user", async () => {
    const { deps, tenant, is, set, events } = await setUp();
    const ada = await createUser(deps, tenant.scim, aUser("ada"), { password: "hunter2" });
    deps.now = new Date("2026-01-06T08:00:00.000Z");
    const changed = await set(ada.id, "correct horse");
    expect(changed.version).not.toBe(ada.version);
    expect(changed.modifiedAt).toBe(deps.now.toISOString());
    expect(await is(ada.id, "correct horse")).toBe(true);
    expect(await is(ada.id, "hunter2")).toBe(false);
    expect((await events(ada.id)).at(-1)).toMatchObject({
      action: "user.changed",
      before: {},
      after: { password: "set" },
    });
  });

  it("sent once more changes nothing: no version, no event, not the hash", async () => {
    const { deps, tenant, set, hashOf, events } = await setUp();
    const ada = await createUser(deps, tenant.scim, aUser("ada"), { password: "hunter2" });
    const before = [await hashOf(ada.id), (await events(ada.id)).length];
    deps.now = new Date("2026-01-06T08:00:00.000Z");
    expect(await set(ada.id, "hunter2")).toMatchObject({ version: ada.version, modifiedAt: ada.modifiedAt });
    expect([await hashOf(ada.id), (await events(ada.id)).length]).toEqual(before);
    const titled = await changeUser(deps, tenant.scim, ada.id, (doc) => ({ ...doc, title: "Lead" }), {
      password: "hunter2",
    });
    expect(titled.doc).toMatchObject({ title: "Lead" });
    expect((await events(ada.id)).at(-1)?.after).toEqual({ title: "Lead" });
  });

  it("is removed, once", async () => {
    const { deps, tenant, is, set, hashOf, events } = await setUp();
    const ada = await createUser(deps, tenant.scim, aUser("ada"), { password: "hunter2" });
    const removed = await set(ada.id, null);
    expect(removed.version).not.toBe(ada.version);
    expect(await hashOf(ada.id)).toBeUndefined();
    expect(await is(ada.id, "hunter2")).toBe(false);
    expect((await events(ada.id)).at(-1)?.after).toEqual({ password: "removed" });
    expect((await set(ada.id, null)).version).toBe(removed.version);
  });

  it("stays when other things change, and goes with the user", async () => {
    const { deps, tenant, is, hashOf } = await setUp();
    const ada = await createUser(deps, tenant.scim, aUser("ada"), { password: "hunter2" });
    await changeUser(deps, tenant.scim, ada.id, () => aUser("grace"));
    expect(await is(ada.id, "hunter2")).toBe(true);
    await deleteUser(deps, tenant.scim, ada.id);
    expect(await hashOf(ada.id)).toBeUndefined();
  });

  it("is of one tenant and one user: nobody else's, and no for whoever does not exist", async () => {
    const { deps, tenant, is } = await setUp();
    const other = await makeTenant(deps);
    const ada = await createUser(deps, tenant.scim, aUser("ada"), { password: "hunter2" });
    const eve = await createUser(deps, tenant.scim, aUser("eve"));
    expect(await verifyPassword(deps, other.id, ada.id, "hunter2")).toBe(false);
    for (const id of [eve.id, deps.newId(), "not-an-id"]) expect(await is(id, "hunter2")).toBe(false);
    for (const text of ["", "x".repeat(2000), "a\0b"]) expect(await is(ada.id, text)).toBe(false);
  });

  it("is compared in its prepared form (RFC 8265 §4.2)", async () => {
    const { deps, tenant, is } = await setUp();
    const { id } = await createUser(deps, tenant.scim, aUser("ada"), { password: "r\u00e9sum\u00e9 1" });
    expect(await is(id, "re\u0301sume\u0301\u00a01")).toBe(true);
  });

  it("is in no row of the database, whatever was done with it", async () => {
    const { deps, tenant, set, db } = await setUp();
    const chief = await anAdmin(deps, tenant, "chief");
    const secrets = ["s3cret-one", "s3cret-two", "s3cret-three", "s3cret-four", "s3cret-five"] as const;
    const ada = await createUser(deps, tenant.scim, aUser("ada"), { password: secrets[0] });
    await set(ada.id, secrets[1]);
    await expect(set(chief.id, secrets[2])).rejects.toMatchObject(protection);
    const bob = naming("admin")(aUser("bob"));
    await expect(createUser(deps, tenant.scim, bob, { password: secrets[3] })).rejects.toThrow();
    await changeUser(deps, tenant.scim, chief.id, (doc) => ({ ...doc, active: false }), { password: secrets[4] });
    const stored = await everythingStored(db);
    for (const secret of secrets) expect(stored).not.toContain(secret);
    // Hashes are where they belong: passwords, and the wish of a request that waits for an Admin.
    const places = stored.split("\n").filter((row) => row.includes("$scrypt$"));
    expect(places.filter((row) => !/^(passwords|promotions): /.test(row))).toEqual([]);
  });

  it("of two who set it at once, one comes after the other, and both versions count", async () => {
    const { deps, tenant, set, is } = await setUp();
    const ada = await createUser(deps, tenant.scim, aUser("ada"));
    const texts = ["one", "two", "three", "four"];
    const results = await Promise.all(texts.map((text) => set(ada.id, text)));
    expect(new Set(results.map(({ version }) => version)).size).toBe(texts.length);
    const fitting = await Promise.all(texts.map((text) => is(ada.id, text)));
    expect(fitting.filter((fits) => fits)).toHaveLength(1);
    const last = await getAccount(deps, tenant.scim, ada.id);
    const at = fitting.indexOf(true);
    expect(results[at]?.version).toBe(last.version);
  });

  it("GRD-8: of an administrator is refused, recorded once however often it is sent, and kept from whoever looks", async () => {
    const { deps, tenant, db, set, is, hashOf, events } = await setUp();
    const chief = await anAdmin(deps, tenant, "chief");
    await set(chief.id, "old", tenant.admin);
    for (let n = 0; n < 3; n++) await expect(set(chief.id, "new")).rejects.toMatchObject(protection);
    expect(await is(chief.id, "old")).toBe(true);
    const requests = await requestsOf(db, tenant.id);
    expect(requests).toMatchObject([{ kind: "identity", role: "admin", state: "open", attempts: 3 }]);
    const [shown] = await listPromotionRows(deps.db, tenant.id, { state: null, grouped: true }, null, 10);
    expect(shown?.wish).toEqual({ userName: "chief", emails: null, externalId: null, password: "set" });
    expect(JSON.stringify(await events(chief.id))).not.toContain("scrypt");
    // What is right and what is wrong get the same answer: nobody guesses an administrator's password here.
    await expect(set(chief.id, "old")).rejects.toMatchObject(protection);
    // Another password is another request, so that nobody approves one that they did not look at.
    await expect(set(chief.id, "newer")).rejects.toMatchObject(protection);
    expect((await requestsOf(db, tenant.id)).map(({ state }) => state)).toEqual(["void", "void", "open"]);
    const before = (await hashOf(chief.id))?.hash;
    expect(JSON.stringify(await requestsWithWishes(db, tenant.id))).not.toContain(before);
  });

  it("GRD-8: is set when an Admin approves it, and then nothing of it stays with the request", async () => {
    const { deps, tenant, db, set, is, events } = await setUp();
    const chief = await anAdmin(deps, tenant, "chief");
    await expect(set(chief.id, "new")).rejects.toMatchObject(protection);
    const [request] = await requestsOf(db, tenant.id);
    await expect(approve(deps, chief.api, request!.id)).rejects.toMatchObject({ code: "forbidden" });
    expect(await approve(deps, tenant.admin, request!.id)).toMatchObject({ wish: { password: "set" } });
    expect(await is(chief.id, "new")).toBe(true);
    expect((await events(chief.id)).at(-1)).toMatchObject({ after: { password: "set" }, rule: "GRD-8" });
    expect(JSON.stringify(await requestsWithWishes(db, tenant.id))).not.toContain("scrypt");
  });

  it("GRD-8: removing it is asked for likewise, and declining leaves no hash either", async () => {
    const { deps, tenant, db, set, is } = await setUp();
    const chief = await anAdmin(deps, tenant, "chief");
    await set(chief.id, "old", tenant.admin);
    await expect(set(chief.id, null)).rejects.toMatchObject(protection);
    const [removal] = await requestsOf(db, tenant.id);
    const [shown] = await listPromotionRows(deps.db, tenant.id, { state: "open", grouped: false }, null, 10);
    expect(shown?.wish).toMatchObject({ password: "removed" });
    await approve(deps, tenant.admin, removal!.id);
    expect(await is(chief.id, "old")).toBe(false);
    await expect(set(chief.id, "new")).rejects.toMatchObject(protection);
    const declined = (await requestsOf(db, tenant.id)).find(({ state }) => state === "open");
    await decline(deps, tenant.admin, declined!.id);
    expect(JSON.stringify(await requestsWithWishes(db, tenant.id))).not.toContain("scrypt");
  });

  it("GRD-8: with an Admin's authority it is set at once, and so it is for whoever is no administrator", async () => {
    const { deps, tenant, set, is } = await setUp();
    const chief = await anAdmin(deps, tenant, "chief");
    await set(chief.id, "by an Admin", tenant.admin);
    expect(await is(chief.id, "by an Admin")).toBe(true);
    const ada = await createUser(deps, tenant.scim, aUser("ada"));
    await set(ada.id, "by a connection");
    expect(await is(ada.id, "by a connection")).toBe(true);
  });

  it("GRD-8: of somebody who would be an administrator on coming back is protected as well", async () => {
    const { deps, tenant, set } = await setUp();
    const chief = await anAdmin(deps, tenant, "chief");
    await changeUser(deps, tenant.scim, chief.id, (doc) => ({ ...doc, active: false }));
    await expect(set(chief.id, "new")).rejects.toMatchObject(protection);
  });

  it("GRD-6, GRD-8: an approved create brings the role, and its password waits for an Admin by itself", async () => {
    const { deps, tenant, db, is, events } = await setUp();
    const doc = naming("admin")(aUser("ada"));
    await expect(createUser(deps, tenant.scim, doc, { password: "first" })).rejects.toMatchObject({
      code: "promotionRefused",
    });
    expect(JSON.stringify(await requestsWithWishes(db, tenant.id))).not.toContain("scrypt");
    await approve(deps, tenant.admin, (await requestsOf(db, tenant.id))[0]!.id);
    // A directory makes up another placeholder for every attempt.
    const ada = await createUser(deps, tenant.scim, doc, { password: "second" });
    expect(ada.role).toBe("admin");
    expect(await is(ada.id, "second")).toBe(false);
    expect((await events(ada.id)).map(({ action, rule }) => [action, rule])).toEqual([
      ["user.created", "ROL-2"],
      ["promotion.requested", "GRD-8"],
      ["user.part-refused", "GRD-8"],
    ]);
    expect((await events(ada.id))[0]?.after).not.toHaveProperty("password");
    const asked = (await requestsOf(db, tenant.id)).find(({ state }) => state === "open");
    expect(asked).toMatchObject({ kind: "identity", user_id: ada.id });
    await approve(deps, tenant.admin, asked!.id);
    expect(await is(ada.id, "second")).toBe(true);
  });

  it("GRD-6: another password since the request makes it stale, and asking again opens another", async () => {
    const { deps, tenant, db, set } = await setUp();
    const eve = await createUser(deps, tenant.scim, aUser("eve"), { password: "old" });
    const ask = () => expect(changeUser(deps, tenant.scim, eve.id, naming("admin"))).rejects.toThrow();
    await ask();
    deps.now = new Date(deps.now.getTime() + 1000);
    await set(eve.id, "old");
    await ask();
    expect(await requestsOf(db, tenant.id)).toMatchObject([{ attempts: 2 }]);
    await set(eve.id, "mine");
    await ask();
    const [seen, next] = await requestsOf(db, tenant.id);
    expect([seen?.state, next?.state]).toEqual(["void", "open"]);
    deps.now = new Date(deps.now.getTime() + 1000);
    await set(eve.id, "mine again");
    await expect(approve(deps, tenant.admin, next!.id)).rejects.toMatchObject({ code: "stale" });
  });

  it("GRD-6: a request by name is not for somebody who came with a password since", async () => {
    const { deps, tenant, db } = await setUp();
    await expect(createUser(deps, tenant.scim, naming("admin")(aUser("ada")))).rejects.toThrow();
    deps.now = new Date(deps.now.getTime() + 1000);
    await createUser(deps, tenant.scim, aUser("ada"), { password: "mine" });
    const [request] = await requestsOf(db, tenant.id);
    await expect(approve(deps, tenant.admin, request!.id)).rejects.toMatchObject({ code: "stale" });
  });

  it("GRD-4: where roles are withheld, the password of whoever stays without is set", async () => {
    const { deps, tenant, is, db } = await setUp();
    await changeSettings(deps, tenant.admin, { onUnauthorizedPromotion: "withhold" });
    const ada = await createUser(deps, tenant.scim, naming("admin")(aUser("ada")), { password: "hunter2" });
    expect([ada.role, await is(ada.id, "hunter2")]).toEqual(["user", true]);
    await approve(deps, tenant.admin, (await requestsOf(db, tenant.id))[0]!.id);
    expect((await getAccount(deps, tenant.scim, ada.id)).role).toBe("admin");
  });

  it("USR-9: a leaver leaves, with the password of the same request or, for an administrator, without", async () => {
    const { deps, tenant, db, is } = await setUp();
    const leave = { password: "placeholder" };
    const ada = await createUser(deps, tenant.scim, aUser("ada"));
    const left = await changeUser(deps, tenant.scim, ada.id, (doc) => ({ ...doc, active: false }), leave);
    expect([left.status, await is(ada.id, "placeholder")]).toEqual(["inactive", true]);
    const chief = await anAdmin(deps, tenant, "chief");
    const gone = await changeUser(deps, tenant.scim, chief.id, (doc) => ({ ...doc, active: false }), leave);
    expect([gone.status, await is(chief.id, "placeholder")]).toEqual(["inactive", false]);
    const [request] = await requestsOf(db, tenant.id);
    expect(request).toMatchObject({ kind: "identity", user_id: chief.id });
    await approve(deps, tenant.admin, request!.id);
    expect(await is(chief.id, "placeholder")).toBe(true);
  });

  it("USR-9: a leaver leaves when no more passwords can be computed, and under a name that is taken, too", async () => {
    const { deps, tenant, hashOf, events } = await setUp(new PasswordHasher({ ...quick, atOnce: 0, waitingMax: 0 }));
    const ada = await createUser(deps, tenant.scim, aUser("ada"));
    await createUser(deps, tenant.scim, aUser("grace"));
    const change = (words: object) =>
      changeUser(deps, tenant.scim, ada.id, (doc) => ({ ...doc, ...words }), { password: "new" });
    await expect(change({ title: "Lead" })).rejects.toMatchObject({
      code: "unavailable",
      headers: { "Retry-After": expect.any(String) },
    });
    expect(await change({ active: false, userName: "grace" })).toMatchObject({
      status: "inactive",
      doc: { userName: "ada" },
    });
    expect(await hashOf(ada.id)).toBeUndefined();
    const dropped = (await events(ada.id)).filter(({ action }) => action === "user.part-refused");
    expect(dropped.map(({ after }) => after.code).sort()).toEqual(["unavailable", "uniqueness"]);
  });
});

async function requestsWithWishes(db: OpenDatabase, tenantId: string): Promise<unknown[]> {
  return await db.query({ name: "test_wishes", text: "select * from promotions where tenant_id = $1" }, [tenantId]);
}
