/** Who may be Admin, in races: the last one, actors demoted a moment ago, refusals counted at once (GRD). */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { recordWish } from "../../../src/db/promotions.ts";
import { identityOf } from "../../../src/domain/identity.ts";
import { changeGroup, createGroup, deleteGroup } from "../../../src/provisioning/groups.ts";
import { saveMapping } from "../../../src/provisioning/mapping.ts";
import { approve } from "../../../src/provisioning/promotions.ts";
import { changeRole, createRole } from "../../../src/provisioning/roles.ts";
import { changeAccess, changeUser, createUser, deleteUser, getAccount } from "../../../src/provisioning/users.ts";
import { describeOnPostgres } from "../../helpers/database.ts";
import { ended, eventually, pausing, tally, together } from "../../helpers/races.ts";
import { aUser, makeDeps, makeTenant } from "../../helpers/tenant.ts";
import { brokenAtRest } from "../invariants.ts";
import {
  actingAs,
  active,
  admins,
  anAdmin,
  blocked,
  countRows,
  deadlocks,
  lastEvent,
  mapping,
  onlyRequest,
  range,
  requests,
  subjectsSince,
  wants,
} from "./setting.ts";

describeOnPostgres(
  "Admins",
  (getDb) => {
    it("GRD-7 leaves one Admin when two demote each other", async () => {
      const deps = makeDeps(getDb());
      for (const round of range(20)) {
        const tenant = await makeTenant(deps);
        const ada = await anAdmin(deps, tenant, "ada");
        const bob = await anAdmin(deps, tenant, "bob");
        const byAda = await actingAs(deps, tenant, ada.id);
        const byBob = await actingAs(deps, tenant, bob.id);
        const ends = await together([
          () => changeAccess(deps, byAda, bob.id, { role: round % 2 === 0 ? "user" : null }),
          () => changeAccess(deps, byBob, ada.id, { role: "user" }),
        ]);
        expect(tally(ends)["done"]).toBe(1);
        const demoted = ends[0]?.done ? bob.id : ada.id;
        const left = demoted === ada.id ? bob.id : ada.id;
        expect(await admins(deps, tenant)).toEqual([left]);
      }
    });

    it("GRD-7 lets an Admin leave beside a demotion, and keeps an Admin unless that one left", async () => {
      const deps = makeDeps(getDb());
      for (const round of range(20)) {
        const tenant = await makeTenant(deps);
        const ada = await anAdmin(deps, tenant, "ada");
        const bob = await anAdmin(deps, tenant, "bob");
        const leave =
          round % 2 === 0
            ? () => changeUser(deps, tenant.scim, ada.id, active(false))
            : () => deleteUser(deps, tenant.scim, ada.id);
        const [left, demoted] = await together<unknown>([
          leave,
          () => changeAccess(deps, tenant.admin, bob.id, { role: "user" }),
        ]);
        expect(left).toMatchObject({ done: true });
        if (demoted?.done) {
          // The demotion came first, while ada was still there; then she left, and that is told loudly.
          expect(await admins(deps, tenant)).toEqual([]);
          expect(await countRows(deps, tenant, "events", "and action = 'tenant.without-admin'")).toBe(1);
        } else {
          expect(demoted).toEqual({ done: false, code: "lastAdmin" });
          expect(await admins(deps, tenant)).toEqual([bob.id]);
        }
      }
    });

    it("GRD-7 keeps an Admin when the catalogue takes a role's power while the other Admin is demoted", async () => {
      const deps = makeDeps(getDb());
      for (const _round of range(20)) {
        const tenant = await makeTenant(deps);
        const permissions = (await deps.rules.current(getDb(), tenant.id)).role.get("admin")?.permissions ?? [];
        await createRole(deps, tenant.admin, { key: "owner", name: "Owner", rank: 90, permissions });
        const owner = await createUser(deps, tenant.scim, aUser("owner"));
        await changeAccess(deps, tenant.admin, owner.id, { role: "owner" });
        const ada = await anAdmin(deps, tenant, "ada");
        const ends = await together<unknown>([
          () => changeRole(deps, tenant.admin, "owner", { permissions: ["users.read"] }),
          () => changeAccess(deps, tenant.admin, ada.id, { role: "user" }),
        ]);
        await deps.runJobs();
        expect(ends.filter((end) => end.done)).toHaveLength(1);
        expect(await admins(deps, tenant)).toHaveLength(1);
        expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
      }
    });

    it("GRD-7 keeps an Admin when a group of all Admins is emptied, deleted or taken out of the mapping", async () => {
      const deps = makeDeps(getDb());
      for (const how of ["clear", "delete", "unmap"] as const) {
        const tenant = await makeTenant(deps);
        const entry = { match: { externalId: "admins" }, role: "admin" };
        await saveMapping(deps, tenant.admin, mapping([entry]));
        const users = await Promise.all(range(3).map((n) => createUser(deps, tenant.scim, aUser(`admin${n}`))));
        const group = await createGroup(deps, tenant.scim, {
          displayName: "Admins",
          externalId: "admins",
          members: [],
        });
        await changeGroup(deps, tenant.admin, group.id, [{ add: users.map((user) => user.id) }]);
        expect(await admins(deps, tenant)).toHaveLength(3);
        if (how === "clear") await changeGroup(deps, tenant.scim, group.id, [{ clear: true }]);
        else if (how === "delete") await deleteGroup(deps, tenant.scim, group.id);
        else await saveMapping(deps, tenant.admin, mapping([]));
        await deps.runJobs();
        expect(await admins(deps, tenant)).toHaveLength(1);
      }
    });

    it("GRD-7 keeps an Admin, though one became Admin after a group's change had looked whether it concerns one", async () => {
      const deps = makeDeps(getDb());
      const held = pausing(getDb());
      const tenant = await makeTenant(deps);
      await saveMapping(deps, tenant.admin, mapping([{ match: { externalId: "admins" }, role: "admin" }]));
      const ada = await anAdmin(deps, tenant, "ada");
      const bob = await createUser(deps, tenant.scim, aUser("bob"));
      const names = { displayName: "Admins", externalId: "admins" };
      const group = await createGroup(deps, tenant.scim, { ...names, members: [bob.id] });
      const looked = held.pause("admins_is", "after");
      const asked = held.pause("admins_others", "after");
      const removing = changeGroup(makeDeps(held.db), tenant.scim, group.id, [{ remove: [bob.id] }]);
      await looked.reached;
      await approve(deps, tenant.admin, await onlyRequest(deps, tenant));
      looked.resume();
      await asked.reached;
      const demoting = ended(changeAccess(deps, tenant.admin, ada.id, { role: "user" }));
      await Promise.race([demoting, sleep(200)]);
      asked.resume();
      await removing;
      expect(await demoting).toEqual({ done: false, code: "lastAdmin" });
      expect(await admins(deps, tenant)).toEqual([ada.id]);
    });

    it("does not deadlock when an Admin changes a group of Admins while being demoted", async () => {
      const deps = makeDeps(getDb());
      const held = pausing(getDb());
      const tenant = await makeTenant(deps);
      await saveMapping(deps, tenant.admin, mapping([{ match: { externalId: "admins" }, role: "admin" }]));
      await anAdmin(deps, tenant, "root");
      const ada = await anAdmin(deps, tenant, "ada");
      const bob = await createUser(deps, tenant.scim, aUser("bob"));
      const byAda = await actingAs(deps, tenant, ada.id);
      const group = await createGroup(deps, tenant.scim, { displayName: "A", externalId: "admins", members: [] });
      await changeGroup(deps, tenant.admin, group.id, [{ add: [bob.id] }]);
      const before = await deadlocks(deps);
      const pause = held.pause("admins_lock", "after");
      const demoting = changeAccess(makeDeps(held.db), tenant.admin, ada.id, { role: "user" });
      await pause.reached;
      const changing = changeGroup(deps, byAda, group.id, [{ remove: [bob.id] }]);
      await eventually(async () => (await blocked(deps)) > 0);
      pause.resume();
      await Promise.all([demoting, changing]);
      await sleep(1_500); // PostgreSQL's counters come a second late.
      expect((await deadlocks(deps)) - before).toBe(0);
    });

    it("GRD-9 lets nobody promote who has just been demoted, in 60 rounds", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps);
      await anAdmin(deps, tenant, "root");
      const ada = await anAdmin(deps, tenant, "ada");
      const byAda = await actingAs(deps, tenant, ada.id);
      const counts: Record<string, number> = {};
      for (const round of range(60)) {
        const bob = await createUser(deps, tenant.scim, aUser(`bob${round}`));
        const after = await lastEvent(deps, tenant);
        const [demoted, promoted] = await together<unknown>([
          () => changeAccess(deps, tenant.admin, ada.id, { role: "user" }),
          () => sleep(Math.random() * 8).then(() => changeAccess(deps, byAda, bob.id, { role: "admin" })),
        ]);
        expect(demoted?.done).toBe(true);
        const key = promoted?.done ? "done" : (promoted?.code ?? "");
        counts[key] = (counts[key] ?? 0) + 1;
        if (promoted?.done) {
          // The promotion's event was written while ada's row was held, so it stands before the demotion's.
          const ids = await subjectsSince(deps, tenant, after);
          expect(ids.indexOf(bob.id)).toBeLessThan(ids.indexOf(ada.id));
        } else {
          expect((await getAccount(deps, tenant.scim, bob.id)).role).toBe("user");
        }
        await changeAccess(deps, tenant.admin, ada.id, { role: "admin" });
      }
      const { done: _done, promotionRefused, ...unexpected } = counts;
      expect(unexpected).toEqual({});
      expect(promotionRefused).toBeGreaterThan(0);
    });

    it("GRD-9 makes a promotion wait for the demotion of its actor, and refuses it then", async () => {
      const deps = makeDeps(getDb());
      const held = pausing(getDb());
      const tenant = await makeTenant(deps);
      await anAdmin(deps, tenant, "root");
      const ada = await anAdmin(deps, tenant, "ada");
      const byAda = await actingAs(deps, tenant, ada.id);
      const bob = await createUser(deps, tenant.scim, aUser("bob"));
      const pause = held.pause("users_update", "after");
      const demoting = changeAccess(makeDeps(held.db), tenant.admin, ada.id, { role: "user" });
      await pause.reached;
      const promoting = ended(changeAccess(deps, byAda, bob.id, { role: "admin" }));
      await eventually(async () => (await blocked(deps)) > 0);
      pause.resume();
      await demoting;
      expect(await promoting).toEqual({ done: false, code: "promotionRefused" });
      expect(await getAccount(deps, tenant.scim, bob.id)).toMatchObject({ role: "user", administrative: false });
    });

    it("GRD-4 counts 60 refusals at once in one open request, and leaves nothing else", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { standard: 3 } });
      const doc = aUser("eve", { roles: [{ value: "admin" }], title: "CEO", ...wants("standard") });
      const creating = await together(range(60).map(() => () => createUser(deps, tenant.scim, doc)));
      expect(tally(creating)).toEqual({ promotionRefused: 60 });
      expect(await requests(deps, tenant)).toEqual([{ state: "open", attempts: 60, userId: null }]);
      expect(await countRows(deps, tenant, "users")).toBe(0);
      expect(await countRows(deps, tenant, "seats", "and user_id is not null")).toBe(0);
      const eve = await createUser(deps, tenant.scim, aUser("eve", wants("standard")));
      const events = await countRows(deps, tenant, "events");
      const changing = await together(
        range(60).map(() => () => changeUser(deps, tenant.scim, eve.id, (current) => ({ ...current, ...doc }))),
      );
      expect(tally(changing)).toEqual({ promotionRefused: 60 });
      expect(await requests(deps, tenant)).toContainEqual({ state: "open", attempts: 60, userId: eve.id });
      expect(await getAccount(deps, tenant.scim, eve.id)).toMatchObject({
        role: "user",
        doc: eve.doc,
        version: eve.version,
      });
      expect(await countRows(deps, tenant, "events")).toBe(events + 60);
    });

    it("GRD-4 records a refusal though the statement before it failed and was undone", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps);
      const eve = await createUser(deps, tenant.scim, aUser("eve"));
      const recorded = await getDb().transaction(async (tx) => {
        const failing = tx.savepoint(async () => {
          const text = "update users set tier = 'no such tier', role = 'x' where tenant_id = $1";
          await tx.query({ name: "test_half", text }, [tenant.id]);
          await tx.query(
            { name: "test_fails", text: "insert into seats (tenant_id, tier, no) values ($1, 'none', 1)" },
            [tenant.id],
          );
        });
        await expect(failing).rejects.toMatchObject({ code: "23503" });
        return await recordWish(tx, {
          tenantId: tenant.id,
          id: deps.newId(),
          kind: "role",
          userId: eve.id,
          userName: "eve",
          userNameNorm: "eve",
          role: "admin",
          sources: ["words"],
          identity: identityOf(eve.doc),
          wish: null,
          actor: { kind: "token", id: "t", label: "t" },
          at: deps.clock().toISOString(),
        });
      });
      expect(recorded.attempts).toBe(1);
      expect(await requests(deps, tenant)).toEqual([{ state: "open", attempts: 1, userId: eve.id }]);
      expect(await getAccount(deps, tenant.scim, eve.id)).toMatchObject({ role: "user", version: eve.version });
    });

    it("GRD-6 approves one request once, though five approve it at once", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps);
      const eve = await createUser(deps, tenant.scim, aUser("eve"));
      await ended(changeUser(deps, tenant.scim, eve.id, (doc) => ({ ...doc, roles: [{ value: "admin" }] })));
      const id = await onlyRequest(deps, tenant);
      const ends = await together(range(5).map(() => () => approve(deps, tenant.admin, id)));
      expect(tally(ends)).toEqual({ done: 1, conflict: 4 });
      expect(await admins(deps, tenant)).toEqual([eve.id]);
    });
  },
  { connectionsMax: 48 },
);
