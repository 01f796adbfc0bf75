/**
 * Use cases of tokens. GRD-3: nobody mints or rotates a token stronger than themselves; their own strength is read in
 * the transaction that does it, with their token's and their person's rows held still.
 */

import { lockAuthority, requireHeld } from "../auth/authority.ts";
import type { Scope } from "../auth/principal.ts";
import type { Secret } from "../auth/secret.ts";
import { tokenDigest } from "../auth/standing.ts";
import { formatClientId, formatToken, newTokenSecret, type TokenText } from "../auth/token-text.ts";
import type { Statement, Transaction } from "../db/database.ts";
import { recordEvents } from "../db/events.ts";
import { insertToken, listTokenRows, lockToken, removeToken, type TokenRow, updateTokenDigest } from "../db/tokens.ts";
import type { TenantRules } from "../domain/access.ts";
import type { Json, Permission } from "../domain/model.ts";
import { missing } from "../domain/permissions.ts";
import { Problem } from "../problems.ts";
import { actorOf, type Deps, type RequestContext } from "./context.ts";

export interface TokenDeps extends Deps {
  /** USHER_SECRET: keys the digests of tokens. */
  readonly secret: Secret;
}

export interface NewToken {
  readonly label: string;
  readonly scopes: readonly Scope[];
  /** The role that the token acts with; none when absent. */
  readonly role?: string | null;
  /** The person that the token acts for: it may do what both its role and theirs allow, now. */
  readonly userId?: string | null;
  /** ISO 8601, in the future. */
  readonly expiresAt?: string | null;
}

/** A token together with its text, which is shown this once. */
export interface MintedToken extends TokenRow {
  readonly token: string;
  /** The token as an OAuth client; its secret is the token's text, or the third part of it. */
  readonly clientId: string;
}

/** Mints a token. Problems: forbidden, unknownRole, invalidValue. */
export async function mintToken(deps: TokenDeps, ctx: RequestContext, request: NewToken): Promise<MintedToken> {
  return await deps.db.transaction(async (tx) => {
    const rules = await deps.rules.shared(tx, ctx.principal.tenantId);
    const held = await requireTokenManager(deps, ctx, tx);
    const role = request.role ?? null;
    requireNotStronger(rules, held, role);
    const userId = request.userId ?? null;
    if (userId !== null) await requireNotStrongerPerson(tx, rules, held, userId);
    return await insertMinted(deps, ctx, tx, {
      ...request,
      role,
      userId,
      expiresAt: futureOf(deps, request.expiresAt),
    });
  });
}

/** The tenant's tokens, oldest first, without their texts. */
export async function listTokens(deps: Deps, ctx: RequestContext): Promise<TokenRow[]> {
  return await listTokenRows(deps.db, ctx.principal.tenantId);
}

/** Gives a token a new secret; the old text is worth nothing from the commit on. Problems: forbidden, notFound. */
export async function rotateToken(
  deps: TokenDeps,
  ctx: RequestContext,
  id: string,
  change: { readonly expiresAt?: string | null } = {},
): Promise<MintedToken> {
  const { tenantId } = ctx.principal;
  return await deps.db.transaction(async (tx) => {
    const rules = await deps.rules.shared(tx, tenantId);
    const held = await requireTokenManager(deps, ctx, tx);
    const before = await lockToken(tx, tenantId, id);
    if (before === undefined) throw noToken();
    requireNotStronger(rules, held, before.role);
    if (before.userId !== null) await requireNotStrongerPerson(tx, rules, held, before.userId);
    const text = { tenantId, tokenId: id, secret: newTokenSecret() };
    const after = await updateTokenDigest(tx, tenantId, id, {
      digest: tokenDigest(deps.secret, text),
      expiresAt: change.expiresAt === undefined ? before.expiresAt : futureOf(deps, change.expiresAt),
      issuedBy: actorOf(ctx),
    });
    await recordTokenEvent(deps, ctx, tx, "token.rotated", id, { before: describe(before), after: describe(after) });
    return show(after, text);
  });
}

/** Revokes a token: the next request with it is 401, in every process (LIF-1). Problems: forbidden, notFound. */
export async function revokeToken(deps: Deps, ctx: RequestContext, id: string): Promise<void> {
  await deps.db.transaction(async (tx) => {
    await deps.rules.shared(tx, ctx.principal.tenantId);
    const held = await lockAuthority(tx, ctx.principal, deps.clock());
    requireHeld(held, ctx.principal, ["tokens.manage"]);
    const removed = await removeToken(tx, ctx.principal.tenantId, id);
    if (removed === undefined) throw noToken();
    await recordTokenEvent(deps, ctx, tx, "token.revoked", id, { before: describe(removed) });
  });
}

interface CheckedToken extends NewToken {
  readonly role: string | null;
  readonly userId: string | null;
  readonly expiresAt: string | null;
}

/** Writes a token whose strength has been judged: what a new tenant's first token shares with all others. */
export async function insertMinted(
  deps: TokenDeps,
  ctx: RequestContext,
  tx: Transaction,
  request: CheckedToken,
): Promise<MintedToken> {
  const text = { tenantId: ctx.principal.tenantId, tokenId: deps.newId(), secret: newTokenSecret() };
  const row = await insertToken(tx, {
    tenantId: text.tenantId,
    id: text.tokenId,
    label: request.label.trim(),
    digest: tokenDigest(deps.secret, text),
    scopes: request.scopes,
    role: request.role,
    userId: request.userId,
    issuedBy: actorOf(ctx),
    createdAt: deps.clock().toISOString(),
    expiresAt: request.expiresAt,
  });
  await recordTokenEvent(deps, ctx, tx, "token.minted", row.id, { after: describe(row) });
  return show(row, text);
}

function show(row: TokenRow, text: TokenText): MintedToken {
  return { ...row, token: formatToken(text), clientId: formatClientId(text) };
}

/** The authority of whoever mints or rotates. */
async function requireTokenManager(deps: Deps, ctx: RequestContext, tx: Transaction): Promise<readonly Permission[]> {
  const { principal } = ctx;
  const held = await lockAuthority(tx, principal, deps.clock());
  requireHeld(held, principal, ["tokens.manage"]);
  const { issuerId = null, userId } = principal;
  // What a token does counts as its issuer's (GRD-6); a chain through somebody else would lose track of who that is.
  if (issuerId !== null && issuerId !== userId) {
    throw new Problem(
      "forbidden",
      "This token was issued by one person for another, and such a token issues no tokens.",
      {
        facts: { rule: "GRD-3" },
      },
    );
  }
  return held;
}

function requireNotStronger(rules: TenantRules, held: readonly Permission[], key: string | null): void {
  if (key === null) return;
  const role = rules.role.get(key);
  if (role === undefined) {
    const known = rules.roles.map((one) => one.key).join(", ");
    throw new Problem("unknownRole", `There is no role "${key}". Known roles: ${known}.`, { facts: { rule: "ROL-1" } });
  }
  const beyond = missing(held, role.permissions);
  if (beyond.length === 0) return;
  throw new Problem(
    "forbidden",
    `A token that acts with the role "${role.name}" would be stronger than you: you do not hold ${beyond.join(", ")}.`,
    { facts: { rule: "GRD-3", role: role.key } },
  );
}

const sharePerson: Statement = {
  name: "tokens_share_person",
  text: "select role from users where tenant_id = $1 and id = $2 for share",
};

async function requireNotStrongerPerson(
  tx: Transaction,
  rules: TenantRules,
  held: readonly Permission[],
  userId: string,
): Promise<void> {
  const [person] = await tx.query<{ role: string }>(sharePerson, [rules.tenantId, userId]);
  if (person === undefined) {
    throw new Problem("invalidValue", "There is no user with this id for the token to act for.", {
      facts: { attribute: "userId" },
    });
  }
  requireNotStronger(rules, held, person.role);
}

function futureOf(deps: Deps, expiresAt: string | null | undefined): string | null {
  if (expiresAt === null || expiresAt === undefined) return null;
  const at = Date.parse(expiresAt);
  if (at > deps.clock().getTime()) return new Date(at).toISOString();
  throw new Problem("invalidValue", "expiresAt must be a time in the future, such as 2030-01-31T00:00:00Z.", {
    facts: { attribute: "expiresAt" },
  });
}

function noToken(): Problem {
  return new Problem("notFound", "There is no token with this id.");
}

/** What the log keeps of a token: nothing of its secret. */
function describe({ label, scopes, role, userId, expiresAt }: TokenRow): Json {
  return { label, scopes, role, userId, expiresAt };
}

async function recordTokenEvent(
  deps: Deps,
  ctx: RequestContext,
  tx: Transaction,
  action: string,
  id: string,
  change: { readonly before?: Json; readonly after?: Json },
): Promise<void> {
  await recordEvents(tx, [
    {
      tenantId: ctx.principal.tenantId,
      at: deps.clock().toISOString(),
      actor: actorOf(ctx),
      action,
      subjectType: "Token",
      subjectId: id,
      ...change,
      requestId: ctx.requestId,
    },
  ]);
}
