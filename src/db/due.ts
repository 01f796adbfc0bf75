/**
 * Whom the clock has made due (USR-7, LIC-8): found by the time in which each decided status holds, which the database
 * keeps beside it (migrations: decided_from, decided_until), so that a look at it costs the same however many people
 * there are. Dates that have been carried out are not looked at again.
 */
import type { Executor, Statement, Transaction } from "./database.ts";

/** What the clock does to people, in the order in which it is done: seats come free before others ask for them. */
export const dueKinds = ["ended", "expired", "ahead", "started"] as const;

/**
 * `ended`: in, and past the end date. `expired`: invited, and not come in time. `started`: out, and the start has come.
 * `ahead`: decided by a clock that was ahead of the one that looks.
 */
export type DueKind = (typeof dueKinds)[number];

/** The moment of looking, and the moment beyond which a decision must have been taken by a clock that ran ahead. */
export interface Look {
  readonly now: Date;
  readonly ahead: Date;
}

/** Where a page of due people ended. */
export interface DuePosition {
  /** To the microsecond, as text: a cursor that were cut to milliseconds would find its last row again. */
  readonly at: string;
  readonly id: string;
}

const tenants: Statement = {
  name: "due_tenants",
  text: `select tenant_id from users where decided_until <= $1
    union select tenant_id from users where decided_from > $2`,
};

/** Tenants in whom somebody is due. */
export async function findTenantsWithDue(executor: Executor, { now, ahead }: Look): Promise<string[]> {
  const rows = await executor.query<{ tenant_id: string }>(tenants, [now.toISOString(), ahead.toISOString()]);
  return rows.map((row) => row.tenant_id);
}

/** $2 is the moment that the kind is compared with. */
const conditions: Readonly<Record<DueKind, { column: string; of: string; moment: keyof Look }>> = {
  ended: {
    column: "decided_until",
    of: "decided_until <= $2 and status <> 'inactive' and ends_at <= $2",
    moment: "now",
  },
  expired: { column: "decided_until", of: "decided_until <= $2 and status = 'pending'", moment: "now" },
  ahead: { column: "decided_from", of: "decided_from > $2", moment: "ahead" },
  started: { column: "decided_until", of: "decided_until <= $2 and status = 'inactive'", moment: "now" },
};

const pageOf = (kind: DueKind): Statement => {
  const { column, of } = conditions[kind];
  return {
    name: `due_${kind}`,
    text: `select id, ${column}::text as at from users where tenant_id = $1 and ${of}
      and ($3::timestamptz is null or (${column}, id) > ($3::timestamptz, $4::uuid)) order by ${column}, id limit $5`,
  };
};

/** The next who are due, longest due first. Somebody else may be about to do the same. */
export async function findDue(
  executor: Executor,
  tenantId: string,
  kind: DueKind,
  look: Look,
  after: DuePosition | null,
  limit: number,
): Promise<DuePosition[]> {
  const moment = look[conditions[kind].moment].toISOString();
  const values = [tenantId, moment, after?.at ?? null, after?.id ?? null, limit];
  return await executor.query<DuePosition>(pageOf(kind), values);
}

const lockOf = (kind: DueKind): Statement => ({
  name: `due_${kind}_lock`,
  text: `select id from users where tenant_id = $1 and ${conditions[kind].of} and id = any ($3::uuid[])
    order by id for no key update skip locked`,
});

/** Locks those who are still due and whom nobody else has in hand: whoever has looks at the clock as well. */
export async function lockDue(
  tx: Transaction,
  tenantId: string,
  kind: DueKind,
  look: Look,
  ids: readonly string[],
): Promise<string[]> {
  const moment = look[conditions[kind].moment].toISOString();
  return (await tx.query<{ id: string }>(lockOf(kind), [tenantId, moment, ids])).map((row) => row.id);
}

const mark: Statement = {
  name: "due_mark",
  text: "update users set dated_at = $2 where tenant_id = $1 and id = any ($3::uuid[])",
};

/** Says that the dates of these locked people have been looked at and call for nothing, such as a time that lies behind. */
export async function markDated(tx: Transaction, tenantId: string, ids: readonly string[], now: Date): Promise<void> {
  if (ids.length > 0) await tx.query(mark, [tenantId, now.toISOString(), ids]);
}
