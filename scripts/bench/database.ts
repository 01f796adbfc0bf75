/** The database that is measured: one of our own, on the PostgreSQL that we are told about or on one that we bring. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPostgres } from "../../src/db/postgres.ts";
import { loadEmbeddedPostgres } from "../../test/helpers/embedded-postgres.ts";
import { type Cleanup, endWithUs } from "./cleanup.ts";

/** Makes an empty database with a name of its own, which goes with the cleanup; returns its URL. */
export async function makeDatabase(databaseUrl: string | undefined, cleanup: Cleanup): Promise<string> {
  const url = databaseUrl || (await startPostgres(cleanup));
  const name = `usher_bench_${randomBytes(6).toString("hex")}`;
  await run(url, `create database ${name}`);
  await cleanup.add(() => run(url, `drop database if exists ${name} with (force)`));
  const own = new URL(url);
  own.pathname = `/${name}`;
  return own.href;
}

async function run(url: string, statement: string): Promise<void> {
  const engine = openPostgres(url, { connectionsMax: 1 });
  try {
    await engine.session((session) => session.script(statement));
  } finally {
    await engine.close();
  }
}

async function startPostgres(cleanup: Cleanup): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "usher-bench-"));
  chmodSync(folder, 0o711); // PostgreSQL may run as another user and has to pass through.
  const EmbeddedPostgres = await loadEmbeddedPostgres(folder);
  const port = await freePort();
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, "postgres"),
    port,
    user: "usher",
    password: "usher",
    persistent: false,
    // PostgreSQL refuses to run as root, which is what a container often gives us.
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ["--encoding=UTF8", "--locale=C", "--no-sync"],
    // As it comes, with every commit on disk; only no checkpoint falls into what is measured.
    postgresFlags: [
      "max_wal_size=8GB",
      "checkpoint_timeout=1h",
      "listen_addresses=127.0.0.1",
      "unix_socket_directories=",
    ].flatMap((setting) => ["-c", setting]),
    onLog: () => {},
    onError: (error) => console.error(error),
  });
  const started = server.initialise().then(() => server.start());
  let callOff = () => {};
  await cleanup.add(async () => {
    await started.catch(() => {});
    await server.stop();
    callOff();
    rmSync(folder, { recursive: true, force: true });
  });
  await started;
  callOff = endWithUs((server as unknown as { process: { pid: number } }).process.pid, "QUIT", folder);
  return `postgres://usher:usher@127.0.0.1:${port}/postgres`;
}

async function freePort(): Promise<number> {
  const socket = createServer().listen(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address() as AddressInfo;
  socket.close();
  await once(socket, "close");
  return port;
}
