/** Listening and stopping: a stop lets requests in flight finish. */
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Express } from "express";
import { limits } from "../limits.ts";
import { renderProblem, renderScimError } from "../problem-messages.ts";
import { Problem } from "../problems.ts";
import { StartRefused } from "../start-refused.ts";
import { USHER_ERROR } from "../vocabulary/urns.ts";

export interface Listening {
  /** `http://127.0.0.1:8080`; an address that means all interfaces is written as loopback. */
  readonly origin: string;
  /** Takes no more connections, waits for the requests in flight, `shutdownMs` at most, and cuts the rest. */
  stop(): Promise<void>;
}

export async function listen(app: Express, { host, port }: { host: string; port: number }): Promise<Listening> {
  const server = createServer(
    {
      requestTimeout: limits.requestMs,
      headersTimeout: limits.headersMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: 5_000,
    },
    app,
  );
  const underWay = new WeakMap<Duplex, ServerResponse>();
  server.on("request", (_req, res) => underWay.set(res.req.socket, res));
  server.on("clientError", (error: ParseError, socket) => {
    const answer = underWay.get(socket);
    if (answer === undefined || answer.writableFinished || !answer.req.complete) answerUnreadable(error, socket);
    else endAfter(answer, socket);
  });
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (error) {
    throw new StartRefused(`Cannot listen on ${host}:${port} (${(error as Error).message}); see HOST and PORT.`);
  }
  return { origin: originOf(server.address() as AddressInfo), stop: () => stop(server) };
}

async function stop(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  const deadline = Date.now() + limits.shutdownMs;
  while (Date.now() < deadline) {
    // Connections that were kept alive end as soon as their request does.
    server.closeIdleConnections();
    if (await Promise.race([closed.then(() => true), sleep(50, false)])) return;
  }
  server.closeAllConnections();
  await closed;
}

function originOf({ address, family, port }: AddressInfo): string {
  if (address === "0.0.0.0" || address === "::") return `http://127.0.0.1:${port}`;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}

const unreadable: Readonly<Record<string, { status: number; problem: Problem }>> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    problem: new Problem(
      "tooMany",
      "The request's URL and headers are too large: send a long filter as POST /.search.",
    ),
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    problem: new Problem("invalidSyntax", "The request took too long to arrive."),
  },
};

/** What Node tells of bytes that its parser gave up on. */
interface ParseError extends NodeJS.ErrnoException {
  readonly rawPacket?: Buffer;
}

/** What cannot be read came behind a whole request: that one gets its own answer, and the line ends with it. */
function endAfter(answer: ServerResponse, socket: Duplex): void {
  if (!answer.headersSent) answer.setHeader("Connection", "close");
  answer.once("close", () => socket.destroy());
}

/** Bytes that are no HTTP request never reach the app; the sender still gets to know, in the words of the door it meant. */
function answerUnreadable(error: ParseError, socket: Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, problem } = unreadable[error.code ?? ""] ?? {
    status: 400,
    problem: new Problem("invalidSyntax", "This is not an HTTP request."),
  };
  const begin = error.rawPacket?.subarray(0, 100).toString("latin1") ?? "";
  const isForScim = /^[A-Z]+ \/scim[/? ]/i.test(begin);
  const { contentType, body } = isForScim ? renderScimError(problem, "") : renderProblem(problem, "");
  const own = isForScim ? { status: String(status), [USHER_ERROR]: undefined } : { status, requestId: undefined };
  const text = JSON.stringify({ ...body, ...own });
  const headers = `Content-Type: ${contentType}\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close`;
  socket.end(`HTTP/1.1 ${status} \r\n${headers}\r\n\r\n${text}`);
}
