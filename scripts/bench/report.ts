/** What was measured, for people to read; as JSON it is the report itself. */
import type { Result } from "./measure.ts";

export interface Report {
  readonly users: number;
  readonly node: string;
  readonly postgres: string;
  readonly results: readonly Result[];
  /** Resident memory of the server process: as it starts, after what it does all day, and after the largest answers. */
  readonly memoryMb: { readonly idle: number; readonly afterEveryday: number; readonly afterLargeGroups: number };
}

/** With 100,000 users, MB; and what reading their largest group may add. */
const memoryMax = { everyday: 200, growth: 150 };

export function toTable({ users, node, postgres, results, memoryMb }: Report): string {
  const lines = [
    `A tenant of ${users.toLocaleString("en-US")} users, and a small one · Node ${node} · PostgreSQL ${postgres}`,
    "One request at a time, all sizes by turns. A ratio is to the first line of its block: the median of the rounds.",
    "",
    row("", "p50 ms", "ratio", "target"),
  ];
  for (const [question, sides] of Map.groupBy(results, (result) => result.question)) {
    lines.push("", question);
    for (const [index, result] of sides.entries()) {
      const { side, p50Ms, ratio } = result;
      const target = index === 0 ? "" : describeTarget(result, index === sides.length - 1);
      lines.push(row(`  ${side}`, p50Ms.toFixed(2), ratio.toFixed(2), target));
    }
  }
  const { idle, afterEveryday, afterLargeGroups } = memoryMb;
  const memory = (label: string, mb: number, target: string) =>
    row(label, mb.toFixed(0), (mb / idle).toFixed(2), target);
  const everyday = mark(`≤ ${memoryMax.everyday} MB`, afterEveryday > memoryMax.everyday);
  const growth = mark(`≤ ${memoryMax.growth} MB more`, afterLargeGroups - afterEveryday > memoryMax.growth);
  lines.push(
    "",
    row("memory of the server process", "MB", "ratio", "target"),
    memory("  just started", idle, ""),
    memory("  after all but the last of these", afterEveryday, everyday),
    memory("  after the groups with all their members", afterLargeGroups, growth),
  );
  return lines.join("\n");
}

function describeTarget({ p50Ms, ratio, target }: Result, isLast: boolean): string {
  if (target.ratio !== undefined) return mark(`≤ ${target.ratio}`, ratio > target.ratio);
  if (target.ms !== undefined && isLast) return mark(`≤ ${target.ms} ms`, p50Ms > target.ms);
  return "";
}

function mark(target: string, missed: boolean): string {
  return missed ? `${target}  missed` : target;
}

function row(label: string, time: string, ratio: string, target: string): string {
  return `${label.padEnd(48)}${time.padStart(10)}${ratio.padStart(9)}   ${target}`.trimEnd();
}
