/** `npm run bench` with tiny sizes: it measures what it says, and leaves nothing behind. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Report, toTable } from "../../scripts/bench/report.ts";
import { describeOn, openTestDatabase, type TestDatabase } from "../helpers/database.ts";

const script = fileURLToPath(new URL("../../scripts/bench.ts", import.meta.url));

function start(args: readonly string[], env: Record<string, string>) {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", script, ...args], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env } as NodeJS.ProcessEnv,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  let told = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    told += text;
  });
  const finished = once(child, "close").then(([code]) => ({ code: code as number | null, printed, told }));
  return { child, told: () => told, finished };
}

const tiny = ["--users", "1000", "--seconds", "1"];

const questions = [
  "add one member to a group that decides nothing",
  "remove one member of a group that decides nothing",
  "add one member to a group that grants a tier",
  "remove one member of a group that grants a tier",
  "userName eq",
  "externalId eq",
  'emails[type eq "work"].value eq',
  "group displayName eq",
  "the statement that counts pools",
  "GET /api/v1/pools",
  "GET /api/v1/overview",
  "whether somebody may sign in, of 1,020",
  "a page of 100 users by startIndex, of 1,020",
  "a page of 500 users by cursor, of 1,020",
  "a page of 500 users by cursor, sorted by userName, of 1,020",
  "GET a group without its members",
  "GET a group with all its members",
];

describeOn("postgres", "npm run bench", (getDb) => {
  let given: TestDatabase;
  let folder: string;
  beforeAll(async () => {
    given = await openTestDatabase("postgres");
    folder = mkdtempSync(join(tmpdir(), "usher-bench-test-"));
    chmodSync(folder, 0o711); // PostgreSQL may run as another user and has to pass through.
  });
  afterAll(async () => {
    await given.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  const databases = () =>
    getDb().session((session) => session.query("select datname from pg_database where datname like 'usher_bench_%'"));

  it("measures every question at every size on the PostgreSQL it is told about, and drops its database", async () => {
    const { code, printed, told } = await start([...tiny, "--json"], { DATABASE_URL: given.url! }).finished;
    expect(code, told).toBe(0);
    const report = JSON.parse(printed) as Report;
    expect([...new Set(report.results.map(({ question }) => question))]).toEqual(questions);
    expect(report.results.filter(({ side }) => side === "1,000 members")).toHaveLength(6);
    for (const { p50Ms, ratio, passes } of report.results) {
      expect(p50Ms).toBeGreaterThan(0);
      expect(ratio).toBeGreaterThan(0);
      expect(passes).toBeGreaterThanOrEqual(6);
    }
    expect(report.memoryMb.idle).toBeGreaterThan(20);
    expect(await databases()).toEqual([]);

    const table = toTable(report);
    for (const question of questions) expect(table).toContain(`\n${question}\n`);
    expect(table).toMatch(/^ {2}1,000 members +\d+\.\d\d +\d+\.\d\d {3}≤ 1\.2/m);
    expect(table).toMatch(/^ {2}after all but the last of these +\d+ +\d+\.\d\d {3}≤ 200 MB/m);
  }, 90_000);

  it("takes its own PostgreSQL and the server away when it is ended half-way", async () => {
    const { child, told, finished } = start(tiny, { TMPDIR: folder });
    await expect.poll(told, { timeout: 60_000 }).toContain("… filling");
    expect(readdirSync(folder)).toHaveLength(1);
    child.kill("SIGTERM");
    const { code, printed } = await finished;
    expect({ code, printed }).toEqual({ code: 1, printed: "" });
    expect(told()).toContain("Ended by SIGTERM.");
    expect(readdirSync(folder)).toEqual([]);
  }, 90_000);

  it("says which option it does not understand", async () => {
    const { code, told } = await start(["--users", "many"], {}).finished;
    expect(code).toBe(1);
    expect(told).toMatch(
      /^--users is a whole number from 1000 to 500000, not "many"\.\n\nnpm run bench -- \[options\]/,
    );
  });
});
