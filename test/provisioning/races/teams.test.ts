/** Teams changed at once: assigned to a queue and deactivated, archived and joined, granted and deleted, restored twice. */
import { expect, it } from "vitest";
import { changeGroup, createGroup, deleteGroup } from "../../../src/provisioning/groups.ts";
import { changeTeam, createTeam, deleteTeam, getTeam } from "../../../src/provisioning/teams.ts";
import { findVisibleAgents } from "../../../src/provisioning/teams-agents.ts";
import { grantAgent } from "../../../src/provisioning/teams-grants.ts";
import { addMembersByHand, listTeamMembers, removeMembersByHand } from "../../../src/provisioning/teams-members.ts";
import { rememberedQueues, restoreQueues } from "../../../src/provisioning/teams-queues.ts";
import { changeUser, createUser, deleteUser } from "../../../src/provisioning/users.ts";
import { describeOnPostgres } from "../../helpers/database.ts";
import { ended, eventually, pausing, tally, together } from "../../helpers/races.ts";
import { aUser, makeDeps, makeTenant } from "../../helpers/tenant.ts";
import { range } from "./setting.ts";

describeOnPostgres(
  "teams at once",
  (getDb) => {
    async function setUp() {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { preset: "queue-desk" });
      const user = async (name: string) => (await createUser(deps, tenant.scim, aUser(name))).id;
      const team = async (kind: "team" | "queue" | "agent", name: string) =>
        (await createTeam(deps, tenant.admin, { kind, name })).id;
      const set = (id: string, active: boolean) => changeUser(deps, tenant.scim, id, (doc) => ({ ...doc, active }));
      const assign = (id: string, ...users: string[]) => addMembersByHand(deps, tenant.admin, id, users);
      const membersOf = async (id: string) =>
        (await listTeamMembers(deps, tenant.id, id, null, null, 500)).map((member) => member.id);
      const rows = async (name: string, text: string) =>
        await getDb().query<{ found: number }>(
          { name: `test_${name}`, text: `select count(*) as found from ${text}` },
          [tenant.id],
        );
      return { deps, tenant, user, team, set, assign, membersOf, rows };
    }

    /** The same use cases over a database that stops where it is told. */
    function paused(setting: Awaited<ReturnType<typeof setUp>>) {
      const held = pausing(getDb());
      return { deps: { ...setting.deps, db: held.db }, pause: held.pause };
    }

    const outInQueues = `team_members m
      join teams t on t.tenant_id = m.tenant_id and t.id = m.team_id and t.kind = 'queue'
      join users u on u.tenant_id = m.tenant_id and u.id = m.user_id and u.status = 'inactive' where m.tenant_id = $1`;

    it("TEAM-4: nobody who is deactivated while they are being assigned stays in the queue", async () => {
      const setting = await setUp();
      const { tenant, user, team, set, membersOf } = setting;
      const [ada, queue] = [await user("ada"), await team("queue", "Support")];
      const { deps, pause } = paused(setting);
      // The assignment has seen that the person is in; the deactivation waits for it and then takes it back.
      const stop = pause("teams_members_add");
      const assigning = ended(addMembersByHand(deps, tenant.admin, queue, [ada]));
      await stop.reached;
      let isOut = false;
      const leaving = set(ada, false).then(() => {
        isOut = true;
      });
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(isOut).toBe(false);
      stop.resume();
      expect((await assigning).done).toBe(true);
      await leaving;
      expect(await membersOf(queue)).toEqual([]);
      expect(await rememberedQueues(deps, tenant.id, ada)).toMatchObject([{ value: queue }]);
    });

    it("TEAM-4: in any order of many assignments and deactivations, who is out is in no queue", async () => {
      const { tenant, deps, user, team, set, assign, rows } = await setUp();
      const users = await Promise.all(range(12).map((n) => user(`u${n}`)));
      const queues = await Promise.all(range(3).map((n) => team("queue", `q${n}`)));
      for (const round of range(6)) {
        const works = users.flatMap((id, n) => [
          () => set(id, (n + round) % 3 === 0),
          ...queues.map((queue) => () => assign(queue, id, users[(n + 1) % users.length] as string)),
          () => restoreQueues(deps, tenant.admin, id, null),
        ]);
        const ends = tally(await together<unknown>(works));
        expect(Object.keys(ends).filter((end) => end !== "done" && end !== "conflict")).toEqual([]);
        expect(await rows("out_in_queues", outInQueues)).toEqual([{ found: 0 }]);
      }
    });

    it("TEAM-4: two who restore at once restore each queue once", async () => {
      const { tenant, deps, user, team, set, assign, membersOf } = await setUp();
      const [ada, queue] = [await user("ada"), await team("queue", "Support")];
      await assign(queue, ada);
      await set(ada, false);
      await set(ada, true);
      const ends = await together(range(5).map(() => () => restoreQueues(deps, tenant.admin, ada, null)));
      const outcomes = ends.flatMap((end) => (end.done ? end.value.map((one) => one.outcome) : [end.code]));
      expect(outcomes).toEqual(["restored"]);
      expect(await membersOf(queue)).toEqual([ada]);
      const events = await getDb().query<{ found: number }>(
        {
          name: "test_restored",
          text: "select count(*) as found from events where tenant_id = $1 and action = 'team.members-added' and subject_id = $2",
        },
        [tenant.id, queue],
      );
      // Once when assigned, once when restored.
      expect(events).toEqual([{ found: 2 }]);
    });

    it("nobody is added to a team after it was archived", async () => {
      const setting = await setUp();
      const { tenant, user, team, assign, membersOf } = setting;
      const [ada, sales] = [await user("ada"), await team("team", "Sales")];
      const { deps, pause } = paused(setting);
      const stop = pause("teams_update", "after");
      const archiving = changeTeam(deps, tenant.admin, sales, { archived: true });
      await stop.reached;
      const adding = ended(assign(sales, ada));
      await new Promise((resolve) => setTimeout(resolve, 200));
      stop.resume();
      await archiving;
      expect(await adding).toEqual({ done: false, code: "conflict" });
      expect(await membersOf(sales)).toEqual([]);
    });

    it("and whoever is being added when it is archived is in it first", async () => {
      const setting = await setUp();
      const { tenant, user, team, membersOf } = setting;
      const [ada, sales] = [await user("ada"), await team("team", "Sales")];
      const { deps, pause } = paused(setting);
      const stop = pause("teams_members_add");
      const adding = ended(addMembersByHand(deps, tenant.admin, sales, [ada]));
      await stop.reached;
      let isArchived = false;
      const archiving = changeTeam(setting.deps, tenant.admin, sales, { archived: true }).then(() => {
        isArchived = true;
      });
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(isArchived).toBe(false);
      stop.resume();
      expect((await adding).done).toBe(true);
      await archiving;
      expect(await membersOf(sales)).toEqual([ada]);
    });

    it("an agent that is deleted while it is being granted leaves no grant, nor a person who is", async () => {
      const { tenant, deps, user, team, rows } = await setUp();
      for (const round of range(10)) {
        const [ada, eve] = [await user(`ada${round}`), await user(`eve${round}`)];
        const [agent, sales] = [await team("agent", `Agent ${round}`), await team("team", `Sales ${round}`)];
        const ends = await together<unknown>([
          () => grantAgent(deps, tenant.admin, agent, { users: [ada, eve], teams: [sales] }),
          round % 2 === 0 ? () => deleteTeam(deps, tenant.admin, agent) : () => deleteUser(deps, tenant.scim, ada),
          () => deleteTeam(deps, tenant.admin, sales),
        ]);
        const [granted, ...deleted] = ends;
        expect(deleted.map((end) => end.done)).toEqual([true, true]);
        expect(
          granted?.done === true || ["notFound", "invalidValue"].includes(granted?.done === false ? granted.code : ""),
        ).toBe(true);
        if (round % 2 === 0) expect(await findVisibleAgents(getDb(), tenant.id, eve)).toEqual([]);
      }
      expect(
        await rows(
          "lost_grants",
          "team_grants g where g.tenant_id = $1 and not exists (select from teams t where t.id = g.agent_id)",
        ),
      ).toEqual([{ found: 0 }]);
    });

    it("TEAM-3: a member who comes by hand while the group ends is either in the team that goes on, or told that it is gone", async () => {
      const { tenant, deps, user, assign, rows } = await setUp();
      const ada = await user("ada");
      for (const round of range(10)) {
        const group = await createGroup(deps, tenant.scim, { displayName: `Group ${round}`, members: [ada] });
        const own = group.team?.value as string;
        const [adding, deleting] = await together<unknown>([
          () => assign(own, ada),
          () => deleteGroup(deps, tenant.scim, group.id),
        ]);
        expect(deleting?.done).toBe(true);
        const found = await ended(getTeam(deps, tenant.admin, own));
        expect([adding?.done, found.done]).toEqual(adding?.done ? [true, true] : [false, false]);
        if (found.done) expect(found.value).toMatchObject({ members: 1, fedBy: { group: null } });
      }
      expect(await rows("own", "teams t where t.tenant_id = $1 and t.group_id is not null")).toEqual([{ found: 0 }]);
    });

    it("two teams of one name are made once, and renamed to once", async () => {
      const { tenant, deps, team } = await setUp();
      const made = await together(
        range(6).map(() => () => createTeam(deps, tenant.admin, { kind: "team", name: "Sales" })),
      );
      expect(tally(made)).toEqual({ done: 1, uniqueness: 5 });
      const ids = await Promise.all(range(4).map((n) => team("team", `t${n}`)));
      const renamed = await together(ids.map((id) => () => changeTeam(deps, tenant.admin, id, { name: "Night" })));
      expect(tally(renamed)).toEqual({ done: 1, uniqueness: 3 });
    });

    it("no deadlock among everything at once", async () => {
      const { tenant, deps, user, team, set, assign } = await setUp();
      const started = Date.now();
      const users = await Promise.all(range(8).map((n) => user(`u${n}`)));
      const group = await createGroup(deps, tenant.scim, { displayName: "Group", members: users });
      for (const round of range(5)) {
        const [queue, sales, agent] = [
          await team("queue", `q${round}`),
          await team("team", `s${round}`),
          await team("agent", `a${round}`),
        ];
        const works: (() => Promise<unknown>)[] = users.flatMap((id, n) => [
          () => assign(queue, id),
          () => assign(sales, ...users.toReversed()),
          () => set(id, n % 2 === round % 2),
          () => grantAgent(deps, tenant.admin, agent, { users: [id], teams: [sales] }),
          () => removeMembersByHand(deps, tenant.admin, sales, [id]),
          () => changeGroup(deps, tenant.scim, group.id, [n % 2 === 0 ? { remove: [id] } : { add: [id] }]),
        ]);
        works.push(
          () => deleteTeam(deps, tenant.admin, queue),
          () => changeTeam(deps, tenant.admin, sales, { archived: true }),
        );
        const ends = tally(await together(works));
        expect(
          Object.keys(ends).filter((end) => !["done", "conflict", "notFound", "invalidValue"].includes(end)),
        ).toEqual([]);
      }
      await eventually(async () => true);
      expect(Date.now() - started).toBeLessThan(20_000);
    });
  },
  { connectionsMax: 20 },
);
