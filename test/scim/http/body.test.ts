/** What a request's body may be before anything reads it: media type, size, depth, characters. */
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { Problem } from "../../../src/problems.ts";
import { readJsonObject, requireJson } from "../../../src/scim/body.ts";

function request(body: string | Buffer, headers: Record<string, string> = {}): IncomingMessage {
  const message = new IncomingMessage(new Socket());
  Object.assign(message.headers, headers);
  message.push(body);
  message.push(null);
  return message;
}

async function refusal(work: () => unknown): Promise<string | undefined> {
  try {
    await work();
  } catch (error) {
    return error instanceof Problem ? error.code : String(error);
  }
  return undefined;
}

describe("the media type of a body", () => {
  it.each([
    "application/scim+json",
    "application/scim+json; charset=utf-8",
    'application/JSON;charset="UTF-8"',
    "application/json;odata=verbose",
    "",
  ])("takes %j", (type) => {
    expect(() => requireJson(request("{}", { "content-type": type }))).not.toThrow();
  });

  it.each([
    "text/plain",
    "application/xml",
    "multipart/form-data; boundary=x",
    "application/json; charset=utf-16",
    "nonsense",
  ])("refuses %j with 415", async (type) => {
    expect(await refusal(() => requireJson(request("{}", { "content-type": type })))).toBe("unsupportedMediaType");
  });

  it("refuses a compressed body with 415: a small one may unpack to a large one", async () => {
    expect(await refusal(() => requireJson(request("", { "content-encoding": "gzip" })))).toBe("unsupportedMediaType");
  });
});

describe("a JSON body", () => {
  it("is read as an object, with or without a byte order mark", async () => {
    expect(await readJsonObject(request('{"a":[1,{"b":"ü"}]}'), 100)).toEqual({ a: [1, { b: "ü" }] });
    expect(await readJsonObject(request('\uFEFF{"a":1}'), 100)).toEqual({ a: 1 });
  });

  it("may use the words of JavaScript as values", async () => {
    expect(await readJsonObject(request('{"title":"constructor"}'), 100)).toEqual({ title: "constructor" });
  });

  it.each([
    ["nothing", "", "invalidSyntax"],
    ["broken JSON", "{not json", "invalidSyntax"],
    ["an array", "[]", "invalidSyntax"],
    ["null", "null", "invalidSyntax"],
    ["a string", '"x"', "invalidSyntax"],
    ["two objects", "{}{}", "invalidSyntax"],
    ["a nesting of 33 levels", `${'{"a":'.repeat(33)}1${"}".repeat(33)}`, "invalidSyntax"],
    ["a million brackets that never close", '{"a":'.repeat(100_000), "invalidSyntax"],
    ["__proto__ as a name", '{"a":{"__proto__":{"x":1}}}', "invalidSyntax"],
    ["__proto__ as a name in disguise", '{"\\u005f\\u005fproto\\u005f_":1}', "invalidSyntax"],
    ["constructor as a name", '{"constructor":{"prototype":1}}', "invalidSyntax"],
    ["NUL in a value", '{"title":"a\\u0000b"}', "invalidValue"],
    ["half a surrogate pair", '{"title":"\\ud800"}', "invalidValue"],
    ["a body of too many bytes", `{"a":"${"x".repeat(2_000_000)}"}`, "payloadTooLarge"],
  ])("refuses %s", async (_, body, code) => {
    expect(await refusal(() => readJsonObject(request(body), 1_000_000))).toBe(code);
  });

  it("refuses bytes that are no UTF-8", async () => {
    expect(await refusal(() => readJsonObject(request(Buffer.from([0x7b, 0xff, 0xfe, 0x7d])), 100))).toBe(
      "invalidSyntax",
    );
  });

  it("refuses an announced length at once", async () => {
    expect(await refusal(() => readJsonObject(request("{}", { "content-length": "101" }), 100))).toBe(
      "payloadTooLarge",
    );
  });

  it("counts brackets outside of strings only", async () => {
    const text = `{"a":"${'[{\\"'.repeat(50)}"}`;
    expect(await readJsonObject(request(text), 1000)).toEqual({ a: '[{"'.repeat(50) });
  });

  it("does not repeat the body in what it says", async () => {
    const told = await readJsonObject(request('{"password":"hunter2"'), 100).catch((error: Error) => error.message);
    expect(told).not.toContain("hunter2");
  });
});
