/**
 * `npm run bench`: what requests cost as tenants and groups grow, as ratios; milliseconds belong to the machine.
 *
 * It starts the whole server on a free loopback port, over a database of its own: on the PostgreSQL that DATABASE_URL
 * names, where it makes one and drops it, or on an embedded one. It fills a tenant and one of a hundredth of its size,
 * measures over HTTP one request at a time, and takes everything away again. A missed target is marked and no failure;
 * it ends with 1 when something did not work.
 */
import { parseArgs } from "node:util";
import { openPostgres } from "../src/db/postgres.ts";
import { databaseOver } from "../src/db/transactions.ts";
import { Cleanup } from "./bench/cleanup.ts";
import { everydayContests, fullGroups, proveSeats } from "./bench/contests.ts";
import { makeDatabase } from "./bench/database.ts";
import { type Contest, play, type Result } from "./bench/measure.ts";
import { type Report, toTable } from "./bench/report.ts";
import { startServer } from "./bench/server.ts";
import { makeTenant } from "./bench/tenant.ts";

const usage = `npm run bench -- [options]
  --users N      users of the large tenant, 1,000 to 500,000; its groups hold all, a tenth and a thousandth (100000)
  --seconds N    time to measure, 1 to 600 (60); starting and filling come on top, two minutes at most
  --json         print JSON instead of a table
DATABASE_URL     a PostgreSQL on which a database may be created (none: an embedded one)`;

interface Options {
  readonly users: number;
  readonly seconds: number;
  readonly json: boolean;
}

class Misuse extends Error {}

const preparingSecondsMax = 120;

function readOptions(args: string[]): Options | "help" {
  const { users, seconds, json, help } = parse(args);
  if (help) return "help";
  return { users: wholeNumber("users", users, 1_000, 500_000), seconds: wholeNumber("seconds", seconds, 1, 600), json };
}

function parse(args: string[]) {
  const users = { type: "string", default: "100000" } as const;
  const seconds = { type: "string", default: "60" } as const;
  const flag = { type: "boolean", default: false } as const;
  try {
    return parseArgs({ args, options: { users, seconds, json: flag, help: flag } }).values;
  } catch (error) {
    throw new Misuse((error as Error).message);
  }
}

function wholeNumber(option: string, text: string, least: number, most: number): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= least && number <= most) return number;
  throw new Misuse(`--${option} is a whole number from ${least} to ${most}, not "${text}".`);
}

async function bench({ users, seconds }: Options, cleanup: Cleanup): Promise<Report> {
  say("starting PostgreSQL and the server");
  const url = await makeDatabase(process.env.DATABASE_URL, cleanup);
  const server = await startServer(url, cleanup);
  const database = databaseOver(openPostgres(url, { connectionsMax: 1 }));
  // Not waited for: when interrupted, a statement may still be at work, until its database is dropped.
  await cleanup.add(async () => void database.close());
  const idle = await server.memoryMb();

  say(`filling a tenant with ${users.toLocaleString("en-US")} users`);
  const field = await database.session(async (session) => {
    const small = await makeTenant(server, session, "small", Math.max(100, users / 100));
    const large = await makeTenant(server, session, "large", users);
    // What autovacuum would do within the minute, in the middle of a measurement.
    await session.script("vacuum analyze");
    return { small, large, database };
  });
  await proveSeats(field.large);

  const everyday = everydayContests(field);
  const large = fullGroups(field.large);
  const weights = [...everyday, large].reduce((sum, { weight }) => sum + weight, 0);
  const results: Result[] = [];
  const measure = async (contest: Contest) => {
    say(contest.questions.map(({ text }) => text).join(", "));
    results.push(...(await play(contest, (seconds * contest.weight) / weights)));
  };
  for (const contest of everyday) await measure(contest);
  const afterEveryday = await server.memoryMb();
  await measure(large);
  const memoryMb = { idle, afterEveryday, afterLargeGroups: await server.memoryMb() };
  const [version] = await database.session((session) => session.query<object>("show server_version"));
  return { users, node: process.versions.node, postgres: Object.values(version ?? {}).join(), results, memoryMb };
}

/** To standard error, so that what is printed in the end can be piped. */
function say(what: string): void {
  console.error(`… ${what}`);
}

/** Rejects at SIGINT and SIGTERM, and when the time is up. */
function interruption(seconds: number): Promise<never> {
  return new Promise((_, reject) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => reject(new Error(`Ended by ${signal}.`)));
    }
    setTimeout(() => reject(new Error(`Not done after ${seconds} seconds.`)), seconds * 1000).unref();
  });
}

async function main(options: Options): Promise<void> {
  const cleanup = new Cleanup();
  // Listens before the bench begins: what packages listen to is taken off as they load (database.ts).
  const interrupted = interruption(preparingSecondsMax + options.seconds);
  try {
    const report = await Promise.race([bench(options, cleanup), interrupted]);
    console.log(options.json ? JSON.stringify(report, null, 2) : toTable(report));
  } finally {
    await cleanup.run();
  }
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options === "help") console.log(usage);
  else await main(options);
} catch (error) {
  console.error(error instanceof Misuse ? `${error.message}\n\n${usage}` : error);
  process.exitCode = 1;
}
