/**
 * Cursors (RFC 9865): where a page ended, as a text that only we can write. The signature covers the tenant, what is listed,
 * the filter and the order, none of which is in the text; so a cursor works for the list that it was given for and says
 * nothing about others. All its characters are unreserved in URLs (RFC 3986 §2.3).
 */
import { sameDigest } from "../../auth/secret.ts";
import { Problem } from "../../problems.ts";
import { bounds } from "../config.ts";
import type { Scope } from "../scope.ts";

/**
 * The last row of a page. Rows are ordered by key and id, so the next page begins behind it, whatever comes or goes. Only who
 * changes the very value that the list is sorted by may be met twice, or on no page.
 */
export interface Position {
  readonly id: string;
  /** What the row is sorted by, as text: at most `sortedLengthMax` characters, or a name's 1,024 bytes. Null: unassigned. */
  readonly key: string | null;
}

/** What a page knows of the pages before it. */
export interface Continuation {
  readonly after: Position;
  /** Resources on a page, settled with the first. */
  readonly count: number;
  /** As counted for the first page. */
  readonly total: number;
}

/** The cursor for the page behind this one. `place` names the list; the same list has the same place on every page. */
export function sealCursor(scope: Scope, place: string, { after, count, total }: Continuation): string {
  const expires = Math.floor(scope.deps.clock().getTime() / 1000) + bounds.cursorSeconds;
  const head = [expires, count, total, after.id].join(" ");
  const payload = Buffer.from(after.key === null ? head : `${head}\n${after.key}`).toString("base64url");
  return `${payload}.${sign(scope, place, payload)}`;
}

/**
 * What a cursor says. Raises `expiredCursor` for one of ours that is too old, `invalidCursor` for anything else that was not
 * made for this very list, always in the same words: whether it is forged or another tenant's is nobody's business.
 */
export function openCursor(scope: Scope, place: string, cursor: string): Continuation {
  const dot = cursor.indexOf(".");
  const payload = cursor.slice(0, Math.max(0, dot));
  // The text is compared, not what it decodes to: of each cursor there is one spelling.
  if (!sameDigest(Buffer.from(sign(scope, place, payload)), Buffer.from(cursor.slice(dot + 1)))) {
    throw new Problem(
      "invalidCursor",
      "The cursor is not one that this list, with this filter and in this order, has given. Begin with an empty cursor.",
    );
  }
  const text = Buffer.from(payload, "base64url").toString();
  const end = text.indexOf("\n");
  const [expires, count, total, ...id] = (end < 0 ? text : text.slice(0, end)).split(" ");
  if (Number(expires) * 1000 <= scope.deps.clock().getTime()) {
    throw new Problem(
      "expiredCursor",
      `A cursor is good for ${bounds.cursorSeconds} seconds, and this one is older. Begin again with an empty cursor.`,
    );
  }
  const after = { id: id.join(" "), key: end < 0 ? null : text.slice(end + 1) };
  return { after, count: Number(count), total: Number(total) };
}

function sign({ deps }: Scope, place: string, payload: string): string {
  return deps.secret
    .digest("cursor", JSON.stringify(["scim", place, payload]))
    .subarray(0, 16)
    .toString("base64url");
}
