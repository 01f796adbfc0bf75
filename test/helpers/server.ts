/** The whole server over a given database, on a free port, with a tenant whenever a test wants one. */
import { randomBytes } from "node:crypto";
import type { Express } from "express";
import { operator } from "../../src/auth/principal.ts";
import type { RateLimiter } from "../../src/auth/rate-limiter.ts";
import { compose, type ServerDeps } from "../../src/cli/compose.ts";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import { listen } from "../../src/http/server.ts";
import { createLogger, type Logger } from "../../src/log.ts";
import type { RequestContext } from "../../src/provisioning/context.ts";
import { createTenant } from "../../src/provisioning/tenants.ts";
import { mintToken, type NewToken } from "../../src/provisioning/tokens.ts";

export interface Answer<Body = Record<string, unknown>> {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed where it is JSON, undefined where there is none. */
  readonly body: Body;
}

export type Send = <Body = Record<string, unknown>>(
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<Answer<Body>>;

export interface TestTenant {
  readonly id: string;
  readonly slug: string;
  readonly adminToken: string;
  readonly scimToken: string;
  /** As the tenant's connection, under /scim/v2. */
  readonly scim: Send;
  /** With the tenant's admin token, under /api/v1. */
  readonly api: Send;
  /** With the tenant's admin token, under /access/v1. */
  readonly access: Send;
  mint(token: NewToken): Promise<string>;
}

export interface TenantOptions {
  readonly preset?: string;
  readonly seats?: Readonly<Record<string, number>>;
  /** The role that the tenant's connection acts with; none when absent. */
  readonly scimRole?: string;
}

export interface TestServer {
  readonly origin: string;
  /** For tests that read its routes. */
  readonly app: Express;
  readonly deps: ServerDeps;
  readonly operatorToken: string;
  /** As the operator, under /api/v1. */
  readonly operator: Send;
  tenant(options?: TenantOptions): Promise<TestTenant>;
  /** A sender of one's own: another token, another base path. */
  sender(base: string, token?: string): Send;
  /** Leaves the database open. */
  close(): Promise<void>;
}

export interface ServerOptions {
  readonly clock?: () => Date;
  readonly publicUrl?: string;
  readonly log?: Logger;
  /** None unless a test wants one: suites send more than a client may. */
  readonly limiter?: RateLimiter;
  /** How often the server looks at its clock. */
  readonly dueWorkMs?: number;
}

export async function startServer(database: OpenDatabase, options: ServerOptions = {}): Promise<TestServer> {
  const operatorToken = `operator-${randomBytes(24).toString("hex")}`;
  const log = options.log ?? createLogger((process.env.TEST_LOG_LEVEL as "info" | undefined) ?? "silent");
  const composed = await compose({
    database,
    secret: randomBytes(32),
    operatorToken,
    ...options,
    log,
  });
  const { deps } = composed;
  const listening = await listen(composed.app, { host: "127.0.0.1", port: 0 });
  const { origin } = listening;
  const sender = (base: string, token?: string) => sendTo(origin + base, token);

  return {
    origin,
    app: composed.app,
    deps,
    operatorToken,
    operator: sender("/api/v1", operatorToken),
    sender,
    async tenant({ preset = "default", seats = {}, scimRole }: TenantOptions = {}) {
      const name = `Tenant ${randomBytes(6).toString("hex")}`;
      const made = await createTenant(deps, asOperator(deps, ""), { name, preset, seats });
      const { id, slug } = made.tenant;
      const mint = async (token: NewToken) => (await mintToken(deps, asOperator(deps, id), token)).token;
      const scimToken = await mint({ label: "connection", scopes: ["scim"], role: scimRole ?? null });
      return {
        id,
        slug,
        adminToken: made.adminToken,
        scimToken,
        scim: sender("/scim/v2", scimToken),
        api: sender("/api/v1", made.adminToken),
        access: sender("/access/v1", made.adminToken),
        mint,
      };
    },
    async close() {
      composed.beginStop();
      await listening.stop();
      await composed.stopWork();
    },
  };
}

function asOperator(deps: ServerDeps, tenantId: string): RequestContext {
  return { principal: operator(tenantId), requestId: deps.newId(), door: "cli" };
}

function sendTo(base: string, token: string | undefined): Send {
  const type = base.endsWith("/scim/v2") ? "application/scim+json" : "application/json";
  return async <Body>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(base + path, {
      method,
      headers: {
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "Content-Type": type }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: parse(text) as Body };
  };
}

function parse(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    return text;
  }
}
