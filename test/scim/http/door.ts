/** The SCIM door over HTTP for tests: one server per suite, a new tenant wherever a test asks for one. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll } from "vitest";
import { AccessTokens } from "../../../src/auth/oauth/access-tokens.ts";
import { type Scope as AuthScope, operator } from "../../../src/auth/principal.ts";
import { Secret } from "../../../src/auth/secret.ts";
import type { OpenDatabase } from "../../../src/db/transactions.ts";
import type { Role, Settings, WhenFull } from "../../../src/domain/model.ts";
import { createApp } from "../../../src/http/app.ts";
import { createOauthRouters } from "../../../src/http/oauth.ts";
import { newId } from "../../../src/ids.ts";
import { createLogger } from "../../../src/log.ts";
import { createRulesStore } from "../../../src/provisioning/rules.ts";
import { createTenant } from "../../../src/provisioning/tenants.ts";
import { mintToken, type TokenDeps } from "../../../src/provisioning/tokens.ts";
import { createScimRouter } from "../../../src/scim/router.ts";
import type { ScimDeps } from "../../../src/scim/scope.ts";
import { type Answer, send } from "../../helpers/fixture-runner.ts";

export const LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
export const SEARCH_REQUEST = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
export const PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
export const ERROR = "urn:ietf:params:scim:api:messages:2.0:Error";
export const ENTERPRISE_USER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
export const USHER_USER = "urn:ietf:params:scim:schemas:extension:usher:2.0:User";
export const USHER_GROUP = "urn:ietf:params:scim:schemas:extension:usher:2.0:Group";

let count = 0;

export function aUser(change: object = {}): object {
  count += 1;
  return { schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"], userName: `user-${count}@example.com`, ...change };
}

export function aGroup(change: object = {}): object {
  count += 1;
  return { schemas: ["urn:ietf:params:scim:schemas:core:2.0:Group"], displayName: `Group ${count}`, ...change };
}

// biome-ignore lint/suspicious/noExplicitAny: a test reads what the answer should hold and fails where it does not.
export type Told = Omit<Answer, "body"> & { readonly body: any };

/** One tenant's connection. */
export interface Client {
  readonly baseUrl: string;
  readonly tenantId: string;
  readonly token: string;
  get(path: string, headers?: Record<string, string | null>): Promise<Told>;
  post(path: string, body: object): Promise<Told>;
  put(path: string, body: object): Promise<Told>;
  patch(path: string, body: object): Promise<Told>;
  delete(path: string): Promise<Told>;
  /** A request as it is: a string goes out byte for byte. */
  send(method: string, path: string, body?: unknown, headers?: Record<string, string | null>): Promise<Told>;
}

export interface TenantOptions {
  readonly preset?: string;
  readonly seats?: Readonly<Record<string, number>>;
  /** Of every pool. */
  readonly whenFull?: WhenFull;
  readonly settings?: Partial<Settings>;
  /** Parts of the mapping document, in place of those of the preset. */
  readonly mapping?: object;
  readonly roles?: readonly Omit<Role, "builtIn">[];
}

export interface Door {
  readonly deps: ScimDeps & TokenDeps;
  readonly baseUrl: string;
  /** A new tenant, with a SCIM token. */
  tenant(options?: TenantOptions): Promise<Client>;
}

const secret = new Secret("a secret for tests, 32 bytes long");

/** Opens the door for the suite around the call; its members are for use inside tests and hooks. */
export function openDoor(getDb: () => OpenDatabase, change: Partial<ScimDeps> = {}): Door {
  let open: { server: Server; deps: ScimDeps & TokenDeps; baseUrl: string } | undefined;
  beforeAll(async () => {
    open = await serve(getDb(), change);
  });
  afterAll(() => open?.server.close());
  return {
    get deps() {
      return open!.deps;
    },
    get baseUrl() {
      return open!.baseUrl;
    },
    async tenant(options = {}) {
      const { deps, baseUrl } = open!;
      const tenantId = await makeTenant(deps, options);
      return toClient(baseUrl, tenantId, await mint(deps, tenantId, ["scim"]));
    },
  };
}

async function serve(database: OpenDatabase, change: Partial<ScimDeps>) {
  const log = createLogger("silent");
  const deps = {
    db: database,
    rules: createRulesStore(),
    jobs: { enqueue: async () => {} },
    clock: () => new Date(),
    newId,
    log,
    secret,
    ...change,
  };
  const accessTokens = new AccessTokens(deps);
  const routers = {
    "/scim/v2": createScimRouter({ ...deps, accessTokens }),
    ...createOauthRouters({ ...deps, accessTokens }),
  };
  const app = createApp({ database, log, newId, routers });
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/scim/v2`;
  return { server, deps, baseUrl };
}

/** Makes a tenant from its preset, then changes what the options say, behind the management side's back. */
async function makeTenant(deps: TokenDeps, options: TenantOptions): Promise<string> {
  const { preset = "default", seats = {} } = options;
  const context = { principal: operator(), requestId: "test", door: "cli" as const };
  const { id } = (await createTenant(deps, context, { name: `Test ${newId()}`, preset, seats })).tenant;
  await deps.db.transaction(async (tx) => {
    const run = (name: string, text: string, ...values: unknown[]) =>
      tx.query({ name: `test_${name}`, text }, [id, ...values]);
    if (options.whenFull !== undefined)
      await run("full", "update pools set when_full = $2 where tenant_id = $1", options.whenFull);
    if (options.settings !== undefined) {
      await run(
        "settings",
        "update tenants set settings = settings || $2::jsonb where id = $1",
        JSON.stringify(options.settings),
      );
    }
    if (options.mapping !== undefined) {
      await run(
        "mapping",
        "update mappings set document = document || $2::jsonb where tenant_id = $1",
        JSON.stringify(options.mapping),
      );
    }
    for (const { key, name, rank, permissions } of options.roles ?? []) {
      const text =
        "insert into roles (tenant_id, key, name, name_norm, rank, permissions) values ($1, $2, $3, lower($3), $4, $5)";
      await run("role", text, key, name, rank, permissions);
    }
    await run("version", "update tenants set rules_version = rules_version + 1 where id = $1");
  });
  return id;
}

/** A token of the tenant with these scopes. */
export async function mint(deps: TokenDeps, tenantId: string, scopes: readonly AuthScope[]): Promise<string> {
  const context = { principal: operator(tenantId), requestId: "test", door: "cli" as const };
  return (await mintToken(deps, context, { label: "test", scopes })).token;
}

export function toClient(baseUrl: string, tenantId: string, token: string): Client {
  const sent = async (method: string, path: string, body?: unknown, headers: Record<string, string | null> = {}) =>
    (await send({ baseUrl, token }, { method, path, ...(body === undefined ? {} : { body }), headers })) as Told;
  const json = { "Content-Type": "application/scim+json" };
  return {
    baseUrl,
    tenantId,
    token,
    get: (path, headers) => sent("GET", path, undefined, headers),
    post: (path, body) => sent("POST", path, body, json),
    put: (path, body) => sent("PUT", path, body, json),
    patch: (path, body) => sent("PATCH", path, body, json),
    delete: (path) => sent("DELETE", path),
    send: sent,
  };
}
