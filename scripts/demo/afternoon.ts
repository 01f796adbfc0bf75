/** Afternoon: a second identity provider, Okta, brings the people of a company that was bought. */
import { USHER_ERROR, USHER_GROUP, USHER_USER } from "../../src/vocabulary/urns.ts";
import {
  describeCount,
  describePool,
  describeUser,
  type Pool,
  type Promotion,
  type ScimError,
  type ScimGroup,
  type ScimUser,
} from "./answers.ts";
import * as okta from "./okta.ts";
import type { Stage } from "./stage.ts";
import { findInLog, meetUser, tellLicense, tellRole } from "./tell.ts";

const niklaus = person("Niklaus", "Wirth", "00u1niklaus", { usher: { licenseTier: "standard" } });
const barbara = person("Barbara", "Liskov", "00u2barbara", { roles: [{ value: "Admin", primary: true }] });
const donald = person("Donald", "Knuth", "00u3donald", { usher: { licenseTier: "pro" } });

function person(
  givenName: string,
  familyName: string,
  externalId: string,
  wishes: Pick<okta.Assignment, "usher" | "roles">,
): okta.Assignment {
  const userName = `${givenName}.${familyName}@contoso.example`.toLowerCase();
  return { userName, givenName, familyName, externalId, ...wishes };
}

export async function playAfternoon(stage: Stage): Promise<void> {
  await connectOkta(stage);
  await assign(stage);
  await refuseSeat(stage);
  await refuseRole(stage);
  await pushGroup(stage);
  await suspendAndReturn(stage);
}

async function connectOkta({ story, okta: client }: Stage): Promise<void> {
  story.chapter("Okta connects");
  story.step("The connector test reads a page of two and wants whole numbers");
  await client.ask(okta.testConnection, {
    status: 200,
    holds: { totalResults: 6, startIndex: 1, itemsPerPage: 2 },
    say: describeCount,
  });
}

async function assign(stage: Stage): Promise<void> {
  const { story, okta: client } = stage;
  story.chapter("Okta assigns people");
  story.step("Niklaus, with a placeholder password and the license tier in Usher's extension");
  const user = await create(stage, niklaus, {
    status: 201,
    holds: { groups: [], [USHER_USER]: { licenseTier: "standard", license: { status: "waitlisted", position: 1 } } },
  });
  meetUser(stage, "niklaus", user);
  story.holds("whether the password comes back", "password" in user, false);

  story.step("A profile update is a GET and a PUT of everything that came back; the echo changes nothing else");
  const read = await client.ask<ScimUser>(
    { method: "GET", path: `/Users/${user.id}` },
    { status: 200, say: describeUser },
  );
  const put = await client.ask<ScimUser>(okta.putBack(read, { title: "Fellow" }), {
    status: 200,
    holds: { id: user.id, title: "Fellow", userName: niklaus.userName },
    say: describeUser,
  });
  story.holds("what Usher decided, after the echo", put[USHER_USER], read[USHER_USER]);
}

/** Okta looks first, and creates when the list is empty. */
async function create(
  { okta: client }: Stage,
  assignment: okta.Assignment,
  told: { status: number; holds: object },
): Promise<ScimUser> {
  await client.ask(okta.findByUserName(assignment.userName), {
    status: 200,
    holds: { totalResults: 0 },
    say: describeCount,
  });
  return await client.ask<ScimUser>(okta.createUser(assignment), { ...told, say: describeUser });
}

async function refuseSeat(stage: Stage): Promise<void> {
  const { story, admin, okta: client } = stage;
  story.chapter("A pool that refuses instead of queueing");
  story.step("The Admin wants no queue for pro");
  await admin.ask<Pool>(
    { method: "PATCH", path: "/pools/pro", body: { whenFull: "refuse" } },
    { status: 200, holds: { whenFull: "refuse" }, say: describePool },
  );
  story.step("Donald asks for pro: refused with both numbers, and no half-made account stays behind");
  const { [USHER_ERROR]: refusal } = await client.ask<ScimError>(okta.createUser(donald), {
    status: 403,
    holds: { [USHER_ERROR]: { code: "LIC-3", pool: "pro", purchased: 2, used: 2 } },
    say: ({ detail }) => detail,
  });
  await client.ask(okta.findByUserName(donald.userName), {
    status: 200,
    holds: { totalResults: 0 },
    say: describeCount,
  });
  await findInLog(stage, "status=4xx&connection=Okta", refusal.requestId);
}

async function refuseRole(stage: Stage): Promise<void> {
  const { story, admin, okta: client } = stage;
  story.chapter("An administrator from outside");
  story.step("Barbara arrives with the role Admin: refused, and nobody of that name exists");
  await client.ask<ScimError>(okta.createUser(barbara), {
    status: 403,
    holds: { [USHER_ERROR]: { code: "GRD-4", role: "admin" } },
    say: ({ detail }) => detail,
  });
  story.step("An Admin approves; the next attempt of the same userName goes through");
  const { promotions } = await admin.ask<{ promotions: Promotion[] }>(
    { method: "GET", path: "/promotions?state=open" },
    { status: 200, say: (body) => body.promotions.map((one) => `${one.userName} → ${one.role}`).join(", ") },
  );
  story.holds("the open promotion request", promotions[0], { userName: barbara.userName, userId: null });
  story.name(promotions[0]!.id, "promotion of barbara");
  await admin.ask(
    { method: "POST", path: `/promotions/${promotions[0]!.id}/approve` },
    { status: 200, holds: { state: "approved" }, say: "approved, for 30 days" },
  );
  const user = await create(stage, barbara, { status: 201, holds: { [USHER_USER]: { effectiveRole: "admin" } } });
  meetUser(stage, "barbara", user);

  story.step(
    "An administrator's sign-in name is no connection's to change: that would be a way to take the account over",
  );
  const read = await client.look<ScimUser>(`/Users/${user.id}`);
  await client.ask<ScimError>(okta.putBack(read, { userName: "mallory@contoso.example" }), {
    status: 403,
    holds: { [USHER_ERROR]: { code: "GRD-8" } },
    say: ({ detail }) => detail,
  });
  await tellRole(stage, "barbara", "admin");
}

async function pushGroup(stage: Stage): Promise<void> {
  const { story, okta: client, id, meet } = stage;
  story.chapter("Okta pushes a group");
  story.step("Research is in no mapping: it feeds a team of its own");
  const group = await client.ask<ScimGroup>(okta.pushGroup("Research"), {
    status: 201,
    holds: { members: [], [USHER_GROUP]: { team: { display: "Research" } } },
    say: "created, with a team",
  });
  meet("Research", group.id);
  const members = [
    { id: id("niklaus"), userName: niklaus.userName },
    { id: id("barbara"), userName: barbara.userName },
  ];
  await client.ask(okta.pushMembers(group, members), { status: 204, say: "2 members" });
  await client.ask<ScimUser>(
    { method: "GET", path: `/Users/${id("niklaus")}` },
    { status: 200, holds: { [USHER_USER]: { teams: [{ display: "Research" }] } }, say: describeUser },
  );
}

async function suspendAndReturn(stage: Stage): Promise<void> {
  const { story, okta: client, id } = stage;
  story.chapter("Away and back");
  story.step("Okta deactivates Niklaus: he leaves the queue and his team, his group membership stays Okta's");
  await client.ask<ScimUser>(okta.setActive(id("niklaus"), false), {
    status: 200,
    holds: { active: false, groups: [{ display: "Research" }], [USHER_USER]: { status: "inactive", teams: [] } },
    say: describeUser,
  });
  story.step("Back under the same id, at the end of the queue, in his team again");
  await client.ask<ScimUser>(okta.setActive(id("niklaus"), true), {
    status: 200,
    holds: { id: id("niklaus"), active: true, [USHER_USER]: { status: "active", teams: [{ display: "Research" }] } },
    say: describeUser,
  });
  await tellLicense(stage, "niklaus", { status: "waitlisted", wanted: "standard", position: 1 });
}
