/** The server that is measured: a process of its own, started as `npm start` does. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Cleanup, endWithUs } from "./cleanup.ts";
import { connect } from "./client.ts";

export interface Server {
  readonly origin: string;
  readonly operatorToken: string;
  /** Resident memory of the process, MB, as it says itself at /metrics. */
  memoryMb(): Promise<number>;
}

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Node's flags are part of what is measured, so they are read where they are set: "exec node … src/main.ts serve". */
function startArguments(): string[] {
  const { scripts } = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as { scripts: { start: string } };
  const [, ...words] = scripts.start.split(/\bnode /);
  return words.join("node ").split(" ");
}

/** Starts the server on a free loopback port; it goes with the cleanup. */
export async function startServer(databaseUrl: string, cleanup: Cleanup): Promise<Server> {
  const operatorToken = randomBytes(24).toString("hex");
  const child = spawn(process.execPath, startArguments(), {
    cwd: root,
    env: {
      ...withoutUsher(process.env),
      PORT: "0",
      HOST: "127.0.0.1",
      LOG_LEVEL: "warn",
      DATABASE_URL: databaseUrl,
      USHER_OPERATOR_TOKEN: operatorToken,
      USHER_SECRET: randomBytes(32).toString("hex"),
      USHER_RATE_LIMIT: "0",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "close");
  const callOff = endWithUs(child.pid as number, "TERM");
  await cleanup.add(async () => {
    child.kill("SIGTERM");
    await ended;
    callOff();
  });
  const origin = await greeting(child.stdout, ended);
  const visit = connect(`${origin}/metrics`);
  return {
    origin,
    operatorToken,
    async memoryMb() {
      const [, bytes] = /^process_resident_memory_bytes (\S+)$/m.exec((await visit("GET", "")).text()) ?? [];
      if (bytes === undefined) throw new Error("/metrics does not say how much memory the server takes.");
      return Number(bytes) / 1e6;
    },
  };
}

/** Whatever the shell says about another server. */
function withoutUsher(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("USHER_")));
}

/** Where the server says that it listens. What it warns of goes to our standard error. */
async function greeting(output: NodeJS.ReadableStream, ended: Promise<unknown>): Promise<string> {
  const said = new Promise<string>((resolve) => {
    let text = "";
    output.setEncoding("utf8").on("data", (more: string) => {
      for (const line of more.split("\n")) if (line.startsWith("{")) console.error(line);
      text = (text + more).slice(-10_000);
      const origin = /^Usher listens on (\S+)$/m.exec(text)?.[1];
      if (origin !== undefined) resolve(origin);
    });
  });
  const failed = ended.then(() => Promise.reject(new Error("The server ended before it listened.")));
  failed.catch(() => {});
  return await Promise.race([said, failed]);
}
