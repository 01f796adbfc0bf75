/**
 * Published defects of SCIM servers that concern power and seats, each under its id: none of them is ours. Those that concern
 * parsing, identity, paths and tenants are in test/security/.
 */
import { expect, it } from "vitest";
import { changeGroup, createGroup, deleteGroup, getGroup } from "../../src/provisioning/groups.ts";
import { saveMapping } from "../../src/provisioning/mapping.ts";
import { createRole } from "../../src/provisioning/roles.ts";
import { listTokens, mintToken, rotateToken } from "../../src/provisioning/tokens.ts";
import { changeAccess, changeUser, createUser, deleteUser, getUser } from "../../src/provisioning/users.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aUser, makeDeps, makeTenant } from "../helpers/tenant.ts";
import { actWith, administratorsOf, anAdmin, mappingWith, naming, openRequests } from "./people.ts";

const USHER = "urn:ietf:params:scim:schemas:extension:usher:2.0:User";
const wants = (licenseTier: string) => ({ [USHER]: { licenseTier } });

describeOnBoth("security cases", (getDb) => {
  async function setUp(seats: Record<string, number> = {}) {
    const deps = makeDeps(getDb());
    const tenant = await makeTenant(deps, { seats });
    const user = async (name: string, more = {}) => (await createUser(deps, tenant.scim, aUser(name, more))).id;
    return { deps, tenant, user, db: getDb() };
  }

  it("TEN-4: nothing reaches beyond the tenant: names and ids of another mean nothing to the use cases", async () => {
    const { deps, tenant, user } = await setUp();
    const other = await makeTenant(deps);
    const words = { externalId: "same" };
    const [mine, theirs] = [await user("same", words), (await createUser(deps, other.scim, aUser("same", words))).id];
    const group = { displayName: "Same", externalId: "same" };
    const here = await createGroup(deps, tenant.scim, { ...group, members: [mine] });
    const there = await createGroup(deps, other.scim, { ...group, members: [theirs] });
    const foreign = [
      (id: string) => getUser(deps, tenant.scim, id),
      (id: string) => changeUser(deps, tenant.scim, id, naming("manager")),
      (id: string) => changeAccess(deps, tenant.admin, id, { role: "manager" }),
      (id: string) => deleteUser(deps, tenant.scim, id),
    ];
    const unknown = deps.newId();
    for (const use of foreign) {
      const [known, absent] = await Promise.all([theirs, unknown].map((id) => use(id).catch((error: Error) => error)));
      expect(known).toMatchObject({ code: "notFound" });
      expect((known as Error).message.replace(theirs, "")).toBe((absent as Error).message.replace(unknown, ""));
    }
    await expect(getGroup(deps, tenant.scim, there.id, { members: true })).rejects.toMatchObject({ code: "notFound" });
    await expect(changeGroup(deps, tenant.scim, here.id, [{ add: [theirs] }])).rejects.toMatchObject({
      code: "invalidValue",
    });
    await expect(changeGroup(deps, tenant.scim, here.id, [{ add: [there.id] }])).rejects.toMatchObject({
      code: "invalidValue",
    });
    await deleteUser(deps, tenant.scim, mine);
    expect((await getUser(deps, other.scim, theirs)).doc.userName).toBe("same");
  });

  it("AUTH-4, AUTH-6: nobody mints, rotates or reveals a token stronger than themselves", async () => {
    const { deps, tenant } = await setUp();
    const permissions = ["tokens.manage", "users.read"];
    await createRole(deps, tenant.admin, { key: "mint", name: "Mint", rank: 60, permissions });
    const mint = await actWith(deps, tenant.admin, { scopes: ["api"], role: "mint" });
    const manager = await actWith(deps, tenant.admin, { scopes: ["api"], role: "manager" });
    const chief = await anAdmin(deps, tenant, "chief");
    for (const ctx of [manager, tenant.scim]) {
      const minted = mintToken(deps, ctx, { label: "x", scopes: ["scim"] });
      await expect(minted).rejects.toMatchObject({ code: "forbidden" });
    }
    for (const wish of [{ role: "admin" }, { role: "manager" }, { role: "mint", userId: chief.id }]) {
      const minted = mintToken(deps, mint, { label: "x", scopes: ["api"], ...wish });
      await expect(minted).rejects.toMatchObject({ code: "forbidden", facts: { rule: "GRD-3" } });
    }
    for (const token of await listTokens(deps, mint)) {
      expect(Object.keys(token)).not.toEqual(expect.arrayContaining([expect.stringMatching(/digest|secret|^token$/)]));
      if (token.role !== "admin" && token.role !== "manager") continue;
      await expect(rotateToken(deps, mint, token.id)).rejects.toMatchObject({ code: "forbidden" });
    }
  });

  it("ROL-2: whoever attaches a role to a group, or a person to the group, is judged as if they gave the role", async () => {
    const { deps, tenant, user, db } = await setUp();
    const permissions = ["mapping.manage", "licenses.manage"];
    await createRole(deps, tenant.admin, { key: "mapper", name: "Mapper", rank: 60, permissions });
    const mapper = await actWith(deps, tenant.admin, { scopes: ["api"], role: "mapper" });
    const eve = await user("eve");
    const group = await createGroup(deps, tenant.scim, { displayName: "Ours", externalId: "ours", members: [eve] });
    const groups = [{ match: { id: group.id }, role: "admin" }];
    const document = await mappingWith(deps, tenant, { groups });
    await expect(saveMapping(deps, mapper, document)).rejects.toMatchObject({ code: "forbidden" });
    await saveMapping(deps, tenant.admin, document);
    await deps.runJobs();
    await changeGroup(deps, tenant.scim, group.id, [{ add: [await user("mallory")] }]);
    expect(await administratorsOf(db, tenant.id)).toEqual([]);
    expect((await openRequests(db, tenant.id)).length).toBe(2);
  });

  it("ROL-3: what counts is what somebody ends up with, not the object that was edited", async () => {
    const { deps, tenant, user, db } = await setUp();
    await createRole(deps, tenant.admin, {
      key: "helper",
      name: "Helper",
      rank: 60,
      permissions: ["users.manage:own-teams"],
    });
    await createRole(deps, tenant.admin, { key: "all", name: "Everything else", rank: 60, permissions: ["*"] });
    await deps.runJobs();
    for (const role of ["helper", "HELPER", "all", "everything else", "Admin"]) {
      const made = createUser(deps, tenant.scim, naming(role)(aUser(`as ${role}`)));
      await expect(made).rejects.toMatchObject({ code: "promotionRefused" });
    }
    expect((await createUser(deps, tenant.scim, naming("Manager")(aUser("fine")))).role).toBe("manager");
    expect(await administratorsOf(db, tenant.id)).toEqual([]);
    expect(await user("other")).toBeDefined();
  });

  it("ROL-4: a reference gives nothing that its giver does not hold, and says nothing of what it names", async () => {
    const { deps, tenant } = await setUp();
    const manager = await actWith(deps, tenant.admin, { scopes: ["api"], role: "manager" });
    const other = await makeTenant(deps);
    const stranger = await createUser(deps, other.scim, aUser("stranger"));
    const forbidden = { code: "forbidden" };
    await expect(saveMapping(deps, manager, await mappingWith(deps, tenant, {}))).rejects.toMatchObject(forbidden);
    const acting = (userId: string) => mintToken(deps, tenant.admin, { label: "x", scopes: ["api"], userId });
    const [known, unknown] = await Promise.all(
      [stranger.id, deps.newId()].map((id) => acting(id).catch((error: Error) => error.message)),
    );
    expect(known).toBe(unknown);
  });

  it("SEAT-1: with one seat, every door seats one and queues the rest", async () => {
    const { deps, tenant, user, db } = await setUp({ standard: 1 });
    const holder = await user("holder", wants("standard"));
    const away = await user("away", { active: false, ...wants("standard") });
    const [changed, pinned, grouped, ruled] = [
      await user("changed"),
      await user("pinned"),
      await user("grouped"),
      await user("ruled", { title: "Seller" }),
    ];
    await changeUser(deps, tenant.scim, changed, (doc) => ({ ...doc, ...wants("standard") }));
    await changeAccess(deps, tenant.admin, pinned, { tier: "standard" });
    await saveMapping(
      deps,
      tenant.admin,
      await mappingWith(deps, tenant, {
        groups: [{ match: { displayName: "Sellers" }, tier: "standard" }],
        rules: [{ name: "sellers", when: 'title eq "Seller"', tier: "standard" }],
      }),
    );
    await deps.runJobs();
    const group = await createGroup(deps, tenant.scim, { displayName: "Sellers", members: [grouped] });
    await changeUser(deps, tenant.scim, away, (doc) => ({ ...doc, active: true }));
    const late = await createUser(deps, tenant.scim, aUser("late", wants("standard")));
    const ids = [changed, pinned, ruled, grouped, away, late.id];
    const licenses = await Promise.all(ids.map(async (id) => (await getUser(deps, tenant.scim, id)).license));
    expect(licenses.map(({ status, position }) => [status, position])).toEqual(
      ids.map((_, at) => ["waitlisted", at + 1]),
    );
    expect((await getUser(deps, tenant.scim, holder)).license).toMatchObject({ tier: "standard", status: "assigned" });
    const seats = db.build.selectFrom("seats").select("user_id").where("tenant_id", "=", tenant.id);
    expect(await db.run(seats)).toEqual([{ user_id: holder }]);
    expect(group.team).toBeDefined();
  });

  it("SEAT-2: coming back takes a seat like anybody, and never an old place", async () => {
    const { deps, tenant, user } = await setUp({ standard: 1 });
    const [ada, bob] = [await user("ada", wants("standard")), await user("bob", wants("standard"))];
    const set = (id: string, active: boolean) => changeUser(deps, tenant.scim, id, (doc) => ({ ...doc, active }));
    await set(ada, false);
    expect((await getUser(deps, tenant.scim, bob)).license.tier).toBe("standard");
    const back = await set(ada, true);
    expect(back.license).toMatchObject({ tier: null, status: "waitlisted", position: 1 });
    await set(ada, false);
    await user("cleo", wants("standard"));
    expect((await set(ada, true)).license.position).toBe(2);
  });

  it("SEAT-3: at once as well as one after the other", async () => {
    const { deps, tenant } = await setUp({ standard: 3 });
    const names = Array.from({ length: 20 }, (_, at) => `user${at}`);
    const made = await Promise.all(names.map((name) => createUser(deps, tenant.scim, aUser(name, wants("standard")))));
    const statuses = made.map(({ license }) => license.status).sort();
    expect(statuses).toEqual([...Array(3).fill("assigned"), ...Array(17).fill("waitlisted")]);
  });

  it("SEAT-4: a group that grants a tier seats as many as there are seats, and gives all back with its end", async () => {
    const { deps, tenant, user, db } = await setUp({ pro: 3 });
    const groups = [{ match: { displayName: "Pros" }, tier: "pro" }];
    await saveMapping(deps, tenant.admin, await mappingWith(deps, tenant, { groups }));
    await deps.runJobs();
    const members = [];
    for (let at = 0; at < 8; at++) members.push(await user(`user${at}`));
    const group = await createGroup(deps, tenant.scim, { displayName: "Pros", members });
    const seated = db.build
      .selectFrom("seats")
      .select("user_id")
      .where("tenant_id", "=", tenant.id)
      .where("user_id", "is not", null);
    expect(await db.run(seated)).toHaveLength(3);
    await deleteGroup(deps, tenant.scim, group.id);
    expect(await db.run(seated)).toEqual([]);
    const queue = db.build.selectFrom("waitlist").select("user_id").where("tenant_id", "=", tenant.id);
    expect(await db.run(queue)).toEqual([]);
  });
});
