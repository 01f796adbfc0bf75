/** What is measured: each contest asks the same of sides that differ in size only. */
import { listPoolRows } from "../../src/db/pools.ts";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import { type Answer, ask, type Client } from "./client.ts";
import type { Contest, Step } from "./measure.ts";
import type { Group, Person, Tenant } from "./tenant.ts";

export interface Field {
  readonly small: Tenant;
  readonly large: Tenant;
  /** For the one statement that is measured without the server. */
  readonly database: OpenDatabase;
}

/** What a server does all day. */
export function everydayContests({ small, large, database }: Field): Contest[] {
  const both = [small, large];
  return [
    membership(large, large.plain, "that decides nothing", 1.2),
    membership(large, large.granting, "that grants a tier", 1.5),
    lookUp(both, "userName eq", (tenant, pass) => `/Users?filter=userName eq "${person(tenant, pass).userName}"`),
    lookUp(both, "externalId eq", (tenant, pass) => `/Users?filter=externalId eq "${person(tenant, pass).externalId}"`),
    lookUp(both, 'emails[type eq "work"].value eq', (tenant, pass) => {
      return `/Users?filter=emails[type eq "work"].value eq "${person(tenant, pass).email}"`;
    }),
    lookUp(both, "group displayName eq", ({ teamNames }, pass) => {
      const name = teamNames[pass % teamNames.length];
      return `/Groups?excludedAttributes=members&filter=displayName eq "${name}"`;
    }),
    seats(both, database),
    signIns(large),
    pages(large),
    cursors(large),
    bareGroups(large),
  ];
}

/** A member of a granting group is seated, a member of another is not; so what is measured is what is meant. */
export async function proveSeats({ scim, plain, granting, newcomers }: Tenant): Promise<void> {
  const id = newcomers[0] as string;
  for (const [group, expected] of [
    [granting.at(-1), "assigned"],
    [plain.at(-1), "none"],
  ] as const) {
    const [add, remove] = memberSteps({ scim, newcomers: [id] }, group as Group);
    await add.run(0);
    const user = await ask<Record<string, { license?: { status: string } }>>(scim, 200, "GET", `/Users/${id}`);
    await remove.run(0);
    const status = user["urn:ietf:params:scim:schemas:extension:usher:2.0:User"]?.license?.status;
    if (status !== expected)
      throw new Error(`A member of ${group?.size}: expected license ${expected}, got ${status}.`);
  }
}

function membership(tenant: Tenant, groups: readonly Group[], what: string, ratio: number): Contest {
  return {
    questions: [
      { text: `add one member to a group ${what}`, target: { ratio } },
      { text: `remove one member of a group ${what}`, target: { ratio } },
    ],
    sides: groups.map((group) => ({ label: `${count(group.size)} members`, steps: memberSteps(tenant, group) })),
    weight: 2,
  };
}

function memberSteps({ scim, newcomers }: Pick<Tenant, "scim" | "newcomers">, { id }: Group): [Step, Step] {
  const patch = (operation: object) => {
    const schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
    return scim("PATCH", `/Groups/${id}`, { schemas, Operations: [operation] });
  };
  const newcomer = (pass: number) => newcomers[pass % newcomers.length];
  const holds = ({ status }: Answer) => status === 204;
  return [
    { run: (pass) => patch({ op: "add", path: "members", value: [{ value: newcomer(pass) }] }), holds },
    { run: (pass) => patch({ op: "remove", path: `members[value eq "${newcomer(pass)}"]` }), holds },
  ];
}

function person({ people }: Tenant, pass: number): Person {
  return people[pass % people.length] as Person;
}

function lookUp(tenants: readonly Tenant[], what: string, path: (tenant: Tenant, pass: number) => string): Contest {
  return {
    questions: [{ text: what, target: { ratio: 1.5 } }],
    sides: tenants.map((tenant) => ({
      label: `${count(tenant.total)} users`,
      steps: [
        {
          run: (pass) => tenant.scim("GET", encodeURI(path(tenant, pass))),
          holds: (answer) => answer.text().includes('"totalResults":1,'),
        },
      ],
    })),
    weight: 1,
  };
}

function seats(tenants: readonly Tenant[], database: OpenDatabase): Contest {
  return {
    questions: [
      { text: "the statement that counts pools", target: { ms: 10 } },
      { text: "GET /api/v1/pools", target: { ms: 10 } },
      { text: "GET /api/v1/overview", target: {} },
    ],
    sides: tenants.map((tenant) => {
      const holds = ({ text }: Answer) => text().includes(`"purchased":${tenant.total},`);
      return {
        label: `${count(tenant.total)} seats`,
        steps: [
          { run: () => countPools(database, tenant.id), holds },
          { run: () => tenant.api("GET", "/pools"), holds },
          { run: () => tenant.api("GET", "/overview"), holds },
        ],
      };
    }),
    weight: 2,
  };
}

/** What a product asks at every sign-in, beside the cheapest that there is to ask about the same person. */
function signIns(tenant: Tenant): Contest {
  const question = (type: string, id: string) => ({
    subject: { type, id },
    action: { name: "sign-in" },
    resource: { type: "application", id: "bench" },
  });
  const evaluate = (subjectOf: (person: Person) => [string, string]): Step => ({
    run: (pass) => tenant.access("POST", "/evaluation", question(...subjectOf(person(tenant, pass)))),
    holds: (answer) => answer.text().startsWith('{"decision":true'),
  });
  const get: Step = {
    run: (pass) => tenant.scim("GET", `/Users/${person(tenant, pass).id}`),
    holds: (answer) => answer.status === 200,
  };
  return {
    questions: [{ text: `whether somebody may sign in, of ${count(tenant.total)}`, target: { ratio: 1.5 } }],
    sides: [
      { label: "GET of the user over SCIM", steps: [get] },
      { label: "evaluation by id", steps: [evaluate(({ id }) => ["user", id])] },
      { label: "evaluation by userName", steps: [evaluate(({ userName }) => ["userName", userName])] },
    ],
    weight: 1,
  };
}

async function countPools(database: OpenDatabase, tenantId: string): Promise<Answer> {
  const rows = await listPoolRows(database, tenantId);
  return { status: 200, bytes: 0, text: () => JSON.stringify(rows) };
}

function pages({ scim, total }: Tenant): Contest {
  const size = 100;
  const page = (startIndex: number): Step => ({
    run: () => scim("GET", `/Users?startIndex=${startIndex}&count=${size}`),
    holds: (answer) => answer.text().includes(`"itemsPerPage":${size},`),
  });
  return {
    questions: [{ text: `a page of ${size} users by startIndex, of ${count(total)}`, target: { ratio: 3 } }],
    sides: [
      { label: "first page", steps: [page(1)] },
      { label: "last page", steps: [page(total - size + 1)] },
    ],
    weight: 1,
  };
}

/** Pages by cursor begin where the one before ended, so that the last costs what the first does. */
function cursors({ scim, total }: Tenant): Contest {
  // As large as pages are, because all of them are asked for once to come to the last.
  const size = 500;
  const lists = [
    ["", ""],
    [", sorted by userName", "&sortBy=userName"],
  ] as const;
  const page = (query: string, findCursor: () => Promise<string>): Step => {
    let cursor: Promise<string> | undefined;
    return {
      async run() {
        // Found in the first pass, which is not measured.
        cursor ??= findCursor();
        return await scim("GET", `/Users?count=${size}${query}&cursor=${await cursor}`);
      },
      holds: (answer) => answer.text().includes(`"itemsPerPage":${size},`),
    };
  };
  return {
    questions: lists.map(([what]) => ({
      text: `a page of ${size} users by cursor${what}, of ${count(total)}`,
      target: { ratio: 2 },
    })),
    sides: [
      { label: "first page", steps: lists.map(([, query]) => page(query, async () => "")) },
      { label: "last full page", steps: lists.map(([, query]) => page(query, () => findLast(scim, size, query))) },
    ],
    weight: 2,
  };
}

/** The cursor of the last page that is full. */
async function findLast(scim: Client, size: number, query: string): Promise<string> {
  let last = "";
  for (let cursor: string | undefined = ""; cursor !== undefined; ) {
    const path = `/Users?count=${size}${query}&attributes=id&cursor=${cursor}`;
    const page: { itemsPerPage: number; nextCursor?: string } = await ask(scim, 200, "GET", path);
    if (page.itemsPerPage === size) last = cursor;
    cursor = page.nextCursor;
  }
  return last;
}

function bareGroups({ scim, plain }: Tenant): Contest {
  return {
    questions: [{ text: "GET a group without its members", target: { ratio: 1.2 } }],
    sides: plain.map(({ id, size }) => ({
      label: `${count(size)} members`,
      steps: [
        {
          run: () => scim("GET", `/Groups/${id}?excludedAttributes=members`),
          holds: (answer) => answer.status === 200 && answer.bytes < 2_000,
        },
      ],
    })),
    weight: 1,
  };
}

/** What is rare and large: the answer grows with the group, in time and in memory. */
export function fullGroups({ scim, plain }: Tenant): Contest {
  return {
    questions: [{ text: "GET a group with all its members", target: { ms: 220 } }],
    sides: plain.slice(-2).map(({ id, size }) => ({
      label: `${count(size)} members`,
      steps: [
        {
          run: () => scim("GET", `/Groups/${id}`),
          // A member is {"value":"…","type":"User"}: 61 bytes at least.
          holds: (answer) => answer.status === 200 && answer.bytes > size * 61,
        },
      ],
    })),
    weight: 1,
  };
}

function count(number: number): string {
  return number.toLocaleString("en-US");
}
