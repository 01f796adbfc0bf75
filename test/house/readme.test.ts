/** What the README says is so: its commands run, its answers come back, its tables are those of the code. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { variables } from "../../src/config.ts";
import { presets } from "../../src/domain/presets.ts";
import { type Started, startProcess } from "../cli/process.ts";
import { describeOn } from "../helpers/database.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Record<
  "scripts" | "dependencies" | "devDependencies",
  Record<string, string>
>;

/** The text between this heading and the next. */
function section(heading: string): string {
  const [, text] = readme.split(`\n## ${heading}\n`);
  if (text === undefined) throw new Error(`The README has no section "${heading}".`);
  return text.split(/^## /m)[0]!;
}

/** Rows of the tables in a text, without head and rule. */
function rows(text: string): string[][] {
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
          .split("|")
          .slice(1, -1)
          .map((cell) => cell.trim()),
      ),
  );
}

/** What stands between back quotes. */
function quoted(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map((found) => found[1]!);
}

interface Block {
  readonly command: string;
  /** The json block that follows, as the answer of the command's last line. */
  readonly answer: string | undefined;
}

const blocks: readonly Block[] = [
  ...readme.matchAll(/^```sh\n([\s\S]*?)^```\n(?:(?:(?!^```|^## )[\s\S])*?^```json\n([\s\S]*?)^```\n)?/gm),
].map((found) => ({ command: found[1]!, answer: found[2] }));

describe("the README's tables", () => {
  it("list the configuration as the code has it", () => {
    const code = (text: string) => `\`${text}\``;
    const example = (text: string) =>
      text.replace(/^the output of: (.+)$|^.+$/, (all, command?: string) =>
        command === undefined ? code(all) : `the output of ${code(command)}`,
      );
    expect(rows(section("Configuration"))).toEqual(
      variables.map((variable) => [
        code(variable.name),
        variable.default === undefined ? "none" : code(variable.default),
        variable.meaning,
        example(variable.example),
      ]),
    );
  });

  it("name files and tests that exist", () => {
    const files = rows(section("What of the RFCs is there")).flatMap(([, , file, test]) => quoted(`${file} ${test}`));
    expect(files.length).toBeGreaterThan(30);
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });

  it("give every dependency its reason, and no other", () => {
    const named = quoted(section("What it stands on")).filter(
      (name) => /^[@a-z]/.test(name) && name !== "openapi.yaml",
    );
    const declared = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.devDependencies)];
    expect(named.toSorted()).toEqual(declared.toSorted());
  });

  it("name rules that the code refuses by", () => {
    const code = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => readFileSync(join(root, "src", file), "utf8"))
      .join("\n");
    const rules = rows(section("When it says no")).flatMap(([answer]) => quoted(answer!));
    expect(rules.length).toBeGreaterThan(5);
    expect(rules.filter((rule) => !code.includes(`"${rule}"`))).toEqual([]);
  });

  it("list the presets", () => {
    const [sentence] = /A tenant begins with a preset: [^.]+\./.exec(section("The rules in short"))!;
    expect(quoted(sentence)).toEqual(presets.map(({ name }) => name));
  });
});

describe("the README's words", () => {
  it("name npm scripts that exist", () => {
    const code = [...quoted(readme.replace(/^```[\s\S]*?^```$/gm, "")), ...blocks.map(({ command }) => command)].join(
      "\n",
    );
    const named = [...code.matchAll(/\bnpm (?!ci\b)(?:run (?:-s )?)?(\w+)/g)].map(([, name]) => name);
    expect(named).toEqual(expect.arrayContaining(["start", "test", "demo", "usher", "migrate", "bench"]));
    expect(named.filter((name) => manifest.scripts[name!] === undefined)).toEqual([]);
  });

  it("link to files that exist", () => {
    const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)].map((found) => found[1]!);
    expect(links.length).toBeGreaterThan(2);
    expect(links.filter((link) => !existsSync(join(root, link)))).toEqual([]);
  });

  it("begin with the two commands", () => {
    expect(blocks.slice(0, 2).map(({ command }) => command)).toEqual(["npm ci && npm start\n", "npm ci && npm test\n"]);
  });
});

describeOn("pglite", "the README's commands", () => {
  let folder: string;
  let server: Started;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "usher-readme-"));
    server = await startProcess({ USHER_DATA_DIR: join(folder, "data") });
  });
  afterAll(async () => {
    server.kill("SIGTERM");
    await server.finished;
    rmSync(folder, { recursive: true, force: true });
  });

  it("run in their order against a first start, and are answered as told", async () => {
    const said = server.output();
    const env: Record<string, string> = {
      // npm scripts find the right Node themselves; here it is the one that runs the test.
      PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
      HOME: process.env.HOME ?? folder,
      PORT: new URL(server.origin).port,
      USHER_DATA_DIR: join(folder, "data"),
      USHER: server.origin,
      SCIM_TOKEN: /SCIM token {7}(\S+)/.exec(said)![1]!,
      ADMIN_TOKEN: /Admin token {6}(\S+)/.exec(said)![1]!,
    };
    let ran = 0;
    for (const { command, answer } of blocks) {
      if (command.startsWith("npm ci")) continue;
      if (command.startsWith("export ")) {
        const exported = command.match(/(?<=^export )\w+/gm);
        expect(exported?.every((name) => env[name] !== undefined)).toBe(true);
        continue;
      }
      await decidedAnew(server.origin, env.ADMIN_TOKEN!);
      const script = `npm() { command npm --prefix "${root}" "$@"; }\n${command}`;
      const { stdout } = await promisify(execFile)("sh", ["-e", "-c", script], { cwd: folder, env });
      ran += 1;
      if (command.startsWith("npm ")) {
        expect(stdout, command).toMatch(/^usher_\S+\n$/);
        continue;
      }
      const actual = JSON.parse(stdout) as Record<string, unknown>;
      expect(actual, command).not.toHaveProperty("detail");
      if (answer !== undefined) expectAnswer(actual, JSON.parse(answer), command);
      if (env.ID === undefined) env.ID = String(actual.id);
    }
    expect(ran).toBeGreaterThanOrEqual(6);
  }, 60_000);
});

/** A reader takes longer to paste the next command than Usher to decide everybody anew. */
async function decidedAnew(origin: string, token: string): Promise<void> {
  const headers = { Authorization: `Bearer ${token}` };
  const state = async () => {
    const answer = await fetch(`${origin}/api/v1/mapping/progress`, { headers });
    return ((await answer.json()) as { state: string }).state;
  };
  await expect.poll(state, { timeout: 10_000 }).toBe("done");
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
