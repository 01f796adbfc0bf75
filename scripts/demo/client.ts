/** One side of the conversation: sends a request, tells it, and holds the answer against what the story says. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Story } from "./story.ts";

export interface Told<Answer> {
  readonly status: number;
  /** What the answer's body holds, among other things. */
  readonly holds?: object;
  /** The answer in a few words. */
  readonly say?: string | ((answer: Answer) => string);
}

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Client {
  /** Sends the request and resolves to the parsed body (undefined where there is none). */
  ask<Answer = unknown>(request: Request, told: Told<Answer>): Promise<Answer>;
  /** GET without a line in the story. */
  look<Answer = unknown>(path: string): Promise<Answer>;
  /** Looks until the answer is ready: for what the server does in the background. */
  waitFor<Answer = unknown>(path: string, ready: (answer: Answer) => boolean): Promise<Answer>;
}

export interface Speaker {
  /** Who speaks, in the story's first column. */
  readonly name: string;
  readonly base: string;
  readonly token: string;
  /** Sent with every request; `Content-Type` only with a body. */
  readonly headers: Readonly<Record<string, string>>;
  readonly contentType: string;
}

/** Reconciling a few people takes milliseconds; on a busy machine much longer. */
const waitMaxMs = 10_000;

export function connect(story: Story, speaker: Speaker): Client {
  const reach = async (request: Request) => {
    try {
      return await send(speaker, request);
    } catch (error) {
      const { message, cause } = error as Error;
      return story.fail(`${request.method} ${speaker.base}${request.path}: no answer, ${message} (${cause})`);
    }
  };
  const client: Client = {
    async ask<Answer>({ method, path, body, headers }: Request, told: Told<Answer>) {
      story.sent(speaker.name, method, path, body);
      const answer = await reach({ method, path, body, ...(headers ? { headers } : {}) });
      if (answer.status !== told.status) {
        story.fail(`${method} ${path}: expected ${told.status}, was answered ${answer.status} ${answer.text}`);
      }
      if (told.holds) story.holds(`the answer to ${method} ${path}`, answer.body, told.holds);
      const say = told.say ?? "";
      story.answered(answer.status, typeof say === "string" ? say : say(answer.body as Answer));
      return answer.body as Answer;
    },
    async look<Answer>(path: string) {
      const answer = await reach({ method: "GET", path });
      if (answer.status !== 200) story.fail(`GET ${path}: expected 200, was answered ${answer.status} ${answer.text}`);
      return answer.body as Answer;
    },
    async waitFor<Answer>(path: string, ready: (answer: Answer) => boolean) {
      const deadline = Date.now() + waitMaxMs;
      for (;;) {
        const answer = await client.look<Answer>(path);
        if (ready(answer)) return answer;
        if (Date.now() > deadline)
          story.fail(`GET ${path} was not ready in ${waitMaxMs} ms: ${JSON.stringify(answer)}`);
        await sleep(50);
      }
    },
  };
  return client;
}

async function send({ base, token, headers, contentType }: Speaker, request: Request) {
  const response = await fetch(base + request.path, {
    method: request.method,
    headers: {
      Authorization: `Bearer ${token}`,
      ...headers,
      ...(request.body === undefined ? {} : { "Content-Type": contentType }),
      ...request.headers,
    },
    ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
    signal: AbortSignal.timeout(20_000),
  });
  const text = await response.text();
  return { status: response.status, text, body: parse(text) };
}

function parse(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
