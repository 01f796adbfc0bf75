/** What the product asks at every sign-in (OpenID AuthZEN 1.0): read in one statement, never stored. */

import { findUser, findUserByName } from "../db/users.ts";
import { type Evaluation, evaluateAccess as evaluate } from "../domain/evaluation.ts";
import { normaliseName } from "../vocabulary/names.ts";
import type { Deps } from "./context.ts";
import { isUuid } from "./users.ts";

export interface AccessRequest {
  readonly subject: { readonly type: string; readonly id: string };
  readonly action: { readonly name: string };
  readonly resource?: { readonly type: string; readonly id: string };
}

/** ROL-4: the answer by what is committed now. An unknown subject is answered like an inactive one. */
export async function evaluateAccess(deps: Deps, tenantId: string, request: AccessRequest): Promise<Evaluation> {
  const { subject } = request;
  const rules = await deps.rules.current(deps.db, tenantId);
  const stored =
    subject.type === "userName"
      ? await findUserByName(deps.db, tenantId, normaliseName(subject.id))
      : isUuid(subject.id)
        ? await findUser(deps.db, tenantId, subject.id)
        : undefined;
  const person = stored === undefined ? undefined : { state: stored.state, teams: stored.view.teams };
  const resource = request.resource ?? null;
  return evaluate(person, { action: request.action.name, resource }, rules, deps.clock());
}
