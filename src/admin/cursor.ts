/**
 * Cursors: where a page ended, as a text that only we can write. The signature covers the tenant, the operation and the
 * filters, so that a cursor works where it was given and nowhere else.
 */
import { sameDigest } from "../auth/secret.ts";
import { limits } from "../limits.ts";
import { Problem } from "../problems.ts";
import type { Call } from "./operation.ts";

export interface Page<Position> {
  readonly after: Position | null;
  readonly limit: number;
}

/** The page that the query asks for. Problem `invalidValue` for a cursor of another place. */
export function pageOf<Position>(call: Call): Page<Position> {
  const { cursor, limit } = call.query;
  return {
    after: cursor === undefined ? null : openCursor<Position>(call, cursor),
    limit: limit === undefined ? limits.pageSizeDefault : Number(limit),
  };
}

/**
 * One page of rows, read with one more than asked for: whether there is a next page is known without counting.
 * `toPosition` says where a row stands.
 */
export async function readPage<Row, Position>(
  call: Call,
  read: (after: Position | null, limit: number) => Promise<Row[]>,
  toPosition: (row: Row) => Position,
): Promise<{ rows: Row[]; nextCursor: string | null }> {
  const { after, limit } = pageOf<Position>(call);
  const found = await read(after, limit + 1);
  const rows = found.slice(0, limit);
  const last = rows.at(-1);
  const more = found.length > limit && last !== undefined;
  return { rows, nextCursor: more ? sealCursor(call, toPosition(last)) : null };
}

export function sealCursor(call: Call, position: unknown): string {
  const payload = Buffer.from(JSON.stringify(position)).toString("base64url");
  return `${payload}.${sign(call, payload).toString("base64url")}`;
}

function openCursor<Position>(call: Call, cursor: string): Position {
  const [payload = "", signature = ""] = cursor.split(".");
  if (!sameDigest(sign(call, payload), Buffer.from(signature, "base64url"))) {
    throw new Problem(
      "invalidValue",
      "The cursor is not one of this list with these filters. Begin without a cursor.",
      {
        facts: { attribute: "cursor" },
      },
    );
  }
  return JSON.parse(Buffer.from(payload, "base64url").toString()) as Position;
}

function sign(call: Call, payload: string): Buffer {
  const { cursor: _cursor, limit: _limit, ...filters } = call.query;
  const { tenantId } = call.ctx.principal;
  const place = [tenantId, call.operationId, call.params, Object.entries(filters).sort(), payload];
  return call.deps.secret.digest("cursor", JSON.stringify(place)).subarray(0, 16);
}
