/** Where the attributes of a Group lie. The table's alias is `g`. */
import { type SqlBool, sql } from "kysely";
import type { AttrPath } from "../../vocabulary/attributes.ts";
import { GROUP, USHER_GROUP } from "../../vocabulary/urns.ts";
import { always, isUuid, never, type Scalar } from "./compare.ts";
import { inDocument, type List, type Locate, type Source } from "./source.ts";

export function locateInGroups(tenantId: string): Locate {
  return (path) => (path.schema === GROUP ? locateCore(path, tenantId) : locateUsher(path, tenantId));
}

function locateCore(path: AttrPath, tenantId: string): Source | undefined {
  switch (path.attribute) {
    case "id":
      return { shape: "single", kind: "id", value: sql`g.id`, assigned: true };
    case "externalId":
      return { shape: "single", kind: "text", value: sql`g.external_id` };
    case "displayName":
      return { shape: "single", kind: "normalised", value: sql`g.display_name_norm`, assigned: true };
    case "meta":
      return { shape: "object", present: always, sub: metaOf };
    case "schemas":
      return schemas;
    case "members":
      return membersOf(tenantId);
    default:
      return inDocument(sql`g.doc`, path);
  }
}

/** `location` depends on the request, so the database knows nothing of it. */
function metaOf(name: string): Scalar | undefined {
  switch (name) {
    case "resourceType":
      return { kind: "text", value: sql`'Group'` };
    case "created":
      return { kind: "instant", value: sql`g.created_at`, assigned: true };
    case "lastModified":
      return { kind: "instant", value: sql`g.modified_at` };
    case "version":
      return { kind: "text", value: sql`('W/"' || g.version || '"')` };
    default:
      return undefined;
  }
}

const schemas: List = {
  shape: "list",
  from: sql`unnest(array[${sql.lit(GROUP)}, ${sql.lit(USHER_GROUP)}]) as e (value)`,
  present: always,
  sub: (name) => (name === undefined ? { kind: "text", value: sql`e.value` } : undefined),
  order: sql`e.value`,
};

function membersOf(tenantId: string): List {
  return {
    shape: "list",
    from: sql`(
      select m.user_id as id, 'User' as type from group_members m where m.tenant_id = ${tenantId} and m.group_id = g.id
      union all
      select c.child_id, 'Group' from group_children c where c.tenant_id = ${tenantId} and c.parent_id = g.id
    ) as e`,
    present: always,
    sub: (name) => {
      if (name === "value") return { kind: "id", value: sql`e.id` };
      return name === "type" ? { kind: "text", value: sql`e.type` } : undefined;
    },
    // From the member to its groups, which are few, instead of through every group's members.
    find: (sub, value) => {
      if (sub !== "value") return undefined;
      const id = value.toLowerCase();
      if (!isUuid(id)) return never;
      return sql<SqlBool>`g.id = any (array(
        select m.group_id from group_members m where m.tenant_id = ${tenantId} and m.user_id = ${id}::uuid
        union all
        select c.parent_id from group_children c where c.tenant_id = ${tenantId} and c.child_id = ${id}::uuid))`;
    },
    order: sql`e.id`,
  };
}

/** The team that the group feeds, as db/groups.ts finds it. What the mapping grants is not in the database. */
function locateUsher(path: AttrPath, tenantId: string): Source | undefined {
  if (path.attribute !== "team") return undefined;
  const team = (column: "id" | "name_norm" | "kind") => sql`(
    select t.${sql.ref(column)} from teams t where t.tenant_id = ${tenantId} and t.id = coalesce(
      (select b.team_id from group_bindings b where b.tenant_id = ${tenantId} and b.group_id = g.id and b.team_id is not null
        order by b.entry_key limit 1),
      (select o.id from teams o where o.tenant_id = ${tenantId} and o.group_id = g.id)))`;
  return {
    shape: "object",
    present: sql<SqlBool>`${team("id")} is not null`,
    sub: (name) => {
      if (name === "value") return { kind: "id", value: team("id") };
      if (name === "display") return { kind: "normalised", value: team("name_norm") };
      return name === "kind" ? { kind: "text", value: team("kind") } : undefined;
    },
  };
}
