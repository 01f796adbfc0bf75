/** The server as a process: its first start, its refusals, and every way in which it ends. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { describeOn, openTestDatabase } from "../helpers/database.ts";
import { type Started, startProcess, usher } from "./process.ts";

// Every test starts processes, some of them with a new database: ten times as slow on a machine under load.
vi.setConfig({ testTimeout: 300_000 });

const shared = { USHER_OPERATOR_TOKEN: "operator-token-of-this-test-0123456789", USHER_SECRET: "0f".repeat(32) };

describeOn("pglite", "usher serve on the embedded database", () => {
  let folder: string;
  const started: Started[] = [];
  const start = async (env: Record<string, string> = {}) => {
    const server = await startProcess({ USHER_DATA_DIR: folder, ...env });
    started.push(server);
    return server;
  };
  const stop = async (server: Started) => {
    server.kill("SIGTERM");
    return await server.finished;
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "usher-serve-"));
  });
  afterEach(async () => {
    for (const server of started.splice(0)) {
      server.kill("SIGKILL");
      await server.finished;
    }
    rmSync(folder, { recursive: true, force: true });
  });

  it("makes the tenant demo on its first start and says what a newcomer needs", async () => {
    const first = await start();
    const said = first.output();
    expect(said).toContain(`SCIM base URL    ${first.origin}/scim/v2`);
    expect(said).toContain(`Operator token   ${join(folder, "operator-token")}`);
    expect(said).toMatch(/SCIM token {7}usher_\S+/);
    expect(said).not.toContain(readFileSync(join(folder, "operator-token"), "utf8").trim());

    const curl = said.split("\n").find((line) => line.startsWith("curl "));
    const { stdout } = await promisify(execFile)("sh", ["-c", curl!]);
    expect(JSON.parse(stdout)).toMatchObject({ userName: "ada@example.com", meta: { resourceType: "User" } });

    const pools = await fetch(`${first.origin}/api/v1/users`, {
      headers: { Authorization: `Bearer ${/Admin token {6}(\S+)/.exec(said)?.[1]}` },
    });
    expect(await pools.json()).toMatchObject({ total: 1 });

    expect(await stop(first)).toMatchObject({ code: 0, signal: null });
    const second = await start();
    expect(second.output()).not.toMatch(/usher_/);
    expect(second.output()).toContain("token mint --tenant demo");
  });

  it("manages tenants and tokens from the command line", async () => {
    const server = await start();
    const env = { USHER_DATA_DIR: folder, PORT: new URL(server.origin).port };
    const made = await usher(["tenant", "create", "Acme Ltd", "--seats", "standard=2", "--seats", "pro=1"], env);
    expect(made).toMatchObject({ code: 0, output: expect.stringMatching(/Made the tenant acme-ltd .*usher_/s) });
    const list = await usher(["tenant", "list"], env);
    expect(list.output.split("\n").map((line) => line.split("\t")[0])).toEqual(["acme-ltd", "demo", ""]);

    const minted = await usher(["token", "mint", "--tenant", "demo", "--label", "Okta"], env);
    const [token, clientId] = [/^usher_\S+/m.exec(minted.output)?.[0], /^clientId (\S+)$/m.exec(minted.output)?.[1]];
    expect(token).toContain(`usher_${clientId}.`);
    const users = await fetch(`${server.origin}/scim/v2/Users`, { headers: { Authorization: `Bearer ${token}` } });
    expect(users.status).toBe(200);

    const unknown = await usher(["token", "mint", "--tenant", "nobody"], env);
    expect(unknown).toMatchObject({ code: 1, output: "There is no tenant nobody. Known tenants: acme-ltd, demo.\n" });
    const refused = await usher(["tenant", "create", "B", "--seats", "gold=1"], env);
    expect(refused).toMatchObject({ code: 1, output: expect.stringContaining("gold") });
  });

  it("refuses a second process on the same folder with a sentence", async () => {
    const first = await start();
    const second = await usher(["serve"], { USHER_DATA_DIR: folder });
    expect(second.code).toBe(1);
    expect(second.output).toBe(
      `Another process (pid ${first.pid}) is using the data directory ${folder}. ` +
        "Stop it, or give this one a folder of its own with USHER_DATA_DIR.\n",
    );
    const migrating = await usher(["migrate"], { USHER_DATA_DIR: folder });
    expect(migrating.output).toContain(`pid ${first.pid}`);
  });

  it("opens again after kill -9 with every acknowledged change", async () => {
    const first = await start();
    const token = /SCIM token {7}(\S+)/.exec(first.output())?.[1];
    const create = (n: number, origin: string) =>
      fetch(`${origin}/scim/v2/Users`, {
        method: "POST",
        headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/scim+json" },
        body: JSON.stringify({
          schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"],
          userName: `user${n}@example.com`,
        }),
      });
    let acknowledged = 0;
    const load = Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        const response = await create(n, first.origin).catch(() => undefined);
        if (response?.status === 201) acknowledged++;
      }),
    );
    await expect.poll(() => acknowledged, { interval: 1 }).toBeGreaterThan(20);
    first.kill("SIGKILL");
    await first.finished;
    await load;

    const second = await start();
    const answer = await fetch(`${second.origin}/scim/v2/Users?count=0`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    const { totalResults } = (await answer.json()) as { totalResults: number };
    expect(totalResults).toBeGreaterThanOrEqual(acknowledged);
    expect((await create(1000, second.origin)).status).toBe(201);
  });

  it("finishes the request in flight on SIGTERM, then ends with 0", async () => {
    const server = await start();
    const token = /SCIM token {7}(\S+)/.exec(server.output())?.[1];
    const body = JSON.stringify({
      schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"],
      userName: "slow@example.com",
    });
    const socket = connect(Number(new URL(server.origin).port), "127.0.0.1");
    let answer = "";
    socket.setEncoding("utf8").on("data", (text) => {
      answer += text;
    });
    socket.write(
      `POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n` +
        `Content-Type: application/scim+json\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 10)}`,
    );
    await expect.poll(() => fetch(`${server.origin}/healthz`).then((response) => response.status)).toBe(200);
    server.kill("SIGTERM");
    await expect.poll(() => server.output()).toContain("finishing the requests in flight");
    await expect(fetch(`${server.origin}/healthz`)).rejects.toThrow();
    socket.write(body.slice(10));
    await once(socket, "close");
    expect(answer).toMatch(/^HTTP\/1.1 201 /);
    expect(await server.finished).toMatchObject({ code: 0, signal: null });
  });

  it("stops on SIGINT, too", async () => {
    const server = await start();
    server.kill("SIGINT");
    expect(await server.finished).toMatchObject({ code: 0, signal: null });
  });

  it("migrates without serving", async () => {
    const first = await usher(["migrate"], { USHER_DATA_DIR: folder });
    expect(first).toMatchObject({ code: 0, output: expect.stringMatching(/^Applied 0001_foundation.sql\n/) });
    const second = await usher(["migrate"], { USHER_DATA_DIR: folder });
    expect(second).toMatchObject({ code: 0, output: "Nothing to apply.\n" });
  });

  it("reports all mistakes of the configuration and does not start", async () => {
    const { code, output } = await usher(["serve"], {
      PORT: "x",
      LOG_LEVEL: "loud",
      DATABASE_URL: "postgres://localhost/x",
    });
    expect(code).toBe(1);
    expect(output.match(/^ {2}\w+/gm)).toEqual(["  PORT", "  USHER_OPERATOR_TOKEN", "  USHER_SECRET", "  LOG_LEVEL"]);
  });

  it("says so when the port is taken, and when no server is there", async () => {
    const server = await start();
    const { port } = new URL(server.origin);
    const other = mkdtempSync(join(tmpdir(), "usher-other-"));
    const second = await usher(["serve"], { USHER_DATA_DIR: other, PORT: port });
    expect(second).toMatchObject({ code: 1, output: expect.stringContaining(`Cannot listen on 127.0.0.1:${port}`) });
    const alone = await usher(["tenant", "list", "--url", "http://127.0.0.1:1"], { USHER_DATA_DIR: folder });
    expect(alone).toMatchObject({
      code: 1,
      output: expect.stringContaining("No server answers at http://127.0.0.1:1"),
    });
    rmSync(other, { recursive: true });
  });
});

describeOn("postgres", "usher serve on PostgreSQL", () => {
  it("lets several processes start at once on a new database, and one of them make the demo", async () => {
    const test = await openTestDatabase("postgres");
    await test.database.session((session) => session.script("drop schema public cascade; create schema public"));
    const env = { DATABASE_URL: test.url!, ...shared };
    const servers = await Promise.all([startProcess(env), startProcess(env), startProcess(env)]);
    const greeted = servers.filter((server) => server.output().includes("Made the tenant demo"));
    expect(greeted).toHaveLength(1);
    expect(servers[0]!.output()).toContain("Operator token   USHER_OPERATOR_TOKEN");
    for (const server of servers) {
      const answer = await fetch(`${server.origin}/api/v1/tenants`, {
        headers: { Authorization: `Bearer ${shared.USHER_OPERATOR_TOKEN}` },
      });
      expect(await answer.json()).toMatchObject({ tenants: [{ slug: "demo" }] });
      server.kill("SIGTERM");
    }
    for (const server of servers) expect(await server.finished).toMatchObject({ code: 0 });
    await test.dispose();
  });

  it.each([
    [
      "the demo cannot be made",
      `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused by the test'; end $$;
       create trigger refuse before insert on tenants for each row execute function refuse()`,
      "refused by the test",
    ],
    [
      "its jobs cannot begin",
      "alter table reconciles rename to reconciles_gone",
      'relation "reconciles" does not exist',
    ],
  ])("ends with 1 and the reason when %s, and does not live on with an open port", async (_what, broken, reason) => {
    const test = await openTestDatabase("postgres");
    await test.database.session((session) => session.script(broken));
    const ended = await usher(["serve"], { DATABASE_URL: test.url!, ...shared });
    expect(ended).toMatchObject({ code: 1, signal: null, output: expect.stringContaining(reason) });
    await test.dispose();
  });

  it("says that the database is away, and answers 503 while it is", async () => {
    const none = await usher(["serve"], { DATABASE_URL: "postgres://x:y@127.0.0.1:1/z", ...shared });
    expect(none).toMatchObject({
      code: 1,
      output: "The database does not answer (connect ECONNREFUSED 127.0.0.1:1); see DATABASE_URL.\n",
    });
    const test = await openTestDatabase("postgres");
    const server = await startProcess({ DATABASE_URL: test.url!, ...shared });
    await test.dispose();
    const headers = {
      Authorization:
        "Bearer usher_AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    };
    expect((await fetch(`${server.origin}/healthz`)).status).toBe(200);
    for (const path of ["/readyz", "/scim/v2/Users", "/scim/v2/Users/1", "/scim/v2/Schemas", "/api/v1/pools"]) {
      const answer = await fetch(server.origin + path, { headers });
      expect([path, answer.status, answer.headers.get("retry-after")]).toEqual([path, 503, "5"]);
    }
    server.kill("SIGTERM");
    expect(await server.finished).toMatchObject({ code: 0 });
  });
});
