/** What the bench leaves behind: nothing, however it ends. */
import { spawn } from "node:child_process";

/** What is to be undone, last first. */
export class Cleanup {
  readonly #undo: (() => Promise<unknown>)[] = [];
  #begun = false;

  /** What is added when the cleanup has begun (the bench was interrupted while starting) is undone at once. */
  async add(undo: () => Promise<unknown>): Promise<void> {
    if (this.#begun) await undo();
    else this.#undo.push(undo);
  }

  async run(): Promise<void> {
    this.#begun = true;
    for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop()) {
      await undo().catch((error: unknown) => console.error(error));
    }
  }
}

/**
 * Ends the process when ours has ended and could not do it, and removes the folder: a killed process cleans up nothing.
 * Returns what calls this off.
 */
export function endWithUs(pid: number, signal: "TERM" | "QUIT", folder = ""): () => void {
  const script = `while kill -0 ${process.pid} 2>/dev/null; do sleep 1; done
    kill -${signal} ${pid}; sleep 1; test -z "$0" || rm -rf "$0"`;
  const watcher = spawn("sh", ["-c", script, folder], { detached: true, stdio: "ignore" });
  watcher.on("error", () => {});
  watcher.unref();
  return () => watcher.kill("SIGKILL");
}
