/** Every attribute and sub-attribute of the table, with values that fit and the places where a client may put them. */
import {
  type Attribute,
  formatPath,
  isExtension,
  type ResourceTypeName,
  resourceType,
  type Schema,
} from "../../../src/vocabulary/attributes.ts";
import { USHER_USER } from "./door.ts";

export interface Leaf {
  readonly type: ResourceTypeName;
  readonly schema: Schema;
  readonly attribute: Attribute;
  readonly sub?: Attribute;
  /** The sub-attribute, or the attribute without one. */
  readonly own: Attribute;
  /** As a client writes it: `emails.type`, `<urn>:department`. */
  readonly name: string;
  /** Read-only by itself or within what is. */
  readonly readOnly: boolean;
}

export function leavesOf(type: ResourceTypeName): Leaf[] {
  const { core, extensions } = resourceType(type);
  return [core, ...extensions].flatMap((schema) =>
    [...schema.attributes.values()].flatMap((attribute) => [
      toLeaf(type, schema, attribute),
      ...[...attribute.subAttributes.values()].map((sub) => toLeaf(type, schema, attribute, sub)),
    ]),
  );
}

function toLeaf(type: ResourceTypeName, schema: Schema, attribute: Attribute, sub?: Attribute): Leaf {
  const part = sub === undefined ? {} : { sub: sub.name };
  return {
    type,
    schema,
    attribute,
    ...(sub === undefined ? {} : { sub }),
    own: sub ?? attribute,
    name: formatPath({ schema: schema.id, attribute: attribute.name, ...part }),
    readOnly: attribute.mutability === "readOnly" || sub?.mutability === "readOnly",
  };
}

/** A value that fits, another one for each number; of a list, one element. */
export function sample({ schema, attribute, sub, own }: Pick<Leaf, "schema" | "attribute" | "sub" | "own">, n: number) {
  return valueFor(schema, attribute, sub ?? own, n);
}

function valueFor(schema: Schema, attribute: Attribute, own: Attribute, n: number): unknown {
  const words = special.get(`${schema.id === USHER_USER ? "usher." : ""}${attribute.name}.${own.name}`);
  if (words !== undefined) return words[n % words.length];
  switch (own.type) {
    case "complex":
      return Object.fromEntries(
        [...own.subAttributes.values()]
          .filter(({ mutability }) => mutability !== "readOnly")
          .map((sub) => [sub.name, valueFor(schema, attribute, sub, n)]),
      );
    case "boolean":
      return n % 2 === 0;
    case "integer":
      return 10 + n;
    case "decimal":
      return 10.5 + n;
    case "dateTime":
      return `${2030 + n}-01-31T09:00:00Z`;
    case "binary":
      return Buffer.from(`Value ${n}`).toString("base64");
    case "reference":
      return `https://example.com/Path/${n}`;
    default:
      return `${own.name} Wert ${n}`;
  }
}

const special: ReadonlyMap<string, readonly unknown[]> = new Map([
  ["emails.value", ["Ada@Example.com", "Grace@Example.com", "Edith@Example.com"]],
  ["usher.role.role", ["User", "Manager"]],
  ["usher.licenseTier.licenseTier", ["Standard", "Pro"]],
  ["usher.startDate.startDate", ["2020-01-31T09:00:00Z", "2021-01-31T09:00:00Z", "2022-01-31T09:00:00Z"]],
]);

/** The members of a body that hold the value there. */
export function bodyWith({ schema, attribute, sub }: Leaf, value: unknown): Record<string, unknown> {
  const inner = sub === undefined ? value : { ...seed(attribute, sub), [sub.name]: value };
  const whole = { [attribute.name]: attribute.multiValued ? [inner] : inner };
  return isExtension(schema.id) ? { [schema.id]: whole } : whole;
}

/** What an element needs to be found again, beside the sub-attribute in question. */
export function seed(attribute: Attribute, sub: Attribute): Record<string, string> {
  if (!attribute.multiValued || sub.mutability === "readOnly") return {};
  const key = keyOf(attribute, sub);
  return { [key]: "seed" };
}

/** A part that a client may write as it likes, other than the one in question. */
function keyOf(attribute: Attribute, sub: Attribute): string {
  const known = ["type", "display", "locality", "kind", "value"].filter((name) => attribute.subAttributes.has(name));
  return known.find((name) => name !== sub.name) as string;
}

/** A PATCH path to it: for a part of an element, by way of what the element was seeded with. */
export function pathTo({ attribute, sub, name }: Leaf): string {
  if (sub === undefined || !attribute.multiValued) return name;
  return `${name.slice(0, -sub.name.length - 1)}[${keyOf(attribute, sub)} eq "seed"].${sub.name}`;
}

/** What stands there in a resource; of a list, its first element or that one's part. */
export function valueAt(resource: unknown, { schema, attribute, sub }: Leaf): unknown {
  const container = isExtension(schema.id) ? member(resource, schema.id) : resource;
  const value = member(container, attribute.name);
  const first = attribute.multiValued && Array.isArray(value) ? value[0] : value;
  return sub === undefined ? first : member(first, sub.name);
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

/** The spellings under which clients may write the name, the plain one first. */
export function spellingsOf({ type, schema, name }: Leaf): string[] {
  const local = isExtension(schema.id) ? name.slice(schema.id.length + 1) : name;
  const other = resourceType(type).spellings.find(
    ([spelling, one]) => one === schema && spelling !== schema.id.toLowerCase(),
  );
  return [
    name,
    name.toUpperCase(),
    `${schema.id}:${local}`,
    `${schema.id.toLowerCase()}:${local.toLowerCase()}`,
    // Entra's customappsso connector writes a dot before the attribute.
    `${schema.id}.${local}`,
    ...(other === undefined ? [] : [`${other[0]}:${local}`]),
  ];
}
