/** ROL-1, ROL-5, GRD-5: the catalogue of roles, and what an edit of it does to people. */
import { expect, it } from "vitest";
import { saveMapping } from "../../src/provisioning/mapping.ts";
import { approve } from "../../src/provisioning/promotions.ts";
import { changeRole, createRole, listRoles, removeRole } from "../../src/provisioning/roles.ts";
import { changeAccess, changeUser, createUser, getAccount } from "../../src/provisioning/users.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aUser, makeDeps, makeTenant } from "../helpers/tenant.ts";
import {
  actWith,
  administratorsOf,
  anAdmin,
  grantsOf,
  mappingWith,
  naming,
  openRequests,
  requestsOf,
} from "./people.ts";

const role = (key: string, ...permissions: string[]) => ({ key, name: `The ${key}`, rank: 60, permissions });

describeOnBoth("the catalogue of roles", (getDb) => {
  async function setUp() {
    const deps = makeDeps(getDb());
    const tenant = await makeTenant(deps);
    const create = async (...args: Parameters<typeof role>) => {
      await createRole(deps, tenant.admin, role(...args));
      await deps.runJobs();
    };
    const edit = async (key: string, change: Parameters<typeof changeRole>[3]) => {
      await changeRole(deps, tenant.admin, key, change);
      await deps.runJobs();
    };
    const user = async (name: string, more = {}) => (await createUser(deps, tenant.scim, aUser(name, more))).id;
    const look = async (id: string) => await getAccount(deps, tenant.scim, id);
    return { deps, tenant, db: getDb(), create, edit, user, look };
  }

  it("ROL-1: keys and names are one namespace, unique without letter case", async () => {
    const { deps, tenant, create } = await setUp();
    await create("editor");
    for (const twin of [
      { key: "EDITOR", name: "Other" },
      { key: "other", name: "Editor" },
      { key: "other", name: "the EDITOR" },
      { key: "manager", name: "Other" },
      { key: "other", name: "ａdmin" },
    ]) {
      const made = createRole(deps, tenant.admin, { ...role("x"), ...twin });
      await expect(made, JSON.stringify(twin)).rejects.toMatchObject({ code: "uniqueness", facts: { rule: "ROL-1" } });
    }
    const renamed = changeRole(deps, tenant.admin, "editor", { name: "Manager" });
    await expect(renamed).rejects.toMatchObject({ code: "uniqueness" });
    await changeRole(deps, tenant.admin, "editor", { name: "EDITOR" });
  });

  it("ROL-1: a role in use is not deleted, and the answer counts its uses; a built-in one never is", async () => {
    const { deps, tenant, create, user } = await setUp();
    await create("editor");
    const [ada, bob] = [await user("ada", { roles: [{ value: "editor" }] }), await user("bob")];
    await changeAccess(deps, tenant.admin, bob, { role: "editor" });
    await actWith(deps, tenant.admin, { scopes: ["api"], role: "editor" });
    const groups = [{ match: { displayName: "E" }, role: "editor" }];
    await saveMapping(deps, tenant.admin, await mappingWith(deps, tenant, { groups }));
    await expect(removeRole(deps, tenant.admin, "editor")).rejects.toMatchObject({
      code: "roleInUse",
      facts: { rule: "ROL-1", users: 2, pins: 1, tokens: 1, mapped: 1 },
    });
    await expect(removeRole(deps, tenant.admin, "manager")).rejects.toMatchObject({ code: "conflict" });
    await expect(removeRole(deps, tenant.admin, "wizard")).rejects.toMatchObject({ code: "notFound" });
    await create("unused");
    await removeRole(deps, tenant.admin, "unused");
    expect((await listRoles(deps, tenant.admin)).map(({ key }) => key)).not.toContain("unused");
    expect(ada).not.toBe(bob);
  });

  it("ROL-5: nobody puts into a role what they do not hold, or gives a role that holds more than they do", async () => {
    const { deps, tenant, create, user, look } = await setUp();
    await create("desk", "users.manage", "roles.manage", "content.edit", "profile.manage");
    const desk = await actWith(deps, tenant.admin, { scopes: ["api"], role: "desk" });
    await expect(createRole(deps, desk, role("own", "tokens.manage"))).rejects.toMatchObject({
      code: "promotionRefused",
    });
    await expect(createRole(deps, desk, role("own", "*"))).rejects.toMatchObject({ code: "promotionRefused" });
    await expect(createRole(deps, desk, role("own", "billing.manage"))).rejects.toMatchObject({ code: "forbidden" });
    await createRole(deps, desk, role("own", "content.edit", "users.manage"));
    await expect(changeRole(deps, desk, "own", { permissions: ["tokens.manage"] })).rejects.toMatchObject({
      code: "promotionRefused",
    });
    const ada = await user("ada");
    await expect(changeAccess(deps, desk, ada, { role: "manager" })).rejects.toMatchObject({
      code: "forbidden",
      facts: { rule: "ROL-5" },
    });
    await expect(changeAccess(deps, desk, ada, { role: "admin" })).rejects.toMatchObject({ code: "promotionRefused" });
    expect(await look(ada)).toMatchObject({ role: "user", rolePin: null });
    await changeAccess(deps, desk, ada, { role: "own" });
    expect(await look(ada)).toMatchObject({ role: "own", administrative: true });
    const manager = await actWith(deps, tenant.admin, { scopes: ["api"], role: "manager" });
    await expect(createRole(deps, manager, role("mine"))).rejects.toMatchObject({ code: "forbidden" });
    await expect(createRole(deps, tenant.scim, role("mine"))).rejects.toMatchObject({ code: "forbidden" });
  });

  it("GRD-5: a role that becomes administrative is withheld from everybody who has it", async () => {
    const { deps, tenant, db, create, edit, user, look } = await setUp();
    await create("lead", "content.edit");
    const [words, pinned, off] = [
      await user("words", { roles: [{ value: "lead" }] }),
      await user("pinned"),
      await user("off", { roles: [{ value: "lead" }], active: false }),
    ];
    await changeAccess(deps, tenant.admin, pinned, { role: "lead" });
    await edit("lead", { permissions: ["content.edit", "users.manage"] });
    for (const id of [words, pinned, off]) expect((await look(id)).role).toBe("user");
    expect(await administratorsOf(db, tenant.id)).toEqual([]);
    expect(await openRequests(db, tenant.id)).toEqual(["lead of pinned by pin", "lead of words by words"]);
    const [first] = await requestsOf(db, tenant.id);
    await approve(deps, tenant.admin, first!.id);
    expect(await administratorsOf(db, tenant.id)).toEqual([first!.user_name]);
    await edit("lead", { permissions: ["content.edit"] });
    for (const id of [words, pinned]) expect(await look(id)).toMatchObject({ role: "lead", administrative: false });
  });

  it("GRD-5: what an edit adds to an administrative role is withheld from its holders, who keep the rest", async () => {
    const { deps, tenant, db, create, edit, user, look } = await setUp();
    await create("desk", "users.manage");
    const ada = await user("ada");
    await changeAccess(deps, tenant.admin, ada, { role: "desk" });
    const api = await actWith(deps, tenant.admin, { scopes: ["api"], role: "desk", userId: ada });
    const before = await grantsOf(db, tenant.id);
    await edit("desk", { permissions: ["users.manage", "roles.manage"] });
    expect(await look(ada)).toMatchObject({ role: "desk", administrative: true });
    expect(await grantsOf(db, tenant.id)).toEqual(before);
    expect(await openRequests(db, tenant.id)).toEqual(["desk of ada by pin"]);
    await expect(createRole(deps, api, role("own"))).rejects.toMatchObject({ code: "forbidden" });
    await changeUser(deps, tenant.scim, ada, (doc) => ({ ...doc, title: "x" }));
    expect((await requestsOf(db, tenant.id))[0]).toMatchObject({ attempts: 1 });
    await approve(deps, tenant.admin, (await requestsOf(db, tenant.id))[0]!.id);
    expect(await grantsOf(db, tenant.id)).toEqual([`${ada}: desk by pin over roles.manage,users.manage`]);
  });

  it("GRD-5: an unknown role kept as data makes nobody Admin when it comes to exist or gets its name", async () => {
    const { deps, tenant, db, create, edit, user, look } = await setUp();
    const [one, two] = [
      await user("one", { roles: [{ value: "Superuser" }] }),
      await user("two", { roles: [{ value: "Root" }] }),
    ];
    await create("superuser", "users.manage");
    await create("ops", "*");
    await edit("ops", { name: "Root" });
    for (const id of [one, two]) expect((await look(id)).role).toBe("user");
    expect(await openRequests(db, tenant.id)).toEqual(["ops of two by words", "superuser of one by words"]);
    // Said again they are named, and refused.
    const again = changeUser(deps, tenant.scim, two, (doc) => ({ ...doc, roles: [{ value: "ops" }] }));
    await expect(again).rejects.toMatchObject({ code: "promotionRefused" });
    await expect(changeUser(deps, tenant.scim, two, naming("superuser"))).rejects.toMatchObject({
      code: "promotionRefused",
    });
  });

  it("GRD-7: the built-in Admin role keeps everything, and an edit of another leaves an Admin", async () => {
    const { deps, tenant, create, edit, user } = await setUp();
    await expect(changeRole(deps, tenant.admin, "admin", { permissions: [] })).rejects.toMatchObject({
      code: "conflict",
    });
    await create("root", "*");
    const ada = await user("ada");
    await changeAccess(deps, tenant.admin, ada, { role: "root" });
    await expect(changeRole(deps, tenant.admin, "root", { permissions: ["users.manage"] })).rejects.toMatchObject({
      code: "lastAdmin",
    });
    await anAdmin(deps, tenant, "other");
    await edit("root", { permissions: ["users.manage"] });
  });

  it("GRD-5: the default role does not become administrative", async () => {
    const { deps, tenant } = await setUp();
    const change = changeRole(deps, tenant.admin, "user", { permissions: ["users.manage:own-teams"] });
    await expect(change).rejects.toMatchObject({ code: "conflict", facts: { rule: "GRD-5" } });
  });
});
