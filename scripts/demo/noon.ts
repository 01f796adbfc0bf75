/** Noon: the Admin looks ahead at a change of the mapping, saves another, and buys a seat. */
import { USHER_USER } from "../../src/vocabulary/urns.ts";
import { describePool, type Pool } from "./answers.ts";
import { generousMapping, laterMapping } from "./mapping.ts";
import type { Stage } from "./stage.ts";
import { awaitReconcile, explainRole, tellLicense, tellRole } from "./tell.ts";

interface Preview {
  readonly digest: string;
  readonly changed: number;
  readonly changes: readonly { readonly userName: string; readonly after: { readonly role: string } }[];
  readonly pools: readonly { readonly tier: string; readonly due: number; readonly short: number }[];
}

export async function playNoon(stage: Stage): Promise<void> {
  await lookAhead(stage);
  await buy(stage);
}

async function lookAhead(stage: Stage): Promise<void> {
  const { story, admin, id } = stage;
  story.chapter("The Admin looks before leaping");
  story.step("Pro seats for all of Sales? The preview says how many seats that would lack, and nothing changes");
  const generous = await admin.ask<Preview>(
    { method: "POST", path: "/mapping/preview", body: generousMapping },
    {
      status: 200,
      holds: { promotions: [] },
      say: ({ changed, pools }) => `${changed} would change · ${short(pools)}`,
    },
  );
  const pro = generous.pools.find(({ tier }) => tier === "pro");
  story.holds("pro seats due and lacking", pro, { due: 5, short: 4 });

  story.step("A rule for principals instead: one person changes, and the save carries the preview's digest");
  const preview = await admin.ask<Preview>(
    { method: "POST", path: "/mapping/preview", body: laterMapping },
    {
      status: 200,
      holds: { changed: 1, changes: [{ userId: id("margaret"), after: { role: "manager" } }] },
      say: ({ changes }) => changes.map(({ userName, after }) => `${userName} → ${after.role}`).join(", "),
    },
  );
  await admin.ask(
    { method: "PUT", path: "/mapping", body: { ...laterMapping, confirm: preview.digest } },
    { status: 200, say: "saved" },
  );
  await awaitReconcile(stage, { total: 6 });
  await tellRole(stage, "margaret", "manager");
  await explainRole(stage, "margaret", "won", 'The rule "Principals"');
}

function short(pools: Preview["pools"]): string {
  return pools.map((pool) => `${pool.tier}: ${pool.due} due, ${pool.short} short`).join(" · ");
}

async function buy(stage: Stage): Promise<void> {
  const { story, admin, entra, id } = stage;
  story.chapter("A purchase moves two queues");
  story.step("What would one more pro seat cost?");
  await admin.ask<{ total: number; currency: string; billingCycle: string }>(
    { method: "POST", path: "/pools/pro/quote", body: { seats: 1 } },
    {
      status: 200,
      holds: { seats: 1, purchasedAfter: 2 },
      say: ({ total, currency, billingCycle }) => `${total} ${currency} ${billingCycle}`,
    },
  );
  story.step("Bought. The order is sent twice, as a nervous network would, and counts once");
  for (const [time, say] of [describePool, () => "the same order, bought once"].entries()) {
    const pool = await admin.ask<Pool>(
      { method: "POST", path: "/pools/pro/purchase", body: { seats: 1 }, headers: { "Idempotency-Key": "order-1001" } },
      { status: 200, holds: { purchased: 2, used: 2, waitlisted: 0 }, say },
    );
    story.holds(`the pool after order ${time + 1}`, pool.available, 0);
  }
  story.step("Ada has her pro seat; the standard seat she gave up went to Edsger");
  await tellLicense(stage, "ada", { tier: "pro", status: "assigned" });
  await tellLicense(stage, "edsger", { tier: "standard", status: "assigned" });
  const { [USHER_USER]: edsger } = await entra.look<{ [USHER_USER]: { license: object } }>(`/Users/${id("edsger")}`);
  story.holds("whether Edsger still waits", "position" in edsger.license, false);
}
