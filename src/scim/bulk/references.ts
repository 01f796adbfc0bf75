/**
 * References to what other operations of the request create (RFC 7644 §3.7.2): `bulkId:` and the id of a POST, as a whole
 * string. Text that merely contains one is text.
 */
import { isObject } from "../../vocabulary/json.ts";
import type { Body } from "../operations.ts";
import type { Task } from "./message.ts";

const prefix = "bulkId:";

/** The bulkIds that a task refers to, in its path and in its data, each once, in order of appearance. */
export function referencesOf(task: Task): string[] {
  const found = new Set<string>();
  resolveTask(task, (bulkId, token) => {
    found.add(bulkId);
    return token;
  });
  return [...found];
}

/** What stands in place of a reference; given the whole token, too. */
type Replace = (bulkId: string, token: string) => string;

/** The task with what it refers to in place of its references. */
export function resolveTask(task: Task, replace: Replace): Task {
  const { id, data, method } = task;
  const inPaths = method === "PATCH";
  return {
    ...task,
    ...(id === undefined ? {} : { id: resolveText(id, replace) }),
    data: resolveValue(data, { replace, inPaths }) as Body,
  };
}

/** The data with what it refers to in place of its references. */
export function resolveData(data: Body, replace: Replace): Body {
  return resolveValue(data, { replace, inPaths: false }) as Body;
}

function resolveText(text: string, replace: Replace): string {
  return text.startsWith(prefix) ? replace(text.slice(prefix.length), text) : text;
}

interface How {
  readonly replace: Replace;
  /** Whether members called `path` are paths of PATCH operations. */
  readonly inPaths: boolean;
}

/** A copy where something changes, else the value itself. The body's depth is bounded by the gate. */
function resolveValue(value: unknown, how: How): unknown {
  if (typeof value === "string") return resolveText(value, how.replace);
  if (Array.isArray(value)) {
    const items = value.map((item) => resolveValue(item, how));
    return items.some((item, at) => item !== value[at]) ? items : value;
  }
  if (!isObject(value)) return value;
  let changed = false;
  const members = Object.entries(value).map(([name, item]): [string, unknown] => {
    const isPath = how.inPaths && typeof item === "string" && name.toLowerCase() === "path";
    const resolved = isPath ? resolvePath(item, how.replace) : resolveValue(item, how);
    changed ||= resolved !== item;
    return [name, resolved];
  });
  return changed ? Object.fromEntries(members) : value;
}

/** A string of a path's filter, escapes included: no character of it can be read in two ways, so no text makes it slow. */
const quoted = /"(?:[^"\\]|\\.)*"/g;

/** RFC 7644 §3.5.2: `members[value eq "bulkId:x"]`. */
function resolvePath(path: string, replace: Replace): string {
  if (!path.includes(prefix)) return path;
  return path.replace(quoted, (string) => {
    const text = decode(string);
    const resolved = text === undefined ? text : resolveText(text, replace);
    return resolved === text ? string : JSON.stringify(resolved);
  });
}

function decode(string: string): string | undefined {
  try {
    return JSON.parse(string) as string;
  } catch {
    return undefined; // The path's own parser says so.
  }
}

/** A resource in two steps: as it can be created now, and what is added when the rest of its circle exists. */
export interface Halves {
  readonly now: Body;
  /** Attributes to add, unresolved. Empty: nothing is missing. */
  readonly later: Body;
}

/**
 * RFC 7644 §3.7.1: takes apart what refers to something that does not exist yet: elements of lists, else whole attributes,
 * as a reference is what a complex value is about.
 */
export function halve(data: Body, isOpen: (bulkId: string) => boolean): Halves {
  const now: [string, unknown][] = [];
  const later: [string, unknown][] = [];
  for (const [name, value] of Object.entries(data)) {
    if (!mentions(value, isOpen)) {
      now.push([name, value]);
    } else if (Array.isArray(value)) {
      now.push([name, value.filter((item) => !mentions(item, isOpen))]);
      later.push([name, value.filter((item) => mentions(item, isOpen))]);
    } else if (isObject(value) && name.includes(":")) {
      // The attributes of an extension, under its URN.
      const halves = halve(value, isOpen);
      now.push([name, halves.now]);
      later.push([name, halves.later]);
    } else later.push([name, value]);
  }
  return { now: Object.fromEntries(now), later: Object.fromEntries(later) };
}

function mentions(value: unknown, isOpen: (bulkId: string) => boolean): boolean {
  let found = false;
  const replace: Replace = (bulkId, token) => {
    found ||= isOpen(bulkId);
    return token;
  };
  resolveValue(value, { replace, inPaths: false });
  return found;
}
