/**
 * The body of a management request: JSON, bounded in size and depth, free of names that reach into objects; or a file,
 * which the handler reads while it arrives.
 */
import express, { type Request, type RequestHandler } from "express";
import { limits } from "../limits.ts";
import { Problem } from "../problems.ts";
import type { IncomingFile } from "./operation.ts";

/** Reads a JSON body into `req.body`; without a body it is an empty object, and the schema says whether that does. */
export function readBody(bytesMax: number): RequestHandler[] {
  return [requireJson, express.json({ limit: bytesMax, strict: true }), requirePlain, simplify];
}

const requireJson: RequestHandler = (req, _res, next) => {
  if (hasBody(req) && req.is("application/json") === false) {
    throw new Problem("unsupportedMediaType", "Send the body as application/json.");
  }
  next();
};

/** Leaves a CSV file where it is, for the handler: nothing of it has been read when the request is refused before. */
export function takeFile(bytesMax: number): RequestHandler[] {
  return [
    (req, res, next) => {
      const { "content-type": type = "", "content-length": length = "0", "content-encoding": coding } = req.headers;
      if (hasBody(req) && req.is("text/csv") === false) {
        throw new Problem("unsupportedMediaType", "Send the file as text/csv.");
      }
      if (coding !== undefined && coding !== "identity") {
        throw new Problem("unsupportedMediaType", "Send the file uncompressed.");
      }
      if (Number(length) > bytesMax) {
        throw new Problem("payloadTooLarge", `The file is larger than ${bytesMax} bytes. Import it in parts.`);
      }
      const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(type)?.[1];
      // Whoever stops reading answers first: the line must not end with the iteration.
      res.locals.file = { bytes: req.iterator({ destroyOnReturn: false }), charset } satisfies IncomingFile;
      // The validator is shown that there is a body of the right type.
      req.headers["content-type"] = "text/csv";
      req.body = "file";
      next();
    },
  ];
}

function hasBody({ headers }: Request): boolean {
  const { "content-length": length = "0", "transfer-encoding": encoding } = headers;
  return encoding !== undefined || length !== "0";
}

// The validator keeps a compiled schema for every spelling of a media type that it meets, and takes a missing type for a
// wrong one. It meets one spelling.
const simplify: RequestHandler = (req, _res, next) => {
  req.headers["content-type"] = "application/json";
  req.body ??= {};
  next();
};

/** Names that reach an object's machinery instead of its members in code that forgets about them. */
const machinery: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

const requirePlain: RequestHandler = (req, _res, next) => {
  const open: { value: unknown; depth: number }[] = [{ value: req.body, depth: 1 }];
  for (let item = open.pop(); item !== undefined; item = open.pop()) {
    const { value, depth } = item;
    if (typeof value === "string") requireText(value);
    if (typeof value !== "object" || value === null) continue;
    if (depth > limits.jsonDepthMax) {
      throw new Problem("invalidSyntax", `The body nests deeper than ${limits.jsonDepthMax} levels.`);
    }
    for (const [name, member] of Object.entries(value)) {
      if (machinery.has(name)) throw new Problem("invalidSyntax", `No member is called ${name}.`);
      requireText(name);
      open.push({ value: member, depth: depth + 1 });
    }
  }
  next();
};

function requireText(text: string): void {
  if (text.includes("\0") || !text.isWellFormed()) {
    throw new Problem("invalidValue", "A text contains a character that no text has, such as NUL.");
  }
}
