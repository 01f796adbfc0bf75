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
  text: `select id, name, kind from teams where tenant_id = $1 and (id::text = $2 or name_norm = $2)
    and archived_at is null order by id limit 2`,
};

/** The teams of this id or name, two at most: of one name there may be a team and a workspace. */
export async function findTeamsNamed(executor: Executor, tenantId: string, text: string): Promise<NamedTeam[]> {
  return await executor.query<NamedTeam>(find, [tenantId, normaliseName(text.trim())]);
}
