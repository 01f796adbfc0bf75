/** Jobs on many people in a server that is killed with SIGKILL in the middle of them: the next one goes on, nobody is treated twice. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { openDatabase } from "../../src/db/open.ts";
import { type Started, startProcess } from "../cli/process.ts";
import { type EngineName, openTestDatabase } from "../helpers/database.ts";

const chosen = (process.env.TEST_ENGINES ?? "pglite,postgres").split(",");
const people = 1_500;
const seats = 500;
const operatorToken = "operator-token-of-the-crash-test-of-jobs";

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function aPlace(engine: EngineName) {
  const env = { USHER_OPERATOR_TOKEN: operatorToken, USHER_SECRET: "5e".repeat(32), USHER_RATE_LIMIT: "0" };
  if (engine === "postgres") {
    const test = await openTestDatabase("postgres");
    undo.push(() => test.dispose());
    const url = test.url as string;
    return { env: { ...env, DATABASE_URL: url }, open: () => openDatabase({ url }) };
  }
  const folder = mkdtempSync(join(tmpdir(), "usher-bulk-crash-"));
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
  return { env: { ...env, USHER_DATA_DIR: folder }, open: () => openDatabase({ dataDir: join(folder, "postgres") }) };
}

async function send(server: Started, token: string, method: string, path: string, body?: string, type?: string) {
  const response = await fetch(`${server.origin}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(type === undefined ? {} : { "content-type": type }) },
    ...(body === undefined ? {} : { body }),
  });
  const answer = (await response.json()) as Record<string, unknown>;
  expect(response.status, JSON.stringify(answer)).toBeLessThan(300);
  return answer;
}

describe.each(["pglite", "postgres"] as const)("kill -9 in the middle of a job (%s)", (engine) => {
  it.skipIf(!chosen.includes(engine))(
    "an import and a bulk action go on where they were, and nobody has their turn twice",
    async () => {
      const place = await aPlace(engine);
      let server = await startProcess(place.env);
      undo.push(() => server.kill("SIGKILL"));
      const json = (token: string, method: string, path: string, body: object) =>
        send(server, token, method, path, JSON.stringify(body), "application/json");
      const tenant = await json(operatorToken, "POST", "/tenants", { name: "Acme", seats: { standard: seats } });
      const token = tenant.adminToken as string;

      /** Kills the server once the job is under way, lets the next one finish it, and returns how it ended. */
      const throughDeath = async (job: Record<string, unknown>) => {
        const look = () => send(server, token, "GET", `/bulk/${job.id}`);
        for (let seen = await look(); seen.done === 0 && seen.state !== "done"; seen = await look()) await sleep(5);
        server.kill("SIGKILL");
        await server.finished;
        server = await startProcess(place.env);
        const after = await look();
        for (let seen = after; seen.state !== "done"; seen = await look()) await sleep(50);
        return { interrupted: Number(after.done), ended: await look() };
      };

      const file = Array.from({ length: people }, (_, n) => `person${n}@example.com,,,Person ${n},,standard`).join(
        "\n",
      );
      const imported = await throughDeath(await send(server, token, "POST", "/users/import", file, "text/csv"));
      expect(imported.interrupted).toBeLessThan(people);
      expect(imported.ended.outcomes).toMatchObject({ created: seats, queued: people - seats, exists: 0 });

      const action = { select: { filter: { q: "person" } }, action: "setRole", params: { role: "manager" } };
      const changed = await throughDeath(await json(token, "POST", "/users/bulk", action));
      expect(changed.interrupted).toBeLessThan(people);
      expect(changed.ended.outcomes).toMatchObject({ changed: people, unchanged: 0 });

      server.kill("SIGTERM");
      await server.finished;
      const database = await place.open();
      try {
        const text = `select action, count(*) as events, count(distinct subject_id) as subjects from events
          where subject_type = 'User' and action in ('user.created', 'user.changed') group by action order by action`;
        expect(await database.query({ name: "test_bulk_events", text }, [])).toEqual([
          { action: "user.changed", events: people, subjects: people },
          { action: "user.created", events: people, subjects: people },
        ]);
        const seated = "select count(user_id) as used, (select count(*) from waitlist) as waiting from seats";
        expect(await database.query({ name: "test_bulk_seats", text: seated }, [])).toEqual([
          { used: seats, waiting: people - seats },
        ]);
      } finally {
        await database.close();
      }
    },
    600_000,
  );
});
