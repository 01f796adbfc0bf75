/**
 * Presets: the roles, tiers, settings and mapping of defaults that a new tenant begins with. They are data
 * (schemas/presets), read and checked once when this module loads.
 */
import { z } from "zod";
import avoxi from "../../schemas/presets/avoxi.json" with { type: "json" };
import standard from "../../schemas/presets/default.json" with { type: "json" };
import empower from "../../schemas/presets/empower.json" with { type: "json" };
import powerOmni from "../../schemas/presets/power-omni.json" with { type: "json" };
import queueDesk from "../../schemas/presets/queue-desk.json" with { type: "json" };
import whiteLabelCms from "../../schemas/presets/white-label-cms.json" with { type: "json" };
import type { MappingDocument, Role, Settings, Tier } from "./model.ts";
import { isAdministrative, isPermissionName, missing, reservedPermissions } from "./permissions.ts";

export interface Preset {
  readonly name: string;
  readonly title: string;
  readonly roles: readonly Role[];
  readonly tiers: readonly Tier[];
  readonly settings: Settings;
  readonly mapping: MappingDocument;
}

/** What a tenant's settings are where neither its preset nor an Admin says otherwise. */
export const defaultSettings: Settings = {
  unknownRoles: "keep",
  onUnauthorizedPromotion: "refuse",
  twoPersonPromotion: false,
  licenseRequired: false,
  emailImmutable: false,
  requireDomain: false,
  restrictDomains: false,
  pendingHoldsSeat: true,
  invitationDays: 14,
  requireIfMatch: false,
};

const key = z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/);
const permissions = z.array(z.string().refine(isPermissionName));

const presetFile = z.strictObject({
  name: key,
  title: z.string().min(1),
  roles: z.array(z.strictObject({ key, name: z.string().min(1), rank: z.int().min(0), permissions })).min(1),
  defaultRole: key,
  tiers: z.array(
    z.strictObject({
      key,
      name: z.string().min(1),
      rank: z.int().min(0),
      permissions,
      minimum: z.int().min(0).default(0),
      unitPrice: z.number().min(0).nullable().default(null),
      currency: z.string().length(3).default("USD"),
      billingCycle: z.enum(["monthly", "yearly"]).default("monthly"),
      whenFull: z.enum(["waitlist", "refuse", "downgrade"]).default("waitlist"),
      drain: z.enum(["auto", "manual"]).default("auto"),
      unlimited: z.boolean().default(false),
    }),
  ),
  settings: z
    .strictObject({
      unknownRoles: z.enum(["keep", "refuse"]),
      onUnauthorizedPromotion: z.enum(["refuse", "withhold"]),
      twoPersonPromotion: z.boolean(),
      licenseRequired: z.boolean(),
      emailImmutable: z.boolean(),
      requireDomain: z.boolean(),
      restrictDomains: z.boolean(),
      pendingHoldsSeat: z.boolean(),
      invitationDays: z.int().min(1).max(365),
      requireIfMatch: z.boolean(),
    })
    .partial(),
});

/** All presets, `default` first. */
export const presets: readonly Preset[] = [standard, empower, powerOmni, avoxi, queueDesk, whiteLabelCms].map(toPreset);

export function findPreset(name: string): Preset | undefined {
  return presets.find((preset) => preset.name === name);
}

/** The role that a tenant's first token acts with: the highest that holds every reserved permission. */
export function highestRole(roles: readonly Role[]): Role {
  const full = roles.filter((role) => missing(role.permissions, reservedPermissions).length === 0);
  const highest = full.toSorted((one, other) => other.rank - one.rank)[0];
  if (highest === undefined) throw new Error("The catalogue holds no role with every reserved permission.");
  return highest;
}

/** A preset file as the rule book speaks of it. Throws on a mistake: it is ours, and nothing would work. */
export function toPreset(file: unknown): Preset {
  const { name, title, defaultRole, ...parsed } = presetFile.parse(file);
  const roles = parsed.roles.map((role) => ({ ...role, builtIn: true }));
  const tiers = parsed.tiers.map((tier) => ({ ...tier, renewsOn: null }));
  highestRole(roles);
  const fallback = roles.find((role) => role.key === defaultRole);
  // ROL-5: whoever comes without a word about their role must not become an administrator by it.
  if (fallback === undefined || isAdministrative(fallback)) {
    throw new Error(`The default role of the preset ${name} does not exist or is administrative: ${defaultRole}`);
  }
  return {
    name,
    title,
    roles,
    tiers,
    settings: { ...defaultSettings, ...withoutUndefined(parsed.settings) },
    mapping: { groups: [], rules: [], defaults: { role: defaultRole, tier: null }, autoTeams: true },
  };
}

function withoutUndefined(settings: { [Name in keyof Settings]?: Settings[Name] | undefined }): Partial<Settings> {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}
