/** Inviting people, adding them directly, resending and accepting (E-3, P-7, C-2, C-3, GRD-4, LIC-8, LIC-11). */
import { beforeAll, describe, expect, it } from "vitest";
import { evaluateAccess } from "../../src/provisioning/access.ts";
import { carryOutDates, findDueTenants } from "../../src/provisioning/due.ts";
import { verifyPassword } from "../../src/provisioning/passwords.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aTenant, call, type Server, startServer, type TestTenant } from "./api.ts";

const day = 86_400_000;

describeOnBoth("invitations", (getDb) => {
  let server: Server;
  beforeAll(() => {
    server = startServer(getDb());
  });

  let people = 0;
  const someone = () => `person${++people}@example.com`;
  const invite = (tenant: TestTenant, body: object, token?: string) =>
    tenant.call("inviteUser", { body, ...(token === undefined ? {} : { token }) });
  const events = async (tenant: TestTenant, subject: string) =>
    (await tenant.call("listEvents", { query: { subject, limit: 100 } })).body.events as {
      action: string;
      after: Record<string, unknown>;
    }[];

  describe("inviteUser", () => {
    let tenant: TestTenant;
    let product: string;
    beforeAll(async () => {
      tenant = await aTenant(server, { seats: { standard: 3 } });
      product = await tenant.mint({ scopes: ["access"] });
    });

    it("E-3: makes a pending person with everything that was said, and a token shown this once", async () => {
      await tenant.call("createRole", { body: { key: "guide", name: "Guide", rank: 20, permissions: ["teams.read"] } });
      const { status, body } = await invite(tenant, {
        email: " Grace@Example.com ",
        givenName: "Grace",
        familyName: "Hopper",
        phone: "020 7946 0958",
        phoneCountry: "gb",
        company: "Navy",
        role: "Guide",
        tier: "standard",
        budget: { limit: 50, currency: "usd" },
        callAnalysis: true,
        endDate: "2099-01-31T00:00:00Z",
      });
      expect(status).toBe(201);
      expect(body).toMatchObject({
        userName: "Grace@Example.com",
        email: "Grace@Example.com",
        displayName: "Grace Hopper",
        givenName: "Grace",
        familyName: "Hopper",
        phone: "+442079460958",
        company: "Navy",
        callAnalysis: true,
        budget: { limit: 50, currency: "USD", used: 0 },
        endDate: "2099-01-31T00:00:00Z",
        source: "management",
        status: "pending",
        role: "guide",
        roleSource: "words",
        license: { tier: "standard", status: "assigned" },
        invitation: { sends: 1 },
        onboarding: { profile: true, queues: false, training: false },
      });
      expect(body.invitationToken).toMatch(/^usher_invite_[\w-]{22}\.[\w-]{22}\.[\w-]{43}$/);
      const { body: again } = await tenant.call("getUser", { params: { id: body.id } });
      expect(again.invitationToken).toBeUndefined();
      const [created, invited] = await events(tenant, body.id);
      expect([created?.action, invited?.action]).toEqual(["user.created", "user.invited"]);
      expect(invited?.after).toMatchObject({
        userName: "Grace@Example.com",
        email: "Grace@Example.com",
        displayName: "Grace Hopper",
        sends: 1,
        teams: [],
      });
      expect(JSON.stringify(await events(tenant, body.id))).not.toContain(body.invitationToken);
      const rows = await getDb().query<{ digest: Uint8Array }>(
        { name: "t_inv", text: "select digest from invitations where user_id = $1" },
        [body.id],
      );
      expect(Buffer.from(rows[0]!.digest).toString("utf8")).not.toContain(body.invitationToken.slice(-43));
    });

    it("shows how many invitations are pending, in the overview and by the filter", async () => {
      const other = await aTenant(server);
      await invite(other, { email: someone() });
      await invite(other, { email: someone() });
      await other.user({ userName: someone() });
      expect((await other.call("getOverview")).body.users).toMatchObject({ pending: 2, active: 1 });
      expect((await other.call("listUsers", { query: { status: "pending" } })).body.total).toBe(2);
    });

    it("takes another userName, and none that is taken", async () => {
      const named = await invite(tenant, { email: someone(), userName: "ghopper" });
      expect(named.body).toMatchObject({ userName: "ghopper" });
      const taken = await invite(tenant, { email: someone(), userName: "GHOPPER" });
      expect([taken.status, taken.body.code, taken.body.attribute]).toEqual([409, "uniqueness", "userName"]);
    });

    it("USR-1: lasts as many days as the tenant says, or until the moment given", async () => {
      server.now = new Date("2026-05-01T00:00:00.000Z");
      await tenant.call("changeSettings", { body: { invitationDays: 3 } });
      const { body } = await invite(tenant, { email: someone() });
      expect(body.invitation.expiresAt).toBe("2026-05-04T00:00:00.000Z");
      const until = await invite(tenant, { email: someone(), expiresAt: "2026-05-02T12:00:00+02:00" });
      expect(until.body.invitation.expiresAt).toBe("2026-05-02T10:00:00.000Z");
      for (const expiresAt of ["2026-05-01T00:00:00Z", "2020-01-01T00:00:00Z", "2027-06-01T00:00:00Z"]) {
        const { status, body } = await invite(tenant, { email: someone(), expiresAt });
        expect([expiresAt, status, body.attribute]).toEqual([expiresAt, 400, "expiresAt"]);
      }
      server.now = null;
    });

    it.each([
      [{ email: "a b@example.com" }, "email", /space/],
      [{ email: "ada" }, "email", /no @/],
      [{ email: "ada@localhost" }, "email", /domain/],
      [{ email: "a,b@example.com" }, "email", /before the @/],
      [{ email: "x@example.com", phone: "hello" }, "phone", /no telephone number/],
      [{ email: "x@example.com", phone: "020 7946 0958" }, "phone", /country/],
      [{ email: "x@example.com", phone: "+44 1" }, "phone", /number/],
      [{ email: "x@example.com", phone: "1", phoneCountry: "XX" }, "phoneCountry", /two letters/],
      [{ email: "x@example.com", phoneCountry: "GB" }, "phoneCountry", /phone as well/],
      [{ email: "x@example.com", teams: ["nowhere"] }, "teams", /no such team/],
      [{ email: "x@example.com", accepted: true, expiresAt: "2099-01-01T00:00:00Z" }, "expiresAt", /invitation/],
      [{ email: "x@example.com", password: "\u0007" }, "password", /control/],
    ])("names the field and the rule: %j", async (body, attribute, detail) => {
      const answer = await invite(tenant, body);
      expect([answer.status, answer.body.code, answer.body.attribute]).toEqual([400, "invalidValue", attribute]);
      expect(answer.body.detail).toMatch(detail);
      expect((await tenant.call("listUsers", { query: { q: "x@example.com" } })).body.total).toBe(0);
    });

    it.each([
      {},
      { email: "" },
      { email: 1 },
      { email: "x@example.com", nickname: "x" },
      { email: "x@example.com", displayName: "  " },
      { email: "x@example.com", budget: { limit: -1 } },
      { email: "x@example.com", budget: { currency: "EURO" } },
      { email: "x@example.com", phone: "+442079460958", phoneCountry: "GBR" },
      { email: "x@example.com", endDate: "soon" },
      { email: "x@example.com", teams: "Sales" },
    ])("refuses the body %j", async (body) => {
      expect((await invite(tenant, body)).status).toBe(400);
    });

    it("names an unknown role or tier and the known ones", async () => {
      const role = await invite(tenant, { email: someone(), role: "boss" });
      expect([role.status, role.body.code]).toEqual([400, "unknownRole"]);
      const tier = await invite(tenant, { email: someone(), tier: "gold" });
      expect([tier.status, tier.body.code]).toEqual([400, "unknownTier"]);
      expect(tier.body.detail).toMatch(/standard/);
    });

    it("USR-5, C-1: nobody before a domain is verified, nobody outside it", async () => {
      const strict = await aTenant(server, { preset: "white-label-cms" });
      const answer = await invite(strict, { email: someone() });
      expect([answer.status, answer.body.code, answer.body.rule]).toEqual([403, "domainRequired", "USR-5"]);
    });

    it("LIC-3: a full pool that refuses leaves nobody behind; one that queues says the place", async () => {
      const full = await aTenant(server, { seats: { standard: 1, pro: 1 } });
      await full.call("patchPool", { params: { tier: "standard" }, body: { whenFull: "refuse" } });
      expect((await invite(full, { email: someone(), tier: "standard" })).status).toBe(201);
      const refused = await invite(full, { email: "late@example.com", tier: "standard" });
      expect([refused.status, refused.body.code, refused.body.used]).toEqual([403, "poolFull", 1]);
      expect((await full.call("listUsers", { query: { q: "late" } })).body.total).toBe(0);
      await invite(full, { email: someone(), tier: "pro" });
      const { body } = await invite(full, { email: someone(), tier: "pro" });
      expect(body.license).toMatchObject({ status: "waitlisted", wanted: "pro", position: 1 });
    });

    it("LIC-8: a tenant may say that invited people hold no seat", async () => {
      const frugal = await aTenant(server, { seats: { standard: 1 } });
      await frugal.call("changeSettings", { body: { pendingHoldsSeat: false } });
      const { body } = await invite(frugal, { email: someone(), tier: "standard" });
      expect(body).toMatchObject({ status: "pending", license: { status: "none" } });
      await frugal.call("inviteUser", { body: { email: someone() } });
      const accepting = await frugal.mint({ scopes: ["access"] });
      await call(server, "acceptInvitation", { token: accepting, body: { token: body.invitationToken } });
      const { body: seated } = await frugal.call("getUser", { params: { id: body.id } });
      expect(seated).toMatchObject({ status: "active", license: { tier: "standard" }, invitation: null });
    });

    it("LIC-3: nobody who was invited is turned away by a full pool: they wait", async () => {
      const full = await aTenant(server, { seats: { standard: 1 } });
      await full.call("changeSettings", { body: { pendingHoldsSeat: false } });
      await full.call("patchPool", { params: { tier: "standard" }, body: { whenFull: "refuse" } });
      const token = await full.mint({ scopes: ["access"] });
      const invited = [];
      for (let n = 0; n < 2; n++) invited.push(await invite(full, { email: someone(), tier: "standard" }));
      for (const { body } of invited) {
        const accepted = await call(server, "acceptInvitation", { token, body: { token: body.invitationToken } });
        expect(accepted.status).toBe(200);
      }
      const { body: last } = await full.call("getUser", { params: { id: invited[1]!.body.id } });
      expect(last).toMatchObject({ status: "active", license: { status: "waitlisted", position: 1 } });
    });

    it("LIC-8: an invitation that is over gives its seat to the next in line", async () => {
      const full = await aTenant(server, { seats: { standard: 1 } });
      server.now = new Date("2026-05-01T00:00:00.000Z");
      const first = await invite(full, { email: someone(), tier: "standard", expiresAt: "2026-05-02T00:00:00Z" });
      const second = await invite(full, { email: someone(), tier: "standard" });
      expect(second.body.license.status).toBe("waitlisted");
      server.now = new Date("2026-05-02T00:00:00.000Z");
      expect(await findDueTenants(server.deps)).toContain(full.id);
      await carryOutDates(server.deps, full.id);
      const shown = async (id: string) => (await full.call("getUser", { params: { id } })).body;
      expect(await shown(first.body.id)).toMatchObject({ status: "inactive", license: { status: "none" } });
      expect((await shown(second.body.id)).license).toMatchObject({ tier: "standard", status: "assigned" });
      expect((await events(full, first.body.id)).map(({ action }) => action)).toContain("user.expired");
      server.now = null;
    });

    it("adds to teams by hand: by name or id, never to a queue or an agent", async () => {
      const { body: mapping } = await tenant.call("getMapping");
      const rules = [
        { name: "s", when: 'title eq "s"', team: { name: "Sales", kind: "team" } },
        { name: "w", when: 'title eq "w"', team: { name: "Lab", kind: "workspace" } },
        { name: "q", when: 'title eq "q"', team: { name: "Hotline", kind: "queue" } },
        { name: "a", when: 'title eq "a"', team: { name: "Bot", kind: "agent" } },
        { name: "d", when: 'title eq "d"', team: { name: "Lab", kind: "team" } },
      ].filter(({ team }) => team.kind !== "queue");
      const saved = await tenant.call("saveMapping", { body: { ...mapping, rules } });
      expect(saved.status, JSON.stringify(saved.body)).toBe(200);
      const { body } = await invite(tenant, { email: someone(), teams: ["SALES"], accepted: true });
      expect(body.teams).toMatchObject([{ display: "Sales", kind: "team" }]);
      const again = await invite(tenant, { email: someone(), teams: [body.teams[0].value, "Sales"], accepted: true });
      expect(again.body.teams).toHaveLength(1);
      const twice = await invite(tenant, { email: someone(), teams: ["Lab"] });
      expect([twice.status, twice.body.detail]).toEqual([400, expect.stringMatching(/several/)]);
      const agent = await invite(tenant, { email: someone(), teams: ["Bot"] });
      expect([agent.status, agent.body.attribute]).toEqual([400, "teams"]);
      const added = await events(tenant, body.teams[0].value);
      expect(added.map(({ action }) => action)).toContain("team.members-added");
    });

    it("C-3: accepted people exist at once, with a password if one is given", async () => {
      const { status, body } = await invite(tenant, {
        email: someone(),
        displayName: "Linus T.",
        accepted: true,
        password: "correct horse",
      });
      expect([status, body.status, body.invitation, body.invitationToken]).toEqual([201, "active", null, null]);
      expect(await verifyPassword(server.deps, tenant.id, body.id, "correct horse")).toBe(true);
      const access = { subject: { type: "user", id: body.id }, action: { name: "sign-in" } };
      expect((await evaluateAccess(server.deps, tenant.id, access)).decision).toBe(true);
      expect((await events(tenant, body.id)).map(({ action }) => action)).toEqual(["user.created"]);
    });

    it("GRD-4: an administrative role takes the authority to give it; without, a request is all that remains", async () => {
      const permissions = ["users.manage", "users.read", "licenses.manage"];
      await tenant.call("createRole", { body: { key: "hr", name: "HR", rank: 60, permissions } });
      const { id } = await tenant.user({ userName: someone() });
      await tenant.call("changeUser", { params: { id }, body: { role: "hr" } });
      const hr = await tenant.mint({ scopes: ["api"], role: "hr", userId: id });
      const email = someone();
      const refused = await invite(tenant, { email, role: "admin" }, hr);
      expect([refused.status, refused.body.code, refused.body.rule]).toEqual([403, "promotionRefused", "GRD-4"]);
      expect((await tenant.call("listUsers", { query: { q: email } })).body.total).toBe(0);
      const { body: inbox } = await tenant.call("listPromotions", { query: { state: "open" } });
      expect(inbox.promotions).toMatchObject([{ userName: email, role: "admin" }]);
      const approved = await tenant.call("approvePromotion", { params: { id: inbox.promotions[0].id } });
      expect(approved.status).toBe(200);
      const made = await invite(tenant, { email, role: "admin" }, hr);
      expect([made.status, made.body.role, made.body.status]).toEqual([201, "admin", "pending"]);
      expect((await invite(tenant, { email: someone(), role: "hr" }, hr)).body.role).toBe("hr");
    });

    it("ROL-5: nobody gives what they do not hold", async () => {
      await tenant.call("createRole", { body: { key: "desk", name: "Desk", rank: 55, permissions: ["users.manage"] } });
      const desk = await tenant.mint({ scopes: ["api"], role: "desk" });
      const { status, body } = await invite(tenant, { email: someone(), role: "manager" }, desk);
      expect([status, body.code, body.rule]).toEqual([403, "forbidden", "ROL-5"]);
      for (const [more, permission] of [
        [{ tier: "standard" }, "licenses.manage"],
        [{ teams: ["Sales"] }, "teams.manage"],
        [{ callAnalysis: true }, "call-analysis.manage"],
        [{ budget: { limit: 1 } }, "budgets.manage"],
      ] as const) {
        const answer = await invite(tenant, { email: someone(), ...more }, desk);
        expect([answer.status, answer.body.permission]).toEqual([403, permission]);
      }
      expect((await invite(tenant, { email: someone() }, desk)).status).toBe(201);
    });

    it("accepts with the token, once, for the tenant's own product", async () => {
      const { body } = await invite(tenant, { email: someone() });
      const accept = (token: string, more: object = {}) =>
        call(server, "acceptInvitation", { token, body: { token: body.invitationToken, ...more } });
      const other = await aTenant(server);
      const elsewhere = await accept(await other.mint({ scopes: ["access"] }));
      expect([elsewhere.status, elsewhere.body.code]).toEqual([404, "notFound"]);
      const signIn = { subject: { type: "user", id: body.id }, action: { name: "sign-in" } };
      expect((await evaluateAccess(server.deps, tenant.id, signIn)).context.status).toBe("pending");
      const accepted = await accept(product, { password: "my own words" });
      expect([accepted.status, accepted.body]).toEqual([
        200,
        { id: body.id, userName: body.userName, status: "active", role: "user" },
      ]);
      expect((await evaluateAccess(server.deps, tenant.id, signIn)).decision).toBe(true);
      expect(await verifyPassword(server.deps, tenant.id, body.id, "my own words")).toBe(true);
      expect((await accept(product)).status).toBe(404);
      expect((await accept(product, { password: "another's words" })).status).toBe(404);
      expect(await verifyPassword(server.deps, tenant.id, body.id, "my own words")).toBe(true);
      const told = await events(tenant, body.id);
      expect(told.map(({ action }) => action)).toEqual(["user.created", "user.invited", "user.accepted"]);
    });

    it.each(["", "x", "usher_invite_x.y.z", "usher_invite_AZCgsAAAcACAAAAAAAAAAQ.AZCgsAAAcACAAAAAAAAAAg.c2VjcmV0"])(
      "takes no other text for a token: %j",
      async (token) => {
        const { status } = await call(server, "acceptInvitation", { token: product, body: { token } });
        expect(status).toBe(token === "" ? 400 : 404);
      },
    );

    it("takes no API token for an invitation, and no invitation for an API token", async () => {
      const { body } = await invite(tenant, { email: someone() });
      const api = await tenant.mint({ scopes: ["api"], role: "admin" });
      expect((await call(server, "acceptInvitation", { token: product, body: { token: api } })).status).toBe(404);
      expect((await call(server, "getUser", { token: body.invitationToken, params: { id: body.id } })).status).toBe(
        401,
      );
      const wrong = `${body.invitationToken.slice(0, -1)}${body.invitationToken.endsWith("A") ? "E" : "A"}`;
      expect((await call(server, "acceptInvitation", { token: product, body: { token: wrong } })).status).toBe(404);
    });

    it("GRD-8: who was invited as an administrator sets a password of their own", async () => {
      const { body } = await invite(tenant, { email: someone(), role: "admin" });
      expect(body).toMatchObject({ role: "admin", status: "pending", administrative: true });
      const sent = { token: body.invitationToken, password: "an admin's words" };
      const accepted = await call(server, "acceptInvitation", { token: product, body: sent });
      expect([accepted.status, accepted.body.status, accepted.body.role]).toEqual([200, "active", "admin"]);
      expect(await verifyPassword(server.deps, tenant.id, body.id, "an admin's words")).toBe(true);
    });

    it("GRD-5, GRD-8: is not used up by a password that is refused, because the role has grown since", async () => {
      await tenant.call("createRole", {
        body: { key: "grown", name: "Grown", rank: 61, permissions: ["roles.manage"] },
      });
      const { body } = await invite(tenant, { email: someone(), role: "grown" });
      const permissions = ["roles.manage", "tokens.manage"];
      await tenant.call("changeRole", { params: { key: "grown" }, body: { permissions } });
      await tenant.reconcile();
      const accept = (more: object) =>
        call(server, "acceptInvitation", { token: product, body: { token: body.invitationToken, ...more } });
      const refused = await accept({ password: "my own words" });
      expect([refused.status, refused.body.code]).toEqual([403, "identityProtected"]);
      expect((await accept({})).body).toMatchObject({ status: "active", role: "grown" });
    });

    it("is withdrawn by deleting the person", async () => {
      const { body } = await invite(tenant, { email: someone(), tier: "pro" });
      expect((await tenant.call("deleteUser", { params: { id: body.id } })).status).toBe(204);
      const { status } = await call(server, "acceptInvitation", {
        token: product,
        body: { token: body.invitationToken },
      });
      expect(status).toBe(404);
    });

    it("is not accepted by somebody who was deactivated meanwhile", async () => {
      const { body } = await invite(tenant, { email: someone() });
      await tenant.call("changeUser", { params: { id: body.id }, body: { suspended: true } });
      const accept = () => call(server, "acceptInvitation", { token: product, body: { token: body.invitationToken } });
      expect((await accept()).body.code).toBe("conflict");
      const resent = await tenant.call("resendInvitation", { params: { id: body.id } });
      expect([resent.status, resent.body.code]).toEqual([409, "conflict"]);
      await tenant.call("changeUser", { params: { id: body.id }, body: { suspended: false } });
      expect((await accept()).body.status).toBe("active");
    });
  });

  describe("resendInvitation", () => {
    let tenant: TestTenant;
    let product: string;
    beforeAll(async () => {
      tenant = await aTenant(server, { seats: { standard: 1 } });
      product = await tenant.mint({ scopes: ["access"] });
    });
    const resend = (id: string, body?: object, token?: string) =>
      tenant.call("resendInvitation", {
        params: { id },
        ...(body === undefined ? {} : { body }),
        ...(token === undefined ? {} : { token }),
      });

    it("replaces the token and the end, and tells the product once more", async () => {
      const { body } = await invite(tenant, { email: someone() });
      const again = await resend(body.id, { expiresAt: new Date(Date.now() + 40 * day).toISOString() });
      expect([again.status, again.body.invitation.sends]).toEqual([200, 2]);
      expect(again.body.invitationToken).not.toBe(body.invitationToken);
      expect(Date.parse(again.body.invitation.expiresAt)).toBeGreaterThan(Date.now() + 39 * day);
      const accept = (token: string) => call(server, "acceptInvitation", { token: product, body: { token } });
      expect((await accept(body.invitationToken)).status).toBe(404);
      expect((await accept(again.body.invitationToken)).status).toBe(200);
      const told = (await events(tenant, body.id)).filter(({ action }) => action === "user.invited");
      expect(told.map(({ after }) => after.sends)).toEqual([1, 2]);
      const late = await resend(body.id);
      expect([late.status, late.body.code]).toEqual([409, "conflict"]);
    });

    it("LIC-8: brings back whose invitation was over, and asks for a seat as before", async () => {
      server.now = new Date("2026-05-01T00:00:00.000Z");
      const { body } = await invite(tenant, { email: someone(), tier: "standard", expiresAt: "2026-05-02T00:00:00Z" });
      server.now = new Date("2026-05-03T00:00:00.000Z");
      const accept = (token: string) => call(server, "acceptInvitation", { token: product, body: { token } });
      const over = await accept(body.invitationToken);
      expect([over.status, over.body.code]).toEqual([409, "conflict"]);
      const permissions = ["users.manage", "users.read"];
      await tenant.call("createRole", { body: { key: "hr", name: "HR", rank: 60, permissions } });
      const hr = await tenant.mint({ scopes: ["api"], role: "hr" });
      const again = await resend(body.id, {});
      expect(again.body).toMatchObject({ status: "pending", license: { tier: "standard", status: "assigned" } });
      expect((await resend(body.id, {}, hr)).status).toBe(200);
      expect((await accept(again.body.invitationToken)).status).toBe(404);
      server.now = null;
    });

    it("is nothing for people who were never invited, and for ids of nobody or another tenant", async () => {
      const { id } = await tenant.user({ userName: someone() });
      expect((await resend(id)).body.code).toBe("conflict");
      const other = await aTenant(server);
      const { body } = await invite(other, { email: someone() });
      for (const absent of [body.id, "0190a0b0-0000-7000-8000-0000000000ff", "nobody"]) {
        expect((await resend(absent)).status).toBe(404);
      }
      const past = await resend(body.id, { expiresAt: "2020-01-01T00:00:00Z" });
      expect(past.status).toBe(400);
    });
  });
});
