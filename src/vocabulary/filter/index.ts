/** The SCIM filter: text to tree and back, and what a tree means for a resource in memory. */
export type { Comparison, Filter, Literal, Operator, TargetPath } from "./ast.ts";
export { attributesRead } from "./ast.ts";
export { bounds as filterBounds } from "./bounds.ts";
export { elementMatches, matches } from "./matches.ts";
export { type ParseOptions, parseFilter } from "./parse.ts";
export { parsePath } from "./path.ts";
export { printFilter } from "./print.ts";
