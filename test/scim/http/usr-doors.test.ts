/** USR-4 and USR-5 through every door that brings words of a client: a rule that one door forgets is none. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeOnBoth } from "../../helpers/database.ts";
import { startServer, type TestServer } from "../../helpers/server.ts";

const USER = "urn:ietf:params:scim:schemas:core:2.0:User";
const PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
const USHER_ERROR = "urn:ietf:params:scim:schemas:extension:usher:2.0:Error";

describeOnBoth("rules about addresses", (getDb) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(getDb());
  });
  afterAll(() => server.close());

  const person = (userName: string, more: object = {}) => ({ schemas: [USER], userName, ...more });
  const mails = (...values: string[]) => ({ emails: values.map((value, n) => ({ value, primary: n === 0 })) });
  const refusal = (body: unknown) => {
    const { status, scimType, [USHER_ERROR]: facts } = body as Record<string, unknown>;
    return [status, scimType, (facts as { code?: string } | undefined)?.code];
  };

  const operations: readonly [string, (id: string) => object][] = [
    ["replace of the list", () => ({ op: "replace", path: "emails", value: [{ value: "eve@x.org", primary: true }] })],
    ["replace of the value", () => ({ op: "replace", path: "emails[primary eq true].value", value: "eve@x.org" })],
    ["replace by type", () => ({ op: "replace", path: 'emails[value eq "ada@x.org"].value', value: "eve@x.org" })],
    ["replace without a path", () => ({ op: "replace", value: { emails: [{ value: "eve@x.org", primary: true }] } })],
    ["Entra's spelling", () => ({ op: "Replace", path: 'emails[type eq "work"].value', value: "eve@x.org" })],
    [
      "add of another primary one",
      () => ({ op: "add", path: "emails", value: [{ value: "eve@x.org", primary: true }] }),
    ],
    ["remove of it", () => ({ op: "remove", path: 'emails[value eq "ada@x.org"]' })],
    ["remove of all", () => ({ op: "remove", path: "emails" })],
  ];

  it("USR-4: the primary e-mail stays, whatever a client writes", async () => {
    const tenant = await server.tenant({ preset: "queue-desk" });
    const emails = [
      { value: "ada@x.org", primary: true, type: "work" },
      { value: "second@x.org", type: "home" },
    ];
    const created = await tenant.scim("POST", "/Users", person("ada", { emails }));
    expect(created.status).toBe(201);
    const id = String(created.body.id);
    for (const [name, operation] of operations) {
      const { status, body } = await tenant.scim("PATCH", `/Users/${id}`, {
        schemas: [PATCH],
        Operations: [operation(id)],
      });
      expect([name, status, ...refusal(body)]).toEqual([name, 400, "400", "mutability", "USR-4"]);
    }
    const put = await tenant.scim("PUT", `/Users/${id}`, person("ada", mails("eve@x.org")));
    expect([put.status, ...refusal(put.body)]).toEqual([400, "400", "mutability", "USR-4"]);
    const bulk = await tenant.scim("POST", "/Bulk", {
      schemas: [BULK],
      Operations: [
        { method: "PUT", path: `/Users/${id}`, data: person("ada", mails("eve@x.org")) },
        {
          method: "PATCH",
          path: `/Users/${id}`,
          data: { Operations: [{ op: "replace", path: "emails", value: [{ value: "eve@x.org" }] }] },
        },
      ],
    });
    const answers = bulk.body.Operations as { status: string; response: unknown }[];
    for (const { status, response } of answers) {
      expect([status, ...refusal(response)]).toEqual(["400", "400", "mutability", "USR-4"]);
    }
    expect((await tenant.scim("GET", `/Users/${id}`)).body.emails).toMatchObject(emails);
    // Another one beside it, and another userName, are no change of it.
    const beside = await tenant.scim("PATCH", `/Users/${id}`, {
      schemas: [PATCH],
      Operations: [
        { op: "add", path: "emails", value: [{ value: "third@x.org" }] },
        { op: "replace", path: "userName", value: "ada2" },
      ],
    });
    expect(beside.status).toBe(200);
  });

  it("USR-4: the management side changes it no more than a client does", async () => {
    const tenant = await server.tenant({ preset: "queue-desk" });
    const invited = await tenant.api("POST", "/users", { email: "ada@x.org", accepted: true });
    expect(invited.status, JSON.stringify(invited.body)).toBe(201);
    const changed = await tenant.api("PATCH", `/users/${invited.body.id}`, { email: "eve@x.org" });
    expect([changed.status, changed.body.code]).toEqual([400, expect.stringMatching(/mutability|invalidValue/)]);
    expect((await tenant.api("GET", `/users/${invited.body.id}`)).body.email).toBe("ada@x.org");
  });

  it("USR-5: nobody comes before a domain is verified, by no door", async () => {
    const tenant = await server.tenant({ preset: "white-label-cms" });
    const one = await tenant.scim("POST", "/Users", person("ada@x.org"));
    expect([one.status, ...refusal(one.body)]).toEqual([403, "403", undefined, "USR-5"]);
    expect(one.body.detail).toContain("/api/v1/domains");
    const bulk = await tenant.scim("POST", "/Bulk", {
      schemas: [BULK],
      Operations: Array.from({ length: 6 }, (_, n) => ({
        method: "POST",
        path: "/Users",
        bulkId: `b${n}`,
        data: person(`ada${n}@x.org`),
      })),
    });
    for (const { status, response } of bulk.body.Operations as { status: string; response: unknown }[]) {
      expect([status, ...refusal(response)]).toEqual(["403", "403", undefined, "USR-5"]);
    }
    const invited = await tenant.api("POST", "/users", { email: "ada@x.org" });
    expect([invited.status, invited.body.code, invited.body.rule]).toEqual([403, "domainRequired", "USR-5"]);
    expect((await tenant.scim("GET", "/Users")).body.totalResults).toBe(0);
    await server.operator("PATCH", `/tenants/${tenant.id}`, { domains: ["elsewhere.example"] });
    expect((await tenant.scim("POST", "/Users", person("ada@x.org"))).status).toBe(201);
  });

  it("USR-5: nobody comes from outside the verified domains, or goes there, by no door", async () => {
    const tenant = await server.tenant();
    const name = `acme-${tenant.slug}.example`;
    await server.operator("PATCH", `/tenants/${tenant.id}`, { domains: [name] });
    await tenant.api("PATCH", "/settings", { restrictDomains: true });
    const inside = await tenant.scim("POST", "/Users", person(`ada@${name}`));
    expect(inside.status, JSON.stringify(inside.body)).toBe(201);
    const id = String(inside.body.id);
    const outside: [string, Promise<{ status: number; body: Record<string, unknown> }>][] = [
      ["POST", tenant.scim("POST", "/Users", person("eve@x.org"))],
      ["a second address", tenant.scim("POST", "/Users", person(`eve@${name}`, mails(`eve@${name}`, "eve@x.org")))],
      ["below it", tenant.scim("POST", "/Users", person(`eve@mail.${name}`))],
      ["no address", tenant.scim("POST", "/Users", person("eve"))],
      ["PUT", tenant.scim("PUT", `/Users/${id}`, person("eve@x.org"))],
      [
        "PATCH",
        tenant.scim("PATCH", `/Users/${id}`, {
          schemas: [PATCH],
          Operations: [{ op: "add", path: "emails", value: [{ value: "eve@x.org" }] }],
        }),
      ],
    ];
    for (const [door, answer] of outside) {
      const { status, body } = await answer;
      expect([door, status, ...refusal(body)]).toEqual([door, 403, "403", undefined, "USR-5"]);
    }
    const invited = await tenant.api("POST", "/users", { email: "eve@x.org" });
    expect([invited.status, invited.body.code]).toEqual([403, "domainRequired"]);
    const csv = await tenant.api("POST", "/users/import", "eve@x.org\r\n", { "Content-Type": "text/csv" });
    expect(JSON.stringify(csv.body)).toContain("domainRequired");
    expect((await tenant.scim("GET", "/Users")).body.totalResults).toBe(1);
    // USR-9: leavers must be out, with whatever address they had.
    const left = await tenant.scim("PUT", `/Users/${id}`, person("eve@x.org", { active: false }));
    expect([left.status, left.body.userName, left.body.active]).toEqual([200, `ada@${name}`, false]);
  });
});
