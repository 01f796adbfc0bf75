/** A user as the management API shows them: their words, what was decided, and what is known of their comings and goings. */
import { findUserDetails, type UserDetails } from "../db/activities.ts";
import type { UserAccount } from "../db/users.ts";
import type { TenantRules } from "../domain/access.ts";
import { budgetOf } from "../domain/budget.ts";
import { primaryEmail } from "../domain/identity.ts";
import type { Json, JsonObject } from "../domain/model.ts";
import { usherExtension } from "../domain/words.ts";
import type { Call } from "./operation.ts";

/** Accounts in their order, each with everything that is shown. */
export async function showUsers({ deps, ctx }: Pick<Call, "deps" | "ctx">, accounts: readonly UserAccount[]) {
  const { tenantId } = ctx.principal;
  if (accounts.length === 0) return [];
  const rules = await deps.rules.recent(deps.db, tenantId);
  const ids = accounts.map(({ id }) => id);
  const details = await findUserDetails(deps.db, tenantId, ids);
  return accounts.map((account) => toUser(account, details.get(account.id) ?? nothingKnown, rules));
}

export async function showUser(call: Pick<Call, "deps" | "ctx">, account: UserAccount) {
  const [user] = await showUsers(call, [account]);
  return user as NonNullable<typeof user>;
}

const nothingKnown: UserDetails = {
  lastSeenAt: null,
  online: false,
  callsHandled: null,
  trained: false,
  reviewedAt: null,
  reviewedBy: null,
  invitedAt: null,
  invitationSends: null,
};

function toUser(view: UserAccount, details: UserDetails, rules: TenantRules) {
  const { doc } = view;
  const name = isObject(doc.name) ? doc.name : {};
  const words = usherExtension(doc);
  const displayName = displayNameOf(doc, name);
  const email = primaryEmail(doc);
  return {
    id: view.id,
    userName: doc.userName,
    externalId: textOf(doc.externalId),
    displayName,
    givenName: textOf(name.givenName),
    familyName: textOf(name.familyName),
    email,
    phone: primaryOf(doc.phoneNumbers),
    company: textOf(words.company),
    callAnalysis: words.callAnalysis === true,
    budget: budgetOf(doc, view.spent),
    startDate: textOf(words.startDate),
    endDate: textOf(words.endDate),
    source: view.source === "scim" ? "scim" : "management",
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
    invitation: invitationOf(view, details),
    lastSeenAt: details.lastSeenAt,
    online: details.online,
    callsHandled: showsCalls(view, rules) ? details.callsHandled : null,
    reviewedAt: details.reviewedAt,
    reviewedBy: details.reviewedBy === null ? null : { id: details.reviewedBy.id, label: details.reviewedBy.label },
    onboarding: {
      profile: displayName !== null && email !== null,
      queues: view.teams.some(({ kind }) => kind === "queue"),
      training: details.trained,
    },
    sessionsNotBefore: view.sessionsNotBefore,
    createdAt: view.createdAt,
    modifiedAt: view.modifiedAt,
  };
}

/** Q-11, LIC-9: the number of calls comes with a tier whose seat is held. */
function showsCalls({ license }: UserAccount, rules: TenantRules): boolean {
  const tier = license.tier === null ? undefined : rules.tier.get(license.tier);
  return tier?.permissions.includes("calls.history") ?? false;
}

function invitationOf({ invitationExpiresAt }: UserAccount, { invitedAt, invitationSends }: UserDetails) {
  if (invitationExpiresAt === null) return null;
  return { expiresAt: invitationExpiresAt, invitedAt, sends: invitationSends ?? 0 };
}

function displayNameOf(doc: JsonObject, name: JsonObject): string | null {
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
