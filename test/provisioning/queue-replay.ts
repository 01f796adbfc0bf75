/** Plays a tenant's log again, to see that nobody was seated before somebody who had waited longer (LIC-4). */
import type { OpenDatabase } from "../../src/db/transactions.ts";

interface LoggedEvent {
  readonly id: number;
  readonly action: string;
  readonly user: string;
  readonly before: Readonly<Record<string, unknown>> | null;
  readonly after: Readonly<Record<string, unknown>> | null;
  readonly rule: string | null;
  readonly request: string;
}

interface LoggedLicense {
  readonly tier: string | null;
  readonly status: string;
  readonly wanted?: string | null;
}

interface Place {
  readonly tier: string;
  readonly joined: number;
  readonly priority: number;
}

/**
 * What is wrong with the order in which people were seated, by the log alone; and where the seats and queues that the log
 * leads to are not those that there are. Requests need distinct ids: who leaves a queue in the request that seats somebody
 * else is not passed over by it.
 */
export async function overtakings(db: OpenDatabase, tenantId: string): Promise<string[]> {
  const events = await db.query<LoggedEvent>(
    {
      name: "test_log",
      text: `select e.id, e.action, e.subject_id as user, e.before, e.after, e.rule, e.request_id as request from events e
        where e.tenant_id = $1 and e.subject_type = 'User' order by e.id`,
    },
    [tenantId],
  );
  const places = new Map<string, Place>();
  const held = new Map<string, string | null>();
  const leaving = new Set(events.filter(isLeaving).map((event) => `${event.request} ${event.user}`));
  const wrong: string[] = [];

  const ahead = (tier: string, request: string, than: Place | undefined) =>
    [...places].filter(
      ([user, place]) =>
        place.tier === tier &&
        place !== than &&
        !leaving.has(`${request} ${user}`) &&
        (than === undefined ||
          place.priority > than.priority ||
          (place.priority === than.priority && place.joined < than.joined)),
    );

  for (const event of events) {
    const place = places.get(event.user);
    const license = licenseOf(event);
    if (event.action === "license.prioritized") {
      if (place !== undefined) places.set(event.user, { ...place, priority: Number(event.after?.["priority"]) });
      continue;
    }
    if (event.action === "license.assigned" && event.rule === "LIC-4") {
      const tier = license?.tier as string;
      // A step down may come to the end of a queue and be served by its own release, before its own event is written.
      const justJoined = leaving.has(`${event.request} ${event.user}`);
      if (place?.tier !== tier && !justJoined) {
        wrong.push(`event ${event.id}: drained to ${event.user}, who did not wait for ${tier}`);
      } else if (ahead(tier, event.request, place?.tier === tier ? place : undefined).length > 0) {
        wrong.push(`event ${event.id}: ${event.user} overtook`);
      }
      places.delete(event.user);
      held.set(event.user, tier);
      continue;
    }
    if (license !== undefined) {
      const wanted = license.wanted ?? null;
      // Who is handed a seat, or moves along with their own, takes no free one.
      const isHandedOn = event.action === "license.transferred" || event.action === "license.upgraded";
      const takes = !isHandedOn && license.tier !== null && license.tier !== held.get(event.user);
      if (takes && ahead(license.tier as string, event.request, place).length > 0) {
        wrong.push(`event ${event.id}: ${event.user} took a ${license.tier} seat beside a queue`);
      }
      held.set(event.user, license.tier);
      if (wanted === null) places.delete(event.user);
      else if (place?.tier !== wanted) places.set(event.user, { tier: wanted, joined: event.id, priority: 0 });
    } else if (isLeaving(event)) {
      places.delete(event.user);
      if (event.action === "user.deleted") held.delete(event.user);
    }
  }
  return [...wrong, ...(await differences(db, tenantId, places, held))];
}

function licenseOf({ action, after }: LoggedEvent): LoggedLicense | undefined {
  const license = action.startsWith("license.") ? after : after?.["license"];
  return (license ?? undefined) as LoggedLicense | undefined;
}

/** Whether the event takes the user out of whatever queue: by deletion, or because another tier is due. */
function isLeaving(event: LoggedEvent): boolean {
  if (event.action === "user.deleted") return true;
  const license = licenseOf(event);
  if (license !== undefined) return event.rule !== "LIC-4";
  return event.action === "user.reconciled" && event.after !== null && "tier" in event.after;
}

async function differences(
  db: OpenDatabase,
  tenantId: string,
  places: ReadonlyMap<string, Place>,
  held: ReadonlyMap<string, string | null>,
): Promise<string[]> {
  const queues = await db.query<{ line: string }>(
    {
      name: "test_queues",
      text: `select tier || ' ' || user_id as line from waitlist where tenant_id = $1 order by tier, priority desc, ticket`,
    },
    [tenantId],
  );
  const seats = await db.query<{ line: string }>(
    {
      name: "test_holders",
      text: `select tier || ' ' || user_id as line from seats where tenant_id = $1 and user_id is not null order by line`,
    },
    [tenantId],
  );
  const inOrder = ([, a]: [string, Place], [, b]: [string, Place]) =>
    a.tier < b.tier ? -1 : a.tier > b.tier ? 1 : b.priority - a.priority || a.joined - b.joined;
  const replayedQueues = [...places].sort(inOrder).map(([user, { tier }]) => `${tier} ${user}`);
  const replayedSeats = [...held].flatMap(([user, tier]) => (tier === null ? [] : [`${tier} ${user}`])).sort();
  return [
    ...compare("queues", queues, replayedQueues),
    ...compare(
      "seats",
      seats.toSorted((a, b) => (a.line < b.line ? -1 : 1)),
      replayedSeats,
    ),
  ];
}

function compare(what: string, rows: readonly { readonly line: string }[], replayed: readonly string[]): string[] {
  const stored = rows.map((row) => row.line);
  if (JSON.stringify(stored) === JSON.stringify(replayed)) return [];
  return [`the log leads to other ${what}: ${JSON.stringify({ stored, replayed })}`];
}
