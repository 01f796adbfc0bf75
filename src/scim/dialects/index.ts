/**
 * Dialects: documented deviations of clients, undone before the strict core sees a value. A deviation is a named function
 * with the recording that needs it; which client speaks is never asked, because the shapes do not collide and a custom
 * connector copies whichever it was tested with. Okta, OneLogin, JumpCloud and authentik need none: what they send is legal
 * SCIM, if unusual (read-only attributes echoed, a null path, a member without type).
 */
import type { AttrPath } from "../../vocabulary/attributes.ts";
import { ENTERPRISE_USER, USER } from "../../vocabulary/urns.ts";
import { renameRoleDisplay, unpackRoleDocument, unpackRoleValue, unwrapManager } from "./entra.ts";

/** The value that a client means for the attribute at `path`. */
export function fromDialect(path: AttrPath, value: unknown): unknown {
  if (path.schema === USER && path.attribute === "roles") {
    if (path.sub === "value") return unpackRoleValue(value);
    if (path.sub === undefined) return each(value, (element) => renameRoleDisplay(unpackRoleDocument(element)));
  }
  if (path.schema === ENTERPRISE_USER && path.attribute === "manager" && (path.sub ?? "value") === "value") {
    return unwrapManager(value);
  }
  return value;
}

function each(value: unknown, change: (element: unknown) => unknown): unknown {
  return Array.isArray(value) ? value.map(change) : change(value);
}
