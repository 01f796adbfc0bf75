/**
 * The server as a process of its own, killed with SIGKILL in the middle of its work, on both databases: whatever it had
 * acknowledged is there afterwards, nothing is half there, and what it had begun in the background is finished by the
 * next start.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { operator } from "../../src/auth/principal.ts";
import { openDatabase } from "../../src/db/open.ts";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import { USHER_USER } from "../../src/domain/words.ts";
import { type EngineName, openTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/races.ts";
import type { TestTenant } from "../helpers/tenant.ts";
import { brokenAtRest } from "./invariants.ts";
import { overtakings } from "./queue-replay.ts";

const clients = 12;
const kills = 2;
const chosen = (process.env.TEST_ENGINES ?? "pglite,postgres").split(",");

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

describe.each(["pglite", "postgres"] as const)("kill -9 during load (%s)", (engine) => {
  it.skipIf(!chosen.includes(engine))(
    "loses nothing acknowledged and leaves nothing half done",
    async () => {
      const place = await aPlace(engine);
      let server = await startServer(place.env);
      const { adminToken, scimToken } = server;
      const ledger = new Ledger();
      const calls = { scim: scimToken as string, admin: adminToken as string };
      await prepare(server.origin, calls, ledger);
      for (let round = 1; round <= kills; round++) {
        const load = playLoad(server.origin, calls, ledger, round);
        const acknowledged = ledger.requests.length;
        await sleep(1_000 + Math.random() * 800);
        await enough(server, async () => ledger.requests.length > acknowledged + 100);
        await end(server.child, "SIGKILL");
        await load;
        server = await startServer(place.env);
        await enough(server, async () => (await progress(server.origin, calls)) === "done");
        await end(server.child, "SIGTERM");
        const database = await place.open();
        try {
          expect([...(await differences(database, ledger)), ...ledger.unexpected]).toEqual([]);
        } finally {
          await database.close();
        }
        if (round < kills) server = await startServer(place.env);
      }
      expect(ledger.requests.length).toBeGreaterThan(100 * kills);
    },
    // No other deadline: a machine under load may take its time, and only what is lost or never comes fails.
    600_000,
  );
});

/** What a client knows of a user. */
interface Known {
  readonly active: boolean;
  readonly title: string;
  readonly tier: string | null;
  readonly member: boolean;
}

/** A user of the load: as last acknowledged, and as a request without a telling answer may have left it. Null: does not exist. */
interface Entry {
  id: string | null;
  readonly name: string;
  known: Known | null;
  maybe: { state: Known | null } | null;
}

class Ledger {
  readonly entries: Entry[] = [];
  /** Ids of requests that were answered with success. */
  readonly requests: string[] = [];
  group = "";
  purchased = 25;
  /** Purchases without a telling answer. */
  purchasedMaybe = 0;
  /** Answers that nobody should have got. */
  readonly unexpected: string[] = [];
}

interface Calls {
  readonly scim: string;
  readonly admin: string;
}

async function prepare(origin: string, calls: Calls, ledger: Ledger): Promise<void> {
  const made = await call(origin, calls.scim, "POST", "/scim/v2/Groups", {
    schemas: ["urn:ietf:params:scim:schemas:core:2.0:Group"],
    displayName: "Everybody",
  });
  ledger.group = made.body?.["id"] as string;
}

/** Clients that write until the server is gone; each keeps to its own users, so that it knows what they must be. */
async function playLoad(origin: string, calls: Calls, ledger: Ledger, round: number): Promise<void> {
  const writers = Array.from({ length: clients }, (_, client) => writer(origin, calls, ledger, `r${round}c${client}`));
  await Promise.all([...writers, admin(origin, calls, ledger)]);
}

async function writer(origin: string, calls: Calls, ledger: Ledger, name: string): Promise<void> {
  const mine: Entry[] = [];
  const tiers = ["standard", "pro", null] as const;
  const any = <T>(items: readonly T[]) => items[Math.floor(Math.random() * items.length)] as T;
  for (let n = 0; ; n++) {
    const living = mine.filter((entry) => entry.known !== null && entry.maybe === null);
    const entry = n % 3 === 0 || living.length === 0 ? undefined : any(living);
    let alive: boolean;
    if (entry === undefined) {
      const fresh: Entry = { id: null, name: `${name}n${n}`, known: null, maybe: null };
      mine.push(fresh);
      ledger.entries.push(fresh);
      const state = { active: true, title: "new", tier: any(tiers), member: false };
      alive = await step(ledger, fresh, state, async (headers) => {
        const made = await call(origin, calls.scim, "POST", "/scim/v2/Users", userOf(fresh.name, state), headers);
        if (made.status === 201) fresh.id = made.body?.["id"] as string;
        return made.status;
      });
    } else {
      alive = await change(
        origin,
        calls,
        ledger,
        entry,
        any(["title", "tier", "active", "member", "delete"] as const),
        n,
      );
    }
    if (!alive) return;
  }
}

async function change(
  origin: string,
  calls: Calls,
  ledger: Ledger,
  entry: Entry,
  what: "title" | "tier" | "active" | "member" | "delete",
  n: number,
): Promise<boolean> {
  const known = entry.known as Known;
  const path = `/scim/v2/Users/${entry.id}`;
  if (what === "delete") {
    return await step(ledger, entry, null, async (headers) => {
      return (await call(origin, calls.scim, "DELETE", path, undefined, headers)).status;
    });
  }
  if (what === "member") {
    const operation = known.member
      ? { op: "remove", path: `members[value eq "${entry.id}"]` }
      : { op: "add", path: "members", value: [{ value: entry.id }] };
    return await step(ledger, entry, { ...known, member: !known.member }, async (headers) => {
      const group = `/scim/v2/Groups/${ledger.group}`;
      return (await call(origin, calls.scim, "PATCH", group, patchOf(operation), headers)).status;
    });
  }
  const next = {
    ...known,
    ...(what === "title" ? { title: `title ${n}` } : {}),
    ...(what === "active" ? { active: !known.active } : {}),
    ...(what === "tier" ? { tier: known.tier === "pro" ? "standard" : "pro" } : {}),
  };
  return await step(ledger, entry, next, async (headers) => {
    return (await call(origin, calls.scim, "PUT", path, userOf(entry.name, next), headers)).status;
  });
}

/** The IT admin meanwhile: buys seats and saves mappings, so that people are decided anew in the background. */
async function admin(origin: string, calls: Calls, ledger: Ledger): Promise<void> {
  for (let n = 0; ; n++) {
    await sleep(60);
    const tier = n % 2 === 0 ? "standard" : "pro";
    const document = {
      groups: [{ match: { displayName: "Everybody" }, tier, ...(n % 3 === 0 ? { role: "manager" } : {}) }],
      rules: [{ name: "titled", when: 'title co "7"', tier: "pro" }],
      defaults: { role: "user", tier: n % 4 === 0 ? "standard" : null },
      autoTeams: true,
    };
    try {
      const saved = await call(origin, calls.admin, "PUT", "/api/v1/mapping", document);
      if (saved.status !== 200 && !promisesNothing(saved)) ledger.unexpected.push(`mapping: ${saved.status}`);
      ledger.purchasedMaybe += 1;
      const bought = await call(origin, calls.admin, "POST", "/api/v1/pools/standard/purchase", { seats: 1 });
      if (promisesNothing(bought)) continue;
      if (bought.status !== 200) ledger.unexpected.push(`purchase: ${bought.status}`);
      ledger.purchasedMaybe -= 1;
      ledger.purchased += bought.status === 200 ? 1 : 0;
    } catch (error) {
      if (isGone(error)) return;
      throw error;
    }
  }
}

/** One change of one user; false when the server went away before it answered. */
async function step(
  ledger: Ledger,
  entry: Entry,
  next: Known | null,
  send: (headers: Record<string, string>) => Promise<number>,
): Promise<boolean> {
  const requestId = randomBytes(9).toString("hex");
  entry.maybe = { state: next };
  try {
    const status = await send({ "X-Request-Id": requestId });
    if (promisesNothing({ status })) return true;
    if (status >= 300) {
      ledger.unexpected.push(`${entry.name} ${JSON.stringify(entry.known)} to ${JSON.stringify(next)}: ${status}`);
      entry.maybe = null;
      return true;
    }
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
  entry.known = next;
  entry.maybe = null;
  ledger.requests.push(requestId);
  return true;
}

function userOf(userName: string, { active, title, tier }: Known) {
  return {
    schemas: ["urn:ietf:params:scim:schemas:core:2.0:User", USHER_USER],
    userName,
    active,
    title,
    ...(tier === null ? {} : { [USHER_USER]: { licenseTier: tier } }),
  };
}

function patchOf(operation: object) {
  return { schemas: ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], Operations: [operation] };
}

/** What in the database is not as the ledger and the log say. */
async function differences(db: OpenDatabase, ledger: Ledger): Promise<string[]> {
  const [{ id: tenantId } = { id: "" }] = await rows<{ id: string }>(db, "test_tenant", "select id from tenants", []);
  const ctx = { principal: operator(tenantId), requestId: "check", door: "cli" as const };
  const tenant: TestTenant = { id: tenantId, scim: ctx, admin: ctx };
  return [
    ...(await brokenAtRest(db, tenant)),
    ...(await overtakings(db, tenantId)),
    ...(await lostUsers(db, tenantId, ledger)),
    ...(await lostEvents(db, tenantId, ledger)),
    ...(await halfGroups(db, tenantId)),
    ...(await lostSeats(db, tenantId, ledger)),
  ];
}

/** Every user is as acknowledged, or as the one request without an answer would have it; the ledger then knows which. */
async function lostUsers(db: OpenDatabase, tenantId: string, ledger: Ledger): Promise<string[]> {
  const stored = await rows<Known & { id: string; name: string }>(
    db,
    "test_stored_users",
    `select u.id, u.user_name as name, u.active, u.doc ->> 'title' as title, u.doc -> '${USHER_USER}' ->> 'licenseTier' as tier,
      exists (select from group_members m where m.tenant_id = $1 and m.user_id = u.id) as member
      from users u where u.tenant_id = $1`,
    [tenantId],
  );
  const byName = new Map(stored.map(({ id, name, ...state }) => [name, { id, state }]));
  const wrong: string[] = [];
  for (const entry of ledger.entries) {
    const found = byName.get(entry.name);
    byName.delete(entry.name);
    const lawful = [entry.known, ...(entry.maybe === null ? [] : [entry.maybe.state])];
    const actual = found?.state ?? null;
    if (!lawful.some((state) => same(state, actual))) {
      wrong.push(`${entry.name} is ${JSON.stringify(actual)}, but was acknowledged as ${JSON.stringify(lawful)}`);
    }
    entry.known = actual;
    entry.maybe = null;
    entry.id = found?.id ?? null;
  }
  return [...wrong, ...[...byName.keys()].map((name) => `nobody asked for ${name}`)];
}

function same(a: Known | null, b: Known | null): boolean {
  if (a === null || b === null) return a === b;
  return a.active === b.active && a.title === b.title && a.tier === b.tier && a.member === b.member;
}

/** LOG-1: every acknowledged request and every user has its event. */
async function lostEvents(db: OpenDatabase, tenantId: string, ledger: Ledger): Promise<string[]> {
  const logged = await rows<{ request: string }>(
    db,
    "test_logged_requests",
    "select distinct request_id as request from events where tenant_id = $1",
    [tenantId],
  );
  const known = new Set(logged.map((row) => row.request));
  const without = await rows<{ name: string }>(
    db,
    "test_without_event",
    `select user_name as name from users u where tenant_id = $1 and not exists (
      select from events e where e.tenant_id = $1 and e.subject_id = u.id::text and e.action = 'user.created')`,
    [tenantId],
  );
  return [
    ...ledger.requests.filter((request) => !known.has(request)).map((request) => `no event of request ${request}`),
    ...without.map(({ name }) => `${name} was created without an event`),
  ];
}

/** The members are those that the log of the group adds up to. */
async function halfGroups(db: OpenDatabase, tenantId: string): Promise<string[]> {
  const events = await rows<{ action: string; before: { members?: string[] }; after: { members?: string[] } }>(
    db,
    "test_group_log",
    `select action, before, after from events where tenant_id = $1 and action like 'group.members-%' order by id`,
    [tenantId],
  );
  const replayed = new Set<string>();
  for (const { action, before, after } of events) {
    if (action === "group.members-added") for (const id of after.members ?? []) replayed.add(id);
    if (action === "group.members-removed") for (const id of before.members ?? []) replayed.delete(id);
  }
  const deleted = await rows<{ id: string }>(
    db,
    "test_deleted",
    "select subject_id as id from events where tenant_id = $1 and action = 'user.deleted'",
    [tenantId],
  );
  for (const { id } of deleted) replayed.delete(id);
  const members = await rows<{ id: string }>(
    db,
    "test_members",
    "select user_id as id from group_members where tenant_id = $1",
    [tenantId],
  );
  const stored = members.map((row) => row.id).sort();
  return JSON.stringify(stored) === JSON.stringify([...replayed].sort()) ? [] : ["members are not those of the log"];
}

async function lostSeats(db: OpenDatabase, tenantId: string, ledger: Ledger): Promise<string[]> {
  const [{ count } = { count: 0 }] = await rows<{ count: number }>(
    db,
    "test_purchased",
    "select count(*) as count from seats where tenant_id = $1 and tier = 'standard'",
    [tenantId],
  );
  const least = ledger.purchased;
  const most = least + ledger.purchasedMaybe;
  ledger.purchased = count;
  ledger.purchasedMaybe = 0;
  return count >= least && count <= most ? [] : [`${count} seats, where ${least} to ${most} were bought`];
}

async function rows<Row>(db: OpenDatabase, name: string, text: string, values: readonly unknown[]): Promise<Row[]> {
  return await db.query<Row>({ name, text }, values);
}

async function progress(origin: string, calls: Calls): Promise<unknown> {
  const answer = await call(origin, calls.admin, "GET", "/api/v1/mapping/progress");
  if (answer.status !== 200 && !promisesNothing(answer)) throw new Error(`mapping/progress: ${answer.status}`);
  return answer.body?.["state"];
}

async function call(
  origin: string,
  token: string,
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Record<string, unknown> | undefined }> {
  const type = path.startsWith("/scim") ? "application/scim+json" : "application/json";
  const response = await fetch(origin + path, {
    method,
    headers: { Authorization: `Bearer ${token}`, "Content-Type": type, ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? undefined : (JSON.parse(text) as Record<string, unknown>) };
}

/** 503: a slow machine may time out; whether the request was carried out is then as open as without an answer. */
function promisesNothing({ status }: { readonly status: number }): boolean {
  return status === 503;
}

/** The connection broke: the server was killed before it had answered, or before the answer was whole. */
function isGone(error: unknown): boolean {
  return error instanceof TypeError;
}

interface Place {
  readonly env: Readonly<Record<string, string>>;
  open(): Promise<OpenDatabase>;
}

async function aPlace(engine: EngineName): Promise<Place> {
  const secrets = {
    USHER_OPERATOR_TOKEN: randomBytes(24).toString("hex"),
    USHER_SECRET: randomBytes(32).toString("hex"),
  };
  if (engine === "postgres") {
    const test = await openTestDatabase("postgres");
    undo.push(() => test.dispose());
    const url = test.url as string;
    return { env: { ...secrets, DATABASE_URL: url }, open: () => openDatabase({ url }) };
  }
  const folder = mkdtempSync(join(tmpdir(), "usher-crash-"));
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
  return {
    env: { ...secrets, USHER_DATA_DIR: folder },
    open: () => openDatabase({ dataDir: join(folder, "postgres") }),
  };
}

interface ServerProcess {
  readonly child: ChildProcess;
  readonly origin: string;
  /** Shown at the first start only. */
  readonly adminToken: string | undefined;
  readonly scimToken: string | undefined;
}

async function startServer(env: Readonly<Record<string, string>>): Promise<ServerProcess> {
  const { PATH = "" } = process.env;
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", "src/main.ts", "serve"], {
    cwd: new URL("../..", import.meta.url),
    env: { PATH, PORT: "0", LOG_LEVEL: "error", USHER_RATE_LIMIT: "0", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  undo.push(() => end(child, "SIGKILL"));
  const said = new Map<string, string>();
  for await (const line of createInterface({ input: child.stdout as NonNullable<ChildProcess["stdout"]> })) {
    const [, name, value] = /^\s*(Usher listens on|Admin token|SCIM token)\s+(\S+)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) said.set(name, value);
    if (line.startsWith("Another SCIM token")) break;
  }
  const origin = said.get("Usher listens on");
  if (origin === undefined) throw new Error("The server did not start.");
  child.stdout?.pipe(process.stderr, { end: false });
  return { child, origin, adminToken: said.get("Admin token"), scimToken: said.get("SCIM token") };
}

/** Waits as long as it takes, while the server lives. */
async function enough({ child }: ServerProcess, condition: () => Promise<boolean>): Promise<void> {
  await eventually(async () => {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error("The server ended by itself.");
    return await condition();
  }, Number.POSITIVE_INFINITY);
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, "exit");
}
