/** One id for a request through its answer, its log lines and its events. */
import type { RequestHandler, Response } from "express";
import { limits } from "../limits.ts";

const acceptable = new RegExp(`^[\\w.:-]{1,${limits.requestIdLengthMax}}$`);

/** A caller's X-Request-Id is taken over where it is harmless; it ends up in logs and database rows. */
export function giveRequestId(newId: () => string): RequestHandler {
  return (req, res, next) => {
    const theirs = req.get("x-request-id");
    const id = theirs !== undefined && acceptable.test(theirs) ? theirs : newId();
    res.locals.requestId = id;
    res.setHeader("X-Request-Id", id);
    next();
  };
}

export function requestIdOf(res: Response): string {
  return String(res.locals.requestId ?? "");
}
