/** Which attributes an answer carries (RFC 7644 §3.9, RFC 7643 §7 `returned`): chosen once a request, applied to each resource. */
import {
  type Attribute,
  type ReadableTypeName,
  resolveName,
  resourceType,
  type Schema,
} from "../vocabulary/attributes.ts";
import { isObject, type Json, type JsonObject, member } from "../vocabulary/json.ts";

export interface Selection {
  readonly type: ReadableTypeName;
  readonly attributes?: Names;
  readonly excluded?: Names;
}

/** What a list of names stands for: whole schemas, whole attributes, or only some sub-attributes; by URN, in lower case. */
type Names = ReadonlyMap<string, "all" | ReadonlyMap<string, "all" | ReadonlySet<string>>>;

export interface SelectionQuery {
  readonly attributes?: readonly string[] | undefined;
  readonly excludedAttributes?: readonly string[] | undefined;
}

/** Reads the two lists. Names in any letter case, with URN, with sub-attribute; unknown ones select nothing. */
export function toSelection(type: ReadableTypeName, query: SelectionQuery): Selection {
  const attributes = toNames(type, query.attributes);
  const excluded = toNames(type, query.excludedAttributes);
  return { type, ...(attributes ? { attributes } : {}), ...(excluded ? { excluded } : {}) };
}

/** Whether the answer carries this core attribute: what is costly to read need not be read otherwise. */
export function selects(selection: Selection, attribute: string): boolean {
  const { core } = resourceType(selection.type);
  const found = core.attributes.get(attribute.toLowerCase());
  return found !== undefined && chosen(selection, core.id, found) !== "none";
}

/** The resource as the client sees it. `resource` has canonical names; `id` and `schemas` are in every answer. */
export function project(resource: JsonObject, selection: Selection): JsonObject {
  const { core, extensions } = resourceType(selection.type);
  const result: Record<string, Json> = projectSchema(resource, core, selection);
  for (const extension of extensions) {
    const given = member(resource, extension.id);
    if (!isObject(given)) continue;
    const projected = projectSchema(given as JsonObject, extension, selection);
    if (Object.keys(projected).length > 0) result[extension.id] = projected;
  }
  return result;
}

function toNames(type: ReadableTypeName, names: readonly string[] | undefined): Names | undefined {
  const given = (names ?? []).map((name) => name.trim()).filter((name) => name !== "");
  if (given.length === 0) return undefined;
  const found = new Map<string, "all" | Map<string, "all" | Set<string>>>();
  for (const name of given) {
    // A filter in brackets chooses elements, which projection does not do: the attribute as a whole is meant.
    const resolved = resolveName(type, name.replace(/\[.*$/s, ""));
    if (resolved.kind === "schema") found.set(resolved.schema.id, "all");
    if (resolved.kind !== "attribute") continue;
    const { schema, attribute, sub } = resolved.path;
    const inSchema = found.get(schema) ?? new Map<string, "all" | Set<string>>();
    if (inSchema === "all") continue;
    const inAttribute = inSchema.get(attribute);
    if (sub === undefined) inSchema.set(attribute, "all");
    else if (inAttribute !== "all") inSchema.set(attribute, new Set(inAttribute).add(sub));
    found.set(schema, inSchema);
  }
  return found;
}

type Choice = "all" | "none" | { readonly only: ReadonlySet<string> } | { readonly without: ReadonlySet<string> };

/** RFC 7643 §7 `returned`: always and never do not ask; default yields to the lists; request has to be asked for. */
function chosen({ attributes, excluded }: Selection, schema: string, attribute: Attribute): Choice {
  if (attribute.returned === "always") return "all";
  if (attribute.returned === "never") return "none";
  const asked = attributes
    ? lookUp(attributes, schema, attribute)
    : attribute.returned === "default"
      ? "all"
      : undefined;
  if (asked === undefined) return "none";
  const refused = excluded ? lookUp(excluded, schema, attribute) : undefined;
  if (refused === "all") return "none";
  if (asked !== "all") return { only: refused ? new Set([...asked].filter((sub) => !refused.has(sub))) : asked };
  return refused ? { without: refused } : "all";
}

function lookUp(names: Names, schema: string, attribute: Attribute): "all" | ReadonlySet<string> | undefined {
  const inSchema = names.get(schema);
  return inSchema === "all" ? "all" : inSchema?.get(attribute.name);
}

function projectSchema(given: JsonObject, schema: Schema, selection: Selection): Record<string, Json> {
  const result: Record<string, Json> = {};
  for (const attribute of schema.attributes.values()) {
    const value = member(given, attribute.name) as Json | undefined;
    if (value === undefined) continue;
    const choice = chosen(selection, schema.id, attribute);
    if (choice === "none") continue;
    const projected = choice === "all" ? value : projectValue(value, attribute, choice);
    if (projected !== undefined) result[attribute.name] = projected;
  }
  return result;
}

function projectValue(value: Json, attribute: Attribute, choice: Exclude<Choice, "all" | "none">): Json | undefined {
  if (Array.isArray(value)) {
    const elements = value.map((element) => projectValue(element as Json, attribute, choice));
    return elements.filter((element) => element !== undefined);
  }
  if (!isObject(value)) return value;
  const names = [...attribute.subAttributes.values()].map(({ name }) => name);
  const kept = names.filter((name) => Object.hasOwn(value, name) && isKept(name, choice));
  return kept.length === 0 ? undefined : Object.fromEntries(kept.map((name) => [name, value[name] as Json]));
}

function isKept(name: string, choice: Exclude<Choice, "all" | "none">): boolean {
  return "only" in choice ? choice.only.has(name) : !choice.without.has(name);
}
