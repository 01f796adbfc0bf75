/** Content negotiation (RFC 9110 §12.5.1, RFC 7644 §3.1): there is JSON, and it is in UTF-8. */
import type { IncomingMessage } from "node:http";
import { Problem } from "../problems.ts";

/** What an answer is, in the two names that clients have for it. */
const offered: readonly string[] = ["application/scim+json", "application/json"];

/**
 * 406 where the client says that it can read no JSON of any kind: an operation of which it could not read the outcome must
 * not happen either. Whoever says nothing, or nothing that can be read, gets application/scim+json.
 */
export function requireAcceptable({ headers }: IncomingMessage): void {
  const ranges = parseAccept(headers.accept ?? "");
  if (ranges.size === 0 || offered.some((type) => weightOf(type, ranges) > 0)) return;
  // Another dialect of JSON, such as text/json: who reads that reads ours.
  if ([...ranges].some(([range, weight]) => weight > 0 && /[/+]json$/.test(range))) return;
  throw new Problem(
    "notAcceptable",
    "Answers are application/scim+json: name it in Accept, or application/json, or */*.",
  );
}

/** Media ranges with their weights; what is no media range is left out. */
function parseAccept(text: string): ReadonlyMap<string, number> {
  const ranges = new Map<string, number>();
  for (const part of text.toLowerCase().split(",")) {
    const [range = "", ...parameters] = part.split(";").map((piece) => piece.trim());
    if (!/^[\w!#$&^.+*-]+\/[\w!#$&^.+*-]+$/.test(range)) continue;
    // The same type with different parameters may stand twice: one that is wanted is enough.
    ranges.set(range, Math.max(ranges.get(range) ?? 0, toWeight(parameters)));
  }
  return ranges;
}

function toWeight(parameters: readonly string[]): number {
  const weight = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
  return weight !== undefined && /^0(\.0*)?$/.test(weight) ? 0 : 1;
}

/** "The most specific reference has precedence": `application/json;q=0, application/*` refuses application/json alone. */
function weightOf(type: string, ranges: ReadonlyMap<string, number>): number {
  return ranges.get(type) ?? ranges.get("application/*") ?? ranges.get("*/*") ?? 0;
}
