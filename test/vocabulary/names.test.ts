import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatInstant, parseInstant } from "../../src/vocabulary/instants.ts";
import { isStorable, normaliseName } from "../../src/vocabulary/names.ts";

describe("normaliseName", () => {
  it.each([
    ["Bjensen@Example.COM", "bjensen@example.com"],
    ["ＡＢＣ", "abc"],
    ["ﬁle", "file"],
    ["É", "é"],
    ["E\u0301", "é"],
    ["\u212A", "k"],
    ["", ""],
    [" a b ", " a b "],
  ])("%j is %j", (text, expected) => {
    expect(normaliseName(text)).toBe(expected);
  });

  it("takes its short cut only where it changes nothing", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        (text) => normaliseName(text) === text.normalize("NFKC").toLowerCase(),
      ),
    );
  });
});

it.each(["a\0", "\ud800", "\udc00x"])("%j cannot be stored", (text) => {
  expect(isStorable(text)).toBe(false);
  expect(isStorable("a😀")).toBe(true);
});

describe("parseInstant", () => {
  it.each([
    ["2011-05-13T04:42:34Z", "2011-05-13T04:42:34.000000Z"],
    ["2011-05-13t04:42:34z", "2011-05-13T04:42:34.000000Z"],
    ["2011-05-13T06:42:34.5+02:00", "2011-05-13T04:42:34.500000Z"],
    ["0001-01-03T00:00:00.0000000Z", "0001-01-03T00:00:00.000000Z"],
    ["2024-02-29", "2024-02-29T00:00:00.000000Z"],
    ["2024-02-29T12:00:00", "2024-02-29T12:00:00.000000Z"],
    ["2025-06-30T12:00:00.1234567Z", "2025-06-30T12:00:00.123456Z"],
    ["1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"],
    ["2024-12-31T24:00:00Z", "2025-01-01T00:00:00.000000Z"],
  ])("%s", (text, expected) => {
    expect(formatInstant(parseInstant(text) as bigint)).toBe(expected);
  });

  it.each([
    "",
    "2024",
    "2024-13-01",
    "2023-02-29",
    "2024-01-01T25:00:00Z",
    "2024-01-01 00:00:00Z",
    "0000-01-01",
    "10000-01-01",
    "Jan 5 2024",
    "1",
    "2024-01-01T00:00:00+25:00",
    `2024-01-01T00:00:00.${"0".repeat(100)}Z`,
  ])("%s is no date", (text) => {
    expect(parseInstant(text)).toBeUndefined();
  });

  it("agrees with the platform on every date", () => {
    const date = fc.date({
      min: new Date("0001-01-02T00:00:00Z"),
      max: new Date("9999-12-30T00:00:00Z"),
      noInvalidDate: true,
    });
    fc.assert(fc.property(date, (one) => parseInstant(one.toISOString()) === BigInt(one.getTime()) * 1000n));
  });
});
