/**
 * Our classes in scimmy's places. Its routers call them; its own constructors, which would parse what the client sent,
 * never run with a client's text. The classes hold no state: everything of a request is in its scope.
 */
import SCIMMY from "scimmy";
import { getResourceType, getSchema, getServiceProviderConfig, listResourceTypes, listSchemas } from "./discovery.ts";
import { createGroup, deleteGroup, getGroup, listGroups, patchGroup, replaceGroup } from "./group-resource.ts";
import { passing } from "./handler.ts";
import { emptyQuery, type ScimQuery } from "./query.ts";
import { currentScope, type Scope } from "./scope.ts";
import { createUser, deleteUser, getUser, listUsers, patchUser, replaceUser } from "./user-resource.ts";

type Body = Readonly<Record<string, unknown>>;

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

/** The operations of one resource type; each answers with the text to send, or nothing for 204. */
interface Operations {
  list(scope: Scope, query: ScimQuery): Promise<string>;
  get(scope: Scope, id: string, query: ScimQuery): Promise<string>;
  create(scope: Scope, body: Body, query: ScimQuery): Promise<string>;
  replace(scope: Scope, id: string, body: Body, query: ScimQuery): Promise<string>;
  patch(scope: Scope, id: string, body: Body, query: ScimQuery): Promise<string | undefined>;
  delete(scope: Scope, id: string): Promise<void>;
}

const users: Operations = {
  list: listUsers,
  get: getUser,
  create: createUser,
  replace: replaceUser,
  patch: patchUser,
  delete: deleteUser,
};

const groups: Operations = {
  list: listGroups,
  get: getGroup,
  create: createGroup,
  replace: replaceGroup,
  patch: patchGroup,
  delete: deleteGroup,
};

abstract class ProvisionedResource extends OwnResource {
  abstract readonly operations: Operations;

  read(scope: Scope) {
    const { target, query } = this;
    return passing(scope, () =>
      target === undefined ? this.operations.list(scope, query) : this.operations.get(scope, target, query),
    );
  }

  write(body: Body, scope: Scope) {
    const { target, query } = this;
    return passing(scope, () =>
      target === undefined
        ? this.operations.create(scope, body, query)
        : this.operations.replace(scope, target, body, query),
    );
  }

  patch(body: Body, scope: Scope) {
    return passing(scope, () => this.operations.patch(scope, this.target ?? "", body, this.query));
  }

  dispose(scope: Scope) {
    return passing(scope, () => this.operations.delete(scope, this.target ?? ""));
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
