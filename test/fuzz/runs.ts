/**
 * How often the properties of test/fuzz and test/scim/patch are tried. FUZZ_RUNS multiplies the numbers that stand with them,
 * which fit a run of all tests; FUZZ_SEED repeats a run. Test names and the output say how many it were.
 */
const factor = Number(process.env.FUZZ_RUNS ?? 1);

/** The number of runs and, where one is given, the seed. */
export function runs(usual: number): { readonly numRuns: number; readonly seed?: number } {
  const seed = process.env.FUZZ_SEED;
  return { numRuns: Math.max(1, Math.round(usual * factor)), ...(seed === undefined ? {} : { seed: Number(seed) }) };
}

/** A test may take this long, however many runs were asked for. */
export const fuzzTimeoutMs = 120_000 * Math.max(1, factor);
