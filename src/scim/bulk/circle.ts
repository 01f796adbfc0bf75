/**
 * Creates that refer to each other in a circle (RFC 7644 §3.7.1): each is created without what does not exist yet, and gets
 * it when all of them do. They stand or fall together, as each refers, in the end, to every other.
 */
import { unavailable } from "../../db/constraints.ts";
import { Problem } from "../../problems.ts";
import { PATCH_OP } from "../../vocabulary/urns.ts";
import type { Body } from "../operations.ts";
import type { Job } from "./job.ts";
import type { BulkOperation, Task } from "./message.ts";
import { type Outcome, toOutcome } from "./outcome.ts";
import { createdId, performTask } from "./perform.ts";
import { type Step, type Unit, unresolved } from "./plan.ts";
import { halve, resolveData } from "./references.ts";

interface Made {
  readonly step: Step;
  readonly task: Task;
  readonly id: string;
  /** What is still to be added, unresolved. */
  readonly later: Body;
  outcome: Outcome;
}

/** What has been made so far, by its bulkId, in the order of its making. */
type Circle = Map<string, Made>;

export async function runCircle(job: Job, unit: Unit): Promise<void> {
  const made: Circle = new Map();
  const failure = (await createAll(job, unit, made)) ?? (await completeAll(job, made));
  if (failure === undefined) {
    for (const { step, outcome, id } of made.values()) job.settle(step.operation, outcome, id);
    return;
  }
  const left = await undoAll(job, made);
  for (const { operation, needs } of unit) {
    const own = operation === failure.operation ? failure.outcome : toOutcome(becauseOfOthers(unit, needs));
    job.settle(operation, left.get(operation) ?? own);
  }
}

interface Failure {
  readonly operation: BulkOperation;
  readonly outcome: Outcome;
}

/** The first halves, up to the first that fails. */
async function createAll(job: Job, unit: Unit, made: Circle): Promise<Failure | undefined> {
  const idOf = (bulkId: string) => made.get(bulkId)?.id ?? job.idOf(bulkId);
  const circle = new Set(unit.map(({ operation }) => operation));
  for (const step of unit) {
    const { operation, needs } = step;
    const task = operation.task as Task;
    for (const [bulkId, create] of needs) {
      if (circle.has(create) || idOf(bulkId) !== undefined) continue;
      return { operation, outcome: toOutcome(unresolved(bulkId, "the operation that creates it failed")) };
    }
    const { now, later } = halve(task.data, (bulkId) => idOf(bulkId) === undefined);
    const data = resolveData(now, (bulkId, token) => idOf(bulkId) ?? token);
    const outcome = await performTask(job, operation, { ...task, data });
    const id = createdId(outcome);
    if (outcome.problem !== undefined || id === undefined) return { operation, outcome };
    // Whoever is in a circle is referred to, and so has a bulkId that nobody else has.
    made.set(operation.bulkId as string, { step, task, id, later, outcome });
  }
  return undefined;
}

/** The second halves, up to the first that fails. */
async function completeAll(job: Job, made: Circle): Promise<Failure | undefined> {
  for (const one of made.values()) {
    if (Object.keys(one.later).length === 0) continue;
    const { operation } = one.step;
    const value = resolveData(one.later, (bulkId, token) => made.get(bulkId)?.id ?? token);
    const data = { schemas: [PATCH_OP], Operations: [{ op: "add", value }] };
    const outcome = await performTask(job, operation, { ...one.task, method: "PATCH", id: one.id, data, conditions });
    const { location, problem } = outcome;
    // A POST that fails has no location.
    if (problem !== undefined) return { operation, outcome: toOutcome(problem) };
    one.outcome = { ...outcome, status: one.outcome.status, ...(location === undefined ? {} : { location }) };
  }
  return undefined;
}

/** Nobody else knows of what was just made; where the tenant asks for If-Match, any version will do. */
const conditions = { ifMatch: "*" };

/** Removes what was made, the last first. What cannot be removed is told in place of the reason for removing it. */
async function undoAll(job: Job, made: Circle): Promise<Map<BulkOperation, Outcome>> {
  const left = new Map<BulkOperation, Outcome>();
  let outages = 0;
  for (const { step, task, id, outcome } of [...made.values()].reverse()) {
    const { operation } = step;
    const removal: Task = { ...task, method: "DELETE", id, data: {}, conditions };
    // With the database away, each of them would wait in vain.
    const { problem } = outages < outagesMax ? await performTask(job, operation, removal) : { problem: notTried };
    if (problem === undefined || problem.code === "notFound") continue;
    if (problem.code === "unavailable") outages += 1;
    const detail = `Created only in part, as another operation of its circle failed, and not removed again: ${problem.message}`;
    left.set(operation, toOutcome(new Problem(problem.code, detail, { cause: problem }), outcome.location));
  }
  return left;
}

const outagesMax = 2;
const notTried = unavailable("The database does not answer.");

function becauseOfOthers(unit: Unit, needs: Step["needs"]): Problem {
  const circle = new Set(unit.map(({ operation }) => operation));
  const [bulkId = ""] = [...needs].find(([, create]) => circle.has(create)) ?? [];
  return unresolved(bulkId, "the operation that creates it failed");
}
