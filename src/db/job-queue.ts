/** Handing work to the background, as use cases see it; src/jobs/boss.ts carries it out. */
import type { Transaction } from "./database.ts";

export type JobData = { readonly [key: string]: string | number | boolean | null };

export interface EnqueueOptions {
  /** While a job of this key waits to start, further ones are folded into it. */
  readonly key?: string;
  readonly startAfter?: Date;
}

export interface JobQueue {
  /**
   * Enqueues within the transaction: the job exists when the transaction commits and only then. This process starts it
   * at once; others within seconds.
   */
  enqueue(tx: Transaction, name: string, data: JobData, options?: EnqueueOptions): Promise<void>;
}
