/** What a person may do right now (LIC-9, USR-1): a pure answer from the decided role, the seat held and the dates. */
import type { TenantRules } from "./access.ts";
import { type Presence, statusOf } from "./lifecycle.ts";
import type { Permission, Status } from "./model.ts";
import { backedBy, holds, ownTeams, spellOut } from "./permissions.ts";
import { type AgentPath, decideVisibility } from "./teams.ts";

/** The action that asks whether somebody may enter at all. Every other one is the name of a permission. */
export const signIn = "sign-in";

/** The permission to use an agent: of a certain one it is asked with that agent as the resource (P-6). */
const useAgents: Permission = "agents.use";

export interface Resource {
  readonly type: string;
  readonly id: string;
}

export interface Question {
  readonly action: string;
  readonly resource: Resource | null;
}

export interface TeamReference {
  readonly value: string;
  readonly display: string;
  readonly kind: string;
}

/** A person as evaluation sees them. */
export interface EvaluatedPerson extends Presence {
  readonly role: string;
  /** The reserved permissions that an Admin granted for this role from its source (GRD-5). */
  readonly granted: readonly Permission[];
  /** The tier whose seat is held, and the one waited for. */
  readonly seat: string | null;
  readonly waiting: string | null;
  /** Where they are members, unless they are out (TEAM-4). */
  readonly teams: readonly TeamReference[];
  /** Sessions begun before this moment are not valid any more; null: no such moment. */
  readonly sessionsNotBefore: string | null;
}

/** What the questions about one person name, as far as it was found. */
export interface ResourceFacts {
  /** Ids of the teams of people who are named as resources. Who is not here is in none. */
  readonly teamsOf: ReadonlyMap<string, readonly string[]>;
  /** Every way in which the agents named reach the person (P-6). */
  readonly paths: readonly AgentPath[];
}

export const noResources: ResourceFacts = { teamsOf: new Map(), paths: [] };

export interface Evaluation {
  readonly decision: boolean;
  readonly context: {
    readonly reason: string;
    readonly status: Status;
    readonly role: string | null;
    /** What a question of that name alone would be answered yes; limited to own teams where its suffix says so. */
    readonly permissions: readonly Permission[];
    readonly tier: string | null;
    readonly teams: readonly TeamReference[];
    readonly sessionsNotBefore: string | null;
  };
}

/** Answers one question. An unknown person is answered like an inactive one, so that nobody learns who exists. */
export function evaluateAccess(
  person: EvaluatedPerson | undefined,
  question: Question,
  rules: TenantRules,
  now: Date,
  facts: ResourceFacts = noResources,
): Evaluation {
  // USR-7: the dates are compared here, whether or not a job has carried out their consequences.
  const status = person === undefined ? "inactive" : statusOf(person, now);
  if (person === undefined || status === "inactive") return outsider;
  const barred = reasonToStayOut(person, status, rules);
  const permissions = barred === null ? permissionsOf(person, rules) : [];
  const { decision, reason } =
    barred === null ? answer(person, permissions, question, rules, facts) : { decision: false, reason: barred };
  return {
    decision,
    context: {
      reason,
      status,
      role: person.role,
      permissions,
      tier: person.seat,
      teams: status === "active" ? person.teams : [],
      sessionsNotBefore: person.sessionsNotBefore,
    },
  };
}

/** The one answer about everybody who is not there: inactive, unknown, or in another tenant. */
export const outsider: Evaluation = {
  decision: false,
  context: {
    reason: "The person is not active.",
    status: "inactive",
    role: null,
    permissions: [],
    tier: null,
    teams: [],
    sessionsNotBefore: null,
  },
};

/** Why somebody may not sign in, and so may do nothing; null: they may. */
function reasonToStayOut(person: EvaluatedPerson, status: Status, rules: TenantRules): string | null {
  if (status === "pending") return "The person has not accepted the invitation yet.";
  // LIC-9: with `licenseRequired`, signing in comes with a license like any feature.
  if (!rules.settings.licenseRequired || person.seat !== null) return null;
  if (person.waiting === null) return "Signing in needs a license, and the person has none.";
  return `Signing in needs a license; the person waits for a ${nameOfTier(rules, person.waiting)} seat.`;
}

/**
 * The role's permissions and those of the tier whose seat is held. LIC-9: what a tier carries needs the held seat, so a
 * role alone does not give it; GRD-5: what is reserved needs the grant behind it.
 */
function permissionsOf({ role, granted, seat }: EvaluatedPerson, rules: TenantRules): Permission[] {
  const licensed = new Set(rules.tiers.flatMap((tier) => tier.permissions));
  const own = spellOut(backedBy(rules.role.get(role)?.permissions ?? [], granted)).filter(
    (name) => !licensed.has(name),
  );
  const carried = seat === null ? [] : (rules.tier.get(seat)?.permissions ?? []);
  return [...new Set([...own, ...carried])];
}

interface Answer {
  readonly decision: boolean;
  readonly reason: string;
}

function answer(
  person: EvaluatedPerson,
  permissions: readonly Permission[],
  question: Question,
  rules: TenantRules,
  facts: ResourceFacts,
): Answer {
  const { action, resource } = question;
  if (action === signIn) return yes("The person is active.");
  const permitted = answerPermission(person, permissions, question, rules, facts);
  if (!permitted.decision || action !== useAgents || resource?.type !== "agent") return permitted;
  // P-6: being registered, and holding the permission, is not enough.
  const paths = facts.paths.filter((path) => path.agentId === resource.id);
  const { visible, because } = decideVisibility("active", paths);
  return visible ? yes(because) : no(because);
}

function answerPermission(
  { role, seat, teams }: EvaluatedPerson,
  permissions: readonly Permission[],
  { action, resource }: Question,
  rules: TenantRules,
  facts: ResourceFacts,
): Answer {
  const bearing = rules.tiers.filter((tier) => tier.permissions.includes(action));
  if (bearing.length > 0) {
    if (bearing.some((tier) => tier.key === seat)) return yes(`The ${nameOfTier(rules, seat)} license carries it.`);
    const names = bearing.map((tier) => tier.name).join(" or ");
    return no(`It comes with the ${names} license, and the person holds ${seat === null ? "none" : "another"}.`);
  }
  const name = rules.role.get(role)?.name ?? role;
  // `*` stands for what a product asks beyond the names that Usher knows; the reserved ones are spelled out.
  if (holds(permissions, action)) return yes(`The role "${name}" holds it.`);
  if (!permissions.includes(action + ownTeams)) return no(`The role "${name}" does not hold it.`);
  if (resource !== null && isOfOwnTeams(resource, teams, facts)) {
    return yes(`The role "${name}" holds it for the person's own teams.`);
  }
  return no(`The role "${name}" holds it only for the person's own teams; name one of them, or somebody in one.`);
}

/** E-8: a team, workspace or queue of the person's, or somebody who is in one. An agent is no unit of people. */
function isOfOwnTeams({ type, id }: Resource, teams: readonly TeamReference[], { teamsOf }: ResourceFacts): boolean {
  const own = teams.filter((team) => team.kind !== "agent");
  if (type === "user") return own.some((team) => teamsOf.get(id)?.includes(team.value));
  return own.some((team) => team.value === id && (type === "team" || type === team.kind));
}

function nameOfTier(rules: TenantRules, key: string | null): string {
  return rules.tier.get(key ?? "")?.name ?? String(key);
}

function yes(reason: string): Answer {
  return { decision: true, reason };
}

function no(reason: string): Answer {
  return { decision: false, reason };
}
