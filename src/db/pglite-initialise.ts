/** Makes a data directory, in a thread of its own: what that takes of memory (300 MB) goes when the thread ends. */
import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { PGlite } from "@electric-sql/pglite";

/**
 * Initialises the directory where it holds no database yet. The database takes its place in one step, so that a process
 * killed meanwhile leaves nothing half made. The caller holds the lock of the directory around it.
 */
export async function initialise(dataDir: string): Promise<void> {
  if (existsSync(join(dataDir, "PG_VERSION"))) return;
  const unfinished = `${dataDir}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  await initialiseInThread(unfinished);
  rmSync(dataDir, { recursive: true, force: true });
  renameSync(unfinished, dataDir);
}

async function initialiseInThread(dataDir: string): Promise<void> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { initialise: dataDir } });
  await new Promise<void>((resolve, reject) => {
    worker.once("error", reject);
    worker.once("exit", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`Making the database in ${dataDir} failed: the thread ended with ${code}.`));
    });
  });
}

if (!isMainThread && typeof workerData?.initialise === "string") {
  const pglite = await PGlite.create({ dataDir: workerData.initialise });
  await pglite.close();
}
