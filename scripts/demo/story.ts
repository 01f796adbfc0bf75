/** How the day is told: chapters and steps, what was sent and answered, and the check that it was as told. */
import assert, { AssertionError } from "node:assert/strict";
import { styleText } from "node:util";

/** An answer, or what follows from several, is not what the story says. */
export class NotAsTold extends Error {
  readonly step: string;

  constructor(step: string, message: string) {
    super(message);
    this.step = step;
  }
}

/** Characters of a body on its line. */
const lineWidth = 160;

export class Story {
  readonly #write: (line: string) => void;
  readonly #names = new Map<string, string>();
  #chapter = 0;
  #step = 0;
  #title = "before the first";
  #checks = 0;

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  chapter(title: string): void {
    this.#chapter += 1;
    this.#step = 0;
    this.#write(`\n${paint("bold", `${this.#chapter}. ${title}`)}`);
  }

  /** Begins a step: a sentence about what happens now. It is named if something is not as told. */
  step(title: string): void {
    this.#step += 1;
    this.#title = `${this.#chapter}.${this.#step} "${title}"`;
    this.#write(`\n  ${paint("cyan", title)}`);
  }

  /** From now on the id is shown by this name, in braces. */
  name(id: string, name: string): void {
    this.#names.set(id, name);
  }

  sent(sender: string, method: string, path: string, body: unknown): void {
    const content = body === undefined ? "" : `  ${paint("dim", this.#shorten(body))}`;
    this.#write(`    ${sender.padEnd(8)} → ${method} ${this.#byName(path)}${content}`);
  }

  answered(status: number, meaning: string): void {
    this.#write(`    ${"".padEnd(8)} ← ${status}${meaning && `  ${meaning}`}`);
  }

  why(reason: string): void {
    this.#write(`    ${"why".padEnd(8)}   ${paint("italic", this.#byName(reason))}`);
  }

  plain(line: string): void {
    this.#write(`    ${line}`);
  }

  /** The actual value holds everything that is expected of it; it may hold more. */
  holds(what: string, actual: unknown, expected: unknown): void {
    try {
      if (typeof expected === "object" && expected !== null) assert.partialDeepStrictEqual(actual, expected);
      else assert.equal(actual, expected);
      this.#checks += 1;
    } catch (error) {
      if (!(error instanceof AssertionError)) throw error;
      this.fail(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
    }
  }

  fail(message: string): never {
    throw new NotAsTold(this.#title, this.#byName(message));
  }

  end(): void {
    this.#write(`\nAll as told: ${this.#checks} checks held.\n`);
  }

  /** A body on one line: without `schemas`, which every message repeats, with names for ids and short URNs. */
  #shorten(body: unknown): string {
    const { schemas: _, ...rest } = body as Record<string, unknown>;
    const text = this.#byName(JSON.stringify(rest)).replaceAll("urn:ietf:params:scim:schemas:extension:", "urn:…:");
    return text.length <= lineWidth ? text : `${text.slice(0, lineWidth - 1)}…`;
  }

  #byName(text: string): string {
    return text.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => {
      const name = this.#names.get(id);
      return name === undefined ? id : `{${name}}`;
    });
  }
}

/** Colours only where a person watches. */
function paint(format: "bold" | "cyan" | "dim" | "italic", text: string): string {
  return process.stdout.isTTY && !process.env.NO_COLOR ? styleText(format, text) : text;
}
