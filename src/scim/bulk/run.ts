/** Carries out a plan, one unit after the other: each operation is decided as a request of its own. */
import { setImmediate as turn } from "node:timers/promises";
import { Problem } from "../../problems.ts";
import { runCircle } from "./circle.ts";
import { createsFrom, runCreates } from "./creates.ts";
import type { Job } from "./job.ts";
import { toOutcome } from "./outcome.ts";
import { createdId, performTask } from "./perform.ts";
import { type Step, type Unit, unresolved } from "./plan.ts";
import { resolveTask } from "./references.ts";

/** RFC 7644 §3.7.3: goes on whatever fails, up to the number of errors that the client accepts. */
export async function runUnits(job: Job, units: readonly Unit[]): Promise<void> {
  for (let at = 0; at < units.length && job.goesOn; ) {
    const unit = units[at] as Unit;
    // The embedded database answers within the process: without a turn for others, nobody else is served meanwhile.
    await turn();
    const refusal = await job.refusal();
    const creates = refusal === undefined ? createsFrom(job, units, at) : [];
    if (creates.length > 1) {
      at += await runCreates(job, creates);
      continue;
    }
    if (refusal !== undefined) for (const { operation } of unit) job.settle(operation, toOutcome(refusal));
    else await runUnit(job, unit);
    at += 1;
  }
}

async function runUnit(job: Job, unit: Unit): Promise<void> {
  const [step] = unit;
  if (unit.length === 1 && step !== undefined) await runStep(job, step);
  else await runCircle(job, unit);
}

async function runStep(job: Job, { operation, needs }: Step): Promise<void> {
  const { task } = operation;
  if (task instanceof Problem) return job.settle(operation, toOutcome(task));
  for (const bulkId of needs.keys()) {
    if (job.idOf(bulkId) !== undefined) continue;
    return job.settle(operation, toOutcome(unresolved(bulkId, "the operation that creates it failed")));
  }
  const resolved = needs.size === 0 ? task : resolveTask(task, (bulkId, token) => job.idOf(bulkId) ?? token);
  const outcome = await performTask(job, operation, resolved);
  const created = task.method === "POST" && outcome.problem === undefined;
  job.settle(operation, outcome, created ? createdId(outcome) : undefined);
}
