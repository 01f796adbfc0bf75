/** Parses the path of a PATCH operation (RFC 7644 §3.5.2, Figure 7) against the attribute table. */
import { Problem } from "../../problems.ts";
import { type AttrPath, type ResourceTypeName, resolveName } from "../attributes.ts";
import type { TargetPath } from "./ast.ts";
import { bounds } from "./bounds.ts";
import { tokenize } from "./lexer.ts";
import { FilterParser } from "./parse.ts";

/**
 * `title`, `name.givenName`, `<urn>:department`, `emails[type eq "work"]`, `emails[type eq "work"].value`, `<urn>`.
 * Raises `invalidPath` for what names no attribute of a schema we have, `invalidFilter` for the inside of brackets.
 */
export function parsePath(type: ResourceTypeName, text: string): TargetPath {
  if (text.length > bounds.lengthMax) throw invalid(`is longer than ${bounds.lengthMax} characters`);
  const trimmed = text.trim();
  const bracket = trimmed.indexOf("[");
  const name = (bracket < 0 ? trimmed : trimmed.slice(0, bracket)).trim();
  const found = resolveName(type, name);
  if (found.kind === "foreign") return { kind: "foreign" };
  if (found.kind === "schema" && bracket < 0) return { kind: "schema", schema: found.schema.id };
  if (found.kind !== "attribute") throw invalid(`names no attribute of a ${type}`);
  if (bracket < 0) return { kind: "attribute", path: found.path };
  if (found.sub || !found.attribute.multiValued || found.attribute.type !== "complex") {
    throw invalid("has a filter on an attribute that is not a list");
  }
  return parseSelection(type, found.path, trimmed.slice(bracket));
}

/** Reads `[filter]` and an optional `.sub` after it. */
function parseSelection(type: ResourceTypeName, path: AttrPath, text: string): TargetPath {
  const parser = new FilterParser(type, tokenize(text), { unknown: "refuse" });
  const filter = parser.parseBrackets(path, path.attribute);
  const rest = parser.peek();
  if (rest.kind === "end") return { kind: "attribute", path, filter };
  parser.take();
  if (rest.kind !== "word" || !rest.text.startsWith(".") || parser.peek().kind !== "end") {
    throw invalid("has something other than a sub-attribute after its brackets");
  }
  const found = resolveName(type, `${path.schema}:${path.attribute}${rest.text}`);
  if (found.kind !== "attribute") throw invalid(`names no sub-attribute of ${path.attribute}`);
  return { kind: "attribute", path: found.path, filter };
}

function invalid(what: string): Problem {
  return new Problem("invalidPath", `The path of an operation ${what}.`);
}
