/** A long text as an answer: written in pieces, each when the client has taken the one before. */
import { once } from "node:events";
import type { Response } from "express";
import type { Answer } from "./operation.ts";

/** Nothing is sent before the first piece is there, so that what fails until then is answered as a problem. */
export async function sendText(res: Response, { type, chunks }: NonNullable<Answer["text"]>): Promise<void> {
  for await (const chunk of chunks) {
    if (!res.headersSent) res.setHeader("Content-Type", type);
    if (res.closed || res.destroyed) return;
    if (!res.write(chunk)) await drained(res);
  }
  res.end();
}

/** Or gone: who has left takes nothing more. */
async function drained(res: Response): Promise<void> {
  const waiting = new AbortController();
  const { signal } = waiting;
  try {
    await Promise.race([once(res, "drain", { signal }), once(res, "close", { signal })]);
  } finally {
    waiting.abort();
  }
}
