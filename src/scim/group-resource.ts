/** /Groups: from the message to the use case and back (RFC 7644 §3.3 to §3.6). Members are read only where they are shown. */
import * as useCases from "../provisioning/groups.ts";
import { matchesTag } from "../provisioning/preconditions.ts";
import type { Answer, Operations } from "./answer.ts";
import { list } from "./list/index.ts";
import { parsePatch, toGroupChanges } from "./patch/index.ts";
import { selects, toSelection } from "./projection.ts";
import type { ScimQuery } from "./query.ts";
import { renderGroup, toGroupText } from "./render.ts";
import { contextOf, type Scope } from "./scope.ts";
import { forgetTotal } from "./totals.ts";
import { toGroupInput, toGroupReplacement } from "./validate.ts";

export const groups: Operations = {
  type: "Group",
  endpoint: "/Groups",

  /** RFC 7644 §3.4.2. */
  list: (scope, query) => list(scope, ["Group"], query),

  /** RFC 7644 §3.4.1. `excludedAttributes=members` costs nothing of the members, however many there are. */
  async get(scope, id, query, { ifNoneMatch }) {
    if (ifNoneMatch !== undefined) {
      // Whoever has this version already must not cost the members either.
      const { version } = await useCases.getGroup(scope.deps, contextOf(scope), id, { members: false });
      if (matchesTag(ifNoneMatch, version)) return { status: 304, version };
    }
    return await toAnswer(scope, id, query);
  },

  /** RFC 7644 §3.3: 201 with the resource and its Location. */
  async create(scope, body, query) {
    const input = toGroupInput(body);
    const group = { ...input, members: input.members ?? [] };
    const { id, skipped } = await useCases.createGroup(scope.deps, contextOf(scope), group);
    forgetTotal(scope, "Group");
    noteSkipped(scope, skipped);
    return { ...(await toWritten(scope, id, query)), status: 201 };
  },

  /** RFC 7644 §3.5.1. */
  async replace(scope, id, body, query, conditions) {
    const changes = toGroupReplacement(body, { id });
    const { skipped } = await useCases.changeGroup(scope.deps, contextOf(scope), id, changes, conditions);
    noteSkipped(scope, skipped);
    return await toWritten(scope, id, query);
  },

  /** RFC 7644 §3.5.2: 204. Entra asks not to be sent all members, and one changed member must not cost 100,000. */
  async patch(scope, id, body, query, conditions) {
    const changes = toGroupChanges(parsePatch(body), { id });
    const { skipped, version } = await useCases.changeGroup(scope.deps, contextOf(scope), id, changes, conditions);
    noteSkipped(scope, skipped);
    // "The server MUST return a 200 OK if the "attributes" parameter is specified in the request."
    if (query.attributes !== undefined) return await toWritten(scope, id, query);
    return { status: 204, location: locationOf(scope, id), version };
  },

  /** RFC 7644 §3.6: the members stay, as users. */
  async delete(scope, id, conditions) {
    await useCases.deleteGroup(scope.deps, contextOf(scope), id, conditions);
    forgetTotal(scope, "Group");
    return { status: 204 };
  },
};

async function toAnswer(scope: Scope, id: string, query: ScimQuery): Promise<Answer & { view: useCases.GroupView }> {
  const selection = toSelection("Group", query);
  const members = selects(selection, "members");
  const view = await useCases.getGroup(scope.deps, contextOf(scope), id, { members });
  const text = toGroupText(view, scope.baseUrl, selection);
  return { status: 200, text, location: locationOf(scope, view.id), version: view.version, view };
}

/** The answer to a write, which the provisioning log keeps, but for the members. */
async function toWritten(scope: Scope, id: string, query: ScimQuery): Promise<Answer> {
  const { view, ...answer } = await toAnswer(scope, id, query);
  scope.answer = renderGroup(view, scope.baseUrl);
  return answer;
}

function locationOf({ baseUrl }: Scope, id: string): string {
  return `${baseUrl}/Groups/${id.toLowerCase()}`;
}

/** TEAM-5: ids that named nobody cost the others nothing, but the administrator can find them in the provisioning log. */
function noteSkipped(scope: Scope, skipped: readonly string[] | undefined): void {
  if (skipped !== undefined && skipped.length > 0) scope.decision = { skippedMembers: skipped };
}
