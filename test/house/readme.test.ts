/** What the README and the guides say is so: their commands run, their answers come back, their tables are those of the code. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { variables } from "../../src/config.ts";
import { presets } from "../../src/domain/presets.ts";
import { type Started, startProcess } from "../cli/process.ts";
import { describeOn } from "../helpers/database.ts";
import { send } from "../helpers/fixture-runner.ts";
import {
  blocksOf,
  brokenLinks,
  orphansOf,
  quotedIn as quoted,
  readDocument,
  root,
  rowsOf as rows,
  runBlocks,
  sectionOf,
} from "./documents.ts";

const readme = readDocument("README.md");
const blocks = blocksOf(readme);
const section = (heading: string) => sectionOf(readme, heading);
const manifest = JSON.parse(readDocument("package.json")) as Record<
  "scripts" | "dependencies" | "devDependencies",
  Record<string, string>
>;

/** Every document below docs/, by its path. */
const documents = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".md"))
  .map((file) => `docs/${file}`)
  .sort();
const guides = documents.filter((path) => blocksOf(readDocument(path)).length > 0);

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

  it.each(["README.md", "CONTRIBUTING.md", "CHANGELOG.md", ...documents])(
    "link to files and headings that exist: %s",
    (path) => {
      expect(brokenLinks(path)).toEqual([]);
    },
  );

  it.each(["README.md", ...documents])("show no answer without the command that gets it: %s", (path) => {
    expect(orphansOf(readDocument(path))).toEqual([]);
  });

  it("begin with the two commands", () => {
    expect(blocks.slice(0, 2).map(({ command }) => command)).toEqual(["npm ci && npm start\n", "npm ci && npm test\n"]);
  });
});

describeOn("pglite", "the commands", () => {
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

  const shell = (SCIM_TOKEN: string, ADMIN_TOKEN: string) => ({
    folder,
    env: {
      // npm scripts find the right Node themselves; here it is the one that runs the test.
      PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
      HOME: process.env.HOME ?? folder,
      PORT: new URL(server.origin).port,
      USHER_DATA_DIR: join(folder, "data"),
      USHER: server.origin,
      SCIM_TOKEN,
      ADMIN_TOKEN,
    },
    settle: () => decidedAnew(server.origin, ADMIN_TOKEN),
  });

  it("of the README run in their order against a first start, and are answered as told", async () => {
    const said = server.output();
    const first = (name: string) => new RegExp(`${name} token +(usher_\\S+)`).exec(said)![1]!;
    expect(await runBlocks(blocks, shell(first("SCIM"), first("Admin")))).toBeGreaterThanOrEqual(6);
  }, 60_000);

  it.each(guides)(
    "of %s run in their order in a tenant of their own, and are answered as told",
    async (path) => {
      const tenant = await makeTenant(path);
      const commands = blocksOf(readDocument(path).replaceAll("--tenant acme", `--tenant ${tenant.slug}`));
      expect(await runBlocks(commands, shell(tenant.scimToken, tenant.adminToken))).toBeGreaterThanOrEqual(6);
    },
    60_000,
  );

  async function makeTenant(name: string) {
    const operator = readFileSync(join(folder, "data", "operator-token"), "utf8").trim();
    const made = await post<{ slug: string; adminToken: string }>(operator, "/tenants", {
      name,
      seats: { standard: 2 },
    });
    const { token } = await post<{ token: string }>(made.adminToken, "/tokens", {
      label: "connection",
      scopes: ["scim"],
    });
    return { ...made, scimToken: token };
  }

  async function post<Body>(token: string, path: string, body: object): Promise<Body> {
    const headers = { "Content-Type": "application/json" };
    const answer = await send({ baseUrl: `${server.origin}/api/v1`, token }, { method: "POST", path, body, headers });
    expect(answer.status).toBe(201);
    return answer.body as Body;
  }
});

/** A reader takes longer to paste the next command than Usher to decide everybody anew. */
async function decidedAnew(origin: string, token: string): Promise<void> {
  const state = async () => {
    const answer = await send({ baseUrl: `${origin}/api/v1`, token }, { method: "GET", path: "/mapping/progress" });
    return (answer.body as { state: string }).state;
  };
  await expect.poll(state, { timeout: 10_000 }).toBe("done");
}
