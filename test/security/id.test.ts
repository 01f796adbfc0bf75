/**
 * ID-1 to ID-3: who somebody is. No name that a client chooses addresses an account; what an administrator signs in with, and
 * addresses outside the tenant's domains, are not a client's to change; and nobody becomes somebody by having their e-mail.
 */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ENTERPRISE_USER, USER, USHER_USER } from "../../src/vocabulary/urns.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { type Send, startServer, type TestServer, type TestTenant } from "../helpers/server.ts";

interface User {
  id: string;
  userName: string;
  [USHER_USER]: { effectiveRole: string };
}

let count = 0;
const unique = (name: string) => `${name}-${++count}`;

describeOnBoth("identity", (getDb) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(getDb());
  });
  afterAll(() => server.close());

  const create = async (scim: Send, body: object) => (await scim<User>("POST", "/Users", body)).body;

  /** A person whom an Admin has made Admin, as their client knows them. */
  async function anAdmin(tenant: TestTenant): Promise<User> {
    const name = unique("chief");
    const words = {
      userName: name,
      externalId: `ext-${name}`,
      emails: [{ value: `${name}@x.org`, type: "work", primary: true }],
    };
    const made = await create(tenant.scim, { ...words, password: "Correct-horse-1!" });
    const promoted = await tenant.api("PATCH", `/users/${made.id}`, { role: "admin" });
    expect(promoted.status, JSON.stringify(promoted.body)).toBe(200);
    return (await tenant.scim<User>("GET", `/Users/${made.id}`)).body;
  }

  describe("ID-1: an externalId is text of the client's", () => {
    let tenant: TestTenant;
    let chief: User;
    let token: string;
    beforeAll(async () => {
      tenant = await server.tenant();
      chief = await anAdmin(tenant);
      const { body } = await tenant.api<{ tokens: { id: string }[] }>("GET", "/tokens");
      token = body.tokens[0]?.id ?? "";
    });

    /** The account that the text made is a new one without power, and the text leads to nobody. */
    async function requireNobody(externalId: string): Promise<void> {
      const made = await create(tenant.scim, { userName: unique("user"), externalId });
      expect(made).toMatchObject({ externalId, [USHER_USER]: { effectiveRole: "user", status: "active" } });
      expect([chief.id, externalId, token, tenant.id]).not.toContain(made.id);
      const isChiefs = externalId.toLowerCase() === chief.id;
      for (const path of [`/Users/${encodeURIComponent(externalId)}`, `/Groups/${encodeURIComponent(externalId)}`]) {
        const { status, body } = await tenant.scim<User>("GET", path);
        if (status === 200) expect([isChiefs, body.id]).toEqual([true, chief.id]);
        else expect(status).toBe(404);
      }
      const subject = { type: "user", id: externalId };
      const asked = await tenant.access<{ context?: { role: string } }>("POST", "/evaluation", {
        subject,
        action: { name: "users.manage" },
        resource: { type: "application", id: "console" },
      });
      if (!isChiefs) expect(asked.body, externalId).toMatchObject({ decision: false });
      const gone = await tenant.scim("DELETE", `/Users/${made.id}`);
      expect(gone.status).toBe(204);
      expect((await tenant.scim("GET", `/Users/${chief.id}`)).body).toEqual(chief);
    }

    it.each([
      "1",
      "0",
      "-1",
      "00",
      "1e0",
      "true",
      "null",
      "admin",
      "chief",
      "me",
      "*",
      "１",
      "Ⅰ",
      "' or '1'='1",
      "root",
      "../1",
    ])("ID-1: %j addresses and shadows nobody", requireNobody);

    it("ID-1: nor does the id of an Admin, of a token, of the tenant, or the name of somebody", async () => {
      for (const text of [
        chief.id,
        chief.id.toUpperCase(),
        token,
        tenant.id,
        chief.userName,
        `${chief.userName}@x.org`,
      ]) {
        await requireNobody(text);
      }
    });

    it("ID-1: nor does any text (60 generated)", async () => {
      const storable = fc
        .string({ unit: "grapheme", minLength: 1, maxLength: 40 })
        .filter((text) => !/\0|^\s*$/.test(text));
      const digits = fc.oneof(fc.integer().map(String), fc.bigInt().map(String), fc.uuid());
      await fc.assert(
        fc.asyncProperty(fc.oneof(storable, digits), async (text) => {
          await requireNobody(text.toWellFormed());
        }),
        { numRuns: 60 },
      );
    });

    it.each([1, 0, -1, 1.5, true, ["1"], { value: "1" }])("ID-1: %j is no text: 400", async (externalId) => {
      const { status, body } = await tenant.scim("POST", "/Users", { userName: unique("user"), externalId });
      expect([status, body.scimType]).toEqual([400, "invalidValue"]);
    });

    it("ID-1: ids of nobody and names of somebody are no members of a group, and no managers of anybody", async () => {
      const members = [chief.userName, `ext-${chief.userName}`, `${chief.userName}@x.org`, "1", "0"];
      for (const value of members) {
        const displayName = unique("group");
        const { status } = await tenant.scim("POST", "/Groups", { displayName, members: [{ value }] });
        expect(status).toBe(400);
        const made = await create(tenant.scim, {
          userName: unique("report"),
          [ENTERPRISE_USER]: { manager: { value } },
        });
        expect(made).toMatchObject({ [ENTERPRISE_USER]: { manager: { value } } });
        expect(made).not.toHaveProperty([ENTERPRISE_USER, "manager", "displayName"]);
      }
    });
  });

  describe("ID-2: what an administrator signs in with", () => {
    let tenant: TestTenant;
    let chief: User;
    beforeAll(async () => {
      tenant = await server.tenant();
      chief = await anAdmin(tenant);
    });

    const mail = { value: "mallory@evil.org", type: "work", primary: true };
    const changes: readonly (readonly [string, object])[] = [
      ["replace emails", { op: "replace", path: "emails", value: [mail] }],
      ["Replace Emails", { op: "Replace", path: "Emails", value: [mail] }],
      ["add a second address", { op: "add", path: "emails", value: [mail] }],
      ["add an address as an object", { op: "add", path: "emails", value: mail }],
      ["add an address as a text", { op: "add", path: "emails", value: "mallory@evil.org" }],
      ["the value of all addresses", { op: "replace", path: "emails.value", value: "mallory@evil.org" }],
      [
        "the value of the work address",
        { op: "replace", path: 'emails[type eq "work"].value', value: "mallory@evil.org" },
      ],
      [
        "the value of the primary address",
        { op: "replace", path: "emails[primary eq true].value", value: "mallory@evil.org" },
      ],
      ["an address that is not there", { op: "add", path: 'emails[type eq "other"].value', value: "mallory@evil.org" }],
      ["remove the addresses", { op: "remove", path: "emails" }],
      ["remove the work address", { op: "remove", path: 'emails[type eq "work"]' }],
      ["with the schema in front", { op: "replace", path: `${USER}:emails`, value: [mail] }],
      ["with the schema in front, in capitals", { op: "replace", path: `${USER.toUpperCase()}:EMAILS`, value: [mail] }],
      ["without a path", { op: "replace", value: { emails: [mail] } }],
      ["without a path, dotted", { op: "add", value: { 'emails[type eq "work"].value': "mallory@evil.org" } }],
      ["under the schema's name", { op: "replace", value: { [`${USER}:emails`]: [mail] } }],
      ["within the schema's name", { op: "replace", value: { [USER]: { emails: [mail] } } }],
      ["the schema as the path", { op: "replace", path: USER, value: { emails: [mail] } }],
      ["the userName", { op: "replace", path: "userName", value: "mallory" }],
      ["the userName without a path", { op: "replace", value: { USERNAME: "mallory" } }],
      ["the externalId", { op: "replace", path: "externalId", value: "mallory" }],
      ["no externalId", { op: "remove", path: "externalId" }],
      ["the password", { op: "replace", path: "password", value: "Mallory-knows-1!" }],
      ["the password without a path", { op: "add", value: { password: "Mallory-knows-1!" } }],
    ];

    it.each(changes)("ID-2: %s: 403, by PATCH and in a Bulk, and nothing is changed", async (_, operation) => {
      const url = `/Users/${chief.id}`;
      const message = { Operations: [operation] };
      const refused = await tenant.scim("PATCH", url, message);
      expect([refused.status, (await tenant.scim("GET", url)).body]).toEqual([403, chief]);
      const mixed = { Operations: [{ op: "replace", path: "title", value: "x" }, operation] };
      expect((await tenant.scim("PATCH", url, mixed)).status).toBe(403);
      const bulk = { Operations: [{ method: "PATCH", path: url, data: message }] };
      const answered = await tenant.scim<{ Operations: { status: string }[] }>("POST", "/Bulk", bulk);
      expect(answered.body.Operations.map(({ status }) => status)).toEqual(["403"]);
      expect((await tenant.scim("GET", url)).body).toEqual(chief);
    });

    it("ID-2: by PUT as well, also while the Admin is away; whatever else the client says is taken", async () => {
      const away = await anAdmin(tenant);
      const off = await tenant.scim("PATCH", `/Users/${away.id}`, {
        Operations: [{ op: "replace", path: "active", value: false }],
      });
      expect(off.status).toBe(200);
      for (const [who, words] of [
        [chief, { emails: [mail] }],
        [chief, { userName: "mallory" }],
        [away, { emails: [mail], active: false }],
        [away, { emails: [mail], active: true }],
      ] as const) {
        const kept = {
          userName: who.userName,
          externalId: `ext-${who.userName}`,
          emails: (who as unknown as { emails: object[] }).emails,
        };
        const { status } = await tenant.scim("PUT", `/Users/${who.id}`, { ...kept, ...words });
        expect([words, status]).toEqual([words, 403]);
      }
      const titled = await tenant.scim("PATCH", `/Users/${chief.id}`, {
        Operations: [{ op: "add", path: "title", value: "Chief" }],
      });
      expect(titled.status).toBe(200);
      chief = (await tenant.scim<User>("GET", `/Users/${chief.id}`)).body;
    });

    it("ID-2: where domains are asked for, an address outside of them is 403, for everybody and through every form", async () => {
      const strict = await server.tenant();
      await server.operator("PATCH", `/tenants/${strict.id}`, { domains: ["x.org"] });
      const set = await strict.api("PATCH", "/settings", { restrictDomains: true });
      expect(set.status, JSON.stringify(set.body)).toBe(200);
      const ada = await create(strict.scim, { userName: "ada@x.org", emails: [{ value: "ada@x.org", type: "work" }] });
      const before = (await strict.scim("GET", `/Users/${ada.id}`)).body;
      for (const [name, operation] of changes.filter(([, operation]) =>
        JSON.stringify(operation).includes("evil.org"),
      )) {
        const { status } = await strict.scim("PATCH", `/Users/${ada.id}`, { Operations: [operation] });
        expect([name, status]).toEqual([name, 403]);
      }
      for (const address of [
        "ada@evil.org",
        "ada@x.org.evil.org",
        "ada@evil.org#x.org",
        "ada@xxorg",
        "ada@x.org\u200b.evil.org",
        "ada@evil.org@x.org ",
      ]) {
        const made = await strict.scim("POST", "/Users", { userName: unique("eve"), emails: [{ value: address }] });
        expect([address, made.status]).toEqual([address, 403]);
      }
      expect((await strict.scim("GET", `/Users/${ada.id}`)).body).toEqual(before);
    });
  });

  describe("ID-3: nobody is adopted", () => {
    it("ID-3: a second account with somebody's e-mail, externalId, name and telephone is a second account", async () => {
      const tenant = await server.tenant({ seats: { standard: 1 } });
      const chief = await anAdmin(tenant);
      const shown = chief as unknown as Record<string, unknown>;
      const words = {
        externalId: shown.externalId,
        emails: shown.emails,
        displayName: "Chief",
        phoneNumbers: [{ value: "+4930123456" }],
      };
      await tenant.scim("POST", "/Groups", { displayName: "Chiefs", members: [{ value: chief.id }] });
      const eve = await create(tenant.scim, { ...words, userName: unique("eve") });
      expect(eve.id).not.toBe(chief.id);
      expect(eve).toMatchObject({ groups: [], [USHER_USER]: { effectiveRole: "user", teams: [] } });
      for (const type of ["userName", "user"]) {
        const subject = { type, id: `${chief.userName}@x.org` };
        const resource = { type: "application", id: "console" };
        const question = { subject, action: { name: "users.manage" }, resource };
        const { body } = await tenant.access("POST", "/evaluation", question);
        expect(body).toMatchObject({ decision: false });
      }
      expect((await tenant.scim("DELETE", `/Users/${eve.id}`)).status).toBe(204);
      expect((await tenant.scim<User>("GET", `/Users/${chief.id}`)).body[USHER_USER].effectiveRole).toBe("admin");
    });

    it.each([
      ["in capitals", (name: string) => name.toUpperCase()],
      [
        "in full width",
        (name: string) => [...name].map((char) => String.fromCodePoint(char.charCodeAt(0) + 0xfee0)).join(""),
      ],
      ["with a ligature", (name: string) => name.replace("fi", "ﬁ")],
    ])("ID-3: somebody's userName %s is taken: 409, and the account is not touched", async (_, spell) => {
      const tenant = await server.tenant();
      const first = await create(tenant.scim, { userName: "chief!", title: "kept" });
      const { status, body } = await tenant.scim("POST", "/Users", {
        userName: spell("chief!"),
        title: "taken over",
        active: false,
      });
      const isSame = spell("chief!").normalize("NFKC").toLowerCase() === "chief!";
      expect(isSame ? [status, body.scimType] : status).toEqual(isSame ? [409, "uniqueness"] : 201);
      expect((await tenant.scim("GET", `/Users/${first.id}`)).body).toMatchObject({ title: "kept", active: true });
    });

    it("ID-3: a userName that merely looks like somebody's is another person, with nothing of theirs", async () => {
      const tenant = await server.tenant();
      const chief = await anAdmin(tenant);
      for (const name of [
        chief.userName.replace("c", "с"),
        `${chief.userName}\u200b`,
        ` ${chief.userName}`,
        `${chief.userName} `,
      ]) {
        const { status, body } = await tenant.scim<User>("POST", "/Users", { userName: name });
        expect([201, 409]).toContain(status);
        if (status === 201) expect(body[USHER_USER].effectiveRole).toBe("user");
      }
    });

    it("ID-3: who is deleted and comes back under the same names is somebody new", async () => {
      const tenant = await server.tenant();
      const chief = await anAdmin(tenant);
      const second = await anAdmin(tenant);
      expect(second.id).not.toBe(chief.id);
      const { id: _id, meta: _meta, ...words } = chief as unknown as Record<string, unknown>;
      await tenant.scim("DELETE", `/Users/${chief.id}`);
      const back = await create(tenant.scim, words);
      expect(back.id).not.toBe(chief.id);
      expect(back[USHER_USER].effectiveRole).toBe("user");
    });
  });
});
