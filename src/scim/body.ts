/** Reads a request's JSON: bounded in bytes and depth before it is parsed, and free of what no attribute may hold. */
import type { IncomingMessage } from "node:http";
import { limits } from "../limits.ts";
import { Problem } from "../problems.ts";
import { bounds } from "./config.ts";

/** Okta's and Microsoft's validators post without a media type at times, so none is taken for JSON. */
const jsonTypes: ReadonlySet<string> = new Set(["application/scim+json", "application/json"]);

/** 415 unless the body says that it is JSON in UTF-8, uncompressed, or says nothing. */
export function requireJson(request: IncomingMessage): void {
  const [type = "", ...parameters] = (request.headers["content-type"] ?? "").toLowerCase().split(";");
  if (type.trim() !== "" && !jsonTypes.has(type.trim())) {
    throw new Problem("unsupportedMediaType", `Send the body as application/scim+json, not as ${printable(type)}.`);
  }
  for (const parameter of parameters) {
    const [name = "", value = ""] = parameter.split("=");
    if (name.trim() === "charset" && !/^"?(utf-?8|us-ascii|)"?$/.test(value.trim())) {
      throw new Problem(
        "unsupportedMediaType",
        "Send the body in UTF-8: SCIM is JSON, and JSON is UTF-8 (RFC 8259 §8.1).",
      );
    }
  }
  const encoding = (request.headers["content-encoding"] ?? "identity").toLowerCase();
  if (encoding !== "identity") {
    throw new Problem("unsupportedMediaType", "Send the body uncompressed.", {
      headers: { "Accept-Encoding": "identity" },
    });
  }
}

/** Whether the request announces a body. */
export function hasBody(request: IncomingMessage): boolean {
  const length = request.headers["content-length"];
  return request.headers["transfer-encoding"] !== undefined || (length !== undefined && length !== "0");
}

/**
 * The body as a JSON object. Raises `payloadTooLarge` beyond `bytesMax`, `invalidSyntax` for what is no JSON object or
 * nests too deep, `invalidValue` for text that the database cannot hold.
 */
export async function readJsonObject(request: IncomingMessage, bytesMax: number): Promise<Record<string, unknown>> {
  const bytes = await readBytes(request, bytesMax);
  if (bytes.length === 0)
    throw new Problem("invalidSyntax", "The request has no body; this operation takes a JSON object.");
  requireShallow(bytes);
  const text = decode(bytes);
  const value = parse(text);
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new Problem("invalidSyntax", "The body must be one JSON object.");
  }
  if (needsLook(text)) requirePlain(value);
  return value as Record<string, unknown>;
}

/** Takes in a body that nobody reads, such as one on a GET, so that the connection can be used again. */
export async function discardBody(request: IncomingMessage): Promise<void> {
  if (hasBody(request)) await readBytes(request, bounds.smallBodyBytesMax);
}

/** How long a client may go on sending what was refused, so that it gets to read the refusal. */
const drainMs = 2_000;

function readBytes(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const announced = Number(request.headers["content-length"] ?? 0);
  if (announced > bytesMax) {
    drain(request);
    throw tooLarge(bytesMax);
  }
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const stop = (): void => {
      request.off("data", take);
      request.off("end", finish);
      request.off("error", fail);
      request.off("close", gone);
    };
    const take = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > bytesMax) {
        stop();
        drain(request);
        reject(tooLarge(bytesMax));
      } else chunks.push(chunk);
    };
    const finish = (): void => {
      stop();
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size));
    };
    const fail = (cause: unknown): void => {
      stop();
      reject(new Problem("invalidSyntax", "The body ended before its announced length.", { cause }));
    };
    const gone = (): void => fail(new Error("the client went away"));
    request.on("data", take);
    request.on("end", finish);
    request.on("error", fail);
    request.on("close", gone);
  });
}

function drain(request: IncomingMessage): void {
  request.on("error", () => {});
  request.resume();
  const timer = setTimeout(() => request.destroy(), drainMs);
  timer.unref();
  request.once("end", () => clearTimeout(timer));
  request.once("close", () => clearTimeout(timer));
}

function tooLarge(bytesMax: number): Problem {
  return new Problem("payloadTooLarge", `The body is larger than ${bytesMax} bytes. Send fewer values in one request.`);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const OPEN_OBJECT = 0x7b;
const CLOSE_ARRAY = 0x5d;
const CLOSE_OBJECT = 0x7d;

/** Counts brackets outside of strings before anything is parsed: about 1 ns a byte, and no memory for what is refused. */
function requireShallow(bytes: Buffer): void {
  let depth = 0;
  for (let i = 0; i < bytes.length; i += 1) {
    const byte = bytes[i];
    if (byte === QUOTE) {
      i += 1;
      while (i < bytes.length && bytes[i] !== QUOTE) i += bytes[i] === BACKSLASH ? 2 : 1;
    } else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
      depth += 1;
      if (depth > limits.jsonDepthMax) {
        throw new Problem("invalidSyntax", `The body nests deeper than ${limits.jsonDepthMax} levels.`);
      }
    } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth -= 1;
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function decode(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new Problem("invalidSyntax", "The body is not valid UTF-8.", { cause });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    // The parser's own message repeats parts of the body, which may hold a password.
    const position = /at position (\d+)/.exec((cause as Error).message)?.[1];
    const where = position === undefined ? "" : ` at character ${position}`;
    throw new Problem("invalidSyntax", `The body is not JSON${where}.`, { cause });
  }
}

/** Names that reach an object's machinery instead of its members in code that forgets about them. */
const machinery: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** Only an escape or one of those words can hide what `requirePlain` looks for. */
function needsLook(text: string): boolean {
  return (
    text.includes("\\u") || text.includes("__proto__") || text.includes('"constructor"') || text.includes('"prototype"')
  );
}

function requirePlain(root: object): void {
  const open: object[] = [root];
  for (let item = open.pop(); item !== undefined; item = open.pop()) {
    for (const [name, value] of Object.entries(item)) {
      if (machinery.has(name)) throw new Problem("invalidSyntax", `No attribute is called ${name}.`);
      if (typeof value === "object" && value !== null) open.push(value);
      else if (typeof value === "string" && (value.includes("\0") || !value.isWellFormed())) {
        throw new Problem(
          "invalidValue",
          `The value of ${printable(name)} contains a character that no text has, such as NUL.`,
        );
      }
    }
  }
}

/** At most 60 harmless characters of what a client sent, for a sentence. */
export function printable(text: string): string {
  return text.replace(/[^\w.:/+@ -]/g, "").slice(0, 60);
}
