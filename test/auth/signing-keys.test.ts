/** The keys that sign access tokens: made when needed, by one process for all, replaced by age, useless without the secret. */
import { randomBytes } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { SigningKeys } from "../../src/auth/oauth/signing-keys.ts";
import { Secret } from "../../src/auth/secret.ts";
import { listSigningKeys } from "../../src/db/signing-keys.ts";
import { describeOnBoth } from "../helpers/database.ts";

const dayMs = 86_400_000;

describeOnBoth("signing keys", (getDb) => {
  let now: number;
  let secret: Secret;
  beforeEach(async () => {
    now = Date.UTC(2026, 0, 5, 8);
    secret = new Secret(randomBytes(32).toString("hex"));
    await getDb().query({ name: "test_no_keys", text: "delete from signing_keys" }, []);
  });

  /** As another process would have them. */
  const aProcess = (own = secret) => new SigningKeys({ db: getDb(), clock: () => new Date(now), secret: own });
  const kids = async (keys: SigningKeys) => (await keys.published()).map((key) => key.kid);

  it("are made when the first is needed, and shared by all processes", async () => {
    const one = aProcess();
    expect(await kids(one)).toEqual([]);
    const { kid } = await one.current();
    expect((await one.current()).kid).toBe(kid);
    expect((await aProcess().current()).kid).toBe(kid);
    expect(await listSigningKeys(getDb())).toHaveLength(1);
  });

  it("are one, however many processes need the first at once", async () => {
    const made = await Promise.all(
      Array.from({ length: 12 }, async () => {
        const process = aProcess();
        const keys = await Promise.all([process.current(), process.current()]);
        return keys.map((key) => key.kid);
      }),
    );
    expect(new Set(made.flat()).size).toBe(1);
    expect(await listSigningKeys(getDb())).toHaveLength(1);
  });

  it("are found at once by a process that has looked before they were made", async () => {
    const early = aProcess();
    expect(await early.find("x")).toBeUndefined();
    const { kid } = await aProcess().current();
    expect((await early.find(kid))?.kid).toBe(kid);
  });

  it("sign for 90 days; then one is made by whoever comes first, and the old one stays until its tokens have expired", async () => {
    const process = aProcess();
    const { kid: first } = await process.current();
    now += 90 * dayMs - 1;
    expect((await process.current()).kid).toBe(first);
    now += 1;
    const seconds = await Promise.all(Array.from({ length: 6 }, async () => (await aProcess().current()).kid));
    const [second] = seconds;
    expect(new Set(seconds)).toEqual(new Set([(await process.current()).kid]));
    expect(second).not.toBe(first);
    for (const each of [process, aProcess()]) {
      expect(await kids(each)).toEqual([second, first]);
      expect((await each.find(first))?.kid).toBe(first);
    }
    now += 3_600_000 + 120_000;
    for (const each of [process, aProcess()]) {
      expect(await kids(each)).toEqual([second]);
      expect(await each.find(first)).toBeUndefined();
    }
  });

  it("are deleted with the next but one", async () => {
    await aProcess().current();
    now += 100 * dayMs;
    const { kid: second } = await aProcess().current();
    now += 100 * dayMs;
    const { kid: third } = await aProcess().current();
    const rows = await listSigningKeys(getDb());
    expect(rows.map((row) => row.kid)).toEqual([third]);
    expect(second).not.toBe(third);
  });

  it("that somebody deletes end in every process that looks again", async () => {
    const { kid } = await aProcess().current();
    await getDb().query({ name: "test_no_keys", text: "delete from signing_keys" }, []);
    const process = aProcess();
    expect(await process.find(kid)).toBeUndefined();
    expect((await process.current()).kid).not.toBe(kid);
  });

  it("lie encrypted, and open with this secret only; who has another makes keys of their own", async () => {
    const { kid } = await aProcess().current();
    const [row] = await listSigningKeys(getDb());
    const kept = Buffer.from(row!.sealed);
    expect(kept.toString("latin1")).not.toMatch(/"d"|P-256|kty/);
    const stranger = aProcess(new Secret("another"));
    expect(await stranger.find(kid)).toBeUndefined();
    const { kid: theirs } = await stranger.current();
    expect(theirs).not.toBe(kid);
    // They do not push each other out.
    expect((await aProcess().current()).kid).toBe(kid);
    expect((await stranger.current()).kid).toBe(theirs);
    expect(await kids(aProcess())).toEqual([kid]);
  });

  describe("are not what somebody who can merely write to the table makes of them", () => {
    it.each([
      ["an altered key", "update signing_keys set sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1)"],
      ["a key made younger", "update signing_keys set created_at = created_at + interval '1 day'"],
      ["a key under another name", "update signing_keys set kid = 'x' || kid"],
      ["a cut key", "update signing_keys set sealed = substring(sealed from 1 for 20)"],
      ["an empty key", "update signing_keys set sealed = ''"],
    ])("%s", async (what, text) => {
      const { kid } = await aProcess().current();
      await getDb().query({ name: `test ${what}`, text }, []);
      const process = aProcess();
      expect(await process.find(kid)).toBeUndefined();
      expect(await process.find(`x${kid}`)).toBeUndefined();
      expect((await process.current()).kid).not.toBe(kid);
    });
  });
});
