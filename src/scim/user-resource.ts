/** /Users: from the message to the use case and back (RFC 7644 §3.3 to §3.6). */
import type { UserView } from "../db/users.ts";
import { matchesTag } from "../provisioning/preconditions.ts";
import * as useCases from "../provisioning/users.ts";
import type { Answer, Operations } from "./answer.ts";
import { list } from "./list/index.ts";
import { passwordOfBody, passwordOfPatch } from "./password.ts";
import { applyPatch, parsePatch } from "./patch/index.ts";
import { toSelection } from "./projection.ts";
import type { ScimQuery } from "./query.ts";
import { renderUser, toText } from "./render.ts";
import { contextOf, type Scope } from "./scope.ts";
import { forgetTotal } from "./totals.ts";
import { toUserDoc } from "./validate.ts";

export const users: Operations = {
  type: "User",
  endpoint: "/Users",

  /** RFC 7644 §3.4.2. */
  list: (scope, query) => list(scope, ["User"], query),

  /** RFC 7644 §3.4.1. An inactive user stays visible. */
  async get(scope, id, query, { ifNoneMatch }) {
    const view = await useCases.getUser(scope.deps, contextOf(scope), id);
    if (ifNoneMatch !== undefined && matchesTag(ifNoneMatch, view.version)) {
      return { status: 304, version: view.version };
    }
    return toAnswer(scope, view, query);
  },

  /** RFC 7644 §3.3: 201 with the resource and its Location. */
  async create(scope, body, query) {
    const password = await withStanding(scope, passwordOfBody(body));
    const view = await useCases.createUser(scope.deps, contextOf(scope), toUserDoc(body, { active: true }), password);
    forgetTotal(scope, "User");
    return { ...toWritten(scope, view, query), status: 201 };
  },

  /** RFC 7644 §3.5.1. USR-8: an absent `active` stays as it was. */
  async replace(scope, id, body, query, conditions) {
    const change = (current: UserView["doc"]) => toUserDoc(body, { active: current.active, id });
    const options = { ...conditions, ...passwordOfBody(body) };
    const view = await useCases.changeUser(scope.deps, contextOf(scope), id, change, options);
    return toWritten(scope, view, query);
  },

  /** RFC 7644 §3.5.2: 200 with the resource, which tells the client what was decided of its change. */
  async patch(scope, id, body, query, conditions) {
    const operations = parsePatch(body);
    const change = (current: UserView["doc"]) => applyPatch(current, operations, { id });
    const options = { ...conditions, ...passwordOfPatch(operations) };
    const view = await useCases.changeUser(scope.deps, contextOf(scope), id, change, options);
    return toWritten(scope, view, query);
  },

  /** RFC 7644 §3.6. */
  async delete(scope, id, conditions) {
    await useCases.deleteUser(scope.deps, contextOf(scope), id, conditions);
    forgetTotal(scope, "User");
    return { status: 204 };
  },
};

/** A hash is dear: nobody has one computed whose credential may have been taken away a moment ago. */
async function withStanding<Said extends { password?: string }>(scope: Scope, said: Said): Promise<Said> {
  if (said.password !== undefined) await scope.confirm();
  return said;
}

function toAnswer(scope: Scope, view: UserView, query: ScimQuery): Answer {
  const { baseUrl } = scope;
  const text = toText(renderUser(view, baseUrl), toSelection("User", query));
  return { status: 200, text, location: `${baseUrl}/Users/${view.id}`, version: view.version };
}

/** The answer to a write, which the provisioning log keeps with what was decided. */
function toWritten(scope: Scope, view: UserView, query: ScimQuery): Answer {
  scope.answer = renderUser(view, scope.baseUrl);
  scope.decision = { status: view.status, role: view.role, license: view.license };
  return toAnswer(scope, view, query);
}
