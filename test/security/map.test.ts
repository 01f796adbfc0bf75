/**
 * MAP-1: a mapping entry is bound to a group, not to its name. Whatever groups are called, made, renamed and deleted, their
 * members hold what the bound entries give, no more and no longer; and no power hangs on a name that somebody else can take.
 */
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { USHER_USER } from "../../src/vocabulary/urns.ts";
import { fuzzTimeoutMs, runs } from "../fuzz/runs.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { startServer, type TestServer, type TestTenant } from "../helpers/server.ts";

interface Shown {
  id: string;
  [USHER_USER]: { effectiveRole: string; teams: { display: string }[] };
}

/** What the entries of this mapping match, and what they give. */
const entries = [
  { match: { displayName: "Leads" }, role: "manager" },
  { match: { externalId: "ext-leads" }, role: "manager" },
  { match: { displayName: "Sellers" }, team: { name: "Sales", kind: "team" } },
] as const;

const names = ["Leads", "LEADS", "Sellers", "Others", "Strangers"];
const externalIds = [null, "ext-leads", "ext-other"];

type Step =
  | { readonly do: "create"; readonly name: string; readonly externalId: string | null }
  | { readonly do: "rename"; readonly group: number; readonly name: string }
  | { readonly do: "reidentify"; readonly group: number; readonly externalId: string | null }
  | { readonly do: "join" | "leave"; readonly group: number; readonly person: number }
  | { readonly do: "delete"; readonly group: number };

const group = fc.nat({ max: 3 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant("create" as const),
    name: fc.constantFrom(...names),
    externalId: fc.constantFrom(...externalIds),
  }),
  fc.record({ do: fc.constant("rename" as const), group, name: fc.constantFrom(...names) }),
  fc.record({ do: fc.constant("reidentify" as const), group, externalId: fc.constantFrom(...externalIds) }),
  fc.record({
    do: fc.constantFrom("join" as const, "join" as const, "leave" as const),
    group,
    person: fc.nat({ max: 2 }),
  }),
  fc.record({ do: fc.constant("delete" as const), group }),
);

/** The group as the model knows it: an entry that has matched once stays. */
interface Model {
  readonly id: string;
  name: string;
  externalId: string | null;
  readonly bound: Set<number>;
  readonly members: Set<number>;
}

function bind(model: Model): void {
  for (const [at, { match }] of entries.entries()) {
    const byName = "displayName" in match && match.displayName.toLowerCase() === model.name.toLowerCase();
    const byExternalId = "externalId" in match && match.externalId === model.externalId;
    if (byName || byExternalId) model.bound.add(at);
  }
}

const times = runs(40);
describeOnBoth("MAP-1: renames", (getDb) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(getDb());
  });
  afterAll(() => server.close());

  async function save(tenant: TestTenant, groups: readonly object[]): Promise<number> {
    const { status } = await tenant.api("PUT", "/mapping", {
      groups,
      rules: [],
      defaults: { role: "user" },
      autoTeams: false,
    });
    if (status === 200) await settled(tenant);
    return status;
  }

  /** Waits for the job that follows a save. */
  async function settled(tenant: TestTenant): Promise<void> {
    for (let tries = 0; tries < 200; tries += 1) {
      const { body } = await tenant.api<{ state: string }>("GET", "/mapping/progress");
      if (body.state === "done") return;
      await new Promise((later) => setTimeout(later, 50));
    }
    expect.fail("The mapping was not carried out in ten seconds.");
  }

  const people = async (tenant: TestTenant, count: number) => {
    const made = Array.from({ length: count }, (_, at) =>
      tenant.scim<Shown>("POST", "/Users", { userName: `person-${at}` }),
    );
    return (await Promise.all(made)).map(({ body }) => body.id);
  };
  const shown = async (tenant: TestTenant, id: string) =>
    (await tenant.scim<Shown>("GET", `/Users/${id}`)).body[USHER_USER];

  it(`MAP-1: members hold what the entries bound to their groups give, at every moment (${times.numRuns} stories)`, {
    timeout: fuzzTimeoutMs,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async (steps) => {
        const tenant = await server.tenant();
        const persons = await people(tenant, 3);
        expect(await save(tenant, entries)).toBe(200);
        const groups: Model[] = [];
        const patch = (url: string, ...Operations: object[]) => tenant.scim("PATCH", url, { Operations });
        for (const one of steps) {
          if (one.do === "create") {
            const { name: displayName, externalId } = one;
            const { status, body } = await tenant.scim<{ id: string }>("POST", "/Groups", { displayName, externalId });
            const isTaken = groups.some(({ name }) => name.toLowerCase() === displayName.toLowerCase());
            if (status !== 201) expect([isTaken, status]).toEqual([true, 409]);
            else {
              const model = {
                id: body.id,
                name: displayName,
                externalId,
                bound: new Set<number>(),
                members: new Set<number>(),
              };
              groups.push(model);
              bind(model);
            }
          } else {
            const model = groups[one.group % Math.max(1, groups.length)];
            if (model === undefined) continue;
            const url = `/Groups/${model.id}`;
            if (one.do === "rename") {
              const { status } = await patch(url, { op: "replace", path: "displayName", value: one.name });
              if (status < 300) model.name = one.name;
              else expect(status).toBe(409);
            } else if (one.do === "reidentify") {
              const { status } = await patch(url, { op: "replace", value: { externalId: one.externalId } });
              // TEAM-2: what binds a group to the mapping is an Admin's to change.
              const isHeld = model.externalId !== null && model.bound.size > 0 && model.externalId !== one.externalId;
              expect([one, status]).toEqual([one, isHeld ? 403 : 204]);
              if (!isHeld) model.externalId = one.externalId;
            } else if (one.do === "delete") {
              expect((await tenant.scim("DELETE", url)).status).toBe(204);
              groups.splice(groups.indexOf(model), 1);
            } else {
              const value = [{ value: persons[one.person] }];
              await patch(url, { op: one.do === "join" ? "add" : "remove", path: "members", value });
              if (one.do === "join") model.members.add(one.person);
              else model.members.delete(one.person);
            }
            bind(model);
          }
          for (const [at, id] of persons.entries()) {
            const given = groups.filter(({ members }) => members.has(at)).flatMap(({ bound }) => [...bound]);
            const { effectiveRole, teams } = await shown(tenant, id);
            expect([one, effectiveRole]).toEqual([one, given.some((entry) => entry < 2) ? "manager" : "user"]);
            expect([one, teams.map(({ display }) => display)]).toEqual([one, given.includes(2) ? ["Sales"] : []]);
          }
        }
      }),
      times,
    );
  });

  it("MAP-1: an entry that makes administrators takes no name, and a group that takes the name of its group gets nothing", async () => {
    const tenant = await server.tenant();
    expect(await save(tenant, [{ match: { displayName: "Admins" }, role: "admin" }])).toBe(400);
    const [ada, eve] = (await people(tenant, 2)) as [string, string];
    const made = await tenant.scim<{ id: string }>("POST", "/Groups", {
      displayName: "Admins",
      externalId: "real",
      members: [{ value: ada }],
    });
    expect(await save(tenant, [{ match: { id: made.body.id }, role: "admin" }])).toBe(200);
    await tenant.scim("PATCH", `/Groups/${made.body.id}`, {
      Operations: [{ op: "replace", path: "displayName", value: "Old admins" }],
    });
    const twin = await tenant.scim<{ id: string }>("POST", "/Groups", {
      displayName: "Admins",
      externalId: made.body.id,
      members: [{ value: eve }],
    });
    expect(twin.status).toBe(201);
    expect((await shown(tenant, eve)).effectiveRole).toBe("user");
    await tenant.scim("DELETE", `/Groups/${made.body.id}`);
    const again = { displayName: "Old admins", externalId: "real", members: [{ value: eve }] };
    expect((await tenant.scim("POST", "/Groups", again)).status).toBe(201);
    expect((await shown(tenant, eve)).effectiveRole).toBe("user");
  });

  it("MAP-1: an external id that a connection can write gives power only once an Admin has said so", async () => {
    const tenant = await server.tenant();
    const [eve] = (await people(tenant, 1)) as [string];
    expect(await save(tenant, [{ match: { externalId: "admins" }, role: "admin" }])).toBe(200);
    await tenant.scim("POST", "/Groups", { displayName: "Mine", externalId: "admins", members: [{ value: eve }] });
    const renamed = await tenant.scim<{ id: string }>("POST", "/Groups", {
      displayName: "Also mine",
      members: [{ value: eve }],
    });
    await tenant.scim("PATCH", `/Groups/${renamed.body.id}`, {
      Operations: [{ op: "add", path: "externalId", value: "admins" }],
    });
    expect((await shown(tenant, eve)).effectiveRole).toBe("user");
    const { body } = await tenant.api<{ promotions: { role: string }[] }>("GET", "/promotions");
    expect(body.promotions.map(({ role }) => role)).toContain("admin");
  });

  it("MAP-1: a role that takes the name of another gives its power to nobody who wished for the other", async () => {
    const tenant = await server.tenant();
    const lead = { key: "squad-lead", name: "Lead", rank: 15, permissions: ["conversations.use"] };
    expect((await tenant.api("POST", "/roles", lead)).status).toBe(201);
    const wish = { userName: "ada", [USHER_USER]: { role: "Lead" } };
    const { body } = await tenant.scim<Shown>("POST", "/Users", wish);
    expect(body[USHER_USER].effectiveRole).toBe("squad-lead");
    expect((await tenant.api("PATCH", "/roles/squad-lead", { name: "Former lead" })).status).toBe(200);
    await settled(tenant);
    const strong = { key: "boss", name: "Lead", rank: 90, permissions: ["*"] };
    expect((await tenant.api("POST", "/roles", strong)).status).toBe(201);
    await settled(tenant);
    expect((await shown(tenant, body.id)).effectiveRole).not.toBe("boss");
    // An echo of what was read changes nothing either.
    await tenant.scim("PUT", `/Users/${body.id}`, wish);
    expect((await shown(tenant, body.id)).effectiveRole).not.toBe("boss");
  });
});
