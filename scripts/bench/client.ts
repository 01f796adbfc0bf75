/** One request at a time over one connection, with as little between the clock and the server as can be. */
import { Agent, request } from "node:http";

export interface Answer {
  readonly status: number;
  readonly bytes: number;
  text(): string;
}

/** Sends a request and resolves when the answer has arrived whole. */
export type Client = (method: string, path: string, body?: unknown) => Promise<Answer>;

const agent = new Agent({ keepAlive: true, maxSockets: 1 });

export function connect(base: string, token?: string): Client {
  const type = base.endsWith("/scim/v2") ? "application/scim+json" : "application/json";
  const authorization = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  return (method, path, body) =>
    new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const content =
        text === undefined ? {} : { "Content-Type": type, "Content-Length": String(Buffer.byteLength(text)) };
      const sent = request(base + path, { method, agent, headers: { ...authorization, ...content } }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
          resolve({ status: response.statusCode ?? 0, bytes, text: () => Buffer.concat(chunks).toString() });
        });
      });
      sent.on("error", reject);
      sent.end(text);
    });
}

/** The parsed answer, where the status is the one expected. */
export async function ask<Body>(client: Client, status: number, method: string, path: string, body?: unknown) {
  const answer = await client(method, path, body);
  if (answer.status === status) return JSON.parse(answer.text()) as Body;
  throw new Error(`${method} ${path}: expected ${status}, got ${answer.status} ${answer.text().slice(0, 500)}`);
}
