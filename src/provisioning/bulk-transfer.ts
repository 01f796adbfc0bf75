/** `assignLicense {from}`: one person's seat becomes that of the one who is selected (LIC-4, P-10). */
import { findUser } from "../db/users.ts";
import { isUuid } from "../ids.ts";
import { Problem } from "../problems.ts";
import type { BulkAction } from "./bulk-actions.ts";
import { type BulkResult, toChanged, toNotFound, toRefused, toUnchanged } from "./bulk-outcomes.ts";
import type { Deps, RequestContext } from "./context.ts";
import { transferSeat } from "./pools-transfer.ts";

export interface TransferParams {
  readonly tier: string;
  readonly from: string;
}

export function isTransfer(action: BulkAction): action is { action: "assignLicense"; params: TransferParams } {
  return action.action === "assignLicense" && action.params.from !== undefined;
}

/** Moves the seat. Problem: invalidValue where not exactly one person is selected. */
export async function transferTo(
  deps: Deps,
  ctx: RequestContext,
  { tier, from }: TransferParams,
  dryRun: boolean,
  ids: readonly string[],
): Promise<BulkResult> {
  const [to, ...others] = ids;
  if (to === undefined || others.length > 0) {
    throw new Problem("invalidValue", `A seat moves to one person; ${ids.length} are selected.`, {
      facts: { attribute: "select" },
    });
  }
  const { tenantId } = ctx.principal;
  const find = async (id: string) => (isUuid(id) ? await findUser(deps.db, tenantId, id) : undefined);
  const receiver = await find(to);
  if (receiver === undefined) return toNotFound(to);
  const { state } = receiver;
  const giver = await find(from);
  const name = giver?.state.doc.userName ?? "nobody";
  try {
    if (giver === undefined) throw new Problem("notFound", "Nobody has the id from which the seat should come.");
    // LIC-6: asked once more, it has moved already.
    const holds = state.seat?.tier === tier && giver.state.seat?.tier !== tier;
    if (dryRun) requireMovable(tier, giver.state.seat?.tier, state.status, state.doc.userName, name, holds);
    else await transferSeat(deps, ctx, { from, to, tier });
    return holds ? toUnchanged(state) : toChanged(state, `Takes the seat of ${name}.`);
  } catch (error) {
    if (!(error instanceof Problem) || error.code === "unavailable") throw error;
    return toRefused(state.id, state.doc.userName, error);
  }
}

/** What stands against a move, as far as it can be seen without moving. */
function requireMovable(
  tier: string,
  held: string | undefined,
  status: string,
  receiver: string,
  giver: string,
  isDone: boolean,
): void {
  if (isDone) return;
  if (held !== tier)
    throw new Problem("conflict", `${giver} holds no seat of "${tier}".`, { facts: { rule: "LIC-4" } });
  if (status === "inactive") {
    throw new Problem("conflict", `${receiver} is inactive and may hold no seat.`, { facts: { rule: "LIC-8" } });
  }
}
