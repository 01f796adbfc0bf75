/** Where the attributes of a resource type lie, and the one value that stands for an attribute. */
import type { AttrPath, ResourceTypeName } from "../../vocabulary/attributes.ts";
import type { Scalar } from "./compare.ts";
import { locateInGroups } from "./groups.ts";
import type { Locate, Source } from "./source.ts";
import { locateInUsers } from "./users.ts";

export function locator(type: ResourceTypeName, tenantId: string): Locate {
  return type === "User" ? locateInUsers(tenantId) : locateInGroups(tenantId);
}

/** The value at a path: of a list, that of an element; none for a complex attribute as a whole. */
export function scalarAt(source: Source | undefined, path: AttrPath): Scalar | undefined {
  if (!source || source.shape === "single") return source;
  if (source.shape === "list") return source.sub(path.sub);
  return path.sub === undefined ? undefined : source.sub(path.sub);
}
