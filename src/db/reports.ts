/** who should be looked at. Each report reads one page, whatever the tenant's size. */
import { sql } from "kysely";
import type { Json, Status } from "../domain/model.ts";
import type { Database } from "./database.ts";
import { isInTeamsOf } from "./own-teams.ts";

export interface ReportedRow {
  readonly id: string;
  readonly userName: string;
  readonly doc: { readonly displayName: Json | null; readonly name: Json | null };
  readonly status: Status;
  readonly role: string;
  readonly createdAt: string;
  readonly lastSeenAt: string | null;
  readonly reviewedAt: string | null;
}

/** A moment as the database has it, to the microsecond: what a cursor goes on from. */
export interface TracedRow extends ReportedRow {
  readonly position: string;
}

export interface ReportScope {
  /** Key of the role in effect. */
  readonly role?: string | undefined;
  /** E-8: only people in a team of this person's, nobody where it is null; undefined: everybody. */
  readonly within?: string | null | undefined;
}

function people(db: Database, tenantId: string, { role, within }: ReportScope) {
  let query = db.build
    .selectFrom("users as u")
    .leftJoin("activities as a", (join) =>
      join.onRef("a.tenant_id", "=", "u.tenant_id").onRef("a.user_id", "=", "u.id"),
    )
    .where("u.tenant_id", "=", tenantId)
    .select([
      "u.id",
      "u.user_name as userName",
      "u.status",
      "u.role",
      "u.created_at as createdAt",
      "a.last_seen_at as lastSeenAt",
      "a.reviewed_at as reviewedAt",
      sql<ReportedRow["doc"]>`json_build_object('displayName', u.doc -> 'displayName', 'name', u.doc -> 'name')`.as(
        "doc",
      ),
    ]);
  if (role !== undefined) query = query.where("u.role", "=", role);
  if (within !== undefined) query = query.where(isInTeamsOf(tenantId, within));
  return query;
}

export interface HandlingRoles {
  /** Keys of roles and of tiers whose holders handle calls. */
  readonly roles: readonly string[];
  readonly tiers: readonly string[];
}

/** Active people who handle calls and are in no queue that is in use, by userName. */
export async function listWithoutQueue(
  db: Database,
  tenantId: string,
  scope: ReportScope,
  { roles, tiers }: HandlingRoles,
  after: { readonly name: string; readonly id: string } | null,
  limit: number,
): Promise<(ReportedRow & { readonly name: string })[]> {
  let query = people(db, tenantId, scope)
    .select("u.user_name_norm as name")
    .where("u.status", "=", "active")
    .where(
      sql<boolean>`not exists (
        select from team_members m join teams q on q.tenant_id = m.tenant_id and q.id = m.team_id
        where m.tenant_id = u.tenant_id and m.user_id = u.id and q.kind = 'queue' and q.archived_at is null)`,
    )
    .orderBy("u.user_name_norm")
    .orderBy("u.id")
    .limit(limit);
  if (scope.role === undefined) {
    query = query.where(
      sql<boolean>`(u.role = any (${roles}::text[]) or exists (
        select from seats s where s.tenant_id = u.tenant_id and s.user_id = u.id and s.tier = any (${tiers}::text[])))`,
    );
  }
  if (after !== null) query = query.where(sql<boolean>`(u.user_name_norm, u.id) > (${after.name}, ${after.id}::uuid)`);
  return await db.run<ReportedRow & { name: string }>(query);
}

/** What a report looks for the lack of. */
export type Trace = "last_seen_at" | "reviewed_at";

/** People without this trace at all, by the time of their making. */
export async function listNever(
  db: Database,
  tenantId: string,
  scope: ReportScope,
  trace: Trace,
  afterId: string | null,
  limit: number,
): Promise<ReportedRow[]> {
  let query = people(db, tenantId, scope)
    .where(statusFor(trace))
    .where(`a.${trace}`, "is", null)
    .orderBy("u.id")
    .limit(limit);
  if (afterId !== null) query = query.where("u.id", ">", afterId);
  return await db.run<ReportedRow>(query);
}

/** People whose last trace is older than the moment, the oldest first. */
export async function listLongAgo(
  db: Database,
  tenantId: string,
  scope: ReportScope,
  trace: Trace,
  since: string,
  after: { readonly at: string; readonly id: string } | null,
  limit: number,
): Promise<TracedRow[]> {
  const at = sql.ref(`a.${trace}`);
  let query = people(db, tenantId, scope)
    .select(sql<string>`${at}::text`.as("position"))
    .where(statusFor(trace))
    .where("a.tenant_id", "=", tenantId)
    .where(sql<boolean>`${at} < ${since}`)
    .orderBy(at)
    .orderBy("a.user_id")
    .limit(limit);
  if (after !== null)
    query = query.where(sql<boolean>`(${at}, a.user_id) > (${after.at}::timestamptz, ${after.id}::uuid)`);
  return await db.run<TracedRow>(query);
}

/** Who is out is not expected to come; who has been invited has access to be reviewed. */
function statusFor(trace: Trace) {
  return trace === "last_seen_at" ? sql<boolean>`u.status = 'active'` : sql<boolean>`u.status <> 'inactive'`;
}

export interface PrivilegedRow extends ReportedRow {
  readonly roleSource: string;
  readonly administrative: boolean;
  /** Not seen since the cutoff, nor made after it. */
  readonly unseen: boolean;
}

/**
 * People whose role may be above what is called for: pinned, kept because nobody else is Admin, or one of the elevated
 * roles while unseen since the cutoff. By the time of their making.
 */
export async function listPrivileged(
  db: Database,
  tenantId: string,
  scope: ReportScope,
  elevated: readonly string[],
  cutoff: string,
  afterId: string | null,
  limit: number,
): Promise<PrivilegedRow[]> {
  const unseen = sql<boolean>`coalesce(a.last_seen_at, u.created_at) < ${cutoff}`;
  let query = people(db, tenantId, scope)
    .select(["u.role_source as roleSource", "u.administrative", unseen.as("unseen")])
    .where("u.status", "<>", "inactive")
    .where(
      sql<boolean>`(u.role_pin is not null or u.role_source = 'kept'
        or u.role = any (${elevated}::text[]) and ${unseen})`,
    )
    .orderBy("u.id")
    .limit(limit);
  if (afterId !== null) query = query.where("u.id", ">", afterId);
  return await db.run<PrivilegedRow>(query);
}
