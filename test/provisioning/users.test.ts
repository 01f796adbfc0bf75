import { describe, expect, it } from "vitest";
import { USHER_USER } from "../../src/domain/words.ts";
import { changeAccess, changeUser, createUser, deleteUser, getAccount } from "../../src/provisioning/users.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aUser, makeDeps, makeTenant } from "../helpers/tenant.ts";

const wants = (tier: string) => ({ [USHER_USER]: { licenseTier: tier } });

describeOnBoth("provisioning one user", (getDb) => {
  it("LIC-1 seats the first, queues the second, and passes the seat on when the first leaves (LIC-4)", async () => {
    const deps = makeDeps(getDb());
    const tenant = await makeTenant(deps, { seats: { standard: 1 } });
    const first = await createUser(deps, tenant.scim, aUser("first", wants("standard")));
    expect(first.license).toMatchObject({ tier: "standard", status: "assigned" });
    const second = await createUser(deps, tenant.scim, aUser("second", wants("standard")));
    expect(second.license).toMatchObject({ tier: null, status: "waitlisted", wanted: "standard", position: 1 });
    const third = await createUser(deps, tenant.scim, aUser("third", wants("standard")));
    expect(third.license.position).toBe(2);
    const left = await changeUser(deps, tenant.scim, first.id, (doc) => ({ ...doc, active: false }));
    expect(left).toMatchObject({ status: "inactive", license: { status: "none" } });
    expect((await getAccount(deps, tenant.scim, second.id)).license).toMatchObject({
      tier: "standard",
      status: "assigned",
    });
    await deleteUser(deps, tenant.scim, second.id);
    expect((await getAccount(deps, tenant.scim, third.id)).license).toMatchObject({
      tier: "standard",
      status: "assigned",
    });
  });

  it("LIC-5 keeps the present seat while waiting for a higher tier, then swaps", async () => {
    const deps = makeDeps(getDb());
    const tenant = await makeTenant(deps, { seats: { standard: 1, pro: 1 } });
    const holder = await createUser(deps, tenant.scim, aUser("holder", wants("pro")));
    const climber = await createUser(deps, tenant.scim, aUser("climber", wants("standard")));
    const next = await createUser(deps, tenant.scim, aUser("next", wants("standard")));
    const waiting = await changeUser(deps, tenant.scim, climber.id, (doc) => ({ ...doc, ...wants("pro") }));
    expect(waiting.license).toMatchObject({ tier: "standard", status: "assigned", wanted: "pro", position: 1 });
    await changeUser(deps, tenant.scim, holder.id, (doc) => ({ ...doc, active: false }));
    expect((await getAccount(deps, tenant.scim, climber.id)).license).toMatchObject({ tier: "pro", wanted: null });
    expect((await getAccount(deps, tenant.scim, next.id)).license).toMatchObject({
      tier: "standard",
      status: "assigned",
    });
  });

  it("GRD-4 refuses an administrative role named by a connection, creates nobody, and records the wish", async () => {
    const deps = makeDeps(getDb());
    const tenant = await makeTenant(deps);
    const doc = aUser("eve", { roles: [{ value: "admin" }] });
    await expect(createUser(deps, tenant.scim, doc)).rejects.toMatchObject({ code: "promotionRefused" });
    await expect(createUser(deps, tenant.scim, doc)).rejects.toMatchObject({ code: "promotionRefused" });
    const { build } = getDb();
    const rows = await getDb().run(build.selectFrom("promotions").selectAll().where("tenant_id", "=", tenant.id));
    expect(rows).toMatchObject([{ state: "open", role: "admin", attempts: 2, user_id: null }]);
    const eve = await createUser(deps, tenant.scim, aUser("eve"));
    expect(eve.role).toBe("user");
    await expect(
      changeUser(deps, tenant.scim, eve.id, (current) => ({ ...current, [USHER_USER]: { role: "Admin" } })),
    ).rejects.toMatchObject({ code: "promotionRefused" });
    expect((await getAccount(deps, tenant.scim, eve.id)).role).toBe("user");
  });

  it("GRD-3, GRD-7 lets an Admin pin an Admin, and does not let the last one be demoted", async () => {
    const deps = makeDeps(getDb());
    const tenant = await makeTenant(deps);
    const ada = await createUser(deps, tenant.scim, aUser("ada"));
    expect(await changeAccess(deps, tenant.admin, ada.id, { role: "admin" })).toMatchObject({
      role: "admin",
      administrative: true,
    });
    await expect(changeAccess(deps, tenant.admin, ada.id, { role: "user" })).rejects.toMatchObject({
      code: "lastAdmin",
    });
    await expect(changeUser(deps, tenant.scim, ada.id, (doc) => ({ ...doc, userName: "evil" }))).rejects.toMatchObject({
      code: "identityProtected",
    });
    const bob = await createUser(deps, tenant.scim, aUser("bob"));
    await changeAccess(deps, tenant.admin, bob.id, { role: "admin" });
    expect(await changeAccess(deps, tenant.admin, ada.id, { role: null })).toMatchObject({ role: "user" });
    const left = await changeUser(deps, tenant.scim, bob.id, (doc) => ({ ...doc, active: false }));
    expect(left.status).toBe("inactive");
    const back = await changeUser(deps, tenant.scim, bob.id, (doc) => ({ ...doc, active: true }));
    expect(back).toMatchObject({ status: "active", role: "user" });
  });

  it("USR-9 carries out a deactivation although the rest of the request is refused", async () => {
    const deps = makeDeps(getDb());
    const tenant = await makeTenant(deps);
    const eve = await createUser(deps, tenant.scim, aUser("eve"));
    const out = await changeUser(deps, tenant.scim, eve.id, (doc) => ({
      ...doc,
      active: false,
      title: "Gone",
      roles: [{ value: "admin" }],
      [USHER_USER]: { licenseTier: "nonsense" },
    }));
    expect(out).toMatchObject({ status: "inactive", doc: { active: false, title: "Gone" } });
    expect(out.doc["roles"]).toBeUndefined();
  });
});

describe("ids", () => {
  it("sort by the time of their making", async () => {
    const { newId } = await import("../../src/ids.ts");
    const ids = Array.from({ length: 20_000 }, newId);
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
