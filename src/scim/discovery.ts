/** The documents of RFC 7644 §4: schemas, resource types and the service provider's configuration, as they are served. */
import enterpriseUser from "../../schemas/EnterpriseUser.json" with { type: "json" };
import group from "../../schemas/Group.json" with { type: "json" };
import user from "../../schemas/User.json" with { type: "json" };
import usherGroup from "../../schemas/UsherGroup.json" with { type: "json" };
import usherUser from "../../schemas/UsherUser.json" with { type: "json" };
import { Problem } from "../problems.ts";
import { ENTERPRISE_USER, GROUP, USER, USHER_GROUP, USHER_USER } from "../vocabulary/urns.ts";
import { serviceProviderConfig } from "./config.ts";

const LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const RESOURCE_TYPE = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
const SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Schema";

interface Document {
  readonly id: string;
  readonly [member: string]: unknown;
}

/** Documents under one base URL, serialized once: their text is the answer. */
interface Shelf {
  readonly list: string;
  readonly byId: ReadonlyMap<string, string>;
}

interface Documents {
  readonly schemas: Shelf;
  readonly resourceTypes: Shelf;
  readonly config: string;
}

export function listSchemas(baseUrl: string): string {
  return documentsUnder(baseUrl).schemas.list;
}

/** The schema of this URN, whatever its letter case; Problem `notFound`. */
export function getSchema(baseUrl: string, urn: string): string {
  return taken(documentsUnder(baseUrl).schemas, urn, "schema");
}

export function listResourceTypes(baseUrl: string): string {
  return documentsUnder(baseUrl).resourceTypes.list;
}

/** The resource type of this name; Problem `notFound`. */
export function getResourceType(baseUrl: string, name: string): string {
  return taken(documentsUnder(baseUrl).resourceTypes, name, "resource type");
}

export function getServiceProviderConfig(baseUrl: string): string {
  return documentsUnder(baseUrl).config;
}

function taken(shelf: Shelf, id: string, what: string): string {
  const text = shelf.byId.get(id.toLowerCase());
  if (text === undefined)
    throw new Problem("notFound", `There is no ${what} of that name; the list shows all of them.`);
  return text;
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
    config: JSON.stringify(serviceProviderConfig(baseUrl)),
  };
  if (cache.size >= cacheMax) cache.clear();
  cache.set(baseUrl, made);
  return made;
}

function located(document: Document, schema: string, resourceType: string, location: string): Document {
  return { schemas: [schema], ...document, meta: { resourceType, location } };
}

function toShelf(documents: readonly Document[]): Shelf {
  const list = {
    schemas: [LIST_RESPONSE],
    totalResults: documents.length,
    startIndex: 1,
    itemsPerPage: documents.length,
    Resources: documents,
  };
  return {
    list: JSON.stringify(list),
    byId: new Map(documents.map((document) => [document.id.toLowerCase(), JSON.stringify(document)])),
  };
}

const resourceTypes: readonly Document[] = [
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
];

/** The schema documents as they lie in schemas/. */
const schemas: readonly Document[] = [user, group, enterpriseUser, usherUser, usherGroup];
