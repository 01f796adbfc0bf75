/** Where the attributes of a User lie. The table's alias is `u`. */
import { type RawBuilder, type SqlBool, sql } from "kysely";
import { nestingDepthMax } from "../../db/users.ts";
import type { AttrPath } from "../../vocabulary/attributes.ts";
import { normaliseName } from "../../vocabulary/names.ts";
import { ENTERPRISE_USER, USER, USHER_USER } from "../../vocabulary/urns.ts";
import { always, type Condition, isUuid, never, type Scalar } from "./compare.ts";
import { inDocument, type List, type Locate, type Source } from "./source.ts";

export function locateInUsers(tenantId: string): Locate {
  return (path) => {
    if (path.schema === USER) return locateCore(path, tenantId);
    if (path.schema === USHER_USER) {
      return locateUsher(path, tenantId) ?? inDocument(sql`(u.doc -> ${sql.lit(USHER_USER)})`, path);
    }
    return inDocument(sql`(u.doc -> ${sql.lit(path.schema)})`, path);
  };
}

function locateCore(path: AttrPath, tenantId: string): Source | undefined {
  switch (path.attribute) {
    case "id":
      return { shape: "single", kind: "id", value: sql`u.id`, assigned: true };
    case "externalId":
      return { shape: "single", kind: "text", value: sql`u.external_id` };
    case "userName":
      return { shape: "single", kind: "normalised", value: sql`u.user_name_norm`, assigned: true };
    case "displayName":
      return { shape: "single", kind: "normalised", value: sql`u.display_name_norm` };
    case "active":
      return { shape: "single", kind: "boolean", value: sql`u.active` };
    case "meta":
      return { shape: "object", present: always, sub: (name) => metaOf(name, tenantId) };
    case "schemas":
      return schemas;
    case "emails":
      return { ...(inDocument(sql`u.doc`, path) as List), find: findByEmail };
    case "groups":
      return groupsOf(tenantId);
    default:
      return inDocument(sql`u.doc`, path);
  }
}

function locateUsher(path: AttrPath, tenantId: string): Source | undefined {
  switch (path.attribute) {
    case "status":
      return { shape: "single", kind: "text", value: sql`u.status` };
    case "effectiveRole":
      return { shape: "single", kind: "text", value: sql`u.role` };
    case "startDate":
      return { shape: "single", kind: "instant", value: sql`u.starts_at` };
    case "endDate":
      return { shape: "single", kind: "instant", value: sql`u.ends_at` };
    case "license":
      return { shape: "object", present: always, sub: (name) => licenseOf(name, tenantId) };
    case "teams":
      return teamsOf(tenantId);
    default:
      return undefined;
  }
}

/** The user's seat and place in the queue are one row each at most. */
function ofSeat(column: RawBuilder<unknown>, tenantId: string): RawBuilder<unknown> {
  return sql`(select ${column} from seats s where s.tenant_id = ${tenantId} and s.user_id = u.id)`;
}

function ofQueue(column: RawBuilder<unknown>, tenantId: string): RawBuilder<unknown> {
  return sql`(select ${column} from waitlist w where w.tenant_id = ${tenantId} and w.user_id = u.id)`;
}

/** As `toView` of db/users.ts puts it: a seat that comes by itself modifies its user. `location` depends on the request. */
function metaOf(name: string, tenantId: string): Scalar | undefined {
  const [seat, queue] = [ofSeat(sql`s.since`, tenantId), ofQueue(sql`w.since`, tenantId)];
  const seatMark = ofSeat(sql`'.' || s.tier || '-' || s.no`, tenantId);
  const queueMark = ofQueue(sql`'.q-' || w.tier`, tenantId);
  switch (name) {
    case "resourceType":
      return { kind: "text", value: sql`'User'` };
    case "created":
      return { kind: "instant", value: sql`u.created_at`, assigned: true };
    case "lastModified":
      return { kind: "instant", value: sql`greatest(u.modified_at, coalesce(${seat}, ${queue}))` };
    case "version":
      return {
        kind: "text",
        value: sql`('W/"' || u.version || coalesce(${seatMark}, '') || coalesce(${queueMark}, '') || '"')`,
      };
    default:
      return undefined;
  }
}

const schemas: List = {
  shape: "list",
  from: sql`unnest(array[${sql.lit(USER)}, ${sql.lit(USHER_USER)}] || case
    when u.doc ? ${sql.lit(ENTERPRISE_USER)} then array[${sql.lit(ENTERPRISE_USER)}] else '{}' end) as e (value)`,
  present: always,
  sub: (name) => (name === undefined ? { kind: "text", value: sql`e.value` } : undefined),
  order: sql`e.value`,
};

/** Every address of a user stands normalised in one column with an inverted index. */
function findByEmail(sub: string | undefined, value: string): Condition | undefined {
  return sub === "value" ? sql<SqlBool>`u.emails @> array[${normaliseName(value)}::text]` : undefined;
}

function licenseOf(name: string, tenantId: string): Scalar | undefined {
  const [seatTier, queueTier] = [ofSeat(sql`s.tier`, tenantId), ofQueue(sql`w.tier`, tenantId)];
  switch (name) {
    case "tier":
      return { kind: "text", value: seatTier };
    case "wanted":
      return { kind: "text", value: queueTier };
    case "status":
      return {
        kind: "text",
        value: sql`(case when ${seatTier} is not null then 'assigned' when ${queueTier} is not null then 'waitlisted' else 'none' end)`,
      };
    case "position":
      return { kind: "number", value: ofQueue(position, tenantId) };
    case "since":
      return {
        kind: "instant",
        value: sql`coalesce(${ofSeat(sql`s.since`, tenantId)}, ${ofQueue(sql`w.since`, tenantId)})`,
      };
    default:
      return undefined;
  }
}

const position = sql`(select count(*) from waitlist x where x.tenant_id = w.tenant_id and x.tier = w.tier
  and (x.priority > w.priority or x.priority = w.priority and x.ticket <= w.ticket))`;

/** The user's groups and those above them (TEAM-5), as `groups` shows them. */
function groupsOf(tenantId: string): List {
  return {
    shape: "list",
    from: sql`(
      with recursive above (id, depth) as (
        select m.group_id, 0 from group_members m where m.tenant_id = ${tenantId} and m.user_id = u.id
        union
        select c.parent_id, a.depth + 1 from above a
        join group_children c on c.tenant_id = ${tenantId} and c.child_id = a.id where a.depth < ${sql.lit(nestingDepthMax)})
      select g.id, g.display_name, g.display_name_norm, case min(a.depth) when 0 then 'direct' else 'indirect' end as type
      from above a join groups g on g.tenant_id = ${tenantId} and g.id = a.id group by g.id, g.display_name, g.display_name_norm
    ) as e`,
    present: always,
    sub: (name) => {
      if (name === "value") return { kind: "id", value: sql`e.id` };
      if (name === "display") return { kind: "normalised", value: sql`e.display_name_norm` };
      return name === "type" ? { kind: "text", value: sql`e.type` } : undefined;
    },
    find: (sub, value) => {
      const id = value.toLowerCase();
      if (sub === "value") return isUuid(id) ? inGroup(sql`select ${id}::uuid`, tenantId) : never;
      if (sub !== "display") return undefined;
      const name = normaliseName(value);
      return inGroup(
        sql`select g.id from groups g where g.tenant_id = ${tenantId} and g.display_name_norm = ${name}`,
        tenantId,
      );
    },
    order: sql`e.id`,
  };
}

/** From the group down to its members, so that the cost is that of the group and not of all users. */
function inGroup(group: RawBuilder<unknown>, tenantId: string): Condition {
  return sql<SqlBool>`u.id in (
    with recursive below (id, depth) as (
      select i.*, 0 from (${group}) i
      union
      select c.child_id, b.depth + 1 from below b
      join group_children c on c.tenant_id = ${tenantId} and c.parent_id = b.id where b.depth < ${sql.lit(nestingDepthMax)})
    select m.user_id from group_members m join below b on b.id = m.group_id where m.tenant_id = ${tenantId})`;
}

/** TEAM-1, TEAM-3, TEAM-4: as `teams` of db/users.ts. */
function teamsOf(tenantId: string): List {
  return {
    shape: "list",
    from: sql`(
      with recursive above (id, depth) as (
        select m.group_id, 0 from group_members m where m.tenant_id = ${tenantId} and m.user_id = u.id
        union
        select c.parent_id, a.depth + 1 from above a
        join group_children c on c.tenant_id = ${tenantId} and c.child_id = a.id where a.depth < ${sql.lit(nestingDepthMax)})
      select t.id, t.name_norm, t.kind from teams t where t.tenant_id = ${tenantId} and u.status = 'active'
        and t.archived_at is null and t.id in (
        select b.team_id from group_bindings b where b.tenant_id = ${tenantId} and b.group_id in (select id from above)
        union select o.id from teams o where o.tenant_id = ${tenantId} and o.group_id in (select id from above)
          and not exists (select from group_bindings b
            where b.tenant_id = ${tenantId} and b.group_id = o.group_id and b.team_id is not null)
        union select m.team_id from team_members m where m.tenant_id = ${tenantId} and m.user_id = u.id)
    ) as e`,
    present: always,
    sub: (name) => {
      if (name === "value") return { kind: "id", value: sql`e.id` };
      if (name === "display") return { kind: "normalised", value: sql`e.name_norm` };
      return name === "kind" ? { kind: "text", value: sql`e.kind` } : undefined;
    },
    order: sql`e.name_norm`,
  };
}
