/** Writes decisions, one transaction at a time: the row with its event and seat, then grants, requests and teams. */

import { lockAdmins, otherAdminExists } from "../db/admins.ts";
import type { Executor, Statement, Transaction } from "../db/database.ts";
import { type EventRecord, recordEvents } from "../db/events.ts";
import { addGrantRow, endGrantRows, recordWish } from "../db/promotions.ts";
import { type Cause, type License, updateUser } from "../db/user-writes.ts";
import { rulesGiveTeams, ruleTeams, type TenantRules } from "../domain/access.ts";
import { type Circumstances, type Decision, decideUser } from "../domain/decide.ts";
import type { Draft } from "../domain/draft.ts";
import { identityOf } from "../domain/identity.ts";
import type { JsonObject, Permission, UserState } from "../domain/model.ts";
import { isFullAdmin, type Withheld } from "../domain/promotion.ts";
import type { Refusal } from "../domain/refusals.ts";
import { actorOf, type Deps, type RequestContext } from "./context.ts";
import { describeChange, toWishRecord } from "./outcome.ts";

/** One change being worked on inside a transaction. */
export interface Work {
  readonly deps: Deps;
  readonly ctx: RequestContext;
  readonly tx: Transaction;
  readonly rules: TenantRules;
  readonly now: Date;
  /** Where one transaction decides many before it writes: the Admins whom it has decided to demote (GRD-7). */
  readonly demoted?: Set<string>;
}

export function causeOf(ctx: RequestContext, now: Date): Cause {
  return { actor: actorOf(ctx), requestId: ctx.requestId, at: now.toISOString() };
}

/** Decides with whatever the guard asks for, under the lock on Admins where one of them may be demoted. */
export async function decideInTransaction(
  work: Work,
  before: UserState | null,
  draft: Draft,
  circumstances: Omit<Circumstances, "rules" | "now" | "otherAdmin">,
): Promise<Decision | { kind: "refused"; refusal: Refusal }> {
  const { tx, rules, now, demoted } = work;
  const asked = { ...circumstances, rules, now };
  const outcome = decideUser(before, draft, { ...asked, otherAdmin: undefined });
  if (outcome.kind !== "askAdmins") return outcome;
  // Held already, as a rule: here for who became Admin after the caller had looked whether one is concerned.
  await lockAdmins(tx, rules.tenantId);
  const leaving = before === null ? [] : [before.id];
  const otherAdmin = await otherAdminExists(tx, rules, [...leaving, ...(demoted ?? [])], now);
  const again = decideUser(before, draft, { ...asked, otherAdmin });
  if (again.kind === "askAdmins") throw new Error("The decision asked twice whether another Admin exists.");
  if (again.kind === "decided" && !again.kept) for (const id of leaving) demoted?.add(id);
  return again;
}

export interface ApplyOptions {
  readonly action: string;
  readonly rule?: string;
  /** Whether a full pool may refuse (LIC-3). */
  readonly mayRefuse: boolean;
  /** Where the seat is left for a later step that takes them in order (LIC-12). */
  readonly deferSeat?: boolean;
  /** By whom a new grant was authorized, when not by the actor. */
  readonly authorizedBy?: JsonObject;
}

/** Whether the seat has to be looked at: the tier due moved, or it was never settled. */
export function needsSeat(before: UserState, decision: Decision): boolean {
  if (decision.tier !== before.tier) return true;
  const held = before.seat?.tier ?? null;
  const queued = before.waiting?.tier ?? null;
  return decision.tier === null ? held !== null || queued !== null : held !== decision.tier && queued !== decision.tier;
}

/** Applies a decision about an existing user whose row is locked. The license is null where no seat was looked at. */
export async function applyToUser(
  work: Work,
  before: UserState,
  decision: Decision,
  options: ApplyOptions,
): Promise<License | null> {
  const { tx, rules, ctx, now } = work;
  const described = describeChange(before, decision);
  const written = await updateUser(tx, {
    tenantId: rules.tenantId,
    id: before.id,
    rulesVersion: rules.version,
    decision,
    cause: causeOf(ctx, now),
    mayRefuse: options.mayRefuse,
    before: described.before,
    after: described.after,
    revision: before.revision,
    settle: options.deferSeat !== true && needsSeat(before, decision),
    action: options.action,
    rule: options.rule ?? (decision.kept ? "GRD-7" : null),
  });
  if (written === undefined) throw new Error("A locked user's row moved.");
  await applyConsequences(work, before, before.id, decision, options);
  return written.license;
}

/** What follows a user's row: grants, promotion requests, teams of rules, the note that nobody is Admin any more. */
export async function applyConsequences(
  work: Work,
  before: UserState | null,
  userId: string,
  decision: Decision,
  options: Pick<ApplyOptions, "authorizedBy">,
): Promise<void> {
  const { tx, rules, ctx, now } = work;
  const tenantId = rules.tenantId;
  await endGrantRows(tx, tenantId, userId, decision.endedGrants);
  if (decision.newGrant !== null) {
    const by = options.authorizedBy ?? { ...actorOf(ctx) };
    await addGrantRow(tx, tenantId, userId, decision.newGrant, by, now.toISOString());
  }
  await recordWithheld(work, before, userId, decision);
  if (rulesGiveTeams(rules) || (before !== null && before.decidedVersion !== rules.version)) {
    await syncRuleTeams(tx, tenantId, new Map([[userId, ruleTeams(decision.draft.doc, rules)]]));
  }
  if (before?.administrative && before.status === "active" && decision.status !== "active") {
    await noteLeavingAdmin(work, before.id);
  }
}

/** GRD-4: what was withheld becomes a request; what was dropped of a leaver's request (USR-9) is told and, too, requested. */
async function recordWithheld(work: Work, before: UserState | null, userId: string, decision: Decision): Promise<void> {
  const { deps, ctx, tx, now } = work;
  const { draft } = decision;
  const wishes = [
    ...decision.withheld.map((one) => ({ wish: wishOf(one, draft), rule: "GRD-4", words: draft })),
    ...decision.dropped.flatMap(({ wish, rule, refused }) =>
      wish === null ? [] : [{ wish, rule, words: refused ?? draft }],
    ),
  ];
  const events: EventRecord[] = [];
  for (const { wish, rule, words } of wishes) {
    const at = now.toISOString();
    const record = { ...toWishRecord(deps, ctx, before, words, wish, at), userId };
    const { id, attempts } = await recordWish(tx, record);
    const after = { promotion: id, kind: wish.kind, role: wish.role, sources: [...wish.sources], attempts };
    events.push(eventOf(work, "promotion.requested", "User", userId, after, rule));
  }
  for (const refusal of decision.dropped) {
    const after = { code: refusal.code, detail: refusal.detail };
    const rule = before === null ? refusal.rule : "USR-9";
    events.push(eventOf(work, "user.part-refused", "User", userId, after, rule));
  }
  await recordEvents(tx, events);
}

export function wishOf({ candidate }: Withheld, draft: Draft) {
  return {
    kind: "role" as const,
    role: candidate.value.key,
    sources: [candidate.source],
    identity: identityOf(draft.doc),
  };
}

/** GRD-7: leaving always works, but a tenant without an Admin must not go unnoticed. */
export async function noteLeavingAdmin(work: Work, userId: string): Promise<void> {
  const { deps, tx, rules, now } = work;
  if (!rules.roles.some(isFullAdmin) || (await otherAdminExists(tx, rules, [userId], now))) return;
  const after = { lastAdmin: userId };
  await recordEvents(tx, [eventOf(work, "tenant.without-admin", "Tenant", rules.tenantId, after, "GRD-7")]);
  deps.log.warn({ tenantId: rules.tenantId, userId }, "the last Admin of a tenant has left; the operator appoints one");
}

export function eventOf(
  { ctx, rules, now }: Work,
  action: string,
  subjectType: string,
  subjectId: string,
  after: JsonObject,
  rule?: string,
): EventRecord {
  const record = {
    tenantId: rules.tenantId,
    at: now.toISOString(),
    actor: actorOf(ctx),
    action,
    subjectType,
    subjectId,
    after,
    requestId: ctx.requestId,
  };
  return rule === undefined ? record : { ...record, rule };
}

const dropRuleTeams: Statement = {
  name: "teams_rule_drop",
  text: `delete from team_members m where m.tenant_id = $1 and m.user_id = any ($2::uuid[]) and m.source like 'rule:%'
    and not exists (select from unnest($3::uuid[], $4::uuid[], $5::text[]) as w (user_id, team_id, source)
      where w.user_id = m.user_id and w.team_id = m.team_id and w.source = m.source)`,
};

const addRuleTeams: Statement = {
  name: "teams_rule_add",
  text: `insert into team_members (tenant_id, team_id, user_id, source)
    select $1, w.team_id, w.user_id, w.source from unnest($2::uuid[], $3::uuid[], $4::text[]) as w (user_id, team_id, source)
    on conflict do nothing`,
};

/** TEAM-3: the memberships that rules give, made to match for these users. */
export async function syncRuleTeams(
  tx: Executor,
  tenantId: string,
  teamsOf: ReadonlyMap<string, readonly { teamId: string; source: string }[]>,
): Promise<void> {
  const rows = [...teamsOf].flatMap(([userId, teams]) => teams.map((team) => ({ userId, ...team })));
  const columns = [rows.map((row) => row.userId), rows.map((row) => row.teamId), rows.map((row) => row.source)];
  await tx.query(dropRuleTeams, [tenantId, [...teamsOf.keys()], ...columns]);
  if (rows.length > 0) await tx.query(addRuleTeams, [tenantId, ...columns]);
}

/** Nobody's authority: what a change means for those whom its actor does not name (GRD-5). */
export const noAuthority: {
  authority: readonly Permission[];
  approved: readonly never[];
  asserted: ReadonlySet<string>;
} = {
  authority: [],
  approved: [],
  asserted: new Set(),
};
