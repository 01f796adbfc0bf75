/** The place of the attacks: both doors over one database, tenants with Admins, traps laid, and tokens without authority. */
import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdminRouters } from "../../../src/admin/router.ts";
import { operator } from "../../../src/auth/principal.ts";
import { Secret } from "../../../src/auth/secret.ts";
import type { OpenDatabase } from "../../../src/db/transactions.ts";
import type { MappingDocument, Settings } from "../../../src/domain/model.ts";
import { createApp } from "../../../src/http/app.ts";
import { createLogger } from "../../../src/log.ts";
import type { RequestContext } from "../../../src/provisioning/context.ts";
import { createTenant } from "../../../src/provisioning/tenants.ts";
import { mintToken, type NewToken } from "../../../src/provisioning/tokens.ts";
import { createScimRouter } from "../../../src/scim/router.ts";
import { makeDeps, type TestDeps } from "../../helpers/tenant.ts";

export const CORE = "urn:ietf:params:scim:schemas:core:2.0:User";
export const GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group";
export const ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
export const USHER = "urn:ietf:params:scim:schemas:extension:usher:2.0:User";
export const PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

export interface Told {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: an attack reads whatever comes back.
  readonly body: any;
}

/** One credential at one door. */
export type Caller = (method: string, path: string, body?: unknown) => Promise<Told>;

export interface Site {
  readonly deps: TestDeps;
  readonly db: OpenDatabase;
  readonly origin: string;
  close(): void;
}

/** Both doors as the server mounts them; jobs run when a test says so. */
export async function openSite(db: OpenDatabase): Promise<Site> {
  const log = createLogger("silent");
  const deps = Object.assign(makeDeps(db), { log, operatorToken: new Secret(randomBytes(32).toString("hex")) });
  const routers = { "/scim/v2": createScimRouter(deps), ...createAdminRouters(deps) };
  const server: Server = createServer(createApp({ database: db, log, newId: deps.newId, routers }));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { deps, db, origin, close: () => server.close() };
}

function caller(site: Site, base: "/scim/v2" | "/api/v1", token: string): Caller {
  const type = base === "/scim/v2" ? "application/scim+json" : "application/json";
  return async (method, path, body) => {
    const response = await fetch(site.origin + base + path, {
      method,
      headers: { Authorization: `Bearer ${token}`, ...(body === undefined ? {} : { "Content-Type": type }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  };
}

/** Roles beside those of the preset: all but the last are administrative. */
const roles = [
  { key: "billing", name: "Billing Clerk", rank: 60, permissions: ["tokens.manage"] },
  { key: "desk", name: "Help Desk", rank: 70, permissions: ["users.manage", "users.read", "licenses.manage"] },
  { key: "mapper", name: "Mapper", rank: 65, permissions: ["mapping.manage", "users.read", "licenses.manage"] },
  { key: "smith", name: "Role Smith", rank: 64, permissions: ["roles.manage", "users.read"] },
  { key: "mint", name: "Token Mint", rank: 63, permissions: ["tokens.manage", "users.read"] },
  { key: "clerk", name: "Promotions Clerk", rank: 62, permissions: ["promotions.manage", "users.read"] },
  { key: "editor", name: "Editor", rank: 20, permissions: ["content.edit"] },
];

const mapping: MappingDocument = {
  groups: [
    { match: { externalId: "admins" }, role: "admin" },
    { match: { externalId: "billing" }, role: "billing" },
    { match: { displayName: "Managers" }, role: "manager" },
    { match: { displayName: "Sellers" }, team: { name: "Sales", kind: "team" }, tier: "standard" },
  ],
  rules: [
    { name: "chiefs", when: 'title eq "Chief"', role: "admin" },
    { name: "board", when: `${ENTERPRISE}:department eq "Board"`, role: "billing" },
    { name: "vips", when: 'roles[value eq "vip"]', role: "desk" },
  ],
  defaults: { role: "user", tier: null },
  autoTeams: true,
};

export interface World {
  readonly site: Site;
  readonly tenantId: string;
  readonly settings: Partial<Settings>;
  /** The Admin's own token, for what an Admin does beside the attacks. */
  readonly admin: Caller;
  /** A person who is Admin, and no hand behind any connection. */
  readonly chief: Caller;
  /** Connections without authority: no role, and a role that is not administrative. */
  readonly scim: readonly Caller[];
  /** API tokens by the role that they act with; none of them holds everything. */
  readonly api: Readonly<
    Record<"desk" | "mapper" | "smith" | "mint" | "clerk" | "manager" | "deskOfIssuer" | "issuer", Caller>
  >;
  /** A connection's token, at the management door. */
  readonly scimAtApi: Caller;
  /** People who are Admins, for good. */
  readonly admins: readonly string[];
  /** People who were Admins: deactivated, stopped, past their end date. The last of each kind nobody brings back. */
  readonly former: { readonly deactivated: string[]; readonly suspended: string[]; readonly lapsed: string[] };
  /** The groups that grant, with their sole approved member. */
  readonly groups: { readonly admins: string; readonly billing: string };
  readonly warden: string;
  /** People that attacks are about. */
  readonly targets: string[];
  /** People that ordinary provisioning is about. */
  readonly workers: string[];
  /** Words that no role has yet, and people who carry them in roles[]. */
  readonly planted: { word: string; userId: string }[];
  count: number;
}

export async function makeWorld(site: Site, settings: Partial<Settings>): Promise<World> {
  const { deps } = site;
  const root: RequestContext = { principal: operator(), requestId: "attack", door: "cli" };
  const made = await createTenant(deps, root, { name: `World ${deps.newId()}`, seats: { standard: 1000 } });
  const tenantId = made.tenant.id;
  const within: RequestContext = { ...root, principal: operator(tenantId) };
  const mint = async (token: Omit<NewToken, "label">, issuer = within) =>
    (await mintToken(deps, issuer, { label: "attacker", ...token })).token;
  const admin = caller(site, "/api/v1", made.adminToken);
  for (const role of roles) await must(admin("POST", "/roles", role), 201);
  await must(admin("PATCH", "/settings", settings), 200);
  await must(admin("PUT", "/mapping", mapping), 200);
  await deps.runJobs();

  const scimToken = await mint({ scopes: ["scim"] });
  const scim = [
    caller(site, "/scim/v2", scimToken),
    caller(site, "/scim/v2", await mint({ scopes: ["scim"] })),
    caller(site, "/scim/v2", await mint({ scopes: ["scim"], role: "manager" })),
  ];
  const [first] = scim as [Caller];
  const user = async (userName: string, more: object = {}) =>
    (
      await must(
        first("POST", "/Users", { schemas: [CORE], userName, emails: [{ value: `${userName}@x.org` }], ...more }),
        201,
      )
    ).id as string;
  const pin = (id: string, role: string | null) => must(admin("PATCH", `/users/${id}`, { role }), 200);

  const ends = new Date(deps.now.getTime() + 3_600_000);
  const admins = [await user("chief"), await user("deputy"), await user("issuer")];
  for (const id of admins) await pin(id, "admin");
  const former = {
    deactivated: [await user("former1"), await user("former2"), await user("former3")],
    suspended: [await user("stopped1"), await user("stopped2")],
    lapsed: [await user("lapsed1", { [USHER]: { endDate: ends.toISOString() } })],
  };
  for (const id of Object.values(former).flat()) await pin(id, "admin");
  for (const id of former.deactivated) {
    await must(first("PATCH", `/Users/${id}`, patch({ op: "replace", path: "active", value: false })), 200);
  }
  for (const id of former.suspended) await must(admin("PATCH", `/users/${id}`, { suspended: true }), 200);
  deps.now = new Date(ends.getTime() + 3_600_000);

  const warden = await user("warden");
  const group = async (displayName: string, externalId: string, members: string[]) =>
    (
      await must(
        first("POST", "/Groups", {
          schemas: [GROUP],
          displayName,
          externalId,
          members: members.map((value) => ({ value })),
        }),
        201,
      )
    ).id as string;
  const groups = {
    admins: await group("Operators", "admins", [warden]),
    billing: await group("Finance", "billing", []),
  };
  const { promotions } = await must(admin("GET", "/promotions?state=open"), 200);
  // A person approves: with two persons asked for, the hand that made the connection may not.
  const chief = caller(site, "/api/v1", await mint({ scopes: ["api"], role: "admin", userId: admins[0] as string }));
  await must(chief("POST", `/promotions/${promotions[0].id}/approve`), 200);

  const api = {} as Record<keyof World["api"], Caller>;
  for (const key of ["desk", "mapper", "smith", "mint", "clerk", "manager"] as const) {
    api[key] = caller(site, "/api/v1", await mint({ scopes: ["api"], role: key }));
  }
  const issuerToken = await mint({ scopes: ["api"], role: "admin", userId: admins[2] as string });
  api.issuer = caller(site, "/api/v1", issuerToken);
  const issued = await must(api.issuer("POST", "/tokens", { label: "mine", scopes: ["api"], role: "desk" }), 201);
  api.deskOfIssuer = caller(site, "/api/v1", issued.token);

  const targets: string[] = [];
  for (let number = 0; number < 24; number++) targets.push(await user(`target${number}`));
  const workers: string[] = [];
  for (let number = 0; number < 8; number++) workers.push(await user(`worker${number}`));
  const scimAtApi = caller(site, "/api/v1", scimToken);
  return {
    site,
    tenantId,
    settings,
    admin,
    chief,
    scim,
    api,
    scimAtApi,
    admins,
    former,
    groups,
    warden,
    targets,
    workers,
    planted: [],
    count: 0,
  };
}

/** The body of an answer that has to come; anything else ends the test. */
export async function must(answer: Promise<Told>, status: number): Promise<Told["body"]> {
  const { status: got, body } = await answer;
  if (got !== status) throw new Error(`expected ${status}, got ${got}: ${JSON.stringify(body)}`);
  return body;
}

export function patch(...operations: object[]): object {
  return { schemas: [PATCH_OP], Operations: operations };
}
