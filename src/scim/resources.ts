/**
 * Our classes in scimmy's places. Its routers call them; its own constructors, which would parse what the client sent,
 * never run with a client's text. The classes hold no state: everything of a request is in its scope.
 */
import SCIMMY from "scimmy";
import { matchesTag } from "../provisioning/preconditions.ts";
import { deliver } from "./deliver.ts";
import {
  type Document,
  getResourceType,
  getSchema,
  getServiceProviderConfig,
  listResourceTypes,
  listSchemas,
} from "./discovery.ts";
import { type Body, groups, type Operations, users } from "./operations.ts";
import { emptyQuery, type ScimQuery } from "./query.ts";
import { currentScope, type Scope } from "./scope.ts";

/** scimmy's declarations tie a resource to instances of its schema classes; ours answer with text. */
const Resource = SCIMMY.Types.Resource as unknown as abstract new () => object;

/** What scimmy's routers ask of a resource, with the constructor and the base URL that this server needs. */
abstract class OwnResource extends Resource {
  readonly target: string | undefined;
  readonly query: ScimQuery;

  constructor(target?: unknown, query?: unknown) {
    super();
    this.target = typeof target === "string" ? target : undefined;
    this.query = ((this.target === undefined ? target : query) as ScimQuery | undefined) ?? emptyQuery;
  }

  /** scimmy's routers set one base URL for all requests here; ours is in the scope of each request. */
  static basepath(): void {}
}

abstract class ProvisionedResource extends OwnResource {
  abstract readonly operations: Operations;

  read(scope: Scope) {
    const { target, query } = this;
    return deliver(scope, (conditions) =>
      target === undefined ? this.operations.list(scope, query) : this.operations.get(scope, target, query, conditions),
    );
  }

  write(body: Body, scope: Scope) {
    const { target, query } = this;
    return deliver(scope, (conditions) =>
      target === undefined
        ? this.operations.create(scope, body, query)
        : this.operations.replace(scope, target, body, query, conditions),
    );
  }

  patch(body: Body, scope: Scope) {
    const { target = "", query } = this;
    return deliver(scope, (conditions) => this.operations.patch(scope, target, body, query, conditions));
  }

  dispose(scope: Scope) {
    const { target = "" } = this;
    return deliver(scope, (conditions) => this.operations.delete(scope, target, conditions));
  }
}

class User extends ProvisionedResource {
  static readonly endpoint = "/Users";
  static readonly schema = SCIMMY.Schemas.User;
  readonly operations = users;
}

class Group extends ProvisionedResource {
  static readonly endpoint = "/Groups";
  static readonly schema = SCIMMY.Schemas.Group;
  readonly operations = groups;
}

/** How long a client may keep a discovery document: it changes with a new version of this server alone, seconds. */
const documentMaxAge = 3_600;

/** A discovery document, or the list of them. */
abstract class DocumentResource extends OwnResource {
  abstract find(baseUrl: string): Document;

  async read() {
    const scope = currentScope();
    const text = await deliver(scope, async ({ ifNoneMatch }) => {
      const { text, version } = this.find(scope.baseUrl);
      return ifNoneMatch !== undefined && matchesTag(ifNoneMatch, version)
        ? { status: 304, version }
        : { status: 200, text, version };
    });
    scope.response.setHeader("Cache-Control", `private, max-age=${documentMaxAge}`);
    return text;
  }
}

class Schema extends DocumentResource {
  static readonly endpoint = "/Schemas";
  find(baseUrl: string) {
    return this.target === undefined ? listSchemas(baseUrl) : getSchema(baseUrl, this.target);
  }
}

class ResourceType extends DocumentResource {
  static readonly endpoint = "/ResourceTypes";
  find(baseUrl: string) {
    return this.target === undefined ? listResourceTypes(baseUrl) : getResourceType(baseUrl, this.target);
  }
}

class ServiceProviderConfig extends DocumentResource {
  static readonly endpoint = "/ServiceProviderConfig";
  find(baseUrl: string) {
    return getServiceProviderConfig(baseUrl);
  }
}

/** Puts the classes into scimmy's registry, which is one for the whole process. */
export function declareResources(): void {
  Object.assign(SCIMMY.Resources, { User, Group, Schema, ResourceType, ServiceProviderConfig });
  SCIMMY.Resources.declare(User as never, "User");
  SCIMMY.Resources.declare(Group as never, "Group");
}
