/** Evening: the last seat is bought, people sign in to the product, and the Admin reads the overview. */
import { type AccessDecision, describePool, type Overview, type Pool } from "./answers.ts";
import type { Stage } from "./stage.ts";
import { tellLicense } from "./tell.ts";

export async function playEvening(stage: Stage): Promise<void> {
  await emptyTheQueue(stage);
  await signIn(stage);
  await readTheLog(stage);
  await tellOverview(stage);
}

async function emptyTheQueue(stage: Stage): Promise<void> {
  const { story, admin } = stage;
  story.chapter("The last one in line");
  story.step("One more standard seat: a free seat beside a queue does not exist");
  await admin.ask<Pool>(
    { method: "POST", path: "/pools/standard/purchase", body: { seats: 1 } },
    { status: 200, holds: { purchased: 4, used: 4, waitlisted: 0 }, say: describePool },
  );
  await tellLicense(stage, "niklaus", { tier: "standard", status: "assigned" });
}

async function signIn({ story, product }: Stage): Promise<void> {
  story.chapter("People sign in");
  const ask = (userName: string, holds: object) =>
    product.ask<AccessDecision>(
      {
        method: "POST",
        path: "/evaluation",
        body: { subject: { type: "userName", id: userName }, action: { name: "sign-in" } },
      },
      { status: 200, holds, say: ({ decision, context }) => `${decision ? "yes" : "no"}: ${context.reason}` },
    );
  story.step("Grace may");
  await ask("grace.hopper@northwind.example", { decision: true, context: { role: "admin", tier: "standard" } });
  story.step("Alan has left; somebody unknown is answered the same, so that nobody learns who has an account");
  const alan = await ask("alan.turing@northwind.example", { decision: false, context: { status: "inactive" } });
  const nobody = await ask("nobody@northwind.example", { decision: false });
  story.holds("the reason for somebody unknown", nobody.context.reason, alan.context.reason);
}

interface Event {
  readonly position: number;
  readonly action: string;
}

/** LOG-1, LOG-2: every change is there, numbered without a gap. */
async function readTheLog({ story, admin }: Stage): Promise<void> {
  story.chapter("What happened today");
  story.step("Every change is an event with a position; a reader that goes on from its last one misses nothing");
  const events: Event[] = [];
  for (let after = "0", more = true; more; ) {
    const page = await admin.ask<{ events: Event[]; nextCursor: string }>(
      { method: "GET", path: `/events?after=${after}&limit=100` },
      { status: 200, say: (body) => `${body.events.length} events, go on from ${body.nextCursor}` },
    );
    events.push(...page.events);
    after = page.nextCursor;
    more = page.events.length > 0;
  }
  const positions = events.map(({ position }) => position);
  story.holds(
    "the positions in order",
    positions,
    positions.toSorted((one, other) => one - other),
  );
  const counts = Object.entries(Object.groupBy(events, ({ action }) => action));
  story.plain(counts.map(([action, some]) => `${action} ${some?.length}`).join(" · "));
  story.holds("users created", events.filter(({ action }) => action === "user.created").length, 8);
}

async function tellOverview({ story, admin }: Stage): Promise<void> {
  story.step("The overview");
  const overview = await admin.ask<Overview>(
    { method: "GET", path: "/overview" },
    {
      status: 200,
      holds: {
        users: { total: 8, active: 7, inactive: 1, licensed: 6, unlicensed: 2, administrators: 2 },
        pools: [
          { tier: "standard", purchased: 4, used: 4, available: 0, waitlisted: 0 },
          { tier: "pro", purchased: 2, used: 2, available: 0, waitlisted: 0 },
        ],
        withoutAdmin: false,
      },
    },
  );
  const { users } = overview;
  story.plain(
    `${users.total} people: ${users.active} active, ${users.inactive} inactive; ${users.administrators} administrators`,
  );
  story.plain("");
  const row = (...cells: (string | number)[]) =>
    story.plain(cells.map((cell, at) => (at === 0 ? `${cell}`.padEnd(12) : `${cell}`.padStart(11))).join(""));
  row("pool", "purchased", "used", "available", "waiting");
  for (const { name, purchased, used, available, waitlisted } of overview.pools) {
    row(name, purchased, used, available, waitlisted);
    story.holds(`whether ${name} is oversold`, used <= purchased, true);
  }
}
