/**
 * PATCH of a group (RFC 7644 §3.5.2) as the changes it asks for. A group may have 100,000 members, so nothing here needs the
 * list: what is added, removed, replaced or emptied is said in ids, or in a filter that the database evaluates.
 */
import { Problem } from "../../problems.ts";
import type { GroupChange } from "../../provisioning/groups.ts";
import { attributeAt, formatPath } from "../../vocabulary/attributes.ts";
import type { Filter } from "../../vocabulary/filter/index.ts";
import { isObject } from "../../vocabulary/json.ts";
import { GROUP } from "../../vocabulary/urns.ts";
import { invalid, toValue } from "../../vocabulary/values.ts";
import { type Assignment, toAssignments } from "./assignments.ts";
import type { Operation } from "./operations.ts";

/** The changes in order. Raises what `applyPatch` raises; `id` is the group's own, as there. */
export function toGroupChanges(
  operations: readonly Operation[],
  options: { readonly id?: string } = {},
): GroupChange[] {
  return operations.flatMap((operation) =>
    toAssignments("Group", operation).flatMap((assignment) => toChanges(assignment, options.id)),
  );
}

/** The changes that one assignment asks for; none for what is ignored. */
export function toChanges(assignment: Assignment, id: string | undefined): GroupChange[] {
  const { path, value, named } = assignment;
  const isCore = path.schema === GROUP;
  if (isCore && path.attribute === "members") return toMemberChanges(assignment);
  if (isCore && (path.attribute === "displayName" || path.attribute === "externalId")) return [toSetting(assignment)];
  if (isCore && path.attribute === "schemas") return [];
  // AUTH-2: whatever is there and not the group's own id is another one, whatever its type.
  if (isCore && path.attribute === "id" && id !== undefined && value !== null && value !== undefined && value !== id) {
    throw new Problem("mutability", "id is given by the service and stays as it is.", { facts: { attribute: "id" } });
  }
  if (!named || (isCore && path.attribute === "id" && value === id)) return [];
  throw new Problem("mutability", `${formatPath(path)} is read-only.`, { facts: { attribute: formatPath(path) } });
}

function toSetting({ op, path, value, named }: Assignment): GroupChange {
  const leaf = attributeAt(path)?.leaf;
  const next = op === "remove" || !leaf ? undefined : toValue(leaf, value, path.attribute);
  if (path.attribute === "externalId") return { set: { externalId: (next as string | undefined) ?? null } };
  // RFC 7644 §3.5.2.2: removing a required attribute is `mutability`.
  if (op === "remove" && named) throw new Problem("mutability", "displayName cannot be removed: it is required.");
  return { set: { displayName: requireDisplayName(next) } };
}

/** RFC 7643 §4.2: a group has a name for people. Raises `invalidValue`. */
export function requireDisplayName(value: unknown): string {
  if (typeof value !== "string") throw invalid("displayName", "is required");
  if (value.trim() === "") throw invalid("displayName", "must not be blank");
  return value;
}

function toMemberChanges(assignment: Assignment): GroupChange[] {
  const { op, path, filter, value, named } = assignment;
  if (filter) return toSelectedChanges(assignment, filter);
  if (path.sub !== undefined) {
    throw new Problem(
      "mutability",
      `members.${path.sub} is fixed while the member is in the group: remove and add members.`,
    );
  }
  if (op === "remove") {
    // A member list that is null in an object says nothing; only a path empties a group (langwatch#7131 lost one so).
    if (!named) return [];
    // Entra and JumpCloud list whom they mean; see entra-group-remove-valuelist in test/fixtures/clients.
    return value === undefined || value === null ? [{ clear: true }] : [{ remove: toMemberIds(value) }];
  }
  return op === "add" ? [{ add: toMemberIds(value) }] : [{ replace: toMemberIds(value) }];
}

/** `members[value eq "id"]`: as ids where the filter is nothing but ids, else for the database to find. */
function toSelectedChanges({ op, path, value }: Assignment, filter: Filter): GroupChange[] {
  const ids = idsOf(filter);
  if (path.sub !== undefined && path.sub !== "value") {
    throw new Problem("mutability", `members.${path.sub} follows from the member and is not changed by itself.`);
  }
  if (op === "remove") return [ids ? { remove: ids } : { removeWhere: filter }];
  const [id] = ids ?? [];
  if (id === undefined || ids?.length !== 1) {
    throw new Problem("noTarget", 'Members are added with path "members" and a list of their ids.');
  }
  const given = path.sub === undefined ? toMemberIds(value, id) : toMemberIds(value);
  if (given.some((one) => one !== id))
    throw new Problem("mutability", "members.value is fixed: remove and add members.");
  return [{ add: [id] }];
}

/** The ids of a filter that is `value eq "id"` or several of those joined by `or`. */
function idsOf(filter: Filter): string[] | undefined {
  const terms = "or" in filter ? filter.or : [filter];
  const ids = terms.map((term) =>
    "compare" in term && term.compare.op === "eq" && term.compare.path.sub === "value" ? term.compare.value : undefined,
  );
  return ids.every((id) => typeof id === "string") ? (ids as string[]) : undefined;
}

/** The ids in a member list, in order and once each: `[{value}]`, `{value}`, `["id"]` or `"id"`. Raises `invalidValue`. */
export function toMemberIds(json: unknown, otherwise?: string): string[] {
  if (json === null || json === undefined) return [];
  const ids = new Set<string>();
  for (const element of Array.isArray(json) ? json : [json]) {
    if (element === null) continue;
    const id = typeof element === "string" ? element : (idOf(element) ?? otherwise);
    if (typeof id !== "string" || id.trim() === "") throw invalid("members", 'must be a list of {"value": "<id>"}');
    ids.add(requireMemberId(id));
  }
  return [...ids];
}

function idOf(element: unknown): unknown {
  if (!isObject(element)) return undefined;
  const given = Object.entries(element).filter(([name]) => name.toLowerCase() === "value");
  if (given.length > 1) throw new Problem("invalidSyntax", "members.value is given twice, in different letter case.");
  return given[0]?.[1];
}

/** An id of ours has 36 characters; one that is longer names nobody, and is not carried through logs and answers. */
function requireMemberId(id: string): string {
  if (id.length > 256 || id.includes("\0") || !id.isWellFormed()) throw invalid("members", "has a value that is no id");
  return id;
}
