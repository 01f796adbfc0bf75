/** Facts that go stale between reading and writing (DESIGN §5): each race is an order of steps, or many rounds. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { changeGroup, createGroup, deleteGroup } from "../../../src/provisioning/groups.ts";
import { saveMapping } from "../../../src/provisioning/mapping.ts";
import { patchPool } from "../../../src/provisioning/pools.ts";
import { changeUser, createUser, getAccount } from "../../../src/provisioning/users.ts";
import { describeOnPostgres } from "../../helpers/database.ts";
import { pausing, tally, together } from "../../helpers/races.ts";
import { aUser, makeDeps, makeTenant } from "../../helpers/tenant.ts";
import { brokenAtRest } from "../invariants.ts";
import { asking, mapping, openRequests, range, wants } from "./setting.ts";

describeOnPostgres(
  "stale facts",
  (getDb) => {
    it("keeps a tier that a group gives, when the words go between the look at the user and the write", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { standard: 5, pro: 5 } });
      const held = pausing(getDb());
      await saveMapping(deps, tenant.admin, mapping([{ match: { displayName: "Sales" }, tier: "pro" }]));
      const group = await createGroup(deps, tenant.scim, { displayName: "Sales", members: [] });
      const user = await createUser(deps, tenant.scim, aUser("ada", wants("pro")));
      const pause = held.pause("users_update");
      const leaving = changeUser(makeDeps(held.db), tenant.scim, user.id, asking(null));
      await pause.reached;
      await changeGroup(deps, tenant.scim, group.id, [{ add: [user.id] }]);
      pause.resume();
      await leaving;
      await deps.runJobs();
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
      expect((await getAccount(deps, tenant.scim, user.id)).license).toMatchObject({ tier: "pro", status: "assigned" });
    });

    it("decides who joins a group while that group is being nested in one that gives a tier", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { pro: 5 } });
      const held = pausing(getDb());
      await saveMapping(deps, tenant.admin, mapping([{ match: { displayName: "Sales" }, tier: "pro" }]));
      const above = await createGroup(deps, tenant.scim, { displayName: "Sales", members: [] });
      const below = await createGroup(deps, tenant.scim, { displayName: "Sales Berlin", members: [] });
      const user = await createUser(deps, tenant.scim, aUser("ada"));
      const pause = held.pause("members_below", "after");
      const nesting = changeGroup(makeDeps(held.db), tenant.scim, above.id, [{ add: [below.id] }]);
      await pause.reached;
      const joining = changeGroup(deps, tenant.scim, below.id, [{ add: [user.id] }]);
      await Promise.race([joining, sleep(200)]);
      pause.resume();
      await Promise.all([nesting, joining]);
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
      expect((await getAccount(deps, tenant.scim, user.id)).license.tier).toBe("pro");
    });

    it("takes a tier from who joins a group while that group is taken out of one that gives it", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { pro: 5 } });
      const held = pausing(getDb());
      await saveMapping(deps, tenant.admin, mapping([{ match: { displayName: "Sales" }, tier: "pro" }]));
      const below = await createGroup(deps, tenant.scim, { displayName: "Sales Berlin", members: [] });
      const above = await createGroup(deps, tenant.scim, { displayName: "Sales", members: [below.id] });
      const user = await createUser(deps, tenant.scim, aUser("ada"));
      for (const part of ["unnest", "delete"] as const) {
        const pause = held.pause("members_below", "after");
        const parting =
          part === "unnest"
            ? changeGroup(makeDeps(held.db), tenant.scim, above.id, [{ remove: [below.id] }])
            : deleteGroup(makeDeps(held.db), tenant.scim, above.id);
        await pause.reached;
        const joining = changeGroup(deps, tenant.scim, below.id, [{ add: [user.id] }]);
        await Promise.race([joining, sleep(200)]);
        pause.resume();
        await Promise.all([parting, joining]);
        expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
        expect((await getAccount(deps, tenant.scim, user.id)).license.tier).toBe(null);
        await changeGroup(deps, tenant.scim, below.id, [{ remove: [user.id] }]);
        if (part === "unnest") await changeGroup(deps, tenant.scim, above.id, [{ add: [below.id] }]);
      }
    });

    it("decides who joins a nested group while a rename binds the group above to an entry", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { pro: 5 } });
      const held = pausing(getDb());
      await saveMapping(deps, tenant.admin, mapping([{ match: { displayName: "Sales" }, tier: "pro" }]));
      const below = await createGroup(deps, tenant.scim, { displayName: "Berlin", members: [] });
      const above = await createGroup(deps, tenant.scim, { displayName: "Marketing", members: [below.id] });
      const user = await createUser(deps, tenant.scim, aUser("ada"));
      const pause = held.pause("members_below", "after");
      const renaming = changeGroup(makeDeps(held.db), tenant.scim, above.id, [{ set: { displayName: "Sales" } }]);
      await pause.reached;
      const joining = changeGroup(deps, tenant.scim, below.id, [{ add: [user.id] }]);
      await Promise.race([joining, sleep(200)]);
      pause.resume();
      await Promise.all([renaming, joining]);
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
      expect((await getAccount(deps, tenant.scim, user.id)).license.tier).toBe("pro");
    });

    it("forgets the rules of a save that was rolled back, though the next save gets the same version", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { pro: 5 } });
      const broken = pausing(getDb());
      const failing = makeDeps({
        ...broken.db,
        transaction: (body) =>
          broken.db.transaction(async (tx) => {
            await body(tx);
            throw new Error("The connection is lost before the commit.");
          }),
      });
      // One process: the failing save and the next request share what is remembered.
      const sameProcess = { ...failing, db: getDb() };
      const generous = mapping([], { defaults: { role: "user", tier: "pro" } });
      await expect(saveMapping(failing, tenant.admin, generous)).rejects.toThrow("lost before the commit");
      await saveMapping(deps, tenant.admin, mapping([], { defaults: { role: "manager", tier: null } }));
      const ada = await createUser(sameProcess, tenant.scim, aUser("ada"));
      expect(ada).toMatchObject({ role: "manager", license: { status: "none" } });
      await expect(patchPool(failing, tenant.admin, "pro", { whenFull: "refuse" })).rejects.toThrow(
        "lost before the commit",
      );
      await saveMapping(deps, tenant.admin, mapping([], { defaults: { role: "user", tier: null } }));
      expect(await createUser(sameProcess, tenant.scim, aUser("bob"))).toMatchObject({ role: "user" });
    });

    it("judges the gain of everybody who joins a group while a mapping makes that group grant a role and a tier", async () => {
      const deps = makeDeps(getDb());
      const other = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { pro: 500 } });
      const rounds = 40;
      for (const round of range(rounds)) {
        const names = { displayName: `Group ${round}`, externalId: `group-${round}` };
        const group = await createGroup(deps, tenant.scim, { ...names, members: [] });
        const users = await Promise.all(range(4).map((n) => createUser(deps, tenant.scim, aUser(`u${round}-${n}`))));
        const entry = { match: { externalId: names.externalId }, role: "admin", tier: "pro" };
        const [first, second, third, fourth] = users.map((user) => user.id) as [string, string, string, string];
        const ends = await together<unknown>([
          () => changeGroup(other, tenant.scim, group.id, [{ add: [first] }]),
          () => sleep(Math.random() * 6).then(() => changeGroup(other, tenant.scim, group.id, [{ add: [second] }])),
          () => sleep(Math.random() * 4).then(() => saveMapping(deps, tenant.admin, mapping([entry]))),
          () => sleep(Math.random() * 6).then(() => changeGroup(other, tenant.scim, group.id, [{ add: [third] }])),
          () =>
            changeGroup(other, tenant.scim, group.id, [
              { set: { displayName: `Renamed ${round}` } },
              { add: [fourth] },
            ]),
        ]);
        expect(tally(ends)).toEqual({ done: 5 });
        await Promise.all([deps.runJobs(), other.runJobs()]);
        for (const id of [first, second, third, fourth]) {
          const user = await getAccount(deps, tenant.scim, id);
          expect(user).toMatchObject({ role: "user", license: { tier: "pro", status: "assigned" } });
        }
        expect(await openRequests(deps, tenant, [first, second, third, fourth])).toBe(4);
        expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
      }
    });

    it("binds a group that is renamed or re-identified while the mapping that names it is saved", async () => {
      const deps = makeDeps(getDb());
      const other = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { standard: 500, pro: 500 } });
      for (const round of range(30)) {
        const user = await createUser(deps, tenant.scim, aUser(`u${round}`));
        const inner = await createUser(deps, tenant.scim, aUser(`inner${round}`));
        const child = await createGroup(deps, tenant.scim, { displayName: `Child ${round}`, members: [inner.id] });
        const group = await createGroup(deps, tenant.scim, {
          displayName: `Old ${round}`,
          members: [user.id, child.id],
        });
        const byName = { match: { displayName: `New ${round}` }, tier: "pro" };
        const byId = { match: { externalId: `new-${round}` }, tier: "standard" };
        const ends = await together<unknown>([
          () => changeGroup(other, tenant.scim, group.id, [{ set: { displayName: `New ${round}` } }]),
          () => sleep(Math.random() * 5).then(() => saveMapping(deps, tenant.admin, mapping([byName, byId]))),
          () =>
            sleep(Math.random() * 5).then(() =>
              changeGroup(other, tenant.scim, child.id, [{ set: { externalId: `new-${round}` } }]),
            ),
        ]);
        expect(tally(ends)).toEqual({ done: 3 });
        await Promise.all([deps.runJobs(), other.runJobs()]);
        expect((await getAccount(deps, tenant.scim, user.id)).license.tier).toBe("pro");
        expect((await getAccount(deps, tenant.scim, inner.id)).license.tier).toBe("pro");
        expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
      }
    });

    it("saves a mapping soon, though others write without a pause", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps);
      let writing = true;
      const writers = range(40).map(async (writer) => {
        for (let n = 0; writing; n++) await createUser(deps, tenant.scim, aUser(`u${writer}-${n}`));
      });
      const waits: number[] = [];
      for (const round of range(5)) {
        await sleep(100);
        const started = Date.now();
        const role = round % 2 === 0 ? "manager" : "user";
        await saveMapping(deps, tenant.admin, mapping([], { defaults: { role, tier: null } }));
        waits.push(Date.now() - started);
      }
      writing = false;
      await Promise.all(writers);
      await deps.runJobs();
      // Before saves took turns with writers they took seconds here, up to the lock's time limit.
      expect(Math.max(...waits)).toBeLessThan(3_000);
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
    });
  },
  { connectionsMax: 48 },
);
