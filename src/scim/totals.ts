/**
 * How many users or groups a tenant has, remembered for a second: counting 100,000 rows takes longer than reading a page,
 * and a client that pages asks with every page. Own writes forget it; those of another process are seen within the second.
 */
import type { ResourceTypeName } from "../vocabulary/attributes.ts";
import { contextOf, type Scope } from "./scope.ts";

const rememberedMs = 1_000;
const tenantsMax = 1_000;

interface Total {
  readonly total: number;
  readonly until: number;
}

/** By type and tenant; tenants' ids are unique in the world, so databases need no telling apart. */
const memory = new Map<string, Total>();

/** The remembered total, or what `count` says now. */
export async function rememberTotal(
  scope: Scope,
  type: ResourceTypeName,
  count: () => Promise<number>,
): Promise<number> {
  const key = keyOf(scope, type);
  const known = memory.get(key);
  if (known !== undefined && known.until > performance.now()) return known.total;
  const before = writes;
  const total = await count();
  // A write of our own that committed while we counted may be missing from the count.
  if (before === writes) {
    if (memory.size >= tenantsMax) memory.clear();
    memory.set(key, { total, until: performance.now() + rememberedMs });
  }
  return total;
}

let writes = 0;

/** After a create or delete. */
export function forgetTotal(scope: Scope, type: ResourceTypeName): void {
  writes += 1;
  memory.delete(keyOf(scope, type));
}

function keyOf(scope: Scope, type: ResourceTypeName): string {
  return `${type} ${contextOf(scope).principal.tenantId}`;
}
