/** LOG-1: every change is told by one log, in the transaction that makes it; what is not carried out leaves no trace. */
import { expect, it } from "vitest";
import { changeGroup, createGroup, deleteGroup } from "../../src/provisioning/groups.ts";
import { saveMapping } from "../../src/provisioning/mapping.ts";
import { approve, decline } from "../../src/provisioning/promotions.ts";
import { changeRole, createRole, removeRole } from "../../src/provisioning/roles.ts";
import { changeSettings } from "../../src/provisioning/settings.ts";
import { mintToken, revokeToken } from "../../src/provisioning/tokens.ts";
import { changeAccess, changeUser, createUser, deleteUser } from "../../src/provisioning/users.ts";
import { describeOnBoth } from "../helpers/database.ts";
import { aUser, makeDeps, makeTenant } from "../helpers/tenant.ts";
import { mappingWith, naming, requestsOf } from "./people.ts";

interface Event {
  action: string;
  actor: { kind: string; id: string; label: string; door: string };
  subject_type: string;
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
  rule: string | null;
  request_id: string;
}

describeOnBoth("LOG-1: the log", (getDb) => {
  async function setUp() {
    const deps = makeDeps(getDb());
    const tenant = await makeTenant(deps, { seats: { standard: 1 } });
    const read = async () =>
      await deps.db.query<Event>({ name: "test_log", text: "select * from events where tenant_id = $1 order by id" }, [
        tenant.id,
      ]);
    /** What a change has told. */
    const told = async (change: () => Promise<unknown>) => {
      const before = (await read()).length;
      await change();
      return (await read()).slice(before);
    };
    return { deps, tenant, told, db: getDb() };
  }

  it("LOG-1 tells who, what, before, after, why and in which request", async () => {
    const { deps, tenant, told } = await setUp();
    const ada = await createUser(deps, tenant.scim, aUser("ada", { title: "Clerk" }));
    const [event, ...others] = await told(() =>
      changeUser(deps, tenant.scim, ada.id, (doc) => ({ ...naming("manager")(doc), title: "Lead" })),
    );
    expect(others).toEqual([]);
    expect(event).toMatchObject({
      action: "user.changed",
      subject_type: "User",
      subject_id: ada.id,
      actor: { kind: "token", id: tenant.scim.principal.tokenId, label: "Test IdP", door: "scim" },
      before: { title: "Clerk", effectiveRole: "user" },
      after: { title: "Lead", effectiveRole: "manager", roleSource: "words" },
      request_id: "scim-request",
    });
  });

  it("LOG-1 leaves out no use case that changes something", async () => {
    const { deps, tenant, told, db } = await setUp();
    const { admin, scim } = tenant;
    const actions = async (change: () => Promise<unknown>) => (await told(change)).map(({ action }) => action);
    let ada = "";
    let group = "";
    let token = "";
    const licensed = { "urn:ietf:params:scim:schemas:extension:usher:2.0:User": { licenseTier: "standard" } };
    const create = async () => {
      ada = (await createUser(deps, scim, aUser("ada", licensed))).id;
    };
    expect(await actions(create)).toEqual(["user.created"]);
    expect(await actions(() => createUser(deps, scim, aUser("bob", licensed)))).toEqual(["user.created"]);
    const createTeam = async () => {
      group = (await createGroup(deps, scim, { displayName: "Sales", members: [ada] })).id;
    };
    expect(await actions(createTeam)).toEqual(["group.created", "group.members-added"]);
    expect(await actions(() => changeGroup(deps, scim, group, [{ remove: [ada] }]))).toEqual(["group.members-removed"]);
    expect(await actions(() => changeGroup(deps, scim, group, [{ set: { displayName: "Night" } }]))).toEqual([
      "group.renamed",
    ]);
    expect(await actions(() => deleteGroup(deps, scim, group))).toEqual(["group.deleted"]);
    expect(await actions(() => changeAccess(deps, admin, ada, { role: "manager" }))).toEqual(["user.changed"]);
    const refused = async () => await changeUser(deps, scim, ada, naming("admin")).catch(() => {});
    expect(await actions(async () => await changeAccess(deps, admin, ada, { role: null }))).toEqual(["user.changed"]);
    expect(await actions(refused)).toEqual(["promotion.requested"]);
    const open = async () => (await requestsOf(db, tenant.id)).find(({ state }) => state === "open")!.id;
    expect(await actions(async () => decline(deps, admin, await open()))).toEqual(["promotion.declined"]);
    await refused();
    expect(await actions(async () => approve(deps, admin, await open()))).toEqual([
      "user.promoted",
      "promotion.approved",
    ]);
    expect(await actions(async () => changeUser(deps, scim, ada, (doc) => ({ ...doc, active: false })))).toEqual([
      "license.assigned",
      "user.changed",
      "tenant.without-admin",
    ]);
    expect(await actions(() => deleteUser(deps, scim, ada))).toEqual(["user.deleted"]);
    const role = { key: "editor", name: "Editor", rank: 20, permissions: ["content.edit"] };
    expect(await actions(() => createRole(deps, admin, role))).toEqual(["role.created"]);
    expect(await actions(() => changeRole(deps, admin, "editor", { rank: 21 }))).toEqual(["role.changed"]);
    expect(await actions(() => removeRole(deps, admin, "editor"))).toEqual(["role.deleted"]);
    expect(await actions(() => changeSettings(deps, admin, { unknownRoles: "refuse" }))).toEqual(["settings.changed"]);
    const document = await mappingWith(deps, tenant, { defaults: { role: "manager", tier: null } });
    expect(await actions(() => saveMapping(deps, admin, document))).toEqual(["mapping.saved"]);
    expect(await actions(() => deps.runJobs())).toEqual(["user.reconciled"]);
    const mint = async () => {
      token = (await mintToken(deps, admin, { label: "x", scopes: ["scim"] })).id;
    };
    expect(await actions(mint)).toEqual(["token.minted"]);
    expect(await actions(() => revokeToken(deps, admin, token))).toEqual(["token.revoked"]);
  });

  it("LOG-1 tells nothing of what was refused, of what changed nothing, and of what was rolled back", async () => {
    const { deps, tenant, told } = await setUp();
    const ada = await createUser(deps, tenant.scim, aUser("ada"));
    const nothing = [
      () => createUser(deps, tenant.scim, aUser("ADA")),
      () => changeUser(deps, tenant.scim, ada.id, (doc) => ({ ...doc })),
      () => changeUser(deps, tenant.scim, ada.id, naming("wizard")),
      () => createGroup(deps, tenant.scim, { displayName: "x", members: [deps.newId()] }),
      () => createRole(deps, tenant.scim, { key: "x", name: "X", rank: 1, permissions: [] }),
    ];
    for (const change of nothing) expect(await told(() => change().catch(() => {}))).toEqual([]);
  });

  it("LOG-1 keeps no secret", async () => {
    const { deps, tenant } = await setUp();
    const { token } = await mintToken(deps, tenant.admin, { label: "x", scopes: ["scim"] });
    const secret = token.split(".").at(-1)!;
    const [row] = await deps.db.query<{ log: string }>(
      { name: "test_log_text", text: "select string_agg(e::text, ' ') as log from events e where tenant_id = $1" },
      [tenant.id],
    );
    expect(row?.log).toContain("token.minted");
    expect(row?.log).not.toContain(secret);
  });
});
