/** What a client is shown: a user's own words beside what Usher decided (ROL-6), a group's row and the text of its members. */

import type { UserView } from "../db/users.ts";
import { budgetOf } from "../domain/budget.ts";
import type { Json, JsonObject } from "../domain/model.ts";
import { usherExtension } from "../domain/words.ts";
import type { GroupView } from "../provisioning/groups.ts";
import { ENTERPRISE_USER, GROUP, USER, USHER_GROUP, USHER_USER } from "../vocabulary/urns.ts";
import { project, type Selection } from "./projection.ts";

export type Rendered = Record<string, Json>;

const withEnterprise: readonly string[] = [USER, ENTERPRISE_USER, USHER_USER];
const withoutEnterprise: readonly string[] = [USER, USHER_USER];

/**
 * A user as a SCIM resource: complete, without nulls, in the order of its members as written. `schemas` names the
 * extensions that have data; Usher's own always has.
 */
export function renderUser(view: UserView, baseUrl: string): Rendered {
  const { doc } = view;
  return {
    schemas: doc[ENTERPRISE_USER] === undefined ? withoutEnterprise : withEnterprise,
    id: view.id,
    ...doc,
    groups: view.groups.map(({ value, display, type }) => ({
      value,
      $ref: `${baseUrl}/Groups/${value}`,
      display,
      type,
    })),
    [USHER_USER]: {
      ...(doc[USHER_USER] as JsonObject | undefined),
      ...budgetWithUse(view),
      status: view.status,
      effectiveRole: view.role,
      license: withoutNulls(view.license),
      teams: view.teams as unknown as Json,
    },
    meta: {
      resourceType: "User",
      created: view.createdAt,
      lastModified: view.modifiedAt,
      location: `${baseUrl}/Users/${view.id}`,
      version: view.version,
    },
  };
}

/** The client's own words with `used` beside them, and nothing that an echo would make the client's. */
function budgetWithUse({ doc, spent }: UserView): Rendered {
  const used = spent === null ? undefined : budgetOf(doc, spent)?.used;
  if (used === undefined) return {};
  return { budget: { ...(usherExtension(doc).budget as JsonObject | undefined), used } };
}

/** A group as a SCIM resource, but for its members. */
export function renderGroup(view: GroupView, baseUrl: string): Rendered {
  const { team, grants } = view;
  const extension = {
    ...(team === null ? {} : { team: team as unknown as Json }),
    ...(grants.role === null && grants.tier === null ? {} : { grants: withoutNulls(grants) }),
  };
  const extended = Object.keys(extension).length > 0;
  return {
    schemas: extended ? [GROUP, USHER_GROUP] : [GROUP],
    id: view.id,
    ...(view.externalId === null ? {} : { externalId: view.externalId }),
    displayName: view.displayName,
    ...(extended ? { [USHER_GROUP]: extension } : {}),
    meta: {
      resourceType: "Group",
      created: view.createdAt,
      lastModified: view.modifiedAt,
      location: `${baseUrl}/Groups/${view.id}`,
      version: view.version,
    },
  };
}

/**
 * The text of a group. Its members come from the database as text and go out as that text; only where a client asks for
 * some of their sub-attributes are they parsed.
 */
export function toGroupText(view: GroupView, baseUrl: string, selection: Selection): string {
  const group = renderGroup(view, baseUrl);
  if (view.membersJson === undefined) return toText(group, selection);
  const members = withReferences(view.membersJson, baseUrl);
  if (selectsPart(selection, "members")) return toText({ ...group, members: JSON.parse(members) }, selection);
  return `${toText(group, selection).slice(0, -1)},"members":${members}}`;
}

/** RFC 7643 §4.2: each member with its URL. The text is as the database wrote it: 100,000 members take 0.06 s. */
function withReferences(membersJson: string, baseUrl: string): string {
  const base = JSON.stringify(baseUrl).slice(1, -1).replaceAll("$", "$$$$");
  return membersJson.replace(
    /"value":"([^"]+)","type":"(User|Group)"/g,
    `"value":"$1","$$ref":"${base}/$2s/$1","type":"$2"`,
  );
}

/** Whether the client asked for, or asked to leave out, some sub-attributes of a group's attribute. */
function selectsPart({ attributes, excluded }: Selection, attribute: string): boolean {
  return [attributes, excluded].some((names) => {
    const named = names?.get(GROUP);
    return named !== undefined && named !== "all" && named.get(attribute) instanceof Set;
  });
}

/** RFC 7643 §2.5: null and unassigned are the same, and clients of /Schemas choke on nulls. */
function withoutNulls(value: object): Rendered {
  const present: Rendered = {};
  for (const [name, item] of Object.entries(value)) if (item !== null) present[name] = item as Json;
  return present;
}

/** The text of a resource as the client asked for it. Without lists of attributes everything rendered is returned. */
export function toText(resource: Rendered, selection: Selection): string {
  const whole = selection.attributes === undefined && selection.excluded === undefined;
  return JSON.stringify(whole ? resource : project(resource, selection));
}

/**
 * RFC 7644 §3.4.2: the texts of one page as a ListResponse. `itemsPerPage` is what is there; Okta counts on it. A page by
 * cursor has no index; where it has no `nextCursor` it is the last (RFC 9865 §2, Table 2).
 */
export function toListResponse(
  resources: readonly string[],
  page: { readonly total: number; readonly startIndex?: number; readonly nextCursor?: string },
): string {
  const head = {
    schemas: ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
    totalResults: page.total,
    startIndex: page.startIndex,
    itemsPerPage: resources.length,
    nextCursor: page.nextCursor,
  };
  return `${JSON.stringify(head).slice(0, -1)},"Resources":[${resources.join(",")}]}`;
}
