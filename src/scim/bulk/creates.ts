/** Creates of users that stand next to each other, written together: a Bulk of 1,000 of them is not 1,000 round trips. */
import type { UserDoc } from "../../domain/model.ts";
import { Problem } from "../../problems.ts";
import { createUsers, creationBatchMax } from "../../provisioning/create-users.ts";
import { mentionsPassword } from "../password.ts";
import { contextOf } from "../scope.ts";
import { forgetTotal } from "../totals.ts";
import { toUserDoc } from "../validate.ts";
import type { Job } from "./job.ts";
import type { BulkOperation } from "./message.ts";
import type { Unit } from "./plan.ts";
import { resolveTask } from "./references.ts";

interface Create {
  readonly operation: BulkOperation;
  readonly doc: UserDoc;
}

/** The creates of users from here on, up to the first operation that is something else or has to be looked at by itself. */
export function createsFrom(job: Job, units: readonly Unit[], from: number): Create[] {
  const creates: Create[] = [];
  for (let at = from; at < units.length && creates.length < creationBatchMax; at++) {
    const create = toCreate(job, units[at] as Unit);
    if (create === undefined) break;
    creates.push(create);
  }
  return creates;
}

function toCreate(job: Job, unit: Unit): Create | undefined {
  const [step] = unit;
  if (step === undefined || unit.length > 1) return undefined;
  const { operation, needs } = step;
  const { task } = operation;
  if (task instanceof Problem || task.method !== "POST" || task.resources.type !== "User") return undefined;
  // What is referred to may be in this very batch: it has no id yet, and may come to nothing.
  for (const bulkId of needs.keys()) if (job.idOf(bulkId) === undefined) return undefined;
  const { data } = needs.size === 0 ? task : resolveTask(task, (bulkId, token) => job.idOf(bulkId) ?? token);
  try {
    // Who brings a password is created alone: its hash takes longer than everything else.
    if (mentionsPassword(data)) return undefined;
    return { operation, doc: toUserDoc(data, { active: true }) };
  } catch {
    return undefined; // It is refused when its turn comes.
  }
}

/** Creates them and returns how many were tried: fewer where errors or an outage end the run. */
export async function runCreates(job: Job, creates: readonly Create[]): Promise<number> {
  const { scope } = job;
  const docs = creates.map(({ doc }) => doc);
  const made = await createUsers(scope.deps, contextOf(scope), docs, { errorsMax: job.errorsLeft });
  forgetTotal(scope, "User");
  for (const [at, creation] of made.entries()) {
    const { operation } = creates[at] as Create;
    if ("error" in creation) {
      job.settle(operation, job.toFailure(operation, creation.error));
      continue;
    }
    const { id, version } = creation.user;
    job.settle(operation, { status: 201, location: `${scope.baseUrl}/Users/${id}`, version }, id);
  }
  return made.length;
}
