/** Attacks through SCIM's /Groups: members, names, externalIds and nesting. */
import type { Attack } from "./attempt.ts";
import type { Random } from "./random.ts";
import { GROUP, patch, type World } from "./world.ts";

const scimOf = (world: World, random: Random) => random.pick(world.scim);

/** A group that grants an administrative role, with the role. */
function granting(world: World, random: Random): readonly [string, string, string] {
  return random.pick([
    [world.groups.admins, "admin", "admins"],
    [world.groups.billing, "billing", "billing"],
  ] as const);
}

const aName = (world: World) => `Group ${world.count++}`;

/** Ways to add a member by PATCH. */
function adding(random: Random, id: string): object[] {
  const add = random.pick(["add", "Add", "ADD"]);
  const urn = random.cased(`${GROUP}:members`);
  return random.pick<object[]>([
    [{ op: add, path: "members", value: [{ value: id }] }],
    [{ op: add, path: random.cased("members"), value: [{ value: id.toUpperCase(), display: "x" }] }],
    [{ op: add, path: "members", value: { value: id } }],
    [{ op: add, path: "members", value: [id] }],
    [{ op: add, path: "members", value: id }],
    [{ op: add, value: { members: [{ value: id }] } }],
    [{ op: add, value: { [urn]: [{ VALUE: id, type: "User" }] } }],
    [{ op: add, path: urn, value: [{ value: id, $ref: `../Users/${id}` }] }],
    [
      { op: "remove", path: `members[value eq "${id}"]` },
      { op: add, path: "members", value: [{ value: id }] },
    ],
    [{ op: add, path: "members", value: [{ value: "no-such-member" }, { value: id }] }],
    [
      { op: "Remove", path: "members", value: [{ value: id }] },
      { op: add, path: "members", value: [{ value: id }] },
    ],
  ]);
}

/** Membership of a granting group, from fresh: whoever was a member goes first, so that each time is a gain. */
const join: Attack = (world, random, target) => {
  const scim = scimOf(world, random);
  const [group, role] = granting(world, random);
  const send = async () => {
    await scim("PATCH", `/Groups/${group}`, patch({ op: "remove", path: `members[value eq "${target}"]` }));
    return await scim("PATCH", `/Groups/${group}`, patch(...adding(random, target)));
  };
  return { door: "SCIM PATCH /Groups, a member", target, role, kind: "follows", send, requests: 2 };
};

const putMembers: Attack = (world, random, target) => {
  const scim = scimOf(world, random);
  const put = (members: string[]) =>
    scim("PUT", `/Groups/${world.groups.billing}`, {
      schemas: [GROUP],
      displayName: "Finance",
      externalId: "billing",
      members: members.map((value) => ({ value })),
    });
  const send = async () => {
    await put([]);
    return await put([target]);
  };
  return { door: "SCIM PUT /Groups, members", target, role: "billing", kind: "follows", send, requests: 2 };
};

/** A group that is born with the externalId of an entry. */
const createBound: Attack = (world, random, target) => {
  const [, role, externalId] = granting(world, random);
  const members = random.pick<unknown>([
    [{ value: target }],
    [target],
    { value: target },
    [{ value: target, type: "User" }],
  ]);
  const body = { schemas: [GROUP], displayName: aName(world), [random.cased("externalId")]: externalId, members };
  return {
    door: "SCIM POST /Groups, externalId of an entry",
    target,
    role,
    kind: "follows",
    send: () => scimOf(world, random)("POST", "/Groups", body),
  };
};

/** A group that takes the externalId of an entry when it has its members. */
const reidentify: Attack = (world, random, target) => {
  const scim = scimOf(world, random);
  const [, role, externalId] = granting(world, random);
  const displayName = aName(world);
  const send = async () => {
    const members = [{ value: target }];
    const first = random.pick<object>([{}, { externalId: `free ${displayName}` }]);
    const { body } = await scim("POST", "/Groups", { schemas: [GROUP], displayName, members, ...first });
    const change = random.pick<object>([
      { op: "add", path: "externalId", value: externalId },
      { op: "Replace", path: random.cased("externalid"), value: externalId },
      { op: "replace", value: { externalId } },
      { op: "replace", value: { [`${GROUP}:externalId`]: externalId, displayName: `${displayName} again` } },
    ]);
    if (random.chance(0.25)) {
      return await scim("PUT", `/Groups/${body.id}`, { schemas: [GROUP], displayName, externalId, members });
    }
    return await scim("PATCH", `/Groups/${body.id}`, patch(change));
  };
  return { door: "SCIM /Groups, externalId taken later", target, role, kind: "follows", send, requests: 2 };
};

/** A group with the target, some levels below a granting one. */
const nest: Attack = (world, random, target) => {
  const scim = scimOf(world, random);
  const [top, role] = granting(world, random);
  const depth = 1 + random.below(3);
  const names = Array.from({ length: depth }, () => aName(world));
  const before = random.chance(0.5);
  const send = async () => {
    const ids: string[] = [];
    for (const [level, displayName] of names.entries()) {
      const members = level === 0 && before ? [{ value: target }] : level > 0 ? [{ value: ids[level - 1] }] : [];
      const { body } = await scim("POST", "/Groups", { schemas: [GROUP], displayName, members });
      ids.push(body.id);
    }
    const [lowest, highest] = [ids[0] as string, ids.at(-1) as string];
    const hang = await scim("PATCH", `/Groups/${top}`, patch(...adding(random, highest)));
    const answer = before ? hang : await scim("PATCH", `/Groups/${lowest}`, patch(...adding(random, target)));
    await scim("PATCH", `/Groups/${top}`, patch({ op: "remove", path: `members[value eq "${highest}"]` }));
    return answer;
  };
  return { door: "SCIM /Groups, nesting", target, role, kind: "follows", send, requests: depth + 3 };
};

/** A membership of somebody who is away, and comes back. */
const joinAway: Attack = (world, random, target) => {
  const scim = scimOf(world, random);
  const [group, role] = granting(world, random);
  const set = (active: boolean) =>
    scim("PATCH", `/Users/${target}`, patch({ op: "replace", path: "active", value: active }));
  const send = async () => {
    await set(false);
    await scim("PATCH", `/Groups/${group}`, patch({ op: "remove", path: `members[value eq "${target}"]` }));
    await scim("PATCH", `/Groups/${group}`, patch(...adding(random, target)));
    return await set(true);
  };
  return { door: "SCIM /Groups, a member who is away", target, role, kind: "follows", send, requests: 4 };
};

/** The bound group itself is taken over: another externalId, so that the next may have it. */
const unbind: Attack = (world, random) => {
  const [group] = granting(world, random);
  const change = random.pick<object>([
    { op: "replace", path: "externalId", value: "free" },
    { op: "remove", path: "externalId" },
    { op: "replace", value: { externalId: "Admins", displayName: "Free" } },
  ]);
  return {
    door: "SCIM /Groups, a bound group's externalId",
    target: null,
    role: null,
    kind: "forbidden",
    send: () => scimOf(world, random)("PATCH", `/Groups/${group}`, patch(change)),
  };
};

/** The approved member goes and comes: the approval has ended with the membership. */
const rename: Attack = (world, random, target) => {
  const scim = scimOf(world, random);
  const displayName = aName(world);
  const members = [{ value: target }];
  const send = async () => {
    const { body } = await scim("POST", "/Groups", { schemas: [GROUP], displayName, members });
    await scim("DELETE", `/Groups/${body.id}`);
    return await scim("POST", "/Groups", {
      schemas: [GROUP],
      displayName: random.pick(["Admin", "admin", "Admins", world.groups.admins]) + displayName,
      members,
    });
  };
  return { door: "SCIM /Groups, names that sound like power", target, role: null, kind: "idle", send, requests: 3 };
};

export const groupAttacks: readonly (readonly [number, Attack])[] = [
  [6, join],
  [2, putMembers],
  [4, createBound],
  [3, reidentify],
  [2, nest],
  [2, joinAway],
  [2, unbind],
  [1, rename],
];
