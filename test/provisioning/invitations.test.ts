/** Where two meet: acceptances, resends and deletions of one invitation, spending at once, seats behind invitations. */
import { beforeAll, describe, expect, it } from "vitest";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import { acceptInvitation, inviteUser, renewInvitation } from "../../src/provisioning/invitations.ts";
import { verifyPassword } from "../../src/provisioning/passwords.ts";
import { changePerson } from "../../src/provisioning/profile.ts";
import { signOut } from "../../src/provisioning/sessions.ts";
import { recordUsage } from "../../src/provisioning/usage.ts";
import { deleteUser, getAccount } from "../../src/provisioning/users.ts";
import { describeOnPostgres } from "../helpers/database.ts";
import { tally, together } from "../helpers/races.ts";
import { makeDeps, makeTenant, type TestDeps, type TestTenant } from "../helpers/tenant.ts";

describeOnPostgres(
  "invitations and spending, many at once",
  (getDb: () => OpenDatabase) => {
    let deps: TestDeps;
    let tenant: TestTenant;
    beforeAll(async () => {
      deps = makeDeps(getDb());
      tenant = await makeTenant(deps, { seats: { standard: 3 } });
    });
    let people = 0;
    const invite = (more: object = {}) =>
      inviteUser(deps, tenant.admin, { email: `race${++people}@example.com`, ...more });
    const accept = (token: string | null, password?: string) =>
      acceptInvitation(deps, tenant.admin, { token: token as string, ...(password === undefined ? {} : { password }) });

    describe("one invitation", () => {
      it("is accepted once, with the password of whoever was first", async () => {
        const { user, token } = await invite();
        const words = ["one", "two", "three", "four"];
        const ends = await together(words.map((word) => () => accept(token, word)));
        expect(tally(ends)).toEqual({ done: 1, notFound: 3 });
        const winner = words[ends.findIndex(({ done }) => done)] as string;
        for (const word of words) {
          expect(await verifyPassword(deps, tenant.id, user.id, word)).toBe(word === winner);
        }
      });

      it("is either accepted or replaced, and a replaced one is worth nothing", async () => {
        for (let round = 0; round < 10; round++) {
          const { user, token } = await invite();
          const [accepted, renewed] = await together<unknown>([
            () => accept(token),
            () => renewInvitation(deps, tenant.admin, user.id, {}),
          ]);
          const { status } = await getAccount(deps, tenant.admin, user.id);
          if (accepted?.done) expect([status, renewed]).toEqual(["active", { done: false, code: "conflict" }]);
          else expect([status, accepted, renewed?.done]).toEqual(["pending", { done: false, code: "notFound" }, true]);
        }
      });

      it("of a person who is being deleted ends in nobody", async () => {
        for (let round = 0; round < 10; round++) {
          const { user, token } = await invite({ tier: "standard" });
          const [, deleted] = await together<unknown>([
            () => accept(token, "words"),
            () => deleteUser(deps, tenant.admin, user.id),
          ]);
          expect(deleted?.done).toBe(true);
          await expect(getAccount(deps, tenant.admin, user.id)).rejects.toThrow(/no user/);
        }
      });
    });

    it("LIC-2: as many invitations as wanted take as many seats as there are", async () => {
      const crowd = await makeTenant(deps, { seats: { standard: 3 } });
      const email = (number: number) => `crowd${number}@example.com`;
      const ends = await together(
        Array.from(
          { length: 12 },
          (_, number) => () => inviteUser(deps, crowd.admin, { email: email(number), tier: "standard" }),
        ),
      );
      const held = ends.flatMap((end) => (end.done ? [end.value.user.license] : []));
      expect(tally(ends)).toEqual({ done: 12 });
      expect(held.filter(({ status }) => status === "assigned")).toHaveLength(3);
      expect(held.flatMap(({ position }) => position ?? []).sort((one, other) => one - other)).toHaveLength(9);
    });

    it("P-2: loses no spending, counts no item twice, tells once", async () => {
      const { user } = await invite({ accepted: true, budget: { limit: 10, currency: "USD" } });
      const item = (number: number) => ({
        id: `spend-${number}`,
        userId: user.id,
        amount: 0.5,
        currency: "USD",
        at: deps.now.toISOString(),
      });
      // Sixty-four batches of ten items; each item is in two of them.
      const batches = Array.from({ length: 64 }, (_, batch) =>
        Array.from({ length: 10 }, (_, number) => item(Math.floor(batch / 2) * 10 + number)),
      );
      const ends = await together(batches.map((items) => () => recordUsage(deps, tenant.admin, items)));
      expect(tally(ends)).toEqual({ done: 64 });
      const { spent } = await getAccount(deps, tenant.admin, user.id);
      expect(spent).toEqual({ USD: { used: 160, told: 10 } });
      const outcomes = ends.flatMap((end) => (end.done ? end.value.map(({ outcome }) => outcome) : []));
      expect([
        outcomes.filter((one) => one === "added").length,
        outcomes.filter((one) => one === "repeated").length,
      ]).toEqual([320, 320]);
      const told = await getDb().query(
        { name: "t_told", text: "select from events where subject_id = $1 and action = 'user.budget-exceeded'" },
        [user.id],
      );
      expect(told).toHaveLength(1);
    });

    it("adds what people spend of many in any order without a deadlock, beside edits of the same people", async () => {
      const users = await Promise.all(Array.from({ length: 6 }, () => invite({ accepted: true })));
      const ids = users.map(({ user }) => user.id);
      const works = Array.from({ length: 24 }, (_, number) => async () => {
        const turned = number % 2 === 0 ? ids : ids.toReversed();
        const items = turned.map((userId) => ({
          id: `many-${number}-${userId}`,
          userId,
          amount: 1,
          currency: "EUR",
          at: deps.now.toISOString(),
        }));
        await recordUsage(deps, tenant.admin, items);
        await changePerson(deps, tenant.admin, ids[number % 6] as string, { displayName: `Name ${number}` });
        await signOut(deps, tenant.admin, ids[(number + 3) % 6] as string);
      });
      expect(tally(await together(works))).toEqual({ done: 24 });
      for (const id of ids) expect((await getAccount(deps, tenant.admin, id)).spent).toEqual({ EUR: { used: 24 } });
    });
  },
  { connectionsMax: 32 },
);
