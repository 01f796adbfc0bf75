/**
 * An operation taken apart: one assignment for each attribute that it names, by its path or, without one, by the members of
 * its value. Dotted and URN-prefixed members are paths, never literal names.
 */
import { Problem } from "../../problems.ts";
import {
  type AttrPath,
  formatPath,
  type Resolved,
  type ResourceTypeName,
  resolveName,
  resolveWithin,
  resourceType,
  type Schema,
} from "../../vocabulary/attributes.ts";
import { type Filter, parsePath } from "../../vocabulary/filter/index.ts";
import { isObject } from "../../vocabulary/json.ts";
import { givenTwice, invalid } from "../../vocabulary/values.ts";
import type { Operation } from "./operations.ts";

export interface Assignment {
  readonly op: Operation["op"];
  readonly path: AttrPath;
  readonly filter?: Filter;
  readonly value?: unknown;
  /** Whether the client pointed at the attribute with a path; a member of an object is only carried along. */
  readonly named: boolean;
}

/** RFC 7644 §3.5.2: what one operation assigns. Raises `noTarget`, `invalidPath`, `invalidFilter`, `invalidValue`. */
export function toAssignments(type: ResourceTypeName, operation: Operation): Assignment[] {
  const { op, path, value } = operation;
  if (path === undefined) {
    // RFC 7644 §3.5.2.2: "If "path" is unspecified, the operation fails with HTTP status code 400 and a "scimType" of "noTarget"."
    if (op === "remove") throw new Problem("noTarget", "A remove needs a path that says what to remove.");
    return membersToAssignments(type, op, requireMembers(value, "The value of an operation without path"));
  }
  const target = parsePath(type, path);
  if (target.kind === "foreign") return [];
  if (target.kind === "schema") return schemaToAssignments(type, op, target.schema, value);
  if (op !== "remove" && value === undefined) throw invalid(formatPath(target.path), `needs a value to ${op}`);
  const { path: place, filter } = target;
  return [{ op, path: place, ...(filter ? { filter } : {}), ...("value" in operation ? { value } : {}), named: true }];
}

/** Each member of a resource, or of the value of an operation without path. Unknown ones are ignored, as in a POST. */
export function membersToAssignments(
  type: ResourceTypeName,
  op: "add" | "replace",
  members: Readonly<Record<string, unknown>>,
): Assignment[] {
  const found = new Map<string, Assignment>();
  const keep = (assignments: readonly Assignment[]): void => {
    for (const one of assignments) {
      const key = `${formatPath(one.path)}${one.filter ? JSON.stringify(one.filter) : ""}`;
      if (found.has(key)) throw givenTwice(formatPath(one.path));
      found.set(key, one);
    }
  };
  for (const [name, value] of Object.entries(members)) {
    if (name.includes("[")) {
      const target = parsePath(type, name);
      if (target.kind === "attribute") keep([assign(op, target.path, value, target.filter)]);
      continue;
    }
    const resolved = resolveName(type, name);
    if (resolved.kind === "attribute") keep([assign(op, resolved.path, value)]);
    if (resolved.kind === "schema") keep(extensionToAssignments(op, resolved.schema, value));
  }
  return [...found.values()];
}

function extensionToAssignments(op: "add" | "replace", schema: Schema, value: unknown): Assignment[] {
  if (value === null) return removals(schema, false);
  const members = Object.entries(requireMembers(value, schema.id));
  return members
    .map(([name, given]): [Resolved, unknown] => [resolveWithin(schema, name.toLowerCase()), given])
    .flatMap(([resolved, given]) => (resolved.kind === "attribute" ? [assign(op, resolved.path, given)] : []));
}

/** A path that is a schema's URN stands for the extension as a whole. */
function schemaToAssignments(type: ResourceTypeName, op: Operation["op"], id: string, value: unknown): Assignment[] {
  const schema = [resourceType(type).core, ...resourceType(type).extensions].find((one) => one.id === id) as Schema;
  if (op !== "remove") return membersToAssignments(type, op, { [id]: requireMembers(value, id) });
  if (schema === resourceType(type).core)
    throw new Problem("noTarget", "The attributes of a resource are removed one by one.");
  return removals(schema, false);
}

function removals(schema: Schema, named: boolean): Assignment[] {
  return [...schema.attributes.values()]
    .filter((attribute) => attribute.mutability !== "readOnly")
    .map((attribute) => ({ op: "remove", path: { schema: schema.id, attribute: attribute.name }, named }));
}

/** RFC 7643 §2.5: null is "unassigned", so assigning it removes. */
function assign(op: "add" | "replace", path: AttrPath, value: unknown, filter?: Filter): Assignment {
  const rest = { path, ...(filter ? { filter } : {}), named: false };
  return value === null || value === undefined ? { op: "remove", ...rest } : { op, ...rest, value };
}

function requireMembers(value: unknown, label: string): Readonly<Record<string, unknown>> {
  if (isObject(value)) return value;
  throw new Problem("invalidValue", `${label} must be an object of attributes.`);
}
