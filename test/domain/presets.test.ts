import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { isAdministrative } from "../../src/domain/permissions.ts";
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
