/** Use cases of one group: create, change, delete, read. A change costs what it changes, not what the group holds. */

import { lockAuthority } from "../auth/authority.ts";
import { type EventRecord, recordEvents } from "../db/events.ts";
import {
  addChildren,
  addMembers,
  bindEntries,
  changeMembersPlainly,
  classifyMembers,
  findCircles,
  findDeepMembers,
  findDescendants,
  findGroup,
  findPresentMembers,
  type GroupRow,
  insertGroup,
  listMemberIds,
  lockDescendants,
  lockGroup,
  lockNesting,
  mayNest,
  refreshDeciding,
  removeChildren,
  removeGroup,
  removeMembers,
  renameGroup,
  touchGroup,
} from "../db/groups.ts";
import { type ReleasedTeam, releaseOwnTeams } from "../db/teams.ts";
import type { TenantRules } from "../domain/access.ts";
import { entryKey } from "../domain/access.ts";
import { holds, isAdministrative } from "../domain/permissions.ts";
import { Problem } from "../problems.ts";
import type { Filter } from "../vocabulary/filter/index.ts";
import { elementMatches } from "../vocabulary/filter/index.ts";
import { normaliseName } from "../vocabulary/names.ts";
import { eventOf, type Work } from "./apply.ts";
import { actorOf, type Deps, type RequestContext } from "./context.ts";
import { decideReached, type Reached, snapshot } from "./members.ts";
import { type Preconditions, requireCondition, requireVersion } from "./preconditions.ts";
import { isUuid } from "./users.ts";

export interface GroupInput {
  readonly displayName: string;
  readonly externalId?: string;
  /** Ids of users and of groups. */
  readonly members: readonly string[];
}

/** One step of a change; steps take effect in order. Member ids are those of users and of groups. */
export type GroupChange =
  | { readonly set: { readonly displayName?: string; readonly externalId?: string | null } }
  | { readonly add: readonly string[] }
  | { readonly remove: readonly string[] }
  | { readonly removeWhere: Filter }
  | { readonly clear: true }
  | { readonly replace: readonly string[] };

export interface GroupView {
  readonly id: string;
  readonly displayName: string;
  readonly externalId: string | null;
  /** JSON text of the members array, where asked for. */
  readonly membersJson?: string;
  readonly team: { readonly value: string; readonly display: string; readonly kind: string } | null;
  readonly grants: { readonly role: string | null; readonly tier: string | null };
  readonly version: string;
  readonly createdAt: string;
  readonly modifiedAt: string;
  /** Ids that named nobody and were skipped (TEAM-5); only after a write. */
  readonly skipped?: readonly string[];
}

/** What a change of a group leaves to tell. */
export interface ChangedGroup {
  /** Ids that named nobody and were skipped (TEAM-5). */
  readonly skipped: readonly string[];
  /** The group's ETag afterwards. */
  readonly version: string;
}

const retriesMax = 5;

/**
 * Creates a group, binds the mapping entries that it matches (TEAM-2) and gives it a team of its own where none is
 * mapped (TEAM-1). Problems: uniqueness, invalidValue where members are named and none exists.
 */
export async function createGroup(deps: Deps, ctx: RequestContext, input: GroupInput): Promise<GroupView> {
  const { tenantId } = ctx.principal;
  return await retryVanished(async () => {
    return await deps.db.transaction(async (tx) => {
      const work = await begin(deps, ctx, tx);
      const { rules, now } = work;
      const id = deps.newId();
      const displayNameNorm = normaliseName(input.displayName);
      const names = { displayName: input.displayName, displayNameNorm, externalId: input.externalId ?? null };
      const at = now.toISOString();
      const teamId = rules.mapping.autoTeams ? deps.newId() : null;
      const named = { groupId: id, named: input.members, whole: false };
      if (await mayNest(tx, tenantId, named)) await lockNesting(tx, tenantId);
      await insertGroup(tx, { tenantId, id, ...names, at, teamId, rulesVersion: rules.version });
      const events = [
        eventOf(work, "group.created", "Group", id, {
          ...input,
          externalId: names.externalId,
          members: input.members.length,
        }),
      ];
      await recordEvents(tx, events);
      const empty: GroupRow = {
        id,
        ...names,
        deciding: false,
        version: 1,
        createdAt: at,
        modifiedAt: at,
        entryKeys: [],
        team: null,
      };
      const { skipped } = await changeLocked(
        work,
        empty,
        input.members.length > 0 ? [{ add: input.members }] : [],
        true,
      );
      const row = await findGroup(tx, tenantId, id, { members: true });
      return { ...toGroupView(row as GroupRow, rules), skipped };
    });
  });
}

/**
 * Applies the steps in order, all or nothing. Adding and removing single members of a group that decides nothing is one
 * statement. Problems: notFound, uniqueness, preconditionFailed, invalidValue (a circle; only unknown members), forbidden.
 */
export async function changeGroup(
  deps: Deps,
  ctx: RequestContext,
  id: string,
  changes: readonly GroupChange[],
  options: Preconditions = {},
): Promise<ChangedGroup> {
  const { tenantId } = ctx.principal;
  if (!isUuid(id)) throw noGroup(id);
  requireCondition(options, (await deps.rules.recent(deps.db, tenantId)).settings, ctx.door);
  const conditional = options.ifMatch !== undefined || options.ifNoneMatch !== undefined;
  const plain = conditional ? undefined : await changePlainly(deps, ctx, id, changes);
  if (plain !== undefined) return { skipped: [], version: versionOf({ version: plain }) };
  return await retryVanished(async () => {
    return await deps.db.transaction(async (tx) => {
      const work = await begin(deps, ctx, tx);
      requireCondition(options, work.rules.settings, ctx.door);
      // The lock on nesting comes before that of a group: two groups nested in each other at once would each hold one.
      if (await mayNest(tx, tenantId, { groupId: id, ...namedBy(changes) })) await lockNesting(tx, tenantId);
      if (!(await lockGroup(tx, tenantId, id))) throw noGroup(id);
      const row = (await findGroup(tx, tenantId, id, { members: false })) as GroupRow;
      requireVersion(options, versionOf(row), "group");
      return await changeLocked(work, row, changes, false);
    });
  });
}

/**
 * The common change, one step that adds or removes, in one statement. Returns the version afterwards; undefined where more
 * has to be looked at.
 */
async function changePlainly(
  deps: Deps,
  ctx: RequestContext,
  id: string,
  changes: readonly GroupChange[],
): Promise<number | undefined> {
  const [change] = changes;
  if (changes.length !== 1 || change === undefined) return undefined;
  const kind = "add" in change ? "add" : "remove" in change ? "remove" : null;
  if (kind === null) return undefined;
  const userIds = "add" in change ? change.add : (change as { remove: readonly string[] }).remove;
  const usable = kind === "add" ? userIds : userIds.filter(isUuid);
  if (usable.length === 0 || !usable.every(isUuid)) return undefined;
  const { tenantId } = ctx.principal;
  const at = deps.clock().toISOString();
  const actor = JSON.stringify(actorOf(ctx));
  try {
    const change = { tenantId, groupId: id, userIds: usable, at, actor, requestId: ctx.requestId };
    return await changeMembersPlainly(deps.db, kind, change);
  } catch (error) {
    if (isVanished(error)) return undefined;
    throw error;
  }
}

/** Deletes a group: unbinds it, and takes from its members what came with it, now. Problem: notFound. */
export async function deleteGroup(
  deps: Deps,
  ctx: RequestContext,
  id: string,
  options: Preconditions = {},
): Promise<void> {
  const { tenantId } = ctx.principal;
  if (!isUuid(id)) throw noGroup(id);
  await deps.db.transaction(async (tx) => {
    const work = await begin(deps, ctx, tx);
    requireCondition(options, work.rules.settings, ctx.door);
    await lockNesting(tx, tenantId);
    if (!(await lockGroup(tx, tenantId, id))) throw noGroup(id);
    const row = (await findGroup(tx, tenantId, id, { members: false })) as GroupRow;
    requireVersion(options, versionOf(row), "group");
    await lockDescendants(tx, tenantId, [id]);
    const below = await findDescendants(tx, tenantId, [id]);
    const losing = row.deciding ? await findDeepMembers(tx, tenantId, [id]) : [];
    const reached = { losing, gaining: [], named: new Set<string>(), authority: [] };
    const before = await snapshot(work, reached);
    const released = await releaseOwnTeams(tx, tenantId, id);
    await removeGroup(tx, tenantId, id);
    await refreshDeciding(tx, tenantId, below, grantingKeys(work.rules));
    await decideReached(work, before, reached);
    const event = eventOf(work, "group.deleted", "Group", id, {});
    const stored = { displayName: row.displayName, externalId: row.externalId, entries: [...row.entryKeys] };
    await recordEvents(tx, [{ ...event, before: stored }, ...releasedEvents(work, released)]);
  });
}

/** TEAM-3: members by hand survive the end of a group, in a team that is nobody's own any more. */
export function releasedEvents(work: Work, released: readonly ReleasedTeam[]): EventRecord[] {
  return released.map(({ id, groupId, name }) => ({
    ...eventOf(work, "team.released", "Team", id, { name }, "TEAM-3"),
    before: { group: groupId },
  }));
}

/** One group, its members only where asked for. Problem: notFound. */
export async function getGroup(
  deps: Deps,
  ctx: RequestContext,
  id: string,
  options: { members: boolean },
): Promise<GroupView> {
  const { tenantId } = ctx.principal;
  const row = isUuid(id) ? await findGroup(deps.db, tenantId, id, options) : undefined;
  if (row === undefined) throw noGroup(id);
  return toGroupView(row, await deps.rules.recent(deps.db, tenantId));
}

/** The row as callers see it; the rules say what its bindings grant. */
export function toGroupView(row: GroupRow, rules: TenantRules): GroupView {
  const bound = row.entryKeys.flatMap((key) => rules.entries.get(key) ?? []);
  const roles = bound.flatMap((entry) => (entry.role === null ? [] : (rules.role.get(entry.role) ?? [])));
  const tiers = bound.flatMap((entry) => (entry.tier === null ? [] : (rules.tier.get(entry.tier) ?? [])));
  const highest = <T extends { rank: number; key: string }>(items: T[]) =>
    items.reduce<T | null>((top, item) => (top === null || item.rank > top.rank ? item : top), null)?.key ?? null;
  const view = {
    id: row.id,
    displayName: row.displayName,
    externalId: row.externalId,
    team: row.team,
    grants: { role: highest(roles), tier: highest(tiers) },
    version: versionOf(row),
    createdAt: row.createdAt,
    modifiedAt: row.modifiedAt,
  };
  return row.members === undefined ? view : { ...view, membersJson: row.members };
}

/** The ETag of a group: every change of its names or members moves it. */
function versionOf({ version }: Pick<GroupRow, "version">): string {
  return `W/"${version}"`;
}

async function begin(deps: Deps, ctx: RequestContext, tx: Work["tx"]): Promise<Work> {
  return { deps, ctx, tx, rules: await deps.rules.shared(tx, ctx.principal.tenantId), now: deps.clock() };
}

/** What the steps come to: the members that go and come, and the names as they end. */
interface Plan {
  readonly usersIn: readonly string[];
  readonly usersOut: readonly string[];
  readonly groupsIn: readonly string[];
  readonly groupsOut: readonly string[];
  readonly unknown: readonly string[];
  readonly displayName: string;
  readonly externalId: string | null;
}

/** Carries the steps out on a locked (or new) group, with everything that follows for people. */
async function changeLocked(
  work: Work,
  row: GroupRow,
  changes: readonly GroupChange[],
  isNew: boolean,
): Promise<ChangedGroup> {
  const { tx, rules, now, ctx } = work;
  const { tenantId } = rules;
  const plan = await planChange(work, row, changes, isNew);
  const displayNameNorm = normaliseName(plan.displayName);
  const renamed = plan.displayName !== row.displayName || plan.externalId !== row.externalId;
  const bound = new Set(row.entryKeys);
  const matching = entriesMatching(rules, { id: row.id, displayNameNorm, externalId: plan.externalId });
  const toBind = matching.filter((entry) => !bound.has(entry.key));
  const binds = (isNew || renamed) && toBind.length > 0;
  const nests = plan.groupsIn.length > 0 || plan.groupsOut.length > 0;
  if (nests) await nestingAllowed(work, row.id, plan.groupsIn);
  if (nests || binds) await lockDescendants(tx, tenantId, [row.id, ...plan.groupsIn, ...plan.groupsOut]);

  const decides = row.deciding || (binds && toBind.some((entry) => entry.role !== null || entry.tier !== null));
  const reached = await reachedBy(work, row, plan, { decides, binds });
  const before = await snapshot(work, reached);
  // The actor's own row comes after the lock on Admins, as wherever an Admin is demoted.
  const authority = await lockAuthority(tx, ctx.principal, now);
  if (!isNew && plan.externalId !== row.externalId) protectExternalId(row, rules, authority);

  await removeMembers(tx, tenantId, row.id, plan.usersOut);
  await addMembers(tx, tenantId, row.id, plan.usersIn);
  await removeChildren(tx, tenantId, row.id, plan.groupsOut);
  await addChildren(tx, tenantId, row.id, plan.groupsIn);
  if (renamed) {
    const { displayName, externalId } = plan;
    await renameGroup(tx, tenantId, row.id, { displayName, displayNameNorm, externalId });
  }
  if (binds) await bindEntries(tx, tenantId, row.id, toBind);
  if (binds || nests) {
    const below = await findDescendants(tx, tenantId, [row.id, ...plan.groupsOut]);
    await refreshDeciding(tx, tenantId, below, grantingKeys(rules));
  }
  await decideReached(work, before, { ...reached, authority: binds ? [] : authority });

  const moved = plan.usersIn.length + plan.usersOut.length + plan.groupsIn.length + plan.groupsOut.length > 0;
  const touched = !isNew && (moved || renamed);
  if (touched) await touchGroup(tx, tenantId, row.id, now.toISOString());
  await recordEvents(
    tx,
    eventsOf(work, row, plan, { binds: binds ? toBind.map((entry) => entry.key) : [], renamed, isNew }),
  );
  return { skipped: plan.unknown, version: versionOf({ version: row.version + Number(touched) }) };
}

/** The ids that steps name as members, and whether a step speaks of all members there are. */
function namedBy(changes: readonly GroupChange[]): { named: string[]; whole: boolean } {
  const named: string[] = [];
  let whole = false;
  for (const change of changes) {
    if ("add" in change) named.push(...change.add);
    else if ("remove" in change) named.push(...change.remove);
    else if ("replace" in change) named.push(...change.replace);
    whole ||= "removeWhere" in change || "clear" in change || "replace" in change;
  }
  return { named, whole };
}

/** Works out the end of the steps without reading members that no step speaks of. */
async function planChange(work: Work, row: GroupRow, changes: readonly GroupChange[], isNew: boolean): Promise<Plan> {
  const { tx, rules } = work;
  const { tenantId } = rules;
  let { displayName, externalId } = row;
  let exact = false; // whether the steps say what the members are, and not only who comes and goes
  const come = new Set<string>();
  const go = new Set<string>();
  const lower = (ids: readonly string[]) => ids.map((id) => id.toLowerCase());
  const asked: string[][] = [];
  for (const change of changes) {
    if ("set" in change) {
      displayName = change.set.displayName ?? displayName;
      externalId = change.set.externalId === undefined ? externalId : change.set.externalId;
    } else if ("add" in change) {
      asked.push(lower(change.add));
      for (const id of lower(change.add)) {
        come.add(id);
        go.delete(id);
      }
    } else if ("remove" in change) {
      for (const id of lower(change.remove)) {
        come.delete(id);
        go.add(id);
      }
    } else if ("removeWhere" in change) {
      const present = isNew || exact ? { users: [], groups: [] } : await listMemberIds(tx, tenantId, row.id);
      const known = await classifyMembers(tx, tenantId, [...come]);
      const elements = [
        ...[...present.users, ...known.users].map((value) => ({ value, type: "User" })),
        ...[...present.groups, ...known.groups].map((value) => ({ value, type: "Group" })),
      ];
      for (const element of elements) {
        if (!elementMatches(change.removeWhere, element)) continue;
        come.delete(element.value);
        go.add(element.value);
      }
    } else {
      come.clear();
      go.clear();
      exact = true;
      if ("replace" in change) {
        asked.push(lower(change.replace));
        for (const id of lower(change.replace)) come.add(id);
      }
    }
  }
  const known = await classifyMembers(tx, tenantId, [...come]);
  await requireSomebody(work, asked, known.unknown);
  if (exact) {
    const present = isNew ? { users: [], groups: [] } : await listMemberIds(tx, tenantId, row.id);
    const stay = new Set([...known.users, ...known.groups]);
    const here = new Set([...present.users, ...present.groups]);
    return {
      usersIn: known.users.filter((id) => !here.has(id)),
      usersOut: present.users.filter((id) => !stay.has(id)),
      groupsIn: known.groups.filter((id) => !here.has(id)),
      groupsOut: present.groups.filter((id) => !stay.has(id)),
      unknown: known.unknown,
      displayName,
      externalId,
    };
  }
  const leaving = [...go].filter(isUuid);
  const here = new Set(isNew ? [] : await findPresentMembers(tx, tenantId, row.id, [...known.users, ...leaving]));
  const children = new Set(isNew || known.groups.length + leaving.length === 0 ? [] : await listChildren(work, row.id));
  return {
    usersIn: known.users.filter((id) => !here.has(id)),
    usersOut: leaving.filter((id) => here.has(id)),
    groupsIn: known.groups.filter((id) => !children.has(id)),
    groupsOut: leaving.filter((id) => children.has(id)),
    unknown: known.unknown,
    displayName,
    externalId,
  };
}

async function listChildren({ tx, rules }: Work, id: string): Promise<string[]> {
  const rows = await tx.query<{ child_id: string }>(children, [rules.tenantId, id]);
  return rows.map((row) => row.child_id);
}

const children = {
  name: "groups_children",
  text: "select child_id from group_children where tenant_id = $1 and parent_id = $2",
};

/** TEAM-5: unknown ids are skipped, but a step that names members of whom none exists is a mistake to be told. */
async function requireSomebody(
  { tx, rules }: Work,
  asked: readonly string[][],
  unknown: readonly string[],
): Promise<void> {
  const missing = new Set(unknown);
  for (const ids of asked) {
    if (ids.length === 0 || !ids.every((id) => missing.has(id))) continue;
    // A member added by one step and removed by a later one is not among the unknown: look at it by itself.
    const known = await classifyMembers(tx, rules.tenantId, ids);
    if (known.users.length + known.groups.length > 0) continue;
    const shown = ids.slice(0, 10).map((id) => `"${id.slice(0, 100)}"`);
    const more = ids.length > shown.length ? ` and ${ids.length - shown.length} more` : "";
    throw new Problem("invalidValue", `No user or group has the id ${shown.join(", ")}${more}. Nothing was changed.`, {
      facts: { rule: "TEAM-5", attribute: "members" },
    });
  }
}

/** TEAM-5: a group is never, at any depth, a member of itself. */
async function nestingAllowed({ tx, rules }: Work, parentId: string, childIds: readonly string[]): Promise<void> {
  await lockNesting(tx, rules.tenantId);
  const circles = await findCircles(tx, rules.tenantId, parentId, childIds);
  if (circles.length === 0) return;
  throw new Problem(
    "invalidValue",
    `The group ${circles[0]} contains this group already: nesting would close a circle.`,
    {
      facts: { rule: "TEAM-5", attribute: "members" },
    },
  );
}

/** TEAM-2: the externalId by which a group is bound is as good as the mapping itself. */
function protectExternalId(row: GroupRow, rules: TenantRules, authority: readonly string[]): void {
  if (row.externalId === null || row.entryKeys.length === 0 || holds(authority, "mapping.manage")) return;
  const administrative = row.entryKeys.some((key) => {
    const role = rules.entries.get(key)?.role;
    return role !== undefined && role !== null && isAdministrative(rules.role.get(role) ?? { permissions: [] });
  });
  const what = administrative ? "grants an administrative role" : "is part of the mapping";
  throw new Problem("forbidden", `This group ${what}: its externalId changes only with an Admin's authority.`, {
    facts: { rule: "TEAM-2", attribute: "externalId" },
  });
}

/** The entries of the mapping that a group of these names matches. */
export function entriesMatching(
  rules: TenantRules,
  group: { id: string; displayNameNorm: string; externalId: string | null },
): { key: string; teamId: string | null; role: string | null; tier: string | null }[] {
  const keys = [entryKey({ id: group.id }), entryKey({ displayName: group.displayNameNorm })];
  if (group.externalId !== null) keys.push(entryKey({ externalId: group.externalId }));
  return keys.flatMap((key) => rules.entries.get(key) ?? []);
}

/** Keys of the entries that grant a role or a tier: groups bound to them decide. */
export function grantingKeys(rules: TenantRules): string[] {
  return [...rules.entries.values()]
    .filter((entry) => entry.role !== null || entry.tier !== null)
    .map((entry) => entry.key);
}

/** Who may gain or lose by the change. Members named by the request are within their actor's authority (GRD-5). */
async function reachedBy(
  work: Work,
  row: GroupRow,
  plan: Plan,
  facts: { decides: boolean; binds: boolean },
): Promise<Omit<Reached, "authority">> {
  const { tx, rules } = work;
  if (!facts.decides) return { losing: [], gaining: [], named: new Set() };
  const nestedOut = await findDeepMembers(tx, rules.tenantId, plan.groupsOut);
  const nestedIn = await findDeepMembers(tx, rules.tenantId, plan.groupsIn);
  const everybody = facts.binds ? await findDeepMembers(tx, rules.tenantId, [row.id]) : [];
  return {
    losing: [...plan.usersOut, ...nestedOut],
    gaining: [...new Set([...plan.usersIn, ...nestedIn, ...everybody])],
    named: new Set(plan.usersIn),
  };
}

function eventsOf(
  work: Work,
  row: GroupRow,
  plan: Plan,
  facts: { binds: readonly string[]; renamed: boolean; isNew: boolean },
) {
  const events = [];
  const come = [...plan.usersIn, ...plan.groupsIn];
  const gone = [...plan.usersOut, ...plan.groupsOut];
  if (facts.renamed) {
    const before = { displayName: row.displayName, externalId: row.externalId };
    const after = { displayName: plan.displayName, externalId: plan.externalId };
    events.push({ ...eventOf(work, "group.renamed", "Group", row.id, after), before });
  }
  if (facts.binds.length > 0)
    events.push(eventOf(work, "group.bound", "Group", row.id, { entries: [...facts.binds] }, "TEAM-2"));
  if (come.length > 0) events.push(eventOf(work, "group.members-added", "Group", row.id, { members: come }));
  if (gone.length > 0) {
    events.push({ ...eventOf(work, "group.members-removed", "Group", row.id, {}), before: { members: gone } });
  }
  if (plan.unknown.length > 0) {
    const after = { unknown: plan.unknown.slice(0, 1_000).map((id) => id.slice(0, 100)) };
    events.push(eventOf(work, "group.members-skipped", "Group", row.id, after, "TEAM-5"));
  }
  return events;
}

export function noGroup(id: string): Problem {
  return new Problem("notFound", `There is no group with the id "${id.slice(0, 100)}".`);
}

/** A member was deleted between the look and the write: look again. */
async function retryVanished<T>(body: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await body();
    } catch (error) {
      if (attempt >= retriesMax || !isVanished(error)) throw error;
    }
  }
}

function isVanished(error: unknown): boolean {
  const cause = error instanceof Problem ? error.cause : error;
  return (cause as { code?: string } | undefined)?.code === "23503";
}
