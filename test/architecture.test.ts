/** Imports point downward in the list of layers, and never in a circle. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

/** From the bottom up. What stands together in a row knows nothing of each other. */
const layers: readonly (readonly string[])[] = [
  ["base"],
  ["vocabulary"],
  ["domain"],
  ["db"],
  ["auth"],
  ["provisioning"],
  ["scim", "admin"],
  ["jobs"],
  ["http"],
  ["cli"],
  ["main"],
];

/** Layers of plain functions: no I/O, so nothing of Node; of packages, what checks the shape of a value. */
const pure = new Set(["vocabulary", "domain"]);
const harmless = /^zod$|^\.\.\/schemas\/.*\.json$/;

const source = fileURLToPath(new URL("../src", import.meta.url));
const files = readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.replaceAll("\\", "/"));
const imports = new Map(files.map((file) => [file, importsOf(file)]));

function importsOf(file: string): string[] {
  const text = readFileSync(join(source, file), "utf8");
  const statements = text.matchAll(
    /^\s*(?:import|export)\b[^;"']*?\bfrom\s+"([^"]+)"|\bimport\(\s*"([^"]+)"|^import\s+"([^"]+)"/gm,
  );
  return [...statements].map((found) => {
    const specifier = found[1] ?? found[2] ?? found[3] ?? "";
    if (!specifier.startsWith(".")) return specifier;
    return relative(source, join(source, dirname(file), specifier)).replaceAll("\\", "/");
  });
}

function layerOf(file: string): string {
  if (file.includes("/")) return file.slice(0, file.indexOf("/"));
  return file === "main.ts" ? "main" : "base";
}

const height = (file: string) => layers.findIndex((row) => row.includes(layerOf(file)));
const ownImports = (file: string) => (imports.get(file) ?? []).filter((target) => imports.has(target));

it("reads the imports", () => {
  expect(files.length).toBeGreaterThan(20);
  expect(imports.get("db/transactions.ts")).toEqual(
    expect.arrayContaining(["kysely", "db/constraints.ts", "limits.ts"]),
  );
});

it("knows the layer of every file", () => {
  expect(files.filter((file) => height(file) < 0)).toEqual([]);
});

it("imports downward only", () => {
  const wrong = files.flatMap((file) =>
    ownImports(file)
      .filter(
        (target) =>
          height(target) > height(file) || (height(target) === height(file) && layerOf(target) !== layerOf(file)),
      )
      .map((target) => `${file} → ${target}`),
  );
  expect(wrong).toEqual([]);
});

it("has no circles", () => {
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(" → "));
    if (path.includes(file) || done.has(file)) return;
    for (const target of ownImports(file)) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  expect(circles).toEqual([]);
});

it("keeps the deciding layers free of input and output", () => {
  const wrong = files.flatMap((file) =>
    (imports.get(file) ?? [])
      .filter((target) => pure.has(layerOf(file)) && !imports.has(target) && !harmless.test(target))
      .map((target) => `${file} → ${target}`),
  );
  expect(wrong).toEqual([]);
});

it("starts the process in one place", () => {
  const wrong = files.filter(
    (file) =>
      !/^(main|config|cli\/.*|db\/data-directory)\.ts$/.test(file) &&
      /\bprocess\.(env|exit|argv)\b/.test(readFileSync(join(source, file), "utf8")),
  );
  expect(wrong).toEqual([]);
});
