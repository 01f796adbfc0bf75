/** What a newcomer finds: the tenant demo, and a line that works when pasted. */
import { operator } from "../auth/principal.ts";
import { Problem } from "../problems.ts";
import type { RequestContext } from "../provisioning/context.ts";
import { createTenant, listTenants } from "../provisioning/tenants.ts";
import { mintToken, type TokenDeps } from "../provisioning/tokens.ts";

export interface Demo {
  readonly slug: string;
  readonly adminToken: string;
  readonly scimToken: string;
}

const slug = "demo";

/** Makes the tenant demo on a database without tenants; undefined where there is one already. */
export async function makeDemoOnce(deps: TokenDeps): Promise<Demo | undefined> {
  if ((await listTenants(deps, "", 1)).length > 0) return undefined;
  try {
    const seats = { standard: 25, pro: 5 };
    const { tenant, adminToken } = await createTenant(deps, within(deps, ""), { name: "Demo", slug, seats });
    const connection = { label: "demo connection", scopes: ["scim"] } as const;
    const { token } = await mintToken(deps, within(deps, tenant.id), connection);
    return { slug, adminToken, scimToken: token };
  } catch (error) {
    // Another process on the same database was first; it has shown the tokens.
    if (error instanceof Problem && error.code === "uniqueness") return undefined;
    throw error;
  }
}

function within(deps: TokenDeps, tenantId: string): RequestContext {
  return { principal: operator(tenantId), requestId: deps.newId(), door: "cli" };
}

export interface Place {
  readonly origin: string;
  readonly operatorTokenPlace: string;
}

/** The greeting of a start, as text for people. */
export function greet({ origin, operatorTokenPlace }: Place, demo: Demo | undefined): string {
  const lines = [
    "",
    `Usher listens on ${origin}`,
    "",
    `  SCIM base URL    ${origin}/scim/v2`,
    `  Management API   ${origin}/api/v1`,
    `  Operator token   ${operatorTokenPlace}`,
    "",
  ];
  if (demo) lines.push(...introduce(origin, demo));
  lines.push(`Another SCIM token: npm run -s usher -- token mint --tenant ${slug} --label "My identity provider"`, "");
  return lines.join("\n");
}

function introduce(origin: string, demo: Demo): string[] {
  const user = {
    schemas: ["urn:ietf:params:scim:schemas:core:2.0:User"],
    userName: "ada@example.com",
    name: { givenName: "Ada", familyName: "Lovelace" },
    "urn:ietf:params:scim:schemas:extension:usher:2.0:User": { licenseTier: "pro" },
  };
  return [
    `Made the tenant ${demo.slug} with 25 standard and 5 pro seats. Its tokens are shown this once:`,
    "",
    `  SCIM token       ${demo.scimToken}`,
    `  Admin token      ${demo.adminToken}`,
    "",
    "Paste this to provision somebody:",
    "",
    `curl -s ${origin}/scim/v2/Users -H "Authorization: Bearer ${demo.scimToken}" -H "Content-Type: application/scim+json" -d '${JSON.stringify(user)}'`,
    "",
  ];
}
