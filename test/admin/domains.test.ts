import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createFindTxt } from "../../src/provisioning/domains-dns.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { type DnsServer, startDns } from "../helpers/dns.ts";
import { type Answer, aTenant, type Server, startServer, type TestTenant } from "./api.ts";

let dns: DnsServer;
beforeAll(async () => {
  dns = await startDns();
});
afterAll(() => dns.close());

let names = 0;

describeOnBoth("mail domains", (getDb) => {
  let server: Server;
  let tenant: TestTenant;
  beforeEach(async () => {
    server = startServer(getDb());
    Object.assign(server.deps, {
      findTxt: createFindTxt({ servers: [dns.address], timeoutMs: 200, deadlineMs: 600 }),
    });
    tenant = await aTenant(server);
  });

  const aName = () => `admin${++names}.example`;
  const codes = ({ status, body }: Answer) => [status, body?.code];
  const add = async (name = aName(), of = tenant) => {
    const { status, body } = await of.call("addDomain", { body: { name } });
    expect(status, JSON.stringify(body)).toBe(201);
    return body;
  };
  const verify = (name: string, of = tenant) => of.call("verifyDomain", { params: { name } });
  const own = async (of = tenant, name = aName()) => {
    const { record } = await add(name, of);
    dns.records.set(record.name, [record.value]);
    const { status, body } = await verify(name, of);
    expect(status, JSON.stringify(body)).toBe(200);
    return body;
  };
  const get = (name: string, of = tenant) => of.call("getDomain", { params: { name } });
  const remove = (name: string, of = tenant) => of.call("removeDomain", { params: { name } });
  /** A token of a role with one permission. */
  const holding = async (permission: string) => {
    await tenant.call("createRole", {
      body: { key: permission, name: permission, rank: 20, permissions: [permission] },
    });
    return await tenant.mint({ scopes: ["api"], role: permission });
  };

  describe("addDomain", () => {
    it("answers with the record to publish, the name in both its forms, and who added it", async () => {
      const n = ++names;
      const body = await add(`Bücher${n}.example`);
      expect(body).toMatchObject({
        display: `bücher${n}.example`,
        state: "pending",
        proof: null,
        addedBy: { label: "admin" },
        verifiedAt: null,
      });
      expect(body.name).toMatch(/^xn--/);
      expect(body.record).toEqual({
        type: "TXT",
        name: `_usher-challenge.${body.name}`,
        value: expect.stringMatching(/^usher-verification=[0-9a-f]{32}$/),
      });
    });

    it("gives every account, and every new claim, a text of its own", async () => {
      const other = await aTenant(server);
      const name = aName();
      const first = await add(name);
      const theirs = await add(name, other);
      await remove(name);
      const again = await add(name);
      expect(new Set([first, theirs, again].map(({ record }) => record.value)).size).toBe(3);
    });

    it.each([["localhost"], ["192.0.2.1"], ["ada@example.com"], ["https://example.com"], ["co.uk"], ["printer.local"]])(
      "refuses %s and names the field",
      async (name) => {
        const answer = await tenant.call("addDomain", { body: { name } });
        expect([...codes(answer), answer.body.attribute]).toEqual([400, "invalidValue", "name"]);
      },
    );

    it.each([[{}], [{ name: 1 }], [{ name: "" }], [{ name: "a.example", more: 1 }], [{ name: "x".repeat(301) }]])(
      "refuses the body %j",
      async (body) => {
        expect(codes(await tenant.call("addDomain", { body }))).toEqual([400, "invalidValue"]);
      },
    );

    it("refuses one that is listed, in any spelling", async () => {
      const { name } = await add();
      const answer = await tenant.call("addDomain", { body: { name: `${name.toUpperCase()}.` } });
      expect([...codes(answer), answer.body.attribute]).toEqual([409, "uniqueness", "name"]);
    });

    it("refuses the thousand and first", async () => {
      await getDb().query(
        {
          name: "test_fill",
          text: `insert into domains (tenant_id, name, added_at)
            select $1, 'x' || n || '.example', now() from generate_series(1, 1000) n`,
        },
        [tenant.id],
      );
      expect(codes(await tenant.call("addDomain", { body: { name: aName() } }))).toEqual([409, "conflict"]);
    });
  });

  describe("verifyDomain", () => {
    it("finds the record and gives the domain to the account", async () => {
      const body = await own();
      expect(body).toMatchObject({ state: "verified", proof: "dns", missingSince: null, lapsedAt: null });
      expect(body.verifiedAt).toBe(body.checkedAt);
      expect((await get(body.name)).body).toEqual(body);
    });

    it("says what to publish and what is there instead", async () => {
      const { name, record } = await add();
      const answer = await verify(name);
      expect([...codes(answer), answer.body.rule]).toEqual([409, "domainUnproven", "USR-5"]);
      expect(answer.body.record).toEqual(record);
      expect(answer.body.detail).toContain("no TXT record is there");
      dns.records.set(record.name, ["v=spf1 -all"]);
      expect((await verify(name)).body.detail).toContain("1 TXT records are there");
    });

    it("says that DNS did not answer, and when to come again", async () => {
      const { name, record } = await add();
      for (const trouble of ["broken", "silent"] as const) {
        dns.records.set(record.name, trouble);
        const answer = await verify(name);
        expect(codes(answer)).toEqual([503, "unavailable"]);
        expect(answer.headers["retry-after"]).toMatch(/^\d+$/);
      }
    });

    it("says of one that another account has no more than that", async () => {
      const other = await aTenant(server, { name: "The other account" });
      const { name } = await own(other);
      const { record } = await add(name);
      dns.records.set(record.name, [record.value]);
      const answer = await verify(name);
      expect(codes(answer)).toEqual([409, "uniqueness"]);
      expect(JSON.stringify(answer.body)).not.toMatch(new RegExp(`${other.id}|The other account`));
      expect((await get(name)).body.state).toBe("pending");
    });

    it("looks a verified one up again, and shows what is missing", async () => {
      const { name, record } = await own();
      dns.records.delete(record.name);
      const { body } = await verify(name);
      expect(body).toMatchObject({ state: "missing", verifiedAt: expect.any(String) });
      await getDb().query(
        { name: "test_lapse", text: "update domains set lapsed_at = now() where tenant_id = $1 and name = $2" },
        [tenant.id, name],
      );
      expect((await get(name)).body.state).toBe("lapsed");
    });

    it("lets people in where a domain is required, and none from elsewhere", async () => {
      await tenant.call("changeSettings", { body: { requireDomain: true, restrictDomains: true } });
      await expect(tenant.user({ userName: "ada@nowhere.example" })).rejects.toMatchObject({ code: "domainRequired" });
      const { name } = await own();
      expect((await tenant.user({ userName: `ada@${name}` })).status).toBe("active");
      await expect(tenant.user({ userName: "ada@nowhere.example" })).rejects.toMatchObject({ code: "domainRequired" });
    });
  });

  describe("removeDomain", () => {
    it("takes it from the list and frees it for others", async () => {
      const { name } = await own();
      expect((await remove(name)).status).toBe(204);
      expect(codes(await get(name))).toEqual([404, "notFound"]);
      expect((await own(await aTenant(server), name)).state).toBe("verified");
    });
  });

  describe("listDomains", () => {
    it("shows them by name, page by page", async () => {
      const added = [];
      for (let n = 0; n < 5; n++) added.push((await add()).name);
      const seen: string[] = [];
      let cursor: string | null | undefined;
      do {
        const { body } = await tenant.call("listDomains", { query: { limit: 2, ...(cursor ? { cursor } : {}) } });
        seen.push(...body.domains.map((domain: { name: string }) => domain.name));
        cursor = body.nextCursor;
      } while (cursor);
      expect(seen).toEqual(added.toSorted());
      expect(codes(await tenant.call("listDomains", { query: { cursor: "x.y" } }))).toEqual([400, "invalidValue"]);
    });
  });

  it("are one's own: what another account has listed is not found", async () => {
    const other = await aTenant(server);
    const { name } = await own(other);
    for (const answer of [await get(name), await verify(name), await remove(name), await get("no domain at all")]) {
      expect(codes(answer)).toEqual([404, "notFound"]);
    }
    expect((await tenant.call("listDomains")).body.domains).toEqual([]);
    expect((await get(name, other)).body.state).toBe("verified");
  });

  it("take domains.manage, and nothing less", async () => {
    const { name } = await own();
    const calls = (token: string | null) => [
      tenant.call("listDomains", { token }),
      tenant.call("addDomain", { token, body: { name: aName() } }),
      tenant.call("getDomain", { token, params: { name } }),
      tenant.call("verifyDomain", { token, params: { name } }),
      tenant.call("removeDomain", { token, params: { name } }),
    ];
    for (const token of [
      await tenant.mint({ scopes: ["api"], role: "manager" }),
      await tenant.mint({ scopes: ["scim"], role: "admin" }),
      await holding("users.manage"),
    ]) {
      for (const answer of await Promise.all(calls(token))) expect(codes(answer)).toEqual([403, "forbidden"]);
    }
    for (const answer of await Promise.all(calls(null))) expect(codes(answer)).toEqual([401, "unauthorized"]);
    const enough = await holding("domains.manage");
    const statuses = [];
    for (const answer of calls(enough)) statuses.push((await answer).status);
    expect(statuses.slice(0, 2)).toEqual([200, 201]);
    expect(statuses.at(-1)).toBe(204);
  });

  it("leave an event for each step", async () => {
    const { name, record } = await own();
    dns.records.delete(record.name);
    await verify(name);
    await remove(name);
    const { body } = await tenant.call("listEvents", { query: { subject: name } });
    const told: { action: string }[] = body.events;
    expect(told.map(({ action }) => action)).toEqual([
      "domain.added",
      "domain.verified",
      "domain.missing",
      "domain.removed",
    ]);
  });

  it("the operator's list stands beside them: it verifies by word, and meets what others have", async () => {
    const other = await aTenant(server);
    const { name: theirs } = await own(other);
    const { name: claimed } = await add();
    const root = "operator-token-of-the-tests";
    const change = (domains: string[]) =>
      tenant.call("changeTenant", { token: root, params: { id: tenant.id }, body: { domains } });
    expect(codes(await change([theirs]))).toEqual([409, "uniqueness"]);
    const word = aName();
    const { body } = await change([word]);
    expect(body.domains.map((domain: { name: string }) => domain.name).toSorted()).toEqual([claimed, word].toSorted());
    expect((await get(word)).body).toMatchObject({ state: "verified", proof: "operator", addedBy: null });
    expect((await verify(word)).body.proof).toBe("operator");
    expect((await get(claimed)).body.state).toBe("pending");
  });
});
