/** People who act, and what the guard has recorded: for tests of use cases. */
import { authenticate } from "../../src/auth/authenticate.ts";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import type { MappingDocument, UserDoc } from "../../src/domain/model.ts";
import { USHER_USER } from "../../src/domain/words.ts";
import type { RequestContext } from "../../src/provisioning/context.ts";
import { getMapping } from "../../src/provisioning/mapping.ts";
import { mintToken, type NewToken } from "../../src/provisioning/tokens.ts";
import { changeAccess, createUser } from "../../src/provisioning/users.ts";
import { aUser, type TestDeps, type TestTenant } from "../helpers/tenant.ts";

/** A context of a token that is minted by `issuer`. */
export async function actWith(
  deps: TestDeps,
  issuer: RequestContext,
  token: Omit<NewToken, "label">,
): Promise<RequestContext> {
  const { token: text } = await mintToken(deps, issuer, { label: "test", ...token });
  const principal = await authenticate(deps, `Bearer ${text}`);
  return { principal, requestId: deps.newId(), door: token.scopes.includes("scim") ? "scim" : "api" };
}

/** A person who is Admin by an Admin's hand, with an API token of their own. */
export async function anAdmin(deps: TestDeps, tenant: TestTenant, userName: string) {
  const { id } = await createUser(deps, tenant.scim, aUser(userName));
  await changeAccess(deps, tenant.admin, id, { role: "admin" });
  const api = await actWith(deps, tenant.admin, { scopes: ["api"], role: "admin", userId: id });
  return { id, api };
}

/** Everything of a promotion request that tests look at. */
export interface Request {
  id: string;
  kind: string;
  role: string;
  state: string;
  attempts: number;
  sources: string[];
  user_id: string | null;
  user_name: string;
  requested_by: { id: string }[];
}

/** The promotion requests of a tenant, oldest first. */
export async function requestsOf(db: OpenDatabase, tenantId: string): Promise<Request[]> {
  const query = db.build
    .selectFrom("promotions")
    .select(["id", "kind", "role", "state", "attempts", "sources", "user_id", "user_name", "requested_by"])
    .where("tenant_id", "=", tenantId)
    .orderBy("id");
  return (await db.run(query)) as unknown as Request[];
}

/** Those of them that wait for an Admin, as "role of userName by sources". */
export async function openRequests(db: OpenDatabase, tenantId: string): Promise<string[]> {
  const requests = (await requestsOf(db, tenantId)).filter(({ state }) => state === "open");
  return requests.map(({ role, user_name, sources }) => `${role} of ${user_name} by ${sources.join(", ")}`).sort();
}

/** Everybody who holds an administrative role now. */
export async function administratorsOf(db: OpenDatabase, tenantId: string): Promise<string[]> {
  const query = db.build
    .selectFrom("users")
    .select("user_name")
    .where("tenant_id", "=", tenantId)
    .where("administrative", "=", true)
    .orderBy("user_name");
  return (await db.run(query)).map((row) => row.user_name);
}

/** Every grant, as "userName: role by source over permissions". */
export async function grantsOf(db: OpenDatabase, tenantId: string): Promise<string[]> {
  const query = db.build
    .selectFrom("role_grants as g")
    .innerJoin("users as u", (join) => join.onRef("u.tenant_id", "=", "g.tenant_id").onRef("u.id", "=", "g.user_id"))
    .select(["u.id", "g.role", "g.source", "g.permissions"])
    .where("g.tenant_id", "=", tenantId);
  const rows = (await db.run(query)) as { id: string; role: string; source: string; permissions: string[] }[];
  return rows.map((row) => `${row.id}: ${row.role} by ${row.source} over ${row.permissions.toSorted().join()}`).sort();
}

/** The stored mapping with some of it changed. */
export async function mappingWith(
  deps: TestDeps,
  tenant: TestTenant,
  change: Partial<MappingDocument>,
): Promise<MappingDocument> {
  return { ...(await getMapping(deps, tenant.admin)).document, ...change };
}

/** What a client writes to name a role. */
export function naming(role: string): (doc: UserDoc) => UserDoc {
  return (doc) => ({ ...doc, [USHER_USER]: { role } });
}
