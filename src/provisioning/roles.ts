/** ROL-1: the tenant's catalogue of roles. Every edit has everybody decided again, and makes nobody administrative. */

import { lockAuthority, requireHeld } from "../auth/authority.ts";
import { lockAdmins, otherAdminExists } from "../db/admins.ts";
import { recordEvents } from "../db/events.ts";
import { countRoleUses, insertRole, listRoleRows, removeRoleRow, updateRole } from "../db/roles.ts";
import { bumpRules } from "../db/rules.ts";
import type { TenantRules } from "../domain/access.ts";
import type { Permission, Role } from "../domain/model.ts";
import { isAdministrative, isReserved, missing, reservedOf } from "../domain/permissions.ts";
import { isFullAdmin } from "../domain/promotion.ts";
import { findNamed } from "../domain/words.ts";
import { Problem } from "../problems.ts";
import { eventOf, type Work } from "./apply.ts";
import type { Deps, RequestContext } from "./context.ts";
import { reconcileJob } from "./jobs.ts";

/** More roles than any product has; each costs every decision a comparison. */
const rolesMax = 500;

export interface RoleView extends Role {
  readonly administrative: boolean;
  /** How many users hold it. */
  readonly users: number;
}

export async function listRoles(deps: Deps, ctx: RequestContext): Promise<RoleView[]> {
  const rows = await listRoleRows(deps.db, ctx.principal.tenantId);
  return rows.map((row) => ({ ...row, administrative: isAdministrative(row) }));
}

/** One role. Problem: notFound. */
export async function getRole(deps: Deps, ctx: RequestContext, key: string): Promise<RoleView> {
  const role = (await listRoles(deps, ctx)).find((one) => one.key === key);
  if (role === undefined) throw noRole(await deps.rules.current(deps.db, ctx.principal.tenantId), key);
  return role;
}

export interface NewRole {
  readonly key: string;
  readonly name: string;
  readonly rank: number;
  readonly permissions: readonly Permission[];
}

/** Creates a role. Problems: uniqueness, promotionRefused (permissions that the caller does not hold), conflict. */
export async function createRole(deps: Deps, ctx: RequestContext, role: NewRole): Promise<RoleView> {
  return await edit(deps, ctx, async (work, authority) => {
    const { tx, rules } = work;
    if (rules.roles.length >= rolesMax) throw new Problem("conflict", `A tenant has at most ${rolesMax} roles.`);
    requireFree(rules, role.key, "key", null);
    requireFree(rules, role.name, "name", null);
    requireWithin(authority, role, []);
    const created = { ...role, builtIn: false };
    await insertRole(tx, rules.tenantId, created);
    await recordEvents(tx, [
      eventOf(work, "role.created", "Role", role.key, { ...role, permissions: [...role.permissions] }),
    ]);
    return { ...created, administrative: isAdministrative(created), users: 0 };
  });
}

export interface RoleChange {
  readonly name?: string;
  readonly rank?: number;
  readonly permissions?: readonly Permission[];
}

/** Changes a role. Problems: notFound, uniqueness, promotionRefused, lastAdmin, conflict. */
export async function changeRole(deps: Deps, ctx: RequestContext, key: string, change: RoleChange): Promise<RoleView> {
  return await edit(deps, ctx, async (work, authority) => {
    const { tx, rules, now } = work;
    const before = requireRole(rules, key);
    const after: Role = { ...before, ...change };
    if (change.name !== undefined) requireFree(rules, change.name, "name", before.key);
    if (change.permissions !== undefined) await requireChangeable(work, authority, before, after);
    await updateRole(tx, rules.tenantId, after);
    if (isFullAdmin(before) && !isFullAdmin(after)) {
      const next = { ...rules, roles: rules.roles.map((role) => (role.key === after.key ? after : role)) };
      const had = await otherAdminExists(tx, rules, [], now);
      if (had && !(await otherAdminExists(tx, next, [], now))) {
        throw new Problem(
          "lastAdmin",
          `Without these permissions of "${before.name}" nobody would be Admin. Make somebody Admin first.`,
          {
            facts: { rule: "GRD-7", role: before.key },
          },
        );
      }
    }
    const described = (role: Role) => ({ name: role.name, rank: role.rank, permissions: [...role.permissions] });
    const event = eventOf(work, "role.changed", "Role", before.key, described(after), "GRD-5");
    await recordEvents(tx, [{ ...event, before: described(before) }]);
    const { users } = await countRoleUses(tx, rules.tenantId, before.key);
    return { ...after, administrative: isAdministrative(after), users };
  });
}

/** ROL-1: deletes a role that nothing refers to. Problems: notFound, roleInUse with the count, conflict (built in). */
export async function removeRole(deps: Deps, ctx: RequestContext, key: string): Promise<void> {
  await edit(deps, ctx, async (work) => {
    const { tx, rules } = work;
    const role = requireRole(rules, key);
    if (role.builtIn)
      throw new Problem("conflict", `"${role.name}" is built in and cannot be deleted.`, { facts: { rule: "ROL-1" } });
    const { users, pins, tokens } = await countRoleUses(tx, rules.tenantId, role.key);
    const { groups, rules: conditions, defaults } = rules.mapping;
    const mapped =
      [...groups, ...conditions].filter((item) => item.role === role.key).length + Number(defaults.role === role.key);
    if (users + pins + tokens + mapped > 0) {
      throw new Problem(
        "roleInUse",
        `"${role.name}" is in use: by ${users} users, ${pins} pins, ${tokens} tokens and ${mapped} entries of the mapping.`,
        { facts: { rule: "ROL-1", role: role.key, users, pins, tokens, mapped } },
      );
    }
    await removeRoleRow(tx, rules.tenantId, role.key);
    const event = eventOf(work, "role.deleted", "Role", role.key, {});
    await recordEvents(tx, [{ ...event, before: { ...role, permissions: [...role.permissions] } }]);
  });
}

/** An edit of the catalogue: under the lock on Admins and on the rules, and with everybody decided again after it. */
async function edit<T>(
  deps: Deps,
  ctx: RequestContext,
  body: (work: Work, authority: readonly Permission[]) => Promise<T>,
): Promise<T> {
  const { tenantId } = ctx.principal;
  return await deps.db.transaction(async (tx) => {
    const rules = await deps.rules.locked(tx, tenantId);
    await lockAdmins(tx, tenantId);
    const now = deps.clock();
    const authority = await lockAuthority(tx, ctx.principal, now);
    requireHeld(authority, ctx.principal, ["roles.manage"]);
    const result = await body({ deps, ctx, tx, rules, now }, authority);
    const version = await bumpRules(tx, tenantId);
    await reconcileJob(deps, tx, { tenantId, version }, "roles changed");
    return result;
  });
}

async function requireChangeable(
  work: Work,
  authority: readonly Permission[],
  before: Role,
  after: Role,
): Promise<void> {
  if (before.builtIn && isFullAdmin(before)) {
    throw new Problem("conflict", `The permissions of the built-in role "${before.name}" are everything, for good.`, {
      facts: { rule: "ROL-5", role: before.key },
    });
  }
  requireWithin(authority, after, before.permissions);
  if (work.rules.mapping.defaults.role === after.key && isAdministrative(after)) {
    throw new Problem(
      "conflict",
      `"${after.name}" is the default role: with ${reservedOf(after).join(", ")} everybody would be administrative.`,
      {
        facts: { rule: "GRD-5", role: after.key },
      },
    );
  }
}

/** ROL-5: persons and tokens grant only permissions that they hold themselves. */
function requireWithin(
  authority: readonly Permission[],
  role: Pick<Role, "name" | "permissions">,
  old: readonly Permission[],
): void {
  const beyond = missing(authority, missing(old, role.permissions));
  if (beyond.length === 0) return;
  const code = beyond.some(isReserved) ? "promotionRefused" : "forbidden";
  throw new Problem(code, `You cannot put ${beyond.join(", ")} into "${role.name}": you do not hold it yourself.`, {
    facts: { rule: "ROL-5" },
  });
}

/** ROL-1: keys and names are one namespace. */
function requireFree(rules: TenantRules, text: string, attribute: string, except: string | null): void {
  const taken = findNamed(
    rules.roles.filter((role) => role.key !== except),
    text,
  );
  if (taken === undefined) return;
  throw new Problem(
    "uniqueness",
    `"${text}" is the key or the name of the role "${taken.name}" (${taken.key}) already.`,
    {
      facts: { rule: "ROL-1", attribute },
    },
  );
}

function requireRole(rules: TenantRules, key: string): Role {
  const role = rules.role.get(key);
  if (role !== undefined) return role;
  throw noRole(rules, key);
}

function noRole(rules: TenantRules, key: string): Problem {
  const known = [...rules.role.keys()].join(", ");
  return new Problem("notFound", `There is no role "${key.slice(0, 100)}". Known roles: ${known}.`);
}
