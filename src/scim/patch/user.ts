/** PATCH of a user (RFC 7644 §3.5.2): document and operations in, document out. Pure, and atomic by being so. */
import type { UserDoc } from "../../domain/model.ts";
import { invalid } from "../../vocabulary/values.ts";
import { toAssignments } from "./assignments.ts";
import { Draft } from "./draft.ts";
import type { Operation } from "./operations.ts";

export interface PatchOptions {
  /** The resource's own id: a client may repeat it, but a different one is `mutability`. */
  readonly id?: string;
}

/**
 * The document after all operations, in order; the given one is left as it was. Raises `noTarget`, `invalidPath`,
 * `invalidFilter`, `invalidValue`, `mutability` and `invalidSyntax`, naming the attribute.
 */
export function applyPatch(doc: UserDoc, operations: readonly Operation[], options: PatchOptions = {}): UserDoc {
  const draft = new Draft(doc, options.id);
  for (const operation of operations) {
    for (const assignment of toAssignments("User", operation)) draft.assign(assignment);
  }
  return requireUser(draft.doc as UserDoc);
}

/** What every user has (RFC 7643 §4.1.1): a name that is not blank. Raises `invalidValue`. */
export function requireUser(doc: UserDoc): UserDoc {
  if (typeof doc.userName !== "string") throw invalid("userName", "is required");
  if (doc.userName.trim() === "") throw invalid("userName", "must not be blank");
  return doc;
}
