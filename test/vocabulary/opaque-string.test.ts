/** RFC 8265 §4.2: passwords are compared in one form. */
import { expect, it } from "vitest";
import { passwordLengthMax, toOpaqueString } from "../../src/vocabulary/opaque-string.ts";

it.each([
  ["plain text, as it is", "correct horse battery staple", "correct horse battery staple"],
  ["letter case counts", "Correct Horse", "Correct Horse"],
  ["a letter and its accent, composed", "re\u0301sume\u0301", "r\u00e9sum\u00e9"],
  ["a no-break space and an ideographic one, as plain spaces", "a\u00a0b\u3000c", "a b c"],
  ["spaces at the ends, kept", "  a ", "  a "],
  ["compatibility forms, kept apart", "\ufb01", "\ufb01"],
  ["symbols and emoji", "π\u{1f600}", "π\u{1f600}"],
  [
    "as long as may be, counted in characters",
    "\u{1f600}".repeat(passwordLengthMax),
    "\u{1f600}".repeat(passwordLengthMax),
  ],
])("RFC 8265 §4.2: %s", (_name, given, prepared) => {
  expect(toOpaqueString(given, "password")).toBe(prepared);
});

it.each([
  ["nothing at all", "", "must not be empty"],
  ["one character too many", "x".repeat(passwordLengthMax + 1), "longer than 1024 characters"],
  ["a control character", "a\u0007b", "control character"],
  ["a line break", "a\nb", "control character"],
])("refuses %s, without repeating it", (_name, given, detail) => {
  expect(() => toOpaqueString(given, "password")).toThrow(
    expect.objectContaining({
      code: "invalidValue",
      message: expect.stringContaining(detail),
      facts: { attribute: "password" },
    }),
  );
});
