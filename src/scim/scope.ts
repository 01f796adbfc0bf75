/** What one request at the SCIM door carries from step to step: who asks, under which URL, and what went wrong. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Response } from "express";
import type { AuthDeps } from "../auth/authenticate.ts";
import type { ProvisioningLog } from "../db/provisioning-log.ts";
import type { Deps, RequestContext } from "../provisioning/context.ts";

export interface ScimDeps extends Deps, AuthDeps {
  readonly db: Deps["db"];
  /** Where exchanges are told; without one, nowhere. */
  readonly provisioningLog?: Pick<ProvisioningLog, "record">;
  /** USHER_PUBLIC_URL: the origin under which clients know this server. Without it, the request's own origin. */
  readonly publicUrl?: string | undefined;
}

export interface Scope {
  /** Replaced by authentication: its database confirms the credential before it answers anything. */
  deps: ScimDeps;
  readonly response: Response;
  /** The base URL of this request, such as `https://usher.example.com/scim/v2`; `meta.location` begins with it. */
  readonly baseUrl: string;
  readonly requestId: string;
  /**
   * Raises 401 where a credential that was known a moment ago does not stand any more. Nothing is answered before it, but
   * the first statement of the request usually confirms as well, and then it is free.
   */
  confirm: () => Promise<void>;
  /** Set by authentication; nothing that reads it runs before. */
  context: RequestContext | undefined;
  /** The error behind what scimmy hands on, with its headers and its cause. */
  failure: unknown;
  /** What the provisioning log tells of the answer: the resource of a write, never the rows of a list. */
  answer: unknown;
  /** What was decided beside the answer, for the provisioning log. */
  decision: unknown;
}

const scopes = new AsyncLocalStorage<Scope>();

/** Runs the rest of the request within its scope; whatever it awaits finds the scope again. */
export function within<T>(scope: Scope, body: () => T): T {
  return scopes.run(scope, body);
}

/**
 * The scope of the request in work. scimmy keeps base URLs in static members of its classes, shared by all requests of
 * the process; those classes of ours read this instead.
 */
export function currentScope(): Scope {
  const scope = scopes.getStore();
  if (scope === undefined) throw new Error("No SCIM request is in work here.");
  return scope;
}

/** Who asks, and through which door. */
export function contextOf({ context }: Scope): RequestContext {
  if (context === undefined) throw new Error("The request has not been authenticated.");
  return context;
}

/** The scope, if there is one: an error handler may run without. */
export function findScope(): Scope | undefined {
  return scopes.getStore();
}
