/**
 * AUTH-5, ROL-5: every operation of openapi.yaml as every built-in role of every preset, without a credential and with one
 * of another tenant. Operations come from the document and roles from schemas/presets, so that a new one of either is
 * covered; what is expected comes from `x-scope` and `x-permission` alone.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiDocument, type Operation, operations } from "../../src/admin/api-document.ts";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import type { Permission } from "../../src/domain/model.ts";
import { holds, permissionCatalogue } from "../../src/domain/permissions.ts";
import { presets } from "../../src/domain/presets.ts";
import { type Listening, listen } from "../../src/http/server.ts";
import { createGroup } from "../../src/provisioning/groups.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aTenant, call, operatorToken, type Server, startServer, type TestTenant } from "./api.ts";

const absent = "0190a0b0-0000-7000-8000-0000000000ff";
const guarded = operations.filter(({ scope }) => scope === "api");

/** Whether x-scope and x-permission let such a role pass, with a token of all scopes of a tenant. */
function isAllowed({ scope, permissions }: Operation, held: readonly Permission[]): boolean {
  if (scope === "operator") return false;
  return permissions.length === 0 || permissions.some((permission) => holds(held, permission));
}

/** A body as the document's example has it, and one that nobody takes. */
function bodiesOf({ path, method, takesCsv }: Operation): { type: string; valid?: string; invalid?: string } {
  const type = takesCsv ? "text/csv" : "application/json";
  const example = apiDocument.paths[path][method].requestBody?.content[type].example;
  if (example === undefined) return { type };
  return { type, valid: takesCsv ? example : JSON.stringify(example), invalid: '{ "no": json' };
}

/** What of the paths of the API names something of the tenant: the rest names nothing, so that nothing is changed by it. */
function urlOf({ path, method }: Operation, things: Readonly<Record<string, string>>): string {
  return path.replace(/(\w[\w-]*)\/\{(\w+)\}/g, (_match, collection: string, name: string) => {
    const thing = method === "get" ? things[collection] : undefined;
    return `${collection}/${thing ?? (name === "id" ? absent : "nothing")}`;
  });
}

interface Sent {
  readonly status: number;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects.
  readonly problem: any;
}

async function send(
  origin: string,
  operation: Operation,
  url: string,
  token: string | null,
  body?: string,
): Promise<Sent> {
  const { type } = bodiesOf(operation);
  const response = await fetch(origin + url, {
    method: operation.method.toUpperCase(),
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": type }),
    },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json");
  return { status: response.status, text, problem: isProblem ? JSON.parse(text) : undefined };
}

/** A digest of every row of the tenant in every table, but for the remark when a token was last used. */
async function digestOf(db: OpenDatabase, tenantId: string): Promise<Record<string, unknown>> {
  const tables = await db.query<{ name: string }>(
    {
      name: "matrix_tables",
      text: `select c.table_name as name from information_schema.columns c join information_schema.tables t
          using (table_schema, table_name)
        where c.table_schema = 'public' and c.column_name = 'tenant_id' and t.table_type = 'BASE TABLE' order by 1`,
    },
    [],
  );
  const digests: Record<string, unknown> = {};
  for (const { name } of tables) {
    const text = `select count(*) as rows, md5(coalesce(string_agg(r.row, ',' order by r.row), '')) as digest
      from (select (to_jsonb(t) - 'last_used_at')::text as row from "${name}" t where t.tenant_id = $1) r`;
    digests[name] = (await db.query({ name: `matrix_${name}`, text }, [tenantId]))[0];
  }
  expect(Object.keys(digests).length).toBeGreaterThan(20);
  return digests;
}

const built = presets.flatMap(({ name, roles }) =>
  roles.map((role) => ({ preset: name, key: role.key, permissions: role.permissions })),
);

describeOnBoth(`the permission matrix, ${operations.length} operations × ${built.length} roles`, (getDb) => {
  let server: Server;
  let listening: Listening;
  let origin: string;
  beforeAll(async () => {
    server = startServer(getDb());
    listening = await listen(server.app, { host: "127.0.0.1", port: 0 });
    origin = listening.origin;
  });
  afterAll(() => listening.stop());

  /** A tenant with a person of every role, and things that a path may name. */
  async function aPopulatedTenant(preset: string) {
    const tenant = await aTenant(server, { preset });
    const domain = `${preset}.example`;
    await call(server, "changeTenant", {
      token: operatorToken,
      params: { id: tenant.id },
      body: { domains: [domain] },
    });
    const roles = presets.find(({ name }) => name === preset)!.roles;
    const tokens = new Map<string, string>();
    const people: string[] = [];
    for (const { key } of roles) {
      const { id } = await tenant.user({ userName: `${key}@${domain}`, emails: [{ value: `${key}@${domain}` }] });
      await tenant.call("changeUser", { params: { id }, body: { role: key } });
      tokens.set(key, await tenant.mint({ scopes: ["api", "access", "scim"], role: key, userId: id }));
      people.push(id);
    }
    const outsider = await tenant.user({ userName: `secretive@${domain}`, displayName: "Secretive Stranger" });
    await createGroup(server.deps, tenant.ctx, { displayName: "Everybody of a role", members: people });
    const hidden = await createGroup(server.deps, tenant.ctx, { displayName: "Hidden", members: [outsider.id] });
    const { body } = await tenant.call("listTeams", { query: { q: "hidden" } });
    const tier = presets.find(({ name }) => name === preset)!.tiers[0]!.key;
    const things = {
      ...{ users: outsider.id, teams: body.teams[0].id as string, pools: tier, roles: roles[0]!.key, domains: domain },
      tenants: tenant.id,
    };
    return { tenant, tokens, things, outsider, hidden };
  }
  type Populated = Awaited<ReturnType<typeof aPopulatedTenant>>;

  const populated = new Map<string, Promise<Populated>>();
  function populate(preset: string): Promise<Populated> {
    const known = populated.get(preset) ?? aPopulatedTenant(preset);
    populated.set(preset, known);
    return known;
  }

  /** Denied: 403 that names what is missing, before the body is looked at. */
  async function expectDenied(operation: Operation, url: string, token: string): Promise<void> {
    const { valid, invalid } = bodiesOf(operation);
    for (const body of invalid === undefined ? [valid] : [valid, invalid]) {
      const { status, problem } = await send(origin, operation, url, token, body);
      expect([operation.id, status, problem?.code]).toEqual([operation.id, 403, "forbidden"]);
      if (operation.scope !== "api") continue;
      expect([operation.id, problem.permission]).toEqual([operation.id, operation.permissions.join(" ")]);
      for (const permission of operation.permissions) expect(problem.detail).toContain(permission);
    }
    const strange = await send(origin, operation, `${url}?nonsense=1`, token, valid);
    expect([operation.id, strange.status]).toEqual([operation.id, 403]);
  }

  /**
   * Allowed: neither 401 nor 403 for want of a permission that x-permission asks for. Where it lists several, what the
   * example asks for may need another of them than the one that opens the door; the answer then names that one.
   */
  function expectAllowed(operation: Operation, { status, problem, text }: Sent, held: readonly Permission[]): void {
    const place = `${operation.id} ${status} ${text.slice(0, 500)}`;
    expect(status, place).not.toBe(401);
    expect(status, place).toBeLessThan(500);
    if (problem?.code !== "forbidden") return;
    const named = String(problem.permission ?? "").split(" ");
    expect(
      named.some((name) => holds(held, name)),
      place,
    ).toBe(false);
    expect(operation.permissions.length, place).toBeGreaterThan(1);
  }

  describe.each(built)("$preset, $key", ({ preset, key, permissions }) => {
    const denied = operations.filter((operation) => !isAllowed(operation, permissions));
    const allowed = operations.filter((operation) => isAllowed(operation, permissions));

    it(`is refused ${denied.length} operations, which change nothing`, { timeout: 120_000 }, async () => {
      const { tenant, tokens, things } = await populate(preset);
      const before = await digestOf(getDb(), tenant.id);
      for (const operation of denied) await expectDenied(operation, urlOf(operation, things), tokens.get(key)!);
      expect(await digestOf(getDb(), tenant.id)).toEqual(before);
    });

    it(`may call ${allowed.length} operations`, { timeout: 120_000 }, async () => {
      const { tokens, things } = await populate(preset);
      for (const operation of allowed) {
        const { valid, invalid } = bodiesOf(operation);
        const url = urlOf(operation, things);
        const done = await send(origin, operation, url, tokens.get(key)!, valid);
        expectAllowed(operation, done, permissions);
        if (invalid === undefined) continue;
        const { status } = await send(origin, operation, url, tokens.get(key)!, invalid);
        expect([operation.id, operation.takesCsv || status === 400]).toEqual([operation.id, true]);
      }
    });

    const isLowest = presets
      .find(({ name }) => name === preset)
      ?.roles.every((role) => role.key === key || role.rank > 10);
    it.runIf(isLowest && key !== "admin")("changes and reads nobody but themselves", async () => {
      const { tenant, tokens, things, outsider } = await populate(preset);
      const before = await digestOf(getDb(), tenant.id);
      const aboutPeople = allowed.filter(({ path, scope }) => scope === "api" && path.includes("/users/{id}"));
      for (const operation of aboutPeople) {
        const url = operation.path.replace("{id}", outsider.id);
        const { status, text } = await send(origin, operation, url, tokens.get(key)!, bodiesOf(operation).valid);
        expect([operation.id, [400, 403, 404].includes(status), text]).toEqual([operation.id, true, text]);
      }
      expect(await digestOf(getDb(), tenant.id)).toEqual(before);
      const me = await call(server, "getMe", { token: tokens.get(key)! });
      expect([me.status, me.body.userName]).toEqual([200, `${key}@${preset}.example`]);
      expect(things.users).toBe(outsider.id);
    });

    const limited = permissions.filter((permission) => permission.endsWith(":own-teams"));
    it.runIf(limited.length > 0)("reads of nobody outside their teams", async () => {
      const { tenant, tokens, things, outsider, hidden } = await populate(preset);
      const secrets = [outsider.id, "secretive", "Secretive Stranger", hidden.id, things.teams];
      const readable = allowed.filter(
        (one) =>
          one.method === "get" &&
          !one.permissions.some((permission) => permissions.includes(permission) && !permission.endsWith(":own-teams")),
      );
      expect(readable.length).toBeGreaterThan(3);
      for (const operation of readable) {
        const url = urlOf(operation, things);
        const { status, text } = await send(origin, operation, url, tokens.get(key)!);
        // Who names something is told its name again.
        const told = secrets.filter((secret) => !url.includes(secret) && text.includes(secret));
        expect([operation.id, told]).toEqual([operation.id, []]);
        // What they name themselves is not there for them.
        if (Object.values(things).some((thing) => url.includes(thing)) && /\/(users|teams)\//.test(url)) {
          expect([operation.id, status]).toEqual([operation.id, 404]);
        }
      }
      expect((await tenant.call("getUser", { params: { id: outsider.id } })).status).toBe(200);
    });
  });

  describe("with other credentials", () => {
    it("none at all: 401 for every operation, whatever the body, and nothing is changed", async () => {
      const { tenant, things } = await populate("default");
      const before = await digestOf(getDb(), tenant.id);
      for (const operation of operations) {
        const { valid, invalid } = bodiesOf(operation);
        for (const body of invalid === undefined ? [valid] : [valid, invalid]) {
          const { status, problem } = await send(origin, operation, urlOf(operation, things), null, body);
          expect([operation.id, status, problem?.code]).toEqual([operation.id, 401, "unauthorized"]);
        }
      }
      expect(await digestOf(getDb(), tenant.id)).toEqual(before);
    });

    it("a token without a role: what needs a permission is refused", async () => {
      const { tenant, things } = await populate("default");
      const token = await tenant.mint({ scopes: ["api", "access", "scim"] });
      const before = await digestOf(getDb(), tenant.id);
      for (const operation of guarded) await expectDenied(operation, urlOf(operation, things), token);
      expect(await digestOf(getDb(), tenant.id)).toEqual(before);
    });

    it("the operator's: what is a tenant's is refused", async () => {
      const { things } = await populate("default");
      for (const operation of operations.filter(({ scope }) => scope !== "operator")) {
        const { status } = await send(origin, operation, urlOf(operation, things), operatorToken);
        expect([operation.id, status]).toEqual([operation.id, 403]);
      }
    });

    it("an Admin's of another tenant: this one's things are not there, and nothing of them is told or changed", async () => {
      const { tenant, things, outsider, hidden } = await populate("default");
      const other: TestTenant = await aTenant(server, { preset: "default" });
      const before = await digestOf(getDb(), tenant.id);
      const secrets = [tenant.id, outsider.id, hidden.id, things.teams, "secretive"];
      for (const operation of operations) {
        const naming = operation.path.replace(/(\w[\w-]*)\/\{id\}/g, (_match, collection: string) => {
          return `${collection}/${(things as Record<string, string>)[collection] ?? outsider.id}`;
        });
        const url = urlOf({ ...operation, path: naming, method: "get" }, { ...things, roles: "nothing" });
        const { status, text } = await send(origin, operation, url, other.adminToken, bodiesOf(operation).valid);
        const told = secrets.filter((secret) => !url.includes(secret) && text.includes(secret));
        expect([operation.id, told]).toEqual([operation.id, []]);
        if (operation.scope === "operator") expect([operation.id, status]).toEqual([operation.id, 403]);
        else if (operation.path.includes("{id}")) expect([operation.id, status]).toEqual([operation.id, 404]);
      }
      expect(await digestOf(getDb(), tenant.id)).toEqual(before);
    });
  });

  describe("x-permission means any one of its list, and no other", () => {
    const lists = Map.groupBy(guarded, ({ permissions }) => permissions.join(" "));

    let roles = 0;

    it.each([...lists.keys()])("%s", { timeout: 60_000 }, async (list) => {
      const { tenant, things } = await populate("default");
      const wanted = list.split(" ");
      const role = async (name: string, permissions: readonly Permission[]) => {
        const key = `${name}-${[...lists.keys()].indexOf(list)}-${roles++}`;
        const made = await tenant.call("createRole", { body: { key, name: key, rank: 1, permissions } });
        expect(made.status, JSON.stringify(made.body)).toBe(201);
        return await tenant.mint({ scopes: ["api"], role: key });
      };
      const named = new Set(wanted.map((permission) => permission.replace(/:own-teams$/, "")));
      const others = permissionCatalogue.map(({ name }) => name).filter((name) => !named.has(name));
      const without = await role("without", others);
      // Limited to own teams, a permission that is asked for in full does not do.
      const beside = await role("beside", [
        ...others,
        ...[...named].map((name) => `${name}:own-teams`).filter((name) => !wanted.includes(name)),
      ]);
      const operation = lists.get(list)![0]!;
      await expectDenied(operation, urlOf(operation, things), without);
      await expectDenied(operation, urlOf(operation, things), beside);
      for (const permission of wanted) {
        const token = await role("only", [permission]);
        const reached = await send(origin, operation, urlOf(operation, {}), token, bodiesOf(operation).valid);
        expectAllowed({ ...operation, permissions: [...wanted, "x"] }, reached, [permission]);
      }
    });
  });
});
