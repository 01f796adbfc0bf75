/** The access review: who has what, since when, by which reason and by whose hand; page by page, or as one file. */
import { findAuthority, type OwnTeams, reachWithin } from "../auth/authority.ts";
import { findReviewFacts, type ReviewFacts, type ReviewGrant } from "../db/access-review.ts";
import { recordEvents } from "../db/events.ts";
import { listUserIds, type UserListFilter, type UserListPosition } from "../db/user-list.ts";
import { findUserAccounts, findUserStates, type LicenseView, type UserAccount } from "../db/users.ts";
import { type Candidate, roleCandidates, type TenantRules, tierCandidates } from "../domain/access.ts";
import { displayNameOf, primaryEmail } from "../domain/identity.ts";
import type { JsonObject, UserState } from "../domain/model.ts";
import { findExcess, type PrivilegeReason } from "../domain/privilege.ts";
import { Problem } from "../problems.ts";
import { formatInstant, parseInstant } from "../vocabulary/instants.ts";
import { actorOf, type Deps, type RequestContext } from "./context.ts";
import { toCsvLines } from "./csv-lines.ts";

/** What a caller may ask the review for. */
export type ReviewQuery = Pick<UserListFilter, "role" | "tier" | "team" | "status" | "changedSince">;

/** One person with everything that a reviewer asks. */
export interface ReviewedPerson {
  readonly id: string;
  readonly userName: string;
  readonly displayName: string | null;
  readonly email: string | null;
  readonly status: string;
  readonly suspended: boolean;
  readonly role: {
    readonly value: string;
    readonly name: string;
    readonly administrative: boolean;
    readonly source: string;
    readonly because: string;
    readonly since: string | null;
    /** What the person would hold without an Admin's pin. */
    readonly sourced: string;
    /** What speaks against it: pinned above the sources, kept for want of another Admin. */
    readonly excess: readonly PrivilegeReason[];
  };
  /** The tier that the sources ask for, and the license held. */
  readonly tier: {
    readonly value: string | null;
    readonly source: string;
    readonly because: string;
    readonly license: LicenseView;
  };
  /** What backs an administrative role, and by whose authority. */
  readonly grants: readonly ReviewGrant[];
  readonly teams: ReviewFacts["teams"];
  readonly createdAt: string;
  readonly lastSeenAt: string | null;
  readonly reviewedAt: string | null;
  readonly lastChange: ReviewFacts["lastChange"];
}

/** One row of a page: the person, and where the next page goes on. */
export interface ReviewRow {
  readonly position: UserListPosition;
  readonly person: ReviewedPerson;
}

/** A reader of pages, by userName. Problems: forbidden, unknownRole, unknownTier, invalidValue (changedSince). */
export async function reviewAccess(deps: Deps, ctx: RequestContext, query: ReviewQuery) {
  const { tenantId } = ctx.principal;
  const rules = await deps.rules.current(deps.db, tenantId);
  const filter = toFilter(rules, query, await reachOf(deps, ctx));
  return async (after: UserListPosition | null, limit: number): Promise<ReviewRow[]> => {
    const page = await listUserIds(deps.db, tenantId, filter, after, limit);
    const people = await describePeople(
      deps,
      rules,
      page.map(({ id }) => id),
    );
    return page.flatMap((position) => {
      const person = people.get(position.id);
      return person === undefined ? [] : [{ position, person }];
    });
  };
}

/** People of one page of the file. */
const filePageSize = 500;

/** The review as lines of CSV, its header first; the log tells of it before anything leaves (LOG-1). */
export async function* exportAccessReview(deps: Deps, ctx: RequestContext, query: ReviewQuery): AsyncGenerator<string> {
  const read = await reviewAccess(deps, ctx, query);
  await tellExport(deps, ctx, query);
  yield toCsvLines([Object.keys(columns)]);
  let after: UserListPosition | null = null;
  do {
    const page: ReviewRow[] = await read(after, filePageSize);
    if (page.length > 0) yield toCsvLines(page.map(({ person }) => Object.values(columns).map((cell) => cell(person))));
    after = page.at(-1)?.position ?? null;
  } while (after !== null);
}

const columns: Readonly<Record<string, (person: ReviewedPerson) => string | null>> = {
  userName: ({ userName }) => userName,
  name: ({ displayName }) => displayName,
  email: ({ email }) => email,
  status: ({ status, suspended }) => (suspended ? `${status}, stopped` : status),
  role: ({ role }) => role.value,
  roleSource: ({ role }) => role.source,
  roleReason: ({ role }) => role.because,
  roleSince: ({ role }) => role.since,
  sourcedRole: ({ role }) => role.sourced,
  findings: ({ role }) => role.excess.map(({ because }) => because).join(" "),
  administrative: ({ role }) => (role.administrative ? "yes" : "no"),
  grants: ({ grants }) =>
    grants.map((one) => `${one.role} by ${one.source}: ${one.authorizedBy.label}, ${one.grantedAt}`).join("; "),
  tier: ({ tier }) => tier.value,
  tierSource: ({ tier }) => tier.source,
  tierReason: ({ tier }) => tier.because,
  licenseStatus: ({ tier }) => tier.license.status,
  licenseTier: ({ tier }) => tier.license.tier,
  licenseSince: ({ tier }) => tier.license.since,
  teams: ({ teams }) =>
    teams.map(({ kind, display, sources }) => `${kind} ${display} (${sources.join(", ")})`).join("; "),
  createdAt: ({ createdAt }) => createdAt,
  lastSeenAt: ({ lastSeenAt }) => lastSeenAt,
  reviewedAt: ({ reviewedAt }) => reviewedAt,
  lastChangeAt: ({ lastChange }) => lastChange?.at ?? null,
  lastChange: ({ lastChange }) => lastChange?.action ?? null,
  lastChangeBy: ({ lastChange }) => lastChange?.actor.label ?? null,
  id: ({ id }) => id,
};

/** E-8: who reads reports of their own teams sees these people and no others. */
async function reachOf(deps: Deps, ctx: RequestContext): Promise<OwnTeams | null> {
  const held = await findAuthority(deps.db, ctx.principal, deps.clock());
  return reachWithin(held, ctx.principal, ["reports.read"]);
}

function toFilter(rules: TenantRules, query: ReviewQuery, reach: OwnTeams | null): UserListFilter {
  const { role, tier, changedSince } = query;
  if (role !== undefined && !rules.role.has(role)) {
    const known = [...rules.role.keys()].join(", ");
    throw new Problem("unknownRole", `There is no role "${role}". Known roles: ${known}.`);
  }
  if (tier !== undefined && tier !== "none" && !rules.tier.has(tier)) {
    const known = [...rules.tier.keys()].join(", ");
    throw new Problem("unknownTier", `There is no tier "${tier}". Known tiers: ${known}, or "none".`);
  }
  const since = changedSince === undefined ? undefined : parseInstant(changedSince);
  if (changedSince !== undefined && since === undefined) {
    throw new Problem("invalidValue", "changedSince is a moment such as 2026-01-05T09:00:00Z.", {
      facts: { attribute: "changedSince" },
    });
  }
  const changed = since === undefined ? {} : { changedSince: formatInstant(since) };
  return { ...query, ...changed, ...(reach === null ? {} : { within: reach.of }) };
}

async function describePeople(
  deps: Deps,
  rules: TenantRules,
  ids: readonly string[],
): Promise<Map<string, ReviewedPerson>> {
  const { tenantId } = rules;
  const states = new Map((await findUserStates(deps.db, tenantId, ids)).map((state) => [state.id, state]));
  const facts = await findReviewFacts(deps.db, tenantId, ids);
  const people = new Map<string, ReviewedPerson>();
  for (const account of await findUserAccounts(deps.db, tenantId, ids)) {
    const [state, known] = [states.get(account.id), facts.get(account.id)];
    // Deleted while the page was read.
    if (state === undefined || known === undefined) continue;
    people.set(account.id, describePerson(rules, account, state, known));
  }
  return people;
}

function describePerson(
  rules: TenantRules,
  account: UserAccount,
  state: UserState,
  known: ReviewFacts,
): ReviewedPerson {
  const { doc } = account;
  const excess = findExcess({ state, unseenDays: null }, rules);
  const tier = tierCandidates(state, rules)[0];
  const role = roleCandidates(state, rules).find(
    (one) => one.source === state.roleSource && one.value.key === state.role,
  );
  return {
    id: account.id,
    userName: doc.userName,
    displayName: displayNameOf(doc),
    email: primaryEmail(doc),
    status: account.status,
    suspended: account.suspended,
    role: {
      value: state.role,
      name: rules.role.get(state.role)?.name ?? state.role,
      administrative: state.administrative,
      source: state.roleSource,
      because: reasonOf(role, account, "Nobody else is Admin of this tenant, so the role stays."),
      since: known.roleSince,
      sourced: excess.sourcedRole,
      excess: excess.reasons,
    },
    tier: {
      value: tier?.value?.key ?? null,
      source: tier?.source ?? "default",
      because: reasonOf(tier, account, "No license by default."),
      license: account.license,
    },
    grants: known.grants,
    // TEAM-4: who is out is in no team.
    teams: account.status === "active" ? known.teams : [],
    createdAt: account.createdAt,
    lastSeenAt: known.lastSeenAt,
    reviewedAt: known.reviewedAt,
    lastChange: known.lastChange,
  };
}

/** The claim in one sentence, a group by its name. Without a claim the role is one that an edit is about to take. */
function reasonOf(claim: Candidate<unknown> | undefined, { groups }: UserAccount, otherwise: string): string {
  if (claim === undefined) return otherwise;
  const { kind, source, because } = claim;
  const group = kind === "group" ? groups.find(({ value }) => source.endsWith(`|${value}`)) : undefined;
  return group === undefined ? because : because.replace("of the group", `of the group "${group.display}"`);
}

async function tellExport(deps: Deps, ctx: RequestContext, query: ReviewQuery): Promise<void> {
  const { tenantId } = ctx.principal;
  const event = {
    tenantId,
    at: deps.clock().toISOString(),
    actor: actorOf(ctx),
    action: "access-review.exported",
    subjectType: "Tenant",
    subjectId: tenantId,
    after: { filter: { ...query } as JsonObject },
    requestId: ctx.requestId,
  };
  await deps.db.transaction((tx) => recordEvents(tx, [event]));
}
