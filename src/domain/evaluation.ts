/** What a person may do right now (LIC-9, USR-1): a pure answer from the decided role, the seat held and the dates. */
import type { TenantRules } from "./access.ts";
import { decideStatus } from "./lifecycle.ts";
import type { Permission, Status, UserState } from "./model.ts";
import { backedBy, holds, spellOut } from "./permissions.ts";

export interface EvaluationRequest {
  readonly action: string;
  readonly resource: { readonly type: string; readonly id: string } | null;
}

export interface Evaluation {
  readonly decision: boolean;
  readonly context: {
    readonly reason: string;
    readonly status: Status;
    readonly role: string | null;
    readonly permissions: readonly Permission[];
    readonly tier: string | null;
    readonly teams: readonly { readonly value: string; readonly display: string; readonly kind: string }[];
    /** Sessions begun before this moment are not valid any more; null: no such moment. */
    readonly sessionsNotBefore: string | null;
  };
}

/** A person as evaluation sees them, with the teams they are in. */
export interface EvaluatedPerson {
  readonly state: UserState;
  readonly teams: Evaluation["context"]["teams"];
}

const ownTeams = ":own-teams";

/** Answers one question. An unknown person is answered like an inactive one, so that nobody learns who exists. */
export function evaluateAccess(
  person: EvaluatedPerson | undefined,
  request: EvaluationRequest,
  rules: TenantRules,
  now: Date,
): Evaluation {
  // USR-7: the dates are compared here, whether or not a job has carried out their consequences.
  const status = person === undefined ? "inactive" : decideStatus(person.state, now);
  if (person === undefined || status === "inactive") return outsider();
  const { state, teams } = person;
  const permissions = permissionsOf(state, rules);
  const context = {
    status,
    role: state.role,
    permissions,
    tier: state.seat?.tier ?? null,
    teams: status === "active" ? teams : [],
    sessionsNotBefore: state.sessionsNotBefore,
  };
  const { decision, reason } = answer(state, status, permissions, request, rules, context.teams);
  return { decision, context: { reason, ...context } };
}

function outsider(): Evaluation {
  return {
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
}

/**
 * The role's permissions and those of the tier whose seat is held. LIC-9: what a tier carries needs the held seat, so a
 * role alone does not give it; GRD-5: what is reserved needs the grant behind it.
 */
function permissionsOf(state: UserState, rules: TenantRules): Permission[] {
  const role = rules.role.get(state.role);
  const granted = state.grants
    .filter((grant) => grant.role === state.role && grant.source === state.roleSource)
    .flatMap((grant) => grant.permissions);
  const licensed = new Set(rules.tiers.flatMap((tier) => tier.permissions));
  const own = spellOut(backedBy(role?.permissions ?? [], granted)).filter((name) => !licensed.has(name));
  const seat = state.seat === null ? [] : (rules.tier.get(state.seat.tier)?.permissions ?? []);
  return [...new Set([...own, ...seat])];
}

function answer(
  state: UserState,
  status: Status,
  permissions: readonly Permission[],
  request: EvaluationRequest,
  rules: TenantRules,
  teams: Evaluation["context"]["teams"],
): { decision: boolean; reason: string } {
  if (status === "pending") return no("The person has not accepted the invitation yet.");
  if (rules.settings.licenseRequired && state.seat === null) return no(withoutSeat(state, rules));
  if (request.action === "sign-in") return yes("The person is active.");
  const bearing = rules.tiers.filter((tier) => tier.permissions.includes(request.action));
  if (bearing.length > 0) {
    if (state.seat !== null && bearing.some((tier) => tier.key === state.seat?.tier)) {
      return yes(`The ${rules.tier.get(state.seat.tier)?.name} license carries it.`);
    }
    const names = bearing.map((tier) => tier.name).join(" or ");
    return no(`It comes with a ${names} license, and the person holds ${state.seat === null ? "none" : "another"}.`);
  }
  const role = rules.role.get(state.role)?.name ?? state.role;
  // `*` stands for what a product asks beyond the names that Usher knows; the reserved ones are spelled out.
  if (holds(permissions, request.action)) return yes(`The role "${role}" holds it.`);
  if (permissions.includes(request.action + ownTeams)) {
    const { resource } = request;
    if (resource?.type === "team" && teams.some((team) => team.value === resource.id)) {
      return yes(`The role "${role}" holds it for the person's own teams.`);
    }
    return no(`The role "${role}" holds it only for the person's own teams; name one of them as the resource.`);
  }
  return no(`The role "${role}" does not hold it.`);
}

function withoutSeat(state: UserState, rules: TenantRules): string {
  if (state.waiting === null) return "Signing in needs a license, and the person has none.";
  const tier = rules.tier.get(state.waiting.tier)?.name ?? state.waiting.tier;
  return `Signing in needs a license; the person waits for a ${tier} seat.`;
}

function yes(reason: string) {
  return { decision: true, reason };
}

function no(reason: string) {
  return { decision: false, reason };
}
