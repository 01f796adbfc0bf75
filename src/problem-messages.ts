/**
 * The messages in which a problem reaches a client: problem+json (RFC 9457) and SCIM's Error (RFC 7644 §3.12). The OAuth
 * door has its own in http/.
 */
import type { Problem } from "./problems.ts";

export interface Message {
  readonly status: number;
  readonly contentType: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export const SCIM_ERROR_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error";
const USHER_ERROR_SCHEMA = "urn:ietf:params:scim:schemas:extension:usher:2.0:Error";

/** Clients compare `code`; the sentences are for people. */
export function renderProblem(problem: Problem, requestId: string): Message {
  const { status, kind, message, code, facts } = problem;
  return {
    status,
    contentType: "application/problem+json",
    body: { ...facts, type: "about:blank", title: kind.title, status, detail: message, code, requestId },
  };
}

/**
 * RFC 7644 §3.12: `status` is a string. A refusal by rule carries an extra member with the rule and the numbers behind it;
 * any other error has the standard's members alone, because strict clients (scim2-client) take no others.
 */
export function renderScimError(problem: Problem, requestId: string): Message {
  const { kind, message, facts } = problem;
  const { rule, ...numbers } = facts;
  // GRD-7: a 409 makes provisioning clients try again for ever; a 403 is shown to their administrator.
  const status = problem.code === "lastAdmin" ? 403 : problem.status;
  return {
    status,
    contentType: "application/scim+json",
    body: {
      schemas: [SCIM_ERROR_SCHEMA],
      status: String(status),
      ...(kind.scimType === undefined ? {} : { scimType: kind.scimType }),
      detail: status === 500 || status === 503 ? `${message} Request ${requestId}.` : message,
      ...(rule === undefined ? {} : { [USHER_ERROR_SCHEMA]: { code: rule, ...numbers, requestId } }),
    },
  };
}
