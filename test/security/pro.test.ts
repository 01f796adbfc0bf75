/**
 * PRO-1, PRO-2: what a write may change. Every attribute that /Schemas announces × every verb keeps to its mutability; and a
 * partial update changes what it names and nothing else, held against a plain model over HTTP.
 */
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ENTERPRISE_USER, GROUP, USER, USHER_GROUP, USHER_USER } from "../../src/vocabulary/urns.ts";
import { fuzzTimeoutMs, runs } from "../fuzz/runs.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { startServer, type TestServer, type TestTenant } from "../helpers/server.ts";
import { document, operation, spelling, toWire } from "../scim/patch/rfc-arbitraries.ts";
import { apply, type Members, Refused } from "../scim/patch/rfc-model.ts";

interface AttributeDoc {
  name: string;
  type: string;
  multiValued: boolean;
  required: boolean;
  mutability: "readOnly" | "readWrite" | "immutable" | "writeOnly";
  returned: string;
  subAttributes?: AttributeDoc[];
}

/** RFC 7643 §3.1: what no schema lists, with its mutability. */
const common: AttributeDoc[] = [
  { name: "id", type: "string", mutability: "readOnly" },
  { name: "externalId", type: "string", mutability: "readWrite" },
  {
    name: "meta",
    type: "complex",
    mutability: "readOnly",
    subAttributes: ["resourceType", "created", "lastModified", "location", "version"].map((name) => ({
      name,
      type: "string",
      mutability: "readOnly",
    })),
  },
].map((one) => ({ multiValued: false, required: false, returned: "default", ...one }) as AttributeDoc);

/** Two values of the attribute's type, unlike each other and unlike anything that the service would give. */
function samples(attribute: AttributeDoc, path: string): [unknown, unknown] {
  if (/:role$/.test(path)) return ["manager", "user"];
  if (/:licenseTier$/.test(path)) return ["standard", "pro"];
  if (attribute.type === "boolean") return [true, false];
  if (/decimal|integer/.test(attribute.type)) return [41, 42];
  if (attribute.type === "dateTime") return ["2020-01-01T00:00:00Z", "2020-02-02T00:00:00Z"];
  if (attribute.type === "binary") return ["QUJD", "REVG"];
  if (attribute.type !== "complex") return [`one ${attribute.name}`, `two ${attribute.name}`];
  const subs = (attribute.subAttributes ?? []).map((sub) => [sub.name, samples(sub, `${path}.${sub.name}`)] as const);
  return [0, 1].map((at) => Object.fromEntries(subs.map(([name, pair]) => [name, pair[at]]))) as [unknown, unknown];
}

interface Place {
  readonly type: "User" | "Group";
  readonly urn: string;
  readonly attribute: AttributeDoc;
  readonly path: string;
}

describeOnBoth("mutability", (getDb) => {
  let server: TestServer;
  let tenant: TestTenant;
  let places: Place[];
  beforeAll(async () => {
    server = await startServer(getDb());
    tenant = await server.tenant({ seats: { standard: 100, pro: 100 } });
    const { body } = await tenant.scim<{ Resources: { id: string; attributes: AttributeDoc[] }[] }>("GET", "/Schemas");
    const of = (urn: string) => body.Resources.find(({ id }) => id === urn)?.attributes ?? [];
    const place = (type: "User" | "Group", urn: string, isCore: boolean) =>
      [...(isCore ? common : []), ...of(urn)].map((attribute) => ({
        type,
        urn,
        attribute,
        path: isCore ? attribute.name : `${urn}:${attribute.name}`,
      }));
    places = [
      ...place("User", USER, true),
      ...place("User", ENTERPRISE_USER, false),
      ...place("User", USHER_USER, false),
      ...place("Group", GROUP, true),
      ...place("Group", USHER_GROUP, false),
    ];
  });
  afterAll(() => server.close());

  let count = 0;
  const required = (type: "User" | "Group") => {
    const name = `name-${++count}`;
    return type === "User" ? { userName: name } : { displayName: name };
  };
  const carrying = ({ urn, attribute, type, path }: Place, value: unknown): object => {
    const given = attribute.multiValued ? [value] : value;
    return path === attribute.name
      ? { ...required(type), [attribute.name]: given }
      : { ...required(type), [urn]: { [attribute.name]: given } };
  };
  const create = async (type: string, body: object) => (await tenant.scim<Members>("POST", `/${type}s`, body)).body;
  const read = async (type: string, id: unknown) => (await tenant.scim<Members>("GET", `/${type}s/${id}`)).body;
  const valueAt = ({ urn, attribute, path }: Place, resource: Members) =>
    path === attribute.name ? resource[attribute.name] : (resource[urn] as Members | undefined)?.[attribute.name];
  const patch = (type: string, id: unknown, ...Operations: object[]) =>
    tenant.scim<Members>("PATCH", `/${type}s/${id}`, { Operations });

  it("PRO-1: the matrix has all attributes that are announced, and some of every mutability", () => {
    expect(places.length).toBeGreaterThan(40);
    const flat = places.flatMap(({ attribute }) => [attribute, ...(attribute.subAttributes ?? [])]);
    expect(new Set(flat.map(({ mutability }) => mutability))).toEqual(
      new Set(["readOnly", "readWrite", "immutable", "writeOnly"]),
    );
  });

  it("PRO-1: what is read-only is left out of POST and PUT, ignored in an object, and `mutability` where a PATCH points at it", async () => {
    for (const place of places.filter(({ attribute }) => attribute.mutability === "readOnly")) {
      const { type, attribute, path } = place;
      const [value] = samples(attribute, path);
      const made = await create(type, path === "id" ? { ...required(type), id: "41" } : carrying(place, value));
      const untouched = await create(type, required(type));
      expect([path, JSON.stringify(valueAt(place, made) ?? null)]).not.toEqual([
        path,
        JSON.stringify(attribute.multiValued ? [value] : value),
      ]);
      const before = await read(type, untouched.id);
      if (path !== "id") {
        const name = type === "User" ? { userName: before.userName } : { displayName: before.displayName };
        const put = await tenant.scim<Members>("PUT", `/${type}s/${untouched.id}`, {
          ...carrying(place, value),
          ...name,
        });
        expect([path, put.status]).toEqual([path, 200]);
        expect(
          (await patch(type, untouched.id, { op: "add", value: { [path]: attribute.multiValued ? [value] : value } }))
            .status,
        ).toBeLessThan(300);
        expect(
          (await patch(type, untouched.id, { op: "replace", value: { ...carrying(place, value), ...name } })).status,
        ).toBeLessThan(300);
      }
      const paths = [path, ...(attribute.subAttributes ?? []).map((sub) => `${path}.${sub.name}`)];
      for (const pointed of paths) {
        for (const op of ["add", "replace", "remove"]) {
          const refused = await patch(type, untouched.id, { op, path: pointed, ...(op === "remove" ? {} : { value }) });
          expect([op, pointed, refused.status, refused.body.scimType]).toEqual([op, pointed, 400, "mutability"]);
        }
      }
      const after = await read(type, untouched.id);
      expect([path, valueAt(place, after)]).toEqual([
        path,
        path === "meta" ? expect.anything() : valueAt(place, before),
      ]);
      expect(after).toMatchObject({
        id: before.id,
        meta: { resourceType: type, created: (before.meta as Members).created },
      });
    }
  });

  it("PRO-1: what is read-write is written by POST, PUT and PATCH alike, and taken away by PATCH and PUT", async () => {
    for (const place of places.filter(
      ({ attribute, path }) => attribute.mutability === "readWrite" && path !== "members",
    )) {
      const { type, attribute, path } = place;
      const [one, other] = samples(attribute, path);
      // Read-only sub-attributes that come along are not kept.
      const kept = (value: unknown) => {
        const subs = (attribute.subAttributes ?? [])
          .filter(({ mutability }) => mutability === "readOnly")
          .map(({ name }) => name);
        const plain =
          subs.length === 0
            ? value
            : Object.fromEntries(Object.entries(value as object).filter(([name]) => !subs.includes(name)));
        return attribute.multiValued ? [plain] : plain;
      };
      const made = await create(type, carrying(place, one));
      expect([path, valueAt(place, made)]).toEqual([path, kept(one)]);
      const name = type === "User" ? { userName: made.userName } : { displayName: made.displayName };
      const put = await tenant.scim<Members>("PUT", `/${type}s/${made.id}`, {
        ...name,
        ...only(place, carrying(place, other)),
      });
      expect([path, put.status, valueAt(place, put.body)]).toEqual([path, 200, kept(other)]);
      const patched = await patch(type, made.id, { op: "replace", path, value: attribute.multiValued ? [one] : one });
      expect([path, patched.status]).toEqual([path, type === "User" ? 200 : 204]);
      expect([path, valueAt(place, await read(type, made.id))]).toEqual([path, kept(one)]);
      const removed = await patch(type, made.id, { op: "remove", path });
      if (attribute.required || attribute.name === "active") {
        expect([path, removed.status, removed.body.scimType]).toEqual([path, 400, "mutability"]);
        continue;
      }
      expect([path, removed.status < 300, valueAt(place, await read(type, made.id))]).toEqual([path, true, undefined]);
      await patch(type, made.id, { op: "add", path, value: attribute.multiValued ? [one] : one });
      const bare = await tenant.scim<Members>("PUT", `/${type}s/${made.id}`, name);
      expect([path, valueAt(place, bare.body)]).toEqual([path, undefined]);
    }
  });

  it("PRO-1: what is immutable is given with its element and never changed", async () => {
    const members = places.find(({ path }) => path === "members") as Place;
    const immutable = (members.attribute.subAttributes ?? []).filter(({ mutability }) => mutability === "immutable");
    expect(immutable.map(({ name }) => name)).toContain("value");
    const [one, other] = [(await create("User", required("User"))).id, (await create("User", required("User"))).id];
    const group = await create("Group", { ...required("Group"), members: [{ value: one }] });
    for (const { name } of immutable) {
      for (const path of [`members.${name}`, `members[value eq "${one}"].${name}`]) {
        for (const op of ["add", "replace", "remove"]) {
          if (op === "remove" && path.endsWith("].value")) continue; // It names the member, which may go.
          const refused = await patch("Group", group.id, { op, path, ...(op === "remove" ? {} : { value: other }) });
          const isWhole = name !== "value" && path.includes("[") && refused.status < 300;
          if (!isWhole)
            expect([op, path, refused.status, refused.body.scimType]).toEqual([op, path, 400, "mutability"]);
        }
      }
    }
    expect(((await read("Group", group.id)).members as Members[]).map(({ value }) => value)).toEqual([one]);
  });

  it("PRO-1: what is write-only is taken and in no answer, under no name", async () => {
    const secret = "Correct-horse-battery-1!";
    const made = await tenant.scim<Members>("POST", "/Users?attributes=password,userName", {
      ...required("User"),
      password: secret,
    });
    const url = `/Users/${made.body.id}`;
    const answers = [
      made,
      await tenant.scim("GET", `${url}?attributes=password`),
      await tenant.scim("GET", `${url}?attributes=${USER}:PASSWORD`),
      await tenant.scim("GET", `/Users?attributes=password&filter=${encodeURIComponent(`id eq "${made.body.id}"`)}`),
      await tenant.scim("PUT", `${url}?attributes=password`, { userName: made.body.userName, password: `${secret}2` }),
      await tenant.scim("PATCH", `${url}?attributes=password`, {
        Operations: [{ op: "replace", path: "password", value: `${secret}3` }],
      }),
      await tenant.api("GET", `/users/${made.body.id}`),
      await tenant.api("GET", `/events?subject=${made.body.id}`),
      await tenant.api("GET", "/provisioning-log?limit=100"),
    ];
    for (const { status, body } of answers) {
      expect(status).toBeLessThan(300);
      expect(JSON.stringify(body)).not.toMatch(/Correct-horse|scrypt|argon|\$2[aby]\$/);
      expect(body).not.toHaveProperty("password");
    }
    for (const filter of ["password pr", `password eq "${secret}"`, `password sw "C"`, `not (password pr)`]) {
      const { body } = await tenant.scim<{ totalResults: number }>(
        "GET",
        `/Users?count=0&filter=${encodeURIComponent(filter)}`,
      );
      const all = await tenant.scim<{ totalResults: number }>("GET", "/Users?count=0");
      expect([0, all.body.totalResults], filter).toContain(body.totalResults ?? 0);
    }
    expect((await tenant.scim("GET", "/Users?sortBy=password")).status).toBe(400);
  });
});

/** The body without the name that `carrying` gave it, where that is not what it is about. */
function only({ attribute }: Place, body: object): object {
  return Object.fromEntries(
    Object.entries(body).filter(([name]) => !/^(userName|displayName)$/.test(name) || name === attribute.name),
  );
}

const times = runs(40);
describeOnBoth("partial updates", (getDb) => {
  let server: TestServer;
  let tenant: TestTenant;
  let people: string[];
  beforeAll(async () => {
    server = await startServer(getDb());
    tenant = await server.tenant();
    people = [];
    for (let at = 0; at < 6; at += 1) {
      people.push((await tenant.scim<{ id: string }>("POST", "/Users", { userName: `member-${at}` })).body.id);
    }
  });
  afterAll(() => server.close());

  /** The client's own words: without what the service adds. */
  function words(resource: Members): Members {
    const { id: _id, meta: _meta, schemas: _schemas, groups: _groups, [USHER_USER]: usher, ...rest } = resource;
    const { status: _s, effectiveRole: _e, license: _l, teams: _t, ...own } = (usher ?? {}) as Members;
    return { ...rest, ...(Object.keys(own).length === 0 ? {} : { [USHER_USER]: own }) };
  }

  let count = 0;
  it(`PRO-2: PATCH then GET agrees with the model, and groups stay (${times.numRuns} users, 5 operations each)`, {
    timeout: fuzzTimeoutMs,
  }, async () => {
    // Roles and tiers that nobody has are refused by rule, not by RFC; the rest of the document is random.
    const ruled = new Set([
      "role",
      "licenseTier",
      "startDate",
      "endDate",
      "userName",
      "password",
      "roles",
      "entitlements",
    ]);
    const plain = operation.filter((one) => {
      if ("extension" in one) return true;
      const targets = "members" in one ? one.members.map(({ target }) => target) : [one.target];
      return targets.every(({ attribute }) => !ruled.has(attribute.name));
    });
    await fc.assert(
      fc.asyncProperty(
        document,
        fc.array(fc.tuple(plain, spelling), { minLength: 5, maxLength: 5 }),
        async (doc, steps) => {
          const { roles: _roles, entitlements: _entitlements, ...start } = doc;
          const {
            role: _role,
            licenseTier: _tier,
            startDate: _start,
            endDate: _end,
            ...usher
          } = (start[USHER_USER] ?? {}) as Members;
          let model: Members = { ...start, userName: `model-${++count}` };
          if (Object.keys(usher).length > 0) model[USHER_USER] = usher;
          else delete model[USHER_USER];
          const made = await tenant.scim<{ id: string }>("POST", "/Users", model);
          expect(made.status, JSON.stringify(made.body)).toBe(201);
          const { id } = made.body;
          const group = await tenant.scim<{ id: string }>("POST", "/Groups", {
            displayName: `Of ${id}`,
            members: [{ value: id }],
          });
          for (const [one, how] of steps) {
            const sent = { Operations: [toWire(one, how)] };
            const { status, body } = await tenant.scim("PATCH", `/Users/${id}`, sent);
            try {
              model = apply(model, one);
              expect([status, JSON.stringify(sent), status < 300 ? "" : body]).toEqual([200, JSON.stringify(sent), ""]);
            } catch (error) {
              if (!(error instanceof Refused)) throw error;
              expect([status, body.scimType, JSON.stringify(sent)]).toEqual([
                400,
                error.scimType,
                JSON.stringify(sent),
              ]);
            }
            const now = await tenant.scim<Members>("GET", `/Users/${id}`);
            expect(words(now.body), JSON.stringify(sent)).toEqual(model);
            expect((now.body.groups as Members[]).map(({ value }) => value)).toEqual([group.body.id]);
          }
        },
      ),
      times,
    );
  });

  type Step =
    | { readonly do: "add" | "remove" | "replace" | "drop"; readonly who: readonly number[] }
    | { readonly do: "clear" | "rename" | "put" | "putAll"; readonly who: readonly number[] };
  const step: fc.Arbitrary<Step> = fc.record({
    do: fc.constantFrom("add", "add", "remove", "remove", "replace", "drop", "clear", "rename", "put", "putAll"),
    who: fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 3 }),
  }) as fc.Arbitrary<Step>;

  it(`PRO-2: members are those of a plain set, whatever else is changed (${times.numRuns} groups, up to 10 requests each)`, {
    timeout: fuzzTimeoutMs,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 10 }), async (steps) => {
        const name = `Group ${++count}`;
        const { body } = await tenant.scim<{ id: string }>("POST", "/Groups", { displayName: name });
        const url = `/Groups/${body.id}`;
        let [members, displayName] = [new Set<string>(), name];
        for (const { do: what, who } of steps) {
          const ids = who.map((at) => people[at] as string);
          const list = ids.map((value) => ({ value }));
          const rename = `${name} ${++count}`;
          const requests: Record<Step["do"], [string, object, Set<string>, string?]> = {
            add: ["PATCH", ops({ op: "Add", path: "members", value: list }), new Set([...members, ...ids])],
            remove: [
              "PATCH",
              ops({ op: "remove", path: "members", value: list }),
              new Set([...members].filter((id) => !ids.includes(id))),
            ],
            drop: [
              "PATCH",
              ops(...ids.map((id) => ({ op: "remove", path: `members[value eq "${id}"]` }))),
              new Set([...members].filter((id) => !ids.includes(id))),
            ],
            replace: ["PATCH", ops({ op: "replace", path: "members", value: list }), new Set(ids)],
            clear: ["PATCH", ops({ op: "remove", path: "members" }), new Set()],
            rename: ["PATCH", ops({ op: "replace", value: { displayName: rename, members: null } }), members, rename],
            // A body that says nothing about members says nothing about members.
            put: ["PUT", { displayName: rename }, members, rename],
            putAll: ["PUT", { displayName: rename, members: list }, new Set(ids), rename],
          };
          const [method, sent, next, renamed = displayName] = requests[what];
          const { status } = await tenant.scim(method, url, sent);
          expect(status, `${method} ${JSON.stringify(sent)}`).toBeLessThan(300);
          [members, displayName] = [next, renamed];
          const now = await tenant.scim<{ displayName: string; members: { value: string }[] }>("GET", url);
          expect((now.body.members ?? []).map(({ value }) => value).sort(), what).toEqual([...members].sort());
          expect(now.body.displayName).toBe(displayName);
        }
      }),
      times,
    );
  });
});

const ops = (...Operations: object[]) => ({ Operations });
