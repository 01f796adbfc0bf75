/** Attacks through the management API, with tokens that may do a little and want more. */
import type { Attack, Attempt } from "./attempt.ts";
import { CORE, patch, USHER } from "./world.ts";

const weak = ["desk", "mapper", "smith", "mint", "clerk", "manager"] as const;

function forbidden(door: string, send: Attempt["send"], requests = 1): Attempt {
  return { door, target: null, role: null, kind: "forbidden", send, requests };
}

/** Pins by somebody who manages users but does not hold the role. */
const pin: Attack = (world, random, target) => {
  const role = random.pick(["admin", "billing", "mapper", "smith", "mint", "clerk"]);
  const caller = random.pick([world.api.desk, world.api.deskOfIssuer]);
  return {
    door: "API PATCH /users, a pin",
    target,
    role,
    kind: "named",
    send: () => caller("PATCH", `/users/${target}`, { role }),
  };
};

/** A role that is not administrative, but holds what its giver does not (ROL-5). */
const pinBeyond: Attack = (world, random, target) =>
  forbidden("API PATCH /users, beyond one's own", () =>
    random.pick([world.api.desk, world.api.deskOfIssuer])("PATCH", `/users/${target}`, { role: "manager" }),
  );

const pinWithout: Attack = (world, random, target) =>
  forbidden("API PATCH /users, without the permission", () =>
    random.pick([
      world.api.mapper,
      world.api.smith,
      world.api.mint,
      world.api.clerk,
      world.api.manager,
      world.scimAtApi,
    ])("PATCH", `/users/${target}`, { role: random.pick(["admin", "editor"]) }),
  );

/** The stop of a former Admin is lifted. */
const lift: Attack = (world) => {
  const [target] = world.former.suspended as [string];
  const send = async () => {
    const answer = await world.api.desk("PATCH", `/users/${target}`, { suspended: false });
    await world.api.desk("PATCH", `/users/${target}`, { suspended: true });
    return answer;
  };
  return { door: "API PATCH /users, a stop is lifted", target, role: "admin", kind: "follows", send, requests: 2 };
};

/** A mapping that would grant, by somebody who may edit it but holds nothing of what it grants. */
const remap: Attack = (world, random) => {
  const { mapper } = world.api;
  const send = async () => {
    const { body: document } = await mapper("GET", "/mapping");
    const entry = {
      match: { externalId: `mine ${world.count++}` },
      role: random.pick(["admin", "billing", "manager", "desk"]),
    };
    const wider = random.pick<object>([
      { groups: [...document.groups, entry] },
      { groups: document.groups.map((one: object, at: number) => (at === 2 ? { ...one, role: "admin" } : one)) },
      { rules: [{ name: "mine", when: "userName pr", role: "admin" }, ...document.rules] },
      { rules: document.rules.map((rule: object) => ({ ...rule, when: "userName pr" })) },
      { rules: document.rules.map((rule: object) => ({ ...rule, role: "admin" })) },
      { defaults: { ...document.defaults, role: random.pick(["admin", "manager", "desk"]) } },
    ]);
    return await mapper("PUT", "/mapping", { ...document, ...wider });
  };
  return forbidden("API PUT /mapping, a grant", send, 2);
};

/** Consent to an Admin's own entries, by somebody who may not give it. */
const consent: Attack = (world) => {
  const { mapper } = world.api;
  const send = async () => {
    const { body: document } = await mapper("GET", "/mapping");
    const { body: preview } = await mapper("POST", "/mapping/preview", document);
    const answer = await mapper("PUT", "/mapping", { ...document, confirm: preview.digest });
    return preview.promotions.length > 0 ? answer : { status: 403, body: answer.body };
  };
  return forbidden("API PUT /mapping, a consent", send, 3);
};

const saveWithout: Attack = (world, random) =>
  forbidden("API PUT /mapping, without the permission", () =>
    random.pick([world.api.desk, world.api.smith, world.api.mint, world.api.clerk, world.api.manager, world.scimAtApi])(
      "PUT",
      "/mapping",
      { groups: [], rules: [], defaults: { role: "user", tier: null }, autoTeams: true },
    ),
  );

/** The catalogue: reserved permissions where many have them. */
const widen: Attack = (world, random) => {
  const permissions = random.pick([
    ["*"],
    ["users.manage"],
    ["tokens.manage", "profile.manage"],
    ["users.manage:own-teams"],
    ["billing.manage"],
  ]);
  const send = () =>
    random.pick([
      () => world.api.smith("PATCH", `/roles/${random.pick(["user", "manager", "editor"])}`, { permissions }),
      () =>
        world.api.smith("POST", "/roles", {
          key: `mine${world.count++}`,
          name: `Mine ${world.count++}`,
          rank: 99,
          permissions,
        }),
    ])();
  return forbidden("API /roles, permissions one does not hold", send);
};

const editWithout: Attack = (world, random) =>
  forbidden("API /roles, without the permission", () =>
    random.pick([
      world.api.desk,
      world.api.mapper,
      world.api.mint,
      world.api.clerk,
      world.api.manager,
      world.scimAtApi,
    ])("PATCH", "/roles/user", { permissions: ["*"] }),
  );

/** A role is renamed to what somebody has in roles[], so that their words come to name it. */
const renameRole: Attack = (world, random, target) => {
  const word = `word ${world.count++}`;
  const send = async () => {
    const words = patch(
      { op: "remove", path: `${USHER}:role` },
      { op: "replace", path: "roles", value: [{ value: word }] },
    );
    await random.pick(world.scim)("PATCH", `/Users/${target}`, words);
    const answer = await world.api.smith("PATCH", "/roles/mapper", { name: word });
    await world.site.deps.runJobs();
    return answer;
  };
  return {
    door: "API PATCH /roles, a name that waits in roles[]",
    target,
    role: "mapper",
    kind: "follows",
    send,
    requests: 2,
  };
};

/** Tokens stronger than their maker. */
const mint: Attack = (world, random) => {
  const role = random.pick(["admin", "desk", "mapper", "clerk", "manager"]);
  const scopes = [random.pick(["scim", "api", "access"])];
  const userId = random.pick<object>([{}, {}, { userId: random.pick(world.admins) }]);
  const send = () => world.api.mint("POST", "/tokens", { label: "mine", scopes, role, ...userId });
  return forbidden("API POST /tokens, stronger than oneself", send);
};

const mintWithout: Attack = (world, random) =>
  forbidden("API POST /tokens, without the permission", () =>
    random.pick([
      world.api.desk,
      world.api.mapper,
      world.api.smith,
      world.api.clerk,
      world.api.manager,
      world.scimAtApi,
    ])("POST", "/tokens", { label: "mine", scopes: ["api"], role: random.pick(["admin", "user", null]) }),
  );

const rotate: Attack = (world, random) => {
  const send = async () => {
    const { body } = await world.api.mint("GET", "/tokens");
    const strong = body.tokens.filter(
      (token: { role: string | null }) => token.role !== null && !["mint", "billing", "user"].includes(token.role),
    );
    return await world.api.mint("POST", `/tokens/${random.pick<{ id: string }>(strong).id}/rotate`, {});
  };
  return forbidden("API POST /tokens/{id}/rotate", send, 2);
};

/** Approvals by whoever may not: without what the role holds, or for what they asked themselves. */
const approve: Attack = (world, random, target) => {
  const send = async () => {
    const { body } = await world.admin("GET", "/promotions?state=open&limit=100");
    const open = body.promotions as { id: string }[];
    if (open.length === 0 || random.chance(0.3)) {
      await world.api.deskOfIssuer("PATCH", `/users/${target}`, { role: "mapper" });
      const again = await world.admin("GET", `/promotions?state=open&limit=100`);
      const mine = again.body.promotions.find(
        (one: { userId: string; role: string }) => one.userId === target && one.role === "mapper",
      );
      if (mine === undefined) return { status: 403, body: {} };
      return await world.api.issuer("POST", `/promotions/${mine.id}/approve`);
    }
    const { id } = random.pick(open);
    return await random.pick([world.api.clerk, world.api.desk, world.api.mint, world.api.manager, world.scimAtApi])(
      "POST",
      `/promotions/${id}/approve`,
    );
  };
  return forbidden("API POST /promotions/{id}/approve", send, 3);
};

const settings: Attack = (world, random) =>
  forbidden("API PATCH /settings", () =>
    random.pick([...weak.map((key) => world.api[key]), world.scimAtApi])("PATCH", "/settings", {
      onUnauthorizedPromotion: "withhold",
      twoPersonPromotion: false,
    }),
  );

/** A connection has no business there at all. */
const scimElsewhere: Attack = (world, random, target) =>
  forbidden("API with a connection's token", () =>
    random.pick([
      () => world.scimAtApi("GET", "/promotions"),
      () => world.scimAtApi("DELETE", `/users/${target}`),
      () => world.scimAtApi("POST", "/tenants", { name: "Mine" }),
      () => world.api.desk("POST", `/tenants/${world.tenantId}/recover`, { userId: target }),
      () => world.api.mint("PATCH", `/tenants/${world.tenantId}`, { domains: ["evil.org"] }),
    ])(),
  );

/** Somebody is created with a role that no one may grant and waits for an approval that somebody else's name carries. */
const otherName: Attack = (world, random) => {
  const userName = `other${world.count++}`;
  const scim = random.pick(world.scim);
  const body = { schemas: [CORE], userName, emails: [{ value: `${userName}@x.org` }], roles: [{ value: "admin" }] };
  const send = async () => {
    await scim("POST", "/Users", body);
    return await scim("POST", "/Users", { ...body, emails: [{ value: `mallory-${userName}@x.org` }] });
  };
  return {
    door: "SCIM POST /Users, another's request",
    target: userName,
    role: "admin",
    kind: "named",
    send,
    requests: 2,
  };
};

export const apiAttacks: readonly (readonly [number, Attack])[] = [
  [6, pin],
  [2, pinBeyond],
  [2, pinWithout],
  [1, lift],
  [3, remap],
  [1, consent],
  [1, saveWithout],
  [3, widen],
  [1, editWithout],
  [2, mint],
  [1, mintWithout],
  [1, rotate],
  [2, approve],
  [1, settings],
  [1, scimElsewhere],
  [1, otherName],
];

/** Carried out by themselves, between waves: everybody is decided anew, or nobody else may move meanwhile. */
export const remapAttacks: readonly Attack[] = [renameRole, consent];
