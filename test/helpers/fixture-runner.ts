/**
 * Replays recorded exchanges of SCIM clients against a running server: sends each step byte for byte as the client
 * does, keeps what later steps refer to, and holds the answers against the recorded expectations.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";

export type Scalar = string | number | boolean | null;

/** One expectation: about a place in the body (JSON pointer) or about a header. */
export interface Assertion {
  readonly at?: string;
  readonly header?: string;
  /** The expectation holds only for these status codes. */
  readonly ifStatus?: number | readonly number[];
  readonly eq?: unknown;
  readonly ne?: unknown;
  readonly len?: number;
  readonly minLen?: number;
  readonly gte?: number;
  readonly absent?: boolean;
  readonly present?: boolean;
  readonly nonEmpty?: boolean;
  readonly type?: string;
  readonly containsWhere?: Readonly<Record<string, unknown>>;
  readonly lacksWhere?: Readonly<Record<string, unknown>>;
  readonly includes?: unknown;
  readonly matches?: string;
  readonly notMatches?: string;
  readonly startsWith?: string;
}

export interface Step {
  readonly send: {
    readonly method: string;
    readonly path: string;
    /** A null header is left out, also where the runner would add it. */
    readonly headers?: Readonly<Record<string, string | null>>;
    /** A string goes out as it is, anything else as JSON. */
    readonly body?: unknown;
  };
  readonly expect: { readonly status: readonly number[]; readonly assert?: readonly Assertion[] };
  /** Name → JSON pointer into the answer, or `header:name`. */
  readonly capture?: Readonly<Record<string, string>>;
  /** Neighbouring steps of one group go out at the same time. */
  readonly parallelGroup?: number | string;
}

export interface FixtureCase {
  readonly id: string;
  readonly title: string;
  readonly client: string;
  readonly grade: string;
  readonly source: string;
  readonly requires?: readonly string[];
  readonly steps: readonly Step[];
}

export interface Target {
  /** The SCIM base URL, such as `http://127.0.0.1:8080/scim/v2`. */
  readonly baseUrl: string;
  readonly token: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly body: unknown;
}

/** Every recorded case, in the order of the files and of the cases within them. */
export function readFixtureCases(): FixtureCase[] {
  const folder = new URL("../fixtures/clients/", import.meta.url);
  return readdirSync(folder)
    .filter((file) => file.endsWith(".json"))
    .sort()
    .flatMap((file) => JSON.parse(readFileSync(new URL(file, folder), "utf8")) as FixtureCase[]);
}

/** Plays the case against the target; rejects with the step, the answer and the expectation that it missed. */
export async function replay(fixture: FixtureCase, target: Target): Promise<void> {
  const values = new Map<string, unknown>();
  const unique = uniqueName();
  values.set("uniq", unique);
  values.set("uniqU", unique.toUpperCase());
  // A token is an OAuth client as well: its first two parts the id, the third the secret.
  const [, clientId, clientSecret] = /^usher_(.+)\.(.+)$/.exec(target.token) ?? [];
  values.set("clientId", clientId);
  values.set("clientSecret", clientSecret);
  for (let at = 0; at < fixture.steps.length; ) {
    const group = together(fixture.steps, at);
    const answers = await Promise.all(group.map((step) => send(target, substitute(step.send, values) as Step["send"])));
    group.forEach((step, i) => {
      const answer = answers[i] as Answer;
      judge(`${fixture.id} step ${at + i + 1}`, step, answer, values);
      keep(step.capture ?? {}, answer, values);
    });
    at += group.length;
  }
}

/** Lower-case letters and digits, different in every run. */
function uniqueName(): string {
  return `q${randomBytes(5).toString("hex")}`;
}

/** The step at `from`, with the following ones that belong to the same parallel group. */
function together(steps: readonly Step[], from: number): Step[] {
  const group = (steps[from] as Step).parallelGroup;
  let end = from + 1;
  while (group !== undefined && steps[end]?.parallelGroup === group) end += 1;
  return steps.slice(from, end);
}

/** Sends one request through plain `http`, which encodes nothing and adds no media type of its own. */
export function send(target: Target, step: Step["send"]): Promise<Answer> {
  const base = new URL(target.baseUrl);
  const headers: Record<string, string> = { Authorization: `Bearer ${target.token}` };
  for (const [name, value] of Object.entries(step.headers ?? {})) {
    if (value === null) delete headers[name];
    else headers[name] = value;
  }
  const body = step.body === undefined || typeof step.body === "string" ? step.body : JSON.stringify(step.body);
  if (body !== undefined) headers["Content-Length"] = String(Buffer.byteLength(body as string));
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: base.hostname,
        port: base.port,
        method: step.method,
        // The token endpoint is the server's, not the SCIM door's.
        path: `${step.path.startsWith("/oauth/") ? "" : base.pathname.replace(/\/$/, "")}${step.path}`,
        headers,
        agent: false,
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("error", reject);
        incoming.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text, body: parse(text) });
        });
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body as string | undefined);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Replaces every `{{name}}` in every string of the value. */
function substitute(value: unknown, values: ReadonlyMap<string, unknown>): unknown {
  if (typeof value === "string") {
    return value.replace(/\{\{(\w+)\}\}/g, (whole, name: string) =>
      values.has(name) ? String(values.get(name)) : whole,
    );
  }
  if (Array.isArray(value)) return value.map((item) => substitute(item, values));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [substitute(key, values), substitute(item, values)]),
  );
}

function keep(capture: Readonly<Record<string, string>>, answer: Answer, values: Map<string, unknown>): void {
  for (const [name, place] of Object.entries(capture)) {
    values.set(
      name,
      place.startsWith("header:") ? answer.headers[place.slice(7).toLowerCase()] : at(answer.body, place),
    );
  }
}

function judge(where: string, step: Step, answer: Answer, values: ReadonlyMap<string, unknown>): void {
  const said = `${where}: ${step.send.method} ${step.send.path} was answered ${answer.status} ${answer.text.slice(0, 600)}`;
  assert.ok(step.expect.status.includes(answer.status), `${said}; expected status ${step.expect.status.join(" or ")}`);
  for (const one of step.expect.assert ?? []) {
    if (one.ifStatus !== undefined && ![one.ifStatus].flat().includes(answer.status)) continue;
    const wanted = substitute(one, values) as Assertion;
    const missed = missedBy(wanted, answer);
    assert.ok(missed === undefined, `${said}; expected ${JSON.stringify(wanted)}, ${missed}`);
  }
}

/** What the answer lacks of the assertion, or undefined when it holds. */
function missedBy(wanted: Assertion, answer: Answer): string | undefined {
  const found =
    wanted.header === undefined ? at(answer.body, wanted.at ?? "") : answer.headers[wanted.header.toLowerCase()];
  for (const [check, expected] of Object.entries(wanted)) {
    if (check === "at" || check === "header" || check === "ifStatus") continue;
    const holds = checks[check];
    if (holds === undefined) return `which this runner does not know: ${check}`;
    if (!holds(found, expected)) return `found ${JSON.stringify(found)}`;
  }
  return undefined;
}

const isAbsent = (found: unknown): boolean => found === undefined || found === null;
const hasAll = (item: unknown, wanted: unknown): boolean =>
  Object.entries(wanted as object).every(([key, value]) =>
    same((item as Record<string, unknown> | null)?.[key], value),
  );
const some = (found: unknown, wanted: unknown): boolean =>
  Array.isArray(found) && found.some((item) => hasAll(item, wanted));

const checks: Record<string, (found: unknown, expected: unknown) => boolean> = {
  eq: (found, expected) => same(found, expected),
  ne: (found, expected) => !same(found, expected),
  len: (found, expected) => Array.isArray(found) && found.length === expected,
  minLen: (found, expected) => Array.isArray(found) && found.length >= (expected as number),
  gte: (found, expected) => typeof found === "number" && found >= (expected as number),
  absent: (found, expected) => isAbsent(found) === expected,
  present: (found, expected) => !isAbsent(found) === expected,
  nonEmpty: (found, expected) =>
    (!isAbsent(found) && found !== "" && !(Array.isArray(found) && found.length === 0)) === expected,
  type: (found, expected) => typeOf(found) === expected || (expected === "number" && typeOf(found) === "integer"),
  containsWhere: some,
  lacksWhere: (found, expected) => !some(found, expected),
  includes: (found, expected) =>
    Array.isArray(found)
      ? found.some((item) => same(item, expected))
      : typeof found === "string" && found.includes(String(expected)),
  matches: (found, expected) => typeof found === "string" && pattern(expected as string).test(found),
  notMatches: (found, expected) => typeof found !== "string" || !pattern(expected as string).test(found),
  startsWith: (found, expected) => typeof found === "string" && found.startsWith(expected as string),
};

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return Number.isInteger(value) ? "integer" : typeof value;
}

/** A regular expression with the inline flags that JavaScript lacks: `(?i)text`. */
function pattern(source: string): RegExp {
  const flags = /^\(\?([a-z]+)\)/.exec(source);
  return flags ? new RegExp(source.slice(flags[0].length), flags[1]) : new RegExp(source);
}

/** A captured number comes back as text, so scalars are compared by what they print. */
function same(found: unknown, expected: unknown): boolean {
  if (typeof found === "number" && typeof expected === "string") return String(found) === expected;
  try {
    assert.deepEqual(found, expected);
    return true;
  } catch {
    return false;
  }
}

/** Resolves a JSON pointer (RFC 6901). */
function at(body: unknown, pointer: string): unknown {
  if (pointer === "") return body;
  let value = body;
  for (const part of pointer.slice(1).split("/")) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (value === null || typeof value !== "object") return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}
