/**
 * The databases of a test run, each made once and only when the first test asks: a migrated PGlite, dumped to a file
 * that every worker loads, and a migrated database on a real PostgreSQL that every test file copies. Workers ask over
 * loopback HTTP, because Vitest runs them beside this process.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createSocket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestProject } from "vitest/node";
import { migrate } from "../../src/db/migrate.ts";
import { openPglite } from "../../src/db/pglite.ts";
import { openPostgres } from "../../src/db/postgres.ts";
import { databaseOver } from "../../src/db/transactions.ts";
import { loadEmbeddedPostgres } from "./embedded-postgres.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** Answers GET /pglite with a file name, GET /postgres with a JSON PostgresTemplate. */
    engines: string;
  }
}

export interface PostgresTemplate {
  /** Of a database to connect to for `create database`. */
  readonly url: string;
  readonly template: string;
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), "usher-test-"));
  chmodSync(folder, 0o711); // PostgreSQL may run as another user and has to pass through.
  const teardowns: (() => Promise<void>)[] = [];
  const answers: Record<string, () => Promise<string>> = {
    "/pglite": onceOnly(() => dumpPglite(folder, teardowns)),
    "/postgres": onceOnly(async () => JSON.stringify(await startPostgres(join(folder, "postgres"), teardowns))),
  };

  const server = createServer(async (request, response) => {
    // A worker that comes back after five seconds would meet a connection that is just being closed.
    response.setHeader("Connection", "close");
    try {
      response.end(await answers[request.url ?? ""]?.());
    } catch (error) {
      response.writeHead(500).end(error instanceof Error ? error.stack : String(error));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  project.provide("engines", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);

  return async () => {
    server.close();
    for (const teardown of teardowns) await teardown();
    rmSync(folder, { recursive: true, force: true });
  };
}

function onceOnly<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** Stays open to the end: as long as somebody holds the compiled WebAssembly, all threads share it and none frees it. */
async function dumpPglite(folder: string, teardowns: (() => Promise<void>)[]): Promise<string> {
  const engine = await openPglite();
  teardowns.push(() => engine.close());
  await migrate(databaseOver(engine));
  const file = join(folder, "pglite.tar");
  writeFileSync(file, Buffer.from(await (await engine.dump()).arrayBuffer()));
  return file;
}

async function startPostgres(folder: string, teardowns: (() => Promise<void>)[]): Promise<PostgresTemplate> {
  const url = process.env.TEST_DATABASE_URL ?? (await startEmbedded(folder, teardowns));
  const template = `usher_template_${process.pid}`;
  await withAdmin(url, async (sql) => {
    await sql(`drop database if exists ${template}`);
    await sql(`create database ${template}`);
  });
  teardowns.unshift(() => withAdmin(url, (sql) => sql(`drop database if exists ${template} with (force)`)));
  const database = databaseOver(openPostgres(databaseUrl(url, template)));
  await migrate(database);
  await database.close();
  return { url, template };
}

/** The same server, another database. */
export function databaseUrl(url: string, database: string): string {
  const other = new URL(url);
  other.pathname = `/${database}`;
  return other.href;
}

export async function withAdmin(url: string, body: (sql: (text: string) => Promise<void>) => Promise<void>) {
  const engine = openPostgres(url, { connectionsMax: 1 });
  try {
    await engine.session((session) =>
      body(async (text) => {
        await session.script(text);
      }),
    );
  } finally {
    await engine.close();
  }
}

async function startEmbedded(databaseDir: string, teardowns: (() => Promise<void>)[]): Promise<string> {
  const port = await freePort();
  const EmbeddedPostgres = await loadEmbeddedPostgres(dirname(databaseDir));
  const server = new EmbeddedPostgres({
    databaseDir,
    port,
    user: "usher",
    password: "usher",
    persistent: false,
    // PostgreSQL refuses to run as root, which is what a container often gives us.
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ["--encoding=UTF8", "--locale=C", "--no-sync"],
    // What is lost with the machine's power is of no interest to a test; and the socket's folder may not be writable.
    postgresFlags: [
      "fsync=off",
      "full_page_writes=off",
      "max_connections=300",
      "listen_addresses=127.0.0.1",
      "unix_socket_directories=",
    ].flatMap((setting) => ["-c", setting]),
    onLog: () => {},
    onError: (error) => console.error(error),
  });
  await server.initialise();
  await server.start();
  const leftover = endWithUs((server as unknown as { process: { pid: number } }).process.pid, databaseDir);
  teardowns.push(async () => {
    await server.stop();
    leftover.kill("SIGKILL");
  });
  return `postgres://usher:usher@127.0.0.1:${port}/postgres`;
}

/** However this process ends, PostgreSQL ends too and takes its files along: a killed process cannot clean up itself. */
function endWithUs(pid: number, folder: string) {
  const script = `while kill -0 ${process.pid} 2>/dev/null; do sleep 1; done; kill -QUIT ${pid}; sleep 1; rm -rf "$0"`;
  const watcher = spawn("sh", ["-c", script, folder], { detached: true, stdio: "ignore" });
  watcher.on("error", () => {});
  watcher.unref();
  return watcher;
}

async function freePort(): Promise<number> {
  const socket = createSocket().listen(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address() as AddressInfo;
  socket.close();
  await once(socket, "close");
  return port;
}
