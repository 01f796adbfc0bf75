/**
 * How Okta speaks: startIndex and count on every list, create with a placeholder password and empty groups, update by GET
 * and PUT of the whole answer, PATCH without a path, group push. Recordings: test/fixtures/clients/okta.json.
 */
import { GROUP, PATCH_OP, USER, USHER_USER } from "../../src/vocabulary/urns.ts";
import type { Request } from "./client.ts";

export interface Assignment {
  readonly userName: string;
  readonly givenName: string;
  readonly familyName: string;
  readonly externalId: string;
  /** Attributes of Usher's extension, as mapped in the app's profile. */
  readonly usher?: object;
  readonly roles?: readonly object[];
}

export const testConnection: Request = { method: "GET", path: "/Users?startIndex=1&count=2" };

export function findByUserName(userName: string): Request {
  const filter = encodeURIComponent(`userName eq "${userName}"`);
  return { method: "GET", path: `/Users?filter=${filter}&startIndex=1&count=100` };
}

export function createUser(assignment: Assignment): Request {
  const { userName, givenName, familyName, externalId, usher, roles } = assignment;
  return {
    method: "POST",
    path: "/Users",
    body: {
      schemas: usher ? [USER, USHER_USER] : [USER],
      userName,
      ...(roles ? { roles } : {}),
      ...(usher ? { [USHER_USER]: usher } : {}),
      password: "placeholder-8f2c61",
      groups: [],
      active: true,
      name: { givenName, familyName },
      emails: [{ primary: true, value: userName, type: "work" }],
      displayName: `${givenName} ${familyName}`,
      locale: "en-US",
      externalId,
    },
  };
}

/** The answer to a GET goes back whole, read-only attributes included, with what has changed. */
export function putBack(user: { readonly id: string }, changes: object): Request {
  return { method: "PUT", path: `/Users/${user.id}`, body: { ...changes, ...user, ...changes } };
}

export function setActive(id: string, active: boolean): Request {
  return patch(`/Users/${id}`, { op: "replace", value: { active } });
}

export function pushGroup(displayName: string): Request {
  return { method: "POST", path: "/Groups", body: { schemas: [GROUP], displayName, members: [] } };
}

/** Every push of members repeats the group's name first. */
export function pushMembers(
  group: { readonly id: string; readonly displayName: string },
  members: readonly { readonly id: string; readonly userName: string }[],
): Request {
  return patch(
    `/Groups/${group.id}`,
    { op: "replace", value: { id: group.id, displayName: group.displayName } },
    { op: "add", path: "members", value: members.map(({ id, userName }) => ({ value: id, display: userName })) },
  );
}

function patch(path: string, ...Operations: readonly object[]): Request {
  return { method: "PATCH", path, body: { schemas: [PATCH_OP], Operations } };
}
