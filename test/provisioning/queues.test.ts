/** TEAM-1, TEAM-4: queues are assigned by hand at the queue, left on deactivation, remembered, and restored by hand. */
import { expect, it } from "vitest";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import { startBulk } from "../../src/provisioning/bulk-users.ts";
import { carryOutDates } from "../../src/provisioning/due.ts";
import { changeTeam, createTeam, deleteTeam } from "../../src/provisioning/teams.ts";
import { addMembersByHand, listTeamMembers } from "../../src/provisioning/teams-members.ts";
import { forgetOldQueues, rememberedQueues, restoreQueues } from "../../src/provisioning/teams-queues.ts";
import { changeAccess, changeUser, createUser, deleteUser } from "../../src/provisioning/users.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aUser, makeDeps, makeTenant } from "../helpers/tenant.ts";

const usher = "urn:ietf:params:scim:schemas:extension:usher:2.0:User";
const day = 24 * 3600_000;

describeOnBoth("queues", (getDb) => {
  async function setUp(db: OpenDatabase = getDb()) {
    const deps = makeDeps(db);
    const tenant = await makeTenant(deps, { preset: "queue-desk" });
    const user = async (name: string, more = {}) => (await createUser(deps, tenant.scim, aUser(name, more))).id;
    const queue = async (name: string) => (await createTeam(deps, tenant.admin, { kind: "queue", name })).id;
    const assign = (id: string, ...users: string[]) => addMembersByHand(deps, tenant.admin, id, users);
    const inQueue = async (id: string) =>
      (await listTeamMembers(deps, tenant.id, id, null, null, 100)).map((member) => member.userName);
    const set = (id: string, active: boolean) => changeUser(deps, tenant.scim, id, (doc) => ({ ...doc, active }));
    const remembered = async (id: string) => (await rememberedQueues(deps, tenant.id, id)).map((one) => one.display);
    const restore = async (id: string, queues: string[] | null = null) =>
      (await restoreQueues(deps, tenant.admin, id, queues)).map(({ display, outcome }) => `${display} ${outcome}`);
    const events = (action: string) =>
      deps.db.query<{ subject_id: string; before: unknown; after: unknown; rule: string; actor: { label: string } }>(
        {
          name: "test_events",
          text: "select subject_id, before, after, rule, actor from events where tenant_id = $1 and action = $2 order by id",
        },
        [tenant.id, action],
      );
    return { deps, tenant, user, queue, assign, inQueue, set, remembered, restore, events };
  }

  it("TEAM-4: deactivation takes a person off all queues at once and remembers them", async () => {
    const { user, queue, assign, inQueue, set, remembered, events } = await setUp();
    const [ada, eve] = [await user("ada"), await user("eve")];
    const [sales, support] = [await queue("Sales"), await queue("Support")];
    await assign(sales, ada, eve);
    await assign(support, ada);
    await set(ada, false);
    expect([await inQueue(sales), await inQueue(support)]).toEqual([["eve"], []]);
    expect(await remembered(ada)).toEqual(["Sales", "Support"]);
    expect(await events("user.queues-left")).toMatchObject([
      {
        subject_id: ada,
        rule: "TEAM-4",
        actor: { label: "Test IdP" },
        before: {
          queues: [
            { value: sales, display: "Sales" },
            { value: support, display: "Support" },
          ],
        },
        after: { queues: [] },
      },
    ]);
  });

  it("TEAM-4: coming back restores no queue; an Admin does, once", async () => {
    const { user, queue, assign, inQueue, set, remembered, restore, events } = await setUp();
    const ada = await user("ada");
    const [sales, support] = [await queue("Sales"), await queue("Support")];
    await assign(sales, ada);
    await assign(support, ada);
    await set(ada, false);
    await expect(restore(ada)).rejects.toMatchObject({ code: "conflict", facts: { rule: "TEAM-4" } });
    await set(ada, true);
    expect([await inQueue(sales), await inQueue(support)]).toEqual([[], []]);
    expect(await restore(ada, [support])).toEqual(["Sales left", "Support restored"]);
    expect([await inQueue(sales), await inQueue(support)]).toEqual([[], ["ada"]]);
    expect(await remembered(ada)).toEqual(["Sales"]);
    expect(await restore(ada)).toEqual(["Sales restored"]);
    expect(await restore(ada)).toEqual([]);
    expect(await inQueue(sales)).toEqual(["ada"]);
    const told = await events("user.queues-restored");
    expect(told.map(({ after }) => after)).toEqual([
      { queues: [{ value: support, display: "Support" }] },
      { queues: [{ value: sales, display: "Sales" }] },
    ]);
  });

  it("TEAM-4: an Admin's stop and an end date count like the client's word", async () => {
    const { deps, tenant, user, queue, assign, inQueue, remembered } = await setUp();
    const [ada, eve] = [await user("ada"), await user("eve")];
    const sales = await queue("Sales");
    await assign(sales, ada, eve);
    await changeAccess(deps, tenant.admin, ada, { suspended: true });
    expect(await inQueue(sales)).toEqual(["eve"]);
    await changeUser(deps, tenant.scim, eve, (doc) => ({ ...doc, [usher]: { endDate: "2026-01-01T00:00:00Z" } }));
    expect(await inQueue(sales)).toEqual([]);
    expect([await remembered(ada), await remembered(eve)]).toEqual([["Sales"], ["Sales"]]);
    await changeAccess(deps, tenant.admin, ada, { suspended: false });
    expect(await inQueue(sales)).toEqual([]);
  });

  it("TEAM-4: an end date that comes takes a person off their queues, an invitation that ends too, and bulk actions do", async () => {
    const { deps, tenant, user, queue, assign, inQueue, remembered, events } = await setUp();
    const ada = await user("ada", { [usher]: { endDate: "2026-02-01T00:00:00Z" } });
    const invitation = { accepted: false, expiresAt: "2026-02-01T00:00:00.000Z" } as const;
    const eve = (await createUser(deps, tenant.admin, aUser("eve"), { invitation })).id;
    const bob = await user("bob");
    const sales = await queue("Sales");
    await assign(sales, ada, eve, bob);
    deps.now = new Date("2026-02-01T00:00:01.000Z");
    await carryOutDates(deps, tenant.id);
    expect(await inQueue(sales)).toEqual(["bob"]);
    expect([await remembered(ada), await remembered(eve)]).toEqual([["Sales"], ["Sales"]]);
    expect((await events("user.queues-left")).map((event) => event.subject_id)).toEqual([ada, eve]);
    await startBulk(deps, tenant.admin, { select: { ids: [bob] }, action: { action: "deactivate" }, dryRun: true });
    expect(await inQueue(sales)).toEqual(["bob"]);
    await startBulk(deps, tenant.admin, { select: { ids: [bob] }, action: { action: "deactivate" }, dryRun: false });
    expect(await inQueue(sales)).toEqual([]);
  });

  it("TEAM-4: a queue is remembered for 90 days and not a moment longer", async () => {
    const { deps, tenant, user, queue, assign, set, remembered, restore } = await setUp();
    const ada = await user("ada");
    const sales = await queue("Sales");
    await assign(sales, ada);
    const left = deps.now;
    await set(ada, false);
    await set(ada, true);
    deps.now = new Date(left.getTime() + 90 * day - 1);
    await forgetOldQueues(deps);
    expect(await rememberedQueues(deps, tenant.id, ada)).toMatchObject([
      { display: "Sales", leftAt: left.toISOString(), until: new Date(left.getTime() + 90 * day).toISOString() },
    ]);
    deps.now = new Date(left.getTime() + 90 * day);
    expect(await remembered(ada)).toEqual([]);
    expect(await restore(ada)).toEqual([]);
    await expect(restore(ada, [sales])).rejects.toMatchObject({ code: "invalidValue" });
    await forgetOldQueues(deps);
    const [row] = await deps.db.query<{ rows: number }>(
      { name: "test_memory", text: "select count(*) as rows from remembered_queues where tenant_id = $1" },
      [tenant.id],
    );
    expect(row?.rows).toBe(0);
  });

  it("TEAM-4: who goes out again is remembered with the latest queues; assigning by hand forgets", async () => {
    const { user, queue, assign, set, remembered } = await setUp();
    const ada = await user("ada");
    const [sales, support] = [await queue("Sales"), await queue("Support")];
    await assign(sales, ada);
    await set(ada, false);
    await set(ada, true);
    await assign(support, ada);
    await set(ada, false);
    expect(await remembered(ada)).toEqual(["Sales", "Support"]);
    await set(ada, true);
    await assign(sales, ada);
    expect(await remembered(ada)).toEqual(["Support"]);
  });

  it("TEAM-4: nobody who is out is assigned, and nobody else of the request", async () => {
    const { deps, user, queue, assign, inQueue } = await setUp();
    const [ada, out] = [await user("ada"), await user("out", { active: false })];
    const sales = await queue("Sales");
    const refused = assign(sales, ada, out);
    await expect(refused).rejects.toMatchObject({ code: "conflict", facts: { rule: "TEAM-4" } });
    await expect(assign(sales, ada, deps.newId())).rejects.toMatchObject({ code: "invalidValue" });
    expect(await inQueue(sales)).toEqual([]);
  });

  it("an archived queue is left like any other and takes nobody back until it is brought back", async () => {
    const { deps, tenant, user, queue, assign, set, restore } = await setUp();
    const ada = await user("ada");
    const sales = await queue("Sales");
    await assign(sales, ada);
    await changeTeam(deps, tenant.admin, sales, { archived: true });
    await expect(assign(sales, ada)).rejects.toMatchObject({ code: "conflict" });
    await set(ada, false);
    await set(ada, true);
    expect(await restore(ada)).toEqual(["Sales archived"]);
    await changeTeam(deps, tenant.admin, sales, { archived: false });
    expect(await restore(ada)).toEqual(["Sales restored"]);
  });

  it("a queue or a person that is deleted leaves nothing to remember", async () => {
    const { deps, tenant, user, queue, assign, set, remembered } = await setUp();
    const [ada, eve] = [await user("ada"), await user("eve")];
    const [sales, support] = [await queue("Sales"), await queue("Support")];
    await assign(sales, ada, eve);
    await assign(support, ada);
    await set(ada, false);
    await deleteTeam(deps, tenant.admin, sales);
    expect(await remembered(ada)).toEqual(["Support"]);
    await deleteUser(deps, tenant.scim, eve);
    await deleteUser(deps, tenant.scim, ada);
    expect(await remembered(ada)).toEqual([]);
  });

  it("a write to somebody in no queue tells of none", async () => {
    const { user, set, events } = await setUp();
    const ada = await user("ada");
    await set(ada, false);
    await set(ada, true);
    expect(await events("user.queues-left")).toEqual([]);
  });

  it("TEN-1: another tenant's queue is not there, its people are nobody", async () => {
    const one = await setUp();
    const other = await setUp();
    const sales = await one.queue("Sales");
    const stranger = await other.user("stranger");
    await expect(other.assign(sales, stranger)).rejects.toMatchObject({ code: "notFound" });
    await expect(one.assign(sales, stranger)).rejects.toMatchObject({ code: "invalidValue" });
    await expect(one.restore(stranger)).rejects.toMatchObject({ code: "notFound" });
  });
});
