/** USR-5: claims to domains, their proof by real questions to a DNS server, and what they decide. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { operator } from "../../src/auth/principal.ts";
import { challengeOf } from "../../src/domain/domains.ts";
import type { RequestContext } from "../../src/provisioning/context.ts";
import { addDomain, getDomain, listDomains, removeDomain, verifyDomain } from "../../src/provisioning/domains.ts";
import { createFindTxt } from "../../src/provisioning/domains-dns.ts";
import { findTenantsWithRecords, recheckDomains } from "../../src/provisioning/domains-recheck.ts";
import { changeSettings } from "../../src/provisioning/settings.ts";
import { changeTenant, deleteTenant } from "../../src/provisioning/tenants.ts";
import { changeUser, createUser } from "../../src/provisioning/users.ts";
import { describeOnBoth, describeOnPostgres } from "../helpers/database.ts";
import { type DnsServer, startDns } from "../helpers/dns.ts";
import { ended, tally } from "../helpers/races.ts";
import { aUser, makeDeps, makeTenant, type TestDeps, type TestTenant } from "../helpers/tenant.ts";
import { actWith } from "./people.ts";

let dns: DnsServer;
beforeAll(async () => {
  dns = await startDns();
});
afterAll(() => dns.close());

const root: RequestContext = { principal: operator(), requestId: "test", door: "api" };
const hour = 3_600_000;
let names = 0;
/** A domain that no other test speaks of. */
const aName = () => `d${++names}.example`;

describe("a look-up in DNS", () => {
  const findTxt = () => createFindTxt({ servers: [dns.address], timeoutMs: 100, deadlineMs: 400 });

  it("finds every text of a name, long ones in one piece", async () => {
    dns.records.set("some.example", ["one", "", "x".repeat(600)]);
    const { texts, ...rest } = (await findTxt()("some.example")) as { kind: string; texts: string[] };
    expect(rest).toEqual({ kind: "found" });
    expect(texts.toSorted()).toEqual(["", "one", "x".repeat(600)]);
  });

  it("tells a name that is not there from a server that does not say", async () => {
    dns.records.set("bare.example", []);
    dns.records.set("broken.example", "broken");
    dns.records.set("silent.example", "silent");
    expect(await findTxt()("nowhere.example")).toEqual({ kind: "absent" });
    expect(await findTxt()("bare.example")).toEqual({ kind: "absent" });
    expect(await findTxt()("broken.example")).toEqual({ kind: "failed", reason: "ESERVFAIL" });
    expect(await findTxt()("silent.example")).toMatchObject({ kind: "failed" });
  });

  it("gives up in time, and on itself alone", async () => {
    dns.records.set("silent.example", "silent");
    dns.records.set("quick.example", ["here"]);
    const patient = createFindTxt({ servers: [dns.address], timeoutMs: 60_000, deadlineMs: 300 });
    const began = performance.now();
    const [silent, quick] = await Promise.all([patient("silent.example"), patient("quick.example")]);
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(silent).toEqual({ kind: "failed", reason: "ECANCELLED" });
    expect(quick).toEqual({ kind: "found", texts: ["here"] });
  });
});

function withDns(deps: TestDeps): TestDeps {
  return Object.assign(deps, { findTxt: createFindTxt({ servers: [dns.address], timeoutMs: 200, deadlineMs: 600 }) });
}

/** Puts the record of a claim into DNS, beside others. */
async function publish(deps: TestDeps, tenant: TestTenant, name: string): Promise<void> {
  const { token } = await getDomain(deps, tenant.admin, name);
  const record = challengeOf(name, token);
  const there = dns.records.get(record.name);
  dns.records.set(record.name, [...(Array.isArray(there) ? there : ["something else"]), record.value]);
}

const unpublish = (name: string) => dns.records.delete(challengeOf(name, "").name);

describeOnBoth("domains", (getDb) => {
  async function setUp() {
    const deps = withDns(makeDeps(getDb()));
    const tenant = await makeTenant(deps, { seats: { standard: 3 } });
    const told = async (of: TestTenant = tenant) => {
      const text = `select action from events where tenant_id = $1 and subject_type = 'Domain' order by id`;
      return (await deps.db.query<{ action: string }>({ name: "test_domains", text }, [of.id])).map((e) => e.action);
    };
    const own = async (of: TestTenant = tenant, name = aName()) => {
      await addDomain(deps, of.admin, name);
      await publish(deps, of, name);
      await verifyDomain(deps, of.admin, name);
      await deps.runJobs();
      return name;
    };
    const later = (hours: number) => {
      deps.now = new Date(deps.now.getTime() + hours * hour);
    };
    return { deps, tenant, told, own, later };
  }

  it("are added, proved by their record, and known by any spelling", async () => {
    const { deps, tenant, told } = await setUp();
    const n = ++names;
    const added = await addDomain(deps, tenant.admin, ` Bücher${n}.Example `);
    expect(added).toMatchObject({ verifiedAt: null, proof: null, addedBy: { label: "admin" } });
    expect(added.name).toMatch(/^xn--bcher\d+-[a-z0-9]+\.example$/);
    await publish(deps, tenant, added.name);
    const verified = await verifyDomain(deps, tenant.admin, `BÜCHER${n}.example.`);
    expect(verified).toMatchObject({ name: added.name, verifiedAt: deps.now.toISOString(), proof: "dns" });
    expect(await getDomain(deps, tenant.admin, `bücher${n}.example`)).toEqual(verified);
    expect(await told()).toEqual(["domain.added", "domain.verified"]);
    expect(await listDomains(deps, tenant.admin, "", 10)).toEqual([verified]);
  });

  it("are refused where they are no domain, nobody's, or listed already", async () => {
    const { deps, tenant } = await setUp();
    for (const text of ["192.0.2.1", "localhost", "ada@example.com", "co.uk", "a.local", ""]) {
      await expect(addDomain(deps, tenant.admin, text)).rejects.toMatchObject({
        code: "invalidValue",
        facts: { attribute: "name" },
      });
    }
    const name = aName();
    await addDomain(deps, tenant.admin, name);
    await expect(addDomain(deps, tenant.admin, name.toUpperCase())).rejects.toMatchObject({ code: "uniqueness" });
  });

  it("are not verified by no record, another text, another's token or another name's record", async () => {
    const { deps, tenant, told } = await setUp();
    const other = await makeTenant(deps);
    const name = aName();
    const record = challengeOf(name, (await addDomain(deps, tenant.admin, name)).token);
    const verify = () => verifyDomain(deps, tenant.admin, name);
    await expect(verify()).rejects.toMatchObject({ code: "domainUnproven", facts: { record } });
    await addDomain(deps, other.admin, name);
    const theirs = await getDomain(deps, other.admin, name);
    dns.records.set(name, [record.value]);
    dns.records.set(record.name, [
      "v=spf1 -all",
      challengeOf(name, theirs.token).value,
      `${record.value}0`,
      record.value.toUpperCase(),
    ]);
    await expect(verify()).rejects.toThrow(/4 TXT records are there/);
    expect((await getDomain(deps, tenant.admin, name)).verifiedAt).toBeNull();
    dns.records.set(record.name, "broken");
    await expect(verify()).rejects.toMatchObject({ code: "unavailable" });
    expect(await told()).toEqual(["domain.added"]);
    await publish(deps, tenant, name);
    expect((await verify()).verifiedAt).not.toBeNull();
  });

  it("belong to the first who proves them; a claim holds nobody up, and the others learn no more than that", async () => {
    const { deps, tenant, own } = await setUp();
    const [first, second] = [await makeTenant(deps), await makeTenant(deps)];
    const name = aName();
    for (const one of [tenant, first, second]) await addDomain(deps, one.admin, name);
    for (const one of [first, second]) await publish(deps, one, name);
    await verifyDomain(deps, second.admin, name);
    const refused = verifyDomain(deps, first.admin, name);
    await expect(refused).rejects.toMatchObject({ code: "uniqueness" });
    await expect(refused).rejects.not.toThrow(new RegExp(`${second.id}|Test`));
    expect((await getDomain(deps, first.admin, name)).verifiedAt).toBeNull();
    // The operator is told so as well.
    const byWord = changeTenant(deps, root, first.id, { domains: [name] });
    await expect(byWord).rejects.toMatchObject({ code: "uniqueness" });
    // Given up, it is free again; so it is when its tenant goes.
    await removeDomain(deps, second.admin, name);
    await verifyDomain(deps, first.admin, name);
    const gone = await own(second);
    await deleteTenant(deps, second.id);
    await addDomain(deps, tenant.admin, gone);
    await publish(deps, tenant, gone);
    expect((await verifyDomain(deps, tenant.admin, gone)).proof).toBe("dns");
  });

  it("are another tenant's to no one: what is theirs is not found here", async () => {
    const { deps, tenant, own } = await setUp();
    const other = await makeTenant(deps);
    const name = await own();
    for (const act of [getDomain, verifyDomain, removeDomain]) {
      await expect(act(deps, other.admin, name)).rejects.toMatchObject({ code: "notFound" });
    }
    expect(await listDomains(deps, other.admin, "", 10)).toEqual([]);
    expect((await getDomain(deps, tenant.admin, name)).name).toBe(name);
  });

  it("change only with domains.manage, read where the change is decided", async () => {
    const { deps, tenant, own } = await setUp();
    const name = await own();
    const manager = await actWith(deps, tenant.admin, { scopes: ["api"], role: "manager" });
    const pending = aName();
    await addDomain(deps, tenant.admin, pending);
    await publish(deps, tenant, pending);
    await expect(addDomain(deps, manager, aName())).rejects.toMatchObject({ code: "forbidden" });
    await expect(verifyDomain(deps, manager, pending)).rejects.toMatchObject({ code: "forbidden" });
    await expect(removeDomain(deps, manager, name)).rejects.toMatchObject({ code: "forbidden" });
  });

  it("the operator's word verifies without a record, replaces what was verified, and leaves claims alone", async () => {
    const { deps, tenant, own } = await setUp();
    const [proved, claimed, word] = [await own(), aName(), aName()];
    await addDomain(deps, tenant.admin, claimed);
    const after = await changeTenant(deps, root, tenant.id, { domains: [word.toUpperCase()] });
    expect(after.domains.map((one) => [one.name, one.verifiedAt !== null])).toEqual(
      [
        [claimed, false],
        [word, true],
      ].toSorted(),
    );
    await expect(getDomain(deps, tenant.admin, proved)).rejects.toMatchObject({ code: "notFound" });
    expect(await verifyDomain(deps, tenant.admin, word)).toMatchObject({ proof: "operator" });
    await changeTenant(deps, root, tenant.id, { domains: [word, claimed] });
    expect(await getDomain(deps, tenant.admin, claimed)).toMatchObject({ proof: "operator" });
    await expect(changeTenant(deps, root, tenant.id, { domains: ["1.2.3.4"] })).rejects.toMatchObject({
      code: "invalidValue",
    });
    deps.now = new Date(deps.now.getTime() + 1000 * hour);
    expect(await findTenantsWithRecords(deps)).not.toContain(tenant.id);
  });

  it("requireDomain: the refusal says where to go, and the first verified domain lets people in", async () => {
    const { deps, tenant, own } = await setUp();
    await changeSettings(deps, tenant.admin, { requireDomain: true });
    const create = (name: string) => createUser(deps, tenant.scim, aUser(name));
    await addDomain(deps, tenant.admin, aName());
    const refused = create("ada@other.org");
    await expect(refused).rejects.toMatchObject({ code: "domainRequired", status: 403, facts: { rule: "USR-5" } });
    await expect(refused).rejects.toThrow("POST /api/v1/domains");
    const name = await own();
    const ada = await create("ada@other.org");
    await removeDomain(deps, tenant.admin, name);
    await expect(create("eve@other.org")).rejects.toMatchObject({ code: "domainRequired" });
    await deps.runJobs();
    const changed = await changeUser(deps, tenant.scim, ada.id, (doc) => ({ ...doc, title: "x" }));
    expect(changed.status).toBe("active");
  });

  it("restrictDomains: who is there stays when a domain is removed; nobody comes with it any more", async () => {
    const { deps, tenant, own, told } = await setUp();
    await changeSettings(deps, tenant.admin, { restrictDomains: true });
    const name = await own();
    const ada = await createUser(deps, tenant.scim, aUser(`ada@${name.toUpperCase()}`));
    await expect(createUser(deps, tenant.scim, aUser(`eve@mail.${name}`))).rejects.toMatchObject({
      code: "domainRequired",
    });
    await removeDomain(deps, tenant.admin, name);
    await deps.runJobs();
    await expect(createUser(deps, tenant.scim, aUser(`eve@${name}`))).rejects.toMatchObject({
      code: "domainRequired",
    });
    const stays = await changeUser(deps, tenant.scim, ada.id, (doc) => ({ ...doc, title: "x" }));
    expect(stays).toMatchObject({ status: "active", doc: { title: "x" } });
    expect(await told()).toEqual(["domain.added", "domain.verified", "domain.removed"]);
  });

  it("are looked up every day; a record that is gone is told and takes nothing from anybody", async () => {
    const { deps, tenant, own, told, later } = await setUp();
    await changeSettings(deps, tenant.admin, { restrictDomains: true, requireDomain: true });
    const name = await own();
    const look = async () => {
      const due = (await findTenantsWithRecords(deps)).includes(tenant.id);
      if (due) await recheckDomains(deps, tenant.id);
      return due;
    };
    expect(await look()).toBe(false);
    later(23);
    expect(await look()).toBe(false);
    later(1);
    expect(await look()).toBe(true);
    expect(await look()).toBe(false);
    expect(await getDomain(deps, tenant.admin, name)).toMatchObject({ checkedAt: deps.now.toISOString() });
    unpublish(name);
    later(24);
    await look();
    const since = deps.now.toISOString();
    expect(await getDomain(deps, tenant.admin, name)).toMatchObject({ missingSince: since, lapsedAt: null });
    // Our own trouble with DNS is no news of the record.
    dns.records.set(challengeOf(name, "").name, "broken");
    later(24);
    await look();
    later(2);
    expect(await look()).toBe(true);
    unpublish(name);
    for (let day = 0; day < 6; day++) {
      later(24);
      await look();
    }
    expect(await getDomain(deps, tenant.admin, name)).toMatchObject({
      missingSince: since,
      verifiedAt: expect.any(String),
    });
    expect((await getDomain(deps, tenant.admin, name)).lapsedAt).not.toBeNull();
    expect((await createUser(deps, tenant.scim, aUser(`ada@${name}`))).status).toBe("active");
    await publish(deps, tenant, name);
    later(24);
    await look();
    expect(await getDomain(deps, tenant.admin, name)).toMatchObject({ missingSince: null, lapsedAt: null });
    expect(await told()).toEqual([
      "domain.added",
      "domain.verified",
      "domain.missing",
      "domain.lapsed",
      "domain.restored",
    ]);
  });

  it("that have lapsed are whose proof is there now, and the former holder is told", async () => {
    const { deps, tenant, own, told, later } = await setUp();
    await changeSettings(deps, tenant.admin, { restrictDomains: true });
    const other = await makeTenant(deps);
    const name = await own();
    await addDomain(deps, other.admin, name);
    const lapse = async () => {
      unpublish(name);
      for (let day = 0; day < 9; day++) {
        later(24);
        await recheckDomains(deps, tenant.id);
      }
    };
    await lapse();
    // The holder's record is back before anybody has looked: then it is the holder's.
    await publish(deps, tenant, name);
    await publish(deps, other, name);
    await expect(verifyDomain(deps, other.admin, name)).rejects.toMatchObject({ code: "uniqueness" });
    await recheckDomains(deps, tenant.id);
    await lapse();
    await publish(deps, other, name);
    expect((await verifyDomain(deps, other.admin, name)).proof).toBe("dns");
    expect(await getDomain(deps, tenant.admin, name)).toMatchObject({ verifiedAt: null, proof: null });
    expect((await told()).at(-1)).toBe("domain.lost");
    expect(await told(other)).toEqual(["domain.added", "domain.verified"]);
    await expect(createUser(deps, tenant.scim, aUser(`ada@${name}`))).rejects.toMatchObject({
      code: "domainRequired",
    });
    await deps.runJobs();
  });

  it("that are verified are looked up when somebody asks to verify them again", async () => {
    const { deps, tenant, own } = await setUp();
    const name = await own();
    unpublish(name);
    expect(await verifyDomain(deps, tenant.admin, name)).toMatchObject({
      verifiedAt: expect.any(String),
      missingSince: deps.now.toISOString(),
    });
    await publish(deps, tenant, name);
    expect(await verifyDomain(deps, tenant.admin, name)).toMatchObject({ missingSince: null });
  });

  it("are as many as a company has, and no more", async () => {
    const { deps, tenant } = await setUp();
    await deps.db.query(
      {
        name: "test_fill",
        text: `insert into domains (tenant_id, name, added_at)
          select $1, 'x' || n || '.example', now() from generate_series(1, 1000) n`,
      },
      [tenant.id],
    );
    await expect(addDomain(deps, tenant.admin, aName())).rejects.toMatchObject({ code: "conflict" });
  });
});

describeOnPostgres("domains, proved by several at once", (getDb) => {
  it("one of them has it", async () => {
    const deps = withDns(makeDeps(getDb()));
    const tenants = await Promise.all(Array.from({ length: 8 }, () => makeTenant(deps)));
    const name = aName();
    for (const tenant of tenants) {
      await addDomain(deps, tenant.admin, name);
      await publish(deps, tenant, name);
    }
    const ends = await Promise.all(tenants.map((tenant) => ended(verifyDomain(deps, tenant.admin, name))));
    expect(tally(ends)).toEqual({ done: 1, uniqueness: 7 });
  });

  it("a lapsed one as well, whatever the order of the tenants", async () => {
    const deps = withDns(makeDeps(getDb()));
    const [one, holder, other] = [await makeTenant(deps), await makeTenant(deps), await makeTenant(deps)];
    for (let round = 0; round < 4; round++) {
      const name = aName();
      for (const tenant of [one, holder, other]) await addDomain(deps, tenant.admin, name);
      await publish(deps, holder, name);
      await verifyDomain(deps, holder.admin, name);
      await deps.db.query(
        {
          name: "test_lapse",
          text: "update domains set missing_since = now(), lapsed_at = now() where name = $1 and proof is not null",
        },
        [name],
      );
      unpublish(name);
      await publish(deps, one, name);
      await publish(deps, other, name);
      const ends = await Promise.all([
        ended(verifyDomain(deps, one.admin, name)),
        ended(verifyDomain(deps, other.admin, name)),
        ended(verifyDomain(deps, holder.admin, name)),
      ]);
      expect(tally(ends.slice(0, 2))).toEqual({ done: 1, uniqueness: 1 });
      const proved = await deps.db.query<{ n: number }>(
        { name: "test_proved", text: "select count(*) as n from domains where name = $1 and verified_at is not null" },
        [name],
      );
      expect(proved).toEqual([{ n: 1 }]);
    }
  });
});
