/**
 * Names of attributes (RFC 7644 §3.10): each of the table, under every spelling that clients use, in all the places where a
 * name may stand: filters, PATCH paths, sortBy, attributes and excludedAttributes. And what is returned when (RFC 7643 §7).
 */
import { beforeAll, describe, expect, it } from "vitest";
import { isExtension } from "../../../src/vocabulary/attributes.ts";
import { describeOnPostgres } from "../../helpers/database.ts";
import { aGroup, aUser, type Client, ENTERPRISE_USER, openDoor, PATCH_OP, USHER_USER } from "./door.ts";
import { bodyWith, type Leaf, leavesOf, sample, spellingsOf, valueAt } from "./leaves.ts";

const leaves = [...leavesOf("User"), ...leavesOf("Group")];
const listed = (some: readonly Leaf[]) => some.map((leaf) => [`${leaf.type} ${leaf.name}`, leaf] as const);
const endpointOf = ({ type }: Leaf) => (type === "User" ? "/Users" : "/Groups");
const query = (search: Record<string, string>) => new URLSearchParams(search).toString();

/** What nobody sets: the one is for a directory that keeps its managers' names, the other for a product that bills. */
const valueless = [`${ENTERPRISE_USER}:manager.displayName`, `${USHER_USER}:budget.used`, "password"];
/** What is put together for the answer, and is not in the database: filters and orders find nothing there. */
const computed = ["meta.location", "groups.$ref", "members.$ref"];
const grants = leaves.filter(({ type, attribute }) => type === "Group" && attribute.name === "grants");

describeOnPostgres("RFC 7644 §3.10 names", (getDb) => {
  const door = openDoor(getDb);
  let client: Client;
  let full: Record<"User" | "Group", { id: string; [name: string]: unknown }>;

  beforeAll(async () => {
    client = await door.tenant({
      seats: { standard: 1 },
      mapping: {
        groups: [
          { match: { displayName: "Crew" }, role: "manager", tier: "pro", team: { name: "Crew", kind: "team" } },
        ],
      },
    });
    const writable = leaves.filter(({ type, sub, readOnly }) => type === "User" && !sub && !readOnly);
    const user = writable
      .filter(({ attribute }) => attribute.name !== "password")
      .map((leaf) => bodyWith(leaf, sample(leaf, 0)))
      .reduce(mergeBodies, {});
    const { id } = (await client.post("/Users", { ...user, userName: "Ada Wert" })).body;
    await client.post("/Users", aUser());
    // Holds a seat and waits for another, so that every part of the license has a value.
    await client.patch(`/Users/${id}`, {
      schemas: [PATCH_OP],
      Operations: [{ op: "replace", path: `${USHER_USER}:licenseTier`, value: "Pro" }],
    });
    const group = (
      await client.post("/Groups", aGroup({ displayName: "Crew", externalId: "Ext", members: [{ value: id }] }))
    ).body;
    await client.post("/Groups", aGroup());
    full = { User: (await client.get(`/Users/${id}`)).body, Group: (await client.get(`/Groups/${group.id}`)).body };
  });

  const valued = leaves.filter(({ name }) => !valueless.includes(name));

  it("has a value for everything that can have one", () => {
    const missing = leaves.filter((leaf) => valueAt(full[leaf.type], leaf) === undefined).map(({ name }) => name);
    expect(missing).toEqual(leaves.map(({ name }) => name).filter((name) => valueless.includes(name)));
  });

  describe("attributes shows it, and what is always shown", () => {
    it.each(listed(valued))("%s", async (_name, leaf) => {
      const resource = full[leaf.type];
      const spelling = oneOf(spellingsOf(leaf));
      const { body } = await client.get(`${endpointOf(leaf)}/${resource.id}?${query({ attributes: spelling })}`);
      expect([spelling, body]).toEqual([spelling, { ...always(resource), ...only(resource, leaf) }]);
    });
  });

  describe("excludedAttributes hides it, unless it is always shown", () => {
    it.each(listed(valued))("%s", async (_name, leaf) => {
      const resource = full[leaf.type];
      const spelling = oneOf(spellingsOf(leaf));
      const { body } = await client.get(
        `${endpointOf(leaf)}/${resource.id}?${query({ excludedAttributes: spelling })}`,
      );
      expect([spelling, body]).toEqual([spelling, without(resource, leaf)]);
    });
  });

  describe("filters compare it, under all spellings at once", () => {
    const comparable = valued.filter(({ own, name }) => own.type !== "complex" && !computed.includes(name));
    it.each(listed(comparable.filter((leaf) => !grants.includes(leaf))))("%s", async (_name, leaf) => {
      const value = valueAt(full[leaf.type], leaf);
      const count = async (filter: string) => {
        const { status, body } = await client.get(`${endpointOf(leaf)}?${query({ filter })}`);
        expect([filter, status]).toEqual([filter, 200]);
        return body.Resources.filter(({ id }: { id: string }) => id === full[leaf.type].id).length;
      };
      const literal = JSON.stringify(value);
      expect(
        await count(
          spellingsOf(leaf)
            .map((name) => `${name} eq ${literal}`)
            .join(" and "),
        ),
      ).toBe(1);
      expect(await count(`${leaf.name} pr`)).toBe(1);
      if (typeof value === "boolean") expect(await count(`${leaf.name} eq ${!value}`)).toBe(0);
      else
        expect(
          await count(`${leaf.name} eq ${JSON.stringify(typeof value === "number" ? value + 1 : `${value}x`)}`),
        ).toBe(0);
      // RFC 7643 §2.2 caseExact.
      if (typeof value !== "string" || leaf.own.type === "dateTime" || swapCase(value) === value) return;
      const swapped = JSON.stringify(swapCase(value));
      expect(await count(`${leaf.name} eq ${swapped}`)).toBe(leaf.own.caseExact ? 0 : 1);
      expect(await count(`${leaf.name} co ${swapped}`)).toBe(leaf.own.caseExact ? 0 : 1);
    });

    it.each(listed(valued.filter(({ own }) => own.type === "complex")))(
      "%s, which is there or not",
      async (_name, leaf) => {
        if (grants.includes(leaf)) return;
        const filter = spellingsOf(leaf)
          .map((name) => `${name} pr`)
          .join(" and ");
        const { body } = await client.get(`${endpointOf(leaf)}?${query({ filter })}`);
        expect(body.Resources.map(({ id }: { id: string }) => id)).toContain(full[leaf.type].id);
      },
    );
  });

  describe("sortBy orders by it, or says that it has no order", () => {
    it.each(listed(leaves))("%s", async (_name, leaf) => {
      const hasOrder = leaf.own.type !== "complex" || leaf.own.subAttributes.has("value");
      const isKnown = ![...computed, "password"].includes(leaf.name) && !grants.includes(leaf);
      const spelling = oneOf(spellingsOf(leaf));
      const search = query({ sortBy: spelling, sortOrder: "descending" });
      const { status, body } = await client.get(`${endpointOf(leaf)}?${search}`);
      expect([spelling, status]).toEqual([spelling, hasOrder && isKnown ? 200 : 400]);
      if (status === 400) expect(body.scimType).toBe("invalidValue");
      else expect(body.totalResults).toBe(2);
    });
  });

  describe("PATCH paths change it, under every spelling", () => {
    const plain = leaves.filter(
      ({ type, readOnly, attribute, own }) =>
        !readOnly &&
        own.mutability === "readWrite" &&
        !attribute.multiValued &&
        !(type === "Group" && attribute.name === "members"),
    );
    it.each(listed(plain))("%s", async (_name, leaf) => {
      const change = leaf.type === "User" ? aUser() : aGroup();
      const { id } = (await client.post(endpointOf(leaf), change)).body;
      for (const [index, path] of spellingsOf(leaf).entries()) {
        const value = leaf.own.uniqueness === "none" ? sample(leaf, index) : `${leaf.name} ${crypto.randomUUID()}`;
        for (const operation of [
          { op: "replace", path, value },
          { op: "replace", value: { [path]: value } },
        ]) {
          const { status } = await client.patch(`${endpointOf(leaf)}/${id}`, {
            schemas: [PATCH_OP],
            Operations: [operation],
          });
          expect([path, status]).toEqual([path, leaf.type === "User" ? 200 : 204]);
          expect(valueAt((await client.get(`${endpointOf(leaf)}/${id}`)).body, leaf)).toEqual(value);
        }
      }
    });

    it.each([
      ['emails[type eq "work"].value'],
      ['EMAILS[Type EQ "WORK"].Value'],
      ['urn:ietf:params:scim:schemas:core:2.0:User:emails[type eq "work"].value'],
      ['URN:IETF:params:scim:schemas:core:2.0:user:Emails[TYPE eq "work" and primary pr].VALUE'],
      ['urn:ietf:params:scim:schemas:core:2.0:User.emails[type eq "work"].value'],
      ['urn:scim:schemas:core:2.0:emails[type eq "work"].value'],
    ])("of an element: %s", async (path) => {
      const emails = [
        { value: "a@example.com", type: "work", primary: true },
        { value: "b@example.com", type: "home" },
      ];
      const { id } = (await client.post("/Users", aUser({ emails }))).body;
      const operation = { op: "replace", path, value: "c@example.com" };
      const { body } = await client.patch(`/Users/${id}`, { schemas: [PATCH_OP], Operations: [operation] });
      expect(body.emails).toEqual([{ ...emails[0], value: "c@example.com" }, emails[1]]);
    });
  });

  describe("a name that nobody knows", () => {
    const names = ["nosuch", "name.nosuch", "urn:example:ext:2.0:User:color", `${ENTERPRISE_USER}:nosuch`];

    it.each(names)("%s is ignored in bodies, and not echoed", async (name) => {
      const created = await client.post("/Users", aUser({ [name]: "x", "urn:example:ext:2.0:User": { color: "red" } }));
      expect(created.status).toBe(201);
      const replaced = await client.put(`/Users/${created.body.id}`, aUser({ [name]: { deep: ["x"] } }));
      const operation = { op: "add", value: { [name]: "x", title: "Lead" } };
      const patched = await client.patch(`/Users/${created.body.id}`, { schemas: [PATCH_OP], Operations: [operation] });
      expect([replaced.status, patched.status, patched.body.title]).toEqual([200, 200, "Lead"]);
      for (const { text } of [created, replaced, patched]) expect(text).not.toMatch(/nosuch|example:ext|color/);
    });

    it.each(names)("%s matches nothing in filters and shows nothing by attributes", async (name) => {
      const found = async (search: Record<string, string>) => await client.get(`/Users?${query(search)}`);
      expect((await found({ filter: `${name} eq "x"` })).body.totalResults).toBe(0);
      expect((await found({ filter: `${name} pr or id pr` })).body.totalResults).toBeGreaterThan(0);
      const shown = (await found({ attributes: name })).body.Resources[0];
      expect(Object.keys(shown).sort()).toEqual(["id", "schemas"]);
      expect((await client.get(`/Users/${full.User.id}?${query({ excludedAttributes: name })}`)).body).toEqual(
        full.User,
      );
      expect((await found({ sortBy: name })).body).toMatchObject({ status: "400", scimType: "invalidValue" });
    });

    it("of a schema that we do not have is ignored as a PATCH path, of one that we have is 400 invalidPath", async () => {
      const { id, meta } = (await client.post("/Users", aUser())).body;
      const change = (path: string) => ({ schemas: [PATCH_OP], Operations: [{ op: "add", path, value: "x" }] });
      for (const name of names) {
        const { status, body } = await client.patch(`/Users/${id}`, change(name));
        if (name.startsWith("urn:example")) expect([status, body.meta]).toEqual([200, meta]);
        else expect([status, body.scimType]).toEqual([400, "invalidPath"]);
      }
    });
  });
});

/** One of the spellings, each in turn: over all attributes every one comes up often. */
let turn = 0;
function oneOf(spellings: readonly string[]): string {
  turn += 1;
  return spellings[turn % spellings.length] as string;
}

function mergeBodies(body: Record<string, unknown>, more: Record<string, unknown>): Record<string, unknown> {
  const joined = Object.entries(more).map(([name, value]) =>
    name.startsWith("urn:") ? [name, { ...(body[name] as object), ...(value as object) }] : [name, value],
  );
  return { ...body, ...Object.fromEntries(joined) };
}

type Members = Record<string, unknown>;

function always({ id, schemas }: Members): Members {
  return { id, schemas };
}

/** What `attributes` shows of the resource. */
function only(resource: Members, { schema, attribute, sub }: Leaf): Members {
  const container = isExtension(schema.id) ? (resource[schema.id] as Members) : resource;
  const whole = container[attribute.name];
  const part = (element: unknown) => ({
    [(sub as { name: string }).name]: (element as Members)[(sub as { name: string }).name],
  });
  const shown = sub === undefined ? whole : Array.isArray(whole) ? whole.map(part) : part(whole);
  const inner = { [attribute.name]: shown };
  return isExtension(schema.id) ? { [schema.id]: inner } : inner;
}

/** What `excludedAttributes` leaves of it. */
function without(resource: Members, { schema, attribute, sub, own }: Leaf): Members {
  if (own.returned === "always") return resource;
  const isExtended = isExtension(schema.id);
  const container = isExtended ? (resource[schema.id] as Members) : resource;
  const less = (members: Members, name: string) =>
    Object.fromEntries(Object.entries(members).filter(([one]) => one !== name));
  const whole = container[attribute.name];
  const rest =
    sub === undefined
      ? less(container, attribute.name)
      : {
          ...container,
          [attribute.name]: Array.isArray(whole)
            ? whole.map((element) => less(element, sub.name))
            : less(whole as Members, sub.name),
        };
  return isExtended ? { ...resource, [schema.id]: rest } : rest;
}

function swapCase(text: string): string {
  return text.replace(/\p{L}/gu, (letter) =>
    letter === letter.toUpperCase() ? letter.toLowerCase() : letter.toUpperCase(),
  );
}
