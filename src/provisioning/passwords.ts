/** Passwords: what a request sets, settled against what is stored, and what somebody types, held against it. */
import { type PasswordHasher, passwordHasher } from "../auth/password-hash.ts";
import { findHashesAskedFor, findPasswordHash } from "../db/passwords.ts";
import type { PasswordChange } from "../domain/draft.ts";
import { isUuid } from "../ids.ts";
import { Problem } from "../problems.ts";
import { toOpaqueString } from "../vocabulary/opaque-string.ts";
import type { Deps } from "./context.ts";

/**
 * Whether this is the user's password. An unknown user and one without a password are a no that takes as long. Raises
 * `unavailable` where too many passwords are being computed already.
 */
export async function verifyPassword(deps: Deps, tenantId: string, userId: string, text: string): Promise<boolean> {
  const password = prepared(text);
  if (password === undefined) return false;
  const hash = isUuid(userId) ? await findPasswordHash(deps.db, tenantId, userId) : undefined;
  return await hasherOf(deps).matches(hash, password);
}

/** A new user's password. Raises `unavailable`. */
export async function toPasswordChange(deps: Deps, password: string): Promise<PasswordChange> {
  return { hash: await hasherOf(deps).hash(password) };
}

/** What a request's password comes to, given what is stored. */
export interface Settled {
  /** What was stored when this was settled. */
  readonly stored: string | undefined;
  /** Undefined: it is so already. */
  readonly change: PasswordChange | undefined;
}

/** The password of one request: prepared text, or null to remove it. However often the request is tried, it is hashed once. */
export class PasswordWish {
  readonly #deps: Deps;
  readonly #tenantId: string;
  readonly #userId: string;
  readonly #password: string | null;
  readonly #compared = new Map<string, boolean>();
  #hash: string | undefined;

  constructor(deps: Deps, tenantId: string, userId: string, password: string | null) {
    this.#deps = deps;
    this.#tenantId = tenantId;
    this.#userId = userId;
    this.#password = password;
  }

  /**
   * Never within a transaction, whose locks would be held as long as a hash takes. A protected user's password (GRD-8) is
   * not compared: whoever may not set it must not learn either, by what is refused and what is not, whether a guess is right.
   * Raises `unavailable`.
   */
  async settle({ isProtected }: { isProtected: boolean }): Promise<Settled> {
    const stored = await findPasswordHash(this.#deps.db, this.#tenantId, this.#userId);
    if (this.#password === null) return { stored, change: stored === undefined ? undefined : { hash: null } };
    if (!isProtected && stored !== undefined && (await this.#isHashOf(stored, this.#password))) {
      return { stored, change: undefined };
    }
    this.#hash ??= await this.#toHash(this.#password);
    return { stored, change: { hash: this.#hash } };
  }

  /** GRD-4: a password that was refused and is sent again is the same wish, so it keeps its hash. */
  async #toHash(password: string): Promise<string> {
    for (const asked of await findHashesAskedFor(this.#deps.db, this.#tenantId, this.#userId)) {
      if (await this.#isHashOf(asked, password)) return asked;
    }
    return await hasherOf(this.#deps).hash(password);
  }

  async #isHashOf(hash: string, password: string): Promise<boolean> {
    const known = this.#compared.get(hash) ?? (await hasherOf(this.#deps).matches(hash, password));
    this.#compared.set(hash, known);
    return known;
  }
}

/** Whether a problem is that no more passwords can be computed now. */
export function isTooBusyForPasswords(error: unknown): error is Problem {
  return error instanceof Problem && error.code === "unavailable" && error.facts.attribute === "password";
}

function hasherOf({ passwords }: Deps): PasswordHasher {
  return passwords ?? passwordHasher;
}

/** A text that can be no password is none, whoever it is tried for. */
function prepared(text: string): string | undefined {
  try {
    return toOpaqueString(text, "password");
  } catch {
    return undefined;
  }
}
