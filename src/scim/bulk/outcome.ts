/** What becomes of an operation. */
import type { Problem } from "../../problems.ts";

/** How an operation ended. */
export interface Outcome {
  readonly status: number;
  readonly location?: string;
  /** The ETag of the resource afterwards. */
  readonly version?: string;
  /** Why it failed. */
  readonly problem?: Problem;
}

/** How a refused operation ended. */
export function toOutcome(problem: Problem, location?: string): Outcome {
  return { status: problem.status, problem, ...(location === undefined ? {} : { location }) };
}
