/**
 * What the provisioning log keeps of a Bulk: which operations there were and which failed, without their data. Bounded, as
 * a thousand operations do not fit an entry; with nothing of what a password could stand in.
 */
import type { BulkOperation, BulkRequest } from "./message.ts";
import type { Outcome } from "./outcome.ts";

/** Operations that are listed. Those beyond are counted. */
const listedMax = 50;
/** Failures that are told with their reasons, wherever in the request they stand. */
const failuresMax = 20;
/** Characters of one text; a reason may have some more. */
const textLengthMax = 80;
const detailLengthMax = 300;

/** The request as the log keeps it. */
export function summarise({ errorsMax, operations }: BulkRequest): object {
  return {
    ...(Number.isFinite(errorsMax) ? { failOnErrors: errorsMax } : {}),
    operations: operations.length,
    Operations: operations.slice(0, listedMax).map(describe),
  };
}

/** The answer as the log keeps it, while it comes about. */
export interface Tally {
  /** How many operations ended with which status. */
  readonly statuses: Record<string, number>;
  readonly failed: object[];
}

export function newTally(): Tally {
  return { statuses: {}, failed: [] };
}

/** Counts an operation that has ended. */
export function note({ statuses, failed }: Tally, operation: BulkOperation, { status, problem }: Outcome): void {
  statuses[status] = (statuses[status] ?? 0) + 1;
  if (problem === undefined || failed.length >= failuresMax) return;
  const { rule } = problem.facts;
  const { code, message } = problem;
  failed.push({ ...describe(operation), status, code: rule ?? code, detail: message.slice(0, detailLengthMax) });
}

function describe({ method, path, bulkId, name }: BulkOperation): object {
  return {
    ...(method === undefined ? {} : { method }),
    ...(path === undefined ? {} : { path: path.slice(0, textLengthMax) }),
    ...(bulkId === undefined ? {} : { bulkId: bulkId.slice(0, textLengthMax) }),
    ...(name === undefined ? {} : { name: name.slice(0, textLengthMax) }),
  };
}
