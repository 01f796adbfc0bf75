/** The mapping: read, previewed, saved. A save binds entries to groups and has everybody decided again in the background. */
import { createHash } from "node:crypto";
import { findAuthority, lockAuthority, requireHeld } from "../auth/authority.ts";
import type { Executor } from "../db/database.ts";
import { recordEvents } from "../db/events.ts";
import { findDescendants, refreshDeciding } from "../db/groups.ts";
import {
  type BindableEntry,
  ensureTeams,
  findMapping,
  listDecidingGroups,
  listReached,
  listUserIdsAfter,
  type MappingRow,
  previewBindings,
  rebind,
  setOwnTeams,
  updateMapping,
} from "../db/mapping.ts";
import { listPoolRows } from "../db/pools.ts";
import { addGrantRow } from "../db/promotions.ts";
import { bumpRules, findRules } from "../db/rules.ts";
import { releaseOwnTeams } from "../db/teams.ts";
import { findUserStates } from "../db/users.ts";
import type { CompiledEntry, TenantRules } from "../domain/access.ts";
import { decideUser } from "../domain/decide.ts";
import { requireMapping } from "../domain/mapping.ts";
import type { Binding, GroupEntry, Json, MappingDocument, Permission, TeamName, UserState } from "../domain/model.ts";
import { missing, reservedOf } from "../domain/permissions.ts";
import { Problem } from "../problems.ts";
import { normaliseName } from "../vocabulary/names.ts";
import { eventOf, needsSeat, noAuthority, type Work } from "./apply.ts";
import { actorOf, type Deps, type RequestContext } from "./context.ts";
import { grantingKeys, releasedEvents } from "./groups.ts";
import { reconcileJob } from "./jobs.ts";
import { findProgress, type ReconcileProgress } from "./reconcile.ts";
import { compileMapping } from "./rules.ts";
import { draftOfState } from "./users.ts";

/** Changes that a preview lists one by one; the counts are always whole. */
const previewListedMax = 1_000;
const batchSize = 500;

/** The mapping with its version, for the ETag. */
export async function getMapping(deps: Deps, ctx: RequestContext): Promise<MappingRow> {
  return await requireStored(deps.db, ctx.principal.tenantId);
}

export interface SaveOptions {
  /** The ETag that the saver saw: 412 where the mapping has another one by now. */
  readonly ifMatch?: string;
  /** GRD-5: the digest of a preview that listed who becomes administrative, as consent to exactly these. */
  readonly confirm?: string;
}

/**
 * Replaces the mapping. Permission is judged before preconditions. Problems: forbidden, preconditionFailed, stale (the
 * confirmed preview no longer holds), and what `requireMapping` raises.
 */
export async function saveMapping(
  deps: Deps,
  ctx: RequestContext,
  document: MappingDocument,
  options: SaveOptions = {},
): Promise<MappingRow> {
  const { tenantId } = ctx.principal;
  return await deps.db.transaction(async (tx) => {
    const rules = await deps.rules.locked(tx, tenantId);
    const now = deps.clock();
    const at = now.toISOString();
    const authority = await lockAuthority(tx, ctx.principal, now);
    requireHeld(authority, ctx.principal, ["mapping.manage"]);
    const stored = await requireStored(tx, tenantId);
    requireMatch(options.ifMatch, stored);
    requireMapping(document, { roles: rules.role, tiers: rules.tier, stored: stored.document, authority });

    const consented =
      options.confirm === undefined
        ? []
        : await requireConsent(tx, rules, document, options.confirm, { authority, now });
    await ensureTeams(tx, tenantId, namedTeams(document), at, deps.newId);
    const version = await updateMapping(tx, tenantId, document, at);
    const rulesVersion = await bumpRules(tx, tenantId);
    const next = await deps.rules.edited(tx, tenantId);
    const touched = await listDecidingGroups(tx, tenantId);
    const { bound, unbound } = await rebind(tx, tenantId, bindable(next.entries.values()));
    const groups = [...new Set([...touched, ...bound.map((row) => row.group_id)])];
    await refreshDeciding(tx, tenantId, await findDescendants(tx, tenantId, groups), grantingKeys(next));
    const released = document.autoTeams ? [] : await releaseOwnTeams(tx, tenantId, null);
    await setOwnTeams(tx, tenantId, document.autoTeams, at);

    const work: Work = { deps, ctx, tx, rules: next, now };
    for (const gain of consented) {
      const role = next.role.get(gain.role);
      if (role === undefined) continue;
      const grant = { role: gain.role, source: gain.source, permissions: reservedOf(role) };
      await addGrantRow(tx, tenantId, gain.userId, grant, { ...actorOf(ctx), confirm: options.confirm ?? "" }, at);
    }
    await recordEvents(tx, [
      {
        ...eventOf(work, "mapping.saved", "Mapping", tenantId, {
          mapping: toJson(document),
          consented: consented.length,
        }),
        before: { mapping: toJson(stored.document) },
      },
      ...unbound.map((row) => ({
        ...eventOf(work, "group.unbound", "Group", row.group_id, {}, "TEAM-2"),
        before: { entries: [row.entry_key] },
      })),
      ...bound.map((row) =>
        eventOf(work, "group.bound", "Group", row.group_id, { entries: [row.entry_key] }, "TEAM-2"),
      ),
      ...releasedEvents(work, released),
    ]);
    await reconcileJob(deps, tx, { tenantId, version: rulesVersion }, "mapping saved");
    return { document, version, savedAt: at };
  });
}

/** Somebody whom a mapping would make administrative. */
export interface Gain {
  readonly userId: string;
  readonly userName: string;
  readonly role: string;
  readonly source: string;
}

export interface PreviewedChange {
  readonly userId: string;
  readonly userName: string;
  readonly before: { readonly role: string; readonly tier: string | null };
  readonly after: { readonly role: string; readonly tier: string | null };
  /** Whether the person would wait for a seat. */
  readonly queued: boolean;
}

export interface PreviewedPool {
  readonly tier: string;
  readonly purchased: number;
  readonly used: number;
  /** People who would be due a seat of this tier. */
  readonly due: number;
  /** Those of them for whom no seat is left. */
  readonly short: number;
}

export interface MappingPreview {
  readonly digest: string;
  readonly changes: readonly PreviewedChange[];
  readonly changed: number;
  readonly unchanged: number;
  readonly promotions: readonly Gain[];
  readonly pools: readonly PreviewedPool[];
}

/**
 * Who would change, wait or become a promotion request, should this mapping be saved; changes nothing. The digest stands
 * for the document and the list of promotions. Problems: as for saving.
 */
export async function previewMapping(
  deps: Deps,
  ctx: RequestContext,
  document: MappingDocument,
): Promise<MappingPreview> {
  const { tenantId } = ctx.principal;
  const now = deps.clock();
  const rules = await deps.rules.current(deps.db, tenantId);
  const authority = await findAuthority(deps.db, ctx.principal, now);
  requireHeld(authority, ctx.principal, ["mapping.manage"]);
  const stored = await requireStored(deps.db, tenantId);
  requireMapping(document, { roles: rules.role, tiers: rules.tier, stored: stored.document, authority });
  const outlook = await lookAhead(deps.db, rules, document, now);
  const poolRows = await listPoolRows(deps.db, tenantId);
  const pools = poolRows.map(({ tier, purchased, used, unlimited }) => {
    const due = outlook.due.get(tier) ?? 0;
    return { tier, purchased, used, due, short: unlimited ? 0 : Math.max(0, due - purchased) };
  });
  const { changes, changed, unchanged, gains } = outlook;
  const short = new Set(pools.filter((pool) => pool.short > 0).map((pool) => pool.tier));
  return {
    digest: digestOf(document, gains),
    changes: changes.map(({ seated, ...change }) => ({
      ...change,
      queued: change.after.tier !== null && !seated && short.has(change.after.tier),
    })),
    changed,
    unchanged,
    promotions: gains,
    pools,
  };
}

/** How far the deciding anew has come after the last edit of the rules. */
export async function reconcileProgress(deps: Deps, ctx: RequestContext): Promise<ReconcileProgress | undefined> {
  return await findProgress(deps, ctx.principal.tenantId);
}

interface Outlook {
  readonly changes: (Omit<PreviewedChange, "queued"> & { seated: boolean })[];
  readonly changed: number;
  readonly unchanged: number;
  readonly gains: Gain[];
  readonly due: Map<string, number>;
}

/** Decides everybody by a mapping that is not saved. */
async function lookAhead(
  executor: Executor,
  rules: TenantRules,
  document: MappingDocument,
  now: Date,
): Promise<Outlook> {
  const { tenantId } = rules;
  const row = await findRules(executor, tenantId);
  const next: TenantRules = {
    ...rules,
    version: rules.version + 1,
    mapping: document,
    ...compileMapping(document, row?.teams ?? []),
  };
  const bindings = await bindingsByUser(executor, tenantId, next);
  const outlook: Outlook & { changed: number; unchanged: number } = {
    changes: [],
    changed: 0,
    unchanged: 0,
    gains: [],
    due: new Map(),
  };
  for (let after: string | null = null; ; ) {
    const ids: string[] = await listUserIdsAfter(executor, tenantId, after, batchSize);
    for (const state of await findUserStates(executor, tenantId, ids)) {
      foresee(outlook, next, state, bindings.get(state.id) ?? [], now);
    }
    if (ids.length < batchSize) return outlook;
    after = ids.at(-1) ?? null;
  }
}

function foresee(
  outlook: Outlook & { changed: number; unchanged: number },
  next: TenantRules,
  state: UserState,
  bindings: readonly Binding[],
  now: Date,
): void {
  const circumstances = { rules: next, now, direct: false, ...noAuthority, otherAdmin: true };
  const decision = decideUser(state, { ...draftOfState(state), bindings }, circumstances);
  if (decision.kind !== "decided") throw new Error("A preview was refused instead of withheld.");
  const { userName } = state.doc;
  for (const { candidate } of decision.withheld) {
    const { kind, source, value } = candidate;
    if (kind === "group" || kind === "rule") {
      outlook.gains.push({ userId: state.id, userName, role: value.key, source });
    }
  }
  if (decision.tier !== null) outlook.due.set(decision.tier, (outlook.due.get(decision.tier) ?? 0) + 1);
  if (decision.role.key === state.role && decision.tier === state.tier) {
    outlook.unchanged += 1;
    return;
  }
  outlook.changed += 1;
  if (outlook.changes.length >= previewListedMax) return;
  outlook.changes.push({
    userId: state.id,
    userName,
    before: { role: state.role, tier: state.tier },
    after: { role: decision.role.key, tier: decision.tier },
    seated: !needsSeat(state, decision),
  });
}

async function bindingsByUser(
  executor: Executor,
  tenantId: string,
  next: TenantRules,
): Promise<Map<string, Binding[]>> {
  const rows = await previewBindings(executor, tenantId, bindable(next.entries.values()));
  const keys = new Map<string, string[]>();
  for (const { groupId, entryKey: key } of rows) keys.set(groupId, [...(keys.get(groupId) ?? []), key]);
  const byUser = new Map<string, Binding[]>();
  for (const { userId, groupId } of await listReached(executor, tenantId, [...keys.keys()])) {
    const found = byUser.get(userId) ?? [];
    for (const key of keys.get(groupId) ?? []) found.push({ groupId, entryKey: key });
    byUser.set(userId, found);
  }
  return byUser;
}

/**
 * GRD-5: the save carries the digest of a preview that listed those who gain; anything else is out of date. GRD-1: who
 * consents holds what is gained, also by an entry that an Admin saved before.
 */
async function requireConsent(
  executor: Executor,
  rules: TenantRules,
  document: MappingDocument,
  confirm: string,
  { authority, now }: { authority: readonly Permission[]; now: Date },
): Promise<Gain[]> {
  const { gains } = await lookAhead(executor, rules, document, now);
  if (digestOf(document, gains) === confirm) {
    for (const gain of gains) requireWithin(authority, rules, gain);
    return gains;
  }
  throw new Problem(
    "stale",
    "Since the preview the people whom this mapping makes administrative have changed. Preview it again.",
    {
      facts: { rule: "GRD-5" },
    },
  );
}

function requireWithin(authority: readonly Permission[], rules: TenantRules, { role: key, userName }: Gain): void {
  const role = rules.role.get(key);
  const beyond = role === undefined ? [] : missing(authority, reservedOf(role));
  if (beyond.length === 0) return;
  const detail = `You cannot confirm that ${userName} becomes "${role?.name}": it holds ${beyond.join(", ")}, which you do not.`;
  throw new Problem("promotionRefused", detail, { facts: { rule: "GRD-1", role: key } });
}

function digestOf(document: MappingDocument, gains: readonly Gain[]): string {
  const list = gains.map((gain) => `${gain.userId} ${gain.role} ${gain.source}`).sort();
  return createHash("sha256")
    .update(JSON.stringify([canonical(document), list]))
    .digest("base64url");
}

/** The same text for documents that differ only in the order of members. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, canonical(item)]),
  );
}

/** A document without absent members, as the log keeps it. */
function toJson(document: MappingDocument): Json {
  return JSON.parse(JSON.stringify(document)) as Json;
}

function bindable(entries: Iterable<CompiledEntry>): BindableEntry[] {
  return [...entries].map(({ key, entry, teamId }) => ({ key, teamId, ...matchOf(entry) }));
}

function matchOf({ match }: GroupEntry): Pick<BindableEntry, "by" | "value"> {
  if (match.id !== undefined) return { by: "id", value: match.id.toLowerCase() };
  if (match.externalId !== undefined) return { by: "externalId", value: match.externalId };
  return { by: "displayName", value: normaliseName(match.displayName ?? "") };
}

function namedTeams(document: MappingDocument): TeamName[] {
  const teams = new Map<string, TeamName>();
  for (const { team } of [...document.groups, ...document.rules]) {
    if (team !== undefined) teams.set(`${team.kind} ${normaliseName(team.name)}`, team);
  }
  return [...teams.values()];
}

async function requireStored(executor: Executor, tenantId: string): Promise<MappingRow> {
  const row = await findMapping(executor, tenantId);
  if (row === undefined) throw new Problem("notFound", "There is no such tenant.");
  return row;
}

function requireMatch(wanted: string | undefined, { version }: MappingRow): void {
  if (wanted === undefined || wanted === "*") return;
  if (wanted.split(",").some((tag) => tag.trim().replace(/^W\//, "") === `"${version}"`)) return;
  throw new Problem(
    "preconditionFailed",
    `The mapping has changed: it is "${version}" now, and If-Match names ${wanted}.`,
  );
}
