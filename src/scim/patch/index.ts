/**
 * PATCH (RFC 7644 §3.5.2). A request moves through: `operations.ts` (the message) → `assignments.ts` (one for each attribute
 * named) → `user.ts` and `draft.ts` (a document) or `group.ts` (changes in ids). Imports the vocabulary and the dialects.
 */
export { toGroupChanges } from "./group.ts";
export { type Operation, parsePatch } from "./operations.ts";
export { applyPatch, type PatchOptions } from "./user.ts";
