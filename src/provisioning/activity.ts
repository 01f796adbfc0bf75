/** what the product tells of people's comings and goings, and reviews of what they may do. Nobody's decision rests on it. */
import { lockAuthority, requireHeld } from "../auth/authority.ts";
import { type ActivityRow, writeActivity, writeReview } from "../db/activities.ts";
import { recordEvents } from "../db/events.ts";
import { lockUsers, type UserAccount } from "../db/users.ts";
import type { JsonObject } from "../domain/model.ts";
import { isUuid } from "../ids.ts";
import { formatInstant, parseInstant } from "../vocabulary/instants.ts";
import { invalid } from "../vocabulary/values.ts";
import { eventOf, type Work } from "./apply.ts";
import { actorOf, type Deps, type RequestContext } from "./context.ts";
import { getAccount } from "./user-reads.ts";
import { begin, noUser } from "./user-steps.ts";

/** What the product saw of one person at one moment. */
export interface Activity {
  /** ISO 8601; not ahead of our clock. */
  readonly at: string;
  readonly online?: boolean;
  /** How many calls the person has handled so far, by the product's own count. */
  readonly callsHandled?: number;
  /** Whether the person has been through the training (onboarding). */
  readonly trained?: boolean;
}

/** Clocks of two servers differ by less; what is further ahead would keep everything after it from counting. */
const clocksDifferMs = 5 * 60_000;

/**
 * Records an activity. May be told twice, late and in any order: the latest moment counts. LOG-1: coming online, going
 * offline and the training are events; that somebody was seen once more is a measurement, and none.
 * Problems: invalidValue, notFound.
 */
export async function recordActivity(
  deps: Deps,
  ctx: RequestContext,
  id: string,
  activity: Activity,
): Promise<ActivityRow> {
  const { tenantId } = ctx.principal;
  if (!isUuid(id)) throw noUser(id);
  const at = toPast(deps, activity.at, "at");
  const { online = null, callsHandled = null, trained = null } = activity;
  const rules = await deps.rules.recent(deps.db, tenantId);
  return await deps.db.transaction(async (tx) => {
    // No rule decides here, so none is held still: people come and go all day, and edits of the rules must get through.
    const work: Work = { deps, ctx, tx, rules, now: deps.clock() };
    const write = { tenantId, userId: id, at, online, callsHandled, trained };
    const written = await writeActivity(tx, write);
    if (written === undefined) throw noUser(id);
    const { before, after } = written;
    const change = notable(before, after);
    if (change !== null) {
      const event = eventOf(work, "user.activity", "User", id.toLowerCase(), { at, ...change.after });
      await recordEvents(tx, [{ ...event, before: change.before }]);
    }
    return after;
  });
}

function notable(
  before: ActivityRow | undefined,
  after: ActivityRow,
): { before: JsonObject; after: JsonObject } | null {
  const was = { online: before?.online ?? false, trained: (before?.trainedAt ?? null) !== null };
  const is = { online: after.online, trained: after.trainedAt !== null };
  return was.online === is.online && was.trained === is.trained ? null : { before: was, after: is };
}

/** A moment as UTC text. Raises `invalidValue` for what lies ahead. */
export function toPast({ clock }: Deps, text: string, field: string): string {
  const instant = parseInstant(text);
  if (instant === undefined) throw invalid(field, "must be a date such as 2026-01-31T09:00:00Z (ISO 8601)");
  const at = formatInstant(instant);
  if (Date.parse(at) > clock().getTime() + clocksDifferMs) throw invalid(field, "lies in the future");
  return at;
}

/** notes that somebody has looked at what this person may do. Problems: forbidden, notFound. */
export async function reviewUser(deps: Deps, ctx: RequestContext, id: string): Promise<UserAccount> {
  const { principal } = ctx;
  const { tenantId } = principal;
  if (!isUuid(id)) throw noUser(id);
  await deps.db.transaction(async (tx) => {
    const work = await begin(deps, ctx, tx);
    const [locked] = await lockUsers(tx, tenantId, [id]);
    if (locked === undefined) throw noUser(id);
    requireHeld(await lockAuthority(tx, principal, work.now), principal, ["users.manage"]);
    const at = work.now.toISOString();
    await writeReview(tx, tenantId, locked, at, actorOf(ctx));
    await recordEvents(tx, [eventOf(work, "user.reviewed", "User", locked, { reviewedAt: at })]);
  });
  return await getAccount(deps, ctx, id);
}
