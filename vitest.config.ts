/** One run tests everything: suites that need a database run on PGlite and again on a real PostgreSQL (test/helpers). */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/helpers/engines.ts"],
    // A worker compiles PGlite's WebAssembly once; files share it instead of paying for it again.
    pool: "threads",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
