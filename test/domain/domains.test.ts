/** USR-5: names of domains, who may have one, and what a record that is gone means. */
import { describe, expect, it } from "vitest";
import {
  type ClaimFacts,
  challengeOf,
  domainOf,
  judgeRecheck,
  refuseDomain,
  stateOf,
  toDomainName,
} from "../../src/domain/domains.ts";

describe("USR-5: a domain's name", () => {
  it.each([
    ["example.com", "example.com"],
    ["EXAMPLE.Com", "example.com"],
    ["example.com.", "example.com"],
    ["mail.example.co.uk", "mail.example.co.uk"],
    ["Bücher.example", "xn--bcher-kva.example"],
    ["BÜCHER.EXAMPLE", "xn--bcher-kva.example"],
    ["xn--bcher-kva.example", "xn--bcher-kva.example"],
    ["XN--BCHER-KVA.example", "xn--bcher-kva.example"],
    ["bu\u0308cher.example", "xn--bcher-kva.example"],
    ["faß.de", "xn--fa-hia.de"],
    ["ｅｘａｍｐｌｅ．ｃｏｍ", "example.com"],
    ["例え。テスト", "xn--r8jz45g.xn--zckzah"],
    ["1password.com", "1password.com"],
    [`${"a".repeat(63)}.com`, `${"a".repeat(63)}.com`],
  ])("%s is %s", (text, name) => {
    expect(toDomainName(text)).toBe(name);
  });

  it.each([
    ["nothing", ""],
    ["a single label", "localhost"],
    ["a label too long", `${"a".repeat(64)}.com`],
    ["a name too long for its record", `${"a.".repeat(120)}com`],
    ["an empty label", "a..com"],
    ["a dot before", ".example.com"],
    ["a hyphen before", "-a.com"],
    ["a hyphen after", "a-.com"],
    ["an underscore", "a_b.com"],
    ["an address", "ada@example.com"],
    ["a port", "example.com:80"],
    ["a path", "example.com/x"],
    ["a path behind another name", "evil.com/example.com"],
    ["a URL", "https://example.com"],
    ["an encoded letter", "ex%41mple.com"],
    ["a space", "exa mple.com"],
    ["something invisible", "ex\u00adample.com"],
    ["a joiner", "\u200dexample.com"],
    ["NUL", "example.com\0"],
    ["an IPv4 address", "192.0.2.1"],
    ["one in other digits", "１２７.0.0.1"],
    ["one in hexadecimal", "0x7f.1"],
    ["one in brackets", "[192.0.2.1]"],
    ["an IPv6 address", "2001:db8::1"],
    ["Punycode with letters of its own", "xn--iñvalid.com"],
    ["a wildcard", "*.example.com"],
  ])("%s is none", (_name, text) => {
    expect(toDomainName(text)).toBeNull();
  });

  it("another script's letters that look alike are another name", () => {
    expect(toDomainName("ехample.com")).not.toBe("example.com");
  });

  it("of an address is what stands behind the last @", () => {
    expect(domainOf("ada@Bücher.example")).toBe("xn--bcher-kva.example");
    expect(domainOf('"a@example.com"@other.org')).toBe("other.org");
    expect(domainOf("ada@example.com/other.org")).toBeNull();
    expect(domainOf("ada@")).toBeNull();
  });

  it.each(["a.local", "printer.localhost", "x.onion", "2.0.192.in-addr.arpa", "co.uk", "com.br", "gov.za"])(
    "%s is nobody's",
    (name) => {
      expect(refuseDomain(name)).toMatch(/[.]$/);
    },
  );

  it.each(["example.com", "acme.co.uk", "co.com", "com.example.org", "x.co"])("%s may be somebody's", (name) => {
    expect(refuseDomain(name)).toBeNull();
  });

  it("is proved by a record of its own name, with a text that begins alike for all", () => {
    expect(challengeOf("example.com", "t0")).toEqual({
      type: "TXT",
      name: "_usher-challenge.example.com",
      value: "usher-verification=t0",
    });
  });
});

describe("USR-5: a record that is looked up again", () => {
  const verifiedAt = "2026-01-01T00:00:00.000Z";
  const day = (n: number, hours = 0) => new Date(Date.UTC(2026, 1, n, hours));
  const claim = (missing: Date | null, lapsed: Date | null = null): ClaimFacts => ({
    verifiedAt,
    missingSince: missing?.toISOString() ?? null,
    lapsedAt: lapsed?.toISOString() ?? null,
  });

  it("and is there: nothing happens, until tomorrow", () => {
    expect(judgeRecheck(claim(null), "present", day(1))).toEqual({
      missingSince: null,
      lapsedAt: null,
      checkAt: day(2).toISOString(),
      event: null,
    });
  });

  it("and is gone: that is told once, and the domain stays verified for seven days", () => {
    expect(judgeRecheck(claim(null), "absent", day(1))).toMatchObject({
      missingSince: day(1).toISOString(),
      lapsedAt: null,
      event: "domain.missing",
    });
    expect(judgeRecheck(claim(day(1)), "absent", day(7, 23))).toMatchObject({ lapsedAt: null, event: null });
    expect(judgeRecheck(claim(day(1)), "absent", day(8))).toMatchObject({
      missingSince: day(1).toISOString(),
      lapsedAt: day(8).toISOString(),
      event: "domain.lapsed",
    });
    expect(judgeRecheck(claim(day(1), day(8)), "absent", day(9))).toMatchObject({
      lapsedAt: day(8).toISOString(),
      event: null,
    });
  });

  it("and is back: as if it had never been gone", () => {
    for (const before of [claim(day(1)), claim(day(1), day(8))]) {
      expect(judgeRecheck(before, "present", day(9))).toMatchObject({
        missingSince: null,
        lapsedAt: null,
        event: "domain.restored",
      });
    }
  });

  it("and DNS says nothing: neither begins the time nor ends it, and is asked again sooner", () => {
    for (const before of [claim(null), claim(day(1)), claim(day(1), day(8))]) {
      expect(judgeRecheck(before, "unknown", day(20))).toEqual({
        missingSince: before.missingSince,
        lapsedAt: before.lapsedAt,
        checkAt: day(20, 1).toISOString(),
        event: null,
      });
    }
  });

  it("stands as its facts say", () => {
    expect(stateOf({ ...claim(null), verifiedAt: null })).toBe("pending");
    expect(stateOf(claim(null))).toBe("verified");
    expect(stateOf(claim(day(1)))).toBe("missing");
    expect(stateOf(claim(day(1), day(8)))).toBe("lapsed");
  });
});
