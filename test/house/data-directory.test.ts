/** The folder of the embedded database, with real processes: the lock has to survive how they end. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openDataDirectory } from "../../src/db/data-directory.ts";

const holder = `
  import { openDataDirectory } from ${JSON.stringify(new URL("../../src/db/data-directory.ts", import.meta.url).href)};
  try {
    openDataDirectory(process.argv[1]);
    console.log("holds");
    setInterval(() => {}, 1000);
  } catch (error) {
    console.log(error.message);
  }
`;

let folder: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "usher-data-"));
});

afterEach(async () => {
  for (const child of children.splice(0)) await kill(child);
  rmSync(folder, { recursive: true, force: true });
});

async function start(): Promise<{ child: ChildProcess; says: string }> {
  const flags = ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", holder, folder];
  const child = spawn(process.execPath, flags, { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  const [says] = await once(child.stdout!, "data");
  return { child, says: String(says).trim() };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

describe("the data directory", () => {
  it("keeps an operator token and a secret that its owner alone may read", () => {
    const first = openDataDirectory(folder);
    first.release();
    expect(first.operatorToken).toMatch(/^usher_operator_[\w-]{43}$/);
    expect(first.secret).toHaveLength(32);
    expect(readFileSync(first.operatorTokenFile, "utf8").trim()).toBe(first.operatorToken);
    for (const file of ["operator-token", "secret"]) expect(statSync(join(folder, file)).mode & 0o777).toBe(0o600);

    const second = openDataDirectory(folder);
    second.release();
    expect(second.operatorToken).toBe(first.operatorToken);
    expect(second.secret).toEqual(first.secret);
  });

  it("refuses a second process with a sentence that names the first", async () => {
    const { child, says } = await start();
    expect(says).toBe("holds");
    expect(() => openDataDirectory(folder)).toThrow(`Another process (pid ${child.pid}) is using the data directory`);
    expect(() => openDataDirectory(folder)).toThrow("USHER_DATA_DIR");
  });

  it("refuses the same process, too", () => {
    const first = openDataDirectory(folder);
    expect(() => openDataDirectory(folder)).toThrow(`(pid ${process.pid})`);
    first.release();
    openDataDirectory(folder).release();
  });

  it("opens again after its process was killed", async () => {
    const { child } = await start();
    await kill(child);
    openDataDirectory(folder).release();
  });

  it("does not take a living stranger for the owner because a number was used again", () => {
    openDataDirectory(folder).release();
    writeFileSync(join(folder, "pid"), "1");
    openDataDirectory(folder).release();
  });

  it("lets one of many racing starters in", async () => {
    const all = await Promise.all(Array.from({ length: 5 }, start));
    const winners = all.filter(({ says }) => says === "holds");
    expect(winners).toHaveLength(1);
    for (const { says } of all) expect(says).toMatch(/^holds$|^Another process/);
  });

  it("says so when the folder cannot be made", () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    expect(() => openDataDirectory(join(file, "data"))).toThrow(
      /The data directory .* cannot be made .*USHER_DATA_DIR/,
    );
  });
});
