/** The last stop of whatever went wrong: every error becomes one message for the caller and, where it is ours, one log line. */
import type { ErrorRequestHandler, Response } from "express";
import type { Logger } from "../log.ts";
import { type Message, renderProblem, renderScimError } from "../problem-messages.ts";
import { Problem, type ProblemCode } from "../problems.ts";
import { renderOauthError } from "./oauth-error.ts";
import { requestIdOf } from "./request-id.ts";

export function answerErrors(log: Logger): ErrorRequestHandler {
  return (error: unknown, req, res, _next) => {
    const requestId = requestIdOf(res);
    const problem = toProblem(error);
    const fields = { err: error, requestId, method: req.method, path: req.path };
    if (problem.code === "unavailable") log.warn(fields, "request not served: something is out of reach");
    else if (problem.status === 500) log.error(fields, "request failed");
    if (res.headersSent) {
      // Half an answer is out. Cutting the line tells the client so; express appending to it would not.
      req.socket.destroy();
      return;
    }
    const { status, contentType, body } = render(problem, req.originalUrl, requestId);
    send(res.status(status).set(problem.headers), contentType, body);
  };
}

/**
 * As text, because `res.json` would add a charset that these types do not have. Sentences repeat names and ids that a client
 * chose: written as escapes, they are no markup to whoever looks at the bytes (PAR-4), and the same to who reads JSON.
 */
function send(res: Response, contentType: string, body: object): void {
  const text = JSON.stringify(body).replace(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);
  res.setHeader("Content-Type", contentType);
  // Node tells it by itself, but not to HEAD, which is to be told what GET is (RFC 9110 §9.3.2).
  res.setHeader("Content-Length", Buffer.byteLength(text));
  res.end(text);
}

/** In the language of the door, also where the request target is a whole URL, as proxies send it (RFC 9112 §3.2.2). */
function render(problem: Problem, url: string, requestId: string): Message {
  switch (/^(?:https?:\/\/[^/?#]*)?\/(scim|oauth)(?=\/|\?|$)/i.exec(url)?.[1]?.toLowerCase()) {
    case "scim":
      return renderScimError(problem, requestId);
    case "oauth":
      return renderOauthError(problem);
    default:
      return renderProblem(problem, requestId);
  }
}

/** What express, its body parsers and the request validator throw: an Error with an HTTP status. */
interface HttpError extends Error {
  readonly status: number;
  /** The body parsers' word for what happened. */
  readonly type?: string;
  /** The validator's findings. */
  readonly errors?: readonly { readonly path?: string; readonly message?: string }[];
  readonly headers?: Record<string, string>;
}

const codeOfStatus: Readonly<Record<number, ProblemCode>> = {
  400: "invalidValue",
  401: "unauthorized",
  403: "forbidden",
  404: "notFound",
  405: "methodNotAllowed",
  406: "notAcceptable",
  413: "payloadTooLarge",
  415: "unsupportedMediaType",
};

const sentenceOfType: Readonly<Record<string, string>> = {
  "entity.parse.failed": "The body is not valid JSON.",
  "entity.too.large": "The body is larger than this operation takes.",
  "encoding.unsupported": "Send the body uncompressed or as gzip, deflate or br.",
  "charset.unsupported": "Send the body in UTF-8.",
  "request.aborted": "The request ended before its body did.",
  "request.size.invalid": "The body is not as long as Content-Length says.",
};

/** The problem behind any error. What nobody foresaw is `internal`; its reason stays in the log. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const code = isHttpError(error) ? codeOfStatus[error.status] : undefined;
  if (!isHttpError(error) || code === undefined) {
    return new Problem(
      "internal",
      "Something went wrong on our side. The log tells the reason under this request id.",
      {
        cause: error,
      },
    );
  }
  const { type = "", errors } = error;
  const options = { cause: error, ...(error.headers ? { headers: error.headers } : {}) };
  if (type in sentenceOfType) {
    const syntax = error.status === 400 ? "invalidSyntax" : code;
    return new Problem(syntax, sentenceOfType[type]!, options);
  }
  if (error instanceof URIError)
    return new Problem("invalidSyntax", "The path is not valid percent-encoding.", options);
  if (errors === undefined) return new Problem(code, error.message, options);
  const findings = errors.map(({ path = "", message = "" }) => ({ path, message }));
  const detail = findings.map(({ path, message }) => `${path} ${message}`.trim()).join("; ") || error.message;
  return new Problem(code, detail, { ...options, facts: code === "invalidValue" ? { errors: findings } : {} });
}

function isHttpError(error: unknown): error is HttpError {
  return error instanceof Error && "status" in error && typeof error.status === "number";
}
