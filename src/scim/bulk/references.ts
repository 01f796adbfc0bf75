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

/** RFC 7644 §3.5.2: `members[value eq "bulkId:x"]`. One pass over the characters, so that no path makes it slow. */
function resolvePath(path: string, replace: Replace): string {
  if (!path.includes(prefix)) return path;
  const parts: string[] = [];
  let at = 0;
  for (let start = path.indexOf('"'); start >= 0; start = path.indexOf('"', at)) {
    const end = endOfString(path, start);
    if (end === undefined) break;
    parts.push(path.slice(at, start), resolveQuoted(path.slice(start, end), replace));
    at = end;
  }
  return parts.join("") + path.slice(at);
}

/** Behind the closing quote; undefined where there is none, which the path's own parser tells. */
function endOfString(text: string, start: number): number | undefined {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === '"') return at + 1;
  }
  return undefined;
}

function resolveQuoted(quoted: string, replace: Replace): string {
  const text = decode(quoted);
  const resolved = text === undefined ? text : resolveText(text, replace);
  return resolved === text ? quoted : JSON.stringify(resolved);
}

function decode(quoted: string): string | undefined {
  try {
    return JSON.parse(quoted) as string;
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
