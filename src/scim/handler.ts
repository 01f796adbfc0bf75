/**
 * Errors at scimmy's door. scimmy turns what it does not know into 404 and what it does not like into 401, so a failure
 * of ours travels through it in a wrapping that it lets pass, and is unwrapped behind it for the app's error handler.
 */
import type { ErrorRequestHandler } from "express";
import { SCIM_ERROR_SCHEMA } from "../problem-messages.ts";
import { Problem } from "../problems.ts";
import { findScope, type Scope } from "./scope.ts";

/** scimmy's error message rethrows whatever carries this schema, and express hands it on to the next error handler. */
class Passing extends Error {
  readonly schemas = [SCIM_ERROR_SCHEMA];
  readonly status = 500;
}

/** Runs an operation of a resource; what it throws is kept in the scope and passes through scimmy. */
export async function passing<T>(scope: Scope, operation: () => Promise<T>): Promise<T> {
  try {
    const answer = await operation();
    await scope.confirm();
    return answer;
  } catch (failure) {
    scope.failure = failure;
    throw new Passing("The reason is in the scope of the request.", { cause: failure });
  }
}

/** The last handler of the door: gives the failure itself, with its headers and its cause, to whoever renders it. */
export const unwrapFailure: ErrorRequestHandler = async (error, _req, _res, next) => {
  const scope = findScope();
  if (scope === undefined) {
    next(error);
    return;
  }
  scope.failure ??= error;
  // Who may not ask is told so, and not that the question was wrong. In an outage nobody can tell.
  if (scope.failure instanceof Problem && scope.failure.code !== "unavailable") {
    await scope.confirm().catch((refusal: unknown) => {
      scope.failure = refusal;
    });
  }
  next(scope.failure);
};
