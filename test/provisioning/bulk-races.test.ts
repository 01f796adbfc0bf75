/** Work on many people beside everything else: with itself, with single requests, and with an originator who is demoted. */
import { expect, it } from "vitest";
import { findBulkJob } from "../../src/db/bulk-jobs.ts";
import { USHER_USER } from "../../src/domain/words.ts";
import type { BulkAction } from "../../src/provisioning/bulk-actions.ts";
import { runBulkJobs, startBulk } from "../../src/provisioning/bulk-users.ts";
import type { RequestContext } from "../../src/provisioning/context.ts";
import { createUsers } from "../../src/provisioning/create-users.ts";
import { runImportJobs, startImport } from "../../src/provisioning/import-users.ts";
import { changeAccess, changeUser, createUser, deleteUser } from "../../src/provisioning/users.ts";
import { describeOnPostgres } from "../helpers/database.ts";
import { ended, tally } from "../helpers/races.ts";
import { aUser, makeDeps, makeTenant, type TestDeps, type TestTenant } from "../helpers/tenant.ts";
import { brokenAtRest } from "./invariants.ts";
import { actingAs, anAdmin, asking, range } from "./races/setting.ts";

describeOnPostgres(
  "many people at once, beside others",
  (getDb) => {
    const people = async (deps: TestDeps, tenant: TestTenant, count: number) => {
      const docs = range(count).map((n) =>
        aUser(`person${n}@example.com`, { [USHER_USER]: { licenseTier: "standard" } }),
      );
      const made = await createUsers(deps, tenant.scim, docs);
      return made.map((one) => ("user" in one ? one.user.id : expect.fail(String(one.error))));
    };
    const begin = async (deps: TestDeps, ctx: RequestContext, ids: readonly string[], action: BulkAction) => {
      const started = await startBulk(deps, ctx, { select: { ids }, action, dryRun: false });
      return "job" in started ? started.job : expect.fail("It was done at once.");
    };

    it("several actions on the same people, four workers, and single requests: every rule holds, and nothing fails", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { standard: 150, pro: 60 } });
      const ids = await people(deps, tenant, 260);
      const actions: BulkAction[] = [
        { action: "assignLicense", params: { tier: "pro" } },
        { action: "deactivate" },
        { action: "setRole", params: { role: "manager" } },
        { action: "activate" },
        { action: "unassignLicense" },
        { action: "assignLicense", params: { tier: "standard" } },
      ];
      for (const action of actions) await begin(deps, tenant.admin, ids, action);
      const atOnce = range(6).map((n) => {
        const some = ids.filter((_, index) => index % 6 === n).toReversed();
        const action = actions[n % actions.length] as BulkAction;
        return startBulk(deps, tenant.admin, { select: { ids: some }, action, dryRun: false });
      });
      const singles = ids.slice(0, 120).map((id, n) => {
        if (n % 10 === 0) return ended(deleteUser(deps, tenant.scim, id));
        return ended(changeUser(deps, tenant.scim, id, asking(n % 2 === 0 ? "pro" : "standard")));
      });
      const workers = range(4).map(() => runBulkJobs(deps, tenant.id));
      await Promise.all([...workers, ...atOnce]);
      expect(tally(await Promise.all(singles))).toEqual({ done: 120 });
      await runBulkJobs(deps, tenant.id);
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
    });

    it("GRD-5, GRD-9: an originator who is demoted between two steps changes nobody in the next", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps);
      await anAdmin(deps, tenant, "other@example.com");
      const ada = await anAdmin(deps, tenant, "ada@example.com");
      const ids = await people(deps, tenant, 250);
      const job = await begin(deps, await actingAs(deps, tenant, ada.id), ids, { action: "deactivate" });
      await expect(runBulkJobs(deps, tenant.id, AbortSignal.abort())).rejects.toThrow("goes on where it was");
      await changeAccess(deps, tenant.admin, ada.id, { role: "user" });
      await runBulkJobs(deps, tenant.id);
      expect(await findBulkJob(getDb(), tenant.id, job.id)).toMatchObject({
        state: "done",
        outcomes: { changed: 100, refused: 150 },
      });
    });

    it("USR-2: files with the same people and a directory that brings them make each of them once", async () => {
      const deps = makeDeps(getDb());
      const tenant = await makeTenant(deps, { seats: { standard: 300 } });
      const line = (n: number) => `person${n}@example.com,,,Person ${n},,standard`;
      const file = (numbers: readonly number[]) => Buffer.from(numbers.map(line).join("\n"));
      const send = async (numbers: readonly number[], update: boolean) =>
        startImport(deps, tenant.admin, chunks(file(numbers)), { dryRun: false, update });
      const all = range(700);
      await Promise.all([send(all, false), send(all.toReversed(), true)]);
      const directory = range(200).map((n) =>
        ended(createUser(deps, tenant.scim, aUser(`Person${n * 3}@example.com`))),
      );
      const workers = range(4).map(() => runImportJobs(deps, tenant.id));
      await Promise.all([...workers, send(range(300), false), send(range(400).slice(100), true)]);
      const brought = tally(await Promise.all(directory));
      expect(Object.keys(brought).toSorted()).toEqual(["done", "uniqueness"].filter((name) => name in brought));
      await runImportJobs(deps, tenant.id);
      const text = `select count(*) as users, count(distinct user_name_norm) as names,
        (select count(*) from events where tenant_id = $1 and action = 'user.created') as events
        from users where tenant_id = $1`;
      expect(await getDb().query({ name: "test_people", text }, [tenant.id])).toEqual([
        { users: 700, names: 700, events: 700 },
      ]);
      expect(await brokenAtRest(getDb(), tenant)).toEqual([]);
    });
  },
  { connectionsMax: 16 },
);

async function* chunks(file: Buffer): AsyncGenerator<Uint8Array> {
  yield file;
}
