/** Teams that people are added to by hand as they are invited. */
import { normaliseName } from "../vocabulary/names.ts";
import type { Executor, Statement } from "./database.ts";

export interface NamedTeam {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
}

const find: Statement = {
  name: "invited_teams_find",
  text: "select id, name, kind from teams where tenant_id = $1 and (id::text = $2 or name_norm = $2) order by id limit 2",
};

/** The teams of this id or name, two at most: of one name there may be a team and a workspace. */
export async function findTeamsNamed(executor: Executor, tenantId: string, text: string): Promise<NamedTeam[]> {
  return await executor.query<NamedTeam>(find, [tenantId, normaliseName(text.trim())]);
}

const join: Statement = {
  name: "invited_teams_join",
  text: `insert into team_members (tenant_id, team_id, user_id, source) values ($1, $2, $3, 'manual')
    on conflict do nothing`,
};

/** TEAM-3: a member by hand. */
export async function addManualMember(executor: Executor, tenantId: string, teamId: string, userId: string) {
  await executor.query(join, [tenantId, teamId, userId]);
}
