/** LIC-11: on the management side whoever takes or frees a seat, by any path, needs the license permission. */
import { requirePermission } from "../auth/authority.ts";
import type { MappingDocument } from "../domain/model.ts";
import { getMapping } from "../provisioning/mapping.ts";
import type { Call } from "./operation.ts";

const permission = "licenses.manage";

/** For a mapping that hands out tiers differently from the one in effect. */
export async function requireForMapping({ deps, ctx }: Call, next: MappingDocument): Promise<void> {
  const { document } = await getMapping(deps, ctx);
  if (tiersOf(document) !== tiersOf(next)) await requirePermission(deps, ctx, permission);
}

/** For whatever else moves seats. */
export async function requireForSeats({ deps, ctx }: Call): Promise<void> {
  await requirePermission(deps, ctx, permission);
}

/** All that says who gets which tier, in the order in which it counts. */
function tiersOf({ groups, rules, defaults }: MappingDocument): string {
  const entries = groups.flatMap(({ match, tier }) => (tier === undefined ? [] : [[Object.entries(match), tier]]));
  const conditions = rules.flatMap(({ when, tier }) => (tier === undefined ? [] : [[when, tier]]));
  return JSON.stringify([entries, conditions, defaults.tier]);
}
