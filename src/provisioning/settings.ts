/** The tenant's settings. An edit moves the rules and has everybody decided again. */

import { lockAuthority, requireHeld } from "../auth/authority.ts";
import type { Statement } from "../db/database.ts";
import { recordEvents } from "../db/events.ts";
import { bumpRules } from "../db/rules.ts";
import type { Settings } from "../domain/model.ts";
import { Problem } from "../problems.ts";
import { eventOf, type Work } from "./apply.ts";
import { actorOf, type Deps, type RequestContext } from "./context.ts";
import { reconcileJob } from "./jobs.ts";

/** How long one person's wish to weaken `twoPersonPromotion` waits for a second person. */
const secondPersonHours = 24;

export async function getSettings(deps: Deps, ctx: RequestContext): Promise<Settings> {
  return (await deps.rules.current(deps.db, ctx.principal.tenantId)).settings;
}

/**
 * Changes the settings named. Problems: forbidden; conflict when `twoPersonPromotion` is being turned off by one person
 * alone: the wish is kept, and a second Admin sending the same within a day carries it out (GRD-6).
 */
export async function changeSettings(deps: Deps, ctx: RequestContext, change: Partial<Settings>): Promise<Settings> {
  const { tenantId } = ctx.principal;
  const result = await deps.db.transaction(async (tx): Promise<Settings | Problem> => {
    const rules = await deps.rules.locked(tx, tenantId);
    const now = deps.clock();
    requireHeld(await lockAuthority(tx, ctx.principal, now), ctx.principal, ["settings.manage"]);
    const work: Work = { deps, ctx, tx, rules, now };
    const weakens = rules.settings.twoPersonPromotion && change.twoPersonPromotion === false;
    if (weakens && !(await hasSecondPerson(work))) return await awaitSecondPerson(work);
    await tx.query(write, [tenantId, JSON.stringify(change)]);
    const version = await bumpRules(tx, tenantId);
    const before = Object.fromEntries(
      Object.keys(change).map((name) => [name, rules.settings[name as keyof Settings]]),
    );
    await recordEvents(tx, [{ ...eventOf(work, "settings.changed", "Settings", tenantId, { ...change }), before }]);
    await reconcileJob(deps, tx, { tenantId, version }, "settings changed");
    return { ...rules.settings, ...change };
  });
  if (result instanceof Problem) throw result;
  // This process keeps to them from now on; others look within two seconds, and before whatever they decide.
  deps.rules.forget(tenantId);
  return result;
}

const write: Statement = {
  name: "settings_write",
  text: "update tenants set settings = settings || $2::jsonb where id = $1",
};

const wish = "settings.weakening-asked";

const findWish: Statement = {
  name: "settings_wish",
  text: `select actor from events where tenant_id = $1 and subject_id = $1::text and action = '${wish}' and at > $2
    and id > coalesce((select max(id) from events where tenant_id = $1 and subject_id = $1::text
      and action = 'settings.changed' and after ? 'twoPersonPromotion'), 0)`,
};

/** Whether somebody else, a person of their own, has asked for the same within a day. */
async function hasSecondPerson({ tx, rules, ctx, now }: Work): Promise<boolean> {
  const since = new Date(now.getTime() - secondPersonHours * 3_600_000).toISOString();
  const rows = await tx.query<{ actor: { id: string; userId?: string; issuerId?: string } }>(findWish, [
    rules.tenantId,
    since,
  ]);
  const me = personsOf(actorOf(ctx));
  return rows.some(({ actor }) => !personsOf(actor).some((person) => me.includes(person)));
}

/** A token counts as the person it acts for and as the one who issued it: nobody is two by minting one for another. */
function personsOf({ userId, issuerId }: { userId?: string; issuerId?: string }): string[] {
  const persons = [userId, issuerId].filter((id) => id !== undefined);
  return persons.length === 0 ? ["operator"] : persons;
}

async function awaitSecondPerson(work: Work): Promise<Problem> {
  const { tx, rules } = work;
  await recordEvents(tx, [eventOf(work, wish, "Settings", rules.tenantId, { twoPersonPromotion: false }, "GRD-6")]);
  return new Problem(
    "conflict",
    "Turning twoPersonPromotion off takes two persons. Your wish is recorded: another Admin has to send the same within 24 hours.",
    { facts: { rule: "GRD-6" } },
  );
}
