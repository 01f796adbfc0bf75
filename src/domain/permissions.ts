/**
 * Permissions: what a role lets its holder do. Some are reserved (ROL-5): they govern people and the rules
 * themselves, and a role that holds one is administrative, whatever it is called.
 */
import type { Permission, Role } from "./model.ts";

/** Held by a built-in Admin role: every permission that there is, those that a product adds later included. */
export const everyPermission: Permission = "*";

/** The suffix of a permission that holds for the holder's own teams only (ROL-1). */
export const ownTeams = ":own-teams";

export interface PermissionKind {
  readonly name: Permission;
  readonly reserved: boolean;
  /** Whether limiting it to the holder's own teams (E-8) leaves something that it lets them do. */
  readonly limitable: boolean;
  readonly description: string;
}

// ROL-5: managing users, roles, tokens, settings, mapping, domains, issuers and promotions.
const reserved: readonly PermissionKind[] = [
  ["users.manage", "Change, suspend and delete users, and pin their role"],
  ["roles.manage", "Create, change and delete roles"],
  ["tokens.manage", "Mint, rotate and revoke tokens"],
  ["settings.manage", "Change the tenant's settings"],
  ["mapping.manage", "Read and change the mapping from groups and attributes to teams, roles and tiers"],
  ["domains.manage", "Add and verify mail domains"],
  ["issuers.manage", "Trust an identity provider's tokens"],
  ["promotions.manage", "Approve and decline promotion requests"],
].map(([name = "", description = ""]) => ({ name, reserved: true, limitable: false, description }));

const tenantWide: readonly PermissionKind[] = [
  ["roles.read", "See the catalogue of roles"],
  ["licenses.read", "See pools, quotes and waitlists"],
  ["licenses.manage", "Assign and release seats, change pool settings, give priority on a waitlist"],
  ["licenses.purchase", "Buy seats and give them back"],
  ["billing.manage", "See and change billing and tax data"],
  ["events.read", "Read the log of changes"],
  ["provisioning-log.read", "Read what each connection sent and was answered"],
  ["access.evaluate", "Ask what a person may do"],
  ["connectors.manage", "Create and manage connectors"],
  ["agents.use", "Use the AI agents shared with oneself, one's groups or workspaces"],
  ["calls.web-phone", "Make and receive calls with the web phone"],
  ["call-analysis.use", "Have one's calls analysed"],
  ["conversations.use", "Hold conversations"],
  ["content.edit", "Edit content"],
  ["profile.manage", "Edit one's own profile"],
].map(([name = "", description = ""]) => ({ name, reserved: false, limitable: false, description }));

const ofTeams: readonly PermissionKind[] = [
  ["users.read", "See users, their role, status, license and teams"],
  ["teams.read", "See teams and their members"],
  ["teams.manage", "Create teams and change their members"],
  ["workspaces.manage", "Create and manage workspaces"],
  ["queues.manage", "Assign people to queues"],
  ["agents.manage", "Create and manage AI agents"],
  ["budgets.manage", "Set a person's budget"],
  ["calls.read", "See calls"],
  ["calls.manage", "Manage calls"],
  ["calls.handle", "Take part in calls of a queue"],
  ["calls.history", "See how many calls a person handled"],
  ["call-analysis.manage", "Turn call analysis on and off for people"],
  ["reports.read", "Read reports"],
].map(([name = "", description = ""]) => ({ name, reserved: false, limitable: true, description }));

/**
 * Every permission that Usher knows by name. A product may add its own (`invoices.read`): any name that
 * `isPermissionName` accepts is stored and answered by access evaluation; it is never reserved.
 */
export const permissionCatalogue: readonly PermissionKind[] = [...reserved, ...ofTeams, ...tenantWide];

export const reservedPermissions: readonly Permission[] = reserved.map(({ name }) => name);

const reservedNames = new Set(reservedPermissions);

/** Whether the text may stand in a role: words such as `area.verb`, optionally limited to the own teams, or `*`. */
export function isPermissionName(text: string): boolean {
  return text === everyPermission || (text.length <= 100 && /^[a-z0-9]+([.-][a-z0-9]+)*(:own-teams)?$/.test(text));
}

/** Whether a permission is reserved. Its limitation to own teams does not make it harmless, nor does `*`. */
export function isReserved(permission: Permission): boolean {
  return permission === everyPermission || reservedNames.has(withoutLimit(permission));
}

/** The reserved permissions of a role, `*` spelled out; in the catalogue's order, so that two answers compare. */
export function reservedOf(role: Pick<Role, "permissions">): Permission[] {
  return reservedPermissions.flatMap((name) => {
    if (holds(role.permissions, name)) return [name];
    return holds(role.permissions, name + ownTeams) ? [name + ownTeams] : [];
  });
}

/** ROL-5: whether a role holds a reserved permission. */
export function isAdministrative(role: Pick<Role, "permissions">): boolean {
  return role.permissions.some(isReserved);
}

/**
 * Whether a set of permissions contains the wanted one. A permission contains its own limitation to own teams, never
 * the other way round; `*` contains everything, and only `*` contains `*`.
 */
export function holds(permissions: readonly Permission[], wanted: Permission): boolean {
  return (
    permissions.includes(everyPermission) || permissions.includes(wanted) || permissions.includes(withoutLimit(wanted))
  );
}

/** How far a permission reaches: everywhere, within the teams that its holder is in (E-8), or nowhere. */
export type Reach = "all" | "own-teams" | "none";

/** How far whichever of these permissions reaches furthest. */
export function reachOf(held: readonly Permission[], wanted: readonly Permission[]): Reach {
  if (wanted.some((permission) => holds(held, permission))) return "all";
  return wanted.some((permission) => holds(held, withoutLimit(permission) + ownTeams)) ? "own-teams" : "none";
}

/** The wanted permissions that a set does not contain. */
export function missing(permissions: readonly Permission[], wanted: readonly Permission[]): Permission[] {
  return wanted.filter((permission) => !holds(permissions, permission));
}

/** What two sets have in common: the lesser of two authorities (GRD-3). */
export function intersect(one: readonly Permission[], other: readonly Permission[]): Permission[] {
  const both = [...one.filter((name) => holds(other, name)), ...other.filter((name) => holds(one, name))];
  return [...new Set(both)];
}

/**
 * What a person's role is worth: its reserved permissions count only as far as the grants behind the role cover them
 * (GRD-5), so that an edit of the catalogue raises nobody before an Admin has said so.
 */
export function backedBy(permissions: readonly Permission[], granted: readonly Permission[]): Permission[] {
  const unbacked = missing(granted, reservedOf({ permissions }));
  if (unbacked.length === 0) return [...permissions];
  return spellOut(permissions).filter(
    (name) => !isReserved(name) || (name !== everyPermission && holds(granted, name)),
  );
}

/** A set that holds `*` together with the names that Usher knows, for those who look for a name in it. */
export function spellOut(permissions: readonly Permission[]): Permission[] {
  if (!permissions.includes(everyPermission)) return [...permissions];
  return [...new Set([everyPermission, ...permissionCatalogue.map(({ name }) => name), ...permissions])];
}

/** The permission itself, of one that is limited to own teams. */
export function withoutLimit(permission: Permission): Permission {
  return permission.endsWith(ownTeams) ? permission.slice(0, -ownTeams.length) : permission;
}
