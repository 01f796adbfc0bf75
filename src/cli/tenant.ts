/** `usher tenant create|list` */
import type { Config } from "../config.ts";
import { type ApiClient, connectApi, originOf, readOperatorToken } from "./client.ts";

export interface ServerOption {
  readonly url?: string;
}

export interface Tenant {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly preset: string;
}

export function connectAsOperator(config: Config, { url }: ServerOption): ApiClient {
  return connectApi(url ?? originOf(config), readOperatorToken(config));
}

interface CreateOptions extends ServerOption {
  readonly slug?: string;
  readonly preset: string;
  readonly seats: Readonly<Record<string, number>>;
}

export async function createTenant(config: Config, name: string, options: CreateOptions): Promise<void> {
  const { slug, preset, seats } = options;
  const api = connectAsOperator(config, options);
  const made = await api.send<Tenant & { adminToken: string }>("POST", "/tenants", {
    name,
    preset,
    seats,
    ...(slug === undefined ? {} : { slug }),
  });
  console.log(
    `Made the tenant ${made.slug} (${made.id}). Its admin token is shown this once:\n\n  ${made.adminToken}\n`,
  );
  console.log(`A token for its identity provider: npm run -s usher -- token mint --tenant ${made.slug}`);
}

export async function listTenants(config: Config, options: ServerOption): Promise<void> {
  for (const { slug, id, preset, name } of await everyTenant(connectAsOperator(config, options))) {
    console.log([slug, id, preset, name].join("\t"));
  }
}

/** All pages of the list. */
export async function everyTenant(api: ApiClient): Promise<Tenant[]> {
  const tenants: Tenant[] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    type Page = { tenants: Tenant[]; nextCursor: string | null };
    const page: Page = await api.send("GET", `/tenants${cursor && `?cursor=${encodeURIComponent(cursor)}`}`);
    tenants.push(...page.tenants);
    cursor = page.nextCursor;
  }
  return tenants;
}
