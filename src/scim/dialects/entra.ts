/** What Microsoft Entra ID writes differently from RFC 7643, value by value, and what is meant by it. */
import { isObject } from "../../vocabulary/json.ts";

/**
 * `roles` of SingleAppRoleAssignment in a PATCH: the role as a JSON document inside a string. Read literally, the document
 * would become the role's name. Needed by entra-role-patch-json-string and entra-role-patch-json-string-multi.
 */
export function unpackRoleDocument(element: unknown): unknown {
  if (typeof element === "string") return toDocument(element) ?? element;
  if (!isObject(element)) return element;
  const [name, text] = Object.entries(element).find(([name]) => name.toLowerCase() === "value") ?? [];
  const document = typeof text === "string" ? toDocument(text) : undefined;
  if (name === undefined || !document) return element;
  return { ...without(element, name), ...document };
}

/** The role's own value inside its document, where the path ends in `.value`. Needed by entra-role-document-at-value. */
export function unpackRoleValue(value: unknown): unknown {
  return typeof value === "string" ? (toDocument(value)?.value ?? value) : value;
}

/** AppRoleAssignmentsComplex writes `displayName` for `display`. Needed by entra-role-complex-create-displayname. */
export function renameRoleDisplay(element: unknown): unknown {
  if (!isObject(element)) return element;
  const names = Object.keys(element);
  const given = names.find((name) => name.toLowerCase() === "displayname");
  if (given === undefined || names.some((name) => name.toLowerCase() === "display")) return element;
  return { ...without(element, given), display: element[given] };
}

/**
 * `manager` as an array of one, and cleared by an empty string. Needed by entra-manager-array and
 * entra-manager-empty-string; the bare id of entra-manager-string is every complex attribute's short form.
 */
export function unwrapManager(value: unknown): unknown {
  const manager = Array.isArray(value) && value.length <= 1 ? value[0] : value;
  if (manager === undefined || manager === "") return null;
  if (!isObject(manager)) return manager;
  const id = Object.entries(manager).find(([name]) => name.toLowerCase() === "value")?.[1];
  return id === "" ? null : manager;
}

/** A role's document is a few hundred characters long; anything longer is no such document. */
const documentLengthMax = 4096;

function toDocument(text: string): Readonly<Record<string, unknown>> | undefined {
  if (!text.trimStart().startsWith("{") || text.length > documentLengthMax) return undefined;
  try {
    const document: unknown = JSON.parse(text);
    return isObject(document) && typeof document.value === "string" ? document : undefined;
  } catch {
    return undefined;
  }
}

function without(element: Readonly<Record<string, unknown>>, name: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(element).filter(([other]) => other !== name));
}
