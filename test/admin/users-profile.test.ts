/** Editing people, passwords, signing out, and what people do for themselves (E-5, E-7, P-2, Q-3, Q-4, Q-7…Q-9, C-5, C-6). */
import { beforeAll, describe, expect, it } from "vitest";
import { evaluateAccess } from "../../src/provisioning/access.ts";
import { verifyPassword } from "../../src/provisioning/passwords.ts";
import { changeUser } from "../../src/provisioning/users.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aTenant, call, type Server, startServer, type TestTenant } from "./api.ts";

const urn = "urn:ietf:params:scim:schemas:extension:usher:2.0:User";
const absent = "0190a0b0-0000-7000-8000-0000000000ff";

describeOnBoth("people's profiles", (getDb) => {
  let server: Server;
  let tenant: TestTenant;
  beforeAll(async () => {
    server = startServer(getDb());
    tenant = await aTenant(server, { seats: { standard: 2 } });
  });

  let people = 0;
  const someone = () => `somebody${++people}@example.com`;
  const change = (id: string, body: object, token?: string) =>
    tenant.call("changeUser", { params: { id }, body, ...(token === undefined ? {} : { token }) });
  const lastEvent = async (id: string) => {
    const { body } = await tenant.call("listEvents", { query: { subject: id, limit: 100 } });
    return body.events.at(-1);
  };
  const evaluate = (id: string) =>
    evaluateAccess(server.deps, tenant.id, { subject: { type: "user", id }, action: { name: "sign-in" } });

  describe("changeUser", () => {
    it("Q-3, C-5: edits a profile; what is shown follows the names it was made of", async () => {
      const { id } = await tenant.user({
        userName: someone(),
        displayName: "Ada Byron",
        name: { givenName: "Ada", familyName: "Byron", formatted: "Ada Byron" },
        phoneNumbers: [
          { value: "1", type: "work", primary: true },
          { value: "2", type: "home" },
        ],
      });
      const { status, body } = await change(id, {
        familyName: "Lovelace",
        company: "Engines",
        phone: "+34 612 345 678",
      });
      expect([status, body.displayName, body.givenName, body.familyName]).toEqual([
        200,
        "Ada Lovelace",
        "Ada",
        "Lovelace",
      ]);
      expect(body).toMatchObject({ company: "Engines", phone: "+34612345678", source: "scim" });
      const { doc } = (
        await getDb().query<{ doc: Record<string, unknown> }>(
          { name: "t_doc", text: "select doc from users where id = $1" },
          [id],
        )
      )[0]!;
      expect(doc).toMatchObject({
        name: { formatted: "Ada Lovelace" },
        phoneNumbers: [
          { value: "+34612345678", type: "work", primary: true },
          { value: "2", type: "home" },
        ],
      });
      expect((await change(id, { displayName: "The Countess", givenName: "Augusta" })).body.displayName).toBe(
        "The Countess",
      );
      expect((await change(id, { familyName: "King" })).body.displayName).toBe("The Countess");
      const cleared = await change(id, {
        company: null,
        phone: null,
        displayName: null,
        givenName: null,
        familyName: null,
      });
      expect(cleared.body).toMatchObject({ company: null, phone: "2", givenName: null, familyName: null });
      expect(await lastEvent(id)).toMatchObject({ action: "user.changed", actor: { door: "api" } });
    });

    it("finds people by what was edited", async () => {
      const { id } = await tenant.user({ userName: someone() });
      await change(id, { givenName: "Zebulon", familyName: "Quux", company: "Straße & Co" });
      const found = async (query: object) => (await tenant.call("listUsers", { query: query as never })).body.users;
      expect(await found({ q: "bulon qu" })).toMatchObject([{ id }]);
      expect(await found({ company: "STRASSE & co" })).toEqual([]);
      expect(await found({ company: "straße & CO" })).toMatchObject([{ id }]);
    });

    it("says who writes a person, and that a client's next words replace what was edited", async () => {
      const { body } = await tenant.call("inviteUser", {
        body: { email: someone(), displayName: "Ours", accepted: true },
      });
      expect(body.source).toBe("management");
      const scim = { ...tenant.ctx, door: "scim" as const };
      await changeUser(server.deps, scim, body.id, (doc) => ({ ...doc, displayName: "Theirs" }));
      const { body: owned } = await tenant.call("getUser", { params: { id: body.id } });
      expect([owned.source, owned.displayName]).toEqual(["scim", "Theirs"]);
      expect((await change(body.id, { displayName: "Ours again" })).body).toMatchObject({
        source: "scim",
        displayName: "Ours again",
      });
    });

    it("changes an e-mail address, and the userName where it is one", async () => {
      const email = someone();
      const { body } = await tenant.call("inviteUser", { body: { email, accepted: true } });
      const next = someone();
      expect((await change(body.id, { email: next })).body).toMatchObject({ email: next, userName: next });
      expect((await change(body.id, { email: "x y" })).body.attribute).toBe("email");
      expect((await change(body.id, { email, userName: "kept" })).body).toMatchObject({ email, userName: "kept" });
      expect((await change(body.id, { email: someone() })).body.userName).toBe("kept");
      const { userName } = (await tenant.user({ userName: someone() })).doc;
      const taken = await change(body.id, { userName });
      expect([taken.status, taken.body.code]).toEqual([409, "uniqueness"]);
    });

    it("Q-4, USR-4: keeps the e-mail where the tenant wants it kept", async () => {
      const desk = await aTenant(server, { preset: "queue-desk" });
      const { body } = await desk.call("inviteUser", { body: { email: "fixed@example.com", accepted: true } });
      const answer = await desk.call("changeUser", { params: { id: body.id }, body: { email: "other@example.com" } });
      expect([answer.status, answer.body.code, answer.body.rule]).toEqual([400, "mutability", "USR-4"]);
      const name = { givenName: "Still", email: "FIXED@example.com" };
      expect((await desk.call("changeUser", { params: { id: body.id }, body: name })).status).toBe(200);
    });

    it("GRD-8: leaves an administrator's e-mail to administrators", async () => {
      const permissions = ["users.manage", "users.read"];
      await tenant.call("createRole", { body: { key: "hr", name: "HR", rank: 60, permissions } });
      const hr = await tenant.mint({ scopes: ["api"], role: "hr" });
      const { id } = await tenant.user({ userName: someone() });
      await change(id, { role: "admin" });
      const answer = await change(id, { email: someone() }, hr);
      expect([answer.status, answer.body.code, answer.body.rule]).toEqual([403, "identityProtected", "GRD-8"]);
      expect((await change(id, { email: someone() })).status).toBe(200);
      expect((await change(id, { displayName: "Boss" }, hr)).status).toBe(200);
    });

    it("E-7, P-2: each field needs its own permission, also where nothing would change", async () => {
      const { id } = await tenant.user({ userName: someone(), [urn]: { licenseTier: "standard" } });
      const only = async (key: string, permissions: string[]) => {
        await tenant.call("createRole", { body: { key, name: key, rank: 33, permissions } });
        return await tenant.mint({ scopes: ["api"], role: key });
      };
      const analyst = await only("analyst", ["call-analysis.manage"]);
      const treasurer = await only("treasurer", ["budgets.manage"]);
      const editor = await only("people", ["users.manage"]);
      const table = [
        [{ callAnalysis: true }, 200, 403, 403],
        [{ callAnalysis: false }, 200, 403, 403],
        [{ budget: { limit: 10, currency: "EUR" } }, 403, 200, 403],
        [{ budget: null }, 403, 200, 403],
        [{ displayName: "X" }, 403, 403, 200],
        [{ displayName: "X" }, 403, 403, 200],
        [{ suspended: false }, 403, 403, 200],
        [{ suspended: true }, 403, 403, 403],
        [{ endDate: "2020-01-01T00:00:00Z" }, 403, 403, 403],
        [{ tier: "none" }, 403, 403, 403],
      ] as const;
      for (const [body, ...expected] of table) {
        const found = [];
        for (const token of [analyst, treasurer, editor]) found.push((await change(id, body, token)).status);
        expect([body, ...found]).toEqual([body, ...expected]);
      }
    });

    it("E-8: a supervisor turns call analysis on for people of the own teams and nobody else", async () => {
      const empower = await aTenant(server, { preset: "empower" });
      const { body: mapping } = await empower.call("getMapping");
      const rules = [{ name: "North", when: 'title eq "North"', team: { name: "North", kind: "team" } }];
      await empower.call("saveMapping", { body: { ...mapping, rules } });
      const lead = await empower.user({ userName: someone(), title: "North" });
      const mine = await empower.user({ userName: someone(), title: "North" });
      const theirs = await empower.user({ userName: someone(), title: "South" });
      await empower.call("changeUser", { params: { id: lead.id }, body: { role: "supervisor" } });
      const token = await empower.mint({ scopes: ["api"], role: "supervisor", userId: lead.id });
      const set = (id: string, body: object) => call(server, "changeUser", { token, params: { id }, body });
      expect((await set(mine.id, { callAnalysis: true })).body).toMatchObject({ callAnalysis: true });
      expect((await set(theirs.id, { callAnalysis: true })).status).toBe(404);
      expect((await set(mine.id, { displayName: "X" })).status).toBe(403);
    });

    it("P-2: keeps a budget's parts apart", async () => {
      const { id } = await tenant.user({ userName: someone() });
      expect((await change(id, { budget: { limit: 12.5, currency: "eur" } })).body.budget).toEqual({
        limit: 12.5,
        currency: "EUR",
        used: 0,
      });
      expect((await change(id, { budget: { limit: 20 } })).body.budget).toMatchObject({ limit: 20, currency: "EUR" });
      expect((await change(id, { budget: { limit: null } })).body.budget).toMatchObject({
        limit: null,
        currency: "EUR",
      });
      expect((await change(id, { budget: null })).body.budget).toBeNull();
    });

    it("does all of it or nothing", async () => {
      const { id } = await tenant.user({ userName: someone() });
      const answer = await change(id, { displayName: "Half", role: "manager", tier: "gold" });
      expect(answer.status).toBe(400);
      const { body } = await tenant.call("getUser", { params: { id } });
      expect([body.displayName, body.role]).toEqual([null, "user"]);
    });

    it("Q-7, Q-8: deactivating ends sessions and gives the seat back; reactivating asks for it again", async () => {
      const { id } = await tenant.user({ userName: someone(), [urn]: { licenseTier: "standard" } });
      server.now = new Date("2030-01-01T10:00:00.000Z");
      const out = await change(id, { suspended: true });
      expect(out.body).toMatchObject({ status: "inactive", license: { status: "none" } });
      expect(out.body.sessionsNotBefore).toBe("2030-01-01T10:00:00.000Z");
      server.now = new Date("2030-01-01T11:00:00.000Z");
      const back = await change(id, { suspended: false });
      expect(back.body).toMatchObject({ status: "active", license: { tier: "standard" } });
      const { context } = await evaluate(id);
      expect(context.sessionsNotBefore).toBe("2030-01-01T10:00:00.000Z");
      server.now = null;
    });

    it("ends sessions whoever puts a person out, and a second time as well", async () => {
      const { id } = await tenant.user({ userName: someone() });
      const scim = { ...tenant.ctx, door: "scim" as const };
      const set = (active: boolean) => changeUser(server.deps, scim, id, (doc) => ({ ...doc, active }));
      for (const day of ["2031-01-01", "2031-02-01"]) {
        server.now = new Date(`${day}T00:00:00.000Z`);
        await set(false);
        server.now = new Date(`${day}T12:00:00.000Z`);
        await set(true);
        expect((await evaluate(id)).context.sessionsNotBefore).toBe(`${day}T00:00:00.000Z`);
      }
      server.now = null;
    });

    it.each([
      { email: null },
      { userName: "" },
      { userName: " " },
      { givenName: "" },
      { phone: "" },
      { budget: {} },
      { budget: { limit: "1" } },
      { budget: { used: 0 } },
      { callAnalysis: null },
      { startDate: "tomorrow" },
      { active: false },
      { teams: [] },
    ])("refuses the body %j", async (body) => {
      expect((await change(absent, body)).status).toBe(400);
    });
  });

  describe("setUserPassword", () => {
    const set = (id: string, password: string, token?: string) =>
      tenant.call("setUserPassword", { params: { id }, body: { password }, ...(token === undefined ? {} : { token }) });

    it("C-6: sets it and ends the sessions before", async () => {
      const { id } = await tenant.user({ userName: someone() });
      server.now = new Date("2030-02-01T10:00:00.000Z");
      const { status, body } = await set(id, "correct horse");
      expect([status, body.sessionsNotBefore]).toEqual([200, "2030-02-01T10:00:00.000Z"]);
      expect(await verifyPassword(server.deps, tenant.id, id, "correct horse")).toBe(true);
      expect(JSON.stringify(body)).not.toContain("horse");
      const event = await lastEvent(id);
      expect(event.after).toMatchObject({ password: "set" });
      expect(JSON.stringify(event)).not.toMatch(/horse|scrypt/);
      server.now = new Date("2030-02-01T11:00:00.000Z");
      expect((await set(id, "correct horse")).body.sessionsNotBefore).toBe("2030-02-01T11:00:00.000Z");
      server.now = null;
    });

    it("C-6: people set their own, and nobody else's; a guess at another's tells nothing", async () => {
      const mine = await tenant.user({ userName: someone() });
      const theirs = await tenant.user({ userName: someone() });
      const own = await tenant.mint({ scopes: ["api"], role: "user", userId: mine.id });
      await set(theirs.id, "their words");
      expect((await set(mine.id, "my words", own)).status).toBe(200);
      for (const guess of ["their words", "other words"]) {
        expect((await set(theirs.id, guess, own)).status).toBe(403);
      }
      expect((await tenant.call("resetUserPassword", { params: { id: theirs.id }, token: own })).status).toBe(403);
      expect((await tenant.call("signOutUser", { params: { id: theirs.id }, token: own })).status).toBe(403);
    });

    it("GRD-8: an administrator's takes an administrator, or the administrator themselves", async () => {
      const { id } = await tenant.user({ userName: someone() });
      await change(id, { role: "admin" });
      const hr = await tenant.mint({ scopes: ["api"], role: "hr" });
      const refused = await set(id, "taken over", hr);
      expect([refused.status, refused.body.code]).toEqual([403, "identityProtected"]);
      const weak = await tenant.mint({ scopes: ["api"], role: "user", userId: id });
      expect((await set(id, "weak token", weak)).body.code).toBe("identityProtected");
      const own = await tenant.mint({ scopes: ["api"], role: "admin", userId: id });
      expect((await set(id, "my own words", own)).status).toBe(200);
      expect(await verifyPassword(server.deps, tenant.id, id, "my own words")).toBe(true);
    });

    it("names the rule that a password breaks", async () => {
      const { id } = await tenant.user({ userName: someone() });
      for (const password of ["\u0000x", "\u0007", "x".repeat(1025)]) {
        const { status, body } = await set(id, password);
        expect([status, body.code]).toEqual([400, "invalidValue"]);
      }
      expect((await tenant.call("setUserPassword", { params: { id }, body: {} })).status).toBe(400);
      expect((await set(id, "")).status).toBe(400);
      expect((await set(absent, "x")).status).toBe(404);
    });
  });

  describe("resetUserPassword, signOutUser", () => {
    it("Q-9, A-8: asks the product to mail a link, and ends the sessions", async () => {
      const email = someone();
      const { id } = await tenant.user({ userName: someone(), emails: [{ value: email, primary: true }] });
      server.now = new Date("2030-03-01T10:00:00.000Z");
      const { status, body } = await tenant.call("resetUserPassword", { params: { id } });
      expect([status, body.sessionsNotBefore]).toEqual([200, "2030-03-01T10:00:00.000Z"]);
      expect(await lastEvent(id)).toMatchObject({
        action: "user.password-reset-requested",
        after: { email, sessionsNotBefore: "2030-03-01T10:00:00.000Z" },
      });
      expect((await evaluate(id)).context.sessionsNotBefore).toBe("2030-03-01T10:00:00.000Z");
      server.now = null;
    });

    it("Q-9: people who ask for themselves stay signed in", async () => {
      const { id } = await tenant.user({ userName: someone() });
      const token = await tenant.mint({ scopes: ["api"], role: "user", userId: id });
      const { status, body } = await tenant.call("resetUserPassword", { params: { id }, token });
      expect([status, body.sessionsNotBefore]).toEqual([200, null]);
      expect((await lastEvent(id)).action).toBe("user.password-reset-requested");
    });

    it("asks nobody who is out", async () => {
      const { id } = await tenant.user({ userName: someone(), active: false });
      expect((await tenant.call("resetUserPassword", { params: { id } })).body.code).toBe("conflict");
    });

    it("A-8: signs out everywhere, and never moves the moment back", async () => {
      const { id, version } = await tenant.user({ userName: someone() });
      server.now = new Date("2030-04-01T10:00:00.000Z");
      expect((await tenant.call("signOutUser", { params: { id } })).body.sessionsNotBefore).toBe(
        "2030-04-01T10:00:00.000Z",
      );
      server.now = new Date("2030-03-31T10:00:00.000Z");
      const late = await tenant.call("signOutUser", { params: { id } });
      expect(late.body.sessionsNotBefore).toBe("2030-04-01T10:00:00.000Z");
      server.now = null;
      expect((await lastEvent(id)).action).toBe("user.signed-out");
      const [row] = await getDb().query<{ version: number }>(
        { name: "t_version", text: "select version from users where id = $1" },
        [id],
      );
      expect(version).toContain(`"${row?.version}`);
      const own = await tenant.mint({ scopes: ["api"], role: "user", userId: id });
      expect((await tenant.call("signOutUser", { params: { id }, token: own })).status).toBe(200);
    });

    it("finds nobody of another tenant", async () => {
      const other = await aTenant(server);
      const { id } = await other.user({ userName: someone() });
      for (const operation of ["resetUserPassword", "signOutUser", "reviewUser"]) {
        expect((await tenant.call(operation, { params: { id } })).status).toBe(404);
      }
      expect((await tenant.call("setUserPassword", { params: { id }, body: { password: "x" } })).status).toBe(404);
      expect((await change(id, { displayName: "X" })).status).toBe(404);
    });
  });

  describe("getMe, changeMe", () => {
    it("shows people themselves, with teams and license, and lets them edit name and phone", async () => {
      const { id } = await tenant.user({ userName: someone(), displayName: "Me", [urn]: { licenseTier: "pro" } });
      const token = await tenant.mint({ scopes: ["api"], role: "user", userId: id });
      const me = await tenant.call("getMe", { token });
      expect([me.status, me.body.id, me.body.license.wanted]).toEqual([200, id, "pro"]);
      const body = { givenName: "My", familyName: "Self", phone: "020 7946 0958", phoneCountry: "GB" };
      expect((await tenant.call("changeMe", { token, body })).body).toMatchObject({
        givenName: "My",
        displayName: "Me",
        phone: "+442079460958",
      });
      for (const operation of ["getUser", "listUsers", "changeUser", "deleteUser"]) {
        const { status } = await tenant.call(operation, { token, params: { id }, body: { displayName: "X" } });
        expect([operation, status]).toEqual([operation, 403]);
      }
    });

    it.each([{ role: "admin" }, { email: "x@example.com" }, { userName: "x" }, { suspended: false }, {}])(
      "takes nothing else: %j",
      async (body) => {
        const { id } = await tenant.user({ userName: someone() });
        const token = await tenant.mint({ scopes: ["api"], role: "user", userId: id });
        expect((await tenant.call("changeMe", { token, body })).status).toBe(400);
      },
    );

    it("is nobody for a token that acts for nobody", async () => {
      expect((await tenant.call("getMe")).status).toBe(404);
      expect((await tenant.call("changeMe", { body: { displayName: "X" } })).status).toBe(404);
    });

    it("GRD-1: an own name that a rule rewards with a role makes nobody an administrator", async () => {
      const other = await aTenant(server);
      const { body: mapping } = await other.call("getMapping");
      const rules = [{ name: "Boss", when: 'displayName eq "Boss"', role: "admin" }];
      await other.call("saveMapping", { body: { ...mapping, rules } });
      const { id } = await other.user({ userName: someone() });
      const token = await other.mint({ scopes: ["api"], role: "user", userId: id });
      const { status, body } = await call(server, "changeMe", { token, body: { displayName: "Boss" } });
      expect([status, body.role]).toEqual([200, "user"]);
    });
  });
});
