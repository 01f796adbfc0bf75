/** A new tenant per test, and use cases run on it without a server. Jobs are collected and run on demand. */

import { randomBytes } from "node:crypto";
import { authenticate } from "../../src/auth/authenticate.ts";
import { operator } from "../../src/auth/principal.ts";
import { Secret } from "../../src/auth/secret.ts";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import type { UserDoc } from "../../src/domain/model.ts";
import { newId } from "../../src/ids.ts";
import type { Deps, Principal, RequestContext } from "../../src/provisioning/context.ts";
import { drainJobName } from "../../src/provisioning/jobs.ts";
import { drainRest } from "../../src/provisioning/pools-waitlist.ts";
import { reconcile } from "../../src/provisioning/reconcile.ts";
import { createRulesStore } from "../../src/provisioning/rules.ts";
import { createTenant } from "../../src/provisioning/tenants.ts";

export interface TestDeps extends Deps {
  readonly secret: Secret;
  /** Moves the clock of every use case. */
  now: Date;
  /** Runs what was enqueued, until nothing is left. */
  runJobs(): Promise<void>;
  readonly enqueued: { name: string; tenantId: string }[];
}

export function makeDeps(db: OpenDatabase): TestDeps {
  const enqueued: { name: string; tenantId: string }[] = [];
  const quiet = () => {};
  const deps: TestDeps = {
    db,
    rules: createRulesStore(),
    jobs: {
      async enqueue(_tx, name, { tenantId }) {
        enqueued.push({ name, tenantId });
      },
    },
    now: new Date("2026-01-05T08:00:00.000Z"),
    clock: () => deps.now,
    newId,
    log: { info: quiet, warn: quiet, error: quiet },
    secret: new Secret(randomBytes(32).toString("hex")),
    enqueued,
    async runJobs() {
      for (let job = enqueued.shift(); job !== undefined; job = enqueued.shift()) {
        const { signal } = new AbortController();
        if (job.name === drainJobName) await drainRest(deps, job.tenantId, signal);
        else await reconcile(deps, job.tenantId, signal);
      }
    },
  };
  return deps;
}

export interface TestTenant {
  readonly id: string;
  /** A SCIM connection without authority, as an identity provider has. */
  readonly scim: RequestContext;
  /** A token of the tenant's own Admin. */
  readonly admin: RequestContext;
}

/** A tenant with seats, and principals to act in it. */
export async function makeTenant(
  deps: TestDeps,
  options: { preset?: string; seats?: Record<string, number> } = {},
): Promise<TestTenant> {
  const preset = options.preset ?? "default";
  const root: RequestContext = { principal: operator(), requestId: "test", door: "api" };
  const { tenant, adminToken } = await createTenant(deps, root, {
    name: `Test ${newId()}`,
    preset,
    seats: options.seats ?? {},
  });
  const principal = await authenticate(deps, `Bearer ${adminToken}`);
  const scim: Principal = {
    tenantId: tenant.id,
    kind: "token",
    tokenId: newId(),
    label: "Test IdP",
    scopes: ["scim"],
    role: null,
    userId: null,
  };
  return {
    id: tenant.id,
    scim: { principal: scim, requestId: "scim-request", door: "scim" },
    admin: { principal, requestId: "admin-request", door: "api" },
  };
}

/** A user as a client writes one. */
export function aUser(userName: string, more: Record<string, unknown> = {}): UserDoc {
  return { userName, active: true, ...more } as UserDoc;
}
