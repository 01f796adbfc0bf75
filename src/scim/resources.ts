/**
 * Our classes in scimmy's places. Its routers call them; its own constructors, which would parse what the client sent,
 * never run with a client's text. The classes hold no state: everything of a request is in its scope.
 */
import type { IncomingMessage } from "node:http";
import SCIMMY from "scimmy";
import { getResourceType, getSchema, getServiceProviderConfig, listResourceTypes, listSchemas } from "./discovery.ts";
import { passing } from "./handler.ts";
import { type Answer, type Body, groups, type Operations, type Preconditions, users } from "./operations.ts";
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

/** Carries an operation out under the conditions of the request and puts its answer's headers on the response. */
async function deliver(scope: Scope, operation: (conditions: Preconditions) => Promise<Answer>) {
  const { response } = scope;
  const { status, text, location, version } = await passing(scope, () => operation(conditionsOf(response.req)));
  if (version !== undefined) response.setHeader("ETag", version);
  // RFC 7644 §3.3; §3.11: who asked for /Me is told where that is.
  if (location !== undefined && (status === 201 || scope.me)) response.setHeader("Location", location);
  if (status === 304) response.status(304);
  return text;
}

function conditionsOf({ headers }: IncomingMessage): Preconditions {
  const { "if-match": ifMatch, "if-none-match": ifNoneMatch } = headers;
  return { ...(ifMatch ? { ifMatch } : {}), ...(ifNoneMatch ? { ifNoneMatch } : {}) };
}

/** A discovery document, or the list of them. */
abstract class DocumentResource extends OwnResource {
  abstract text(baseUrl: string): string;

  read() {
    const scope = currentScope();
    return passing(scope, async () => this.text(scope.baseUrl));
  }
}

class Schema extends DocumentResource {
  static readonly endpoint = "/Schemas";
  text(baseUrl: string) {
    return this.target === undefined ? listSchemas(baseUrl) : getSchema(baseUrl, this.target);
  }
}

class ResourceType extends DocumentResource {
  static readonly endpoint = "/ResourceTypes";
  text(baseUrl: string) {
    return this.target === undefined ? listResourceTypes(baseUrl) : getResourceType(baseUrl, this.target);
  }
}

class ServiceProviderConfig extends DocumentResource {
  static readonly endpoint = "/ServiceProviderConfig";
  text(baseUrl: string) {
    return getServiceProviderConfig(baseUrl);
  }
}

/** Puts the classes into scimmy's registry, which is one for the whole process. */
export function declareResources(): void {
  Object.assign(SCIMMY.Resources, { User, Group, Schema, ResourceType, ServiceProviderConfig });
  SCIMMY.Resources.declare(User as never, "User");
  SCIMMY.Resources.declare(Group as never, "Group");
}
