/**
 * The folder of the embedded database and of what belongs to it: one process at a time, its operator token, its secret.
 * The lock is the operating system's lock on an open file, taken through SQLite, because Node offers no other way to
 * one: it ends with the process however that ends, it knows no stale owners, and of two racing starters one gets it.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { StartRefused } from "../start-refused.ts";

export interface DataDirectory {
  /** Where the database itself lives. */
  readonly database: string;
  readonly operatorToken: string;
  readonly operatorTokenFile: string;
  readonly secret: Buffer;
  /** Lets the next process in. */
  release(): void;
}

/** Takes the folder for this process, making it when it is new; refused with a sentence while another one has it. */
export function openDataDirectory(folder: string): DataDirectory {
  const path = resolve(folder);
  makeFolder(path);
  const release = lock(path);
  try {
    const operatorTokenFile = join(path, "operator-token");
    return {
      database: join(path, "postgres"),
      operatorToken: readOrMake(operatorTokenFile, () => `usher_operator_${randomBytes(32).toString("base64url")}`),
      operatorTokenFile,
      secret: Buffer.from(
        readOrMake(join(path, "secret"), () => randomBytes(32).toString("hex")),
        "hex",
      ),
      release,
    };
  } catch (error) {
    release();
    throw error;
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new StartRefused(
      `The data directory ${path} cannot be made (${(error as Error).message}); see USHER_DATA_DIR.`,
    );
  }
}

function lock(path: string): () => void {
  const pidFile = join(path, "pid");
  const held = openLock(path);
  try {
    held.exec("pragma locking_mode = exclusive; begin exclusive");
  } catch (error) {
    held.close();
    if ((error as { errcode?: number }).errcode !== 5) throw unusable(path, error); // SQLITE_BUSY
    throw new StartRefused(
      `Another process${readPid(pidFile)} is using the data directory ${path}. Stop it, or give this one a folder of its ` +
        "own with USHER_DATA_DIR.",
    );
  }
  // For the sentence above alone: who holds the lock is the operating system's knowledge.
  writeFileSync(pidFile, String(process.pid));
  return () => held.close();
}

function openLock(path: string): DatabaseSync {
  try {
    return new DatabaseSync(join(path, "lock"), { timeout: 0 });
  } catch (error) {
    throw unusable(path, error);
  }
}

function unusable(path: string, error: unknown): StartRefused {
  return new StartRefused(
    `The data directory ${path} cannot be used (${(error as Error).message}); see USHER_DATA_DIR.`,
  );
}

function readPid(file: string): string {
  try {
    return ` (pid ${Number.parseInt(readFileSync(file, "utf8"), 10)})`;
  } catch {
    return "";
  }
}

/** Appears whole or not at all, readable by its owner alone. */
function readOrMake(file: string, make: () => string): string {
  if (!existsSync(file)) {
    writeFileSync(`${file}.new`, `${make()}\n`, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }
  return readFileSync(file, "utf8").trim();
}
