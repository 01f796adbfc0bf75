/**
 * The management API as a test calls it: by operationId, against the real app. Every answer is held against
 * openapi.yaml before the test sees it.
 */
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import type { Express } from "express";
import request from "supertest";
import { expect } from "vitest";
import { apiDocument, operations } from "../../src/admin/api-document.ts";
import type { AdminDeps } from "../../src/admin/operation.ts";
import { createAdminRouters } from "../../src/admin/router.ts";
import { operator } from "../../src/auth/principal.ts";
import { Secret } from "../../src/auth/secret.ts";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import type { UserView } from "../../src/db/users.ts";
import type { Json, UserDoc } from "../../src/domain/model.ts";
import { createApp } from "../../src/http/app.ts";
import { newId } from "../../src/ids.ts";
import { createLogger } from "../../src/log.ts";
import type { RequestContext } from "../../src/provisioning/context.ts";
import { reconcile } from "../../src/provisioning/reconcile.ts";
import { createRulesStore } from "../../src/provisioning/rules.ts";
import { createTenant, type NewTenant } from "../../src/provisioning/tenants.ts";
import { createUser } from "../../src/provisioning/users.ts";

export const operatorToken = "operator-token-of-the-tests";

export interface Server {
  readonly app: Express;
  readonly deps: AdminDeps;
  /** What `deps.clock` answers; a test may set it. */
  now: Date | null;
  /** Tenants whose rules were edited and wait for the reconcile job. */
  readonly enqueued: string[];
}

export function startServer(db: OpenDatabase): Server {
  const enqueued: string[] = [];
  const log = createLogger((process.env.TEST_LOG ?? "silent") as "silent");
  const deps: AdminDeps = {
    db,
    rules: createRulesStore(),
    jobs: {
      async enqueue(_tx, _name, { tenantId }) {
        enqueued.push(tenantId);
      },
    },
    clock: () => server.now ?? new Date(),
    newId,
    log,
    secret: new Secret("the-secret-of-the-tests-32-bytes"),
    operatorToken: new Secret(operatorToken),
  };
  const server: Server = { app: undefined as unknown as Express, deps, now: null, enqueued };
  return Object.assign(server, { app: createApp({ database: db, log, newId, routers: createAdminRouters(deps) }) });
}

export interface CallOptions {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number | boolean>>;
  readonly body?: unknown;
  /** null: no credential at all. */
  readonly token?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects.
  readonly body: any;
  readonly headers: Readonly<Record<string, string>>;
}

/** Calls an operation and checks the answer against the document. */
export async function call(server: Server, operationId: string, options: CallOptions = {}): Promise<Answer> {
  const operation = operations.find((one) => one.id === operationId);
  if (operation === undefined) throw new Error(`openapi.yaml has no operation ${operationId}`);
  const path = operation.path.replace(/\{(\w+)\}/g, (_match, name) => encodeURIComponent(options.params?.[name] ?? ""));
  let sent = request(server.app)[operation.method](path);
  if (options.query) sent = sent.query(options.query);
  if (options.token !== null && options.token !== undefined) sent = sent.auth(options.token, { type: "bearer" });
  for (const [name, value] of Object.entries(options.headers ?? {})) sent = sent.set(name, value);
  const response = options.body === undefined ? await sent : await sent.send(options.body as object);
  const type = response.headers["content-type"] ?? "";
  const body = response.text && type.includes("json") ? JSON.parse(response.text) : textOf(type, response.text);
  const answer = { status: response.status, body, headers: response.headers };
  requireDocumented(operationId, answer);
  return answer;
}

function textOf(type: string, text: string): string | undefined {
  return type.startsWith("text/") ? text : undefined;
}

/** A tenant with a client that acts with its admin token. */
export interface TestTenant {
  readonly id: string;
  readonly adminToken: string;
  readonly ctx: RequestContext;
  call(operationId: string, options?: CallOptions): Promise<Answer>;
  /** A token minted by the admin token. */
  mint(request: object): Promise<string>;
  /** A user as a connection without authority would create them. */
  user(doc: Partial<UserDoc> & { readonly userName: string }): Promise<UserView>;
  /** Runs the reconcile job. */
  reconcile(): Promise<void>;
}

let tenants = 0;

export async function aTenant(server: Server, wanted: Partial<NewTenant> = {}): Promise<TestTenant> {
  const name = wanted.name ?? `Tenant ${++tenants}`;
  const ctx: RequestContext = { principal: operator(), requestId: "test", door: "cli" };
  const { tenant, adminToken } = await createTenant(server.deps, ctx, { ...wanted, name });
  const scim = { ...operator(tenant.id), kind: "token" as const, label: "connection", scopes: ["scim"] };
  return {
    id: tenant.id,
    adminToken,
    ctx: { ...ctx, principal: operator(tenant.id) },
    call: (operationId, options) => call(server, operationId, { token: adminToken, ...options }),
    async mint(body) {
      const minted = await call(server, "mintToken", { token: adminToken, body: { label: "test", ...body } });
      expect(minted.status, JSON.stringify(minted.body)).toBe(201);
      return minted.body.token;
    },
    user: (doc) =>
      createUser(server.deps, { principal: scim, requestId: "test", door: "scim" }, {
        active: true,
        ...doc,
      } as UserDoc),
    reconcile: () => reconcile(server.deps, tenant.id),
  };
}

const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema(apiDocument, "openapi");
const validators = new Map<string, ValidateFunction>();

function requireDocumented(operationId: string, { status, body, headers }: Answer): void {
  const { method, path } = operations.find((one) => one.id === operationId)!;
  const { responses, "x-problems": problems } = apiDocument.paths[path][method];
  const pointer = ["paths", path, method, "responses", status in responses ? String(status) : "default"];
  const place = `${operationId} ${status} ${JSON.stringify(body)}`;
  const type = headers["content-type"]?.split(";")[0];
  if (status >= 400) {
    expect(type, place).toBe("application/problem+json");
    const always = [
      "unavailable",
      "internal",
      "payloadTooLarge",
      "unsupportedMediaType",
      "invalidSyntax",
      "methodNotAllowed",
      "notImplemented",
    ];
    expect([...problems, ...always], place).toContain(body.code);
    expect(body.status, place).toBe(status);
    expect(headers["x-request-id"], place).toBe(body.requestId);
  } else expect(responses, place).toHaveProperty(String(status));
  expect(headers["cache-control"], place).toBe("no-store");
  if (status === 204) expect(body, place).toBeUndefined();
  else requireValid([...pointer, "content", type ?? "application/json", "schema"], body, place);
}

function requireValid(pointer: readonly string[], body: Json, place: string): void {
  // A response may be a reference itself; the schema lies below what it refers to.
  const at = resolve(pointer);
  const text = at.map((part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"))).join("/");
  let validate = validators.get(text);
  if (validate === undefined) {
    validate = ajv.compile({ $ref: `openapi#/${text}` });
    validators.set(text, validate);
  }
  expect(validate(body), `${place}: ${ajv.errorsText(validate.errors)}`).toBe(true);
}

function resolve(pointer: readonly string[]): readonly string[] {
  let at: readonly string[] = [];
  // biome-ignore lint/suspicious/noExplicitAny: a document without a type.
  let node: any = apiDocument;
  for (const part of pointer) {
    if (typeof node?.$ref === "string") {
      at = node.$ref.slice(2).split("/");
      node = at.reduce((inner, name) => inner[name], apiDocument);
    }
    at = [...at, part];
    node = node?.[part];
  }
  if (node === undefined) throw new Error(`openapi.yaml has nothing at ${pointer.join(" ")}`);
  return at;
}
