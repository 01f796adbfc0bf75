/** GRD-6: what an Admin may approve, what of it lasts, and what voids it. */
import { expect, it } from "vitest";
import type { OpenDatabase } from "../../src/db/transactions.ts";
import type { RequestContext } from "../../src/provisioning/context.ts";
import { changeGroup, createGroup } from "../../src/provisioning/groups.ts";
import { saveMapping } from "../../src/provisioning/mapping.ts";
import { approve, decline } from "../../src/provisioning/promotions.ts";
import { createRole } from "../../src/provisioning/roles.ts";
import { changeSettings } from "../../src/provisioning/settings.ts";
import { changeAccess, changeUser, createUser, deleteUser, getAccount } from "../../src/provisioning/users.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aUser, makeDeps, makeTenant, type TestDeps, type TestTenant } from "../helpers/tenant.ts";
import { actWith, anAdmin, grantsOf, mappingWith, naming, openRequests, requestsOf } from "./people.ts";

const refusal = { code: "promotionRefused" };

/** The one request that waits, refused a moment ago. */
async function refusedRequest(deps: TestDeps, tenant: TestTenant, id: string, ctx: RequestContext = tenant.scim) {
  await expect(changeUser(deps, ctx, id, naming("admin"))).rejects.toMatchObject(refusal);
  const open = (await requestsOf(deps.db as OpenDatabase, tenant.id)).filter(({ state }) => state === "open");
  return open.at(-1)!;
}

describeOnBoth("promotion requests", (getDb) => {
  async function setUp() {
    const deps = makeDeps(getDb());
    const tenant = await makeTenant(deps);
    const eve = await createUser(deps, tenant.scim, aUser("eve", { emails: [{ value: "eve@example.com" }] }));
    return { deps, tenant, eve, db: getDb() };
  }

  it("GRD-4: one open request per user and role; repeats are counted, and everybody who asked is noted", async () => {
    const { deps, tenant, eve, db } = await setUp();
    const other = await actWith(deps, tenant.admin, { scopes: ["scim"] });
    await refusedRequest(deps, tenant, eve.id);
    await refusedRequest(deps, tenant, eve.id);
    await refusedRequest(deps, tenant, eve.id, other);
    const requests = await requestsOf(db, tenant.id);
    expect(requests).toMatchObject([{ kind: "role", role: "admin", state: "open", attempts: 3, sources: ["words"] }]);
    expect(requests[0]?.requested_by.map(({ id }) => id)).toEqual([
      tenant.scim.principal.tokenId,
      other.principal.tokenId,
    ]);
  });

  it("GRD-6: an approval takes effect at once, and the refused wish becomes the client's words", async () => {
    const { deps, tenant, eve } = await setUp();
    const request = await refusedRequest(deps, tenant, eve.id);
    expect(await approve(deps, tenant.admin, request.id)).toMatchObject({ state: "approved", userId: eve.id });
    const promoted = await getAccount(deps, tenant.scim, eve.id);
    expect(promoted).toMatchObject({ role: "admin", roleSource: "words", administrative: true });
    expect(promoted.doc).toMatchObject(naming("admin")(aUser("eve")));
    // An echo of what the client reads now is no drift.
    expect((await changeUser(deps, tenant.scim, eve.id, (doc) => ({ ...doc }))).version).toBe(promoted.version);
    await expect(approve(deps, tenant.admin, request.id)).rejects.toMatchObject({ code: "conflict" });
  });

  it("GRD-6: entries of roles[] that were refused become the client's words, too", async () => {
    const { deps, tenant, eve, db } = await setUp();
    const words = [{ value: "Admin" }, { value: "kept as data" }];
    const change = changeUser(deps, tenant.scim, eve.id, (doc) => ({ ...doc, roles: words }));
    await expect(change).rejects.toMatchObject(refusal);
    await approve(deps, tenant.admin, (await requestsOf(db, tenant.id))[0]!.id);
    expect(await getAccount(deps, tenant.scim, eve.id)).toMatchObject({ role: "admin", doc: { roles: words } });
  });

  it("GRD-6: an approved pin is a pin", async () => {
    const { deps, tenant, eve } = await setUp();
    await createRole(deps, tenant.admin, {
      key: "desk",
      name: "Desk",
      rank: 70,
      permissions: ["users.manage", "users.read"],
    });
    const desk = await actWith(deps, tenant.admin, { scopes: ["api"], role: "desk" });
    await expect(changeAccess(deps, desk, eve.id, { role: "admin" })).rejects.toMatchObject(refusal);
    expect(await getAccount(deps, tenant.scim, eve.id)).toMatchObject({ role: "user", rolePin: null });
    const [request] = await requestsOf(deps.db as OpenDatabase, tenant.id);
    expect(request?.sources).toEqual(["pin"]);
    // The desk's token comes from the same hand as the first token: nobody approves what they asked for themselves.
    await expect(approve(deps, tenant.admin, request!.id)).rejects.toMatchObject({ code: "forbidden" });
    const ada = await anAdmin(deps, tenant, "ada");
    await approve(deps, ada.api, request!.id);
    expect(await getAccount(deps, tenant.scim, eve.id)).toMatchObject({ role: "admin", rolePin: "admin" });
  });

  it("GRD-6: a connection counts as the hand behind it when two persons are asked for", async () => {
    const { deps, tenant, db, eve } = await setUp();
    await changeSettings(deps, tenant.admin, { twoPersonPromotion: true });
    await expect(changeUser(deps, tenant.scim, eve.id, naming("admin"))).rejects.toMatchObject(refusal);
    const [request] = await requestsOf(db, tenant.id);
    await expect(approve(deps, tenant.admin, request!.id)).rejects.toMatchObject({ code: "forbidden" });
  });

  it("GRD-6: an approval of what nothing asks for any more is stale, and promises nothing", async () => {
    const { deps, tenant, db, eve } = await setUp();
    const lead = { name: "Leads", when: 'title co "Lead"', role: "admin" };
    await saveMapping(deps, tenant.admin, await mappingWith(deps, tenant, { rules: [lead] }));
    await deps.runJobs();
    await changeUser(deps, tenant.scim, eve.id, (doc) => ({ ...doc, title: "Lead" }));
    await changeUser(deps, tenant.scim, eve.id, (doc) => ({ ...doc, title: "Developer" }));
    const [request] = await requestsOf(db, tenant.id);
    await expect(approve(deps, tenant.admin, request!.id)).rejects.toMatchObject({ code: "stale" });
    expect((await requestsOf(db, tenant.id))[0]?.state).toBe("void");
  });

  it("GRD-6: a refused create comes through at the next attempt under the same name, once", async () => {
    const { deps, tenant, db } = await setUp();
    const doc = naming("admin")(aUser("New@Example.com"));
    await expect(createUser(deps, tenant.scim, doc)).rejects.toMatchObject(refusal);
    const [request] = await requestsOf(db, tenant.id);
    expect(request).toMatchObject({ user_id: null, user_name: "New@Example.com" });
    expect(await approve(deps, tenant.admin, request!.id)).toMatchObject({ state: "approved", userId: null });
    const made = await createUser(deps, tenant.scim, { ...doc, userName: "new@example.com", title: "Boss" });
    expect(made).toMatchObject({ role: "admin", administrative: true });
    expect((await requestsOf(db, tenant.id))[0]).toMatchObject({ state: "used", user_id: made.id });
    await deleteUser(deps, tenant.scim, made.id);
    await expect(createUser(deps, tenant.scim, doc)).rejects.toMatchObject(refusal);
  });

  it.each([
    ["another e-mail", { emails: [{ value: "mallory@example.com" }] }, 0],
    ["another externalId", { externalId: "666" }, 0],
    ["31 days later", {}, 31],
  ])("GRD-6: an approved create does not come through with %s", async (_name, more, days) => {
    const { deps, tenant, db } = await setUp();
    const doc = naming("admin")(aUser("new"));
    await expect(createUser(deps, tenant.scim, doc)).rejects.toMatchObject(refusal);
    await approve(deps, tenant.admin, (await requestsOf(db, tenant.id))[0]!.id);
    deps.now = new Date(deps.now.getTime() + days * 86_400_000);
    await expect(createUser(deps, tenant.scim, { ...doc, ...more })).rejects.toMatchObject(refusal);
    expect(await openRequests(db, tenant.id)).toEqual(["admin of new by words"]);
  });

  it("GRD-6: a refused create is approved at once where the user has come to exist meanwhile", async () => {
    const { deps, tenant, db } = await setUp();
    await expect(createUser(deps, tenant.scim, naming("admin")(aUser("new")))).rejects.toMatchObject(refusal);
    const made = await createUser(deps, tenant.scim, aUser("new"));
    await approve(deps, tenant.admin, (await requestsOf(db, tenant.id))[0]!.id);
    expect((await getAccount(deps, tenant.scim, made.id)).role).toBe("admin");
  });

  it.each([
    ["userName", { userName: "mallory" }],
    ["e-mail", { emails: [{ value: "mallory@example.com" }] }],
    ["externalId", { externalId: "666" }],
  ])("GRD-6: another %s since the request makes it stale", async (_name, words) => {
    const { deps, tenant, eve, db } = await setUp();
    const request = await refusedRequest(deps, tenant, eve.id);
    await changeUser(deps, tenant.scim, eve.id, (doc) => ({ ...doc, ...words }));
    await expect(approve(deps, tenant.admin, request.id)).rejects.toMatchObject({ code: "stale" });
    expect((await requestsOf(db, tenant.id)).map(({ state }) => state)).toEqual(["void"]);
    expect((await getAccount(deps, tenant.scim, eve.id)).role).toBe("user");
  });

  it("GRD-6: asking again under another identity is another request, so that nobody approves a stranger", async () => {
    const { deps, tenant, eve, db } = await setUp();
    const seen = await refusedRequest(deps, tenant, eve.id);
    await changeUser(deps, tenant.scim, eve.id, (doc) => ({ ...doc, userName: "mallory" }));
    const next = await refusedRequest(deps, tenant, eve.id);
    expect(next.id).not.toBe(seen.id);
    expect(next).toMatchObject({ user_name: "mallory", attempts: 1 });
    await expect(approve(deps, tenant.admin, seen.id)).rejects.toMatchObject({ code: "stale" });
    expect((await requestsOf(db, tenant.id)).map(({ state }) => state)).toEqual(["void", "open"]);
  });

  it("GRD-6, GRD-8: the same for the identity that a request would give an administrator", async () => {
    const { deps, tenant, db } = await setUp();
    const chief = await anAdmin(deps, tenant, "chief");
    const rename = (value: string) =>
      changeUser(deps, tenant.scim, chief.id, (doc) => ({ ...doc, emails: [{ value }] }));
    await expect(rename("chief@example.com")).rejects.toMatchObject({ code: "identityProtected" });
    const [seen] = await requestsOf(db, tenant.id);
    await expect(rename("mallory@example.com")).rejects.toMatchObject({ code: "identityProtected" });
    await expect(approve(deps, tenant.admin, seen!.id)).rejects.toMatchObject({ code: "stale" });
    const [, next] = await requestsOf(db, tenant.id);
    // Nobody approves for themselves; somebody else does, and then it is done.
    await expect(approve(deps, chief.api, next!.id)).rejects.toMatchObject({ code: "forbidden" });
    await approve(deps, tenant.admin, next!.id);
    expect(await getAccount(deps, tenant.scim, chief.id)).toMatchObject({
      role: "admin",
      doc: { emails: [{ value: "mallory@example.com" }] },
    });
  });

  it("ROL-1 (security), GRD-6: nobody approves what they asked for themselves with a token of theirs", async () => {
    const { deps, tenant, eve } = await setUp();
    const asker = await anAdmin(deps, tenant, "asker");
    const other = await anAdmin(deps, tenant, "other");
    await createRole(deps, tenant.admin, {
      key: "desk",
      name: "Desk",
      rank: 70,
      permissions: ["users.manage", "users.read", "content.edit", "profile.manage"],
    });
    const desk = await actWith(deps, asker.api, { scopes: ["api"], role: "desk" });
    await expect(changeAccess(deps, desk, eve.id, { role: "admin" })).rejects.toMatchObject(refusal);
    const [request] = await requestsOf(deps.db as OpenDatabase, tenant.id);
    await expect(approve(deps, asker.api, request!.id)).rejects.toMatchObject({ code: "forbidden" });
    const second = await actWith(deps, asker.api, { scopes: ["api"], role: "admin" });
    await expect(approve(deps, second, request!.id)).rejects.toMatchObject({ code: "forbidden" });
    expect((await getAccount(deps, tenant.scim, eve.id)).role).toBe("user");
    await approve(deps, other.api, request!.id);
    expect((await getAccount(deps, tenant.scim, eve.id)).role).toBe("admin");
  });

  it("GRD-6: a connection does not count as its issuer, unless two persons are asked for", async () => {
    const { deps, tenant, eve } = await setUp();
    const issuer = await anAdmin(deps, tenant, "issuer");
    const connection = await actWith(deps, issuer.api, { scopes: ["scim"] });
    const first = await refusedRequest(deps, tenant, eve.id, connection);
    await approve(deps, issuer.api, first.id);
    await changeSettings(deps, tenant.admin, { twoPersonPromotion: true });
    const bob = await createUser(deps, tenant.scim, aUser("bob"));
    const second = await refusedRequest(deps, tenant, bob.id, connection);
    await expect(approve(deps, issuer.api, second.id)).rejects.toMatchObject({ code: "forbidden" });
    await approve(deps, tenant.admin, second.id);
    expect((await getAccount(deps, tenant.scim, bob.id)).role).toBe("admin");
  });

  it("GRD-1: an approver must hold what the role holds", async () => {
    const { deps, tenant, eve } = await setUp();
    const permissions = ["promotions.manage", "users.manage"];
    await createRole(deps, tenant.admin, { key: "clerk", name: "Clerk", rank: 70, permissions });
    const clerk = await actWith(deps, tenant.admin, { scopes: ["api"], role: "clerk" });
    const request = await refusedRequest(deps, tenant, eve.id);
    await expect(approve(deps, clerk, request.id)).rejects.toMatchObject(refusal);
    const manager = await actWith(deps, tenant.admin, { scopes: ["api"], role: "manager" });
    await expect(approve(deps, manager, request.id)).rejects.toMatchObject({ code: "forbidden" });
    await expect(decline(deps, manager, request.id)).rejects.toMatchObject({ code: "forbidden" });
    expect((await getAccount(deps, tenant.scim, eve.id)).role).toBe("user");
  });

  it("GRD-9: an Admin demoted a moment ago approves nothing", async () => {
    const { deps, tenant, eve } = await setUp();
    const former = await anAdmin(deps, tenant, "former");
    await anAdmin(deps, tenant, "other");
    const request = await refusedRequest(deps, tenant, eve.id);
    await changeAccess(deps, tenant.admin, former.id, { role: "user" });
    await expect(approve(deps, former.api, request.id)).rejects.toMatchObject({ code: "forbidden" });
  });

  it("declines, and a later attempt opens a new request", async () => {
    const { deps, tenant, eve, db } = await setUp();
    const request = await refusedRequest(deps, tenant, eve.id);
    expect(await decline(deps, tenant.admin, request.id)).toMatchObject({ state: "declined" });
    await expect(approve(deps, tenant.admin, request.id)).rejects.toMatchObject({ code: "conflict" });
    await refusedRequest(deps, tenant, eve.id);
    expect((await requestsOf(db, tenant.id)).map(({ state }) => state)).toEqual(["declined", "open"]);
  });

  it("does not approve for somebody who is deactivated or gone", async () => {
    const { deps, tenant, eve, db } = await setUp();
    const request = await refusedRequest(deps, tenant, eve.id);
    await changeUser(deps, tenant.scim, eve.id, (doc) => ({ ...doc, active: false }));
    await expect(approve(deps, tenant.admin, request.id)).rejects.toMatchObject({ code: "conflict" });
    expect(await grantsOf(db, tenant.id)).toEqual([]);
    await deleteUser(deps, tenant.scim, eve.id);
    await expect(approve(deps, tenant.admin, request.id)).rejects.toMatchObject({ code: "stale" });
    await expect(approve(deps, tenant.admin, deps.newId())).rejects.toMatchObject({ code: "notFound" });
    const another = await makeTenant(deps);
    await expect(approve(deps, another.admin, request.id)).rejects.toMatchObject({ code: "notFound" });
  });

  it("GRD-6: an approval ends with deactivation, and coming back asks anew", async () => {
    const { deps, tenant, eve, db } = await setUp();
    await approve(deps, tenant.admin, (await refusedRequest(deps, tenant, eve.id)).id);
    const set = (active: boolean) => changeUser(deps, tenant.scim, eve.id, (doc) => ({ ...doc, active }));
    await set(false);
    expect(await grantsOf(db, tenant.id)).toEqual([]);
    expect(await openRequests(db, tenant.id)).toEqual([]);
    expect(await set(true)).toMatchObject({ status: "active", role: "user" });
    expect(await openRequests(db, tenant.id)).toEqual(["admin of eve by words"]);
  });

  it("GRD-6: an approval lasts while its source asks: the group's, not beside it the client's words", async () => {
    const { deps, tenant, eve, db } = await setUp();
    const groups = [{ match: { externalId: "admins" }, role: "admin" }];
    await saveMapping(deps, tenant.admin, await mappingWith(deps, tenant, { groups }));
    await deps.runJobs();
    const group = await createGroup(deps, tenant.scim, { displayName: "Ops", externalId: "admins", members: [] });
    await changeGroup(deps, tenant.scim, group.id, [{ add: [eve.id] }]);
    expect(await openRequests(db, tenant.id)).toEqual([`admin of eve by group:externalId:admins|${group.id}`]);
    await approve(deps, tenant.admin, (await requestsOf(db, tenant.id))[0]!.id);
    expect(await getAccount(deps, tenant.scim, eve.id)).toMatchObject({ role: "admin" });
    // The words gain nothing now, so they are no refusal; but they are not what the Admin approved either.
    expect(await changeUser(deps, tenant.scim, eve.id, naming("admin"))).toMatchObject({ role: "admin" });
    await changeGroup(deps, tenant.scim, group.id, [{ remove: [eve.id] }]);
    expect(await getAccount(deps, tenant.scim, eve.id)).toMatchObject({ role: "admin", roleSource: "kept" });
    await anAdmin(deps, tenant, "other");
    await changeUser(deps, tenant.scim, eve.id, (doc) => ({ ...doc, title: "x" }));
    expect(await getAccount(deps, tenant.scim, eve.id)).toMatchObject({ role: "user" });
    expect(await openRequests(db, tenant.id)).toEqual(["admin of eve by words"]);
  });

  it("GRD-4: under onUnauthorizedPromotion: withhold the words are stored, and an approval adds the role", async () => {
    const { deps, tenant, eve, db } = await setUp();
    await changeSettings(deps, tenant.admin, { onUnauthorizedPromotion: "withhold" });
    await deps.runJobs();
    const stored = await changeUser(deps, tenant.scim, eve.id, (doc) => ({ ...naming("admin")(doc), title: "Boss" }));
    expect(stored).toMatchObject({ role: "user", doc: { title: "Boss", ...naming("admin")(aUser("eve")) } });
    const made = await createUser(deps, tenant.scim, naming("admin")(aUser("bob")));
    expect(made.role).toBe("user");
    expect(await openRequests(db, tenant.id)).toEqual(["admin of bob by words", "admin of eve by words"]);
    for (const { id } of await requestsOf(db, tenant.id)) await approve(deps, tenant.admin, id);
    expect((await getAccount(deps, tenant.scim, eve.id)).role).toBe("admin");
    expect((await getAccount(deps, tenant.scim, made.id)).role).toBe("admin");
  });

  it("two approvals at once: one decides, the other is told", async () => {
    const { deps, tenant, eve, db } = await setUp();
    const { id } = await refusedRequest(deps, tenant, eve.id);
    const results = await Promise.allSettled([approve(deps, tenant.admin, id), decline(deps, tenant.admin, id)]);
    expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const [request] = await requestsOf(db, tenant.id);
    expect((await getAccount(deps, tenant.scim, eve.id)).role).toBe(request?.state === "approved" ? "admin" : "user");
  });
});
