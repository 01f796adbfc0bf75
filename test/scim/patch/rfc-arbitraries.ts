/**
 * Random operations over every attribute of the schema documents, in every form of path and with every op; and the many
 * ways in which clients spell one and the same operation.
 */
import fc from "fast-check";
import {
  type AttributeDoc,
  type Condition,
  coreUrn,
  type Json,
  type Members,
  type Operation,
  schemas,
  type Target,
} from "./rfc-model.ts";

/** Few texts, so that operations meet; letter case, width and quotes differ. */
const texts = ["a", "A", "ä", "Ä", "b", "ａ", 'say "b"', "work", "Work", "home"];
const text = fc.constantFrom(...texts);

function single(attribute: AttributeDoc): fc.Arbitrary<Json> {
  switch (attribute.type) {
    case "boolean":
      return fc.boolean();
    case "decimal":
    case "integer":
      return fc.constantFrom(0, 1, 2.5, 1000);
    case "dateTime":
      return fc.constantFrom("2026-01-31T09:00:00Z", "2026-02-01T09:00:00+01:00", "2030-01-01");
    case "binary":
      return fc.constantFrom("QUJD", "abc=");
    case "complex":
      return complex(attribute);
    default:
      return text;
  }
}

/** At least one sub-attribute, so that there is something to say. */
function complex(attribute: AttributeDoc, options: { nulls?: boolean } = {}): fc.Arbitrary<Members> {
  const subs = attribute.subAttributes ?? [];
  const written = subs.filter(({ mutability }) => mutability !== "readOnly");
  if (written.length === 0) return fc.constant({ [subs[0]?.name ?? "value"]: "a" });
  const value = (sub: AttributeDoc) =>
    options.nulls ? fc.oneof({ weight: 4, arbitrary: single(sub) }, fc.constant(null)) : single(sub);
  return fc
    .record(Object.fromEntries(written.map((sub) => [sub.name, value(sub)])), { requiredKeys: [] })
    .filter((members) => Object.keys(members).length > 0) as fc.Arbitrary<Members>;
}

function elements(attribute: AttributeDoc): fc.Arbitrary<Json> {
  const list = fc.array(complex(attribute), { minLength: 1, maxLength: 3 });
  // The same element twice is one.
  const doubled = list.map((some) => [...some, ...some.slice(0, 1)]);
  return fc.oneof({ weight: 3, arbitrary: list }, doubled, complex(attribute));
}

const attributes = Object.entries(schemas).flatMap(([schema, list]) =>
  list.map((attribute) => ({ schema, attribute })),
);
const isKind =
  (kind: "simple" | "complex" | "list") =>
  ({ attribute }: { attribute: AttributeDoc }) =>
    kind === (attribute.multiValued ? "list" : attribute.type === "complex" ? "complex" : "simple");
const of = (kind: "simple" | "complex" | "list") => fc.constantFrom(...attributes.filter(isKind(kind)));

function condition(attribute: AttributeDoc): fc.Arbitrary<Condition> {
  const subs = attribute.subAttributes ?? [];
  const equality = fc.constantFrom(...subs).chain((sub) => {
    const literal =
      sub.type === "boolean" ? fc.boolean() : sub.type === "binary" ? fc.constantFrom("QUJD", "abc=") : text;
    return literal.map((one): Condition => ({ sub, op: "eq", literal: one }));
  });
  const comparison = fc
    .constantFrom(...subs.filter(({ type }) => type === "string"))
    .chain((sub) =>
      fc.oneof(
        fc.record({ sub: fc.constant(sub), op: fc.constantFrom("ne", "co", "sw", "ew"), literal: text }),
        fc.constant({ sub, op: "pr" }),
      ),
    ) as fc.Arbitrary<Condition>;
  const pair = fc
    .tuple(fc.oneof(equality, comparison), equality)
    .filter(([one, other]) => (one as { sub?: unknown }).sub !== (other as { sub?: unknown }).sub);
  return fc.oneof(
    { weight: 6, arbitrary: equality },
    { weight: 2, arbitrary: comparison },
    {
      weight: 2,
      arbitrary: fc
        .tuple(equality, equality)
        .filter(([one, other]) => (one as { sub: AttributeDoc }).sub !== (other as { sub: AttributeDoc }).sub)
        .map((and): Condition => ({ and })),
    },
    { weight: 1, arbitrary: pair.map((or): Condition => ({ or })) },
    { weight: 1, arbitrary: equality.map((not): Condition => ({ not })) },
  );
}

interface Place {
  readonly target: Target;
  readonly value: fc.Arbitrary<Json>;
}

const simplePlace = of("simple").map(
  ({ schema, attribute }): Place => ({ target: { schema, attribute }, value: single(attribute) }),
);
const complexPlace = of("complex").map(
  ({ schema, attribute }): Place => ({ target: { schema, attribute }, value: complex(attribute, { nulls: true }) }),
);
const subPlace = of("complex").chain(({ schema, attribute }) =>
  fc
    .constantFrom(...(attribute.subAttributes ?? []))
    .map((sub): Place => ({ target: { schema, attribute, sub }, value: single(sub) })),
);
const listPlace = of("list").map(
  ({ schema, attribute }): Place => ({ target: { schema, attribute }, value: elements(attribute) }),
);
const eachPlace = of("list").chain(({ schema, attribute }) =>
  fc
    .constantFrom(...(attribute.subAttributes ?? []))
    .map((sub): Place => ({ target: { schema, attribute, sub }, value: single(sub) })),
);
const selectedPlace = of("list").chain(({ schema, attribute }) =>
  condition(attribute).map(
    (chosen): Place => ({
      target: { schema, attribute, condition: chosen },
      value: complex(attribute, { nulls: true }),
    }),
  ),
);
const selectedSubPlace = of("list").chain(({ schema, attribute }) =>
  fc
    .tuple(condition(attribute), fc.constantFrom(...(attribute.subAttributes ?? [])))
    .map(([chosen, sub]): Place => ({ target: { schema, attribute, condition: chosen, sub }, value: single(sub) })),
);

/** Every form of a path; lists, where most can go wrong, most often. */
export const forms: Readonly<Record<string, fc.Arbitrary<Place>>> = {
  "a simple attribute": simplePlace,
  "a complex attribute": complexPlace,
  "a sub-attribute": subPlace,
  "a list": listPlace,
  "a sub-attribute of every element": eachPlace,
  "elements by a filter": selectedPlace,
  "a sub-attribute of elements by a filter": selectedSubPlace,
};

const place = fc.oneof(...Object.values(forms));
const or = <T>(weight: number, value: fc.Arbitrary<T>, other: fc.Arbitrary<T>) =>
  fc.oneof({ weight, arbitrary: value }, { weight: 1, arbitrary: other });

/** An operation with this form of path. */
export function pointing(form: fc.Arbitrary<Place>): fc.Arbitrary<Operation> {
  return form.chain(({ target, value }): fc.Arbitrary<Operation> => {
    // A value beside a filter or a whole complex list says nothing in a remove that has found its elements.
    const removed =
      target.condition !== undefined && target.sub === undefined
        ? fc.constant(undefined)
        : or(2, fc.constant<Json | undefined>(undefined), removable(target, value));
    return fc.oneof(
      fc.record({
        op: fc.constantFrom("add" as const, "replace" as const),
        target: fc.constant(target),
        value: or<Json>(9, value, fc.constant(null)),
      }),
      removed.map((one): Operation => ({ op: "remove", target, ...(one === undefined ? {} : { value: one }) })),
    );
  });
}

/** What a client repeats when it removes: a whole value, without nulls. */
function removable({ attribute, sub }: Target, value: fc.Arbitrary<Json>): fc.Arbitrary<Json | undefined> {
  return attribute.type === "complex" && sub === undefined && !attribute.multiValued ? complex(attribute) : value;
}

/** An object of attributes, no two of which are the same. */
const carrying = fc
  .uniqueArray(fc.oneof(simplePlace, complexPlace, subPlace, listPlace), {
    minLength: 1,
    maxLength: 4,
    // `name` beside `name.givenName` is a matter of their order, which is the object's.
    selector: ({ target }) => `${target.schema} ${target.attribute.name}`,
  })
  .filter((places) => places.every(({ target }) => target.attribute.name !== "id"))
  .chain((places) =>
    fc.record({
      op: fc.constantFrom("add" as const, "replace" as const),
      members: fc.tuple(
        ...places.map(({ target, value }) =>
          or<Json>(6, value, fc.constant(null)).map((one) => ({ target, value: one })),
        ),
      ),
    }),
  ) as fc.Arbitrary<Operation>;

const emptying = fc
  .constantFrom(...Object.keys(schemas).filter((urn) => urn !== ""))
  .map((extension): Operation => ({ op: "remove", extension }));

/** Any operation. */
export const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 8, arbitrary: pointing(place) },
  { weight: 2, arbitrary: carrying },
  { weight: 1, arbitrary: emptying },
);

/** A document to begin with: each attribute there or not, in canonical form. */
export const document: fc.Arbitrary<Members> = fc
  .record(
    Object.fromEntries(
      Object.entries(schemas).map(([urn, list]) => {
        const stored = list.filter(
          ({ mutability, name }) => mutability === "readWrite" && name !== "userName" && name !== "active",
        );
        const model = Object.fromEntries(
          stored.map((attribute) => [
            attribute.name,
            attribute.multiValued ? uniqueElements(attribute) : single(attribute),
          ]),
        );
        return [urn, fc.record(model, { requiredKeys: [] })];
      }),
    ),
  )
  .map(({ "": own, ...extensions }) => {
    const filled = Object.entries(extensions).filter(([, members]) => Object.keys(members as object).length > 0);
    return { userName: "u", active: true, ...(own as Members), ...Object.fromEntries(filled) } as Members;
  });

/** Elements as a document holds them: no two of the same value, at most one primary. */
function uniqueElements(attribute: AttributeDoc): fc.Arbitrary<Json> {
  const hasValue = attribute.subAttributes?.some(({ name }) => name === "value") ?? false;
  const marks = (element: Members) =>
    hasValue && typeof element.value === "string"
      ? element.value.normalize("NFKC").toLowerCase()
      : JSON.stringify(element);
  return fc.uniqueArray(complex(attribute), { minLength: 1, maxLength: 3, selector: marks }).map((list) => {
    const primary = list.findLastIndex((element) => element.primary === true);
    return list.map((element, at) =>
      element.primary === true && at !== primary ? { ...element, primary: false } : element,
    );
  });
}

/** How a client spells: letter case of names and words, URNs in front, members dotted or nested. */
export interface Spelling {
  readonly upper: boolean;
  readonly urn: boolean;
  readonly nested: boolean;
}

export const spelling: fc.Arbitrary<Spelling> = fc.record({
  upper: fc.boolean(),
  urn: fc.boolean(),
  nested: fc.boolean(),
});

/** The operation as JSON on the wire. */
export function toWire(operation: Operation, how: Spelling): Members {
  const op = how.upper ? operation.op.replace(/^./, (first) => first.toUpperCase()) : operation.op;
  if ("extension" in operation) return { op, path: operation.extension };
  if ("members" in operation) return { op, value: toObject(operation.members, how) };
  const { target, value } = operation;
  return { op, path: toPath(target, how), ...(value === undefined ? {} : { value }) };
}

function toObject(members: readonly { readonly target: Target; readonly value: Json }[], how: Spelling): Members {
  const object: Members = {};
  for (const { target, value } of members) {
    const { schema, attribute, sub } = target;
    if (how.nested && schema !== "" && sub === undefined) {
      object[schema] = { ...(object[schema] as Members | undefined), [attribute.name]: value };
    } else object[toPath(target, how)] = value;
  }
  return object;
}

function toPath({ schema, attribute, condition, sub }: Target, how: Spelling): string {
  const name = how.upper ? attribute.name.toUpperCase() : attribute.name;
  const prefix = schema !== "" ? `${schema}:` : how.urn ? `${coreUrn}:` : "";
  const filter = condition === undefined ? "" : `[${toFilter(condition, how)}]`;
  return `${prefix}${name}${filter}${sub === undefined ? "" : `.${sub.name}`}`;
}

function toFilter(condition: Condition, how: Spelling): string {
  const word = (text: string) => (how.upper ? text.toUpperCase() : text);
  const inner = (one: Condition) => ("or" in one || "and" in one ? `(${toFilter(one, how)})` : toFilter(one, how));
  if ("and" in condition) return condition.and.map(inner).join(` ${word("and")} `);
  if ("or" in condition) return condition.or.map(inner).join(` ${word("or")} `);
  if ("not" in condition) return `${word("not")} (${toFilter(condition.not, how)})`;
  const name = how.upper ? condition.sub.name.toLowerCase() : condition.sub.name;
  if (condition.op === "pr") return `${name} ${word("pr")}`;
  return `${name} ${word(condition.op)} ${JSON.stringify(condition.literal)}`;
}
