/**
 * Bytes to a server and what comes back, without the kindness of an HTTP client in between: paths that are no URLs,
 * messages that are no HTTP, several requests on one line.
 */
import { connect } from "node:net";

export interface WireAnswer {
  readonly status: number;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

export interface Exchange {
  readonly answers: readonly WireAnswer[];
  /** Whether the server ended the connection. */
  readonly closed: boolean;
  /** Until the last answer was complete, or until the server closed. */
  readonly elapsedMs: number;
}

export interface ExchangeOptions {
  /** How many answers to wait for. Fewer come back where the server closes or `timeoutMs` passes. */
  readonly answers?: number;
  readonly timeoutMs?: number;
  /** Answers to HEAD announce a body that never comes. */
  readonly head?: boolean;
}

/** Sends the pieces one after the other, a turn of the event loop apart, and reads the answers. */
export function exchange(
  origin: string,
  pieces: string | Buffer | readonly (string | Buffer)[],
  options: ExchangeOptions = {},
): Promise<Exchange> {
  const { answers: wanted = 1, timeoutMs = 5_000, head = false } = options;
  const { hostname, port } = new URL(origin);
  const begun = performance.now();
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    let received: Buffer = Buffer.alloc(0);
    const answers: WireAnswer[] = [];
    const done = (closed: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ answers, closed, elapsedMs: performance.now() - begun });
    };
    const timer = setTimeout(() => done(false), timeoutMs);
    socket.on("error", () => done(true));
    socket.on("close", () => done(true));
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      for (let next = takeAnswer(received, head); next; next = takeAnswer(received, head)) {
        answers.push(next.answer);
        received = received.subarray(next.length);
      }
      if (answers.length >= wanted) done(false);
    });
    socket.once("connect", async () => {
      for (const piece of Array.isArray(pieces) ? pieces : [pieces]) {
        if (socket.destroyed || !socket.writable) return;
        socket.write(piece as string);
        await new Promise((later) => setImmediate(later));
      }
    });
  });
}

/** The first complete answer in the bytes, and how many of them it takes. */
function takeAnswer(bytes: Buffer, head: boolean): { answer: WireAnswer; length: number } | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [statusLine = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1] ?? 0);
  // An interim answer, such as 100 Continue, is none.
  if (status >= 100 && status < 200) {
    const rest = takeAnswer(bytes.subarray(end + 4), head);
    return rest && { ...rest, length: rest.length + end + 4 };
  }
  const body = head || status === 204 || status === 304 ? { text: "", length: 0 } : takeBody(bytes, end + 4, headers);
  return body && { answer: { status, headers, text: body.text }, length: end + 4 + body.length };
}

function takeBody(bytes: Buffer, from: number, headers: Readonly<Record<string, string>>) {
  if (headers["transfer-encoding"] === "chunked") return takeChunks(bytes, from);
  const length = Number(headers["content-length"] ?? 0);
  if (bytes.length < from + length) return undefined;
  return { text: bytes.subarray(from, from + length).toString("utf8"), length };
}

function takeChunks(bytes: Buffer, from: number): { text: string; length: number } | undefined {
  const parts: Buffer[] = [];
  for (let at = from; ; ) {
    const line = bytes.indexOf("\r\n", at);
    if (line < 0) return undefined;
    const size = Number.parseInt(bytes.subarray(at, line).toString("latin1"), 16);
    const next = line + 2 + size + 2;
    if (bytes.length < next) return undefined;
    if (size === 0) return { text: Buffer.concat(parts).toString("utf8"), length: next - from };
    parts.push(bytes.subarray(line + 2, line + 2 + size));
    at = next;
  }
}

export interface RequestParts {
  readonly method?: string;
  /** The request target, byte for byte. */
  readonly target: string;
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** A request as bytes: nothing is encoded, checked or added but Host, the credential and the length of the body. */
export function toBytes({ method = "GET", target, token, headers = {}, body }: RequestParts): Buffer {
  const given: Record<string, string> = {
    Host: "localhost",
    ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    ...(body === undefined ? {} : { "Content-Length": String(Buffer.byteLength(body)) }),
    ...headers,
  };
  const head = Object.entries(given).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([
    Buffer.from(`${method} ${target} HTTP/1.1\r\n${head.join("")}\r\n`, "latin1"),
    Buffer.from(body ?? ""),
  ]);
}

/** One request on a connection of its own. Status 0: the server closed without an answer, or gave none in time. */
export async function ask(origin: string, parts: RequestParts): Promise<WireAnswer & { readonly elapsedMs: number }> {
  const { answers, elapsedMs } = await exchange(origin, toBytes(parts), { head: parts.method === "HEAD" });
  return { ...(answers[0] ?? { status: 0, headers: {}, text: "" }), elapsedMs };
}
