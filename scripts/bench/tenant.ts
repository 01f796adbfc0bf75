/** A tenant as large as wanted: made over HTTP as customers' are, filled with SQL, because filling is not measured. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Session } from "../../src/db/engine.ts";
import { ask, type Client, connect } from "./client.ts";
import { fill } from "./fill.ts";
import type { Server } from "./server.ts";

export interface Group {
  readonly id: string;
  readonly size: number;
}

/** Somebody to look for. */
export interface Person {
  readonly id: string;
  readonly userName: string;
  readonly externalId: string;
  readonly email: string;
}

export interface Tenant {
  readonly id: string;
  /** Users and seats together with the newcomers and theirs. */
  readonly total: number;
  readonly scim: Client;
  readonly api: Client;
  /** As the product asks, under /access/v1. */
  readonly access: Client;
  /** Groups of a thousandth, a tenth and all of the users, whose members get nothing but a team. */
  readonly plain: readonly Group[];
  /** The same, of which each gives its members the tier pro. */
  readonly granting: readonly Group[];
  /** Some of the users, all in the same number of groups. */
  readonly people: readonly Person[];
  /** Users in none of these groups, without a license. */
  readonly newcomers: readonly string[];
  /** Names of ordinary groups. */
  readonly teamNames: readonly string[];
}

/** Users who come and go; for each of them a seat is free. */
const newcomersCount = 20;

/** Makes the tenant and fills it. The largest group of either kind has all `users` as members. */
export async function makeTenant(server: Server, session: Session, name: string, users: number): Promise<Tenant> {
  const operator = connect(`${server.origin}/api/v1`, server.operatorToken);
  const body = { name, slug: `bench-${name}` };
  const made = await ask<{ id: string; adminToken: string }>(operator, 201, "POST", "/tenants", body);
  const api = connect(`${server.origin}/api/v1`, made.adminToken);
  const connection = { label: "connection", scopes: ["scim"] };
  const { token } = await ask<{ token: string }>(api, 201, "POST", "/tokens", connection);
  const access = connect(`${server.origin}/access/v1`, made.adminToken);
  const scim = connect(`${server.origin}/scim/v2`, token);

  const sizes = [users / 1_000, users / 10, users].map((size) => Math.max(1, Math.round(size)));
  await saveMapping(
    api,
    sizes.map((size) => ({ match: { displayName: `Licensed ${size}` }, tier: "pro" })),
  );
  const plain = await makeGroups(scim, "Everybody", sizes);
  const granting = await makeGroups(scim, "Licensed", sizes);
  const filled = await fill(session, made.id, { users, newcomers: newcomersCount, plain, granting });
  return { id: made.id, total: users + newcomersCount, scim, api, access, plain, granting, ...filled };
}

/** Saves who gets a tier, and waits until nobody is decided anew any more: the filling takes the decisions as done. */
async function saveMapping(api: Client, groups: readonly object[]): Promise<void> {
  await ask(api, 200, "PUT", "/mapping", { groups, rules: [], defaults: { role: "user", tier: null } });
  const state = async () => (await ask<{ state: string }>(api, 200, "GET", "/mapping/progress")).state;
  while ((await state()) !== "done") await sleep(50);
}

async function makeGroups(scim: Client, kind: string, sizes: readonly number[]): Promise<Group[]> {
  const groups: Group[] = [];
  for (const size of sizes) {
    const group = { schemas: ["urn:ietf:params:scim:schemas:core:2.0:Group"], displayName: `${kind} ${size}` };
    groups.push({ id: (await ask<{ id: string }>(scim, 201, "POST", "/Groups", group)).id, size });
  }
  return groups;
}
