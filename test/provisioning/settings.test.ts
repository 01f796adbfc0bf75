/** The tenant's settings: who may change them, and what they change at once and for everybody. */
import { expect, it } from "vitest";
import { operator } from "../../src/auth/principal.ts";
import { createRole } from "../../src/provisioning/roles.ts";
import { changeSettings, getSettings } from "../../src/provisioning/settings.ts";
import { changeTenant } from "../../src/provisioning/tenants.ts";
import { changeUser, createUser, getAccount } from "../../src/provisioning/users.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aUser, makeDeps, makeTenant } from "../helpers/tenant.ts";
import { actWith, anAdmin, naming } from "./people.ts";

describeOnBoth("settings", (getDb) => {
  async function setUp() {
    const deps = makeDeps(getDb());
    const tenant = await makeTenant(deps, { seats: { standard: 3 } });
    const set = async (change: Parameters<typeof changeSettings>[2]) => {
      await changeSettings(deps, tenant.admin, change);
      await deps.runJobs();
    };
    return { deps, tenant, set };
  }

  it("change only with settings.manage, and each change is an event", async () => {
    const { deps, tenant, set } = await setUp();
    const manager = await actWith(deps, tenant.admin, { scopes: ["api"], role: "manager" });
    for (const ctx of [manager, tenant.scim]) {
      await expect(changeSettings(deps, ctx, { unknownRoles: "refuse" })).rejects.toMatchObject({ code: "forbidden" });
    }
    await set({ unknownRoles: "refuse" });
    expect(await getSettings(deps, tenant.admin)).toMatchObject({ unknownRoles: "refuse", emailImmutable: false });
    const events = await deps.db.query<{ before: unknown; after: unknown }>(
      {
        name: "test_settings",
        text: "select before, after from events where tenant_id = $1 and action = 'settings.changed'",
      },
      [tenant.id],
    );
    expect(events).toEqual([{ before: { unknownRoles: "keep" }, after: { unknownRoles: "refuse" } }]);
  });

  it("ROL-3: unknownRoles: refuse takes effect with the next request", async () => {
    const { deps, tenant, set } = await setUp();
    const wizard = { roles: [{ value: "wizard" }] };
    const kept = await createUser(deps, tenant.scim, aUser("kept", wizard));
    expect(kept.doc).toMatchObject(wizard);
    await set({ unknownRoles: "refuse" });
    await expect(createUser(deps, tenant.scim, aUser("new", wizard))).rejects.toMatchObject({ code: "unknownRole" });
    const echoed = await changeUser(deps, tenant.scim, kept.id, (doc) => ({ ...doc, title: "x" }));
    expect(echoed.doc).toMatchObject(wizard);
  });

  it("USR-4: emailImmutable", async () => {
    const { deps, tenant, set } = await setUp();
    const emails = (value: string) => ({ emails: [{ value }] });
    const ada = await createUser(deps, tenant.scim, aUser("ada", emails("ada@x.org")));
    await set({ emailImmutable: true });
    const change = changeUser(deps, tenant.scim, ada.id, (doc) => ({ ...doc, ...emails("eve@x.org") }));
    await expect(change).rejects.toMatchObject({ code: "mutability", status: 400 });
    const out = await changeUser(deps, tenant.scim, ada.id, (doc) => ({
      ...doc,
      ...emails("eve@x.org"),
      active: false,
    }));
    expect(out).toMatchObject({ status: "inactive", doc: emails("ada@x.org") });
  });

  it("USR-5: requireDomain and restrictDomains, by the domains that the operator sets", async () => {
    const { deps, tenant, set } = await setUp();
    await set({ requireDomain: true, restrictDomains: true });
    await expect(createUser(deps, tenant.scim, aUser("ada@x.org"))).rejects.toMatchObject({ code: "domainRequired" });
    const root = { principal: operator(), requestId: "test", door: "api" } as const;
    await changeTenant(deps, root, tenant.id, { domains: ["X.org"] });
    const ada = await createUser(deps, tenant.scim, aUser("ada@x.org"));
    await expect(createUser(deps, tenant.scim, aUser("eve@y.org"))).rejects.toMatchObject({ code: "domainRequired" });
    await changeTenant(deps, root, tenant.id, { domains: [] });
    await deps.runJobs();
    expect((await changeUser(deps, tenant.scim, ada.id, (doc) => ({ ...doc, title: "x" }))).status).toBe("active");
  });

  it("USR-9: a taken userName does not keep a leaver in", async () => {
    const { deps, tenant } = await setUp();
    const [ada] = [
      await createUser(deps, tenant.scim, aUser("ada")),
      await createUser(deps, tenant.scim, aUser("eve")),
    ];
    const rename = (more: object) =>
      changeUser(deps, tenant.scim, ada.id, (doc) => ({ ...doc, userName: "EVE", title: "Gone", ...more }));
    await expect(rename({})).rejects.toMatchObject({ code: "uniqueness" });
    expect(await rename({ active: false })).toMatchObject({
      status: "inactive",
      doc: { userName: "ada", title: "Gone" },
    });
    const [event] = await deps.db.query<{ rule: string; after: object }>(
      {
        name: "test_dropped",
        text: "select rule, after from events where tenant_id = $1 and action = 'user.part-refused'",
      },
      [tenant.id],
    );
    expect(event).toMatchObject({ rule: "USR-9", after: { code: "uniqueness" } });
  });

  it("GRD-6: turning twoPersonPromotion off takes two persons", async () => {
    const { deps, tenant, set } = await setUp();
    const [ada, bob] = [await anAdmin(deps, tenant, "ada"), await anAdmin(deps, tenant, "bob")];
    await set({ twoPersonPromotion: true });
    const off = (ctx: typeof ada.api) => changeSettings(deps, ctx, { twoPersonPromotion: false });
    await expect(off(ada.api)).rejects.toMatchObject({ code: "conflict", facts: { rule: "GRD-6" } });
    await expect(off(ada.api)).rejects.toMatchObject({ code: "conflict" });
    await expect(off(await actWith(deps, ada.api, { scopes: ["api"], role: "admin" }))).rejects.toMatchObject({
      code: "conflict",
    });
    const asBob = await actWith(deps, ada.api, { scopes: ["api"], role: "admin", userId: bob.id });
    await expect(off(asBob)).rejects.toMatchObject({ code: "conflict" });
    expect((await getSettings(deps, tenant.admin)).twoPersonPromotion).toBe(true);
    deps.now = new Date(deps.now.getTime() + 25 * 3_600_000);
    await expect(off(bob.api)).rejects.toMatchObject({ code: "conflict" });
    expect((await off(ada.api)).twoPersonPromotion).toBe(false);
  });

  it("GRD-4: onUnauthorizedPromotion decides between refusing and withholding what is named", async () => {
    const { deps, tenant, set } = await setUp();
    const ada = await createUser(deps, tenant.scim, aUser("ada"));
    await expect(changeUser(deps, tenant.scim, ada.id, naming("admin"))).rejects.toMatchObject({
      code: "promotionRefused",
    });
    await set({ onUnauthorizedPromotion: "withhold" });
    expect(await changeUser(deps, tenant.scim, ada.id, naming("admin"))).toMatchObject({ role: "user" });
    await set({ onUnauthorizedPromotion: "refuse" });
    // What is stored by now is no new claim.
    expect(await changeUser(deps, tenant.scim, ada.id, (doc) => ({ ...doc, title: "x" }))).toMatchObject({
      role: "user",
    });
  });

  it("LIC-8: pendingHoldsSeat reaches those who are invited", async () => {
    const { deps, tenant, set } = await setUp();
    const doc = {
      ...aUser("ada"),
      "urn:ietf:params:scim:schemas:extension:usher:2.0:User": { licenseTier: "standard" },
    };
    const invitation = { accepted: false, expiresAt: "2026-02-01T00:00:00.000Z" } as const;
    const ada = await createUser(deps, tenant.admin, doc, { invitation });
    const tier = async () => (await getAccount(deps, tenant.admin, ada.id)).license.tier;
    expect([ada.status, await tier()]).toEqual(["pending", "standard"]);
    await set({ pendingHoldsSeat: false });
    expect(await tier()).toBeNull();
    await set({ pendingHoldsSeat: true });
    expect(await tier()).toBe("standard");
  });

  it("two Admins' changes of different settings do not undo each other", async () => {
    const { deps, tenant } = await setUp();
    await createRole(deps, tenant.admin, { key: "x", name: "X", rank: 1, permissions: [] });
    await Promise.all([
      changeSettings(deps, tenant.admin, { licenseRequired: true }),
      changeSettings(deps, tenant.admin, { emailImmutable: true }),
    ]);
    expect(await getSettings(deps, tenant.admin)).toMatchObject({ licenseRequired: true, emailImmutable: true });
  });
});
