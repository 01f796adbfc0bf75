/** What the operations of a resource type take and give: messages and answers, no HTTP. */
import type { Preconditions } from "../provisioning/preconditions.ts";
import type { ScimQuery } from "./query.ts";
import type { Scope } from "./scope.ts";

export type { Preconditions } from "../provisioning/preconditions.ts";

/** The JSON object that a client sent. */
export type Body = Readonly<Record<string, unknown>>;

/** What an operation comes to. Refusals are raised as problems. */
export interface Answer {
  /** 304: the client has this version already; 204: done, and nothing to show. */
  readonly status: 200 | 201 | 204 | 304;
  /** The resource or list as JSON text. */
  readonly text?: string;
  /** The URL of the resource. */
  readonly location?: string;
  /** The ETag of the resource as it is now (RFC 7644 §3.14). */
  readonly version?: string;
}

export interface Operations {
  readonly type: "User" | "Group";
  readonly endpoint: "/Users" | "/Groups";
  list(scope: Scope, query: ScimQuery): Promise<Answer>;
  get(scope: Scope, id: string, query: ScimQuery, conditions: Preconditions): Promise<Answer>;
  create(scope: Scope, body: Body, query: ScimQuery): Promise<Answer>;
  replace(scope: Scope, id: string, body: Body, query: ScimQuery, conditions: Preconditions): Promise<Answer>;
  patch(scope: Scope, id: string, body: Body, query: ScimQuery, conditions: Preconditions): Promise<Answer>;
  delete(scope: Scope, id: string, conditions: Preconditions): Promise<Answer>;
}
