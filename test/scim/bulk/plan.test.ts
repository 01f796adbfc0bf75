/** The order of a Bulk's operations (RFC 7644 §3.7.1, §3.7.2), and what counts as a reference. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Problem } from "../../../src/problems.ts";
import { type BulkOperation, parseBulkRequest, type Task } from "../../../src/scim/bulk/message.ts";
import { planOperations } from "../../../src/scim/bulk/plan.ts";
import { halve, referencesOf, resolveTask } from "../../../src/scim/bulk/references.ts";

const baseUrl = "https://usher.example/scim/v2";
const read = (Operations: object[]): readonly BulkOperation[] => parseBulkRequest({ Operations }, baseUrl).operations;
const create = (bulkId: string, ...members: string[]) => ({
  method: "POST",
  path: "/Groups",
  bulkId,
  data: { displayName: bulkId, members: members.map((one) => ({ value: `bulkId:${one}` })) },
});
/** Units as text: single operations by their bulkId, circles in brackets. */
const planned = (Operations: object[]) =>
  planOperations(read(Operations)).map((unit) => {
    const names = unit.map(({ operation }) => operation.bulkId).join(" ");
    return unit.length === 1 ? names : `[${names}]`;
  });

describe("the order of operations", () => {
  it("is that of the request where nobody refers to what comes later", () => {
    expect(planned([create("a"), create("b", "a"), create("c"), create("d", "a", "c")])).toEqual(["a", "b", "c", "d"]);
  });

  it("moves what is referred to ahead, and nothing else", () => {
    expect(planned([create("a"), create("b", "d"), create("c"), create("d", "e"), create("e")])).toEqual([
      "a",
      "e",
      "d",
      "b",
      "c",
    ]);
  });

  it("makes one unit of a circle, whoever hangs on it", () => {
    const operations = [create("x", "a"), create("a", "b"), create("b", "c", "s"), create("c", "a"), create("s")];
    expect(planned(operations)).toEqual(["s", "[a b c]", "x"]);
  });

  it("has each operation once and after all that it needs, and reorders only for that", () => {
    const links = fc.array(fc.array(fc.nat(11), { maxLength: 3 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(links, (drawn) => {
        const operations = drawn.map((targets, at) =>
          create(`${at}`, ...targets.filter((one) => one < drawn.length && one !== at).map(String)),
        );
        const units = planOperations(read(operations));
        const places = units.flat().map(({ operation }) => operation.index);
        expect(places.toSorted((a, b) => a - b)).toEqual([...drawn.keys()]);
        const unitOf = new Map(units.flatMap((unit, at) => unit.map(({ operation }) => [operation.index, at])));
        for (const { operation, needs } of units.flat()) {
          for (const { index } of needs.values()) {
            expect(unitOf.get(index)).toBeLessThanOrEqual(unitOf.get(operation.index) as number);
          }
        }
        const forward = drawn.some((targets, at) => targets.some((one) => one > at && one < drawn.length));
        if (!forward) expect(places).toEqual([...drawn.keys()]);
      }),
    );
  });

  it("has a place for what cannot be done", () => {
    const units = planOperations(read([create("a", "a"), { method: "GET" }, create("b", "none"), create("c", "a")]));
    expect(units.map(([step]) => step?.operation.task instanceof Problem)).toEqual([true, true, true, false]);
  });
});

describe("references", () => {
  const task = (data: object, method: Task["method"] = "POST") => ({ method, data, conditions: {} }) as Task;
  const resolved = (data: object, method?: Task["method"]) =>
    resolveTask(task(data, method), (bulkId) => `<${bulkId}>`).data;

  it("are whole strings, at any depth", () => {
    const data = { a: "bulkId:1", b: ["bulkId:10", { c: { d: "bulkId:1 " } }], e: "see bulkId:1", "bulkId:1": 1 };
    expect(referencesOf(task(data))).toEqual(["1", "10", "1 "]);
    expect(resolved(data)).toEqual({ a: "<1>", b: ["<10>", { c: { d: "<1 >" } }], e: "see bulkId:1", "bulkId:1": 1 });
  });

  it("are the quoted values of a PATCH's paths, escapes included, and of no other message's", () => {
    const patch = (path: unknown) => ({ Operations: [{ op: "remove", Path: path }] });
    const path = 'members[value eq "bulkId:a" or value eq "bulkId:\\"b" or display eq "not bulkId:c"]';
    expect(resolved(patch(path), "PATCH")).toEqual(
      patch('members[value eq "<a>" or value eq "<\\"b>" or display eq "not bulkId:c"]'),
    );
    expect(resolved({ path }, "POST")).toEqual({ path });
    for (const odd of ['members[value eq "bulkId:a', "members[value eq bulkId:a]", 'x["\\x bulkId:a"]', 7, null]) {
      expect(resolved(patch(odd), "PATCH")).toEqual(patch(odd));
    }
  });

  it("leave what has none as it is, the very object", () => {
    const data = { a: [{ b: "text" }] };
    expect(resolved(data)).toBe(data);
  });

  it("are read in a moment from a path made to be slow", () => {
    const begun = performance.now();
    resolved({ Operations: [{ path: `bulkId:${'"\\'.repeat(500_000)}` }] }, "PATCH");
    expect(performance.now() - begun).toBeLessThan(1_000);
  });

  it("come apart by elements, by attributes, and within extensions", () => {
    const urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    const data = {
      userName: "ada",
      members: [{ value: "bulkId:open" }, { value: "bulkId:known" }, { value: "id" }],
      boss: { value: "bulkId:open", display: "B" },
      [urn]: { department: "Sales", manager: { value: "bulkId:open" } },
    };
    expect(halve(data, (bulkId) => bulkId === "open")).toEqual({
      now: {
        userName: "ada",
        members: [{ value: "bulkId:known" }, { value: "id" }],
        [urn]: { department: "Sales" },
      },
      later: {
        members: [{ value: "bulkId:open" }],
        boss: { value: "bulkId:open", display: "B" },
        [urn]: { manager: { value: "bulkId:open" } },
      },
    });
    expect(halve(data, () => false)).toEqual({ now: data, later: {} });
  });
});
