/** The table of clients names what is there: recordings, tests, and a sentence for each habit that has none. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readFixtureCases } from "../helpers/fixture-runner.ts";
import { quotedIn, readDocument, root, rowsOf, sectionOf } from "./documents.ts";

/** The catalogue's entries: whoever adds one adds its row. */
const entries = [
  ...numbered("E", [1, 5], [10, 16], [20, 26], [30, 33], [40, 56]),
  ...["manager", "flag", "atomicity"],
  ...numbered("E", [60, 65], [70, 81]),
  ...["§1.8", "§1.9", "§1.10"],
  ...numbered("I", [1, 4]),
  ...numbered("O", [1, 19]),
  ...numbered("L", [1, 5]),
  ...numbered("J", [1, 2]),
  ...numbered("P", [1, 4]),
  ...numbered("W", [1, 5]),
  "S1",
  ...numbered("H", [1, 4]),
  ...numbered("G", [1, 3]),
  ...["§11.1", "§11.2", "§11.3", "§11.4", "§12"],
];

function numbered(letter: string, ...ranges: readonly (readonly [number, number])[]): string[] {
  return ranges.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, at) => `${letter}${from + at}`));
}

const table = rowsOf(readDocument("docs/clients.md")).map(([id = "", does = "", usher = "", test = ""]) => ({
  id,
  does,
  usher,
  test,
}));
const recordings = new Set(readFixtureCases().map(({ id }) => id));
const readme = sectionOf(readDocument("README.md"), "Clients");

describe("the table of clients", () => {
  it("has one row for each entry of the catalogue, in its order", () => {
    expect(table.map(({ id }) => id)).toEqual(entries);
    expect(table.filter(({ does, usher }) => does === "" || usher === "").map(({ id }) => id)).toEqual([]);
  });

  it("names recordings and tests that exist, or nothing", () => {
    const missing = table.flatMap(({ id, test }) =>
      proofsOf(test)
        .filter((proof) => !exists(proof))
        .map((p) => ({ id, ...p })),
    );
    expect(missing).toEqual([]);
    expect(table.filter(({ test }) => test !== "—" && proofsOf(test).length === 0).map(({ id }) => id)).toEqual([]);
  });

  it("leaves no recording out", () => {
    const named = new Set(table.flatMap(({ test }) => quotedIn(test)));
    expect([...recordings].filter((id) => !named.has(id))).toEqual([]);
  });
});

describe("the README", () => {
  it("says in a sentence why an entry has no test, and of no other", () => {
    const without = table.filter(({ test }) => test === "—").map(({ id }) => id);
    const explained = [...readme.matchAll(/^- \*\*([^*]+)\*\*/gm)].flatMap(([, ids]) =>
      ids!.replace(/\.$/, "").split(", "),
    );
    expect(explained.toSorted()).toEqual(without.toSorted());
  });

  it("has a row for each client, which leads to its guide", () => {
    const rows = rowsOf(readme);
    expect(rows.length).toBeGreaterThanOrEqual(9);
    expect(rows.filter(([, , guide]) => !/\]\(docs\/connecting\/[\w-]+\.md/.test(guide ?? ""))).toEqual([]);
  });
});

interface Proof {
  readonly file?: string;
  readonly words?: string;
  readonly recording?: string;
}

/** `recording`, or `test/file.test.ts` "words of its name". */
function proofsOf(cell: string): Proof[] {
  return [...cell.matchAll(/`([^`]+)`(?: "([^"]+)")?/g)].map(([, name, words]) =>
    name!.startsWith("test/") ? { file: name!, words: words ?? "" } : { recording: name! },
  );
}

function exists({ file, words, recording }: Proof): boolean {
  if (recording !== undefined) return recordings.has(recording);
  return existsSync(join(root, file!)) && words !== "" && readFileSync(join(root, file!), "utf8").includes(words!);
}

describe("tolerances in the code", () => {
  const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => ({ file, text: readFileSync(join(root, "src", file), "utf8") }));

  it("name recordings that exist", () => {
    const reasons = sources.flatMap(({ file, text }) => reasonsOf(text).map((reason) => ({ file, reason })));
    expect(reasons.length).toBeGreaterThan(15);
    const isFounded = (ids: readonly string[]) => ids.length > 0 && ids.every((id) => recordings.has(id));
    expect(reasons.filter(({ reason }) => !isFounded(namesOf(reason)))).toEqual([]);
  });

  it("are each a function with the recording that needs it, among the dialects", () => {
    const dialects = sources.filter(({ file }) => /^scim\/dialects\/(?!index)/.test(file));
    const functions = dialects.flatMap(({ text }) => [
      ...text.matchAll(/(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?^export function (\w+)/gm),
    ]);
    expect(functions.length).toBeGreaterThan(0);
    const unfounded = functions.filter(([, comment]) => !namesOf(comment ?? "").some((id) => recordings.has(id)));
    expect(unfounded.map(([, , name]) => name)).toEqual([]);
  });
});

/** Sentences of comments that give a recording as the reason. */
function reasonsOf(text: string): string[] {
  const prose = text.replace(/\n\s*(?:\/\/|\*)\s?/g, " ");
  const found = prose.match(/see [^.;]* in test\/fixtures\/clients\b|Needed by [^.;]*/g) ?? [];
  return found.map((sentence) => sentence.trim());
}

const clients =
  "entra|okta|onelogin|jumpcloud|ping|google|sailpoint|authentik|generic|validator|rippling|auth|seat|role";

function namesOf(sentence: string): string[] {
  return sentence.match(new RegExp(`\\b(?:${clients})(?:-[a-z0-9]+)+`, "g")) ?? [];
}
