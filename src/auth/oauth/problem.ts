/** Refusals of the token endpoint, by the words of RFC 6749 §5.2; http/ tells them. */
import { Problem, type ProblemCode } from "../../problems.ts";

const codes = {
  invalid_request: "invalidSyntax",
  invalid_client: "unauthorized",
  invalid_scope: "invalidValue",
  unsupported_grant_type: "invalidValue",
} as const satisfies Record<string, ProblemCode>;

export function oauthProblem(error: keyof typeof codes, detail: string): Problem {
  // RFC 9110 §15.5.2: a 401 always names a scheme; RFC 6749 §5.2 asks for it where the client used that header.
  const headers: Record<string, string> =
    error === "invalid_client" ? { "WWW-Authenticate": 'Basic realm="usher"' } : {};
  return new Problem(codes[error], detail, { facts: { error }, headers });
}
