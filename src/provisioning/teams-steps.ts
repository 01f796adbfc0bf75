/** Steps that the use cases of teams share: who may, whether it is there, and how it is told. */
import type { Executor } from "../db/database.ts";
import { findInTeamsOf } from "../db/own-teams.ts";
import { findTeam, listTeamsOf, lockTeams, type TeamRow } from "../db/teams.ts";
import { listSources } from "../db/teams-members.ts";
import type { JsonObject, Permission, TeamKind } from "../domain/model.ts";
import { ownTeams, reachOf, reservedOf } from "../domain/permissions.ts";
import { managePermission } from "../domain/teams.ts";
import { isUuid } from "../ids.ts";
import { Problem } from "../problems.ts";
import type { Work } from "./apply.ts";
import type { Principal } from "./context.ts";

/** A team, locked for the purpose. Problems: notFound, and forbidden where the actor may not manage it. */
export async function lockManaged(
  work: Work,
  authority: readonly Permission[],
  id: string,
  purpose: Parameters<typeof lockTeams>[3],
): Promise<TeamRow> {
  const { tx, rules } = work;
  const [locked] = isUuid(id) ? await lockTeams(tx, rules.tenantId, [id], purpose) : [];
  const team = locked === undefined ? undefined : await findTeam(tx, rules.tenantId, locked);
  if (team === undefined) throw noTeam(id);
  await requireManage(work, authority, team.kind, team);
  return team;
}

/**
 * E-8: passes where the actor holds the permission of the kind, or holds it for their own teams and is in this one.
 * Without a team the permission itself is needed.
 */
export async function requireManage(
  { tx, ctx, rules }: Work,
  authority: readonly Permission[],
  kind: TeamKind,
  team: Pick<TeamRow, "id" | "name"> | null,
): Promise<void> {
  const permission = managePermission[kind];
  const reach = reachOf(authority, [permission]);
  if (reach === "all") return;
  const own = reach === "own-teams" && team !== null ? await listOwnTeams(tx, rules.tenantId, ctx.principal) : [];
  if (team !== null && own.includes(team.id)) return;
  throw notAllowed(permission, reach === "own-teams" ? team : null);
}

/**
 * GRD-1: whom a reserved permission for own teams reaches is not for its holder to decide. They neither enter a team that
 * they are not in, nor bring people into theirs who are in no team of theirs yet. Problem: forbidden.
 */
export async function requireNoWidening(
  work: Work,
  authority: readonly Permission[],
  team: Pick<TeamRow, "id" | "kind" | "name">,
  joining: readonly string[],
): Promise<void> {
  const { deps, tx, ctx, rules } = work;
  const person = limitedPerson(ctx.principal, authority, team);
  if (person === null) return;
  const isIn = (await listOwnTeams(tx, rules.tenantId, ctx.principal)).includes(team.id);
  if (!isIn && joining.includes(person)) throw widening(authority, team);
  if (!isIn) return;
  const known = await findInTeamsOf(tx, deps.db, rules.tenantId, person, joining);
  if (joining.some((id) => !known.has(id))) throw widening(authority, team);
}

/** The same of a team that comes back with everybody in it. Problem: forbidden. */
export async function requireNoReturn(work: Work, authority: readonly Permission[], team: TeamRow): Promise<void> {
  const { tx, ctx, rules } = work;
  const person = limitedPerson(ctx.principal, authority, team);
  if (person === null) return;
  if ((await listSources(tx, rules.tenantId, [person], team.id)).length > 0) throw widening(authority, team);
}

/** The person for whom the actor holds a reserved permission in their own teams only. Agents are no unit of people. */
function limitedPerson(
  { person }: Principal,
  authority: readonly Permission[],
  { kind }: Pick<TeamRow, "kind">,
): string | null {
  return kind === "agent" || limitedOf(authority).length === 0 ? null : (person ?? null);
}

function limitedOf(authority: readonly Permission[]): Permission[] {
  return reservedOf({ permissions: authority }).filter((permission) => permission.endsWith(ownTeams));
}

function widening(authority: readonly Permission[], { kind, name }: Pick<TeamRow, "kind" | "name">): Problem {
  const [permission = ""] = limitedOf(authority);
  const detail =
    `You hold ${permission}: who is in your teams decides whom it reaches, so somebody who holds the permission everywhere ` +
    `changes who is in the ${kind} "${name}". Nothing was changed.`;
  return new Problem("forbidden", detail, { facts: { rule: "GRD-1", permission } });
}

/** E-8: the teams to which a permission for own teams reaches: those of the person whom the token acts for. */
export async function listOwnTeams(
  executor: Executor,
  tenantId: string,
  { person }: Pick<Principal, "person">,
): Promise<string[]> {
  return typeof person === "string" ? await listTeamsOf(executor, tenantId, person) : [];
}

function notAllowed(permission: Permission, team: Pick<TeamRow, "name"> | null): Problem {
  const detail =
    team === null
      ? `This needs the permission ${permission}.`
      : `You hold ${permission} for your own teams only, and "${team.name}" is none of them.`;
  return new Problem("forbidden", detail, { facts: { rule: "ROL-1", permission } });
}

export function noTeam(id: string): Problem {
  return new Problem("notFound", `There is no team with the id "${id.slice(0, 100)}".`);
}

export function archived({ kind, name }: Pick<TeamRow, "kind" | "name">, what: string): Problem {
  return new Problem("conflict", `The ${kind} "${name}" is archived: ${what} once it is brought back.`);
}

/** Ids that name nobody, or nothing of the kinds that are meant. */
export function unknownIds(what: string, attribute: string, ids: readonly string[]): Problem {
  const shown = ids.slice(0, 10).map((id) => `"${id.slice(0, 100)}"`);
  const more = ids.length > shown.length ? ` and ${ids.length - shown.length} more` : "";
  return new Problem("invalidValue", `No ${what} has the id ${shown.join(", ")}${more}. Nothing was changed.`, {
    facts: { attribute },
  });
}

/** Ids as they are compared: each once, in lower case. Problem `invalidValue` for what is no id. */
export function readIds(what: string, attribute: string, ids: readonly string[]): string[] {
  const strange = ids.filter((id) => !isUuid(id));
  if (strange.length > 0) throw unknownIds(what, attribute, strange);
  return [...new Set(ids.map((id) => id.toLowerCase()))];
}

/** Problem `invalidValue` for a change that names nobody. */
export function requireNamed(attribute: string, ...lists: readonly (readonly string[])[]): void {
  if (lists.some((ids) => ids.length > 0)) return;
  throw new Problem("invalidValue", `Name somebody in ${attribute}: nothing was changed.`, { facts: { attribute } });
}

/** A team as the log names it. */
export function toLogged({ kind, name }: Pick<TeamRow, "kind" | "name">): JsonObject {
  return { kind, name };
}
