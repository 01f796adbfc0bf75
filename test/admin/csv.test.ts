/** Import and export of people as CSV (P-8, P-9), line by line. */
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { parse } from "csv-parse/sync";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { apiDocument } from "../../src/admin/api-document.ts";
import type { JsonObject } from "../../src/domain/model.ts";
import { USHER_USER } from "../../src/domain/words.ts";
import { limits } from "../../src/limits.ts";
import { createGroup } from "../../src/provisioning/groups.ts";
import { runImportJobs } from "../../src/provisioning/import-users.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aTenant, type CallOptions, type Server, startServer, type TestTenant } from "./api.ts";

interface Result {
  readonly line: number;
  readonly email: string | null;
  readonly id: string | null;
  readonly outcome: string;
  readonly field: string | null;
  readonly code: string | null;
  readonly rule: string | null;
  readonly detail: string | null;
}

describeOnBoth("CSV", (getDb) => {
  let server: Server;
  let tenant: TestTenant;
  beforeAll(() => {
    server = startServer(getDb());
  });
  beforeEach(async () => {
    tenant = await aTenant(server, { seats: { standard: 2, pro: 1 } });
  });

  const csv = { "content-type": "text/csv" };
  const send = (text: string | Buffer, query: CallOptions["query"] = {}, options: CallOptions = {}) =>
    tenant.call("importUsers", { body: text, query, headers: csv, ...options });
  /** What became of each line. */
  const outcomes = async (text: string, query: CallOptions["query"] = {}) => {
    const { status, body } = await send(text, query);
    expect(status, JSON.stringify(body)).toBe(200);
    return body.results.map(({ line, outcome, field }: Result) => [line, outcome, ...(field === null ? [] : [field])]);
  };
  const find = async (q: string) => (await tenant.call("listUsers", { query: { q } })).body.users[0];
  const total = async () => (await tenant.call("listUsers", { query: { limit: 1 } })).body.total;
  const tokenWith = async (...permissions: string[]) => {
    const key = `only-${permissions.join("-").replaceAll(/[.:]/g, "-")}`;
    await tenant.call("createRole", { body: { key, name: key, rank: 30, permissions } });
    return await tenant.mint({ scopes: ["api"], role: key });
  };

  describe("importUsers", () => {
    it("creates people from lines without a header: e-mail, country code, phone, name, role, tier", async () => {
      const { status, body } = await send(
        "ada@example.com,GB,020 7946 0958,Ada Lovelace,manager,standard\ngrace@example.com\n",
      );
      expect(status).toBe(200);
      expect(body).toMatchObject({ dryRun: false, update: false, total: 2, ignoredColumns: [], seats: null });
      expect(body.outcomes).toMatchObject({ created: 2, invalid: 0 });
      expect(body.results).toEqual(
        ["ada@example.com", "grace@example.com"].map((email, index) => ({
          line: index + 1,
          email,
          id: expect.stringMatching(/^[0-9a-f-]{36}$/),
          outcome: "created",
          field: null,
          code: null,
          rule: null,
          detail: null,
        })),
      );
      expect(await find("ada@")).toMatchObject({
        id: body.results[0].id,
        userName: "ada@example.com",
        email: "ada@example.com",
        phone: "+442079460958",
        displayName: "Ada Lovelace",
        role: "manager",
        status: "active",
        license: { tier: "standard", status: "assigned" },
      });
      expect(await find("grace@")).toMatchObject({ phone: null, displayName: null, role: "user" });
    });

    it("writes the same events as a creation one by one, and one that tells of the file", async () => {
      const { body } = await send("ada@example.com\n");
      const own = await tenant.call("listEvents", { query: { subject: body.results[0].id } });
      expect(own.body.events.map(({ action }: { action: string }) => action)).toEqual(["user.created"]);
      const all = await tenant.call("listEvents", { query: { subject: tenant.id } });
      expect(all.body.events.at(-1)).toMatchObject({ action: "users.imported", after: { created: 1 } });
    });

    it("the same file twice changes nothing", async () => {
      const file = "ada@example.com,GB,020 7946 0958,Ada,manager,standard\ngrace@example.com,,,Grace\n";
      await send(file);
      const before = [await find("ada@"), await find("grace@")];
      expect(await outcomes(file)).toEqual([
        [1, "exists"],
        [2, "exists"],
      ]);
      expect(await outcomes(file, { update: true })).toEqual([
        [1, "unchanged"],
        [2, "unchanged"],
      ]);
      expect([await find("ada@"), await find("grace@")]).toEqual(before);
    });

    it("leaves whoever exists alone unless it is told to update, and then changes what is filled", async () => {
      const words = { company: "Analytical" };
      const { id } = await tenant.user({
        userName: "Ada@example.com",
        displayName: "Ada",
        phoneNumbers: [{ value: "+442079460000", type: "home" }],
        [USHER_USER]: words,
      });
      const file = "email;phone;name;role\nada@EXAMPLE.com;+44 20 7946 0958;;manager\n";
      expect(await outcomes(file)).toEqual([[2, "exists"]]);
      expect(await find("ada@")).toMatchObject({ phone: "+442079460000", role: "user" });
      const { body } = await send(file, { update: true });
      expect(body.results).toMatchObject([{ outcome: "updated", id }]);
      expect(await find("ada@")).toMatchObject({
        userName: "Ada@example.com",
        phone: "+442079460958",
        displayName: "Ada",
        company: "Analytical",
        role: "manager",
      });
    });

    it("USR-3: an address alone addresses nobody, and makes no second account of it", async () => {
      const { id } = await tenant.user({
        userName: "ada",
        emails: [{ value: "ada@example.com", primary: true }],
      });
      for (const update of [false, true]) {
        const { body } = await send("ada@example.com,,,Somebody Else\n", { update });
        expect(body.results).toMatchObject([
          { outcome: "exists", id, detail: expect.stringContaining("ada has this") },
        ]);
      }
      expect(await total()).toBe(1);
      const named = await send("email,userName,name\nada@example.com,ada,Ada\n", { update: true });
      expect(named.body.results).toMatchObject([{ outcome: "updated", id }]);
    });

    it("names twice in one file are one person", async () => {
      const file = "ada@example.com,,,First\nbob@example.com\nADA@example.com,,,Second\n";
      expect(await outcomes(file)).toEqual([
        [1, "created"],
        [2, "created"],
        [3, "exists"],
      ]);
      expect(await find("ada@")).toMatchObject({ displayName: "First" });
      expect(await outcomes(file, { update: true })).toEqual([
        [1, "unchanged"],
        [2, "unchanged"],
        [3, "updated"],
      ]);
    });

    it("two names with one address in a file are one account", async () => {
      const file = "email,userName\nada@example.com,ada1\nada@example.com,ada2\n";
      expect(await outcomes(file)).toEqual([
        [2, "created"],
        [3, "exists"],
      ]);
      expect(await total()).toBe(1);
    });

    describe("as people and spreadsheets write it", () => {
      it.each([
        ["a byte order mark and CRLF", "\ufeffada@example.com,GB,020 7946 0958\r\ngrace@example.com\r\n"],
        ["semicolons", "ada@example.com;GB;020 7946 0958\ngrace@example.com;;\n"],
        ["old line ends", "ada@example.com,GB,020 7946 0958\rgrace@example.com\r"],
        ["no line end at the end", "ada@example.com,GB,020 7946 0958\ngrace@example.com"],
        ["quotes", '"ada@example.com","GB","020 7946 0958"\n"grace@example.com"\n'],
        ["spaces around", " ada@example.com , GB , 020 7946 0958 \n grace@example.com\n"],
        ["a calling code", "ada@example.com,44,020 7946 0958\ngrace@example.com\n"],
        ["a calling code with its sign", "ada@example.com,+44,020 7946 0958\ngrace@example.com\n"],
        ["a number with its country", "ada@example.com,,+44 20 7946 0958\ngrace@example.com\n"],
        [
          "an apostrophe before the sign, as exports have it",
          "ada@example.com,,'+44 20 7946 0958\ngrace@example.com\n",
        ],
      ])("%s", async (_name, file) => {
        expect(await outcomes(file)).toEqual([
          [1, "created"],
          [2, "created"],
        ]);
        expect(await find("ada@")).toMatchObject({ phone: "+442079460958" });
      });

      it("passes over blank lines, and counts them", async () => {
        expect(await outcomes("\n\nada@example.com,,\n,,\n  \n\ngrace@example.com,,\n;;\n")).toEqual([
          [3, "created"],
          [7, "created"],
          [8, "invalid", "email"],
        ]);
      });

      it("a quoted cell may hold separators, quotes and line ends", async () => {
        expect(await outcomes('ada@example.com,,,"Lovelace, ""Ada""\nCountess"\nbob@example.com,,,Bob\n')).toEqual([
          [1, "created"],
          [3, "created"],
        ]);
        expect(await find("ada@")).toMatchObject({ displayName: 'Lovelace, "Ada"\nCountess' });
      });

      it("a header says which column is which, in any order and spelling", async () => {
        const { body } = await send(
          "Last name;E-Mail Address;Company;Nick;Country Code;Phone;Given Name;ROLE;License tier\n" +
            "Lovelace;ada@example.com;Analytical;Countess;DE;030 901820;Ada;Manager;Standard\n",
        );
        expect(body.results).toMatchObject([{ line: 2, outcome: "created" }]);
        expect(body.ignoredColumns).toEqual(["Nick"]);
        expect(await find("ada@")).toMatchObject({
          displayName: "Ada Lovelace",
          company: "Analytical",
          phone: "+4930901820",
          role: "manager",
          license: { tier: "standard" },
        });
      });

      it("is in UTF-8, or in what is declared", async () => {
        const latin = Buffer.from("ada@example.com,,,José\n", "latin1");
        const refused = await send(latin);
        expect([refused.status, refused.body.code]).toEqual([400, "invalidSyntax"]);
        const type = { "content-type": 'text/csv; charset="windows-1252"' };
        expect((await send(latin, {}, { headers: type })).body.results).toMatchObject([{ outcome: "created" }]);
        expect(await find("ada@")).toMatchObject({ displayName: "José" });
        const strange = await send("x", {}, { headers: { "content-type": "text/csv; charset=klingon" } });
        expect([strange.status, strange.body.code]).toEqual([415, "unsupportedMediaType"]);
      });

      it("an empty file has no lines", async () => {
        for (const file of ["\n", "email,name\n", "\ufeff\r\n\r\n"]) {
          expect((await send(file)).body).toMatchObject({ total: 0, results: [] });
        }
      });
    });

    describe("a line that is not valid is told with its field, and leaves the others alone", () => {
      it.each([
        ["no address", "ada", "email"],
        ["no address in its place", ",GB,020 7946 0958", "email"],
        ["a space in the address", "ada lovelace@example.com", "email"],
        ["signs that no address has", "ada<script>@example.com", "email"],
        ["no domain", "ada@example", "email"],
        ["a number without its country", "ada@example.com,,020 7946 0958", "phone"],
        ["a number that is none", "ada@example.com,GB,12", "phone"],
        ["words for a number", "ada@example.com,GB,none", "phone"],
        ["a country that is none", "ada@example.com,XX,020 7946 0958", "countryCode"],
        ["a calling code that is none", "ada@example.com,999,020 7946 0958", "countryCode"],
        ["another country than the number's", "ada@example.com,49,+44 20 7946 0958", "countryCode"],
        ["a role that is none", "ada@example.com,,,Ada,king", "role"],
        ["a tier that is none", "ada@example.com,,,Ada,,gold", "tier"],
        ["more cells than columns", "ada@example.com,,,Ada,,,x,y", "line"],
        ["a name longer than any", `ada@example.com,,,${"x".repeat(5000)}`, "name"],
        ["NUL", "ada\0@example.com", "email"],
      ])("%s", async (_name, line, field) => {
        const { body } = await send(`first@example.com\n${line}\nlast@example.com\n`);
        expect(body.results).toMatchObject([
          { outcome: "created" },
          { outcome: "invalid", field, code: expect.stringMatching(/^(invalidValue|unknownRole|unknownTier)$/) },
          { outcome: "created" },
        ]);
        expect(body.results[1].detail).toMatch(/\w{3}/);
        expect(await total()).toBe(2);
      });
    });

    describe("what is no CSV is refused whole", () => {
      it.each([
        ["a quote that is never closed", 'first@example.com\nada@example.com,"Ada\n', "invalidSyntax"],
        ["something behind a closing quote", 'first@example.com\n"ada"@example.com\n', "invalidSyntax"],
        ["a line without an end", `first@example.com\n${"x".repeat(20_000)}\n`, "invalidSyntax"],
        ["a header without addresses", "userName,name\nada,Ada\n", "invalidValue"],
        ["a header with two columns of addresses", "email,mail\nada@example.com,x@example.com\n", "invalidValue"],
      ])("%s", async (_name, file, code) => {
        const { status, body } = await send(file);
        expect([status, body.code]).toEqual([400, code]);
        expect(await total()).toBe(0);
      });

      it("also late in a long file, of which nothing is left", async () => {
        const lines = Array.from({ length: 3_000 }, (_, n) => `person${n}@example.com`);
        const { status, body } = await send(`${lines.join("\n")}\n"open\n`);
        expect([status, body.code]).toEqual([400, "invalidSyntax"]);
        expect((await tenant.call("listBulkJobs")).body.jobs).toEqual([]);
        const count = { name: "test_items", text: "select count(*) as items from bulk_items where tenant_id = $1" };
        expect(await getDb().query(count, [tenant.id])).toEqual([{ items: 0 }]);
      });

      it("more lines than may be", async () => {
        const lines = Array.from({ length: limits.importLinesMax + 1 }, (_, n) => `p${n}@x.example`).join("\n");
        const { status, body } = await send(lines);
        expect([status, body.code]).toEqual([400, "tooMany"]);
      }, 60_000);

      it("more bytes than may be, declared or not", async () => {
        const { status, body } = await send(Buffer.alloc(limits.importBodyBytesMax + 1, "x"));
        expect([status, body.code]).toEqual([413, "payloadTooLarge"]);
      });

      it("another media type, or compressed", async () => {
        const json = await send("{}", {}, { headers: { "content-type": "application/json" } });
        expect([json.status, json.body.code]).toEqual([415, "unsupportedMediaType"]);
        const packed = await send("x", {}, { headers: { ...csv, "content-encoding": "gzip" } });
        expect([packed.status, packed.body.code]).toEqual([415, "unsupportedMediaType"]);
      });

      it("query parameters that it does not know", async () => {
        expect((await send("ada@example.com\n", { dryrun: true })).status).toBe(400);
        expect((await send("ada@example.com\n", { dryRun: "yes" })).status).toBe(400);
      });
    });

    it("a file that breaks off leaves nothing, and whoever is refused early is answered all the same", async () => {
      const listener = server.app.listen(0, "127.0.0.1");
      await once(listener, "listening");
      const { port } = listener.address() as AddressInfo;
      const open = (headers: Record<string, string> = {}) =>
        httpRequest({
          port,
          host: "127.0.0.1",
          method: "POST",
          path: "/api/v1/users/import",
          headers: { authorization: `Bearer ${tenant.adminToken}`, ...csv, ...headers },
        });
      const lines = Array.from({ length: 5_000 }, (_, n) => `person${n}@example.com\n`).join("");
      const jobs = { name: "test_jobs", text: "select state from bulk_jobs where tenant_id = $1" };
      try {
        const broken = open();
        broken.on("error", () => {});
        broken.write(lines);
        await expect.poll(() => getDb().query(jobs, [tenant.id])).toEqual([{ state: "receiving" }]);
        expect((await tenant.call("listBulkJobs")).body.jobs).toEqual([]);
        broken.destroy();
        await expect.poll(() => getDb().query(jobs, [tenant.id])).toEqual([]);

        const refused = open();
        refused.write('ada@example.com,"Ada"x\n');
        for (let n = 0; n < 20; n++) refused.write(lines);
        const [response] = (await once(refused, "response")) as [IncomingMessage];
        expect(response.statusCode).toBe(400);
        refused.end();
        response.resume();
        await once(response, "end");
      } finally {
        listener.closeAllConnections();
        listener.close();
      }
      expect(await total()).toBe(0);
    }, 30_000);

    describe("permissions", () => {
      it("GRD-2, GRD-4: a role that one may not give refuses its line, and an administrator finds one request", async () => {
        const token = await tokenWith("users.manage");
        const file = "ada@example.com,,,Ada,admin\nbob@example.com,,,Bob\n";
        for (const attempts of [1, 2]) {
          const { body } = await send(file, {}, { token });
          expect(body.results).toMatchObject([
            { outcome: "refused", field: "role", code: "promotionRefused", rule: "GRD-4" },
            { outcome: attempts === 1 ? "created" : "exists" },
          ]);
          const { promotions } = (await tenant.call("listPromotions")).body;
          expect(promotions).toMatchObject([{ userName: "ada@example.com", role: "admin", attempts }]);
        }
        // GRD-6: approved, the next import creates them as asked.
        const { promotions } = (await tenant.call("listPromotions")).body;
        await send("boss@example.com,,,,admin\n");
        const boss = await tenant.mint({ scopes: ["api"], role: "admin", userId: (await find("boss@")).id });
        const approved = await tenant.call("approvePromotion", { params: { id: promotions[0].id }, token: boss });
        expect(approved.body).toMatchObject({ state: "approved" });
        const dry = await send(file, { dryRun: true }, { token });
        expect(dry.body.results[0]).toMatchObject({ outcome: "created", detail: null });
        expect((await send(file, {}, { token })).body.results[0]).toMatchObject({ outcome: "created" });
        expect(await find("ada@")).toMatchObject({ role: "admin" });
      });

      it("GRD-4: nor does an update give it", async () => {
        const token = await tokenWith("users.manage");
        await send("ada@example.com\n");
        const { body } = await send("ada@example.com,,,,admin\n", { update: true }, { token });
        expect(body.results).toMatchObject([{ outcome: "refused", code: "promotionRefused", rule: "GRD-4" }]);
        expect(await find("ada@")).toMatchObject({ role: "user" });
      });

      it("an Admin gives it", async () => {
        expect(await outcomes("ada@example.com,,,Ada,admin\n")).toEqual([[1, "created"]]);
        expect(await find("ada@")).toMatchObject({ role: "admin", administrative: true });
      });

      it("ROL-5: nobody gives what they do not hold, also where nothing of it is reserved", async () => {
        const body = { key: "biller", name: "Biller", rank: 20, permissions: ["billing.manage"] };
        await tenant.call("createRole", { body });
        const token = await tokenWith("users.manage");
        await send("old@example.com\n");
        const answer = await send(
          "ada@example.com,,,,biller\nold@example.com,,,,biller\n",
          { update: true },
          { token },
        );
        expect(answer.body.results).toMatchObject([
          { outcome: "refused", field: "role", code: "forbidden", rule: "ROL-5" },
          { outcome: "refused", field: "role", code: "forbidden", rule: "ROL-5" },
        ]);
      });

      it("LIC-11: a line whose person is due a seat needs the license permission", async () => {
        const token = await tokenWith("users.manage");
        const { body } = await send("ada@example.com,,,,,standard\nbob@example.com\n", {}, { token });
        expect(body.results).toMatchObject([
          { outcome: "refused", field: "tier", code: "forbidden", rule: "LIC-11" },
          { outcome: "created" },
        ]);
      });

      it("needs users.manage before the file is looked at", async () => {
        const token = await tokenWith("users.read", "licenses.manage");
        const { status, body } = await send("\0 no file at all", {}, { token });
        expect([status, body.code, body.permission]).toEqual([403, "forbidden", "users.manage"]);
      });
    });

    it("LIC-3: a full pool queues, whatever it does with single requests", async () => {
      await tenant.call("patchPool", { params: { tier: "standard" }, body: { whenFull: "refuse" } });
      const line = (name: string) => `${name}@example.com,,,,,standard\n`;
      const file = ["a", "b", "c", "d"].map(line).join("");
      const dry = await send(file, { dryRun: true });
      expect(dry.body.results.map(({ outcome }: Result) => outcome)).toEqual([
        "created",
        "created",
        "queued",
        "queued",
      ]);
      expect(dry.body.seats).toContainEqual({
        tier: "standard",
        before: { free: 2, waiting: 0 },
        after: { free: 0, waiting: 2 },
      });
      const { body } = await send(file);
      expect(body.results.map(({ outcome }: Result) => outcome)).toEqual(["created", "created", "queued", "queued"]);
      expect(body.results[3]).toMatchObject({ rule: "LIC-3", detail: expect.stringContaining("place 2") });
    });

    it("USR-5: a line outside the verified domains is refused", async () => {
      await tenant.call("changeSettings", { body: { requireDomain: true } });
      const { body } = await send("ada@example.com\n");
      expect(body.results).toMatchObject([
        { outcome: "refused", code: "domainRequired", rule: "USR-5", field: "email" },
      ]);
    });

    it("people whom rules send to teams are in them", async () => {
      const rule = { name: "Ex", when: 'userName ew "@example.com"', team: { name: "Example", kind: "team" } };
      const mapping = { groups: [], rules: [rule], defaults: { role: "user", tier: null }, autoTeams: true };
      expect((await tenant.call("saveMapping", { body: mapping })).status).toBe(200);
      expect(await outcomes("ada@example.com\nbob@other.example\n")).toEqual([
        [1, "created"],
        [2, "created"],
      ]);
      expect(await find("ada@")).toMatchObject({ teams: [{ display: "Example" }] });
      expect(await find("bob@")).toMatchObject({ teams: [] });
    });

    it("a dry run says of every line what would become of it, and leaves nothing", async () => {
      await tenant.user({ userName: "old@example.com" });
      const file = "new@example.com,,,New\nold@example.com,,,Old\nNEW@example.com\nbad\nadmin@example.com,,,,admin\n";
      const token = await tokenWith("users.manage");
      for (const update of [false, true]) {
        const { body } = await send(file, { dryRun: true, update }, { token });
        expect(body).toMatchObject({ dryRun: true, update, total: 5 });
        expect(body.results.map(({ outcome }: Result) => outcome)).toEqual(
          update
            ? ["created", "updated", "updated", "invalid", "refused"]
            : ["created", "exists", "exists", "invalid", "refused"],
        );
      }
      expect(await total()).toBe(1);
      expect((await tenant.call("listPromotions")).body.promotions).toEqual([]);
      const { events } = (await tenant.call("listEvents", { query: { subject: tenant.id } })).body;
      expect(events.filter(({ action }: { action: string }) => action === "users.imported")).toEqual([]);
    });

    describe("as a job", () => {
      const many = 2_300;
      const lines = (from: number, to: number) =>
        Array.from({ length: to - from }, (_, n) => `person${from + n}@example.com,GB,020 7946 0958,Person`);
      const run = () => runImportJobs(server.deps, tenant.id);
      const begin = async (text: string, query: CallOptions["query"] = {}) => {
        const { status, body, headers } = await send(text, query);
        expect(status, JSON.stringify(body)).toBe(202);
        expect(headers.location).toBe(`/api/v1/bulk/${body.id}`);
        return { id: body.id as string };
      };

      it("goes on in the background, line by line, and forgets the file", async () => {
        await tenant.user({ userName: "person7@example.com" });
        const file = ["email;countryCode;phone;name", ...lines(0, many).map((line) => line.replaceAll(",", ";"))];
        file[20] = "nobody;;;";
        const params = await begin(file.join("\r\n"));
        const before = (await tenant.call("getBulkJob", { params })).body;
        expect(before).toMatchObject({ kind: "import", action: null, state: "waiting", total: many, done: 0 });
        expect(before.import).toEqual({ update: false, ignoredColumns: [] });
        await run();
        const { body: job } = await tenant.call("getBulkJob", { params });
        expect(job).toMatchObject({
          state: "done",
          done: many,
          outcomes: { created: many - 2, exists: 1, invalid: 1 },
        });
        expect(await total()).toBe(many - 1);
        const page = await tenant.call("listBulkResults", { params, query: { limit: 20 } });
        expect(page.body.results.map(({ line, outcome }: Result) => [line, outcome])).toEqual(
          Array.from({ length: 20 }, (_, n) => [n + 2, n === 7 ? "exists" : n === 19 ? "invalid" : "created"]),
        );
        const kept = {
          name: "test_inputs",
          text: "select count(input) as inputs from bulk_items where tenant_id = $1",
        };
        expect(await getDb().query(kept, [tenant.id])).toEqual([{ inputs: 0 }]);
        const events = (await tenant.call("listEvents", { query: { subject: tenant.id } })).body.events;
        expect(events.at(-1)).toMatchObject({ action: "users.imported", after: { created: many - 2 } });
      }, 60_000);

      it("repeats within the file and two imports at once double nobody", async () => {
        const twice = [...lines(0, 600), ...lines(300, 700), ...lines(0, 50)].join("\n");
        const other = lines(500, 1_200).join("\n");
        await begin(twice);
        await begin(other);
        await Promise.all([run(), run(), send(lines(0, 400).join("\n"))]);
        await run();
        const { jobs } = (await tenant.call("listBulkJobs")).body;
        expect(jobs.map(({ state }: { state: string }) => state)).toEqual(["done", "done"]);
        expect(await total()).toBe(1_200);
        const made = {
          name: "test_made",
          text: "select count(*) as events from events where tenant_id = $1 and action = 'user.created'",
        };
        expect(await getDb().query(made, [tenant.id])).toEqual([{ events: 1_200 }]);
      }, 60_000);

      it("may be a dry run, whose repeats find what the lines before them would create", async () => {
        const params = await begin([...lines(0, 600), ...lines(10, 20)].join("\n"), { dryRun: true });
        await run();
        const { body } = await tenant.call("getBulkJob", { params });
        expect(body).toMatchObject({ dryRun: true, state: "done", outcomes: { created: 600, exists: 10 } });
        expect(await total()).toBe(0);
      });

      it("GRD-5: acts with the authority that its originator has by then", async () => {
        const key = "helpdesk";
        const permissions = ["users.manage"];
        await tenant.call("createRole", { body: { key, name: "Help desk", rank: 40, permissions } });
        const minted = await tenant.call("mintToken", { body: { label: "desk", scopes: ["api"], role: key } });
        const { body } = await send(lines(0, 600).join("\n"), {}, { token: minted.body.token });
        await tenant.call("revokeToken", { params: { id: minted.body.id } });
        await run();
        const job = (await tenant.call("getBulkJob", { params: { id: body.id } })).body;
        expect(job.outcomes).toMatchObject({ refused: 600, created: 0 });
        expect(await total()).toBe(0);
      });

      it("can be cancelled, and what was not imported is forgotten", async () => {
        const params = await begin(lines(0, 600).join("\n"));
        await tenant.call("cancelBulkJob", { params });
        await run();
        expect(await total()).toBe(0);
        const kept = {
          name: "test_inputs",
          text: "select count(input) as inputs from bulk_items where tenant_id = $1",
        };
        expect(await getDb().query(kept, [tenant.id])).toEqual([{ inputs: 0 }]);
      });
    });
  });

  describe("exportUsers", () => {
    const rows = async (query: CallOptions["query"] = {}, options: CallOptions = {}) => {
      const { status, body } = await tenant.call("exportUsers", { query, ...options });
      expect(status).toBe(200);
      return parse(body, { columns: true }) as Record<string, string>[];
    };

    it("has a line for everybody, with what an audit asks for", async () => {
      await send("ada@example.com,GB,020 7946 0958,Ada Lovelace,manager,standard\ngrace@example.com\n");
      const ada = await find("ada@");
      await createGroup(server.deps, tenant.ctx, { displayName: "Sales", members: [ada.id] });
      await createGroup(server.deps, tenant.ctx, { displayName: "Board", members: [ada.id] });
      const { body, headers } = await tenant.call("exportUsers");
      expect(headers["content-type"]).toBe("text/csv; charset=utf-8; header=present");
      expect(headers["content-disposition"]).toMatch(/^attachment; filename="users-\d{4}-\d\d-\d\d\.csv"$/);
      const [header] = body.split("\r\n");
      expect(header).toBe(
        "email,userName,name,phone,company,status,role,permissions,licenseStatus,licenseTier,teams,createdAt,id",
      );
      const manager = (await tenant.call("listRoles")).body.roles.find(({ key }: { key: string }) => key === "manager");
      expect(await rows()).toEqual([
        {
          email: "ada@example.com",
          userName: "ada@example.com",
          name: "Ada Lovelace",
          phone: "'+442079460958",
          company: "",
          status: "active",
          role: "manager",
          permissions: manager.permissions.join(" "),
          licenseStatus: "assigned",
          licenseTier: "standard",
          teams: "Board; Sales",
          createdAt: ada.createdAt,
          id: ada.id,
        },
        expect.objectContaining({ email: "grace@example.com", role: "user", licenseStatus: "none", licenseTier: "" }),
      ]);
    });

    it("neutralises formulas, and quotes what another program would take for a separator", async () => {
      const names = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "＝1", "a;=1", 'say "hi", twice'];
      for (const [index, displayName] of names.entries()) {
        await tenant.user({ userName: `p${index}@example.com`, displayName });
      }
      const { body } = await tenant.call("exportUsers");
      expect((await rows()).map(({ name }) => name)).toEqual([
        "'=1+1",
        "'+1",
        "'-1",
        "'@SUM(A1)",
        "'\t=1",
        "'＝1",
        "a;=1",
        'say "hi", twice',
      ]);
      expect(body).toContain('"a;=1"');
      expect(body).toContain('"say ""hi"", twice"');
    });

    it("takes the filters of the list, and no others", async () => {
      await send("ada@example.com,,,Ada,manager\ngrace@example.com,,,Grace\n");
      expect((await rows({ role: "manager" })).map(({ email }) => email)).toEqual(["ada@example.com"]);
      expect((await rows({ q: "grace" })).map(({ email }) => email)).toEqual(["grace@example.com"]);
      expect(await rows({ status: "pending" })).toEqual([]);
      expect((await tenant.call("exportUsers", { query: { limit: 1 } })).status).toBe(400);
      const filtersOf = (operation: { parameters: { name?: string }[] }) =>
        operation.parameters.filter(({ name }) => name !== undefined && !["sort", "order"].includes(name));
      const { paths } = apiDocument;
      expect(filtersOf(paths["/api/v1/users/export"].get)).toEqual(filtersOf(paths["/api/v1/users"].get));
    });

    it("is told in the log, with who it was and what for", async () => {
      await rows({ role: "manager" });
      const { events } = (await tenant.call("listEvents", { query: { subject: tenant.id } })).body;
      expect(events.at(-1)).toMatchObject({
        action: "users.exported",
        actor: { kind: "token" },
        after: { filter: { role: "manager" } },
      });
    });

    it("leaves out what roles permit for those who may not see roles", async () => {
      await send("ada@example.com\n");
      const token = await tokenWith("users.read");
      const [row] = await rows({}, { token });
      expect(Object.keys(row!)).not.toContain("permissions");
      expect(Object.keys(row!)).toContain("role");
    });

    it("E-8: who sees the people of their own teams exports no others", async () => {
      const key = "supervisor";
      const permissions = ["users.read:own-teams"];
      await tenant.call("createRole", { body: { key, name: "Supervisor", rank: 30, permissions } });
      const boss = await tenant.user({ userName: "boss@example.com", [USHER_USER]: { role: key } });
      const mine = await tenant.user({ userName: "mine@example.com" });
      await tenant.user({ userName: "theirs@example.com" });
      await createGroup(server.deps, tenant.ctx, { displayName: "Sales", members: [boss.id, mine.id] });
      const token = await tenant.mint({ scopes: ["api"], role: key, userId: boss.id });
      expect((await rows({}, { token })).map(({ email, userName }) => email || userName)).toEqual([
        "boss@example.com",
        "mine@example.com",
      ]);
    });

    it("shows nobody of another tenant", async () => {
      await send("ada@example.com\n");
      const other = await aTenant(server);
      expect((await other.call("exportUsers")).body).not.toContain("ada@");
    });

    it("what was exported can be imported, and changes nothing", async () => {
      await send("ada@example.com,GB,020 7946 0958,Ada,manager,standard\nbob@example.com,,,=Bob\n");
      const words: JsonObject = { company: "Analytical" };
      await tenant.user({ userName: "grace", emails: [{ value: "grace@example.com" }], [USHER_USER]: words });
      const { body: file } = await tenant.call("exportUsers");
      const { body } = await send(file, { update: true });
      expect(body.results.map(({ outcome }: Result) => outcome)).toEqual(["unchanged", "unchanged", "unchanged"]);
      expect(body.ignoredColumns).toEqual(["status", "permissions", "licenseStatus", "teams", "createdAt", "id"]);
    });

    it("is as long as it has to be", async () => {
      const lines = Array.from({ length: 1_200 }, (_, n) => `p${String(n).padStart(4, "0")}@example.com`);
      await send(lines.join("\n"));
      await runImportJobs(server.deps, tenant.id);
      expect((await rows()).map(({ email }) => email)).toEqual(lines);
    }, 60_000);
  });
});
