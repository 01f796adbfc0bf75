import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Secret } from "../../src/auth/secret.ts";
import { formatClientId, formatToken, newTokenSecret, parseClient, parseToken } from "../../src/auth/token-text.ts";

const parts = {
  tenantId: "0190a0b0-0000-7000-8000-000000000001",
  tokenId: "0190a0b0-0000-7000-8000-000000000002",
  secret: newTokenSecret(),
};

describe("the text of a token", () => {
  it("carries the tenant, the token and 256 bits", () => {
    expect(Buffer.from(parts.secret, "base64url")).toHaveLength(32);
    expect(parseToken(formatToken(parts))).toEqual(parts);
  });

  it("parses to what was formatted, for any ids", () => {
    fc.assert(
      fc.property(fc.uuid(), fc.uuid(), (tenantId, tokenId) => {
        const token = { tenantId, tokenId, secret: newTokenSecret() };
        expect(parseToken(formatToken(token))).toEqual(token);
      }),
    );
  });

  it("has one spelling: any other character, length or padding bit is no token", () => {
    const text = formatToken(parts);
    const others = [
      "",
      text.slice(1),
      text.slice(0, -1),
      `${text}=`,
      `${text} `,
      text.toUpperCase(),
      text.replace("usher_", "Usher_"),
      text.replace(".", "_"),
      `usher_${text}`,
      `${text}.${text}`,
    ];
    for (const other of others) expect(parseToken(other), other).toBeUndefined();
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (const end of [28, 51, text.length]) {
      const last = alphabet.indexOf(text[end - 1]!);
      const twin = text.slice(0, end - 1) + alphabet[last ^ 1] + text.slice(end);
      expect(parseToken(twin), `padding bits before ${end}`).toBeUndefined();
    }
  });

  it("survives arbitrary text", () => {
    fc.assert(fc.property(fc.string(), (text) => parseToken(text) === undefined));
  });
});

describe("a token as an OAuth client", () => {
  const clientId = formatClientId(parts);

  it("is the first two parts of the text as id, the third as secret, or the whole of it", () => {
    expect(formatToken(parts)).toBe(`usher_${clientId}.${parts.secret}`);
    expect(parseClient(clientId, parts.secret)).toEqual(parts);
    expect(parseClient(clientId, formatToken(parts))).toEqual(parts);
  });

  it("has one spelling, and no whole text of another token speaks for it", () => {
    const other = { ...parts, tokenId: parts.tenantId };
    const wrong = [
      [formatClientId(other), formatToken(parts)],
      [clientId, formatToken(other)],
      [`${clientId}.${parts.secret}`, ""],
      [`usher_${clientId}`, parts.secret],
      ["", formatToken(parts)],
      ["", ""],
      [clientId, ` ${parts.secret}`],
      [clientId, `${parts.secret}=`],
      [parts.tokenId, parts.secret],
    ] as const;
    for (const [id, secret] of wrong) expect(parseClient(id, secret), `${id} ${secret}`).toBeUndefined();
  });
});

describe("a secret", () => {
  const secret = new Secret("correct horse battery staple");

  it("does not show itself", () => {
    expect(`${secret} ${JSON.stringify({ secret })}`).not.toContain("horse");
    expect(Object.values(secret)).toEqual([]);
  });

  it("compares with texts of any length", () => {
    expect(secret.equals("correct horse battery staple")).toBe(true);
    for (const other of ["", "correct horse battery stapl", "Correct horse battery staple"]) {
      expect(secret.equals(other)).toBe(false);
    }
  });

  it("digests one text differently for each purpose and key", () => {
    const digests = [
      secret.digest("token", "x"),
      secret.digest("cursor", "x"),
      secret.digest("token", "y"),
      new Secret("another").digest("token", "x"),
    ].map((digest) => digest.toString("hex"));
    expect(new Set(digests).size).toBe(4);
  });

  describe("seals", () => {
    const sealed = secret.seal("key", "a private text, \u00fc", "row 1");

    it("what only it opens, for the same purpose and in the same context", () => {
      expect(secret.unseal("key", sealed, "row 1")).toBe("a private text, \u00fc");
      expect(secret.unseal("another", sealed, "row 1")).toBeUndefined();
      expect(secret.unseal("key", sealed, "row 2")).toBeUndefined();
      expect(new Secret("another").unseal("key", sealed, "row 1")).toBeUndefined();
    });

    it("never the same way twice, and showing nothing", () => {
      expect(secret.seal("key", "a private text, \u00fc", "row 1")).not.toEqual(sealed);
      expect(sealed.toString("latin1")).not.toContain("private");
    });

    it("so that no bit can be changed and nothing cut off", () => {
      for (let at = 0; at < sealed.length; at++) {
        const altered = Buffer.from(sealed);
        altered[at]! ^= 1;
        expect(secret.unseal("key", altered, "row 1")).toBeUndefined();
        expect(secret.unseal("key", sealed.subarray(0, at), "row 1")).toBeUndefined();
      }
    });
  });
});
