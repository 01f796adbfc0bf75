/** The server that the demo visits: the one it is told about, or one of its own for as long as the demo lasts. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { NotAsTold } from "./story.ts";

export interface Server {
  readonly origin: string;
  readonly operatorToken: string;
  /** One of its own ends; one that was there before goes on. */
  close(): Promise<void>;
}

/** An embedded database unpacks in about two seconds; a busy machine may take much longer. */
const startTimeoutMs = 60_000;

/** USHER_URL and USHER_OPERATOR_TOKEN name a running server; without USHER_URL the demo starts one. */
export async function findServer(env: NodeJS.ProcessEnv): Promise<Server> {
  const { USHER_URL: url, USHER_OPERATOR_TOKEN: operatorToken } = env;
  if (!url) return await startServer(env);
  if (!operatorToken)
    throw noServer("USHER_URL names a server; set USHER_OPERATOR_TOKEN to its operator's token, too.");
  return { origin: new URL(url).href.replace(/\/+$/, ""), operatorToken, close: async () => {} };
}

async function startServer(env: NodeJS.ProcessEnv): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), "usher-demo-"));
  const operatorToken = randomBytes(24).toString("hex");
  const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", main, "serve"], {
    env: {
      ...withoutUsher(env),
      PORT: "0",
      HOST: "127.0.0.1",
      LOG_LEVEL: "error",
      USHER_DATA_DIR: folder,
      USHER_OPERATOR_TOKEN: operatorToken,
      USHER_RATE_LIMIT: "0",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "close");
  const close = async () => {
    child.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    return { origin: await greeting(child.stdout, ended), operatorToken, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Whatever the shell says about another server, this one lives in its own folder. */
function withoutUsher(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => name !== "DATABASE_URL" && !name.startsWith("USHER_")),
  );
}

/** Where the server says that it listens. */
async function greeting(output: NodeJS.ReadableStream, ended: Promise<unknown>): Promise<string> {
  const said = new Promise<string>((resolve) => {
    let text = "";
    output.setEncoding("utf8").on("data", (more: string) => {
      text += more;
      const origin = /^Usher listens on (\S+)$/m.exec(text)?.[1];
      if (origin !== undefined) resolve(origin);
    });
  });
  const failed = ended.then(() => Promise.reject(noServer("It ended before it listened.")));
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(noServer(`It did not listen within ${startTimeoutMs} ms.`)), startTimeoutMs);
  });
  try {
    return await Promise.race([said, failed, late]);
  } finally {
    clearTimeout(timer);
    failed.catch(() => {});
  }
}

function noServer(message: string): NotAsTold {
  return new NotAsTold('0 "A server to talk to"', message);
}
