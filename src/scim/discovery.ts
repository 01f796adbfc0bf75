/** The documents of RFC 7644 §4: schemas, resource types and the service provider's configuration, as they are served. */
import enterpriseUser from "../../schemas/EnterpriseUser.json" with { type: "json" };
import entitlement from "../../schemas/Entitlement.json" with { type: "json" };
import group from "../../schemas/Group.json" with { type: "json" };
import oktaEntitlement from "../../schemas/OktaEntitlement.json" with { type: "json" };
import oktaRole from "../../schemas/OktaRole.json" with { type: "json" };
import role from "../../schemas/Role.json" with { type: "json" };
import user from "../../schemas/User.json" with { type: "json" };
import usherGroup from "../../schemas/UsherGroup.json" with { type: "json" };
import usherUser from "../../schemas/UsherUser.json" with { type: "json" };
import { Problem } from "../problems.ts";
import {
  ENTERPRISE_USER,
  ENTITLEMENT,
  GROUP,
  OKTA_ENTITLEMENT,
  OKTA_ROLE,
  ROLE,
  USER,
  USHER_GROUP,
  USHER_USER,
} from "../vocabulary/urns.ts";
import { serviceProviderConfig } from "./config.ts";
import { entityTag } from "./entity-tag.ts";

const LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const RESOURCE_TYPE = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
const SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Schema";

/** A document as it is served: serialized once, its text is the answer. */
export interface Document {
  readonly text: string;
  /** Its entity tag. */
  readonly version: string;
}

interface Source {
  readonly id: string;
  readonly [member: string]: unknown;
}

/** Documents of one kind under one base URL. */
interface Shelf {
  readonly list: Document;
  readonly byId: ReadonlyMap<string, Document>;
}

interface Documents {
  readonly schemas: Shelf;
  readonly resourceTypes: Shelf;
  readonly config: Document;
}

export function listSchemas(baseUrl: string): Document {
  return documentsUnder(baseUrl).schemas.list;
}

/** The schema of this URN, whatever its letter case; Problem `notFound`. */
export function getSchema(baseUrl: string, urn: string): Document {
  return taken(documentsUnder(baseUrl).schemas, urn, "schema");
}

export function listResourceTypes(baseUrl: string): Document {
  return documentsUnder(baseUrl).resourceTypes.list;
}

/** The resource type of this id, whatever its letter case; Problem `notFound`. */
export function getResourceType(baseUrl: string, id: string): Document {
  return taken(documentsUnder(baseUrl).resourceTypes, id, "resource type");
}

export function getServiceProviderConfig(baseUrl: string): Document {
  return documentsUnder(baseUrl).config;
}

function taken(shelf: Shelf, id: string, what: string): Document {
  const document = shelf.byId.get(id.toLowerCase());
  if (document === undefined)
    throw new Problem("notFound", `There is no ${what} of that name; the list shows all of them.`);
  return document;
}

/** Base URLs come from the Host header where no public URL is configured, so a stranger must not fill the memory. */
const cacheMax = 32;
const cache = new Map<string, Documents>();

function documentsUnder(baseUrl: string): Documents {
  const known = cache.get(baseUrl);
  if (known !== undefined) return known;
  const made: Documents = {
    schemas: toShelf(schemas.map((schema) => located(schema, SCHEMA, "Schema", `${baseUrl}/Schemas/${schema.id}`))),
    resourceTypes: toShelf(
      resourceTypes.map((type) => located(type, RESOURCE_TYPE, "ResourceType", `${baseUrl}/ResourceTypes/${type.id}`)),
    ),
    config: toDocument(serviceProviderConfig(baseUrl)),
  };
  if (cache.size >= cacheMax) cache.clear();
  cache.set(baseUrl, made);
  return made;
}

function located(source: Source, schema: string, resourceType: string, location: string): Source {
  return { schemas: [schema], ...source, meta: { resourceType, location } };
}

function toShelf(sources: readonly Source[]): Shelf {
  const list = {
    schemas: [LIST_RESPONSE],
    totalResults: sources.length,
    startIndex: 1,
    itemsPerPage: sources.length,
    Resources: sources,
  };
  return {
    list: toDocument(list),
    byId: new Map(sources.map((source) => [source.id.toLowerCase(), toDocument(source)])),
  };
}

function toDocument(value: object): Document {
  const text = JSON.stringify(value);
  return { text, version: entityTag(text) };
}

/** A name, an endpoint and a schema each: clients look types up by any of the three. */
const resourceTypes: readonly Source[] = [
  {
    id: "User",
    name: "User",
    endpoint: "/Users",
    description: "A person who is provisioned into the product.",
    schema: USER,
    schemaExtensions: [
      { schema: ENTERPRISE_USER, required: false },
      { schema: USHER_USER, required: false },
    ],
  },
  {
    id: "Group",
    name: "Group",
    endpoint: "/Groups",
    description: "A group that the client owns; it feeds a team and may grant a role or a license tier.",
    schema: GROUP,
    schemaExtensions: [{ schema: USHER_GROUP, required: false }],
  },
  readOnlyType("Role", "/Roles", "A role that users can hold.", ROLE),
  readOnlyType("Entitlement", "/Entitlements", "A license tier that users can hold a seat of.", ENTITLEMENT),
  readOnlyType("OktaRole", "/OktaRoles", "The same roles, as Okta reads them.", OKTA_ROLE),
  readOnlyType("OktaEntitlement", "/OktaEntitlements", "The same tiers, as Okta reads them.", OKTA_ENTITLEMENT),
];

function readOnlyType(name: string, endpoint: string, description: string, schema: string): Source {
  return { id: name, name, endpoint, description, schema, schemaExtensions: [] };
}

/** The schema documents as they lie in schemas/. */
const schemas: readonly Source[] = [
  user,
  group,
  enterpriseUser,
  usherUser,
  usherGroup,
  role,
  entitlement,
  oktaRole,
  oktaEntitlement,
];
