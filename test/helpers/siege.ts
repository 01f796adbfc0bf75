/**
 * A server under attack: everything that is sent must be answered soon and clearly, and after every test a bystander in
 * another tenant, the victims of the attack and the objects of the process must be as they were.
 */
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import { startServer, type TestServer, type TestTenant } from "./server.ts";
import { ask, type RequestParts, type WireAnswer } from "./wire.ts";

export const SCIM_ERROR = "urn:ietf:params:scim:api:messages:2.0:Error";

/** Names that reach an object's machinery in code that looks them up. */
export const machinery = [
  "__proto__",
  "constructor",
  "prototype",
  "constructor.prototype",
  "__proto__.polluted",
  "toString",
  "hasOwnProperty",
  "valueOf",
  "__defineGetter__",
];

// biome-ignore lint/suspicious/noExplicitAny: a test reads what the answer should hold and fails where it does not.
export type Told = WireAnswer & { readonly json: any };

export interface Siege {
  readonly server: TestServer;
  readonly origin: string;
  /** Whoever attacks, with valid credentials of their own. */
  readonly attacker: TestTenant;
  readonly victim: { readonly userId: string; readonly groupId: string };
  /**
   * Sends with the attacker's credential unless another one is given, and requires an answer within two seconds that is no
   * failure of the server's: a success, or a refusal in the words of the door it was sent to.
   */
  send(parts: RequestParts): Promise<Told>;
  /** JSON to the SCIM door; a string goes out as it is. */
  scim(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Told>;
  api(method: string, path: string, body?: unknown): Promise<Told>;
  access(body: unknown): Promise<Told>;
}

const answeredWithinMs = 2_000;

/** Lays the siege for the suite around the call; its members are for use inside tests and hooks. */
export function laySiege(getDb: () => OpenDatabase): Siege {
  let server: TestServer;
  let attacker: TestTenant;
  let bystander: TestTenant;
  let victim: Siege["victim"];
  const names = Object.getOwnPropertyNames(Object.prototype).sort();

  beforeAll(async () => {
    server = await startServer(getDb());
    [attacker, bystander] = [await server.tenant({ seats: { standard: 1 } }), await server.tenant()];
    const made = async (path: string, body: object) =>
      (await attacker.scim<{ id: string }>("POST", path, body)).body.id;
    const userId = await made("/Users", { userName: "victim", title: "kept" });
    victim = { userId, groupId: await made("/Groups", { displayName: "Victims", members: [{ value: userId }] }) };
    await bystander.scim("POST", "/Users", { userName: "bystander" });
  });
  afterAll(() => server?.close());

  afterEach(async () => {
    expect(Object.getOwnPropertyNames(Object.prototype).sort()).toEqual(names);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    const list = await bystander.scim("GET", "/Users");
    expect(list.body).toMatchObject({ totalResults: 1, Resources: [{ userName: "bystander" }] });
    const user = await attacker.scim("GET", `/Users/${victim.userId}`);
    expect(user.body).toMatchObject({ userName: "victim", title: "kept" });
    const group = await attacker.scim<{ members: unknown[] }>("GET", `/Groups/${victim.groupId}`);
    expect(group.body.members).toHaveLength(1);
    // Nor may the next request be judged differently: no credential, and one for another door.
    expect((await server.sender("/scim/v2")("GET", "/Users")).status).toBe(401);
    expect((await server.sender("/api/v1", attacker.scimToken)("GET", "/users")).status).toBe(403);
  });

  const siege: Siege = {
    get server() {
      return server;
    },
    get origin() {
      return server.origin;
    },
    get attacker() {
      return attacker;
    },
    get victim() {
      return victim;
    },
    async send(parts) {
      const token = parts.target.startsWith("/scim") ? attacker.scimToken : attacker.adminToken;
      const answer = await ask(server.origin, { token, ...parts });
      const place = `${parts.method ?? "GET"} ${shortened(parts.target)} ${shortened(String(parts.body ?? ""))}`;
      expect(answer.elapsedMs, place).toBeLessThan(answeredWithinMs);
      requireClear(parts.target, answer, place);
      return { ...answer, json: parse(answer.text) };
    },
    scim: (method, path, body, headers = {}) =>
      siege.send(withJson({ method, target: `/scim/v2${path}`, headers }, body, "application/scim+json")),
    api: (method, path, body) => siege.send(withJson({ method, target: `/api/v1${path}` }, body, "application/json")),
    access: (body) =>
      siege.send(withJson({ method: "POST", target: "/access/v1/evaluation" }, body, "application/json")),
  };
  return siege;
}

function withJson(parts: RequestParts, body: unknown, type: string): RequestParts {
  if (body === undefined) return parts;
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { ...parts, body: text, headers: { "Content-Type": type, ...parts.headers } };
}

/** A success, or a refusal that its reader understands: RFC 7644 §3.12 at the SCIM door, RFC 9457 at the others. */
export function requireClear(target: string, { status, headers, text }: WireAnswer, place: string): void {
  expect(status, `${place}: ${text}`).toBeGreaterThanOrEqual(200);
  expect(status, `${place}: ${text}`).toBeLessThan(500);
  if (status < 400 || text === "") return;
  const body = parse(text) as Record<string, unknown> | undefined;
  const type = (headers["content-type"] ?? "").split(";")[0];
  if (/^\/scim(\/|\?|$)/i.test(target)) {
    expect(type, place).toBe("application/scim+json");
    expect(body, place).toMatchObject({ schemas: expect.arrayContaining([SCIM_ERROR]), status: String(status) });
  } else {
    expect(type, place).toBe("application/problem+json");
    expect(body, place).toMatchObject({ status, code: expect.any(String) });
  }
  expect(body?.detail, place).toMatch(/\w{2,}.*\w{2,}/);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function shortened(text: string): string {
  return text.length <= 300 ? text : `${text.slice(0, 300)}… (${text.length} characters)`;
}
