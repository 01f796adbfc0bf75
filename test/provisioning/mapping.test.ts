/** The mapping saved, and everybody decided anew: what follows for people, and what makes nobody an Admin. */
import { expect, it } from "vitest";
import { changeGroup, createGroup, deleteGroup } from "../../src/provisioning/groups.ts";
import { previewMapping, reconcileProgress, saveMapping } from "../../src/provisioning/mapping.ts";
import { approve } from "../../src/provisioning/promotions.ts";
import { reconcile } from "../../src/provisioning/reconcile.ts";
import { createRole } from "../../src/provisioning/roles.ts";
import { changeUser, createUser, getAccount } from "../../src/provisioning/users.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aUser, makeDeps, makeTenant } from "../helpers/tenant.ts";
import { actWith, administratorsOf, anAdmin, grantsOf, mappingWith, openRequests, requestsOf } from "./people.ts";

const DEPARTMENT = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
const adminsById = { groups: [{ match: { externalId: "admins" }, role: "admin" }] };
const chiefs = { rules: [{ name: "chiefs", when: 'title eq "Chief"', role: "admin" }] };

describeOnBoth("the mapping", (getDb) => {
  async function setUp(seats: Record<string, number> = {}) {
    const deps = makeDeps(getDb());
    const tenant = await makeTenant(deps, { seats });
    const save = async (change: Parameters<typeof mappingWith>[2], options = {}) => {
      await saveMapping(deps, tenant.admin, await mappingWith(deps, tenant, change), options);
      await deps.runJobs();
    };
    const user = async (name: string, more = {}) => (await createUser(deps, tenant.scim, aUser(name, more))).id;
    const look = async (id: string) => await getAccount(deps, tenant.scim, id);
    const group = async (displayName: string, members: string[], externalId?: string) =>
      (
        await createGroup(deps, tenant.scim, {
          displayName,
          members,
          ...(externalId === undefined ? {} : { externalId }),
        })
      ).id;
    return { deps, tenant, db: getDb(), save, user, look, group };
  }

  it("ROL-2: groups, rules and defaults reach everybody who is there already", async () => {
    const { save, user, look, group, deps, tenant } = await setUp({ standard: 5, pro: 5 });
    const [ada, bob, eve, nobody] = [
      await user("ada"),
      await user("bob", { title: "Sales Lead", [DEPARTMENT.slice(0, -11)]: { department: "Sales" } }),
      await user("eve"),
      await user("nobody"),
    ];
    await group("Sales", [ada, bob]);
    await save({
      groups: [
        { match: { displayName: "sales" }, role: "manager", tier: "pro", team: { name: "Selling", kind: "team" } },
      ],
      rules: [
        {
          name: "leads",
          when: `${DEPARTMENT} eq "sales" and title co "Lead"`,
          tier: "standard",
          team: { name: "Leads", kind: "workspace" },
        },
      ],
      defaults: { role: "user", tier: "standard" },
    });
    expect(await look(ada)).toMatchObject({
      role: "manager",
      license: { tier: "pro" },
      teams: [{ display: "Selling" }],
    });
    expect(await look(bob)).toMatchObject({ role: "manager", license: { tier: "pro" } });
    expect((await look(bob)).teams.map(({ display, kind }) => `${kind} ${display}`)).toEqual([
      "workspace Leads",
      "team Selling",
    ]);
    expect(await look(eve)).toMatchObject({ role: "user", license: { tier: "standard" }, teams: [] });
    expect(await look(nobody)).toMatchObject({ role: "user", license: { tier: "standard" } });
    expect(await reconcileProgress(deps, tenant.admin)).toMatchObject({ state: "done", total: 4, done: 4 });
    await save({ groups: [], rules: [], defaults: { role: "user", tier: null } });
    expect(await look(bob)).toMatchObject({ role: "user", license: { tier: null }, teams: [{ display: "Sales" }] });
  });

  it("goes on after a crash, and tells how far it is", async () => {
    const { deps, tenant, save, user, look } = await setUp();
    const ids = [await user("ada"), await user("bob")];
    await saveMapping(
      deps,
      tenant.admin,
      await mappingWith(deps, tenant, { defaults: { role: "manager", tier: null } }),
    );
    expect(await reconcileProgress(deps, tenant.admin)).toMatchObject({ state: "running", total: 2, done: 0 });
    const aborted = { aborted: true } as AbortSignal;
    await expect(reconcile(deps, tenant.id, aborted)).rejects.toThrow(/stopped/);
    expect(await reconcileProgress(deps, tenant.admin)).toMatchObject({ state: "running" });
    await save({});
    for (const id of ids) expect((await look(id)).role).toBe("manager");
    expect(await reconcileProgress(deps, tenant.admin)).toMatchObject({ state: "done" });
  });

  it("decides whoever is touched before the job comes, by the new rules", async () => {
    const { deps, tenant, user } = await setUp();
    const ada = await user("ada");
    await saveMapping(
      deps,
      tenant.admin,
      await mappingWith(deps, tenant, { defaults: { role: "manager", tier: null } }),
    );
    const touched = await changeUser(deps, tenant.scim, ada, (doc) => ({ ...doc, title: "x" }));
    expect(touched.role).toBe("manager");
    expect((await createUser(deps, tenant.scim, aUser("new"))).role).toBe("manager");
  });

  it("refuses who may not, what may not, and what has changed since", async () => {
    const { deps, tenant } = await setUp();
    const document = await mappingWith(deps, tenant, {});
    const manager = await actWith(deps, tenant.admin, { scopes: ["api"], role: "manager" });
    await expect(saveMapping(deps, manager, document)).rejects.toMatchObject({ code: "forbidden" });
    await expect(saveMapping(deps, manager, document, { ifMatch: '"99"' })).rejects.toMatchObject({
      code: "forbidden",
    });
    await expect(saveMapping(deps, tenant.admin, document, { ifMatch: '"99"' })).rejects.toMatchObject({
      code: "preconditionFailed",
    });
    const byName = { groups: [{ match: { displayName: "Admins" }, role: "admin" }] };
    await expect(saveMapping(deps, tenant.admin, await mappingWith(deps, tenant, byName))).rejects.toMatchObject({
      code: "invalidValue",
      facts: { rule: "TEAM-2" },
    });
    await expect(saveMapping(deps, tenant.scim, document)).rejects.toMatchObject({ code: "forbidden" });
  });

  it("GRD-5: a group planted before the mapping makes nobody Admin; those who would gain become requests", async () => {
    const { deps, tenant, db, save, user, look, group } = await setUp();
    const [eve, mallory] = [await user("eve"), await user("mallory", { active: false })];
    const id = await group("Admins", [eve, mallory], "admins");
    await save(adminsById);
    expect((await look(eve)).role).toBe("user");
    expect(await administratorsOf(db, tenant.id)).toEqual([]);
    const source = `group:externalId:admins|${id}`;
    expect(await openRequests(db, tenant.id)).toEqual([`admin of eve by ${source}`]);
    // Whoever was out asks when they come back.
    expect((await changeUser(deps, tenant.scim, mallory, (doc) => ({ ...doc, active: true }))).role).toBe("user");
    expect(await openRequests(db, tenant.id)).toEqual([`admin of eve by ${source}`, `admin of mallory by ${source}`]);
    await approve(deps, tenant.admin, (await requestsOf(db, tenant.id))[0]!.id);
    expect(await administratorsOf(db, tenant.id)).toEqual(["eve"]);
  });

  it("GRD-5: neither does a title that a later rule matches, nor a later change of the rule", async () => {
    const { tenant, db, save, user } = await setUp();
    await user("eve", { title: "Chief" });
    await save(chiefs);
    expect(await openRequests(db, tenant.id)).toEqual(["admin of eve by rule:chiefs"]);
    await user("bob", { title: "Clerk" });
    await save({ rules: [{ ...chiefs.rules[0]!, when: "title pr" }] });
    expect(await administratorsOf(db, tenant.id)).toEqual([]);
    expect(await openRequests(db, tenant.id)).toEqual(["admin of bob by rule:chiefs", "admin of eve by rule:chiefs"]);
  });

  it("GRD-2: nor does an attribute, a membership, a nesting, a name or an externalId that comes to match", async () => {
    const { deps, tenant, db, save, user, look, group } = await setUp();
    await save({ ...adminsById, ...chiefs });
    const [title, joined, nested, renamed, made] = [
      await user("title"),
      await user("joined"),
      await user("nested"),
      await user("renamed"),
      await user("made"),
    ];
    const expected = { role: "user", administrative: false };
    expect(await changeUser(deps, tenant.scim, title, (doc) => ({ ...doc, title: "chief" }))).toMatchObject(expected);
    const admins = await group("Ops", [made], "admins");
    await changeGroup(deps, tenant.scim, admins, [{ add: [joined] }]);
    await changeGroup(deps, tenant.scim, admins, [{ add: [await group("Below", [nested])] }]);
    const twin = await group("Twin", [renamed]);
    await changeGroup(deps, tenant.scim, twin, [{ set: { externalId: "admins" } }]);
    for (const id of [title, joined, nested, renamed, made]) expect(await look(id)).toMatchObject(expected);
    expect((await openRequests(db, tenant.id)).map((request) => request.split(" ")[2])).toEqual([
      "joined",
      "made",
      "nested",
      "renamed",
      "title",
    ]);
  });

  it("GRD-5: a nesting and a binding make nobody Admin even with an Admin's connection; a membership does", async () => {
    const { deps, tenant, db, save, user, group } = await setUp();
    await save(adminsById);
    const strong = await actWith(deps, tenant.admin, { scopes: ["scim"], role: "admin" });
    const [named, nested, bound] = [await user("named"), await user("nested"), await user("bound")];
    const admins = await group("Ops", [], "admins");
    await changeGroup(deps, strong, admins, [{ add: [await group("Below", [nested])] }]);
    await createGroup(deps, strong, { displayName: "Twin", externalId: "admins", members: [bound] });
    expect(await administratorsOf(db, tenant.id)).toEqual([]);
    await changeGroup(deps, strong, admins, [{ add: [named] }]);
    expect(await administratorsOf(db, tenant.id)).toEqual(["named"]);
  });

  it("a bound entry follows the group through a rename, and nobody else takes its place (MAP-1)", async () => {
    const { deps, tenant, save, user, look, group } = await setUp();
    const [ada, eve] = [await user("ada"), await user("eve")];
    const sales = await group("Sales", [ada]);
    await save({ groups: [{ match: { displayName: "Sales" }, role: "manager" }] });
    await changeGroup(deps, tenant.scim, sales, [{ set: { displayName: "Verkauf" } }]);
    await save({ defaults: { role: "user", tier: null } });
    expect((await look(ada)).role).toBe("manager");
    await group("sales", [eve]);
    expect((await look(eve)).role).toBe("manager");
    await deleteGroup(deps, tenant.scim, sales);
    expect((await look(ada)).role).toBe("user");
  });

  it("GRD-5: an Admin's save with the digest of a preview promotes those listed, and nobody who came later", async () => {
    const { deps, tenant, db, save, user, look, group } = await setUp();
    const [ada, eve] = [await user("ada"), await user("eve")];
    const admins = await group("Ops", [ada], "admins");
    const document = await mappingWith(deps, tenant, adminsById);
    const preview = await previewMapping(deps, tenant.admin, document);
    expect(preview.promotions).toEqual([
      { userId: ada, userName: "ada", role: "admin", source: `group:externalId:admins|${admins}` },
    ]);
    expect((await look(ada)).role).toBe("user");
    await changeGroup(deps, tenant.scim, admins, [{ add: [eve] }]);
    await expect(saveMapping(deps, tenant.admin, document, { confirm: preview.digest })).rejects.toMatchObject({
      code: "stale",
    });
    await changeGroup(deps, tenant.scim, admins, [{ remove: [eve] }]);
    await save(adminsById, { confirm: preview.digest });
    expect(await administratorsOf(db, tenant.id)).toEqual(["ada"]);
    await changeGroup(deps, tenant.scim, admins, [{ add: [eve] }]);
    await save({ autoTeams: false });
    expect(await administratorsOf(db, tenant.id)).toEqual(["ada"]);
    expect(await openRequests(db, tenant.id)).toEqual([`admin of eve by group:externalId:admins|${admins}`]);
  });

  it("GRD-1, GRD-5: the consent of somebody who does not hold the role is none, by an Admin's own entry", async () => {
    const { deps, tenant, db, save, user, group } = await setUp();
    await group("Ops", [await user("eve")], "admins");
    await save(adminsById);
    const permissions = ["mapping.manage", "licenses.manage"];
    await createRole(deps, tenant.admin, { key: "mapper", name: "Mapper", rank: 60, permissions });
    await deps.runJobs();
    const mapper = await actWith(deps, tenant.admin, { scopes: ["api"], role: "mapper" });
    const document = await mappingWith(deps, tenant, { autoTeams: false });
    const { digest, promotions } = await previewMapping(deps, mapper, document);
    expect(promotions).toHaveLength(1);
    await expect(saveMapping(deps, mapper, document, { confirm: digest })).rejects.toMatchObject({
      code: "promotionRefused",
    });
    expect(await grantsOf(db, tenant.id)).toEqual([]);
    // Without consent the save is theirs to make, and promotes nobody.
    await saveMapping(deps, mapper, document);
    await deps.runJobs();
    expect(await administratorsOf(db, tenant.id)).toEqual([]);
  });

  it("GRD-7: a save that takes the role from every Admin leaves one", async () => {
    const { deps, tenant, db, save, user, group } = await setUp();
    await group("Ops", [await user("ada"), await user("bob"), await user("cleo")], "admins");
    const document = await mappingWith(deps, tenant, adminsById);
    const { digest } = await previewMapping(deps, tenant.admin, document);
    await save(adminsById, { confirm: digest });
    expect(await administratorsOf(db, tenant.id)).toEqual(["ada", "bob", "cleo"]);
    await save({ groups: [] });
    expect(await administratorsOf(db, tenant.id)).toHaveLength(1);
  });

  it("GRD-7: nor does the end of a group leave the tenant without one", async () => {
    const { deps, tenant, db, save, user, group } = await setUp();
    const admins = await group("Ops", [await user("ada"), await user("bob")], "admins");
    const document = await mappingWith(deps, tenant, adminsById);
    await save(adminsById, { confirm: (await previewMapping(deps, tenant.admin, document)).digest });
    await deleteGroup(deps, tenant.scim, admins);
    const [left, ...others] = await administratorsOf(db, tenant.id);
    expect(others).toEqual([]);
    await anAdmin(deps, tenant, "cleo");
    await save({ autoTeams: false });
    expect(await administratorsOf(db, tenant.id)).toEqual(["cleo"]);
    expect(["ada", "bob"]).toContain(left);
  });
});
