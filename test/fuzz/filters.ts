/** Random filters over every attribute of a resource type, asking for values that resources really have, or nearly. */
import fc from "fast-check";
import {
  type Attribute,
  type AttrPath,
  type ResourceTypeName,
  resourceType,
  UNKNOWN,
} from "../../src/vocabulary/attributes.ts";
import type { Filter, Literal, Operator } from "../../src/vocabulary/filter/index.ts";
import { GROUP, USER } from "../../src/vocabulary/urns.ts";

interface Leaf {
  readonly path: AttrPath;
  readonly attribute: Attribute;
  /** The sub-attribute where the path has one, else the attribute. */
  readonly leaf: Attribute;
}

/** Every path of the type down to simple values. A complex attribute stands for its `value` where it has one. */
export function leavesOf(type: ResourceTypeName): Leaf[] {
  const { core, extensions } = resourceType(type);
  return [core, ...extensions].flatMap((schema) =>
    [...schema.attributes.values()].flatMap((attribute): Leaf[] => {
      const path = { schema: schema.id, attribute: attribute.name };
      if (attribute.type !== "complex") return [{ path, attribute, leaf: attribute }];
      return [...attribute.subAttributes.values()].map((leaf) => ({
        path: { ...path, sub: leaf.name },
        attribute,
        leaf,
      }));
    }),
  );
}

const operators: readonly Operator[] = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"];
const unordered: readonly Operator[] = ["eq", "ne", "co", "sw", "ew"];

/** What stands at a path in some resource, or is like it; the parser would make the same literal of its print. */
type Stock = (leaf: Leaf) => readonly unknown[];

function literal({ leaf, ...rest }: Leaf, stock: Stock): fc.Arbitrary<Literal> {
  const known = stock({ leaf, ...rest }).filter((value) => ["string", "number", "boolean"].includes(typeof value));
  const odd = fc.constantFrom<Literal>(null, "", "x", "%", "_", "\\", '"', "ſ", "I", "true", "2024");
  switch (leaf.type) {
    case "boolean":
      return fc.oneof({ weight: 9, arbitrary: fc.boolean() }, fc.constantFrom<Literal>(null, "maybe"));
    case "decimal":
    case "integer": {
      const numbers = [0, 1, -1, 2.5, 1e21, ...(known.filter((value) => typeof value === "number") as number[])];
      return fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...numbers) }, fc.constantFrom<Literal>(null, "x"));
    }
    default: {
      const texts = known.filter((value) => typeof value === "string") as string[];
      if (texts.length === 0) return odd;
      return fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...texts).chain(alike) }, odd);
    }
  }
}

/** The text itself, in another letter case or form, cut, or with something more. */
function alike(text: string): fc.Arbitrary<string> {
  const chars = [...text];
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant(text) },
    fc.constantFrom(text.toUpperCase(), text.toLowerCase(), text.normalize("NFKC"), text.normalize("NFD")),
    fc.nat({ max: chars.length }).map((at) => chars.slice(at).join("")),
    fc.nat({ max: chars.length }).map((at) => chars.slice(0, at).join("")),
    fc.constantFrom(`${text} `, `${text}z`, `a${text}`),
  );
}

function comparison(place: Leaf, stock: Stock): fc.Arbitrary<Filter> {
  const hasOrder = place.leaf.type !== "boolean" && place.leaf.type !== "binary";
  return fc
    .record({ op: fc.constantFrom(...(hasOrder ? operators : unordered)), value: literal(place, stock) })
    .map(({ op, value }) => ({ compare: { path: place.path, op, value } }));
}

function valuePath(type: ResourceTypeName, leaves: readonly Leaf[], stock: Stock): fc.Arbitrary<Filter> {
  const lists = leaves.filter(({ attribute }) => attribute.type === "complex");
  const attributes = [...new Set(lists.map(({ attribute }) => attribute))];
  return fc.constantFrom(...attributes).chain((attribute) => {
    const subs = lists.filter((leaf) => leaf.attribute === attribute);
    const { schema } = (subs[0] as Leaf).path;
    const one = fc
      .constantFrom(...subs)
      .chain((leaf) => fc.oneof(comparison(leaf, stock), fc.constant<Filter>({ present: leaf.path })));
    const path = { schema: schema || (type === "User" ? USER : GROUP), attribute: attribute.name };
    return composed(one, 1).map((filter): Filter => ({ valuePath: { attribute: path, filter } }));
  });
}

function composed(leaf: fc.Arbitrary<Filter>, depth: number): fc.Arbitrary<Filter> {
  if (depth === 0) return leaf;
  const below = composed(leaf, depth - 1);
  const list = fc.array(below, { minLength: 2, maxLength: 3 });
  return fc.oneof(
    { weight: 4, arbitrary: leaf },
    list.map((and): Filter => ({ and })),
    list.map((or): Filter => ({ or })),
    below.map((not): Filter => ({ not })),
  );
}

export interface FilterOptions {
  /** Paths that are left out. */
  readonly except?: (leaf: Leaf) => boolean;
  readonly stock?: Stock;
}

/** A filter's tree, as the parser makes them. */
export function filterOf(
  type: ResourceTypeName,
  { except = () => false, stock = () => [] }: FilterOptions = {},
): fc.Arbitrary<Filter> {
  // A password is in no answer, and so in no filter.
  const leaves = leavesOf(type).filter((leaf) => leaf.leaf.returned !== "never" && !except(leaf));
  const whole = leaves
    .filter(({ path }) => path.sub !== undefined)
    .map(({ path: { sub: _sub, ...path } }): AttrPath => path);
  const unknown: AttrPath[] = [
    { schema: UNKNOWN, attribute: "nosuch" },
    { schema: UNKNOWN, attribute: "name.nosuch" },
  ];
  const term = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...leaves).chain((leaf) => comparison(leaf, stock)) },
    {
      weight: 2,
      arbitrary: fc
        .constantFrom(...leaves.map(({ path }) => path), ...whole, ...unknown)
        .map((present): Filter => ({ present })),
    },
    { weight: 2, arbitrary: valuePath(type, leaves, stock) },
  );
  return composed(term, 2);
}
