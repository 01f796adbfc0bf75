/** Replays what real clients send: every recorded case in test/fixtures/clients whose features this server offers. */
import { describe, expect, it } from "vitest";
import { describeOnBoth } from "../helpers/database.ts";
import { readFixtureCases, replay } from "../helpers/fixture-runner.ts";
import { openDoor, type TenantOptions } from "./http/door.ts";

/** What a case may require that does not exist yet. */
const absent = new Set(["etag", "bulk", "cursor", "okta-entitlements", "oauth-token-endpoint"]);

/** Tenants of cases that want one of their own kind. */
const kinds: Readonly<Record<string, TenantOptions>> = {
  // One seat in the tier standard, which refuses when it is full, and which the client's role editor is due.
  "seats:1": {
    seats: { standard: 1 },
    whenFull: "refuse",
    mapping: { rules: [{ name: "Editors hold a license", when: 'roles[value eq "editor"]', tier: "standard" }] },
  },
  "role-policy": {
    roles: [
      { key: "editor", name: "Editor", rank: 2, permissions: [] },
      { key: "viewer", name: "Viewer", rank: 1, permissions: [] },
      { key: "billing", name: "Billing", rank: 3, permissions: [] },
      { key: "owner", name: "Owner", rank: 90, permissions: ["users.manage", "roles.manage", "settings.manage"] },
    ],
    settings: { unknownRoles: "refuse" },
  },
};

const cases = readFixtureCases();
const replayed = cases.filter((one) => !(one.requires ?? []).some((feature) => absent.has(feature)));

describe("the recorded cases", () => {
  it("are all there, each under an id of its own", () => {
    expect(cases).toHaveLength(106);
    expect(new Set(cases.map((one) => one.id)).size).toBe(106);
    expect(replayed).toHaveLength(102);
  });
});

describeOnBoth("recorded exchanges", (getDb) => {
  const door = openDoor(getDb);

  it.each(replayed.map((one) => [one.id, one.title, one] as const))("%s: %s", async (_id, _title, fixture) => {
    const [kind] = fixture.requires ?? [];
    const client = await door.tenant(kind === undefined ? {} : kinds[kind]);
    await replay(fixture, client);
  });
});
