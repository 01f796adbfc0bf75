/**
 * What a request says of the password (RFC 7643 §4.1.1, writeOnly). It is no part of the document, which everybody may
 * read who may read the user: it goes to the use case beside it.
 */
import { resourceType } from "../vocabulary/attributes.ts";
import { isObject } from "../vocabulary/json.ts";
import { toOpaqueString } from "../vocabulary/opaque-string.ts";
import { USER } from "../vocabulary/urns.ts";
import { toValue } from "../vocabulary/values.ts";
import type { Body } from "./answer.ts";
import { type Assignment, membersToAssignments, toAssignments } from "./patch/assignments.ts";
import type { Operation } from "./patch/operations.ts";

/**
 * The password of a POST or PUT, prepared. Absent, it stays as it is (RFC 7644 §3.5.1), and so it does where it is null:
 * what a client reads has none, and writing null for what one has not read must not take it away. Raises `invalidValue`.
 */
export function passwordOfBody(body: Body): { password?: string } {
  const { password } = mentionsPassword(body) ? lastOf(membersToAssignments("User", "replace", body)) : {};
  return typeof password === "string" ? { password } : {};
}

/** The password after all operations of a PATCH, prepared; null: it is to be removed. Raises as `passwordOfBody`. */
export function passwordOfPatch(operations: readonly Operation[]): { password?: string | null } {
  const relevant = operations.filter(({ path, value }) => /password/i.test(path ?? "") || mentionsPassword(value));
  return lastOf(relevant.flatMap((operation) => toAssignments("User", operation)));
}

/** Whether a member is, or lies within its schema as, something like a password: most requests hold none. */
export function mentionsPassword(value: unknown): boolean {
  if (!isObject(value)) return false;
  return Object.entries(value).some(
    ([name, member]) => /password/i.test(name) || (/^urn:/i.test(name) && mentionsPassword(member)),
  );
}

const attribute = resourceType("User").core.attributes.get("password")!;

function lastOf(assignments: readonly Assignment[]): { password?: string | null } {
  let said: { password?: string | null } = {};
  for (const { op, path, value } of assignments) {
    if (path.schema !== USER || path.attribute !== attribute.name) continue;
    const text = op === "remove" ? undefined : toValue(attribute, value, attribute.name);
    said = { password: typeof text === "string" ? toOpaqueString(text, attribute.name) : null };
  }
  return said;
}
