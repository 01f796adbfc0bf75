/** Tag teams: teams, workspaces, agents and queues; who is in them and why; to whom agents are granted. */
import { requireReach } from "../auth/authority.ts";
import type { TeamListFilter, TeamListPosition } from "../db/teams.ts";
import type { GrantRow } from "../db/teams-grants.ts";
import { displayNameOf } from "../domain/identity.ts";
import type { JsonObject, Status } from "../domain/model.ts";
import { requireWithin } from "../provisioning/own-teams.ts";
import {
  changeTeam,
  createTeam,
  deleteTeam,
  getTeam,
  listTeams,
  type NewTeam,
  requireVisible,
  type TeamChange,
  viewTeams,
} from "../provisioning/teams.ts";
import { grantAgent, listGrants, revokeAgent } from "../provisioning/teams-grants.ts";
import {
  addMembersByHand,
  listTeamMembers,
  type Member,
  removeMembersByHand,
  type Source,
} from "../provisioning/teams-members.ts";
import { restoreQueues } from "../provisioning/teams-queues.ts";
import { getRelationships } from "../provisioning/teams-relationships.ts";
import { readPage } from "./cursor.ts";
import type { Handlers } from "./operation.ts";

export const teamHandlers: Handlers = {
  async listTeams(call) {
    const { archived = "false", ...filter } = call.query;
    const read = await listTeams(call.deps, call.ctx, { ...filter, archived } as TeamListFilter);
    const { rows, nextCursor } = await readPage<TeamListPosition, TeamListPosition>(call, read, ({ name, id }) => ({
      name,
      id,
    }));
    const ids = rows.map((row) => row.id);
    return { body: { teams: await viewTeams(call.deps, call.ctx, ids), nextCursor } };
  },

  async createTeam({ deps, ctx, body }) {
    return { status: 201, body: await createTeam(deps, ctx, body as NewTeam) };
  },

  async getTeam({ deps, ctx, params }) {
    return { body: await getTeam(deps, ctx, params.id!) };
  },

  async changeTeam({ deps, ctx, params, body }) {
    return { body: await changeTeam(deps, ctx, params.id!, body as TeamChange) };
  },

  async deleteTeam({ deps, ctx, params }) {
    await deleteTeam(deps, ctx, params.id!);
    return {};
  },

  async listTeamMembers(call) {
    const { deps, ctx, params, query } = call;
    const team = await requireVisible(deps, ctx, params.id!);
    const status = (query.status as Status | undefined) ?? null;
    const { rows, nextCursor } = await readPage<Member, string>(
      call,
      (after, limit) => listTeamMembers(deps, ctx.principal.tenantId, team.id, status, after, limit),
      (member) => member.id,
    );
    return { body: { members: rows.map(toMember), nextCursor } };
  },

  async addTeamMembers({ deps, ctx, params, body }) {
    const { users } = body as { users: string[] };
    return { body: { users: await addMembersByHand(deps, ctx, params.id!, users) } };
  },

  async removeTeamMembers({ deps, ctx, params, query }) {
    return { body: { users: await removeMembersByHand(deps, ctx, params.id!, idsIn(query.users)) } };
  },

  async listGrants(call) {
    const read = await listGrants(call.deps, call.ctx, call.params.id!);
    const { rows, nextCursor } = await readPage<GrantRow, string>(call, read, (grant) => grant.id);
    return { body: { grants: rows.map(toGrant), nextCursor } };
  },

  async grantAgent({ deps, ctx, params, body }) {
    const { users = [], teams = [] } = body as { users?: string[]; teams?: string[] };
    return { body: { grants: await grantAgent(deps, ctx, params.id!, { users, teams }) } };
  },

  async revokeAgent({ deps, ctx, params, query }) {
    const from = { users: idsIn(query.users), teams: idsIn(query.teams) };
    return { body: { grants: await revokeAgent(deps, ctx, params.id!, from) } };
  },

  async getRelationships({ deps, ctx, params }) {
    const reach = await requireReach(deps, ctx, "users.read");
    await requireWithin(deps.db, ctx.principal.tenantId, reach, params.id!);
    return { body: await getRelationships(deps, ctx, params.id!) };
  },

  async restoreQueues({ deps, ctx, params, body }) {
    const { queues = null } = (body ?? {}) as { queues?: string[] };
    return { body: { queues: await restoreQueues(deps, ctx, params.id!, queues) } };
  },
};

function idsIn(list: string | undefined): string[] {
  return list === undefined ? [] : list.split(",");
}

function toMember({ id, userName, doc, status, sources }: Member) {
  return {
    id,
    userName,
    displayName: displayNameOf(doc as JsonObject),
    status,
    suspended: status !== "active",
    since: earliest(sources),
    sources,
  };
}

/** Since when somebody is in the team by any source; null where one of them is older than what is kept. */
function earliest(sources: readonly Source[]): string | null {
  const times = sources.map((source) => source.since);
  return times.reduce(
    (first, time) => (first === null || time === null ? null : time < first ? time : first),
    times[0] ?? null,
  );
}

/** Without the row's own id: a grant is named by the agent and to whom it is. */
function toGrant({ id: _id, ...grant }: GrantRow) {
  return grant;
}
