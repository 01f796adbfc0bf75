/** Tag users: people, what was decided about them and why. */
import { type OwnTeams, requirePermission, requireReach } from "../auth/authority.ts";
import { countUsers, listUserIds, type UserListFilter, type UserListPosition } from "../db/user-list.ts";
import { findUserAccounts, type UserAccount } from "../db/users.ts";
import { primaryEmail } from "../domain/identity.ts";
import type { Json, JsonObject } from "../domain/model.ts";
import { usherExtension } from "../domain/words.ts";
import { explainUser } from "../provisioning/explain.ts";
import { requireWithin } from "../provisioning/own-teams.ts";
import { type AccessChange, changeAccess, deleteUser, getAccount } from "../provisioning/users.ts";
import { readPage } from "./cursor.ts";
import { requireForSeats, requireForUser } from "./license-permission.ts";
import type { Call, Handlers } from "./operation.ts";

export const userHandlers: Handlers = {
  async listUsers(call) {
    const { db } = call.deps;
    const { tenantId } = call.ctx.principal;
    const filter = within(call.query as UserListFilter, await requireReach(call.deps, call.ctx, "users.read"));
    const read = (after: UserListPosition | null, limit: number) => listUserIds(db, tenantId, filter, after, limit);
    const { rows, nextCursor } = await readPage(call, read, (position) => position);
    const ids = rows.map((row) => row.id);
    const users = await findUserAccounts(db, tenantId, ids);
    const total = await countUsers(db, tenantId, filter);
    return { body: { users: users.map(toUser), total, nextCursor } };
  },

  async getUser(call) {
    await requireVisible(call);
    return { body: toUser(await getAccount(call.deps, call.ctx, call.params.id!)) };
  },

  async changeUser(call) {
    const { deps, ctx } = call;
    const id = call.params.id!;
    const change = call.body as AccessChange;
    if (change.role !== undefined || change.suspended !== undefined) await requirePermission(deps, ctx, "users.manage");
    if (change.tier !== undefined) await requireForSeats(call);
    if (change.suspended !== undefined) await requireForUser(call, id);
    return { body: toUser(await changeAccess(deps, ctx, id, change)) };
  },

  async deleteUser(call) {
    const id = call.params.id!;
    await requireForUser(call, id);
    await deleteUser(call.deps, call.ctx, id);
    return {};
  },

  async explainUser(call) {
    await requireVisible(call);
    return { body: await explainUser(call.deps, call.ctx, call.params.id!) };
  },
};

/** E-8: who sees the people of their own teams finds no others, whatever else the list is filtered by. */
function within(filter: UserListFilter, reach: OwnTeams | null): UserListFilter {
  return reach === null ? filter : { ...filter, within: reach.of };
}

async function requireVisible({ deps, ctx, params }: Call): Promise<void> {
  const reach = await requireReach(deps, ctx, "users.read");
  await requireWithin(deps.db, ctx.principal.tenantId, reach, params.id!);
}

/** A user as the management API shows them. */
export function toUser(view: UserAccount) {
  const { doc } = view;
  return {
    id: view.id,
    userName: doc.userName,
    externalId: textOf(doc.externalId),
    displayName: displayNameOf(doc),
    email: primaryEmail(doc),
    phone: primaryOf(doc.phoneNumbers),
    company: textOf(usherExtension(doc).company),
    active: doc.active,
    suspended: view.suspended,
    status: view.status,
    role: view.role,
    roleSource: view.roleSource,
    administrative: view.administrative,
    rolePin: view.rolePin,
    tierPin: view.tierPinned ? (view.tierPin ?? "none") : null,
    tierSource: view.tierSource,
    license: view.license,
    teams: view.teams,
    groups: view.groups,
    createdAt: view.createdAt,
    modifiedAt: view.modifiedAt,
  };
}

function displayNameOf(doc: JsonObject): string | null {
  const name = isObject(doc.name) ? doc.name : {};
  const parts = [textOf(name.givenName), textOf(name.familyName)].filter((part) => part !== null);
  return textOf(doc.displayName) ?? textOf(name.formatted) ?? (parts.join(" ") || null);
}

function primaryOf(values: Json | undefined): string | null {
  if (!Array.isArray(values)) return null;
  const items = values.filter(isObject);
  const chosen = items.find((item) => item.primary === true) ?? items[0];
  return textOf(chosen?.value);
}

function textOf(value: Json | undefined): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
