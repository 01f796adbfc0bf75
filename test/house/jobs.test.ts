/** Background jobs over pg-boss, on both engines: they belong to the transaction that asks for them. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import { type JobData, type JobRunner, startJobs } from "../../src/jobs/boss.ts";
import { createLogger } from "../../src/log.ts";
import { describeOnBoth } from "../helpers/database.ts";

const log = createLogger("silent");
const queues = ["reconcile", "drain"];

describeOnBoth("background jobs", (getDb) => {
  const running: JobRunner[] = [];
  const start = async () => {
    const jobs = await startJobs(getDb(), log, { queues });
    running.push(jobs);
    return jobs;
  };
  const enqueue = (jobs: JobRunner, name: string, tenantId: string) =>
    getDb().transaction((tx) => jobs.enqueue(tx, name, { tenantId }));

  afterEach(async () => {
    for (const jobs of running.splice(0)) await jobs.stop();
    await getDb().session((session) => session.script("delete from pgboss.job"));
  });

  it("runs a job at once after its transaction has committed, and never before", async () => {
    const jobs = await start();
    const ran: string[] = [];
    await jobs.work("reconcile", async ({ tenantId }) => void ran.push(tenantId));
    await sleep(100);
    await getDb().transaction(async (tx) => {
      await jobs.enqueue(tx, "reconcile", { tenantId: "a" });
      await sleep(50);
      expect(ran).toEqual([]);
    });
    await expect.poll(() => ran, { timeout: 2_000 }).toEqual(["a"]);
  });

  it("forgets a job whose transaction was rolled back", async () => {
    const jobs = await start();
    const ran: string[] = [];
    await jobs.work("reconcile", async ({ tenantId }) => void ran.push(tenantId));
    const undone = getDb().transaction(async (tx) => {
      await jobs.enqueue(tx, "reconcile", { tenantId: "undone" });
      throw new Error("no");
    });
    await expect(undone).rejects.toThrow("no");
    await enqueue(jobs, "reconcile", "done");
    await expect.poll(() => ran, { timeout: 2_000 }).toEqual(["done"]);
  });

  it("folds repeats of a tenant that wait together, and runs once more for one that comes during a run", async () => {
    const jobs = await start();
    for (let i = 0; i < 5; i++) await enqueue(jobs, "reconcile", "a");
    await enqueue(jobs, "reconcile", "b");
    const ran: string[] = [];
    let entered = () => {};
    const inside = new Promise<void>((resolve) => {
      entered = resolve;
    });
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await jobs.work("reconcile", async ({ tenantId }) => {
      ran.push(tenantId);
      entered();
      await held;
    });
    await inside;
    await enqueue(jobs, "reconcile", "a");
    release();
    await expect.poll(() => [...ran].sort(), { timeout: 15_000 }).toEqual(["a", "a", "b"]);
  });

  it("lets no tenant's second job keep another tenant's waiting", async () => {
    if (getDb().engine === "pglite") return; // One worker there: everything waits for its turn.
    const jobs = await start();
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const ran: string[] = [];
    await jobs.work("reconcile", async ({ tenantId }) => {
      ran.push(tenantId);
      if (tenantId === "long" && ran.length === 1) await held;
    });
    await enqueue(jobs, "reconcile", "long");
    await expect.poll(() => ran, { timeout: 2_000 }).toEqual(["long"]);
    await enqueue(jobs, "reconcile", "long");
    await enqueue(jobs, "reconcile", "other");
    await expect.poll(() => ran, { timeout: 4_000 }).toContain("other");
    release();
  });

  it("tries a failed job again", async () => {
    const jobs = await start();
    let runs = 0;
    await jobs.work("drain", async () => {
      if (++runs < 2) throw new Error("not yet");
    });
    await enqueue(jobs, "drain", "a");
    await expect.poll(() => runs, { timeout: 20_000 }).toBe(2);
  });

  it("works beside requests that keep the database busy", async () => {
    const jobs = await start();
    const db = getDb();
    const seen = new Set<string>();
    await jobs.work("reconcile", async ({ tenantId }: JobData) => {
      await db.transaction((tx) => tx.query({ name: "jobs busy", text: "select 1" }, []));
      seen.add(tenantId);
    });
    const tenants = Array.from({ length: 20 }, (_, i) => `t${i}`);
    await Promise.all(tenants.map((tenantId) => enqueue(jobs, "reconcile", tenantId)));
    await expect.poll(() => seen.size, { timeout: 15_000 }).toBe(20);
  });

  it("tells a job in work that the process is about to stop, and keeps what was cut off", async () => {
    const jobs = await startJobs(getDb(), log, { queues });
    let told = false;
    await jobs.work("reconcile", async (_data, signal) => {
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      told = true;
      throw new Error("cut off");
    });
    await enqueue(jobs, "reconcile", "a");
    await sleep(300);
    await jobs.stop();
    expect(told).toBe(true);
    const again = await start();
    const ran: string[] = [];
    await again.work("reconcile", async ({ tenantId }) => void ran.push(tenantId));
    await expect.poll(() => ran, { timeout: 20_000 }).toEqual(["a"]);
  });
});
