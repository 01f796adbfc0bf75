/** Attacks through SCIM's /Users: a role named in every syntax, a role that follows, and the sign-in identity. */
import type { Attack } from "./attempt.ts";
import type { Random } from "./random.ts";
import { CORE, ENTERPRISE, patch, USHER, type World } from "./world.ts";

/** Spellings of an administrative role's key or name. */
function spelling(random: Random): { role: string; text: string } {
  const [role, name] = random.pick([
    ["admin", "Admin"],
    ["billing", "Billing Clerk"],
    ["desk", "Help Desk"],
    ["mint", "Token Mint"],
  ] as const);
  const wide = (text: string) =>
    text.replace(/[a-z]/gi, (letter) => String.fromCharCode(letter.charCodeAt(0) + 0xfee0));
  const text = random.pick([role, name, random.cased(role), random.cased(name), wide(role), wide(name)]);
  return { role, text };
}

/** Ways to write one entry, or several of which one counts, as a value of `roles`. */
function rolesValue(random: Random, text: string): unknown {
  const json = JSON.stringify({ id: "18d14569-c3bd-439b-9a66-3a2aee01d14f", value: text, displayName: text });
  return random.pick<unknown>([
    [{ value: text }],
    [{ value: text, primary: true }],
    [{ value: text, primary: "True" }],
    [{ VALUE: text, Type: "WindowsAzureActiveDirectoryRole" }],
    [{ value: text, type: "app", display: "Harmless" }],
    [{ value: "User", primary: true }, { value: text }],
    [{ value: "user" }, { value: "pro", type: "license" }, { value: text, primary: "false" }],
    [{ value: "wizard", primary: true }, { value: text }],
    [{ value: text, displayName: "User" }],
    [text],
    text,
    { value: text },
    json,
    [json],
    [{ value: json }],
  ]);
}

const op = (random: Random) => random.pick(["add", "replace", "Add", "Replace", "ADD", "REPLACE", "rEpLaCe"]);

/** A member name of a resource in some spelling: as it is, in another letter case, or under its schema. */
function spelled(random: Random, name: string, schema = CORE): string {
  return random.pick([name, random.cased(name), `${schema}:${name}`, `${random.cased(schema)}:${random.cased(name)}`]);
}

/** Extra members that a request carries along, string booleans among them. */
function company(random: Random): object {
  return random.pick([{}, { title: "Clerk" }, { active: "True" }, { nickName: "x", preferredLanguage: "en" }]);
}

/** The body of a resource that names the role somewhere. */
function naming(random: Random, text: string): object {
  return random.pick<() => object>([
    () => ({ [spelled(random, "roles")]: rolesValue(random, text) }),
    () => ({ [USHER]: { role: text } }),
    () => ({ [random.cased(USHER)]: { [random.cased("role")]: text } }),
    () => ({ [`${USHER}:role`]: text }),
    () => ({ roles: rolesValue(random, text), [USHER]: { licenseTier: "standard" } }),
  ])();
}

function operations(random: Random, text: string): object[] {
  const json = JSON.stringify({ value: text });
  const one = random.pick<() => object>([
    () => ({ op: op(random), path: spelled(random, "roles"), value: rolesValue(random, text) }),
    () => ({ op: op(random), path: `${USHER}:role`, value: text }),
    () => ({ op: op(random), path: random.cased(`${USHER}:role`), value: text }),
    () => ({ op: op(random), path: USHER, value: { role: text } }),
    () => ({ op: op(random), value: naming(random, text) }),
    () => ({ op: op(random), path: null, value: { ...naming(random, text), ...company(random) } }),
    () => ({ op: "Add", path: 'roles[primary eq "True"].value', value: random.pick([text, json]) }),
    () => ({ op: "add", path: "roles[primary eq true].value", value: text }),
    () => ({ op: "add", path: 'roles[type eq "app"].value', value: text }),
    () => ({ op: "Replace", path: 'ROLES[Type EQ "app"].VALUE', value: text }),
    () => ({ op: "add", path: `roles[value eq ${JSON.stringify(text)}].display`, value: "Harmless" }),
    () => ({ op: "add", path: `${CORE}:roles[value eq ${JSON.stringify(text)}].type`, value: "app" }),
  ])();
  return random.pick<() => object[]>([
    () => [one],
    () => [{ op: "Replace", path: "title", value: "Clerk" }, one],
    () => [one, { op: "add", path: "nickName", value: "x" }],
    () => [{ op: "remove", path: "roles" }, { op: "remove", path: `${USHER}:role` }, one],
    () => [one, { op: "Replace", path: "active", value: "True" }],
    () => [{ op: "replace", path: "active", value: false }, one, { op: "replace", path: "active", value: true }],
  ])();
}

const scimOf = (world: World, random: Random) => random.pick(world.scim);

const patchRole: Attack = (world, random, target) => {
  const { role, text } = spelling(random);
  const send = () => scimOf(world, random)("PATCH", `/Users/${target}`, patch(...operations(random, text)));
  return { door: "SCIM PATCH /Users, role named", target, role, kind: "named", send };
};

const putRole: Attack = (world, random, target) => {
  const { role, text } = spelling(random);
  const number = world.targets.indexOf(target);
  const userName = number < 0 ? `other-${target}` : `target${number}`;
  const body = { schemas: [CORE, USHER], userName, ...company(random), ...naming(random, text) };
  const send = () => scimOf(world, random)("PUT", `/Users/${target}`, body);
  return { door: "SCIM PUT /Users, role named", target, role, kind: "named", send };
};

const postRole: Attack = (world, random) => {
  const { role, text } = spelling(random);
  const userName = `new${world.count++}`;
  const away = random.pick<object>([{}, {}, { active: false }, { active: "False" }]);
  const body = { schemas: [CORE], userName, ...company(random), ...away, ...naming(random, text) };
  const send = () => scimOf(world, random)("POST", "/Users", body);
  return { door: "SCIM POST /Users, role named", target: userName, role, kind: "named", send };
};

/** Deactivated or not yet started, and named meanwhile: it would come true on the way back. */
const whileAway: Attack = (world, random, target) => {
  const { role, text } = spelling(random);
  const scim = scimOf(world, random);
  const later = { op: "add", path: `${USHER}:startDate`, value: "2027-01-01T00:00:00Z" };
  const [away, back] = random.pick([
    [
      { op: "Replace", path: "active", value: "False" },
      { op: "Replace", path: "active", value: "True" },
    ],
    [later, { op: "remove", path: `${USHER}:startDate` }],
  ]);
  const send = async () => {
    await scim("PATCH", `/Users/${target}`, patch(away));
    const named = await scim("PATCH", `/Users/${target}`, patch(...operations(random, text)));
    await scim("PATCH", `/Users/${target}`, patch(back));
    return named;
  };
  return { door: "SCIM PATCH /Users, named while away", target, role, kind: "named", send, requests: 3 };
};

/** Attributes that a rule reads. */
const matchRule: Attack = (world, random, target) => {
  const scim = scimOf(world, random);
  const [role, words, path, value] = random.pick<readonly [string, object, string, unknown]>([
    ["admin", { title: random.cased("Chief") }, "title", random.cased("chief")],
    ["billing", { [ENTERPRISE]: { department: "Board" } }, `${ENTERPRISE}:department`, "board"],
    ["billing", { [`${ENTERPRISE}:department`]: "BOARD" }, random.cased(`${ENTERPRISE}:department`), "Board"],
    ["desk", { roles: [{ value: "vip", type: "app" }] }, "roles", [{ value: "VIP", type: "app" }]],
  ]);
  const number = world.targets.indexOf(target);
  const reset = patch(
    { op: "remove", path: "title" },
    { op: "remove", path: `${ENTERPRISE}:department` },
    { op: "remove", path: "roles" },
  );
  const send = async () => {
    await scim("PATCH", `/Users/${target}`, reset);
    if (random.chance(0.5)) return await scim("PATCH", `/Users/${target}`, patch({ op: op(random), path, value }));
    if (random.chance(0.5)) return await scim("PATCH", `/Users/${target}`, patch({ op: op(random), value: words }));
    return await scim("PUT", `/Users/${target}`, { schemas: [CORE], userName: `target${number}`, ...words });
  };
  return { door: "SCIM /Users, a rule matches", target, role, kind: "follows", send, requests: 2 };
};

/** A person made anew under the name of one who asked, with the attribute from the start. */
const bornChief: Attack = (world, random) => {
  const userName = `born${world.count++}`;
  const scim = scimOf(world, random);
  const body = { schemas: [CORE], userName, title: random.cased("chief"), ...random.pick([{}, { active: "false" }]) };
  const send = async () => {
    const made = await scim("POST", "/Users", body);
    await scim("DELETE", `/Users/${made.body?.id}`);
    return await scim("POST", "/Users", body);
  };
  return {
    door: "SCIM POST /Users, a rule matches",
    target: userName,
    role: "admin",
    kind: "follows",
    send,
    requests: 3,
  };
};

/** Somebody who was Admin comes back. */
const comeBack: Attack = (world, random) => {
  const scim = scimOf(world, random);
  const target = random.pick(world.former.deactivated.slice(0, -1));
  const send = async () => {
    const back = random.pick<object>([
      { op: "Replace", path: "active", value: "True" },
      { op: "replace", value: { active: true } },
      { op: "add", path: `${CORE}:active`, value: true },
    ]);
    const answer = await scim("PATCH", `/Users/${target}`, patch(back));
    await scim("PATCH", `/Users/${target}`, patch({ op: "replace", path: "active", value: false }));
    return answer;
  };
  return { door: "SCIM /Users, a former Admin comes back", target, role: "admin", kind: "follows", send, requests: 2 };
};

/** An end date that has passed is moved, or taken away. */
const moveEnd: Attack = (world, random) => {
  const scim = scimOf(world, random);
  const [target] = world.former.lapsed as [string];
  const send = async () => {
    const later = { op: "replace", path: `${USHER}:endDate`, value: "2030-01-01T00:00:00Z" };
    const answer = await scim(
      "PATCH",
      `/Users/${target}`,
      patch(random.pick([later, { op: "remove", path: `${USHER}:endDate` }])),
    );
    await scim("PATCH", `/Users/${target}`, patch({ ...later, value: "2026-01-05T09:00:00Z" }));
    return answer;
  };
  return { door: "SCIM /Users, an end date is moved", target, role: "admin", kind: "follows", send, requests: 2 };
};

/** The sign-in identity of somebody who is an administrator, or would be on coming back. */
const takeOver: Attack = (world, random) => {
  const scim = scimOf(world, random);
  const target = random.pick([
    ...world.admins,
    ...world.former.deactivated.slice(-1),
    ...world.former.suspended.slice(-1),
  ]);
  const address = `mallory${world.count++}@x.org`;
  const change = random.pick<object>([
    { op: "replace", path: "userName", value: address },
    { op: "Replace", path: random.cased("username"), value: address },
    { op: "replace", value: { userName: address } },
    { op: "replace", path: "emails", value: [{ value: address, primary: true }] },
    { op: "add", path: "emails", value: [{ value: address, type: "home" }] },
    { op: "add", path: 'emails[type eq "work"].value', value: address },
    { op: "replace", value: { 'emails[type eq "work"].value': address } },
    { op: "remove", path: "emails" },
    { op: "add", path: "externalId", value: address },
    { op: "add", path: `${CORE}:externalId`, value: address },
  ]);
  const put = { schemas: [CORE], userName: address, emails: [{ value: address }] };
  const send = () =>
    random.chance(0.2) ? scim("PUT", `/Users/${target}`, put) : scim("PATCH", `/Users/${target}`, patch(change));
  return { door: "SCIM /Users, an Admin's sign-in identity", target, role: "admin", kind: "identity", send };
};

/** What is read-only, or names nothing: it says nothing, and must do nothing. */
const decideForUsher: Attack = (world, random, target) => {
  const scim = scimOf(world, random);
  const words = random.pick<object>([
    { [USHER]: { effectiveRole: "admin", status: "active", license: { tier: "pro" } } },
    { [`${USHER}:effectiveRole`]: "admin" },
    { roles: [{ value: "admin", type: "license" }] },
    { roles: [{ value: "admin", type: "seatType" }] },
    { entitlements: [{ value: "admin" }] },
    { groups: [{ value: world.groups.admins }] },
    { administrative: true, role: "admin", effectiveRole: "admin", rolePin: "admin" },
    { meta: { resourceType: "Admin" }, tenantId: "other" },
  ]);
  const body = random.chance(0.5)
    ? patch({ op: op(random), value: words })
    : patch(...Object.entries(words).map(([path, value]) => ({ op: "add", path, value })));
  return {
    door: "SCIM /Users, what is Usher's to say",
    target,
    role: "admin",
    kind: "idle",
    send: () => scim("PATCH", `/Users/${target}`, body),
  };
};

/** With how often each is chosen. */
export const userAttacks: readonly (readonly [number, Attack])[] = [
  [10, patchRole],
  [5, putRole],
  [6, postRole],
  [2, whileAway],
  [4, matchRule],
  [1, bornChief],
  [2, comeBack],
  [1, moveEnd],
  [3, takeOver],
  [2, decideForUsher],
];
