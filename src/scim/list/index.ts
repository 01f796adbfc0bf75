/**
 * Lists (RFC 7644 §3.4.2 and §3.4.3, RFC 9865): resources of one type or of both, filtered, sorted, and cut into pages by
 * index or by cursor. The look-ups that clients make before every write are one named statement each (kinds.ts); for
 * everything else search.ts says what is asked, page.ts reads ids, kinds.ts makes them texts, cursor.ts remembers the place.
 */
import { Problem } from "../../problems.ts";
import type { ResourceTypeName } from "../../vocabulary/attributes.ts";
import { GROUP, USER } from "../../vocabulary/urns.ts";
import type { Answer } from "../answer.ts";
import type { PagingByCursor, ScimQuery } from "../query.ts";
import { toListResponse } from "../render.ts";
import { contextOf, type Scope } from "../scope.ts";
import { openCursor, sealCursor } from "./cursor.ts";
import { lookupRowsMax } from "./kinds.ts";
import { type Page, readAfter, readPage } from "./page.ts";
import { type Search, toSearch } from "./search.ts";

/** One page. Raises `invalidFilter`, `invalidValue` for an order that does not exist, and what is wrong with a cursor. */
export async function list(scope: Scope, types: readonly ResourceTypeName[], query: ScimQuery): Promise<Answer> {
  const search = toSearch(contextOf(scope).principal.tenantId, types, query);
  const { cursor, startIndex, count } = query;
  const found = cursor?.text ? undefined : await lookUp(scope, search, query);
  if (found && cursor === undefined) {
    const resources = found.slice(startIndex - 1, startIndex - 1 + count);
    return toAnswer(resources, { total: found.length, startIndex });
  }
  if (found && found.length <= count) return toAnswer(found, { total: found.length });
  if (cursor !== undefined) return await listByCursor(scope, search, cursor, count);
  const page = await readPage(scope, search, startIndex - 1, count);
  return toAnswer(await textsOf(scope, search, page), { total: page.total, startIndex });
}

/** RFC 7644 §3.4.2.1: a search at the server's root is over all that is provisioned. */
export const everything = {
  list: (scope: Scope, query: ScimQuery) => list(scope, ["User", "Group"], query),
};

async function listByCursor(scope: Scope, search: Search, cursor: PagingByCursor, first: number): Promise<Answer> {
  const before = cursor.text === "" ? undefined : openCursor(scope, search.place, cursor.text);
  const count = before?.count ?? first;
  if (cursor.count !== undefined && cursor.count !== count) {
    throw new Problem("invalidCount", `The count of the first page was ${count}; it stays the same on all pages.`);
  }
  // One more than asked for tells whether there is a next page.
  const more = count === 0 ? 0 : count + 1;
  const read: Page = before
    ? { rows: await readAfter(scope, search, before.after, more), total: before.total }
    : await readPage(scope, search, 0, more);
  const rows = read.rows.slice(0, count);
  const last = rows.at(-1);
  const { total } = read;
  const after = read.rows.length > count ? last : undefined;
  return toAnswer(await textsOf(scope, search, { rows }), {
    total,
    ...(after ? { nextCursor: sealCursor(scope, search.place, { after, count, total }) } : {}),
  });
}

/** All that there is, as texts, where the filter is one of the look-ups and finds no more than a look-up is for. */
async function lookUp(scope: Scope, { branches }: Search, query: ScimQuery): Promise<readonly string[] | undefined> {
  const [branch, ...others] = branches;
  if (branch?.filter === undefined || others.length > 0 || !("compare" in branch.filter)) return undefined;
  const { path, op, value } = branch.filter.compare;
  const isCore = path.schema === USER || path.schema === GROUP;
  const lookup = isCore && path.sub === undefined ? branch.kind.lookups.get(path.attribute) : undefined;
  if (lookup === undefined || op !== "eq" || typeof value !== "string") return undefined;
  const stored = lookup.toStored(value);
  const found = stored === undefined ? [] : await branch.kind.lookUp(scope, lookup.statement, stored);
  return found.length > 1 && (found.length > lookupRowsMax || query.sortBy !== undefined) ? undefined : found;
}

/** The texts of a page's rows, in their order. What has been deleted since the ids were read is left out. */
async function textsOf(scope: Scope, { branches }: Search, { rows }: Pick<Page, "rows">): Promise<readonly string[]> {
  const texts = new Map<string, string>();
  for (const { kind } of branches) {
    const ids = rows.filter(({ type }) => type === kind.type).map(({ id }) => id);
    if (ids.length > 0) for (const [id, text] of await kind.find(scope, ids)) texts.set(id, text);
  }
  return rows.flatMap(({ id }) => texts.get(id) ?? []);
}

function toAnswer(
  resources: readonly string[],
  page: { readonly total: number; readonly startIndex?: number; readonly nextCursor?: string },
): Answer {
  return { status: 200, text: toListResponse(resources, page) };
}
