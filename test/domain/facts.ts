/** A tenant's facts and people for tests of the rule book, and what a decision makes of a person. Pure, like the domain. */
import fc from "fast-check";
import type { TenantRules } from "../../src/domain/access.ts";
import { type Circumstances, type Decision, decideUser, type Outcome } from "../../src/domain/decide.ts";
import type { Draft } from "../../src/domain/draft.ts";
import type { EvaluatedPerson } from "../../src/domain/evaluation.ts";
import { activeTime } from "../../src/domain/lifecycle.ts";
import type {
  Binding,
  Grant,
  GroupEntry,
  JsonObject,
  MappingRule,
  Permission,
  Role,
  Settings,
  Tier,
  UserDoc,
  UserState,
} from "../../src/domain/model.ts";
import { reservedPermissions } from "../../src/domain/permissions.ts";
import { defaultSettings } from "../../src/domain/presets.ts";
import type { Refusal } from "../../src/domain/refusals.ts";
import { USHER_USER } from "../../src/domain/words.ts";
import { compileRules } from "../../src/provisioning/rules.ts";

export const now = new Date("2026-03-01T12:00:00.000Z");

const role = (key: string, name: string, rank: number, ...permissions: Permission[]): Role => ({
  key,
  name,
  rank,
  permissions,
  builtIn: false,
});

/** Three roles that are administrative, one of them in full, and three that are not. */
export const roles = [
  role("owner", "Owner", 100, "*"),
  role("helpdesk", "Help Desk", 70, "users.manage", "users.read"),
  role("billing", "Billing", 60, "tokens.manage", "billing.manage"),
  role("lead", "Team Lead", 50, "users.read", "teams.manage:own-teams"),
  role("editor", "Editor", 40, "content.edit"),
  role("user", "User", 10, "profile.manage"),
] as const;

const tier = (key: string, name: string, rank: number, ...permissions: Permission[]): Tier => ({
  key,
  name,
  rank,
  permissions,
  unlimited: false,
  minimum: 0,
  unitPrice: null,
  currency: "USD",
  billingCycle: "monthly",
  renewsOn: null,
  whenFull: "waitlist",
  drain: "auto",
});

export const tiers = [
  tier("pro", "Professional", 3, "conversations.use", "calls.web-phone"),
  tier("standard", "Standard", 2, "conversations.use"),
  tier("viewer", "Viewer", 1),
];

export interface RulesChange {
  readonly version?: number;
  readonly roles?: readonly Role[];
  readonly settings?: Partial<Settings>;
  readonly groups?: readonly GroupEntry[];
  readonly rules?: readonly MappingRule[];
  readonly defaults?: { readonly role?: string; readonly tier?: string | null };
  readonly domains?: readonly string[];
  readonly teams?: readonly string[];
}

/** The facts of a tenant; what is not said is as in a new one, with `user` as the default role. */
export function someRules(change: RulesChange = {}): TenantRules {
  return compileRules("tenant", {
    version: change.version ?? 1,
    settings: { ...defaultSettings, ...change.settings },
    roles: change.roles ?? roles,
    tiers,
    mapping: {
      groups: change.groups ?? [],
      rules: change.rules ?? [],
      defaults: { role: "user", tier: null, ...change.defaults },
      autoTeams: true,
    },
    mappingVersion: 1,
    teams: (change.teams ?? []).map((name) => ({ id: `team ${name}`, kind: "team", nameNorm: name.toLowerCase() })),
    verifiedDomains: change.domains ?? [],
  });
}

/** Entries that match by externalId, one for each role or tier named. */
export function entriesFor(...keys: string[]): GroupEntry[] {
  return keys.map((key) => ({
    match: { externalId: key },
    ...(roles.some((one) => one.key === key) ? { role: key } : { tier: key }),
  }));
}

/** The binding of an entry from `entriesFor`. */
export function boundTo(key: string, groupId = `group ${key}`): Binding {
  return { groupId, entryKey: `externalId:${key}` };
}

export function aDoc(change: Record<string, unknown> = {}, extension: JsonObject = {}): UserDoc {
  const words = Object.keys(extension).length === 0 ? {} : { [USHER_USER]: extension };
  return { userName: "ada@example.com", active: true, ...change, ...words } as UserDoc;
}

/** Words that name a role, in the two places where a client may. */
export const named = {
  text: (key: string) => aDoc({}, { role: key }),
  entry: (...values: string[]) => aDoc({ roles: values.map((value) => ({ value })) }),
};

export function aDraft(change: Partial<Draft> = {}): Draft {
  return {
    doc: aDoc(),
    suspended: false,
    accepted: true,
    invitationExpiresAt: null,
    rolePin: null,
    tierPin: { pinned: false },
    bindings: [],
    ...change,
  };
}

export function draftOf(state: UserState, change: Partial<Draft> = {}): Draft {
  const { doc, suspended, accepted, invitationExpiresAt, rolePin, tierPin, bindings } = state;
  return { doc, suspended, accepted, invitationExpiresAt, rolePin, tierPin, bindings, ...change };
}

export type Asked = Partial<Omit<Circumstances, "rules">>;

/** A request about the person themselves, by somebody with the given permissions: none unless said. */
export function ask(rules: TenantRules, before: UserState | null, draft: Draft, asked: Asked = {}): Outcome {
  const usual = { now, direct: true, authority: [], approved: [], asserted: new Set<string>(), otherAdmin: true };
  return decideUser(before, draft, { ...usual, ...asked, rules });
}

/** The decision of a request that is expected not to be refused. */
export function decided(outcome: Outcome): Decision {
  if (outcome.kind === "decided") return outcome;
  throw new Error(outcome.kind === "refused" ? outcome.refusal.detail : "asks whether another Admin exists");
}

/** The person as access evaluation sees them. */
export function personOf(state: UserState, teams: EvaluatedPerson["teams"] = []): EvaluatedPerson {
  const { suspended, accepted, invitationExpiresAt, role, seat, waiting, sessionsNotBefore } = state;
  const grants = state.grants.filter((grant) => grant.role === role && grant.source === state.roleSource);
  return {
    active: state.doc.active,
    ...activeTime(state.doc),
    ...{ suspended, accepted, invitationExpiresAt, role, sessionsNotBefore, teams },
    granted: grants.flatMap((grant) => grant.permissions),
    seat: seat?.tier ?? null,
    waiting: waiting?.tier ?? null,
  };
}

/** The refusal of a request that is expected to be refused. */
export function refused(outcome: Outcome): Refusal {
  if (outcome.kind === "refused") return outcome.refusal;
  throw new Error(`not refused: ${outcome.kind}`);
}

/** The person as stored once the decision is written: what provisioning/apply does, without a database. */
export function stored(before: UserState | null, decision: Decision, rules: TenantRules, at = now): UserState {
  const { draft, endedGrants, newGrant } = decision;
  const same = (one: Grant, other: Grant) => one.role === other.role && one.source === other.source;
  const kept = (before?.grants ?? []).filter((grant) => !endedGrants.some((ended) => same(ended, grant)));
  const grants = newGrant === null ? kept : [...kept.filter((grant) => !same(grant, newGrant)), newGrant];
  return {
    id: "0190a0b0-0000-7000-8000-000000000001",
    ...draft,
    status: decision.status,
    role: decision.role.key,
    roleSource: decision.roleSource,
    administrative: decision.administrative,
    tier: decision.tier,
    tierSource: decision.tierSource,
    decidedVersion: rules.version,
    version: (before?.version ?? 0) + 1,
    revision: (before?.revision ?? 0) + 1,
    createdAt: before?.createdAt ?? at.toISOString(),
    modifiedAt: at.toISOString(),
    sessionsNotBefore: null,
    grants,
    seat: before?.seat ?? null,
    waiting: before?.waiting ?? null,
  };
}

/** A person who came with these facts, by an Admin's hand, so that whatever they ask for is granted. */
export function somebody(rules: TenantRules, change: Partial<Draft> = {}, asked: Asked = {}): UserState {
  return stored(null, decided(ask(rules, null, aDraft(change), { authority: ["*"], ...asked })), rules);
}

/** A person who came without anybody's authority. */
export function newcomer(rules: TenantRules, change: Partial<Draft> = {}): UserState {
  return stored(null, decided(ask(rules, null, aDraft(change), { direct: false })), rules);
}

/** Carries a request out, and gives the person as stored. */
export function change(
  rules: TenantRules,
  before: UserState,
  draft: Partial<Draft>,
  asked: Asked = {},
): { decision: Decision; state: UserState } {
  const decision = decided(ask(rules, before, draftOf(before, draft), asked));
  return { decision, state: stored(before, decision, rules, asked.now) };
}

/** Decides again by today's rules and nobody's authority, as the reconcile job does. */
export function reconcile(rules: TenantRules, before: UserState, asked: Asked = {}) {
  return change(rules, before, {}, { direct: false, ...asked });
}

/** Reserved permissions of a role in effect that no grant of its source backs: there must never be any. */
export function unbacked({ grants, role: key, roleSource }: UserState, rules: TenantRules): Permission[] {
  const backing = grants.filter((grant) => grant.role === key && grant.source === roleSource);
  const granted = backing.flatMap((grant) => grant.permissions);
  const wanted = rules.role.get(key)?.permissions ?? [];
  const reserved = wanted.includes("*")
    ? [...reservedPermissions]
    : wanted.filter((one) => reservedPermissions.includes(one));
  return reserved.filter((one) => !granted.includes(one));
}

const roleWord = fc.constantFrom(
  "owner",
  "OWNER",
  "Help Desk",
  "billing",
  "lead",
  "Team Lead",
  "editor",
  "user",
  "wizard",
);
const tierWord = fc.constantFrom("pro", "Professional", "standard", "viewer", "VIEWER");
const roleKey = fc.constantFrom(...roles.map((one) => one.key));
const tierKey = fc.constantFrom(...tiers.map((one) => one.key));

/** Whatever a client may have written about role, tier and presence. */
export const someDoc: fc.Arbitrary<UserDoc> = fc
  .record(
    {
      active: fc.boolean(),
      title: fc.constantFrom("Lead", "Clerk"),
      roles: fc.array(
        fc.record(
          {
            value: fc.oneof(roleWord, tierWord),
            type: fc.constantFrom("license", "seatType", "app"),
            primary: fc.boolean(),
          },
          { requiredKeys: ["value"] },
        ),
        { maxLength: 4 },
      ),
      entitlements: fc.array(fc.record({ value: fc.oneof(tierWord, fc.constant("gold")) }), { maxLength: 2 }),
      extension: fc.record(
        {
          role: fc.constantFrom("owner", "helpdesk", "lead", "user"),
          licenseTier: tierWord,
          startDate: fc.constantFrom("2026-02-01T00:00:00Z", "2026-04-01T00:00:00Z"),
          endDate: fc.constantFrom("2026-02-15T00:00:00Z", "2026-05-01T00:00:00Z"),
        },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: ["active"] },
  )
  .map(({ extension, ...core }) => aDoc(core, extension));

export const someEntries = entriesFor(...roles.map((one) => one.key), ...tiers.map((one) => one.key));

export const someBindings: fc.Arbitrary<Binding[]> = fc
  .uniqueArray(fc.oneof(roleKey, tierKey), { maxLength: 4 })
  .map((keys) => keys.map((key) => boundTo(key)));

export const someDraft: fc.Arbitrary<Draft> = fc.record({
  doc: someDoc,
  suspended: fc.boolean(),
  accepted: fc.boolean(),
  invitationExpiresAt: fc.constantFrom(null, "2026-02-01T00:00:00.000Z", "2026-06-01T00:00:00.000Z"),
  rolePin: fc.oneof(fc.constant(null), roleKey),
  tierPin: fc.oneof(
    fc.constant({ pinned: false } as const),
    fc.oneof(fc.constant(null), tierKey).map((value) => ({ pinned: true, value }) as const),
  ),
  bindings: someBindings,
});

export const someAuthority: fc.Arbitrary<Permission[]> = fc.constantFrom<Permission[]>(
  [],
  [],
  ["users.manage", "users.read"],
  ["promotions.manage", "mapping.manage"],
  ["*"],
);
