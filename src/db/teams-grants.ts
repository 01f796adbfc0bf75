/** P-6: grants of agents, and the one read by which an agent is visible to somebody. */

import type { Actor, Status, TeamKind } from "../domain/model.ts";
import type { AgentPath } from "../domain/teams.ts";
import type { Executor, Statement, Transaction } from "./database.ts";

export interface GrantRow {
  readonly id: string;
  readonly to: { readonly type: "user" | TeamKind; readonly value: string; readonly display: string };
  /** Whether the team or workspace is archived, so that the grant gives nothing. */
  readonly archived: boolean;
  readonly grantedBy: Actor;
  readonly grantedAt: string;
}

const list: Statement = {
  name: "grants_list",
  text: `select g.id, g.granted_by as "grantedBy", g.granted_at as "grantedAt",
      json_build_object('type', case when u.id is not null then 'user' else t.kind end, 'value', coalesce(u.id, t.id),
        'display', coalesce(u.user_name, t.name)) as "to",
      t.archived_at is not null as archived
    from team_grants g
    left join users u on u.tenant_id = g.tenant_id and u.id = g.user_id
    left join teams t on t.tenant_id = g.tenant_id and t.id = g.team_id
    where g.tenant_id = $1 and g.agent_id = $2 and ($3::uuid is null or g.id > $3) order by g.id limit $4`,
};

/** One page of an agent's grants, oldest first. */
export async function listGrantRows(
  executor: Executor,
  tenantId: string,
  agentId: string,
  after: string | null,
  limit: number,
): Promise<GrantRow[]> {
  return await executor.query<GrantRow>(list, [tenantId, agentId, after, limit]);
}

/** To whom: exactly one of the two in each place. */
export interface Grantee {
  readonly userId: string | null;
  readonly teamId: string | null;
}

const insert: Statement = {
  name: "grants_insert",
  text: `insert into team_grants (tenant_id, id, agent_id, user_id, team_id, granted_by, granted_at)
    select $1, n.id, $2, n.user_id, n.team_id, $6::jsonb, $7
    from unnest($3::uuid[], $4::uuid[], $5::uuid[]) as n (id, user_id, team_id)
    on conflict do nothing returning user_id as "userId", team_id as "teamId"`,
};

/** Grants an agent; returns those who did not have it yet. */
export async function insertGrants(
  tx: Transaction,
  tenantId: string,
  agentId: string,
  to: readonly (Grantee & { readonly id: string })[],
  by: { readonly at: string; readonly actor: Actor },
): Promise<Grantee[]> {
  const columns = [to.map((one) => one.id), to.map((one) => one.userId), to.map((one) => one.teamId)];
  return await tx.query<Grantee>(insert, [tenantId, agentId, ...columns, JSON.stringify(by.actor), by.at]);
}

const remove: Statement = {
  name: "grants_remove",
  text: `delete from team_grants where tenant_id = $1 and agent_id = $2
      and (user_id = any ($3::uuid[]) or team_id = any ($4::uuid[]))
    returning user_id as "userId", team_id as "teamId"`,
};

/** Takes grants back; returns those that there were. */
export async function removeGrants(
  tx: Transaction,
  tenantId: string,
  agentId: string,
  userIds: readonly string[],
  teamIds: readonly string[],
): Promise<Grantee[]> {
  return await tx.query<Grantee>(remove, [tenantId, agentId, userIds, teamIds]);
}

const count: Statement = {
  name: "grants_count",
  text: "select count(*) as grants from team_grants where tenant_id = $1 and (agent_id = $2 or team_id = $2)",
};

/** Grants of an agent, or to a team. */
export async function countGrants(executor: Executor, tenantId: string, teamId: string): Promise<number> {
  const [row] = await executor.query<{ grants: number }>(count, [tenantId, teamId]);
  return row?.grants ?? 0;
}

interface PathRow {
  readonly status: Status;
  readonly agentId: string | null;
  readonly agentName: string;
  readonly archived: boolean;
  readonly via: AgentPath["via"];
  readonly teamId: string | null;
  readonly teamName: string;
  readonly teamKind: TeamKind;
  readonly since: string | null;
}

const paths: Statement = {
  name: "agents_paths",
  text: `select u.status, p.agent_id as "agentId", p.agent_name as "agentName", p.archived, p.via, p.team_id as "teamId",
      p.team_name as "teamName", p.team_kind as "teamKind", p.since
    from users u left join lateral agent_paths(u.tenant_id, u.id, null) p on true
    where u.tenant_id = $1 and u.id = $2`,
};

/** How agents reach somebody: every way, of every agent. An unknown person is answered like one who is out. */
export async function findAgentPaths(
  executor: Executor,
  tenantId: string,
  userId: string,
): Promise<{ readonly status: Status; readonly paths: readonly AgentPath[] }> {
  const rows = await executor.query<PathRow>(paths, [tenantId, userId]);
  const found = rows.flatMap(({ status: _, agentId: id, teamId, teamName, teamKind, ...row }) => {
    if (id === null) return [];
    const team = teamId === null ? null : { value: teamId, display: teamName, kind: teamKind };
    return [{ ...row, agentId: id, team }];
  });
  return { status: rows[0]?.status ?? "inactive", paths: found };
}
