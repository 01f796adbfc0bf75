/** RFC 7644 §3.14: lists of entity tags as clients send them. */
import { describe, expect, it } from "vitest";
import { matchesTag } from "../../src/provisioning/preconditions.ts";
import { quickestMs } from "../helpers/quickest.ts";

describe("a list of entity tags", () => {
  it.each([
    ['W/"1"', true],
    ['"1"', true],
    ["*", true],
    [" * ", true],
    ['W/"2", W/"1"', true],
    ['"a,b" ,"1"', true],
    ['W/"2"', false],
    ['"a,W/"1"', false],
    ["1", false],
    ["", false],
    [",,", false],
    ['w/"1"', false],
  ])("%s", (list, expected) => {
    expect(matchesTag(list, 'W/"1"')).toBe(expected);
  });

  it.each([`x${" ".repeat(500_000)}x`, ",".repeat(500_000), '"'.repeat(500_001), ' "'.repeat(250_000)])(
    "of half a million characters is read in milliseconds",
    (list) => {
      expect(quickestMs(() => expect(matchesTag(list, 'W/"1"')).toBe(false), 3)).toBeLessThan(500);
    },
  );
});
