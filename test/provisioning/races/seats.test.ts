/** Queue and seats in races (DESIGN §5): missed wake-ups, deadlocks, overtaking; the last seat with 200 at the door. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { RequestContext } from "../../../src/provisioning/context.ts";
import { changeGroup, createGroup } from "../../../src/provisioning/groups.ts";
import { saveMapping } from "../../../src/provisioning/mapping.ts";
import { patchPool } from "../../../src/provisioning/pools.ts";
import { purchase } from "../../../src/provisioning/pools-purchase.ts";
import { reduce } from "../../../src/provisioning/pools-reduce.ts";
import { changeAccess, changeUser, createUser, deleteUser, getAccount } from "../../../src/provisioning/users.ts";
import { describeOnPostgres } from "../../helpers/database.ts";
import { ended, eventually, pausing, tally, together } from "../../helpers/races.ts";
import { aUser, makeDeps, makeTenant } from "../../helpers/tenant.ts";
import { brokenAtRest, brokenNow } from "../invariants.ts";
import { overtakings } from "../queue-replay.ts";
import { active, asking, blocked, countRows, deadlocks, mapping, range, waitingForQueue, wants } from "./setting.ts";

describeOnPostgres(
  "the queue and the seats",
  (getDb) => {
    it("LIC-4 never leaves a free seat beside a queue, though release and queueing meet 200 times", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { standard: 1 } });
      let holder = await createUser(deps, tenant.scim, aUser("first", wants("standard")));
      for (const round of range(200)) {
        const [, next] = await Promise.all([
          round % 2 === 0
            ? changeUser(deps, tenant.scim, holder.id, active(false))
            : deleteUser(deps, tenant.scim, holder.id),
          createUser(deps, tenant.scim, aUser(`next${round}`, wants("standard"))),
        ]);
        holder = await getAccount(deps, tenant.scim, next.id);
        expect(holder.license).toMatchObject({ tier: "standard", status: "assigned" });
      }
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
    });

    it("takes the seat back from a leaver to whom a drain gave it between two looks", async () => {
      const deps = makeDeps(getDb());
      const held = pausing(getDb());
      const tenant = await makeTenant(deps, { seats: { standard: 1 } });
      const holder = await createUser(deps, tenant.scim, aUser("holder", wants("standard")));
      const waiting = await createUser(deps, tenant.scim, aUser("waiting", wants("standard")));
      const atUpdate = held.pause("users_update");
      const leaving = changeUser(makeDeps(held.db), tenant.scim, waiting.id, active(false));
      await atUpdate.reached;
      // The leaver's look at the seats passes; the one at the queue waits until the drain has committed.
      const locked = Promise.withResolvers<void>();
      const go = Promise.withResolvers<void>();
      const draining = getDb().transaction(async (tx) => {
        await tx.query({ name: "test_lock_queue", text: "lock table waitlist in access exclusive mode" }, []);
        locked.resolve();
        await go.promise;
        const by = JSON.stringify({ actor: {}, requestId: "test", at: deps.clock().toISOString() });
        const release = "select settle_seat($1, $2, null, false, $3::jsonb)";
        await tx.query({ name: "test_release", text: release }, [tenant.id, holder.id, by]);
        const untier = "update users set tier = null where tenant_id = $1 and id = $2";
        await tx.query({ name: "test_untier", text: untier }, [tenant.id, holder.id]);
      });
      await locked.promise;
      atUpdate.resume();
      await eventually(async () => (await waitingForQueue(deps)) > 0);
      go.resolve();
      await Promise.all([draining, leaving]);
      expect(await brokenNow(getDb(), tenant.id)).toEqual([]);
    });

    it("seats exactly one of 200 who ask at once for the last seat, and queues 199 in distinct positions", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { standard: 1 } });
      const ends = await together(
        range(200).map((n) => () => createUser(deps, tenant.scim, aUser(`u${n}`, wants("standard")))),
      );
      expect(tally(ends)).toEqual({ done: 200 });
      const views = ends.flatMap((end) => (end.done ? [end.value.license] : []));
      expect(views.filter((license) => license.status === "assigned")).toHaveLength(1);
      const positions = views.flatMap((license) =>
        license.status === "waitlisted" ? [license.position as number] : [],
      );
      expect(positions.toSorted((a, b) => a - b)).toEqual(range(199).map((n) => n + 1));
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
    });

    it("LIC-3 seats exactly one of 200 where a full pool refuses, and leaves nothing of the other 199", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { standard: 1 } });
      await patchPool(deps, tenant.admin, "standard", { whenFull: "refuse" });
      await deps.runJobs();
      const ends = await together(
        range(200).map((n) => () => createUser(deps, tenant.scim, aUser(`u${n}`, wants("standard")))),
      );
      expect(tally(ends)).toEqual({ done: 1, poolFull: 199 });
      expect(await countRows(deps, tenant, "users")).toBe(1);
      expect(await countRows(deps, tenant, "waitlist")).toBe(0);
      expect(await countRows(deps, tenant, "events", "and action = 'user.created'")).toBe(1);
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
    });

    it("LIC-3 queues who is due a seat by a mapping, though a profile update settles that before the job does", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { standard: 0 } });
      await patchPool(deps, tenant.admin, "standard", { whenFull: "refuse" });
      await deps.runJobs();
      const ada = await createUser(deps, tenant.scim, aUser("ada"));
      await saveMapping(deps, tenant.admin, mapping([], { defaults: { role: "user", tier: "standard" } }));
      const renamed = await changeUser(deps, tenant.scim, ada.id, (doc) => ({ ...doc, displayName: "Ada" }));
      expect(renamed.license).toMatchObject({ status: "waitlisted", wanted: "standard" });
      await deps.runJobs();
      const asking = changeUser(deps, tenant.scim, ada.id, (doc) => ({ ...doc, ...wants("pro") }));
      expect((await asking).license).toMatchObject({ wanted: "pro" });
      await expect(
        changeUser(deps, tenant.scim, ada.id, (doc) => ({ ...doc, ...wants("standard") })),
      ).rejects.toMatchObject({ code: "poolFull" });
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
    });

    it("LIC-4 does not overtake a queue that formed while the create waited for a userName", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { standard: 1 } });
      await patchPool(deps, tenant.admin, "standard", { drain: "manual" });
      await deps.runJobs();
      // Somebody takes the name, and gives it back when the others are done.
      const taken = Promise.withResolvers<void>();
      const giveBack = Promise.withResolvers<void>();
      const holding = getDb()
        .transaction(async (tx) => {
          const text = `insert into users (tenant_id, id, user_name, user_name_norm, doc, active, status, role, role_source,
              decided_version, created_at, modified_at)
            values ($1, $2, 'eve', 'eve', '{}', true, 'active', 'user', 'default', 1, now(), now())`;
          await tx.query({ name: "test_take_name", text }, [tenant.id, deps.newId()]);
          taken.resolve();
          await giveBack.promise;
          throw new Error("undone");
        })
        .catch(() => {});
      await taken.promise;
      const creating = createUser(deps, tenant.scim, aUser("eve", wants("standard")));
      await eventually(async () => (await blocked(deps)) === 1);
      const first = await createUser(deps, tenant.scim, aUser("first", wants("standard")));
      const second = await createUser(deps, tenant.scim, aUser("second", wants("standard")));
      await deleteUser(deps, tenant.scim, first.id);
      giveBack.resolve();
      await holding;
      expect((await creating).license).toMatchObject({ status: "waitlisted", position: 2 });
      expect((await getAccount(deps, tenant.scim, second.id)).license).toMatchObject({ position: 1 });
    });

    it("LIC-4 goes on serving a long queue in a job, in order, with newcomers behind", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { standard: 0 } });
      const by = (): RequestContext => ({ ...tenant.scim, requestId: deps.newId() });
      const asking = (count: number, name: string) =>
        range(count).map((n) => () => createUser(deps, by(), aUser(`${name}${n}`, wants("standard"))));
      await together(asking(500, "waiting"));
      const ends = await together<unknown>([
        () => purchase(deps, { ...tenant.admin, requestId: deps.newId() }, "standard", 530),
        ...asking(60, "newcomer"),
        () => deps.runJobs(),
      ]);
      expect(tally(ends)).toEqual({ done: 62 });
      await deps.runJobs();
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
      expect(await overtakings(getDb(), tenant.id)).toEqual([]);
      expect(await countRows(deps, tenant, "waitlist")).toBe(30);
      const first = "select count(*) from users u join seats s on s.tenant_id = u.tenant_id and s.user_id = u.id";
      const [seated] = await getDb().query<{ count: number }>(
        { name: "test_first", text: `${first} where u.tenant_id = $1 and u.user_name like 'waiting%'` },
        [tenant.id],
      );
      expect(seated?.count).toBe(500);
    });

    it("LIC-1 keeps the seats that were bought while their pool is unlimited", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { standard: 3 } });
      await patchPool(deps, tenant.admin, "standard", { unlimited: true });
      const users = await Promise.all(
        range(5).map((n) => createUser(deps, tenant.scim, aUser(`u${n}`, wants("standard")))),
      );
      for (const user of users) await deleteUser(deps, tenant.scim, user.id);
      expect(await patchPool(deps, tenant.admin, "standard", { unlimited: false })).toMatchObject({
        purchased: 3,
        used: 0,
      });
      await deps.runJobs();
    });

    it("does not deadlock when a step down drains to somebody whose seat is in the pool that was stepped down to", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { standard: 2, pro: 1 } });
      const holder = await createUser(deps, tenant.scim, aUser("holder", wants("pro")));
      const climber = await createUser(deps, tenant.scim, aUser("climber", wants("standard")));
      await changeUser(deps, tenant.scim, climber.id, asking("pro"));
      const before = await deadlocks(deps);
      // The drain stops at the climber's place in the queue, while a newcomer wants the last standard seat.
      const locked = Promise.withResolvers<void>();
      const go = Promise.withResolvers<void>();
      const holding = getDb().transaction(async (tx) => {
        const text = "select from waitlist where tenant_id = $1 and user_id = $2 for update";
        await tx.query({ name: "test_hold_place", text }, [tenant.id, climber.id]);
        locked.resolve();
        await go.promise;
      });
      await locked.promise;
      const stepping = changeUser(deps, tenant.scim, holder.id, asking("standard"));
      await eventually(async () => (await blocked(deps)) === 1);
      const coming = createUser(deps, tenant.scim, aUser("newcomer", wants("standard")));
      await Promise.race([coming, sleep(200)]);
      go.resolve();
      await Promise.all([holding, stepping, coming]);
      await sleep(1_500); // PostgreSQL's counters come a second late.
      expect((await deadlocks(deps)) - before).toBe(0);
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
    });

    it("LIC-4 seats those who wait for a pool that becomes unlimited", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { standard: 1, pro: 0 } });
      const ada = await createUser(deps, tenant.scim, aUser("ada", wants("standard")));
      await changeUser(deps, tenant.scim, ada.id, asking("pro"));
      await createUser(deps, tenant.scim, aUser("bob", wants("pro")));
      await patchPool(deps, tenant.admin, "pro", { unlimited: true });
      await deps.runJobs();
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
      expect((await getAccount(deps, tenant.scim, ada.id)).license).toMatchObject({ tier: "pro", wanted: null });
    });

    it("finishes a few seconds of swaps, leavers, groups, purchases and reductions without a deadlock for anybody", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, {
        preset: "queue-desk",
        seats: { basic: 14, professional: 10, "pro-plus": 6 },
      });
      const tiers = ["basic", "professional", "pro-plus"] as const;
      const any = <T>(items: readonly T[]): T => items[Math.floor(Math.random() * items.length)] as T;
      await saveMapping(
        deps,
        tenant.admin,
        mapping(
          tiers.map((tier) => ({ match: { displayName: tier }, tier })),
          { defaults: { role: "agent", tier: null } },
        ),
      );
      const users = await Promise.all(
        range(48).map((n) => createUser(deps, tenant.scim, aUser(`u${n}`, wants(any(tiers))))),
      );
      const ids = users.map((user) => user.id);
      const groups = await Promise.all(
        tiers.map((tier) => createGroup(deps, tenant.scim, { displayName: tier, members: [] })),
      );
      const some = (count: number) => range(count).map(() => any(ids));
      const works: (() => Promise<unknown>)[] = [
        () => changeUser(deps, tenant.scim, any(ids), asking(any([...tiers, null]))),
        () => changeUser(deps, tenant.scim, any(ids), asking(any(tiers))),
        () => changeUser(deps, tenant.scim, any(ids), active(Math.random() < 0.6)),
        () => changeGroup(deps, tenant.scim, any(groups).id, [{ add: some(12) }]),
        () => changeGroup(deps, tenant.scim, any(groups).id, [{ remove: some(12) }]),
        () => changeGroup(deps, tenant.scim, any(groups).id, [{ replace: some(10) }]),
        () => purchase(deps, tenant.admin, any(tiers), 1),
        () => reduce(deps, tenant.admin, any(tiers), 1),
        () => changeAccess(deps, tenant.admin, any(ids), { tier: any([...tiers, "none", null]) }),
      ];
      const counts: Record<string, number> = {};
      const broken = new Set<string>();
      const end = Date.now() + 5_000;
      const worker = async () => {
        while (Date.now() < end) {
          const result = await ended(any(works)());
          const key = result.done ? "done" : result.code;
          counts[key] = (counts[key] ?? 0) + 1;
        }
      };
      const watch = async () => {
        while (Date.now() < end) for (const what of await brokenNow(getDb(), tenant.id)) broken.add(what);
      };
      const before = await deadlocks(deps);
      await Promise.all([...range(40).map(worker), watch()]);
      await deps.runJobs();
      await sleep(1_500); // PostgreSQL's counters come a second late.
      const { done, belowUsed: _belowUsed, ...unexpected } = counts;
      expect((await deadlocks(deps)) - before).toBe(0);
      expect(unexpected).toEqual({});
      expect(done).toBeGreaterThan(200);
      expect([...broken]).toEqual([]);
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
    });
  },
  { connectionsMax: 48 },
);
