/** PATCH against a model (PRO-2): a person with three attributes, kept the plainest way, must end up the same. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { UserDoc } from "../../../src/domain/model.ts";
import { applyPatch, parsePatch } from "../../../src/scim/patch/index.ts";
import { toUserDoc } from "../../../src/scim/validate.ts";
import { userDoc } from "../../vocabulary/arbitraries.ts";

interface Email {
  value?: string;
  type?: string;
  primary?: boolean;
}
interface Model {
  title?: string;
  givenName?: string;
  emails: Email[];
}
type Step =
  | { do: "setTitle" | "setGivenName"; to: string | null; how: "add" | "replace" | "object" }
  | { do: "removeTitle" | "removeGivenName" | "removeEmails" }
  | { do: "addEmail"; email: Required<Email> }
  | { do: "replaceEmails"; emails: Required<Email>[] }
  | { do: "setValueOf"; type: string; to: string; op: "add" | "replace" }
  | { do: "removeOf"; type: string };

const text = fc.constantFrom("a", "b", "c");
const type = fc.constantFrom("work", "home");
const email = fc.record({ value: text, type, primary: fc.boolean() });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constantFrom("setTitle", "setGivenName"),
    to: fc.oneof(text, fc.constant(null)),
    how: fc.constantFrom("add", "replace", "object"),
  }),
  fc.record({ do: fc.constantFrom("removeTitle", "removeGivenName", "removeEmails") }),
  fc.record({ do: fc.constant("addEmail" as const), email }),
  fc.record({
    do: fc.constant("replaceEmails" as const),
    emails: fc.uniqueArray(email, { maxLength: 3, selector: ({ value, type }) => value + type }),
  }),
  fc.record({ do: fc.constant("setValueOf" as const), type, to: text, op: fc.constantFrom("add", "replace") }),
  fc.record({ do: fc.constant("removeOf" as const), type }),
) as fc.Arbitrary<Step>;

function toOperation(step: Step): unknown {
  switch (step.do) {
    case "setTitle":
      return step.how === "object"
        ? { op: "replace", value: { title: step.to } }
        : { op: step.how, path: "title", value: step.to };
    case "setGivenName":
      return step.how === "object"
        ? { op: "add", value: { "name.givenName": step.to } }
        : { op: step.how, path: "name.givenName", value: step.to };
    case "removeTitle":
      return { op: "Remove", path: "TITLE" };
    case "removeGivenName":
      return { op: "remove", path: "name.givenName" };
    case "removeEmails":
      return { op: "remove", path: "emails" };
    case "addEmail":
      return { op: "Add", path: "emails", value: [step.email] };
    case "replaceEmails":
      return { op: "replace", path: "emails", value: step.emails };
    case "setValueOf":
      return { op: step.op, path: `emails[type eq "${step.type}"].value`, value: step.to };
    case "removeOf":
      return { op: "remove", path: `emails[type eq "${step.type}"]` };
  }
}

function onePrimary(emails: Email[], keep: number): Email[] {
  return emails.map((one, i) => (one.primary && keep >= 0 && i !== keep ? { ...one, primary: false } : one));
}

function advance(model: Model, step: Step): Model {
  switch (step.do) {
    case "setTitle":
      return { ...model, title: step.to ?? undefined } as Model;
    case "setGivenName":
      return { ...model, givenName: step.to ?? undefined } as Model;
    case "removeTitle":
      return { ...model, title: undefined } as unknown as Model;
    case "removeGivenName":
      return { ...model, givenName: undefined } as unknown as Model;
    case "removeEmails":
      return { ...model, emails: [] };
    case "addEmail": {
      const at = model.emails.findIndex(({ value, type }) => value === step.email.value && type === step.email.type);
      const emails = [...model.emails];
      emails[at < 0 ? emails.length : at] = step.email;
      return { ...model, emails: onePrimary(emails, step.email.primary ? (at < 0 ? emails.length - 1 : at) : -1) };
    }
    case "replaceEmails":
      return {
        ...model,
        emails: onePrimary(
          step.emails,
          step.emails.findLastIndex(({ primary }) => primary),
        ),
      };
    case "setValueOf": {
      const found = model.emails.some(({ type }) => type === step.type);
      if (!found) return { ...model, emails: [...model.emails, { type: step.type, value: step.to }] };
      return {
        ...model,
        emails: model.emails.map((one) => (one.type === step.type ? { ...one, value: step.to } : one)),
      };
    }
    case "removeOf":
      return { ...model, emails: model.emails.filter(({ type }) => type !== step.type) };
  }
}

function toDoc({ title, givenName, emails }: Model): UserDoc {
  return {
    userName: "u",
    active: true,
    ...(title === undefined ? {} : { title }),
    ...(givenName === undefined ? {} : { name: { givenName } }),
    ...(emails.length === 0 ? {} : { emails }),
  } as UserDoc;
}

it("ends where the model ends, in one request or in many", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
      const start: Model = { emails: [] };
      const model = toDoc(steps.reduce(advance, start));
      const operations = steps.map(toOperation);
      const together = applyPatch(toDoc(start), parsePatch({ Operations: operations }));
      const apart = operations.reduce<UserDoc>(
        (doc, one) => applyPatch(doc, parsePatch({ Operations: [one] })),
        toDoc(start),
      );
      expect(together).toEqual(model);
      expect(apart).toEqual(model);
    }),
    { numRuns: 1500 },
  );
});

it("changes nothing when the same request comes again", () => {
  fc.assert(
    fc.property(step, userDoc, (one, doc) => {
      const operations = parsePatch({ Operations: [toOperation(one)] });
      const named = { ...doc, userName: "u" } as UserDoc;
      const once = applyPatch(named, operations);
      expect(applyPatch(once, operations)).toEqual(once);
    }),
  );
});

it("a document that is read, written back and read again is the same", () => {
  fc.assert(
    fc.property(userDoc, (doc) => {
      const once = toUserDoc({ ...doc, userName: "u" }, { active: true });
      expect(toUserDoc(once, { active: true })).toEqual(once);
      expect(applyPatch(once, parsePatch({ Operations: [{ op: "replace", value: once }] }))).toEqual(once);
    }),
  );
});

it("answers any operation with a document or a refusal, and touches nothing else (PAR-1)", () => {
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
  const path = fc
    .array(fc.oneof(name, fc.constantFrom(".", "[", "]", " eq ", '"x"', ":")), { maxLength: 6 })
    .map((parts) => parts.join(""));
  const value = fc.oneof(fc.jsonValue(), fc.dictionary(name, fc.jsonValue(), { maxKeys: 3 }));
  const operation = fc.record({
    op: fc.constantFrom("add", "Replace", "remove"),
    path: fc.oneof(path, fc.constant(undefined)),
    value,
  });
  fc.assert(
    fc.property(fc.array(operation, { minLength: 1, maxLength: 3 }), (operations) => {
      const before = Object.freeze({ userName: "u", active: true });
      try {
        const after = applyPatch(before, parsePatch({ Operations: operations }));
        expect(after.userName).toBe("u");
        expect(Object.getPrototypeOf(after)).toBe(Object.prototype);
      } catch (error) {
        expect(error).toMatchObject({ name: "Problem", status: 400 });
      }
      expect(Object.keys(Object.prototype)).toEqual([]);
      expect(({} as { title?: unknown }).title).toBeUndefined();
    }),
    { numRuns: 3000 },
  );
});
