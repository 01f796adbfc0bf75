/** Replays what real clients send: every recorded case in test/fixtures/clients. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { describeOnBoth } from "../helpers/database.ts";
import { readFixtureCases, replay } from "../helpers/fixture-runner.ts";
import { openDoor, type TenantOptions } from "./http/door.ts";

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

/** The cases that everything began with, each with a digest of its steps, so that none is dropped or softened unnoticed. */
const first = readFileSync(new URL("../fixtures/first-recordings.txt", import.meta.url), "utf8")
  .trim()
  .split("\n");

describe("the recorded cases", () => {
  it("contain the first ones, unchanged", () => {
    const present = new Set(cases.map(({ id, steps }) => `${id} ${digest(JSON.stringify(steps))}`));
    expect(first).toHaveLength(106);
    expect(first.filter((one) => !present.has(one))).toEqual([]);
  });

  it("have an id of their own each, a client, a grade and a source", () => {
    expect(new Set(cases.map(({ id }) => id)).size).toBe(cases.length);
    expect(cases.filter(({ client, source }) => !client || !source).map(({ id }) => id)).toEqual([]);
    expect(cases.filter(({ grade }) => !/^[A-E]$/.test(grade)).map(({ id }) => id)).toEqual([]);
  });
});

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

describeOnBoth("recorded exchanges", (getDb) => {
  const door = openDoor(getDb);

  it.each(cases.map((one) => [one.id, one.title, one] as const))("%s: %s", async (_id, _title, fixture) => {
    const [kind] = fixture.requires ?? [];
    const client = await door.tenant(kind === undefined ? {} : kinds[kind]);
    await replay(fixture, client);
  });
});
