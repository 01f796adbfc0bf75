/** What access evaluation's door does differently: its credential is confirmed by the question itself, and it names requests. */
import type { ErrorRequestHandler, Request, Response } from "express";
import type { Recognition } from "../auth/recognise.ts";
import { Problem } from "../problems.ts";

/**
 * AuthZEN 1.0 §10.1.3: "If the PEP specified a request identifier in the request, the PDP MUST include the same identifier
 * in the response", an arbitrary string. Our own, which logs and events carry, differs where theirs is no harmless text.
 */
export function returnRequestId(req: Request, res: Response): void {
  const theirs = req.get("x-request-id");
  if (theirs !== undefined) res.setHeader("X-Request-Id", theirs);
}

/** Who may not ask is told so, and not that the question was wrong. In an outage nobody can tell. */
export const confirmRefusal: ErrorRequestHandler = async (error, _req, res, next) => {
  const recognition = res.locals.recognition as Recognition | undefined;
  const isOutage = error instanceof Problem && error.code === "unavailable";
  const refusal = isOutage ? undefined : await recognition?.confirm().then(nothing, (other: unknown) => other);
  next(refusal ?? error);
};

function nothing(): undefined {}
