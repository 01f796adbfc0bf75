/**
 * The attribute table: every attribute of every resource type with its characteristics (RFC 7643 §2.2, §7), built from the
 * schema documents in schemas/ and found by whatever name a client gives it. Maps, not objects: a client's text is never
 * looked up where `constructor` could be found.
 */
import enterpriseUser from "../../schemas/EnterpriseUser.json" with { type: "json" };
import entitlement from "../../schemas/Entitlement.json" with { type: "json" };
import group from "../../schemas/Group.json" with { type: "json" };
import oktaEntitlement from "../../schemas/OktaEntitlement.json" with { type: "json" };
import oktaRole from "../../schemas/OktaRole.json" with { type: "json" };
import role from "../../schemas/Role.json" with { type: "json" };
import user from "../../schemas/User.json" with { type: "json" };
import usherGroup from "../../schemas/UsherGroup.json" with { type: "json" };
import usherUser from "../../schemas/UsherUser.json" with { type: "json" };
import { ENTERPRISE_USER, otherSpellings } from "./urns.ts";

/** What clients provision. */
export type ResourceTypeName = "User" | "Group";
/** What clients read: the above, and what the tenant's catalogues publish. */
export type ReadableTypeName = ResourceTypeName | "Role" | "Entitlement" | "OktaRole" | "OktaEntitlement";
export type AttributeType =
  | "string"
  | "boolean"
  | "decimal"
  | "integer"
  | "dateTime"
  | "binary"
  | "reference"
  | "complex";

/** An attribute or sub-attribute with its characteristics (RFC 7643 §7). */
export interface Attribute {
  readonly name: string;
  readonly type: AttributeType;
  readonly multiValued: boolean;
  readonly required: boolean;
  readonly caseExact: boolean;
  readonly mutability: "readOnly" | "readWrite" | "immutable" | "writeOnly";
  readonly returned: "always" | "never" | "default" | "request";
  readonly uniqueness: "none" | "server" | "global";
  /** Suggestions (RFC 7643 §7): any other value is as good. */
  readonly canonicalValues: readonly string[];
  /** By name in lower case; empty unless the type is complex. */
  readonly subAttributes: ReadonlyMap<string, Attribute>;
}

/** A place in a resource under canonical names. `schema` is a URN, or `UNKNOWN` where `attribute` names nothing we know. */
export interface AttrPath {
  readonly schema: string;
  readonly attribute: string;
  readonly sub?: string;
}

/** The schema of a path that names nothing: it stands for the client's text as it was and matches nothing. */
export const UNKNOWN = "";

export interface Schema {
  readonly id: string;
  /** By name in lower case. */
  readonly attributes: ReadonlyMap<string, Attribute>;
}

export interface ResourceType {
  readonly name: ReadableTypeName;
  readonly core: Schema;
  readonly extensions: readonly Schema[];
  /** By every known spelling of their URNs in lower case, the longest first. */
  readonly spellings: readonly (readonly [string, Schema])[];
}

/** What a client's name stands for: an attribute, a whole schema, something of a schema we do not have, or nothing. */
export type Resolved =
  | { readonly kind: "attribute"; readonly path: AttrPath; readonly attribute: Attribute; readonly sub?: Attribute }
  | { readonly kind: "schema"; readonly schema: Schema }
  | { readonly kind: "foreign" }
  | { readonly kind: "unknown" };

interface AttributeDocument {
  readonly name: string;
  readonly type: string;
  readonly multiValued: boolean;
  readonly required: boolean;
  readonly caseExact?: boolean;
  readonly mutability: string;
  readonly returned: string;
  readonly uniqueness?: string;
  readonly canonicalValues?: readonly string[];
  readonly subAttributes?: readonly AttributeDocument[];
}

/** RFC 7643 §3.1: attributes of every resource, which no schema document lists. */
const common: readonly AttributeDocument[] = [
  { ...plain("id"), mutability: "readOnly", returned: "always", caseExact: true, uniqueness: "server" },
  { ...plain("externalId"), caseExact: true },
  { ...plain("schemas"), multiValued: true, type: "reference", mutability: "readOnly", returned: "always" },
  {
    ...plain("meta"),
    type: "complex",
    mutability: "readOnly",
    subAttributes: [
      { ...plain("resourceType"), mutability: "readOnly", caseExact: true },
      { ...plain("created"), mutability: "readOnly", type: "dateTime" },
      { ...plain("lastModified"), mutability: "readOnly", type: "dateTime" },
      { ...plain("location"), mutability: "readOnly", type: "reference", caseExact: true },
      { ...plain("version"), mutability: "readOnly", caseExact: true },
    ],
  },
];

function plain(name: string): AttributeDocument {
  return { name, type: "string", multiValued: false, required: false, mutability: "readWrite", returned: "default" };
}

function toAttribute(document: AttributeDocument): Attribute {
  return {
    name: document.name,
    type: document.type as AttributeType,
    multiValued: document.multiValued,
    required: document.required,
    caseExact: document.caseExact ?? false,
    mutability: document.mutability as Attribute["mutability"],
    returned: document.returned as Attribute["returned"],
    uniqueness: (document.uniqueness ?? "none") as Attribute["uniqueness"],
    canonicalValues: document.canonicalValues ?? [],
    subAttributes: byName(document.subAttributes ?? []),
  };
}

function byName(documents: readonly AttributeDocument[]): ReadonlyMap<string, Attribute> {
  return new Map(documents.map((document) => [document.name.toLowerCase(), toAttribute(document)]));
}

interface SchemaDocument {
  readonly id: string;
  readonly attributes: readonly AttributeDocument[];
}

function toResourceType(
  name: ReadableTypeName,
  coreDocument: SchemaDocument,
  extensionDocuments: readonly SchemaDocument[],
): ResourceType {
  const core = { id: coreDocument.id, attributes: byName([...common, ...coreDocument.attributes]) };
  const extensions = extensionDocuments.map(({ id, attributes }) => ({ id, attributes: byName(attributes) }));
  const schemas = [core, ...extensions];
  const spellings = schemas.flatMap((schema): [string, Schema][] => [
    [schema.id.toLowerCase(), schema],
    ...otherSpellings.filter(([, id]) => id === schema.id).map(([spelling]): [string, Schema] => [spelling, schema]),
  ]);
  return { name, core, extensions, spellings: spellings.sort(([a], [b]) => b.length - a.length) };
}

const resourceTypes: Readonly<Record<ReadableTypeName, ResourceType>> = {
  User: toResourceType("User", user, [enterpriseUser, usherUser]),
  Group: toResourceType("Group", group, [usherGroup]),
  Role: toResourceType("Role", role, []),
  Entitlement: toResourceType("Entitlement", entitlement, []),
  OktaRole: toResourceType("OktaRole", oktaRole, []),
  OktaEntitlement: toResourceType("OktaEntitlement", oktaEntitlement, []),
};

export function resourceType(name: ReadableTypeName): ResourceType {
  return resourceTypes[name];
}

const schemasById: ReadonlyMap<string, Schema> = new Map(
  Object.values(resourceTypes).flatMap((type) => [type.core, ...type.extensions].map((schema) => [schema.id, schema])),
);

interface Found {
  readonly attribute: Attribute;
  /** The sub-attribute where the path has one, else the attribute. */
  readonly leaf: Attribute;
}

/** A filter asks for the same path for every resource and element: remembering halves the cost of evaluating one. */
const remembered = new WeakMap<AttrPath, Found>();

/** The attribute at a path under canonical names. */
export function attributeAt(path: AttrPath): Found | undefined {
  const known = remembered.get(path);
  if (known) return known;
  const attribute = schemasById.get(path.schema)?.attributes.get(path.attribute.toLowerCase());
  const leaf = path.sub === undefined ? attribute : attribute?.subAttributes.get(path.sub.toLowerCase());
  if (!attribute || !leaf) return undefined;
  const found = { attribute, leaf };
  remembered.set(path, found);
  return found;
}

/**
 * What a name stands for, in any letter case: `title`, `name.givenName`, `<urn>:department`, `<urn>:manager.value`. A URN is
 * split where a known schema id ends: splitting at the last colon would take `2.0:User` apart.
 */
export function resolveName(type: ReadableTypeName, name: string): Resolved {
  const { core, extensions, spellings } = resourceTypes[type];
  const lower = name.toLowerCase();
  for (const [spelling, schema] of spellings) {
    if (!lower.startsWith(spelling)) continue;
    if (lower.length === spelling.length) return { kind: "schema", schema };
    // Entra's customappsso connector writes a dot before the attribute; see entra-manager-dot-notation in test/fixtures/clients.
    const next = lower[spelling.length];
    if (next === ":" || next === ".") return resolveWithin(schema, lower.slice(spelling.length + 1));
  }
  if (lower.startsWith("urn:")) return { kind: "foreign" };
  const found = resolveWithin(core, lower);
  if (found.kind === "attribute") return found;
  // Entra writes manager without its URN; see entra-ref-check-manager in test/fixtures/clients.
  const enterprise = extensions.find((schema) => schema.id === ENTERPRISE_USER);
  return enterprise && /^manager(\.|$)/.test(lower) ? resolveWithin(enterprise, lower) : found;
}

/** Resolves `attribute` or `attribute.sub`, given in lower case, within one schema. */
export function resolveWithin(schema: Schema, lower: string): Resolved {
  const dot = lower.indexOf(".");
  const attribute = schema.attributes.get(dot < 0 ? lower : lower.slice(0, dot));
  if (!attribute) return { kind: "unknown" };
  const path = { schema: schema.id, attribute: attribute.name };
  if (dot < 0) return { kind: "attribute", path, attribute };
  const sub = attribute.subAttributes.get(lower.slice(dot + 1));
  return sub ? { kind: "attribute", path: { ...path, sub: sub.name }, attribute, sub } : { kind: "unknown" };
}

const extensionIds: ReadonlySet<string> = new Set(
  Object.values(resourceTypes).flatMap((type) => type.extensions.map((schema) => schema.id)),
);

/** Whether the attributes of a schema lie under its URN in a resource, and not at its top. */
export function isExtension(schema: string): boolean {
  return extensionIds.has(schema);
}

/** The path as a client writes it: plain in the core schema, with its URN in an extension. */
export function formatPath(path: AttrPath): string {
  const name = path.sub === undefined ? path.attribute : `${path.attribute}.${path.sub}`;
  return isExtension(path.schema) ? `${path.schema}:${name}` : name;
}
