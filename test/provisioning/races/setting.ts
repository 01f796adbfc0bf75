/** What the races begin with, and the questions that they ask of the database. */
import { authenticate } from "../../../src/auth/authenticate.ts";
import type { MappingDocument, UserDoc } from "../../../src/domain/model.ts";
import { USHER_USER } from "../../../src/domain/words.ts";
import type { RequestContext } from "../../../src/provisioning/context.ts";
import { mintToken } from "../../../src/provisioning/tokens.ts";
import { changeAccess, createUser } from "../../../src/provisioning/users.ts";
import { aUser, type TestDeps, type TestTenant } from "../../helpers/tenant.ts";

export const wants = (tier: string) => ({ [USHER_USER]: { licenseTier: tier } });
export const asking = (tier: string | null) => (doc: UserDoc) =>
  ({ ...doc, [USHER_USER]: tier === null ? {} : { licenseTier: tier } }) as UserDoc;
export const active = (value: boolean) => (doc: UserDoc) => ({ ...doc, active: value });
export const mapping = (groups: MappingDocument["groups"], more: Partial<MappingDocument> = {}): MappingDocument => ({
  groups,
  rules: [],
  defaults: { role: "user", tier: null },
  autoTeams: true,
  ...more,
});
export const range = (count: number) => Array.from({ length: count }, (_, index) => index);

/** A person made Admin by the tenant's own token. */
export async function anAdmin(deps: TestDeps, tenant: TestTenant, userName: string) {
  const { id } = await createUser(deps, tenant.scim, aUser(userName));
  return await changeAccess(deps, tenant.admin, id, { role: "admin" });
}

/** The context of a request with a token that acts for a person. */
export async function actingAs(deps: TestDeps, tenant: TestTenant, userId: string): Promise<RequestContext> {
  const minted = await mintToken(deps, tenant.admin, { label: "person", scopes: ["api"], role: "admin", userId });
  const principal = await authenticate(deps, `Bearer ${minted.token}`);
  return { principal, requestId: "person-request", door: "api" };
}

/** Ids of the active full Admins. */
export async function admins(deps: TestDeps, tenant: TestTenant): Promise<string[]> {
  const text = `select u.id from users u join roles r on r.tenant_id = u.tenant_id and r.key = u.role
    where u.tenant_id = $1 and u.administrative and u.status = 'active' and r.permissions @> '{*}' order by u.id`;
  return (await deps.db.query<{ id: string }>({ name: "test_admins", text }, [tenant.id])).map((row) => row.id);
}

export async function requests(deps: TestDeps, tenant: TestTenant) {
  const text = `select state, attempts, user_id as "userId" from promotions where tenant_id = $1 order by id`;
  return await deps.db.query({ name: "test_requests", text }, [tenant.id]);
}

/** The id of the tenant's one promotion request. */
export async function onlyRequest(deps: TestDeps, tenant: TestTenant): Promise<string> {
  const text = "select id from promotions where tenant_id = $1";
  const [row, ...more] = await deps.db.query<{ id: string }>({ name: "test_promotion_ids", text }, [tenant.id]);
  if (row === undefined || more.length > 0) throw new Error("There is not one promotion request.");
  return row.id;
}

export async function lastEvent(deps: TestDeps, tenant: TestTenant): Promise<number> {
  const text = "select max(id) as id from events where tenant_id = $1";
  return (await deps.db.query<{ id: number }>({ name: "test_last_event", text }, [tenant.id]))[0]?.id ?? 0;
}

/** Subjects of the events after this one, in the order of their writing. */
export async function subjectsSince(deps: TestDeps, tenant: TestTenant, after: number): Promise<string[]> {
  const text = "select subject_id as id from events e where tenant_id = $1 and e.id > $2 order by e.id";
  const rows = await deps.db.query<{ id: string }>({ name: "test_subjects", text }, [tenant.id, after]);
  return rows.map((row) => row.id);
}

export async function waitingForQueue(deps: TestDeps): Promise<number> {
  const text = "select count(*) from pg_locks where not granted and relation = 'waitlist'::regclass";
  const [row] = await deps.db.query<{ count: number }>({ name: "test_waiting", text }, []);
  return row?.count ?? 0;
}

/** Connections to this database that wait for a lock. */
export async function blocked(deps: TestDeps): Promise<number> {
  const text = `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  const [row] = await deps.db.query<{ count: number }>({ name: "test_blocked", text }, []);
  return row?.count ?? 0;
}

export async function countRows(deps: TestDeps, tenant: TestTenant, table: string, where = ""): Promise<number> {
  const text = `select count(*) from ${table} where tenant_id = $1 ${where}`;
  const [row] = await deps.db.query<{ count: number }>({ name: `test_count_${table}_${where.length}`, text }, [
    tenant.id,
  ]);
  return row?.count ?? 0;
}

/** Deadlocks that PostgreSQL has resolved in this database so far. */
export async function deadlocks(deps: TestDeps): Promise<number> {
  const text = "select deadlocks from pg_stat_database where datname = current_database()";
  const [row] = await deps.db.query<{ deadlocks: number }>({ name: "test_deadlocks", text }, []);
  return row?.deadlocks ?? 0;
}

export async function openRequests(deps: TestDeps, tenant: TestTenant, userIds: readonly string[]): Promise<number> {
  const [row] = await deps.db.query<{ count: number }>(
    {
      name: "test_open_requests",
      text: `select count(*) from promotions where tenant_id = $1 and state = 'open' and user_id = any ($2::uuid[])`,
    },
    [tenant.id, userIds],
  );
  return row?.count ?? 0;
}
