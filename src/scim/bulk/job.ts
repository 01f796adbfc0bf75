/** A Bulk in work: what has become of its operations so far, and whether it goes on. */
import { authenticate } from "../../auth/authenticate.ts";
import { unavailable } from "../../db/constraints.ts";
import { Problem } from "../../problems.ts";
import { contextOf, type Scope } from "../scope.ts";
import type { BulkOperation, BulkRequest } from "./message.ts";
import { type Outcome, toOutcome } from "./outcome.ts";
import { newTally, note } from "./summary.ts";

/** After so many operations in a row that the database did not answer, the others are not tried: each would wait, too. */
const outagesInRowMax = 2;

/** A credential is looked at again after this time, so that one revoked in the middle of a Bulk ends it (LIF-1). */
const confirmedMs = 1_000;

export class Job {
  readonly scope: Scope;
  /** By the operations' places in the request; none for those that were not started. */
  readonly outcomes: (Outcome | undefined)[] = [];
  /** For the provisioning log, up to date at any moment: a client that leaves ends the exchange early. */
  readonly tally = newTally();
  readonly #errorsMax: number;
  readonly #ids = new Map<string, string>();
  #errors = 0;
  #outages = 0;
  #refusal: Problem | undefined;
  #confirmedAt = performance.now();

  constructor(scope: Scope, { errorsMax }: BulkRequest) {
    this.scope = scope;
    this.#errorsMax = errorsMax;
  }

  /** Errors that may still come before nothing more is started. */
  get errorsLeft(): number {
    return this.#errorsMax - this.#errors;
  }

  /**
   * Whether a further operation is started. Not for a client that has left, or whose connection a shutdown has closed:
   * what has begun is finished, the rest is not begun, as if the client had left between two single requests.
   */
  get goesOn(): boolean {
    return this.errorsLeft > 0 && !this.scope.response.destroyed;
  }

  /** Why no operation is tried any more although they are all answered: the credential is gone, or the database. */
  async refusal(): Promise<Problem | undefined> {
    if (this.#refusal === undefined) await this.#confirm();
    return this.#refusal;
  }

  /** Each operation counts as a request of its own, and of those the ones of a person ask for that person each time. */
  async #confirm(): Promise<void> {
    const { deps, response } = this.scope;
    const { principal } = contextOf(this.scope);
    const now = performance.now();
    if (principal.userId === null && now - this.#confirmedAt < confirmedMs) return;
    this.#confirmedAt = now;
    try {
      await authenticate(deps, response.req.headers.authorization);
    } catch (error) {
      if (error instanceof Problem && error.code === "unauthorized") this.#refusal = error;
      else if (!(error instanceof Problem && error.code === "unavailable")) throw error;
    }
  }

  /** What a bulkId stands for; undefined where its operation failed. */
  idOf(bulkId: string): string | undefined {
    return this.#ids.get(bulkId);
  }

  /** Notes how an operation ended. `id` is that of what it has created. */
  settle(operation: BulkOperation, outcome: Outcome, id?: string): void {
    this.outcomes[operation.index] = outcome;
    note(this.tally, operation, outcome);
    if (operation.bulkId !== undefined && id !== undefined) this.#ids.set(operation.bulkId, id);
    if (outcome.problem !== undefined) this.#errors += 1;
    this.#outages = outcome.problem?.code === "unavailable" ? this.#outages + 1 : 0;
    if (this.#outages < outagesInRowMax) return;
    this.#refusal ??= unavailable(
      "Not tried: the database did not answer the operations before this one. Send it again.",
    );
  }

  /** The outcome of what was thrown: the client's own mistake, or ours, which the log explains. */
  toFailure(operation: BulkOperation, error: unknown, location?: string): Outcome {
    const { deps, requestId } = this.scope;
    const fields = { err: error, requestId, operation: operation.index };
    let problem = error;
    if (!(problem instanceof Problem)) {
      deps.log.error(fields, "an operation of a Bulk failed");
      const detail = "Something went wrong on our side. The log tells the reason under this request id.";
      problem = new Problem("internal", detail, { cause: error });
    } else if (problem.code === "unavailable") deps.log.warn(fields, "an operation of a Bulk was not served");
    return toOutcome(problem as Problem, location);
  }
}
