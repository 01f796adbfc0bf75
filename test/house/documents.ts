/** Markdown as the tests of this folder read it: sections, tables, links, and commands that are run. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, vi } from "vitest";

export const root = fileURLToPath(new URL("../../", import.meta.url));

export function readDocument(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

/** The text between this heading and the next of its level. */
export function sectionOf(document: string, heading: string): string {
  const [, text] = document.split(`\n## ${heading}\n`);
  if (text === undefined) throw new Error(`There is no section "${heading}".`);
  return text.split(/^## /m)[0]!;
}

/** Rows of the tables in a text, without head and rule. */
export function rowsOf(text: string): string[][] {
  const tables = text
    .split("\n\n")
    .map((part) => part.trim())
    .filter((part) => part.startsWith("|"));
  return tables.flatMap((table) =>
    table
      .split("\n")
      .slice(2)
      .map((row) =>
        row
          .split(/(?<!\\)\|/)
          .slice(1, -1)
          .map((cell) => cell.trim()),
      ),
  );
}

/** What stands between back quotes. */
export function quotedIn(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map((found) => found[1]!);
}

/** Links to files and headings that are not there. */
export function brokenLinks(path: string): string[] {
  const document = readDocument(path);
  const links = [...document.matchAll(/\]\((?!https?:)([^)]+)\)/g)].map((found) => found[1]!);
  return links.filter((link) => {
    const [file = "", heading] = link.split("#");
    const target = file === "" ? path : join(dirname(path), file);
    if (!existsSync(join(root, target))) return true;
    return heading !== undefined && !headingsOf(readDocument(target)).includes(heading);
  });
}

/** Headings as GitHub makes anchors of them. */
function headingsOf(document: string): string[] {
  return [...document.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} -]/gu, "")
      .replaceAll(" ", "-"),
  );
}

export interface Block {
  readonly command: string;
  /** The json block that follows, as the answer of the command's last line. */
  readonly answer: string | undefined;
}

export function blocksOf(document: string): readonly Block[] {
  const found = document.matchAll(/^```sh\n([\s\S]*?)^```\n(?:(?:(?!^```|^## )[\s\S])*?^```json\n([\s\S]*?)^```\n)?/gm);
  return [...found].map(([, command, answer]) => ({ command: command!, answer }));
}

/** Blocks of JSON that are no command's answer, so that nothing shows them to be so. */
export function orphansOf(document: string): string[] {
  const answers = new Set(blocksOf(document).map(({ answer }) => answer));
  const shown = [...document.matchAll(/^ *```json\n([\s\S]*?)^ *```\n/gm)].map((found) => found[1]!);
  return shown.filter((json) => !answers.has(json));
}

export interface Shell {
  /** Where the commands run. */
  readonly folder: string;
  readonly env: Record<string, string>;
  /** Called before each command. */
  readonly settle?: () => Promise<void>;
}

/** Runs the commands in their order and holds the answers against those shown. Returns how many ran. */
export async function runBlocks(blocks: readonly Block[], { folder, env, settle }: Shell): Promise<number> {
  let ran = 0;
  for (const { command, answer } of blocks) {
    if (command.startsWith("npm ci")) continue;
    if (command.startsWith("export ")) {
      const exported = command.match(/(?<=^export )\w+/gm);
      expect(exported?.filter((name) => env[name] === undefined)).toEqual([]);
      continue;
    }
    await settle?.();
    const run = () => runBlock({ command, answer }, folder, env);
    // The log of exchanges is written behind the answers, a moment later.
    if (command.includes("/provisioning-log")) await vi.waitFor(run, { timeout: 10_000, interval: 200 });
    else await run();
    ran += 1;
  }
  return ran;
}

async function runBlock({ command, answer }: Block, folder: string, env: Record<string, string>): Promise<void> {
  const script = `npm() { command npm --prefix "${root}" "$@"; }\n${command}`;
  const { stdout } = await promisify(execFile)("sh", ["-e", "-c", script], { cwd: folder, env });
  if (command.startsWith("npm ")) {
    expect(stdout, command).toMatch(/^usher_\S+\n$/);
    return;
  }
  const actual = JSON.parse(stdout) as Record<string, unknown>;
  const shown = answer === undefined ? {} : (JSON.parse(answer) as Record<string, unknown>);
  // A refusal that is not shown as one is a mistake in the command.
  if (shown.detail === undefined) expect(actual, command).not.toHaveProperty("detail");
  expectAnswer(actual, shown, command);
  remember(actual, env);
}

/** What a reader copies out of an answer for the commands that follow. */
function remember(answer: Record<string, unknown>, env: Record<string, string>): void {
  const promotion = (answer.promotions as { id: string }[] | undefined)?.[0];
  if (promotion?.id !== undefined) env.REQUEST = promotion.id;
  if (env.ID === undefined && typeof answer.id === "string") env.ID = answer.id;
  if (typeof answer.clientId === "string" && typeof answer.token === "string") {
    env.CLIENT_ID = answer.clientId;
    env.CLIENT_SECRET = answer.token.split(".").at(-1)!;
  }
}

/** The answer holds what is shown of it; "…" stands for any text. */
function expectAnswer(actual: unknown, shown: unknown, at: string): void {
  if (typeof shown !== "object" || shown === null) {
    expect(actual, at).toEqual(shown === "…" ? expect.any(String) : shown);
    return;
  }
  if (Array.isArray(shown)) expect((actual as unknown[])?.length, at).toBe(shown.length);
  for (const [name, value] of Object.entries(shown)) {
    expectAnswer((actual as Record<string, unknown>)?.[name], value, `${at} → ${name}`);
  }
}
