/** TEAM: groups feed teams; entries bind; memberships have sources. */
import { expect, it } from "vitest";
import { changeGroup, createGroup, deleteGroup, getGroup } from "../../src/provisioning/groups.ts";
import { saveMapping } from "../../src/provisioning/mapping.ts";
import { changeUser, createUser, getAccount } from "../../src/provisioning/users.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aUser, makeDeps, makeTenant } from "../helpers/tenant.ts";
import { actWith, mappingWith } from "./people.ts";

describeOnBoth("teams", (getDb) => {
  async function setUp() {
    const deps = makeDeps(getDb());
    const tenant = await makeTenant(deps);
    const save = async (change: Parameters<typeof mappingWith>[2]) => {
      await saveMapping(deps, tenant.admin, await mappingWith(deps, tenant, change));
      await deps.runJobs();
    };
    const user = async (name: string) => (await createUser(deps, tenant.scim, aUser(name))).id;
    const teams = async (id: string) =>
      (await getAccount(deps, tenant.scim, id)).teams.map(({ kind, display }) => `${kind} ${display}`);
    const teamIds = async (id: string) => (await getAccount(deps, tenant.scim, id)).teams.map(({ value }) => value);
    const group = async (displayName: string, members: string[] = [], externalId?: string) =>
      (
        await createGroup(deps, tenant.scim, {
          displayName,
          members,
          ...(externalId === undefined ? {} : { externalId }),
        })
      ).id;
    const change = (id: string, ...changes: Parameters<typeof changeGroup>[3]) =>
      changeGroup(deps, tenant.scim, id, changes);
    return { deps, tenant, save, user, teams, teamIds, group, change };
  }

  it("TEAM-1: an unmapped group feeds a team of its own, which follows its name", async () => {
    const { user, teams, group, change, deps, tenant } = await setUp();
    const ada = await user("ada");
    const id = await group("Sales", [ada]);
    expect(await teams(ada)).toEqual(["team Sales"]);
    expect((await getGroup(deps, tenant.scim, id, { members: false })).team).toMatchObject({ display: "Sales" });
    await change(id, { set: { displayName: "Verkauf" } });
    expect(await teams(ada)).toEqual(["team Verkauf"]);
    await change(id, { remove: [ada] });
    expect(await teams(ada)).toEqual([]);
  });

  it("TEAM-1: autoTeams off: unmapped groups feed none; on again: they do", async () => {
    const { save, user, teams, group } = await setUp();
    const ada = await user("ada");
    await group("Sales", [ada]);
    await save({ autoTeams: false });
    expect(await teams(ada)).toEqual([]);
    await group("Night", [ada]);
    expect(await teams(ada)).toEqual([]);
    await save({ autoTeams: true });
    expect(await teams(ada)).toEqual(["team Night", "team Sales"]);
  });

  it("TEAM-1: a group enters no team of its name without a mapping: it gets a distinct one", async () => {
    const { save, user, teams, teamIds, group } = await setUp();
    const [ada, eve] = [await user("ada"), await user("eve")];
    await group("Selling", [ada]);
    await save({ groups: [{ match: { displayName: "Selling" }, team: { name: "Sales", kind: "team" } }] });
    await group("Sales", [eve]);
    expect([await teams(ada), await teams(eve)]).toEqual([["team Sales"], ["team Sales"]]);
    expect((await teamIds(ada))[0]).not.toBe((await teamIds(eve))[0]);
  });

  it("TEAM-1: a mapping names the team of another kind or of several groups, and the own team is left", async () => {
    const { save, user, teams, teamIds, group } = await setUp();
    const [ada, eve] = [await user("ada"), await user("eve")];
    await group("Sales EMEA", [ada]);
    await group("Sales APAC", [eve]);
    const team = { name: "Sales", kind: "workspace" } as const;
    await save({
      groups: [
        { match: { displayName: "sales emea" }, team },
        { match: { displayName: "SALES APAC" }, team },
      ],
    });
    expect([await teams(ada), await teams(eve)]).toEqual([["workspace Sales"], ["workspace Sales"]]);
    expect(await teamIds(ada)).toEqual(await teamIds(eve));
    await save({ groups: [] });
    expect([await teams(ada), await teams(eve)]).toEqual([["team Sales EMEA"], ["team Sales APAC"]]);
  });

  it("TEAM-1: an entry that grants a role only leaves the group its own team", async () => {
    const { save, user, teams, group } = await setUp();
    const ada = await user("ada");
    await group("Sales", [ada]);
    await save({ groups: [{ match: { displayName: "Sales" }, role: "manager" }] });
    expect(await teams(ada)).toEqual(["team Sales"]);
  });

  it("TEAM-2: an entry binds when the group is created, when its names begin to match, and at the save", async () => {
    const { deps, tenant, save, group, change } = await setUp();
    const entry = { match: { displayName: "Sales" }, role: "manager" };
    const other = { match: { externalId: "x" }, tier: "pro" };
    const before = await group("Sales");
    await save({ groups: [entry, other] });
    const renamed = await group("Later");
    await change(renamed, { set: { externalId: "x" } });
    const made = await group("Made", [], "x");
    const grants = async (id: string) => (await getGroup(deps, tenant.scim, id, { members: false })).grants;
    expect(await grants(before)).toEqual({ role: "manager", tier: null });
    expect([await grants(renamed), await grants(made)]).toEqual(Array(2).fill({ role: null, tier: "pro" }));
    await change(before, { set: { displayName: "Verkauf" } });
    await change(renamed, { set: { displayName: "SALES" } });
    expect([await grants(before), await grants(renamed)]).toEqual([
      { role: "manager", tier: null },
      { role: "manager", tier: "pro" },
    ]);
    const bound = await deps.db.query<{ subject_id: string; rule: string }>(
      {
        name: "test_bound",
        text: "select subject_id, rule from events where tenant_id = $1 and action = 'group.bound' order by id",
      },
      [tenant.id],
    );
    expect(bound.map(({ subject_id }) => subject_id)).toEqual([before, renamed, made, renamed]);
    expect(new Set(bound.map(({ rule }) => rule))).toEqual(new Set(["TEAM-2"]));
  });

  it("TEAM-2: deleting the group unbinds it: another of the same name binds by itself", async () => {
    const { deps, tenant, save, user, group } = await setUp();
    const ada = await user("ada");
    await save({ groups: [{ match: { displayName: "Sales" }, role: "manager" }] });
    const first = await group("Sales", [ada]);
    expect((await getAccount(deps, tenant.scim, ada)).role).toBe("manager");
    await deleteGroup(deps, tenant.scim, first);
    expect((await getAccount(deps, tenant.scim, ada)).role).toBe("user");
    await group("Sales", [ada]);
    expect((await getAccount(deps, tenant.scim, ada)).role).toBe("manager");
  });

  it("TEAM-2: a bound group's externalId changes only with an Admin's authority, and nothing else of the request", async () => {
    const { deps, tenant, save, group, change } = await setUp();
    await save({ groups: [{ match: { externalId: "admins" }, role: "admin" }] });
    const id = await group("Ops", [], "admins");
    const free = await group("Free", [], "free");
    for (const externalId of ["free", null, "Admins"]) {
      const changes = change(id, { set: { displayName: "Renamed" } }, { set: { externalId } });
      await expect(changes).rejects.toMatchObject({ code: "forbidden", facts: { rule: "TEAM-2" } });
    }
    expect(await getGroup(deps, tenant.scim, id, { members: false })).toMatchObject({
      displayName: "Ops",
      externalId: "admins",
    });
    await change(free, { set: { externalId: "other" } });
    const strong = await actWith(deps, tenant.admin, { scopes: ["scim"], role: "admin" });
    await changeGroup(deps, strong, id, [{ set: { externalId: null } }]);
    expect((await getGroup(deps, tenant.scim, id, { members: false })).externalId).toBeNull();
  });

  it("TEAM-3: a membership lasts while one of its sources is left", async () => {
    const { deps, tenant, save, user, teams, group, change } = await setUp();
    const ada = await user("ada");
    const team = { name: "Sales", kind: "team" } as const;
    const ids = [await group("A", [ada]), await group("B", [ada])];
    await save({
      groups: [
        { match: { displayName: "A" }, team },
        { match: { displayName: "B" }, team },
      ],
      rules: [{ name: "sellers", when: 'title eq "Seller"', team }],
    });
    await changeUser(deps, tenant.scim, ada, (doc) => ({ ...doc, title: "Seller" }));
    expect(await teams(ada)).toEqual(["team Sales"]);
    await change(ids[0]!, { remove: [ada] });
    await deleteGroup(deps, tenant.scim, ids[1]!);
    expect(await teams(ada)).toEqual(["team Sales"]);
    await changeUser(
      deps,
      tenant.scim,
      ada,
      ({ title: _, ...doc }) => doc as typeof doc & { userName: string; active: boolean },
    );
    expect(await teams(ada)).toEqual([]);
  });

  it("TEAM-4: deactivation suspends teams and leaves the group to the client; coming back restores them", async () => {
    const { deps, tenant, save, user, teams, group } = await setUp();
    const ada = await user("ada");
    await group("Sales", [ada]);
    const set = (active: boolean) => changeUser(deps, tenant.scim, ada, (doc) => ({ ...doc, active }));
    expect((await set(false)).groups).toMatchObject([{ display: "Sales", type: "direct" }]);
    expect(await teams(ada)).toEqual([]);
    await save({ groups: [{ match: { displayName: "Sales" }, team: { name: "Selling", kind: "team" } }] });
    await set(true);
    expect(await teams(ada)).toEqual(["team Selling"]);
  });

  it("TEAM-5: names are unique without letter case, unknown members are skipped, none at all is 400", async () => {
    const { deps, tenant, user, group, change } = await setUp();
    const ada = await user("ada");
    const id = await group("Sales");
    await expect(group("SALES")).rejects.toMatchObject({ code: "uniqueness" });
    await expect(group("ｓales")).rejects.toMatchObject({ code: "uniqueness" });
    await expect(change(await group("Other"), { set: { displayName: "sales" } })).rejects.toMatchObject({
      code: "uniqueness",
    });
    const stale = deps.newId();
    expect(await change(id, { add: [stale, ada, "not-an-id"] })).toMatchObject({ skipped: [stale, "not-an-id"] });
    await expect(change(id, { add: [stale] })).rejects.toMatchObject({
      code: "invalidValue",
      facts: { rule: "TEAM-5" },
    });
    const foreign = await makeTenant(deps);
    const stranger = await createUser(deps, foreign.scim, aUser("stranger"));
    await expect(change(id, { add: [stranger.id] })).rejects.toMatchObject({ code: "invalidValue" });
    expect((await getGroup(deps, tenant.scim, id, { members: true })).membersJson).toBe(
      `[{"value":"${ada}","type":"User"}]`,
    );
  });

  it("TEAM-5: nested groups count eight deep; a cycle is refused", async () => {
    const { deps, tenant, save, user, group, change } = await setUp();
    await save({ groups: [{ match: { displayName: "Level 0" }, role: "manager" }] });
    const people: string[] = [];
    const ids: string[] = [];
    for (let level = 0; level <= 9; level++) {
      people.push(await user(`level${level}`));
      ids.push(await group(`Level ${level}`, [people[level]!]));
      if (level > 0) await change(ids[level - 1]!, { add: [ids[level]!] });
    }
    const roles = await Promise.all(people.map(async (id) => (await getAccount(deps, tenant.scim, id)).role));
    expect(roles).toEqual([...Array(9).fill("manager"), "user"]);
    for (const [parent, child] of [
      [ids[9]!, ids[0]!],
      [ids[1]!, ids[0]!],
      [ids[0]!, ids[0]!],
    ]) {
      await expect(change(parent!, { add: [child!] })).rejects.toMatchObject({
        code: "invalidValue",
        facts: { rule: "TEAM-5" },
      });
    }
    await change(ids[0]!, { remove: [ids[1]!] });
    expect((await getAccount(deps, tenant.scim, people[5]!)).role).toBe("user");
  });
});
