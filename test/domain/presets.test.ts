import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { isAdministrative, missing } from "../../src/domain/permissions.ts";
import { defaultSettings, findPreset, highestRole, presets, toPreset } from "../../src/domain/presets.ts";

const expected = {
  default: [["admin", "manager", "user"], ["standard", "pro"], "user", {}],
  empower: [["admin", "supervisor", "user"], ["standard"], "user", {}],
  "power-omni": [["administrator", "collaborator", "user"], ["licensed"], "user", { licenseRequired: true }],
  avoxi: [["admin", "supervisor", "agent"], ["contact", "enterprise"], "agent", {}],
  "queue-desk": [
    ["administrator", "manager", "agent"],
    ["basic", "professional", "pro-plus"],
    "agent",
    { emailImmutable: true },
  ],
  "white-label-cms": [["admin", "manager", "user"], ["standard"], "user", { requireDomain: true }],
} as const;

describe("presets", () => {
  it("are the default and the five products, every file of the folder among them", () => {
    expect(presets.map(({ name }) => name)).toEqual(Object.keys(expected));
    const files = readdirSync(new URL("../../schemas/presets", import.meta.url));
    expect(files.map((file) => file.replace(".json", "")).sort()).toEqual(Object.keys(expected).sort());
  });

  it.each(Object.entries(expected))(
    "%s has its roles, tiers, default role and settings",
    (name, [roles, tiers, role, own]) => {
      const preset = findPreset(name);
      expect(preset?.roles.map(({ key }) => key)).toEqual(roles);
      expect(preset?.tiers.map(({ key }) => key)).toEqual(tiers);
      expect(preset?.mapping.defaults).toEqual({ role, tier: null });
      expect(preset?.settings).toEqual({ ...defaultSettings, ...own });
    },
  );

  it.each(presets)("$name: one administrative role, and it is the highest", ({ roles }) => {
    expect(roles.filter(isAdministrative)).toEqual([highestRole(roles)]);
    expect(Math.max(...roles.map(({ rank }) => rank))).toBe(highestRole(roles).rank);
  });

  it.each(presets)("$name: keys and names are one namespace, ranks are distinct", ({ roles, tiers }) => {
    for (const items of [roles, tiers]) {
      const names = items.flatMap(({ key, name }) => [...new Set([key.toLowerCase(), name.toLowerCase()])]);
      expect(new Set(names).size).toBe(names.length);
      expect(new Set(items.map(({ rank }) => rank)).size).toBe(items.length);
    }
  });

  it("of AVOXI ask for at least three seats, from 24.99 USD a month", () => {
    const tiers = findPreset("avoxi")?.tiers ?? [];
    expect(tiers.map(({ minimum }) => minimum)).toEqual([3, 3]);
    expect(tiers[0]).toMatchObject({ unitPrice: 24.99, currency: "USD", billingCycle: "monthly" });
  });

  /** What a line of systems.md says of a role: what it must hold, and what it must not, however limited. */
  const lines: readonly (readonly [string, string, string, readonly string[], readonly string[]])[] = [
    ["E-7", "empower", "supervisor", ["call-analysis.manage:own-teams"], ["call-analysis.manage"]],
    ["E-7", "empower", "user", [], ["call-analysis.manage:own-teams"]],
    [
      "E-8",
      "empower",
      "supervisor",
      ["users.read:own-teams", "reports.read:own-teams"],
      ["users.read", "reports.read"],
    ],
    [
      "P-4",
      "power-omni",
      "collaborator",
      ["agents.manage", "workspaces.manage", "teams.manage", "connectors.manage"],
      [],
    ],
    ["P-4", "power-omni", "collaborator", [], ["billing.manage", "licenses.read", "licenses.manage"]],
    ["P-4", "power-omni", "collaborator", [], ["licenses.purchase", "budgets.manage", "events.read"]],
    ["P-5", "power-omni", "collaborator", [], ["users.manage", "roles.manage", "promotions.manage", "mapping.manage"]],
    ["P-4", "power-omni", "user", ["profile.manage"], ["users.read:own-teams", "teams.read:own-teams"]],
    ["A-4", "avoxi", "supervisor", ["users.read:own-teams", "calls.read:own-teams"], ["users.read", "calls.read"]],
    ["A-10", "avoxi", "agent", ["calls.handle"], ["calls.web-phone"]],
    ["Q-2", "queue-desk", "manager", ["users.read"], ["users.manage:own-teams", "roles.manage", "licenses.manage"]],
    ["Q-5", "queue-desk", "manager", ["queues.manage"], []],
    ["Q-2", "queue-desk", "agent", ["calls.handle"], ["users.read:own-teams"]],
    ["C-2", "white-label-cms", "manager", ["calls.read", "calls.manage"], ["settings.manage", "domains.manage"]],
    ["C-2", "white-label-cms", "user", ["profile.manage"], ["calls.read:own-teams", "users.read:own-teams"]],
  ];

  it.each(lines)("%s: of %s, %s holds %j and not %j", (_line, name, key, held, lacked) => {
    const role = findPreset(name)?.roles.find((one) => one.key === key);
    expect(missing(role?.permissions ?? [], held)).toEqual([]);
    expect(missing(role?.permissions ?? [], lacked)).toEqual(lacked);
  });

  it.each([
    ["P-1", "power-omni", "agents.use", ["licensed"]],
    ["A-10", "avoxi", "calls.web-phone", ["contact", "enterprise"]],
    ["Q-11", "queue-desk", "calls.history", ["professional", "pro-plus"]],
  ])("%s: of %s, %s comes with a license, and no role but the Admin's names it", (_line, name, permission, tiers) => {
    const preset = findPreset(name);
    expect(preset?.tiers.filter((tier) => tier.permissions.includes(permission)).map(({ key }) => key)).toEqual(tiers);
    expect(preset?.roles.filter((role) => role.permissions.includes(permission))).toEqual([]);
  });

  it.each(presets)("$name: the lowest role holds nothing about others", ({ roles }) => {
    const lowest = roles.toSorted((one, other) => one.rank - other.rank)[0];
    const own = ["profile.manage", "content.edit", "calls.handle"];
    expect(lowest?.permissions.filter((permission) => !own.includes(permission))).toEqual([]);
  });

  it("refuse a default role that is missing or administrative, and a member that nobody knows", () => {
    const roles = [
      { key: "boss", name: "Boss", rank: 9, permissions: ["*"] },
      { key: "user", name: "User", rank: 1, permissions: [] },
    ];
    const file = { name: "x", title: "X", roles, defaultRole: "user", tiers: [], settings: {} };
    expect(toPreset(file).mapping.defaults.role).toBe("user");
    expect(() => toPreset({ ...file, defaultRole: "boss" })).toThrow(/default role/);
    expect(() => toPreset({ ...file, defaultRole: "nobody" })).toThrow(/default role/);
    expect(() => toPreset({ ...file, roles: roles.slice(1) })).toThrow(/every reserved permission/);
    expect(() => toPreset({ ...file, settings: { strict: true } })).toThrow();
  });
});
