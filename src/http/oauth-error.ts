/** The message in which a problem reaches a client of the OAuth 2 door (RFC 6749 §5.2). */
import type { Message } from "../problem-messages.ts";
import type { Problem } from "../problems.ts";

/** §5.2 knows words for a client's mistakes only; the others are from §4.1.2.1. */
export function renderOauthError(problem: Problem): Message {
  const { status, message, facts } = problem;
  return {
    status,
    contentType: "application/json",
    // RFC 6749 §5.2: neither quotes nor anything beyond ASCII.
    body: { error: facts.error ?? errorOf(status), error_description: message.replace(/[^ !#-[\]-~]/g, "'") },
  };
}

function errorOf(status: number): string {
  if (status === 429 || status === 503) return "temporarily_unavailable";
  if (status === 401) return "invalid_client";
  return status < 500 ? "invalid_request" : "server_error";
}
