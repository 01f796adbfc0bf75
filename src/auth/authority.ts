/**
 * GRD-3: what a principal may do now. A token's own role is the most it can be worth; the person it acts for, and the
 * person who issued it, bound it with the role they have at this moment. Somebody inactive or deleted has none.
 */
import type { Executor, Statement, Transaction } from "../db/database.ts";
import type { Permission, Status } from "../domain/model.ts";
import { backedBy, everyPermission, holds, intersect, reachOf } from "../domain/permissions.ts";
import { Problem } from "../problems.ts";
import type { Principal } from "./principal.ts";

/** What of a person says whether they are active. */
export interface PersonRow {
  readonly status: Status;
  readonly startsAt: string | null;
  readonly endsAt: string | null;
}

interface TokenRow {
  readonly userId: string | null;
  readonly issuerId: string | null;
  readonly permissions: readonly Permission[] | null;
  /** What the role held when the token was minted (GRD-5). */
  readonly granted: readonly Permission[];
}

interface PersonAuthorityRow extends PersonRow {
  readonly id: string;
  readonly permissions: readonly Permission[] | null;
  /** Reserved permissions that grants back, for the role in effect and its source (GRD-5). */
  readonly granted: readonly Permission[];
}

const tokenText = `select t.user_id as "userId", t.issued_by ->> 'userId' as "issuerId", t.granted,
    (select r.permissions from roles r where r.tenant_id = t.tenant_id and r.key = t.role) as permissions
  from tokens t where t.tenant_id = $1 and t.id = $2 and (t.expires_at is null or t.expires_at > $3)`;

const personsText = `select u.id, u.status, u.starts_at as "startsAt", u.ends_at as "endsAt",
    (select r.permissions from roles r where r.tenant_id = u.tenant_id and r.key = u.role) as permissions,
    (select coalesce(array_agg(p), '{}') from role_grants g, unnest(g.permissions) p
      where g.tenant_id = u.tenant_id and g.user_id = u.id and g.role = u.role and g.source = u.role_source) as granted
  from users u where u.tenant_id = $1 and u.id = any($2::uuid[]) order by u.id`;

const statements = {
  token: { name: "auth_token", text: tokenText },
  persons: { name: "auth_persons", text: personsText },
  tokenLocked: { name: "auth_token_locked", text: `${tokenText} for share of t` },
  personsLocked: { name: "auth_persons_locked", text: `${personsText} for share of u` },
} as const satisfies Record<string, Statement>;

/** The permissions that the principal holds now. */
export async function findAuthority(
  executor: Executor,
  principal: Principal,
  now: Date,
): Promise<readonly Permission[]> {
  return await read(executor, principal, now, statements.token, statements.persons);
}

/**
 * GRD-9: the same inside a deciding transaction, with the token's and the persons' rows share-locked, so that a
 * demotion or a revocation either is seen or waits. The caller holds the rules still (`deps.rules.shared`).
 */
export async function lockAuthority(tx: Transaction, principal: Principal, now: Date): Promise<readonly Permission[]> {
  return await read(tx, principal, now, statements.tokenLocked, statements.personsLocked);
}

async function read(
  executor: Executor,
  principal: Principal,
  now: Date,
  tokenStatement: Statement,
  personsStatement: Statement,
): Promise<readonly Permission[]> {
  if (principal.kind === "operator") return [everyPermission];
  // A token's role is given when it is minted and never changes: without one there is nothing to look up.
  if (principal.tokenId === null || principal.role === null) return [];
  const { tenantId, tokenId } = principal;
  const [token] = await executor.query<TokenRow>(tokenStatement, [tenantId, tokenId, now.toISOString()]);
  const own = backedBy(token?.permissions ?? [], token?.granted ?? []);
  const ids = [...new Set([token?.userId, token?.issuerId])].filter((id) => typeof id === "string");
  if (ids.length === 0 || own.length === 0) return own;
  const persons = await executor.query<PersonAuthorityRow>(personsStatement, [tenantId, ids]);
  return ids.reduce<readonly Permission[]>((rest, id) => {
    const person = persons.find((row) => row.id === id);
    if (person === undefined || !isActiveNow(person, now)) return [];
    return intersect(rest, backedBy(person.permissions ?? [], person.granted));
  }, own);
}

/** USR-1, USR-7: whether a person is active now. Dates are compared here; the job that follows may be late. */
export function isActiveNow({ status, startsAt, endsAt }: PersonRow, now: Date): boolean {
  if (status !== "active") return false;
  return (
    (startsAt === null || Date.parse(startsAt) <= now.getTime()) &&
    (endsAt === null || now.getTime() < Date.parse(endsAt))
  );
}

/** Passes when the principal holds one of the wanted permissions now; 403 `forbidden` otherwise. */
export async function requirePermission(
  deps: { readonly db: Executor; readonly clock: () => Date },
  ctx: { readonly principal: Principal },
  ...wanted: readonly Permission[]
): Promise<void> {
  const held = await findAuthority(deps.db, ctx.principal, deps.clock());
  requireHeld(held, ctx.principal, wanted);
}

/** Whom a permission that is limited to own teams reaches (E-8): people in a team of this person's; null: nobody. */
export interface OwnTeams {
  /** A token that acts for nobody is in no team. */
  readonly of: string | null;
}

/** Whom the wanted permission reaches, null being everybody; 403 `forbidden` where it is not held at all. */
export async function requireReach(
  deps: { readonly db: Executor; readonly clock: () => Date },
  ctx: { readonly principal: Principal },
  ...wanted: readonly Permission[]
): Promise<OwnTeams | null> {
  const held = await findAuthority(deps.db, ctx.principal, deps.clock());
  return reachWithin(held, ctx.principal, wanted);
}

/** The same of permissions that were read already. */
export function reachWithin(
  held: readonly Permission[],
  principal: Principal,
  wanted: readonly Permission[],
): OwnTeams | null {
  if (reachOf(held, wanted) === "own-teams") return { of: principal.person ?? null };
  requireHeld(held, principal, wanted);
  return null;
}

/** Passes when one of the wanted permissions is among those held; 403 `forbidden` otherwise. */
export function requireHeld(held: readonly Permission[], principal: Principal, wanted: readonly Permission[]): void {
  if (wanted.some((permission) => holds(held, permission))) return;
  const role = principal.role === null ? "no role" : `the role "${principal.role}"`;
  const bound = principal.userId === null ? "" : ", bounded by the role of the person behind it,";
  throw new Problem(
    "forbidden",
    `This needs the permission ${wanted.join(" or ")}. ` +
      `The token "${principal.label}" acts with ${role}${bound} and does not hold it.`,
    { facts: { permission: wanted.join(" ") } },
  );
}
