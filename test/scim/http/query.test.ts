/** RFC 7644 §3.4.2 and §3.4.3: what a query may say, from the URL and as a SearchRequest. */
import { describe, expect, it } from "vitest";
import { Problem } from "../../../src/problems.ts";
import { parseQuery, parseSearchRequest } from "../../../src/scim/query.ts";

function refusal(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    return error instanceof Problem ? error.code : String(error);
  }
  return undefined;
}

describe("a query in the URL", () => {
  it("reads + and %20 as a space, and %2B as a plus", () => {
    expect(parseQuery('?filter=userName+eq%20"a%2Bb"').filter).toBe('userName eq "a+b"');
  });

  it("takes parameter names in any letter case and ignores unknown ones, also without a name", () => {
    expect(parseQuery("?startindex=3&COUNT=2&aadOptscim062020&x=1&")).toMatchObject({ startIndex: 3, count: 2 });
  });

  it.each([
    ["?count=0", { count: 0 }],
    ["?count=-5", { count: 0 }],
    ["?count=501", { count: 500 }],
    ["?count=", { count: 100 }],
    ["", { count: 100, startIndex: 1 }],
    ["?startIndex=0", { startIndex: 1 }],
    ["?startIndex=-7", { startIndex: 1 }],
    ["?startIndex=999999999999999", { startIndex: 999_999_999_999_999 }],
    ["?cursor", { cursor: { text: "" }, count: 100 }],
    ["?CURSOR=&count=7", { cursor: { text: "", count: 7 }, count: 7 }],
    ["?cursor=a.b&count=500", { cursor: { text: "a.b", count: 500 } }],
    ["?cursor=a.b&count=501", { cursor: { text: "a.b" } }],
    ["?cursor=&startIndex=", { cursor: { text: "" } }],
    ["?sortBy=userName&sortOrder=Descending", { sortBy: "userName", sortOrder: "descending" }],
    ["?attributes=userName,%20emails,,", { attributes: ["userName", "emails"] }],
  ])("%s", (search, expected) => {
    expect(parseQuery(search)).toMatchObject(expected);
  });

  it.each([
    ["?count=ten", "invalidValue"],
    ["?count=1e3", "invalidValue"],
    ["?count=1.5", "invalidValue"],
    ["?startIndex=9999999999999999", "invalidValue"],
    ["?sortOrder=up", "invalidValue"],
    ["?cursor=&count=501", "invalidCount"],
    ["?cursor=&count=x", "invalidCount"],
    ["?cursor=&startIndex=1", "invalidValue"],
    ["?cursor=a&cursor=b", "invalidCursor"],
    ["?filter=a+pr&filter=b+pr", "invalidFilter"],
    ["?filter=a+pr&FILTER=b+pr", "invalidFilter"],
    ["?filter=%00", "invalidFilter"],
    [`?filter=${"a".repeat(16_385)}`, "invalidFilter"],
    [`?attributes=${"a,".repeat(300)}`, "invalidValue"],
    ["?attributes=userName&excludedAttributes=emails", "invalidValue"],
  ])("refuses %s", (search, code) => {
    expect(refusal(() => parseQuery(search))).toBe(code);
  });

  it("finds nothing but its own parameters, whatever they are called", () => {
    const query = parseQuery("?__proto__=1&constructor=2&hasOwnProperty=3&toString=4");
    expect(Object.keys(query).sort()).toEqual(["count", "sortOrder", "startIndex"]);
    expect(({} as Record<string, unknown>)["1"]).toBeUndefined();
  });
});

describe("a SearchRequest", () => {
  const schemas = ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"];

  it("says the same as a URL", () => {
    const message = { schemas, filter: "title pr", count: 0, startIndex: 5, attributes: ["title"], sortBy: "title" };
    expect(parseSearchRequest(message)).toEqual(
      parseQuery("?filter=title+pr&count=0&startIndex=5&attributes=title&sortBy=title"),
    );
  });

  it("ignores null and takes names in any letter case", () => {
    expect(parseSearchRequest({ Schemas: schemas, Filter: null, STARTINDEX: 2 })).toEqual(parseQuery("?startIndex=2"));
  });

  it.each([
    ["no schema", {}, "invalidSyntax"],
    ["another message's schema", { schemas: ["urn:ietf:params:scim:api:messages:2.0:PatchOp"] }, "invalidSyntax"],
    ["a filter that is no text", { schemas, filter: 1 }, "invalidFilter"],
    ["a cursor that is no text", { schemas, cursor: true }, "invalidCursor"],
    ["a cursor beside an index", { schemas, cursor: "", startIndex: 1 }, "invalidValue"],
    ["attributes that are no list", { schemas, attributes: "userName" }, "invalidValue"],
    ["a fraction", { schemas, count: 1.5 }, "invalidValue"],
    ["a name twice", { schemas, count: 1, Count: 2 }, "invalidValue"],
  ])("refuses %s", (_, message, code) => {
    expect(refusal(() => parseSearchRequest(message))).toBe(code);
  });
});
