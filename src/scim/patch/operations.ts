/** The PatchOp message (RFC 7644 §3.5.2): its envelope read strictly, its spelling with tolerance. */
import { Problem } from "../../problems.ts";
import { isObject } from "../../vocabulary/json.ts";
import { PATCH_OP } from "../../vocabulary/urns.ts";

export interface Operation {
  readonly op: "add" | "remove" | "replace";
  /** Absent: `value` is an object of attributes. */
  readonly path?: string;
  /** Absent is not null: without a value, `remove` takes everything at the path. */
  readonly value?: unknown;
}

/** Operations of one request; Okta sends two, Entra one an attribute. Beyond it 400. */
const operationsMax = 1000;

/** The operations in order. Raises `invalidSyntax` for what is no PatchOp message. */
export function parsePatch(body: unknown): Operation[] {
  if (!isObject(body)) throw new Problem("invalidSyntax", "A PATCH takes a JSON object with Operations.");
  const envelope = spelled(body, ["schemas", "Operations"], "the PatchOp message");
  requirePatchOp(envelope.schemas);
  const operations = envelope.Operations;
  if (!Array.isArray(operations) || operations.length === 0) {
    throw new Problem("invalidSyntax", "Operations must be a list with at least one operation.");
  }
  if (operations.length > operationsMax) {
    throw new Problem(
      "tooMany",
      `A PATCH takes at most ${operationsMax} operations; this one has ${operations.length}.`,
    );
  }
  return operations.map(toOperation);
}

/** The schema may be missing, as from scripts, but not be another message's. */
function requirePatchOp(schemas: unknown): void {
  if (schemas === undefined || schemas === null) return;
  const given: unknown[] = Array.isArray(schemas) ? schemas : [schemas];
  if (
    given.length === 0 ||
    given.some((one) => typeof one === "string" && one.toLowerCase() === PATCH_OP.toLowerCase())
  ) {
    return;
  }
  throw new Problem("invalidSyntax", `schemas of a PATCH must be ["${PATCH_OP}"].`);
}

function toOperation(json: unknown, index: number): Operation {
  const label = `Operations[${index}]`;
  if (!isObject(json)) throw new Problem("invalidSyntax", `${label} must be an object with op, path and value.`);
  const { op, path, value } = spelled(json, ["op", "path", "value"], label);
  // Entra sends "Add", "Replace" and "Remove"; see entra-patch-multi-legacy in test/fixtures/clients.
  const word = typeof op === "string" ? op.toLowerCase() : op;
  if (word !== "add" && word !== "remove" && word !== "replace") {
    throw new Problem("invalidSyntax", `${label}.op must be add, remove or replace.`);
  }
  // authentik sends a null path; see authentik-null-path in test/fixtures/clients.
  if (path !== undefined && path !== null && typeof path !== "string") {
    throw new Problem("invalidPath", `${label}.path must be text.`);
  }
  const operation = { op: word, ...(typeof path === "string" && path.trim() !== "" ? { path } : {}) } as const;
  return value === undefined ? operation : { ...operation, value };
}

/** The named members in any letter case; others are ignored, as Microsoft's samples carry extra ones. */
export function spelled<Name extends string>(
  json: Readonly<Record<string, unknown>>,
  names: readonly Name[],
  label: string,
): { [N in Name]?: unknown } {
  const found: { [N in Name]?: unknown } = {};
  for (const [given, value] of Object.entries(json)) {
    const name = names.find((one) => one.toLowerCase() === given.toLowerCase());
    if (name === undefined) continue;
    if (found[name] !== undefined)
      throw new Problem("invalidSyntax", `${label} has ${name} twice, in different letter case.`);
    found[name] = value;
  }
  return found;
}
