/**
 * Inviting people, and adding them directly: from what an Admin knows of somebody to a user with a role, a seat and teams,
 * through the same decision as every other door. An invited person is pending until they accept with a secret that is
 * shown once; it is kept as a digest, as tokens are. An invitation that is over is seen to by the clock (LIC-8).
 */
import { lockAuthority, requireHeld } from "../auth/authority.ts";
import { newInvitationText, parseInvitation } from "../auth/invitation-text.ts";
import { sameDigest } from "../auth/secret.ts";
import { recordEvents } from "../db/events.ts";
import { findInvitationDigest, removeInvitation, writeInvitation } from "../db/invitations.ts";
import { findTeamsNamed, type NamedTeam } from "../db/invited-teams.ts";
import type { UserAccount } from "../db/users.ts";
import type { Json, Permission, UserDoc, UserState } from "../domain/model.ts";
import { USHER_USER, usherExtension } from "../domain/words.ts";
import { isUuid } from "../ids.ts";
import { Problem } from "../problems.ts";
import { toEmail } from "../vocabulary/email.ts";
import { toOpaqueString } from "../vocabulary/opaque-string.ts";
import { invalid } from "../vocabulary/values.ts";
import { eventOf, type Work } from "./apply.ts";
import { actorOf, type Deps, type RequestContext } from "./context.ts";
import { permissionsFor, requireForSeat } from "./profile.ts";
import { type ProfileWords, toProfile } from "./profile-words.ts";
import { mailOf } from "./sessions.ts";
import { addToTeam } from "./teams-members.ts";
import type { TokenDeps } from "./tokens.ts";
import { requireOwnPermissions } from "./user-access.ts";
import { alterUser } from "./user-change.ts";
import { createUser } from "./user-create.ts";
import { draftOfState } from "./user-drafts.ts";

/** Whom to invite, and as what. */
export interface Invite extends ProfileWords {
  readonly email: string;
  /** By key or name; absent: what groups, rules and the default give. */
  readonly role?: string;
  readonly tier?: string;
  /** Teams by id or name, which they are in by hand (TEAM-3). */
  readonly teams?: readonly string[];
  /** True: the account exists at once, and nobody is asked (C-3). */
  readonly accepted?: boolean;
  readonly password?: string;
  /** ISO 8601, in the future; absent: after as many days as the tenant's setting says. */
  readonly expiresAt?: string;
}

export interface Invited {
  readonly user: UserAccount;
  /** The secret that accepts, shown this once; null where nobody is asked. */
  readonly token: string | null;
}

/**
 * E-3, P-7, C-2: invites somebody, or adds them at once. Problems: invalidValue, unknownRole, unknownTier, domainRequired,
 * forbidden, promotionRefused, poolFull, uniqueness.
 */
export async function inviteUser(deps: TokenDeps, ctx: RequestContext, invite: Invite): Promise<Invited> {
  const { settings } = await deps.rules.current(deps.db, ctx.principal.tenantId);
  const doc = toDoc(invite);
  const direct = invite.accepted === true;
  if (direct && invite.expiresAt !== undefined) {
    throw invalid("expiresAt", "belongs to an invitation; a person who is added at once is not invited");
  }
  const expiresAt = expiryOf(deps, settings.invitationDays, invite.expiresAt);
  const password = invite.password === undefined ? undefined : toOpaqueString(invite.password, "password");
  const teams = invite.teams ?? [];
  let token: string | null = null;
  const user = await createUser(deps, ctx, doc, {
    ...(direct ? {} : { invitation: { accepted: false, expiresAt } }),
    ...(password === undefined ? {} : { password }),
    permit(rules, before, decision, held) {
      for (const permission of permissionsToInvite(invite)) requireHeld(held, ctx.principal, [permission]);
      if (invite.role !== undefined) requireOwnPermissions(rules, before, decision, held);
      requireForSeat(ctx.principal, before, decision, held);
    },
    async also(work, id, decision) {
      const joined = await joinTeams(work, id, teams);
      if (!direct) token = await issueInvitation(deps, work, id, decision.draft.doc, expiresAt, joined);
    },
  });
  return { user, token };
}

/** `users.manage`, and what the fields and the teams need besides. */
function permissionsToInvite({ teams, role: _role, accepted: _accepted, password: _password, ...words }: Invite) {
  const { tier: _tier, expiresAt: _expiresAt, ...profile } = words;
  const needed = new Set<Permission>(["users.manage", ...permissionsFor(profile)]);
  if (teams !== undefined && teams.length > 0) needed.add("teams.manage");
  return needed;
}

/** The words with which the person begins; the role and the tier asked for are words like a client's (ROL-3, LIC-10). */
function toDoc(invite: Invite): UserDoc {
  const email = toEmail(invite.email, "email");
  const blank = { userName: invite.userName ?? email, active: true } as UserDoc;
  const doc = toProfile({ ...invite, userName: invite.userName ?? email })(blank);
  const asked: Record<string, Json> = { ...usherExtension(doc) };
  if (invite.role !== undefined) asked.role = invite.role;
  if (invite.tier !== undefined) asked.licenseTier = invite.tier;
  return Object.keys(asked).length === 0 ? doc : { ...doc, [USHER_USER]: asked };
}

function expiryOf({ clock }: Deps, days: number, wanted: string | undefined): string {
  const now = clock().getTime();
  if (wanted === undefined) return new Date(now + days * 86_400_000).toISOString();
  const at = Date.parse(wanted);
  if (!(at > now)) throw invalid("expiresAt", "must be a time in the future, such as 2030-01-31T00:00:00Z");
  if (at > now + expiryDaysMax * 86_400_000) throw invalid("expiresAt", `must lie within ${expiryDaysMax} days`);
  return new Date(at).toISOString();
}

/** As far ahead as the setting `invitationDays` goes. */
const expiryDaysMax = 365;

async function joinTeams(work: Work, userId: string, names: readonly string[]): Promise<NamedTeam[]> {
  const { tx, ctx, rules, now } = work;
  const teams = new Map<string, NamedTeam>();
  for (const name of names) {
    const [team, other] = await findTeamsNamed(tx, rules.tenantId, name);
    if (team === undefined) throw invalid("teams", `names "${name.slice(0, 100)}", and there is no such team`);
    if (other !== undefined) throw invalid("teams", `names "${team.name}", which several have: give the id of one`);
    if (team.kind === "queue" || team.kind === "agent") {
      throw invalid("teams", `names the ${team.kind} "${team.name}": people are assigned to it there`);
    }
    teams.set(team.id, team);
  }
  const joined = [...teams.values()].toSorted((one, other) => (one.id < other.id ? -1 : 1));
  const authority = joined.length === 0 ? [] : await lockAuthority(tx, ctx.principal, now);
  for (const { id } of joined) await addToTeam(work, authority, id, [userId]);
  return joined;
}

/** Writes the secret's digest and tells the product, which mails. Returns the secret. */
async function issueInvitation(
  { secret }: TokenDeps,
  work: Work,
  userId: string,
  doc: UserDoc,
  expiresAt: string,
  teams: readonly NamedTeam[] | null,
): Promise<string> {
  const { ctx, tx, rules, now } = work;
  const { tenantId } = rules;
  const token = newInvitationText(tenantId, userId);
  const at = now.toISOString();
  const digest = secret.digest("invitation", token);
  const sends = await writeInvitation(tx, { tenantId, userId, digest, by: actorOf(ctx), at });
  const names = teams === null ? {} : { teams: teams.map(({ name }) => name) };
  const after = { ...mailOf(doc), ...names, expiresAt, sends };
  await recordEvents(tx, [eventOf(work, "user.invited", "User", userId, after, "USR-1")]);
  return token;
}

export interface Renewal {
  readonly expiresAt?: string;
}

/**
 * Invites again: another secret and another end; the secret before is worth nothing from then on. Whoever's invitation
 * was over is pending once more, and due a seat as before. Problems: forbidden, conflict, notFound, poolFull.
 */
export async function renewInvitation(
  deps: TokenDeps,
  ctx: RequestContext,
  id: string,
  { expiresAt: wanted }: Renewal,
): Promise<Invited> {
  const { settings } = await deps.rules.current(deps.db, ctx.principal.tenantId);
  const expiresAt = expiryOf(deps, settings.invitationDays, wanted);
  let token: string | null = null;
  const alter = (state: UserState) => ({ ...draftOfState(state), invitationExpiresAt: expiresAt });
  const user = await alterUser(deps, ctx, id, alter, {
    asserted: new Set(),
    force: true,
    async require(_work, state, held) {
      requireHeld(held, ctx.principal, ["users.manage"]);
      if (state.accepted) throw notInvited(`${state.doc.userName} is not invited: the account exists already.`);
      if (!state.doc.active || state.suspended) {
        throw notInvited(`${state.doc.userName} is deactivated: reactivate the user, then invite again.`);
      }
    },
    permit: (_rules, before, decision, held) => requireForSeat(ctx.principal, before, decision, held),
    async also(work, userId, decision) {
      token = await issueInvitation(deps, work, userId, decision.draft.doc, expiresAt, null);
    },
    action: { name: "user.changed", rule: "USR-1" },
  });
  return { user, token };
}

export interface Acceptance {
  readonly token: string;
  /** The password to begin with, where the product has none of its own. */
  readonly password?: string;
}

/**
 * USR-1: the invited person comes. The secret proves them, for this once; whoever may ask is the caller's matter. Whoever
 * was invited as an administrator sets their password with the authority that they were invited with (GRD-8).
 * Problems: notFound (no such invitation, or used), conflict (over, or deactivated meanwhile), identityProtected,
 * invalidValue. What is refused leaves the invitation as it is.
 */
export async function acceptInvitation(
  deps: TokenDeps,
  ctx: RequestContext,
  { token, password }: Acceptance,
): Promise<UserAccount> {
  const { tenantId } = ctx.principal;
  const invitation = parseInvitation(token);
  if (invitation === undefined || invitation.tenantId !== tenantId) throw noInvitation();
  const { userId } = invitation;
  const digest = deps.secret.digest("invitation", token);
  // Before a password is hashed for whoever asks.
  const stored = isUuid(userId) ? await findInvitationDigest(deps.db, tenantId, userId) : undefined;
  if (stored === undefined || !sameDigest(stored, digest)) throw noInvitation();
  const alter = (state: UserState) => ({ ...draftOfState(state), accepted: true, invitationExpiresAt: null });
  return await alterUser(deps, ctx, userId, alter, {
    asserted: new Set(),
    force: true,
    ...(password === undefined ? {} : { password: toOpaqueString(password, "password") }),
    authority: ({ role, roleSource, grants }) =>
      grants.filter((one) => one.role === role && one.source === roleSource).flatMap((one) => one.permissions),
    async require({ tx, now }, state) {
      const { doc, suspended, invitationExpiresAt } = state;
      if (invitationExpiresAt !== null && now.getTime() >= Date.parse(invitationExpiresAt)) {
        throw notInvited(`The invitation was good until ${invitationExpiresAt}. Ask whoever invited you for another.`);
      }
      if (!doc.active || suspended)
        throw notInvited("The account has been deactivated since. Ask whoever invited you.");
      // Under the lock of the person's row: of several who accept, the later ones look again.
      const left = await findInvitationDigest(tx, tenantId, userId);
      if (left === undefined || !sameDigest(left, digest)) throw noInvitation();
    },
    also: ({ tx }) => removeInvitation(tx, tenantId, userId),
    // Whoever comes when invited has asked for no seat: the one due may be waited for.
    queues: true,
    action: { name: "user.accepted", rule: "USR-1" },
  });
}

function noInvitation(): Problem {
  return new Problem(
    "notFound",
    "This invitation is not valid: it was accepted, replaced by a later one or withdrawn, or it belongs elsewhere.",
  );
}

function notInvited(detail: string): Problem {
  return new Problem("conflict", detail, { facts: { rule: "USR-1" } });
}
