import { describe, expect, it } from "vitest";
import { toEmail } from "../../src/vocabulary/email.ts";

describe("an e-mail address", () => {
  it.each([
    "ada@example.com",
    "Ada.Lovelace+lists@sub.example.co.uk",
    "o'brien@example.com",
    "ödä@bücher.example",
    "用户@例子.广告",
    "a@b.cd",
    `${"x".repeat(64)}@example.com`,
  ])("is %s", (text) => {
    expect(toEmail(` ${text}\t`, "email")).toBe(text);
  });

  it.each([
    ["", /not empty/],
    ["  ", /not empty/],
    ["a da@example.com", /space/],
    ["ada@exam ple.com", /space/],
    ["ada", /no @/],
    ["@example.com", /before the @/],
    [".ada@example.com", /before the @/],
    ["ada.@example.com", /before the @/],
    ["a..b@example.com", /before the @/],
    ["a@b@example.com", /before the @/],
    ["a,b@example.com", /before the @/],
    ["<ada@example.com>", /before the @/],
    ["ada;x@example.com", /before the @/],
    ["ada@", /behind the @/],
    ["ada@example", /behind the @/],
    ["ada@.com", /behind the @/],
    ["ada@example..com", /behind the @/],
    ["ada@-example.com", /behind the @/],
    ["ada@exa_mple.com", /behind the @/],
    ["ada@[127.0.0.1]", /behind the @/],
    [`${"x".repeat(65)}@example.com`, /64 characters/],
    [`ada@${"x.".repeat(130)}com`, /254 characters/],
  ])("is not %j", (text, rule) => {
    expect(() => toEmail(text, "email")).toThrow(rule);
    expect(() => toEmail(text, "email")).toThrow(/^email /);
  });
});
