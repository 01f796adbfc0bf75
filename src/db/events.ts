/** LOG-1: one append-only log. Events are written by the transaction whose change they tell of. */
import type { Actor, Json } from "../domain/model.ts";
import type { Executor } from "./database.ts";

export interface EventRecord {
  readonly tenantId: string;
  readonly at: string;
  readonly actor: Actor;
  /** What happened, as `subject.verb`: `user.created`, `license.assigned`, `mapping.saved`. */
  readonly action: string;
  readonly subjectType: string;
  readonly subjectId: string;
  readonly before?: Json;
  readonly after?: Json;
  /** The code of the rule that explains it, such as `LIC-4`. */
  readonly rule?: string;
  readonly requestId: string;
}

const insert = {
  name: "events_insert",
  text: `
    insert into events (tenant_id, at, actor, action, subject_type, subject_id, before, after, rule, request_id)
    select e.tenant_id, e.at, e.actor, e.action, e.subject_type, e.subject_id, e.before, e.after, e.rule, e.request_id
    from rows from (jsonb_to_recordset($1::jsonb) as (
      tenant_id uuid, at timestamptz, actor jsonb, action text, subject_type text, subject_id text,
      before jsonb, after jsonb, rule text, request_id text)) with ordinality as e
      (tenant_id, at, actor, action, subject_type, subject_id, before, after, rule, request_id, ordinal)
    order by e.ordinal`,
};

/** Appends events in order, in one statement. */
export async function recordEvents(executor: Executor, events: readonly EventRecord[]): Promise<void> {
  if (events.length === 0) return;
  const rows = events.map((event) => ({
    tenant_id: event.tenantId,
    at: event.at,
    actor: event.actor,
    action: event.action,
    subject_type: event.subjectType,
    subject_id: event.subjectId,
    before: event.before ?? null,
    after: event.after ?? null,
    rule: event.rule ?? null,
    request_id: event.requestId,
  }));
  await executor.query(insert, [JSON.stringify(rows)]);
}
