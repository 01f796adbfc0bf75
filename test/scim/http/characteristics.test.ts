/**
 * PRO-1: RFC 7643 §2.2 and §7, the characteristics of every attribute and sub-attribute, taken from the table that the code
 * works by: what may be written in which way, what is returned when, what is required, unique and compared how.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { PasswordHasher } from "../../../src/auth/password-hash.ts";
import { resourceType } from "../../../src/vocabulary/attributes.ts";
import { describeOnBoth } from "../../helpers/database.ts";
import { aGroup, aUser, type Client, openDoor, PATCH_OP, SEARCH_REQUEST, type Told } from "./door.ts";
import { bodyWith, type Leaf, leavesOf, pathTo, sample, valueAt } from "./leaves.ts";

const BULK_REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
const leaves = [...leavesOf("User"), ...leavesOf("Group")];
const listed = (some: readonly Leaf[]) => some.map((leaf) => [`${leaf.type} ${leaf.name}`, leaf] as const);

/** What has its own tests below: an id that differs is refused in bodies, too; `schemas` follows from what is there. */
const special = new Set(["id", "schemas"]);
const isMember = ({ type, attribute }: Leaf) => type === "Group" && attribute.name === "members";
const readOnly = leaves.filter((leaf) => leaf.readOnly && !special.has(leaf.name));
const writable = leaves.filter(
  (leaf) => !leaf.readOnly && leaf.own.mutability === "readWrite" && !isMember(leaf) && leaf.name !== "active",
);

const endpointOf = ({ type }: Leaf) => (type === "User" ? "/Users" : "/Groups");
const aResource = ({ type }: Leaf, change: object = {}) => (type === "User" ? aUser(change) : aGroup(change));
const patch = (...Operations: object[]) => ({ schemas: [PATCH_OP], Operations });
const valueFor = (leaf: Leaf, n: number) => {
  const value = sample(leaf, n);
  // Names are unique, and every test makes its own.
  return leaf.own.uniqueness === "server" ? `${value} ${crypto.randomUUID()}` : value;
};

describe("the table", () => {
  it("holds what these tests expect to find", () => {
    expect([leaves.length > 120, readOnly.length > 30, writable.length > 70]).toEqual([true, true, true]);
    const others = leaves.filter(({ own }) => !["readOnly", "readWrite"].includes(own.mutability));
    expect(others.map(({ name }) => name)).toEqual(["password", "members.value", "members.$ref", "members.type"]);
  });

  it("has nothing that is returned in an unusual way but id, schemas and password: projection does not look at parts", () => {
    const unusual = leaves.filter(({ own }) => own.returned !== "default");
    expect(unusual.map(({ type, name, own }) => `${type} ${name} ${own.returned}`)).toEqual([
      "User id always",
      "User schemas always",
      "User password never",
      "Group id always",
      "Group schemas always",
    ]);
  });
});

describeOnBoth("RFC 7643 §2.2 characteristics", (getDb) => {
  const door = openDoor(getDb, { passwords: new PasswordHasher({ costLog2: 4, atOnce: 2, waitingMax: 100 }) });
  let client: Client;
  beforeAll(async () => {
    client = await door.tenant({ seats: { standard: 1 } });
  });
  const read = async (leaf: Leaf, id: string) => valueAt((await client.get(`${endpointOf(leaf)}/${id}`)).body, leaf);
  const create = async (leaf: Leaf, change: object = {}) =>
    (await client.post(endpointOf(leaf), aResource(leaf, change))).body.id as string;
  /** The answer is right by its status and shows the value as the next reading does. */
  const expectValue = async (leaf: Leaf, answer: Told, status: number, value: unknown) => {
    expect({ status: answer.status, detail: answer.body?.detail }).toEqual({ status, detail: undefined });
    if (answer.text !== "") expect(valueAt(answer.body, leaf)).toEqual(value);
    const id = answer.body?.id;
    if (id !== undefined) expect(await read(leaf, id)).toEqual(value);
  };
  const patched = ({ type }: Leaf) => (type === "User" ? 200 : 204);

  describe("mutability readWrite: what is written is there, what is left out of a PUT or removed is not", () => {
    it.each(listed(writable))("%s", async (_name, leaf) => {
      const { own, attribute, sub } = leaf;
      const at = `${endpointOf(leaf)}`;
      const listOf = (value: unknown) => (sub === undefined && attribute.multiValued ? [value] : value);
      const [first, second, third] = [valueFor(leaf, 0), valueFor(leaf, 1), valueFor(leaf, 2)];

      const created = await client.post(at, aResource(leaf, bodyWith(leaf, first)));
      await expectValue(leaf, created, 201, first);
      const { id } = created.body;
      await expectValue(leaf, await client.put(`${at}/${id}`, aResource(leaf, bodyWith(leaf, second))), 200, second);
      if (!own.required) await expectValue(leaf, await client.put(`${at}/${id}`, aResource(leaf)), 200, undefined);

      const tell = async (operation: object) => {
        const answer = await client.patch(`${at}/${id}`, patch(operation));
        expect({ status: answer.status, detail: answer.body?.detail }).toEqual({
          status: patched(leaf),
          detail: undefined,
        });
        return await read(leaf, id);
      };
      expect(await tell({ op: "replace", path: pathTo(leaf), value: listOf(third) })).toEqual(third);
      expect(await tell({ op: "replace", value: bodyWith(leaf, first) })).toEqual(first);
      expect(await tell({ op: "replace", value: { [pathTo(leaf)]: listOf(second) } })).toEqual(second);
      if (own.required) return;
      expect(await tell({ op: "remove", path: pathTo(leaf) })).toBeUndefined();
      expect(await tell({ op: "add", path: pathTo(leaf), value: listOf(first) })).toEqual(first);
      const whole = sub === undefined ? leaf.name : leaf.name.slice(0, -sub.name.length - 1);
      expect(await tell({ op: "remove", path: whole })).toBeUndefined();
      expect(await tell({ op: "add", value: bodyWith(leaf, second) })).toEqual(second);
    });
  });

  describe("mutability readOnly: ignored in bodies and objects, refused where a path points at it", () => {
    it.each(listed(readOnly))("%s", async (_name, leaf) => {
      const at = endpointOf(leaf);
      const foreign = sample({ ...leaf, own: { ...leaf.own, mutability: "readWrite" } }, 0);
      const value = isFilled(foreign) ? foreign : "x";
      const body = bodyWith(leaf, value);
      const created = await client.post(at, aResource(leaf, body));
      expect(created.status).toBe(201);
      const { id } = created.body;
      const own = await read(leaf, id);
      expect(own).not.toEqual(value);
      expect((await client.put(`${at}/${id}`, aResource(leaf, body))).status).toBe(200);
      expect((await client.patch(`${at}/${id}`, patch({ op: "add", value: body }))).status).toBe(patched(leaf));
      expect(await read(leaf, id)).not.toEqual(value);
      const before = (await client.get(`${at}/${id}`)).body;
      for (const operation of [
        { op: "add", path: pathTo(leaf), value },
        { op: "replace", path: leaf.name, value },
        { op: "remove", path: leaf.name },
      ]) {
        const answer = await client.patch(
          `${at}/${id}`,
          patch({ op: "replace", value: { externalId: "x" } }, operation),
        );
        expect([answer.status, answer.body.scimType]).toEqual([400, "mutability"]);
        expect(answer.body.detail).toContain(leaf.attribute.name);
      }
      expect((await client.get(`${at}/${id}`)).body).toEqual(before);
    });
  });

  it.each(["/Users", "/Groups"])(
    "id at %s: given by the service, the same is taken back, another is 400 mutability",
    async (at) => {
      const leaf = leaves.find(({ name, type }) => name === "id" && (type === "User") === (at === "/Users")) as Leaf;
      const created = await client.post(at, aResource(leaf, { id: "mine" }));
      const { id } = created.body;
      expect([created.status, id === "mine"]).toEqual([201, false]);
      expect((await client.put(`${at}/${id}`, aResource(leaf, { id }))).status).toBe(200);
      expect((await client.patch(`${at}/${id}`, patch({ op: "replace", value: { id } }))).status).toBe(patched(leaf));
      for (const answer of [
        await client.put(`${at}/${id}`, aResource(leaf, { id: "mine" })),
        await client.patch(`${at}/${id}`, patch({ op: "replace", value: { id: "mine" } })),
        await client.patch(`${at}/${id}`, patch({ op: "replace", path: "id", value: "mine" })),
        await client.patch(`${at}/${id}`, patch({ op: "remove", path: "id" })),
      ]) {
        expect([answer.status, answer.body.scimType]).toEqual([400, "mutability"]);
      }
    },
  );

  it.each(["/Users", "/Groups"])("schemas at %s: what is there, whatever a client says", async (at) => {
    const leaf = leaves.find(({ name, type }) => name === "schemas" && (type === "User") === (at === "/Users")) as Leaf;
    const urns = [resourceType(leaf.type).core.id, "urn:example:2.0:Nothing"];
    const created = await client.post(at, aResource(leaf, { schemas: urns }));
    const { id, schemas } = created.body;
    expect(schemas).not.toContain(urns[1]);
    await client.put(`${at}/${id}`, aResource(leaf, { schemas: urns }));
    await client.patch(`${at}/${id}`, patch({ op: "add", path: "schemas", value: urns }));
    await client.patch(`${at}/${id}`, patch({ op: "add", value: { schemas: urns } }));
    expect((await client.get(`${at}/${id}`)).body.schemas).toEqual(schemas);
  });

  it("mutability immutable: a member is what it is for as long as it is in the group", async () => {
    const [ada, eve] = [await client.post("/Users", aUser()), await client.post("/Users", aUser())];
    const value = ada.body.id as string;
    const foreign = { value, type: "Group", $ref: "https://example.com/x", display: "Eve" };
    const { id } = (await client.post("/Groups", aGroup({ members: [foreign] }))).body;
    const member = async () => (await client.get(`/Groups/${id}`)).body.members;
    const was = await member();
    expect(was).toEqual([{ value, type: "User", $ref: `${client.baseUrl}/Users/${value}` }]);
    expect((await client.put(`/Groups/${id}`, aGroup({ members: [foreign] }))).status).toBe(200);
    expect((await client.patch(`/Groups/${id}`, patch({ op: "add", value: { members: [foreign] } }))).status).toBe(204);
    expect(await member()).toEqual(was);
    const element = `members[value eq "${value}"]`;
    for (const operation of [
      { op: "replace", path: "members.value", value: eve.body.id },
      { op: "replace", path: `${element}.value`, value: eve.body.id },
      { op: "replace", path: `${element}.type`, value: "Group" },
      { op: "replace", path: `${element}.$ref`, value: "https://example.com/x" },
      { op: "add", path: "members.type", value: "Group" },
      { op: "remove", path: `${element}.type` },
      { op: "remove", path: "members.$ref" },
    ]) {
      const answer = await client.patch(`/Groups/${id}`, patch(operation));
      expect([operation, answer.status, answer.body?.scimType]).toEqual([operation, 400, "mutability"]);
    }
    const same = patch({ op: "replace", path: `${element}.value`, value });
    expect((await client.patch(`/Groups/${id}`, same)).status).toBe(204);
    expect(await member()).toEqual(was);
  });

  it("active: kept where a PUT leaves it out (USR-8), and never removed", async () => {
    const { id } = (await client.post("/Users", aUser({ active: false }))).body;
    const active = async () => (await client.get(`/Users/${id}`)).body.active;
    await client.put(`/Users/${id}`, aUser());
    expect(await active()).toBe(false);
    for (const value of [true, false, "True", "false"]) {
      expect((await client.patch(`/Users/${id}`, patch({ op: "replace", path: "active", value }))).status).toBe(200);
      expect(await active()).toBe(/true/i.test(String(value)));
      await client.patch(`/Users/${id}`, patch({ op: "replace", value: { active: value } }));
      expect(await active()).toBe(/true/i.test(String(value)));
    }
    const removed = await client.patch(`/Users/${id}`, patch({ op: "remove", path: "active" }));
    expect([removed.status, removed.body.scimType]).toEqual([400, "mutability"]);
  });

  it("mutability writeOnly: a password is in no answer, list, search, Bulk or error", async () => {
    const secret = "s3cret-Wort";
    const user = aUser({ password: secret });
    const created = await client.post("/Users", user);
    const { id } = created.body;
    const operation = { op: "replace", path: "password", value: secret };
    const bulk = (data: object) => ({
      schemas: [BULK_REQUEST],
      Operations: [
        { method: "POST", path: "/Users", bulkId: "a", data },
        { method: "PATCH", path: `/Users/${id}`, data: patch(operation) },
        { method: "PUT", path: `/Users/${id}`, data },
      ],
    });
    const answers = [
      created,
      await client.get(`/Users/${id}?attributes=password`),
      await client.put(`/Users/${id}?attributes=password`, user),
      await client.patch(`/Users/${id}?attributes=password`, patch(operation)),
      await client.patch(`/Users/${id}`, patch({ op: "add", value: { password: secret } })),
      await client.get("/Users?attributes=password"),
      await client.post("/.search", { schemas: [SEARCH_REQUEST], attributes: ["password", "id"] }),
      await client.post("/Bulk", bulk(aUser({ password: secret }))),
      await client.post("/Bulk", bulk(aUser({ password: secret, userName: 5 }))),
      await client.post("/Users", { ...user, title: 5 }),
      await client.post("/Users", { ...user, password: secret.repeat(200) }),
      await client.patch(`/Users/${id}`, patch(operation, { op: "replace", path: "nosuch", value: secret })),
    ];
    for (const { text } of answers) expect(text).not.toMatch(/s3cret|scrypt|"password"/);
  });

  describe("required: without it, nothing is created and nothing is taken away", () => {
    const required = leaves.filter(({ own }) => own.required);
    it("are userName and displayName", () => {
      expect(required.map(({ type, name }) => `${type} ${name}`)).toEqual(["User userName", "Group displayName"]);
    });

    it.each(listed(required))("%s", async (_name, leaf) => {
      const at = endpointOf(leaf);
      const id = await create(leaf);
      const before = (await client.get(`${at}/${id}`)).body;
      for (const value of [undefined, null, "", "  ", [], {}, 5]) {
        const body = aResource(leaf, { [leaf.name]: value });
        for (const answer of [await client.post(at, body), await client.put(`${at}/${id}`, body)]) {
          expect([value, answer.status, answer.body.scimType]).toEqual([value, 400, "invalidValue"]);
          expect(answer.body.detail).toContain(leaf.name);
        }
        if (value === undefined) continue;
        for (const operation of [
          { op: "replace", path: leaf.name, value },
          { op: "add", value: { [leaf.name]: value } },
        ]) {
          const answer = await client.patch(`${at}/${id}`, patch(operation));
          expect([value, answer.status]).toEqual([value, 400]);
          expect(["invalidValue", "mutability"]).toContain(answer.body.scimType);
        }
      }
      const removed = await client.patch(`${at}/${id}`, patch({ op: "remove", path: leaf.name }));
      expect([removed.status, removed.body.scimType]).toEqual([400, "mutability"]);
      expect((await client.get(`${at}/${id}`)).body).toEqual(before);
    });
  });

  describe("uniqueness", () => {
    const unique = writable.filter(({ own }) => own.uniqueness !== "none");
    it.each(listed(unique))(
      "server: %s is taken once, without letter case, through every door",
      async (_name, leaf) => {
        const at = endpointOf(leaf);
        const name = `Name ${crypto.randomUUID()}`;
        await client.post(at, aResource(leaf, { [leaf.name]: name }));
        const other = await create(leaf);
        for (const value of [name, name.toUpperCase()]) {
          for (const answer of [
            await client.post(at, aResource(leaf, { [leaf.name]: value })),
            await client.put(`${at}/${other}`, aResource(leaf, { [leaf.name]: value })),
            await client.patch(`${at}/${other}`, patch({ op: "replace", path: leaf.name, value })),
            await client.patch(`${at}/${other}`, patch({ op: "add", value: { [leaf.name]: value } })),
          ]) {
            expect([answer.status, answer.body.scimType]).toEqual([409, "uniqueness"]);
          }
        }
      },
    );

    it("none: everything else may be the same for two", async () => {
      const shared = writable.filter(({ type, own, sub }) => type === "User" && own.uniqueness === "none" && !sub);
      const whole = shared.reduce((body, leaf) => merged(body, bodyWith(leaf, sample(leaf, 0))), {});
      const [one, other] = [await client.post("/Users", aUser(whole)), await client.post("/Users", aUser(whole))];
      expect([one.status, other.status]).toEqual([201, 201]);
      for (const leaf of shared) expect(valueAt(other.body, leaf)).toEqual(valueAt(one.body, leaf));
    });
  });

  describe("primary: true at most once, and the last who says so has it (RFC 7643 §2.4)", () => {
    const lists = leaves.filter(({ attribute, sub }) => !sub && attribute.subAttributes.has("primary"));
    const marked = (n: number) => (leaf: Leaf) => ({
      ...(sample(leaf, n) as object),
      type: `kind ${n}`,
      primary: true,
    });
    it.each(listed(lists))("%s", async (_name, leaf) => {
      const { name } = leaf;
      const [one, two, three] = [marked(0)(leaf), marked(1)(leaf), marked(2)(leaf)];
      const kinds = (body: { [list: string]: { type: string; primary?: boolean }[] }) =>
        body[name]?.filter(({ primary }) => primary).map(({ type }) => type);
      const created = await client.post("/Users", aUser({ [name]: [one, two] }));
      expect([created.body[name].length, kinds(created.body)]).toEqual([2, ["kind 1"]]);
      const path = `/Users/${created.body.id}`;
      const tell = async (operation: object) => kinds((await client.patch(path, patch(operation))).body);
      expect(kinds((await client.put(path, aUser({ [name]: [two, one] }))).body)).toEqual(["kind 0"]);
      expect(await tell({ op: "replace", path: `${name}[type eq "kind 1"].primary`, value: true })).toEqual(["kind 1"]);
      expect(await tell({ op: "add", path: name, value: [three] })).toEqual(["kind 2"]);
      expect(await tell({ op: "add", path: `${name}[type eq "kind 0"]`, value: { primary: "True" } })).toEqual([
        "kind 0",
      ]);
      expect(await tell({ op: "replace", value: { [name]: [one, two, three] } })).toEqual(["kind 2"]);
      expect(await tell({ op: "add", value: { [name]: [one] } })).toEqual(["kind 0"]);
      expect(await tell({ op: "replace", path: `${name}[type eq "kind 0"].primary`, value: false })).toEqual([]);
    });
  });

  describe("canonical values are suggestions: each is taken, and so is any other, as it was written", () => {
    it.each(listed(writable.filter(({ own }) => own.canonicalValues.length > 0)))("%s", async (_name, leaf) => {
      for (const value of [...leaf.own.canonicalValues, "Something Else"]) {
        await expectValue(leaf, await client.post("/Users", aUser(bodyWith(leaf, value))), 201, value);
      }
    });
  });

  it("/Schemas says what the table says", async () => {
    const { Resources } = (await client.get("/Schemas")).body;
    const common = new Set(["id", "externalId", "schemas", "meta"]);
    for (const { schema, attribute, sub, own } of leaves) {
      if (common.has(attribute.name)) continue;
      const document = Resources.find(({ id }: { id: string }) => id === schema.id);
      const outer = document.attributes.find(({ name }: { name: string }) => name === attribute.name);
      const told = sub ? outer.subAttributes.find(({ name }: { name: string }) => name === sub.name) : outer;
      const { subAttributes: _, caseExact, canonicalValues, ...characteristics } = own;
      expect(told).toMatchObject(characteristics);
      expect([told.caseExact ?? false, told.canonicalValues ?? []]).toEqual([caseExact, canonicalValues]);
    }
  });
});

function merged(body: Record<string, unknown>, more: Record<string, unknown>): Record<string, unknown> {
  const extensions = Object.entries(more).filter(([name]) => name.startsWith("urn:"));
  const joined = extensions.map(([name, value]) => [name, { ...(body[name] as object), ...(value as object) }]);
  return { ...body, ...more, ...Object.fromEntries(joined) };
}

function isFilled(value: unknown): boolean {
  return typeof value !== "object" || Object.keys(value as object).length > 0;
}
