/**
 * POST /Bulk (RFC 7644 §3.7): many operations in one request, each decided as if it had come alone.
 *
 *   message.ts     the BulkRequest: its envelope, and each operation or what is wrong with it
 *   references.ts  `bulkId:…` in paths and data
 *   plan.ts        the order, and circles
 *   run.ts         one after the other: job.ts what became of them so far, perform.ts a single one,
 *                  creates.ts users written together, circle.ts creates that refer to each other
 *   response.ts    the BulkResponse; summary.ts what the provisioning log keeps
 */
import type { Request, RequestHandler } from "express";
import { passing } from "../handler.ts";
import { contextOf, currentScope, type Scope } from "../scope.ts";
import { Job } from "./job.ts";
import { parseBulkRequest } from "./message.ts";
import { planOperations } from "./plan.ts";
import { toBulkResponse } from "./response.ts";
import { runUnits } from "./run.ts";
import { summarise } from "./summary.ts";

/** The HTTP status is 200 wherever the message could be read; what failed stands in the answers of its operations. */
export const bulk: RequestHandler = async (req, res) => {
  const scope = currentScope();
  const text = await passing(scope, () => answerBulk(scope, req));
  res.set("Content-Type", "application/scim+json").send(text);
};

async function answerBulk(scope: Scope, req: Request): Promise<string> {
  const body = req.body;
  req.body = undefined; // The log would keep it whole, and until the answer is out so would the server's memory.
  const request = parseBulkRequest(body, scope.baseUrl);
  req.body = summarise(request);
  // The request itself has been counted as one.
  scope.deps.limiter?.charge(contextOf(scope).principal, request.operations.length - 1);
  // Before the first operation, whose refusal it would else be.
  await scope.confirm();
  const job = new Job(scope, request);
  scope.answer = job.tally;
  await runUnits(job, planOperations(request.operations));
  return toBulkResponse(request.operations, job.outcomes, scope.requestId);
}
