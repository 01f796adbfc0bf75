/**
 * The order of the operations (RFC 7644 §3.7.1, §3.7.2): that of the request, except that what an operation refers to is
 * created before it. A create is moved ahead rather than the reference behind: two changes of one resource keep their order.
 */
import { Problem } from "../../problems.ts";
import type { BulkOperation } from "./message.ts";
import { referencesOf } from "./references.ts";

/** What runs as one: a single operation, or creates that refer to each other in a circle, in the request's order. */
export type Unit = readonly Step[];

export interface Step {
  readonly operation: BulkOperation;
  /** The creates that it refers to, by their bulkIds. */
  readonly needs: ReadonlyMap<string, BulkOperation>;
}

/** The units in the order in which they run. A reference that leads nowhere makes its operation one that cannot be done. */
export function planOperations(operations: readonly BulkOperation[]): Unit[] {
  const creates = createsByBulkId(operations);
  return order(operations.map((operation) => toStep(operation, creates)));
}

type Creates = ReadonlyMap<string, readonly BulkOperation[]>;

/** RFC 7644 §3.7: a bulkId is the surrogate of a newly created resource, so only those of a POST can be referred to. */
function createsByBulkId(operations: readonly BulkOperation[]): Creates {
  const creates = new Map<string, BulkOperation[]>();
  for (const operation of operations) {
    const { method, bulkId } = operation;
    if (method !== "POST" || bulkId === undefined) continue;
    const same = creates.get(bulkId);
    if (same === undefined) creates.set(bulkId, [operation]);
    else same.push(operation);
  }
  return creates;
}

function toStep(operation: BulkOperation, creates: Creates): Step {
  const { task } = operation;
  const needs = new Map<string, BulkOperation>();
  if (task instanceof Problem) return { operation, needs };
  for (const bulkId of referencesOf(task)) {
    const found = creates.get(bulkId) ?? [];
    const [create] = found;
    if (create === undefined) return refused(operation, bulkId, "no POST of this request has that bulkId");
    // Entra's own sample repeats a bulkId, so that alone is no mistake.
    if (found.length > 1)
      return refused(operation, bulkId, `${found.length} operations of this request have that bulkId`);
    if (create === operation) return refused(operation, bulkId, "this is the operation itself");
    needs.set(bulkId, create);
  }
  return { operation, needs };
}

function refused(operation: BulkOperation, bulkId: string, why: string): Step {
  return { operation: { ...operation, task: unresolved(bulkId, why) }, needs: new Map() };
}

/** RFC 7644 §3.7.2: what a reference cannot become. */
export function unresolved(bulkId: string, why: string): Problem {
  const name = bulkId.slice(0, 100);
  return new Problem("invalidValue", `The reference bulkId:${name} cannot be resolved: ${why}.`, {
    facts: { bulkId: name },
  });
}

/**
 * Tarjan's strongly connected components: they come out with those first that others need, and otherwise in the order of
 * asking. Calls nest as deep as references follow each other, 1,000 at most.
 */
function order(steps: readonly Step[]): Unit[] {
  const units: Unit[] = [];
  const seen: (number | undefined)[] = steps.map(() => undefined);
  const lowest: number[] = steps.map(() => 0);
  const open: number[] = [];
  const isOpen = steps.map(() => false);
  let count = 0;

  const visit = (at: number): void => {
    const mine = count++;
    seen[at] = lowest[at] = mine;
    open.push(at);
    isOpen[at] = true;
    for (const { index } of (steps[at] as Step).needs.values()) {
      if (seen[index] === undefined) visit(index);
      if (isOpen[index]) lowest[at] = Math.min(lowest[at] as number, lowest[index] as number);
    }
    if (lowest[at] !== mine) return;
    const unit = open.splice(open.indexOf(at));
    for (const member of unit) isOpen[member] = false;
    units.push(unit.sort((a, b) => a - b).map((member) => steps[member] as Step));
  };

  for (const at of steps.keys()) if (seen[at] === undefined) visit(at);
  return units;
}
