/**
 * How Microsoft Entra ID speaks: a look-up before every write, capitalised operations, booleans as text, URN paths, groups
 * created empty, members left out of every answer. Recordings: test/fixtures/clients/entra.json.
 */
import { ENTERPRISE_USER, GROUP, PATCH_OP, USER } from "../../src/vocabulary/urns.ts";
import type { Request } from "./client.ts";

export interface Person {
  readonly userName: string;
  readonly givenName: string;
  readonly familyName: string;
  readonly department: string;
  readonly title: string;
  /** The identity provider's own id. */
  readonly externalId: string;
}

export function findByUserName(userName: string): Request {
  return { method: "GET", path: `/Users?filter=userName+eq+%22${encode(userName)}%22` };
}

export function findGroupByName(displayName: string): Request {
  const filter = `displayName+eq+%22${encode(displayName)}%22`;
  return { method: "GET", path: `/Groups?excludedAttributes=members&filter=${filter}` };
}

export function createUser(person: Person): Request {
  const { userName, givenName, familyName, department, title, externalId } = person;
  return {
    method: "POST",
    path: "/Users",
    body: {
      schemas: [USER, ENTERPRISE_USER],
      userName,
      active: "True",
      title,
      [ENTERPRISE_USER]: { department },
      roles: [],
      externalId,
      displayName: `${givenName} ${familyName}`,
      emails: [{ primary: true, type: "work", value: userName }],
      meta: { resourceType: "User" },
      name: { formatted: `${givenName} ${familyName}`, familyName, givenName },
    },
  };
}

export function createGroup(displayName: string, externalId: string): Request {
  return {
    method: "POST",
    path: "/Groups",
    body: {
      schemas: [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
      displayName,
      externalId,
      meta: { resourceType: "Group" },
    },
  };
}

export function addMembers(groupId: string, ...ids: readonly string[]): Request {
  return patch(`/Groups/${groupId}`, { op: "Add", path: "members", value: ids.map(toReference) });
}

/** With a value list it means these members only; the RFC's reading would empty the group. */
export function removeMembers(groupId: string, ...ids: readonly string[]): Request {
  return patch(`/Groups/${groupId}`, { op: "Remove", path: "members", value: ids.map(toReference) });
}

export function renameGroup(groupId: string, displayName: string): Request {
  return patch(`/Groups/${groupId}`, { op: "Replace", path: "displayName", value: displayName });
}

export function disableUser(id: string): Request {
  return patch(`/Users/${id}`, { op: "Replace", path: "active", value: "False" });
}

/** An app role is JSON inside a string. */
export function changeTitleAndAddAppRole(id: string, title: string, role: string): Request {
  const appRole = JSON.stringify({ id: "5f0c1c7e-5a0e-4b7e-9a55-0d6f5f0b6a11", value: role, displayName: role });
  return patch(
    `/Users/${id}`,
    { op: "Replace", path: "title", value: title },
    { op: "Add", path: "roles", value: [{ value: appRole }] },
  );
}

export function moveDepartment(id: string, department: string, title: string): Request {
  return patch(
    `/Users/${id}`,
    { op: "Replace", path: `${ENTERPRISE_USER}:department`, value: department },
    { op: "Replace", path: "title", value: title },
  );
}

/** Spaces go out as plus signs. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll("%20", "+");
}

function toReference(value: string): object {
  return { $ref: null, value };
}

function patch(path: string, ...Operations: readonly object[]): Request {
  return { method: "PATCH", path, body: { schemas: [PATCH_OP], Operations } };
}
