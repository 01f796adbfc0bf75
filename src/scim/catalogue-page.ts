/** Pages of a list that is in memory already, by index or by cursor (RFC 7644 §3.4.2.4, RFC 9865). */
import { Problem } from "../problems.ts";
import { openCursor, sealCursor } from "./list/cursor.ts";
import type { ScimQuery } from "./query.ts";
import type { Rendered } from "./render.ts";
import { contextOf, type Scope } from "./scope.ts";

export interface CatalogueTotals {
  readonly total: number;
  readonly startIndex?: number;
  readonly nextCursor?: string;
}

/** One page of what was found. Raises what is wrong with a cursor, as the other lists do. */
export function cutPage(
  scope: Scope,
  endpoint: string,
  query: ScimQuery,
  found: readonly Rendered[],
): { readonly page: readonly Rendered[]; readonly totals: CatalogueTotals } {
  const { cursor, startIndex, count } = query;
  const total = found.length;
  if (cursor === undefined) {
    return { page: found.slice(startIndex - 1, startIndex - 1 + count), totals: { total, startIndex } };
  }
  const { filter, sortBy, sortOrder } = query;
  const place = JSON.stringify([contextOf(scope).principal.tenantId, endpoint, filter, sortBy, sortOrder]);
  const before = cursor.text === "" ? undefined : openCursor(scope, place, cursor.text);
  const size = before?.count ?? count;
  if (cursor.count !== undefined && cursor.count !== size) {
    throw new Problem("invalidCount", `The count of the first page was ${size}; it stays the same on all pages.`);
  }
  const begin = before === undefined ? 0 : behind(found, before.after);
  const page = found.slice(begin, begin + size);
  const last = begin + page.length - 1;
  if (page.length === 0 || last === total - 1) return { page, totals: { total } };
  const after = { id: String(page.at(-1)?.id), key: String(last) };
  return { page, totals: { total, nextCursor: sealCursor(scope, place, { after, count: size, total }) } };
}

/** Where the page behind a row begins: what has come before it meanwhile is not shown twice. A row that is gone left its place. */
function behind(found: readonly Rendered[], { id, key }: { readonly id: string; readonly key: string | null }): number {
  const at = found.findIndex((resource) => resource.id === id);
  return at < 0 ? Number(key) : at + 1;
}
