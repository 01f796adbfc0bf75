/** Conditional writes (RFC 7644 §3.14, RFC 9110 §13): decided where the row is read for the write that depends on it. */
import type { Settings } from "../domain/model.ts";
import { Problem } from "../problems.ts";

/** What a caller says of the state that it has seen: the values of the headers of that name. */
export interface Preconditions {
  /** ETags, or `*`: the write happens only if the resource still has one of them. */
  readonly ifMatch?: string;
  /** ETags, or `*`: the write happens only if it has none of them. */
  readonly ifNoneMatch?: string;
}

/** Problem `preconditionRequired` where the tenant's setting `requireIfMatch` asks for what the caller left out. */
export function requireCondition({ ifMatch }: Preconditions, settings: Settings, door: string): void {
  if (!settings.requireIfMatch || door !== "scim" || ifMatch !== undefined) return;
  throw new Problem(
    "preconditionRequired",
    "This tenant takes changes only with If-Match (in Bulk: version): read the resource and send back its meta.version.",
  );
}

/** Problem `preconditionFailed` unless the version fulfils the conditions. `what` is the resource in words. */
export function requireVersion({ ifMatch, ifNoneMatch }: Preconditions, version: string, what: string): void {
  if (ifMatch !== undefined && !matchesTag(ifMatch, version)) {
    const named = ifMatch.slice(0, 100);
    throw new Problem(
      "preconditionFailed",
      `The ${what} has changed: it is ${version} now, and If-Match names ${named}.`,
    );
  }
  if (ifNoneMatch !== undefined && matchesTag(ifNoneMatch, version)) {
    throw new Problem("preconditionFailed", `The ${what} is ${version}, which If-None-Match rules out.`);
  }
}

/** Whether a list of ETags names this one. RFC 7644 §3.14 compares weakly: SCIM's versions are weak throughout. */
export function matchesTag(list: string, version: string): boolean {
  return list.trim() === "*" || tagsIn(list).some((tag) => opaque(tag) === opaque(version));
}

/** RFC 9110 §8.8.3: a comma within the quotes of a tag separates nothing. Every character is read once. */
function tagsIn(list: string): string[] {
  const tags: string[] = [];
  let start = 0;
  let quoted = false;
  for (let at = 0; at <= list.length; at += 1) {
    if (list[at] === '"') quoted = !quoted;
    if (at < list.length && (quoted || list[at] !== ",")) continue;
    tags.push(list.slice(start, at).trim());
    start = at + 1;
  }
  return tags;
}

function opaque(tag: string): string {
  return tag.startsWith("W/") ? tag.slice(2) : tag;
}
