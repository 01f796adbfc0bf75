/** A database that goes silent (a partition, a failover that dropped the connection) is an outage, not a wait for ever. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openPostgres } from "../../src/db/postgres.ts";
import { databaseOver, type OpenDatabase } from "../../src/db/transactions.ts";
import { openTestDatabase, type TestDatabase } from "../helpers/database.ts";

const isChosen = (process.env.TEST_ENGINES ?? "postgres").split(",").includes("postgres");

describe.runIf(isChosen)("a database behind a network that goes silent (postgres)", () => {
  const sockets: Socket[] = [];
  let target: TestDatabase;
  let database: OpenDatabase;
  let isSilent = false;
  const proxy = createServer((near) => {
    const url = new URL(target.url as string);
    const far = connect(Number(url.port), url.hostname);
    sockets.push(near, far);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("data", (data) => isSilent || to.write(data));
      from.on("close", () => isSilent || to.destroy());
      from.on("error", () => {});
    }
  });

  beforeAll(async () => {
    target = await openTestDatabase("postgres");
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const url = new URL(target.url as string);
    url.port = String((proxy.address() as AddressInfo).port);
    database = databaseOver(openPostgres(url.href, { silentMs: 300, connectionsMax: 2 }));
  });

  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
    await database.close();
    await target.dispose();
  });

  it("answers unavailable within the deadline, and works again when the network does", async () => {
    const one = { name: "one", text: "select 1 as one" };
    expect(await database.query(one, [])).toEqual([{ one: 1 }]);
    isSilent = true;
    const asked = Date.now();
    await expect(database.query(one, [])).rejects.toMatchObject({ code: "unavailable" });
    await expect(
      database.transaction(async (tx) => {
        await tx.query(one, []);
      }),
    ).rejects.toMatchObject({ code: "unavailable" });
    expect(Date.now() - asked).toBeLessThan(25_000);
    isSilent = false;
    expect(await database.query(one, [])).toEqual([{ one: 1 }]);
  }, 40_000);
});
