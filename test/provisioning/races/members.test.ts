/** Groups and users changed at once: circles, lost members, the same name, PATCH against PATCH. */
import { expect, it } from "vitest";
import { changeGroup, createGroup, getGroup } from "../../../src/provisioning/groups.ts";
import { saveMapping } from "../../../src/provisioning/mapping.ts";
import { changeUser, createUser, deleteUser, getAccount } from "../../../src/provisioning/users.ts";
import { describeOnPostgres } from "../../helpers/database.ts";
import { ended, tally, together } from "../../helpers/races.ts";
import { aUser, makeDeps, makeTenant } from "../../helpers/tenant.ts";
import { brokenAtRest } from "../invariants.ts";
import { active, countRows, mapping, range, wants } from "./setting.ts";

describeOnPostgres(
  "groups and users at once",
  (getDb) => {
    it("refuses one of two groups that are nested in each other at once", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps);
      const started = Date.now();
      for (const round of range(30)) {
        const make = (name: string) => createGroup(deps, tenant.scim, { displayName: `${name}${round}`, members: [] });
        const [a, b, c] = [await make("a"), await make("b"), await make("c")];
        const ends = await together([
          () => changeGroup(deps, tenant.scim, a.id, [{ add: [b.id] }]),
          () => changeGroup(deps, tenant.scim, b.id, [{ add: [c.id] }]),
          () => changeGroup(deps, tenant.scim, c.id, [{ add: [a.id] }]),
        ]);
        expect(tally(ends)).toEqual({ done: 2, invalidValue: 1 });
      }
      // A deadlock would be resolved after a second: the locks are taken in an order that has none.
      expect(Date.now() - started).toBeLessThan(10_000);
    });

    it("decides all of 1,300 people whom nesting reaches, though some join, leave and change meanwhile", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { pro: 700 } });
      await saveMapping(deps, tenant.admin, mapping([{ match: { displayName: "Sales" }, tier: "pro" }]));
      const ids: string[] = [];
      for (const part of range(5)) {
        const made = range(260).map((n) => createUser(deps, tenant.scim, aUser(`u${part}-${n}`)));
        ids.push(...(await Promise.all(made)).map((user) => user.id));
      }
      const below = await createGroup(deps, tenant.scim, { displayName: "All", members: ids.slice(0, 1_250) });
      const above = await createGroup(deps, tenant.scim, { displayName: "Sales", members: [] });
      const others = (rounds: number) =>
        range(rounds).flatMap((n) => [
          () => changeGroup(deps, tenant.scim, below.id, [{ add: [ids[1_250 + n] as string] }]),
          () => changeGroup(deps, tenant.scim, below.id, [{ remove: [ids[n * 20] as string] }]),
          () => changeUser(deps, tenant.scim, ids[n * 20 + 7] as string, active(n % 2 === 0)),
        ]);
      const nesting = [() => changeGroup(deps, tenant.scim, above.id, [{ add: [below.id] }])];
      expect(tally(await together<unknown>([...nesting, ...others(30)]))).toEqual({ done: 91 });
      await deps.runJobs();
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
      const parting = [() => changeGroup(deps, tenant.scim, above.id, [{ clear: true }])];
      expect(tally(await together<unknown>([...parting, ...others(30)]))).toEqual({ done: 91 });
      // Loss is never deferred: nobody waits for a job to lose the seat.
      expect(await countRows(deps, tenant, "seats", "and user_id is not null")).toBe(0);
      await deps.runJobs();
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
    });

    it("loses none of 50 single-member changes of one group, adds and removes mixed", async () => {
      const deps = makeDeps(getDb());
      for (const mapped of [false, true]) {
        const tenant = await makeTenant(deps, { seats: { pro: 30 } });
        if (mapped) await saveMapping(deps, tenant.admin, mapping([{ match: { displayName: "Team" }, tier: "pro" }]));
        const users = await Promise.all(range(50).map((n) => createUser(deps, tenant.scim, aUser(`u${n}`))));
        const ids = users.map((user) => user.id);
        const present = ids.filter((_, n) => n % 2 === 0);
        const group = await createGroup(deps, tenant.scim, { displayName: "Team", members: present });
        const ends = await together(
          ids.map(
            (id, n) => () => changeGroup(deps, tenant.scim, group.id, [n % 2 === 0 ? { remove: [id] } : { add: [id] }]),
          ),
        );
        expect(tally(ends)).toEqual({ done: 50 });
        const view = await getGroup(deps, tenant.scim, group.id, { members: true });
        const members = (JSON.parse(view.membersJson ?? "[]") as { value: string }[]).map((member) => member.value);
        expect(members.toSorted()).toEqual(ids.filter((_, n) => n % 2 === 1).toSorted());
        expect(view.version).toBe('W/"51"');
        await deps.runJobs();
        expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
      }
    });

    it("deletes a user for good while the user is drained to or added to a group", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { pro: 1 } });
      await saveMapping(deps, tenant.admin, mapping([{ match: { displayName: "Mapped" }, tier: "pro" }]));
      await deps.runJobs();
      const plain = await createGroup(deps, tenant.scim, { displayName: "Plain", members: [] });
      const mapped = await createGroup(deps, tenant.scim, { displayName: "Mapped", members: [] });
      for (const round of range(40)) {
        const holder = await createUser(deps, tenant.scim, aUser(`holder${round}`, wants("pro")));
        const leaver = await createUser(deps, tenant.scim, aUser(`leaver${round}`, wants("pro")));
        const next = await createUser(deps, tenant.scim, aUser(`next${round}`, wants("pro")));
        const ends = await together<unknown>([
          () => changeUser(deps, tenant.scim, holder.id, active(false)),
          () => deleteUser(deps, tenant.scim, leaver.id),
          () => changeGroup(deps, tenant.scim, plain.id, [{ add: [leaver.id] }]),
          () => changeGroup(deps, tenant.scim, mapped.id, [{ add: [leaver.id, next.id] }]),
        ]);
        expect(ends[0]?.done && ends[1]?.done && ends[3]?.done).toBe(true);
        expect(tally(ends.slice(2, 3))).toSatisfy(
          (end: Record<string, number>) => end["done"] === 1 || end["invalidValue"] === 1,
        );
        expect(await ended(getAccount(deps, tenant.scim, leaver.id))).toEqual({ done: false, code: "notFound" });
        expect((await getAccount(deps, tenant.scim, next.id)).license).toMatchObject({
          tier: "pro",
          status: "assigned",
        });
        expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
        await deleteUser(deps, tenant.scim, next.id);
      }
    });

    it("USR-2 creates one of 50 users of the same userName, in whatever letters, and refuses the rest", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { standard: 1 } });
      const names = ["ada@example.com", "ADA@example.com", "Ada@Example.COM"];
      const ends = await together(
        range(50).map((n) => () => createUser(deps, tenant.scim, aUser(names[n % 3] as string, wants("standard")))),
      );
      expect(tally(ends)).toEqual({ done: 1, uniqueness: 49 });
      expect(await countRows(deps, tenant, "events", "and action = 'user.created'")).toBe(1);
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
    });

    it("loses no update when 50 PATCHes of one user come at once, and refuses those whose If-Match is old", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { standard: 1 } });
      const user = await createUser(deps, tenant.scim, aUser("ada", wants("standard")));
      const ends = await together(
        range(50).map((n) => () => changeUser(deps, tenant.scim, user.id, (doc) => ({ ...doc, [`x${n}`]: n }))),
      );
      expect(tally(ends)).toEqual({ done: 50 });
      const after = await getAccount(deps, tenant.scim, user.id);
      expect(Object.keys(after.doc).filter((name) => name.startsWith("x"))).toHaveLength(50);
      expect(after.version).toMatch(/^W\/"51\./);
      const guarded = await together(
        range(20).map(
          (n) => () =>
            changeUser(deps, tenant.scim, user.id, (doc) => ({ ...doc, title: `${n}` }), { ifMatch: after.version }),
        ),
      );
      expect(tally(guarded)).toEqual({ done: 1, preconditionFailed: 19 });
    });
  },
  { connectionsMax: 48 },
);
