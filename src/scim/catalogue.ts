/**
 * /Roles and /Entitlements (draft-ietf-scim-roles-entitlements-01): what a client may write into a user's `roles` and
 * `entitlements`, for tools that let people choose. Read-only, evaluated in memory: a tenant has 500 roles at most.
 */
import { Problem } from "../problems.ts";
import { matchesTag } from "../provisioning/preconditions.ts";
import { type AttrPath, type ReadableTypeName, resolveName } from "../vocabulary/attributes.ts";
import { matches, parseFilter } from "../vocabulary/filter/index.ts";
import { member } from "../vocabulary/json.ts";
import { normaliseName } from "../vocabulary/names.ts";
import { ENTITLEMENT, OKTA_ENTITLEMENT, OKTA_ROLE, ROLE } from "../vocabulary/urns.ts";
import type { Answer, Preconditions } from "./answer.ts";
import { cutPage } from "./catalogue-page.ts";
import { type CatalogueRow, readRoles, readTiers } from "./catalogue-rows.ts";
import { entityTag } from "./entity-tag.ts";
import { toSelection } from "./projection.ts";
import type { ScimQuery } from "./query.ts";
import { type Rendered, toListResponse, toText } from "./render.ts";
import type { Scope } from "./scope.ts";

/** A resource type that is only read. */
export interface Catalogue {
  readonly endpoint: string;
  list(scope: Scope, query: ScimQuery, conditions?: Preconditions): Promise<Answer>;
  /** Problem `notFound`. */
  get(scope: Scope, id: string, query: ScimQuery, conditions: Preconditions): Promise<Answer>;
}

interface Published {
  readonly type: Exclude<ReadableTypeName, "User" | "Group">;
  readonly endpoint: string;
  readonly schema: string;
  /** All rows as this request may see them, highest rank first. */
  read(scope: Scope): Promise<CatalogueRow[]>;
  /** What of a row this type shows. */
  show(row: CatalogueRow): Rendered;
}

const inFull = (row: CatalogueRow): Rendered => ({ ...row });
/** `displayName` is Okta's word for `display`; see okta-entitlements-discovery in test/fixtures/clients. */
const asOktaReads = ({ display, type }: CatalogueRow): Rendered => ({ displayName: display, type });

/**
 * The same rows under the draft's schemas and under Okta's, at an endpoint each: strict clients (scim2-client) take no two
 * resource types for one endpoint, and Okta asks wherever /ResourceTypes sends it.
 */
export const catalogues: readonly Catalogue[] = [
  toCatalogue({ type: "Role", endpoint: "/Roles", schema: ROLE, read: readRoles, show: inFull }),
  toCatalogue({ type: "Entitlement", endpoint: "/Entitlements", schema: ENTITLEMENT, read: readTiers, show: inFull }),
  toCatalogue({ type: "OktaRole", endpoint: "/OktaRoles", schema: OKTA_ROLE, read: readRoles, show: asOktaReads }),
  toCatalogue({
    type: "OktaEntitlement",
    endpoint: "/OktaEntitlements",
    schema: OKTA_ENTITLEMENT,
    read: readTiers,
    show: asOktaReads,
  }),
];

function toCatalogue(published: Published): Catalogue {
  const { type, endpoint, read } = published;
  return {
    endpoint,

    async list(scope, query, { ifNoneMatch } = {}) {
      const filter = query.filter === undefined ? undefined : parseFilter(type, query.filter);
      const order = query.sortBy === undefined ? undefined : orderBy(type, query.sortBy, query.sortOrder);
      const selection = toSelection(type, query);
      const all = (await read(scope)).map((row) => render(published, row, scope.baseUrl));
      const found = filter === undefined ? all : all.filter((resource) => matches(filter, resource));
      const { page, totals } = cutPage(scope, endpoint, query, order === undefined ? found : found.toSorted(order));
      const texts = page.map((resource) => toText(resource, selection));
      const text = toListResponse(texts, totals);
      return unlessKnown(ifNoneMatch, { status: 200, text, version: entityTag(text) });
    },

    async get(scope, id, query, { ifNoneMatch }) {
      const row = (await read(scope)).find(({ value }) => value === id);
      if (row === undefined) throw new Problem("notFound", `${endpoint} has nothing of this id; the list shows all.`);
      const resource = render(published, row, scope.baseUrl);
      const text = toText(resource, toSelection(type, query));
      return unlessKnown(ifNoneMatch, { status: 200, text, version: versionOf(row) });
    },
  };
}

/** RFC 7644 §3.14: 304 where the client has this version already. */
function unlessKnown(ifNoneMatch: string | undefined, answer: Answer & { version: string }): Answer {
  const { version } = answer;
  return ifNoneMatch !== undefined && matchesTag(ifNoneMatch, version) ? { status: 304, version } : answer;
}

/**
 * The key is the id: it never changes, it is what a user's `roles` and `entitlements` name, and Okta writes the `id` of an
 * entitlement as the `value` of a user's.
 */
function render({ type, endpoint, schema, show }: Published, row: CatalogueRow, baseUrl: string): Rendered {
  const location = `${baseUrl}${endpoint}/${encodeURIComponent(row.value)}`;
  const meta = { resourceType: type, location, version: versionOf(row) };
  return { schemas: [schema], id: row.value, ...show(row), meta };
}

/**
 * From the row as this credential sees it: counts and what may be granted move without any edit of the catalogue, so the
 * version of the rules would not tell. Weak, because an answer may show a part.
 */
function versionOf(row: CatalogueRow): string {
  return `W/${entityTag(JSON.stringify(row))}`;
}

/** RFC 7644 §3.4.2.3. Resources without the value come last in ascending order, as in the other lists. */
function orderBy(type: ReadableTypeName, sortBy: string, sortOrder: ScimQuery["sortOrder"]) {
  const found = resolveName(type, sortBy);
  const leaf = found.kind === "attribute" ? (found.sub ?? found.attribute) : undefined;
  if (found.kind !== "attribute" || leaf === undefined || leaf.type === "complex" || found.attribute.multiValued) {
    throw new Problem("invalidValue", `sortBy must name an attribute of a ${type} that has an order.`);
  }
  const direction = sortOrder === "descending" ? -1 : 1;
  const keyOf = (resource: Rendered) => {
    const value = valueAt(resource, found.path);
    return typeof value === "string" && !leaf.caseExact ? normaliseName(value) : value;
  };
  return (one: Rendered, other: Rendered) => direction * compare(keyOf(one), keyOf(other));
}

function valueAt(resource: Rendered, { attribute, sub }: AttrPath): unknown {
  const value = member(resource, attribute);
  return sub === undefined ? value : member(value, sub);
}

function compare(one: unknown, other: unknown): number {
  if (one === other) return 0;
  if (one === undefined || other === undefined) return one === undefined ? 1 : -1;
  return (one as string) < (other as string) ? -1 : 1;
}
