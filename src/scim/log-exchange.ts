/** Hands each authenticated request and what became of it to the provisioning log, where an IT admin finds the reason. */
import type { NextFunction, Request, Response } from "express";
import { renderScimError } from "../problem-messages.ts";
import { Problem } from "../problems.ts";
import { contextOf, currentScope, type Scope } from "./scope.ts";

/** Stands after authentication: before it there is no tenant whose log it would be. */
export function logExchange(req: Request, res: Response, next: NextFunction): void {
  const scope = currentScope();
  const begun = performance.now();
  const at = scope.deps.clock();
  res.once("close", () => {
    const { principal, requestId } = contextOf(scope);
    scope.deps.provisioningLog?.record({
      tenantId: principal.tenantId,
      id: scope.deps.newId(),
      at,
      tokenId: principal.tokenId,
      connection: principal.label,
      requestId,
      method: req.method,
      path: req.originalUrl,
      // 499: the client left before it was answered.
      status: res.writableFinished ? res.statusCode : 499,
      durationMs: performance.now() - begun,
      request: req.body,
      answer: answerOf(scope),
      decision: decisionOf(scope),
    });
  });
  next();
}

/** A refusal in the client's own message, or the resource of a write. Reads are told by their path and status alone. */
function answerOf({ failure, answer, requestId }: Scope): unknown {
  return failure instanceof Problem ? renderScimError(failure, requestId).body : answer;
}

/** What was decided of a user, which members were skipped, or which rule refused. */
function decisionOf({ failure, decision }: Scope): unknown {
  if (!(failure instanceof Problem)) return decision;
  const { rule } = failure.facts;
  return { refused: failure.code, ...(rule === undefined ? {} : { rule }) };
}
