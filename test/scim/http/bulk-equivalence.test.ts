/** A Bulk is worth what its operations are as single requests: the same users, seats, queues, events and answers. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { describeOnBoth, describeOnPostgres } from "../../helpers/database.ts";
import { snapshotOf, withoutIds } from "../../provisioning/snapshot.ts";
import { bulk, type Ended, idOf, post, statuses } from "./bulk.ts";
import { aUser, type Client, ENTERPRISE_USER, openDoor, PATCH_OP, type TenantOptions, USHER_USER } from "./door.ts";

const name = fc.nat(400).map((at) => `user-${at}`);
/** Mostly what can be had: whoever refers to somebody refused is refused as well. */
const words = fc.record(
  {
    role: fc.constantFrom(...Array<string>(20).fill("user"), ...Array<string>(8).fill("manager"), "admin", "nobody's"),
    licenseTier: fc.constantFrom(...Array<string>(20).fill("standard"), ...Array<string>(6).fill("pro"), "none such"),
  },
  { requiredKeys: [] },
);
/** Which of the operations before is meant. */
const earlier = fc.nat(10_000);

const sometimes = <T>(drawn: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 1, arbitrary: drawn }, { weight: 9, arbitrary: fc.constant(null) });

/** One operation; references are resolved to operations that exist when the list is complete. */
const step = fc.oneof(
  {
    weight: 14,
    arbitrary: fc.record({
      do: fc.constant("create" as const),
      name,
      words: fc.option(words),
      manager: sometimes(earlier),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("replace" as const), who: earlier, name, words }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("patch" as const),
      who: earlier,
      words,
      active: fc.boolean(),
      stale: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("delete" as const), who: earlier }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("group" as const),
      name: fc.constantFrom("Admins", "Pros", "Others", "More"),
      who: fc.array(earlier, { maxLength: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("join" as const), group: earlier, who: earlier, leave: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("nonsense" as const), which: fc.nat(3) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly bulkId: string;
  readonly version?: string;
  readonly data?: unknown;
}

const nonsense = [
  { method: "POST", path: "/Users", data: { userName: 7 } },
  { method: "PATCH", path: "/Users/nobody", data: { Operations: [] } },
  { method: "DELETE", path: "/Groups/0198c0de-0000-7000-8000-000000000000" },
  { method: "POST", path: "/Groups", data: { members: [] } },
];

/** Steps as operations that refer to creates above them. */
function toOperations(steps: readonly Step[]): Operation[] {
  const people: string[] = [];
  const groups: string[] = [];
  const pick = (from: readonly string[], number: number) => `bulkId:${from[number % from.length] ?? "none"}`;
  const extended = (given: object | null) => (given === null ? {} : { [USHER_USER]: given });
  return steps.map((one, at): Operation => {
    const bulkId = `b${at}`;
    if (one.do === "create") {
      const manager =
        one.manager === null || people.length === 0
          ? {}
          : { [ENTERPRISE_USER]: { manager: { value: pick(people, one.manager) } } };
      people.push(bulkId);
      return {
        method: "POST",
        path: "/Users",
        bulkId,
        data: aUser({ userName: one.name, ...extended(one.words), ...manager }),
      };
    }
    if (one.do === "group") {
      const members = one.who.map((who) => ({ value: pick(people, who) }));
      groups.push(bulkId);
      return {
        method: "POST",
        path: "/Groups",
        bulkId,
        data: { displayName: one.name, members: people.length === 0 ? [] : members },
      };
    }
    if (one.do === "nonsense" || people.length === 0 || (one.do === "join" && groups.length === 0)) {
      return { bulkId, ...nonsense[one.do === "nonsense" ? one.which : 0]! };
    }
    if (one.do === "join") {
      const value = pick(people, one.who);
      const operation = one.leave
        ? { op: "remove", path: `members[value eq "${value}"]` }
        : { op: "add", path: "members", value: [{ value }] };
      return {
        method: "PATCH",
        path: `/Groups/${pick(groups, one.group)}`,
        bulkId,
        data: { schemas: [PATCH_OP], Operations: [operation] },
      };
    }
    const path = `/Users/${pick(people, one.who)}`;
    if (one.do === "delete") return { method: "DELETE", path, bulkId };
    if (one.do === "replace")
      return { method: "PUT", path, bulkId, data: aUser({ userName: one.name, ...extended(one.words) }) };
    const Operations = [
      { op: "replace", path: "active", value: one.active },
      { op: "replace", value: extended(one.words) },
    ];
    return {
      method: "PATCH",
      path,
      bulkId,
      ...(one.stale ? { version: 'W/"99"' } : {}),
      data: { schemas: [PATCH_OP], Operations },
    };
  });
}

/** The same operations as requests of their own. A reference to what failed cannot even be written down. */
async function oneByOne(client: Client, operations: readonly Operation[]): Promise<(Ended | "unresolved")[]> {
  const ids = new Map<string, string>();
  const ended: (Ended | "unresolved")[] = [];
  for (const { method, path, bulkId, version, data } of operations) {
    let unresolved = false;
    const resolved = JSON.parse(
      JSON.stringify({ path, data }).replace(/bulkId:(\w+)/g, (_token, wanted: string) => {
        unresolved ||= !ids.has(wanted);
        return ids.get(wanted) ?? "";
      }),
    );
    if (unresolved) {
      ended.push("unresolved");
      continue;
    }
    const headers = {
      "Content-Type": "application/scim+json",
      ...(version === undefined ? {} : { "If-Match": version }),
    };
    const answer = await client.send(method, resolved.path, resolved.data, headers);
    const location = answer.body?.meta?.location;
    if (method === "POST" && answer.status === 201) ids.set(bulkId, location.split("/").at(-1));
    ended.push({ status: String(answer.status), ...(answer.status < 300 ? {} : { response: answer.body }) });
  }
  return ended;
}

function told(ended: readonly (Ended | "unresolved")[]): unknown[] {
  return ended.map((one) => {
    if (one === "unresolved") return one;
    const detail: string | undefined = one.response?.detail;
    if (detail?.startsWith("The reference bulkId:")) return "unresolved";
    return [one.status, one.response?.scimType, detail];
  });
}

const worlds: readonly (readonly [string, TenantOptions])[] = [
  ["queues", { seats: { standard: 12, pro: 3 } }],
  ["refuses", { seats: { standard: 12, pro: 3 }, whenFull: "refuse" }],
  ["gives lower seats", { seats: { standard: 12, pro: 3 }, whenFull: "downgrade" }],
];
const mapping = {
  groups: [
    { match: { displayName: "Admins" }, role: "admin" },
    { match: { displayName: "Pros" }, tier: "pro" },
  ],
};

describeOnBoth("300 operations", (getDb) => {
  const door = openDoor(getDb);

  it.each(worlds)("leave the same as a Bulk and one by one, where a full pool %s", async (_what, options) => {
    const steps = fc.sample(fc.noBias(step), { numRuns: 300, seed: 7_644 });
    const operations = toOperations(steps);
    const [together, apart] = await Promise.all([0, 1].map(() => door.tenant({ ...options, mapping })));
    const ended = await bulk(together!, operations);
    const expected = await oneByOne(apart!, operations);
    expect(withoutIds(told(ended))).toEqual(withoutIds(told(expected)));
    expect(await snapshotOf(getDb(), together!.tenantId)).toEqual(await snapshotOf(getDb(), apart!.tenantId));
    // The sample is worth something.
    const counted = new Map<string, number>();
    for (const status of statuses(ended)) counted.set(status, (counted.get(status) ?? 0) + 1);
    for (const status of ["200", "201", "204", "400", "403", "404", "409", "412"]) {
      expect([status, counted.get(status) ?? 0]).not.toEqual([status, 0]);
    }
  });
});

describeOnPostgres("two Bulks at once", (getDb) => {
  const door = openDoor(getDb);

  it("seat exactly one of 400 in a pool of one seat, and queue the others, each Bulk's in its order (LIC-2, LIC-4)", async () => {
    const client = await door.tenant({ seats: { standard: 1 } });
    const operations = (prefix: string) =>
      Array.from({ length: 200 }, (_, at) =>
        post("/Users", `${at}`, aUser({ userName: `${prefix}-${at}`, [USHER_USER]: { licenseTier: "standard" } })),
      );
    const both = await Promise.all([bulk(client, operations("a")), bulk(client, operations("b"))]);
    const places: number[] = [];
    let seated = 0;
    for (const ended of both) {
      expect(new Set(statuses(ended))).toEqual(new Set(["201"]));
      const licenses = await Promise.all(
        ended.map(async (one) => (await client.get(`/Users/${idOf(one)}`)).body[USHER_USER].license),
      );
      seated += licenses.filter(({ status }) => status === "assigned").length;
      const own = licenses.filter(({ status }) => status === "waitlisted").map(({ position }) => position);
      expect(own).toEqual(own.toSorted((one: number, other: number) => one - other));
      places.push(...own);
    }
    expect(seated).toBe(1);
    expect(places.toSorted((one, other) => one - other)).toEqual(Array.from({ length: 399 }, (_, at) => at + 1));
  });

  it("give each of 300 names once, whatever their order", async () => {
    const client = await door.tenant();
    const operations = Array.from({ length: 300 }, (_, at) =>
      post("/Users", `${at}`, aUser({ userName: `user-${at}` })),
    );
    const both = await Promise.all([bulk(client, operations), bulk(client, operations.toReversed())]);
    const counted = statuses(both.flat());
    expect(counted.filter((status) => status === "201")).toHaveLength(300);
    expect(counted.filter((status) => status === "409")).toHaveLength(300);
    expect((await client.get("/Users?count=0")).body.totalResults).toBe(300);
  });
});
