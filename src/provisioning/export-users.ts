/** Exports people as CSV (P-9): page by page, so that no number of them is ever held; told in the log before it begins. */
import { findAuthority, requireReach } from "../auth/authority.ts";
import { recordEvents } from "../db/events.ts";
import { listUserIds, type UserListFilter, type UserListPosition } from "../db/user-list.ts";
import { findUserAccounts, type UserAccount } from "../db/users.ts";
import type { TenantRules } from "../domain/access.ts";
import { primaryEmail } from "../domain/identity.ts";
import type { Json, JsonObject } from "../domain/model.ts";
import { holds, spellOut } from "../domain/permissions.ts";
import { usherExtension } from "../domain/words.ts";
import { actorOf, type Deps, type RequestContext } from "./context.ts";
import { toCsvLines } from "./csv-lines.ts";

/** People of one page: 300 kB of text. */
const pageSize = 500;

type Column = (account: UserAccount, rules: TenantRules) => string | null;

const columns: Readonly<Record<string, Column>> = {
  email: ({ doc }) => primaryEmail(doc),
  userName: ({ doc }) => doc.userName,
  name: ({ doc }) => nameOf(doc),
  phone: ({ doc }) => primaryOf(doc.phoneNumbers),
  company: ({ doc }) => textOf(usherExtension(doc).company),
  status: ({ status }) => status,
  role: ({ role }) => role,
  permissions: ({ role }, rules) => spellOut(rules.role.get(role)?.permissions ?? []).join(" "),
  licenseStatus: ({ license }) => license.status,
  licenseTier: ({ license }) => license.tier ?? license.wanted,
  teams: ({ teams }) => teams.map(({ display }) => display).join("; "),
  createdAt: ({ createdAt }) => createdAt,
  id: ({ id }) => id,
};

/**
 * The lines of the file, its header first. What a role permits is among the columns for whoever may see the roles. E-8:
 * who sees the people of their own teams exports no others. Problem: forbidden, before the first line.
 */
export async function* exportUsers(deps: Deps, ctx: RequestContext, filter: UserListFilter): AsyncGenerator<string> {
  const { tenantId } = ctx.principal;
  const reach = await requireReach(deps, ctx, "users.read");
  const seen: UserListFilter = reach === null ? filter : { ...filter, within: reach.of };
  const held = await findAuthority(deps.db, ctx.principal, deps.clock());
  const shown = Object.entries(columns).filter(([name]) => name !== "permissions" || holds(held, "roles.read"));
  const rules = await deps.rules.current(deps.db, tenantId);
  await tellExport(
    deps,
    ctx,
    filter,
    shown.map(([name]) => name),
  );
  yield toCsvLines([shown.map(([name]) => name)]);
  let after: UserListPosition | null = null;
  for (;;) {
    const page: UserListPosition[] = await listUserIds(deps.db, tenantId, seen, after, pageSize);
    const ids = page.map(({ id }) => id);
    const accounts = await findUserAccounts(deps.db, tenantId, ids);
    if (accounts.length > 0) yield toCsvLines(accounts.map((account) => shown.map(([, read]) => read(account, rules))));
    after = page.at(-1) ?? null;
    if (after === null || page.length < pageSize) return;
  }
}

/** LOG-1: data that leave are told of before they do. */
async function tellExport(
  deps: Deps,
  ctx: RequestContext,
  filter: UserListFilter,
  names: readonly string[],
): Promise<void> {
  const { tenantId } = ctx.principal;
  const event = {
    tenantId,
    at: deps.clock().toISOString(),
    actor: actorOf(ctx),
    action: "users.exported",
    subjectType: "Tenant",
    subjectId: tenantId,
    after: { filter: { ...filter } as JsonObject, columns: [...names] },
    requestId: ctx.requestId,
  };
  await deps.db.transaction((tx) => recordEvents(tx, [event]));
}

function nameOf(doc: JsonObject): string | null {
  const name = isObject(doc.name) ? doc.name : {};
  const parts = [textOf(name.givenName), textOf(name.familyName)].filter((part) => part !== null);
  return textOf(doc.displayName) ?? textOf(name.formatted) ?? (parts.join(" ") || null);
}

function primaryOf(values: Json | undefined): string | null {
  if (!Array.isArray(values)) return null;
  const items = (values as readonly Json[]).filter(isObject);
  const chosen = items.find((item) => item.primary === true) ?? items[0];
  return textOf(chosen?.value);
}

function textOf(value: Json | undefined): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
