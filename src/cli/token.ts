/** `usher token mint`: the operator borrows the tenant's authority for as long as it takes to mint. */
import { parseToken } from "../auth/token-text.ts";
import type { Config } from "../config.ts";
import { StartRefused } from "../start-refused.ts";
import { connectApi, originOf } from "./client.ts";
import { connectAsOperator, everyTenant, type ServerOption } from "./tenant.ts";

interface MintOptions extends ServerOption {
  readonly tenant: string;
  readonly label: string;
  readonly scope?: readonly string[];
  readonly role?: string;
  readonly expiresAt?: string;
}

export async function mintToken(config: Config, options: MintOptions): Promise<void> {
  const operator = connectAsOperator(config, options);
  const tenants = await everyTenant(operator);
  const tenant = tenants.find(({ id, slug }) => id === options.tenant || slug === options.tenant);
  if (tenant === undefined) {
    const known = tenants.map(({ slug }) => slug).join(", ");
    throw new StartRefused(`There is no tenant ${options.tenant}. Known tenants: ${known || "none"}.`);
  }
  const { adminToken } = await operator.send<{ adminToken: string }>("POST", `/tenants/${tenant.id}/recover`, {});
  const admin = connectApi(options.url ?? originOf(config), adminToken);
  try {
    const { token, clientId } = await admin.send<{ token: string; clientId: string }>("POST", "/tokens", {
      label: options.label,
      scopes: options.scope ?? ["scim"],
      role: options.role ?? null,
      ...(options.expiresAt === undefined ? {} : { expiresAt: options.expiresAt }),
    });
    console.log(token);
    // Apart from the token, so that scripts capture that alone.
    console.error(`clientId ${clientId}`);
  } finally {
    // What was borrowed is taken back; a token's text names itself.
    await admin.send("DELETE", `/tokens/${parseToken(adminToken)?.tokenId}`);
  }
}
