/**
 * No input makes a failure: valid requests of every door with random damage to their JSON, their bytes, their target, method
 * and headers are answered within two seconds with a success or a clear refusal, and the next request is unharmed.
 */
import fc from "fast-check";
import { beforeAll, expect, it } from "vitest";
import { describeOnBoth } from "../helpers/database.ts";
import { laySiege, requireClear, shortened } from "../helpers/siege.ts";
import { ask, exchange, toBytes, type WireAnswer } from "../helpers/wire.ts";
import { damage, type Seed, seedsFor, toRequest } from "./mutations.ts";
import { fuzzTimeoutMs, runs } from "./runs.ts";

const answeredWithinMs = 2_000;
const single = runs(2_000);
const lines = runs(150);
const noise = runs(300);

describeOnBoth("damaged requests", (getDb) => {
  const siege = laySiege(getDb);
  let seeds: Seed[];
  beforeAll(async () => {
    const make = async (path: string, body: object) => (await siege.scim("POST", path, body)).json.id as string;
    const user = await make("/Users", { userName: "subject" });
    seeds = seedsFor({ user, group: await make("/Groups", { displayName: "Subjects", members: [{ value: user }] }) });
  });

  const tokenFor = (target: string) => (/^\/scim/i.test(target) ? siege.attacker.scimToken : siege.attacker.adminToken);

  /** Whatever the answer is, it is no failure; nor is that of any operation of a Bulk. */
  function judge(target: string, answer: WireAnswer, place: string): void {
    // RFC 7644 §3.11: a credential that belongs to nobody has no /Me.
    if (answer.status === 501) expect(target.toLowerCase()).toContain("/me");
    else requireClear(target, answer, place);
    if (answer.status !== 200 || !answer.text.includes("BulkResponse")) return;
    const { Operations } = JSON.parse(answer.text) as { Operations: { status: string; response?: object }[] };
    for (const { status, response } of Operations)
      expect(Number(status), `${place}: ${JSON.stringify(response)}`).toBeLessThan(500);
  }

  it(`are answered soon and clearly (${single.numRuns} requests)`, { timeout: fuzzTimeoutMs }, async () => {
    const statuses = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(damage, async (how) => {
        const parts = toRequest(seeds, how);
        const answer = await ask(siege.origin, { ...parts, token: tokenFor(parts.target) });
        const place = `${parts.method} ${shortened(parts.target)} ${JSON.stringify(parts.headers)} ${shortened(String(parts.body ?? ""))}`;
        expect(answer.elapsedMs, place).toBeLessThan(answeredWithinMs);
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
        judge(parts.target, answer, place);
      }),
      single,
    );
    // Requests of which all were refused at the first look would prove little.
    const count = (from: number, to: number) =>
      [...statuses].reduce((sum, [status, n]) => sum + (status >= from && status < to ? n : 0), 0);
    expect(count(200, 300)).toBeGreaterThan(single.numRuns / 10);
    expect(count(400, 500)).toBeGreaterThan(single.numRuns / 10);
    expect(count(500, 501) + count(502, 600)).toBe(0);
  });

  it(`are answered one by one where they come on one line, and the last one is unharmed (${lines.numRuns} lines of up to 6)`, {
    timeout: fuzzTimeoutMs,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 5 }), async (hows) => {
        const requests = hows.map((how) =>
          toRequest(seeds, { ...how, headers: {}, method: how.method === "HEAD" ? null : how.method }),
        );
        const good = { target: "/scim/v2/Users?count=1&attributes=userName", token: siege.attacker.scimToken };
        const bytes = [...requests.map((parts) => ({ ...parts, token: tokenFor(parts.target) })), good].map(toBytes);
        const { answers, closed } = await exchange(siege.origin, Buffer.concat(bytes), {
          answers: bytes.length,
          timeoutMs: 5_000,
        });
        for (const [at, answer] of answers.entries()) {
          // Bytes that are no request are refused by whichever door the line began with.
          if (answer.status === 400 && answer.headers.connection === "close") expect(at).toBe(answers.length - 1);
          else judge(requests[at]?.target ?? good.target, answer, `${at}: ${requests[at]?.target}`);
        }
        if (answers.length < bytes.length) {
          // What cannot be read ends the line; what is read gets its answer.
          expect(closed).toBe(true);
          expect((await exchange(siege.origin, toBytes(good))).answers[0]?.status).toBe(200);
        } else expect(answers.at(-1)?.status).toBe(200);
      }),
      lines,
    );
  });

  it(`are answered or cut off where even their heads are damaged (${noise.numRuns} requests)`, {
    timeout: fuzzTimeoutMs,
  }, async () => {
    const at = fc.record({ at: fc.nat({ max: 400 }), cut: fc.nat({ max: 5 }), put: fc.uint8Array({ maxLength: 5 }) });
    await fc.assert(
      fc.asyncProperty(damage, fc.array(at, { minLength: 1, maxLength: 4 }), async (how, changes) => {
        const parts = toRequest(seeds, how);
        const whole = toBytes({ ...parts, token: tokenFor(parts.target) });
        const bytes = changes.reduce(
          (now, { at, cut, put }) => Buffer.concat([now.subarray(0, at), Buffer.from(put), now.subarray(at + cut)]),
          whole,
        );
        // A head that never ends, or a body that never comes, waits; a second of it is enough to see that nothing falls.
        const { answers } = await exchange(siege.origin, bytes, { timeoutMs: 150 });
        for (const { status } of answers)
          expect([status === 501 || status < 500, shortened(bytes.toString("latin1"))]).toEqual([
            true,
            expect.anything(),
          ]);
        const next = await ask(siege.origin, { target: "/scim/v2/Users?count=0", token: siege.attacker.scimToken });
        expect([next.status, next.elapsedMs < answeredWithinMs]).toEqual([200, true]);
      }),
      noise,
    );
  });
});
