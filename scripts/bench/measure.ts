/** How a time is taken: sides that do the same at different sizes, in bursts by turns, so that noise hits all alike. */
import type { Answer } from "./client.ts";

/** One request, or whatever takes the time. Only `run` is measured; `holds` says whether it worked. */
export interface Step {
  run(pass: number): Promise<Answer>;
  holds(answer: Answer): boolean;
}

export interface Side {
  readonly label: string;
  /** One for each of the contest's questions; together they leave everything as it was. */
  readonly steps: readonly Step[];
}

export interface Target {
  /** The ratio to the first side, or the milliseconds of the last, at most. */
  readonly ratio?: number;
  readonly ms?: number;
}

export interface Contest {
  /** What each step asks, and what is hoped for. */
  readonly questions: readonly { readonly text: string; readonly target: Target }[];
  readonly sides: readonly Side[];
  /** Of the time there is, in parts. */
  readonly weight: number;
}

export interface Result {
  readonly question: string;
  readonly side: string;
  readonly passes: number;
  readonly p50Ms: number;
  /** To the first side: the median of the rounds' own ratios. */
  readonly ratio: number;
  readonly target: Target;
}

/** Rounds at least: fewer have no median to speak of. */
const roundsMin = 3;
/** A burst, at most: long enough to be warm, short enough that the other sides have the same weather. */
const burst = { ms: 50, passesMin: 2, passesMax: 50 };
/** Enough for a prepared statement to get the plan that it keeps (the sixth run in PostgreSQL). */
const warmUpPasses = 10;

/** Plays the contest for the given time, or three rounds where that is longer. A step that did not work raises. */
export async function play({ questions, sides }: Contest, seconds: number): Promise<Result[]> {
  for (const side of sides) for (let pass = 0; pass < warmUpPasses; pass++) await playOnce(side, pass, undefined);
  const all = sides.map(() => questions.map((): number[] => []));
  const rounds = sides.map(() => questions.map((): number[] => []));
  const end = performance.now() + seconds * 1000;
  const burstMs = Math.min(burst.ms, (seconds * 1000) / roundsMin / sides.length);
  for (let round = 0; round < roundsMin || performance.now() < end; round++) {
    for (let turn = 0; turn < sides.length; turn++) {
      // Who begins changes with every round.
      const at = (round + turn) % sides.length;
      const times = questions.map((): number[] => []);
      const began = performance.now();
      for (let pass = 0; pass < burst.passesMax; pass++) {
        if (pass >= burst.passesMin && performance.now() - began > burstMs) break;
        await playOnce(sides[at] as Side, pass + round * burst.passesMax, times);
      }
      for (const [step, each] of times.entries()) {
        all[at]?.[step]?.push(...each);
        rounds[at]?.[step]?.push(median(each));
      }
    }
  }
  return questions.flatMap(({ text, target }, step) =>
    sides.map(({ label }, at): Result => {
      const base = rounds[0]?.[step] ?? [];
      const ratios = (rounds[at]?.[step] ?? []).map((ms, round) => ms / (base[round] ?? Number.NaN));
      const times = all[at]?.[step] ?? [];
      const ratio = median(ratios);
      return { question: text, side: label, passes: times.length, p50Ms: median(times), ratio, target };
    }),
  );
}

/** Every step once, in order; the times are noted after the answer has been looked at. */
async function playOnce({ label, steps }: Side, pass: number, times: number[][] | undefined): Promise<void> {
  for (const [index, step] of steps.entries()) {
    const began = performance.now();
    const answer = await step.run(pass);
    const ms = performance.now() - began;
    if (!step.holds(answer)) {
      const said = `${answer.status} ${answer.text().slice(0, 500)}`;
      throw new Error(`${label}, step ${index + 1}: the answer is not as expected: ${said}`);
    }
    times?.[index]?.push(ms);
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1
    ? (sorted[Math.floor(middle)] as number)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}
