/** The BulkResponse message (RFC 7644 §3.7.3): what became of each operation, in the order of the request. */
import { renderScimError } from "../../problem-messages.ts";
import { BULK_RESPONSE } from "../../vocabulary/urns.ts";
import type { BulkOperation } from "./message.ts";
import type { Outcome } from "./outcome.ts";

/** The message as text. Operations without an outcome were not started, and are left out. */
export function toBulkResponse(
  operations: readonly BulkOperation[],
  outcomes: readonly (Outcome | undefined)[],
  requestId: string,
): string {
  const told = operations.flatMap((operation) => {
    const outcome = outcomes[operation.index];
    return outcome === undefined ? [] : [toAnswer(operation, outcome, requestId)];
  });
  return JSON.stringify({ schemas: [BULK_RESPONSE], Operations: told });
}

/**
 * RFC 7644 §3.7.3: `location` but for a failed POST, `response` for whatever is not a success; of a success it may be
 * left out, and is: a client that wants the resource asks for it.
 */
function toAnswer({ method, bulkId }: BulkOperation, outcome: Outcome, requestId: string): object {
  const { location, version, problem } = outcome;
  const response = problem === undefined ? undefined : renderScimError(problem, requestId);
  return {
    ...(method === undefined ? {} : { method }),
    ...(bulkId === undefined ? {} : { bulkId }),
    ...(version === undefined ? {} : { version }),
    ...(location === undefined ? {} : { location }),
    status: String(response?.status ?? outcome.status),
    ...(response === undefined ? {} : { response: response.body }),
  };
}
