/** The server as a process of its own, the way people start it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

export interface Started {
  readonly pid: number;
  readonly origin: string;
  /** What it has written so far, both streams. */
  output(): string;
  kill(signal: NodeJS.Signals): void;
  /** Resolves when it has ended. */
  finished: Promise<Finished>;
}

/** Only what the test says; nothing of whoever runs it. */
function environment(env: Record<string, string>): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, HOME: process.env.HOME, LOG_LEVEL: "info", PORT: "0", ...env } as NodeJS.ProcessEnv;
}

function run(
  args: readonly string[],
  env: Record<string, string>,
): { child: ChildProcess; output: () => string; finished: Promise<Finished> } {
  const flags = ["--disable-warning=ExperimentalWarning", main, ...args];
  const child = spawn(process.execPath, flags, { env: environment(env), stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const finished = once(child, "close").then(([code, signal]) => ({ code, signal, output }) as Finished);
  return { child, output: () => output, finished };
}

/** Runs a command to its end. */
export async function usher(args: readonly string[], env: Record<string, string> = {}): Promise<Finished> {
  return await run(args, env).finished;
}

/** Starts a server and waits until it is ready. */
export async function startProcess(env: Record<string, string>): Promise<Started> {
  const { child, output, finished } = run(["serve"], env);
  let ended = false;
  finished.then(() => {
    ended = true;
  });
  for (;;) {
    const origin = /^Usher listens on (\S+)$/m.exec(output())?.[1];
    if (origin !== undefined) {
      return { pid: child.pid!, origin, output, kill: (signal) => void child.kill(signal), finished };
    }
    if (ended) throw new Error(`The server did not start:\n${output()}`);
    await sleep(20);
  }
}
