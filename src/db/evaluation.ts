/**
 * What access evaluation reads, in one statement: the person, the version of the rules that the same snapshot shows, and
 * what is needed of the resources named. It runs alike for people who exist and for others, and always gives a row.
 */
import type { EvaluatedPerson, ResourceFacts, TeamReference } from "../domain/evaluation.ts";
import type { AgentPath } from "../domain/teams.ts";
import type { Executor, Statement } from "./database.ts";

export interface EvaluationRead {
  /** The version of the tenant's rules at that moment; undefined where there is no such tenant. */
  readonly version: number | undefined;
  readonly person: EvaluatedPerson | undefined;
  readonly facts: ResourceFacts;
}

interface Row extends Omit<EvaluatedPerson, "teams" | "granted"> {
  readonly version: number;
  readonly id: string | null;
  readonly granted: EvaluatedPerson["granted"] | null;
  readonly teams: readonly TeamReference[] | null;
  readonly others?: Readonly<Record<string, readonly TeamReference[] | null>> | null;
  readonly paths?: readonly Omit<AgentPath, "since">[] | null;
}

// Teams cost most and are looked up for who has groups or teams at all. TEAM-4: who is out is in none.
const person = `
  u.id, u.active, u.suspended, u.accepted, u.invitation_expires_at as "invitationExpiresAt",
  u.starts_at as "startsAt", u.ends_at as "endsAt", u.role, u.sessions_not_before as "sessionsNotBefore",
  s.tier as seat, w.tier as waiting,
  (select array_agg(p) from role_grants g, unnest(g.permissions) p
    where g.tenant_id = u.tenant_id and g.user_id = u.id and g.role = u.role and g.source = u.role_source) as granted,
  case when u.active and not u.suspended and (
      exists (select from group_members m where m.tenant_id = u.tenant_id and m.user_id = u.id)
      or exists (select from team_members m where m.tenant_id = u.tenant_id and m.user_id = u.id))
    then (select r.reach -> 'teams' from users_reach(u.tenant_id, array[u.id]) r) end as teams`;

const teamsOfOthers = (ids: string) => `
  (select json_object_agg(o.id, r.reach -> 'teams') from users_reach(t.id, ${ids}) r
    join users o on o.tenant_id = t.id and o.id = r.user_id and o.status = 'active') as others`;

const pathsOfAgents = (ids: string) => `
  (select json_agg(json_build_object('agentId', p.agent_id, 'agentName', p.agent_name, 'archived', p.archived,
      'via', p.via, 'team', json_build_object('value', p.team_id, 'display', p.team_name, 'kind', p.team_kind)))
    from agent_paths(t.id, u.id, case when cardinality(${ids}) = 1 then (${ids})[1] end) p
    where p.agent_id = any (${ids})) as paths`;

const conditions = { id: "u.id = $2::uuid", name: "u.user_name_norm = $2" } as const;

const statements = new Map<string, Statement>();

/**
 * One statement for each kind of question, with nothing in it that is not asked for: with conditions on what may be empty,
 * PostgreSQL planned it anew each time, and took 0.33 ms instead of 0.10.
 */
function statementFor(by: keyof typeof conditions, withPeople: boolean, withAgents: boolean): Statement {
  const name = `evaluation_by_${by}${withPeople ? "_people" : ""}${withAgents ? "_agents" : ""}`;
  const known = statements.get(name);
  if (known !== undefined) return known;
  const columns = [
    "t.rules_version as version",
    person,
    ...(withPeople ? [teamsOfOthers("$3::uuid[]")] : []),
    ...(withAgents ? [pathsOfAgents(withPeople ? "$4::uuid[]" : "$3::uuid[]")] : []),
  ];
  const text = `select ${columns.join(", ")}
    from tenants t
    left join users u on u.tenant_id = t.id and ${conditions[by]}
    left join lateral (
      select s.tier from seats s where s.tenant_id = u.tenant_id and s.user_id = u.id limit 1) s on true
    left join lateral (
      select w.tier from waitlist w where w.tenant_id = u.tenant_id and w.user_id = u.id limit 1) w on true
    where t.id = $1 /*authorized*/`;
  const made = { name, text };
  statements.set(name, made);
  return made;
}

/** Whom a question is about. */
export type SubjectKey = { readonly id: string } | { readonly nameNorm: string };

/** Reads one person, with the teams of the people named as resources and the ways in which the agents named reach them. */
export async function readEvaluation(
  executor: Executor,
  tenantId: string,
  subject: SubjectKey,
  resources: { readonly people: readonly string[]; readonly agents: readonly string[] },
): Promise<EvaluationRead> {
  const { people, agents } = resources;
  const [by, key] = "id" in subject ? (["id", subject.id] as const) : (["name", subject.nameNorm] as const);
  const lists = [people, agents].filter((list) => list.length > 0);
  const statement = statementFor(by, people.length > 0, agents.length > 0);
  const [row] = await executor.query<Row>(statement, [tenantId, key, ...lists]);
  return {
    version: row?.version,
    person: row === undefined || row.id === null ? undefined : toPerson(row),
    // Since when an agent is shared, nobody asks here.
    facts: {
      teamsOf: toTeamsOf(row?.others ?? {}),
      paths: (row?.paths ?? []).map((path) => ({ ...path, since: null })),
    },
  };
}

function toPerson({ version: _version, others: _others, paths: _paths, ...row }: Row): EvaluatedPerson {
  return { ...row, granted: row.granted ?? [], teams: (row.teams ?? []).map(toReference) };
}

function toReference({ value, display, kind }: TeamReference): TeamReference {
  return { value, display, kind };
}

function toTeamsOf(others: Readonly<Record<string, readonly TeamReference[] | null>>): Map<string, readonly string[]> {
  return new Map(Object.entries(others).map(([id, teams]) => [id, (teams ?? []).map((team) => team.value)]));
}
