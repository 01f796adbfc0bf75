import { describe, expect, it } from "vitest";
import {
  backedBy,
  everyPermission,
  holds,
  intersect,
  isAdministrative,
  isPermissionName,
  isReserved,
  missing,
  permissionCatalogue,
  reservedOf,
  reservedPermissions,
  spellOut,
} from "../../src/domain/permissions.ts";

describe("ROL-5: reserved permissions", () => {
  it("are the eight that govern people and the rules themselves", () => {
    expect(reservedPermissions).toEqual([
      "users.manage",
      "roles.manage",
      "tokens.manage",
      "settings.manage",
      "mapping.manage",
      "domains.manage",
      "issuers.manage",
      "promotions.manage",
    ]);
  });

  it("stay reserved when limited to own teams, and within `*`", () => {
    expect(isReserved("users.manage:own-teams")).toBe(true);
    expect(isReserved(everyPermission)).toBe(true);
    expect(isReserved("users.read")).toBe(false);
    expect(isReserved("invoices.manage")).toBe(false);
  });

  it("make a role administrative, whatever it is called", () => {
    expect(isAdministrative({ permissions: ["reports.read", "tokens.manage"] })).toBe(true);
    expect(isAdministrative({ permissions: ["users.manage:own-teams"] })).toBe(true);
    expect(isAdministrative({ permissions: [everyPermission] })).toBe(true);
    expect(isAdministrative({ permissions: ["users.read", "licenses.manage"] })).toBe(false);
    expect(isAdministrative({ permissions: [] })).toBe(false);
  });

  it("are listed of a role in one order, `*` spelled out", () => {
    expect(reservedOf({ permissions: ["tokens.manage", "users.read", "users.manage"] })).toEqual([
      "users.manage",
      "tokens.manage",
    ]);
    expect(reservedOf({ permissions: ["users.manage:own-teams"] })).toEqual(["users.manage:own-teams"]);
    expect(reservedOf({ permissions: [everyPermission] })).toEqual(reservedPermissions);
  });
});

describe("holding a permission", () => {
  it("includes its limitation to own teams, not the other way round", () => {
    expect(holds(["calls.read"], "calls.read:own-teams")).toBe(true);
    expect(holds(["calls.read:own-teams"], "calls.read")).toBe(false);
    expect(holds(["calls.read:own-teams"], "calls.read:own-teams")).toBe(true);
  });

  it("of everything includes names that Usher has never heard of; only `*` includes `*`", () => {
    expect(holds([everyPermission], "invoices.read")).toBe(true);
    expect(holds([everyPermission], everyPermission)).toBe(true);
    expect(
      holds(
        permissionCatalogue.map(({ name }) => name),
        everyPermission,
      ),
    ).toBe(false);
  });

  it("says which wanted ones are missing", () => {
    expect(missing(["users.read"], ["users.read", "users.manage"])).toEqual(["users.manage"]);
    expect(missing([everyPermission], ["users.manage", "x.y"])).toEqual([]);
  });
});

describe("the lesser of two authorities", () => {
  it("is what both contain", () => {
    expect(intersect(["users.read", "calls.read"], ["users.read"])).toEqual(["users.read"]);
    expect(intersect([everyPermission], ["users.read", "x.y"])).toEqual(["users.read", "x.y"]);
    expect(intersect(["calls.read"], ["calls.read:own-teams"])).toEqual(["calls.read:own-teams"]);
    expect(intersect(["users.read"], [])).toEqual([]);
  });
});

describe("GRD-5: a role without a full grant behind it", () => {
  it("keeps what is not reserved and what the grant covers", () => {
    expect(backedBy(["users.read", "users.manage", "roles.manage"], ["users.manage"])).toEqual([
      "users.read",
      "users.manage",
    ]);
    expect(backedBy(["users.read", "users.manage"], [])).toEqual(["users.read"]);
    expect(backedBy(["users.read"], [])).toEqual(["users.read"]);
  });

  it("of everything is everything only when all reserved permissions are granted", () => {
    expect(backedBy([everyPermission], reservedPermissions)).toEqual([everyPermission]);
    const most = backedBy([everyPermission], ["users.manage"]);
    expect(most).toContain("users.read");
    expect(most.filter(isReserved)).toEqual(["users.manage"]);
  });
});

describe("permission names", () => {
  it("are words such as area and verb, optionally limited to own teams", () => {
    for (const name of ["users.read", "call-analysis.manage", "users.read:own-teams", "a.b.c", "edit", "*"]) {
      expect(isPermissionName(name), name).toBe(true);
    }
    for (const name of ["", "Users.Manage", "users.", ".read", "users.read:all", "users.*", "**", "a b.c"]) {
      expect(isPermissionName(name), name).toBe(false);
    }
  });

  it("of the catalogue are well formed and unique", () => {
    const names = permissionCatalogue.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => !isPermissionName(name))).toEqual([]);
    expect(spellOut([everyPermission, "x.y"])).toEqual(["*", ...names, "x.y"]);
  });
});
