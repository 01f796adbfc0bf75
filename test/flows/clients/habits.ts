/** What clients send, in their own words: bodies as Entra and Okta write them. */
import type { Send } from "../../helpers/server.ts";

export const USER = "urn:ietf:params:scim:schemas:core:2.0:User";
export const GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group";
export const ENTERPRISE_USER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
export const USHER_USER = "urn:ietf:params:scim:schemas:extension:usher:2.0:User";
export const USHER_ERROR = "urn:ietf:params:scim:schemas:extension:usher:2.0:Error";
export const PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

// biome-ignore lint/suspicious/noExplicitAny: a test reads what the answer should hold and fails where it does not.
export type Body = any;

export interface Operation {
  readonly op: string;
  readonly path?: string;
  readonly value?: unknown;
}

export function patchOf(...Operations: Operation[]): object {
  return { schemas: [PATCH_OP], Operations };
}

export function entraUser(userName: string, change: object = {}): object {
  return {
    schemas: [USER, ENTERPRISE_USER],
    externalId: `ext-${userName}`,
    userName,
    active: true,
    emails: [{ primary: true, type: "work", value: userName }],
    meta: { resourceType: "User" },
    name: { formatted: userName, familyName: "Example", givenName: "Some" },
    roles: [],
    ...change,
  };
}

export function oktaUser(userName: string, change: object = {}): object {
  return {
    schemas: [USER],
    userName,
    name: { givenName: "Some", familyName: "Sample" },
    emails: [{ primary: true, value: userName, type: "work" }],
    displayName: userName,
    locale: "en-US",
    externalId: `00u-${userName}`,
    groups: [],
    password: "a placeholder of 20 ch",
    active: true,
    ...change,
  };
}

/** The path of a list under a filter, its spaces as Okta encodes them. */
export function filtered(endpoint: string, filter: string, more = ""): string {
  return `${endpoint}?filter=${encodeURIComponent(filter)}${more}`;
}

/** The ids of `number` people, created one after the other. Without passwords, whose hashes are slow on purpose. */
export async function hire(scim: Send, number: number, name: string): Promise<string[]> {
  const ids: string[] = [];
  for (let at = 0; at < number; at += 1) {
    const { body } = await scim<Body>("POST", "/Users", oktaUser(`${name}-${at}@example.com`, { password: undefined }));
    ids.push(body.id);
  }
  return ids;
}
