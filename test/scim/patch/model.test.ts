/**
 * PATCH against an independent model of RFC 7644 §3.5.2 (PRO-2): random operations, over every attribute of the schemas, in
 * every form of a path, must end where the model ends: at the same document, or at the same refusal.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { UserDoc } from "../../../src/domain/model.ts";
import { applyPatch, parsePatch } from "../../../src/scim/patch/index.ts";
import { toUserDoc } from "../../../src/scim/validate.ts";
import { fuzzTimeoutMs, runs } from "../../fuzz/runs.ts";
import { userDoc } from "../../vocabulary/arbitraries.ts";
import { document, forms, operation, pointing, spelling, toWire } from "./rfc-arbitraries.ts";
import { apply, type Members, type Operation, Refused } from "./rfc-model.ts";

/** The document that the server makes of it, or the word of its refusal. */
function served(doc: Members, wire: readonly Members[]): Members | string {
  try {
    return applyPatch(doc as unknown as UserDoc, parsePatch({ Operations: wire }), { id: "me" }) as unknown as Members;
  } catch (error) {
    expect(error).toMatchObject({ name: "Problem", status: 400 });
    return (error as { kind: { scimType: string } }).kind.scimType;
  }
}

function expected(doc: Members, operations: readonly Operation[]): Members | string {
  try {
    return operations.reduce(apply, doc);
  } catch (error) {
    if (error instanceof Refused) return error.scimType;
    throw error;
  }
}

const single = runs(1_500);
describe(`one operation in each form of a path (${single.numRuns} of each)`, () => {
  it.each(Object.entries(forms))("%s", { timeout: fuzzTimeoutMs }, (_name, form) => {
    let [changed, refused] = [0, 0];
    fc.assert(
      fc.property(document, pointing(form), spelling, (doc, one, how) => {
        const wire = toWire(one, how);
        const model = expected(doc, [one]);
        expect(served(Object.freeze(doc), [wire]), JSON.stringify(wire)).toEqual(model);
        if (typeof model === "string") refused += 1;
        else if (JSON.stringify(model) !== JSON.stringify(doc)) changed += 1;
      }),
      single,
    );
    // A form whose operations were all refused, or all without effect, would prove little.
    expect(changed).toBeGreaterThan(single.numRuns / 5);
    expect(refused).toBeGreaterThan(0);
  });
});

const many = runs(2_000);
it(`ends where the model ends, in one request or in many (${many.numRuns} requests of up to 12 operations)`, {
  timeout: fuzzTimeoutMs,
}, () => {
  fc.assert(
    fc.property(document, fc.array(fc.tuple(operation, spelling), { minLength: 1, maxLength: 12 }), (doc, steps) => {
      // One refusal refuses the whole request, so those are judged one by one above.
      const accepted: [Operation, Members][] = [];
      let model: Members = doc;
      for (const [one, how] of steps) {
        const next = expected(model, [one]);
        if (typeof next === "string") continue;
        model = next;
        accepted.push([one, toWire(one, how)]);
      }
      fc.pre(accepted.length > 0);
      const wires = accepted.map(([, wire]) => wire);
      expect(served(doc, wires), JSON.stringify(wires)).toEqual(model);
      expect(wires.reduce<Members>((now, wire) => served(now, [wire]) as Members, doc)).toEqual(model);
    }),
    many,
  );
});

it(`refuses a request as a whole, however many of its operations were good (${many.numRuns} requests)`, {
  timeout: fuzzTimeoutMs,
}, () => {
  fc.assert(
    fc.property(document, fc.array(operation, { minLength: 1, maxLength: 6 }), spelling, (doc, steps, how) => {
      const before = structuredClone(doc);
      expect(
        served(
          doc,
          steps.map((one) => toWire(one, how)),
        ),
      ).toEqual(expected(doc, steps));
      expect(doc).toEqual(before);
    }),
    many,
  );
});

it(`changes nothing when the same request comes again (${many.numRuns} operations)`, { timeout: fuzzTimeoutMs }, () => {
  fc.assert(
    fc.property(document, operation, spelling, (doc, one, how) => {
      const once = served(doc, [toWire(one, how)]);
      fc.pre(typeof once !== "string");
      // Removing what is primary from a list may let a second removal find more only where filters ask for what it changed.
      fc.pre(!("target" in one && one.target.condition !== undefined));
      expect(served(once as Members, [toWire(one, how)])).toEqual(once);
    }),
    many,
  );
});

it("a document that is read, written back and read again is the same", () => {
  fc.assert(
    fc.property(userDoc, (doc) => {
      const once = toUserDoc({ ...doc, userName: "u" }, { active: true });
      expect(toUserDoc(once, { active: true })).toEqual(once);
      expect(applyPatch(once, parsePatch({ Operations: [{ op: "replace", value: once }] }))).toEqual(once);
    }),
    runs(300),
  );
});

const hostile = runs(5_000);
it(`answers any operation with a document or a refusal, and touches nothing else (PAR-1) (${hostile.numRuns} requests)`, {
  timeout: fuzzTimeoutMs,
}, () => {
  const name = fc.constantFrom(
    "__proto__",
    "constructor",
    "prototype",
    "title",
    "emails",
    "name",
    "members",
    "value",
    "urn:x",
    "",
  );
  const part = fc.oneof(name, fc.constantFrom(".", "[", "]", " eq ", '"x"', ":", " and ", "not (", ")", " pr"));
  const path = fc.array(part, { maxLength: 8 }).map((parts) => parts.join(""));
  const value = fc.oneof(fc.jsonValue(), fc.dictionary(name, fc.jsonValue(), { maxKeys: 3 }));
  const any = fc.record({
    op: fc.constantFrom("add", "Replace", "remove"),
    path: fc.oneof(path, fc.constant(undefined)),
    value,
  });
  fc.assert(
    fc.property(fc.array(any, { minLength: 1, maxLength: 3 }), (operations) => {
      const before = Object.freeze({ userName: "u", active: true });
      const after = served(before, operations as unknown as Members[]);
      if (typeof after !== "string") {
        expect(after.userName).toBe("u");
        expect(Object.getPrototypeOf(after)).toBe(Object.prototype);
      }
      expect(Object.keys(Object.prototype)).toEqual([]);
      expect(({} as { title?: unknown }).title).toBeUndefined();
    }),
    hostile,
  );
});
