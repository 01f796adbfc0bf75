/** Use cases of the operator: tenants come from a preset, are renamed, get verified domains, are recovered, and go. */
import { operator } from "../auth/principal.ts";
import type { Transaction } from "../db/database.ts";
import { recordEvents } from "../db/events.ts";
import { bumpRules, lockRules } from "../db/rules.ts";
import {
  findTenant,
  furnishTenant,
  insertTenant,
  listTenantRows,
  removeTenant,
  renameTenant,
  replaceDomains,
  type TenantRow,
} from "../db/tenants.ts";
import { findUserIdByName } from "../db/user-list.ts";
import type { UserAccount } from "../db/users.ts";
import { dayOf, dayOfMonth, nextRenewal } from "../domain/billing.ts";
import { toDomainName } from "../domain/domains.ts";
import { isBelowMinimum, poolSeatsMax } from "../domain/licenses.ts";
import type { Json, Tier } from "../domain/model.ts";
import { isAdministrative } from "../domain/permissions.ts";
import { findPreset, highestRole, type Preset, presets } from "../domain/presets.ts";
import { Problem } from "../problems.ts";
import { actorOf, type Deps, type RequestContext } from "./context.ts";
import { reconcileJob } from "./jobs.ts";
import { insertMinted, mintToken, type TokenDeps } from "./tokens.ts";
import { getAccount, pinRole } from "./users.ts";

export interface NewTenant {
  readonly name: string;
  /** A short name for people; made from the name when absent. */
  readonly slug?: string;
  readonly preset?: string;
  /** Seats per tier to begin with. */
  readonly seats?: Readonly<Record<string, number>>;
}

/**
 * Creates a tenant with everything it needs, and a token that acts with its highest role, in one transaction.
 * Problems: invalidValue, unknownTier, uniqueness.
 */
export async function createTenant(
  deps: TokenDeps,
  ctx: RequestContext,
  request: NewTenant,
): Promise<{ tenant: TenantRow; adminToken: string }> {
  const preset = requirePreset(request.preset ?? "default");
  const seats = request.seats ?? {};
  requireSeats(preset, seats);
  const name = request.name.trim();
  const id = deps.newId();
  const within = actingIn(ctx, id);
  return await deps.db.transaction(async (tx) => {
    const createdAt = deps.clock().toISOString();
    const slug = await insertWithSlug(request.slug, name, (slug) =>
      insertTenant(tx, { id, slug, name, preset: preset.name, settings: preset.settings, createdAt }),
    );
    const tiers = preset.tiers.map((tier) => ((seats[tier.key] ?? 0) > 0 ? withRenewal(tier, createdAt) : tier));
    await furnishTenant(tx, id, createdAt, { ...preset, tiers, seats });
    await recordTenantEvent(deps, within, tx, "tenant.created", { after: { name, slug, preset: preset.name, seats } });
    const { token: adminToken } = await insertMinted(deps, within, tx, {
      label: "admin",
      scopes: ["api", "access"],
      role: highestRole(preset.roles).key,
      userId: null,
      expiresAt: null,
    });
    const tenant = await findTenant(tx, id);
    return { tenant: tenant!, adminToken };
  });
}

/** LIC-7: with the first seats of a pool its billing begins. */
function withRenewal(tier: Tier, createdAt: string): Tier {
  const today = dayOf(new Date(createdAt));
  return { ...tier, renewsOn: tier.renewsOn ?? nextRenewal(today, tier.billingCycle, dayOfMonth(today), today) };
}

/** Tenants by slug, those after the given one. */
export async function listTenants(deps: Deps, afterSlug: string, limit: number): Promise<TenantRow[]> {
  return await listTenantRows(deps.db, afterSlug, limit);
}

/** One tenant. Problem: notFound. */
export async function getTenant(deps: Deps, id: string): Promise<TenantRow> {
  const tenant = await findTenant(deps.db, id);
  if (tenant === undefined) throw noTenant();
  return tenant;
}

export interface TenantChange {
  readonly name?: string;
  /** The verified domains from now on; those left out are verified no more (USR-5). */
  readonly domains?: readonly string[];
}

/** Renames a tenant or sets its verified domains. Problems: notFound, invalidValue, uniqueness (another tenant has one). */
export async function changeTenant(
  deps: Deps,
  ctx: RequestContext,
  id: string,
  change: TenantChange,
): Promise<TenantRow> {
  const domains = change.domains && [...new Set(change.domains.map(requireOwnName))].sort();
  return await deps.db.transaction(async (tx) => {
    if ((await lockRules(tx, id)) === undefined) throw noTenant();
    const before = await findTenant(tx, id);
    if (change.name !== undefined) await renameTenant(tx, id, change.name.trim());
    if (domains !== undefined) {
      await replaceDomains(tx, id, domains, deps.clock().toISOString());
      await reconcileJob(deps, tx, { tenantId: id, version: await bumpRules(tx, id) }, "domains changed");
    }
    const after = await findTenant(tx, id);
    if (before === undefined || after === undefined) throw noTenant();
    await recordTenantEvent(deps, actingIn(ctx, id), tx, "tenant.changed", {
      before: describe(before),
      after: describe(after),
    });
    return after;
  });
}

/** Deletes a tenant with everything in it, its log included. Problem: notFound. */
export async function deleteTenant(deps: Deps, id: string): Promise<void> {
  const removed = await deps.db.transaction((tx) => removeTenant(tx, id));
  if (!removed) throw noTenant();
  deps.rules.forget(id);
}

export interface Recovery {
  readonly userId?: string;
  readonly userName?: string;
  /** The role to appoint to; the highest administrative one when absent. */
  readonly role?: string;
}

/**
 * GRD-7: appoints an Admin where the last one has left, or, where nobody is named, mints a new admin token.
 * Problems: notFound, unknownRole, invalidValue, conflict (the person is not active).
 */
export async function recoverTenant(
  deps: TokenDeps,
  ctx: RequestContext,
  id: string,
  request: Recovery,
): Promise<{ user: UserAccount | null; adminToken: string | null }> {
  await getTenant(deps, id);
  const within = actingIn(ctx, id);
  const { roles } = await deps.rules.current(deps.db, id);
  const role = request.role === undefined ? highestRole(roles) : roles.find((one) => one.key === request.role);
  if (role === undefined) throw new Problem("unknownRole", `There is no role "${request.role}" in this tenant.`);
  if (!isAdministrative(role)) {
    throw new Problem("invalidValue", `The role "${role.name}" is not administrative; name one that is, or none.`, {
      facts: { attribute: "role" },
    });
  }
  const { userId, userName } = request;
  if (userId === undefined && userName === undefined) {
    const minted = await mintToken(deps, within, { label: "admin", scopes: ["api", "access"], role: role.key });
    return { user: null, adminToken: minted.token };
  }
  const found = userId ?? (await findUserIdByName(deps.db, id, userName!));
  if (found === undefined) throw new Problem("notFound", "There is no user with this userName in this tenant.");
  const user = await getAccount(deps, within, found);
  if (user.status !== "active") {
    throw new Problem("conflict", `${user.doc.userName} is ${user.status}. Only somebody active can be appointed.`);
  }
  return { user: await pinRole(deps, within, found, role.key), adminToken: null };
}

/** The operator's request, carried into one tenant. */
function actingIn(ctx: RequestContext, tenantId: string): RequestContext {
  return { ...ctx, principal: { ...operator(tenantId), label: ctx.principal.label } };
}

function requirePreset(name: string): Preset {
  const preset = findPreset(name);
  if (preset !== undefined) return preset;
  const known = presets.map((one) => one.name).join(", ");
  throw new Problem("invalidValue", `There is no preset "${name}". Known presets: ${known}.`, {
    facts: { attribute: "preset" },
  });
}

function requireSeats(preset: Preset, seats: Readonly<Record<string, number>>): void {
  const known = preset.tiers.map((tier) => tier.key);
  for (const [tier, number] of Object.entries(seats)) {
    if (!known.includes(tier)) {
      throw new Problem(
        "unknownTier",
        `The preset ${preset.name} has no tier "${tier}". Known tiers: ${known.join(", ")}.`,
        {
          facts: { attribute: "seats" },
        },
      );
    }
    if (!Number.isInteger(number) || number < 0 || number > poolSeatsMax) {
      throw new Problem("invalidValue", `Seats of ${tier} must be a whole number from 0 to ${poolSeatsMax}.`, {
        facts: { attribute: "seats" },
      });
    }
    const pool = preset.tiers.find((one) => one.key === tier);
    if (pool !== undefined && isBelowMinimum(pool, number)) {
      const detail = `Seats of ${tier} must be none or at least ${pool.minimum}, its minimum; this asks for ${number}.`;
      throw new Problem("invalidValue", detail, {
        facts: { rule: "LIC-7", attribute: "seats", pool: tier, minimum: pool.minimum },
      });
    }
  }
}

/** A wanted slug is taken or refused; one made from the name gets a number where others have it already. */
async function insertWithSlug(
  wanted: string | undefined,
  name: string,
  insert: (slug: string) => Promise<boolean>,
): Promise<string> {
  if (wanted !== undefined) {
    if (await insert(wanted)) return wanted;
    throw new Problem("uniqueness", "A tenant with this slug exists already.", { facts: { attribute: "slug" } });
  }
  const base = slugOf(name);
  for (let number = 1; number < 100; number++) {
    const slug = number === 1 ? base : `${base}-${number}`;
    if (await insert(slug)) return slug;
  }
  throw new Problem("uniqueness", "Too many tenants have this name; send a slug of your own.", {
    facts: { attribute: "slug" },
  });
}

function slugOf(name: string): string {
  const plain = name
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-");
  return plain.slice(0, 50).replace(/^-+|-+$/g, "") || "tenant";
}

/** The operator knows whose a domain is: only what is no domain at all is refused. */
function requireOwnName(text: string): string {
  const name = toDomainName(text);
  if (name !== null) return name;
  throw new Problem("invalidValue", `"${text}" is no domain such as example.com.`, { facts: { attribute: "domains" } });
}

function noTenant(): Problem {
  return new Problem("notFound", "There is no tenant with this id.");
}

function describe({ name, domains }: TenantRow): Json {
  return { name, domains: domains.filter(({ verifiedAt }) => verifiedAt !== null).map((domain) => domain.name) };
}

async function recordTenantEvent(
  deps: Deps,
  ctx: RequestContext,
  tx: Transaction,
  action: string,
  change: { readonly before?: Json; readonly after?: Json },
): Promise<void> {
  const { tenantId } = ctx.principal;
  const at = deps.clock().toISOString();
  const subject = { subjectType: "Tenant", subjectId: tenantId };
  await recordEvents(tx, [
    { tenantId, at, actor: actorOf(ctx), action, ...subject, ...change, requestId: ctx.requestId },
  ]);
}
