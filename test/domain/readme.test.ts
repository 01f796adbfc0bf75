/** The page of the rule book names every rule, the code that carries it and a test that says its name. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string) => readFileSync(root + path, "utf8");
const families = { ROL: 6, GRD: 9, LIC: 12, TEAM: 5, USR: 9, LOG: 2 };
const codes = Object.entries(families).flatMap(([family, count]) =>
  Array.from({ length: count }, (_, at) => `${family}-${at + 1}`),
);
const rows = read("src/domain/README.md")
  .split("\n")
  .filter((line) => /^\| [A-Z]+-\d+ /.test(line))
  .map((line) => line.split("|").map((cell) => cell.trim()))
  .map(([, code = "", words = "", carriers = "", tests = ""]) => ({ code, words, carriers, tests }));

describe("the rule book's page", () => {
  it("has every rule once, in order", () => {
    expect(rows.map(({ code }) => code)).toEqual(codes);
  });

  it.each(rows)(
    "$code: says it, names the functions that carry it, and tests that name it",
    ({ code, words, carriers, tests }) => {
      expect(words.length).toBeGreaterThan(30);
      const parts = [...carriers.matchAll(/`([^`]+)`([\w\s]*)/g)];
      expect(parts.length).toBeGreaterThan(0);
      for (const [, path = "", names = ""] of parts) {
        const source = read(path);
        for (const name of names.split(/\s+/).filter(Boolean)) {
          expect(source, `${path} has no ${name}`).toMatch(new RegExp(`(function|const) ${name}\\b`));
        }
      }
      const files = [...tests.matchAll(/`([^`]+)`/g)].map(([, path = ""]) => path);
      expect(files.length).toBeGreaterThan(0);
      const named = files.filter((path) => new RegExp(`${code}\\b`).test(read(path)));
      expect(named, `of ${files.join(", ")}`).not.toEqual([]);
    },
  );

  it("lists every file of the folder", () => {
    const page = read("src/domain/README.md");
    const files = readdirSync(`${root}src/domain`).filter((file) => file.endsWith(".ts"));
    expect(files.filter((file) => !page.includes(`\`${file}\``))).toEqual([]);
  });
});
