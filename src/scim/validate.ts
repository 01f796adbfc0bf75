/** From the untrusted body of a POST or PUT to what the use cases take (RFC 7644 §3.3, §3.5.1). */
import type { UserDoc } from "../domain/model.ts";
import { Problem } from "../problems.ts";
import type { GroupChange } from "../provisioning/groups.ts";
import { type ResourceTypeName, resolveName, resourceType } from "../vocabulary/attributes.ts";
import { isObject } from "../vocabulary/json.ts";
import { GROUP, USER } from "../vocabulary/urns.ts";
import { givenTwice } from "../vocabulary/values.ts";
import { membersToAssignments } from "./patch/assignments.ts";
import { Draft } from "./patch/draft.ts";
import { requireDisplayName, toChanges } from "./patch/group.ts";
import { requireUser } from "./patch/user.ts";

/**
 * The client's words in canonical form: names in the table's spelling, types checked, text booleans made booleans; what is
 * unknown, read-only, null or empty left out. Nothing recurses into what the attribute table does not know, so neither
 * depth nor member names of the body matter. `active` is what an absent one means (USR-8): true on POST, the present value
 * on PUT. `id` is the resource's own on PUT. Raises `invalidSyntax`, `invalidValue`, `mutability`, naming the attribute.
 */
export function toUserDoc(body: unknown, options: { readonly active: boolean; readonly id?: string }): UserDoc {
  const members = requireResource("User", body);
  const draft = new Draft({ active: options.active }, options.id);
  for (const assignment of membersToAssignments("User", "replace", members)) draft.assign(assignment);
  return requireUser(draft.doc as UserDoc);
}

export interface GroupInput {
  readonly displayName: string;
  readonly externalId?: string;
  /** Absent when the body says nothing about members; an empty list says that there are none. */
  readonly members?: readonly string[];
}

/** A group as a body describes it. `id` is the resource's own on PUT. Raises what `toUserDoc` raises. */
export function toGroupInput(body: unknown, options: { readonly id?: string } = {}): GroupInput {
  const members = requireResource("Group", body);
  let input: { displayName?: string; externalId?: string; members?: readonly string[] } = {};
  for (const assignment of membersToAssignments("Group", "replace", members)) {
    for (const change of toChanges(assignment, options.id)) {
      if ("set" in change) input = { ...input, ...withoutNull(change.set) };
      if ("replace" in change) input = { ...input, members: change.replace };
    }
  }
  return { ...input, displayName: requireDisplayName(input.displayName) };
}

/**
 * What a PUT of this body changes. RFC 7644 §3.5.1 lets a service keep what is left out; members are kept, because a client
 * that was told to leave them out of its reading (`excludedAttributes=members`) writes back what it read.
 */
export function toGroupReplacement(body: unknown, options: { readonly id?: string } = {}): GroupChange[] {
  const { displayName, externalId, members } = toGroupInput(body, options);
  const setting: GroupChange = { set: { displayName, externalId: externalId ?? null } };
  return members === undefined ? [setting] : [setting, { replace: members }];
}

/** An object whose `schemas`, where it has them, are not those of another resource type. Raises `invalidSyntax`. */
function requireResource(type: ResourceTypeName, body: unknown): Readonly<Record<string, unknown>> {
  if (!isObject(body)) throw new Problem("invalidSyntax", `The body must be the JSON object of a ${type}.`);
  const given = Object.entries(body).filter(([name]) => name.toLowerCase() === "schemas");
  if (given.length > 1) throw givenTwice("schemas");
  const schemas = given[0]?.[1] ?? [];
  const urns = Array.isArray(schemas) ? schemas : [schemas];
  const other = type === "User" ? GROUP : USER;
  const known = urns.filter((urn) => typeof urn === "string" && resolveName(type, urn).kind === "schema");
  if (known.length > 0 || !urns.some((urn) => typeof urn === "string" && urn.toLowerCase() === other.toLowerCase()))
    return body;
  throw new Problem(
    "invalidSyntax",
    `schemas must name ${resourceType(type).core.id}: this is where a ${type} belongs.`,
  );
}

function withoutNull(set: { displayName?: string; externalId?: string | null }): {
  displayName?: string;
  externalId?: string;
} {
  return Object.fromEntries(Object.entries(set).filter(([, value]) => value !== null));
}
