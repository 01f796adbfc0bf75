/** Morning: the Admin saves the mapping, Entra ID connects and pushes people and groups until the seats run out. */
import { USHER_ERROR, USHER_USER } from "../../src/vocabulary/urns.ts";
import {
  describeCount,
  describeLicense,
  describeUser,
  type Explanation,
  type Promotion,
  type ScimError,
  type ScimGroup,
  type ScimList,
  type ScimUser,
} from "./answers.ts";
import * as entra from "./entra.ts";
import { administratorsGroup, carelessMapping, mapping } from "./mapping.ts";
import type { Stage } from "./stage.ts";
import { awaitReconcile, explainRole, findInLog, meetUser, tellLicense, tellRole } from "./tell.ts";

const people = {
  grace: employee("Grace", "Hopper", "Sales", "Lead Account Executive"),
  alan: employee("Alan", "Turing", "Sales", "Account Executive"),
  ada: employee("Ada", "Lovelace", "Sales", "Account Executive"),
  katherine: employee("Katherine", "Johnson", "Sales", "Account Executive"),
  edsger: employee("Edsger", "Dijkstra", "Sales", "Account Executive"),
  margaret: employee("Margaret", "Hamilton", "Engineering", "Principal Engineer"),
};

function employee(givenName: string, familyName: string, department: string, title: string): entra.Person {
  const userName = `${givenName}.${familyName}@northwind.example`.toLowerCase();
  return { userName, givenName, familyName, department, title, externalId: `${givenName}${familyName}`.toLowerCase() };
}

export async function playMorning(stage: Stage): Promise<void> {
  await saveMapping(stage);
  await connectEntra(stage);
  await pushUsers(stage);
  await pushGroups(stage);
  await promoteByWords(stage);
  await promoteByGroup(stage);
  await leaveAndMove(stage);
}

async function saveMapping(stage: Stage): Promise<void> {
  const { story, admin } = stage;
  story.chapter("The Admin says what groups and attributes mean");
  story.step("A careless mapping would make an administrator of whoever names a group");
  await admin.ask<{ detail: string }>(
    { method: "PUT", path: "/mapping", body: carelessMapping },
    { status: 400, holds: { code: "invalidValue", rule: "TEAM-2" }, say: ({ detail }) => detail },
  );
  story.step("The careful one: Sales gives a standard seat, Engineering a pro seat, leads in Sales manage");
  await admin.ask({ method: "PUT", path: "/mapping", body: mapping }, { status: 200, say: "saved" });
  await awaitReconcile(stage, { total: 0 });
}

async function connectEntra({ story, entra: client }: Stage): Promise<void> {
  story.chapter("Entra ID connects");
  story.step("Test Connection asks for somebody who cannot exist; a 404 would put the job in quarantine");
  const nobody = { status: 200, holds: { totalResults: 0, Resources: [] }, say: describeCount };
  await client.ask(entra.findByUserName("7fcc42f3-2f1c-4a8e-9d0b-3d1a5f6c9e10"), nobody);
  await client.ask(entra.findGroupByName("No such group"), { ...nobody, say: "an empty list, here too" });
}

async function pushUsers(stage: Stage): Promise<void> {
  const { story, entra: client } = stage;
  story.chapter("Users arrive, with department and title");
  for (const [name, person] of Object.entries(people)) {
    story.step(`${person.givenName} ${person.familyName}, ${person.title}, ${person.department}`);
    await client.ask(entra.findByUserName(person.userName), {
      status: 200,
      holds: { totalResults: 0 },
      say: describeCount,
    });
    const role = name === "grace" ? "manager" : "user";
    const user = await client.ask<ScimUser>(entra.createUser(person), {
      status: 201,
      holds: { active: true, [USHER_USER]: { status: "active", effectiveRole: role, license: { status: "none" } } },
      say: describeUser,
    });
    meetUser(stage, name, user);
    if (name === "grace") await explainRole(stage, name, "won", 'The rule "Sales leads" gives the role "Manager".');
  }
}

async function pushGroups(stage: Stage): Promise<void> {
  const { story, admin, entra: client, id } = stage;
  story.chapter("Groups arrive, and the seats run out");
  story.step("Engineering: one member, and one pro seat for her");
  await makeGroup(stage, "Engineering", "engineering-objectid");
  await client.ask(entra.addMembers(id("Engineering"), id("margaret")), { status: 204, say: "added" });
  await tellLicense(stage, "margaret", { tier: "pro", status: "assigned" });

  story.step("Sales: three members take the three standard seats");
  await makeGroup(stage, "Sales", "sales-objectid");
  const seated = ["grace", "alan", "ada"];
  await client.ask(entra.addMembers(id("Sales"), ...seated.map(id)), { status: 204, say: "added" });
  for (const name of seated) await tellLicense(stage, name, { tier: "standard", status: "assigned" });

  story.step("Two more: their accounts work, the seats wait. Nobody is refused, nothing is sold twice");
  for (const [index, name] of ["katherine", "edsger"].entries()) {
    await client.ask(entra.addMembers(id("Sales"), id(name)), { status: 204, say: "added" });
    await tellLicense(stage, name, { status: "waitlisted", wanted: "standard", position: index + 1 });
  }
  const why = await admin.look<Explanation>(`/users/${id("edsger")}/explain`);
  story.why(why.tier.because);
  await admin.ask<{ users: { userName: string; position: number }[] }>(
    { method: "GET", path: "/pools/standard/waitlist" },
    {
      status: 200,
      holds: {
        total: 2,
        users: [
          { id: id("katherine"), position: 1 },
          { id: id("edsger"), position: 2 },
        ],
      },
      say: ({ users }) => users.map(({ position, userName }) => `${position}. ${userName}`).join("  "),
    },
  );

  story.step("The same request again takes no second place in the queue");
  await client.ask(entra.addMembers(id("Sales"), id("katherine")), { status: 204, say: "already a member" });
  await tellLicense(stage, "katherine", { status: "waitlisted", position: 1 });
}

async function makeGroup({ story, entra: client, meet }: Stage, name: string, externalId: string): Promise<void> {
  await client.ask(entra.findGroupByName(name), { status: 200, holds: { totalResults: 0 }, say: "not there yet" });
  const group = await client.ask<ScimGroup>(entra.createGroup(name, externalId), {
    status: 201,
    holds: { displayName: name, members: [] },
    say: `created, bound to the mapping of "${name}"`,
  });
  meet(name, group.id);
  story.holds("the group's id", group.id.length, 36);
}

async function promoteByWords(stage: Stage): Promise<void> {
  const { story, admin, entra: client, id } = stage;
  story.chapter("Somebody would become an administrator");
  story.step("By words: an app role for Alan, beside a new title. The whole request is refused, the title included");
  const refused = await client.ask<ScimError>(entra.changeTitleAndAddAppRole(id("alan"), "Director", "admin"), {
    status: 403,
    holds: { status: "403", [USHER_ERROR]: { code: "GRD-4", role: "admin" } },
    say: ({ detail }) => detail,
  });
  const alan = await client.ask<ScimUser>(
    { method: "GET", path: `/Users/${id("alan")}` },
    { status: 200, holds: { title: "Account Executive", [USHER_USER]: { effectiveRole: "user" } }, say: describeUser },
  );
  story.holds("Alan's roles", (alan as { roles?: unknown[] }).roles?.length ?? 0, 0);

  story.step("The Admin finds the refusal in the provisioning log, with what was sent, and declines the request");
  const query = `status=403&connection=Entra%20ID&subject=${id("alan")}`;
  const entry = await findInLog(stage, query, refused[USHER_ERROR].requestId);
  story.holds("the logged reason", entry.answer.detail, refused.detail);
  story.holds("whether the log shows what was sent", JSON.stringify(entry.request).includes("Director"), true);
  const promotion = await openPromotion(stage, people.alan.userName, ["words"]);
  await admin.ask(
    { method: "POST", path: `/promotions/${promotion.id}/decline` },
    { status: 200, holds: { state: "declined" }, say: "declined" },
  );
}

async function promoteByGroup(stage: Stage): Promise<void> {
  const { story, admin, entra: client, id, meet } = stage;
  story.step(
    "By a group: Grace joins the group that the mapping calls administrators. Provisioning goes on, the role waits",
  );
  const group = await client.ask<ScimGroup>(entra.createGroup("Usher Administrators", administratorsGroup), {
    status: 201,
    say: "created",
  });
  meet("Administrators", group.id);
  await client.ask(entra.addMembers(group.id, id("grace")), { status: 204, say: "added" });
  await tellRole(stage, "grace", "manager");
  await explainRole(stage, "grace", "withheld", "Admin");

  story.step("An Admin approves; from the same moment the product sees it");
  const promotion = await openPromotion(stage, people.grace.userName, [`group:externalId:${administratorsGroup}`]);
  await admin.ask(
    { method: "POST", path: `/promotions/${promotion.id}/approve` },
    { status: 200, holds: { state: "approved", role: "admin" }, say: "approved" },
  );
  await tellRole(stage, "grace", "admin");
}

async function openPromotion({ story, admin }: Stage, userName: string, sources: string[]): Promise<Promotion> {
  const { promotions } = await admin.ask<{ promotions: Promotion[] }>(
    { method: "GET", path: "/promotions?state=open" },
    { status: 200, say: (body) => body.promotions.map((one) => `${one.userName} → ${one.role}`).join(", ") },
  );
  story.holds("the open promotion requests", promotions.length, 1);
  story.holds("who would be promoted", promotions[0]?.userName, userName);
  for (const source of sources) {
    const named = promotions[0]?.sources.some((one) => one === source || one.startsWith(`${source}|`));
    story.holds(`whether ${source} is named as the source`, named, true);
  }
  const promotion = promotions[0] as Promotion;
  story.name(promotion.id, `promotion of ${promotion.userName.split(".")[0]}`);
  return promotion;
}

async function leaveAndMove(stage: Stage): Promise<void> {
  const { story, entra: client, id } = stage;
  story.chapter("Somebody leaves, somebody moves");
  story.step("Alan leaves; his seat goes to the first in line within the same request");
  await client.ask<ScimUser>(entra.disableUser(id("alan")), {
    status: 200,
    holds: { active: false, [USHER_USER]: { status: "inactive", license: { status: "none" } } },
    say: describeUser,
  });
  await tellLicense(stage, "katherine", { tier: "standard", status: "assigned" });
  await tellLicense(stage, "edsger", { status: "waitlisted", position: 1 });

  story.step("Entra still finds him: inactive people stay visible, so that they can come back under the same id");
  await client.ask<ScimList<ScimUser>>(entra.findByUserName("ALAN.Turing@northwind.example"), {
    status: 200,
    holds: { totalResults: 1, Resources: [{ id: id("alan"), active: false }] },
    say: "1 found, inactive",
  });

  story.step("Sales is renamed; the team, its members and their seats stay");
  await client.ask(entra.renameGroup(id("Sales"), "Sales EMEA"), { status: 204, say: "renamed" });
  const { [USHER_USER]: decided } = await client.ask<ScimUser>(
    { method: "GET", path: `/Users/${id("katherine")}` },
    { status: 200, holds: { groups: [{ display: "Sales EMEA" }] }, say: describeUser },
  );
  story.holds("Katherine's teams", decided.teams.map((team) => team.display).join(), "Sales");

  story.step("Ada moves to Engineering, where the pro seats are taken: she keeps her standard seat while she waits");
  await client.ask<ScimUser>(entra.moveDepartment(id("ada"), "Engineering", "Engineer"), {
    status: 200,
    say: describeUser,
  });
  await client.ask(entra.addMembers(id("Engineering"), id("ada")), { status: 204, say: "added" });
  await client.ask(entra.removeMembers(id("Sales"), id("ada")), { status: 204, say: "only she is removed" });
  const license = await tellLicense(stage, "ada", { tier: "standard", wanted: "pro", position: 1 });
  story.holds("Ada's license in words", describeLicense(license), "standard seat, waits for pro at position 1");
  await tellLicense(stage, "grace", { tier: "standard", status: "assigned" });
}
