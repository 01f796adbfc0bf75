/** What a caller is shown of a user who has just been written, from what is known, without reading it again. */
import type { License } from "../db/user-writes.ts";
import { etagOf, type StoredUser, type UserAccount } from "../db/users.ts";
import type { Decision } from "../domain/decide.ts";
import type { UserState } from "../domain/model.ts";
import type { RequestContext } from "./context.ts";

/** What `insertUser` has made, from what is known; for users who wait for nothing. */
export function newView(
  id: string,
  decision: Decision,
  license: License,
  now: Date,
  door: RequestContext["door"] = "scim",
): UserAccount {
  const at = now.toISOString();
  return {
    id,
    doc: decision.draft.doc,
    status: decision.status,
    role: decision.role.key,
    roleSource: decision.roleSource,
    tierSource: decision.tierSource,
    rolePin: null,
    tierPinned: false,
    tierPin: null,
    suspended: false,
    administrative: false,
    license: {
      tier: license.tier,
      status: license.status,
      wanted: null,
      position: null,
      since: license.tier === null ? null : at,
    },
    teams: [],
    groups: [],
    spent: null,
    source: door,
    invitationExpiresAt: decision.draft.accepted ? null : decision.draft.invitationExpiresAt,
    sessionsNotBefore: null,
    version: etagOf(1, license.tier, license.no, null),
    createdAt: at,
    modifiedAt: at,
  };
}

/** The user after a plain write, from what is known; undefined where teams or the place in a queue must be looked up. */
export function nextView(
  { state, view }: StoredUser,
  decision: Decision,
  license: License | null,
  version: number,
  now: Date,
  door: RequestContext["door"],
): UserAccount | undefined {
  if (decision.status === "active" && view.status !== "active") return undefined;
  if (license !== null && license.status !== "none") return undefined;
  const { draft } = decision;
  const at = now.toISOString();
  const noSeat = { tier: null, status: "none", wanted: null, position: null, since: null } as const;
  const seat = license === null ? state.seat : null;
  return {
    ...view,
    doc: draft.doc,
    status: decision.status,
    role: decision.role.key,
    roleSource: decision.roleSource,
    tierSource: decision.tierSource,
    rolePin: draft.rolePin,
    tierPinned: draft.tierPin.pinned,
    tierPin: draft.tierPin.pinned ? draft.tierPin.value : null,
    suspended: draft.suspended,
    administrative: decision.administrative,
    source: door === "scim" ? "scim" : view.source,
    invitationExpiresAt: draft.accepted ? null : draft.invitationExpiresAt,
    sessionsNotBefore: decision.status === "inactive" && view.status !== "inactive" ? at : view.sessionsNotBefore,
    license: license === null ? view.license : noSeat,
    teams: decision.status === "active" ? view.teams : [],
    version: etagOf(
      version,
      seat?.tier ?? null,
      seat?.no ?? null,
      license === null ? (state.waiting?.tier ?? null) : null,
    ),
    modifiedAt: at,
  };
}

export function etagOfState({ version, seat, waiting }: UserState): string {
  return etagOf(version, seat?.tier ?? null, seat?.no ?? null, waiting?.tier ?? null);
}
