/** A filter over several resource types as it applies to one of them (RFC 7644 §3.4.2.1). */
import { type AttrPath, type ResourceTypeName, resourceType } from "../../vocabulary/attributes.ts";
import { type Filter, matches } from "../../vocabulary/filter/index.ts";

/**
 * The filter without what is the same for every resource of the type; a boolean where nothing else is left. So a search
 * never looks at a type of which nothing can match, such as groups with a userName or with the resourceType User.
 */
export function specialise(type: ResourceTypeName, filter: Filter): Filter | boolean {
  if ("and" in filter) return joined(type, filter.and, false, (and) => ({ and }));
  if ("or" in filter) return joined(type, filter.or, true, (or) => ({ or }));
  if ("not" in filter) {
    const inner = specialise(type, filter.not);
    return typeof inner === "boolean" ? !inner : { not: inner };
  }
  const path = "compare" in filter ? filter.compare.path : "present" in filter ? filter.present : undefined;
  const read = path ?? ("valuePath" in filter ? filter.valuePath.attribute : undefined);
  // "For filtered attributes that are not part of a particular resource type, the service provider SHALL treat the
  // attribute as if there is no attribute value."
  if (read && !belongsTo(type, read)) return matches(filter, {});
  return path?.attribute === "meta" && path.sub === "resourceType"
    ? matches(filter, { meta: { resourceType: type } })
    : filter;
}

function joined(
  type: ResourceTypeName,
  terms: readonly Filter[],
  deciding: boolean,
  join: (terms: readonly Filter[]) => Filter,
): Filter | boolean {
  const left = terms.map((term) => specialise(type, term)).filter((term) => term !== !deciding);
  if (left.includes(deciding)) return deciding;
  const filters = left.filter((term) => typeof term !== "boolean");
  return filters.length > 1 ? join(filters) : (filters[0] ?? !deciding);
}

function belongsTo(name: ResourceTypeName, { schema }: AttrPath): boolean {
  const { core, extensions } = resourceType(name);
  return core.id === schema || extensions.some(({ id }) => id === schema);
}
