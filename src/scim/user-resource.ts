/** /Users: from the message to the use case and back (RFC 7644 §3.3 to §3.6). */
import type { UserView } from "../db/users.ts";
import * as users from "../provisioning/users.ts";
import { listUserViews } from "./list.ts";
import { applyPatch, parsePatch } from "./patch/index.ts";
import { toSelection } from "./projection.ts";
import type { ScimQuery } from "./query.ts";
import { renderUser, toListResponse, toText } from "./render.ts";
import { contextOf, type Scope } from "./scope.ts";
import { forgetTotal } from "./totals.ts";
import { toUserDoc } from "./validate.ts";

type Body = Readonly<Record<string, unknown>>;

/** RFC 7644 §3.4.2. */
export async function listUsers(scope: Scope, query: ScimQuery): Promise<string> {
  const selection = toSelection("User", query);
  const page = await listUserViews(scope, query);
  const resources = page.views.map((view) => toText(renderUser(view, scope.baseUrl), selection));
  return toListResponse(resources, page);
}

/** RFC 7644 §3.4.1. An inactive user stays visible. */
export async function getUser(scope: Scope, id: string, query: ScimQuery): Promise<string> {
  return render(scope, await users.getUser(scope.deps, contextOf(scope), id), query);
}

/** RFC 7644 §3.3: 201 with the resource and its Location. */
export async function createUser(scope: Scope, body: Body, query: ScimQuery): Promise<string> {
  const view = await users.createUser(scope.deps, contextOf(scope), toUserDoc(body, { active: true }));
  forgetTotal(scope, "User");
  scope.response.location(`${scope.baseUrl}/Users/${view.id}`);
  return renderWritten(scope, view, query);
}

/** RFC 7644 §3.5.1. USR-8: an absent `active` stays as it was. */
export async function replaceUser(scope: Scope, id: string, body: Body, query: ScimQuery): Promise<string> {
  const view = await users.changeUser(scope.deps, contextOf(scope), id, (current) =>
    toUserDoc(body, { active: current.active, id }),
  );
  return renderWritten(scope, view, query);
}

/** RFC 7644 §3.5.2: 200 with the resource, which tells the client what was decided of its change. */
export async function patchUser(scope: Scope, id: string, body: Body, query: ScimQuery): Promise<string> {
  const operations = parsePatch(body);
  const view = await users.changeUser(scope.deps, contextOf(scope), id, (current) =>
    applyPatch(current, operations, { id }),
  );
  return renderWritten(scope, view, query);
}

/** RFC 7644 §3.6. */
export async function deleteUser(scope: Scope, id: string): Promise<void> {
  await users.deleteUser(scope.deps, contextOf(scope), id);
  forgetTotal(scope, "User");
}

function render(scope: Scope, view: UserView, query: ScimQuery): string {
  return toText(renderUser(view, scope.baseUrl), toSelection("User", query));
}

function renderWritten(scope: Scope, view: UserView, query: ScimQuery): string {
  const rendered = renderUser(view, scope.baseUrl);
  scope.answer = rendered;
  scope.decision = { status: view.status, role: view.role, license: view.license };
  return toText(rendered, toSelection("User", query));
}
