/** scrypt with its parameters in the text, few at once, and a bounded line. */
import { scryptSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { PasswordHasher, passwordBounds } from "../../src/auth/password-hash.ts";

const cheap = { costLog2: 4, atOnce: 2, waitingMax: 10 };

describe("a hash", () => {
  it("is scrypt's, with cost, salt and key in its text, and tells nothing of the password", async () => {
    const hash = await new PasswordHasher(cheap).hash("hunter2");
    const [, scheme, cost, salt, key] = hash.split("$");
    expect([scheme, cost]).toEqual(["scrypt", "ln=4,r=8,p=1"]);
    const expected = scryptSync("hunter2", Buffer.from(salt!, "base64"), 32, { N: 16, r: 8, p: 1 });
    expect(Buffer.from(key!, "base64")).toEqual(expected);
    expect(hash).not.toContain("hunter2");
  });

  it("costs what the bounds say: no less than 16 MiB", async () => {
    expect(await new PasswordHasher().hash("x")).toMatch(/^\$scrypt\$ln=14,r=8,p=1\$/);
    expect(128 * 2 ** passwordBounds.costLog2 * 8).toBe(16 * 1024 * 1024);
  });

  it("is another one each time", async () => {
    const hasher = new PasswordHasher(cheap);
    expect(await hasher.hash("x")).not.toBe(await hasher.hash("x"));
  });

  it("matches its password alone", async () => {
    const hasher = new PasswordHasher(cheap);
    const hash = await hasher.hash("Hunter2");
    expect(await hasher.matches(hash, "Hunter2")).toBe(true);
    for (const other of ["hunter2", "Hunter2 ", "", "Hunter"]) expect(await hasher.matches(hash, other)).toBe(false);
    expect(await hasher.matches(undefined, "Hunter2")).toBe(false);
  });

  it("made at another cost still matches, so that the cost can change", async () => {
    const hash = await new PasswordHasher(cheap).hash("x");
    expect(await new PasswordHasher({ ...cheap, costLog2: 6 }).matches(hash, "x")).toBe(true);
  });

  it("of an unknown scheme is an error of ours, not a wrong password", async () => {
    await expect(new PasswordHasher(cheap).matches("$argon2id$v=19$a$b", "x")).rejects.toThrow(/does not know/);
  });
});

describe("the line", () => {
  it("computes few at once, in order, and refuses with a time to come again what would wait behind too many", async () => {
    const hasher = new PasswordHasher({ costLog2: 10, atOnce: 1, waitingMax: 2 });
    const done: number[] = [];
    const all = [1, 2, 3].map((n) => hasher.hash("x").then(() => done.push(n)));
    await expect(hasher.hash("x")).rejects.toMatchObject({
      code: "unavailable",
      headers: { "Retry-After": expect.stringMatching(/^\d+$/) },
    });
    await Promise.all(all);
    expect(done).toEqual([1, 2, 3]);
    expect(await hasher.hash("x")).toContain("$scrypt$");
  });

  it("leaves half of libuv's threads to files and names of hosts", () => {
    expect(passwordBounds.atOnce).toBe(2);
  });

  it("does as much for somebody without a password as for one who has one", async () => {
    const hasher = new PasswordHasher({ ...cheap, costLog2: 12 });
    const hash = await hasher.hash("x");
    // CPU time, for others may keep the machine busy; the least of several, for the same reason.
    const cost = async (stored: string | undefined) => {
      const took: number[] = [];
      for (let n = 0; n < 8; n++) {
        const begun = process.cpuUsage();
        await hasher.matches(stored, "y");
        const { user, system } = process.cpuUsage(begun);
        took.push(user + system);
      }
      return Math.min(...took);
    };
    const [with_, without] = [await cost(hash), await cost(undefined)];
    expect(without / with_).toBeGreaterThan(0.5);
    expect(without / with_).toBeLessThan(2);
  });
});
