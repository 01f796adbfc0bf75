/** Every race that naive versions of the design were seen to lose, started on purpose on a real PostgreSQL (DESIGN §5). */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { authenticate } from "../../src/auth/authenticate.ts";
import { recordWish } from "../../src/db/promotions.ts";
import { identityOf } from "../../src/domain/identity.ts";
import type { MappingDocument, UserDoc } from "../../src/domain/model.ts";
import { USHER_USER } from "../../src/domain/words.ts";
import type { RequestContext } from "../../src/provisioning/context.ts";
import { changeGroup, createGroup, deleteGroup, getGroup } from "../../src/provisioning/groups.ts";
import { saveMapping } from "../../src/provisioning/mapping.ts";
import { patchPool, purchase, reduce } from "../../src/provisioning/pools.ts";
import { approve } from "../../src/provisioning/promotions.ts";
import { changeRole, createRole } from "../../src/provisioning/roles.ts";
import { mintToken } from "../../src/provisioning/tokens.ts";
import { changeAccess, changeUser, createUser, deleteUser, getAccount } from "../../src/provisioning/users.ts";
import { describeOnPostgres } from "../helpers/database.ts";
import { ended, eventually, pausing, tally, together } from "../helpers/races.ts";
import { aUser, makeDeps, makeTenant, type TestDeps, type TestTenant } from "../helpers/tenant.ts";
import { brokenAtRest, brokenNow } from "./invariants.ts";
import { overtakings } from "./queue-replay.ts";

const wants = (tier: string) => ({ [USHER_USER]: { licenseTier: tier } });
const asking = (tier: string | null) => (doc: UserDoc) =>
  ({ ...doc, [USHER_USER]: tier === null ? {} : { licenseTier: tier } }) as UserDoc;
const active = (value: boolean) => (doc: UserDoc) => ({ ...doc, active: value });
const mapping = (groups: MappingDocument["groups"], more: Partial<MappingDocument> = {}): MappingDocument => ({
  groups,
  rules: [],
  defaults: { role: "user", tier: null },
  autoTeams: true,
  ...more,
});
const range = (count: number) => Array.from({ length: count }, (_, index) => index);

/** A person made Admin by the tenant's own token. */
async function anAdmin(deps: TestDeps, tenant: TestTenant, userName: string) {
  const { id } = await createUser(deps, tenant.scim, aUser(userName));
  return await changeAccess(deps, tenant.admin, id, { role: "admin" });
}

/** The context of a request with a token that acts for a person. */
async function actingAs(deps: TestDeps, tenant: TestTenant, userId: string): Promise<RequestContext> {
  const minted = await mintToken(deps, tenant.admin, { label: "person", scopes: ["api"], role: "admin", userId });
  const principal = await authenticate(deps, `Bearer ${minted.token}`);
  return { principal, requestId: "person-request", door: "api" };
}

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

/** Ids of the active full Admins. */
async function admins(deps: TestDeps, tenant: TestTenant): Promise<string[]> {
  const text = `select u.id from users u join roles r on r.tenant_id = u.tenant_id and r.key = u.role
    where u.tenant_id = $1 and u.administrative and u.status = 'active' and r.permissions @> '{*}' order by u.id`;
  return (await deps.db.query<{ id: string }>({ name: "test_admins", text }, [tenant.id])).map((row) => row.id);
}

async function requests(deps: TestDeps, tenant: TestTenant) {
  const text = `select state, attempts, user_id as "userId" from promotions where tenant_id = $1 order by id`;
  return await deps.db.query({ name: "test_requests", text }, [tenant.id]);
}

/** The id of the tenant's one promotion request. */
async function onlyRequest(deps: TestDeps, tenant: TestTenant): Promise<string> {
  const text = "select id from promotions where tenant_id = $1";
  const [row, ...more] = await deps.db.query<{ id: string }>({ name: "test_promotion_ids", text }, [tenant.id]);
  if (row === undefined || more.length > 0) throw new Error("There is not one promotion request.");
  return row.id;
}

async function lastEvent(deps: TestDeps, tenant: TestTenant): Promise<number> {
  const text = "select max(id) as id from events where tenant_id = $1";
  return (await deps.db.query<{ id: number }>({ name: "test_last_event", text }, [tenant.id]))[0]?.id ?? 0;
}

/** Subjects of the events after this one, in the order of their writing. */
async function subjectsSince(deps: TestDeps, tenant: TestTenant, after: number): Promise<string[]> {
  const text = "select subject_id as id from events e where tenant_id = $1 and e.id > $2 order by e.id";
  const rows = await deps.db.query<{ id: string }>({ name: "test_subjects", text }, [tenant.id, after]);
  return rows.map((row) => row.id);
}

async function waitingForQueue(deps: TestDeps): Promise<number> {
  const text = "select count(*) from pg_locks where not granted and relation = 'waitlist'::regclass";
  const [row] = await deps.db.query<{ count: number }>({ name: "test_waiting", text }, []);
  return row?.count ?? 0;
}

/** Connections to this database that wait for a lock. */
async function blocked(deps: TestDeps): Promise<number> {
  const text = `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  const [row] = await deps.db.query<{ count: number }>({ name: "test_blocked", text }, []);
  return row?.count ?? 0;
}

async function countRows(deps: TestDeps, tenant: TestTenant, table: string, where = ""): Promise<number> {
  const text = `select count(*) from ${table} where tenant_id = $1 ${where}`;
  const [row] = await deps.db.query<{ count: number }>({ name: `test_count_${table}_${where.length}`, text }, [
    tenant.id,
  ]);
  return row?.count ?? 0;
}

/** Deadlocks that PostgreSQL has resolved in this database so far. */
async function deadlocks(deps: TestDeps): Promise<number> {
  const text = "select deadlocks from pg_stat_database where datname = current_database()";
  const [row] = await deps.db.query<{ deadlocks: number }>({ name: "test_deadlocks", text }, []);
  return row?.deadlocks ?? 0;
}

async function openRequests(deps: TestDeps, tenant: TestTenant, userIds: readonly string[]): Promise<number> {
  const [row] = await deps.db.query<{ count: number }>(
    {
      name: "test_open_requests",
      text: `select count(*) from promotions where tenant_id = $1 and state = 'open' and user_id = any ($2::uuid[])`,
    },
    [tenant.id, userIds],
  );
  return row?.count ?? 0;
}
