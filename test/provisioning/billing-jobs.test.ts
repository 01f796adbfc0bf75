/** The renewal as a running server carries it out: by its clock, without being asked. */
import { expect, it } from "vitest";
import { describeOnBoth } from "../helpers/database.ts";
import { startServer } from "../helpers/server.ts";

describeOnBoth("a server whose clock passes a renewal", (getDb) => {
  it("LIC-7: renews, with several processes once", async () => {
    let now = new Date("2026-01-05T08:00:00.000Z");
    const options = { clock: () => now, dueWorkMs: 50 };
    const server = await startServer(getDb(), options);
    const other = getDb().engine === "postgres" ? await startServer(getDb(), options) : undefined;
    try {
      const { api } = await server.tenant({ seats: { standard: 5 } });
      const pool = async () => (await api("GET", "/pools/standard")).body;
      await api("POST", "/pools/standard/reduce", { seats: 2, at: "renewal" });
      expect(await pool()).toMatchObject({ purchased: 5, renewsOn: "2026-02-05", reductions: [{ seats: 2 }] });
      now = new Date("2026-02-05T00:00:01.000Z");
      await expect
        .poll(pool, { timeout: 20_000 })
        .toMatchObject({ purchased: 3, renewsOn: "2026-03-05", reductions: [] });
      now = new Date("2026-04-05T00:00:01.000Z");
      await expect.poll(pool, { timeout: 20_000 }).toMatchObject({ purchased: 3, renewsOn: "2026-05-05" });
      const { body } = await api<{ events: { action: string }[] }>("GET", "/events?limit=100");
      expect(body.events.filter(({ action }) => action === "pool.renewed").length).toBe(2);
    } finally {
      await other?.close();
      await server.close();
    }
  });
});
