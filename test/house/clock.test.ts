/** The clock of a process, and what servers carry out by it, whichever of them is alive. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { startClock } from "../../src/jobs/clock.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { startServer } from "../helpers/server.ts";

describe("the clock", () => {
  const everyMs = 20;

  it("has its work looked at again and again, never twice at once, and a failure ends nothing", async () => {
    const warned: string[] = [];
    let [looks, inside, most] = [0, 0, 0];
    const work = async () => {
      most = Math.max(most, ++inside);
      await sleep(everyMs * 2);
      inside--;
      if (++looks % 2 === 0) throw new Error("now and then");
    };
    const clock = startClock([{ what: "the test", everyMs, run: work }], {
      warn: (_fields: unknown, message?: string) => void warned.push(String(message)),
    } as never);
    await expect.poll(() => looks, { timeout: 5_000 }).toBeGreaterThan(4);
    await clock.stop();
    expect(most).toBe(1);
    expect(warned).toContain("the test could not be looked at; it is looked at again");
  });

  it("stops at once, waits for a look under way, and looks no more", async () => {
    let [begun, ended] = [0, 0];
    const slow = async () => {
      begun++;
      await sleep(100);
      ended++;
    };
    const clock = startClock(
      [
        { what: "slow", everyMs, run: slow },
        { what: "hourly", everyMs: 3_600_000, run: slow },
      ],
      { warn: () => {} } as never,
    );
    await expect.poll(() => begun).toBe(1);
    await clock.stop();
    expect([begun, ended]).toEqual([1, 1]);
    await sleep(everyMs * 5);
    expect(begun).toBe(1);
  });
});

describeOnBoth("what the clock makes due", (getDb, engine) => {
  const USHER = "urn:ietf:params:scim:schemas:extension:usher:2.0:User";
  const person = (userName: string, dates: object) => ({
    schemas: ["urn:ietf:params:scim:schemas:core:2.0:User", USHER],
    userName,
    [USHER]: dates,
  });

  it("USR-7: is carried out by any server that is alive, without anybody asking", async () => {
    const servers = [await startServer(getDb(), { dueWorkMs: 100 })];
    // On the embedded database there is one process.
    if (engine === "postgres") servers.push(await startServer(getDb(), { dueWorkMs: 100 }));
    const [first, last] = [servers[0]!, servers.at(-1)!];
    const { scim } = await last.tenant({ seats: { standard: 1 } });
    const soon = () => new Date(Date.now() + 700).toISOString();
    const statusOf = async (id: unknown) =>
      ((await scim("GET", `/Users/${id}`)).body[USHER] as { status: string }).status;
    const ends = await scim("POST", "/Users", person("ends", { endDate: soon() }));
    expect(ends.status).toBe(201);
    await expect.poll(() => statusOf(ends.body.id), { timeout: 15_000 }).toBe("inactive");
    if (first !== last) await first.close();
    const starts = await scim("POST", "/Users", person("starts", { startDate: soon() }));
    expect(await statusOf(starts.body.id)).toBe("inactive");
    await expect.poll(() => statusOf(starts.body.id), { timeout: 15_000 }).toBe("active");
    await last.close();
  }, 40_000);
});
