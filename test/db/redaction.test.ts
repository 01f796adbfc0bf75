/** What is kept of a request: no secret under whatever name, and in a time that grows with its length alone. */
import { describe, expect, it } from "vitest";
import { redact } from "../../src/db/redaction.ts";
import { quickestMs } from "../helpers/quickest.ts";

describe("a body as it is kept", () => {
  it.each([
    ["password", { password: "Leak" }],
    ["a name that contains it", { userPassword: "Leak", passwordConfirm: "Leak", newPassword: "Leak", passwd: "Leak" }],
    [
      "a token under any name",
      { access_token: "Leak", clientSecret: "Leak", adminToken: "Leak", apiCredential: "Leak" },
    ],
    ["a sentence", { note: "my password is Leak" }],
    ["JSON within a text", { value: '{"client_secret":"Leak"}' }],
    ["a header", { note: "Bearer Leak0000-and-more" }],
    ["an operation", { Operations: [{ op: "add", path: "password", value: "Leak" }] }],
    ["an operation without path", { Operations: [{ op: "add", value: { newPassword: "Leak" } }] }],
  ])("does not show a secret: %s", (_, body) => {
    expect(redact(body)).not.toContain("Leak");
  });

  it("shows what is none, also where it begins like one", () => {
    const body = { userName: "ada", title: "Secretary", department: "Tokenization", nickName: "Cook" };
    expect(JSON.parse(redact(body))).toEqual(body);
  });

  it.each(["password ", "token ", "secret=", "bearer ", "authorization: "])(
    "looks at %j again and again in milliseconds",
    (word) => {
      const body = { note: word.repeat(1_000_000 / word.length) };
      expect(quickestMs(() => redact(body), 3)).toBeLessThan(500);
    },
  );

  it("looks at a long run of blanks in milliseconds", () => {
    for (const text of [`token${" ".repeat(1_000_000)}x`, `bearer${" ".repeat(1_000_000)}x`]) {
      expect(quickestMs(() => redact({ note: text }), 3)).toBeLessThan(500);
    }
  });
});
