/** What goes on beside the attacks: ordinary provisioning that has to work, and an Admin's acts that name nobody. */
import { expect } from "vitest";
import type { Random } from "./random.ts";
import { CORE, GROUP, must, patch, USHER, type World } from "./world.ts";

/** One ordinary request of a connection, on a person whom no attack is about, with what has to come of it. */
export async function provision(world: World, random: Random, worker: string): Promise<void> {
  const scim = random.pick(world.scim);
  const change = (...operations: object[]) => must(scim("PATCH", `/Users/${worker}`, patch(...operations)), 200);
  const choice = random.below(6);
  if (choice === 0) {
    const userName = `hire${world.count++}`;
    const made = await must(scim("POST", "/Users", { schemas: [CORE], userName, roles: [{ value: "Editor" }] }), 201);
    expect(made[USHER].effectiveRole).toBe("editor");
    const gone = await scim("DELETE", `/Users/${made.id}`);
    expect(gone.status).toBe(204);
  } else if (choice === 1) {
    const role = random.pick(["Manager", "editor", "user"]);
    const told = await change({ op: "Replace", path: `${USHER}:role`, value: role });
    expect(told[USHER]).toMatchObject({ role, effectiveRole: role.toLowerCase() });
  } else if (choice === 2) {
    await change({ op: "Replace", path: "active", value: "False" });
    const back = await change({ op: "Replace", path: "active", value: "True" });
    expect(back[USHER].status).toBe("active");
  } else if (choice === 3) {
    const told = await change({ op: "replace", path: `${USHER}:licenseTier`, value: "standard" });
    expect(told[USHER].license).toMatchObject({ status: "assigned", tier: "standard" });
  } else if (choice === 4) {
    const displayName = `Sellers ${world.count++}`;
    const group = await must(
      scim("POST", "/Groups", { schemas: [GROUP], displayName, members: [{ value: worker }] }),
      201,
    );
    const { body } = await scim("GET", `/Users/${worker}`);
    expect(body.groups.map((one: { display: string }) => one.display)).toContain(displayName);
    await scim("DELETE", `/Groups/${group.id}`);
  } else {
    const title = `Clerk ${world.count++}`;
    expect((await change({ op: "replace", value: { title, "name.familyName": "Doe" } })).title).toBe(title);
  }
}

/** Requests that `provision` makes, about. */
export const requestsOfProvision = 2;

/**
 * An Admin edits mapping or catalogue, and by that makes somebody administrative who was planted for it: nobody is, they
 * become requests. Gives those who must be withheld, with the role.
 */
export async function editAsAdmin(
  world: World,
  random: Random,
  target: string,
): Promise<{ door: string; target: string; role: string } | null> {
  const { admin } = world;
  const scim = random.pick(world.scim);
  const { runJobs } = world.site.deps;
  const document = await must(admin("GET", "/mapping"), 200);
  const number = world.count++;
  const choice = random.below(5);
  if (choice === 0) {
    await must(admin("PUT", "/mapping", { ...document, autoTeams: !document.autoTeams }), 200);
    await runJobs();
    return null;
  }
  if (choice === 1) {
    const permissions = random.some(["reports.read", "calls.read", "content.edit", "users.read"], 3);
    await must(admin("PATCH", "/roles/editor", { rank: 20 + random.below(5), permissions }), 200);
    await runJobs();
    return null;
  }
  if (choice === 2) {
    const externalId = `later ${number}`;
    const members = [{ value: target }];
    await must(scim("POST", "/Groups", { schemas: [GROUP], displayName: `Later ${number}`, externalId, members }), 201);
    const groups = [...document.groups.slice(0, 4), { match: { externalId }, role: "admin" }];
    await must(admin("PUT", "/mapping", { ...document, groups }), 200);
    await runJobs();
    return { door: "Admin's mapping, a planted group", target, role: "admin" };
  }
  if (choice === 3) {
    await must(
      scim("PATCH", `/Users/${target}`, patch({ op: "replace", path: "nickName", value: `nick ${number}` })),
      200,
    );
    const rules = [
      ...document.rules.slice(0, 3),
      { name: "nicks", when: `nickName eq "nick ${number}"`, role: "admin" },
    ];
    await must(admin("PUT", "/mapping", { ...document, rules }), 200);
    await runJobs();
    return { door: "Admin's mapping, a planted attribute", target, role: "admin" };
  }
  const key = `super${number}`;
  const words = [
    { op: "remove", path: `${USHER}:role` },
    { op: "replace", path: "roles", value: [{ value: key.toUpperCase() }] },
  ];
  await must(scim("PATCH", `/Users/${target}`, patch(...words)), 200);
  await must(admin("POST", "/roles", { key, name: `Super ${number}`, rank: 80, permissions: ["domains.manage"] }), 201);
  await runJobs();
  return { door: "Admin's catalogue, a planted role", target, role: key };
}

/** An Admin allows somebody what was refused: the guard is no wall. Gives the new administrator. */
export async function allow(world: World, random: Random): Promise<string> {
  const userName = `allowed${world.count++}`;
  const scim = random.pick(world.scim);
  const body = { schemas: [CORE], userName, roles: [{ value: "billing" }] };
  const first = await scim("POST", "/Users", body);
  const { promotions } = await must(world.admin("GET", "/promotions?state=open&limit=100"), 200);
  const request = promotions.find((one: { userName: string }) => one.userName === userName);
  expect(request).toMatchObject({ role: "billing", state: "open" });
  await must(world.chief("POST", `/promotions/${request.id}/approve`), 200);
  const told = first.status === 201 ? await scim("GET", `/Users/${first.body.id}`) : await scim("POST", "/Users", body);
  expect(told.body[USHER].effectiveRole).toBe("billing");
  return told.body.id;
}
