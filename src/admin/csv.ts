/** Import and export of people as CSV (P-8, P-9), under the tag users. */
import type { UserListFilter } from "../db/user-list.ts";
import { exportUsers } from "../provisioning/export-users.ts";
import { type ImportRun, startImport } from "../provisioning/import-users.ts";
import { toAccepted, toCounts, toSeats } from "./bulk.ts";
import type { Handlers } from "./operation.ts";

export const csvHandlers: Handlers = {
  async importUsers({ deps, ctx, query, file }) {
    const request = { dryRun: query.dryRun === "true", update: query.update === "true", charset: file?.charset };
    const started = await startImport(deps, ctx, file?.bytes ?? nothing(), request);
    return "run" in started ? { body: toRun(started.run) } : toAccepted(started.job);
  },

  async exportUsers({ deps, ctx, query }) {
    const day = deps.clock().toISOString().slice(0, 10);
    const headers = { "Content-Disposition": `attachment; filename="users-${day}.csv"` };
    const type = "text/csv; charset=utf-8; header=present";
    return { headers, text: { type, chunks: exportUsers(deps, ctx, query as UserListFilter) } };
  },
};

async function* nothing(): AsyncGenerator<Uint8Array> {}

function toRun({ dryRun, update, ignoredColumns, outcomes, results, memo }: ImportRun) {
  return {
    dryRun,
    update,
    ignoredColumns,
    total: results.length,
    outcomes: toCounts("import", outcomes),
    seats: memo && toSeats(memo),
    results,
  };
}
