/**
 * The query of a read (RFC 7644 §3.4.2, RFC 9865 §2), from the URL or from a SearchRequest (§3.4.3): parsed once, bounded,
 * never raw again.
 */
import { limits } from "../limits.ts";
import { Problem, type ProblemCode } from "../problems.ts";
import { bounds } from "./config.ts";

export interface ScimQuery {
  readonly filter?: string;
  readonly sortBy?: string;
  readonly sortOrder: "ascending" | "descending";
  /** 1 or more. */
  readonly startIndex: number;
  /** 0 to `limits.pageSizeMax`. */
  readonly count: number;
  /** Present where the client pages by cursor. */
  readonly cursor?: PagingByCursor;
  readonly attributes?: readonly string[];
  readonly excludedAttributes?: readonly string[];
}

export interface PagingByCursor {
  /** As the client sent it, unverified; empty for the first page. */
  readonly text: string;
  /** The page size that a following page asks for, where it asks for one. */
  readonly count?: number;
}

export const emptyQuery: ScimQuery = { sortOrder: "ascending", startIndex: 1, count: limits.pageSizeDefault };

/** What is read, by lower-case name: clients spell `startindex` too; see test/fixtures/clients/entra.json. */
const known: Readonly<Record<string, Parameter>> = Object.assign(Object.create(null), {
  filter: "filter",
  sortby: "sortBy",
  sortorder: "sortOrder",
  startindex: "startIndex",
  count: "count",
  cursor: "cursor",
  attributes: "attributes",
  excludedattributes: "excludedAttributes",
});
type Parameter = keyof ScimQuery;

/**
 * Reads the part of a URL from `?` on; `+` and `%20` are both a space. Unknown parameters are ignored, a known one
 * given twice is 400 `invalidValue`: which of the two was meant decides whom a filter finds.
 */
export function parseQuery(search: string): ScimQuery {
  if (search.length < 2) return emptyQuery;
  const given: Partial<Record<Parameter, string>> = {};
  for (const [name, value] of new URLSearchParams(search)) {
    const parameter = known[name.toLowerCase()];
    if (parameter === undefined) continue;
    if (given[parameter] !== undefined) throw invalid(parameter, "is given twice");
    given[parameter] = bounded(parameter, value);
  }
  return toQuery({
    ...given,
    attributes: given.attributes === undefined ? undefined : given.attributes.split(","),
    excludedAttributes: given.excludedAttributes === undefined ? undefined : given.excludedAttributes.split(","),
  });
}

/** Whether the URL carries a filter, wherever it is not read. */
export function carriesFilter(search: string): boolean {
  if (search.length < 2) return false;
  for (const name of new URLSearchParams(search).keys()) if (name.toLowerCase() === "filter") return true;
  return false;
}

const SEARCH_REQUEST = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";

/** RFC 7644 §3.4.3: the same query as a message, so that a filter with personal data stays out of logs of URLs. */
export function parseSearchRequest(body: Readonly<Record<string, unknown>>): ScimQuery {
  const given: Partial<Record<Parameter, unknown>> = {};
  let schemas: unknown;
  for (const [name, value] of Object.entries(body)) {
    if (name.toLowerCase() === "schemas") schemas = value;
    const parameter = known[name.toLowerCase()];
    if (parameter === undefined || value === null) continue;
    if (given[parameter] !== undefined) throw invalid(parameter, "is given twice");
    given[parameter] = typeof value === "string" ? bounded(parameter, value) : value;
  }
  if (!Array.isArray(schemas) || !schemas.includes(SEARCH_REQUEST)) {
    throw new Problem("invalidSyntax", `schemas must be ["${SEARCH_REQUEST}"].`);
  }
  return toQuery(given);
}

function toQuery(given: Partial<Record<Parameter, unknown>>): ScimQuery {
  const attributes = names("attributes", given.attributes);
  const excludedAttributes = names("excludedAttributes", given.excludedAttributes);
  if (attributes && excludedAttributes) {
    // RFC 7644 §3.9: "either of two mutually exclusive URL query parameters".
    throw new Problem("invalidValue", "attributes and excludedAttributes exclude each other: send one of them.");
  }
  const filter = text("filter", given.filter);
  const sortBy = text("sortBy", given.sortBy);
  return {
    ...(filter === undefined ? {} : { filter }),
    ...(sortBy === undefined || sortBy === "" ? {} : { sortBy }),
    sortOrder: order(text("sortOrder", given.sortOrder)),
    ...pagingOf(given),
    ...(attributes ? { attributes } : {}),
    ...(excludedAttributes ? { excludedAttributes } : {}),
  };
}

function pagingOf(given: Partial<Record<Parameter, unknown>>): Pick<ScimQuery, "startIndex" | "count" | "cursor"> {
  const cursor = text("cursor", given.cursor);
  // RFC 7644 §3.4.2.4: "A value less than 1 SHALL be interpreted as 1", a negative count as 0.
  const startIndex = integer("startIndex", given.startIndex);
  const wanted = integer("count", given.count, cursor === undefined ? "invalidValue" : "invalidCount");
  const count = Math.min(limits.pageSizeMax, Math.max(0, wanted ?? limits.pageSizeDefault));
  if (cursor === undefined) return { startIndex: Math.max(1, startIndex ?? 1), count };
  if (startIndex !== undefined) {
    throw invalid("startIndex", "and cursor are two ways of paging that exclude each other: send one of them");
  }
  const isTooMany = wanted !== undefined && wanted > limits.pageSizeMax;
  // RFC 9865 §2.1: a count lies between 0 and maxPageSize and is that of the first page. One beyond the maximum is refused
  // on the first page, where the client would take the size of all pages from it. On a following page it cannot mean a
  // page of another size, only "the rest, however much": like generic-cursor in test/fixtures/clients/generic.json it gets
  // what the first page settled, for the provider "MAY return fewer results" (Table 1).
  if (isTooMany && cursor === "") {
    throw new Problem(
      "invalidCount",
      `A page has at most ${limits.pageSizeMax} resources, which count must not exceed.`,
    );
  }
  const asked = wanted === undefined || isTooMany ? {} : { count };
  return { startIndex: 1, count, cursor: { text: cursor, ...asked } };
}

function text(parameter: Parameter, value: unknown): string | undefined {
  if (value === undefined || typeof value === "string") return value;
  throw invalid(parameter, "must be a string");
}

function order(value: string | undefined): "ascending" | "descending" {
  const word = value?.toLowerCase() ?? "";
  if (word === "" || word === "ascending") return "ascending";
  if (word === "descending") return "descending";
  throw invalid("sortOrder", "must be ascending or descending");
}

/** Fifteen digits fit a double exactly; a longer number is no position in any list. */
function integer(parameter: Parameter, value: unknown, code?: ProblemCode): number | undefined {
  if (value === undefined || value === "") return undefined;
  if (
    typeof value === "number" ? Number.isSafeInteger(value) : typeof value === "string" && /^[+-]?\d{1,15}$/.test(value)
  ) {
    return Number(value);
  }
  throw invalid(parameter, "must be a whole number", code);
}

function names(parameter: Parameter, value: unknown): readonly string[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || !value.every((name) => typeof name === "string")) {
    throw invalid(parameter, "must be a list of attribute names");
  }
  const list = (value as string[]).map((name) => name.trim()).filter((name) => name !== "");
  if (list.length > bounds.attributeNamesMax)
    throw invalid(parameter, `names more than ${bounds.attributeNamesMax} attributes`);
  return list.length === 0 ? undefined : list;
}

function bounded(parameter: Parameter, value: string): string {
  // A cursor is compared with what we have signed, and whatever is wrong with it is said in the same words.
  if (parameter === "cursor") return value;
  if (value.length > bounds.parameterLengthMax) {
    throw invalid(parameter, `is longer than ${bounds.parameterLengthMax} characters`);
  }
  // PostgreSQL's text has no NUL: a comparison with one could only fail.
  if (value.includes("\0") || !value.isWellFormed()) throw invalid(parameter, "contains a character that no text has");
  return value;
}

const codes: Partial<Record<Parameter, ProblemCode>> = { filter: "invalidFilter", cursor: "invalidCursor" };

function invalid(parameter: Parameter, what: string, code = codes[parameter] ?? "invalidValue"): Problem {
  return new Problem(code, `The query parameter ${parameter} ${what}.`);
}
