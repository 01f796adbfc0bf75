/** /Groups: from the message to the use case and back (RFC 7644 §3.3 to §3.6). Members are read only where they are shown. */
import * as groups from "../provisioning/groups.ts";
import { listGroupViews } from "./list.ts";
import { parsePatch, toGroupChanges } from "./patch/index.ts";
import { type Selection, selects, toSelection } from "./projection.ts";
import type { ScimQuery } from "./query.ts";
import { renderGroup, toGroupText, toListResponse } from "./render.ts";
import { contextOf, type Scope } from "./scope.ts";
import { forgetTotal } from "./totals.ts";
import { toGroupInput, toGroupReplacement } from "./validate.ts";

type Body = Readonly<Record<string, unknown>>;

/** RFC 7644 §3.4.2. */
export async function listGroups(scope: Scope, query: ScimQuery): Promise<string> {
  const selection = toSelection("Group", query);
  const page = await listGroupViews(scope, query, { members: selects(selection, "members") });
  const resources = page.views.map((view) => toGroupText(view, scope.baseUrl, selection));
  return toListResponse(resources, page);
}

/** RFC 7644 §3.4.1. `excludedAttributes=members` costs nothing of the members, however many there are. */
export async function getGroup(scope: Scope, id: string, query: ScimQuery): Promise<string> {
  return await read(scope, id, toSelection("Group", query));
}

/** RFC 7644 §3.3: 201 with the resource and its Location. */
export async function createGroup(scope: Scope, body: Body, query: ScimQuery): Promise<string> {
  const input = toGroupInput(body);
  const { id, skipped } = await groups.createGroup(scope.deps, contextOf(scope), {
    ...input,
    members: input.members ?? [],
  });
  forgetTotal(scope, "Group");
  noteSkipped(scope, skipped);
  scope.response.location(`${scope.baseUrl}/Groups/${id}`);
  return await read(scope, id, toSelection("Group", query));
}

/** RFC 7644 §3.5.1. */
export async function replaceGroup(scope: Scope, id: string, body: Body, query: ScimQuery): Promise<string> {
  const { skipped } = await groups.changeGroup(scope.deps, contextOf(scope), id, toGroupReplacement(body, { id }));
  noteSkipped(scope, skipped);
  return await read(scope, id, toSelection("Group", query));
}

/** RFC 7644 §3.5.2: 204. Entra asks not to be sent all members, and one changed member must not cost 100,000. */
export async function patchGroup(scope: Scope, id: string, body: Body): Promise<undefined> {
  const changes = toGroupChanges(parsePatch(body), { id });
  const { skipped } = await groups.changeGroup(scope.deps, contextOf(scope), id, changes);
  noteSkipped(scope, skipped);
}

/** RFC 7644 §3.6: the members stay, as users. */
export async function deleteGroup(scope: Scope, id: string): Promise<void> {
  await groups.deleteGroup(scope.deps, contextOf(scope), id);
  forgetTotal(scope, "Group");
}

async function read(scope: Scope, id: string, selection: Selection): Promise<string> {
  const members = selects(selection, "members");
  const view = await groups.getGroup(scope.deps, contextOf(scope), id, { members });
  if (scope.response.req.method !== "GET") scope.answer = renderGroup(view, scope.baseUrl);
  return toGroupText(view, scope.baseUrl, selection);
}

/** TEAM-5: ids that named nobody cost the others nothing, but the administrator can find them in the provisioning log. */
function noteSkipped(scope: Scope, skipped: readonly string[] | undefined): void {
  if (skipped !== undefined && skipped.length > 0) scope.decision = { skippedMembers: skipped };
}
