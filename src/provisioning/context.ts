/** What every use case is handed: its tools, and who asks. */
import type { PasswordHasher } from "../auth/password-hash.ts";
import type { Principal } from "../auth/principal.ts";
import type { Database, Transaction } from "../db/database.ts";
import type { Actor } from "../domain/model.ts";
import type { FindTxt } from "./domains-dns.ts";
import type { RulesStore } from "./rules.ts";

export type { Principal } from "../auth/principal.ts";

/** Background work, enqueued in the transaction that makes it necessary, so that neither exists without the other. */
export interface JobQueue {
  enqueue(tx: Transaction, name: string, data: { readonly tenantId: string }): Promise<void>;
}

/** The part of a logger that use cases need. */
export interface UseCaseLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface Deps {
  readonly db: Database;
  readonly rules: RulesStore;
  readonly jobs: JobQueue;
  readonly clock: () => Date;
  /** A new UUIDv7 as text: ids sort by the time of their making. */
  readonly newId: () => string;
  readonly log: UseCaseLog;
  /** Without one, the process's own. */
  readonly passwords?: PasswordHasher;
  /** Asks DNS; without one, the servers of the system. */
  readonly findTxt?: FindTxt;
}

export interface RequestContext {
  readonly principal: Principal;
  readonly requestId: string;
  readonly door: "scim" | "api" | "cli" | "job";
}

/** The principal as events record it. */
export function actorOf({ principal, door }: RequestContext): Actor {
  const { kind, tokenId, label, userId, issuerId } = principal;
  return {
    kind,
    id: tokenId ?? kind,
    label,
    door,
    ...(userId === null ? {} : { userId }),
    ...(issuerId === null || issuerId === undefined ? {} : { issuerId }),
  };
}
